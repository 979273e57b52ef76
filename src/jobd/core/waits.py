"""Dependencies: which terms an event meets, and which can never be met after it. Reads the world only.

A term that is met is taken out of the waiting job's wishes by a Changed, and one that can never be met sets `is_never`; so a
restart needs no history. An array's number means all its elements together: it has ended when all have, and it was a success
when all were.

Source: sbatch(1), --dependency. Where that is silent: `afterok` of an array can never be met from the first element on that fails;
`aftercorr` in a job that is no array is `afterok`; an element without a partner waits for the end of the whole array.
"""

from collections.abc import Iterable

from jobd.core import arrays
from jobd.core.dependents import Want, age
from jobd.core.events import Ended, Event, Split, Started
from jobd.core.job import Finished, Job, Now
from jobd.core.resolve import check_circle as check_circle
from jobd.core.resolve import renamed as renamed
from jobd.core.resolve import resolved as resolved
from jobd.core.resolve import set_apart as set_apart
from jobd.core.resolve import submitted as submitted
from jobd.core.resolve import unknown as unknown
from jobd.core.tree import with_resumed
from jobd.core.verdicts import MET, NEVER, Met, Verdict, in_order, judge, of_failed_part, of_past
from jobd.core.verdicts import NOTHING_PAST as NOTHING_PAST
from jobd.core.verdicts import Past as Past
from jobd.core.verdicts import Pasts as Pasts
from jobd.core.world import World
from jobd.dependencies import Term
from jobd.states import JobState


def consequences(world: World, event: Event, job: Job | None, now: Now) -> list[Event]:
    """What an admitted event means for those who wait for it. `job` is what `admit` returned.

    To be admitted before any other event, each with its own consequences at once (in a loop: a chain may be long). What has
    further consequences comes last, so that nothing in this list is out of date when its turn comes.
    """
    if job is None or not isinstance(event, Started | Ended):
        return []
    named = world.dependents.named
    if (
        job.job_id not in named
        and (job.array_id is None or job.array_id not in named)
        and (isinstance(event, Started) or job.spec.name not in world.dependents.singletons)
    ):
        return []
    facts = _Facts(world, job, now)
    about = (0, job.job_id, job.array_id or 0)
    next_job_id = world.next_job_id
    events: list[Event] = []
    for waiting_id in facts.waiting_ids(world):
        waiting = world.jobs[waiting_id]
        for split in facts.splits(waiting, next_job_id):
            next_job_id += 1
            element = split.element
            events += [split, *judge(element, lambda term, who=element: facts.verdict(who, term), now, about)]  # type: ignore[misc]
        events += judge(waiting, lambda term, who=waiting: facts.verdict(who, term), now, about)  # type: ignore[misc]
    return with_resumed(world, in_order(events))


