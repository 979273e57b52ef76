"""What Scontrol does: hold, release, suspend, resume, requeue, update; and what it refuses, in one line."""

import pytest

from core.worlds import admit, at, check, empty, leaves, settle, submit, submit_batch
from jobd import dependencies
from jobd.core import changes
from jobd.core.changes import Wanted
from jobd.core.events import Changed, Ended
from jobd.core.job import Outcome, Pause, Resources, Usage
from jobd.core.queue import Gate
from jobd.core.resources import Capacity
from jobd.core.waits import Past
from jobd.errors import NoSuchJob, NotEnough, Refused, TooManyProcs
from jobd.states import Cause

CAPACITY = Capacity(1 << 30)


def update(world, job_id, now=None, past=None, **wanted):
    return admit(
        world, changes.updated(world, job_id, Wanted(**wanted), now or at(1), past or {}), now or at(1)
    )


# ---- hold and release
def test_a_held_job_is_never_started_until_it_is_released() -> None:
    world = empty(4)
    job = submit_batch(world)
    admit(world, changes.held(world, job, at(0)))
    assert settle(world) == [] and world.gates[job] is Gate.HELD
    assert changes.held(world, job, at(0)) == []
    admit(world, changes.released(world, job, at(0)))
    assert changes.released(world, job, at(0)) == []
    assert settle(world) == [job]


def test_a_whole_array_is_held_and_released() -> None:
    world = empty(4)
    array = submit_batch(world, array="0-1", is_held=True)
    assert settle(world) == []
    admit(world, changes.released(world, array, at(0)))
    assert len(settle(world)) == 2


# ---- suspend and resume
def test_a_paused_job_gives_its_procs_and_keeps_its_memory_and_its_time() -> None:
    world = empty(1, capacity=CAPACITY)
    job = submit_batch(world, time_limit_s=100, resources=Resources(1 << 30))
    settle(world)
    admit(world, changes.paused(world, job, at(40)), at(40))
    assert changes.paused(world, job, at(41)) == []
    assert world.used == 0 and world.in_use.memory_bytes == 1 << 30 and not world.ends
    other, large = submit_batch(world), submit_batch(world, resources=Resources(1))
    assert settle(world, at(50)) == [other]
    admit(world, changes.unpaused(world, job, at(70)), at(70))
    assert world.used == 2, "it goes on at once, if need be above nb_proc"
    assert world.jobs[job].phase.pause == Pause(None, 30.0)
    assert world.ends[job] == at(130).mono_s
    check(world)
    leaves(world, other, Outcome(Cause.SELF, 0))
    assert settle(world) == [] and world.jobs[large].is_waiting


def test_a_pause_that_is_open_at_the_end_is_closed_with_it() -> None:
    world = empty(1)
    job = submit_batch(world)
    settle(world)
    admit(world, changes.paused(world, job, at(10)), at(10))
    (event,) = leaves(world, job, Outcome(Cause.SELF, None, 9), at(25))
    assert isinstance(event, Ended) and event.usage == Usage()
    assert not world.paused


# ---- requeue
def test_a_requeued_job_waits_again_under_its_number_and_held_if_so_asked() -> None:
    world = empty(4)
    job = submit_batch(world)
    settle(world)
    admit(world, changes.requeued(world, job, is_held_after=True, now=at(1)))
    assert changes.requeued(world, job, is_held_after=True, now=at(1)) == []
    leaves(world, job, Outcome(Cause.SELF, None, 15))
    assert world.gates[job] is Gate.HELD
    admit(world, changes.released(world, job, at(2)))
    assert settle(world) == [job] and world.jobs[job].attempt == 2


# ---- update
def test_wishes_of_a_waiting_job_are_changed() -> None:
    world = empty(4, 8, capacity=CAPACITY)
    job = submit_batch(world, is_held=True)
    update(
        world,
        job,
        name="new",
        priority=5,
        time_limit_s=60,
        memory_bytes=4096,
        nb_proc=8,
        begin_at=at(500).wall_s,
        is_requeueable=False,
        labels=(("comment", "why"),),
    )
    spec = world.jobs[job].spec
    assert (spec.name, spec.priority, spec.time_limit_s, spec.nb_proc) == ("new", 5, 60, 8)
    assert spec.resources.memory_bytes == 4096 and spec.batch.begin_at == at(500).wall_s
    assert not spec.batch.is_requeueable and spec.batch.label("comment") == "why"
    update(world, job, time_limit_s=0)
    assert world.jobs[job].spec.time_limit_s is None
    check(world)


