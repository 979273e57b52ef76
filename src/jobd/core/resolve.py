"""What a dependency means on the day on which it is asked for: by the jobs that live, and by what is remembered of others.

Reads the world only. What events mean later is said in waits.py, where also the rules stand.
"""

from jobd.core import arrays
from jobd.core.dependents import age, is_singleton
from jobd.core.events import Ended, Event, Submitted
from jobd.core.job import Job, Now, Outcome, Spec
from jobd.core.verdicts import (
    MET,
    NEVER,
    Met,
    Past,
    Pasts,
    Verdict,
    in_order,
    judge,
    judged,
    of_failed_part,
    of_past,
)
from jobd.core.world import World
from jobd.dependencies import Dependency, Term
from jobd.errors import NoSuchJob, Refused
from jobd.indexes import Indexes
from jobd.states import Cause

# Verdicts on single elements of an array: index → term → verdict
Apart = dict[int, dict[Term, Verdict]]
CIRCLE_JOBS_MAX = 1000  # looked at for a circle (Slurm's max_depend_depth is 10): a longer one is not found, and then waits for ever


def unknown(
    world: World, dependency: Dependency, tasks: Indexes | None = None
) -> list[tuple[int, int | None]]:
    """The (job, index) named of which the journal may know something: those that do not live, and arrays that live in part.

    With `tasks`, those of the array that is to wait, also the partners of its elements for aftercorr.
    """
    found: dict[tuple[int, int | None], None] = {}
    for kind, job_id, index, _ in dependency.terms:
        if kind == "singleton":
            continue
        if index is not None:
            if not arrays.is_living(world, job_id, index):
                found[job_id, index] = None
            continue
        if job_id in world.arrays or job_id not in world.jobs:
            found[job_id, None] = None
        if kind == "aftercorr" and tasks is not None and (job_id in world.arrays or job_id not in world.jobs):
            found.update(((job_id, i), None) for i in tasks.each() if not arrays.is_living(world, job_id, i))
    return list(found)


def submitted(world: World, job: Job, past: Pasts, now: Now) -> list[Event]:
    """The events of a new job, with what its dependency means today.

    Raises:
        NoSuchJob: it names a job that neither lives nor is remembered.
    """
    batch = job.spec.batch
    if batch is None or not batch.dependency.terms:
        return [Submitted(job)]
    spec, apart = resolved(world, job, batch.dependency, past, now)
    job = job._replace(spec=spec)
    events: list[Event] = [Submitted(job)]
    assert spec.batch is not None
    if spec.batch.dependency.is_never and spec.batch.is_killed_on_invalid:
        return [*events, Ended(job.job_id, now.wall_s, Outcome(Cause.DEPENDENCY))]
    return events + _set_apart(job, apart, job.job_id + 1, now)


def resolved(world: World, job: Job, dependency: Dependency, past: Pasts, now: Now) -> tuple[Spec, Apart]:
    """The wishes of a waiting job with what is left of this dependency, and the verdicts on single elements of an array.

    Raises:
        NoSuchJob: it names a job that neither lives nor is remembered.
    """
    apart: Apart = {}

    def verdict(term: Term) -> Verdict:
        return _verdict_now(world, job, term, past, apart, now)

    spec = judged(job, dependency, verdict)
    assert spec.batch is not None
    if not spec.batch.dependency.terms or spec.batch.dependency.is_never:
        apart = {}
    return spec, apart


def check_circle(world: World, job: Job, dependency: Dependency) -> None:
    """Whether what a job is to wait for waits, over whatever others, for the job itself. A new job cannot: nobody knows its number.

    Raises:
        Refused: it does.
    """
    seen: set[int] = set()
    stack = [found for term in dependency.terms for found in _waited_for(world, term)]
    while stack and len(seen) < CIRCLE_JOBS_MAX:
        other_id = stack.pop()
        if other_id == job.job_id:
            raise Refused(f"Circular job dependency: job {job.job_id} would wait for itself")
        batch = world.jobs[other_id].spec.batch
        if other_id in seen or batch is None or not world.jobs[other_id].is_waiting:
            continue
        seen.add(other_id)
        for term in batch.dependency.terms:
            stack += _waited_for(world, term)


def _waited_for(world: World, term: Term) -> list[int]:
    """The living jobs that a term names, but for singleton, which goes by age and makes no circle."""
    if term.array_index is not None:
        element = arrays.element(world, term.job_id, term.array_index)
        if element is not None:
            return [element.job_id]
        return [term.job_id] if arrays.is_living(world, term.job_id, term.array_index) else []
    return arrays.elements(world, term.job_id) or ([term.job_id] if term.job_id in world.jobs else [])


