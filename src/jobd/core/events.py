"""What can happen to a job or to the limits, as it is journaled, published and applied.

What clients and agents report is no event yet: reports.py, attempts.py, changes.py, waits.py and tree.py turn it into these.
"""

from typing import NamedTuple

from jobd.core.job import Hands, Job, Outcome, Spec, Usage


class Submitted(NamedTuple):
    """A job entered the queue; one with `tasks` is a whole array."""

    job: Job


class Split(NamedTuple):
    """An element left its waiting array and is a job of its own from now on, still waiting.

    The last element takes the array's own number: then `element.job_id` is `array_id`, and the array is no more.
    """

    array_id: int
    element: Job


class Started(NamedTuple):
    """The planner gave it its procs."""

    job_id: int
    at: float
    cpus: tuple[int, ...]
    held: int
    is_passing: bool  # it went ahead of one that did not fit
    gpus: tuple[int, ...] = ()


class Launched(NamedTuple):
    """The agent has started its process, or has learnt more of it."""

    job_id: int
    hands: Hands


class Suspended(NamedTuple):
    """It got its first living child: its procs count as free."""

    job_id: int


class Resumed(NamedTuple):
    """Its last living child is gone: its procs count again."""

    job_id: int


class Paused(NamedTuple):
    """Scontrol suspend: its processes are stopped and its procs count as free."""

    job_id: int
    at: float


class Unpaused(NamedTuple):
    """Scontrol resume: its processes go on, and its procs count again."""

    job_id: int
    at: float


class Changed(NamedTuple):
    """What it asks for was changed: Scontrol update, hold, release, a term of its dependency that was met.

    `cpus`: and it is bound to these now; `held`: and it counts as so many procs. None: as it was.
    """

    job_id: int
    spec: Spec
    cpus: tuple[int, ...] | None = None
    held: int | None = None


class Completed(NamedTuple):
    """Its command is over, or is being ended for the outcome's cause; processes of it may live."""

    job_id: int
    outcome: Outcome


class Requeued(NamedTuple):
    """Its attempt is over, and it waits again: Scontrol requeue, --retries, a reboot."""

    job_id: int
    at: float
    outcome: Outcome  # of the attempt
    begin_at: float | None = None  # not before; a Changed that came just before has put it into the spec
    usage: Usage = Usage()  # of the attempt


class Reopened(NamedTuple):
    """A batch job that was over waits again, under its number: Scontrol requeue."""

    job: Job  # as it ended, with what it asks for now
    at: float


class Ended(NamedTuple):
    """It is over for good."""

    job_id: int
    at: float
    outcome: Outcome
    usage: Usage = Usage()


class LimitsSet(NamedTuple):
    """nb_proc and nb_proc_max are now these."""

    nb_proc: int
    nb_proc_max: int


Event = (
    Submitted
    | Split
    | Started
    | Launched
    | Suspended
    | Resumed
    | Paused
    | Unpaused
    | Changed
    | Completed
    | Requeued
    | Reopened
    | Ended
    | LimitsSet
)

KINDS: dict[type[object], str] = {
    Submitted: "submitted",
    Split: "split",
    Started: "started",
    Launched: "launched",
    Suspended: "suspended",
    Resumed: "resumed",
    Paused: "paused",
    Unpaused: "unpaused",
    Changed: "changed",
    Completed: "completing",
    Requeued: "requeued",
    Reopened: "requeued",
    Ended: "ended",
    LimitsSet: "limits",
}
