"""What the planner decides. Each decision becomes events, is committed, and only then acted on."""

from typing import NamedTuple


class Start(NamedTuple):
    """Give a waiting job its procs. For a waiting array: split its first element off and start that."""

    job_id: int
    cpus: tuple[int, ...]
    held: int
    is_passing: bool
    gpus: tuple[int, ...] = ()


class TimeOut(NamedTuple):
    """End a job whose time limit is over (a Salloc's: the agent ends batch jobs itself, also without a server)."""

    job_id: int


class Drop(NamedTuple):
    """A waiting job can never run: what it depends on cannot come to be, and it asked to be cancelled then."""

    job_id: int


Decision = Start | TimeOut | Drop
