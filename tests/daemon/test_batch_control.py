"""Cancel, hold, release, requeue, suspend, resume, update: each on jobs, arrays, elements and filters, good and bad."""

from typing import Any

import pytest

from daemon.houses import HELLO, House, batch, batch_id_range, left, over, rows, said, target
from jobd.errors import UsageError
from jobd.limits import IDS_MAX
from jobd.wire import batch as b
from jobd.wire import messages as m


def states(house: House) -> dict[int, str]:
    return {number: row.state for number, row in rows(house).items()}


def refused(answer: b.Affected) -> list[tuple[str, str]]:
    return [(refusal.job, refusal.error) for refusal in answer.refused]


def control(action: str, *jobs: int | str, **more: Any) -> b.Control:
    return b.Control(target(*jobs), action, **more)


# ---- cancel
def test_cancel_ends_what_lives_and_names_what_does_not(house: House) -> None:
    batch_id_range(house, "a", 3)
    (answer,) = house.tick(b.Cancel(target(1, 3, 9, "1_2")))
    assert answer.job_ids == [1, 3] and not answer.is_more
    assert refused(answer) == [("9", "NoSuchJob"), ("1_2", "NoSuchJob")]
    assert states(house) == {1: "COMPLETING", 2: "RUNNING"}
    assert over(house, 3).cause == "deleted"


def test_a_running_job_that_is_cancelled_is_killed_by_its_attempt(house: House) -> None:
    house.tick(HELLO)
    batch_id_range(house)
    house.tick(b.Cancel(target(1)))
    assert said(house, m.Kill) == [m.Kill(1, 5.0, 1, "a", "deleted")]
    house.tick(left(house, 1, None, 15))
    assert (over(house, 1).state, over(house, 1).signal) == ("CANCELLED", 15)


def test_a_waiting_array_is_cancelled_as_one(house: House) -> None:
    house.tick(m.SetLimits(0, 2))
    batch_id_range(house, array=[[0, 99_999, 1]])
    (answer,) = house.tick(b.Cancel(target(1)))
    assert answer.job_ids == [1] and not house.world.jobs


def test_the_number_of_an_array_means_all_its_elements(house: House) -> None:
    batch_id_range(house, array=[[0, 4, 1]])
    (answer,) = house.tick(b.Cancel(target(1)))
    assert answer.job_ids == [1, 2, 3] and states(house) == {2: "COMPLETING", 3: "COMPLETING"}


def test_elements_are_cancelled_alone(house: House) -> None:
    batch_id_range(house, array=[[0, 9, 1]])
    (answer,) = house.tick(b.Cancel(target("1_1", "1_[4-5]", "1_77")))
    assert refused(answer) == [("1_77", "NoSuchJob")] and len(answer.job_ids) == 3
    assert rows(house)[1].batch.tasks == "2-3,6-9"  # type: ignore[union-attr]
    assert states(house) == {2: "RUNNING", 3: "COMPLETING", 1: "PENDING"}
    (answer,) = house.tick(b.Cancel(target("1_[4-6]")))  # of a range those that are over are no mistake
    assert not answer.refused and rows(house)[1].batch.tasks == "2-3,7-9"  # type: ignore[union-attr]


def test_all_elements_that_wait_are_cancelled_as_one(house: House) -> None:
    house.tick(m.SetLimits(0, 2))
    batch_id_range(house, array=[[0, 49_999, 1]])
    (answer,) = house.tick(b.Cancel(target("1_[0-49999]")))
    assert answer.job_ids == [1] and not house.world.jobs


