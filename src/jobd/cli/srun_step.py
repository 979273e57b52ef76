"""Srun inside a job: a step of it.

    the job's row ─▶ processors (slots.py) ─▶ StepBegin ─▶ tasks (step.py) ─▶ StepEnd

It runs whether or not the server is there: then it has no record.
"""

import os
import time
from typing import Any

from jobd.cli import allocation, command, dialect, step_places
from jobd.cli.presence import End
from jobd.cli.slots import slots_of_job
from jobd.cli.srun_call import RECORD_S, Call
from jobd.cli.step import Step
from jobd.cli.step_keeper import Keeper
from jobd.cli.step_places import Size
from jobd.cli.step_streams import Streams
from jobd.cli.tasks import Tasks
from jobd.client import Client, Events, is_server_alive
from jobd.errors import NoServer, NoSuchJob, Refused
from jobd.wire import messages as m

BUSY = "step creation temporarily disabled, retrying (Requested nodes are busy)"


def run_inside(call: Call, job_id: int, *, is_asked_for: bool) -> int | None:
    """Run a step of that job; its code, or None if the job does not live and nobody insists on it."""
    if "JOBD_STEP_ID" in os.environ and not is_asked_for:
        # The step around us holds what we would wait for.
        call.options = call.options._replace(is_overlapping=True)
    keeper = Keeper(call.token)
    try:
        client = Client(is_starting=False, deadline_s=RECORD_S)
        row, server_id = _row(call, client, job_id, is_asked_for=is_asked_for)
        if row is None and server_id:
            return None
        step, end = run_step(call, client, row, server_id, keeper.pid)
    finally:
        keeper.dismiss()
    return call.code(step, end)


def _row(call: Call, client: Client, job_id: int, *, is_asked_for: bool) -> tuple[m.JobRow | None, str]:
    """The job, and its server; (None, "") where no server is there, (None, its number) where the job does not run."""
    request = m.ListJobs(job_ids=[job_id], rows_max=1)
    try:
        page: m.JobPage = _patiently(client, request)
    except NoServer as error:
        if is_asked_for:
            raise
        call.complain(f"{error}; the step runs without a record")
        return None, ""
    row = page.rows[0] if page.rows else None
    is_running = row is not None and row.started_at is not None
    claimed = allocation.claimed_server_id()
    is_ours = is_asked_for or not claimed or claimed == page.status.server_id
    if is_running and is_ours:
        return row, page.status.server_id
    if is_asked_for:
        why = "Invalid job id specified" if row is None else "Job is pending execution"
        if dialect.is_slurm and row is None:
            raise dialect.Said(
                f"srun: error: Unable to confirm allocation for job {job_id}: {why}",
                f"srun: Check SLURM_JOB_ID environment variable. Expired or invalid job {job_id}",
            )
        raise NoSuchJob(f"Unable to confirm allocation for job {job_id}: {why}")
    return None, page.status.server_id


def _patiently(client: Client, request: Any) -> Any:
    """Ask; a server that is being restarted is waited for, for a while.

    Raises:
        NoServer: it is away for longer.
    """
    if not is_server_alive():
        events = Events(b"server.")
        end_s = time.monotonic() + RECORD_S
        # Each vain look for it is told too.
        while (left_s := end_s - time.monotonic()) > 0 and events.wait(left_s) is not True:
            pass
        events.close()
    return client.request(request)


def run_step(
    call: Call, client: Client, row: m.JobRow | None, server_id: str, keeper_pid: int
) -> tuple[Step, End]:
    """Run a step from the wait for its processors to the end of its record.

    Args:
        row: its job; None where the server is away, and nothing is asked or told.
    """
    size = _size(call, row)
    cpus = list(row.cpus) if row is not None else []
    slots = None
    waits: list[bool] = []
    if row is not None and not call.options.is_overlapping:
        attempt = row.batch.attempt if row.batch is not None else 0
        slots = slots_of_job(row.job_id, attempt, cpus or list(range(row.nb_proc)))

        def say_busy() -> None:
            waits.append(True)
            call.say(f"Job {row.job_id} {BUSY}")

        taken = slots.take(min(size.need, len(cpus) or row.nb_proc), say_busy)
        cpus = taken if cpus else []
    try:
        command.become_subreaper()
        around = call.begin(client, row, server_id, size)
        if waits and row is not None and dialect.is_slurm:
            call.say(f"Step created for StepId={row.job_id}.{around.step_id}")
        streams = Streams(call.wanted(size.ntasks), call.expander(around))
        tasks = Tasks()
        tasks.spared.add(keeper_pid)
        step = Step(call.plan(around), tasks, streams)
        end = step.run(call.places(around, size, cpus, dict(os.environb), streams))
        step.end_leftovers()
        streams.finish()
        call.record_end(client, around, end)
    finally:
        if slots is not None:
            slots.give_back()
    return step, end


def _size(call: Call, row: m.JobRow | None) -> Size:
    nb_proc = row.nb_proc if row is not None else len(os.sched_getaffinity(0))
    try:
        return _fitting(call, row, nb_proc)
    except Refused as error:
        if dialect.is_slurm and row is not None:
            raise Refused(
                f"Unable to create step for job {row.job_id}: More processors requested than permitted"
            ) from error
        raise


def _fitting(call: Call, row: m.JobRow | None, nb_proc: int) -> Size:
    options, batch = call.options, row.batch if row is not None else None
    return step_places.size_of(
        ntasks=options.ntasks or (batch.ntasks if batch is not None else None),
        cpus_per_task=options.cpus_per_task or (batch.cpus_per_task if batch is not None else None),
        nb_proc=nb_proc,
        has_said_size=options.has_said_size and row is not None,
        is_exact=options.is_exact and row is not None,
        is_overcommitting=options.is_overcommitting,
    )


__all__ = ["run_inside"]
