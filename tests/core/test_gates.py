"""Begin times: who waits for the clock stands in nobody's way, and comes in when it is time."""

from core.worlds import admit, at, check, empty, settle, submit, submit_batch
from jobd.core import changes, reports
from jobd.core.queue import Gate
from jobd.core.schedule import BEGIN_LOOK_S, Policy, next_deadline_s, plan
from jobd.states import Cause


def test_a_job_does_not_start_before_its_time_and_starts_then() -> None:
    world = empty(4)
    job = submit_batch(world, begin_at=at(10).wall_s)
    assert settle(world, at(9.9)) == [] and world.gates[job] is Gate.BEGIN
    assert settle(world, at(10)) == [job]


def test_a_time_that_is_past_is_none() -> None:
    world = empty(4)
    job = submit_batch(world, begin_at=at(-1).wall_s)
    assert job not in world.gates and not world.begins


def test_what_waits_behind_a_gate_is_passed_by_nobody_and_shields_nothing() -> None:
    world = empty(1)
    submit_batch(world, nb_proc=1, begin_at=at(1000).wall_s, priority=9)
    submit_batch(world, is_held=True, priority=9)
    small = submit_batch(world)
    assert settle(world, policy=Policy(0, 0.0)) == [small] and not world.passes


def test_the_server_wakes_for_the_next_begin_time() -> None:
    world = empty(4)
    assert next_deadline_s(world) is None
    submit_batch(world, begin_at=at(7).wall_s)
    submit_batch(world, begin_at=at(5).wall_s)
    world.ripen(at(1))
    assert next_deadline_s(world) == at(5).mono_s
    submit(world, time_limit_s=2)
    settle(world, at(1))
    assert next_deadline_s(world) == at(3).mono_s


def test_it_looks_now_and_then_in_case_the_clock_was_set_or_the_machine_slept() -> None:
    world = empty(4)
    job = submit_batch(world, begin_at=at(10_000).wall_s)
    world.ripen(at(0))
    assert next_deadline_s(world) == at(BEGIN_LOOK_S).mono_s
    woken = at(10_000)._replace(mono_s=at(BEGIN_LOOK_S).mono_s)
    assert settle(world, woken) == [job]


def test_what_was_ended_held_or_moved_meanwhile_does_not_come_in() -> None:
    world = empty(4)
    ended, held, moved = [submit_batch(world, begin_at=at(10).wall_s) for _ in range(3)]
    admit(world, reports.deleted(world, [ended], Cause.DELETED, at(1)))
    admit(world, changes.held(world, held, at(1)))
    admit(world, changes.updated(world, moved, changes.Wanted(begin_at=at(20).wall_s), at(1)), at(1))
    assert settle(world, at(15)) == []
    check(world)
    assert settle(world, at(20)) == [moved]
    admit(world, changes.released(world, held, at(21)), at(21))
    assert settle(world, at(21)) == [held] and not world.begins


def test_a_start_that_lets_others_through_calls_for_another_plan() -> None:
    world = empty(4)
    first = submit_batch(world)
    second = submit_batch(world, f"after:{first}")
    opened = world.opened
    assert [decision.job_id for decision in plan(world, at(0), Policy())] == [first]
    assert settle(world) == [first, second] and world.opened == opened + 1


def test_a_lowered_limit_cancels_what_waits_behind_a_gate_too() -> None:
    world = empty(2, 8)
    held, fits = submit_batch(world, nb_proc=8, is_held=True), submit_batch(world, nb_proc=2, is_held=True)
    admit(world, reports.limits_set(world, 2, 4, at(1)))
    assert set(world.jobs) == {fits} and held not in world.gates
    check(world)
