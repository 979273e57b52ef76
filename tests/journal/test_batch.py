"""What the journal keeps of batch jobs: submissions by their token, blobs by their hash, arrays, and how all of it is forgotten."""

import sqlite3
from pathlib import Path

import pytest

from core.worlds import at, empty, spec
from jobd.core.job import Batch, Finished, Hands, Job, Outcome, Pause, Retry, Running, Usage, Waiting
from jobd.errors import JournalError
from jobd.indexes import Indexes
from jobd.journal.journal import TOKENS_KEPT_S, Journal, restore
from jobd.states import Cause

DAY_S = 86400.0
ENVIRONMENT, SCRIPT, OTHER = "e" * 32, "5" * 32, "0" * 32
DONE = Finished(1.0, 2.0, Outcome(Cause.SELF, 0), Usage(1.5, 4096), Hands(77, 88, ("memory: no cgroup",)))


def batch(script: str = SCRIPT, environment: str = ENVIRONMENT, **more: object) -> Batch:
    plain = Batch(
        script,
        environment,
        0o22,
        "",
        "",
        "",
        False,
        None,
        None,
        None,
        0,
        0,
        True,
        Retry(),
        None,
        False,
        0,
        (),
    )
    return plain._replace(**more)  # type: ignore[arg-type]


def job(number: int, token: str, **more: object) -> Job:
    wanted = spec(token)._replace(kind="sbatch", batch=batch())
    return Job(number, None, number, 0.0, wanted, Waiting())._replace(**more)  # type: ignore[arg-type]


@pytest.fixture
def journal(tmp_path: Path):
    opened = Journal(str(tmp_path / "journal"))
    yield opened
    opened.close()


def keys(journal: Journal) -> set[str]:
    return journal.has_blobs([ENVIRONMENT, SCRIPT, OTHER])


# ---- submissions
def test_a_submission_said_again_is_known_by_its_token_also_when_its_jobs_are_over(journal: Journal) -> None:
    jobs = [job(3, "ab"), job(4, "ab/1"), job(5, "ab/2"), job(6, "cd")]
    journal.commit(new_jobs=jobs)
    journal.commit(changed_jobs=[one._replace(phase=DONE) for one in jobs])
    again = Journal(journal.path)
    assert again.jobs_of_submission("ab") == [3, 4, 5] and again.jobs_of_submission("cd") == [6]
    assert again.jobs_of_submission("xy") == [] and again.jobs_of_submission("caf\udce9") == []
    found = [again.job_of_token(token) for token in ("ab", "ab/1", "ab/2", "cd")]
    assert [one and one.job_id for one in found] == [3, 4, 5, 6]
    for token in ("ab/0", "ab/3", "ab/x", "ab/-1", "xy", "xy/1"):
        assert again.job_of_token(token) is None
    again.close()


def test_numbers_of_a_submission_need_not_follow_each_other(journal: Journal) -> None:
    journal.commit(new_jobs=[job(3, "ab"), job(9, "ab/1"), job(5, "ab/2"), job(6, "ab/3")])
    assert journal.jobs_of_submission("ab") == [3, 9, 5, 6]


def test_a_token_is_recorded_once(journal: Journal) -> None:
    journal.commit(new_jobs=[job(1, "ab")])
    with pytest.raises(JournalError):
        journal.commit(new_jobs=[job(2, "ab")])
    assert journal.jobs_of_submission("ab") == [1] and journal.job_id_max() == 1


def test_elements_that_leave_their_array_are_no_submission(journal: Journal) -> None:
    array = job(1, "ab", array_id=1, tasks=Indexes(((0, 2, 1),)))
    journal.commit(new_jobs=[array])
    first = job(2, "ab", array_id=1, array_index=0)
    journal.commit(new_jobs=[first], changed_jobs=[array._replace(tasks=Indexes(((1, 2, 1),)))])
    assert journal.jobs_of_submission("ab") == [1]
    # An array of one whose only element starts in the tick of its submission never is an array in the journal.
    journal.commit(new_jobs=[job(3, "cd", array_id=3, array_index=7)])
    assert journal.jobs_of_submission("cd") == [3]


