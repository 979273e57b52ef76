"""A job as it is shown."""

import pytest

from core.worlds import POLICY, admit, at, empty, settle, submit, submit_batch
from jobd.core import attempts, changes, reports
from jobd.core.job import Finished, Hands, Outcome, Pause, Resources, Usage, Warned
from jobd.core.resources import Capacity
from jobd.daemon.rows import row_of, rows_of
from jobd.states import Cause, JobState
from jobd.wire import codec
from jobd.wire.rows import Counted, JobRow


def row(world, job_id):
    return rows_of(world, [world.jobs[job_id]], at(0), POLICY)[0]


def over(world, outcome, started_at=1.0):
    job = world.jobs[1]._replace(phase=Finished(started_at, 2.0, outcome))
    return row_of(world, job)


def test_each_phase_shows_its_state() -> None:
    world = empty(1)
    parent = submit(world)
    assert row(world, parent).state == "PENDING" and row(world, parent).reason == "about to start"
    settle(world)
    shown = row(world, parent)
    assert (shown.state, shown.cpus, shown.started_at, shown.reason_code) == (
        "RUNNING",
        [0],
        at(0).wall_s,
        "None",
    )
    child = submit(world, parent=parent)
    shown = row(world, parent)
    assert (shown.state, shown.children, row(world, child).parent_id) == ("SUSPENDED", [child], parent)
    admit(world, reports.deleted(world, [parent], Cause.DELETED, at(1)))
    assert row(world, parent).state == "COMPLETING" and row(world, parent).reason == "deleted"


def test_an_end_says_how_and_why() -> None:
    world = empty(1)
    submit(world)
    cases = [
        (Outcome(Cause.SELF, 0, None), "COMPLETED", "None", "exit code 0"),
        (Outcome(Cause.SELF, 3, None), "FAILED", "NonZeroExitCode", "exit code 3"),
        (Outcome(Cause.SELF, None, 11), "FAILED", "NonZeroExitCode", "signal 11"),
        (Outcome(Cause.SELF), "FAILED", "NonZeroExitCode", "its end could not be learnt"),
        (Outcome(Cause.DELETED, None, 15), "CANCELLED", "None", "deleted (signal 15)"),
        (Outcome(Cause.TIME_LIMIT, 0, None), "TIMEOUT", "TimeLimit", "time limit reached (exit code 0)"),
        (Outcome(Cause.REBOOT), "NODE_FAIL", "NodeDown", "the machine was rebooted"),
        (Outcome(Cause.OUT_OF_MEMORY, None, 9), "OUT_OF_MEMORY", "OutOfMemory", "out of memory (signal 9)"),
        (Outcome(Cause.LOST), "NODE_FAIL", "SystemFailure", "its end was not seen"),
        (
            Outcome(Cause.DEPENDENCY),
            "CANCELLED",
            "DependencyNeverSatisfied",
            "what it depends on can never come to be",
        ),
    ]
    for outcome, state, code, reason in cases:
        shown = over(world, outcome)
        assert (shown.state, shown.reason_code, shown.reason) == (state, code, reason)
        assert (shown.exit_code, shown.signal, shown.cause) == (
            outcome.exit_code,
            outcome.signal,
            outcome.cause.value,
        )


def test_every_cause_has_its_words() -> None:
    world = empty(1)
    submit(world)
    texts = [over(world, Outcome(cause), started_at=None).reason for cause in Cause]
    assert all(texts) and len(set(texts)) == len(texts)


@pytest.mark.parametrize("cause", Cause)
def test_no_failed_job_is_without_a_reason(cause: Cause) -> None:
    """Clients that know Slurm's reasons take a FAILED job without one for a mistake."""
    world = empty(1)
    submit(world)
    for outcome in (Outcome(cause, 0), Outcome(cause, 1), Outcome(cause, None, 9), Outcome(cause)):
        shown = over(world, outcome)
        assert len(shown.reason_code.split()) == 1
        if shown.state in (JobState.FAILED, JobState.TIMEOUT, JobState.OUT_OF_MEMORY, JobState.NODE_FAIL):
            assert shown.reason_code != "None"
    assert over(world, Outcome(Cause.LAUNCH)).reason_code == "JobLaunchFailure"


# ---- batch jobs
def test_a_job_of_no_agent_has_no_batch_part() -> None:
    world = empty(1)
    assert row(world, submit(world)).batch is None


