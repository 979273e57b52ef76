"""Steps, scripts, cleaning, and pages with batch jobs in them."""

import pytest

from core.worlds import at
from daemon.houses import (
    HELLO,
    SCRIPT,
    House,
    agent,
    batch_id_range,
    left,
    rows,
    said,
    target,
)
from jobd.errors import NoSuchJob, ParentEnding, Refused, UsageError
from jobd.wire import batch as b
from jobd.wire import messages as m


def begin(job_id: int = 1, token: str = "s") -> b.StepBegin:
    return b.StepBegin(job_id, token, "work", ["./work", "1"], 2)


def steps(house: House, *job_ids: int) -> list[tuple[int, int, int, bool, int | None]]:
    (page,) = house.tick(b.ListSteps(list(job_ids)))
    return [(s.job_id, s.attempt, s.step_id, s.ended_at is not None, s.exit_code) for s in page.steps]


def test_steps_are_numbered_from_0_in_each_job(house: House) -> None:
    batch_id_range(house, "a", 2)
    answers = house.tick(begin(1, "x"), begin(1, "y"), begin(2, "z"))
    assert [answer.step_id for answer in answers] == [0, 1, 0]
    assert answers[0].job.job_id == 1 and answers[0].server_id == "here"
    assert steps(house, 1, 2) == [(1, 1, 0, False, None), (1, 1, 1, False, None), (2, 1, 0, False, None)]


@pytest.mark.parametrize("is_restarted", [False, True])
def test_the_same_token_is_the_same_step(house: House, is_restarted: bool) -> None:
    batch_id_range(house)
    first, again = house.tick(begin(), begin())
    if is_restarted:
        house.journal.close()
        house.start()
    (third,) = house.tick(begin())
    assert first.step_id == again.step_id == third.step_id == 0
    (other,) = house.tick(begin(1, "t"))
    assert other.step_id == 1


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_step_ends_once(house: House, is_restarted: bool) -> None:
    batch_id_range(house)
    house.tick(begin())
    if is_restarted:
        house.journal.close()
        house.start()
    done, again = house.tick(b.StepEnd(1, "s", 3, None, 1.5, 4096), b.StepEnd(1, "s", 0, None))
    assert done == again == m.Done() and steps(house, 1) == [(1, 1, 0, True, 3)]
    assert house.tick(b.StepEnd(1, "nosuch", 0, None), b.StepEnd(9, "s", 0, None)) == [m.Done()] * 2


def test_a_step_that_lives_when_its_job_is_over_is_closed_with_it(house: House) -> None:
    batch_id_range(house)
    house.tick(begin())
    house.tick(left(house, 1))
    assert steps(house, 1) == [(1, 1, 0, True, None)]
    house.tick(b.StepEnd(1, "s", 3, None))
    assert steps(house, 1) == [(1, 1, 0, True, None)]


def test_a_job_that_runs_again_has_steps_of_its_new_attempt(house: House) -> None:
    batch_id_range(house, retry_count=1)
    house.tick(begin())
    house.tick(left(house, 1, 1))
    (answer,) = house.tick(begin(1, "t"))
    assert answer.step_id == 0
    assert steps(house, 1) == [(1, 1, 0, True, None), (1, 2, 0, False, None)]


def test_a_salloc_may_have_steps_too(house: House) -> None:
    house.submit()
    (answer,) = house.tick(begin())
    assert answer.step_id == 0
    house.tick(m.Ended(1, "a", 0, None, True))
    assert steps(house, 1)[0][3]


def test_a_step_of_what_does_not_run_is_refused(house: House) -> None:
    batch_id_range(house, "a", 3)
    house.tick(b.Cancel(target(1)))
    answers = house.tick(begin(1), begin(3), begin(9))
    assert [type(answer) for answer in answers] == [ParentEnding, Refused, NoSuchJob]


@pytest.mark.parametrize(
    "wrong",
    [
        begin(1, ""),
        begin(1, "a b"),
        begin()._replace(ntasks=0),
        begin()._replace(name="x" * 300),
        begin()._replace(command=["x" * 5000]),
        b.StepEnd(1, "s", 256, None),
        b.StepEnd(1, "s", None, -1),
        b.StepEnd(1, "s", 0, None, -1.0),
        b.StepEnd(1, "", 0, None),
        b.ListSteps([1] * 10_001),
    ],
)
def test_steps_that_make_no_sense_are_refused(house: House, wrong) -> None:
    batch_id_range(house)
    (answer,) = house.tick(wrong)
    assert isinstance(answer, UsageError) and not steps(house, 1)


# ---- scripts
def test_a_script_can_be_read_while_the_job_lives_and_after(house: House) -> None:
    batch_id_range(house)
    assert house.tick(b.ReadScript(1)) == [b.Script(SCRIPT.data)]
    house.tick(left(house, 1))
    assert house.tick(b.ReadScript(1)) == [b.Script(SCRIPT.data)]
    batch_id_range(house, "b", script="")
    house.submit("c", pid=60)
    answers = house.tick(b.ReadScript(2), b.ReadScript(3), b.ReadScript(9))
    assert answers[0] == b.Script(b"") and [type(answer) for answer in answers[1:]] == [Refused, NoSuchJob]


