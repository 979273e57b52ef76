"""Who starts, and when: order, passing, shields, backfill, exceptional jobs, processors."""

from hypothesis import given, settings
from hypothesis import strategies as st

from core.worlds import admit, at, carry_out, check, empty, running, settle, spec, submit
from jobd.core import reports
from jobd.core.decisions import TimeOut
from jobd.core.job import Job, Outcome, Waiting
from jobd.core.schedule import Policy, _expected_start_s, is_shielded, plan
from jobd.states import Cause

SIZES = st.integers(1, 6)
DONE = Outcome(Cause.SELF, 0, None)


def finish(world, job_id, now=None):
    admit(world, reports.exited(world, job_id, DONE, is_gone=True, now=now or at(0)), now)


def started_in_order(world):
    """The order in which all that wait start, each alone."""
    admit(world, reports.limits_set(world, 1, 9, at(0)))
    order = []
    while world.jobs:
        (job_id,) = settle(world)
        order.append(job_id)
        finish(world, job_id)
    return order


# ---- order
def test_a_higher_priority_goes_first_then_age() -> None:
    world = empty(0, 9)
    low, first, second, high = (submit(world, priority=p) for p in (-1, 0, 0, 7))
    assert started_in_order(world) == [high, first, second, low]


def test_children_stand_at_the_place_of_their_root() -> None:
    world = empty(1)
    parent = submit(world)
    settle(world)
    stranger = submit(world)
    child = submit(world, parent=parent)
    assert [key[2] for key in world.waiting] == [child, stranger]
    assert settle(world) == [child]


def test_a_tree_that_has_begun_is_finished_before_younger_ones() -> None:
    world = empty(1)
    old, young = submit(world), submit(world)
    settle(world)
    children = [submit(world, parent=old) for _ in range(3)]
    for child in children:
        assert settle(world) == [child]
        finish(world, child)
    assert settle(world) == []  # the parent is back
    finish(world, old)
    assert settle(world) == [young]


@given(
    st.lists(st.tuples(SIZES, st.sampled_from([None, 10, 50]), st.sampled_from([0, 1])), max_size=12),
    st.randoms(),
)
def test_the_order_of_insertion_changes_nothing(wanted, random) -> None:
    jobs = [
        Job(
            number,
            None,
            number,
            0.0,
            spec(f"t{number}", n, time_limit_s=limit, priority=p, pid=number),
            Waiting(),
        )
        for number, (n, limit, p) in enumerate(wanted, 1)
    ]
    plans = []
    for order in (jobs, random.sample(jobs, len(jobs))):
        world = empty(4, 6)
        for job in order:
            world.add(job, at(0))
        world.next_job_id = len(jobs) + 1
        check(world)
        plans.append(plan(world, at(1), Policy()))
    assert plans[0] == plans[1]


# ---- passing
def test_a_small_job_passes_a_large_one_that_does_not_fit() -> None:
    world = empty(4)
    submit(world, 3)
    settle(world)
    large, small = submit(world, 2), submit(world, 1)
    assert settle(world) == [small]
    assert [key[2] for key in world.waiting] == [large]
    assert len(world.passes) == 1


@given(bypass_max=st.integers(0, 20), large=st.integers(2, 6), seconds=st.sampled_from([0.0, 1.0, 30.0]))
def test_no_job_starves_behind_a_stream_of_small_ones(bypass_max: int, large: int, seconds: float) -> None:
    world = empty(4, 6)
    policy = Policy(bypass_max, 60.0)
    small = [submit(world) for _ in range(4)]
    settle(world, at(0), policy)
    big = submit(world, large)
    clock, passes = 0.0, 0
    while not world.jobs[big].is_holding:
        clock += seconds
        finish(world, small.pop(0), at(clock))
        small.append(submit(world, now=at(clock)))
        passes += len([job_id for job_id in settle(world, at(clock), policy) if job_id != big])
        small = [job_id for job_id in small if world.jobs[job_id].is_holding] or small
        assert passes <= bypass_max
    if seconds:
        assert clock <= 60.0 + (passes + 5) * seconds
    check(world)


