"""A job as it is shown."""

from core.worlds import POLICY, admit, at, empty, settle, submit
from jobd.core import reports
from jobd.core.job import Finished, Outcome
from jobd.daemon.rows import row_of, rows_of
from jobd.states import Cause


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
        (Outcome(Cause.REBOOT), "NODE_FAIL", "None", "the machine was rebooted"),
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
