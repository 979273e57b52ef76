"""What a job is: what was asked for, and the phase it is in. Values only; life.py says how they change.

Each phase holds just the fields that exist in it, so a waiting job with processors, or one that ended without an outcome,
cannot be written down.
"""

from typing import NamedTuple

from jobd.states import OUTSIDE_SIGNALS, Cause, JobState, OnKill


class Spec(NamedTuple):
    """What was asked for at submission; it never changes."""

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
    pid: int  # of the Salloc
    start_ticks: int


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
        if self.cause is Cause.REBOOT:
            return JobState.NODE_FAIL
        if self.cause is not Cause.SELF:
            return JobState.CANCELLED
        return JobState.COMPLETED if self.exit_code == 0 else JobState.FAILED


class Waiting(NamedTuple):
    """In the queue."""


class Running(NamedTuple):
    """Its procs were given to it."""

    started_at: float
    cpus: tuple[int, ...]
    held: int  # procs that it counted as when it started


class Completing(NamedTuple):
    """Its command is over or is being ended; one of its processes may still live."""

    started_at: float
    cpus: tuple[int, ...]
    held: int
    outcome: Outcome


class Finished(NamedTuple):
    """Over for good."""

    started_at: float | None
    ended_at: float
    outcome: Outcome


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


class Now(NamedTuple):
    """The time of a tick: `wall_s` for the record, `mono_s` for spans and deadlines."""

    wall_s: float
    mono_s: float
