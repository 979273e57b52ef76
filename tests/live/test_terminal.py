"""Terminals and job control: a real interactive shell on a pseudo-terminal, with and without Salloc the same."""

import os
import signal
from typing import Any

import pytest

PROMPT = "=> "


@pytest.fixture
def shell(house: Any) -> Any:
    """An interactive bash on a terminal, beside a server with two procs."""
    house.server(2)
    terminal = house.terminal(
        "bash", "--norc", "--noprofile", "-i", env=house.env | {"PS1": PROMPT, "PS2": ""}
    )
    terminal.expect_exact(PROMPT)
    terminal.sendline("bind 'set enable-bracketed-paste off' 2>/dev/null; stty -echo")
    terminal.expect_exact(PROMPT)
    return terminal


def answer(terminal: Any, line: str) -> str:
    """What a command line prints."""
    terminal.sendline(line)
    terminal.expect_exact(PROMPT)
    return str(terminal.before).replace("\r\n", "\n").strip()


def test_the_command_has_the_terminal(shell: Any) -> None:
    assert answer(shell, "Salloc sh -c 'test -t 0 && test -t 1 && test -t 2 && tty'") == answer(shell, "tty")
    shell.setwinsize(33, 99)
    assert answer(shell, "Salloc stty size") == "33 99"
    assert answer(shell, "Salloc sh -c 'echo from tty > /dev/tty'") == "from tty"


def test_ctrl_c_ends_the_command_and_salloc_by_the_same_signal(house: Any, shell: Any) -> None:
    shell.sendline("Salloc sh -c 'echo up; exec sleep 1000'")
    shell.expect_exact("up")
    shell.sendintr()
    shell.expect_exact(PROMPT)
    assert answer(shell, "echo $?") == "130"
    row = house.until_state(1, "CANCELLED")
    assert row["signal"] == signal.SIGINT


def test_a_command_that_handles_ctrl_c_goes_on(house: Any, shell: Any) -> None:
    # By os.write: what print was about when the signal came cannot be entered again.
    program = 'import os, signal; signal.signal(2, lambda *_: os.write(1, b"caught\\n")); os.write(1, b"up\\n"); print("got", input()); exit(9)'
    shell.sendline(f"Salloc python3 -c '{program}'")
    shell.expect_exact("up")
    shell.sendintr()
    shell.expect_exact("caught")
    shell.sendline("line")
    shell.expect_exact("got line")
    shell.expect_exact(PROMPT)
    assert answer(shell, "echo $?") == "9"
    assert house.until_state(1, "FAILED")["exit_code"] == 9


def test_ctrl_backslash_quits(shell: Any) -> None:
    shell.sendline("ulimit -c 0; Salloc sh -c 'echo up; exec sleep 1000'")
    shell.expect_exact("up")
    shell.send("\x1c")
    shell.expect_exact(PROMPT)
    assert answer(shell, "echo $?") == "131"


def test_ctrl_z_bg_and_fg_work(house: Any, shell: Any) -> None:
    shell.sendline("Salloc sh -c 'echo up; read x; echo got $x'")
    shell.expect_exact("up")
    shell.send("\x1a")
    shell.expect("Stopped")
    shell.expect_exact(PROMPT)
    assert "Stopped" in answer(shell, "jobs")
    assert house.job(1)["state"] == "RUNNING"
    shell.sendline("fg")
    shell.sendline("again")
    shell.expect_exact("got again")
    shell.expect_exact(PROMPT)
    assert answer(shell, "echo $?") == "0"


def test_a_background_job_that_reads_the_terminal_stops_and_can_be_brought_back(shell: Any) -> None:
    shell.sendline("Salloc sh -c 'read x; echo got $x' & wait %1; jobs")
    shell.expect("Stopped")
    shell.expect_exact(PROMPT)
    shell.sendline("fg")
    shell.sendline("now")
    shell.expect_exact("got now")
    shell.expect_exact(PROMPT)


def test_a_stopped_job_goes_on_in_the_background(shell: Any) -> None:
    shell.sendline("Salloc sh -c 'echo up; sleep 0.2; echo done > done.txt; exit 0'")
    shell.expect_exact("up")
    shell.send("\x1a")
    shell.expect("Stopped")
    shell.expect_exact(PROMPT)
    answer(shell, "bg")
    answer(shell, "wait")
    assert answer(shell, "cat done.txt") == "done"


def test_a_full_screen_program_works(house: Any, shell: Any) -> None:
    (house.work / "text").write_text("".join(f"line {number}\n" for number in range(500)))
    shell.sendline("Salloc less text")
    shell.expect_exact("line 0")
    shell.send("G")
    shell.expect_exact("line 499")
    shell.send("q")
    shell.expect_exact(PROMPT)
    assert answer(shell, "echo $?") == "0"


def test_an_interactive_shell_inside_a_job_has_job_control(shell: Any) -> None:
    shell.sendline("PS1='in> ' Salloc bash --norc --noprofile -i")
    shell.expect_exact("in> ")
    shell.sendline("sleep 1000")
    shell.send("\x1a")
    shell.expect("Stopped")
    shell.expect_exact("in> ")
    shell.sendline("fg")
    shell.expect_exact("sleep 1000")
    shell.sendintr()
    shell.expect_exact("in> ")
    shell.sendline("exit 3")
    shell.expect_exact(PROMPT)
    assert answer(shell, "echo $?") == "3"


def test_ctrl_c_takes_a_waiting_salloc_off_the_queue(house: Any, shell: Any) -> None:
    go = house.pipe("go")
    house.spawn("Salloc", "-n", "2", "sh", "-c", f"read x < {go}")
    house.until_state(1, "RUNNING")
    shell.sendline("Salloc echo never")
    shell.expect_exact("Salloc: job 2 waits for 1 proc")
    shell.sendintr()
    shell.expect_exact(PROMPT)
    assert answer(shell, "echo $?") == "130"
    assert house.until_state(2, "CANCELLED")["cause"] == "client gone"
    go.write_text("on\n")


def test_a_closed_terminal_ends_its_jobs(house: Any) -> None:
    house.server(2)
    terminal = house.terminal("Salloc", "sh", "-c", "echo up; exec sleep 1000")
    terminal.expect_exact("up")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, terminal.child_fd)  # the terminal goes, as with a closed window
    os.close(null)
    assert house.until_state(1, "CANCELLED")["signal"] == signal.SIGHUP


def test_nohup_protects_a_job_from_a_closed_terminal(house: Any) -> None:
    house.server(2)
    go = house.pipe("go")
    terminal = house.terminal(
        "bash", "-c", f"nohup Salloc sh -c 'echo up > /dev/tty; read x < {go}' >/dev/null 2>&1 & wait"
    )
    terminal.expect_exact("up")
    terminal.close(force=False)
    assert house.job(1)["state"] == "RUNNING"
    go.write_text("on\n")
    house.until_state(1, "COMPLETED")
