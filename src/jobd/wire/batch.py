"""What is said about batch jobs by clients. The rules of the house stand in messages.py.

What server and agent say of attempts stands in attempts.py, and has its names here too.

Blobs (environments, scripts) are named by the hash of their bytes (wire/blobs.py), sent once, and kept once.
"""

from typing import NamedTuple

from jobd.wire.attempts import (
    Began,
    Change,
    ForgetAttempt,
    Launch,
    Launched,
    Left,
    Over,
    Prefetch,
    Recall,
    Recalled,
    Signal,
    Want,
)
from jobd.wire.rows import Counted, JobRow

__all__ = [  # what of attempts.py has its names here too
    "Began",
    "Change",
    "ForgetAttempt",
    "Launch",
    "Launched",
    "Left",
    "Over",
    "Prefetch",
    "Recall",
    "Recalled",
    "Signal",
    "Want",
]


# ---- submission -----------------------------------------------------------------------------------------------
class Blob(NamedTuple):
    """Bytes that are kept once: a script, an environment (wire/blobs.py)."""

    key: str
    data: bytes


class BatchSpec(NamedTuple):
    """What is asked for, for all items of a submission that name it."""

    nb_proc: int
    name: str
    cwd: str
    environment: str  # key of a blob
    script: str = ""  # key of a blob; "": each item's command is run itself
    umask: int = 0o022
    priority: int | None = None  # None: its parent's, or 0; `nice` is taken off
    nice: int = 0
    time_limit_s: int | None = None
    is_bound: bool = True
    on_kill: str = ""
    stdin: str = ""  # file names with patterns; "" for /dev/null
    stdout: str = ""  # "" for slurm-%j.out, slurm-%A_%a.out
    stderr: str = ""  # "" joins stdout
    is_appending: bool = False
    ntasks: int | None = None  # None: not asked for
    cpus_per_task: int | None = None
    ntasks_per_node: int | None = None
    memory_bytes: int = 0  # the whole job's
    memory_per_cpu_bytes: int = 0  # how it was asked for, if by the processor; memory_bytes has the product
    gpus: int = 0
    counted: list[Counted] = []  # gres and licenses
    is_exclusive: bool = False
    is_requeueable: bool | None = None  # None: as configured
    retry_count: int = 0
    retry_codes: list[list[int]] = []  # ranges
    retry_delay_s: int = 0
    warn_signal: int = 0  # 0: none
    warn_before_s: int = 60
    is_warning_batch_only: bool = False
    is_killed_on_invalid: bool = False
    array: list[list[int]] = []  # runs (first, last, step); [] for no array
    array_limit: int = 0
    is_held: bool = False
    begin_at: float | None = None
    dependency: str = ""
    labels: list[list[str]] = []  # [name, value]: partition, account, qos, comment …


class BatchItem(NamedTuple):
    """One job (or one array) of a submission."""

    command: list[str]  # with a script: its name and its arguments
    spec_index: int = 0
    name: str = ""  # "": the spec's


class SubmitBatch(NamedTuple):
    """Queue batch jobs, all or none. Sent again with the same token they are the same jobs."""

    token: str
    specs: list[BatchSpec]
    items: list[BatchItem]
    blobs: list[Blob]
    is_child: bool = False  # --wait from inside a job: children of that job
    claimed_job_id: int | None = None
    claimed_server_id: str = ""
    is_test: bool = False  # --test-only: check all, queue nothing


class Accepted(NamedTuple):
    """The jobs are committed. `warnings`: one line each, for the person."""

    job_ids: list[int]
    warnings: list[str] = []
    expected_start_at: float | None = None  # of a test
    server_id: str = ""


class JobId(NamedTuple):
    """12, or 12_3, or the living elements 12_[…] of an array; a step 12.0."""

    job_id: int
    runs: list[list[int]] = []  # indexes, as runs; [] for the job itself, or the whole array
    step_id: int | None = None


class Rerun(NamedTuple):
    """Queue finished batch jobs again, as new jobs that ask for the same."""

    job_ids: list[int]
    token: str = ""
    elements: list[JobId] = []  # of arrays


# ---- which jobs, and what to do to them -----------------------------------------------------------------------
class Target(NamedTuple):
    """Which living jobs: all conditions must hold; an empty list is no condition. All empty means none, not all."""

    jobs: list[JobId] = []
    names: list[str] = []
    states: list[str] = []  # JobState
    users: list[str] = []
    partitions: list[str] = []
    accounts: list[str] = []
    qos: list[str] = []


class Refusal(NamedTuple):
    """What could not be done, and why."""

    job: str  # 12, 12_3
    error: str  # the name of its class in errors.py
    text: str


