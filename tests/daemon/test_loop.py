"""The tick and its verbs, asked one by one. What happens when things break is in tests/sim."""

import logging
from typing import Any

import pytest

from core.worlds import at
from daemon.houses import (
    HELLO,
    UID,
    House,
    agent,
    submission,
)
from jobd.daemon.inputs import AgentSaid, Subscribed
from jobd.daemon.recover import ended_by_reboot
from jobd.errors import JournalError, NoSuchJob, Refused, Stopping, TooManyProcs, UsageError
from jobd.wire import messages as m


# ---- submissions
def test_a_submission_that_fits_is_running_in_its_answer(house: House) -> None:
    row = house.submit()
    assert (row.job_id, row.state, row.cpus) == (1, "RUNNING", [0])
    assert house.submit("b", 2).state == "PENDING"


def test_a_repeated_submission_is_the_same_job(house: House) -> None:
    first, again = house.tick(submission(), submission())
    assert first.job == again.job
    assert house.submit().job_id == 1 and len(house.world.jobs) == 1


@pytest.mark.parametrize("is_again", [False, True])
def test_a_submission_that_is_repeated_after_its_end_is_answered_with_the_end(
    house: House, is_again: bool
) -> None:
    """Its answer was lost, and the job was deleted before it asked again: the client need not know that it repeats itself."""
    house.tick(m.SetLimits(0, 2))
    house.submit()
    house.tick(m.Delete([1]))
    row = house.submit(is_again=is_again)
    assert (row.job_id, row.state, row.cause) == (1, "CANCELLED", "deleted")
    assert not house.world.jobs and house.world.next_job_id == 2


def test_one_that_comes_and_goes_in_one_tick_is_one_job_too(house: House) -> None:
    house.tick(m.SetLimits(0, 2))
    first, gone, again = house.tick(submission(), m.Delete([1]), submission())
    assert (first.job.state, gone.job_ids, again.job.job_id) == ("CANCELLED", [1], 1)
    assert house.submit("b").job_id == 2


def test_a_child_is_known_by_its_ancestors_or_by_its_claim(house: House) -> None:
    house.submit(pid=50)
    child = house.submit("b", pid=5000)  # 5000 → 50
    assert (child.parent_id, child.root_id) == (1, 1)
    claimed = house.submit("c", pid=60, claimed_job_id=1, claimed_server_id="here")
    assert claimed.parent_id == 1
    stranger = house.submit("d", pid=61, claimed_job_id=1, claimed_server_id="elsewhere")
    assert stranger.parent_id is None


def test_a_child_inherits_the_priority_of_its_parent(house: House) -> None:
    house.submit(pid=50, priority=7)
    assert house.submit("b", pid=5000).priority == 7
    assert house.submit("c", pid=5001, priority=1).priority == 1


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        ({"token": ""}, UsageError, "token"),
        ({"token": "a b"}, UsageError, "token"),
        ({"token": "é"}, UsageError, "token"),
        ({"token": "a" * 65}, UsageError, "token"),
        ({"nb_proc": 0}, UsageError, "at least 1"),
        ({"nb_proc": 3}, TooManyProcs, "nb_proc_max is 2"),
        ({"command": []}, UsageError, "command"),
        ({"command": ["x" * 5000]}, UsageError, "command"),
        ({"name": "x" * 300}, UsageError, "too long"),
        ({"cwd": "/\0"}, Refused, "zero byte"),
        ({"priority": 2**31}, UsageError, "priority"),
        ({"time_limit_s": 0}, UsageError, "time limit"),
        ({"on_kill": "all"}, UsageError, "tree or below"),
    ],
)
def test_a_submission_that_makes_no_sense_is_refused_and_named(house: House, wrong, error, words) -> None:
    (answer,) = house.tick(submission()._replace(**wrong))
    assert type(answer) is error and words in str(answer)
    assert not house.world.jobs


def test_a_server_that_stops_keeps_what_comes_in_its_last_tick(house: House) -> None:
    house.submit()
    done, granted = house.tick(m.Stop(), submission("b"))
    assert done == m.Done() and granted.job.job_id == 2
    assert house.server.is_done and {1, 2} <= set(house.world.jobs)


def test_a_server_that_ends_all_jobs_takes_no_more(house: House) -> None:
    house.submit()
    done, refused = house.tick(m.Stop(True), submission("b"))
    assert done == m.Done() and isinstance(refused, Stopping)


def test_a_server_that_kills_stops_when_nobody_is_left(house: House) -> None:
    house.submit(), house.submit("b", 2)
    house.tick(m.Stop(True))
    assert not house.server.is_done and list(house.world.jobs) == [1]
    house.tick(m.Ended(1, "a", None, 15, True))
    assert house.server.is_done


