"""Waiting for the ends of jobs, asleep, through restarts of the server.

A few plain jobs are followed by subscriptions of their own, which the server answers with the job as it is, now and at each
reconnection. Many jobs, and arrays (whose elements get numbers of their own only when they start), are followed by the stream of all events.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import zmq

from jobd.client import Events
from jobd.errors import NoSuchJob
from jobd.limits import IDS_MAX
from jobd.states import FINAL_STATES
from jobd.stream import MISSED, EventStream
from jobd.wire import messages as m
from jobd.wire.batch import JobId
from jobd.wire.left import count_left, count_of, fits, numbers_of, text_of
from jobd.wire.rows import JobRow
from jobd.wire.topics import job_topic

FINAL = frozenset(state.value for state in FINAL_STATES)
FEW = 64  # jobs that are followed each by a subscription

Ask = Callable[[Any], Any]  # a request to its answer


def ends_of(
    ask: Ask,
    wanted: Sequence[JobId],
    timeout_s: float | None = None,
    before_sleep: Callable[[], None] = lambda: None,
) -> Iterator[JobRow]:
    """The row of each job (of an array: of each element) that is over, as they come.

    Args:
        before_sleep: called when nothing is asked for a while.

    Raises:
        NoSuchJob: one is not known, or no longer.
        TimeoutError: the time is over.
    """
    end_s = None if timeout_s is None else time.monotonic() + timeout_s
    wanted = _each_once(wanted)
    status: m.Status = ask(m.Ask())
    rows = rows_of(ask, wanted)
    before_sleep()
    for job in wanted if _is_odd(wanted, rows) else ():
        if not any(fits(job, row) for row in rows):
            raise unknown(job)
    if len(rows) <= FEW and not any(is_of_array(row) for row in rows):
        yield from _followed(rows, end_s)
    else:
        yield from _Many(ask, wanted, status, end_s, before_sleep).ends(rows)


def unknown(job: JobId) -> NoSuchJob:
    """The error for a job that is not known."""
    return NoSuchJob(f"no job {text_of(job)} (Squeue lists the living, Sacct the finished)")


def rows_of(ask: Ask, wanted: Sequence[JobId]) -> list[JobRow]:
    """These jobs, living and finished, elements of arrays included, by number. What is not known is left out."""
    found: dict[int, JobRow] = {}
    numbers = numbers_of(wanted)
    has_runs = any(job.runs for job in wanted)
    for begin in range(0, len(numbers), IDS_MAX):
        part = numbers[begin : begin + IDS_MAX]
        # The living first: what ends between the two questions is found among the finished.
        for is_finished in (False, True):
            asked = m.ListJobs(job_ids=part, is_finished=is_finished, is_with_arrays=True)
            for row in pages(ask, asked):
                if not has_runs or any(fits(job, row) for job in wanted):
                    found[row.job_id] = row
    return [found[number] for number in sorted(found)]


def pages(ask: Ask, request: m.ListJobs) -> Iterator[JobRow]:
    """The rows of all pages."""
    while True:
        page: m.JobPage = ask(request)
        yield from page.rows
        if not page.cursor:
            return
        request = request._replace(cursor=page.cursor)


def is_of_array(row: JobRow) -> bool:
    """Whether it is of an array: its waiting part, or an element."""
    return row.batch is not None and row.batch.array_id is not None


def _each_once(wanted: Sequence[JobId]) -> list[JobId]:
    return list({text_of(job): job for job in wanted}.values())


def _is_odd(wanted: Sequence[JobId], rows: Sequence[JobRow]) -> bool:
    """Whether some job that was asked for may be missing among the rows."""
    return any(job.runs for job in wanted) or not {job.job_id for job in wanted} <= {
        row.job_id for row in rows
    }


def _left_s(end_s: float | None) -> float | None:
    """What is left of the time.

    Raises:
        TimeoutError: nothing.
    """
    if end_s is None:
        return None
    left_s = end_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError("the jobs are not over yet")
    return left_s


def _followed(rows: Sequence[JobRow], end_s: float | None) -> Iterator[JobRow]:
    left: dict[int, str] = {}  # number → token
    for row in rows:
        if row.state in FINAL:
            yield row
        else:
            left[row.job_id] = row.token
    if not left:
        return
    events: Events | None = None
    try:
        for job_id in left:
            if events is None:
                events = Events(job_topic(job_id))
            else:
                events.socket.setsockopt(zmq.SUBSCRIBE, job_topic(job_id))
        assert events is not None
        while left:
            event = events.wait(_left_s(end_s))
            if not isinstance(event, m.Event):
                continue
            if event.job is None or event.job.job_id not in left:
                # Of a job that is not remembered any more nothing but its topic is told, so all are looked at.
                if event.job is None:
                    numbers = ", ".join(map(str, sorted(left)))
                    text = f"job {numbers}" if len(left) == 1 else f"a job of {numbers}"
                    raise NoSuchJob(f"{text} is no longer remembered")
                continue
            if left[event.job.job_id] != event.job.token:
                raise NoSuchJob(f"job {event.job.job_id} is no longer remembered")
            if event.job.state in FINAL:
                del left[event.job.job_id]
                yield event.job
    finally:
        if events is not None:
            events.close()


class _Many:
    """Many jobs, or arrays: what is left of them, by the stream of all events."""

    def __init__(
        self,
        ask: Ask,
        wanted: Sequence[JobId],
        status: m.Status,
        end_s: float | None,
        before_sleep: Callable[[], None],
    ) -> None:
        self._ask = ask
        self._before_sleep = before_sleep
        self._wanted = wanted
        self._status = status
        self._end_s = end_s
        self._numbers = frozenset(numbers_of(wanted))
        self._has_runs = any(job.runs for job in wanted)
        self._ended: set[int] = set()
        self._known: set[int] = set()  # numbers, of jobs and of their arrays, of which an end is known
        self._left = 0  # jobs, each waiting element of an array counted as one

    def ends(self, rows: Sequence[JobRow]) -> Iterator[JobRow]:
        """Each end, once."""
        yield from self._look(rows)
        if self._left == 0:
            return
        with EventStream(self._status, self._status.last_seq) as stream:
            while True:
                for event in stream.wait(_left_s(self._end_s)):
                    if event.kind == MISSED:
                        self._left = 0  # some of ours may be among what can no longer be told
                    elif event.job is not None and event.job.state in FINAL and self._is_wanted(event.job):
                        yield from self._take(event.job)
                # An event may tell of a job that the list had as over, or had not yet: the count may be too low, never too high.
                # So at nothing left the list has the last word.
                if self._left <= 0:
                    rows = rows_of(self._ask, self._wanted)
                    self._before_sleep()
                    yield from self._look(rows)
                    if self._left == 0:
                        return

    def _is_wanted(self, row: JobRow) -> bool:
        batch = row.batch
        if row.job_id not in self._numbers and (batch is None or batch.array_id not in self._numbers):
            return False
        return not self._has_runs or any(fits(job, row) for job in self._wanted)

    def _take(self, row: JobRow) -> Iterator[JobRow]:
        if row.job_id not in self._ended:
            self._ended.add(row.job_id)
            self._known.add(row.job_id)
            if row.batch is not None and row.batch.array_id is not None:
                self._known.add(row.batch.array_id)
            self._left -= count_of(row)
            yield row

    def _look(self, rows: Sequence[JobRow]) -> Iterator[JobRow]:
        """Count what is left, and take in what is over.

        Raises:
            NoSuchJob: one is no longer known, as after the journal was lost, and we have not heard how it ended.
        """
        for row in rows:
            if row.state in FINAL:
                yield from self._take(row)
        self._left = count_left(rows, self._wanted, FINAL)
        if self._left == 0:
            for job in self._wanted:
                if job.job_id not in self._known and not any(fits(job, row) for row in rows):
                    raise unknown(job)
