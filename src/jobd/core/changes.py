"""What Scontrol does to a job → the events that it means. Reads the world only.

It is one user's own server, so nothing is refused because of rights: only what makes no sense for the job as it stands. What is so
already means nothing, and that is no error.
"""

from typing import NamedTuple

from jobd.core import tree, waits
from jobd.core.events import Changed, Ended, Event, Paused, Reopened, Unpaused
from jobd.core.job import Batch, Completing, Finished, Job, Now, Outcome, Running, Spec
from jobd.core.reports import check_fits
from jobd.core.resources import chosen_cpus, needed_of
from jobd.core.tree import with_resumed
from jobd.core.verdicts import in_order
from jobd.core.world import World
from jobd.dependencies import NO_DEPENDENCY, Dependency
from jobd.errors import NoSuchJob, Refused
from jobd.states import Cause
from jobd.units import format_ids


class Wanted(NamedTuple):
    """What is to be different. None, or no labels: as it is."""

    name: str | None = None
    priority: int | None = None
    nice: int | None = None
    time_limit_s: int | None = None  # 0: none
    memory_bytes: int | None = None
    nb_proc: int | None = None
    dependency: Dependency | None = None
    begin_at: float | None = None
    is_requeueable: bool | None = None
    array_limit: int | None = None
    labels: tuple[tuple[str, str], ...] = ()
    stdout: str | None = None
    cwd: str | None = None
    ntasks: int | None = None
    cpus_per_task: int | None = None
    ntasks_per_node: int | None = None
    memory_per_cpu_bytes: int | None = None


def held(world: World, job_id: int, now: Now, *, is_started_too: bool = False) -> list[Event]:
    """Keep a waiting job from being started.

    Args:
        is_started_too: one that has been started goes on, and is held when it is queued again, as in Slurm.

    Raises:
        NoSuchJob: it does not live.
        Refused: it is no batch job, or does not wait.
    """
    job, batch = _batch_job(world, job_id, "held")
    if not job.is_waiting and not is_started_too:
        raise Refused(f"{_name(job)} has been started and cannot be held (requeuehold queues it again, held)")
    return [] if batch.is_held else [_changed(job, batch._replace(is_held=True))]


def released(world: World, job_id: int, now: Now) -> list[Event]:
    """Undo a hold, also one that was asked for with a requeue.

    Raises:
        NoSuchJob: it does not live.
        Refused: it is no batch job.
    """
    job, batch = _batch_job(world, job_id, "released")
    return [_changed(job, batch._replace(is_held=False))] if batch.is_held else []


def paused(world: World, job_id: int, now: Now) -> list[Event]:
    """Stop the processes of a running batch job; its procs are free meanwhile.

    Raises:
        NoSuchJob: it does not live.
        Refused: it is no batch job, does not run, or waits for jobs called inside it.
    """
    job, _ = _batch_job(world, job_id, "suspended")
    if not isinstance(job.phase, Running):
        raise Refused(f"{_name(job)} does not run, so it cannot be suspended")
    if job.phase.pause.since_at is not None:
        return []
    if job_id in world.children:
        children = format_ids(sorted(world.children[job_id]))
        raise Refused(f"{_name(job)} is suspended by the jobs that it has called ({children})")
    return [Paused(job_id, now.wall_s)]


def unpaused(world: World, job_id: int, now: Now) -> list[Event]:
    """Let a paused job go on at once, even if that takes more procs than there are for a while.

    Raises:
        NoSuchJob: it does not live.
        Refused: it is no batch job, or was not suspended.
    """
    job, _ = _batch_job(world, job_id, "resumed")
    if not isinstance(job.phase, Running) or job.phase.pause.since_at is None:
        raise Refused(f"{_name(job)} is not suspended by Scontrol, so it cannot be resumed")
    return [Unpaused(job_id, now.wall_s)]


def requeued(world: World, job_id: int, *, is_held_after: bool, now: Now) -> list[Event]:
    """End a running batch job in order to queue it again. The jobs called inside it are ended.

    Raises:
        NoSuchJob: it does not live.
        Refused: it is no batch job, waits, is being ended, or may not be requeued.
    """
    job, batch = _batch_job(world, job_id, "requeued")
    if job.is_waiting:
        raise Refused(f"{_name(job)} waits already")
    if not batch.is_requeueable:
        raise Refused(
            f"{_name(job)} may not be requeued (--no-requeue; Scontrol update JobId={job_id} Requeue=1)"
        )
    events: list[Event] = []
    if is_held_after and not batch.is_held:
        events.append(_changed(job, batch._replace(is_held=True)))
    if isinstance(job.phase, Completing):
        if job.phase.outcome.cause is not Cause.REQUEUED:
            raise Refused(f"{_name(job)} is being ended")
        return events
    return with_resumed(world, events + tree.cut_short(world, job, Outcome(Cause.REQUEUED), now))


