"""When a dependency is met, when it can never be, and that it costs by those whom an event concerns."""

import pytest

from core.worlds import at, check, empty, fails, finish, settle, submit, submit_batch, succeeds
from jobd import dependencies
from jobd.core import changes, reports, waits
from jobd.core.events import Changed, Ended, Split, Started
from jobd.core.queue import Gate
from jobd.core.waits import Past
from jobd.errors import NoSuchJob
from jobd.states import Cause


def gate(world, job_id):
    return world.gates.get(job_id)


@pytest.mark.parametrize(
    ("kind", "outcome", "expected"),
    [
        ("afterany", succeeds, None),
        ("afterany", fails, None),
        ("afterok", succeeds, None),
        ("afterok", fails, Gate.NEVER),
        ("afternotok", succeeds, Gate.NEVER),
        ("afternotok", fails, None),
        ("aftercorr", succeeds, None),
        ("aftercorr", fails, Gate.NEVER),
    ],
)
def test_the_end_of_a_job_meets_a_term_or_makes_it_impossible(kind, outcome, expected) -> None:
    world = empty(4)
    first = submit_batch(world)
    second = submit_batch(world, f"{kind}:{first}")
    assert settle(world) == [first] and gate(world, second) is Gate.DEPENDENCY
    outcome(world, first)
    assert gate(world, second) is expected
    assert settle(world) == ([second] if expected is None else [])
    check(world)


def test_after_is_met_by_the_start_and_delays_from_it() -> None:
    world = empty(1)
    first = submit_batch(world)
    at_once, later = submit_batch(world, f"after:{first}"), submit_batch(world, f"after:{first}+2")
    assert settle(world, at(10)) == [first]
    assert gate(world, at_once) is None and gate(world, later) is Gate.BEGIN
    assert world.jobs[later].spec.batch.begin_at == at(10 + 120).wall_s


def test_after_is_met_by_a_cancel_too_and_not_by_a_second_start() -> None:
    world = empty(1)
    first = submit_batch(world)
    second = submit_batch(world, f"after:{first}")
    finish(world, first, reports.deleted(world, [first], Cause.DELETED, at(1)))
    assert gate(world, second) is None


def test_a_job_that_is_cancelled_while_it_waits_was_no_success() -> None:
    world = empty(0, 4)
    first = submit_batch(world)
    ok, not_ok = submit_batch(world, f"afterok:{first}"), submit_batch(world, f"afternotok:{first}")
    finish(world, first, reports.deleted(world, [first], Cause.DELETED, at(1)))
    assert gate(world, ok) is Gate.NEVER and gate(world, not_ok) is None


def test_a_job_that_is_queued_again_has_not_ended() -> None:
    world = empty(1)
    first = submit_batch(world)
    second = submit_batch(world, f"afterany:{first}")
    settle(world)
    finish(world, first, changes.requeued(world, first, is_held_after=True, now=at(1)))
    succeeds(world, first)
    assert world.jobs[first].is_waiting and gate(world, second) is Gate.DEPENDENCY


def test_all_terms_must_be_met_or_with_a_question_mark_one() -> None:
    world = empty(4)
    one, two = submit_batch(world), submit_batch(world)
    every = submit_batch(world, f"afterok:{one},afterok:{two}")
    some = submit_batch(world, f"afternotok:{one}?afterok:{two}")
    settle(world)
    succeeds(world, one)
    assert gate(world, every) is Gate.DEPENDENCY and gate(world, some) is Gate.DEPENDENCY
    assert dependencies.text_of(world.jobs[every].spec.batch.dependency) == f"afterok:{two}"
    succeeds(world, two)
    assert gate(world, every) is None and gate(world, some) is None


def test_any_is_impossible_only_when_all_are() -> None:
    world = empty(4)
    one, two = submit_batch(world), submit_batch(world)
    some = submit_batch(world, f"afterok:{one}?afterok:{two}")
    settle(world)
    fails(world, one)
    assert gate(world, some) is Gate.DEPENDENCY
    fails(world, two)
    assert gate(world, some) is Gate.NEVER