def renamed(world: World, job: Job) -> Spec:
    """The wishes of a job that has another name now and waits by singleton: it may be the first of that name."""
    oldest = world.names.oldest(job.spec.name)
    batch = job.spec.batch
    if batch is None or not is_singleton(job) or (oldest is not None and oldest < age(job)):
        return job.spec
    return judged(job, batch.dependency, lambda term: MET if term.kind == "singleton" else None)


def _verdict_now(world: World, job: Job, term: Term, past: Pasts, apart: Apart, now: Now) -> Verdict:
    if term.kind == "singleton":
        oldest = world.names.oldest(job.spec.name)
        return MET if oldest is None or oldest >= age(job) else None
    if term.kind == "aftercorr":
        if job.tasks is not None and term.array_index is None:
            return _each_now(world, job.tasks, term, past, apart)
        if job.array_index is not None and term.array_index is None:
            if arrays.is_living(world, term.job_id, job.array_index):
                return None
            if (found := past.get((term.job_id, job.array_index))) is not None:
                return of_past(term, found)
        else:
            term = term._replace(kind="afterok")
    if term.array_index is not None:
        other = arrays.element(world, term.job_id, term.array_index)
        if other is None and arrays.is_living(world, term.job_id, term.array_index):
            return term
    elif term.job_id in world.arrays:
        return _whole_now(world, term, past, now)
    else:
        other = world.jobs.get(term.job_id)
    if other is not None:
        if other.job_id == job.job_id:
            raise NoSuchJob(f"Job dependency problem: job {job.job_id} cannot wait for itself")
        return _begun(term, other, now) if term.kind == "after" and other.attempt else term
    found = past.get((term.job_id, term.array_index))
    if found is None:
        index = "" if term.array_index is None else f"_{term.array_index}"
        raise NoSuchJob(f"Job dependency problem: no job {term.job_id}{index}")
    return of_past(term, found)


def _whole_now(world: World, term: Term, past: Pasts, now: Now) -> Verdict:
    """Of an array that lives, at least in part."""
    array = world.arrays[term.job_id]
    found = past.get((term.job_id, None))
    if term.kind == "after":
        return term if array.unstarted else Met(_begun_at(world, term, found, now))
    has_failed = array.failed > 0 or (found is not None and not found.is_success)
    return of_failed_part(term) if has_failed else term


def _begun_at(world: World, term: Term, found: Past | None, now: Now) -> float | None:
    """When a job that waits for the start of a whole array, all of which has begun, may begin; None for at once."""
    if not term.delay_s:
        return None
    starts = [_started_at(world.jobs[job_id], now) for job_id in arrays.elements(world, term.job_id)]
    if found is not None:
        starts.append(found.ended_at if found.started_at is None else found.started_at)
    return max(starts) + term.delay_s


def _each_now(world: World, tasks: Indexes, term: Term, past: Pasts, apart: Apart) -> Verdict:
    """aftercorr of an array: which of its elements may begin already."""
    if term.job_id in world.jobs and term.job_id not in world.arrays:
        return term
    whole = past.get((term.job_id, None))
    is_over = term.job_id not in world.arrays
    if is_over:
        if whole is None:
            raise NoSuchJob(f"Job dependency problem: no job {term.job_id}")
        if whole.is_success:
            return MET
    decided: dict[int, Verdict] = {}
    for index in tasks.each():
        found = past.get((term.job_id, index))
        if found is not None:
            decided[index] = MET if found.is_success else NEVER
        elif is_over:
            decided[index] = MET  # without a partner
    if is_over and not any((term.job_id, index) in past for index in tasks.each()):
        return NEVER  # it was no array
    kinds = set(map(type, decided.values()))
    if len(decided) == tasks.count and len(kinds) == 1:
        return next(iter(decided.values()))
    for index, one in decided.items():
        apart.setdefault(index, {})[term] = one
    return term


def _begun(term: Term, other: Job, now: Now) -> Met:
    return Met(_started_at(other, now) + term.delay_s if term.delay_s else None)


def _started_at(job: Job, now: Now) -> float:
    """When a job that was started began; of one that waits again nobody knows, and now is the latest that it can have been."""
    return float(getattr(job.phase, "started_at", now.wall_s))


def _set_apart(array: Job, verdicts: Apart, next_job_id: int, now: Now) -> list[Event]:
    """Elements of a waiting array whose partners have ended already."""
    if not verdicts:
        return []
    events: list[Event] = []
    wanted = [index for index in verdicts if array.tasks is not None and array.tasks.has(index)]
    for event in arrays.splits(array, wanted, next_job_id)[0]:
        assert event.element.array_index is not None
        events += [event, *judge(event.element, verdicts[event.element.array_index].get, now)]
    return in_order(events)


def set_apart(world: World, array: Job, verdicts: Apart, now: Now) -> list[Event]:
    """The same for an array that waits already, after its wishes were changed."""
    return _set_apart(array, verdicts, world.next_job_id, now)
