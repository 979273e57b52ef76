"""A second set of books: what was asked for and what was committed, event by event, and the promises that each event must keep.

It is written from what people sent and from the committed events alone, and it knows the rules in its own words, so that a mistake of the
server's is not repeated here.
"""

from typing import TYPE_CHECKING, NamedTuple

from jobd import dependencies
from jobd.core import events as e
from jobd.core.job import Finished, Job
from jobd.daemon.changes import Said
from jobd.dependencies import Dependency, Term
from jobd.states import Cause, JobState
from jobd.wire import batch as b
from sim.faults import promise

if TYPE_CHECKING:
    from sim.simulator import Simulation


class Asked:
    """What somebody has asked for in one item of a submission, and what he may have changed since."""

    def __init__(self, command: list[str], spec: b.BatchSpec) -> None:
        self.command = command
        self.spec = spec
        self.indexes = {i for first, last, step in spec.array for i in range(first, last + 1, step)}
        # An update may or may not have been done: either is right.
        self.dependencies = [dependencies.parse(spec.dependency)]
        self.begins = [spec.begin_at or 0.0]


class Part(NamedTuple):
    """How far one element, or one job, has come."""

    started_at: float | None = None  # for the first time
    ended_at: float | None = None
    is_success: bool = False
    is_reopened: bool = False  # it was over, and then queued again


class Known:
    """One number, as the events tell of it."""

    def __init__(self, job: Job) -> None:
        self.job_id = job.job_id
        self.token = job.spec.token
        self.name = job.spec.name
        self.is_batch = job.is_batch
        self.array_id = job.array_id
        self.array_index = job.array_index
        self.parent_id = job.parent_id
        self.state = "waiting"
        self.attempt = 0
        self.own_failures = 0  # that made it wait again
        self.reboots = 0  # of the machine, at its start
        self.is_renamed = False
        self.reopenings = 0  # after it was over

    @property
    def age(self) -> int:
        return self.job_id if self.array_id is None else self.array_id


