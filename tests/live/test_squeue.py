"""Squeue against a real server: the list, the stream that misses nothing, the live table."""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pexpect
import pytest

RUNS = ("sh", "-c", "exec sleep 600")


def lines(text: str) -> list[list[str]]:
    return [line.split(maxsplit=5) for line in text.splitlines()]


@contextlib.contextmanager
def watching(house: Any, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A Squeue --watch on a pipe; it has begun when it shows the first event from number 1 on."""
    child = house.spawn("Squeue", "--watch", *options)
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def told(child: subprocess.Popen[str], until: Any) -> list[dict[str, Any]]:
    """The events up to the first for which `until` is so."""
    assert child.stdout is not None
    events = []
    for line in child.stdout:
        events.append(json.loads(line))
        if until(events[-1]):
            return events
    raise AssertionError(f"the stream ended: {events}")


def is_end_of(job_id: int) -> Any:
    return lambda event: event["kind"] == "ended" and event["job"]["job_id"] == job_id


# ---- the list
def test_the_list_shows_who_runs_and_who_waits(house: Any) -> None:
    house.server(2)
    house.spawn("Salloc", "-n", "2", *RUNS)
    house.until_state(1, "RUNNING")
    house.spawn("Salloc", "-J", "second", "/bin/sleep", "601")
    house.until_state(2, "PENDING")
    text = house.ok("Squeue")
    assert text.splitlines()[0] == "2 used out of 2 (with an exceptional max of 2)"
    header, first, second = lines(text)[1:]
    assert header == ["JOBID", "PARENT", "STATUS", "NB_PROC", "PID", "SHORT_COMMAND"]
    assert first[:4] == ["1", "-", "R", "2"]
    assert first[5] == "sh -c 'exec sleep 600'"
    assert second[:4] == ["2", "-", "W", "1"]
    assert second[5] == "sleep 601"
    assert lines(house.ok("Squeue", "-h", "-t", "w")) == [second]
    assert lines(house.ok("Squeue", "-h", "-n", "second")) == [second]
    assert lines(house.ok("Squeue", "-h", "-j", "2,1")) == [first, second]
    assert house.ok("Squeue", "-h", "-n", "nobody") == ""
    assert (
        house.ok("Squeue", "-h", "-o", "%i|%j|%t|%T|%C|%r")
        == "1|sh|R|RUNNING|2|None\n2|second|PD|PENDING|1|Resources\n"
    )
    assert "1 of 1 proc missing" in house.ok("Squeue", "--long")
    document = json.loads(house.ok("Squeue", "--json"))
    assert (document["used"], document["nb_proc"], document["nb_proc_max"]) == (2, 2, 2)
    assert [(job["job_id"], job["status"], job["short_command"]) for job in document["jobs"]] == [
        (1, "R", "sh -c 'exec sleep 600'"),
        (2, "W", "sleep 601"),
    ]
    assert lines(house.ok("jobctl", "squeue", "-h")) == [first, second]


def test_a_parent_shows_the_children_it_waits_for(house: Any) -> None:
    house.server(1)
    house.spawn("Salloc", "sh", "-c", "Salloc sleep 600; true")
    house.until_state(2, "RUNNING")
    rows = lines(house.ok("Squeue", "-h"))
    assert [row[:3] for row in rows] == [["2", "1", "R"], ["1", "-", "S[2]"]]
    tree = house.ok("Squeue", "-h", "--tree").splitlines()
    assert [line.split()[0] for line in tree] == ["1", "2"]
    assert "\\_ sleep 600" in tree[1]


def test_finished_jobs_are_shown_newest_first(house: Any) -> None:
    house.server(2)
    house.ok("Salloc", "true")
    assert house.run("Salloc", "sh", "-c", "exit 3").returncode == 3
    house.until_state(2, "FAILED")
    assert house.ok("Squeue", "-h") == ""
    assert [row[0] for row in lines(house.ok("Squeue", "-h", "--finished"))] == ["2", "1"]
    assert [row[0] for row in lines(house.ok("Squeue", "-h", "-f", "--limit", "1"))] == ["2"]
    assert [row[0] for row in lines(house.ok("Squeue", "-h", "-t", "F"))] == ["2"]
    assert [row[0] for row in lines(house.ok("Squeue", "-h", "-t", "all"))] == ["2", "1"]
    assert [row[0] for row in lines(house.ok("Squeue", "-h", "-t", "all", "-j", "1"))] == ["1"]
    assert house.ok("Squeue", "-h", "-j", "1") == ""


def test_a_job_that_never_was_is_an_error_in_one_line(house: Any) -> None:
    house.server(1)
    done = house.run("Squeue", "-j", "42")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Squeue: no job 42 (Squeue lists the living, Squeue --finished the others)\n"


def test_a_hostile_command_cannot_steer_the_terminal(house: Any) -> None:
    house.server(1)
    house.spawn("Salloc", "-J", "\x1b]0;evil\x07", "sh", "-c", "exec sleep 600; \x1b[2J\r\n")
    house.until_state(1, "RUNNING")
    for options in ((), ("-l",), ("-o", "%i %j %o"), ("--json",)):
        text = house.ok("Squeue", "-h", *options)
        assert not [char for char in text.replace("\n", "") if not char.isprintable()]


def test_a_reader_that_leaves_ends_the_list_quietly(house: Any) -> None:
    house.server(1)
    done = house.run("sh", "-c", "Squeue | head -1")
    assert done.stdout.startswith("0 used")
    assert done.stderr == ""


# ---- the stream
def test_the_stream_has_every_event_once_and_in_order(house: Any) -> None:
    house.server(4)
    with watching(house, "--json", "--since", "0") as child:
        for _ in range(20):
            house.ok("Salloc", "true")
        events = told(child, is_end_of(20))
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert sum(event["kind"] == "ended" for event in events) == 20


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_the_stream_misses_nothing_over_a_restart(house: Any, how: str) -> None:
    pid = house.server(2)
    with watching(house, "--json", "--since", "0") as child:
        house.ok("Salloc", "true")
        events = told(child, is_end_of(1))
        if how == "stop":
            house.ok("Sserver", "-1")
        else:
            pidfd = os.pidfd_open(pid)
            os.kill(pid, signal.SIGKILL)
            import select

            assert select.select([pidfd], [], [], 30)[0]
            os.close(pidfd)
        house.ok("Sserver", "3")
        house.ok("Salloc", "true")
        events += told(child, is_end_of(2))
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))


def test_what_was_missed_is_shown_though_nothing_comes_after_it(house: Any) -> None:
    """The connection is cut, not the server: the stream stands still while jobs run, then goes on."""
    house.server(2)
    with watching(house, "--json", "--since", "0") as child:
        house.ok("Salloc", "true")
        told(child, is_end_of(1))
        child.send_signal(signal.SIGSTOP)
        house.ok("Sserver", "-1")
        house.ok("Sserver", "2")
        for _ in range(5):
            house.ok("Salloc", "true")
        child.send_signal(signal.SIGCONT)
        told(child, is_end_of(6))


def test_a_new_journal_is_said_and_shown_from_its_beginning(house: Any) -> None:
    house.server(2)
    with watching(house, "--json", "--since", "0") as child:
        for _ in range(3):
            house.ok("Salloc", "true")
        told(child, is_end_of(3))
        house.ok("Sserver", "-1")
        for path in house.root.glob(".local/state/jobd/journal.sqlite*"):
            path.unlink()
        house.ok("Sserver", "2")
        house.ok("Salloc", "true")
        events = told(child, is_end_of(1))
        assert events[0]["seq"] == 1
        assert child.stderr is not None
        said = [child.stderr.readline() for _ in range(3)]
        assert any("new journal" in line for line in said), said


def test_the_stream_shows_only_the_jobs_that_are_meant(house: Any) -> None:
    house.server(2)
    with watching(house, "-n", "wanted", "--since", "0") as child:
        house.ok("Salloc", "true")
        house.ok("Salloc", "-J", "wanted", "true")
        assert child.stdout is not None
        kinds = [child.stdout.readline().split()[2:4] for _ in range(3)]
    assert kinds == [["submitted", "2"], ["started", "2"], ["ended", "2"]]


def test_the_stream_ends_when_its_reader_leaves_though_nothing_happens(house: Any) -> None:
    house.server(1)
    house.ok("Salloc", "true")
    child = house.spawn("Squeue", "--watch", "--since", "0")
    assert child.stdout is not None
    assert child.stdout.readline()
    child.stdout.close()
    child.wait(30)
    assert child.stderr is not None
    assert child.stderr.read() == ""


def test_ctrl_c_ends_the_stream_by_its_signal(house: Any) -> None:
    house.server(1)
    house.ok("Salloc", "true")
    with watching(house, "--since", "0") as child:
        assert child.stdout is not None
        assert child.stdout.readline()
        child.send_signal(signal.SIGINT)
        assert child.wait(30) == -signal.SIGINT
        assert child.stderr is not None
        assert child.stderr.read() == ""


# ---- the live table
LEAVES_SCREEN = r"\x1b\[\?1049l"


def table(house: Any, *options: str) -> pexpect.spawn:
    child = house.terminal("Squeue", "--watch", *options, dimensions=(24, 100))
    child.expect(r"\x1b\[\?1049h")
    return child


def test_the_table_follows_the_jobs_and_q_leaves_it(house: Any) -> None:
    house.server(2)
    child = table(house)
    child.expect_exact("0 used out of 2")
    salloc = house.spawn("Salloc", "-n", "2", *RUNS)
    child.expect_exact("2 used out of 2")
    child.expect_exact("1 running, 0 suspended, 0 waiting")
    child.expect_exact("sh -c 'exec sleep 600'")
    child.expect(r"0:0[1-9]")  # the time passes though nothing happens
    salloc.send_signal(signal.SIGTERM)
    child.expect_exact("0 used out of 2")
    child.send("q")
    child.expect(LEAVES_SCREEN)
    child.expect(pexpect.EOF)
    child.wait()
    assert (child.exitstatus, child.signalstatus) == (0, None)


def test_the_table_says_that_the_server_has_gone_and_comes_back(house: Any) -> None:
    house.server(2)
    child = table(house)
    child.expect_exact("0 used out of 2")
    house.ok("Sserver", "-1")
    child.expect_exact("the server has gone")
    house.ok("Sserver", "5")
    child.expect_exact("0 used out of 5")
    child.send("q")
    child.expect(pexpect.EOF)


def test_the_table_fits_a_terminal_that_changes_its_size(house: Any) -> None:
    house.server(2)
    child = table(house)
    child.expect_exact("q leaves")
    child.setwinsize(10, 60)
    child.expect_exact("q leaves")
    child.send("q")
    child.expect(pexpect.EOF)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_table_and_puts_the_terminal_back(house: Any, number: int) -> None:
    house.server(1)
    shell = house.terminal(
        "sh", "-c", "stty -a >before; Squeue --watch; echo code $?; stty -a >after; echo done"
    )
    shell.expect_exact("q leaves")
    (pid,) = [
        int(name)
        for name in os.listdir("/proc")
        if name.isdigit() and b"--watch" in _command_line(name) and f"HOUSE={house.mark}".encode() in _environ(name)
        and b"stty" not in _command_line(name)
    ]  # fmt: skip
    os.kill(pid, number)
    shell.expect(LEAVES_SCREEN)
    shell.expect_exact(f"code {128 + number}")
    shell.expect_exact("done")
    assert (house.work / "before").read_text() == (house.work / "after").read_text()


def _command_line(pid: str) -> bytes:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()
    except OSError:
        return b""


def _environ(pid: str) -> bytes:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read()
    except OSError:
        return b""


def test_ctrl_z_gives_the_terminal_back_and_fg_takes_it_again(house: Any) -> None:
    house.server(1)
    shell = house.terminal("bash", "--norc", "--noprofile", "-i")
    shell.sendline("PS1='ready> '; stty -a >before")
    shell.expect_exact("ready> ")
    shell.sendline("Squeue --watch")
    shell.expect_exact("q leaves")
    shell.send("\x1a")
    shell.expect(LEAVES_SCREEN)
    shell.expect_exact("Stopped")
    shell.sendline("fg")
    shell.expect_exact("q leaves")
    shell.send("q")
    shell.expect(LEAVES_SCREEN)
    shell.sendline("stty -a >after; echo is''over")
    shell.expect_exact("isover")
    shell.sendline("exit")
    shell.expect(pexpect.EOF)
    assert (house.work / "before").read_text() == (house.work / "after").read_text()


def test_a_table_on_a_dumb_terminal_is_the_stream(house: Any) -> None:
    house.server(1)
    child = house.terminal("Squeue", "--watch", env={**house.env, "TERM": "dumb"})
    house.until(lambda: _is_listening(house, child.pid))
    house.ok("Salloc", "true")
    child.expect("submitted")
    child.expect("ended")
    child.sendintr()
    child.expect(pexpect.EOF)


def _is_listening(house: Any, pid: int) -> bool:
    """Whether a process has a connection to the socket of events."""
    descriptors = f"/proc/{pid}/fd"
    sockets = 0
    for name in os.listdir(descriptors):
        with contextlib.suppress(OSError):
            sockets += os.readlink(f"{descriptors}/{name}").startswith("socket:")
    return sockets > 0
