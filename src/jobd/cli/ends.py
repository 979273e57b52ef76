"""How jobs ended: waits until all of some jobs are over, and makes one exit code of their ends.

A few plain jobs are followed each by its own subscription, which the server answers with the job as it is, now and at each
reconnection. Many jobs, and arrays (whose elements get numbers of their own only when they start), are followed by the stream of all
events, which has no gaps. Either way a restart of the server is lived through.
"""

from collections.abc import Callable, Iterable, Sequence

from jobd import indexes
from jobd.cli import selection
from jobd.client import Client, Events, pages
from jobd.errors import NoSuchJob
from jobd.limits import IDS_MAX
from jobd.states import FINAL_STATES, JobState
from jobd.wire import messages as m
from jobd.wire.batch import JobId
from jobd.wire.left import count_left
from jobd.wire.topics import job_topic

FINAL = frozenset(state.value for state in FINAL_STATES)
FEW = 64  # jobs that are followed each by a subscription

# Called with each job that has come to its end, once.
Hear = Callable[[m.JobRow], None]


def wait_for(client: Client, jobs: Sequence["int | JobId"], hear: Hear | None = None) -> int:
    """Sleep until all of these jobs are over; the worst of their exit codes (`code_of`).

    Args:
        jobs: numbers (an array's number means all its elements) or selections (12_[1-4]).

    Raises:
        NoSuchJob: one is not known, or no longer.
        JobdError: there is no server to ask at the beginning.
    """
    wanted = [job if isinstance(job, JobId) else JobId(job) for job in jobs]
    hear = hear or (lambda row: None)
    if not wanted:
        return 0
    rows = list_rows(client, wanted)
    for job in wanted:
        if not any(selection.fits(job, row) for row in rows):
            raise unknown(job)
    if len(rows) <= FEW and not any(_is_of_array(row) for row in rows):
        return max(_followed(row.job_id, row.token, hear) for row in rows)
    return _Many(client, wanted, hear).run()


def code_of(row: m.JobRow) -> int:
    """The exit code that a shell would have of a finished job: its own, 128 + the signal; at least 1 where it did not complete."""
    if row.signal is not None:
        return 128 + row.signal
    code = row.exit_code or 0
    return code if code or row.state == JobState.COMPLETED.value else 1


def list_rows(client: Client, wanted: Sequence[JobId]) -> list[m.JobRow]:
    """These jobs, living and finished, elements of arrays included, by number. What is not known is left out."""
    found: dict[int, m.JobRow] = {}
    numbers = selection.numbers_of(wanted)
    for begin in range(0, len(numbers), IDS_MAX):
        part = numbers[begin : begin + IDS_MAX]
        # The living first: what ends between the two questions is found among the finished.
        for is_finished in (False, True):
            request = m.ListJobs(job_ids=part, is_finished=is_finished, is_with_arrays=True)
            for row in pages(client, request):
                if any(selection.fits(job, row) for job in wanted) if _has_runs(wanted) else True:
                    found[row.job_id] = row
    return [found[number] for number in sorted(found)]


def unknown(job: JobId) -> NoSuchJob:
    """The error for a job that is not known."""
    return NoSuchJob(f"no job {selection.text_of_id(job)} (Squeue lists the living, Sacct the finished)")


def _has_runs(wanted: Iterable[JobId]) -> bool:
    return any(job.runs for job in wanted)


def _is_of_array(row: m.JobRow) -> bool:
    return row.batch is not None and row.batch.array_id is not None


def _followed(job_id: int, token: str, hear: Hear) -> int:
    """One job's code, once it is over."""
    events = Events(job_topic(job_id))
    try:
        while True:
            event = events.wait()
            if not isinstance(event, m.Event):
                continue
            if event.job is None or event.job.token != token:
                raise NoSuchJob(f"job {job_id} is no longer remembered")
            if event.job.state in FINAL:
                hear(event.job)
                return code_of(event.job)
    finally:
        events.close()


class _Many:
    """Many jobs, or arrays: what is left of them, by the stream of all events."""

    def __init__(self, client: Client, wanted: list[JobId], hear: Hear) -> None:
        self._client = client
        self._wanted = wanted
        self._numbers = frozenset(selection.numbers_of(wanted))
        self._has_runs = _has_runs(wanted)
        self._hear = hear
        self._ended: set[int] = set()
        self._left = 0  # jobs, each waiting element of an array counted as one
        self._worst = 0

    def run(self) -> int:
        """The worst code, once all are over."""
        from jobd.cli.watch import Stream

        status: m.Status = self._client.request(m.Ask())
        self._look()
        self._client.close()
        if self._left == 0:
            return self._worst
        for event in Stream(tell=lambda text: None).events(status.last_seq):
            row = event.job
            if row is None or row.state not in FINAL or not self._is_wanted(row):
                continue
            self._take(row)
            # An event may tell of a job that the list had as over, or had not yet: the count may be too low, never too high.
            # So at nothing left the list has the last word.
            if self._left <= 0:
                self._look()
                self._client.close()
                if self._left == 0:
                    return self._worst
        raise AssertionError("the stream of events has no end")

    def _is_wanted(self, row: m.JobRow) -> bool:
        batch = row.batch
        if row.job_id not in self._numbers and (batch is None or batch.array_id not in self._numbers):
            return False
        return not self._has_runs or any(selection.fits(job, row) for job in self._wanted)

    def _take(self, row: m.JobRow) -> None:
        if row.job_id in self._ended:
            return
        self._ended.add(row.job_id)
        self._left -= _count(row)
        self._worst = max(self._worst, code_of(row))
        self._hear(row)

    def _look(self) -> None:
        """Count what is left, and take in what is over."""
        rows = list_rows(self._client, self._wanted)
        for row in rows:
            if row.state in FINAL:
                self._take(row)
        self._left = count_left(rows, self._wanted, FINAL)


def _count(row: m.JobRow) -> int:
    """How many jobs a row stands for."""
    if row.batch is None or not row.batch.tasks:
        return 1
    return indexes.parse(row.batch.tasks, index_max=selection.INDEX_MAX).count


__all__ = ["FINAL", "code_of", "list_rows", "unknown", "wait_for"]
