"""The planner: `plan(world, now, policy) → decisions`, a function without effects.

The queue is looked at by shape (procs, time limit, resources): jobs of one shape fit or do not fit together, so only the first of
each shape matters, and a plan costs by the number of shapes, never by the length of the queue. A waiting array is one job, from
which as many elements may start as fit. What waits behind a gate (held, begin time, dependency, array limit) is in no shape.

Order: the first job that fits starts, in the order of priority, age of the root, own age. Small jobs so pass a larger one that
does not fit, but not for ever: a job that was passed `bypass_max` times, or that has waited `bypass_s` seconds since it was
first passed, is *shielded*: nothing behind it starts, so what becomes free is kept for it. Only what ends
before it could start anyway may still pass (backfill), where all time limits involved are known.

No tree can deadlock: a job with living children counts as free, with all it has, so only leaves count; leaves end; then nothing is
used and the first in the queue starts, whatever its size. A job that asks for more than the machine has (which was
changed since) is passed over, and shields nothing.
"""

import heapq
from typing import NamedTuple

from jobd.core.decisions import Decision, Start, TimeOut
from jobd.core.job import Job, Key, Now, Resources
from jobd.core.queue import Shape
from jobd.core.resources import Room, chosen_cpus, chosen_gpus, needed_of
from jobd.core.world import World

# How long a clock that was set, or a machine that slept, may delay a job whose begin time has come.
BEGIN_LOOK_S = 30.0


class Policy(NamedTuple):
    """What the configuration says about passing."""

    bypass_max: int = 16
    bypass_s: float = 60.0


# What this plan starts: (monotonic end of its time limit or None, procs it counts as, resources)
Starting = tuple[float | None, int, Resources]


class _Heads:
    """The first job of each shape that is left, in the order of the queue, as the plan takes jobs away from the front."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._places: dict[Shape, int] = {}  # only of shapes from which something was taken
        self._elements: dict[int, int] = {}  # array → elements that still wait in it
        self._rooms: dict[int, int] = {}  # array with a limit → how many more may start
        self._heap = [(keys[0], number, shape) for number, (shape, keys) in enumerate(world.shapes.items())]
        heapq.heapify(self._heap)

    def pop(self) -> tuple[Job, int, Shape] | None:
        """The first head that its array's limit lets start; its shape is out of sight until `put_back`."""
        while self._heap:
            key, number, shape = heapq.heappop(self._heap)
            job = self._world.jobs[key[2]]
            if self._has_room(job):
                return job, number, shape
            self._next(number, shape)
        return None

    def put_back(self, job: Job, number: int, shape: Shape) -> None:
        """The job, or an element of it, starts: what comes next in its shape is a head again."""
        if job.array_id in self._rooms:
            self._rooms[job.array_id] -= 1
        if job.tasks is not None:
            left = self._elements.get(job.job_id)
            left = (job.tasks.count if left is None else left) - 1
            self._elements[job.job_id] = left
            if left:
                heapq.heappush(self._heap, (job.key, number, shape))
                return
        self._next(number, shape)

    def _next(self, number: int, shape: Shape) -> None:
        place = self._places[shape] = self._places.get(shape, 0) + 1
        keys = self._world.shapes[shape]
        if place < len(keys):
            heapq.heappush(self._heap, (keys[place], number, shape))

    def _has_room(self, job: Job) -> bool:
        if job.array_id is None:
            return True
        room = self._rooms.get(job.array_id)
        if room is None:
            array = self._world.arrays[job.array_id]
            if not array.limit:
                return True
            room = self._rooms[job.array_id] = array.room
        return room > 0


class _Blocked:
    """The heads that do not fit, in the order of the queue, and which of them is shielded."""

    def __init__(self, world: World, now: Now, policy: Policy) -> None:
        self.jobs: list[Job] = []
        self._passes = list(world.passes)
        self._now = now
        self._policy = policy
        self._known: list[
            tuple[int, bool]
        ] = []  # (passes less those before it was known, is overdue), of the first jobs
        self._made = 0  # passes that this plan makes

    def passed(self) -> None:
        """The plan lets a job pass all of them, each of which `shielded` has looked at."""
        self._made += 1

    def shielded(self) -> Job | None:
        """The first of them that may not be passed any more."""
        for job in self.jobs[len(self._known) :]:
            count, first_s = passes_of(job, self._passes)
            is_overdue = first_s is not None and self._now.wall_s - first_s >= self._policy.bypass_s
            self._known.append((count - self._made, is_overdue))
        is_short = self._policy.bypass_s <= 0
        for job, (count, is_overdue) in zip(self.jobs, self._known, strict=True):
            total = count + self._made
            if is_overdue or total >= self._policy.bypass_max or (is_short and total > 0):
                return job
        return None


