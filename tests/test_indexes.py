"""Sets of array indexes: what two of them have in common, against sets of numbers."""

from hypothesis import given
from hypothesis import strategies as st

from jobd import indexes
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
