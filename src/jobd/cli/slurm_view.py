"""A job as Slurm has it: where jobd's rows tell more than Slurm does, or count otherwise, they are put in Slurm's way. No socket, no clock."""

from jobd.wire.messages import JobRow

REQUEUED_HELD = "job requeued in held state"  # the one reason that is no word; scontrol writes it with _ in place of the blanks


def as_slurm(row: JobRow) -> JobRow:
    """The row as Slurm's programs show it.

    * A job that waits for those it has called runs: only scontrol suspend suspends.
    * The first that waits in its partition does so for resources, all behind it for their priority.
    * What was queued again was submitted then.
    """
    batch, state = row.batch, row.state
    if state == "PENDING":
        if row.is_behind and row.reason_code == "Resources":
            row = row._replace(reason_code="Priority")
        elif batch is not None and batch.is_held and batch.attempt:
            row = row._replace(reason_code=REQUEUED_HELD)
    elif state == "SUSPENDED":
        if batch is None or batch.paused_at is None:
            row = row._replace(state="RUNNING")
    elif state == "FAILED" and row.signal is not None:
        row = row._replace(reason_code="JobLaunchFailure")
    if batch is not None:
        if batch.requeued_at is not None:
            row = row._replace(submitted_at=batch.requeued_at)
        if state == "CANCELLED" and batch.is_held and row.started_at is None:
            row = row._replace(reason_code="JobHeldUser")
    return row


def asked_for(states: frozenset[str]) -> frozenset[str]:
    """The states by which a server is asked for jobs that are in one of these as Slurm has it."""
    return states | {"SUSPENDED"} if "RUNNING" in states else states