# ---- ends
def test_an_end_told_twice_or_by_a_stranger_means_nothing(house: House) -> None:
    house.submit()
    for wrong in (m.Ended(1, "b", 0, None, True), m.Ended(7, "a", 0, None, True)):
        assert house.tick(wrong) == [m.Noted()] and 1 in house.world.jobs
    assert house.tick(m.Killed(1, "b", 15)) == [m.Done()] and 1 in house.world.jobs
    for _ in range(2):
        assert house.tick(m.Ended(1, "a", 5, None, True)) == [m.Noted()]
    (page,) = house.tick(m.ListJobs(is_finished=True))
    assert [(row.job_id, row.exit_code) for row in page.rows] == [(1, 5)]


@pytest.mark.parametrize(("code", "number"), [(None, None), (0, 9)])
def test_an_end_is_a_code_or_a_signal(house: House, code, number) -> None:
    house.submit()
    (answer,) = house.tick(m.Ended(1, "a", code, number, True))
    assert isinstance(answer, UsageError) and 1 in house.world.jobs


def test_a_deletion_names_all_that_end_and_nobody_else(house: House) -> None:
    house.submit(pid=50)
    house.tick(m.SetLimits(0, 2))
    house.submit("b", pid=5000, on_kill="below")
    (answer,) = house.tick(m.Delete([2]))
    assert answer == m.Deleted([2])
    assert 1 in house.world.jobs and not house.world.is_suspended(1)


def test_a_deletion_of_one_that_does_not_live_deletes_none(house: House) -> None:
    house.submit()
    (answer,) = house.tick(m.Delete([1, 42]))
    assert isinstance(answer, NoSuchJob) and "no job 42" in str(answer)
    assert type(house.world.jobs[1].phase).__name__ == "Running"


def test_a_lowered_limit_names_whom_it_cancels(house: House) -> None:
    house.submit(nb_proc=2), house.submit("b", 2), house.submit("c", 1)
    (status,) = house.tick(m.SetLimits(None, 1))
    assert (status.cancelled, status.nb_proc, status.nb_proc_max) == ([2], 2, 1)


@pytest.mark.parametrize("limits", [(-1, None), (2**21, None), (None, 0), (None, 2**21)])
def test_impossible_limits_are_refused(house: House, limits) -> None:
    (answer,) = house.tick(m.SetLimits(*limits))
    assert isinstance(answer, UsageError) and house.world.nb_proc == 2


# ---- the agent
def test_an_agent_that_comes_is_told_all_that_it_should_know(house: House) -> None:
    house.submit(), house.submit("b", 2)
    house.tick(m.Delete([1]))
    house.tick(HELLO)
    watch, kill = house.ear.told
    assert [(job.job_id, job.token) for job in watch.jobs] == [(1, "a"), (2, "b")]
    assert kill == m.Kill(1, 5.0, 0, "a", "deleted")


def test_an_agent_that_tells_of_a_job_long_over_is_told_to_forget_it(house: House) -> None:
    house.tick(HELLO)
    house.tick(agent(m.Gone(7, True, 0, None)))
    assert house.ear.told == [m.Watch("here", []), m.Forget(7)]


def test_a_hello_in_the_tick_of_a_full_disk_makes_the_agent_do_nothing(house: House) -> None:
    house.submit()

    def full(**_: Any) -> None:
        raise JournalError("disk full")

    house.journal.commit = full  # type: ignore[method-assign]
    with pytest.raises(JournalError):
        house.tick(m.Delete([1]), HELLO)
    assert house.ear.told == [] and len(house.ear.replies) == 1
    assert b"JournalError" in house.ear.replies[0][1]


def test_a_scope_that_ends_takes_all_jobs_along(house: House) -> None:
    house.submit(), house.submit("b", 2)
    house.tick(agent(m.ScopeEnding()))
    assert list(house.world.jobs) == [1] and house.world.jobs[1].phase.outcome.cause.value == "shutdown"


def test_nonsense_of_an_agent_is_dropped(house: House) -> None:
    house.submit()
    house.tick(AgentSaid(b"x", b"\xc1"), agent(m.Gone(99, False, None, None)), agent(m.Lost(99, 9)))
    assert list(house.world.jobs) == [1]