def test_an_array_is_not_cut_into_more_pieces_than_can_be_shown(house: House) -> None:
    house.is_checked = False
    house.tick(m.SetLimits(0, 2))
    batch_id_range(house, array=[[0, 99_999, 1]])
    every_other = b.Target([b.JobId(1, [[1, 99_999, 2]])])
    (answer,) = house.tick(b.Cancel(every_other))
    assert refused(answer) == [("1_[1-99999]", "Refused")] and len(house.world.jobs) == 1
    (answer,) = house.tick(b.Cancel(b.Target([b.JobId(1, [[1, 1999, 2]])])))
    assert len(answer.job_ids) == 1000 and not answer.refused
    (answer,) = house.tick(b.Update(b.Target([b.JobId(1, [[50_000, 60_000, 1]])]), priority=3))
    assert refused(answer) == [("1_[50000-60000]", "Refused")]
    assert len(rows(house)[1].batch.tasks) < 65_536  # type: ignore[union-attr]


def test_what_is_cancelled_may_be_chosen_by_conditions(house: House) -> None:
    batch_id_range(house, "a", name="one")
    batch_id_range(house, "b", name="two", nb_proc=2)
    batch_id_range(house, "c", name="two", labels=[["comment", "x"]])
    (answer,) = house.tick(b.Cancel(b.Target(names=["two"], states=["PENDING"])))
    assert answer.job_ids == [2]
    (answer,) = house.tick(b.Cancel(b.Target(users=["somebody"])))
    assert answer.job_ids == [] and not answer.refused
    (answer,) = house.tick(b.Cancel(b.Target(partitions=["main"], accounts=["me"], qos=["normal"])))
    assert answer.job_ids == [1, 3]


def test_a_long_list_is_cancelled_in_parts(house: House) -> None:
    house.is_checked = False
    house.tick(m.SetLimits(0, 2))
    batch_id_range(house, "a", 2500)
    (first,) = house.tick(b.Cancel(b.Target(users=["me"])))
    (second,) = house.tick(b.Cancel(b.Target(users=["me"])))
    assert (len(first.job_ids), first.is_more) == (2000, True)
    assert (len(second.job_ids), second.is_more) == (500, False) and not house.world.jobs


def test_a_long_range_of_elements_is_done_in_parts_each_but_once(house: House) -> None:
    house.is_checked = False
    house.tick(m.SetLimits(0, 2))
    batch_id_range(house, array=[[0, 9_999, 1]])
    (first,) = house.tick(control("hold", "1_[100-2899]"))
    (second,) = house.tick(control("hold", "1_[100-2899]"))
    assert (len(first.job_ids), first.is_more, len(second.job_ids), second.is_more) == (
        2000,
        True,
        800,
        False,
    )
    assert not set(first.job_ids) & set(second.job_ids)
    (answer,) = house.tick(control("hold", "1_[100-2899]"))
    assert not answer.is_more and not answer.refused
    (answer,) = house.tick(control("requeue", "1_[0-9998]"))
    assert [refusal.text for refusal in answer.refused] == ["job 1_100 waits already"] and not answer.is_more
    cancels = 0
    while house.tick(b.Cancel(target("1_[100-9998]")))[0].is_more:
        cancels += 1
    assert cancels == 4 and rows(house)[1].batch.tasks == "0-99,9999"  # type: ignore[union-attr]
    (answer,) = house.tick(b.Cancel(target("1_[100-9998]")))
    assert refused(answer) == [("1_[100-9998]", "NoSuchJob")]


def test_a_range_of_all_elements_is_done_in_parts_where_many_have_left_the_array(house: House) -> None:
    house.is_checked = False
    house.tick(m.SetLimits(0, 2))
    batch_id_range(house, array=[[0, 4_999, 1]])
    for part in ("1_[0-1499]", "1_[1500-2999]"):
        house.tick(control("hold", part))
    for action, last in (("hold", 1), ("release", 1001)):
        (answer,) = house.tick(control(action, "1_[0-9999]"))
        if answer.is_more:
            (answer,) = house.tick(control(action, "1_[0-9999]"))
        assert (len(answer.job_ids), answer.is_more) == (last, False)
    (first,) = house.tick(b.Cancel(target("1_[0-9999]")))
    (second,) = house.tick(b.Cancel(target("1_[0-9999]")))
    assert (first.is_more, len(second.job_ids), second.is_more) == (True, 1001, False)
    assert not house.world.jobs