def test_what_waits_longer_than_bypass_s_since_its_first_pass_is_shielded() -> None:
    world = empty(2)
    submit(world)
    settle(world)
    submit(world, 2)
    passing = submit(world)
    assert settle(world, at(10)) == [passing]
    finish(world, passing)
    submit(world)
    assert settle(world, at(70)) == []
    finish(world, min(world.holding))
    assert settle(world, at(70)) == [2]


def test_one_who_came_later_was_not_passed_by_those_before() -> None:
    world = empty(2)
    first = submit(world)
    settle(world)
    submit(world, 2)
    submit(world)
    settle(world, at(1))
    late = submit(world, 2, now=at(100))
    passes = list(world.passes)
    assert is_shielded(world.jobs[2], passes, at(100), Policy())
    assert not is_shielded(world.jobs[late], passes, at(100), Policy())
    assert first in world.holding


# ---- exceptional jobs
def test_an_exceptional_job_runs_alone() -> None:
    world = empty(4, 8)
    small, large = submit(world), submit(world, 8)
    assert settle(world) == [small]
    finish(world, small)
    assert settle(world) == [large]
    assert world.used == 4
    submit(world)
    assert settle(world) == []


def test_nothing_starts_while_nb_proc_is_0() -> None:
    world = empty(0, 4)
    submit(world), submit(world, 4)
    assert settle(world) == []


def test_lowering_nb_proc_kills_nothing_and_makes_no_room() -> None:
    world = empty(4, 4)
    large = submit(world, 4)
    settle(world)
    admit(world, reports.limits_set(world, 1, 4, at(0)))
    submit(world)
    assert world.used == 4 and settle(world) == [] and large in world.holding


def test_raising_nb_proc_makes_no_running_job_small() -> None:
    world = empty(2, 8)
    large = submit(world, 8)
    settle(world)
    admit(world, reports.limits_set(world, 8, 8, at(0)))
    assert world.used == 8
    submit(world)
    assert settle(world) == []
    finish(world, large)
    assert settle(world)


# ---- suspended and resumed
def test_a_parent_counts_as_free_while_it_has_children() -> None:
    world = empty(4)
    parent = submit(world, 4)
    settle(world)
    child = submit(world, 4, parent=parent)
    assert world.used == 0
    assert settle(world) == [child]


def test_a_resumed_parent_may_exceed_nb_proc_and_then_nothing_starts() -> None:
    world = empty(2)
    parent = submit(world, 2)
    settle(world)
    child, stranger = submit(world, parent=parent), submit(world)
    assert settle(world) == [child, stranger]
    finish(world, child)
    assert world.used == 3
    submit(world)
    assert settle(world) == []
    finish(world, stranger)
    assert world.used == 2 and settle(world) == []


@settings(max_examples=60)
@given(st.data(), st.integers(1, 4))
def test_no_tree_deadlocks_whatever_the_sizes(data, nb_proc: int) -> None:
    """Every job that begins asks for children first, and ends only when they have ended."""
    world = empty(nb_proc, 6)
    for _ in range(data.draw(st.integers(1, 3))):
        submit(world, data.draw(SIZES), priority=data.draw(st.sampled_from([0, 0, 2, -2])))
    total = len(world.jobs)
    while world.jobs:
        for job_id in settle(world):
            for _ in range(data.draw(st.integers(0, 2)) if total < 25 else 0):
                submit(
                    world, data.draw(SIZES), parent=job_id, priority=data.draw(st.sampled_from([0, 0, 2, -2]))
                )
                total += 1
        check(world)
        leaves = running(world)
        assert leaves or any(job.is_waiting and plan(world, at(0), Policy()) for job in world.jobs.values())
        if leaves:
            finish(world, data.draw(st.sampled_from(sorted(leaves))))
    assert world.used == 0


# ---- time limits
def test_what_is_overdue_comes_alone_and_its_waiting_children_never_start() -> None:
    world = empty(1)
    parent = submit(world, time_limit_s=10)
    settle(world)
    blocker = submit(world, priority=1)
    child = submit(world, parent=parent)
    assert settle(world) == [blocker]
    finish(world, blocker)
    assert plan(world, at(10), Policy()) == [TimeOut(parent)]
    assert settle(world, at(10)) == []
    assert child not in world.jobs


