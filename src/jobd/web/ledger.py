"""What becomes of the sums, the time line and the curves when a job starts, pauses, ends. One thread writes; others read under `lock`."""

import threading
import time
from collections.abc import Iterable
from typing import NamedTuple

from jobd.web.store import ANY, SPANS_MAX, Band, Span, Store, span_of
from jobd.web.usage import HOUR, LEVELS, Point, Stretch, Use, parts, stretches
from jobd.wire.rows import JobRow

HOLDING = ("RUNNING", "COMPLETING")  # states in which a job holds its processors


class Holder(NamedTuple):
    """A job that has started and is not over."""

    row: JobRow
    since: float | None  # when it took its processors, for what is not in the sums yet; None: it is suspended
    cpus: list[int]

    @property
    def started(self) -> float:
        """When it started."""
        return self.row.started_at or self.since or self.row.submitted_at


class Ledger:
    """The books. All that changes them happens within a transaction of the store."""

    def __init__(self, store: Store) -> None:
        self.lock = threading.Lock()
        self.store = store
        self.buckets = store.buckets()
        self.holders: dict[int, Holder] = {}
        # Jobs that ran when we were last there, until an event or a list tells of them.
        self._remembered = store.living()
        self._bands: dict[tuple[int, int, int], tuple[float, int]] = {}
        self._shorts = store.spans_count()

    # ---- jobs that live
    def see(self, row: JobRow, at: float) -> Holder | None:
        """A job that is not over is like this now; its holder, if it holds processors or did so before it was suspended."""
        known = self._known(row)
        if row.state in HOLDING or row.state == "SUSPENDED":
            is_holding = row.state in HOLDING
            cpus = row.cpus or (known.cpus if known is not None else [])
            if known is None:
                since: float | None = at if is_holding else None
            elif is_holding and known.row.nb_proc == row.nb_proc and known.since is not None:
                since = known.since
            else:
                self._add_busy(known, at)
                since = at if is_holding else None
            return self._keep(Holder(row, since, cpus))
        if known is not None:  # it waits again
            self._add_busy(known, at)
            self.drop(row.job_id)
        return None

    def _keep(self, holder: Holder) -> Holder:
        with self.lock:
            self.holders[holder.row.job_id] = holder
        self.store.put_living(holder.row.job_id, holder.since, holder.cpus)
        return holder

    def _known(self, row: JobRow) -> Holder | None:
        known = self.holders.get(row.job_id)
        if known is None:
            remembered = self._remembered.pop(row.job_id, None)
            if remembered is not None:
                known = Holder(row, *remembered)
        return known

    def drop(self, job_id: int) -> None:
        """It holds nothing any more."""
        with self.lock:
            self.holders.pop(job_id, None)
        self._remembered.pop(job_id, None)
        self.store.drop_living(job_id)

    def drop_all_but(self, living: set[int]) -> list[int]:
        """Forget those whose end nobody told of; the history has them."""
        gone = [job_id for job_id in (*self.holders, *self._remembered) if job_id not in living]
        for job_id in gone:
            self.drop(job_id)
        return gone

    def _add_busy(self, holder: Holder, until: float) -> None:
        if holder.since is not None:
            with self.lock:
                self.buckets.add(Stretch(holder.since, until, Use(busy=holder.row.nb_proc)), time.time())

    # ---- jobs that are over
    def end(self, row: JobRow, points: list[Point]) -> None:
        """A job that we may have followed is over."""
        holder = self._known(row)
        self.drop(row.job_id)
        self._count(row, holder, points)

    def find(self, row: JobRow) -> None:
        """A job that is over was found in the history."""
        self._count(row, None, [])

    def _count(self, row: JobRow, holder: Holder | None, points: list[Point]) -> None:
        # An older server did not keep them.
        span = span_of(row, row.cpus or (holder.cpus if holder is not None else []))
        if span is None:
            return
        if span.is_long or self._shorts < SPANS_MAX:
            if not self.store.add_span(span):
                return
            self._shorts += not span.is_long
        else:
            self.store.forget_singles(span.ended)
        now = time.time()
        with self.lock:
            for stretch in self._of_end(row, span, holder, points):
                self.buckets.add(stretch, now)
            self.buckets.count(span.ended, now)
        if not span.is_long:
            self._add_to_bands(span, now)
        if len(points) > 1:
            self.store.put_curve(span.job_id, span.started, span.ended, points)

    def _of_end(
        self, row: JobRow, span: Span, holder: Holder | None, points: list[Point]
    ) -> Iterable[Stretch]:
        batch = row.batch
        if holder is not None:
            if holder.since is not None:
                yield Stretch(holder.since, span.ended, Use(busy=row.nb_proc))
        elif row.parent_id is None and span.ended > span.started:
            # Of a tree that nobody followed only the root is counted: while a child ran, its processors were the child's.
            paused_s = min(batch.paused_s, span.ended - span.started) if batch is not None else 0.0
            share = 1.0 - paused_s / (span.ended - span.started)
            yield Stretch(span.started, span.ended, Use(busy=row.nb_proc * share))
        if batch is not None and batch.memory_bytes:
            yield Stretch(span.started, span.ended, Use(asked=batch.memory_bytes))
        yield from stretches(
            span.started,
            span.ended,
            cpu_s=batch.cpu_s if batch is not None else None,
            memory=batch.memory_peak_bytes if batch is not None else 0,
            nb_proc=row.nb_proc,
            points=points,
        )

    def _add_to_bands(self, span: Span, now: float) -> None:
        lanes, weight = (span.cpus, 1) if span.cpus else ([ANY], span.nb_proc)
        for level in LEVELS:
            for number, (place, part_s) in enumerate(parts(span.started, span.ended, level, now)):
                for lane in lanes:
                    key = (level.step_s, place, lane)
                    busy_s, jobs = self._bands.get(key, (0.0, 0))
                    self._bands[key] = busy_s + part_s * weight, jobs + (number == 0)

    # ---- keeping
    def write(self) -> None:
        """Put into the store what is not there yet."""
        with self.lock:
            self.store.put_buckets(self.buckets)
        self.store.add_bands(Band(*key, *values) for key, values in self._bands.items())
        self._bands.clear()

    def tidy(self, now: float, curves_kept_s: float) -> None:
        """Forget what is too old."""
        with self.lock:
            self.buckets.forget(now)
        self._shorts = self.store.tidy(now, curves_kept_s)

    # ---- reading, by any thread
    def living(self) -> list[Holder]:
        """The jobs that have started and are not over."""
        with self.lock:
            return list(self.holders.values())

    def series(self, span: str, now: float, living: Iterable[Stretch]) -> tuple[list[int], list[Use]]:
        """`Buckets.series`, of this moment."""
        with self.lock:
            return self.buckets.series(span, now, living)


def living_stretches(holder: Holder, points: list[Point], now: float) -> list[Stretch]:
    """What a running job adds to what is in the sums."""
    found = []
    if holder.since is not None:
        found.append(Stretch(holder.since, now, Use(busy=holder.row.nb_proc)))
    batch = holder.row.batch
    if batch is not None and batch.memory_bytes:
        found.append(Stretch(holder.started, now, Use(asked=batch.memory_bytes)))
    # Between two looks it goes on as at the last one.
    recent = points[-1].at + HOUR.step_s if points else 0.0
    until = min(now, max(recent, points[-1].at + 60.0)) if points else now
    found += stretches(holder.started, until, cpu_s=None, memory=0, nb_proc=holder.row.nb_proc, points=points)
    return found