def test_what_is_ending_already_is_not_chosen_again(house: House) -> None:
    batch_id_range(house, "a", 2)
    house.tick(b.Cancel(target(1)))
    (answer,) = house.tick(b.Cancel(b.Target(users=["me"])))
    assert answer.job_ids == [2]


@pytest.mark.parametrize(
    "wrong",
    [
        b.Cancel(b.Target()),
        b.Cancel(b.Target(states=["NOSUCH"])),
        b.Cancel(target(1), 65),
        b.Cancel(target(1), -1),
        b.Cancel(target(1), 9, "some"),
        b.Cancel(b.Target([b.JobId(1)] * 10_001)),
    ],
)
def test_a_cancel_that_makes_no_sense_is_refused(house: House, wrong: b.Cancel) -> None:
    batch_id_range(house)
    (answer,) = house.tick(wrong)
    assert isinstance(answer, UsageError) and states(house) == {1: "RUNNING"}


def test_a_range_that_makes_no_sense_is_refused_by_name(house: House) -> None:
    batch_id_range(house, array=[[0, 9, 1]])
    bad = b.Target([b.JobId(1, [[3, 1, 1]]), b.JobId(1, [[1]]), b.JobId(1, [[0, 1 << 50, 1]])])
    (answer,) = house.tick(b.Cancel(bad))
    assert [error for _, error in refused(answer)] == ["UsageError"] * 3 and not answer.job_ids


# ---- signals
@pytest.mark.parametrize(
    ("scope", "told"), [("", "steps"), ("steps", "steps"), ("batch", "batch"), ("all", "all")]
)
def test_a_signal_goes_to_the_agent_and_ends_nothing(house: House, scope: str, told: str) -> None:
    house.tick(HELLO)
    batch_id_range(house)
    house.submit("s", pid=60)
    (answer,) = house.tick(b.Cancel(target(1, 2), 10, scope))
    assert answer.job_ids == [1, 2] and states(house) == {1: "RUNNING", 2: "RUNNING"}
    assert said(house, b.Signal) == [b.Signal(1, 1, 10, told), b.Signal(2, 0, 10, told)]


def test_a_signal_to_one_that_waits_is_refused(house: House) -> None:
    batch_id_range(house, "a", 3)
    (answer,) = house.tick(b.Cancel(target(1), 10))
    assert refused(answer) == [("1", "Refused")] and "no agent" in answer.refused[0].text
    house.tick(HELLO)
    (answer,) = house.tick(b.Cancel(target(3), 10))
    assert refused(answer) == [("3", "Refused")] and "does not run" in answer.refused[0].text


def test_a_step_is_signalled_alone(house: House) -> None:
    house.tick(HELLO)
    batch_id_range(house)
    house.tick(b.Cancel(b.Target([b.JobId(1, step_id=2)])))
    assert said(house, b.Signal) == [b.Signal(1, 1, 15, "steps", 2)] and states(house) == {1: "RUNNING"}


# ---- hold and release
def test_a_held_job_does_not_start_until_it_is_released(house: House) -> None:
    batch_id_range(house, is_held=True)
    assert rows(house)[1].reason_code == "JobHeldUser"
    (answer,) = house.tick(control("release", 1))
    assert answer.job_ids == [1] and states(house) == {1: "RUNNING"}
    (answer,) = house.tick(control("hold", 1, 7))
    assert refused(answer) == [("7", "NoSuchJob"), ("1", "Refused")]


def test_to_hold_an_array_means_what_still_waits_of_it(house: House) -> None:
    batch_id_range(house, array=[[0, 4, 1]])
    (answer,) = house.tick(control("hold", 1))
    assert answer.job_ids == [1] and not answer.refused
    house.tick(left(house, 2), left(house, 3))
    assert states(house) == {1: "PENDING"}


def test_an_element_is_held_alone(house: House) -> None:
    house.tick(m.SetLimits(0, 2))
    batch_id_range(house, array=[[0, 2, 1]])
    house.tick(control("hold", "1_0"))
    house.tick(m.SetLimits(4, 4))
    assert sorted(row.state for row in rows(house).values()) == ["PENDING", "RUNNING", "RUNNING"]


