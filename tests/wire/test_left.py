"""What is left of jobs that are waited for: a list may be of several moments, and the count never too high."""

from typing import Any

from jobd.wire.batch import JobId
from jobd.wire.left import count_left
from jobd.wire.rows import BatchRow, JobRow

FINAL = frozenset({"COMPLETED", "FAILED"})


def row(
    job_id: int, state: str, *, array: int | None = None, index: int | None = None, tasks: str = ""
) -> JobRow:
    """A row with what counts here; all else is empty."""
    batch: dict[str, Any] = dict.fromkeys(BatchRow._fields) | {
        "array_id": array,
        "array_index": index,
        "tasks": tasks,
    }
    fields: dict[str, Any] = dict.fromkeys(JobRow._fields) | {"job_id": job_id, "state": state}
    return JobRow(**fields | {"batch": BatchRow(**batch)})


def test_what_is_over_is_not_left() -> None:
    assert count_left([row(1, "RUNNING"), row(2, "COMPLETED"), row(3, "PENDING")], [JobId(1)], FINAL) == 2


def test_a_waiting_array_counts_for_each_of_its_elements() -> None:
    assert count_left([row(7, "PENDING", array=7, tasks="0-9,20")], [JobId(7)], FINAL) == 11


def test_an_element_that_left_its_array_between_two_answers_counts_once() -> None:
    array = row(7, "PENDING", array=7, tasks="0-9")
    assert count_left([array, row(8, "COMPLETED", array=7, index=0)], [JobId(7)], FINAL) == 9
    assert count_left([array, row(8, "RUNNING", array=7, index=0)], [JobId(7)], FINAL) == 10


def test_only_the_elements_that_are_wanted_count() -> None:
    array = row(7, "PENDING", array=7, tasks="0-9")
    assert count_left([array], [JobId(7, [[1, 2, 1]])], FINAL) == 2
    assert count_left([array], [JobId(7, [[1, 2, 1]]), JobId(7, [[2, 4, 1]])], FINAL) == 4
    assert count_left([array], [JobId(7, [[1, 2, 1]]), JobId(7)], FINAL) == 10
    assert count_left([array, row(8, "FAILED", array=7, index=1)], [JobId(7, [[1, 2, 1]])], FINAL) == 1
