"""Moments that may be set anew or cleared, against a plain dictionary."""

from hypothesis import given
from hypothesis import strategies as st

from jobd.agent.deadlines import Deadlines, Due

KEYS = st.tuples(st.integers(1, 3), st.integers(1, 2))
DUES = st.sampled_from(Due)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), KEYS, DUES, st.integers(0, 20)),
        st.tuples(st.just("clear"), KEYS, DUES, st.just(0)),
        st.tuples(st.just("clear all"), KEYS, DUES, st.just(0)),
        st.tuples(st.just("take"), KEYS, DUES, st.integers(0, 20)),
    )
)


@given(STEPS)
def test_what_is_due_is_what_was_set_last(steps: list[tuple[str, tuple[int, int], Due, int]]) -> None:
    deadlines = Deadlines()
    model: dict[tuple[tuple[int, int], Due], float] = {}
    for action, key, due, at_s in steps:
        if action == "set":
            deadlines.set(key, due, float(at_s))
            model[key, due] = float(at_s)
        elif action == "clear":
            deadlines.clear(key, due)
            model.pop((key, due), None)
        elif action == "clear all":
            deadlines.clear(key)
            model = {name: at for name, at in model.items() if name[0] != key}
        else:
            taken = deadlines.take(float(at_s))
            expected = {name for name, at in model.items() if at <= at_s}
            assert set(taken) == expected and len(taken) == len(expected)
            assert [model[name] for name in taken] == sorted(model[name] for name in taken)
            model = {name: at for name, at in model.items() if at > at_s}
        assert deadlines.next_s == min(model.values(), default=None)
