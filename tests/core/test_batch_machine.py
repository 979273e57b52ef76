"""The rules of batch jobs, over histories that hypothesis thinks up: attempts, arrays, dependencies, gates, resources, reboots."""

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from core.histories import MET, NEVER, OPEN, History
from core.worlds import at, batch, check, empty, spec
from jobd import dependencies, indexes
from jobd.core import arrays, attempts, changes, reports, waits
from jobd.core.decisions import Start
from jobd.core.events import Ended, Event, Requeued, Resumed, Started, Suspended
from jobd.core.job import Completing, Hands, Outcome, Resources, Retry, Usage
from jobd.core.queue import Gate
from jobd.core.resources import Capacity, Room
from jobd.core.schedule import Policy, is_shielded, plan
from jobd.errors import NotEnough, ParentEnding, Refused, TooManyProcs
from jobd.states import Cause

CAPACITY = Capacity(100, 2, (("disk", 3), ("matlab", 1)))
OUTCOMES = st.one_of(
    st.sampled_from([0, 0, 0, 1, 7]).map(lambda code: Outcome(Cause.SELF, code, None)),
    st.sampled_from([9, 11]).map(lambda number: Outcome(Cause.SELF, None, number)),
    st.sampled_from([Cause.TIME_LIMIT, Cause.OUT_OF_MEMORY, Cause.LAUNCH, Cause.LOST]).map(Outcome),
)
RESOURCES = st.builds(
    Resources,
    st.sampled_from([0, 0, 10, 60, 101]),
    st.sampled_from([0, 0, 0, 1, 2]),
    st.sampled_from([(), (), (("matlab", 1),), (("disk", 2), ("matlab", 1))]),
    st.sampled_from([False, False, False, False, True]),
)
KINDS = st.sampled_from(["after", "afterany", "afterok", "afternotok", "aftercorr"])
TERM = st.tuples(KINDS, st.integers(0, 20), st.one_of(st.none(), st.none(), st.integers(0, 5)))
JOB = st.integers(0, 20)


