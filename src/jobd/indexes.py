"""Sets of array indexes as runs, so that `--array=0-99999` costs what `--array=0` costs. Values only.

Source: sbatch(1), --array: `1-10`, `1,3,5`, `1-9:2`, and `%limit` behind it.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise
from math import gcd
from operator import itemgetter
from typing import NamedTuple

from jobd.errors import UsageError

# (first, last, step): last is one of the run; a single index is (i, i, 1)
Run = tuple[int, int, int]

OVERLAPPING_MAX = 1_000_000  # indexes of ranges that overlap, which are looked at one by one

_PART = re.compile(r"(\d{1,10})(?:-(\d{1,10})(?::(\d{1,10}))?)?")


class Indexes(NamedTuple):
    """Indexes in ascending order, each once, as runs that do not overlap in what they span."""

    runs: tuple[Run, ...]

    @property
    def count(self) -> int:  # type: ignore[override]  # tuple.count goes unused
        """How many there are."""
        return sum((last - first) // step + 1 for first, last, step in self.runs)

    @property
    def first(self) -> int:
        """The lowest. There must be one."""
        return self.runs[0][0]

    @property
    def last(self) -> int:
        """The highest. There must be one."""
        return self.runs[-1][1]

    def has(self, index: int) -> bool:
        """Whether it is one of them."""
        return self._place(index) is not None

    def each(self) -> Iterator[int]:
        """All, ascending."""
        for first, last, step in self.runs:
            yield from range(first, last + 1, step)

    def without(self, index: int) -> "Indexes":
        """The others."""
        place = self._place(index)
        if place is None:
            return self
        first, last, step = self.runs[place]
        left = []
        for one, other in ((first, index - step), (index + step, last)):
            if one <= other:
                left.append((one, other, step if one < other else 1))
        return Indexes((*self.runs[:place], *left, *self.runs[place + 1 :]))

    def common(self, other: "Indexes") -> "Indexes":
        """Those that both have. Costs by the number of runs, however long they are."""
        found: list[Run] = []
        mine, theirs = 0, 0
        while mine < len(self.runs) and theirs < len(other.runs):
            one, another = self.runs[mine], other.runs[theirs]
            found += _common(one, another)
            if one[1] <= another[1]:
                mine += 1
            else:
                theirs += 1
        return Indexes(tuple(found))

    def _place(self, index: int) -> int | None:
        """Which run it is in. The runs are in order and apart, so only the last that begins before it can have it."""
        place = bisect_right(self.runs, index, key=itemgetter(0)) - 1
        if place < 0:
            return None
        first, last, step = self.runs[place]
        return place if index <= last and (index - first) % step == 0 else None

    @property
    def text(self) -> str:
        """As Slurm writes them: 0-9, 1-9:2, 1,3,5."""
        parts = []
        for first, last, step in self.runs:
            if first == last:
                parts.append(str(first))
            elif step == 1:
                parts.append(f"{first}-{last}")
            elif last == first + step:
                parts.append(f"{first},{last}")
            else:
                parts.append(f"{first}-{last}:{step}")
        return ",".join(parts)


def _common(one: Run, other: Run) -> list[Run]:
    """What two runs have in common: none, or one run whose step is the least common multiple of theirs."""
    sparse, dense = (one, other) if one[2] >= other[2] else (other, one)
    low, high = max(one[0], other[0]), min(one[1], other[1])
    low += (sparse[0] - low) % sparse[2]
    rounds = dense[2] // gcd(sparse[2], dense[2])  # after so many steps all that can meet have met
    for index in range(low, min(high, low + (rounds - 1) * sparse[2]) + 1, sparse[2]):
        if (index - dense[0]) % dense[2] == 0:
            step = sparse[2] * rounds
            last = index + (high - index) // step * step
            return [(index, last, step if last > index else 1)]
    return []


def of(values: "Iterator[int] | list[int] | set[int]") -> Indexes:
    """The indexes of these numbers, consecutive ones as one run."""
    runs: list[Run] = []
    for value in sorted(set(values)):
        if runs and runs[-1][2] == 1 and runs[-1][1] == value - 1:
            runs[-1] = (runs[-1][0], value, 1)
        else:
            runs.append((value, value, 1))
    return Indexes(tuple(runs))


def parse(text: str, *, index_max: int) -> Indexes:
    """The indexes of `1-10,15` or `0-9:2`.

    Raises:
        UsageError: it is no list of indexes, or one is above `index_max`.
    """
    runs: list[Run] = []
    for part in text.split(","):
        found = _PART.fullmatch(part.strip())
        if found is None:
            raise UsageError(f"{text[:60]!r} is no list of array indexes (0-9, 1,3,5 or 0-9:2)")
        first = int(found[1])
        last = int(found[2]) if found[2] is not None else first
        step = int(found[3]) if found[3] is not None else 1
        if last < first or step < 1:
            raise UsageError(f"{part.strip()!r} is no range of array indexes")
        last = first + (last - first) // step * step
        if last > index_max:
            raise UsageError(f"array index {last} is above {index_max} (array_max in config.toml)")
        runs.append((first, last, step if last > first else 1))
    runs.sort()
    if any(after[0] <= before[1] for before, after in pairwise(runs)):
        runs = _merged(runs)
        if any(after[0] <= before[1] for before, after in pairwise(runs)):
            # Ranges with steps that overlap are rare: then each index is looked at.
            if Indexes(tuple(runs)).count > OVERLAPPING_MAX:
                raise UsageError(f"{text[:60]!r}: ranges that overlap have at most {OVERLAPPING_MAX} indexes")
            return of({index for run in runs for index in range(run[0], run[1] + 1, run[2])})
    return Indexes(tuple(runs))


def _merged(runs: list[Run]) -> list[Run]:
    """Those without steps that overlap or follow each other as one, in their order."""
    found: list[Run] = []
    for run in runs:
        before = found[-1] if found else None
        if before is not None and before[2] == run[2] == 1 and run[0] <= before[1] + 1:
            found[-1] = (before[0], max(before[1], run[1]), 1)
        else:
            found.append(run)
    return found
