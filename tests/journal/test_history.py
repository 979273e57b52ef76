"""Questions about what is over: each is answered exactly, by pages, and through an index."""

import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.worlds import spec
from jobd.core.job import Attempt, Finished, Job, Outcome, Running, Waiting
from jobd.errors import UsageError
from jobd.journal.history import NAMES_MAX
from jobd.journal.journal import Journal
from jobd.journal.records import Step
from jobd.states import Cause
from journal.values import jobs, steps

OUTCOMES = [
    Outcome(Cause.SELF, 0),
    Outcome(Cause.SELF, 1),
    Outcome(Cause.DELETED),
    Outcome(Cause.TIME_LIMIT, None, 15),
    Outcome(Cause.OUT_OF_MEMORY, None, 9),
    Outcome(Cause.LOST),
]


def job(number: int, *, name: str = "sleep", end: float | None = None, outcome: Outcome = OUTCOMES[0]) -> Job:
    phase = Waiting() if end is None else Finished(0.5, end, outcome)
    return Job(number, None, number, 0.0, spec(f"t{number}", name=name), phase)


def element(number: int, index: int, *, array_id: int = 50, end: float = 1.0, code: int = 0) -> Job:
    done = job(number, end=end, outcome=Outcome(Cause.SELF, code))
    return done._replace(array_id=array_id, array_index=index)


@pytest.fixture
def journal(tmp_path: Path):
    opened = Journal(str(tmp_path / "journal"), synchronous="OFF")
    yield opened
    opened.close()


def numbers(jobs: list[Job]) -> list[int]:
    return [job.job_id for job in jobs]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ends=st.lists(
        st.tuples(
            st.sampled_from([1.0, 2.0, 2.5, 3.0]),
            st.sampled_from(["a", "b", "caf\udce9"]),
            st.sampled_from(OUTCOMES),
        ),
        max_size=20,
    ),
    page=st.integers(1, 5),
    since_s=st.none() | st.sampled_from([0.0, 2.0, 2.25, 4.0]),
    names=st.lists(st.sampled_from(["a", "caf\udce9", "none"]), max_size=2),
    states=st.lists(st.sampled_from(["FAILED", "COMPLETED", "TIMEOUT", "RUNNING"]), max_size=2),
)
def test_a_filtered_list_is_all_that_fits_newest_end_first(
    tmp_path: Path, ends, page: int, since_s: float | None, names: list[str], states: list[str]
) -> None:
    path = str(tmp_path / "any")
    for suffix in ("", "-wal", "-shm"):
        Path(path + suffix).unlink(missing_ok=True)
    journal = Journal(path, synchronous="OFF")
    jobs = [job(i, name=name, end=end, outcome=outcome) for i, (end, name, outcome) in enumerate(ends, 1)]
    journal.commit(new_jobs=[*jobs, job(99, name="a")])
    found: list[Job] = []
    before = None
    while rows := journal.finished(before=before, rows_max=page, since_s=since_s, names=names, states=states):
        assert len(rows) <= page
        found += rows
        before = (rows[-1].phase.ended_at, rows[-1].job_id)
    expected = [
        one
        for one in jobs
        if (since_s is None or one.phase.ended_at >= since_s)
        and (not names or one.spec.name in names)
        and (not states or one.phase.outcome.state.value in states)
    ]
    assert found == sorted(expected, key=lambda one: (-one.phase.ended_at, -one.job_id))
    journal.close()


def test_too_many_names_are_refused(journal: Journal) -> None:
    with pytest.raises(UsageError, match="at most"):
        journal.finished(before=None, rows_max=1, names=["x"] * (NAMES_MAX + 1))


def test_no_question_looks_through_all_jobs(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, tuple[object, ...]]] = []
    read = journal._read
    journal._read = lambda query, values: (asked.append((query, values)), read(query, values))[1]  # type: ignore[method-assign,func-returns-value]
    journal.commit(new_jobs=[job(1, end=1.0)])
    journal.finished(before=None, rows_max=5)
    journal.finished(before=(1.0, 1), rows_max=5, since_s=0.5)
    journal.finished(before=(1.0, 1), rows_max=5, since_s=0.5, names=["a", "b"], states=["FAILED"])
    journal.finished_of([1, 2], is_with_arrays=True, after=1, rows_max=3)
    journal.past_of(1, None), journal.past_of(1, 3), journal.steps_of([1]), journal.step_count(1, 1)
    journal.events_after(0, 5)
    assert len(asked) >= 9
    connection = sqlite3.connect(journal.path)
    for query, values in asked:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}", values)]
        assert not any(step.startswith("SCAN") for step in plan), (query, plan)
        if "UNION ALL" in query:
            assert not any("TEMP B-TREE" in step for step in plan), (query, plan)
    connection.close()


# ---- arrays
def test_a_number_of_an_array_means_its_elements_if_asked(journal: Journal) -> None:
    living = element(54, 3)._replace(phase=Running(1.0, (), 1))
    journal.commit(new_jobs=[element(50, 2), element(51, 0), element(53, 1), living, job(60, end=1.0)])
    assert numbers(journal.finished_of([50, 60])) == [50, 60]
    assert numbers(journal.finished_of([60, 50, 99], is_with_arrays=True)) == [50, 51, 53, 60]
    assert numbers(journal.finished_of([50, 60], is_with_arrays=True, rows_max=3)) == [50, 51, 53]
    assert numbers(journal.finished_of([50, 60], is_with_arrays=True, rows_max=3, after=53)) == [60]
    assert numbers(journal.finished_of([51], is_with_arrays=True)) == [51]


