"""The queue as it is asked for: elements alone, one line each, in another order, page by page."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.slurm_rows import ROW, SUBMITTED_AT, FakeClient, finished, pending, row
from jobd import indexes
from jobd.cli import queue_lines, queue_pages, squeue
from jobd.cli import slurm_values as v
from jobd.cli.listing import Filter, Options
from jobd.cli.selection import parse, parse_all
from jobd.errors import UsageError
from jobd.wire.messages import JobRow

NOW_S = SUBMITTED_AT + 3
ARRAY = pending(12, "Priority", {"array_id": 12, "tasks": "0-9,20", "array_limit": 2})


def texts(rows: list[JobRow]) -> list[str]:
    return [v.job_text(one) for one in rows]


# ---- elements
def test_an_array_has_a_line_for_each_element_if_asked() -> None:
    shown = texts(list(queue_lines.unfolded(iter([ROW, ARRAY]))))
    assert shown == ["3539", *(f"12_{index}" for index in range(10)), "12_20"]


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("12", "12_[0-9,20%2]"),
        ("12_3", "12_3"),
        ("12_[3-5]", "12_[3-5%2]"),
        ("12_[8-30]", "12_[8-9,20%2]"),
        ("12_3,12_5", "12_[3,5%2]"),
        ("12_3,12", "12_[0-9,20%2]"),
    ],
)
def test_an_array_is_shown_as_far_as_it_is_meant(asked: str, shown: str) -> None:
    assert v.job_text(queue_lines.narrowed(ARRAY, parse(asked))) == shown


def test_any_other_job_stays_as_it_is() -> None:
    assert queue_lines.narrowed(ROW, parse("3539")) == ROW
    element = row({"array_id": 12, "array_index": 1}, job_id=30)
    assert queue_lines.narrowed(element, parse("12_1")) == element


@given(st.sets(st.integers(0, 60), min_size=1, max_size=20))
def test_the_elements_are_those_of_the_array(chosen: set[int]) -> None:
    array = pending(5, "Priority", {"array_id": 5, "tasks": indexes.of(chosen).text})
    assert texts(list(queue_lines.unfolded(iter([array])))) == [f"5_{index}" for index in sorted(chosen)]


# ---- order
ROWS = [
    row(job_id=3, nb_proc=2, priority=5, name="b"),
    pending(1, "Priority", nb_proc=8, priority=5, name="c"),
    row(job_id=2, nb_proc=16, priority=9, name="a", time_limit_s=60),
]


@pytest.mark.parametrize(
    ("order", "ids"),
    [
        ("i", [1, 2, 3]),
        ("-i", [3, 2, 1]),
        ("C", [3, 1, 2]),
        ("-C", [2, 1, 3]),
        ("j", [2, 3, 1]),
        ("-p,i", [2, 1, 3]),
        ("-p,-i", [2, 3, 1]),
        ("P,t,-p", [1, 2, 3]),
        ("L", [2, 3, 1]),
        ("+i", [1, 2, 3]),
    ],
)
def test_rows_are_sorted_by_letters_numbers_as_numbers(order: str, ids: list[int]) -> None:
    assert [one.job_id for one in queue_lines.sorted_rows(ROWS, order, NOW_S)] == ids


def test_an_order_by_no_letter_is_refused() -> None:
    with pytest.raises(UsageError):
        queue_lines.sorted_rows(ROWS, "!", NOW_S)


# ---- asking
def listed(*argv: str, rows: list[JobRow]) -> list[str]:
    options = Options(squeue.TABLE, argv)
    client = FakeClient(rows)
    batches = queue_pages.batches(client, options, squeue.filter_of(options))  # type: ignore[arg-type]
    return texts([one for _, batch in batches for one in batch])


def recent(job_id: int, age_s: float, **changes: object) -> JobRow:
    import time

    return finished(job_id, "COMPLETED", ended_at=time.time() - age_s, **changes)


ALL = [ROW, ARRAY, row({"array_id": 12, "array_index": 11}, job_id=30), recent(7, 10), recent(8, 900)]


@pytest.mark.parametrize(
    ("argv", "shown"),
    [
        ((), ["3539", "12_[0-9,20%2]", "12_11"]),
        (("-t", "all"), ["3539", "12_[0-9,20%2]", "12_11", "7"]),
        (("-t", "CD"), ["7"]),
        (("-f",), ["7", "8"]),
        (("-f", "--limit", "1"), ["7"]),
        (("-j", "12"), ["12_11", "12_[0-9,20%2]"]),
        (("-j", "12_11"), ["12_11"]),
        (("-j", "12_3"), ["12_[0-9,20%2]"]),
        (("-j", "3539,99999"), ["3539"]),
        (("-j", "8", "-t", "all"), ["8"]),
        (("--start",), ["12_[0-9,20%2]"]),
        (("-n", "run me", "-t", "R"), ["3539", "12_11"]),
        (("--type", "salloc"), []),
        (("--type", "batch", "-t", "PD"), ["12_[0-9,20%2]"]),
    ],
)
def test_the_jobs_are_those_that_the_options_mean(argv: tuple[str, ...], shown: list[str]) -> None:
    assert listed(*argv, rows=ALL) == shown


def test_what_is_asked_for_by_number_is_asked_for_with_its_elements() -> None:
    options = Options(squeue.TABLE, ["-j", "12_3"])
    client = FakeClient(ALL)
    next(queue_pages.batches(client, options, squeue.filter_of(options)))  # type: ignore[arg-type]
    assert (client.asked[0].job_ids, client.asked[0].is_with_arrays) == ([12], True)


def test_a_list_of_all_jobs_needs_no_looking_at_each() -> None:
    assert not Filter().needs_looking
    assert not Filter(states=frozenset({"PENDING"})).needs_looking
    jobs = tuple(parse_all(["12_3"]))
    assert Filter(jobs=jobs).needs_looking
