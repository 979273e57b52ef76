"""Lists of hosts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobd.errors import UsageError
from jobd.slurm import hostlist


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("n[1-3],m05", ["n1", "n2", "n3", "m05"]),
        ("vm", ["vm"]),
        ("n[08-11]", ["n08", "n09", "n10", "n11"]),
        ("r[1-2]n[1,3]", ["r1n1", "r1n3", "r2n1", "r2n3"]),
        ("a b,c", ["a", "b", "c"]),
        ("n[5]-ib", ["n5-ib"]),
        ("", []),
    ],
)
def test_a_list_names_its_hosts_in_order(text: str, names: list[str]) -> None:
    assert hostlist.expand(text) == names


@pytest.mark.parametrize("text", ["n[3-1]", "n[", "n[a]", "n]", "n[1-99999999]", "n[1-300][1-300]", "n[]"])
def test_what_is_no_list_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        hostlist.expand(text)


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["n1", "n2"], "n[1-2]"),
        (["n1", "n2", "n3", "n7", "m05"], "n[1-3,7],m05"),
        (["tux2", "tux1", "tux2"], "tux[2,1-2]"),
        (["n08", "n09", "n10"], "n[08-10]"),
        (["n9", "n10"], "n[9-10]"),
        (["vm"], "vm"),
        (["n1"], "n1"),
        (["n1", "m", "n2"], "n1,m,n2"),
    ],
)
def test_neighbours_are_put_together(names: list[str], text: str) -> None:
    assert hostlist.fold(names) == text


@given(st.lists(st.from_regex(r"[a-z]{1,3}(-[a-z])?[0-9]{0,4}", fullmatch=True), max_size=30))
def test_a_list_that_is_folded_expands_to_the_same(names: list[str]) -> None:
    assert hostlist.expand(hostlist.fold(names)) == names
