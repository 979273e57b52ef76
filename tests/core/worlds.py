"""Worlds for tests: short ways to make them, and `check`, which recomputes from the jobs alone what a world keeps beside them."""

from collections import Counter
from collections.abc import Iterable

from jobd import dependencies, indexes
from jobd.core import attempts, dependents, reports, waits
from jobd.core.decisions import Decision, Start
from jobd.core.events import Ended, Event
from jobd.core.job import (
    NO_RESOURCES,
    Batch,
    Completing,
    Job,
    Now,
    Outcome,
    Resources,
    Retry,
    Running,
    Spec,
    Usage,
)
from jobd.core.queue import Gate
from jobd.core.resources import NO_CAPACITY, Capacity
from jobd.core.schedule import Policy, plan
from jobd.core.waits import Past
from jobd.core.world import World
from jobd.states import Cause, JobState, OnKill

POLICY = Policy()


def at(seconds: float) -> Now:
    """Both clocks, some seconds after the beginning of the test; they differ, so that none is taken for the other."""
    return Now(1_000_000.0 + seconds, 50.0 + seconds)


def empty(
    nb_proc: int = 4,
    nb_proc_max: int | None = None,
    cpus: int | None = None,
    capacity: Capacity = NO_CAPACITY,
) -> World:
    """A world without jobs."""
    return World(
        capacity=capacity,
        nb_proc=nb_proc,
        nb_proc_max=nb_proc if nb_proc_max is None else nb_proc_max,
        cpus=tuple(range(nb_proc if cpus is None else cpus)),
    )


def spec(
    token: str = "t",
    nb_proc: int = 1,
    *,
    priority: int = 0,
    time_limit_s: int | None = None,
    is_bound: bool = True,
    on_kill: OnKill = OnKill.TREE,
    pid: int = 1,
    name: str = "sleep",
    resources: Resources = NO_RESOURCES,
    batch: Batch | None = None,
) -> Spec:
    """What a Salloc asks for; with `batch` a batch job."""
    return Spec(
        token,
        "salloc" if batch is None else "sbatch",
        nb_proc,
        (name, "1"),
        name,
        "/",
        "me",
        priority,
        time_limit_s,
        is_bound,
        on_kill,
        pid if batch is None else 0,
        7 if batch is None else 0,
        resources,
        batch,
    )


def batch(
    dependency: str = "",
    *,
    is_held: bool = False,
    begin_at: float | None = None,
    retry: Retry = Retry(),  # noqa: B008
    is_requeueable: bool = True,
    is_killed_on_invalid: bool = False,
    array_limit: int = 0,
) -> Batch:
    """What only a batch job asks for."""
    return Batch(
        "",
        "environment",
        0o022,
        "",
        "",
        "",
        False,
        None,
        None,
        None,
        0,
        0,
        is_requeueable,
        retry,
        None,
        is_killed_on_invalid,
        array_limit,
        (),
        is_held,
        begin_at,
        dependencies.parse(dependency),
    )


def submit(
    world: World, nb_proc: int = 1, *, parent: int | None = None, now: Now | None = None, **more: object
) -> int:
    """Queue a job; its number."""
    number = world.next_job_id
    wanted = spec(f"t{number}", nb_proc, pid=100 + number, **more)  # type: ignore[arg-type]
    now = now or at(0)
    admit(world, reports.submitted(world, wanted, parent_id=parent, jobs_max=10**6, now=now), now)
    return number


def submit_batch(
    world: World,
    dependency: str = "",
    *,
    nb_proc: int = 1,
    array: str = "",
    parent: int | None = None,
    now: Now | None = None,
    past: waits.Pasts = waits.NOTHING_PAST,
    name: str = "script",
    priority: int = 0,
    time_limit_s: int | None = None,
    resources: Resources = NO_RESOURCES,
    **more: object,
) -> int:
    """Queue a batch job, or with `array` a whole array; its number."""
    number = world.next_job_id
    wanted = spec(
        f"t{number}",
        nb_proc,
        name=name,
        priority=priority,
        time_limit_s=time_limit_s,
        resources=resources,
        batch=batch(dependency, **more),  # type: ignore[arg-type]
    )
    now = now or at(0)
    tasks = indexes.parse(array, index_max=1_000_000) if array else None
    events = reports.submitted(
        world, wanted, parent_id=parent, jobs_max=10**6, now=now, tasks=tasks, past=past
    )
    admit(world, events, now)
    return number


