"""The rules of world, reports and plan, over histories that hypothesis thinks up."""

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from core.worlds import at, check, empty, spec
from jobd.core import attempts, reports, tree
from jobd.core.decisions import Start
from jobd.core.events import Ended, Event, Resumed, Started, Suspended
from jobd.core.job import Completing, Finished, Outcome, Running
from jobd.core.schedule import Policy, is_shielded, needed, plan
from jobd.errors import ParentEnding, TooManyProcs
from jobd.states import Cause, OnKill

OUTCOMES = st.one_of(
    st.integers(0, 255).map(lambda code: Outcome(Cause.SELF, code, None)),
    st.sampled_from([1, 2, 3, 6, 9, 11, 15, 24]).map(lambda number: Outcome(Cause.SELF, None, number)),
)
JOB = st.integers(0, 11)  # picks one of the living


class JobdMachine(RuleBasedStateMachine):
    """Anything that clients, agents, people and the clock can do, in any order, with a plan now and then."""

    ended = Bundle("ended")

    def __init__(self) -> None:
        super().__init__()
        self.policy = Policy(bypass_max=3, bypass_s=60.0)
        self.world = empty(4, 6, cpus=4)
        self.seconds = 0.0
        self.finals: dict[int, Finished] = {}
        self.starts: Counter[int] = Counter()
        self.submitted: set[int] = set()
        self.parents: dict[int, int | None] = {}

    # ---- helpers
    @property
    def now(self):
        return at(self.seconds)

    def pick(self, index):
        living = sorted(self.world.jobs)
        return living[index % len(living)] if living else None

    def admit(self, events: list[Event]) -> None:
        """Each event is legal, tells the truth about suspension, and an end is one end."""
        for event in events:
            job = self.world.admit(event, self.now)
            is_suspended = {job_id for job_id in self.world.holding if self.world.is_suspended(job_id)}
            if isinstance(event, Suspended):
                assert event.job_id in is_suspended
            elif isinstance(event, Resumed):
                assert event.job_id not in is_suspended
            elif isinstance(event, Ended):
                assert event.job_id not in self.finals
                self.finals[event.job_id] = job.phase
            elif isinstance(event, Started):
                self.starts[event.job_id] += 1
        resumed = {event.job_id for event in events if isinstance(event, Resumed)}
        for event in events:
            if isinstance(event, Ended):
                parent = self.parents[event.job_id]
                if parent in self.world.holding and not self.world.is_suspended(parent):
                    assert parent in resumed, (
                        "the last child is gone, and nobody is told that the parent goes on"
                    )

    # ---- what can happen
    @rule(
        nb_proc=st.integers(1, 7),
        priority=st.sampled_from([0, 0, 0, 5, -5]),
        limit_s=st.sampled_from([None, None, 10, 30, 100]),
        is_bound=st.booleans(),
        on_kill=st.sampled_from(OnKill),
        parent=st.one_of(st.none(), JOB),
    )
    def submit(self, nb_proc, priority, limit_s, is_bound, on_kill, parent):
        number = self.world.next_job_id
        parent_id = None if parent is None else self.pick(parent)
        phase = None if parent_id is None else self.world.jobs[parent_id].phase
        if phase is not None and not isinstance(phase, Running | Completing):
            parent_id = phase = None  # nothing is called from inside a job that has not begun
        wanted = spec(
            f"t{number}",
            nb_proc,
            priority=priority,
            time_limit_s=limit_s,
            is_bound=is_bound,
            on_kill=on_kill,
            pid=number,
        )
        try:
            events = reports.submitted(self.world, wanted, parent_id=parent_id, jobs_max=1000, now=self.now)
        except TooManyProcs:
            assert nb_proc > self.world.nb_proc_max
            return
        except ParentEnding:
            assert isinstance(phase, Completing)
            return
        assert nb_proc <= self.world.nb_proc_max and not isinstance(phase, Completing)
        self.parents[number] = parent_id
        self.submitted.add(number)
        self.admit(events)

    @rule(target=ended, index=JOB, outcome=OUTCOMES, is_gone=st.booleans())
    def exit(self, index, outcome, is_gone):
        job_id = self.pick(index)
        if job_id is None or not self.world.jobs[job_id].is_holding:
            return multiple()
        job = self.world.jobs[job_id]
        top = tree.top(self.world, job)
        family = {top.job_id, *tree.below(self.world, top.job_id)}
        below = set(tree.below(self.world, job_id))
        was_running = isinstance(job.phase, Running)
        self.admit(reports.exited(self.world, job_id, outcome, is_gone=is_gone, now=self.now))
        assert (job_id in self.finals) == is_gone
        reach = below
        if was_running and outcome.is_from_outside and job.spec.on_kill is OnKill.TREE:
            reach = family
        if was_running:
            self.assert_ending(reach | {job_id})
            self.assert_untouched(family - reach - {job_id})
        return job_id

    @rule(job_id=ended, outcome=OUTCOMES)
    def report_twice(self, job_id, outcome):
        """Whatever is said of a job that is over, or is being ended with its end known, it changes nothing."""
        job = self.world.jobs.get(job_id)
        if job is None:
            assert reports.exited(self.world, job_id, outcome, is_gone=True, now=self.now) == []
            assert reports.gone(self.world, job_id, outcome, self.now) == []
            assert reports.lost(self.world, job_id, 9, self.now) == []
            assert reports.signalled(self.world, job_id, 15, self.now) == []
        elif isinstance(job.phase, Completing) and job.phase.outcome.is_known:
            assert reports.exited(self.world, job_id, outcome, is_gone=False, now=self.now) == []
            assert reports.lost(self.world, job_id, 9, self.now) == []

    @rule(index=JOB, outcome=st.one_of(OUTCOMES, st.just(Outcome(Cause.SELF))))
    def gone(self, index, outcome):
        job_id = self.pick(index)
        if job_id is not None:
            self.admit(reports.gone(self.world, job_id, outcome, self.now))
            assert job_id in self.finals

    @rule(index=JOB)
    def lost(self, index):
        job_id = self.pick(index)
        if job_id is not None:
            job = self.world.jobs[job_id]
            self.admit(reports.lost(self.world, job_id, 9, self.now))
            if job.is_waiting:
                assert self.finals[job_id].outcome.cause is Cause.CLIENT_GONE
            else:
                self.assert_ending({job_id})

    @rule(index=JOB)
    def signalled(self, index):
        job_id = self.pick(index)
        if job_id is not None:
            was_waiting = self.world.jobs[job_id].is_waiting
            self.admit(reports.signalled(self.world, job_id, 15, self.now))
            if not was_waiting:
                self.assert_ending({job_id})

    @rule(picks=st.lists(JOB, min_size=1, max_size=4))
    def delete(self, picks):
        if self.world.jobs:
            job_ids = [self.pick(index) for index in picks]
            self.admit(reports.deleted(self.world, job_ids, Cause.DELETED, self.now))
            self.assert_ending(set(job_ids))

    @rule(nb_proc=st.integers(0, 6), nb_proc_max=st.integers(1, 7))
    def set_limits(self, nb_proc, nb_proc_max):
        too_big = {
            job.job_id
            for job in self.world.jobs.values()
            if job.is_waiting and job.spec.nb_proc > nb_proc_max
        }
        before = set(self.world.jobs)
        self.admit(reports.limits_set(self.world, nb_proc, nb_proc_max, self.now))
        assert before - set(self.world.jobs) == too_big
        assert all(self.finals[job_id].outcome.cause is Cause.NB_PROC_MAX for job_id in too_big)

    @rule(index=JOB)
    def finish_ending(self, index):
        job_id = self.pick(index)
        if job_id is not None and isinstance(self.world.jobs[job_id].phase, Completing):
            self.admit(reports.gone(self.world, job_id, Outcome(Cause.SELF), self.now))

    @rule(seconds=st.sampled_from([0.5, 10.0, 61.0]))
    def wait(self, seconds):
        self.seconds += seconds

    @rule()
    def tick(self):
        """Plan as the server does, and look at every promise of the planner."""
        world = self.world
        for _ in range(2):
            decisions = plan(world, self.now, self.policy)
            starts = [decision for decision in decisions if isinstance(decision, Start)]
            if len(starts) == len(decisions):
                break
            assert not starts  # what is overdue comes alone
            for decision in decisions:
                self.admit(reports.timed_out(world, decision.job_id, self.now))
        assert len(starts) == len(decisions)
        used_before = world.used
        for start in starts:
            job = world.jobs[start.job_id]
            self.check_start(start, job)
            self.admit(attempts.decided(world, start, self.now))
        if starts:
            assert used_before < world.used <= world.nb_proc
        assert plan(world, self.now, self.policy) == []
        self.check_nobody_waits_in_vain()

    # ---- what must hold
    def check_start(self, start, job):
        world = self.world
        assert job.is_waiting
        assert start.held == needed(world, job.spec.nb_proc)
        if job.spec.nb_proc > world.nb_proc:
            assert world.used == 0, "an exceptional job runs alone"
        may_bind = job.spec.is_bound and max(job.spec.nb_proc, world.nb_proc) <= len(world.cpus)
        assert len(start.cpus) == (job.spec.nb_proc if may_bind else 0)
        if not may_bind:
            return
        assert set(start.cpus) <= set(world.cpus)
        taken = set(world.busy)
        assert not taken & set(start.cpus), "a job that starts has processors of its own"
        lent = set()
        ancestor = world.jobs.get(job.parent_id)
        while ancestor is not None:
            if isinstance(ancestor.phase, Running):
                lent |= set(ancestor.phase.cpus)
            ancestor = world.jobs.get(ancestor.parent_id)
        assert len(lent & set(start.cpus)) == min(job.spec.nb_proc, len(lent - taken))

    def check_nobody_waits_in_vain(self):
        world = self.world
        if world.nb_proc == 0:
            return
        passes = list(world.passes)
        waiting = [world.jobs[key[2]] for key in world.waiting]
        is_kept = False  # whether procs are kept for one further ahead
        for job in waiting:
            fits = world.used + needed(world, job.spec.nb_proc) <= world.nb_proc
            assert is_kept or not fits, f"job {job.job_id} fits and was left waiting"
            is_kept |= not fits and is_shielded(job, passes, self.now, self.policy)

    def assert_ending(self, job_ids):
        for job_id in job_ids:
            job = self.world.jobs.get(job_id)
            assert job is None or isinstance(job.phase, Completing)

    def assert_untouched(self, job_ids):
        assert all(job_id in self.world.jobs for job_id in job_ids)

    @invariant()
    def the_maps_are_true(self):
        check(self.world)
        assert set(self.finals) | set(self.world.jobs) == self.submitted
        assert not set(self.finals) & set(self.world.jobs)
        assert all(count == 1 for count in self.starts.values())

    def teardown(self):
        """Whatever has happened: give it procs, let what runs without children end, and all comes to its end."""
        self.admit(reports.limits_set(self.world, 3, 7, self.now))
        for _ in range(3 * len(self.submitted) + 3):
            if not self.world.jobs:
                break
            self.seconds += 1
            self.tick()
            leaves = [
                job.job_id
                for job in self.world.jobs.values()
                if isinstance(job.phase, Running | Completing) and not self.world.is_suspended(job.job_id)
            ]
            assert leaves, "a deadlock"
            for job_id in leaves:
                if job_id in self.world.jobs:
                    done = Outcome(Cause.SELF, 0, None)
                    self.admit(reports.exited(self.world, job_id, done, is_gone=True, now=self.now))
        assert not self.world.jobs
        assert self.world.used == 0
        check(self.world)
        assert set(self.finals) == self.submitted


TestJobdMachine = JobdMachine.TestCase
TestJobdMachine.settings = settings(max_examples=250, stateful_step_count=40)