def reopened(world: World, job: Job, now: Now, *, is_held_after: bool) -> list[Event]:
    """Queue a finished batch job again under its number: its next attempt will follow the last one.

    Args:
        job: as it ended.

    Raises:
        NotEnough: it asks for more than there is by now.
        Refused: it is no batch job, may not be requeued, never ran, or was called inside another.
    """
    batch = job.spec.batch
    if batch is None:
        raise Refused(f"{_name(job)} is no batch job and cannot be requeued")
    if not batch.is_requeueable:
        raise Refused(f"{_name(job)} may not be requeued (--no-requeue)")
    if job.tasks is not None or not isinstance(job.phase, Finished) or job.phase.started_at is None:
        raise Refused(f"{_name(job)} never ran (jobctl rerun queues it again, as a new job)")
    if job.parent_id is not None:
        raise Refused(f"{_name(job)} was called inside job {job.parent_id}, and cannot be requeued")
    if any(one.parent_id == job.job_id for one in world.jobs.values()):
        raise Refused(f"{_name(job)}: what was called inside it is still being ended")
    array = None if job.array_id is None else world.arrays.get(job.array_id)
    batch = batch._replace(
        is_held=is_held_after,
        begin_at=None,
        dependency=NO_DEPENDENCY,
        array_limit=batch.array_limit if array is None else array.limit,
    )
    spec = job.spec._replace(batch=batch)
    check_fits(world, spec)
    return [Reopened(job._replace(spec=spec), now.wall_s)]


def updated(
    world: World, job_id: int, wanted: Wanted, now: Now, past: waits.Pasts = waits.NOTHING_PAST
) -> list[Event]:
    """Change what a job asks for.

    Args:
        past: what the journal knows of the jobs that `waits.unknown` names.

    Raises:
        NoSuchJob: it does not live, or depends on one that nobody knows.
        TooManyProcs, NotEnough: it would ask for more than there is.
        Refused: that cannot be changed (any more) in this job.
    """
    job = _living(world, job_id)
    if isinstance(job.phase, Completing):
        raise Refused(f"{_name(job)} is being ended, and nothing of it can be changed")
    _check(job, wanted)
    spec = _plain(job.spec, wanted)
    if spec.batch is not None:
        spec = spec._replace(batch=_batch(spec.batch, wanted))
    if spec.nb_proc != job.spec.nb_proc or spec.resources != job.spec.resources:
        check_fits(world, spec)
    later: list[Event] = []
    if wanted.dependency is not None:
        assert spec.batch is not None
        fresh = spec._replace(batch=spec.batch._replace(dependency=wanted.dependency))
        waits.check_circle(world, job, wanted.dependency)
        spec, apart = waits.resolved(world, job._replace(spec=fresh), wanted.dependency, past, now)
        later = waits.set_apart(world, job._replace(spec=spec), apart, now)
        assert spec.batch is not None
        if spec.batch.dependency.is_never and spec.batch.is_killed_on_invalid:
            later.append(Ended(job_id, now.wall_s, Outcome(Cause.DEPENDENCY)))
    if spec.name != job.spec.name:
        later += waits.freed_by_rename(world, job, now)
        if job.is_waiting and wanted.dependency is None:
            spec = waits.renamed(world, job._replace(spec=spec))
    events: list[Event] = []
    if spec != job.spec:
        events.append(_bound(world, job, spec))
    if wanted.array_limit is not None and job.array_id is not None:
        events += _limited(world, job, wanted.array_limit)
    return with_resumed(world, in_order(events + later))


def _check(job: Job, wanted: Wanted) -> None:
    """Whether that may be changed in a job that stands so."""
    batch = job.spec.batch
    if batch is None:
        asked = (
            ("nice", wanted.nice),
            ("dependency", wanted.dependency),
            ("begin time", wanted.begin_at),
            ("requeue", wanted.is_requeueable),
            ("array limit", wanted.array_limit),
            ("output file", wanted.stdout),
            ("folder", wanted.cwd),
            ("tasks", wanted.ntasks),
            ("processors of a task", wanted.cpus_per_task),
            ("tasks of a node", wanted.ntasks_per_node),
        )
        for word, value in asked:
            if value is not None:
                raise Refused(f"{_name(job)} is no batch job: its {word} cannot be changed")
        if not job.is_waiting and wanted.nb_proc is not None:
            raise Refused(f"{_name(job)} runs and is no batch job: its number of procs cannot be changed")
    if wanted.array_limit is not None and job.array_id is None:
        raise Refused(f"{_name(job)} is no array")
    if not job.is_waiting:
        fixed = (
            ("dependency", wanted.dependency),
            ("begin time", wanted.begin_at),
            ("output file", wanted.stdout),
            ("folder", wanted.cwd),
        )
        for word, value in fixed:
            if value is not None:
                raise Refused(f"{_name(job)} has been started: its {word} cannot be changed")