# ---- requeue
def test_a_requeued_job_is_ended_and_runs_again_under_its_number(house: House) -> None:
    house.tick(HELLO)
    batch_id_range(house)
    (answer,) = house.tick(control("requeue", 1))
    assert answer.job_ids == [1] and said(house, m.Kill) == [m.Kill(1, 5.0, 1, "a", "requeued")]
    said(house, b.Launch)
    house.tick(left(house, 1, None, 15))
    (again,) = said(house, b.Launch)
    assert (again.job_id, again.attempt) == (1, 2) and states(house) == {1: "RUNNING"}
    house.journal.close()
    house.start()
    assert house.world.jobs[1].attempt == 2


def test_a_job_that_must_not_is_not_requeued(house: House) -> None:
    batch_id_range(house, is_requeueable=False)
    (answer,) = house.tick(control("requeue", 1))
    assert len(answer.refused) == 1 and states(house) == {1: "RUNNING"}


def test_a_job_may_be_held_after_it_is_requeued(house: House) -> None:
    batch_id_range(house)
    house.tick(control("requeue", 1, is_held_after=True))
    house.tick(left(house, 1, None, 15))
    assert rows(house)[1].reason_code == "JobHeldUser"
    house.journal.close()
    house.start()
    assert rows(house)[1].reason_code == "JobHeldUser"


def test_a_job_that_has_just_ended_is_queued_again_under_its_number(house: House) -> None:
    house.tick(HELLO)
    batch_id_range(house)
    house.tick(left(house, 1, 3))
    assert over(house, 1).state == "FAILED"
    said(house, b.Launch)
    (answer,) = house.tick(control("requeue", 1))
    assert answer.job_ids == [1] and not answer.refused
    (again,) = said(house, b.Launch)
    assert (again.job_id, again.attempt) == (1, 2) and states(house) == {1: "RUNNING"}
    house.journal.close()
    house.start()
    assert house.world.jobs[1].attempt == 2 and house.world.next_job_id == 2
    house.tick(left(house, 1, 0))
    assert over(house, 1).state == "COMPLETED"


def test_a_job_is_queued_again_in_the_very_tick_of_its_end(house: House) -> None:
    batch_id_range(house)
    (answer,) = house.tick(left(house, 1, 0), control("requeue", 1, is_held_after=True))
    assert answer.job_ids == [1]
    assert rows(house)[1].reason_code == "JobHeldUser" and rows(house)[1].batch.attempt == 1


def attempts(house: House, *job_ids: int) -> list[tuple[int, int, str, int | None, bool]]:
    (page,) = house.tick(b.ListAttempts(list(job_ids)))
    return [
        (one.job.job_id, one.job.batch.attempt, one.job.state, one.job.exit_code, one.is_asked)
        for one in page.attempts
    ]


def test_what_was_before_a_job_was_queued_again_is_on_record(house: House) -> None:
    batch_id_range(house)
    house.tick(left(house, 1, 7))
    house.tick(control("requeue", 1))  # of one that is over
    requeued_at = rows(house)[1].batch.requeued_at
    house.tick(control("requeue", 1))  # and of one that runs
    house.tick(left(house, 1, None, 15, cpu_s=2.5))
    assert attempts(house, 1) == [(1, 1, "FAILED", 7, True), (1, 2, "CANCELLED", None, True)]
    house.journal.close()
    house.start()
    assert rows(house)[1].batch.requeued_at is not None and rows(house)[1].batch.attempt == 3
    (page,) = house.tick(b.ListAttempts([1, 99]))
    first, second = page.attempts
    assert (
        first.job.batch.requeued_at is None
        and first.requeued_at == second.job.batch.requeued_at == requeued_at
    )
    assert second.job.batch.cpu_s == 2.5 and second.job.ended_at == second.requeued_at
    house.tick(left(house, 1, 0))
    assert len(attempts(house, 1)) == 2 and over(house, 1).batch.attempt == 3