class BatchMachine(RuleBasedStateMachine):
    """Anything that clients, the agent, people and the clock can do to batch jobs and Sallocs, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.policy = Policy(bypass_max=3, bypass_s=60.0)
        self.world = empty(4, 6, cpus=4, capacity=CAPACITY)
        self.seconds = 0.0
        self.history = History()
        self.end_counts: Counter[int] = Counter()
        self.attempts: Counter[tuple[int, int]] = Counter()
        self.last: dict[int, int] = {}  # job → the attempt that has ended last

    # ---- helpers
    @property
    def now(self):
        return at(self.seconds)

    def pick(self, index, *, is_batch=None):
        living = sorted(
            job_id for job_id, job in self.world.jobs.items() if is_batch is None or job.is_batch is is_batch
        )
        return living[index % len(living)] if living else None

    def admit(self, events: list[Event]) -> None:
        """Each event is legal, with all that follows from it, and an end is one end."""
        stack = [iter(events)]
        over = set()
        while stack:
            event = next(stack[-1], None)
            if event is None:
                stack.pop()
                continue
            if isinstance(event, Ended) and event.job_id in over:
                continue
            job = self.world.admit(event, self.now)
            self.history.add(event, job)
            if isinstance(event, Ended):
                over.add(event.job_id)
                self.end_counts[event.job_id] += 1
                self.last[event.job_id] = job.attempt
            elif isinstance(event, Requeued):
                self.last[event.job_id] = job.attempt
            elif isinstance(event, Started):
                self.attempts[event.job_id, job.attempt] += 1
            elif isinstance(event, Suspended):
                assert self.world.is_suspended(event.job_id)
            elif isinstance(event, Resumed):
                assert not self.world.is_suspended(event.job_id)
            stack.append(iter(waits.consequences(self.world, event, job, self.now)))

    def dependency(self, terms, is_any, mine=None):
        """A dependency on jobs that there are, or were; not on an array that is over and has no partner for one of `mine`."""
        known = sorted(self.history.jobs)
        chosen = []
        for kind, number, index in terms:
            if not known:
                break
            job_id = known[number % len(known)]
            tasks = self.history.tasks.get(job_id)
            has_partner = tasks is not None and mine is not None and any(map(tasks.has, mine.each()))
            if kind == "aftercorr" and tasks and job_id not in self.world.arrays and not has_partner:
                continue
            has_index = index is not None and tasks is not None and tasks.has(index)
            chosen.append(dependencies.Term(kind, job_id, index if has_index else None))
        return dependencies.Dependency(tuple(chosen), is_any and len(chosen) > 1)

    def past(self, dependency, tasks=None):
        asked = waits.unknown(self.world, dependency, tasks)
        known = {which: self.history.past(*which) for which in asked}
        return {which: found for which, found in known.items() if found is not None}

    # ---- what can happen
    @rule(nb_proc=st.integers(1, 3), parent=st.one_of(st.none(), JOB), resources=RESOURCES)
    def salloc(self, nb_proc, parent, resources):
        number = self.world.next_job_id
        parent_id = None if parent is None else self.pick(parent)
        if parent_id is not None and not self.world.jobs[parent_id].is_holding:
            parent_id = None
        wanted = spec(f"t{number}", nb_proc, pid=1000 + number, resources=resources)
        try:
            self.admit(
                reports.submitted(self.world, wanted, parent_id=parent_id, jobs_max=1000, now=self.now)
            )
        except (ParentEnding, NotEnough):
            return

    @rule(
        nb_proc=st.integers(1, 7),
        priority=st.sampled_from([0, 0, 5, -5]),
        limit_s=st.sampled_from([None, 10, 100]),
        resources=RESOURCES,
        terms=st.lists(TERM, max_size=3),
        is_any=st.booleans(),
        is_singleton=st.sampled_from([False, False, False, True]),
        name=st.sampled_from(["one", "two"]),
        is_held=st.sampled_from([False, False, False, True]),
        begin_in_s=st.sampled_from([None, None, None, 5.0, 100.0]),
        array=st.sampled_from(["", "", "0", "0-3", "1-5:2", "0-5"]),
        array_limit=st.integers(0, 2),
        retries=st.integers(0, 2),
        is_requeueable=st.booleans(),
        is_killed=st.booleans(),
    )
    def sbatch(
        self,
        nb_proc,
        priority,
        limit_s,
        resources,
        terms,
        is_any,
        is_singleton,
        name,
        is_held,
        begin_in_s,
        array,
        array_limit,
        retries,
        is_requeueable,
        is_killed,
    ):
        number = self.world.next_job_id
        asked = self.dependency(terms, is_any, indexes.parse(array, index_max=9) if array else None)
        if is_singleton:
            asked = asked._replace(terms=(*asked.terms, dependencies.Term("singleton")))
        mine = batch(
            is_held=is_held,
            begin_at=None if begin_in_s is None else self.now.wall_s + begin_in_s,
            retry=Retry(retries, ((1, 3), (137, 137)), 2 * retries),
            is_requeueable=is_requeueable,
            is_killed_on_invalid=is_killed,
            array_limit=array_limit if array else 0,
        )._replace(dependency=asked)
        wanted = spec(
            f"t{number}",
            nb_proc,
            priority=priority,
            time_limit_s=limit_s,
            resources=resources,
            name=name,
            batch=mine,
        )
        tasks = indexes.parse(array, index_max=9) if array else None
        past = self.past(asked, tasks)
        try:
            events = reports.submitted(
                self.world, wanted, parent_id=None, jobs_max=1000, now=self.now, tasks=tasks, past=past
            )
        except TooManyProcs:
            assert nb_proc > self.world.nb_proc_max
            return
        except NotEnough:
            assert resources.memory_bytes > 100
            return
        self.history.asked[number] = asked
        self.history.names[number] = name
        self.admit(events)

    @rule()
    def tick(self):
        """Plan as the server does, and look at every promise of the planner."""
        world = self.world
        world.ripen(self.now)
        while True:
            opened = world.opened
            decisions = plan(world, self.now, self.policy)
            for decision in decisions:
                if isinstance(decision, Start):
                    self.check_start(decision)
                self.admit(attempts.decided(world, decision, self.now))
            if not decisions or (isinstance(decisions[0], Start) and world.opened == opened):
                break
        assert plan(world, self.now, self.policy) == []
        self.check_nobody_waits_in_vain()

    @rule(index=JOB, pid=st.integers(1, 3))
    def launched(self, index, pid):
        job_id = self.pick(index, is_batch=True)
        if job_id is not None:
            attempt = self.world.jobs[job_id].attempt
            self.admit(attempts.launched(self.world, job_id, attempt, Hands(pid * 10000, 5), self.now))
            assert attempts.launched(self.world, job_id, attempt - 1, Hands(7, 7), self.now) == []

    @rule(index=JOB, outcome=OUTCOMES, is_over_first=st.booleans())
    def attempt_ends(self, index, outcome, is_over_first):
        job_id = self.pick(index, is_batch=True)
        if job_id is None or not self.world.jobs[job_id].is_holding:
            return
        attempt = self.world.jobs[job_id].attempt
        if is_over_first:
            self.admit(attempts.over(self.world, job_id, attempt, outcome, self.now))
            assert isinstance(self.world.jobs[job_id].phase, Completing)
            assert attempts.over(self.world, job_id, attempt, outcome, self.now) == []
        self.leave(job_id, outcome)

    def leave(self, job_id, outcome):
        job = self.world.jobs[job_id]
        args = (job_id, job.attempt, outcome, Usage(1.5, 10), self.now.wall_s, self.now)
        self.admit(attempts.left(self.world, *args))
        assert job_id not in self.world.jobs or self.world.jobs[job_id].is_waiting
        assert attempts.left(self.world, *args) == []

    @rule(index=JOB, outcome=OUTCOMES)
    def over(self, index, outcome):
        job_id = self.pick(index, is_batch=True)
        if job_id is not None:
            attempt = self.world.jobs[job_id].attempt
            self.admit(attempts.over(self.world, job_id, attempt, outcome, self.now))

    @rule(index=JOB, outcome=OUTCOMES)
    def late(self, index, outcome):
        """What is said of an attempt that is not the present one changes nothing."""
        if not self.last:
            return
        job_id = sorted(self.last)[index % len(self.last)]
        attempt = self.last[job_id]
        job = self.world.jobs.get(job_id)
        if job is not None and job.attempt != attempt:
            assert job.attempt > attempt
        args = (self.world, job_id, attempt)
        assert attempts.over(*args, outcome, self.now) == []
        assert attempts.left(*args, outcome, Usage(), 0.0, self.now) == []
        assert attempts.launched(*args, Hands(9, 9), self.now) == []

    @rule(index=JOB)
    def salloc_ends(self, index):
        job_id = self.pick(index, is_batch=False)
        if job_id is not None:
            done = Outcome(Cause.SELF, 0, None)
            self.admit(reports.exited(self.world, job_id, done, is_gone=True, now=self.now))

    @rule(picks=st.lists(JOB, min_size=1, max_size=3))
    def delete(self, picks):
        if not self.world.jobs:
            return
        job_ids = [self.pick(index) for index in picks]
        self.admit(reports.deleted(self.world, job_ids, Cause.DELETED, self.now))
        for job_id in job_ids:
            job = self.world.jobs.get(job_id)
            assert job is None or isinstance(job.phase, Completing)

    @rule(index=JOB, runs=st.sampled_from([[(0, 0, 1)], [(1, 3, 2)], [(0, 5, 1)]]))
    def delete_elements(self, index, runs):
        known = sorted(self.history.tasks)
        if not known:
            return
        array_id = known[index % len(known)]
        events, job_ids, missing = arrays.chosen(self.world, array_id, runs)
        self.admit(events)
        meant = [i for first, last, step in runs for i in range(first, last + 1, step)]
        for i in meant:
            job = self.history.of_index(array_id, i)
            is_living = job is not None and not job.is_finished
            assert is_living == (i not in missing)
            assert not is_living or self.history.of_index(array_id, i).job_id in job_ids
        self.admit(reports.deleted(self.world, job_ids, Cause.DELETED, self.now))

    @rule(
        index=JOB, what=st.sampled_from(["held", "released", "paused", "unpaused", "requeue", "requeuehold"])
    )
    def control(self, index, what):
        job_id = self.pick(index)
        if job_id is None:
            return
        try:
            if what.startswith("requeue"):
                is_held = what == "requeuehold"
                events = changes.requeued(self.world, job_id, is_held_after=is_held, now=self.now)
            else:
                events = getattr(changes, what)(self.world, job_id, self.now)
        except Refused:
            return
        self.admit(events)

    @rule(
        index=JOB,
        nb_proc=st.one_of(st.none(), st.integers(1, 4)),
        priority=st.one_of(st.none(), st.integers(-1, 1)),
        limit_s=st.sampled_from([None, 0, 20]),
        memory_bytes=st.sampled_from([None, 0, 50]),
        begin_in_s=st.sampled_from([None, None, 0.0, 50.0]),
        array_limit=st.sampled_from([None, None, 0, 1]),
        terms=st.one_of(st.none(), st.lists(TERM, max_size=2)),
    )
    def update(self, index, nb_proc, priority, limit_s, memory_bytes, begin_in_s, array_limit, terms):
        job_id = self.pick(index, is_batch=True)
        if job_id is None:
            return
        job = self.world.jobs[job_id]
        asked = None
        if terms is not None and job.array_id is None and not set(self.circle(job_id)):
            asked = self.dependency(terms, False)
            own = [term for term in asked.terms if term.job_id < job_id]
            asked = asked._replace(terms=tuple(own))
        wanted = changes.Wanted(
            priority=priority,
            nb_proc=nb_proc,
            time_limit_s=limit_s,
            memory_bytes=memory_bytes,
            begin_at=None if begin_in_s is None else self.now.wall_s + begin_in_s,
            array_limit=array_limit,
            dependency=asked,
        )
        try:
            past = {} if asked is None else self.past(asked, job.tasks)
            events = changes.updated(self.world, job_id, wanted, self.now, past)
        except Refused:
            return
        if asked is not None:
            self.history.asked[job_id] = asked
        self.admit(events)

    def circle(self, job_id):
        """Elements, for which the test keeps no dependency of their own."""
        return [1] if self.world.jobs[job_id].array_id is not None else []

    @rule(nb_proc=st.integers(0, 6))
    def set_limits(self, nb_proc):
        self.admit(reports.limits_set(self.world, nb_proc, 6, self.now))

    @rule(seconds=st.sampled_from([0.5, 5.0, 61.0]))
    def wait(self, seconds):
        self.seconds += seconds

    @precondition(lambda self: self.seconds > 60)
    @rule()
    def reboot(self):
        waiting = {
            job_id
            for job_id, job in self.world.jobs.items()
            if job.is_batch and job.is_waiting and job.parent_id is None
        }
        self.admit(attempts.rebooted(self.world, self.now))
        for job in self.world.jobs.values():
            assert job.is_batch and job.is_waiting
        alive = {job_id for job_id in waiting if job_id in self.world.jobs}
        assert all(
            self.history.jobs[job_id].phase.outcome.cause is Cause.DEPENDENCY for job_id in waiting - alive
        )
        assert not self.world.holding and self.world.used == 0

    @precondition(lambda self: self.seconds > 60)
    @rule()
    def scope_ends(self):
        self.admit(attempts.scope_ending(self.world, self.now))
        for job in self.world.jobs.values():
            assert isinstance(job.phase, Completing) or (job.is_batch and job.is_waiting)

    # ---- what must hold
    def check_start(self, start):
        world = self.world
        job = world.jobs[start.job_id]
        assert job.is_waiting
        gate = world.gates.get(start.job_id)
        if gate is not None:  # a start of this very plan took it out of sight; there is room for both
            assert gate is Gate.LIMIT
        if job.array_id is not None and world.arrays[job.array_id].limit:
            assert world.arrays[job.array_id].room > 0
        index = job.array_index if job.tasks is None else job.tasks.first
        assert self.history.verdict(job.array_id or job.job_id, index) == MET
        wanted = job.spec
        assert wanted.batch is None or not wanted.batch.is_held
        room = Room(world)
        assert room.fits(wanted.nb_proc, wanted.resources), "over capacity"
        assert not set(start.gpus) & set(world.gpus_busy) and len(start.gpus) == wanted.resources.gpus
        assert not set(start.cpus) & set(world.busy)
        if wanted.resources.is_exclusive or wanted.nb_proc > world.nb_proc:
            assert world.used == 0

    def check_nobody_waits_in_vain(self):
        world = self.world
        if world.nb_proc == 0:
            return
        passes, room = list(world.passes), Room(world)
        is_kept = False
        for key in world.waiting:
            job = world.jobs[key[2]]
            fits = room.fits(job.spec.nb_proc, job.spec.resources)
            assert is_kept or not fits, f"job {job.job_id} fits and was left waiting"
            is_kept |= not fits and is_shielded(job, passes, self.now, self.policy)

    @invariant()
    def the_maps_are_true(self):
        check(self.world)
        assert all(count == 1 for count in self.end_counts.values())
        assert all(count == 1 for count in self.attempts.values()), "an attempt is started once"
        assert set(self.end_counts) | set(self.world.jobs) == set(self.history.jobs)

    @invariant()
    def no_dependency_is_lost_or_met_before_its_time(self):
        for job in self.world.jobs.values():
            if not job.is_waiting or not job.is_batch or job.attempt:
                continue
            dependency = job.spec.batch.dependency
            now = NEVER if dependency.is_never else OPEN if dependency.terms else MET
            members = job.tasks.each() if job.tasks is not None else [job.array_index]
            for index in members:
                assert self.history.verdict(job.array_id or job.job_id, index) == now, (job, index)

    @invariant()
    def who_is_never_to_start_and_asked_for_it_has_ended(self):
        for job in self.world.jobs.values():
            if job.is_waiting and job.is_batch and job.spec.batch.dependency.is_never:
                assert not job.spec.batch.is_killed_on_invalid
                assert self.world.gates[job.job_id] in (Gate.NEVER, Gate.HELD, Gate.ENDING)

    def teardown(self):
        """Whatever has happened: let time pass, hold nobody, let all that runs end, and all comes to its end, each element once."""
        self.admit(reports.limits_set(self.world, 6, 7, self.now))
        for _ in range(400):
            if not self.world.jobs:
                break
            self.seconds += 200
            for job_id in list(self.world.jobs):
                job = self.world.jobs.get(job_id)
                if job is None or job.spec.batch is None:
                    continue
                if job.spec.batch.is_held:
                    self.admit(changes.released(self.world, job_id, self.now))
                if job_id in self.world.paused:
                    self.admit(changes.unpaused(self.world, job_id, self.now))
                if job.is_waiting and job.spec.batch.dependency.is_never:
                    self.admit(reports.deleted(self.world, [job_id], Cause.DELETED, self.now))
            self.tick()
            for job_id in sorted(self.world.holding, reverse=True):
                job = self.world.jobs.get(job_id)
                if job is None or not job.is_holding:
                    continue
                done = Outcome(Cause.SELF, 0, None)
                if job.is_batch:
                    self.leave(job_id, done)
                else:
                    self.admit(reports.exited(self.world, job_id, done, is_gone=True, now=self.now))
        assert not self.world.jobs, [
            (job.spec.batch, self.world.gates.get(i)) for i, job in self.world.jobs.items()
        ]
        assert self.world.used == 0 and self.world.in_use == Capacity()
        assert not self.world.arrays and not self.world.dependents.named
        for array_id, tasks in self.history.tasks.items():
            assert all(self.history.of_index(array_id, index).is_finished for index in tasks.each())


TestBatchMachine = BatchMachine.TestCase
TestBatchMachine.settings = settings(max_examples=200, stateful_step_count=40)