def test_what_is_so_already_is_no_change() -> None:
    world = empty(4)
    job = submit_batch(world, priority=3)
    assert changes.updated(world, job, Wanted(priority=3, nb_proc=1, time_limit_s=0), at(1)) == []
    assert changes.updated(world, job, Wanted(), at(1)) == []


def test_nice_is_taken_off_the_priority() -> None:
    world = empty(4)
    job = submit_batch(world, priority=10)
    update(world, job, nice=4)
    assert world.jobs[job].spec.priority == 6
    update(world, job, nice=1)
    assert world.jobs[job].spec.priority == 9 and world.jobs[job].spec.batch.nice == 1


def test_a_running_job_is_bound_anew_to_what_it_has_and_what_is_free() -> None:
    world = empty(4)
    job, other = submit_batch(world, nb_proc=2), submit_batch(world)
    settle(world)
    assert world.jobs[job].phase.cpus == (0, 1)
    update(world, job, nb_proc=3)
    assert world.jobs[job].phase.cpus == (0, 1, 3) and world.used == 4
    update(world, job, nb_proc=1)
    assert world.jobs[job].phase.cpus == (0,) and world.used == 2
    update(world, job, nb_proc=4)
    assert world.used == 5 and len(world.jobs[job].phase.cpus) == 4
    assert world.jobs[other].phase.cpus == (2,)
    check(world)


def test_a_running_job_keeps_its_processors_when_it_gets_more() -> None:
    world = empty(4)
    _, job = submit_batch(world), submit_batch(world)
    settle(world)
    assert world.jobs[job].phase.cpus == (1,)
    leaves(world, 1, Outcome(Cause.SELF, 0))
    update(world, job, nb_proc=2)
    assert world.jobs[job].phase.cpus == (0, 1)


def test_a_running_jobs_time_limit_is_counted_from_its_start() -> None:
    world = empty(4)
    job, salloc = submit_batch(world), submit(world, time_limit_s=10)
    settle(world)
    update(world, job, at(5), time_limit_s=100)
    update(world, salloc, at(5), time_limit_s=30)
    assert world.ends == {job: at(100).mono_s} and world.deadlines == {salloc: at(30).mono_s}


def test_a_new_dependency_takes_the_place_of_the_old_one() -> None:
    world = empty(1)
    first = submit_batch(world)
    job = submit_batch(world, f"afterok:{first}")
    settle(world)
    update(world, job, dependency=dependencies.parse(f"afterany:{first}"))
    assert dependencies.text_of(world.jobs[job].spec.batch.dependency) == f"afterany:{first}"
    update(world, job, dependency=dependencies.parse(""))
    assert job not in world.gates
    check(world)


def test_a_dependency_that_can_never_be_met_ends_a_job_that_asked_for_it() -> None:
    world = empty(0, 4)
    world.next_job_id = 20
    job = submit_batch(world, is_killed_on_invalid=True)
    update(world, job, dependency=dependencies.parse("afterok:7"), past={(7, None): Past(False, None, 0.0)})
    assert job not in world.jobs


def test_an_arrays_limit_is_that_of_all_its_jobs() -> None:
    world = empty(3)
    array = submit_batch(world, array="0-9", array_limit=1)
    (element,) = settle(world)
    update(world, element, array_limit=2)
    assert world.jobs[array].spec.batch.array_limit == 2
    assert len(settle(world)) == 1
    update(world, array, array_limit=0)
    assert len(settle(world)) == 1 and not world.gates
    check(world)


# ---- refused
@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        (Wanted(nb_proc=9), TooManyProcs),
        (Wanted(memory_bytes=1 << 40), NotEnough),
        (Wanted(dependency=dependencies.parse("afterok:77")), NoSuchJob),
        (Wanted(array_limit=3), Refused),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_changed(wanted, error) -> None:
    world = empty(4, 8, capacity=CAPACITY)
    job = submit_batch(world)
    before = world.jobs[job]
    with pytest.raises(error) as caught:
        changes.updated(world, job, wanted, at(1))
    assert "\n" not in str(caught.value) and world.jobs[job] is before


def test_a_job_cannot_wait_for_itself() -> None:
    world = empty(4)
    job = submit_batch(world)
    with pytest.raises(Refused, match="itself"):
        update(world, job, dependency=dependencies.parse(f"afterok:{job}"))