class Ledger:
    """All that was committed in one history."""

    def __init__(self, sim: "Simulation") -> None:
        self.sim = sim
        self.asked: dict[str, Asked] = {}  # by token of the item
        self.jobs: dict[int, Known] = {}
        self.living: dict[int, Known] = {}
        self.parts: dict[tuple[int, int | None], Part] = {}  # (array, index), or (job, None)
        self.elements: dict[int, set[int]] = {}  # of each array, all indexes
        self.waiting_in: dict[int, set[int]] = {}  # and those that have not been split off
        self.starts: set[tuple[int, int]] = set()  # committed attempts
        self.cancelled: set[int] = set()  # of whom somebody was told that they end
        self.array_ends: dict[int, float] = {}  # of arrays that ended before their last element had left them
        self.cleaned_before = 0.0
        self.seen: set[str] = set()  # kinds of events
        self.resumptions = 0  # after which jobs may share what each was given alone

    # ---- what is committed
    def take(self, said: list[Said]) -> None:
        """The events of one commit."""
        started: list[Job] = []
        for _, event, job in said:
            kind = type(event).__name__.lower()
            is_end = isinstance(event, e.Ended | e.Requeued)
            self.seen.add(f"{kind} {event.outcome.cause.value}" if is_end else kind)
            if job is None:
                continue
            if isinstance(event, e.Submitted):
                self._submitted(job)
            elif isinstance(event, e.Split):
                self._split(event)
            elif isinstance(event, e.Started):
                self._started(event, job)
                started.append(job)
            elif isinstance(event, e.Requeued):
                self._requeued(event, job)
            elif isinstance(event, e.Reopened):
                self._reopened(job)
            elif isinstance(event, e.Ended):
                self._ended(event, job)
            elif isinstance(event, e.Changed) and job.spec.name != self.jobs[job.job_id].name:
                self.jobs[job.job_id].name = job.spec.name
                self.jobs[job.job_id].is_renamed = True
            elif isinstance(event, e.Resumed | e.Unpaused):
                self.resumptions += 1
        if started:
            self._check_use(started)

    def _submitted(self, job: Job) -> None:
        promise(job.job_id not in self.jobs, f"job {job.job_id} was submitted twice")
        asked = self.asked.get(job.spec.token)
        if job.tasks is not None:
            self.elements[job.job_id] = set(job.tasks.each())
            self.waiting_in[job.job_id] = set(job.tasks.each())
        if asked is not None:
            promise(asked.indexes == self.elements.get(job.job_id, set()), f"job {job.job_id}: other indexes")
            promise(list(job.spec.command) == asked.command, f"job {job.job_id}: another command")
        self._know(job)

    def _know(self, job: Job) -> None:
        self.jobs[job.job_id] = self.living[job.job_id] = Known(job)

    def _split(self, event: e.Split) -> None:
        element, waiting = event.element, self.waiting_in[event.array_id]
        promise(element.array_index in waiting, f"element {event.array_id}_{element.array_index} twice")
        promise(element.spec.token == self.jobs[event.array_id].token, "an element of somebody else's array")
        waiting.discard(element.array_index)  # type: ignore[arg-type]
        if element.job_id == event.array_id:
            promise(not waiting, f"array {event.array_id} has lost elements")
            self.jobs[element.job_id].array_index = element.array_index
        else:
            promise(element.job_id not in self.jobs, f"job {element.job_id} was split off twice")
            promise(waiting, f"array {event.array_id} has given away its last element")
            self._know(element)
            self.jobs[element.job_id].is_renamed = self.jobs[event.array_id].is_renamed

    def _started(self, event: e.Started, job: Job) -> None:
        known, at = self.jobs[job.job_id], event.at
        promise(known.state == "waiting", f"job {job.job_id} was started while {known.state}")
        promise(job.attempt == known.attempt + 1, f"job {job.job_id}: attempt {job.attempt}")
        promise(job.tasks is None, f"array {job.job_id} was started whole")
        is_cancelled = job.job_id in self.cancelled and not known.reopenings
        promise(not is_cancelled, f"job {job.job_id} was started after it was cancelled")
        known.state, known.attempt, known.reboots = "running", job.attempt, self.sim.reboots
        batch = job.spec.batch
        if batch is not None:
            self.starts.add((job.job_id, job.attempt))
            # What has begun elsewhere, and nobody has heard of it, is not held any more.
            is_late = (job.job_id, job.attempt) in self.sim.prefetched
            promise(is_late or not batch.is_held, f"job {job.job_id} was started while it was held")
            promise((batch.begin_at or 0.0) <= at, f"job {job.job_id} was started before its time")
            asked = self.asked.get(known.token)
            if asked is not None and job.attempt == 1:
                promise(min(asked.begins) <= at, f"job {job.job_id} was started before its time")
                promise(
                    any(self.verdict(one, known, at) in (True, None) for one in asked.dependencies),
                    f"job {job.job_id} was started before {asked.spec.dependency} was met",
                )
            if known.array_id is not None and batch.array_limit:
                others = sum(
                    one.array_id == known.array_id and one.state == "running" for one in self.living.values()
                )
                promise(others <= batch.array_limit, f"array {known.array_id}: more than its limit run")
        self._part(known, started_at=at)

    def _part(self, known: Known, **news: object) -> None:
        key = (known.job_id, None) if known.array_index is None else (known.array_id or 0, known.array_index)
        part = self.parts.get(key, Part())
        if part.is_reopened:
            return
        if "started_at" in news and part.started_at is not None:
            return
        promise(part.ended_at is None, f"{key} has had its end")
        self.parts[key] = part._replace(**news)

    def _reopened(self, job: Job) -> None:
        """What others have made of its first end stays; what they make of a later one cannot be foretold from here."""
        known = self.jobs[job.job_id]
        promise(known.state == "over" and known.is_batch, f"job {job.job_id} was queued again")
        promise(job.attempt == known.attempt > 0, f"job {job.job_id} is back with attempt {job.attempt}")
        known.state = "waiting"
        known.reopenings += 1
        self.living[job.job_id] = known
        key = (job.job_id, None) if known.array_index is None else (known.array_id or 0, known.array_index)
        self.parts[key] = self.parts.get(key, Part())._replace(is_reopened=True)

    def _requeued(self, event: e.Requeued, job: Job) -> None:
        known = self.jobs[job.job_id]
        promise(known.state == "running" and known.is_batch, f"job {job.job_id} was queued again")
        known.state = "waiting"
        self._check_gone(job)
        cause = event.outcome.cause
        if cause is Cause.REBOOT:
            promise(self.sim.reboots > known.reboots, f"job {job.job_id}: no reboot since its start")
        elif cause is Cause.SELF:
            known.own_failures += 1
            self._check_outcome(known, event.outcome.exit_code, event.outcome.signal)
            asked = self.asked.get(known.token)
            retries = asked.spec.retry_count if asked is not None else 2
            promise(known.own_failures <= retries, f"job {job.job_id} was tried too often")
        else:
            promise(cause is Cause.REQUEUED, f"job {job.job_id} was queued again for {cause}")

    def _ended(self, event: e.Ended, job: Job) -> None:
        known = self.jobs[job.job_id]
        assert isinstance(job.phase, Finished)
        outcome = job.phase.outcome
        was_running = known.state == "running"
        promise(known.state != "over", f"job {job.job_id} has ended twice")
        known.state = "over"
        del self.living[job.job_id]
        ended = {"ended_at": event.at, "is_success": outcome.state is JobState.COMPLETED}
        if job.tasks is not None:
            promise(set(job.tasks.each()) == self.waiting_in[job.job_id], f"array {job.job_id}: elements")
            for index in job.tasks.each():
                self.parts[job.job_id, index] = Part(None, event.at, False)
            self.waiting_in[job.job_id] = set()
            self.array_ends[job.job_id] = event.at
        else:
            self._part(known, **ended)
        if not known.is_batch:
            return
        promise(outcome.cause is not Cause.REQUEUED, f"job {job.job_id} ended in order to be queued again")
        if not was_running:
            promise(not outcome.is_known, f"job {job.job_id} did not run, and ended with {outcome}")
            return
        self._check_gone(job)
        self._check_outcome(known, outcome.exit_code, outcome.signal)
        self._check_cause(known, outcome.cause)

    # ---- what really was
    def _check_gone(self, job: Job) -> None:
        run = self.sim.runs.get((job.job_id, job.attempt))
        promise(run is None or not run.has_members, f"job {job.job_id} is called over while it lives")

    def _check_outcome(self, known: Known, code: int | None, signal: int | None) -> None:
        run = self.sim.runs.get((known.job_id, known.attempt))
        expected = (None, None) if run is None else run.reported
        if self.sim.reboots > known.reboots and (code, signal) in (
            (None, None),
            expected if run is None else run.end,
        ):
            return  # what was not told before it cannot be told any more
        promise(
            (code, signal) == expected,
            f"job {known.job_id}, attempt {known.attempt}, ended with {expected}, the journal says {(code, signal)}",
        )

    def _check_cause(self, known: Known, cause: Cause) -> None:
        sim, key = self.sim, (known.job_id, known.attempt)
        run = sim.runs.get(key)
        is_right = {
            Cause.SELF: run is not None and run.end is not None and not run.hit,
            Cause.TIME_LIMIT: run is not None and run.hit == Cause.TIME_LIMIT.value,
            Cause.OUT_OF_MEMORY: run is not None and run.hit == Cause.OUT_OF_MEMORY.value,
            Cause.LAUNCH: key in sim.launch_failures,
            Cause.LOST: run is not None and run.end is not None and run.reported == (None, None),
            Cause.UNSTARTED: key in sim.uncertain,
            Cause.SCOPE: sim.scopes_ended > 0,
            Cause.REBOOT: sim.reboots > known.reboots,
            Cause.NB_PROC_MAX: False,
            Cause.DEPENDENCY: False,
            Cause.CLIENT_GONE: False,
            Cause.SIGNALLED: False,
        }
        promise(is_right.get(cause, True), f"job {known.job_id} ended for {cause.value!r}, which is not so")

    def check_launch(self, launch: b.Launch) -> None:
        """An agent is about to start an attempt."""
        key = (launch.job_id, launch.attempt)
        is_committed = key in self.starts or (launch.is_prefetched and launch.job_id in self.jobs)
        promise(is_committed, f"attempt {key} is launched, and its start was not committed")
        known = self.jobs[launch.job_id]
        variables = dict(zip(launch.variables[::2], launch.variables[1::2], strict=True))
        promise(variables["JOBD_JOB_ID"] == str(launch.job_id), "the number of another job")
        promise(variables["JOBD_ATTEMPT"] == str(launch.attempt), "the number of another attempt")
        index = variables.get("SLURM_ARRAY_TASK_ID")
        promise(index == (None if known.array_index is None else str(known.array_index)), "another's index")
        asked = self.asked.get(launch.token)
        promise(asked is None or launch.argv == asked.command, f"job {launch.job_id}: another command")

    def _check_use(self, started: list[Job]) -> None:
        """Something has started, so what it uses was free."""
        assert self.sim.server is not None
        world = self.sim.server.world
        is_late = any((job.job_id, job.attempt) in self.sim.prefetched for job in started)
        promise(is_late or world.used <= world.nb_proc, f"{world.used} procs in use, of {world.nb_proc}")
        capacity = world.capacity
        wanted = [job.spec.resources for job in started]
        if any(one.memory_bytes for one in wanted):
            promise(world.memory_used_bytes <= capacity.memory_bytes, "more memory than there is")
        if any(one.gpus for one in wanted):
            promise(world.gpus_used <= capacity.gpus, "more GPUs than there are")
            is_shared = any(count > 1 for count in world.gpus_busy.values())
            promise(self.resumptions or not is_shared, "two jobs have the same GPU")
        for name in {name for one in wanted for name, _ in one.counted}:
            promise(world.counted_used.get(name, 0) <= capacity.count(name), f"more of {name} than there are")
        for job in started:
            others = [one for one in world.holding if one != job.job_id and not self._is_lent(one)]
            is_alone = not job.spec.resources.is_exclusive or not others
            promise(is_alone or job.job_id not in world.holding, f"job {job.job_id} is not alone")

    def _is_lent(self, job_id: int) -> bool:
        assert self.sim.server is not None
        world = self.sim.server.world
        return job_id in world.paused or job_id in world.children

    # ---- dependencies, in other words than core/waits.py
    def verdict(self, dependency: Dependency, known: Known, at: float) -> bool | None:
        """True: met. False: not met. None: nobody can tell any more."""
        found = [self._term(term, known, at) for term in dependency.terms]
        if not found:
            return True
        if dependency.is_any:
            return True if True in found else None if None in found else False
        return False if False in found else None if None in found else True

    def can_never_be(self, known: Known) -> bool:
        """Whether one of the dependencies that were asked for is lost for good."""
        asked = self.asked.get(known.token)
        if asked is None:
            return True  # of what was run again: only an update can have made it wait
        for one in asked.dependencies:
            lost = [self._is_lost(term, known) for term in one.terms]
            if lost and (all(lost) if one.is_any else any(lost)):
                return True
        return False

    def _term(self, term: Term, known: Known, at: float) -> bool | None:
        if term.kind == "singleton":
            older = [
                one
                for one in self.living.values()
                if one.age < known.age and one.name == known.name and one.is_batch and not one.reopenings
            ]
            if known.is_renamed or any(one.is_renamed for one in self.jobs.values()):
                return None
            return not older
        parts = self._parts(term, known)
        if self._is_cleaned(parts) or any(part.is_reopened for part in parts):
            return None
        if term.kind == "after":
            begun = [part.started_at if part.started_at is not None else part.ended_at for part in parts]
            times = [one for one in begun if one is not None]
            asked = self.asked.get(known.token)
            if asked is not None and len(asked.begins) > 1:
                return len(times) == len(parts)  # who sets the begin time by hand sets the delay aside
            return len(times) == len(parts) and max(times) + term.delay_s <= at + 0.001
        if any(part.ended_at is None for part in parts):
            return False
        is_success = all(part.is_success for part in parts)
        return {
            "afterany": True,
            "afterok": is_success,
            "afternotok": not is_success,
            "aftercorr": is_success or self._is_without_partner(term, known),
        }[term.kind]

    def _is_lost(self, term: Term, known: Known) -> bool:
        if term.kind == "singleton":
            return False
        parts = self._parts(term, known)
        if self._is_cleaned(parts) or any(part.is_reopened for part in parts):
            return True
        has_failed = any(part.ended_at is not None and not part.is_success for part in parts)
        all_well = all(part.ended_at is not None and part.is_success for part in parts)
        return {
            "afterok": has_failed,
            "aftercorr": has_failed,
            "afternotok": all_well,
        }.get(term.kind, False)

    def _parts(self, term: Term, known: Known) -> list[Part]:
        if term.array_index is not None:
            return [self.parts.get((term.job_id, term.array_index), Part())]
        if term.job_id not in self.elements:
            other = self.jobs.get(term.job_id)
            if other is not None and other.array_index is not None:
                return [self.parts.get((other.array_id or 0, other.array_index), Part())]
            return [self.parts.get((term.job_id, None), Part())]
        if self._has_partner(term, known):
            return [self.parts.get((term.job_id, known.array_index), Part())]
        return [self.parts.get((term.job_id, index), Part()) for index in self.elements[term.job_id]]

    def _has_partner(self, term: Term, known: Known) -> bool:
        is_corr = term.kind == "aftercorr" and term.array_index is None and term.job_id in self.elements
        return is_corr and known.array_index in self.elements[term.job_id]

    def _is_without_partner(self, term: Term, known: Known) -> bool:
        is_corr = term.kind == "aftercorr" and term.array_index is None and term.job_id in self.elements
        return is_corr and known.array_index is not None and not self._has_partner(term, known)

    def _is_cleaned(self, parts: list[Part]) -> bool:
        """Whether the server may have forgotten what the ledger knows."""
        return any(part.ended_at is not None and part.ended_at < self.cleaned_before for part in parts)

    # ---- the end
    def check_the_end(self) -> None:
        """Each job, and each element, has had its one end."""
        promise(not self.living, f"jobs without an end: {sorted(self.living)}")
        for array_id, indexes in self.elements.items():
            promise(not self.waiting_in[array_id], f"array {array_id} has lost elements")
            for index in indexes:
                part = self.parts.get((array_id, index), Part())
                promise(part.ended_at is not None, f"element {array_id}_{index} has no end")
