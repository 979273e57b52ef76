"""Who asks: the kernel's word, and the line of ancestors."""

import os

import pytest

from jobd.daemon.peers import Identity, Peer, identify, look_up, parse_peer
from jobd.errors import Refused
from jobd.limits import PARENTS_LOOKED_UP_MAX


@pytest.mark.parametrize(
    ("address", "peer"),
    [
        ("localhost:1000:1000:4711", Peer(1000, 4711)),
        ("a:b:c:0:0:1", Peer(0, 1)),
        ("", None),
        ("localhost", None),
        ("1:2:3", None),
        ("x:1000:1000:", None),
        ("x:me:1000:1", None),
        ("127.0.0.1", None),
    ],
)
def test_an_address_names_its_process_or_nobody(address: str, peer: Peer | None) -> None:
    assert parse_peer(address) == peer


def test_ancestors_come_nearest_first_and_end_below_init() -> None:
    table = {40: (30, 4), 30: (20, 3), 20: (1, 2), 1: (0, 1)}
    assert identify(Peer(0, 40), table.get) == (Identity(40, 4), [Identity(30, 3), Identity(20, 2)])


def test_a_line_that_breaks_off_is_taken_as_far_as_it_goes() -> None:
    assert identify(Peer(0, 40), {40: (30, 4), 30: (20, 3)}.get)[1] == [Identity(30, 3)]


def test_a_circle_ends() -> None:
    """Between two looks a pid may have been given again."""
    assert len(identify(Peer(0, 2), {2: (3, 1), 3: (2, 1)}.get)[1]) == PARENTS_LOOKED_UP_MAX


@pytest.mark.parametrize("pid", [0, -1, 99])
def test_a_process_that_cannot_be_seen_is_refused(pid: int) -> None:
    with pytest.raises(Refused, match="cannot see"):
        identify(Peer(0, pid), {}.get)


def test_the_kernel_tells_of_this_process() -> None:
    found = look_up(os.getpid())
    assert found is not None and found[0] == os.getppid() and found[1] > 0
    assert look_up(2**30) is None
