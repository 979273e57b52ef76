"""Who waits for whom: an index of the terms of waiting jobs, and of the names of living ones. Values only; waits.py has the rules.

Each key is (what is waited for, job, index), so that an event finds just those whom it concerns, however many wait for others.
"""

from enum import IntEnum

from sortedcontainers import SortedList

from jobd.core.job import Job
from jobd.dependencies import Term

WHOLE = -1  # in the place of an index: the job, or the whole array


class Want(IntEnum):
    """What of another job is waited for."""

    START = 0
    END = 1
    EACH = 2  # the ends of its elements, one by one: aftercorr of a whole array


Place = tuple[int, int, int]  # Want, job, index or WHOLE


def places(job: Job) -> list[Place]:
    """What a waiting job waits for; no place for singleton."""
    batch = job.spec.batch
    if batch is None or not batch.dependency.terms or batch.dependency.is_never:
        return []
    return _places_of(job, batch.dependency.terms)


def _places_of(job: Job, terms: tuple[Term, ...]) -> list[Place]:
    found: list[Place] = []
    for kind, job_id, index, _ in terms:
        if kind == "singleton":
            continue
        if kind == "aftercorr":
            if job.tasks is not None:
                found.append((Want.EACH, job_id, WHOLE))
                continue
            if job.array_index is not None and index is None:
                found.append((Want.END, job_id, job.array_index))
        want = Want.START if kind == "after" else Want.END
        found.append((want, job_id, WHOLE if index is None else index))
    return found


def is_singleton(job: Job) -> bool:
    """Whether a waiting job waits for all older ones of its name."""
    batch = job.spec.batch
    return (
        batch is not None
        and bool(batch.dependency.terms)
        and not batch.dependency.is_never
        and any(term.kind == "singleton" for term in batch.dependency.terms)
    )


def age(job: Job) -> int:
    """The number that tells which of two was submitted first: an element is as old as its array."""
    return job.job_id if job.array_id is None else job.array_id


def _lost(old: Job, new: Job) -> tuple[Term, ...] | None:
    """The terms that a dependency has lost, where that is all that is different; else None."""
    before, after = old.spec.batch, new.spec.batch
    if before is None or after is None or old.spec.name != new.spec.name:
        return None
    if (old.tasks is None) != (new.tasks is None):
        return None
    one, other = before.dependency, after.dependency
    if one.is_never != other.is_never:
        return None
    if one.terms is other.terms or one.is_never:
        return () if one.terms == other.terms else None
    count = len(one.terms) - len(other.terms)
    if count < 0:
        return None
    same = _common(one.terms, other.terms)
    gone = one.terms[same : same + count]
    if one.terms[same + count :] != other.terms[same:] or any(term.kind == "singleton" for term in gone):
        return None
    return gone


def _common(one: tuple[Term, ...], other: tuple[Term, ...]) -> int:
    """How many terms two lists have in common at their beginning. Slices are compared, so long lists cost little."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


class Dependents:
    """The waiting jobs by what they wait for. One who waits alone costs no set."""

    def __init__(self) -> None:
        self._by_place: dict[Place, int | set[int]] = {}
        self.named: dict[int, int] = {}  # job → how many waiting jobs and places name it
        self.singletons: dict[str, SortedList[tuple[int, int]]] = {}  # name → (age, job); no empty lists

    def add(self, job: Job) -> None:
        """A job waits."""
        for place in places(job):
            known = self._by_place.get(place)
            if known is None:
                self._by_place[place] = job.job_id
            elif isinstance(known, int):
                if known == job.job_id:
                    continue  # one term said twice
                self._by_place[place] = {known, job.job_id}
            elif job.job_id in known:
                continue
            else:
                known.add(job.job_id)
            self.named[place[1]] = self.named.get(place[1], 0) + 1
        if is_singleton(job):
            self.singletons.setdefault(job.spec.name, SortedList()).add((age(job), job.job_id))

    def replace(self, old: Job, new: Job) -> None:
        """A job that waits has other wishes. Cheap where a long dependency has lost a term."""
        gone = _lost(old, new)
        if gone is None:
            self.remove(old)
            self.add(new)
            return
        left = new.spec.batch.dependency.terms if new.spec.batch is not None else ()
        # Two terms on one job are one place, or two: what is left of them stays.
        named = {term.job_id for term in gone}
        kept = set(_places_of(new, tuple(term for term in left if term[1] in named)))
        self._remove(old.job_id, [place for place in _places_of(old, gone) if place not in kept])

    def remove(self, job: Job) -> None:
        """A job, as it was added, does not wait any more."""
        self._remove(job.job_id, places(job))
        if is_singleton(job):
            waiting = self.singletons[job.spec.name]
            waiting.remove((age(job), job.job_id))
            if not waiting:
                del self.singletons[job.spec.name]

    def _remove(self, job_id: int, gone: list[Place]) -> None:
        for place in gone:
            known = self._by_place.get(place)
            if isinstance(known, set):
                if job_id not in known:
                    continue
                known.remove(job_id)
                if len(known) == 1:
                    self._by_place[place] = known.pop()
            elif known == job_id:
                del self._by_place[place]
            else:
                continue
            if self.named[place[1]] == 1:
                del self.named[place[1]]
            else:
                self.named[place[1]] -= 1

    def of(self, want: Want, job_id: int, index: int = WHOLE) -> list[int]:
        """Those who wait for that, in ascending order."""
        known = self._by_place.get((want, job_id, index))
        if known is None:
            return []
        return [known] if isinstance(known, int) else sorted(known)


class Names:
    """The ages of the living jobs of each name. A name that only one job has costs no list."""

    def __init__(self) -> None:
        self._ages: dict[str, int | SortedList[int]] = {}

    def add(self, job: Job) -> None:
        """A job lives."""
        known = self._ages.get(job.spec.name)
        if known is None:
            self._ages[job.spec.name] = age(job)
        elif isinstance(known, int):
            self._ages[job.spec.name] = SortedList([known, age(job)])
        else:
            known.add(age(job))

    def remove(self, job: Job) -> None:
        """A job, as it was added, is over or has another name."""
        known = self._ages[job.spec.name]
        if isinstance(known, int):
            del self._ages[job.spec.name]
            return
        known.remove(age(job))
        if len(known) == 1:
            self._ages[job.spec.name] = known[0]

    def oldest(self, name: str) -> int | None:
        """The age of the oldest living job of that name."""
        known = self._ages.get(name)
        if known is None or isinstance(known, int):
            return known
        return int(known[0])

    def second(self, name: str) -> int | None:
        """The age of the oldest but one."""
        known = self._ages.get(name)
        return None if known is None or isinstance(known, int) else int(known[1])