def test_what_is_tried_again_by_itself_is_on_record(house: House) -> None:
    batch_id_range(house, retry_count=2)
    house.tick(left(house, 1, 3))
    house.tick(left(house, 1, 4))
    house.tick(left(house, 1, 0))
    assert attempts(house, 1) == [(1, 1, "FAILED", 3, False), (1, 2, "FAILED", 4, False)]
    assert over(house, 1).state == "COMPLETED"


def test_too_many_are_not_asked_for_at_once(house: House) -> None:
    (answer,) = house.tick(b.ListAttempts(list(range(IDS_MAX + 1))))
    assert isinstance(answer, UsageError)


def test_an_element_that_is_over_is_queued_again_alone(house: House) -> None:
    batch_id_range(house, array=[[0, 1, 1]])
    numbers = {row.batch.array_index: number for number, row in rows(house).items()}
    house.tick(left(house, numbers[0], 1), left(house, numbers[1], 0))
    (answer,) = house.tick(control("requeue", "1_1", "1_7"))
    assert answer.job_ids == [numbers[1]] and refused(answer) == [("1_7", "NoSuchJob")]
    assert list(states(house)) == [numbers[1]]
    house.tick(left(house, numbers[1], 0))
    assert not house.world.jobs and not house.world.arrays


@pytest.mark.parametrize("more", [{"is_requeueable": False}, {"nb_proc": 2}])
def test_what_ended_and_must_not_run_again_does_not(house: House, more: dict[str, Any]) -> None:
    batch_id_range(house, **more)
    house.tick(left(house, 1, 0))
    house.tick(m.SetLimits(1, 1))
    (answer,) = house.tick(control("requeue", 1))
    assert len(answer.refused) == 1 and not house.world.jobs


def test_what_ended_long_ago_or_never_ran_stays_over(house: House) -> None:
    batch_id_range(house)
    house.tick(left(house, 1, 0))
    batch_id_range(house, "b", is_held=True)
    house.tick(b.Cancel(target(2)))
    house.seconds += house.server.config.min_job_age_s + 1
    (answer,) = house.tick(control("requeue", 1, 2))
    assert len(answer.refused) == 2 and not house.world.jobs


# ---- suspend and resume
def test_a_suspended_job_is_stopped_and_its_procs_are_free(house: House) -> None:
    house.tick(HELLO)
    batch_id_range(house, nb_proc=2, time_limit_s=60)
    batch_id_range(house, "b", nb_proc=2)
    house.ear.told.clear()
    (answer,) = house.tick(control("suspend", 1))
    assert answer.job_ids == [1] and states(house) == {2: "RUNNING", 1: "SUSPENDED"}
    (change,) = said(house, b.Change)
    assert (change.job_id, change.attempt, change.is_paused, change.paused_s) == (1, 1, True, 0.0)
    house.seconds = 30
    house.tick(control("resume", 1))
    (change,) = said(house, b.Change)
    assert (change.is_paused, change.paused_s, change.time_limit_s) == (False, 30.0, 60)
    assert states(house)[1] == "RUNNING"
    (answer,) = house.tick(control("resume", 1))
    assert len(answer.refused) == 1


def test_an_agent_that_comes_hears_that_a_job_is_stopped(house: House) -> None:
    batch_id_range(house)
    house.tick(control("suspend", 1))
    house.tick(HELLO)
    (change,) = said(house, b.Change)
    assert change.is_paused


@pytest.mark.parametrize("action", ["", "explode", "HOLD"])
def test_an_action_that_is_none_is_refused(house: House, action: str) -> None:
    batch_id_range(house)
    (answer,) = house.tick(control(action, 1))
    assert isinstance(answer, UsageError) and "\n" not in str(answer)


