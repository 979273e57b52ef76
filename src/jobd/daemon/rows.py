"""A job of the world or of the journal → the row that clients are shown.

Rows are made by the hundred thousand, so what a job shares with the others of its submission is made once. Nobody changes a row.
"""

import socket
from collections.abc import Iterable
from functools import lru_cache

from jobd.core.forecast import expected_starts
from jobd.core.job import (
    NO_PAUSE,
    Batch,
    Completing,
    Finished,
    Job,
    Now,
    Outcome,
    Phase,
    Running,
    Usage,
    Waiting,
)
from jobd.core.reasons import Holders, holders, is_behind_another, reason
from jobd.core.schedule import Policy
from jobd.core.world import World
from jobd.daemon.files import files_of
from jobd.dependencies import text_of
from jobd.indexes import Indexes
from jobd.states import Cause
from jobd.wire.rows import BatchRow, Counted, JobRow

RUNS_SHOWN_MAX = 3000  # of an array's indexes: at most 60,000 characters
STARTS_MAX = 200  # waiting jobs whose start is reckoned for a list: about 1 ms of the server's time

NODE = socket.gethostname().partition(".")[0]

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
    Cause.OUT_OF_MEMORY: "out of memory",
    Cause.LAUNCH: "it could not be started (the log of jobd-agent says why)",
    Cause.LOST: "its end was not seen",
    Cause.UNSTARTED: "the agent died about its start",
    Cause.SCOPE: "the agent's scope was stopped, or the session ended",
    Cause.REQUEUED: "it is to be queued again",
    Cause.DEPENDENCY: "what it depends on can never come to be",
}

_NO_USAGE = Usage()

# Slurm's words for why a job ended (its job_reason_string); clients know no others.
_END_CODES = {
    Cause.TIME_LIMIT: "TimeLimit",
    Cause.OUT_OF_MEMORY: "OutOfMemory",
    Cause.LAUNCH: "JobLaunchFailure",
    Cause.REBOOT: "NodeDown",
    Cause.SCOPE: "NodeDown",
    Cause.LOST: "SystemFailure",
    Cause.UNSTARTED: "SystemFailure",
    Cause.DEPENDENCY: "DependencyNeverSatisfied",
}


def rows_of(world: World, jobs: Iterable[Job], now: Now, policy: Policy) -> list[JobRow]:
    """Rows of living jobs; what all reasons share is found once."""
    shared: Holders | None = None
    starts: dict[int, float] = {}
    rows = []
    for job in jobs:
        if job.is_waiting and job.job_id in world.jobs:
            if shared is None:
                shared = holders(world, now, policy)
                starts = expected_starts(world, now, policy, STARTS_MAX)
            code, text = reason(world, job, shared)
            shown = row_of(
                world,
                job,
                reason_code=code,
                reason_text=text,
                expected_start_at=starts.get(job.job_id),
                is_behind=is_behind_another(world, job, shared),
            )
            rows.append(shown)
        else:
            rows.append(row_of(world, job))
    return rows


def row_of(
    world: World,
    job: Job,
    *,
    reason_code: str = "None",
    reason_text: str = "",
    expected_start_at: float | None = None,
    is_behind: bool = False,
) -> JobRow:
    """The row of a job, living or finished."""
    spec, phase = job.spec, job.phase
    outcome: Outcome | None = None
    started_at: float | None = None
    ended_at: float | None = None
    cpus: tuple[int, ...] = ()
    living = world.children.get(job.job_id)
    children = sorted(living) if living else []
    if type(phase) is Waiting:  # first, since a long list is a long queue
        state = "PENDING"
    elif type(phase) is Running:
        is_suspended = children or phase.pause.since_at is not None
        state = "SUSPENDED" if is_suspended else "RUNNING"
        started_at, cpus = phase.started_at, phase.cpus
    elif type(phase) is Completing:
        state = "COMPLETING"
        started_at, cpus, outcome = phase.started_at, phase.cpus, phase.outcome
    else:
        assert isinstance(phase, Finished)
        state = phase.outcome.state.value
        started_at, ended_at, outcome, cpus = phase.started_at, phase.ended_at, phase.outcome, phase.cpus
    if outcome is not None:
        reason_code, reason_text = _end_words(outcome)
        if type(phase) in (Completing, Finished) and phase.hands.trouble:  # type: ignore[union-attr]
            reason_text = phase.hands.trouble  # type: ignore[union-attr]
    return JobRow(
        job.job_id,
        job.parent_id,
        job.root_id,
        state,
        spec.kind,
        spec.nb_proc,
        spec.pid or _pid_of(phase),
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
        None if spec.batch is None else _batch_row(job, spec.batch, expected_start_at),
        is_behind,
        [] if spec.batch is not None else _labels(spec.labels),
    )


