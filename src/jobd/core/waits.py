"""Dependencies: which terms an event meets, and which can never be met after it. Reads the world only.

A term that is met is taken out of the waiting job's wishes by a Changed, and one that can never be met sets `is_never`; so a
restart needs no history. An array's number means all its elements together: it has ended when all have, and it was a success
when all were.

Source: sbatch(1), --dependency. Where that is silent: `afterok` of an array can never be met from the first element on that fails;
`aftercorr` in a job that is no array is `afterok`; an element without a partner waits for the end of the whole array.
"""

from collections.abc import Callable, Iterable

from jobd.core import arrays
from jobd.core.dependents import Want, age
from jobd.core.events import Changed, Ended, Event, Split, Started
from jobd.core.job import Finished, Job, Now, Spec
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
    is_named = job.job_id in named or (job.array_id is not None and job.array_id in named)
    is_freeing = isinstance(event, Ended) and job.spec.name in world.dependents.singletons
    if not is_named and not is_freeing:
        return []
    events: list[Event] = []
    if is_named:
        events = _of_start(world, job, now) if isinstance(event, Started) else _of_end(world, job, now)
    if is_freeing:
        done = {other.job_id for other in events if isinstance(other, Ended)}
        changed = {other.job_id: other.spec for other in events if isinstance(other, Changed)}
        events += _of_name(world, job.spec.name, done, changed, now)
    return with_resumed(world, in_order(events))


def _of_start(world: World, job: Job, now: Now) -> list[Event]:
    if job.attempt > 1:
        return []

    def verdict(term: Term) -> Verdict:
        if term.kind != "after" or not _is_meant(term, job):
            return None
        return Met(now.wall_s + term.delay_s if term.delay_s else None)

    found: list[int] = []
    if job.array_id != job.job_id:
        found += world.dependents.of(Want.START, job.job_id)
    if job.array_id is not None:
        assert job.array_index is not None
        found += world.dependents.of(Want.START, job.array_id, job.array_index)
        if not world.arrays[job.array_id].unstarted:
            found += world.dependents.of(Want.START, job.array_id)
            return _judge_all(world, found, _or_whole(verdict, job, now), job, now)
    return _judge_all(world, found, verdict, job, now)


def _or_whole(verdict: Callable[[Term], Verdict], job: Job, now: Now) -> Callable[[Term], Verdict]:
    """Also `after` the whole array, all of which have begun or are over."""

    def both(term: Term) -> Verdict:
        if term.kind == "after" and term.array_index is None and term.job_id == job.array_id:
            return Met(now.wall_s + term.delay_s if term.delay_s else None)
        return verdict(term)

    return both


def _of_end(world: World, job: Job, now: Now) -> list[Event]:
    assert isinstance(job.phase, Finished)
    is_success = job.phase.outcome.state is JobState.COMPLETED
    past = Past(is_success, job.phase.started_at, now.wall_s)
    if job.array_id is None:
        found = world.dependents.of(Want.START, job.job_id) + world.dependents.of(Want.END, job.job_id)
        events = _judge_all(world, found, lambda term: _ended(term, job, past), job, now)
        for waiting_id in world.dependents.of(Want.EACH, job.job_id):
            whole = MET if is_success else NEVER
            events += judge(
                world.jobs[waiting_id],
                lambda term, whole=whole: whole if _is_meant(term, job) else None,  # type: ignore[misc]
                now,
            )
        return events
    return _of_element(world, job, past, now)


def _of_element(world: World, job: Job, past: Past, now: Now) -> list[Event]:
    """The end of an element, or of an array of which nothing else had begun."""
    assert job.array_id is not None
    dependents, array_id = world.dependents, job.array_id
    array = world.arrays.get(array_id)
    found: dict[int, None] = {}
    if job.job_id != array_id:
        found.update(dict.fromkeys(dependents.of(Want.START, job.job_id)))
        found.update(dict.fromkeys(dependents.of(Want.END, job.job_id)))
    indexes: Iterable[int] = [job.array_index] if job.array_index is not None else ()
    if job.tasks is not None:
        indexes = job.tasks.each()
    for index in indexes:
        found.update(dict.fromkeys(dependents.of(Want.START, array_id, index)))
        found.update(dict.fromkeys(dependents.of(Want.END, array_id, index)))
    if array is None or not array.unstarted:
        found.update(dict.fromkeys(dependents.of(Want.START, array_id)))
    if array is None or (not past.is_success and array.failed == 1):
        found.update(dict.fromkeys(dependents.of(Want.END, array_id)))

    def verdict(term: Term) -> Verdict:
        if term.job_id != array_id or term.array_index is not None:
            return _ended(term, job, past)
        if term.kind == "after":
            is_begun = array is None or not array.unstarted
            return Met(now.wall_s + term.delay_s if term.delay_s else None) if is_begun else None
        if array is not None:
            return of_failed_part(term) if not past.is_success else None
        return MET if term.kind == "aftercorr" else of_past(term, past)

    events = _judge_all(world, found, verdict, job, now)
    next_job_id = world.next_job_id
    for waiting_id in dependents.of(Want.EACH, array_id):
        more = _of_partner(world.jobs[waiting_id], job, past, next_job_id, array is None, now)
        next_job_id += sum(
            isinstance(event, Split) and event.element.job_id != event.array_id for event in more
        )
        events += more
    return events


