"""Arrays: one waiting job, elements that leave it one by one, and limits on how many run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.worlds import admit, at, check, empty, fails, settle, submit_batch, succeeds
from jobd import indexes
from jobd.core import arrays, attempts, changes, life, reports
from jobd.core.events import Split, Started
from jobd.core.job import Retry
from jobd.core.queue import Gate
from jobd.core.schedule import Policy, plan
from jobd.states import Cause


def index_of(world, job_ids):
    return [world.jobs[job_id].array_index for job_id in job_ids]


def test_a_waiting_array_is_one_job() -> None:
    world = empty(0, 4)
    array = submit_batch(world, array="0-99999")
    assert list(world.jobs) == [array] and len(world.waiting) == 1 and world.next_job_id == array + 1


def test_elements_start_in_order_each_as_a_job_of_its_own_and_the_last_takes_the_arrays_number() -> None:
    world = empty(2)
    array = submit_batch(world, array="1-5:2")
    other = submit_batch(world)
    first = settle(world)
    assert index_of(world, first) == [1, 3] and first == [other + 1, other + 2]
    assert world.jobs[array].tasks.text == "5"
    succeeds(world, first[0])
    assert settle(world) == [array] and index_of(world, [array]) == [5]
    assert world.jobs[array].tasks is None and world.jobs[array].array_id == array
    check(world)


def test_elements_keep_their_arrays_place_in_the_queue() -> None:
    world = empty(1)
    array = submit_batch(world, array="0-2", retry=Retry(1))
    submit_batch(world)
    (one,) = settle(world)
    fails(world, one)
    assert world.jobs[one].is_waiting
    assert [key[2] for key in world.waiting] == [array, one, 2]


def test_a_plan_starts_as_many_elements_as_fit() -> None:
    world = empty(4)
    array = submit_batch(world, array="0-9")
    decisions = plan(world, at(0), Policy())
    assert [decision.job_id for decision in decisions] == [array] * 4
    started = settle(world)
    assert index_of(world, started) == [0, 1, 2, 3]
    other = empty(4)
    submit_batch(other, array="0-1")
    assert len(plan(other, at(0), Policy())) == 2
    assert [world.jobs[job_id].phase.cpus for job_id in started] == [(0,), (1,), (2,), (3,)]


def test_an_array_is_never_started_whole_and_an_element_leaves_it_once() -> None:
    world = empty(4)
    array = submit_batch(world, array="0-1")
    with pytest.raises(life.Illegal):
        world.admit(Started(array, 0.0, (), 1, False), at(0))
    split = arrays.split(world, world.jobs[array], 0)
    world.admit(split, at(0))
    for again in (split, Split(array, split.element._replace(job_id=9)), Split(77, split.element)):
        with pytest.raises(life.Illegal):
            world.admit(again, at(0))
        check(world)


def test_the_arrays_number_is_for_the_last_element_and_for_no_other() -> None:
    world = empty(4)
    array = submit_batch(world, array="0-1")
    element = world.jobs[array]._replace(array_index=0, tasks=None)
    with pytest.raises(life.Illegal):
        world.admit(Split(array, element), at(0))
    check(world)


# ---- limits
def test_no_more_elements_run_than_the_array_allows() -> None:
    world = empty(8)
    array = submit_batch(world, array="0-9", array_limit=3)
    behind = submit_batch(world)
    started = settle(world)
    assert index_of(world, [job_id for job_id in started if job_id != behind]) == [0, 1, 2]
    assert behind in started, "what comes after a full array goes past it"
    assert world.gates == {array: Gate.LIMIT} and not world.passes
    succeeds(world, started[0])
    assert index_of(world, settle(world)) == [3]


@given(
    st.integers(1, 3),
    st.lists(st.tuples(st.sampled_from(["good", "bad", "tick", "limit"]), st.integers(0, 4)), max_size=40),
)
def test_every_element_runs_once_and_the_limit_holds(limit: int, steps) -> None:
    world = empty(3)
    array = submit_batch(world, array="0-5", array_limit=limit, retry=Retry(1))
    starts: list[int] = []
    finals: list[int] = []
    for what, number in [*steps, *[("tick", 0), ("good", 0)] * 20]:
        running = sorted(world.holding)
        if what == "tick":
            started = settle(world)
            starts += [world.jobs[i].array_index for i in started if world.jobs[i].attempt == 1]
        elif what == "limit" and array in world.arrays:
            living = arrays.elements(world, array)[0]
            admit(world, changes.updated(world, living, changes.Wanted(array_limit=number), at(0)))
            limit = number
        elif what in ("good", "bad") and running:
            job = world.jobs[running[number % len(running)]]
            (succeeds if what == "good" else fails)(world, job.job_id)
            if job.job_id not in world.jobs:
                finals.append(job.array_index)
        check(world)
        if array in world.arrays and limit and what == "tick":
            assert all(gate is Gate.LIMIT for gate in world.gates.values())
            assert len(started) == 0 or world.arrays[array].running <= limit
    assert sorted(starts) == sorted(finals) == [0, 1, 2, 3, 4, 5]


def test_of_two_sizes_in_one_array_none_goes_past_its_limit() -> None:
    world = empty(4)
    array = submit_batch(world, array="0-3", array_limit=2)
    events, (one,), _ = arrays.chosen(world, array, [(3, 3, 1)])
    admit(world, events)
    admit(world, changes.updated(world, one, changes.Wanted(nb_proc=2, priority=1), at(0)))
    check(world)
    assert index_of(world, settle(world)) == [3, 0]
    check(world)


def test_an_element_of_higher_priority_goes_first_also_in_a_full_array() -> None:
    world = empty(4)
    array = submit_batch(world, array="0-3", array_limit=1)
    events, (last,), _ = arrays.chosen(world, array, [(3, 3, 1)])
    admit(world, events)
    admit(world, changes.updated(world, last, changes.Wanted(priority=5), at(0)))
    check(world)
    assert settle(world) == [last]


# ---- meaning some of it
def test_what_is_meant_is_split_off_with_numbers_that_follow_each_other() -> None:
    world = empty(0, 4)
    array = submit_batch(world, array="0-9")
    events, job_ids, missing = arrays.chosen(world, array, [(2, 4, 2), (12, 13, 1)])
    assert job_ids == [array + 1, array + 2] and missing == [12, 13]
    admit(world, events)
    assert index_of(world, job_ids) == [2, 4] and world.jobs[array].tasks.text == "0-1,3,5-9"
    again = arrays.chosen(world, array, [(2, 2, 1), (4, 4, 1)])
    assert again == ([], job_ids, [])


def test_all_that_wait_are_meant_as_they_are() -> None:
    world = empty(1)
    array = submit_batch(world, array="0-9")
    (running,) = settle(world)
    assert arrays.chosen(world, array, [(0, 20, 1)]) == ([], [running, array], list(range(10, 21)))


def test_of_an_array_that_is_over_nothing_is_found() -> None:
    world = empty(1)
    assert arrays.chosen(world, 7, [(0, 1, 1)]) == ([], [], [0, 1])
    assert arrays.elements(world, 7) == [] and arrays.element(world, 7, 0) is None


def test_the_living_jobs_of_an_array_are_found() -> None:
    world = empty(2)
    array = submit_batch(world, array="0-3")
    one, two = settle(world)
    assert arrays.elements(world, array) == [array, one, two]
    assert arrays.element(world, array, 1) == world.jobs[two] and arrays.element(world, array, 2) is None
    assert arrays.is_living(world, array, 2) and not arrays.is_living(world, array, 4)
    succeeds(world, one)
    assert arrays.elements(world, array) == [array, two] and not arrays.is_living(world, array, 0)


def test_a_cancelled_array_ends_as_one_job_and_its_elements_run_on() -> None:
    world = empty(1)
    array = submit_batch(world, array="0-9")
    (running,) = settle(world)
    admit(world, reports.deleted(world, [array], Cause.DELETED, at(1)))
    assert list(world.jobs) == [running]
    succeeds(world, running)
    assert not world.arrays
    check(world)


@given(st.sets(st.integers(0, 60), min_size=1), st.randoms())
def test_splitting_in_any_order_leaves_the_others(wanted, random) -> None:
    world = empty(0, 4)
    array = submit_batch(world, array=indexes.of(wanted).text)
    left = set(wanted)
    for index in random.sample(sorted(wanted), len(wanted)):
        world.admit(arrays.split(world, world.jobs[array], index), at(0))
        left.discard(index)
        tasks = world.jobs[array].tasks
        assert set(tasks.each() if tasks else ()) == left
    assert len(world.jobs) == len(wanted) and len(world.by_token) == 1
    check(world)


def test_a_hundred_thousand_elements_cost_a_start_what_a_hundred_cost() -> None:
    """Counted in what the planner looks at, not in time."""
    for array in ("0-99", "0-99999"):
        world = empty(2)
        submit_batch(world, array=array)
        assert len(attempts.decided(world, plan(world, at(0), Policy())[0], at(0))) == 2
        settle(world)
        assert len(world.jobs) == 3 and len(world.waiting) == 1
