"""All that the server knows: the living jobs, who is whose child, what is used, and the queue in its order.

`admit` is the only way in. It applies an event to its job (life.py) and keeps every map beside the jobs true.
Each map is kept by small steps, so no event costs more when the queue is longer (a queue's insertion is O(log n)).
Finished jobs leave the world at once; they live on in the journal.
"""

from collections import deque

from sortedcontainers import SortedList

from jobd.core import life
from jobd.core.events import Ended, Event, LimitsSet, Started, Submitted
from jobd.core.job import Completing, Job, Key, Now, Running

# A size of jobs for the planner: all waiting jobs of one shape fit or do not fit together.
Shape = tuple[int, int | None]  # nb_proc, time_limit_s

PASSES_KEPT_MAX = 256  # starts out of order that are remembered; many times any sensible bypass_max


class World:
    """The state of the server. Reading is free; changing is `admit` alone."""

    def __init__(self, *, nb_proc: int, nb_proc_max: int, cpus: tuple[int, ...]) -> None:
        self.nb_proc = nb_proc
        self.nb_proc_max = nb_proc_max
        self.cpus = cpus  # processors that may be bound to jobs
        self.next_job_id = 1
        self.jobs: dict[int, Job] = {}
        self.children: dict[int, set[int]] = {}  # living children of a living job; no empty sets
        self.holding: dict[int, Job] = {}  # jobs that were given procs
        self.used = 0  # procs of jobs that hold and are not suspended
        self.busy: dict[int, int] = {}  # processor → number of jobs bound to it that are not suspended
        self.lent: dict[int, int] = {}  # processor → number of suspended jobs bound to it
        self.waiting: SortedList[Key] = SortedList()
        self.shapes: dict[Shape, SortedList[Key]] = {}  # the queue by shape; no empty lists
        self.passes: deque[tuple[float, Key]] = deque(maxlen=PASSES_KEPT_MAX)  # (wall time, who passed)
        self.deadlines: dict[
            int, float
        ] = {}  # monotonic end of the time limit, of jobs that run and have one
        self.by_token: dict[str, int] = {}
        self.by_process: dict[tuple[int, int], set[int]] = {}  # (pid, start) of a Salloc → its jobs

    # ---- reading
    def is_suspended(self, job_id: int) -> bool:
        """Whether a job that holds procs has living children, so that its procs count as free."""
        return job_id in self.children and job_id in self.holding

    def cost(self, job: Job) -> int:
        """What a holding job adds to `used`.

        A job that asks for more than nb_proc is exceptional and counts as nb_proc, but never as less than it counted at
        its start: lowering nb_proc must not make room, and raising it must not make a running job small.
        """
        assert isinstance(job.phase, Running | Completing)
        return max(job.phase.held, min(job.spec.nb_proc, self.nb_proc))

    # ---- changing
    def admit(self, event: Event, now: Now) -> Job | None:
        """Apply an event; the job as it is after it, None for an event of the server.

        Raises:
            life.Illegal: it does not fit; nothing has changed.
        """
        if isinstance(event, LimitsSet):
            self.nb_proc, self.nb_proc_max = event.nb_proc, event.nb_proc_max
            self.used = sum(
                self.cost(job) for job in self.holding.values() if not self.is_suspended(job.job_id)
            )
            return None
        if isinstance(event, Submitted):
            if event.job.job_id < self.next_job_id:
                raise life.Illegal(f"job {event.job.job_id}: submitted twice")
            self.next_job_id = event.job.job_id + 1
            self.add(event.job, now)
            return event.job
        old = self.jobs.get(event.job_id)
        if old is None:
            raise life.Illegal(f"job {event.job_id}: {type(event).__name__} of a job that does not live")
        new = life.apply(old, event)
        self._leave(old)
        if isinstance(event, Ended):
            self._remove(old)
        else:
            self.jobs[new.job_id] = new
            self._enter(new, now)
            if isinstance(event, Started) and event.is_passing:
                self.passes.append((event.at, new.key))
        return new

    def add(self, job: Job, now: Now) -> None:
        """Take in a living job: at its submission, and from the journal at the server's start (parents first)."""
        assert not job.is_finished and job.job_id not in self.jobs
        self.jobs[job.job_id] = job
        self.by_token[job.spec.token] = job.job_id
        self.by_process.setdefault((job.spec.pid, job.spec.start_ticks), set()).add(job.job_id)
        if job.parent_id is not None and job.parent_id in self.jobs:
            siblings = self.children.get(job.parent_id)
            if siblings is None:
                parent = self.jobs[job.parent_id]
                self._leave(parent)
                self.children[job.parent_id] = {job.job_id}
                self._enter(parent, now)
            else:
                siblings.add(job.job_id)
        self._enter(job, now)

    # ---- the maps beside the jobs: a job leaves them as it was and enters them as it is
    def _enter(self, job: Job, now: Now) -> None:
        job_id = job.job_id
        phase = job.phase
        if job.is_waiting:
            key = job.key  # made once: both lists keep it
            self.waiting.add(key)
            shape = (job.spec.nb_proc, job.spec.time_limit_s)
            keys = self.shapes.get(shape)
            if keys is None:
                keys = self.shapes[shape] = SortedList()
            keys.add(key)
        elif isinstance(phase, Running | Completing):
            self.holding[job_id] = job
            suspended = self.is_suspended(job_id)
            count = self.lent if suspended else self.busy
            for cpu in phase.cpus:
                count[cpu] = count.get(cpu, 0) + 1
            if not suspended:
                self.used += self.cost(job)
            if isinstance(phase, Running) and job.spec.time_limit_s is not None:
                left_s = phase.started_at + job.spec.time_limit_s - now.wall_s
                self.deadlines.setdefault(job_id, now.mono_s + left_s)
            elif isinstance(phase, Completing):
                self.deadlines.pop(job_id, None)  # it is being ended already

    def _leave(self, job: Job) -> None:
        job_id = job.job_id
        phase = job.phase
        if job.is_waiting:
            self.waiting.remove(job.key)
            shape = (job.spec.nb_proc, job.spec.time_limit_s)
            keys = self.shapes[shape]
            keys.remove(job.key)
            if not keys:
                del self.shapes[shape]
        elif isinstance(phase, Running | Completing):
            suspended = self.is_suspended(job_id)
            count = self.lent if suspended else self.busy
            for cpu in phase.cpus:
                count[cpu] -= 1
                if not count[cpu]:
                    del count[cpu]
            if not suspended:
                self.used -= self.cost(job)
            del self.holding[job_id]

    def _remove(self, job: Job) -> None:
        """Take out a job that is over, and give its parent its procs back if it was the last child."""
        job_id = job.job_id
        del self.jobs[job_id]
        self.deadlines.pop(job_id, None)
        self.by_token.pop(job.spec.token, None)
        process = (job.spec.pid, job.spec.start_ticks)
        self.by_process[process].discard(job_id)
        if not self.by_process[process]:
            del self.by_process[process]
        self.children.pop(job_id, None)
        siblings = self.children.get(job.parent_id) if job.parent_id is not None else None
        if siblings is not None and job.parent_id is not None:
            if len(siblings) > 1:
                siblings.discard(job_id)
            else:
                parent = self.jobs[job.parent_id]
                self._leave(parent)
                del self.children[job.parent_id]
                # A deadline once set stays, so the time given here is not looked at.
                self._enter(parent, Now(0.0, 0.0))
