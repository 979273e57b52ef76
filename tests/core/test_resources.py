"""Memory, GPUs, counted resources and the whole machine: who fits, who waits, who gets which."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.worlds import SUCCESS, admit, at, batch, check, empty, settle, spec, submit, submit_batch, succeeds
from jobd import indexes
from jobd.core import changes, reports
from jobd.core.job import Job, Resources, Waiting
from jobd.core.resources import Capacity, Room
from jobd.core.schedule import Policy, plan
from jobd.errors import NotEnough

GIB = 1 << 30
CAPACITY = Capacity(8 * GIB, 4, (("disk", 3), ("matlab", 1)))
RESOURCES = st.builds(
    Resources,
    st.sampled_from([0, 0, 2 * GIB, 5 * GIB]),
    st.integers(0, 3),
    st.sampled_from([(), (("disk", 2),), (("disk", 1), ("matlab", 1))]),
    st.booleans(),
)


def gpus(world, job_id):
    return world.jobs[job_id].phase.gpus


@pytest.mark.parametrize(
    "asked",
    [
        Resources(5 * GIB),
        Resources(gpus=3),
        Resources(counted=(("matlab", 1),)),
        Resources(is_exclusive=True),
    ],
)
def test_what_does_not_fit_beside_the_others_waits(asked) -> None:
    world = empty(8, capacity=CAPACITY)
    first, second = submit_batch(world, resources=asked), submit_batch(world, resources=asked)
    assert settle(world) == [first]
    succeeds(world, first)
    assert settle(world) == [second]
    check(world)


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        (Resources(9 * GIB), "9 GiB of memory asked for, and there are 8 GiB"),
        (Resources(gpus=5), "5 GPUs asked for, and there are 4"),
        (Resources(counted=(("matlab", 2),)), "2 of 'matlab' asked for, and there are 1"),
        (Resources(counted=(("nope", 1),)), "1 of 'nope' asked for, and there are 0"),
    ],
)
def test_more_than_there_is_is_refused_at_the_submission(asked, text) -> None:
    world = empty(8, capacity=CAPACITY)
    with pytest.raises(NotEnough, match=text):
        submit_batch(world, resources=asked)
    assert world.next_job_id == 1


def test_memory_that_is_not_known_is_not_counted() -> None:
    world = empty(8)
    for _ in range(3):
        submit_batch(world, resources=Resources(1 << 50))
    assert len(settle(world)) == 3


def test_each_job_has_gpus_of_its_own() -> None:
    world = empty(8, capacity=CAPACITY)
    one, two, three = [submit_batch(world, resources=Resources(gpus=n)) for n in (1, 2, 1)]
    settle(world)
    assert (gpus(world, one), gpus(world, two), gpus(world, three)) == ((0,), (1, 2), (3,))
    succeeds(world, two)
    four = submit_batch(world, resources=Resources(gpus=1))
    settle(world)
    assert gpus(world, four) == (1,)


def test_a_child_gets_the_gpus_and_the_memory_that_its_parent_lends() -> None:
    world = empty(8, capacity=CAPACITY)
    all_of_it = Resources(8 * GIB, 4, (("matlab", 1),))
    stranger = submit_batch(world, resources=Resources(gpus=1))
    settle(world)
    succeeds(world, stranger)
    parent = submit_batch(world, resources=all_of_it)
    settle(world)
    child = submit(world, parent=parent, resources=Resources(4 * GIB, 2, (("matlab", 1),)))
    assert settle(world) == [child] and gpus(world, child) == (0, 1)
    assert world.in_use == Capacity(4 * GIB, 2, (("matlab", 1),))
    check(world)


def test_an_exclusive_job_is_alone_and_has_all_processors() -> None:
    world = empty(4)
    small = submit(world)
    settle(world)
    alone = submit_batch(world, resources=Resources(is_exclusive=True))
    assert settle(world) == []
    admit(
        world, reports.exited(world, small, reports.Outcome(reports.Cause.SELF, 0), is_gone=True, now=at(1))
    )
    assert settle(world) == [alone] and world.used == 4 and world.jobs[alone].phase.cpus == ()
    admit(world, reports.limits_set(world, 8, 8, at(1)))
    submit(world)
    assert settle(world) == [], "also not when there are more procs than at its start"
    check(world)


def test_a_small_job_passes_one_that_waits_for_memory_and_not_for_ever() -> None:
    world = empty(8, capacity=CAPACITY)
    first = submit_batch(world, resources=Resources(5 * GIB))
    settle(world)
    large = submit_batch(world, resources=Resources(4 * GIB))
    small = [submit_batch(world, resources=Resources(GIB)) for _ in range(3)]
    assert settle(world, policy=Policy(2, 60.0)) == small[:2]
    succeeds(world, first)
    assert settle(world, policy=Policy(2, 60.0)) == [large, small[2]]


def test_a_job_was_not_passed_by_one_that_a_plan_starts_from_before_it() -> None:
    world = empty(6)
    submit(world, 3)
    settle(world)
    _, passing = submit(world, 4), submit(world)
    assert settle(world, policy=Policy(2, 1e6)) == [passing]
    admit(world, reports.exited(world, passing, SUCCESS, is_gone=True, now=at(5)))
    submit(world, 6, priority=2, now=at(10))
    one, two = submit(world, priority=1, now=at(10)), submit(world, now=at(10))
    assert [start.job_id for start in plan(world, at(10), Policy(2, 1e6))] == [one, two]


def test_what_ends_before_the_memory_is_free_may_still_pass() -> None:
    world = empty(4, capacity=CAPACITY)
    submit_batch(world, resources=Resources(6 * GIB), time_limit_s=100)
    settle(world)
    submit_batch(world, resources=Resources(4 * GIB), time_limit_s=10)
    long = submit_batch(world, resources=Resources(GIB), time_limit_s=101)
    short = submit_batch(world, resources=Resources(GIB), time_limit_s=100)
    assert settle(world, policy=Policy(0, 60.0)) == [short] and world.jobs[long].is_waiting


def test_what_can_never_fit_any_more_holds_nobody_back() -> None:
    world = empty(4, capacity=CAPACITY)
    stuck = submit_batch(world, resources=Resources(gpus=4))
    smaller = empty(4, capacity=Capacity(8 * GIB, 1))
    smaller.add(world.jobs[stuck], at(0))
    smaller.next_job_id = 2
    assert len([submit_batch(smaller) for _ in range(3)]) == len(
        settle(smaller, at(1000), policy=Policy(0, 0.0))
    )
    assert smaller.jobs[stuck].is_waiting and not smaller.passes


def test_what_a_running_job_asks_for_may_change_and_is_counted() -> None:
    world = empty(4, capacity=CAPACITY)
    job = submit_batch(world, resources=Resources(GIB))
    settle(world)
    admit(world, changes.updated(world, job, changes.Wanted(memory_bytes=3 * GIB), at(1)))
    assert world.in_use.memory_bytes == 3 * GIB
    check(world)


WANTED = st.lists(
    st.tuples(
        st.integers(1, 5), RESOURCES, st.sampled_from([None, 10, 50]), st.integers(0, 1), st.integers(0, 3)
    ),
    max_size=10,
)


def filled(wanted, order=None):
    world = empty(4, 6, capacity=CAPACITY)
    jobs = []
    for number, (n, resources, limit_s, priority, count) in enumerate(wanted, 1):
        tasks = indexes.of(set(range(count))) if count else None
        asked = spec(
            f"t{number}", n, priority=priority, time_limit_s=limit_s, resources=resources, batch=batch()
        )
        array_id = number if count else None
        jobs.append(Job(number, None, number, 0.0, asked, Waiting(), 0, array_id, None, tasks))
    for job in jobs if order is None else order.sample(jobs, len(jobs)):
        world.add(job, at(0))
    world.next_job_id = len(jobs) + 1
    return world


@given(WANTED, st.randoms())
def test_the_order_of_insertion_changes_nothing(wanted, random) -> None:
    assert plan(filled(wanted), at(1), Policy()) == plan(filled(wanted, random), at(1), Policy())


@given(WANTED)
def test_nothing_is_handed_out_twice_and_what_fits_does_not_wait(wanted) -> None:
    world = filled(wanted)
    settle(world)
    check(world)
    use = world.in_use
    assert world.used <= 4 and use.memory_bytes <= CAPACITY.memory_bytes and use.gpus <= CAPACITY.gpus
    assert all(count <= CAPACITY.count(name) for name, count in use.counted)
    assert all(count == 1 for count in (*world.gpus_busy.values(), *world.busy.values()))
    room = Room(world)
    assert not any(
        room.fits(world.jobs[key[2]].spec.nb_proc, world.jobs[key[2]].spec.resources) for key in world.waiting
    )
    assert plan(world, at(0), Policy()) == []


@given(WANTED)
def test_everything_starts_at_last(wanted) -> None:
    world = filled(wanted)
    total = sum(max(1, count) for *_, count in wanted)
    for _ in range(total):
        settle(world)
        assert world.holding, "a deadlock"
        succeeds(world, min(world.holding))
        if not world.jobs:
            break
    assert not world.jobs and world.in_use == Capacity() and not world.arrays


def test_a_reckoning_ahead_changes_only_itself() -> None:
    world = empty(4, capacity=CAPACITY)
    room = Room(world)
    asked = Resources(8 * GIB, 4, (("disk", 3),))
    assert room.fits(4, asked)
    room.take(4, asked)
    assert room.missing(Resources(GIB)) == "1 GiB of 1 GiB of memory"
    assert room.missing(Resources(gpus=2)) == "2 of 2 GPUs" and room.missing(Resources(0)) == ""
    room.give(4, asked)
    assert room.fits(4, asked) and world.used == 0