def test_a_job_that_is_ended_for_its_limit_has_no_deadline_any_more() -> None:
    world = empty(1)
    submit(world, time_limit_s=10)
    settle(world)
    settle(world, at(11))
    assert world.deadlines == {} and plan(world, at(99), Policy()) == []


@settings(max_examples=150)
@given(
    st.lists(st.tuples(st.integers(1, 4), st.sampled_from([5, 10, 20, 40])), min_size=4, max_size=16),
    st.integers(0, 3),
)
def test_backfill_never_delays_the_shielded_job(wanted, bypass_max: int) -> None:
    """All limits known, all run to their limit: the first shielded job starts no later than if nobody had passed it."""
    policy = Policy(bypass_max, 1e6)
    world = empty(4)
    for n, limit_s in wanted:
        submit(world, n, time_limit_s=limit_s)
    clock = 0.0
    promised: dict[int, float] = {}
    while world.jobs:
        settle(world, at(clock), policy)
        blocked = [world.jobs[key[2]] for key in world.waiting]
        if blocked and is_shielded(blocked[0], list(world.passes), at(clock), policy):
            latest_s = _expected_start_s(world, blocked[0], [])
            assert latest_s is not None
            promised.setdefault(blocked[0].job_id, latest_s)
        for job_id, latest_s in promised.items():
            has_started = job_id not in world.jobs or not world.jobs[job_id].is_waiting
            assert has_started or at(clock).mono_s < latest_s
        if world.deadlines:
            clock = min(world.deadlines.values()) - at(0).mono_s
            for job_id in [i for i, end_s in world.deadlines.items() if end_s <= at(clock).mono_s]:
                finish(world, job_id, at(clock))
    check(world)


def test_what_ends_before_a_shielded_job_could_start_may_still_pass() -> None:
    world = empty(2)
    submit(world, time_limit_s=100)
    settle(world)
    submit(world, 2, time_limit_s=100)
    long, short = submit(world, time_limit_s=200), submit(world, time_limit_s=50)
    assert settle(world, policy=Policy(0, 60.0)) == [short]
    assert not world.passes and long in world.jobs


def test_without_known_limits_nothing_passes_a_shielded_job() -> None:
    world = empty(2)
    submit(world)
    settle(world)
    submit(world, 2)
    submit(world, time_limit_s=1)
    assert settle(world, policy=Policy(0, 60.0)) == []


# ---- processors
def test_jobs_have_processors_of_their_own() -> None:
    world = empty(4)
    ids = [submit(world, n) for n in (1, 2, 1)]
    settle(world)
    cpus = [world.jobs[job_id].phase.cpus for job_id in ids]
    assert cpus == [(0,), (1, 2), (3,)]


def test_a_child_gets_the_processors_that_its_ancestors_have_lent() -> None:
    world = empty(4)
    submit(world)
    parent = submit(world, 2)
    settle(world)
    child = submit(world, 1, parent=parent)
    settle(world)
    grandchild = submit(world, 2, parent=child)
    settle(world)
    assert world.jobs[parent].phase.cpus == (1, 2)
    assert world.jobs[child].phase.cpus == (1,)
    assert world.jobs[grandchild].phase.cpus == (1, 2)


def test_strangers_get_lent_processors_last() -> None:
    world = empty(4)
    parent = submit(world, 2)
    settle(world)
    submit(world, parent=parent, priority=-9)
    stranger = submit(world, 2)
    settle(world)
    assert world.jobs[stranger].phase.cpus == (2, 3)


def test_nobody_is_bound_where_nb_proc_is_larger_than_the_number_of_processors() -> None:
    world = empty(8, 8, cpus=4)
    job = submit(world, 2)
    settle(world)
    assert world.jobs[job].phase.cpus == ()


def test_one_who_does_not_want_it_is_not_bound() -> None:
    world = empty(4)
    job = submit(world, 2, is_bound=False)
    settle(world)
    assert world.jobs[job].phase.cpus == () and world.busy == {}


def test_planning_twice_adds_nothing() -> None:
    world = empty(4)
    for n in (3, 2, 1, 4):
        submit(world, n)
    carry_out(world, plan(world, at(0), Policy()), at(0))
    assert plan(world, at(0), Policy()) == []
