"""The names of states, causes and reasons: one word for one thing, in code, messages and manual.

Nothing here decides anything; core/life.py says which state follows which.
"""

from enum import Enum


class JobState(str, Enum):
    """The state of a job, in Slurm's long names where Slurm has one."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUSPENDED = "SUSPENDED"  # runs, and has living children: its procs count as free
    COMPLETING = "COMPLETING"  # over or being killed, and one of its processes may still live
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMEOUT = "TIMEOUT"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    NODE_FAIL = "NODE_FAIL"

    @property
    def code(self) -> str:
        """Slurm's compact name, as printed by its %t."""
        return _CODES[self]

    @property
    def is_final(self) -> bool:
        """Whether a job in this state is over for good."""
        return self in FINAL_STATES


_CODES = {
    JobState.PENDING: "PD",
    JobState.RUNNING: "R",
    JobState.SUSPENDED: "S",
    JobState.COMPLETING: "CG",
    JobState.COMPLETED: "CD",
    JobState.FAILED: "F",
    JobState.CANCELLED: "CA",
    JobState.TIMEOUT: "TO",
    JobState.OUT_OF_MEMORY: "OOM",
    JobState.NODE_FAIL: "NF",
}

FINAL_STATES = frozenset(
    {
        JobState.COMPLETED,
        JobState.FAILED,
        JobState.CANCELLED,
        JobState.TIMEOUT,
        JobState.OUT_OF_MEMORY,
        JobState.NODE_FAIL,
    }
)


class Cause(str, Enum):
    """Why a job is over, or is being ended."""

    SELF = "self"  # its command ended by itself, with whatever code, or crashed
    DELETED = "deleted"  # somebody asked for it: Sdelete
    SIGNALLED = "signalled"  # a signal from outside: HUP, INT, QUIT, TERM, KILL
    TREE = "tree"  # another job of its tree was killed
    PARENT_ENDED = "parent ended"
    TIME_LIMIT = "time limit"
    NB_PROC_MAX = "nb_proc_max"  # the limit was lowered below what it asks for
    SHUTDOWN = "shutdown"  # Sserver -2, or the end of the agent's scope
    CLIENT_GONE = "client gone"  # its Salloc vanished while it waited
    REBOOT = "reboot"
    OUT_OF_MEMORY = "out of memory"
    LAUNCH = "launch"  # the agent could not start it: no such folder, output not to be opened …
    LOST = "lost"  # it ended while nobody could see how
    UNSTARTED = "start unknown"  # the agent died about its start: whether it ran at all is not known
    SCOPE = "scope"  # the agent's scope was stopped, or the user's session ended: all its processes with it
    REQUEUED = "requeued"  # it is being ended in order to be queued again
    DEPENDENCY = "dependency"  # what it depended on can never come to be


class OnKill(str, Enum):
    """How far the killing of one job reaches."""

    TREE = "tree"
    BELOW = "below"


class Scope(str, Enum):
    """Which processes of a batch job a signal goes to (scancel(1): --signal, --batch, --full)."""

    STEPS = "steps"  # those of its Srun steps, children included, and not the batch script
    BATCH = "batch"  # the batch script's own process alone
    ALL = "all"


class Control(str, Enum):
    """What Scontrol does to jobs without changing what they asked for."""

    HOLD = "hold"
    RELEASE = "release"
    REQUEUE = "requeue"
    SUSPEND = "suspend"
    RESUME = "resume"


# Signals that say that somebody outside wanted the end. All others are a program's own crash.
OUTSIDE_SIGNALS = frozenset({1, 2, 3, 9, 15})  # HUP INT QUIT KILL TERM
