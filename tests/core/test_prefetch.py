"""What may start without asking: always, and only, what the planner would start when any of those that run is over."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.worlds import FAILURE, SUCCESS, admit, at, check, empty, leaves, settle, submit, submit_batch
from jobd.core import attempts, changes, reports
from jobd.core.job import NO_RESOURCES, Resources, Retry, Running
from jobd.core.prefetch import GATED_MAX, next_up
from jobd.core.resources import Capacity
from jobd.core.world import World
from jobd.errors import JobdError
from jobd.states import Cause

TWO = Resources(memory_bytes=2)


def numbers(world: World, count: int = 100) -> list[int]:
    return [job.job_id for job in next_up(world, count)]


def busy(nb_proc: int = 2, *, waiting: int = 3, **more: Any) -> World:
    """Batch jobs of one proc run on all processors, and more of the same wait."""
    world = empty(nb_proc)
    for _ in range(nb_proc + waiting):
        submit_batch(world, **more)
    settle(world)
    return world


def cpus_of(world: World, job_id: int) -> tuple[int, ...]:
    phase = world.jobs[job_id].phase
    assert isinstance(phase, Running)
    return phase.cpus


# ---- when it is known
def test_what_waits_goes_in_its_order_and_no_more_than_asked_for() -> None:
    world = busy()
    assert numbers(world) == [3, 4, 5] and numbers(world, 2) == [3, 4] and numbers(world, 0) == []


def test_nothing_runs_or_nothing_waits() -> None:
    assert numbers(empty(2)) == []
    assert numbers(busy(waiting=0)) == []
    world = empty(0, 2)
    submit_batch(world)
    assert numbers(world) == []


def test_an_end_that_makes_room_for_none_or_two_is_the_planners() -> None:
    world = busy()
    admit(world, reports.limits_set(world, 3, 3, at(0)))  # there is room already
    assert numbers(world) == []
    admit(world, reports.limits_set(world, 1, 3, at(0)))  # one may end and nothing start
    assert numbers(world) == []
    world = empty(4)
    for nb_proc in (2, 2, 1, 1):
        submit_batch(world, nb_proc=nb_proc)
    settle(world)
    assert numbers(world) == []


@pytest.mark.parametrize(
    "more",
    [
        {"nb_proc": 2},
        {"resources": Resources(memory_bytes=1)},
        {"array": "1-3"},
        {"resources": Resources(is_exclusive=True)},
    ],
)
def test_another_kind_of_job_ends_the_list(more: dict[str, Any]) -> None:
    world = busy(waiting=1)
    submit_batch(world, **more)
    submit_batch(world)
    assert numbers(world) == [3]


def test_a_salloc_in_the_queue_ends_the_list_and_one_that_runs_empties_it() -> None:
    world = busy(waiting=1)
    submit(world)
    submit_batch(world)
    assert numbers(world) == [3]
    leaves(world, 1, SUCCESS)
    leaves(world, 2, SUCCESS)
    settle(world)
    assert numbers(world) == []


def test_a_higher_priority_goes_first() -> None:
    world = busy(waiting=2)
    high = submit_batch(world, priority=5)
    assert numbers(world) == [high, 3, 4]


# ---- whose end lets others go first
def test_one_that_is_tried_again_goes_before_the_others() -> None:
    world = busy(1, waiting=2, retry=Retry(1, (), 0))
    assert numbers(world) == []
    leaves(world, 1, FAILURE)
    assert settle(world) == [1]


def test_one_that_may_be_tried_again_is_the_last_of_the_list() -> None:
    world = busy(1, waiting=1)
    retried = submit_batch(world, retry=Retry(1, (), 0))
    submit_batch(world)
    assert numbers(world) == [2, retried]


def test_one_that_is_requeued_goes_before_the_others() -> None:
    world = busy(1)
    admit(world, changes.requeued(world, 1, is_held_after=False, now=at(0)))
    assert numbers(world) == []
    leaves(world, 1, SUCCESS)
    assert settle(world) == [1]


def test_one_that_is_being_cancelled_makes_room_as_any_other() -> None:
    world = busy(1)
    admit(world, reports.deleted(world, [1], Cause.DELETED, at(0)))
    assert numbers(world) == [2, 3, 4]


def test_an_older_one_that_waits_for_an_end_goes_before_the_others() -> None:
    world = busy(1, waiting=1)
    after = submit_batch(world, "afterok:1")
    submit_batch(world)
    assert numbers(world) == [2]
    leaves(world, 1, SUCCESS)
    assert settle(world) == [2]
    leaves(world, 2, SUCCESS)
    assert settle(world) == [after]


def test_an_array_with_a_limit_goes_before_the_others() -> None:
    world = empty(2)
    array = submit_batch(world, array="1-4", array_limit=2)
    young = submit_batch(world)
    settle(world)
    assert len(world.holding) == 2 and numbers(world) == []
    leaves(world, array, SUCCESS)
    assert young not in settle(world)


def test_what_is_held_or_has_its_time_to_come_stops_nobody() -> None:
    world = empty(1)
    submit_batch(world)
    submit_batch(world, is_held=True)
    submit_batch(world, begin_at=at(100).wall_s)
    last = submit_batch(world)
    settle(world)
    assert numbers(world) == [last]
    for _ in range(GATED_MAX):
        submit_batch(world, is_held=True, priority=1)
    assert numbers(world) == []  # to look at more of them costs too much


def test_with_a_tree_about_nothing_is_known_also_where_nobody_is_bound() -> None:
    world = empty(2, cpus=1)
    parent = submit_batch(world)
    submit_batch(world)
    submit_batch(world)
    settle(world)
    assert numbers(world) == [3] and not world.lent
    child = submit_batch(world, parent=parent)
    assert settle(world) == [child]
    assert numbers(world) == []
    leaves(world, child, SUCCESS)
    assert settle(world) == []  # the parent has its procs again
    assert numbers(world) == [3]


def test_with_a_paused_one_about_nothing_is_known() -> None:
    world = busy(2)
    admit(world, changes.paused(world, 1, at(0)))
    settle(world)
    assert numbers(world) == []


# ---- on which processors
def test_who_is_bound_otherwise_than_the_next_would_be_gives_its_place_to_nobody() -> None:
    world = empty(3, cpus=2)
    for _ in range(6):
        submit_batch(world)
    settle(world)
    assert [cpus_of(world, number) for number in (1, 2, 3)] == [()] * 3 and numbers(world) == [4, 5, 6]
    admit(world, reports.limits_set(world, 2, 3, at(0)))
    leaves(world, 3, SUCCESS)
    assert settle(world) == [] and numbers(world) == []
    leaves(world, 2, SUCCESS)
    assert settle(world) == [4] and cpus_of(world, 4) == (0,)


def test_who_was_started_with_more_of_something_than_there_is_now_makes_no_room() -> None:
    world = empty(2, capacity=Capacity(memory_bytes=4))
    for _ in range(4):
        submit_batch(world, resources=TWO)
    settle(world)
    assert numbers(world) == [3, 4]
    world.capacity = Capacity(memory_bytes=3)  # the next server has another configuration
    assert numbers(world) == []
    leaves(world, 1, SUCCESS)
    assert settle(world) == []


# ---- what has begun
def test_what_has_begun_elsewhere_is_started_as_the_agent_says() -> None:
    world = busy(2)
    leaves(world, 1, SUCCESS)
    admit(world, attempts.began(world, 3, 1, "t3", (0,), at(0.5).wall_s, at(1)), at(1))
    assert cpus_of(world, 3) == (0,) and settle(world) == []
    phase = world.jobs[3].phase
    assert isinstance(phase, Running) and phase.started_at == at(0.5).wall_s
    check(world)


@pytest.mark.parametrize(
    ("job_id", "attempt", "token"), [(3, 2, "t3"), (3, 0, "t3"), (3, 1, "t4"), (1, 1, "t1"), (9, 1, "t9")]
)
def test_what_is_no_next_attempt_has_not_begun(job_id: int, attempt: int, token: str) -> None:
    assert attempts.began(busy(2), job_id, attempt, token, (0,), at(0).wall_s, at(0)) == []


@pytest.mark.parametrize("cpus", [(1,), (7,), (0, 0)])
def test_processors_that_others_have_are_not_given_twice(cpus: tuple[int, ...]) -> None:
    world = busy(2)
    leaves(world, 1, SUCCESS)
    admit(world, attempts.began(world, 3, 1, "t3", cpus, at(0).wall_s, at(1)), at(1))
    assert cpus_of(world, 3) == (0,)


@pytest.mark.parametrize("seconds", [-5.0, 900.0])
def test_a_clock_that_went_wrong_starts_it_now(seconds: float) -> None:
    world = busy(1)
    leaves(world, 1, SUCCESS)
    admit(world, attempts.began(world, 2, 1, "t2", (0,), at(seconds).wall_s, at(1)), at(1))
    phase = world.jobs[2].phase
    assert isinstance(phase, Running) and phase.started_at == at(1).wall_s


def test_what_was_held_meanwhile_has_begun_all_the_same() -> None:
    world = busy(1)
    admit(world, changes.held(world, 2, at(0)))
    leaves(world, 1, SUCCESS)
    admit(world, attempts.began(world, 2, 1, "t2", (0,), at(0).wall_s, at(1)), at(1))
    assert cpus_of(world, 2) == (0,)
    check(world)


# ---- whatever is asked for
PLAIN: dict[str, Any] = {"nb_proc": 1, "dependency": "", "array": "", "is_child": False, "is_salloc": False}
OTHERS: list[dict[str, Any]] = [
    {"nb_proc": 2},
    {"priority": 1},
    {"resources": TWO},
    {"dependency": "afterok"},
    {"dependency": "afterany"},
    {"dependency": "after"},
    {"dependency": "singleton"},
    {"array": "1-3"},
    {"array": "1-3", "array_limit": 1},
    {"array": "1-3", "array_limit": 2},
    {"is_held": True},
    {"begin_at": at(1000).wall_s},
    {"retry": Retry(1, (), 0)},
    {"is_child": True},
    {"is_salloc": True},
]
# Most ask for the same, since nothing is known of others.
JOBS = st.tuples(st.sampled_from([{}] * 30 + OTHERS), st.integers(0, 10))
STEPS = st.lists(
    st.tuples(st.sampled_from(["", "", "limit", "requeue", "cancel", "pause"]), st.integers(0, 9)), max_size=2
)


def queue(world: World, asked: tuple[dict[str, Any], int], resources: Resources) -> None:
    """Submit one of JOBS; it may be refused."""
    other, on = asked
    wanted = {"resources": resources, **PLAIN, **other}
    kind, is_child, is_salloc = (wanted.pop(name) for name in ("dependency", "is_child", "is_salloc"))
    running, living = sorted(world.holding), sorted(world.jobs)
    parent = running[on % len(running)] if is_child and running else None
    if is_salloc:
        submit(world, wanted["nb_proc"], parent=parent)
        return
    if kind and kind != "singleton":
        kind = f"{kind}:{living[on % len(living)]}" if living else ""
    submit_batch(world, kind, parent=parent, **wanted)


def disturb(world: World, what: str, number: int) -> None:
    """Something else happens to one that runs, or to all."""
    running = sorted(world.holding)
    if what == "limit":
        admit(world, reports.limits_set(world, number % 5, 5, at(0)))
    elif what and running:
        job_id = running[number % len(running)]
        if what == "cancel":
            admit(world, reports.deleted(world, [job_id], Cause.DELETED, at(0)))
        else:
            act = changes.paused if what == "pause" else changes.requeued
            more = {"is_held_after": False} if what == "requeue" else {}
            with suppress(JobdError):
                admit(world, act(world, job_id, now=at(0), **more))


@given(
    st.integers(1, 3),
    st.sampled_from([1, 2, 4]),
    st.sampled_from([NO_RESOURCES, TWO]),
    st.lists(JOBS, min_size=1, max_size=4),
    STEPS,
    st.lists(JOBS, min_size=1, max_size=8),
    st.data(),
)
def test_what_is_next_is_what_the_planner_starts_whoever_ends(
    nb_proc: int,
    cpus: int,
    resources: Resources,
    first: list[Any],
    steps: list[Any],
    then: list[Any],
    data: Any,
) -> None:
    world = empty(nb_proc, 5, cpus=cpus, capacity=Capacity(memory_bytes=6))
    for asked in first:
        with suppress(JobdError):
            queue(world, asked, resources)
    settle(world)
    for what, number in steps:
        disturb(world, what, number)
    settle(world)
    for asked in then:
        with suppress(JobdError):
            queue(world, asked, resources)
    settle(world)
    for job_id in numbers(world):
        over = data.draw(st.sampled_from(sorted(world.holding)))
        place = world.holding[over].phase.cpus  # type: ignore[union-attr]
        leaves(world, over, data.draw(st.sampled_from([SUCCESS, FAILURE])))
        assert settle(world) == [job_id]
        assert cpus_of(world, job_id) == place