def _plain(spec: Spec, wanted: Wanted) -> Spec:
    """The wishes that every job has."""
    if wanted.name is not None:
        spec = spec._replace(name=wanted.name)
    if wanted.priority is not None:
        spec = spec._replace(priority=wanted.priority)
    elif wanted.nice is not None and spec.batch is not None:
        spec = spec._replace(priority=spec.priority + spec.batch.nice - wanted.nice)
    if wanted.time_limit_s is not None:
        spec = spec._replace(time_limit_s=wanted.time_limit_s or None)
    if wanted.memory_bytes is not None:
        spec = spec._replace(resources=spec.resources._replace(memory_bytes=wanted.memory_bytes))
    if wanted.nb_proc is not None:
        spec = spec._replace(nb_proc=wanted.nb_proc)
    if wanted.cwd is not None:
        spec = spec._replace(cwd=wanted.cwd)
    if wanted.labels and spec.batch is None:
        spec = spec._replace(labels=_relabelled(spec.labels, wanted))
    return spec


def _batch(batch: Batch, wanted: Wanted) -> Batch:
    """The wishes that only batch jobs have, but for the dependency."""
    if wanted.nice is not None:
        batch = batch._replace(nice=wanted.nice)
    if wanted.memory_bytes is not None:
        batch = batch._replace(memory_per_cpu_bytes=wanted.memory_per_cpu_bytes or 0)
    if wanted.begin_at is not None:
        batch = batch._replace(begin_at=wanted.begin_at)
    if wanted.is_requeueable is not None:
        batch = batch._replace(is_requeueable=wanted.is_requeueable)
    if wanted.array_limit is not None:
        batch = batch._replace(array_limit=wanted.array_limit)
    if wanted.stdout is not None:
        batch = batch._replace(stdout=wanted.stdout)
    if wanted.ntasks is not None:
        batch = batch._replace(ntasks=wanted.ntasks)
    if wanted.cpus_per_task is not None:
        batch = batch._replace(cpus_per_task=wanted.cpus_per_task)
    if wanted.ntasks_per_node is not None:
        batch = batch._replace(ntasks_per_node=wanted.ntasks_per_node)
    if wanted.labels:
        batch = batch._replace(labels=_relabelled(batch.labels, wanted))
    return batch


def _relabelled(labels: tuple[tuple[str, str], ...], wanted: Wanted) -> tuple[tuple[str, str], ...]:
    return tuple({**dict(labels), **dict(wanted.labels)}.items())


def _bound(world: World, job: Job, spec: Spec) -> Changed:
    """The change, with the processors of a running job whose number of procs is another now."""
    if not isinstance(job.phase, Running) or spec.nb_proc == job.spec.nb_proc:
        return Changed(job.job_id, spec)
    phase = job.phase
    own = set(phase.cpus)
    if spec.nb_proc < len(own):
        cpus = tuple(sorted(own)[: spec.nb_proc])
    else:
        cpus = chosen_cpus(world, job._replace(spec=spec), set(world.busy) - own)
    return Changed(job.job_id, spec, cpus, needed_of(world, spec.nb_proc, spec.resources))


def _limited(world: World, job: Job, array_limit: int) -> list[Event]:
    """An array's limit is that of all its living jobs."""
    assert job.array_id is not None
    array = world.arrays[job.array_id]
    others = set(array.by_index.values()) | ({job.array_id} if array.is_waiting else set())
    events: list[Event] = []
    for other_id in sorted(others - {job.job_id}):
        other = world.jobs[other_id]
        assert other.spec.batch is not None
        if other.spec.batch.array_limit != array_limit:
            events.append(_changed(other, other.spec.batch._replace(array_limit=array_limit)))
    return events


def _changed(job: Job, batch: Batch) -> Changed:
    return Changed(job.job_id, job.spec._replace(batch=batch))


def _living(world: World, job_id: int) -> Job:
    job = world.jobs.get(job_id)
    if job is None:
        raise NoSuchJob(f"no job {job_id} (Squeue lists the living, Sacct the finished)")
    return job


def _batch_job(world: World, job_id: int, done: str) -> tuple[Job, Batch]:
    job = _living(world, job_id)
    if job.spec.batch is None:
        raise Refused(f"{_name(job)} is no batch job and cannot be {done}")
    return job, job.spec.batch


def _name(job: Job) -> str:
    return f"job {job.shown_id}"
