"""What has become of every job of a test's world, and what a dependency means by that alone: slow, plain, and without the code under test."""

from collections.abc import Iterable

from jobd.core.events import Ended, Event, Split, Started, Submitted
from jobd.core.job import Job
from jobd.core.waits import Past
from jobd.dependencies import Dependency, Term
from jobd.indexes import Indexes
from jobd.states import JobState

OPEN, MET, NEVER = "open", "met", "never"


class History:
    """All that was ever admitted."""

    def __init__(self) -> None:
        self.jobs: dict[int, Job] = {}  # as last seen
        self.tasks: dict[int, Indexes] = {}  # array → all of its indexes
        self.elements: dict[tuple[int, int], int] = {}  # (array, index) → job
        self.names: dict[int, str] = {}
        self.started: set[int] = set()
        self.asked: dict[int, Dependency] = {}  # job or array → what it was submitted with, or updated to
        self.settled: set[tuple[int, int | None]] = set()  # singletons whose turn has come

    def add(self, event: Event, job: Job | None) -> None:
        """An event was admitted, and the job is so after it."""
        if job is None:
            return
        self.jobs[job.job_id] = job
        self.names[job.job_id] = job.spec.name
        if isinstance(event, Submitted) and job.tasks is not None:
            self.tasks[job.job_id] = job.tasks
        elif isinstance(event, Split):
            assert (event.array_id, job.array_index) not in self.elements, "split off twice"
            self.elements[event.array_id, job.array_index] = job.job_id
            if job.job_id != event.array_id:
                array = self.jobs[event.array_id]
                self.jobs[event.array_id] = array._replace(tasks=array.tasks.without(job.array_index))
        elif isinstance(event, Started):
            self.started.add(job.job_id)
        elif isinstance(event, Ended):
            assert job.is_finished

    def of_index(self, array_id: int, index: int) -> Job | None:
        """The job that an element is or was; the array while it is in it."""
        job_id = self.elements.get((array_id, index))
        if job_id is not None:
            return self.jobs[job_id]
        return self.jobs[array_id] if array_id in self.tasks and self.tasks[array_id].has(index) else None

    def members(self, array_id: int) -> Iterable[Job]:
        """What each index of an array has become."""
        found = [self.of_index(array_id, index) for index in self.tasks[array_id].each()]
        return [job for job in found if job is not None]

    def past(self, job_id: int, index: int | None) -> Past | None:
        """What a journal would say of finished jobs."""
        if index is not None:
            jobs = [job for job in (self.of_index(job_id, index),) if job is not None]
        elif job_id in self.tasks:
            jobs = list(self.members(job_id))
        else:
            jobs = [self.jobs[job_id]] if job_id in self.jobs else []
        phases = [job.phase for job in jobs if job.is_finished]
        if not phases:
            return None
        starts = [phase.started_at for phase in phases if phase.started_at is not None]
        return Past(
            all(phase.outcome.state is JobState.COMPLETED for phase in phases),
            max(starts, default=None),
            max(phase.ended_at for phase in phases),
        )

    # ---- what a dependency means
    def verdict(self, job_id: int, index: int | None) -> str:
        """Whether a waiting job, or the element of a waiting array, may begin by what it was asked to wait for."""
        asked = self.asked.get(job_id, Dependency())
        if not asked.terms:
            return MET
        found = [self.of_term(term, job_id, index) for term in asked.terms]
        if asked.is_any:
            return MET if MET in found else NEVER if set(found) == {NEVER} else OPEN
        return NEVER if NEVER in found else OPEN if OPEN in found else MET

    def of_term(self, term: Term, job_id: int, index: int | None) -> str:
        """Whether one term is met."""
        if term.kind == "singleton":
            older = [
                other
                for other in self.jobs.values()
                if not other.is_finished
                and other.spec.name == self.names[job_id]
                and (other.array_id or other.job_id) < job_id
            ]
            if not older:
                self.settled.add((job_id, index))
            return MET if (job_id, index) in self.settled else OPEN
        kind, others = term.kind, []
        if term.array_index is not None:
            others = [self.of_index(term.job_id, term.array_index)]
        elif term.job_id not in self.tasks:
            others = [self.jobs[term.job_id]]
        elif kind == "aftercorr" and index is not None:
            if self.tasks[term.job_id].has(index):
                others = [self.of_index(term.job_id, index)]
            else:
                kind, others = "afterany", list(self.members(term.job_id))
        else:
            others = list(self.members(term.job_id))
        if kind == "after":
            return MET if all(o.is_finished or o.job_id in self.started for o in others) else OPEN
        over = [o.phase.outcome.state is JobState.COMPLETED for o in others if o.is_finished]
        if kind in ("afterok", "aftercorr") and not all(over):
            return NEVER
        if len(over) < len(others):
            return OPEN
        if kind == "afternotok":
            return NEVER if all(over) else MET
        return MET