def plan(world: World, now: Now, policy: Policy) -> list[Decision]:
    """What is to be done now. Nothing is changed, and planning again after admitting starts finds nothing more.

    What is overdue is decided first and alone, because its end changes what may start: waiting children end with it, and
    a parent takes its procs back. The caller admits that and plans again; so he does when a start has let others through their
    gates (`world.opened` has grown: --dependency=after).
    """
    overdue = [job_id for job_id, end_s in world.deadlines.items() if end_s <= now.mono_s]
    if overdue:
        return [TimeOut(job_id) for job_id in sorted(overdue)]
    decisions: list[Decision] = []
    if world.used >= world.nb_proc or not world.waiting:
        return decisions
    room = Room(world)
    busy, gpus_busy = set(world.busy), set(world.gpus_busy)
    running: list[Starting] = []
    heads = _Heads(world)
    blocked = _Blocked(world, now, policy)
    while room.used < world.nb_proc and (head := heads.pop()) is not None:
        job, number, shape = head
        nb_proc, time_limit_s, resources = shape
        if not room.fits(nb_proc, resources):
            if not world.capacity.lacks(resources):
                blocked.jobs.append(job)
            continue
        is_passing = bool(blocked.jobs)
        if is_passing and (shielded := blocked.shielded()) is not None:
            start_s = _expected_start_s(world, shielded, running)
            if start_s is None:
                break
            if time_limit_s is None or now.mono_s + time_limit_s > start_s:
                continue
            is_passing = False  # it delays nobody, so it does not count as passing
        cpus = chosen_cpus(world, job, busy)
        gpus = chosen_gpus(world, job, gpus_busy)
        held = needed_of(world, nb_proc, resources)
        decisions.append(Start(job.job_id, cpus, held, is_passing, gpus))
        heads.put_back(job, number, shape)
        room.take(held, resources)
        busy.update(cpus)
        gpus_busy.update(gpus)
        running.append((None if time_limit_s is None else now.mono_s + time_limit_s, held, resources))
        if is_passing:
            blocked.passed()
    return decisions


def needed(world: World, nb_proc: int) -> int:
    """What a job counts as when it starts: more than nb_proc counts as nb_proc (it runs alone)."""
    return min(nb_proc, world.nb_proc)


def next_deadline_s(world: World) -> float | None:
    """The monotonic time at which the planner must look again although nothing happens; None for never."""
    next_s = min(world.deadlines.values(), default=None)
    if world.begins:
        looked_at = world.looked_at
        wait_s = min(BEGIN_LOOK_S, max(0.0, world.begins[0][0] - looked_at.wall_s))
        begin_s = looked_at.mono_s + wait_s
        next_s = begin_s if next_s is None else min(next_s, begin_s)
    return next_s


def passes_of(job: Job, passes: list[tuple[float, Key]]) -> tuple[int, float | None]:
    """How often a waiting job was passed, and when first (wall time)."""
    count = 0
    first_s: float | None = None
    key, since_s = job.key, job.submitted_at
    for at_s, other in passes:
        if other > key and at_s >= since_s:
            count += 1
            if first_s is None:
                first_s = at_s
    return count, first_s


def is_shielded(job: Job, passes: list[tuple[float, Key]], now: Now, policy: Policy) -> bool:
    """Whether a job that does not fit has been passed so often, or so long ago, that nothing more may pass it."""
    count, first_s = passes_of(job, passes)
    if count >= policy.bypass_max:
        return True
    return first_s is not None and now.wall_s - first_s >= policy.bypass_s


def end_s_of(world: World, job_id: int) -> float | None:
    """The monotonic end of a running job's time limit; None if it has none, or is being ended or paused."""
    end_s = world.deadlines.get(job_id)
    return world.ends.get(job_id) if end_s is None else end_s


def _expected_start_s(world: World, job: Job, running: list[Starting]) -> float | None:
    """The monotonic time at which a job that does not fit will fit at the latest; None if nobody can tell.

    With a suspended or paused job about, its resumption may take procs at any time, and nobody can tell.
    """
    if world.children or world.paused:
        return None
    ends: list[tuple[float, int, Resources]] = []
    for job_id, holding in world.holding.items():
        end_s = end_s_of(world, job_id)
        if end_s is None:
            return None
        ends.append((end_s, world.cost(holding), holding.spec.resources))
    room = Room(world)
    for limit_end_s, held, resources in running:
        if limit_end_s is None:
            return None
        ends.append((limit_end_s, held, resources))
        room.take(held, resources)
    for end_s, held, resources in sorted(ends):
        room.give(held, resources)
        if room.fits(job.spec.nb_proc, job.spec.resources):
            return end_s
    return None