def test_one_that_can_never_start_ends_if_it_was_so_asked_and_those_behind_it_too() -> None:
    world = empty(4)
    first = submit_batch(world)
    chain = [first]
    for _ in range(50):
        chain.append(submit_batch(world, f"afterok:{chain[-1]}", is_killed_on_invalid=True))
    settle(world)
    ended = [event for event in fails(world, first) if isinstance(event, Ended)]
    assert [event.job_id for event in ended] == chain
    assert {event.outcome.cause for event in ended[1:]} == {Cause.DEPENDENCY} and not world.jobs


# ---- arrays
def test_an_array_has_ended_when_all_its_elements_have() -> None:
    world = empty(4)
    array = submit_batch(world, array="0-2")
    waiting = submit_batch(world, f"afterok:{array}")
    for job_id in settle(world):
        assert gate(world, waiting) is Gate.DEPENDENCY
        succeeds(world, job_id)
    assert gate(world, waiting) is None


def test_the_first_element_that_fails_settles_afterok_and_turns_afternotok_into_afterany() -> None:
    world = empty(4)
    array = submit_batch(world, array="0-2")
    ok, not_ok = submit_batch(world, f"afterok:{array}"), submit_batch(world, f"afternotok:{array}")
    one, two, three = settle(world)
    fails(world, one)
    assert gate(world, ok) is Gate.NEVER
    assert dependencies.text_of(world.jobs[not_ok].spec.batch.dependency) == f"afterany:{array}"
    succeeds(world, two), succeeds(world, three)
    assert gate(world, not_ok) is None


def test_an_array_has_begun_when_all_its_elements_have() -> None:
    world = empty(1)
    array = submit_batch(world, array="0-1")
    waiting = submit_batch(world, f"after:{array}")
    (one,) = settle(world)
    assert gate(world, waiting) is Gate.DEPENDENCY
    succeeds(world, one)
    settle(world)
    assert gate(world, waiting) is None


def test_an_element_can_be_named_split_off_or_not() -> None:
    world = empty(1)
    array = submit_batch(world, array="0-2")
    (element,) = settle(world)
    by_index, by_number = submit_batch(world, f"afterok:{array}_0"), submit_batch(world, f"afterok:{element}")
    still_in_it = submit_batch(world, f"afterok:{array}_2")
    succeeds(world, element)
    assert gate(world, by_index) is None and gate(world, by_number) is None
    assert gate(world, still_in_it) is Gate.DEPENDENCY
    check(world)


def test_the_elements_of_aftercorr_follow_their_partners_one_by_one() -> None:
    world = empty(3)
    first = submit_batch(world, array="0-2", priority=9)
    second = submit_batch(world, f"aftercorr:{first}", array="0-3")
    jobs = settle(world)
    (split, changed) = [event for event in succeeds(world, jobs[1]) if isinstance(event, Split | Changed)]
    assert split.element.array_index == 1 and gate(world, split.element.job_id) is None
    assert changed.job_id == split.element.job_id
    events = fails(world, jobs[0])
    (split,) = [event for event in events if isinstance(event, Split)]
    assert split.element.array_index == 0 and gate(world, split.element.job_id) is Gate.NEVER
    # The last partner's end lets its element go, and the one without a partner, which now is the array.
    succeeds(world, jobs[2])
    assert gate(world, second) is None and world.jobs[second].tasks.text == "3"
    check(world)


def test_a_waiting_array_that_is_cancelled_whole_settles_what_waits_for_its_elements() -> None:
    world = empty(0, 4)
    array = submit_batch(world, array="0-9")
    element = submit_batch(world, f"afterany:{array}_5")
    partners = submit_batch(world, f"after:{array},aftercorr:{array}", array="2-3")
    finish(world, array, reports.deleted(world, [array], Cause.DELETED, at(1)))
    assert gate(world, element) is None and gate(world, partners) is Gate.NEVER
    check(world)


def test_two_arrays_that_follow_one_are_split_with_numbers_of_their_own() -> None:
    world = empty(1)
    first = submit_batch(world, array="0-2")
    arrays = [submit_batch(world, f"aftercorr:{first}", array="0-2") for _ in range(2)]
    (one,) = settle(world)
    splits = [event for event in succeeds(world, one) if isinstance(event, Split)]
    assert [split.array_id for split in splits] == arrays
    assert len({split.element.job_id for split in splits}) == 2
    check(world)


