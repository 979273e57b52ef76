"""All that the server knows: the living jobs, who is whose child, what is used, and the queue in its order.

`admit` is the only way in, with `ripen` for what time alone changes. It applies an event to its job (life.py) and keeps every
map beside the jobs true. Each map is kept by small steps, so no event costs more when the queue is longer (a queue's insertion
is O(log n)). Finished jobs leave the world at once; they live on in the journal.
"""

import heapq
from collections import deque

from jobd.core import life
from jobd.core.dependents import Dependents, Names
from jobd.core.events import (
    Changed,
    Ended,
    Event,
    LimitsSet,
    Paused,
    Reopened,
    Requeued,
    Split,
    Started,
    Submitted,
    Unpaused,
)
from jobd.core.job import NO_RESOURCES, Completing, Job, Key, Now, Running
from jobd.core.queue import Gate, Queue
from jobd.core.resources import NO_CAPACITY, Capacity, tally
from jobd.core.throttle import Array
from jobd.states import JobState

PASSES_KEPT_MAX = 256  # starts out of order that are remembered; many times any sensible bypass_max


class World:
    """The state of the server. Reading is free; changing is `admit` and `ripen` alone."""

    def __init__(
        self, *, nb_proc: int, nb_proc_max: int, cpus: tuple[int, ...], capacity: Capacity = NO_CAPACITY
    ) -> None:
        self.nb_proc = nb_proc
        self.nb_proc_max = nb_proc_max
        self.cpus = cpus  # processors that may be bound to jobs
        self.capacity = capacity
        self.next_job_id = 1
        self.jobs: dict[int, Job] = {}
        self.children: dict[int, set[int]] = {}  # living children of a living job; no empty sets
        self.holding: dict[int, Job] = {}  # jobs that were given procs
        self.paused: set[int] = set()  # jobs that run and whose processes are stopped
        self.used = 0  # procs of jobs that hold and are neither suspended nor paused
        self.busy: dict[int, int] = {}  # processor → number of jobs bound to it that count
        self.lent: dict[int, int] = {}  # processor → number of suspended or paused jobs bound to it
        # Of jobs that hold and are not suspended; paused ones keep what they have.
        self.memory_used_bytes = 0
        self.gpus_used = 0
        self.counted_used: dict[str, int] = {}  # no zeros
        self.gpus_busy: dict[int, int] = {}  # index → number of jobs that have it
        self.gpus_lent: dict[int, int] = {}
        self.queue = Queue()
        self.waiting = self.queue.waiting  # what the planner looks at
        self.shapes = self.queue.shapes  # the same by shape
        self.gated = self.queue.gated  # and what waits behind a gate
        self.gates = self.queue.gates
        self.opened = 0  # how often an event has let a job through its gate: then there is more to be planned
        self.passes: deque[tuple[float, Key]] = deque(maxlen=PASSES_KEPT_MAX)  # (wall time, who passed)
        # Monotonic ends of the time limits of jobs that run and have one: those of Sallocs, which the planner ends, and
        # those of batch jobs, which their agent ends.
        self.deadlines: dict[int, float] = {}
        self.ends: dict[int, float] = {}
        self.begins: list[tuple[float, int]] = []  # a heap of (wall time, job); may have what is past
        self.looked_at = Now(0.0, 0.0)  # when `ripen` last looked
        self.arrays: dict[int, Array] = {}  # those of which something lives
        self.dependents = Dependents()
        self.names = Names()
        self.by_token: dict[str, int] = {}
        self.by_process: dict[
            tuple[int, int], set[int]
        ] = {}  # (pid, start) of a Salloc or attempt → its jobs

    # ---- reading
    def is_suspended(self, job_id: int) -> bool:
        """Whether a job that holds procs has living children, so that all it has counts as free."""
        return job_id in self.children and job_id in self.holding

    def cost(self, job: Job) -> int:
        """What a holding job adds to `used`.

        A job that asks for more than nb_proc is exceptional and counts as nb_proc, but never as less than it counted at
        its start: lowering nb_proc must not make room, and raising it must not make a running job small.
        """
        assert isinstance(job.phase, Running | Completing)
        if job.spec.resources.is_exclusive:
            return max(job.phase.held, self.nb_proc)
        return max(job.phase.held, min(job.spec.nb_proc, self.nb_proc))

    @property
    def in_use(self) -> Capacity:
        """What of the capacity was handed out."""
        return Capacity(self.memory_used_bytes, self.gpus_used, tuple(sorted(self.counted_used.items())))

    # ---- changing
    def admit(self, event: Event, now: Now) -> Job | None:
        """Apply an event; the job as it is after it (of a Split the element), None for an event of the server.

        Raises:
            life.Illegal: it does not fit; nothing has changed.
        """
        if isinstance(event, LimitsSet):
            self.nb_proc, self.nb_proc_max = event.nb_proc, event.nb_proc_max
            self.used = sum(self.cost(job) for job in self.holding.values() if not self._is_lent(job.job_id))
            return None
        if isinstance(event, Submitted):
            if event.job.job_id < self.next_job_id:
                raise life.Illegal(f"job {event.job.job_id}: submitted twice")
            self.next_job_id = event.job.job_id + 1
            self.add(event.job, now)
            return event.job
        if isinstance(event, Split):
            return self._split(event, now)
        if isinstance(event, Reopened):
            if event.job.job_id in self.jobs or event.job.job_id >= self.next_job_id:
                raise life.Illegal(f"job {event.job.job_id}: Reopened, and it is not over")
            back = life.apply(event.job, event)
            self.add(back, now)
            return back
        old = self.jobs.get(event.job_id)
        if old is None:
            raise life.Illegal(f"job {event.job_id}: {type(event).__name__} of a job that does not live")
        new = life.apply(old, event)
        was_gated = event.job_id in self.gates
        self._leave(old)
        if isinstance(event, Ended):
            self._remove(old, new, now)
        else:
            self._replace(old, new, event, now)
        if old.array_id is not None:
            self._balance(old.array_id)
        self.opened += was_gated and new.is_waiting and event.job_id not in self.gates
        return new

    def add(self, job: Job, now: Now) -> None:
        """Take in a living job: at its submission, from the journal at the server's start (parents first), and one that is back."""
        assert not job.is_finished and job.job_id not in self.jobs
        self.jobs[job.job_id] = job
        if job.array_index is None or job.job_id == job.array_id:  # all elements have the array's token
            self.by_token[job.spec.token] = job.job_id
        if job.spec.pid:
            self._add_process(job.spec.pid, job.spec.start_ticks, job.job_id)
        self.names.add(job)
        if job.is_waiting:
            self.dependents.add(job)
        if job.parent_id is not None and job.parent_id in self.jobs:
            siblings = self.children.get(job.parent_id)
            if siblings is None:
                parent = self.jobs[job.parent_id]
                self._leave(parent)
                self.children[job.parent_id] = {job.job_id}
                self._enter(parent, now)
                if parent.array_id is not None:
                    self._balance(parent.array_id)
            else:
                siblings.add(job.job_id)
        self._enter(job, now)
        if job.array_id is not None:
            self._balance(job.array_id)

    def ripen(self, now: Now) -> None:
        """Show those to the planner whose time has come. O(log n) for each; called at the start of each tick's plan."""
        self.looked_at = now
        while self.begins and self.begins[0][0] <= now.wall_s:
            begin_at, job_id = heapq.heappop(self.begins)
            job = self.jobs.get(job_id)
            if job is None or self.gates.get(job_id) is not Gate.BEGIN:
                continue
            assert job.spec.batch is not None
            if job.spec.batch.begin_at == begin_at:
                self._leave(job)
                self._enter(job, now)
                if job.array_id is not None:
                    self._balance(job.array_id)

    def _replace(self, old: Job, new: Job, event: Event, now: Now) -> None:
        job_id = new.job_id
        self.jobs[job_id] = new
        if old.is_waiting or new.is_waiting:
            self._replace_dependent(old, new)
        if isinstance(event, Changed | Paused | Unpaused | Requeued):
            self.deadlines.pop(job_id, None)  # its end is another now
            self.ends.pop(job_id, None)
            if old.spec.name != new.spec.name:
                self.names.remove(old)
                self.names.add(new)
        self._enter(new, now)
        if isinstance(event, Started) and event.is_passing:
            self.passes.append((event.at, new.key))

    def _replace_dependent(self, old: Job, new: Job) -> None:
        if not new.is_waiting:
            self.dependents.remove(old)
        elif not old.is_waiting:
            self.dependents.add(new)
        elif old.spec is not new.spec or (old.tasks is None) != (new.tasks is None):
            self.dependents.replace(old, new)

    def _split(self, event: Split, now: Now) -> Job:
        array, element = self.jobs.get(event.array_id), event.element
        if array is None:
            raise life.Illegal(f"job {event.array_id}: Split of a job that does not live")
        left = life.apply(array, event)
        if left is not element and element.job_id < self.next_job_id:
            raise life.Illegal(f"job {element.job_id}: split off twice")
        self._leave(array)
        self.jobs[array.job_id] = left
        self._replace_dependent(array, left)
        self._enter(left, now)
        if left is element:
            self._balance(event.array_id)
        else:
            self.next_job_id = element.job_id + 1
            self.add(element, now)
        return element

    # ---- the maps beside the jobs: a job leaves them as it was and enters them as it is
    def _enter(self, job: Job, now: Now) -> None:
        if job.array_id is not None:
            self._enter_array(job)
        if job.is_waiting:
            self._enter_queue(job, now)
        else:
            self._enter_holding(job, now)

    def _enter_queue(self, job: Job, now: Now) -> None:
        gate = self._gate(job, now)
        if gate is Gate.BEGIN:
            assert job.spec.batch is not None and job.spec.batch.begin_at is not None
            heapq.heappush(self.begins, (job.spec.batch.begin_at, job.job_id))
        elif gate is None and job.array_id is not None and self.arrays[job.array_id].limit:
            gate = Gate.LIMIT  # until `balance` lets it be seen
            self.arrays[job.array_id].kept.add(job.key)
        self.queue.put(job, gate)

    def _enter_holding(self, job: Job, now: Now) -> None:
        job_id, phase, spec = job.job_id, job.phase, job.spec
        assert isinstance(phase, Running | Completing)
        self.holding[job_id] = job
        is_paused = type(phase) is Running and phase.pause.since_at is not None
        if is_paused:
            self.paused.add(job_id)
        self._count(job, 1)
        if phase.hands.pid:
            self._add_process(phase.hands.pid, phase.hands.start_ticks, job_id)
        ends = self.deadlines if spec.batch is None else self.ends
        if type(phase) is Running and spec.time_limit_s is not None and not is_paused:
            left_s = phase.started_at + spec.time_limit_s + phase.pause.total_s - now.wall_s
            ends.setdefault(job_id, now.mono_s + left_s)
        else:
            ends.pop(job_id, None)  # it is being ended already, or nobody can tell

    def _gate(self, job: Job, now: Now) -> Gate | None:
        batch = job.spec.batch
        if job.job_id in self.children:
            return Gate.ENDING
        if batch is None:
            return None
        if batch.is_held:
            return Gate.HELD
        if batch.dependency.terms:
            return Gate.NEVER if batch.dependency.is_never else Gate.DEPENDENCY
        if batch.begin_at is not None and batch.begin_at > now.wall_s:
            return Gate.BEGIN
        return None

    def _leave(self, job: Job) -> None:
        job_id, phase = job.job_id, job.phase
        if job.array_id is not None:
            self._leave_array(job)
        if job.is_waiting:
            self.queue.take(job)
            return
        assert isinstance(phase, Running | Completing)
        self._count(job, -1)
        if phase.hands.pid:
            self._remove_process(phase.hands.pid, phase.hands.start_ticks, job_id)
        self.paused.discard(job_id)
        del self.holding[job_id]

    def _is_lent(self, job_id: int) -> bool:
        return job_id in self.paused or job_id in self.children

    def _count(self, job: Job, step: int) -> None:
        """Add what a holding job uses, or take it off."""
        phase, resources = job.phase, job.spec.resources
        assert isinstance(phase, Running | Completing)
        is_lent = self._is_lent(job.job_id)
        if not is_lent:
            self.used += step * self.cost(job)
        tally(self.lent if is_lent else self.busy, phase.cpus, step)
        if resources == NO_RESOURCES:
            return
        is_suspended = job.job_id in self.children
        tally(self.gpus_lent if is_suspended else self.gpus_busy, phase.gpus, step)
        if is_suspended:
            return
        self.memory_used_bytes += step * resources.memory_bytes
        self.gpus_used += step * resources.gpus
        for name, count in resources.counted:
            left = self.counted_used.get(name, 0) + step * count
            if left:
                self.counted_used[name] = left
            else:
                self.counted_used.pop(name, None)

    def _add_process(self, pid: int, start_ticks: int, job_id: int) -> None:
        self.by_process.setdefault((pid, start_ticks), set()).add(job_id)

    def _remove_process(self, pid: int, start_ticks: int, job_id: int) -> None:
        known = self.by_process[pid, start_ticks]
        known.discard(job_id)
        if not known:
            del self.by_process[pid, start_ticks]

    # ---- arrays
    def _enter_array(self, job: Job) -> None:
        assert job.array_id is not None and job.spec.batch is not None
        array = self.arrays.get(job.array_id)
        if array is None:
            array = self.arrays[job.array_id] = Array()
        if job.tasks is not None:
            array.is_waiting = True
        else:
            assert job.array_index is not None
            array.by_index[job.array_index] = job.job_id
        if job.tasks is not None or not array.is_waiting:
            if not array.limit and job.spec.batch.array_limit:
                array.begin_limit(self.jobs, self.queue, job.job_id)
            array.limit = job.spec.batch.array_limit
        if job.is_waiting:
            array.unstarted += job.attempt == 0
        else:
            array.running += 1

    def _leave_array(self, job: Job) -> None:
        assert job.array_id is not None
        array = self.arrays[job.array_id]
        if job.tasks is not None:
            array.is_waiting = False
        else:
            assert job.array_index is not None
            del array.by_index[job.array_index]
        if not job.is_waiting:
            array.running -= 1
            return
        array.unstarted -= job.attempt == 0
        array.released.discard(job.key)
        array.kept.discard(job.key)

    def _balance(self, array_id: int) -> None:
        array = self.arrays[array_id]
        if array.is_over:
            del self.arrays[array_id]
        elif array.limit or array.released or array.kept:
            array.balance(self.jobs, self.queue)

    def _remove(self, job: Job, over: Job, now: Now) -> None:
        """Take out a job that is over, and give its parent its procs back if it was the last child."""
        job_id = job.job_id
        del self.jobs[job_id]
        if job.is_waiting:
            self.dependents.remove(job)
        self.deadlines.pop(job_id, None)
        self.ends.pop(job_id, None)
        self.names.remove(job)
        if self.by_token.get(job.spec.token) == job_id:
            del self.by_token[job.spec.token]
        if job.spec.pid:
            self._remove_process(job.spec.pid, job.spec.start_ticks, job_id)
        if job.array_id is not None:
            outcome = getattr(over.phase, "outcome", None)
            assert outcome is not None
            self.arrays[job.array_id].failed += outcome.state is not JobState.COMPLETED
        self.children.pop(job_id, None)
        siblings = self.children.get(job.parent_id) if job.parent_id is not None else None
        if siblings is not None and job.parent_id is not None:
            if len(siblings) > 1:
                siblings.discard(job_id)
            else:
                parent = self.jobs[job.parent_id]
                self._leave(parent)
                del self.children[job.parent_id]
                self._enter(parent, now)  # a deadline once set stays
                if parent.array_id is not None:
                    self._balance(parent.array_id)
