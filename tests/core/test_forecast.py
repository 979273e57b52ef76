"""When waiting jobs will start, as far as time limits tell."""

from hypothesis import given
from hypothesis import strategies as st

from core.worlds import admit, at, empty, settle, submit, submit_batch, succeeds
from jobd.core import reports
from jobd.core.forecast import expected_starts
from jobd.core.job import Resources
from jobd.core.resources import Capacity
from jobd.core.schedule import Policy

POLICY = Policy(0, 0.0)


def starts(world, now=None, count_max=100):
    now = now or at(0)
    found = expected_starts(world, now, POLICY, count_max)
    return {job_id: wall_s - at(0).wall_s for job_id, wall_s in found.items()}


def test_each_starts_when_enough_has_ended() -> None:
    world = empty(2)
    submit_batch(world, time_limit_s=10), submit(world, time_limit_s=30)
    settle(world)
    one, two, three = [submit_batch(world, nb_proc=n, time_limit_s=100) for n in (1, 2, 1)]
    assert starts(world) == {one: 10.0, two: 110.0, three: 210.0}


def test_nothing_is_said_of_what_hangs_on_one_without_a_limit() -> None:
    world = empty(2)
    submit_batch(world, time_limit_s=10), submit_batch(world)
    settle(world)
    one, two = submit_batch(world), submit_batch(world, nb_proc=2)
    submit_batch(world)
    assert starts(world) == {one: 10.0} and two in world.jobs


def test_memory_and_gpus_are_reckoned_with() -> None:
    world = empty(8, capacity=Capacity(10, 1))
    submit_batch(world, time_limit_s=10, resources=Resources(8))
    submit_batch(world, time_limit_s=50, resources=Resources(0, 1))
    settle(world)
    memory = submit_batch(world, resources=Resources(5))
    gpu = submit_batch(world, resources=Resources(0, 1))
    assert starts(world) == {memory: 10.0, gpu: 50.0}


def test_an_array_is_told_its_next_element_and_counts_as_all_of_them() -> None:
    world = empty(1)
    submit_batch(world, time_limit_s=5)
    settle(world)
    array, behind = submit_batch(world, array="0-2", time_limit_s=10), submit_batch(world)
    assert starts(world) == {array: 5.0, behind: 35.0}
    assert starts(world, count_max=3) == {array: 5.0}


def test_what_could_start_now_is_told_so_and_what_waits_behind_a_gate_nothing() -> None:
    world = empty(1)
    submit_batch(world, is_held=True)
    job = submit_batch(world)
    assert starts(world, at(3)) == {job: 3.0}


def test_where_nothing_starts_nothing_is_expected() -> None:
    world = empty(1)
    submit_batch(world)
    admit(world, reports.limits_set(world, 0, 4, at(0)))
    assert starts(world) == {}


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 50)), min_size=1, max_size=8))
def test_where_nobody_passes_and_all_run_to_their_limit_it_comes_true(wanted) -> None:
    world = empty(3)
    jobs = [submit_batch(world, nb_proc=n, time_limit_s=limit_s) for n, limit_s in wanted]
    told = starts(world)
    seen: dict[int, float] = {}
    clock = 0.0
    while world.jobs:
        # One waiting job at a time, so that nobody passes.
        for job_id in settle(world, at(clock), Policy(0, 0.0)):
            seen[job_id] = clock
        clock = min(world.ends.values()) - at(0).mono_s
        for job_id in [i for i, end_s in world.ends.items() if end_s <= at(clock).mono_s]:
            succeeds(world, job_id, at(clock))
    assert list(told) == jobs
    assert all(seen[job_id] <= told[job_id] for job_id in jobs)
