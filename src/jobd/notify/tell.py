"""What is told of an event, of an end, of an array: rows in, notices out. Asks the server where a row does not say enough."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

from jobd.errors import JournalError, NoServer
from jobd.limits import PAGE_ROWS_MAX
from jobd.notify import kinds, words
from jobd.notify.config import Config
from jobd.notify.kinds import Wish
from jobd.notify.store import Notice
from jobd.notify.timers import Timers
from jobd.states import Cause
from jobd.waits import pages, rows_of
from jobd.wire import messages as m
from jobd.wire.batch import JobId, ListAttempts
from jobd.wire.rows import JobRow

ARRAYS_MAX = 1000  # that are remembered as told; forgotten ones are only looked at once more
ARRAY_ROWS_MAX = 20_000  # elements that are looked at for a summary
NEVER = "DependencyNeverSatisfied"


class Teller:
    """Makes notices. Knows, for the time limits, the jobs that run."""

    def __init__(self, config: Config, ask: Callable[[Any], Any], log: Callable[[str], None]) -> None:
        """
        Args:
            ask: a request to its answer.
        """
        self._config = config
        self._ask = ask
        self._log = log
        self.timers = Timers()
        self._arrays: dict[tuple[int, str], float] = {}  # that were over, and when

    def safely(self, what: str, notices: Iterable[Notice]) -> list[Notice]:
        """These, or none where they cannot be made: one that no text can be made of must not end all the others.

        Raises:
            NoServer, JournalError: the server has gone, or cannot read its history now.
        """
        try:
            return list(notices)
        except (NoServer, JournalError):
            self._arrays.clear()  # all of these events will be told once more
            raise
        except Exception as error:
            self._log(f"{what} cannot be told: {type(error).__name__}: {error}")
            return []

    def due(self, now_s: float) -> list[Notice]:
        """What time limits tell now (wall)."""
        return self.timers.due(now_s, self._notice_of)

    def notices_of(self, events: Sequence[m.Event]) -> list[Notice]:
        """What these events tell."""
        found: list[Notice] = []
        arrays: dict[int, tuple[JobRow, Wish]] = {}
        stuck: dict[int, Wish] = {}
        for event in events:
            row = event.job
            if row is None:
                continue
            wish = kinds.wish_of(row, self._config.rules)
            self.timers.see(row, wish)
            if wish is None:
                continue
            if event.kind == "ended" and kinds.is_as_one(row, wish):
                arrays[array_id_of(row)] = row, wish
            elif kinds.INVALID_DEPEND in wish.kinds and _may_be_stuck(row):
                stuck[row.job_id] = wish
            found += self.safely(f"event {event.seq}", self._of_event(event.kind, row, wish, event.at))
        for array_id, (row, wish) in arrays.items():
            found += self.safely(f"the end of array {array_id}", self.of_array(array_id, row, wish))
        if stuck:
            found += self.safely("a dependency", self._of_stuck(stuck))
        return found

    def _of_event(self, kind: str, row: JobRow, wish: Wish, at: float) -> Iterator[Notice]:
        if kind == "started":
            yield from self.of_start(row, wish, at)
        elif kind == "ended":
            yield from self.of_end(row, wish, at)
        elif kind == "requeued" and kinds.REQUEUE in wish.kinds:
            yield from self._of_requeue(row, wish, at)

    def _of_stuck(self, wishes: dict[int, Wish]) -> Iterator[Notice]:
        """Why a job waits is told by the list alone."""
        for row in rows_of(self._ask, [JobId(job_id) for job_id in wishes]):
            wish = wishes.get(row.job_id)
            if wish is not None and row.reason_code == NEVER:
                yield self._notice_of(kinds.INVALID_DEPEND, row, wish, time.time(), row.submitted_at)

    def of_start(self, row: JobRow, wish: Wish, at: float) -> Iterator[Notice]:
        if kinds.BEGIN not in wish.kinds or wish.min_run_s:
            return
        if not kinds.is_as_one(row, wish):
            yield self._notice_of(kinds.BEGIN, row, wish, at, row.started_at)
            return
        array_id = array_id_of(row)
        subject = words.array_subject(kinds.BEGIN, array_id, row.name, [row])
        body = words.array_body(kinds.BEGIN, array_id, [row], at, 0, False)
        # Told once for as long as the array lives.
        yield Notice(
            _key(row, kinds.BEGIN, row.submitted_at, array_id),
            kinds.BEGIN,
            subject,
            body,
            at,
            wish.to,
            array_id,
        )

    def of_end(self, row: JobRow, wish: Wish, at: float) -> Iterator[Notice]:
        if kinds.run_s(row, at) < wish.min_run_s:
            return
        if row.state == "TIMEOUT" and kinds.TIME_LIMIT in wish.kinds:
            yield self._notice_of(kinds.TIME_LIMIT, row, wish, at, row.ended_at)
        if row.cause == Cause.DEPENDENCY.value and kinds.INVALID_DEPEND in wish.kinds:
            yield self._notice_of(kinds.INVALID_DEPEND, row, wish, at, row.submitted_at)
        if not kinds.is_as_one(row, wish):
            kind = _end_kind(wish, is_ok=row.state in words.OK_STATES)
            if kind:
                yield self._notice_of(kind, row, wish, at, row.ended_at)

    def of_missed(self, row: JobRow, wish: Wish, since_s: float) -> Iterator[Notice]:
        """What has happened to a job since then (wall) besides its end, as it can be told now."""
        batch = row.batch
        if kinds.REQUEUE in wish.kinds and batch is not None and (batch.requeued_at or 0.0) > since_s:
            for one in self._ask(ListAttempts([row.job_id])).attempts:
                if one.requeued_at > since_s:
                    yield from self._of_attempt(one.job, wish, one.requeued_at, one.requeued_at)
        if row.ended_at is None and row.started_at is not None and row.started_at > since_s:
            yield from self.of_start(row, wish, row.started_at)
        if kinds.INVALID_DEPEND in wish.kinds and row.reason_code == NEVER:
            yield self._notice_of(kinds.INVALID_DEPEND, row, wish, time.time(), row.submitted_at)

    def _of_requeue(self, row: JobRow, wish: Wish, at: float) -> Iterator[Notice]:
        """The row is of a job that waits again; what is told is the attempt that is over."""
        moment = row.batch.requeued_at if row.batch is not None else None
        attempts = self._ask(ListAttempts([row.job_id])).attempts
        # Not the last one: by now there may have been others.
        shown = next((one.job for one in attempts if one.requeued_at == moment), row)
        yield from self._of_attempt(shown, wish, at, moment)

    def _of_attempt(self, shown: JobRow, wish: Wish, at: float, moment: float | None) -> Iterator[Notice]:
        if kinds.run_s(shown, at) < wish.min_run_s:
            return
        if not kinds.is_as_one(shown, wish):
            yield self._notice_of(kinds.REQUEUE, shown, wish, at, moment)
            return
        # Of an array once for each round: of the first element that is through with its attempt.
        array_id, attempt = array_id_of(shown), shown.batch.attempt if shown.batch is not None else 0
        subject = words.array_subject(kinds.REQUEUE, array_id, shown.name, [shown])
        body = words.array_requeue_body(array_id, shown, at, self._config.lines)
        key = _key(shown, kinds.REQUEUE, float(attempt), array_id)
        yield Notice(key, kinds.REQUEUE, subject, body, at, wish.to)

    def of_array(self, array_id: int, row: JobRow, wish: Wish) -> Iterator[Notice]:
        """An element has ended: the array may be over. Told already is one of which nothing has ended since."""
        if (row.ended_at or 0.0) <= self._arrays.get((array_id, row.token), -1.0):
            return
        request = m.ListJobs(job_ids=[array_id], is_with_arrays=True, rows_max=1)
        if not {kinds.END, kinds.FAIL} & wish.kinds or self._ask(request).rows:
            return
        rows: list[JobRow] = []
        request = request._replace(is_finished=True, rows_max=PAGE_ROWS_MAX)
        is_cut = False
        for one in pages(self._ask, request):
            if len(rows) == ARRAY_ROWS_MAX:
                is_cut = True
                break
            rows.append(one)
        at = max((one.ended_at for one in rows if one.ended_at is not None), default=time.time())
        if len(self._arrays) >= ARRAYS_MAX:
            self._arrays.clear()
        self._arrays[array_id, row.token] = at
        if not rows or max(kinds.run_s(one, at) for one in rows) < wish.min_run_s:
            return
        kind = _end_kind(wish, is_ok=all(one.state in words.OK_STATES for one in rows))
        if kind:
            subject = words.array_subject(kind, array_id, row.name, rows)
            body = words.array_body(kind, array_id, rows, at, self._config.lines, is_cut)
            tone = _tone(kind, {one.state for one in rows})
            yield Notice(_key(row, kind, at, array_id), tone, subject, body, at, wish.to)

    def _notice_of(
        self,
        kind: str,
        row: JobRow,
        wish: Wish,
        at: float,
        moment: float | None,
        living_job_id: int | None = None,
    ) -> Notice:
        return Notice(
            _key(row, kind, moment),
            _tone(kind, {row.state}),
            words.subject_of(kind, row, at),
            words.body_of(kind, row, at, self._config.lines),
            at,
            wish.to,
            living_job_id,
        )


def _end_kind(wish: Wish, *, is_ok: bool) -> str:
    """As Slurm: what has failed is told as FAIL, or as END where only that is asked for."""
    if not is_ok and kinds.FAIL in wish.kinds:
        return kinds.FAIL
    return kinds.END if kinds.END in wish.kinds else ""


def _tone(kind: str, states: Collection[str]) -> str:
    """What services show by a colour: an end that went well is not one of a job that has failed, or that somebody has cancelled."""
    if kind != kinds.END or set(states) == {"COMPLETED"}:
        return kind
    return kinds.CANCELLED if words.OK_STATES.issuperset(states) else kinds.FAIL


def _may_be_stuck(row: JobRow) -> bool:
    return row.state == "PENDING" and row.batch is not None and bool(row.batch.dependency)


def array_id_of(row: JobRow) -> int:
    """The number of the job's array; its own where it is of none."""
    return row.job_id if row.batch is None or row.batch.array_id is None else row.batch.array_id


def _key(row: JobRow, kind: str, moment: float | None, array_id: int | None = None) -> str:
    """What is told: of the same start or end always the same, whichever way it was learnt. The token tells journals apart."""
    number = row.job_id if array_id is None else f"{array_id}_*"
    return f"{row.token}/{number}/{kind}/{0 if moment is None else round(moment * 1e6)}"
