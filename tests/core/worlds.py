"""Worlds for tests: short ways to make them, and `check`, which recomputes from the jobs alone what a world keeps beside them."""

from collections import Counter
from collections.abc import Iterable

from jobd.core import reports
from jobd.core.decisions import Decision, Start, TimeOut
from jobd.core.events import Event, Started
from jobd.core.job import Completing, Job, Now, Running, Spec, Waiting
from jobd.core.schedule import Policy, plan
from jobd.core.world import World
from jobd.states import OnKill

POLICY = Policy()


def at(seconds: float) -> Now:
    """Both clocks, some seconds after the beginning of the test; they differ, so that none is taken for the other."""
    return Now(1_000_000.0 + seconds, 50.0 + seconds)


def empty(nb_proc: int = 4, nb_proc_max: int | None = None, cpus: int | None = None) -> World:
    """A world without jobs."""
    return World(
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
) -> Spec:
    """What a Salloc asks for."""
    return Spec(
        token,
        "salloc",
        nb_proc,
        (name, "1"),
        name,
        "/",
        "me",
        priority,
        time_limit_s,
        is_bound,
        on_kill,
        pid,
        7,
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


def admit(world: World, events: Iterable[Event], now: Now | None = None) -> None:
    """Apply events, each of which must be legal."""
    for event in events:
        world.admit(event, now or at(0))


def carry_out(world: World, decisions: Iterable[Decision], now: Now) -> None:
    """What the server does with decisions; each must be legal."""
    for decision in decisions:
        if isinstance(decision, Start):
            world.admit(Started(decision.job_id, now.wall_s, *decision[1:]), now)
        else:
            assert isinstance(decision, TimeOut)
            admit(world, reports.timed_out(world, decision.job_id, now), now)


def settle(world: World, now: Now | None = None, policy: Policy = POLICY) -> list[int]:
    """Plan and carry out until nothing more is decided, as the server's tick does; the jobs started."""
    now = now or at(0)
    started: list[int] = []
    while decisions := plan(world, now, policy):
        carry_out(world, decisions, now)
        started += [decision.job_id for decision in decisions if isinstance(decision, Start)]
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
    assert not any(jobs[parent].is_waiting for parent in children)

    holding = {job.job_id: job for job in jobs.values() if isinstance(job.phase, Running | Completing)}
    assert world.holding == holding
    used = 0
    busy: Counter[int] = Counter()
    lent: Counter[int] = Counter()
    for job_id, job in holding.items():
        if job_id in children:
            lent.update(_cpus(job))
        else:
            busy.update(_cpus(job))
            used += max(job.phase.held, min(job.spec.nb_proc, world.nb_proc))  # type: ignore[union-attr]
    assert world.used == used
    assert world.busy == dict(busy)
    assert world.lent == dict(lent)

    waiting = sorted(job.key for job in jobs.values() if isinstance(job.phase, Waiting))
    assert list(world.waiting) == waiting
    shapes: dict[tuple[int, int | None], list[tuple[int, int, int]]] = {}
    for key in waiting:
        wanted = jobs[key[2]].spec
        shapes.setdefault((wanted.nb_proc, wanted.time_limit_s), []).append(key)
    assert {shape: list(keys) for shape, keys in world.shapes.items()} == shapes

    limited = {
        job.job_id for job in jobs.values() if isinstance(job.phase, Running) and job.spec.time_limit_s
    }
    assert set(world.deadlines) == limited
    assert world.by_token == {job.spec.token: job.job_id for job in jobs.values()}
    by_process: dict[tuple[int, int], list[int]] = {}
    for job in jobs.values():
        by_process.setdefault((job.spec.pid, job.spec.start_ticks), []).append(job.job_id)
    assert {who: sorted(ids) for who, ids in world.by_process.items()} == {
        who: sorted(ids) for who, ids in by_process.items()
    }


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


def _cpus(job: Job) -> tuple[int, ...]:
    assert isinstance(job.phase, Running | Completing)
    return job.phase.cpus