@given(st.sets(st.integers(1, 2000), max_size=40), st.integers(1, 7))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_pages_of_numbers_lose_and_double_none(tmp_path: Path, wanted: set[int], page: int) -> None:
    path = tmp_path / "many"
    journal = Journal(str(path), synchronous="OFF")
    if not journal.job_id_max():
        journal.commit(new_jobs=[job(i, end=1.0) for i in range(1, 1001)])
    found: list[int] = []
    while rows := journal.finished_of(wanted, after=max(found, default=0), rows_max=page):
        found += numbers(rows)
    assert found == sorted(number for number in wanted if number <= 1000)
    journal.close()


# ---- what those who depend on a job must know
def test_the_past_of_a_job_is_its_own(journal: Journal) -> None:
    never = job(3, end=7.0, outcome=Outcome(Cause.DELETED))
    never = never._replace(phase=never.phase._replace(started_at=None))
    journal.commit(new_jobs=[job(1, end=5.0), job(2, end=6.0, outcome=Outcome(Cause.SELF, 3)), never, job(4)])
    assert journal.past_of(1, None) == (True, 0.5, 5.0)
    assert journal.past_of(2, None) == (False, 0.5, 6.0)
    assert journal.past_of(3, None) == (False, None, 7.0)
    assert journal.past_of(4, None) is None and journal.past_of(99, None) is None
    assert journal.past_of(1, 0) is None and journal.past_of(2**70, None) is None


def test_the_past_of_an_array_is_that_of_all_its_finished_elements(journal: Journal) -> None:
    journal.commit(new_jobs=[element(51, 0, end=2.0), element(52, 1, end=9.0)])
    assert journal.past_of(50, None) == (True, 0.5, 9.0)
    journal.commit(new_jobs=[element(50, 2, end=3.0, code=1)])  # the last one has the array's number
    assert journal.past_of(50, None) == (False, 0.5, 9.0)
    assert journal.past_of(50, 1) == (True, 0.5, 9.0)
    assert journal.past_of(50, 2) == (False, 0.5, 3.0)
    assert journal.past_of(50, 3) is None and journal.past_of(52, None) == (True, 0.5, 9.0)


def test_only_completed_is_success(journal: Journal) -> None:
    journal.commit(new_jobs=[job(i, end=1.0, outcome=outcome) for i, outcome in enumerate(OUTCOMES, 1)])
    assert [journal.past_of(i, None)[0] for i in range(1, 7)] == [True, False, False, False, False, False]  # type: ignore[index]


# ---- steps
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.lists(steps(), max_size=12))
def test_a_step_comes_back_as_it_was_said_last(tmp_path: Path, said: list[Step]) -> None:
    path = str(tmp_path / "any")
    for suffix in ("", "-wal", "-shm"):
        Path(path + suffix).unlink(missing_ok=True)
    journal = Journal(path, synchronous="OFF")
    for step in said:
        journal.commit(steps=[step])
    latest = {step[:3]: step for step in said}
    assert journal.steps_of(range(1, 6)) == [latest[key] for key in sorted(latest)]
    for job_id in range(1, 6):
        for attempt in range(1, 4):
            own = [key[2] for key in latest if key[:2] == (job_id, attempt)]
            assert journal.step_count(job_id, attempt) == max(own, default=-1) + 1
    journal.close()


def test_a_step_without_a_token_is_a_step(journal: Journal) -> None:
    plain = (7, 1, 0, "step", ["a", "b"], 2, 1.0, None, None, None, 0.0, 0)
    journal.commit(steps=[plain])
    assert journal.steps_of([7, 2**70]) == [Step(*plain)]


# ---- earlier attempts
def attempts_of(job: Job, count: int) -> list[Attempt]:
    return [
        Attempt(
            job._replace(
                phase=Finished(float(number), number + 0.5, OUTCOMES[number % 6]),
                attempt=number,
                requeued_at=None,
            ),
            number + 0.75,
            bool(number % 2),
        )
        for number in range(1, count + 1)
    ]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(jobs(), st.integers(0, 5), st.booleans())
def test_attempts_come_back_as_they_were(tmp_path: Path, job: Job, count: int, is_asked_again: bool) -> None:
    with_file = Journal(str(tmp_path / f"{job.job_id}-{count}-{is_asked_again}"), synchronous="OFF")
    said = attempts_of(job, count)
    with_file.commit(attempts=said)
    if is_asked_again:
        with_file.commit(attempts=said)  # what is said twice is there once
    assert with_file.attempts_of([job]) == said
    assert with_file.attempts_of([job._replace(job_id=job.job_id + 1)]) == []
    with_file.close()


def test_what_a_job_asks_for_now_is_shown_of_its_attempts(journal: Journal) -> None:
    journal.commit(attempts=attempts_of(job(1), 1))
    renamed = job(1)._replace(spec=spec("t1", name="other"), requeued_at=9.0)
    (attempt,) = journal.attempts_of([renamed])
    assert (attempt.job.spec.name, attempt.job.attempt, attempt.job.requeued_at) == ("other", 1, None)


def test_attempts_are_forgotten_with_their_job(journal: Journal) -> None:
    done, other = job(1, end=5.0), job(2, end=500.0)
    journal.commit(new_jobs=[done, other], attempts=[*attempts_of(done, 2), *attempts_of(other, 1)])
    assert journal.forget_finished(100.0) == 1
    assert journal.attempts_of([done, other]) == attempts_of(other, 1)
