"""The attempts of batch jobs: starts, ends, retries, late reports, reboots, the end of the agent's scope."""

import pytest

from core.worlds import (
    FAILURE,
    SUCCESS,
    admit,
    at,
    batch,
    check,
    empty,
    fails,
    leaves,
    settle,
    submit,
    submit_batch,
    succeeds,
)
from jobd.core import attempts, changes, reports
from jobd.core.decisions import Drop
from jobd.core.events import Changed, Completed, Ended, Launched, Requeued, Resumed
from jobd.core.job import Completing, Finished, Hands, Outcome, Retry, Running, Usage
from jobd.core.queue import Gate
from jobd.states import Cause, JobState

HANDS = Hands(4711, 99, ("memory",))


def only(events, kind):
    (event,) = [event for event in events if isinstance(event, kind)]
    return event


def running(world, *args, **more):
    job_id = submit_batch(world, *args, **more)
    assert job_id in settle(world)
    return job_id


# ---- a life
def test_an_attempt_is_launched_and_leaves() -> None:
    world = empty(4)
    job = running(world)
    assert world.jobs[job].attempt == 1
    admit(world, attempts.launched(world, job, 1, HANDS, at(1)))
    assert world.by_process == {(4711, 99): {job}}
    usage = Usage(1.5, 4096)
    events = attempts.left(world, job, 1, SUCCESS, usage, at(2).wall_s, at(3))
    assert events == [Ended(job, at(2).wall_s, SUCCESS, usage)]
    over = world.admit(events[0], at(3))
    assert over.phase == Finished(at(0).wall_s, at(2).wall_s, SUCCESS, usage, HANDS, cpus=(0,))
    check(world)


def test_what_is_said_twice_means_nothing_the_second_time() -> None:
    world = empty(4)
    job = running(world)
    admit(world, attempts.launched(world, job, 1, HANDS, at(1)))
    assert attempts.launched(world, job, 1, HANDS, at(1)) == []
    assert admit(world, attempts.launched(world, job, 1, Hands(4711, 99), at(1)))
    admit(world, attempts.over(world, job, 1, FAILURE, at(1)))
    assert attempts.over(world, job, 1, FAILURE, at(2)) == []
    leaves(world, job, FAILURE)
    assert attempts.left(world, job, 1, FAILURE, Usage(), 0.0, at(3)) == []


@pytest.mark.parametrize("attempt", [0, 2])
def test_another_attempts_report_means_nothing(attempt) -> None:
    world = empty(4)
    job = running(world)
    assert attempts.launched(world, job, attempt, HANDS, at(1)) == []
    assert attempts.over(world, job, attempt, SUCCESS, at(1)) == []
    assert attempts.left(world, job, attempt, SUCCESS, Usage(), 0.0, at(1)) == []


def test_nothing_is_reported_of_a_salloc_or_of_a_job_that_waits() -> None:
    world = empty(1)
    salloc, waiting = submit(world), submit_batch(world)
    settle(world)
    for job, attempt in ((salloc, 1), (waiting, 0), (99, 1)):
        assert attempts.left(world, job, attempt, SUCCESS, Usage(), 0.0, at(1)) == []
        assert attempts.over(world, job, attempt, SUCCESS, at(1)) == []


def test_a_batch_job_whose_main_process_is_killed_has_failed_and_only_its_children_end_with_it() -> None:
    world = empty(4)
    job = running(world)
    child, stranger = submit(world, parent=job), submit_batch(world)
    settle(world)
    killed = Outcome(Cause.SELF, None, 9)
    admit(world, attempts.over(world, job, 1, killed, at(1)))
    assert isinstance(world.jobs[child].phase, Completing) and isinstance(world.jobs[stranger].phase, Running)
    over = only(leaves(world, job, killed), Ended)
    assert over.outcome.state is JobState.FAILED and over.outcome.signal == 9


