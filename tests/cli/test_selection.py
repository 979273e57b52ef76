"""Jobs as people write them: 12, 12_3, 12_[1-4], 12.0, lists; and which rows they mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobd.cli import selection
from jobd.errors import UsageError
from jobd.wire.batch import JobId
from jobd.wire.messages import JobRow
from jobd.wire.rows import BatchRow

ROW = JobRow(
    12, None, 12, "RUNNING", "batch", 1, 4711, "n", ["n"], "/", "me", 0, None, 1.0, 2.0, None, [], [], None, None, None, "", "None", "t"
)  # fmt: skip
BATCH = BatchRow(
    1, None, None, "", 0, 0, 0, 0, [], [], False, None, None, None, 0, True, 0, False, None, "", "", "", "", True, [], None, [], None,
    0.0, 0.0, 0, 0, 60, False, 18,
)  # fmt: skip


def element(job_id: int, array_id: int, index: int | None, tasks: str = "") -> JobRow:
    return ROW._replace(
        job_id=job_id, batch=BATCH._replace(array_id=array_id, array_index=index, tasks=tasks)
    )


@pytest.mark.parametrize(
    ("text", "jobs"),
    [
        ("12", [JobId(12)]),
        ("12,13", [JobId(12), JobId(13)]),
        ("12_3", [JobId(12, [[3, 3, 1]])]),
        ("12_[1-4,7]", [JobId(12, [[1, 4, 1], [7, 7, 1]])]),
        ("12_[0-9:3],5", [JobId(12, [[0, 9, 3]]), JobId(5)]),
        ("12_[0-9%2]", [JobId(12, [[0, 9, 1]])]),
        ("12_*", [JobId(12)]),
        ("12.0", [JobId(12, [], 0)]),
        ("12_3.1", [JobId(12, [[3, 3, 1]], 1)]),
        ("12.batch", [JobId(12)]),
    ],
)
def test_a_word_names_jobs_as_slurm_writes_them(text: str, jobs: list[JobId]) -> None:
    assert selection.parse(text) == jobs


@pytest.mark.parametrize(
    "text", ["", ",", "abc", "-1", "12_", "12_[", "12_[]", "12_[3-1]", "12.", "1 2", "٣", "12_a", "1" * 18]
)
def test_nonsense_names_no_job(text: str) -> None:
    with pytest.raises(UsageError):
        selection.parse(text)


@given(st.text())
def test_any_word_names_jobs_or_is_a_usage_error(text: str) -> None:
    try:
        assert selection.parse(text)
    except UsageError:
        pass


@given(st.integers(1, 10**9), st.sets(st.integers(0, 50), min_size=1, max_size=10))
def test_what_is_written_reads_back(job_id: int, indexes: set[int]) -> None:
    text = f"{job_id}_[{','.join(map(str, sorted(indexes)))}]"
    (job,) = selection.parse(text)
    assert selection.parse(selection.text_of_id(job)) == [job]


def test_a_number_means_the_job_and_all_of_its_elements() -> None:
    assert selection.fits(JobId(12), ROW)
    assert not selection.fits(JobId(13), ROW)
    assert selection.fits(JobId(12), element(15, 12, 3))
    assert selection.fits(JobId(12), element(12, 12, None, "4-9"))


def test_indexes_mean_these_elements_running_or_waiting() -> None:
    (some,) = selection.parse("12_[1-4]")
    assert selection.fits(some, element(15, 12, 3))
    assert not selection.fits(some, element(15, 12, 5))
    assert selection.fits(some, element(12, 12, None, "4-9"))
    assert not selection.fits(some, element(12, 12, None, "5-9"))
    assert not selection.fits(some, ROW)


def test_a_row_is_written_as_people_would() -> None:
    rows = [ROW, element(15, 12, 3), element(12, 12, None, "4-9"), ROW._replace(batch=BATCH)]
    assert [selection.text_of(row) for row in rows] == ["12", "12_3", "12_[4-9]", "12"]


def test_numbers_are_asked_for_once() -> None:
    assert selection.numbers_of(selection.parse("12_1,12_2,7,12")) == [12, 7]
