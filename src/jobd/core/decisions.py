"""What the planner decides. Each decision becomes an event, is committed, and only then acted on."""

from typing import NamedTuple


class Start(NamedTuple):
    """Give a waiting job its procs."""

    job_id: int
    cpus: tuple[int, ...]
    held: int
    is_passing: bool


class TimeOut(NamedTuple):
    """End a job whose time limit is over."""

    job_id: int


Decision = Start | TimeOut