def test_a_batch_job_shows_what_it_asked_for() -> None:
    world = empty(4, capacity=Capacity(1 << 30, 2, (("fpga", 2),)))
    number = submit_batch(
        world, resources=Resources(1 << 20, 1, (("fpga", 2),), False), begin_at=at(50).wall_s, is_held=True
    )
    job = world.jobs[number]
    batch = job.spec.batch._replace(
        script="5" * 32,
        labels=(("comment", "hi"), ("partition", "main")),
        warned=Warned(10, 90, True),
        umask=0o77,
    )
    shown = row_of(world, job._replace(spec=job.spec._replace(batch=batch)))
    part = shown.batch
    assert (shown.state, part.attempt, part.memory_bytes, part.gpus) == ("PENDING", 0, 1 << 20, 1)
    assert (part.counted, part.is_held, part.begin_at) == ([Counted("fpga", 2)], True, at(50).wall_s)
    assert (part.has_script, part.labels) == (True, [["comment", "hi"], ["partition", "main"]])
    assert (part.warn_signal, part.warn_before_s, part.umask) == (10, 90, 0o77)
    assert (part.stdin, part.stdout, part.stderr) == (
        "/dev/null",
        f"/slurm-{number}.out",
        f"/slurm-{number}.out",
    )


def test_two_jobs_of_one_submission_differ_where_they_should() -> None:
    """What they have in common is made once: none is shown what is the other's."""
    world = empty(4)
    first, second = submit_batch(world), submit_batch(world)
    job, other = world.jobs[first], world.jobs[second]
    other = other._replace(spec=other.spec._replace(batch=job.spec.batch, resources=Resources(4096)))
    for _ in range(2):
        assert row_of(world, job).batch.memory_bytes == 0
        assert row_of(world, other).batch.memory_bytes == 4096
    assert row_of(world, other).batch.stdout == f"/slurm-{second}.out"


def test_a_running_attempt_shows_what_the_agent_told_of_it() -> None:
    world = empty(4, capacity=Capacity(0, 2))
    number = submit_batch(world, resources=Resources(gpus=2))
    settle(world)
    admit(world, attempts.launched(world, number, 1, Hands(77, 8, ("memory: no cgroup",)), at(1)))
    shown = row(world, number)
    assert (shown.state, shown.pid, shown.batch.attempt) == ("RUNNING", 77, 1)
    assert (shown.batch.gpu_indexes, shown.batch.unenforced) == ([0, 1], ["memory: no cgroup"])
    admit(world, changes.paused(world, number, at(5)))
    shown = row(world, number)
    assert (shown.state, shown.batch.paused_at) == ("SUSPENDED", at(5).wall_s)
    admit(world, changes.unpaused(world, number, at(8)))
    assert (row(world, number).state, row(world, number).batch.paused_s) == ("RUNNING", 3.0)


def test_a_finished_attempt_shows_what_it_used() -> None:
    world = empty(1)
    number = submit_batch(world)
    phase = Finished(1.0, 9.0, Outcome(Cause.SELF, 0), Usage(2.5, 4096), Hands(77, 8), Pause(None, 2.0))
    shown = row_of(world, world.jobs[number]._replace(phase=phase, attempt=1))
    assert (shown.state, shown.pid, shown.ended_at) == ("COMPLETED", 77, 9.0)
    assert (shown.batch.cpu_s, shown.batch.memory_peak_bytes, shown.batch.paused_s) == (2.5, 4096, 2.0)
    assert shown.batch.gpu_indexes == []


def test_an_array_shows_what_is_left_of_it_and_an_element_its_index() -> None:
    world = empty(1)
    number = submit_batch(world, array="0-9:3,20", array_limit=2)
    assert (row(world, number).batch.tasks, row(world, number).batch.array_limit) == ("0-9:3,20", 2)
    (element,) = settle(world)
    left, shown = row(world, number).batch, row(world, element).batch
    assert (left.array_id, left.array_index, left.tasks) == (number, None, "3-9:3,20")
    assert (shown.array_id, shown.array_index, shown.tasks) == (number, 0, "")
    assert shown.stdout == f"/slurm-{number}_0.out"


def test_a_waiting_job_says_why_and_when_it_is_expected_to_start() -> None:
    world = empty(1)
    first = submit_batch(world, time_limit_s=100)
    settle(world)
    second = submit_batch(world, time_limit_s=100)
    held = submit_batch(world, is_held=True)
    after = submit_batch(world, f"afterok:{first}")
    shown = {found.job_id: found for found in rows_of(world, world.jobs.values(), at(0), POLICY)}
    assert (shown[second].reason_code, shown[second].batch.expected_start_at) == ("Resources", at(100).wall_s)
    assert (shown[held].reason_code, shown[held].batch.expected_start_at) == ("JobHeldUser", None)
    assert (shown[after].reason_code, shown[after].batch.dependency) == ("Dependency", f"afterok:{first}")
    assert shown[first].batch.expected_start_at is None


def test_rows_travel_as_they_are() -> None:
    world = empty(2, capacity=Capacity(1 << 40, 4, (("fpga", 9),)))
    (
        submit(world),
        submit_batch(world, resources=Resources(1, 1, (("fpga", 1),))),
        submit_batch(world, array="1-3"),
    )
    submit_batch(world, "afterany:1", begin_at=1.0), settle(world)
    for shown in rows_of(world, world.jobs.values(), at(0), POLICY):
        assert codec.build(JobRow, codec.unpack(codec.pack(shown))) == shown
