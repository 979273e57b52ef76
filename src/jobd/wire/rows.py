"""A job as it is shown, in lists and events. The rules of the house stand in messages.py."""

from typing import NamedTuple


class Counted(NamedTuple):
    """So many of a gres or licenses."""

    name: str
    count: int  # type: ignore[assignment]  # tuple.count goes unused


class BatchRow(NamedTuple):
    """What only a job has that the agent runs, or that asked for more than procs."""

    attempt: int  # starts so far
    array_id: int | None
    array_index: int | None
    tasks: (
        str  # of a waiting array: the indexes that have not been split off, as 0-9,12; "" for any other job
    )
    array_limit: int
    memory_bytes: int
    memory_per_cpu_bytes: int
    gpus: int
    gpu_indexes: list[int]  # handed out
    counted: list[Counted]  # gres and licenses
    is_exclusive: bool
    ntasks: int | None
    cpus_per_task: int | None
    ntasks_per_node: int | None
    nice: int
    is_requeueable: bool
    retries_left: int
    is_held: bool
    begin_at: float | None
    dependency: str  # what is left of it
    stdin: str  # expanded file names
    stdout: str
    stderr: str
    has_script: bool
    labels: list[list[str]]  # [name, value]: partition, account, qos, comment …
    expected_start_at: float | None  # of a waiting job, where it can be told
    unenforced: list[str]
    paused_at: float | None
    paused_s: float
    cpu_s: float
    memory_peak_bytes: int
    warn_signal: int
    warn_before_s: int
    is_appending: bool
    umask: int
    requeued_at: float | None = None  # when it was queued again, after its last attempt


class JobRow(NamedTuple):
    """One job, as a list or an event shows it."""

    job_id: int
    parent_id: int | None
    root_id: int
    state: str  # JobState
    kind: str  # how it was submitted: "salloc"
    nb_proc: int
    pid: int
    name: str
    command: list[str]
    cwd: str
    user: str
    priority: int
    time_limit_s: int | None
    submitted_at: float
    started_at: float | None
    ended_at: float | None
    cpus: list[int]  # the processors it is bound to; empty where it is not bound
    children: list[int]  # its living children
    exit_code: int | None
    signal: int | None
    cause: str | None  # Cause
    reason: str  # for a person: what it waits for, or why it ended
    reason_code: str  # Slurm's word for it: None, Resources, Priority …
    token: str  # of the submission: tells this job from one of the same number in another journal
    batch: BatchRow | None = None
    is_behind: bool = False  # it waits, and another does so before it in its partition
    labels: list[list[str]] = []  # [name, value], of a job in the foreground; a batch job's stand in `batch`


def labels_of(row: JobRow) -> dict[str, str]:
    """What the job carries, by name: partition, account, comment, mail_type …"""
    labels = row.labels if row.batch is None else row.batch.labels
    return {pair[0]: pair[-1] for pair in labels if pair}


def label(row: JobRow, name: str) -> str:
    """What the job carries under that name; "" for nothing."""
    for pair in row.labels if row.batch is None else row.batch.labels:
        if pair and pair[0] == name:
            return pair[-1]
    return ""
