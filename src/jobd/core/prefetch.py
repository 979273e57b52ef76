"""Which waiting jobs may start without asking, each when one that runs is over: known beforehand, short jobs lose no time between them.

Reads the world only. It errs on the side of none: what is not plainly the planner's next choice is not prefetched.
"""

from itertools import islice

from jobd.core.job import Job, Resources
from jobd.core.world import World


def next_up(world: World, count: int) -> list[Job]:
    """The jobs that the planner starts next, in that order, whichever of the running ones ends; at most `count`.

    That is known where all that runs is batch jobs that ask for the same, and the queue begins with such jobs: then each end makes
    room for just one start, on the same processors.
    """
    if world.lent or world.paused or not world.waiting or not world.holding:
        return []
    first = next(iter(world.holding.values())).spec
    nb_proc, resources = first.nb_proc, first.resources
    if not world.used <= world.nb_proc < world.used + nb_proc or nb_proc > world.nb_proc:
        return []
    if resources.gpus or resources.is_exclusive:  # which GPUs, the job is told by name
        return []
    for job in world.holding.values():
        if not _asks_for(job, nb_proc, resources):
            return []
    found: list[Job] = []
    for key in islice(world.waiting, count):
        job = world.jobs[key[2]]
        if not _asks_for(job, nb_proc, resources) or job.array_id is not None or job.parent_id is not None:
            break
        found.append(job)
    return found


def _asks_for(job: Job, nb_proc: int, resources: Resources) -> bool:
    spec = job.spec
    return (
        spec.batch is not None and spec.nb_proc == nb_proc and spec.resources == resources and spec.is_bound
    )
