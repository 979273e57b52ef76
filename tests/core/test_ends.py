"""How jobs end, how far an end reaches, and what the record says of it."""

import pytest

from core.worlds import admit, at, check, empty, settle, submit
from jobd.core import life, reports
from jobd.core.events import Completed, Ended, Reopened, Resumed, Started, Submitted, Suspended
from jobd.core.job import Completing, Finished, Outcome, Running
from jobd.errors import ParentEnding, TooManyJobs, TooManyProcs
from jobd.states import Cause, JobState, OnKill


def code(number):
    return Outcome(Cause.SELF, number, None)


def signal(number):
    return Outcome(Cause.SELF, None, number)


def kinds(events):
    return [(type(event).__name__, event.job_id) for event in events]


@pytest.fixture
def family():
    """1 ─ 2 ─ 3 (running) and 2's sibling 4, all of one tree; 5 is a stranger."""
    world = empty(8)
    top = submit(world)
    settle(world)
    middle, sibling = submit(world, parent=top), submit(world, parent=top)
    settle(world)
    leaf = submit(world, parent=middle)
    stranger = submit(world)
    settle(world)
    assert (top, middle, sibling, leaf, stranger) == (1, 2, 3, 4, 5)
    return world


def ending(world):
    return {job_id for job_id, job in world.jobs.items() if isinstance(job.phase, Completing)}


@pytest.mark.parametrize("number", [1, 2, 3, 9, 15])
def test_a_signal_from_outside_ends_the_whole_tree(family, number) -> None:
    admit(family, reports.exited(family, 4, signal(number), is_gone=True, now=at(1)))
    assert 4 not in family.jobs and ending(family) == {1, 2, 3}
    check(family)


@pytest.mark.parametrize("number", [4, 6, 7, 8, 11, 24, 31])
def test_a_crash_ends_only_that_job_and_what_is_below(family, number) -> None:
    admit(family, reports.exited(family, 2, signal(number), is_gone=False, now=at(1)))
    assert ending(family) == {2, 4}


@pytest.mark.parametrize("number", [0, 1, 130, 137, 255])
def test_a_job_that_ends_by_itself_ends_alone_and_its_parent_goes_on(family, number) -> None:
    events = reports.exited(family, 4, code(number), is_gone=True, now=at(1))
    assert kinds(events) == [("Ended", 4), ("Resumed", 2)]
    admit(family, events)
    assert not ending(family) and not family.is_suspended(2)


def test_a_parent_that_ends_takes_its_living_children_along(family) -> None:
    admit(family, reports.exited(family, 2, code(0), is_gone=True, now=at(1)))
    assert ending(family) == {4}
    assert family.jobs[4].phase.outcome.cause is Cause.PARENT_ENDED


def test_waiting_children_of_a_job_that_ends_leave_the_queue() -> None:
    world = empty(1)
    parent = submit(world)
    settle(world)
    blocker = submit(world, priority=1)
    settle(world)
    child = submit(world, parent=parent)
    admit(world, reports.exited(world, parent, code(0), is_gone=True, now=at(1)))
    assert set(world.jobs) == {blocker} and child not in world.jobs


def test_a_deleted_job_takes_its_whole_tree(family) -> None:
    admit(family, reports.deleted(family, [4], Cause.DELETED, at(1)))
    assert ending(family) == {1, 2, 3, 4}
    causes = {job_id: family.jobs[job_id].phase.outcome.cause for job_id in (1, 2, 3, 4)}
    assert causes == {1: Cause.TREE, 2: Cause.TREE, 3: Cause.TREE, 4: Cause.DELETED}


def test_on_kill_below_spares_ancestors_and_siblings() -> None:
    world = empty(8)
    top = submit(world)
    settle(world)
    middle = submit(world, parent=top, on_kill=OnKill.BELOW)
    sibling = submit(world, parent=top)
    settle(world)
    leaf = submit(world, parent=middle)
    settle(world)
    admit(world, reports.exited(world, middle, signal(15), is_gone=False, now=at(1)))
    assert ending(world) == {middle, leaf}
    assert sibling in world.jobs


def test_children_end_before_their_parents_so_that_none_is_resumed_on_the_way_down(family) -> None:
    events = reports.deleted(family, [1], Cause.DELETED, at(1))
    assert kinds(events) == [("Completed", i) for i in (4, 2, 3, 1)] or [i for _, i in kinds(events)][-1] == 1
    assert not any(isinstance(event, Resumed) for event in events)


def test_a_limit_ends_the_job_and_what_is_below_only(family) -> None:
    admit(family, reports.timed_out(family, 2, at(1)))
    assert ending(family) == {2, 4}
    assert family.jobs[2].phase.outcome.state is JobState.TIMEOUT


