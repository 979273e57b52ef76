"""How jobctl top ends: at once, with the terminal as it was, also where the terminal or the server stands still."""

import os
import select
import signal
import termios
from pathlib import Path

import pexpect
import pytest

import jobd
from live.conftest import House

from .conftest import Pane

END_S = 20.0  # for what takes at most a second, on a machine that is busy


def begin(house: House) -> pexpect.spawn:
    """It, on a terminal of its own."""
    top = house.terminal(
        "jobctl", "top", dimensions=(24, 80), env=house.env | {"TERM": "xterm"}, encoding=None
    )
    top.expect(b"quit")
    return top


def has_ended(pid: int, patience_s: float = END_S) -> bool:
    """Whether a process ends."""
    descriptor = os.pidfd_open(pid)
    try:
        return bool(select.select([descriptor], [], [], patience_s)[0])
    finally:
        os.close(descriptor)


def stall(top: pexpect.spawn) -> None:
    """Have it write, to nobody who reads, until it stands still: its main thread waits for the one that writes."""
    place = Path(f"/proc/{top.pid}/task/{top.pid}/wchan")
    for number in range(2000):
        if "futex" in place.read_text():
            return
        top.setwinsize(24 + number % 20, 80 + number % 90)
        signal.sigtimedwait([signal.SIGUSR2], 0.02)  # as nobody tells when it stands still, it is looked at
    raise AssertionError("it never stands still")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_where_the_terminal_takes_nothing_more(house: House, number: int) -> None:
    house.server(2)
    top = begin(house)
    assert not termios.tcgetattr(top.child_fd)[3] & termios.ICANON
    stall(top)
    os.kill(top.pid, number)
    assert has_ended(top.pid)
    local = termios.tcgetattr(top.child_fd)[3]
    assert local & termios.ICANON and local & termios.ECHO and local & termios.ISIG
    top.wait()
    assert top.signalstatus == number


@pytest.mark.parametrize("is_stalled", [False, True])
def test_it_ends_with_its_terminal(house: House, is_stalled: bool) -> None:
    house.server(2)
    top = begin(house)
    if is_stalled:
        stall(top)
    top.ptyproc.fileobj.close()
    top.ptyproc.closed = top.closed = True
    assert has_ended(top.pid)
    top.wait()
    assert top.signalstatus == signal.SIGHUP


@pytest.mark.parametrize("keys", [(), ("?",), ("c",), ("C-z",)])
def test_a_pane_that_is_killed_leaves_nothing(client: jobd.Client, pane: Pane, keys: tuple[str, ...]) -> None:
    job = client.submit("sleep 1000", name="lasting")
    pane.type("clear; jobctl top\n")
    pane.until_seen("lasting", "quit")
    pid = pane.pid_of_front()
    for key in keys:
        pane.keys(key)
        parts = {"?": ["choose a job"], "c": ["Cancel job"], "C-z": ["prompt:"]}
        pane.until_seen(*parts[key])
    pane.kill()
    # Its parent was the pane's shell, and is nobody now: it is over when its number leads nowhere.
    try:
        assert has_ended(pid)
    except ProcessLookupError:
        pass
    client.cancel(job)


def test_leaving_does_not_wait_for_a_server_that_hangs(house: House) -> None:
    pid = house.server(2)
    top = begin(house)
    os.kill(pid, signal.SIGSTOP)
    try:
        top.send(b"f")  # asks the server, which does not answer for the five seconds that it has
        top.expect(b"finished jobs")
        top.send(b"qq")
        assert has_ended(top.pid, 4.0)
    finally:
        os.kill(pid, signal.SIGCONT)
    top.wait()
    assert top.exitstatus == 0


def test_a_server_that_hangs_is_not_said_to_be_away(house: House) -> None:
    pid = house.server(2)
    os.kill(pid, signal.SIGSTOP)
    try:
        top = house.terminal(
            "jobctl", "top", dimensions=(24, 80), env=house.env | {"TERM": "xterm"}, encoding=None
        )
        top.expect(b"the server has not answered for 5 s")
    finally:
        os.kill(pid, signal.SIGCONT)
    top.expect(b"0 running")
    top.send(b"q")
    assert has_ended(top.pid)


def test_the_mouse_tells_of_presses_and_not_of_every_move(house: House) -> None:
    house.server(2)
    top = house.terminal(
        "jobctl", "top", dimensions=(24, 80), env=house.env | {"TERM": "xterm"}, encoding=None
    )
    top.expect(b"quit")
    told = top.before
    assert b"\x1b[?1000h" in told and b"\x1b[?1002h" in told and b"\x1b[?1003h" not in told
    top.send(b"q")
    assert has_ended(top.pid)