# ---- update
def test_a_waiting_job_can_ask_for_something_else(house: House) -> None:
    house.tick(m.SetLimits(0, 2))
    batch_id_range(house)
    change = b.Update(
        target(1),
        name="new",
        priority=9,
        time_limit_s=60,
        memory_bytes=1 << 20,
        nb_proc=2,
        begin_at=house.server.now.wall_s + 50,
        labels=[["comment", "why"]],
    )
    (answer,) = house.tick(change)
    assert answer == b.Affected([1])
    for _ in range(2):
        row = rows(house)[1]
        assert (row.name, row.priority, row.time_limit_s, row.nb_proc) == ("new", 9, 60, 2)
        assert row.batch is not None and row.batch.memory_bytes == 1 << 20 and row.reason_code == "BeginTime"
        assert ["comment", "why"] in row.batch.labels and ["partition", "main"] in row.batch.labels
        house.journal.close()
        house.start()


def test_a_running_jobs_agent_hears_of_its_new_limits(house: House) -> None:
    house.tick(HELLO)
    batch_id_range(house, time_limit_s=60)
    house.ear.told.clear()
    house.tick(b.Update(target(1), time_limit_add_s=30, nb_proc=2))
    (change,) = said(house, b.Change)
    assert (change.attempt, change.time_limit_s, change.cpus) == (1, 90, [0, 1])
    house.tick(b.Update(target(1), time_limit_s=0))
    assert said(house, b.Change)[0].time_limit_s is None


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"nb_proc": 0},
        {"name": ""},
        {"time_limit_s": -1},
        {"time_limit_s": 5, "time_limit_add_s": 5},
        {"dependency": "nonsense"},
        {"memory_bytes": -1},
        {"begin_at": float("inf")},
        {"labels": [["x"]]},
        {"array_limit": -1},
        {"priority": 1 << 31},
    ],
)
def test_an_update_that_makes_no_sense_is_refused(house: House, wrong: dict[str, Any]) -> None:
    batch_id_range(house)
    (answer,) = house.tick(b.Update(target(1), **wrong))
    assert isinstance(answer, UsageError)


def test_an_update_that_cannot_be_is_refused_by_name(house: House) -> None:
    batch_id_range(house)
    (answer,) = house.tick(b.Update(target(1, 7), nb_proc=99))
    assert {name for name, _ in refused(answer)} == {"1", "7"} and rows(house)[1].nb_proc == 1
    (answer,) = house.tick(b.Update(target(1), time_limit_add_s=60))
    assert "no time limit" in answer.refused[0].text


# ---- dependencies
def test_a_job_waits_for_another_also_over_a_restart(house: House) -> None:
    batch_id_range(house)
    batch_id_range(house, "b", dependency="afterok:1")
    assert rows(house)[2].reason_code == "Dependency"
    house.journal.close()
    house.start()
    house.tick(left(house, 1, 0))
    assert states(house) == {2: "RUNNING"}


def test_what_is_over_is_known_to_those_who_come_later(house: House) -> None:
    batch_id_range(house, "a", 2)
    house.tick(left(house, 1, 0), left(house, 2, 1))
    batch_id_range(house, "b", dependency="afterok:1")
    batch_id_range(house, "c", dependency="afterok:2")
    assert (states(house)[3], rows(house)[4].reason_code) == ("RUNNING", "DependencyNeverSatisfied")


def test_what_ends_in_this_very_tick_is_known_too(house: House) -> None:
    batch_id_range(house)
    house.tick(left(house, 1, 0), batch("b", dependency="afterok:1"))
    assert states(house) == {2: "RUNNING"}


def test_one_that_can_never_start_is_cancelled_if_it_wants_that(house: House) -> None:
    batch_id_range(house)
    batch_id_range(house, "b", dependency="afterok:1", is_killed_on_invalid=True)
    batch_id_range(house, "c", dependency="afterany:2")
    house.tick(left(house, 1, 1))
    assert over(house, 2).state == "CANCELLED" and states(house) == {3: "RUNNING"}


def test_thousands_may_wait_for_one(house: House) -> None:
    house.is_checked = False
    batch_id_range(house)
    batch_id_range(house, "b", 2_000, dependency="afterok:1")
    house.tick(left(house, 1, 0))
    assert len(house.world.waiting) == 1_998 and not house.world.gated