def test_jobs_cannot_wait_for_each_other_in_a_circle() -> None:
    world = empty(4)
    first = submit_batch(world, is_held=True)
    second = submit_batch(world, dependency=f"afterok:{first}")
    array = submit_batch(world, array="0-9", dependency=f"afterany:{second}")
    before = world.jobs[first]
    for waits_for in (second, array, f"{array}_3"):
        with pytest.raises(Refused, match="Circular job dependency"):
            update(world, first, dependency=dependencies.parse(f"after:{waits_for}"))
    with pytest.raises(Refused, match="Circular job dependency"):
        update(world, array, dependency=dependencies.parse(f"afterok:{array}_3"))
    assert world.jobs[first] is before
    update(world, second, dependency=dependencies.NO_DEPENDENCY)
    update(world, first, dependency=dependencies.parse(f"afterok:{second}"))
    assert world.jobs[first].spec.batch.dependency == dependencies.parse(f"afterok:{second}")


@pytest.mark.parametrize(
    ("wanted", "word"),
    [
        (Wanted(dependency=dependencies.NO_DEPENDENCY), "dependency"),
        (Wanted(begin_at=1.0), "begin time"),
    ],
)
def test_a_started_job_has_no_more_gates(wanted, word) -> None:
    world = empty(4)
    job = submit_batch(world)
    settle(world)
    with pytest.raises(Refused, match=f"job {job} has been started: its {word} cannot be changed"):
        changes.updated(world, job, wanted, at(1))


@pytest.mark.parametrize(
    "wanted",
    [Wanted(nice=1), Wanted(begin_at=1.0), Wanted(is_requeueable=True)],
)
def test_a_salloc_has_no_batch_wishes(wanted) -> None:
    world = empty(4)
    salloc = submit(world)
    with pytest.raises(Refused, match="no batch job"):
        changes.updated(world, salloc, wanted, at(1))


def test_a_salloc_has_labels_that_may_change() -> None:
    world = empty(4)
    salloc = submit(world)
    update(world, salloc, labels=(("comment", "x"), ("mail_type", "END")))
    settle(world)
    update(world, salloc, labels=(("comment", "y"),))
    spec = world.jobs[salloc].spec
    assert spec.labels == (("comment", "y"), ("mail_type", "END"))
    assert (spec.label("comment"), spec.label("nothing")) == ("y", "")


def test_a_running_sallocs_procs_stay() -> None:
    world = empty(4)
    salloc = submit(world)
    settle(world)
    with pytest.raises(Refused, match="its number of procs cannot be changed"):
        changes.updated(world, salloc, Wanted(nb_proc=2), at(1))
    assert isinstance(update(world, salloc, name="new")[0], Changed)


def test_each_refusal_says_why() -> None:
    world = empty(2)
    salloc, job = submit(world), submit_batch(world, is_requeueable=False)
    settle(world)
    waiting = submit_batch(world)
    element = submit_batch(world, array="0-1", priority=-1)
    for act, job_id, text in (
        (changes.held, salloc, f"job {salloc} is no batch job and cannot be held"),
        (changes.held, job, "has been started and cannot be held"),
        (changes.paused, waiting, "does not run"),
        (changes.unpaused, job, "is not suspended by Scontrol"),
        (changes.released, 99, "no job 99"),
        (changes.paused, element, f"job {element} does not run"),
    ):
        with pytest.raises(Refused, match=text):
            act(world, job_id, at(1))
    for job_id, text in ((job, "--no-requeue"), (waiting, "waits already"), (salloc, "no batch job")):
        with pytest.raises(Refused, match=text):
            changes.requeued(world, job_id, is_held_after=False, now=at(1))


def test_a_job_that_waits_for_its_children_is_not_paused() -> None:
    world = empty(4)
    job = submit_batch(world)
    settle(world)
    child = submit(world, parent=job)
    with pytest.raises(Refused, match=rf"suspended by the jobs that it has called \({child}\)"):
        changes.paused(world, job, at(1))


def test_nothing_of_a_job_that_is_being_ended_is_changed() -> None:
    world = empty(4)
    job = submit_batch(world)
    settle(world)
    admit(world, changes.requeued(world, job, is_held_after=False, now=at(1)))
    with pytest.raises(Refused, match="being ended"):
        changes.updated(world, job, Wanted(name="x"), at(1))