# ---- time
def test_what_is_overdue_ends_with_its_waiting_children_and_others_start_in_the_same_tick(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.submit("a", 2, pid=50, time_limit_s=10)
    house.submit("b", 2, pid=60, priority=5)
    house.submit("c", 1, pid=5000)
    assert house.server.wake_at_s == at(10).mono_s
    house.seconds = 10
    with caplog.at_level(logging.WARNING):
        house.tick(m.Ended(2, "b", 0, None, True))
    assert not caplog.records
    assert list(house.world.jobs) == [1] and house.server.wake_at_s is None


# ---- reading
def test_pages_show_every_living_job_once_in_the_order_of_the_queue(house: House) -> None:
    house.submit("a", pid=50), house.submit("b", pid=5000)
    for number in range(7):
        house.submit(f"c{number}", 2, priority=number % 3)
    seen, cursor = [], ""
    while True:
        (page,) = house.tick(m.ListJobs(cursor, rows_max=2))
        seen += [row.job_id for row in page.rows]
        cursor = page.cursor
        if not cursor:
            break
    waiting = [key[2] for key in house.world.waiting]
    assert seen == [2, 1, *waiting]


def test_finished_jobs_are_paged_newest_first(house: House) -> None:
    for number in range(5):
        house.seconds = number
        row = house.submit(f"t{number}")
        house.tick(m.Ended(row.job_id, row.token, 0, None, True))
    seen, cursor = [], ""
    for _ in range(9):
        (page,) = house.tick(m.ListJobs(cursor, rows_max=2, is_finished=True))
        seen += [row.job_id for row in page.rows]
        cursor = page.cursor
        if not cursor:
            break
    assert seen == [5, 4, 3, 2, 1]


@pytest.mark.parametrize("cursor", ["x", "1 1.e999", "0 " + "9" * 400, "-1.e400", "1 2 3 4 5 x", "9" * 5000])
def test_a_cursor_that_no_page_gave_is_refused(house: House, cursor: str) -> None:
    for is_finished in (False, True):
        (answer,) = house.tick(m.ListJobs(cursor, is_finished=is_finished))
        assert isinstance(answer, UsageError) and "no cursor" in str(answer)


def test_events_are_numbered_without_gaps_and_can_be_asked_for(house: House) -> None:
    house.submit()
    house.tick(m.Ended(1, "a", 0, None, True))
    (page,) = house.tick(m.ListEvents(0))
    assert [(event.seq, event.kind) for event in page.events] == [
        (1, "submitted"),
        (2, "started"),
        (3, "ended"),
    ]
    assert [event for _, event in house.ear.published] == page.events
    (page,) = house.tick(m.ListEvents(2, 1))
    assert ([event.seq for event in page.events], page.oldest_seq, page.last_seq) == ([3], 1, 3)


def test_who_subscribes_to_a_job_hears_how_it_stands(house: House) -> None:
    house.submit(), house.submit("b", 2)
    house.tick(m.Ended(1, "a", 0, None, True))
    house.ear.published.clear()
    house.tick(*(Subscribed(topic) for topic in (b"job.1.", b"job.2.", b"job.9.", b"job.", b"\xff")))
    stands = [(topic, event.job and event.job.state) for topic, event in house.ear.published]
    assert stands == [(b"job.1.now", "COMPLETED"), (b"job.2.now", "RUNNING"), (b"job.9.now", None)]


def test_a_journal_that_cannot_be_read_is_the_askers_trouble_alone(house: House) -> None:
    house.submit()

    def unreadable(*_: Any, **__: Any) -> Any:
        raise JournalError("cannot read")

    house.journal._read = unreadable  # type: ignore[method-assign]
    events, finished, status = house.tick(m.ListEvents(0), m.ListJobs(is_finished=True), m.Ask())
    assert isinstance(events, JournalError) and isinstance(finished, JournalError) and status.used == 1
    house.tick(Subscribed(b"job.9."))


# ---- strangers and nonsense
@pytest.mark.parametrize("uid", [UID + 1, 65534])
def test_a_stranger_is_refused(house: House, uid: int) -> None:
    (answer,) = house.tick(m.Ask(), uid=uid)
    assert isinstance(answer, Refused) and "somebody else" in str(answer)


# ---- restarts
def test_a_reboot_ends_every_job_with_its_own_cause(house: House) -> None:
    house.submit(pid=50), house.submit("b", 1, pid=5000), house.submit("c", 2)
    house.journal.commit(events=(), new_jobs=(), changed_jobs=(), meta={"boot_id": "before"})
    house.journal.close()
    house.start()
    assert ended_by_reboot(house.world, house.journal, "before", at(9)) == []
    house.server.admit(ended_by_reboot(house.world, house.journal, "boot", at(9)))
    house.tick()
    assert not house.world.jobs
    (page,) = house.tick(m.ListJobs(is_finished=True))
    assert {row.state for row in page.rows} == {"NODE_FAIL"} and len(page.rows) == 3


def test_limits_and_numbers_are_remembered(house: House) -> None:
    house.tick(m.SetLimits(7, 9))
    house.submit(nb_proc=3)
    house.tick(m.Ended(1, "a", 0, None, True))
    house.journal.close()
    house.start()
    assert (house.world.nb_proc, house.world.nb_proc_max, house.world.next_job_id) == (7, 9, 2)


def test_a_first_start_gives_out_as_many_procs_as_there_are_processors(house: House) -> None:
    assert (house.world.nb_proc, house.world.nb_proc_max) == (2, 2)
