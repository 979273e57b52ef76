"""Every waiting job says what it waits for, in words for people."""

from core.worlds import POLICY, admit, at, empty, settle, submit
from jobd.core import reports
from jobd.core.reasons import holders, reason
from jobd.core.schedule import Policy


def why(world, job_id, now=None, policy=POLICY):
    return reason(world, world.jobs[job_id], holders(world, now or at(0), policy))


def test_it_says_how_many_are_missing_and_who_has_them() -> None:
    world = empty(4)
    submit(world, 3, name="make"), submit(world, 1, name="cc")
    settle(world)
    job = submit(world, 2)
    assert why(world, job) == ("Resources", "2 of 2 procs missing, in use by job 1 (make: 3), job 2 (cc: 1)")


def test_it_says_how_many_are_ahead() -> None:
    world = empty(1)
    submit(world)
    settle(world)
    submit(world), submit(world)
    last = submit(world)
    assert why(world, last) == ("Resources", "1 of 1 proc missing, in use by job 1 (sleep: 1); 2 jobs ahead")


def test_only_a_few_holders_are_named() -> None:
    world = empty(5)
    for _ in range(5):
        submit(world)
    settle(world)
    assert why(world, submit(world))[1].endswith("job 3 (sleep: 1), 2 more")


def test_an_exceptional_job_waits_to_be_alone() -> None:
    world = empty(2, 4)
    submit(world)
    settle(world)
    job = submit(world, 4)
    assert why(world, job) == ("Resources", "exceptional, runs alone: waits for job 1 (sleep: 1) to end")


def test_one_that_is_kept_back_says_for_whom() -> None:
    world = empty(2)
    submit(world)
    settle(world)
    large, small = submit(world, 2), submit(world)
    policy = Policy(0, 60.0)
    assert settle(world, policy=policy) == []
    assert why(world, small, policy=policy) == (
        "Priority",
        f"procs are kept free for job {large}; 1 job ahead",
    )


def test_nothing_starts_at_nb_proc_0_and_it_says_how_to_change_that() -> None:
    world = empty(4)
    job = submit(world)
    admit(world, reports.limits_set(world, 0, 4, at(0)))
    assert why(world, job) == ("PartitionDown", "nb_proc is 0, so nothing starts (jobctl set-nb-proc N)")


def test_before_the_next_plan_it_is_about_to_start() -> None:
    world = empty(4)
    assert why(world, submit(world)) == ("Priority", "about to start")
    assert why(world, submit(world)) == ("Priority", "its turn comes after 1 job")


def test_a_suspended_parent_has_nothing_that_others_wait_for() -> None:
    world = empty(1)
    parent = submit(world, name="make")
    settle(world)
    submit(world, parent=parent, name="cc")
    settle(world)
    assert "make" not in why(world, submit(world))[1]
