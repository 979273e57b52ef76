"""What can happen to a job or to the limits, as it is journaled, published and applied.

What clients and agents report is no event yet: reports.py and tree.py turn it into these.
"""

from typing import NamedTuple

from jobd.core.job import Job, Outcome


class Submitted(NamedTuple):
    """A job entered the queue."""

    job: Job


class Started(NamedTuple):
    """The planner gave it its procs."""

    job_id: int
    at: float
    cpus: tuple[int, ...]
    held: int
    is_passing: bool  # it went ahead of one that did not fit


class Suspended(NamedTuple):
    """It got its first living child: its procs count as free."""

    job_id: int


class Resumed(NamedTuple):
    """Its last living child is gone: its procs count again."""

    job_id: int


class Completed(NamedTuple):
    """Its command is over, or is being ended for the outcome's cause; processes of it may live."""

    job_id: int
    outcome: Outcome


class Ended(NamedTuple):
    """It is over for good."""

    job_id: int
    at: float
    outcome: Outcome


class LimitsSet(NamedTuple):
    """nb_proc and nb_proc_max are now these."""

    nb_proc: int
    nb_proc_max: int


Event = Submitted | Started | Suspended | Resumed | Completed | Ended | LimitsSet

KINDS: dict[type[object], str] = {
    Submitted: "submitted",
    Started: "started",
    Suspended: "suspended",
    Resumed: "resumed",
    Completed: "completing",
    Ended: "ended",
    LimitsSet: "limits",
}