def admit(world: World, events: Iterable[Event], now: Now | None = None) -> list[Event]:
    """Apply events, each with what follows from it at once; all that were applied. Each must be legal.

    Only one that ended by what followed from an earlier one need not end once more.
    """
    now = now or at(0)
    stack = [iter(events)]
    done: list[Event] = []
    over: set[int] = set()
    while stack:
        event = next(stack[-1], None)
        if event is None:
            stack.pop()
            continue
        if isinstance(event, Ended) and event.job_id in over:
            continue
        job = world.admit(event, now)
        done.append(event)
        if isinstance(event, Ended):
            over.add(event.job_id)
        stack.append(iter(waits.consequences(world, event, job, now)))
    return done


def past_of(job: Job) -> Past:
    """What the journal would know of a finished job."""
    assert job.is_finished
    return Past(job.phase.outcome.state is JobState.COMPLETED, job.phase.started_at, job.phase.ended_at)  # type: ignore[union-attr]


def carry_out(world: World, decisions: Iterable[Decision], now: Now) -> list[int]:
    """What the server does with decisions, each of which must be legal; the jobs that were started."""
    started: list[int] = []
    for decision in decisions:
        events = attempts.decided(world, decision, now)
        admit(world, events, now)
        if isinstance(decision, Start):
            started.append(events[-1].job_id)  # type: ignore[union-attr]
    return started


def settle(world: World, now: Now | None = None, policy: Policy = POLICY) -> list[int]:
    """Plan and carry out until nothing more is decided, as the server's tick does; the jobs started."""
    now = now or at(0)
    started: list[int] = []
    world.ripen(now)
    while decisions := plan(world, now, policy):
        started += carry_out(world, decisions, now)
    return started


def running(world: World) -> set[int]:
    """Jobs that run and are not suspended."""
    return {
        job.job_id
        for job in world.jobs.values()
        if isinstance(job.phase, Running) and not world.is_suspended(job.job_id)
    }


def check(world: World) -> None:
    """Every map that a world keeps beside its jobs says what the jobs say."""
    jobs = world.jobs
    assert all(job_id == job.job_id for job_id, job in jobs.items())
    assert not any(job.is_finished for job in jobs.values())
    assert world.next_job_id > max(jobs, default=0)

    children: dict[int, set[int]] = {}
    for job in jobs.values():
        if job.parent_id is not None and job.parent_id in jobs:
            children.setdefault(job.parent_id, set()).add(job.job_id)
            assert job.root_id == jobs[job.parent_id].root_id
    assert world.children == children
    for parent, found in children.items():
        # One that waits again has children only while they are being ended.
        assert jobs[parent].is_holding or all(isinstance(jobs[c].phase, Completing) for c in found)
    _check_use(world, children)
    _check_queue(world, children)
    _check_arrays(world)

    for ends, is_batch in ((world.deadlines, False), (world.ends, True)):
        assert set(ends) == {
            job.job_id
            for job in jobs.values()
            if isinstance(job.phase, Running)
            and job.spec.time_limit_s
            and job.is_batch is is_batch
            and job.job_id not in world.paused
        }
    owners = [job for job in jobs.values() if job.array_index is None or job.job_id == job.array_id]
    assert world.by_token == {job.spec.token: job.job_id for job in owners}
    by_process: dict[tuple[int, int], set[int]] = {}
    for job in jobs.values():
        if job.spec.pid:
            by_process.setdefault((job.spec.pid, job.spec.start_ticks), set()).add(job.job_id)
        hands = getattr(job.phase, "hands", None)
        if hands is not None and hands.pid:
            by_process.setdefault((hands.pid, hands.start_ticks), set()).add(job.job_id)
    assert world.by_process == by_process


def _check_use(world: World, children: dict[int, set[int]]) -> None:
    """What is used, and by how many."""
    holding = {job.job_id: job for job in world.jobs.values() if isinstance(job.phase, Running | Completing)}
    assert world.holding == holding
    assert world.paused == {
        job_id
        for job_id, job in holding.items()
        if isinstance(job.phase, Running) and job.phase.pause.since_at is not None
    }
    used = memory_bytes = gpus = 0
    counted: Counter[str] = Counter()
    busy: Counter[int] = Counter()
    lent: Counter[int] = Counter()
    gpus_busy: Counter[int] = Counter()
    gpus_lent: Counter[int] = Counter()
    for job_id, job in holding.items():
        phase, wanted = job.phase, job.spec.resources
        assert isinstance(phase, Running | Completing)
        if job_id in children or job_id in world.paused:
            lent.update(phase.cpus)
        else:
            busy.update(phase.cpus)
            asked = world.nb_proc if wanted.is_exclusive else min(job.spec.nb_proc, world.nb_proc)
            used += max(phase.held, asked)
        if job_id in children:
            gpus_lent.update(phase.gpus)
        else:
            gpus_busy.update(phase.gpus)
            memory_bytes += wanted.memory_bytes
            gpus += wanted.gpus
            counted.update(dict(wanted.counted))
    assert world.used == used
    assert (world.busy, world.lent) == (dict(busy), dict(lent))
    assert (world.gpus_busy, world.gpus_lent) == (dict(gpus_busy), dict(gpus_lent))
    assert world.in_use == Capacity(memory_bytes, gpus, tuple(sorted(counted.items())))


