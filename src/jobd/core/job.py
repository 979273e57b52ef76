"""What a job is: what was asked for, and the phase it is in. Values only; life.py says how they change.

Each phase holds just the fields that exist in it, so a waiting job with processors, or one that ended without an outcome,
cannot be written down.
"""

from typing import NamedTuple

from jobd.dependencies import NO_DEPENDENCY, Dependency
from jobd.indexes import Indexes
from jobd.states import OUTSIDE_SIGNALS, Cause, JobState, OnKill


class Resources(NamedTuple):
    """What a job asks for besides procs. All of it is the whole job's."""

    memory_bytes: int = 0  # 0: none was asked for, and none is counted
    gpus: int = 0
    counted: tuple[tuple[str, int], ...] = ()  # (name, count) of gres and licenses, sorted by name
    is_exclusive: bool = False  # nobody else runs meanwhile


NO_RESOURCES = Resources()


class Retry(NamedTuple):
    """When a failed job is queued again by itself."""

    count: int = 0  # type: ignore[assignment]  # further attempts; tuple.count goes unused
    codes: tuple[tuple[int, int], ...] = ()  # ranges of exit codes that are worth it; () for any failure
    delay_s: int = 0


class Warned(NamedTuple):
    """A signal some time before the time limit (sbatch(1), --signal)."""

    signal: int
    before_s: int
    is_batch_only: bool  # B: to the batch script alone; else to the steps alone


class Batch(NamedTuple):
    """What only a job has that the agent runs."""

    script: str  # key of the blob that is run; "": the command itself is run
    environment: str  # key of the blob with the captured environment
    umask: int
    stdin: str  # file names with Slurm's patterns, not expanded; "" for /dev/null
    stdout: str  # "" for Slurm's default
    stderr: str  # "": joins stdout
    is_appending: bool
    ntasks: int | None  # as asked; None where not
    cpus_per_task: int | None
    ntasks_per_node: int | None
    memory_per_cpu_bytes: int  # 0 unless memory was asked for by the processor
    nice: int
    is_requeueable: bool
    retry: Retry
    warned: Warned | None
    is_killed_on_invalid: bool  # --kill-on-invalid-dep
    array_limit: int  # elements that may run at once; 0 for no limit
    labels: tuple[tuple[str, str], ...]  # what is only kept and shown: partition, account, qos, comment …
    # What keeps it from being looked at by the planner; it may change while the job waits:
    is_held: bool = False
    begin_at: float | None = None
    dependency: Dependency = NO_DEPENDENCY

    def label(self, name: str) -> str:
        """What is kept under that name, or ""."""
        for key, value in self.labels:
            if key == name:
                return value
        return ""


class Spec(NamedTuple):
    """What was asked for at submission. Only the event Changed replaces it."""

    token: str
    kind: str
    nb_proc: int
    command: tuple[str, ...]
    name: str
    cwd: str
    user: str
    priority: int
    time_limit_s: int | None
    is_bound: bool
    on_kill: OnKill
    pid: int  # of the Salloc or Srun; 0 for a batch job
    start_ticks: int
    resources: Resources = NO_RESOURCES
    batch: Batch | None = None
    labels: tuple[
        tuple[str, str], ...
    ] = ()  # of a job in the foreground; those of a batch job stand in its Batch

    def label(self, name: str) -> str:
        """What is kept under that name, or ""."""
        for key, value in self.labels if self.batch is None else self.batch.labels:
            if key == name:
                return value
        return ""


_NODE_FAILURES = frozenset({Cause.REBOOT, Cause.LOST, Cause.UNSTARTED, Cause.SCOPE})


class Outcome(NamedTuple):
    """How a job's command ended, as far as it is known, and why."""

    cause: Cause
    exit_code: int | None = None
    signal: int | None = None

    @property
    def is_known(self) -> bool:
        """Whether the command's own end was learnt."""
        return self.exit_code is not None or self.signal is not None

    @property
    def is_from_outside(self) -> bool:
        """Whether a signal of those that somebody else sends ended the command."""
        return self.signal in OUTSIDE_SIGNALS

    @property
    def state(self) -> JobState:
        """The final state that this outcome means."""
        if self.cause is Cause.TIME_LIMIT:
            return JobState.TIMEOUT
        if self.cause is Cause.OUT_OF_MEMORY:
            return JobState.OUT_OF_MEMORY
        if self.cause in _NODE_FAILURES:
            return JobState.NODE_FAIL
        if self.cause is Cause.LAUNCH:
            return JobState.FAILED
        if self.cause is not Cause.SELF:
            return JobState.CANCELLED
        return JobState.COMPLETED if self.exit_code == 0 else JobState.FAILED


