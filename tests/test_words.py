"""Times, counts, lists of numbers, errors: text as people write and read it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobd import errors
from jobd.states import FINAL_STATES, JobState
from jobd.units import format_elapsed, format_ids, parse_time_limit_s, plural


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1", 60),
        ("90", 5400),
        ("2:30", 150),
        ("1:02:03", 3723),
        ("1-0", 86400),
        ("1-2", 93600),
        ("1-2:3", 93780),
        ("1-02:03:04", 93784),
        ("0:30", 30),
        ("0-0:0:5", 5),
        ("0", None),
        ("0:0", None),
        ("UNLIMITED", None),
        ("infinite", None),
    ],
)
def test_a_time_limit_is_read_as_slurm_reads_it(text: str, seconds: int | None) -> None:
    assert parse_time_limit_s(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "-",
        "-1",
        "1-",
        "1-2-3",
        "1:2:3:4",
        "1-2:3:4:5",
        "a",
        "1:",
        ":1",
        "1.5",
        "+1",
        "1 2",
        "٣",
        "1_0",
        "²",
    ],
)
def test_nonsense_is_no_time_limit(text: str) -> None:
    with pytest.raises(errors.UsageError, match="no time limit"):
        parse_time_limit_s(text)


@given(st.text())
def test_any_text_is_a_time_limit_or_a_usage_error(text: str) -> None:
    try:
        found = parse_time_limit_s(text)
    except errors.UsageError:
        return
    assert found is None or found > 0


@given(st.integers(0, 10**8))
def test_an_elapsed_time_with_hours_reads_back(seconds: int) -> None:
    text = format_elapsed(seconds)
    if seconds >= 3600:
        assert parse_time_limit_s(text) == seconds
    else:
        assert text == f"{seconds // 60}:{seconds % 60:02}"


def test_elapsed_times_look_like_slurms() -> None:
    assert [format_elapsed(s) for s in (-3, 0, 21.9, 6201, 93784)] == [
        "0:00",
        "0:00",
        "0:21",
        "1:43:21",
        "1-02:03:04",
    ]


@pytest.mark.parametrize(
    ("ids", "text"),
    [
        ([], ""),
        ([4], "4"),
        ([5, 4], "4,5"),
        ([4, 5, 6, 7, 9], "4->7,9"),
        ([1, 2, 4, 5, 6, 8, 9], "1,2,4->6,8,9"),
    ],
)
def test_runs_of_three_and_more_are_shortened(ids: list[int], text: str) -> None:
    assert format_ids(ids) == text


@given(st.sets(st.integers(1, 40)))
def test_shortened_numbers_lose_none(ids: set[int]) -> None:
    found: set[int] = set()
    for part in filter(None, format_ids(list(ids)).split(",")):
        first, _, last = part.partition("->")
        found |= set(range(int(first), int(last or first) + 1))
        assert not last or int(last) - int(first) >= 2
    assert found == ids


def test_one_is_no_plural() -> None:
    assert [plural(n, "proc") for n in (0, 1, 2)] == ["0 procs", "1 proc", "2 procs"]


def test_every_error_travels_by_its_name() -> None:
    for cls in (
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, errors.JobdError)
    ):
        back = errors.from_name(cls.__name__, "text")
        assert type(back) is cls and str(back) == "text" and back.exit_code in (1, 2, 3)
    assert type(errors.from_name("FromTheFuture", "x")) is errors.Refused


def test_every_state_has_a_code_of_its_own() -> None:
    assert len({state.code for state in JobState}) == len(JobState)
    assert {state for state in JobState if state.is_final} == FINAL_STATES