def test_the_first_cause_and_the_first_known_end_stay() -> None:
    world = empty(4)
    job = running(world)
    admit(world, attempts.over(world, job, 1, Outcome(Cause.TIME_LIMIT), at(1)))
    admit(world, attempts.over(world, job, 1, Outcome(Cause.TIME_LIMIT, None, 15), at(2)))
    event = attempts.left(world, job, 1, Outcome(Cause.SELF, 0), Usage(), at(3).wall_s, at(3))[0]
    assert world.admit(event, at(3)).phase.outcome == Outcome(Cause.TIME_LIMIT, None, 15)


@pytest.mark.parametrize("ended_at", [at(-5).wall_s, at(99).wall_s])
def test_no_job_ends_before_it_began_or_after_today(ended_at) -> None:
    world = empty(4)
    job = running(world)
    (event,) = attempts.left(world, job, 1, SUCCESS, Usage(), ended_at, at(3))
    assert event.at == at(3).wall_s


@pytest.mark.parametrize(
    ("cause", "state"),
    [
        (Cause.OUT_OF_MEMORY, JobState.OUT_OF_MEMORY),
        (Cause.LAUNCH, JobState.FAILED),
        (Cause.LOST, JobState.NODE_FAIL),
        (Cause.UNSTARTED, JobState.NODE_FAIL),
        (Cause.SCOPE, JobState.NODE_FAIL),
    ],
)
def test_causes_have_their_states_and_are_not_tried_again(cause, state) -> None:
    world = empty(4)
    job = running(world, retry=Retry(3))
    assert only(leaves(world, job, Outcome(cause)), Ended).outcome.state is state


# ---- again
def test_a_failed_job_is_tried_again_as_often_as_it_was_asked() -> None:
    world = empty(4)
    job = running(world, retry=Retry(2, (), 60))
    for attempt in (1, 2):
        assert world.jobs[job].attempt == attempt
        requeued = only(fails(world, job, at(100)), Requeued)
        assert requeued.begin_at == at(160).wall_s and world.gates[job] is Gate.BEGIN
        assert settle(world, at(159)) == []
        assert settle(world, at(160)) == [job]
        check(world)
    assert only(fails(world, job), Ended).outcome == FAILURE


@pytest.mark.parametrize(
    ("outcome", "is_again"),
    [
        (Outcome(Cause.SELF, 7), True),
        (Outcome(Cause.SELF, 8), False),
        (Outcome(Cause.SELF, None, 9), True),  # 137
        (Outcome(Cause.SELF, None, 11), False),
        (Outcome(Cause.SELF, 0), False),
        (Outcome(Cause.TIME_LIMIT), False),
    ],
)
def test_only_what_failed_with_one_of_the_codes_is_tried_again(outcome, is_again) -> None:
    world = empty(4)
    job = running(world, retry=Retry(1, ((5, 7), (137, 137))))
    leaves(world, job, outcome)
    assert (job in world.jobs) == is_again


def test_a_requeue_by_hand_uses_up_no_retry() -> None:
    world = empty(4)
    job = running(world, retry=Retry(1))
    admit(world, changes.requeued(world, job, is_held_after=False, now=at(1)))
    leaves(world, job, Outcome(Cause.SELF, None, 15))
    assert settle(world) == [job]
    fails(world, job)
    assert settle(world) == [job] and world.jobs[job].attempt == 3
    assert only(fails(world, job), Ended)


def test_who_deletes_a_job_that_is_being_requeued_ends_it_for_good() -> None:
    world = empty(4)
    job = running(world)
    admit(world, changes.requeued(world, job, is_held_after=False, now=at(1)))
    admit(world, reports.deleted(world, [job], Cause.DELETED, at(2)))
    leaves(world, job, Outcome(Cause.SELF, None, 15))
    assert job not in world.jobs


def test_who_deletes_a_job_that_has_failed_and_not_yet_left_ends_it_for_good() -> None:
    world = empty(4)
    job = running(world, retry=Retry(5))
    admit(world, attempts.over(world, job, 1, FAILURE, at(1)))
    admit(world, reports.deleted(world, [job], Cause.DELETED, at(2)))
    over = only(leaves(world, job, FAILURE), Ended)
    assert over.outcome == FAILURE and job not in world.jobs


