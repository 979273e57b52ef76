"""How much of the machine was in use, as sums over small spans of time. Values only: no clock, no file.

Three sizes of buckets, for the last hour, day and week. A job adds to each bucket that it was in by the time it spent there, so what a
year of jobs costs is the number of buckets.
"""

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Level(NamedTuple):
    """One size of buckets."""

    step_s: int
    kept_s: int


HOUR, DAY, WEEK = Level(15, 2 * 3600), Level(120, 26 * 3600), Level(900, 8 * 86400)
LEVELS = (HOUR, DAY, WEEK)
KEPT_S = WEEK.kept_s
SPANS = {"hour": (HOUR, 3600), "day": (DAY, 86400), "week": (WEEK, 7 * 86400)}


class Use(NamedTuple):
    """What is summed up: processors and bytes, times seconds."""

    busy: float = 0.0  # processors that jobs held
    known: float = 0.0  # of these, held by jobs whose use is known
    cpu: float = 0.0  # processors that were really used: seconds of CPU time
    asked: float = 0.0  # memory that jobs asked for
    memory: float = 0.0  # memory that was really used
    jobs: float = 0.0  # that ended

    def plus(self, other: "Use", times: float = 1.0) -> "Use":
        """The sum, `other` taken so many times."""
        return Use._make([one + two * times for one, two in zip(self, other, strict=True)])


NOTHING = Use()


class Stretch(NamedTuple):
    """From then to then it was so much for each second."""

    begin: float
    end: float
    rate: Use


Bucket = tuple[int, int]  # size in seconds, and begin divided by it


class Buckets:
    """The sums, and which of them are not on disk yet."""

    def __init__(self, sums: dict[Bucket, Use] | None = None) -> None:
        self.sums: dict[Bucket, Use] = sums or {}
        self.changed: set[Bucket] = set()

    def add(self, stretch: Stretch, now: float) -> None:
        """Add it to every bucket that it reaches into and that is still kept."""
        for level in LEVELS:
            for index, part_s in parts(stretch.begin, stretch.end, level, now):
                key = (level.step_s, index)
                self.sums[key] = self.sums.get(key, NOTHING).plus(stretch.rate, part_s)
                self.changed.add(key)

    def count(self, ended_at: float, now: float) -> None:
        """One more job has ended."""
        for level in LEVELS:
            if now - level.kept_s <= ended_at <= now:
                key = (level.step_s, int(ended_at // level.step_s))
                self.sums[key] = self.sums.get(key, NOTHING).plus(Use(jobs=1.0))
                self.changed.add(key)

    def forget(self, now: float) -> None:
        """Drop what is too old."""
        for level in LEVELS:
            first = int((now - level.kept_s) // level.step_s)
            for key in [key for key in self.sums if key[0] == level.step_s and key[1] < first]:
                del self.sums[key]
                self.changed.discard(key)

    def series(self, span: str, now: float, living: Iterable[Stretch] = ()) -> tuple[list[int], list[Use]]:
        """(begin of each bucket, averages in it) of the last hour, day or week, oldest first; the last bucket is not full yet.

        Args:
            living: of jobs that run: what is not in the sums yet.
        """
        level, span_s = SPANS[span]
        last = int(now // level.step_s)
        first = last - span_s // level.step_s + 1
        found = [self.sums.get((level.step_s, index), NOTHING) for index in range(first, last + 1)]
        for stretch in living:
            for index, part_s in parts(stretch.begin, stretch.end, level, now):
                if index >= first:
                    found[index - first] = found[index - first].plus(stretch.rate, part_s)
        whole = [float(level.step_s)] * len(found)
        whole[-1] = max(1.0, now - last * level.step_s)
        averages = [
            Use._make([value / seconds for value in use[:-1]] + [use.jobs])
            for use, seconds in zip(found, whole, strict=True)
        ]
        return [index * level.step_s for index in range(first, last + 1)], averages


def parts(begin: float, end: float, level: Level, now: float) -> Iterator[tuple[int, float]]:
    """(number of the bucket, seconds in it) of a span of time, as far as its buckets are kept."""
    begin, end = max(begin, now - level.kept_s), min(end, now)
    if not (math.isfinite(begin) and math.isfinite(end)):
        return
    index = int(begin // level.step_s)
    while begin < end:
        border = min(end, (index + 1) * level.step_s)
        yield index, border - begin
        begin, index = border, index + 1


class Point(NamedTuple):
    """A job at one moment: what it used since the point before."""

    at: float
    cpu: float  # processors, on average since the point before
    memory: float  # bytes


def stretches(
    begin: float,
    end: float,
    *,
    cpu_s: float | None,
    memory: float,
    nb_proc: int,
    points: Iterable[Point] = (),
) -> list[Stretch]:
    """What a job used from its begin to its end, in the shape that the points have, or evenly where there are none.

    Args:
        cpu_s: what it used in all, as far as its processes were waited for; None where only the points know.
        memory: the most that it used; 0 where only the points know.
        nb_proc: what it held, to tell whose use is known; 0 where that is counted already.
    """
    if end <= begin:
        return []
    shape = [point for point in points if begin < point.at <= end]
    if not shape:
        if cpu_s is None and not memory:
            return []
        known = nb_proc if cpu_s is not None else 0
        return [Stretch(begin, end, Use(known=known, cpu=(cpu_s or 0.0) / (end - begin), memory=memory))]
    found, at, drawn_s = [], begin, 0.0
    for point in shape:
        drawn_s += point.cpu * (point.at - at)
        found.append(Stretch(at, point.at, Use(known=nb_proc, cpu=point.cpu, memory=point.memory)))
        at = point.at
    if at < end:
        last = shape[-1]
        rest = max(0.0, cpu_s - drawn_s) / (end - at) if cpu_s is not None else last.cpu
        # What the points missed was used at some other time: no more than the job held is put into its last moments.
        rest = min(rest, float(max(nb_proc, 1)))
        found.append(Stretch(at, end, Use(known=nb_proc, cpu=rest, memory=last.memory)))
        drawn_s += rest * (end - at)
    # What was seen and then lost with a process that nobody waited for was used all the same.
    if cpu_s is not None and 0.0 < drawn_s < cpu_s:
        scale = cpu_s / drawn_s
        found = [part._replace(rate=part.rate._replace(cpu=part.rate.cpu * scale)) for part in found]
    return found
