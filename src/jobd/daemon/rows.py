"""A job of the world → the row that clients are shown."""

from collections.abc import Iterable

from jobd.core.job import Completing, Finished, Job, Now, Outcome, Running, Waiting
from jobd.core.reasons import Holders, holders, reason
from jobd.core.schedule import Policy
from jobd.core.world import World
from jobd.states import Cause, JobState
from jobd.wire.messages import JobRow

_ENDS = {
    Cause.DELETED: "deleted",
    Cause.SIGNALLED: "killed from outside",
    Cause.TREE: "killed with its tree",
    Cause.PARENT_ENDED: "its parent ended",
    Cause.TIME_LIMIT: "time limit reached",
    Cause.NB_PROC_MAX: "nb_proc_max was lowered below what it asks for",
    Cause.SHUTDOWN: "all jobs were ended",
    Cause.CLIENT_GONE: "its Salloc went away while it waited",
    Cause.REBOOT: "the machine was rebooted",
}


def rows_of(world: World, jobs: Iterable[Job], now: Now, policy: Policy) -> list[JobRow]:
    """Rows of living jobs; what all reasons share is found once."""
    shared: Holders | None = None
    rows = []
    for job in jobs:
        if job.is_waiting and job.job_id in world.jobs:
            if shared is None:
                shared = holders(world, now, policy)
            code, text = reason(world, job, shared)
            rows.append(row_of(world, job, reason_code=code, reason_text=text))
        else:
            rows.append(row_of(world, job))
    return rows


def row_of(world: World, job: Job, *, reason_code: str = "None", reason_text: str = "") -> JobRow:
    """The row of a job, living or finished."""
    spec, phase = job.spec, job.phase
    outcome: Outcome | None = None
    started_at: float | None = None
    ended_at: float | None = None
    cpus: tuple[int, ...] = ()
    children = sorted(world.children.get(job.job_id, ()))
    if type(phase) is Waiting:  # first, since a long list is a long queue
        state = JobState.PENDING
    elif isinstance(phase, Running):
        state = JobState.SUSPENDED if children else JobState.RUNNING
        started_at, cpus = phase.started_at, phase.cpus
    elif isinstance(phase, Completing):
        state = JobState.COMPLETING
        started_at, cpus, outcome = phase.started_at, phase.cpus, phase.outcome
    else:
        assert isinstance(phase, Finished)
        state = phase.outcome.state
        started_at, ended_at, outcome = phase.started_at, phase.ended_at, phase.outcome
    if outcome is not None:
        reason_code, reason_text = _end_words(outcome)
    return JobRow(
        job.job_id,
        job.parent_id,
        job.root_id,
        state.value,
        spec.kind,
        spec.nb_proc,
        spec.pid,
        spec.name,
        list(spec.command),
        spec.cwd,
        spec.user,
        spec.priority,
        spec.time_limit_s,
        job.submitted_at,
        started_at,
        ended_at,
        list(cpus),
        children,
        outcome.exit_code if outcome else None,
        outcome.signal if outcome else None,
        outcome.cause.value if outcome else None,
        reason_text,
        reason_code,
        spec.token,
    )


def _end_words(outcome: Outcome) -> tuple[str, str]:
    how = ""
    if outcome.signal is not None:
        how = f"signal {outcome.signal}"
    elif outcome.exit_code is not None:
        how = f"exit code {outcome.exit_code}"
    if outcome.cause is Cause.SELF:
        code = "None" if outcome.exit_code == 0 else "NonZeroExitCode"
        return code, how or "its end could not be learnt"
    code = "TimeLimit" if outcome.cause is Cause.TIME_LIMIT else "None"
    return code, f"{_ENDS[outcome.cause]}{f' ({how})' if how else ''}"