def _of_partner(waiting: Job, job: Job, past: Past, next_job_id: int, is_over: bool, now: Now) -> list[Event]:
    """What the end of an element means for a whole array that waits by aftercorr."""
    assert waiting.tasks is not None
    mine = waiting.tasks
    if job.array_index is not None:
        partners = [job.array_index] if mine.has(job.array_index) else []
    else:
        assert job.tasks is not None
        partners = [index for index in mine.each() if job.tasks.has(index)]
    one: Verdict = MET if past.is_success else NEVER

    def whole(verdict: Verdict) -> Callable[[Term], Verdict]:
        return lambda term: verdict if term.kind == "aftercorr" and term.job_id == job.array_id else None

    if len(partners) == mine.count:
        return judge(waiting, whole(one), now)
    events: list[Event] = []
    for event in arrays.splits(waiting, partners, next_job_id)[0]:
        events += [event, *judge(event.element, whole(one), now)]
    if is_over:
        # What is left has no partner; the array's wishes are the elements' own, so these are changed after the splits.
        events += judge(waiting, whole(MET), now)
    return events


def _of_name(world: World, name: str, done: set[int], changed: dict[int, Spec], now: Now) -> list[Event]:
    """Those singletons that are the oldest of their name now."""
    oldest = world.names.oldest(name)
    events: list[Event] = []
    for waiting_age, job_id in world.dependents.singletons[name]:
        if oldest is not None and waiting_age > oldest:
            break
        if job_id in done:
            continue
        job = world.jobs[job_id]
        job = job._replace(spec=changed.get(job_id, job.spec))
        events += judge(job, lambda term: MET if term.kind == "singleton" else None, now)
    return events


def freed_by_rename(world: World, job: Job, now: Now) -> list[Event]:
    """What it means for the singletons of its old name that a job, as it still is, takes another."""
    waiting = world.dependents.singletons.get(job.spec.name)
    if waiting is None or world.names.oldest(job.spec.name) != age(job):
        return []
    second = world.names.second(job.spec.name)
    events: list[Event] = []
    for waiting_age, job_id in waiting:
        if job_id == job.job_id:
            continue
        if second is not None and waiting_age > second:
            break
        events += judge(world.jobs[job_id], lambda term: MET if term.kind == "singleton" else None, now)
    return with_resumed(world, in_order(events))


def _is_meant(term: Term, job: Job) -> bool:
    """Whether a term names this job, or this element (or one of those in this array) by its index."""
    if term.array_index is None:
        return term.job_id == job.job_id
    if term.job_id != job.array_id:
        return False
    return term.array_index == job.array_index or (job.tasks is not None and job.tasks.has(term.array_index))


def _ended(term: Term, job: Job, past: Past) -> Verdict:
    return of_past(term, past) if term.kind != "singleton" and _is_meant(term, job) else None


def _judge_all(
    world: World, waiting_ids: Iterable[int], verdict: Callable[[Term], Verdict], job: Job, now: Now
) -> list[Event]:
    """What the verdicts on this job mean for those who wait for it."""
    about = (job.job_id, job.array_id or 0)
    partner = job if job.is_finished and job.array_id is not None else None
    events: list[Event] = []
    for job_id in dict.fromkeys(waiting_ids):
        waiting = world.jobs[job_id]
        events += judge(waiting, _with_partner(verdict, waiting, partner), now, about)
    return events


def _with_partner(
    verdict: Callable[[Term], Verdict], waiting: Job, partner: Job | None
) -> Callable[[Term], Verdict]:
    """Also aftercorr of an element, whose partner has just ended."""
    if partner is None or waiting.array_index is None:
        return verdict
    index = waiting.array_index
    is_partner = index == partner.array_index or (partner.tasks is not None and partner.tasks.has(index))
    if not is_partner:
        return verdict
    assert isinstance(partner.phase, Finished)
    is_success = partner.phase.outcome.state is JobState.COMPLETED

    def both(term: Term) -> Verdict:
        if term.kind == "aftercorr" and term.array_index is None and term.job_id == partner.array_id:
            return MET if is_success else NEVER
        return verdict(term)

    return both
