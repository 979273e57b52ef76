"""Long lists are checked by their columns: never anything else comes of it than of checking them one by one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobd.errors import WireError
from jobd.limits import TEXT_CHARS_MAX
from jobd.wire import codec
from jobd.wire.messages import JobPage, JobRow, Status

FIELDS: list[Any] = [
    7, None, 7, "RUNNING", "salloc", 2, 4711, "make", ["make", "all"], "/", "me", 0, None, 1.0, 2.0, None, [0, 1], [8], None, None, None, "", "None", "t",
    None, False, [["partition", "main"]],
]  # fmt: skip
STATUS = list(Status("1", 1, "id", 0.0, 4, 8, 3, 1, 0, 0, None, [], 1))
ROWS = codec.PAGE_ROWS_MIN * 2

NUMBER = st.integers(-(2**63), 2**64 - 1)  # what msgpack can carry
ANY = st.one_of(
    st.none(),
    st.booleans(),
    NUMBER,
    st.floats(allow_nan=True),
    st.sampled_from(["", "text", "x" * (TEXT_CHARS_MAX + 1)]),
    st.binary(max_size=3),
    st.lists(st.one_of(st.none(), st.integers(0, 9), st.text(max_size=2), st.lists(NUMBER, max_size=1)), max_size=3),
    st.dictionaries(st.text(max_size=2), NUMBER, max_size=1),
)  # fmt: skip


def page_of(rows: list[Any]) -> Any:
    """The page, or the error, of bytes with these rows."""
    try:
        return codec.decode_reply("list_jobs", codec.pack([codec.PROTOCOL, "ok", [rows, "", STATUS]]))
    except WireError as error:
        return str(error)


def one_by_one(rows: list[Any]) -> Any:
    """The same, each row checked by itself."""
    try:
        return [codec.build(JobRow, codec.unpack(codec.pack(row))) for row in rows]
    except WireError as error:
        return str(error)


def test_a_long_list_becomes_rows() -> None:
    page = page_of([FIELDS] * ROWS)
    assert isinstance(page, JobPage)
    assert page.rows == [JobRow(*FIELDS)] * ROWS
    assert type(page.rows[0]) is JobRow


@given(st.integers(0, ROWS - 1), st.integers(0, len(FIELDS) - 1), ANY)
def test_a_strange_field_in_one_row_means_what_it_means_alone(index: int, field: int, value: Any) -> None:
    rows = [list(FIELDS) for _ in range(ROWS)]
    rows[index][field] = value
    expected = one_by_one(rows)
    found = page_of(rows)
    assert (found if isinstance(expected, str) else found.rows) == expected


@given(st.integers(0, ROWS - 1), st.integers(0, len(FIELDS) + 3))
def test_rows_of_another_length_mean_what_they_mean_alone(index: int, count: int) -> None:
    rows = [list(FIELDS) for _ in range(ROWS)]
    rows[index] = [*FIELDS, 1, 2, 3][:count]
    expected = one_by_one(rows)
    found = page_of(rows)
    assert (found if isinstance(expected, str) else found.rows) == expected


@pytest.mark.parametrize("row", [None, 1, "x" * len(FIELDS), {}, True])
def test_what_is_no_row_is_refused(row: Any) -> None:
    assert "JobPage.rows" in page_of([FIELDS] * ROWS + [row])


def test_whole_numbers_are_taken_for_times() -> None:
    fields = [*FIELDS]
    fields[13] = 5
    (time_s,) = {row.submitted_at for row in page_of([fields] * ROWS).rows}
    assert type(time_s) is float