# ---- cleaning
def test_only_what_ended_before_is_forgotten(house: House) -> None:
    batch_id_range(house, "a", 2)
    house.seconds = 10
    house.tick(left(house, 1, ended_at=at(5.0).wall_s))
    house.tick(left(house, 2, ended_at=at(9.0).wall_s))
    assert house.tick(b.Clean(at(7.0).wall_s)) == [b.Cleaned(1)]
    assert list(rows(house, is_finished=True)) == [2]
    assert house.tick(b.Clean(at(20.0).wall_s, [1, 7])) == [b.Cleaned(0)]
    assert house.tick(b.Clean(at(20.0).wall_s, [2])) == [b.Cleaned(1)]
    assert not house.journal.has_blobs([SCRIPT.key])


def test_what_a_job_of_this_tick_needs_is_not_cleaned_away(house: House) -> None:
    batch_id_range(house)
    house.tick(left(house, 1))
    accepted, cleaned = house.tick(b.Rerun([1]), b.Clean(at(5000.0).wall_s))
    assert accepted.job_ids == [2] and cleaned == b.Cleaned(1)
    assert house.tick(b.ReadScript(2)) == [b.Script(SCRIPT.data)]


# ---- pages
def test_what_cannot_start_yet_is_listed_after_the_queue(house: House) -> None:
    batch_id_range(house, "a", is_held=True)
    batch_id_range(house, "b", 3)
    batch_id_range(house, "c", dependency="afterok:2", priority=99)
    seen, cursor = [], ""
    for _ in range(9):
        (page,) = house.tick(m.ListJobs(cursor, rows_max=2))
        seen += [row.job_id for row in page.rows]
        cursor = page.cursor
        if not cursor:
            break
    assert seen == [2, 3, 4, 5, 1]


def test_pages_can_be_asked_for_by_name_state_and_array(house: House) -> None:
    batch_id_range(house, "a", name="x", array=[[0, 3, 1]])
    batch_id_range(house, "b", name="y")
    assert set(rows(house, names=["x"])) == {1, 2, 3}
    members = set(rows(house, job_ids=[1], is_with_arrays=True))
    assert members == {1, 2, 3}
    assert set(rows(house, job_ids=[1])) == {1}
    assert set(rows(house, states=["PENDING"])) == {1, 4}
    for number in sorted(members - {1}):
        house.tick(left(house, number, 1))
    done = rows(house, is_finished=True, job_ids=[1], is_with_arrays=True)
    assert set(done) == members - {1}
    assert set(rows(house, is_finished=True, names=["x"], states=["FAILED"])) == members - {1}
    assert not rows(house, is_finished=True, names=["y"])
    assert not rows(house, is_finished=True, since_s=at(10_000.0).wall_s)


def test_pages_of_asked_numbers_go_on_where_they_stopped(house: House) -> None:
    batch_id_range(house, "a", 5)
    house.tick(b.Cancel(b.Target(states=["PENDING"])))
    for is_finished, expected in ((False, [1, 2]), (True, [3, 4, 5])):
        seen, cursor = [], ""
        for _ in range(9):
            (page,) = house.tick(m.ListJobs(cursor, 1, [1, 2, 3, 4, 5], is_finished=is_finished))
            seen += [row.job_id for row in page.rows]
            cursor = page.cursor
            if not cursor:
                break
        assert seen == expected


def test_the_machine_is_described_with_what_is_in_use(house: House) -> None:
    house.tick(HELLO)
    batch_id_range(house, memory_bytes=1 << 20)
    (node,) = house.tick(b.AskNode())
    assert (node.nb_proc, node.used, node.cpus) == (2, 1, [0, 1])
    assert node.cluster == "local" and node.partitions == ["main"] and node.version == "0"
    assert said(house, b.Launch)


def test_to_stop_with_all_jobs_ends_waiting_ones_and_kills_the_others(house: House) -> None:
    house.tick(HELLO)
    batch_id_range(house, "a", 4)
    batch_id_range(house, "b", array=[[0, 99, 1]])
    house.tick(m.Stop(True))
    assert sorted(house.world.jobs) == [1, 2] and not house.server.is_done
    assert {kill.job_id for kill in said(house, m.Kill)} == {1, 2}
    house.tick(left(house, 1, None, 15), left(house, 2, None, 15))
    assert house.server.is_done
    assert {row.cause for row in rows(house, is_finished=True).values()} == {"shutdown"}


def test_what_was_to_be_queued_again_does_not_keep_a_server_that_stops(house: House) -> None:
    house.tick(HELLO)
    batch_id_range(house, "a", 2, retry_count=5)
    house.tick(b.Control(target(1), "requeue"), agent(b.Over(2, 1, "a/1", 3, None, "self")))
    house.tick(m.Stop(True))
    house.tick(left(house, 1, None, 15), left(house, 2, 3))
    assert house.server.is_done
