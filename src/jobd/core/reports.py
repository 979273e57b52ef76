"""What clients and agents report → the events that it means. Pure: reads the world, changes nothing.

A report may come late, twice, or about a job that is long over. Then it means nothing, and that is no error.
"""

from collections.abc import Mapping

from jobd.core import tree, waits
from jobd.core.events import Changed, Completed, Ended, Event, LimitsSet, Resumed, Submitted, Suspended
from jobd.core.job import NO_RESOURCES, Completing, Job, Now, Outcome, Running, Spec, Waiting
from jobd.core.tree import with_resumed as with_resumed
from jobd.core.waits import Past
from jobd.core.world import World
from jobd.errors import NotEnough, ParentEnding, Refused, TooManyJobs, TooManyProcs
from jobd.indexes import Indexes
from jobd.limits import TREE_DEPTH_MAX
from jobd.states import Cause
from jobd.units import plural


def submitted(
    world: World,
    spec: Spec,
    *,
    parent_id: int | None,
    jobs_max: int,
    now: Now,
    tasks: Indexes | None = None,
    past: Mapping[tuple[int, int | None], Past] = waits.NOTHING_PAST,
) -> list[Event]:
    """A new job, if it may enter the queue; with `tasks` a whole array.

    Args:
        past: what the journal knows of the jobs that `waits.unknown` names.

    Raises:
        TooManyProcs: it asks for more procs than one job may have.
        NotEnough: it asks for more of a resource than there is.
        NoSuchJob: it depends on a job that nobody knows.
        ParentEnding: its parent is being ended.
        TooManyJobs: the queue is full.
        Refused: the tree is too deep.
    """
    check_fits(world, spec)
    if len(world.jobs) >= jobs_max:
        raise TooManyJobs(f"{len(world.jobs)} jobs live already, which is jobs_max (see config.toml)")
    parent = world.jobs.get(parent_id) if parent_id is not None else None
    job_id = world.next_job_id
    array_id = job_id if tasks is not None else None
    if parent is None:
        job = Job(job_id, None, job_id, now.wall_s, spec, Waiting(), 0, array_id, None, tasks)
        if spec.batch is not None and spec.batch.dependency.terms:
            return waits.submitted(world, job, past, now)
        return [Submitted(job)]
    if not isinstance(parent.phase, Running):
        raise ParentEnding(f"job {parent.job_id}, inside which this was called, is being ended")
    if tree.depth(world, parent) + 1 >= TREE_DEPTH_MAX:
        raise Refused(f"job {parent.job_id} has {TREE_DEPTH_MAX} ancestors: no deeper tree is taken")
    job = Job(job_id, parent.job_id, parent.root_id, now.wall_s, spec, Waiting(), 0, array_id, None, tasks)
    events = waits.submitted(world, job, past, now)
    if parent.job_id not in world.children:
        events.insert(1, Suspended(parent.job_id))
        if isinstance(events[-1], Ended) and events[-1].job_id == job_id:
            events.append(Resumed(parent.job_id))
    return events


def check_fits(world: World, spec: Spec) -> None:
    """Whether what is asked for could ever be had.

    Raises:
        TooManyProcs: it asks for more procs than one job may have.
        NotEnough: it asks for more of a resource than there is.
    """
    if spec.nb_proc > world.nb_proc_max:
        raise TooManyProcs(
            f"{plural(spec.nb_proc, 'proc')} asked for, but nb_proc_max is {world.nb_proc_max} "
            f"(jobctl set-nb-proc-max {spec.nb_proc} raises it)"
        )
    if spec.resources != NO_RESOURCES and (lack := world.capacity.lacks(spec.resources)):
        raise NotEnough(lack)


def exited(world: World, job_id: int, outcome: Outcome, *, is_gone: bool, now: Now) -> list[Event]:
    """A job's command is over; `is_gone`: and it left no process.

    A signal that somebody outside sends ends the whole tree; any other end is the job's own affair, but for its children.
    """
    job = world.jobs.get(job_id)
    if job is None:
        return []
    if job.is_waiting:  # its Salloc never ran a command: it left
        if not outcome.is_known:
            outcome = outcome._replace(cause=Cause.CLIENT_GONE)
        return with_resumed(world, [Ended(job_id, now.wall_s, outcome)])
    events: list[Event] = []
    if isinstance(job.phase, Running):
        # An end that nobody saw is that of a Salloc that was killed; the Lost that told of it may not have arrived.
        if (outcome.is_from_outside or not outcome.is_known) and outcome.cause is Cause.SELF:
            outcome = outcome._replace(cause=Cause.SIGNALLED)
            events = tree.killed(world, job, outcome, now)
        else:
            events = tree.cut_short(world, job, outcome, now)
    elif isinstance(job.phase, Completing) and not job.phase.outcome.is_known and outcome.is_known:
        events = [Completed(job_id, outcome)]
    if is_gone:
        # One event says it all: the end takes the place of the job's own Completed.
        events = [event for event in events if getattr(event, "job_id", None) != job_id]
        events.append(Ended(job_id, now.wall_s, outcome))
    return with_resumed(world, events)


def gone(world: World, job_id: int, outcome: Outcome, now: Now) -> list[Event]:
    """The agent says: the Salloc and all processes of the job are gone."""
    return exited(world, job_id, outcome, is_gone=True, now=now)


def lost(world: World, job_id: int, signal: int | None, now: Now) -> list[Event]:
    """A Salloc vanished without a word. While it waited it just leaves the queue; while it ran its tree is killed."""
    job = world.jobs.get(job_id)
    if job is None:
        return []
    if job.is_waiting:
        return with_resumed(world, [Ended(job_id, now.wall_s, Outcome(Cause.CLIENT_GONE))])
    return signalled(world, job_id, signal, now)


def signalled(world: World, job_id: int, signal: int | None, now: Now) -> list[Event]:
    """A running Salloc was sent a signal meant to end it: its tree ends. The command's own end is still to be learnt."""
    job = world.jobs.get(job_id)
    if job is None or not isinstance(job.phase, Running):
        return []
    return with_resumed(world, tree.killed(world, job, Outcome(Cause.SIGNALLED), now))


def deleted(world: World, job_ids: list[int], cause: Cause, now: Now) -> list[Event]:
    """Somebody asks for the end of these living jobs, each with its tree."""
    events: list[Event] = []
    seen: set[int] = set()
    for job_id in job_ids:
        if job_id in seen:
            continue
        for event in tree.killed(world, world.jobs[job_id], Outcome(cause), now):
            assert isinstance(event, Changed | Completed | Ended)
            if event.job_id not in seen:
                seen.add(event.job_id)
                events.append(event)
    return with_resumed(world, events)


def timed_out(world: World, job_id: int, now: Now) -> list[Event]:
    """A running job's time limit is over."""
    job = world.jobs[job_id]
    return with_resumed(world, tree.cut_short(world, job, Outcome(Cause.TIME_LIMIT), now))


def limits_set(world: World, nb_proc: int, nb_proc_max: int, now: Now) -> list[Event]:
    """New limits; waiting jobs that ask for more than nb_proc_max are cancelled."""
    events: list[Event] = []
    for shape, keys in world.shapes.items():
        if shape[0] > nb_proc_max:
            events += [Ended(key[2], now.wall_s, Outcome(Cause.NB_PROC_MAX)) for key in keys]
    for key in world.gated:
        if world.jobs[key[2]].spec.nb_proc > nb_proc_max:
            events.append(Ended(key[2], now.wall_s, Outcome(Cause.NB_PROC_MAX)))
    return [LimitsSet(nb_proc, nb_proc_max), *with_resumed(world, events)]
