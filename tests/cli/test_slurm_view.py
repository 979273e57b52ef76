"""A job's row as Slurm's programs have it."""

import pytest

from cli.slurm_rows import SUBMITTED_AT, finished, pending, row
from jobd.cli.slurm_view import as_slurm, asked_for
from jobd.wire.messages import JobRow

RESOURCES = pending(2, "Resources")


@pytest.mark.parametrize(
    ("one", "state", "reason"),
    [
        (row(state="SUSPENDED", children=[7]), "RUNNING", "None"),
        (row(state="SUSPENDED", children=[7], batch={"paused_at": 1.0}), "SUSPENDED", "None"),
        (row(state="SUSPENDED", batch={"paused_at": 1.0}), "SUSPENDED", "None"),
        (row(state="SUSPENDED", children=[7])._replace(batch=None), "RUNNING", "None"),
        (RESOURCES, "PENDING", "Resources"),
        (RESOURCES._replace(is_behind=True), "PENDING", "Priority"),
        (pending(2, "Dependency", is_behind=True), "PENDING", "Dependency"),
        (pending(2, "JobHeldUser", {"is_held": True}), "PENDING", "JobHeldUser"),
        (pending(2, "JobHeldUser", {"is_held": True, "attempt": 1}), "PENDING", "job requeued in held state"),
        (finished(2, "FAILED", signal=9, reason_code="NonZeroExitCode"), "FAILED", "JobLaunchFailure"),
        (finished(2, "FAILED", exit_code=9, reason_code="NonZeroExitCode"), "FAILED", "NonZeroExitCode"),
        (finished(2, "CANCELLED", started_at=None, batch={"is_held": True}), "CANCELLED", "JobHeldUser"),
        (finished(2, "CANCELLED", batch={"is_held": True}), "CANCELLED", "None"),
    ],
)
def test_states_and_reasons_are_slurms(one: JobRow, state: str, reason: str) -> None:
    shown = as_slurm(one)
    assert (shown.state, shown.reason_code) == (state, reason)


def test_what_was_queued_again_was_submitted_then() -> None:
    again = row({"requeued_at": SUBMITTED_AT + 9.5})
    assert as_slurm(again) == again._replace(submitted_at=SUBMITTED_AT + 9.5)
    assert as_slurm(row()) == row()


def test_running_jobs_are_asked_for_with_those_that_wait_for_others() -> None:
    assert asked_for(frozenset({"RUNNING"})) == {"RUNNING", "SUSPENDED"}
    assert asked_for(frozenset({"PENDING"})) == {"PENDING"}
