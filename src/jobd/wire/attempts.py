"""What server and agent say of attempts of batch jobs. The rules of the house stand in messages.py, blobs in batch.py."""

from typing import NamedTuple


# ---- server → agent -------------------------------------------------------------------------------------------
class Launch(NamedTuple):
    """Run this attempt, all expanded, once: an agent that knows (job_id, attempt) answers what it knows."""

    job_id: int
    attempt: int
    token: str
    server_id: str
    argv: list[str]
    script: str  # key of a blob, run with argv[1:]; "": argv is run
    environment: str  # key of a blob
    variables: list[str]  # name, value, name, value … over the environment
    cwd: str
    umask: int
    stdin: str
    stdout: str
    stderr: str  # "": joins stdout
    is_appending: bool
    cpus: list[int]  # [] leaves it on all
    all_cpus: list[int]
    nb_proc: int
    memory_bytes: int  # 0 for no limit
    time_limit_s: int | None
    warn_signal: int
    warn_before_s: int
    is_warning_batch_only: bool
    grace_s: float
    is_leaving: bool  # processes that outlive the command are left alone
    started_at: float
    is_prefetched: bool = False  # it began in the place of another; set by the agent


class Prefetch(NamedTuple):
    """Run this attempt when one of the same size leaves, on its processors, and tell by Began; until then it may be recalled."""

    launch: Launch


class Recall(NamedTuple):
    """What was prefetched and has not begun is not to begin."""

    attempts: list[list[int]]  # [job_id, attempt]; [] for all
    number: int  # answered by Recalled with the same number


class Change(NamedTuple):
    """A running attempt's limits are now these (Scontrol update, suspend, resume)."""

    job_id: int
    attempt: int
    cpus: list[int]
    memory_bytes: int
    time_limit_s: int | None
    paused_s: float  # all pauses that are over: the time limit is later by them
    is_paused: bool


class Signal(NamedTuple):
    """Send a signal to processes of a job; `attempt` 0 for the processes of a Salloc or Srun."""

    job_id: int
    attempt: int
    number: int
    scope: str  # Scope
    step_id: int | None = None  # to the processes of this step alone


class ForgetAttempt(NamedTuple):
    """The end of this attempt is committed."""

    job_id: int
    attempt: int
    token: str = ""


# ---- agent → server -------------------------------------------------------------------------------------------
class Want(NamedTuple):
    """A launch names blobs that the agent does not have (any more)."""

    keys: list[str]


class Began(NamedTuple):
    """A prefetched attempt is being started. Said before all else of it, and again at each connection."""

    job_id: int
    attempt: int
    token: str
    cpus: list[int]
    at: float


class Recalled(NamedTuple):
    """Nothing that was prefetched before that Recall begins after this."""

    number: int


class Launched(NamedTuple):
    """The attempt's process runs."""

    job_id: int
    attempt: int
    token: str
    pid: int
    start_ticks: int
    unenforced: list[str]  # limits that could not be enforced, in words
    at: float


class Over(NamedTuple):
    """The attempt's main process is over, or the agent is ending the attempt for a limit; processes of it may live."""

    job_id: int
    attempt: int
    token: str
    exit_code: int | None
    signal: int | None
    cause: str  # Cause: SELF, TIME_LIMIT, OUT_OF_MEMORY, LAUNCH, SCOPE, LOST, UNSTARTED
    text: str = ""  # for a person: why it could not be launched


class Left(NamedTuple):
    """No process of the attempt lives. Said again at each connection until the server says ForgetAttempt."""

    job_id: int
    attempt: int
    token: str
    exit_code: int | None
    signal: int | None
    cause: str  # as in Over
    ended_at: float
    cpu_s: float
    memory_peak_bytes: int
    text: str = ""
    pid: int = 0  # of a short attempt whose start was not told apart
    start_ticks: int = 0
    unenforced: list[str] = []
