"""The waiting jobs: those that the planner looks at, by shape, and those behind a gate, each with the gate it is behind.

A job behind a gate is PENDING like all others, and stands in no shape, so that a plan never looks at it. Every step costs
O(log n). Knows no rules: world.py says which gate is whose.
"""

from enum import Enum

from sortedcontainers import SortedList

from jobd.core.job import Job, Key, Resources

# A size of jobs for the planner: all waiting jobs of one shape fit or do not fit together.
Shape = tuple[int, int | None, Resources]  # nb_proc, time_limit_s, resources


class Gate(Enum):
    """What keeps a waiting job out of the planner's sight."""

    HELD = "held"
    NEVER = "never"  # its dependency can never be met
    DEPENDENCY = "dependency"
    ENDING = "ending"  # jobs that were called in its last attempt are still being ended
    BEGIN = "begin"  # its time has not come
    LIMIT = "limit"  # as many of its array run as may


def shape_of(job: Job) -> Shape:
    """The shape of a job."""
    spec = job.spec
    return spec.nb_proc, spec.time_limit_s, spec.resources


class Queue:
    """All waiting jobs by their keys."""

    def __init__(self) -> None:
        self.waiting: SortedList[Key] = SortedList()  # for the planner
        self.shapes: dict[Shape, SortedList[Key]] = {}  # the same by shape; no empty lists
        self.gated: SortedList[Key] = SortedList()
        self.gates: dict[int, Gate] = {}  # job → the gate; only of those that are behind one

    def put(self, job: Job, gate: Gate | None) -> None:
        """A job is waiting, behind a gate or not."""
        key = job.key  # made once: all lists keep it
        if gate is not None:
            self.gated.add(key)
            self.gates[job.job_id] = gate
            return
        self.waiting.add(key)
        shape = shape_of(job)
        keys = self.shapes.get(shape)
        if keys is None:
            keys = self.shapes[shape] = SortedList()
        keys.add(key)

    def take(self, job: Job) -> None:
        """A job, as it was put, is not waiting any more."""
        key = job.key
        if self.gates.pop(job.job_id, None) is not None:
            self.gated.remove(key)
            return
        self.waiting.remove(key)
        shape = shape_of(job)
        keys = self.shapes[shape]
        keys.remove(key)
        if not keys:
            del self.shapes[shape]
