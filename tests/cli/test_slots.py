"""Steps that together need more processors than their job has wait for each other; real processes hold the slots."""

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobd.cli.slots import Slots

PATIENCE_S = 30.0
HOLDER = """
import sys
from jobd.cli.slots import Slots
slots = Slots(sys.argv[1], "1.1", [4, 5, 6, 7])
taken = slots.take(int(sys.argv[2]), lambda: print("waits", flush=True))
print(*taken, flush=True)
sys.stdin.readline()
slots.give_back()
print("gave back", flush=True)
sys.stdin.readline()
"""


class Holder:
    """A process that wants slots."""

    def __init__(self, folder: Path, count: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(folder / "steps"), str(count)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def says(self) -> str:
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], PATIENCE_S)[0], "it says nothing"
        return self.process.stdout.readline().strip()

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def holders(tmp_path: Path) -> Iterator[list[Holder]]:
    made: list[Holder] = []
    yield made
    for holder in made:
        holder.end()


def hold(holders: list[Holder], folder: Path, count: int) -> Holder:
    holder = Holder(folder, count)
    holders.append(holder)
    return holder


def test_steps_that_fit_together_have_slots_of_their_own(holders: list[Holder], tmp_path: Path) -> None:
    assert hold(holders, tmp_path, 1).says() == "4"
    assert hold(holders, tmp_path, 3).says() == "5 6 7"


@pytest.mark.parametrize("is_killed", [True, False])
def test_one_that_does_not_fit_waits_for_the_end_of_another(
    holders: list[Holder], tmp_path: Path, is_killed: bool
) -> None:
    first = hold(holders, tmp_path, 3)
    assert first.says() == "4 5 6"
    second = hold(holders, tmp_path, 2)
    assert second.says() == "waits"
    if is_killed:
        first.process.kill()
    else:
        first.go_on()
        assert first.says() == "gave back"
        first.go_on()
    assert second.says() == "4 5"


def test_nothing_is_left_when_the_last_has_given_back(holders: list[Holder], tmp_path: Path) -> None:
    one, other = hold(holders, tmp_path, 1), hold(holders, tmp_path, 1)
    assert {one.says(), other.says()} == {"4", "5"}
    for holder in (one, other):
        holder.go_on()
        assert holder.says() == "gave back"
    assert list((tmp_path / "steps").iterdir()) == []


def test_a_broken_file_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / "steps").mkdir(mode=0o700)
    (tmp_path / "steps" / "1.1").write_bytes(b"\xff no numbers\n99999999 1 4 5\n")
    slots = Slots(str(tmp_path / "steps"), "1.1", [4, 5])
    assert slots.take(2, lambda: pytest.fail("it waits")) == [4, 5]
    slots.give_back()
    assert not os.listdir(tmp_path / "steps")