class _Facts:
    """What the start or the end of a job means for each term that names it, its array, or its name."""

    def __init__(self, world: World, job: Job, now: Now) -> None:
        self._job = job
        self._now = now
        self._past: Past | None = None  # None: it has just started
        if isinstance(job.phase, Finished):
            is_success = job.phase.outcome.state is JobState.COMPLETED
            self._past = Past(is_success, job.phase.started_at, now.wall_s)
        self._array = None if job.array_id is None else world.arrays.get(job.array_id)
        self._is_begun = self._array is None or not self._array.unstarted  # all of its array, or over
        self._oldest = world.names.oldest(job.spec.name)  # of those that live

    def waiting_ids(self, world: World) -> Iterable[int]:
        """Those for whom it may mean something, each once."""
        job, past, of = self._job, self._past, world.dependents.of
        found = of(Want.START, job.job_id) if job.job_id != job.array_id else []
        indexes: Iterable[int] = [job.array_index] if job.array_index is not None else ()
        if job.tasks is not None:
            indexes = job.tasks.each()
        for index in indexes if job.array_id in world.dependents.named else ():
            assert job.array_id is not None
            found += of(Want.START, job.array_id, index)
            if past is not None:
                found += of(Want.END, job.array_id, index)
        if job.array_id is not None and self._is_begun:
            found += of(Want.START, job.array_id)
        if past is None:
            return dict.fromkeys(found)
        if job.job_id != job.array_id:
            found += of(Want.END, job.job_id) + of(Want.EACH, job.job_id)
        if job.array_id is not None:
            found += of(Want.EACH, job.array_id)
            array = self._array
            # The first failure tells those who need a success, or a failure; all others wait for the last end.
            if array is None or (not past.is_success and array.failed == 1):
                found += of(Want.END, job.array_id)
        for waiting_age, waiting_id in world.dependents.singletons.get(job.spec.name, ()):
            if self._oldest is not None and waiting_age > self._oldest:
                break
            found.append(waiting_id)
        return dict.fromkeys(found)

    def splits(self, waiting: Job, next_job_id: int) -> list[Split]:
        """Of an array that waits by aftercorr: the elements whose partners are over, if they are not all that wait in it."""
        if waiting.tasks is None or not self._has_partners(waiting):
            return []
        partners = self._partners(waiting)
        return (
            [] if len(partners) == waiting.tasks.count else arrays.splits(waiting, partners, next_job_id)[0]
        )

    def verdict(self, waiting: Job, term: Term) -> Verdict:
        """What it means for one term of a waiting job."""
        job, past = self._job, self._past
        if term.kind == "singleton":
            is_first = self._oldest is None or age(waiting) <= self._oldest
            return MET if past is not None and is_first and waiting.spec.name == job.spec.name else None
        if term.array_index is None and job.array_id is not None and term.job_id == job.array_id:
            return self._of_partner(waiting) if term.kind == "aftercorr" else self._of_whole(term)
        if not _is_meant(term, job):
            return None
        if past is not None:
            return of_past(term, past)
        return self._met_now(term) if term.kind == "after" else None

    def _of_whole(self, term: Term) -> Verdict:
        """Of a term that means the whole array."""
        if term.kind == "after":
            return self._met_now(term) if self._is_begun else None
        if self._past is None:
            return None
        if self._array is None:
            return of_past(term, self._past)
        return None if self._past.is_success else of_failed_part(term)

    def _of_partner(self, waiting: Job) -> Verdict:
        """Of aftercorr, for an element or for all that wait in an array."""
        if self._past is None:
            return None
        partners = self._partners(waiting)
        count = 1 if waiting.tasks is None else waiting.tasks.count
        if len(partners) == count:
            return MET if self._past.is_success else NEVER
        return MET if self._array is None else None  # what is left has no partner

    def _partners(self, waiting: Job) -> list[int]:
        """Those of a job's indexes whose partners have just ended."""
        job = self._job
        if waiting.tasks is None:
            index = waiting.array_index
            is_meant = index is not None and (
                index == job.array_index or (job.tasks is not None and job.tasks.has(index))
            )
            return [index] if is_meant and index is not None else []
        if job.array_index is not None:
            return [job.array_index] if waiting.tasks.has(job.array_index) else []
        assert job.tasks is not None
        return [index for index in waiting.tasks.each() if job.tasks.has(index)]

    def _has_partners(self, waiting: Job) -> bool:
        batch = waiting.spec.batch
        if self._past is None or self._job.array_id is None or batch is None:
            return False
        return any(
            term.kind == "aftercorr" and term.job_id == self._job.array_id for term in batch.dependency.terms
        )

    def _met_now(self, term: Term) -> Met:
        return Met(self._now.wall_s + term.delay_s if term.delay_s else None)


def freed_by_rename(world: World, job: Job, now: Now) -> list[Event]:
    """What it means for the singletons of its old name that a job, as it still is, takes another."""
    waiting = world.dependents.singletons.get(job.spec.name)
    if waiting is None or world.names.oldest(job.spec.name) != age(job):
        return []
    second = world.names.second(job.spec.name)
    events: list[Event] = []
    for waiting_age, job_id in waiting:
        if second is not None and waiting_age > second:
            break
        if job_id != job.job_id:
            events += judge(world.jobs[job_id], lambda term: MET if term.kind == "singleton" else None, now)
    return with_resumed(world, in_order(events))


def _is_meant(term: Term, job: Job) -> bool:
    """Whether a term names this job, or this element (or one of those in this array) by its index."""
    if term.array_index is None:
        return term.job_id == job.job_id
    if term.job_id != job.array_id:
        return False
    return term.array_index == job.array_index or (job.tasks is not None and job.tasks.has(term.array_index))
