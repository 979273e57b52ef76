"""Trees: who belongs together, and how far an end reaches. Reads the world only; what it finds are events for others to admit.

* A job that ends by itself ends alone, but its living children are killed.
* A job that is killed takes its whole tree with it (or, with on_kill = below, what is below it).
* Children end before their parents in the order of events, so that a parent is not resumed on the way down.
"""

from collections.abc import Iterator

from jobd.core.events import Changed, Completed, Ended, Event, Resumed
from jobd.core.job import Completing, Job, Now, Outcome, Retry, Running
from jobd.core.world import World
from jobd.states import Cause, OnKill


def below(world: World, job_id: int) -> Iterator[int]:
    """The living descendants of a job, deepest first within each branch."""
    stack = sorted(world.children.get(job_id, ()))
    found: list[int] = []
    while stack:
        child = stack.pop()
        found.append(child)
        stack.extend(sorted(world.children.get(child, ())))
    return reversed(found)


def top(world: World, job: Job) -> Job:
    """The highest living ancestor of a job, or the job itself."""
    while job.parent_id is not None and job.parent_id in world.jobs:
        job = world.jobs[job.parent_id]
    return job


def depth(world: World, job: Job) -> int:
    """The number of living ancestors of a job."""
    count = 0
    while job.parent_id is not None and job.parent_id in world.jobs:
        job = world.jobs[job.parent_id]
        count += 1
    return count


def killed(world: World, job: Job, outcome: Outcome, now: Now) -> list[Event]:
    """Somebody outside ended this job: it ends with this outcome, and its tree as far as its on_kill says."""
    first = job if job.spec.on_kill is OnKill.BELOW else top(world, job)
    events: list[Event] = []
    for job_id in below(world, first.job_id):
        other = world.jobs[job_id]
        events += stopped(other, outcome if job_id == job.job_id else Outcome(Cause.TREE), now)
    events += stopped(first, outcome if first is job else Outcome(Cause.TREE), now)
    return events


def cut_short(world: World, job: Job, outcome: Outcome, now: Now) -> list[Event]:
    """This job is ended with this outcome, it and what is below it: a limit."""
    return orphaned(world, job.job_id, now) + stopped(job, outcome, now)


def orphaned(world: World, job_id: int, now: Now) -> list[Event]:
    """The parent is over: all that live below it are ended."""
    events: list[Event] = []
    for child_id in below(world, job_id):
        events += stopped(world.jobs[child_id], Outcome(Cause.PARENT_ENDED), now)
    return events


def stopped(job: Job, outcome: Outcome, now: Now) -> list[Event]:
    """End one job: off the queue at once, or Completing until its processes are gone. It is not queued again after that."""
    if job.is_waiting:
        return [Ended(job.job_id, now.wall_s, outcome)]
    if isinstance(job.phase, Running):
        return [Completed(job.job_id, outcome)]
    if isinstance(job.phase, Completing) and outcome.cause is not Cause.REQUEUED:
        if job.phase.outcome.cause is Cause.REQUEUED:
            return [Completed(job.job_id, outcome)]
        batch = job.spec.batch
        if batch is not None and batch.retry.count and job.phase.outcome.cause is Cause.SELF:
            return [Changed(job.job_id, job.spec._replace(batch=batch._replace(retry=Retry())))]
    return []


def with_resumed(world: World, events: list[Event]) -> list[Event]:
    """The events, with a Resumed after each Ended that leaves a living parent without children."""
    left: dict[int, int] = {}  # parent → children that still live at this point
    ended: set[int] = set()
    result: list[Event] = []
    for event in events:
        result.append(event)
        if not isinstance(event, Ended):
            continue
        ended.add(event.job_id)
        job = world.jobs.get(event.job_id)
        if job is None:
            continue  # split off by these very events, so that its array lives on beside it
        parent_id = job.parent_id
        if parent_id is None or parent_id not in world.children or parent_id in ended:
            continue
        left[parent_id] = left.get(parent_id, len(world.children[parent_id])) - 1
        if left[parent_id] == 0 and parent_id in world.holding:
            result.append(Resumed(parent_id))
    return result
