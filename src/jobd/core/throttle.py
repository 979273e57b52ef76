"""A living array as a whole: its elements by index, how many run, and which of those that wait the planner may see.

Where an array has a limit (--array=0-99%8) only so many of its waiting jobs stand in the queue as there is room for; the others
are kept behind Gate.LIMIT. So neither a plan nor a start costs by the number of elements.
"""

from sortedcontainers import SortedList

from jobd.core.job import Job, Key
from jobd.core.queue import Gate, Queue


class Array:
    """What the world keeps of an array of which something lives."""

    __slots__ = ("by_index", "failed", "is_waiting", "kept", "limit", "released", "running", "unstarted")

    def __init__(self) -> None:
        self.by_index: dict[int, int] = {}  # index → job, of the living elements
        self.is_waiting = False  # elements wait that have not been split off
        self.limit = 0  # elements that may run at once; 0 for no limit
        self.running = 0  # elements that hold procs
        self.unstarted = 0  # living members that were never started; the array itself counts as one
        self.failed = 0  # elements that ended without success since the server's start
        self.released: SortedList[Key] = (
            SortedList()
        )  # waiting, and seen by the planner; only where there is a limit
        self.kept: SortedList[Key] = SortedList()  # waiting behind the limit

    @property
    def is_over(self) -> bool:
        """Whether nothing of it lives."""
        return not self.by_index and not self.is_waiting

    @property
    def room(self) -> int:
        """How many more may be started. Only for one with a limit."""
        return max(0, self.limit - self.running)

    def begin_limit(self, jobs: dict[int, Job], queue: Queue, entering_id: int) -> None:
        """It gets a limit: what waits of it is kept account of from now on, but for the job that is just coming in."""
        for job_id in self.by_index.values():
            job = jobs[job_id]
            if job_id != entering_id and job.is_waiting and job_id not in queue.gates:
                self.released.add(job.key)

    def balance(self, jobs: dict[int, Job], queue: Queue) -> None:
        """Let the first in the array's own order be seen, as many as there is room for."""
        if not self.limit:  # any more
            while self.kept:
                self._release(jobs, queue)
            self.released.clear()
            return
        room = self.room
        while len(self.released) > room:
            self._keep(jobs, queue)
        while self.kept and len(self.released) < room:
            self._release(jobs, queue)
        while self.kept and self.released and self.kept[0] < self.released[-1]:
            self._keep(jobs, queue)
            self._release(jobs, queue)

    def _keep(self, jobs: dict[int, Job], queue: Queue) -> None:
        key = self.released.pop()
        job = jobs[key[2]]
        queue.take(job)
        queue.put(job, Gate.LIMIT)
        self.kept.add(key)

    def _release(self, jobs: dict[int, Job], queue: Queue) -> None:
        key = self.kept.pop(0)
        job = jobs[key[2]]
        queue.take(job)
        queue.put(job, None)
        self.released.add(key)