class Usage(NamedTuple):
    """What a batch job used, all its processes together."""

    cpu_s: float = 0.0
    memory_peak_bytes: int = 0


class Hands(NamedTuple):
    """What the agent told of a batch job's attempt."""

    pid: int = 0  # 0: not told yet
    start_ticks: int = 0
    unenforced: tuple[str, ...] = ()  # limits that could not be enforced, in words
    trouble: str = ""  # for a person: why it could not be started, or was lost


NO_HANDS = Hands()


class Pause(NamedTuple):
    """Suspended by Scontrol (not by its children): its time does not count."""

    since_at: float | None = None  # None: it is not paused now
    total_s: float = 0.0  # of pauses that are over


NO_PAUSE = Pause()


class Waiting(NamedTuple):
    """In the queue."""


class Running(NamedTuple):
    """Its procs were given to it."""

    started_at: float
    cpus: tuple[int, ...]
    held: int  # procs that it counted as when it started
    gpus: tuple[int, ...] = ()
    hands: Hands = NO_HANDS
    pause: Pause = NO_PAUSE


class Completing(NamedTuple):
    """Its command is over or is being ended; one of its processes may still live."""

    started_at: float
    cpus: tuple[int, ...]
    held: int
    outcome: Outcome
    gpus: tuple[int, ...] = ()
    hands: Hands = NO_HANDS
    pause: Pause = NO_PAUSE


class Finished(NamedTuple):
    """Over for good."""

    started_at: float | None
    ended_at: float
    outcome: Outcome
    usage: Usage = Usage()
    hands: Hands = NO_HANDS
    pause: Pause = NO_PAUSE
    cpus: tuple[int, ...] = ()  # that it had at its end
    gpus: tuple[int, ...] = ()


Phase = Waiting | Running | Completing | Finished

# (minus the priority, number of the root, own number): the order of the queue. Numbers grow with age, so no clock is needed.
Key = tuple[int, int, int]


class Job(NamedTuple):
    """A job: who it is, what it asked for, where it stands."""

    job_id: int
    parent_id: int | None
    root_id: int
    submitted_at: float
    spec: Spec
    phase: Phase
    attempt: int = 0  # starts so far; a batch job's running attempt has this number
    array_id: int | None = None  # the number of the array that it is an element of, or is
    array_index: int | None = None  # of an element
    tasks: Indexes | None = None  # of a waiting array: the elements that have not been split off
    requeued_at: float | None = None  # when its last attempt was over and it was queued again

    @property
    def is_batch(self) -> bool:
        """Whether the agent runs it."""
        return self.spec.batch is not None

    @property
    def shown_id(self) -> str:
        """Its number as a person is told it: 12, or 12_3 of an element."""
        return str(self.job_id) if self.array_index is None else f"{self.array_id}_{self.array_index}"

    @property
    def key(self) -> Key:
        """Its place in the queue: priority, age of its root, own age."""
        return (-self.spec.priority, self.root_id, self.job_id)

    @property
    def is_waiting(self) -> bool:
        """Whether it is in the queue."""
        return type(self.phase) is Waiting

    @property
    def is_holding(self) -> bool:
        """Whether it was given procs that it has not given back (if only lent, when it is suspended)."""
        return type(self.phase) in (Running, Completing)

    @property
    def is_finished(self) -> bool:
        """Whether it is over for good."""
        return type(self.phase) is Finished


class Attempt(NamedTuple):
    """An attempt that is over, of a job that was queued again."""

    job: Job  # as the attempt ended
    requeued_at: float
    is_asked: bool  # by somebody, rather than --retries or a reboot


class Now(NamedTuple):
    """The time of a tick: `wall_s` for the record, `mono_s` for spans and deadlines."""

    wall_s: float
    mono_s: float