def test_a_limit_that_strikes_during_a_requeue_changes_nothing_of_it() -> None:
    world = empty(4)
    job = running(world)
    admit(world, changes.requeued(world, job, is_held_after=False, now=at(1)))
    assert only(leaves(world, job, Outcome(Cause.TIME_LIMIT)), Requeued)


def test_a_requeued_job_waits_for_the_jobs_of_its_last_attempt_to_be_gone() -> None:
    world = empty(4)
    job = running(world)
    child = submit(world, parent=job)
    settle(world)
    admit(world, changes.requeued(world, job, is_held_after=False, now=at(1)))
    leaves(world, job, Outcome(Cause.SELF, None, 15))
    assert world.gates[job] is Gate.ENDING and settle(world) == []
    events = admit(world, reports.gone(world, child, Outcome(Cause.SELF, None, 15), at(2)))
    assert not any(isinstance(event, Resumed) for event in events)
    assert settle(world) == [job] and not world.is_suspended(job)
    check(world)


# ---- the end of many
def test_after_a_reboot_batch_jobs_wait_again_if_they_may_and_all_else_has_ended() -> None:
    world = empty(4)
    again, not_again = running(world, time_limit_s=50), running(world, is_requeueable=False)
    salloc = submit(world)
    settle(world)
    child = submit(world, parent=again)
    settle(world)
    waiting, waiting_salloc = submit_batch(world), submit(world, 4)
    array = submit_batch(world, array="0-3")
    events = admit(world, attempts.rebooted(world, at(9)), at(9))
    ended = {event.job_id: event.outcome for event in events if isinstance(event, Ended)}
    assert ended == dict.fromkeys((not_again, salloc, child, waiting_salloc), Outcome(Cause.REBOOT))
    assert set(world.jobs) == {again, waiting, array} and world.jobs[again].is_waiting
    assert not world.ends and world.used == 0
    check(world)


def test_a_job_that_was_being_deleted_at_the_reboot_is_deleted() -> None:
    world = empty(4)
    job = running(world)
    admit(world, reports.deleted(world, [job], Cause.DELETED, at(1)))
    (event,) = attempts.rebooted(world, at(9))
    assert world.admit(event, at(9)).phase.outcome.cause is Cause.DELETED


def test_the_end_of_the_agents_scope_ends_what_runs_and_leaves_what_waits() -> None:
    world = empty(2)
    job, salloc = running(world, retry=Retry(3)), submit(world)
    settle(world)
    waiting = submit_batch(world)
    admit(world, attempts.scope_ending(world, at(1)))
    assert all(isinstance(world.jobs[i].phase, Completing) for i in (job, salloc))
    assert world.jobs[waiting].is_waiting
    events = attempts.left(world, job, 1, Outcome(Cause.SCOPE, None, 15), Usage(), at(2).wall_s, at(2))
    assert only(events, Ended).outcome.state is JobState.NODE_FAIL


def test_what_the_planner_drops_has_ended_for_its_dependency() -> None:
    world = empty(0, 4)
    job = submit_batch(world)
    (ended,) = attempts.decided(world, Drop(job), at(1))
    assert ended.outcome == Outcome(Cause.DEPENDENCY) and ended.outcome.state is JobState.CANCELLED


def test_the_hands_of_a_job_that_is_being_ended_are_still_learnt() -> None:
    world = empty(4)
    job = running(world)
    admit(world, reports.deleted(world, [job], Cause.DELETED, at(1)))
    assert isinstance(world.jobs[job].phase, Completing)
    assert only(admit(world, attempts.launched(world, job, 1, HANDS, at(2))), Launched)
    check(world)


def test_a_retry_is_told_before_the_job_waits_again() -> None:
    world = empty(4)
    job = running(world, retry=Retry(2))
    events = attempts.left(world, job, 1, FAILURE, Usage(), at(1).wall_s, at(1))
    assert [type(event) for event in events] == [Changed, Requeued]
    assert events[0].spec.batch == batch(retry=Retry(1))
    assert not any(isinstance(event, Completed) for event in events)
    admit(world, events)
    succeeds_after = settle(world)
    assert succeeds_after == [job] and only(succeeds(world, job), Ended)
