"""Which waiting jobs may start without asking, each when one that runs is over: known beforehand, short jobs lose no time between them.

Reads the world only. It errs on the side of none: what is not plainly the planner's next choice is not prefetched.
"""

from itertools import islice

from jobd.core.job import NO_RESOURCES, Completing, Job, Key, Resources, Running
from jobd.core.queue import Gate
from jobd.core.resources import Room
from jobd.core.world import World
from jobd.states import Cause

GATED_MAX = 64  # jobs behind gates that are looked at: who has more of them at the head of the queue waits for the planner

# Gates that no end of a job opens: those of a person, of a clock, and for ever.
_UNMOVED = (Gate.HELD, Gate.NEVER, Gate.BEGIN)


def next_up(world: World, count: int) -> list[Job]:
    """The jobs that the planner starts next, in that order, whichever of the running ones ends; at most `count`.

    That is known where all that runs is batch jobs that ask for the same, and the queue begins with such jobs: then each end makes
    room for just one start, on the same processors, and lets nobody else go first.
    """
    if world.children or world.paused or not world.waiting or not world.holding:
        return []
    first = next(iter(world.holding.values())).spec
    nb_proc, resources = first.nb_proc, first.resources
    if not world.used <= world.nb_proc < world.used + nb_proc or nb_proc > world.nb_proc:
        return []
    if resources.gpus or resources.is_exclusive:  # which GPUs, the job is told by name
        return []
    # As many processors as one that starts now is bound to (resources.chosen_cpus).
    bound = nb_proc if nb_proc <= len(world.cpus) and world.nb_proc <= len(world.cpus) else 0
    for job in world.holding.values():
        if not _asks_for(job, nb_proc, resources) or not _makes_room(job, bound):
            return []
    if resources != NO_RESOURCES and not _is_enough(world, nb_proc, resources):
        return []
    end = _first_that_may_open(world)
    found: list[Job] = []
    for key in islice(world.waiting, count):
        job = world.jobs[key[2]]
        if end is not None and end < key:
            break
        if not _asks_for(job, nb_proc, resources) or job.array_id is not None or job.parent_id is not None:
            break
        found.append(job)
        if job.spec.batch is not None and job.spec.batch.retry.count:
            break  # should it fail at once, it goes before what comes after it
    return found


def _asks_for(job: Job, nb_proc: int, resources: Resources) -> bool:
    spec = job.spec
    return (
        spec.batch is not None and spec.nb_proc == nb_proc and spec.resources == resources and spec.is_bound
    )


def _makes_room(job: Job, bound: int) -> bool:
    """Whether its end is one, with the processors that the next one is to have; a job that is tried again is in the queue before others."""
    phase, batch = job.phase, job.spec.batch
    assert isinstance(phase, Running | Completing) and batch is not None
    if batch.retry.count or (type(phase) is Completing and phase.outcome.cause is Cause.REQUEUED):
        return False
    return len(phase.cpus) == bound


def _is_enough(world: World, nb_proc: int, resources: Resources) -> bool:
    """Whether what one of them gives back is enough for the next: there may be less of it than when they started."""
    room = Room(world)
    room.give(nb_proc, resources)
    return room.fits(nb_proc, resources)


def _first_that_may_open(world: World) -> Key | None:
    """The first job in the order of the queue that the end of another may let through its gate; None if there is none."""
    key: Key
    for number, key in enumerate(world.gated):
        if number == GATED_MAX or world.gates[key[2]] not in _UNMOVED:
            return key
    return None
