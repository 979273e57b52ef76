"""Sets of array indexes: what two of them have in common, against sets of numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobd import indexes
from jobd.errors import UsageError
from jobd.indexes import Indexes


@st.composite
def some(draw: st.DrawFn) -> Indexes:
    runs: list[indexes.Run] = []
    begin = 0
    for _ in range(draw(st.integers(0, 4))):
        first = begin + draw(st.integers(0, 9))
        step = draw(st.integers(1, 7))
        last = first + step * draw(st.integers(0, 9))
        runs.append((first, last, step if last > first else 1))
        begin = last + 1
    return Indexes(tuple(runs))


@given(some(), some())
def test_common_is_what_both_have(one: Indexes, other: Indexes) -> None:
    found = one.common(other)
    assert list(found.each()) == sorted(set(one.each()) & set(other.each()))
    assert found.count == len(list(found.each()))


def test_common_costs_nothing_by_the_length_of_the_runs() -> None:
    even, odd = Indexes(((0, 4_000_000_000, 2),)), Indexes(((1, 3_999_999_999, 2),))
    assert even.common(odd) == Indexes(())
    third = Indexes(((3, 3_999_999_999, 3),))
    assert even.common(third) == Indexes(((6, 3_999_999_996, 6),))


RUNS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 20), st.integers(1, 4)), min_size=1, max_size=6)


@given(RUNS)
def test_ranges_that_overlap_are_one_set(runs: list[tuple[int, int, int]]) -> None:
    text = ",".join(f"{first}-{first + more}:{step}" for first, more, step in runs)
    wanted = {index for first, more, step in runs for index in range(first, first + more + 1, step)}
    found = indexes.parse(text, index_max=100)
    assert list(found.each()) == sorted(wanted) and found.count == len(wanted)
    assert list(indexes.parse(found.text, index_max=100).each()) == sorted(wanted)


def test_ranges_that_overlap_cost_nothing_by_their_length() -> None:
    assert indexes.parse("5-4000000000,0-7,9", index_max=1 << 40).runs == ((0, 4_000_000_000, 1),)
    with pytest.raises(UsageError, match="ranges that overlap have at most 1000000 indexes"):
        indexes.parse("0-4000000000:2,4", index_max=1 << 40)