def test_a_salloc_that_vanishes_while_it_waits_leaves_the_queue() -> None:
    world = empty(0, 4)
    job = submit(world)
    assert reports.lost(world, job, 9, at(1)) == [Ended(job, at(1).wall_s, Outcome(Cause.CLIENT_GONE))]


def test_one_of_which_only_the_last_report_arrives_has_gone_too() -> None:
    """The Lost that came before may have been lost with a server."""
    world = empty(0, 4)
    job = submit(world)
    (ended,) = reports.gone(world, job, Outcome(Cause.SELF), at(1))
    assert ended.outcome.cause is Cause.CLIENT_GONE


def test_an_end_that_nobody_saw_is_that_of_a_killed_salloc_and_takes_the_tree(family) -> None:
    admit(family, reports.gone(family, 4, Outcome(Cause.SELF), at(1)))
    assert ending(family) == {1, 2, 3}


def test_a_parent_is_resumed_when_its_last_child_is_gone_not_when_it_is_over(family) -> None:
    assert kinds(reports.exited(family, 4, code(0), is_gone=False, now=at(1))) == [("Completed", 4)]
    admit(family, reports.exited(family, 4, code(0), is_gone=False, now=at(1)))
    assert family.is_suspended(2)
    events = reports.gone(family, 4, code(0), at(2))
    assert kinds(events) == [("Ended", 4), ("Resumed", 2)]


def test_what_is_learnt_first_stays() -> None:
    assert life.merged(code(3), Outcome(Cause.DELETED, None, 15)) == code(3)
    assert life.merged(Outcome(Cause.DELETED), signal(15)) == Outcome(Cause.DELETED, None, 15)
    assert life.merged(Outcome(Cause.TIME_LIMIT), Outcome(Cause.SELF)) == Outcome(Cause.TIME_LIMIT)


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (code(0), JobState.COMPLETED),
        (code(1), JobState.FAILED),
        (signal(11), JobState.FAILED),
        (Outcome(Cause.SELF), JobState.FAILED),
        (Outcome(Cause.DELETED, 0, None), JobState.CANCELLED),
        (Outcome(Cause.SIGNALLED, None, 15), JobState.CANCELLED),
        (Outcome(Cause.TIME_LIMIT, 0, None), JobState.TIMEOUT),
        (Outcome(Cause.REBOOT), JobState.NODE_FAIL),
    ],
)
def test_an_outcome_means_one_final_state(outcome, state) -> None:
    assert outcome.state is state and state.is_final


def test_what_is_not_in_the_table_is_illegal_and_changes_nothing() -> None:
    world = empty(4)
    job = submit(world)
    for event in (
        Completed(job, code(0)),
        Suspended(job),
        Ended(99, 0.0, code(0)),
        Submitted(world.jobs[job]),
    ):
        with pytest.raises(life.Illegal):
            world.admit(event, at(0))
        check(world)
    settle(world)
    with pytest.raises(life.Illegal):
        world.admit(Started(job, 0.0, (), 1, False), at(0))
    assert isinstance(world.jobs[job].phase, Running)


def test_the_only_way_out_of_the_end_is_to_be_queued_again() -> None:
    assert [event for phase, event in life.TABLE if phase is Finished] == [Reopened]


# ---- at the door
def test_more_than_nb_proc_max_is_refused_with_the_command_that_raises_it() -> None:
    world = empty(4, 8)
    with pytest.raises(TooManyProcs, match=r"9 procs asked for, but nb_proc_max is 8 .*set-nb-proc-max 9"):
        submit(world, 9)


def test_a_job_that_is_being_ended_has_no_more_children(family) -> None:
    admit(family, reports.deleted(family, [4], Cause.DELETED, at(1)))
    with pytest.raises(ParentEnding, match="job 2"):
        submit(family, parent=2)


def test_a_full_queue_says_so() -> None:
    world = empty(4)
    submit(world)
    with pytest.raises(TooManyJobs):
        reports.submitted(world, world.jobs[1].spec, parent_id=None, jobs_max=1, now=at(0))


def test_a_lowered_limit_cancels_what_no_longer_fits_and_nothing_else() -> None:
    world = empty(2, 8)
    runs, large, fits = submit(world, 2), submit(world, 8), submit(world, 2)
    settle(world)
    events = reports.limits_set(world, 2, 4, at(1))
    assert [event.job_id for event in events if isinstance(event, Ended)] == [large]
    admit(world, events)
    assert set(world.jobs) == {runs, fits}