@lru_cache(maxsize=256)
def _labels(labels: tuple[tuple[str, str], ...]) -> list[list[str]]:
    return [[name, value] for name, value in labels]


def _pid_of(phase: Phase) -> int:
    return 0 if isinstance(phase, Waiting) else phase.hands.pid


def _end_words(outcome: Outcome) -> tuple[str, str]:
    how = ""
    if outcome.signal is not None:
        how = f"signal {outcome.signal}"
    elif outcome.exit_code is not None:
        how = f"exit code {outcome.exit_code}"
    if outcome.cause is Cause.SELF:
        code = "None" if outcome.exit_code == 0 else "NonZeroExitCode"
        return code, how or "its end could not be learnt"
    text = _ENDS[outcome.cause]
    return _END_CODES.get(outcome.cause, "None"), f"{text} ({how})" if how else text


# ---- batch jobs -----------------------------------------------------------------------------------------------
class _Common:
    """What all jobs with the same Batch and Resources show alike."""

    def __init__(self, job: Job, batch: Batch) -> None:
        resources, warned = job.spec.resources, batch.warned
        self.batch = batch
        self.resources = resources
        self.head = (
            batch.array_limit,
            resources.memory_bytes,
            batch.memory_per_cpu_bytes,
            resources.gpus,
        )
        self.middle = (
            [Counted(name, count) for name, count in resources.counted],
            resources.is_exclusive,
            batch.ntasks,
            batch.cpus_per_task,
            batch.ntasks_per_node,
            batch.nice,
            batch.is_requeueable,
            batch.retry.count,
            batch.is_held,
            batch.begin_at,
            text_of(batch.dependency) if batch.dependency.terms else "",
        )
        self.has_script = bool(batch.script)
        self.labels = [[name, value] for name, value in batch.labels]
        self.tail = (
            warned.signal if warned is not None else 0,
            warned.before_s if warned is not None else 0,
            batch.is_appending,
            batch.umask,
        )


_commons: dict[int, _Common] = {}
_COMMONS_MAX = 256


def _common(job: Job, batch: Batch) -> _Common:
    known = _commons.get(id(batch))
    if known is not None and known.batch is batch and known.resources == job.spec.resources:
        return known
    if len(_commons) >= _COMMONS_MAX:
        _commons.clear()
    found = _commons[id(batch)] = _Common(job, batch)  # it holds the batch, so that no other gets its id
    return found


def _tasks_text(tasks: Indexes) -> str:
    """0-9,12; of an array in very many pieces the first of them, as a text in a message must not be longer."""
    if len(tasks.runs) <= RUNS_SHOWN_MAX:
        return tasks.text
    return Indexes(tasks.runs[:RUNS_SHOWN_MAX]).text + ",..."


def _batch_row(job: Job, batch: Batch, expected_start_at: float | None) -> BatchRow:
    phase = job.phase
    common = _common(job, batch)
    stdin, stdout, stderr = files_of(job, NODE)
    gpus: tuple[int, ...] = ()
    usage = _NO_USAGE
    pause = NO_PAUSE
    unenforced: tuple[str, ...] = ()
    if type(phase) is not Waiting:
        assert not isinstance(phase, Waiting)
        pause, unenforced = phase.pause, phase.hands.unenforced
        gpus = phase.gpus
        if isinstance(phase, Finished):
            usage = phase.usage
    return BatchRow._make(
        (
            job.attempt,
            job.array_id,
            job.array_index,
            "" if job.tasks is None else _tasks_text(job.tasks),
            *common.head,
            list(gpus),
            *common.middle,
            stdin or "/dev/null",
            stdout,
            stderr or stdout,
            common.has_script,
            common.labels,
            expected_start_at,
            list(unenforced),
            pause.since_at,
            pause.total_s,
            usage.cpu_s,
            usage.memory_peak_bytes,
            *common.tail,
            job.requeued_at,
        )
    )
