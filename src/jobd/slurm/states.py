"""Slurm's names of states ⇄ ours. Pure text.

Source: squeue(1), JOB STATE CODES, and sinfo(1), NODE STATE CODES. Names of states that jobd never has are understood and fit no job: tools
ask for lists of them.
"""

from jobd.errors import UsageError
from jobd.states import FINAL_STATES, JobState

LIVING = frozenset(state.value for state in JobState) - frozenset(state.value for state in FINAL_STATES)
FINAL = frozenset(state.value for state in FINAL_STATES)
ALL = LIVING | FINAL

REQUEUED = "REQUEUED"  # of an earlier attempt, in accounts alone: no job is in it

# What Slurm says there is, in its own order.
VALID = (
    "PENDING,RUNNING,SUSPENDED,COMPLETED,CANCELLED,FAILED,TIMEOUT,NODE_FAIL,PREEMPTED,BOOT_FAIL,DEADLINE,OUT_OF_MEMORY,COMPLETING,"
    "CONFIGURING,RESIZING,RESV_DEL_HOLD,REQUEUED,REQUEUE_FED,REQUEUE_HOLD,REVOKED,SIGNALING,SPECIAL_EXIT,STAGE_OUT,STOPPED"
)

_CODES = {state.value: state.code for state in JobState}
_OURS: dict[str, frozenset[str]] = {
    **{state.value: frozenset({state.value}) for state in JobState},
    **{state.code: frozenset({state.value}) for state in JobState},
    "W": frozenset({"PENDING"}),  # our own letter for a job that waits
    "R": frozenset({"RUNNING", "COMPLETING"}),  # both are shown as R
    "ALL": ALL,
    REQUEUED: frozenset({REQUEUED}),
    "RQ": frozenset({REQUEUED}),
}
_SLURMS_OWN = frozenset(VALID.split(",")) | frozenset(
    ("CF", "PR", "DL", "BF", "RQ", "RF", "RH", "RS", "RV", "RD", "SE", "SI", "SO", "ST")
)


def named(word: str) -> frozenset[str]:
    """The states (JobState) of one name, long or short, in any case.

    Raises:
        UsageError: Slurm has no such state.
    """
    name = word.strip().upper()
    if name not in _OURS and name not in _SLURMS_OWN:
        raise UsageError(
            f"no state {word!r} (W, R, S, {', '.join(state.value for state in JobState)}, or all)"
        )
    return _OURS.get(name, frozenset())


def as_slurm_has_it(word: str) -> frozenset[str] | None:
    """The states of one name as Slurm itself reads it; None for one that is none."""
    name = word.upper()
    if name in (REQUEUED, "RQ"):
        return frozenset({REQUEUED})
    if name in _SLURMS_OWN or name in _CODES.values():
        return frozenset(state for state, code in _CODES.items() if name in (state, code))
    return None


def code_of(state: str) -> str:
    """The compact name of a state: PD, R, CG; an unknown one, from a newer server, is its own."""
    return _CODES.get(state, state)


# ---- the machine: our word for what it does → (compact, long, as Scontrol has it)
_NODES = {
    "idle": ("idle", "idle", "IDLE"),
    "mixed": ("mix", "mixed", "MIXED"),
    "allocated": ("alloc", "allocated", "ALLOCATED"),
    "drained": ("drain", "drained", "IDLE+DRAIN"),
    "draining": ("drng", "draining", "MIXED+DRAIN"),
}


class NodeState(str):
    """What the machine does: idle, mixed, allocated, drained, draining."""

    __slots__ = ()

    @property
    def compact(self) -> str:
        """As sinfo's %t has it."""
        return _NODES[self][0]

    @property
    def control(self) -> str:
        """As scontrol's State= has it."""
        return _NODES[self][2]


def node_state(used: int, nb_proc: int) -> NodeState:
    """The state of a machine of which so many procs are in use; one that hands out none is being drained."""
    if nb_proc == 0:
        return NodeState("draining" if used else "drained")
    if used == 0:
        return NodeState("idle")
    return NodeState("allocated" if used >= nb_proc else "mixed")
