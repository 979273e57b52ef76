"""The planner: `plan(world, now, policy) → decisions`, a function without effects.

The queue is looked at by shape (procs and time limit): jobs of one shape fit or do not fit together, so only the first of
each shape matters, and a plan costs by the number of shapes, never by the length of the queue.

Order: the first job that fits starts, in the order of priority, age of the root, own age. Small jobs so pass a larger one that
does not fit, but not for ever: a job that was passed `bypass_max` times, or that has waited `bypass_s` seconds since it was
first passed, is *shielded*: nothing behind it starts, so the procs that become free are kept for it. Only what ends
before it could start anyway may still pass (backfill), where all time limits involved are known.

No tree can deadlock: a job with living children counts as free, so only leaves count; leaves end; then used falls to 0 and
the first in the queue starts, whatever its size.
"""

from typing import NamedTuple

from jobd.core.decisions import Decision, Start, TimeOut
from jobd.core.job import Job, Key, Now
from jobd.core.resources import chosen_cpus
from jobd.core.world import Shape, World


class Policy(NamedTuple):
    """What the configuration says about passing."""

    bypass_max: int = 16
    bypass_s: float = 60.0


class _Heads:
    """The first job of each shape that is left, as the plan takes jobs away from the front."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._taken: dict[Shape, int] = {}

    def items(self) -> list[tuple[Key, Shape]]:
        """(key, shape) of each head, in no order."""
        heads = []
        for shape, keys in self._world.shapes.items():
            index = self._taken.get(shape, 0)
            if index < len(keys):
                heads.append((keys[index], shape))
        return heads

    def take(self, shape: Shape) -> None:
        self._taken[shape] = self._taken.get(shape, 0) + 1


def plan(world: World, now: Now, policy: Policy) -> list[Decision]:
    """What is to be done now. Nothing is changed, and planning again after admitting starts finds nothing more.

    What is overdue is decided first and alone, because its end changes what may start: waiting children end with it, and
    a parent takes its procs back. The caller admits that and plans again.
    """
    overdue = [job_id for job_id, end_s in world.deadlines.items() if end_s <= now.mono_s]
    if overdue:
        return [TimeOut(job_id) for job_id in sorted(overdue)]
    decisions: list[Decision] = []
    if world.nb_proc == 0 or not world.waiting:
        return decisions
    used = world.used
    busy = set(world.busy)
    passes = list(world.passes)
    running: list[tuple[float | None, int]] = []  # (end of the time limit, procs) of what this plan starts
    heads = _Heads(world)
    while used < world.nb_proc:
        fitting: list[tuple[Key, Shape]] = []
        blocked: list[Key] = []
        for key, shape in heads.items():
            if used + needed(world, shape[0]) <= world.nb_proc:
                fitting.append((key, shape))
            else:
                blocked.append(key)
        if not fitting:
            break
        fitting.sort()
        choice = _choice(world, fitting, sorted(blocked), passes, running, used, now, policy)
        if choice is None:
            break
        key, shape, is_passing = choice
        heads.take(shape)
        job = world.jobs[key[2]]
        cpus = chosen_cpus(world, job, busy)
        held = needed(world, shape[0])
        decisions.append(Start(job.job_id, cpus, held, is_passing))
        used += held
        busy.update(cpus)
        running.append((None if shape[1] is None else now.mono_s + shape[1], held))
        if is_passing:
            passes.append((now.wall_s, key))
    return decisions


def needed(world: World, nb_proc: int) -> int:
    """What a job counts as when it starts: more than nb_proc counts as nb_proc (it runs alone)."""
    return min(nb_proc, world.nb_proc)


def next_deadline_s(world: World) -> float | None:
    """The monotonic time at which the planner must look again although nothing happens; None for never."""
    return min(world.deadlines.values(), default=None)


def is_shielded(job: Job, passes: list[tuple[float, Key]], now: Now, policy: Policy) -> bool:
    """Whether a job that does not fit has been passed so often, or so long ago, that nothing more may pass it."""
    count = 0
    first_s: float | None = None
    for at_s, key in passes:
        if key > job.key and at_s >= job.submitted_at:
            count += 1
            if first_s is None:
                first_s = at_s
    if count >= policy.bypass_max:
        return True
    return first_s is not None and now.wall_s - first_s >= policy.bypass_s


def _choice(
    world: World,
    fitting: list[tuple[Key, Shape]],
    blocked: list[Key],
    passes: list[tuple[float, Key]],
    running: list[tuple[float | None, int]],
    used: int,
    now: Now,
    policy: Policy,
) -> tuple[Key, Shape, bool] | None:
    """The next to start of those that fit, and whether it passes one that does not."""
    key, shape = fitting[0]
    if not blocked or key < blocked[0]:
        return key, shape, False
    shielded = next(
        (other for other in blocked if is_shielded(world.jobs[other[2]], passes, now, policy)), None
    )
    if shielded is None or key < shielded:
        return key, shape, True
    start_s = _expected_start_s(world, world.jobs[shielded[2]], running, used)
    if start_s is not None:
        for key, shape in fitting:
            if shape[1] is not None and now.mono_s + shape[1] <= start_s:
                return key, shape, False  # it delays nobody, so it does not count as passing
    return None


def _expected_start_s(
    world: World, job: Job, running: list[tuple[float | None, int]], used: int
) -> float | None:
    """The monotonic time at which a job that does not fit will fit at the latest; None if nobody can tell.

    With a suspended job about, its resumption may take procs at any time, and nobody can tell.
    """
    if world.children:
        return None
    ends: list[tuple[float, int]] = []
    for job_id, holding in world.holding.items():
        end_s = world.deadlines.get(job_id)
        if end_s is None:
            return None
        ends.append((end_s, world.cost(holding)))
    for limit_end_s, held in running:
        if limit_end_s is None:
            return None
        ends.append((limit_end_s, held))
    free_needed = needed(world, job.spec.nb_proc)
    for end_s, held in sorted(ends):
        used -= held
        if used + free_needed <= world.nb_proc:
            return end_s
    return None