class Affected(NamedTuple):
    """The jobs to which it was done (all, trees included), and those to which it could not be."""

    job_ids: list[int]
    refused: list[Refusal] = []
    is_more: bool = False  # a very long list is done in parts: send it again


class Cancel(NamedTuple):
    """End jobs properly, or with `signal` send it to running ones."""

    target: Target
    signal: int = 0  # 0: end them
    scope: str = ""  # Scope; "": with a signal the steps, else all


class Control(NamedTuple):
    """Hold, release, requeue, suspend, resume (states.Control)."""

    target: Target
    action: str
    is_held_after: bool = False  # requeuehold; of a hold: running jobs too, for when they wait again


class Update(NamedTuple):
    """Change what jobs ask for. None: as it is."""

    target: Target
    name: str | None = None
    priority: int | None = None
    nice: int | None = None
    time_limit_s: int | None = None  # 0: no limit
    time_limit_add_s: int | None = None  # TimeLimit=+30
    memory_bytes: int | None = None
    nb_proc: int | None = None
    dependency: str | None = None
    begin_at: float | None = None
    is_requeueable: bool | None = None
    array_limit: int | None = None
    labels: list[list[str]] = []
    stdout: str | None = None
    cwd: str | None = None
    ntasks: int | None = None
    cpus_per_task: int | None = None
    ntasks_per_node: int | None = None
    memory_per_cpu_bytes: int | None = None  # how `memory_bytes` was asked for


class ReadScript(NamedTuple):
    """The script of a batch job, as it was copied."""

    job_id: int


class Script(NamedTuple):
    """Its bytes; none for a job without a script."""

    data: bytes


class Clean(NamedTuple):
    """Forget finished jobs that ended before that time."""

    before_at: float
    job_ids: list[int] = []  # [] for all


class Cleaned(NamedTuple):
    """How many were forgotten."""

    count: int  # type: ignore[assignment]  # tuple.count goes unused


# ---- steps ----------------------------------------------------------------------------------------------------
class StepBegin(NamedTuple):
    """An Srun inside a job begins a step of it."""

    job_id: int
    token: str
    name: str
    command: list[str]
    ntasks: int


class StepNumber(NamedTuple):
    """The step's number, and the job that it is of."""

    step_id: int
    job: JobRow
    server_id: str = ""


class StepEnd(NamedTuple):
    """A step is over: the highest code of its tasks."""

    job_id: int
    token: str
    exit_code: int | None
    signal: int | None
    cpu_s: float = 0.0
    memory_peak_bytes: int = 0


class StepRow(NamedTuple):
    """One step, as Sacct shows it."""

    job_id: int
    attempt: int
    step_id: int
    name: str
    command: list[str]
    ntasks: int
    started_at: float
    ended_at: float | None
    exit_code: int | None
    signal: int | None
    cpu_s: float
    memory_peak_bytes: int


class ListSteps(NamedTuple):
    """The steps of jobs, living or finished."""

    job_ids: list[int]


class StepPage(NamedTuple):
    """Steps, by job and number."""

    steps: list[StepRow]


class ListAttempts(NamedTuple):
    """The attempts of jobs before their last one."""

    job_ids: list[int]


class AttemptRow(NamedTuple):
    """An attempt that is over, of a job that was queued again."""

    job: JobRow  # as it was when the attempt was over; what it asks for is as it is now
    requeued_at: float
    is_asked: bool  # by somebody, rather than --retries or a reboot


class AttemptPage(NamedTuple):
    """Attempts, by job and number."""

    attempts: list[AttemptRow]


# ---- the machine ----------------------------------------------------------------------------------------------
class AskNode(NamedTuple):
    """What is there, and what of it is in use?"""


class CountedUse(NamedTuple):
    """A gres or licenses: how many there are, and how many are in use."""

    name: str
    count: int  # type: ignore[assignment]  # tuple.count goes unused
    used: int


class Node(NamedTuple):
    """The machine as the server hands it out."""

    name: str
    cpus: list[int]
    nb_proc: int
    used: int
    memory_bytes: int  # that may be handed out
    memory_used_bytes: int  # that was handed out
    gpus: list[str]  # the name of each
    gpus_used: list[int]
    counted: list[CountedUse]
    boot_at: float
    started_at: float
    os: str
    arch: str
    load: float
    memory_free_bytes: int
    cluster: str
    partitions: list[str]  # the first is the default
    settings: list[list[str]]  # [key, value] of the configuration, as text
    version: str
    accounts: list[str] = []
    qos: list[str] = []
