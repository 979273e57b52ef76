"""When waiting jobs will start, by the time limits of those that run. A reckoning ahead; changes nothing, promises nothing.

Jobs are taken in the order of the queue, without passing, and each is thought to run to its limit. From the first job on whose start
hangs on one without a limit nothing is said.
"""

import heapq

from jobd.core.job import Job, Now, Resources
from jobd.core.resources import Room, needed_of
from jobd.core.schedule import Policy, end_s_of
from jobd.core.world import World


def expected_starts(world: World, now: Now, policy: Policy, count_max: int) -> dict[int, float]:
    """The wall time of the start of the first waiting jobs, as far as it can be told; of an array that of its next element.

    Costs by `count_max` (an element counts as a job) and by the number of running jobs.
    """
    expected: dict[int, float] = {}
    if world.nb_proc == 0:
        return expected
    room = Room(world)
    ends: list[tuple[float, int, int, Resources]] = []
    for job_id, job in world.holding.items():
        end_s = end_s_of(world, job_id)
        if end_s is not None and not world.is_suspended(job_id):
            ends.append((end_s, job_id, world.cost(job), job.spec.resources))
    heapq.heapify(ends)
    at_s, looked = now.mono_s, 0
    for key in world.waiting:
        job = world.jobs[key[2]]
        if world.capacity.lacks(job.spec.resources):
            continue
        for _ in range(_count(job)):
            if looked == count_max:
                return expected
            looked += 1
            found_s = _first_fit_s(room, ends, job, at_s)
            if found_s is None:
                return expected
            at_s = max(at_s, found_s)
            expected.setdefault(job.job_id, now.wall_s + at_s - now.mono_s)
            held = needed_of(world, job.spec.nb_proc, job.spec.resources)
            room.take(held, job.spec.resources)
            if job.spec.time_limit_s is not None:
                heapq.heappush(ends, (at_s + job.spec.time_limit_s, job.job_id, held, job.spec.resources))
    return expected


def _count(job: Job) -> int:
    return 1 if job.tasks is None else job.tasks.count


def _first_fit_s(
    room: Room, ends: list[tuple[float, int, int, Resources]], job: Job, at_s: float
) -> float | None:
    """Let those end that end first until the job fits."""
    while not room.fits(job.spec.nb_proc, job.spec.resources):
        if not ends:
            return None
        end_s, _, held, resources = heapq.heappop(ends)
        room.give(held, resources)
        at_s = end_s
    return at_s
