"""A job as callers hold it, and how callers name jobs. What it can do it asks of its client."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Union

from jobd.api import jobs as words
from jobd.api.jobs import End, end_of
from jobd.errors import Refused, UsageError
from jobd.states import JobState
from jobd.wire.batch import JobId
from jobd.wire.rows import JobRow

if TYPE_CHECKING:
    from jobd.api.client import Client

# A job as callers name it: itself, a row of a list, an end, its number, or "12_3".
JobLike = Union["Job", JobRow, End, int, str]


class Job:
    """A job, an array, or an element of an array. What is asked of it is asked of the server, until it is over."""

    def __init__(self, client: "Client", job_id: JobId) -> None:
        self._client = client
        self.job_id = job_id
        self._final: JobRow | None = None

    @property
    def id(self) -> int:
        """Its number; of an element, that of its array."""
        return self.job_id.job_id

    @property
    def array_index(self) -> int | None:
        """Of an element that was named by its index."""
        return self.job_id.runs[0][0] if self.job_id.runs else None

    @property
    def text(self) -> str:
        """12, or 12_3."""
        return words.text_of(self.job_id)

    def __getitem__(self, index: int) -> "Job":
        """The element of an array with that index."""
        if self.job_id.runs or not isinstance(index, int) or index < 0:
            raise UsageError(f"no element {index!r} of {self.text}")
        return Job(self._client, JobId(self.id, [[index, index, 1]]))

    def row(self) -> JobRow:
        """Everything that is known of it. Of an array that has begun: what still waits of it, or one of its elements.

        Raises:
            NoSuchJob: it is not known (any more).
        """
        if self._final is not None:
            return self._final
        rows = self._client.rows_of(self.job_id)
        row = next((row for row in rows if row.batch is not None and row.batch.tasks), None)
        row = row or next((row for row in rows if row.job_id == self.id), rows[0])
        if len(rows) == 1 and row.state in words.FINAL:
            self._final = row
        return row

    @property
    def state(self) -> JobState:
        """Its state; of an array: that of what still waits, else of an element."""
        return JobState(self.row().state)

    @property
    def is_over(self) -> bool:
        """Whether it (of an array: every element) is over."""
        return self._final is not None or all(
            row.state in words.FINAL for row in self._client.rows_of(self.job_id)
        )

    @property
    def exit_code(self) -> int | None:
        """Its exit code; None while it lives, and where a signal ended it."""
        return self.row().exit_code

    @property
    def signal(self) -> int | None:
        """The signal that ended it."""
        return self.row().signal

    @property
    def reason(self) -> str:
        """What it waits for, or why it ended."""
        return self.row().reason

    @property
    def output_path(self) -> str:
        """The file that it writes to.

        Raises:
            Refused: it has none.
        """
        batch = self.row().batch
        if batch is None or not batch.stdout:
            raise Refused(f"job {self.text} has no output file")
        return batch.stdout

    def wait(self, timeout_s: float | None = None) -> End:
        """Sleep until it is over; how it ended. Of an array: how its worst element did.

        Raises:
            NoSuchJob: it is not known.
            TimeoutError: the time is over.
        """
        if self._final is not None:
            return end_of(self._final)
        return max(self.ends(timeout_s), key=lambda end: end.code)

    def ends(self, timeout_s: float | None = None) -> list[End]:
        """Sleep until it is over; the end of each element, by index."""
        return self._client.wait(self, timeout_s)

    def output(self, *, is_error: bool = False, tail_bytes: int | None = None) -> str:
        """What it has written so far; `Client.output` has the words."""
        return self._client.output(self, is_error=is_error, tail_bytes=tail_bytes)

    def cancel(self) -> bool:
        """End it; whether it lived."""
        return bool(self._client.cancel(self))

    def send(self, signal: int | str, *, scope: str = "all") -> None:
        """Send a signal to its processes."""
        self._client.signal(self, signal, scope=scope)

    def hold(self) -> None:
        """Keep it from starting."""
        self._client.hold(self)

    def release(self) -> None:
        """Let it start."""
        self._client.release(self)

    def requeue(self, *, is_held: bool = False) -> None:
        """End it and queue it again."""
        self._client.requeue(self, is_held=is_held)

    def suspend(self) -> None:
        """Stop its processes."""
        self._client.suspend(self)

    def resume(self) -> None:
        """Let them go on."""
        self._client.resume(self)

    def update(self, **changes: Any) -> None:
        """Change what it asks for; `Client.update` has the words."""
        self._client.update(self, **changes)

    def __repr__(self) -> str:
        return f"<jobd.Job {self.text}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Job) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)


# ---- what is meant
def job_id_of(job: JobLike) -> JobId:
    """The job that a caller names.

    Raises:
        UsageError: it is none.
    """
    if isinstance(job, Job):
        return job.job_id
    if isinstance(job, JobRow | End):
        return JobId(job.job_id)
    if isinstance(job, int) and not isinstance(job, bool) and job > 0:
        return JobId(job)
    if isinstance(job, str):
        return words.parse(job)
    raise UsageError(f"{str(job)[:40]!r} is no job (a Job, a number, or 12_3)")


def job_ids_of(jobs: JobLike | Iterable[JobLike]) -> list[JobId]:
    """The jobs that a caller names: one, or several.

    Raises:
        UsageError: they are none.
    """
    if isinstance(jobs, Job | JobRow | End | int | str):
        return [job_id_of(jobs)]
    if not isinstance(jobs, Iterable):
        raise UsageError(f"{str(jobs)[:40]!r} is no job")
    return [job_id_of(job) for job in jobs]
