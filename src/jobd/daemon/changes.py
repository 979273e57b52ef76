"""What one tick changes, as the commit, the agent and the subscribers need it. Filled by Server.admit and the verbs."""

from typing import NamedTuple

from jobd.core.events import Changed, Ended, Event, Reopened, Requeued, Split, Submitted
from jobd.core.job import Attempt, Job
from jobd.core.world import World
from jobd.journal.records import Step
from jobd.wire.batch import ForgetAttempt, Signal
from jobd.wire.messages import Kill


class Said(NamedTuple):
    """An event with its number, and the job just after it."""

    seq: int
    event: Event
    job: Job | None


class Changes:
    """One tick's. A new one is made for each."""

    def __init__(self) -> None:
        self.events: list[Said] = []
        self.new: dict[int, Job] = {}  # as they are at the end of the tick
        self.changed: dict[int, Job] = {}
        self.with_other_specs: set[int] = set()  # of the changed ones
        self.come_and_gone: dict[str, Job] = {}  # by token: neither in the world nor in the journal
        self.submissions: dict[str, list[int]] = {}  # token → the jobs of a submission of this tick
        self.blobs: dict[str, bytes] = {}
        self.steps: dict[tuple[int, int, int], Step] = {}  # (job, attempt, number)
        self.attempts: list[Attempt] = []  # that are over, of jobs that wait again
        self.bodies: list[bytes] = []  # of the events, in their order

    def add(self, seq: int, event: Event, job: Job | None, world: World) -> None:
        """An event that the world has admitted."""
        self.events.append(Said(seq, event, job))
        if job is None:
            return
        kind = type(event)
        job_id = job.job_id
        if kind is Split:
            assert isinstance(event, Split)
            if job_id == event.array_id:  # the last element: the array's own row becomes its own
                self._keep(job)
                return
            self.new[job_id] = job
            self._keep(world.jobs[event.array_id])
        elif kind is Submitted:
            self.new[job_id] = job
        else:
            if kind is Reopened:
                self.come_and_gone.pop(job.spec.token, None)
            if kind in (Changed, Requeued, Reopened):
                self.with_other_specs.add(job_id)
            self._keep(job)
            if kind is Ended and job_id in self.new:
                self.come_and_gone[job.spec.token] = job

    def _keep(self, job: Job) -> None:
        target = self.new if job.job_id in self.new else self.changed
        target[job.job_id] = job

    def job(self, job_id: int) -> Job | None:
        """A job as this tick leaves it; None if it does not touch it."""
        return self.new.get(job_id) or self.changed.get(job_id)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to be committed."""
        return not (self.events or self.steps)


class Pending:
    """What the agent is to be told at the end of a tick besides what follows from its events. A new one for each tick."""

    def __init__(self) -> None:
        self.is_agent_new = False
        self.forgets: list[int] = []  # Sallocs' jobs that are long over, of which the agent still tells
        self.forgotten: list[ForgetAttempt] = []
        self.wanted: list[str] = []  # keys of blobs
        self.signals: list[Signal | Kill] = []
        self.changed: list[int] = []  # jobs that began otherwise than they are to run
