"""What is said, typed once. Requests and replies, what server and agent tell each other, and events.

Rules of the house:
* Fields are only ever appended, each new one with a default: an older peer sends fewer, a newer one more, and both
  are understood (wire/codec.py).
* Times are seconds since the epoch; spans are seconds. A process is (pid, start time in clock ticks since boot).
* NamedTuples, since a client's start must not pay for dataclasses.
"""

from typing import NamedTuple

from jobd.wire.rows import BatchRow as BatchRow
from jobd.wire.rows import Counted as Counted
from jobd.wire.rows import JobRow as JobRow


# ---- requests and replies -------------------------------------------------------------------------------------
class Done(NamedTuple):
    """It is done, and committed."""


class Submit(NamedTuple):
    """A Salloc asks for `nb_proc` procs. Sent again with the same token it is the same job."""

    token: str
    nb_proc: int
    command: list[str]
    name: str
    cwd: str
    priority: int | None = None  # None: its parent's, or 0
    time_limit_s: int | None = None
    is_bound: bool = True
    on_kill: str = ""  # OnKill; "": as configured
    claimed_job_id: int | None = None  # JOBD_JOB_ID, for where the kernel's word on ancestors is hidden
    claimed_server_id: str = ""  # JOBD_SERVER, which tells whether that number is ours
    is_again: bool = False
    kind: str = "salloc"  # or "srun"
    memory_bytes: int = 0
    gpus: int = 0
    counted: list[Counted] = []  # gres and licenses
    is_exclusive: bool = False
    labels: list[list[str]] = []  # [name, value]: partition, account, qos, comment …
    ntasks: int | None = None
    cpus_per_task: int | None = None
    begin_at: float | None = None
    dependency: str = ""


class Grant(NamedTuple):
    """Where a submission stands: waiting, or running on `cpus`."""

    job: JobRow
    server_id: str
    thread_variables: list[str]  # set to nb_proc where the caller has not set them
    leftovers: str  # "kill" or "leave": processes that outlive the command
    all_cpus: list[int] = []  # all that the server hands out, for a job that is not bound


class Ended(NamedTuple):
    """A Salloc's command is over. `is_gone`: none of its processes is left."""

    job_id: int
    token: str
    exit_code: int | None
    signal: int | None
    is_gone: bool


class Noted(NamedTuple):
    """The end is committed."""

    is_tree_ending: bool = (
        False  # the job around it is being ended too, so the Salloc need not hurry back to its caller
    )


class Killed(NamedTuple):
    """A running Salloc was sent a signal that is meant to end it."""

    job_id: int
    token: str
    signal: int


class Delete(NamedTuple):
    """Kill these jobs properly and take them off the list."""

    job_ids: list[int]


class Deleted(NamedTuple):
    """All jobs that end by it, trees included."""

    job_ids: list[int]


class SetLimits(NamedTuple):
    """Change nb_proc, nb_proc_max or both."""

    nb_proc: int | None = None
    nb_proc_max: int | None = None


class Ask(NamedTuple):
    """How is the server?"""


class Status(NamedTuple):
    """How the server is."""

    version: str
    pid: int
    server_id: str
    started_at: float
    nb_proc: int
    nb_proc_max: int
    used: int
    running: int
    suspended: int
    waiting: int
    agent_pid: int | None
    cpus: list[int]
    last_seq: int
    cancelled: list[int] = []  # by SetLimits: waiting jobs that no longer fit
    gated: int = 0  # jobs that wait for something else than room, and so are not among `waiting`: held, for a job, for a time


class ListJobs(NamedTuple):
    """One page of the living jobs: running, suspended, then waiting in the order in which they will start."""

    cursor: str = ""  # "" begins; a page's `cursor` goes on
    rows_max: int = 1000
    job_ids: list[int] = []  # [] for all
    states: list[str] = []  # JobState; [] for all
    is_finished: bool = False  # the finished ones instead, newest first
    since_s: float | None = None  # finished ones: that ended at or after this time
    names: list[str] = []  # [] for all
    is_with_arrays: bool = False  # `job_ids` means the elements of arrays of that number too


class JobPage(NamedTuple):
    """One page of jobs; an empty cursor says that it was the last."""

    rows: list[JobRow]
    cursor: str
    status: Status


class ListEvents(NamedTuple):
    """Events after number `after_seq`, oldest first."""

    after_seq: int
    rows_max: int = 1000


class Event(NamedTuple):
    """Something that happened, numbered without gaps."""

    seq: int
    at: float
    kind: str  # submitted, started, suspended, resumed, completing, ended, limits; now: a snapshot, without a number
    job: JobRow | None  # the job just after it
    text: str = ""


class EventPage(NamedTuple):
    """Events, the oldest number still kept and the newest there is."""

    events: list[Event]
    oldest_seq: int
    last_seq: int


class Stop(NamedTuple):
    """Stop the server; with `is_killing`, end all jobs first."""

    is_killing: bool = False


# ---- server and agent -----------------------------------------------------------------------------------------
class Hello(NamedTuple):
    """An agent, at each (re)connection: who it is."""

    pid: int
    start_ticks: int
    boot_id: str
    version: str


class Watched(NamedTuple):
    """A Salloc to be watched."""

    job_id: int
    pid: int
    start_ticks: int
    token: str  # the note of the job carries it too


class Watch(NamedTuple):
    """Watch these Sallocs; say Gone when one is gone. Said twice it is said once."""

    server_id: str
    jobs: list[Watched]
    is_leaving: bool = False  # processes that outlive a command which ended by itself are left alone


class Kill(NamedTuple):
    """End every process of this job: CONT and TERM, after `grace_s` KILL, until nothing is left."""

    job_id: int
    grace_s: float
    attempt: int = 0  # of a batch job; 0 for a Salloc's
    token: str = (
        ""  # with it an agent that does not know the attempt can say that it has Left, and never starts it
    )
    cause: str = ""  # Cause, for the line in the job's output


class Forget(NamedTuple):
    """The end of this job is committed."""

    job_id: int


class Bye(NamedTuple):
    """The server stops on purpose: leave when there is nothing left to watch."""


class Gone(NamedTuple):
    """A watched Salloc is gone, and no process of its job lives.

    The outcome of the command, if it is known: from the Salloc's note, else as far as the kernel told of the Salloc.
    """

    job_id: int
    is_known: bool
    exit_code: int | None
    signal: int | None
    token: str = ""  # of the job: its number may be another's in a new journal


class Lost(NamedTuple):
    """A watched Salloc is gone without having told an end; its processes are being killed."""

    job_id: int
    signal: int | None
    token: str = ""


class ScopeEnding(NamedTuple):
    """The agent was told to end all jobs (SIGTERM: its scope is being stopped)."""