def _check_queue(world: World, children: dict[int, set[int]]) -> None:
    """Who the planner looks at, and who waits behind which gate, for whom."""
    waiting, gated = [], []
    index = dependents.Dependents()
    for job in world.jobs.values():
        if not job.is_waiting:
            continue
        (gated if job.job_id in world.gates else waiting).append(job.key)
        index.add(job)
        gate = world.gates.get(job.job_id)
        wanted = job.spec.batch
        if job.job_id in children:
            assert gate is Gate.ENDING
        elif wanted is None:
            assert gate is None
        elif wanted.is_held:
            assert gate is Gate.HELD
        elif wanted.dependency.terms:
            assert gate is (Gate.NEVER if wanted.dependency.is_never else Gate.DEPENDENCY)
        elif gate is Gate.BEGIN:
            assert wanted.begin_at is not None
            assert (wanted.begin_at, job.job_id) in world.begins
        elif gate is not None:
            assert gate is Gate.LIMIT
    assert list(world.waiting) == sorted(waiting)
    assert list(world.gated) == sorted(gated)
    assert world.dependents.__dict__ == index.__dict__
    shapes: dict[object, list[tuple[int, int, int]]] = {}
    for key in sorted(waiting):
        asked = world.jobs[key[2]].spec
        shapes.setdefault((asked.nb_proc, asked.time_limit_s, asked.resources), []).append(key)
    assert {shape: list(keys) for shape, keys in world.shapes.items()} == shapes
    names = dependents.Names()
    for job in world.jobs.values():
        names.add(job)
    assert world.names.__dict__ == names.__dict__


def _check_arrays(world: World) -> None:
    """Every array of which something lives, and what of it the planner may see."""
    members: dict[int, list[Job]] = {}
    for job in world.jobs.values():
        if job.array_id is not None:
            members.setdefault(job.array_id, []).append(job)
    assert set(world.arrays) == set(members)
    for array_id, found in members.items():
        array = world.arrays[array_id]
        assert array.is_waiting == any(job.tasks is not None for job in found)
        elements = {job.array_index: job.job_id for job in found if job.tasks is None}
        assert array.by_index == elements
        assert array.running == sum(job.is_holding for job in found)
        assert array.unstarted == sum(job.is_waiting and job.attempt == 0 for job in found)
        if not array.limit:
            assert not array.released and not array.kept
            continue
        free = [
            job.key for job in found if job.is_waiting and world.gates.get(job.job_id) in (None, Gate.LIMIT)
        ]
        seen = sorted(free)[: array.room]
        assert list(array.released) == seen
        assert list(array.kept) == sorted(free)[array.room :]
        assert all((key in world.waiting) == (key in seen) for key in free)


def image(world: World) -> dict[str, object]:
    """All that a restart must bring back, in a form that can be compared."""
    return {
        "jobs": dict(world.jobs),
        "limits": (world.nb_proc, world.nb_proc_max),
        "used": world.used,
        "children": {parent: frozenset(found) for parent, found in world.children.items()},
        "waiting": list(world.waiting),
        "passes": [(at_s, tuple(key)) for at_s, key in world.passes],
        "next_job_id": world.next_job_id,
        "deadlines": {job_id: round(end_s, 3) for job_id, end_s in world.deadlines.items()},
    }


SUCCESS = Outcome(Cause.SELF, 0, None)
FAILURE = Outcome(Cause.SELF, 1, None)


def succeeds(world: World, job_id: int, now: Now | None = None) -> list[Event]:
    """The attempt of a batch job ends well, and nothing of it is left; all that follows."""
    return leaves(world, job_id, SUCCESS, now)


def fails(world: World, job_id: int, now: Now | None = None) -> list[Event]:
    """It ends with code 1."""
    return leaves(world, job_id, FAILURE, now)


def leaves(world: World, job_id: int, outcome: Outcome, now: Now | None = None) -> list[Event]:
    """It ends so."""
    now = now or at(1)
    attempt = world.jobs[job_id].attempt
    return admit(world, attempts.left(world, job_id, attempt, outcome, Usage(), now.wall_s, now), now)


def finish(world: World, job_id: int, events: Iterable[Event], now: Now | None = None) -> list[Event]:
    """These events of a job, which must be about it, and all that follows."""
    done = admit(world, events, now or at(1))
    assert any(getattr(event, "job_id", None) == job_id for event in done)
    return done
