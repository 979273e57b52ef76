"""Why scontrol, under Slurm's name, could not do a thing to a job, in Slurm's words: they follow from how the job stands.

Source: src/common/slurm_errno.c of Slurm 22.05, and which of them its slurmctld gives for what.
"""

import time
from typing import NamedTuple

from jobd.cli import slurm_values as v
from jobd.cli.listing import MIN_JOB_AGE_S
from jobd.client import Client
from jobd.errors import NoSuchJob, NotEnough, TooManyProcs
from jobd.indexes import Indexes
from jobd.states import Cause, Control
from jobd.wire import batch as b
from jobd.wire.messages import JobRow

UNKNOWN = "Invalid job id specified"
UNEXPECTED = "Unexpected message received"  # suspend and resume, of a job that there never was
FINISHED = "Job has already finished"
COMPLETING = "Job/step already completing or completed"
PENDING = "Job is pending execution"
STARTED = "Job is no longer pending execution"
NOT_SUSPENDED = "Job is not suspended"
DISABLED = "Requested operation is presently disabled"
BATCH_ONLY = "Only batch jobs are accepted or processed"
HELD = "Job is in held state, pending scheduler release"
DEPENDENCY = "Job dependency problem"
TIME_LIMIT = "Requested time limit is invalid (missing or exceeds some limit)"
TOO_MUCH = "Requested partition configuration not available now"
NO_SCRIPT = "No job script for this job"
DENIED = "Access/permission denied"
NODES = "Requested node configuration is not available"
NODE_NAME = "Invalid node name specified"
INVALID_TIME = "Invalid time specified"
USER = "Invalid user id"

# Label of which there is no such value → what is said.
_LABELS = {
    "partition": "Invalid partition name specified",
    "account": "Invalid account or account/partition combination specified",
}

_SUSPENDING = (Control.SUSPEND, Control.RESUME)


class Refused(NamedTuple):
    """What is said, and of which elements of an array; "" for a job of its own."""

    text: str
    elements: str = ""

    @property
    def is_element(self) -> bool:
        """Whether it is said of elements of an array."""
        return bool(self.elements)

    def line(self, word: str) -> str:
        """The line, for a job that was named so."""
        return f"{self.elements}: {self.text}" if self.elements else f"{self.text} for job {word}"


def of_control(client: Client, job: b.JobId, refusal: b.Refusal, action: Control) -> Refused:
    """Hold, release, requeue, suspend, resume."""
    row = row_of(client, job)
    if row is None:
        is_known = bool(job.runs) and row_of(client, job._replace(runs=[])) is not None
        if action in _SUSPENDING and not is_known:
            return Refused(UNEXPECTED)
        return unknown(job)
    if row.ended_at is not None:
        if action is Control.REQUEUE:
            return said(DISABLED if v.is_batch(row) else BATCH_ONLY, row, job)
        return said(COMPLETING if action in _SUSPENDING else FINISHED, row, job)
    if row.state == "PENDING" or row.cause == Cause.REQUEUED.value:
        return said(PENDING, row, job)
    if row.state == "COMPLETING":
        return said(COMPLETING, row, job)
    if action is Control.REQUEUE and not v.is_batch(row):
        return said(BATCH_ONLY, row, job)
    if action is Control.RESUME:
        return said(NOT_SUSPENDED, row, job)
    return said(DISABLED, row, job)


def of_update(client: Client, job: b.JobId, refusal: b.Refusal, update: b.Update) -> Refused | None:
    """A change of what a job asks for; None for what Slurm does not mind."""
    row = row_of(client, job)
    if row is None:
        return unknown(job)
    if row.ended_at is not None:
        return said(FINISHED, row, job)
    if update.array_limit is not None and (row.batch is None or row.batch.array_id is None):
        return None
    if refusal.error in (NotEnough.__name__, TooManyProcs.__name__):
        return said(TOO_MUCH, row, job)
    if row.state != "PENDING":
        return said(STARTED, row, job)
    if update.dependency is not None:
        return said(DEPENDENCY, row, job)
    for name, text in _LABELS.items():
        if refusal.text.startswith(f"no {name} "):
            return said(text, row, job)
    return said(refusal.text, row, job)


def of_top(client: Client, job: b.JobId) -> Refused | None:
    """What speaks against putting it before all others."""
    row = row_of(client, job)
    if row is None:
        return unknown(job)
    if row.ended_at is not None:
        return said(FINISHED, row, job)
    if row.state != "PENDING":
        return said(STARTED, row, job)
    is_held = row.batch is not None and row.batch.is_held
    return said(HELD, row, job) if is_held else None


def row_of(client: Client, job: b.JobId) -> JobRow | None:
    """The job as it stands, or one of those that are meant; None where Slurm would have forgotten it."""
    from jobd.cli.scontrol_show import find

    try:
        rows = find(client, [job._replace(step_id=None)])
    except NoSuchJob:
        return None
    living = [row for row in rows if row.ended_at is None]
    since_s = time.time() - MIN_JOB_AGE_S
    late = [row for row in rows if row.ended_at is not None and row.ended_at >= since_s]
    return (living or late or [None])[0]  # type: ignore[list-item]


def unknown(job: b.JobId) -> Refused:
    """Of a job that there is not."""
    from jobd.cli import selection

    return Refused(UNKNOWN, selection.text_of_id(job) if job.runs else "")


def said(text: str, row: JobRow, job: b.JobId) -> Refused:
    """Of a job of an array Slurm names the elements."""
    batch = row.batch
    if (
        batch is None
        or batch.array_id is None
        or (not job.runs and row.job_id == job.job_id != batch.array_id)
    ):
        return Refused(text)
    if job.runs:
        runs = Indexes(tuple((first, last, step) for first, last, step in job.runs))
        return Refused(text, f"{batch.array_id}_{runs.text}")
    which = batch.tasks if batch.array_index is None else str(batch.array_index)
    return Refused(text, f"{batch.array_id}_{which}")