def test_elements_that_end_for_their_partners_take_those_with_them_that_follow_them() -> None:
    world = empty(1)
    first = submit_batch(world, array="0-2")
    more = {"array": "0-2", "is_killed_on_invalid": True}
    second, third = [submit_batch(world, f"aftercorr:{first}", **more) for _ in range(2)]
    fourth, fifth = [submit_batch(world, f"aftercorr:{i}", **more) for i in (second, third)]
    (one,) = settle(world)
    ended = {event.job_id for event in fails(world, one) if isinstance(event, Ended)}
    assert len(ended) == 5
    assert all(world.jobs[i].tasks.text == "1-2" for i in (second, third, fourth, fifth))
    check(world)


def test_a_term_that_falls_away_takes_nothing_from_another_on_the_same_job() -> None:
    world = empty(2)
    array = submit_batch(world, array="0-1")
    submit_batch(world, f"aftercorr:{array},afterany:{array}", array="0-2")
    one, two = settle(world)
    (split,) = [event for event in succeeds(world, one) if isinstance(event, Split)]
    check(world)
    element = split.element.job_id
    left = world.jobs[element].spec.batch.dependency
    assert dependencies.text_of(left) == f"afterany:{array}" and gate(world, element) is Gate.DEPENDENCY
    succeeds(world, two)
    assert gate(world, element) is None


def test_one_that_needs_a_success_or_a_failure_of_an_array_starts_after_it() -> None:
    world = empty(2)
    array = submit_batch(world, array="0-1")
    waiting = submit_batch(world, f"afterok:{array}?afternotok:{array}")
    one, two = settle(world)
    fails(world, one)
    assert gate(world, waiting) is Gate.DEPENDENCY
    succeeds(world, two)
    assert gate(world, waiting) is None


def test_a_delay_does_not_bring_a_begin_time_forward() -> None:
    world = empty(1)
    first = submit_batch(world)
    job = submit_batch(world, f"after:{first}+1", begin_at=at(500).wall_s)
    settle(world)
    assert world.jobs[job].spec.batch.begin_at == at(500).wall_s


# ---- singleton
def test_elements_are_as_old_as_their_array() -> None:
    """Also when the one that has taken its number is gone, and the others have higher numbers than the singleton."""
    world = empty(4)
    array = submit_batch(world, array="0-2", name="a")
    job = submit_batch(world, "singleton", name="a")
    one, two, last = settle(world)
    assert last == array < job < one < two
    for element in (last, two, one):
        assert gate(world, job) is Gate.DEPENDENCY
        succeeds(world, element)
    assert settle(world) == [job]


def test_singletons_of_a_name_go_one_after_the_other() -> None:
    world = empty(4)
    names = ["a", "a", "b", "a"]
    one, two, other, three = [submit_batch(world, "singleton", name=name) for name in names]
    assert settle(world) == [one, other]
    succeeds(world, one)
    assert settle(world) == [two] and gate(world, three) is Gate.DEPENDENCY


def test_a_rename_lets_the_next_singleton_go() -> None:
    world = empty(0, 4)
    first, second = submit_batch(world, name="a"), submit_batch(world, "singleton", name="a")
    third = submit_batch(world, "singleton", name="a")
    finish(world, first, changes.updated(world, first, changes.Wanted(name="b"), at(1)))
    assert gate(world, second) is None and gate(world, third) is Gate.DEPENDENCY
    check(world)


# ---- what is over already
@pytest.mark.parametrize(
    ("text", "is_success", "expected"),
    [
        ("afterok:7", True, None),
        ("afterok:7", False, Gate.NEVER),
        ("afternotok:7", False, None),
        ("afterany:7_3", False, None),
        ("after:7+1", True, Gate.BEGIN),
    ],
)
def test_of_those_that_are_over_the_journal_tells(text, is_success, expected) -> None:
    world = empty(4)
    world.next_job_id = 20
    (asked,) = waits.unknown(world, dependencies.parse(text))
    past = {asked: Past(is_success, at(0).wall_s, at(5).wall_s)}
    job = submit_batch(world, text, past=past, now=at(30))
    assert gate(world, job) is expected
    if expected is Gate.BEGIN:
        assert world.jobs[job].spec.batch.begin_at == at(60).wall_s


