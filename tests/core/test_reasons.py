"""Every waiting job says what it waits for, in words for people."""

from core.worlds import POLICY, admit, at, empty, fails, settle, submit, submit_batch
from jobd.core import changes, reports
from jobd.core.events import Changed
from jobd.core.job import Resources
from jobd.core.reasons import holders, is_behind_another, reason
from jobd.core.resources import Capacity
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


def test_elements_of_arrays_are_named_as_such() -> None:
    world = empty(1)
    array = submit_batch(world, array="4-9")
    settle(world)
    job = submit(world)
    assert why(world, job)[1].startswith(f"1 of 1 proc missing, in use by job {array}_4 (")


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


# ---- batch jobs
def test_what_keeps_a_job_from_the_queue_has_slurms_word() -> None:
    world = empty(2)
    first = submit_batch(world)
    settle(world)
    held = submit_batch(world, is_held=True)
    later = submit_batch(world, begin_at=at(90).wall_s)
    after = submit_batch(world, f"afterok:{first},afterany:{first}")
    array = submit_batch(world, array="0-5", array_limit=1)
    settle(world)
    assert why(world, held) == ("JobHeldUser", f"held (Scontrol release {held})")
    assert why(world, later) == ("BeginTime", "begins in 1:30")
    assert why(world, after) == ("Dependency", f"waits for afterok:{first}, afterany:{first}")
    assert why(world, array) == ("JobArrayTaskLimit", "1 of its array run, and 1 may at once")
    fails(world, first)
    assert why(world, after) == (
        "DependencyNeverSatisfied",
        f"can never start: afterok:{first} cannot be met",
    )


def test_of_a_long_dependency_only_the_first_are_named() -> None:
    world = empty(0, 4)
    jobs = [submit_batch(world) for _ in range(6)]
    job = submit_batch(world, "?".join(f"afterok:{i}" for i in jobs))
    assert why(world, job)[1] == "waits for afterok:1 or afterok:2 or afterok:3 and 3 more"


def test_the_resource_that_is_missing_is_named() -> None:
    world = empty(8, capacity=Capacity(8 << 30, 2, (("matlab", 1),)))
    submit_batch(world, resources=Resources(6 << 30, 2, (("matlab", 1),)))
    settle(world)
    memory = submit_batch(world, resources=Resources(4 << 30))
    gpu = submit_batch(world, resources=Resources(0, 1))
    license_ = submit_batch(world, resources=Resources(counted=(("matlab", 1),)))
    assert why(world, memory) == ("Resources", "2 GiB of 4 GiB of memory missing")
    assert why(world, gpu) == ("Resources", "1 of 1 GPU missing; 1 job ahead")
    assert why(world, license_) == ("Resources", "1 of 1 matlab missing; 2 jobs ahead")


def test_an_exclusive_job_waits_to_be_alone() -> None:
    world = empty(2)
    submit(world)
    settle(world)
    job = submit_batch(world, resources=Resources(is_exclusive=True))
    assert why(world, job) == ("Resources", "exclusive, runs alone: waits for job 1 (sleep: 1) to end")


def test_what_the_machine_no_longer_has_is_said() -> None:
    world = empty(2, capacity=Capacity(gpus=2))
    job = submit_batch(world, resources=Resources(0, 2))
    world.capacity = Capacity(gpus=1)
    assert why(world, job) == (
        "PartitionConfig",
        "can never start here: 2 GPUs asked for, and there are 1",
    )


def test_a_requeued_job_says_that_its_last_attempts_jobs_are_being_ended() -> None:
    world = empty(4)
    job = submit_batch(world)
    settle(world)
    submit(world, parent=job)
    settle(world)
    admit(world, changes.requeued(world, job, is_held_after=False, now=at(1)))
    fails(world, job)
    assert why(world, job) == ("Resources", "waits for the end of 1 job called in its last attempt")


def test_a_paused_job_has_nothing_that_others_wait_for() -> None:
    world = empty(1)
    paused = submit_batch(world, name="paused")
    settle(world)
    admit(world, changes.paused(world, paused, at(1)))
    settle(world)
    submit(world)
    settle(world)
    assert "paused" not in why(world, submit(world))[1]


def test_the_first_of_a_partition_is_behind_nobody() -> None:
    world = empty(1)
    submit(world)
    settle(world)
    first, second, held = submit_batch(world), submit_batch(world), submit_batch(world)
    other = submit_batch(world)
    admit(world, changes.held(world, held, at(0)))
    batch = world.jobs[other].spec.batch
    moved = batch._replace(labels=(("partition", "gpu"),))
    admit(world, [Changed(other, world.jobs[other].spec._replace(batch=moved))])
    last = submit(world)
    shared = holders(world, at(0), POLICY)
    found = {
        job_id: is_behind_another(world, world.jobs[job_id], shared)
        for job_id in (first, second, held, other, last)
    }
    assert found == {first: False, second: True, held: False, other: False, last: True}