# ---- arrays and changes
def test_an_array_gives_up_its_elements_and_its_row_to_the_last(journal: Journal) -> None:
    array = job(1, "ab", array_id=1, tasks=Indexes(((0, 1, 1),)))
    journal.commit(new_jobs=[array])
    first = job(2, "ab", array_id=1, array_index=0)
    journal.commit(new_jobs=[first], changed_jobs=[array._replace(tasks=Indexes(((1, 1, 1),)))])
    assert list(journal.living()) == [array._replace(tasks=Indexes(((1, 1, 1),))), first]
    last = array._replace(tasks=None, array_index=1, attempt=1, phase=Running(5.0, (0,), 1))
    journal.commit(changed_jobs=[last])
    again = Journal(journal.path)
    assert list(again.living()) == [last, first]
    again.close()


def test_what_a_job_asks_for_is_rewritten_only_when_it_is_changed(journal: Journal) -> None:
    before = job(1, "ab")
    journal.commit(new_jobs=[before])
    after = before._replace(spec=before.spec._replace(name="other", nb_proc=3, batch=batch(is_held=True)))
    journal.commit(changed_jobs=[after._replace(attempt=4)])
    assert list(journal.living()) == [before._replace(attempt=4)]
    journal.commit(changed_jobs=[after], new_specs=[after])
    assert list(journal.living()) == [after]
    journal.commit(changed_jobs=[after._replace(phase=DONE)])
    assert journal.finished(before=None, rows_max=5, names=["other"]) == [after._replace(phase=DONE)]
    assert journal.finished(before=None, rows_max=5, names=["sleep"]) == []


def test_an_attempt_is_recorded_step_by_step_and_may_wait_again(journal: Journal) -> None:
    one = job(1, "ab")
    journal.commit(new_jobs=[one])
    running = Running(5.0, (2, 3), 2, (0,), Hands(10, 20, ("procs",)), Pause(6.0, 1.5))
    for phase, attempt in ((running, 1), (Waiting(), 1), (Running(9.0, (), 2), 2), (DONE, 2)):
        one = one._replace(phase=phase, attempt=attempt)
        journal.commit(changed_jobs=[one])
        assert [*journal.living(), *journal.finished_of([1])] == [one]


def test_jobs_of_one_submission_share_what_they_have_in_common_when_they_come_back(journal: Journal) -> None:
    common = batch(labels=(("partition", "main"),))
    journal.commit(new_jobs=[job(i, f"t{i}", spec=spec(f"t{i}")._replace(batch=common)) for i in range(1, 4)])
    again = Journal(journal.path)
    assert len({id(one.spec.batch) for one in again.living()}) == 1
    again.close()


def test_what_the_agent_says_cannot_be_too_large_to_write(journal: Journal) -> None:
    vast = DONE._replace(usage=Usage(float("inf"), 2**64 - 1))
    journal.commit(new_jobs=[job(1, "ab", phase=vast)])
    (found,) = journal.finished_of([1])
    assert found.phase.usage == Usage(float("inf"), 2**63 - 1)  # type: ignore[union-attr]


# ---- blobs
def test_a_blob_is_kept_once_and_comes_back_exact(journal: Journal) -> None:
    data = bytes(range(256)) * 3
    journal.commit(blobs=[(SCRIPT, data)], new_jobs=[job(1, "ab")])
    journal.commit(blobs=[(SCRIPT, data), (ENVIRONMENT, b"")], new_jobs=[job(2, "cd")])
    again = Journal(journal.path)
    assert again.blob(SCRIPT) == data and again.blob(ENVIRONMENT) == b"" and again.blob(OTHER) is None
    assert keys(again) == {SCRIPT, ENVIRONMENT} and again.has_blobs([]) == set()
    again.close()


def test_a_blob_goes_with_the_last_job_that_uses_it(journal: Journal) -> None:
    with_other = job(3, "ef", phase=DONE, spec=spec("ef")._replace(batch=batch(OTHER)))
    journal.commit(
        blobs=[(SCRIPT, b"s"), (ENVIRONMENT, b"e"), (OTHER, b"o")],
        new_jobs=[job(1, "ab", phase=DONE), job(2, "cd"), with_other],
    )
    assert journal.forget_finished(10.0) == 2
    assert keys(journal) == {SCRIPT, ENVIRONMENT}  # job 2 waits
    journal.commit(changed_jobs=[job(2, "cd", phase=DONE)])
    assert journal.forget_finished(10.0) == 1
    assert keys(journal) == set()


