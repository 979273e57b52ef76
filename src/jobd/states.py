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
    JobState.NODE_FAIL: "NF",
}

FINAL_STATES = frozenset(
    {
        JobState.COMPLETED,
        JobState.FAILED,
        JobState.CANCELLED,
        JobState.TIMEOUT,
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


class OnKill(str, Enum):
    """How far the killing of one job reaches."""

    TREE = "tree"
    BELOW = "below"


# Signals that say that somebody outside wanted the end. All others are a program's own crash.
OUTSIDE_SIGNALS = frozenset({1, 2, 3, 9, 15})  # HUP INT QUIT KILL TERM