def test_what_was_too_late_when_it_was_asked_for_ends_at_once_if_it_was_so_asked() -> None:
    world = empty(4)
    world.next_job_id = 20
    past = {(7, None): Past(False, None, 0.0)}
    job = submit_batch(world, "afterok:7", past=past, is_killed_on_invalid=True)
    assert job not in world.jobs


@pytest.mark.parametrize("text", ["afterok:7", "afterany:7_3", "aftercorr:7", "after:7"])
def test_a_job_that_nobody_knows_is_refused_in_slurms_words(text) -> None:
    world = empty(4)
    with pytest.raises(NoSuchJob, match="Job dependency problem: no job 7"):
        submit_batch(world, text, array="0-3")


def test_partners_that_are_over_let_their_elements_go_at_the_submission() -> None:
    world = empty(4)
    first = submit_batch(world, array="0-3")
    jobs = settle(world)
    fails(world, jobs[0]), succeeds(world, jobs[1])
    past = {
        (first, None): Past(False, 0.0, 1.0),
        (first, 0): Past(False, 0.0, 1.0),
        (first, 1): Past(True, 0.0, 1.0),
    }
    asked = set(waits.unknown(world, dependencies.parse(f"aftercorr:{first}"), world.jobs[jobs[2]].tasks))
    assert asked == {(first, None)}
    second = submit_batch(world, f"aftercorr:{first}", array="0-3", past=past)
    elements = world.arrays[second].by_index
    assert gate(world, elements[0]) is Gate.NEVER and gate(world, elements[1]) is None
    assert world.jobs[second].tasks.text == "2-3" and gate(world, second) is Gate.DEPENDENCY
    check(world)


def test_an_array_of_which_one_has_failed_before_is_known_to_have_failed() -> None:
    world = empty(4)
    array = submit_batch(world, array="0-1")
    one, _ = settle(world)
    fails(world, one)
    assert waits.unknown(world, dependencies.parse(f"afterok:{array}")) == [(array, None)]
    assert gate(world, submit_batch(world, f"afterok:{array}")) is Gate.NEVER
    fresh = empty(4)  # after a restart only the journal knows
    for job in world.jobs.values():
        fresh.add(job, at(0))
    fresh.next_job_id = world.next_job_id
    late = submit_batch(fresh, f"afterok:{array}", past={(array, None): Past(False, 0.0, 1.0)})
    assert gate(fresh, late) is Gate.NEVER


# ---- cost
class _Counting(dict):
    """A world's jobs, which counts how often one is looked up."""

    count = 0

    def __getitem__(self, key):
        self.count += 1
        return super().__getitem__(key)


def test_an_event_looks_only_at_those_whom_it_concerns() -> None:
    world = empty(1)
    array = submit_batch(world, array="0-999")
    for index in range(1000):
        submit_batch(world, f"afterok:{array}_{index}")
        submit_batch(world, f"afterany:{array}")
        submit_batch(world, "singleton", name="x")
    (element,) = settle(world)
    counting = _Counting(world.jobs)
    world.jobs = counting
    succeeds(world, element)
    assert counting.count < 60


def test_thousands_who_wait_for_one_are_each_judged_once() -> None:
    world = empty(1)
    first = submit_batch(world)
    waiting = [submit_batch(world, f"afterok:{first}") for _ in range(2000)]
    settle(world)
    events = succeeds(world, first)
    assert [event.job_id for event in events if isinstance(event, Changed)] == waiting
    assert len(events) == 2001 and not world.gated


def test_nobody_waits_for_most_jobs_and_then_nothing_is_looked_at() -> None:
    world = empty(2)
    salloc, other = submit(world), submit_batch(world)
    submit_batch(world, f"afterok:{other}")
    settle(world)
    event = Started(salloc, 0.0, (), 1, False)
    assert waits.consequences(world, event, world.jobs[salloc], at(0)) == []