def test_a_blob_of_a_waiting_array_outlives_its_elements(journal: Journal) -> None:
    array = job(1, "ab", array_id=1, tasks=Indexes(((0, 9, 1),)))
    journal.commit(blobs=[(SCRIPT, b"s"), (ENVIRONMENT, b"e")], new_jobs=[array])
    journal.commit(new_jobs=[job(2, "ab", array_id=1, array_index=0, phase=DONE)])
    assert journal.forget_finished(10.0) == 1
    assert keys(journal) == {SCRIPT, ENVIRONMENT}


# ---- forgetting
def test_only_what_ended_before_is_forgotten(journal: Journal) -> None:
    ends = [1.0, 2.0, 3.0]
    jobs = [job(i, f"t{i}", phase=DONE._replace(ended_at=end)) for i, end in enumerate(ends, 1)]
    journal.commit(
        new_jobs=[*jobs, job(9, "t9")],
        steps=[(i, 1, 0, "s", [], 1, 0.0, 1.0, 0, None, 0.0, 0) for i in (1, 3)],
    )
    assert journal.forget_finished(3.0) == 2
    assert [one.job_id for one in journal.finished(before=None, rows_max=9)] == [3]
    assert [step.job_id for step in journal.steps_of([1, 3])] == [3]
    assert [one.job_id for one in journal.living()] == [9]


def test_named_jobs_alone_are_forgotten_if_they_are_over(journal: Journal) -> None:
    journal.commit(new_jobs=[job(i, f"t{i}", phase=DONE) for i in (1, 2, 3)] + [job(4, "t4")])
    assert journal.forget_finished(10.0, [1, 3, 4, 99, 2**70]) == 2
    assert [one.job_id for one in journal.finished(before=None, rows_max=9)] == [2]
    assert journal.forget_finished(1.0, [2]) == 0  # it ended later


def test_much_is_forgotten_in_portions(journal: Journal) -> None:
    journal.commit(new_jobs=[job(i, f"t{i}", phase=DONE) for i in range(1, 26)])
    counts = [journal.forget_finished(10.0, rows_max=10) for _ in range(4)]
    assert counts == [10, 10, 5, 0]
    journal.commit(new_jobs=[job(i, f"t{i}", phase=DONE) for i in range(30, 55)])
    assert [journal.forget_finished(10.0, range(30, 60), rows_max=20) for _ in range(3)] == [20, 5, 0]


def test_a_token_outlives_the_memory_of_its_jobs_by_a_day(journal: Journal) -> None:
    journal.commit(
        new_jobs=[job(1, "ab", phase=DONE), job(2, "cd", submitted_at=DAY_S, phase=DONE), job(3, "ef")]
    )
    journal.forget_finished(10.0)
    assert journal.jobs_of_submission("ab") == [1] and journal.job_of_token("ab") is None
    journal.forget_finished(1.0 + TOKENS_KEPT_S)
    assert [journal.jobs_of_submission(token) for token in ("ab", "cd", "ef")] == [[], [2], [3]]


def test_forgetting_on_a_full_disk_is_an_error_and_forgets_nothing(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path / "journal"))
    journal.commit(new_jobs=[job(1, "ab", phase=DONE)])
    journal._writer.execute("PRAGMA query_only = 1")  # stands for a disk that takes nothing
    with pytest.raises(JournalError, match="cannot write"):
        journal.forget_finished(10.0)
    journal._writer.execute("PRAGMA query_only = 0")
    assert len(journal.finished_of([1])) == 1
    journal.close()


# ---- the file
def test_indexes_stay_true_through_a_whole_life(journal: Journal) -> None:
    world = empty(4)
    for number in range(1, 30):
        one = job(
            number,
            f"t{number}",
            array_id=1 if number % 3 else None,
            array_index=number if number % 3 else None,
        )
        journal.commit(new_jobs=[one])
        journal.commit(changed_jobs=[one._replace(phase=Running(1.0, (), 1))])
        if number % 4:
            journal.commit(changed_jobs=[one._replace(phase=DONE)])
    journal.forget_finished(10.0, rows_max=7)
    connection = sqlite3.connect(journal.path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    restore(world, journal, at(0))
    assert sorted(world.jobs) == [4, 8, 12, 16, 20, 24, 28]
