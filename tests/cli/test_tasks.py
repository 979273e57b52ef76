"""The tasks of a step with real processes: their output, input, ends, and what ends them. No server."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pexpect
import pytest

DRIVER = str(Path(__file__).with_name("step_driver.py"))
SRUN = (sys.executable, DRIVER)
PATIENCE_S = 30.0


class Bench:
    """Runs steps in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {
            "PATH": os.environ["PATH"],
            "XDG_RUNTIME_DIR": str(folder),
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "SLURMD_NODENAME": "vm",
            "JOBD_JOB_ID": "7",
        }
        self.children: list[subprocess.Popen[str]] = []
        self.terminals: list[pexpect.spawn] = []

    def run(self, *argv: str, **options: Any) -> subprocess.CompletedProcess[str]:
        options = {"env": self.env, "cwd": self.folder, "timeout": PATIENCE_S} | options
        return subprocess.run(
            [sys.executable, DRIVER, *argv], capture_output=True, text=True, check=False, **options
        )

    def spawn(self, *argv: str) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [sys.executable, DRIVER, *argv], env=self.env, cwd=self.folder, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.children.append(child)
        return child

    def terminal(self, *argv: str) -> pexpect.spawn:
        child = pexpect.spawn(
            argv[0], list(argv[1:]), env=self.env, cwd=str(self.folder), timeout=PATIENCE_S, encoding="utf-8"
        )
        self.terminals.append(child)
        return child


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    built = Bench(tmp_path)
    yield built
    for terminal in built.terminals:
        terminal.close(force=True)
    for child in built.children:
        if child.poll() is None:
            child.kill()
        child.communicate(timeout=PATIENCE_S)


def sorted_lines(text: str) -> list[str]:
    return sorted(text.splitlines())


def gone(pid: int) -> bool:
    """Whether a process ends, waited for at most as long as we are patient."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([pidfd], [], [], PATIENCE_S)[0])
    finally:
        os.close(pidfd)


# ---- what the tasks find
def test_each_copy_knows_its_rank(bench: Bench) -> None:
    done = bench.run("-n3", "sh", "-c", "echo $SLURM_PROCID $SLURM_LOCALID $SLURM_NTASKS $JOBD_STEP_ID")
    step = str(done.stdout.split()[3])
    assert sorted_lines(done.stdout) == [f"{n} {n} 3 {step}" for n in range(3)]
    assert (done.returncode, done.stderr) == (0, "")


def test_no_shell_looks_at_the_command(bench: Bench) -> None:
    assert bench.run("printf", "%s\n", "a b", "$HOME;*", "").stdout == "a b\n$HOME;*\n\n"


def test_options_end_at_the_command(bench: Bench) -> None:
    assert bench.run("-n", "1", "echo", "-n", "3", "--label").stdout == "3 --label"


# ---- codes
@pytest.mark.parametrize("code", [0, 1, 2, 7, 126, 255])
def test_the_code_is_the_commands(bench: Bench, code: int) -> None:
    assert bench.run("sh", "-c", f"exit {code}").returncode == code


def test_the_highest_code_of_all_counts(bench: Bench) -> None:
    done = bench.run("-n4", "sh", "-c", "exit $((SLURM_PROCID % 3 * 5))")
    assert done.returncode == 10
    assert {
        "Srun: error: vm: task 1: Exited with exit code 5",
        "Srun: error: vm: task 2: Exited with exit code 10",
    } <= set(done.stderr.splitlines())


def test_a_signal_counts_as_128_and_its_number(bench: Bench) -> None:
    done = bench.run("sh", "-c", "kill -9 $$")
    assert (done.returncode, done.stderr) == (137, "Srun: error: vm: task 0: Killed\n")


def test_a_program_that_is_not_there_is_said_as_slurm_says_it(bench: Bench) -> None:
    done = bench.run("nosuch")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "slurmstepd: error: execve(): nosuch: No such file or directory",
        "Srun: error: vm: task 0: Exited with exit code 2",
    ]
    assert bench.run("/").returncode == 13


# ---- output
def test_labels_stand_before_each_line(bench: Bench) -> None:
    script = "echo a; printf 'b\\rc\\nno end'; echo err >&2"
    done = subprocess.run(
        [*SRUN, "-l", "-n2", "sh", "-c", script],
        env=bench.env,
        cwd=bench.folder,
        capture_output=True,
        check=True,
    )
    lines = [line for n in (b"0", b"1") for line in (n + b": a", n + b": b\rc", n + b": no end")]
    assert sorted(done.stdout.split(b"\n")) == sorted([b"", *lines])
    assert sorted(done.stderr.split(b"\n")) == [b"", b"0: err", b"1: err"]


def test_labels_are_as_wide_as_the_largest(bench: Bench) -> None:
    lines = bench.run("-l", "-n11", "echo").stdout.splitlines()
    assert sorted(lines) == [f"{n:2}: " for n in range(11)]


def test_lines_of_several_tasks_never_mix(bench: Bench) -> None:
    code = "import os,sys\nfor n in range(300):\n for part in (os.environ['SLURM_PROCID'],'x'*50,str(n),'\\n'):\n  os.write(1,part.encode())"
    lines = bench.run("-n4", sys.executable, "-c", code).stdout.splitlines()
    assert sorted(lines) == sorted(f"{rank}{'x' * 50}{n}" for rank in range(4) for n in range(300))


def test_bytes_that_are_no_text_arrive_as_they_are(bench: Bench) -> None:
    done = subprocess.run(
        [sys.executable, DRIVER, "-n2", "printf", "\\377\\000\\n"],
        env=bench.env,
        cwd=bench.folder,
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"\xff\x00\n" * 2


def test_a_file_for_each_task_and_its_folders(bench: Bench) -> None:
    bench.run("-n2", "-o", "logs/%j/out_%t", "-e", "logs/err_%2t", "sh", "-c", "echo out; echo err >&2")
    assert [(bench.folder / "logs" / "7" / f"out_{n}").read_text() for n in (0, 1)] == ["out\n"] * 2
    assert [(bench.folder / "logs" / f"err_0{n}").read_text() for n in (0, 1)] == ["err\n"] * 2


def test_errors_join_an_output_file(bench: Bench) -> None:
    bench.run("-o", "both", "sh", "-c", "echo out; echo err >&2")
    assert (bench.folder / "both").read_text() == "out\nerr\n"


def test_an_output_file_is_begun_anew_or_appended_to(bench: Bench) -> None:
    for mode, text in (("truncate", "one\n"), ("append", "one\none\n"), ("truncate", "one\n")):
        bench.run("--open-mode", mode, "-o", "file", "echo", "one")
        assert (bench.folder / "file").read_text() == text


def test_one_file_for_all_holds_all(bench: Bench) -> None:
    bench.run("-n3", "-l", "-o", "file", "echo", "x")
    assert sorted_lines((bench.folder / "file").read_text()) == ["0: x", "1: x", "2: x"]


def test_output_can_be_of_one_task_or_none(bench: Bench) -> None:
    assert bench.run("-n3", "-o", "1", "sh", "-c", "echo $SLURM_PROCID").stdout == "1\n"
    assert bench.run("-n3", "-o", "none", "echo").stdout == ""


def test_a_file_that_cannot_be_opened_is_one_line(bench: Bench) -> None:
    (bench.folder / "file").write_text("")
    done = bench.run("-o", "file/below", "true")
    assert done.returncode != 0
    assert "Could not open stdout file" in done.stderr


def test_who_reads_no_more_ends_the_tasks_and_hangs_nothing(bench: Bench) -> None:
    line = f"{sys.executable} {DRIVER} -n2 yes | head -n 1"
    done = subprocess.run(
        ["sh", "-c", line],
        env=bench.env,
        cwd=bench.folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.stdout == "y\n"


# ---- input
@pytest.mark.parametrize(
    ("argv", "lines"),
    [
        ((), ["0: a", "0: b", "1: a", "1: b"]),
        (("-i", "all"), ["0: a", "0: b", "1: a", "1: b"]),
        (("-i", "1"), ["1: a", "1: b"]),
        (("-i", "none"), []),
    ],
)
def test_input_goes_to_all_to_one_or_to_none(bench: Bench, argv: Sequence[str], lines: list[str]) -> None:
    assert sorted_lines(bench.run("-n2", "-l", *argv, "cat", input="a\nb\n").stdout) == lines


def test_much_input_reaches_all_of_them(bench: Bench) -> None:
    text = "".join(f"{n}\n" for n in range(100_000))
    assert bench.run("-n3", "sh", "-c", "wc -l", input=text).stdout.split() == ["100000"] * 3


def test_a_task_that_reads_nothing_holds_up_nobody(bench: Bench) -> None:
    text = "x" * 1_000_000
    done = bench.run("-n2", "sh", "-c", "test $SLURM_PROCID = 0 && exit; wc -c", input=text)
    assert done.stdout.split() == ["1000000"]


def test_input_from_a_file_of_each_task(bench: Bench) -> None:
    for n in (0, 1):
        (bench.folder / f"in{n}").write_text(f"from {n}\n")
    assert sorted_lines(bench.run("-n2", "-i", "in%t", "cat").stdout) == ["from 0", "from 1"]
    assert "Could not open stdin file" in bench.run("-i", "nosuch", "cat").stderr


# ---- ends
def test_a_task_that_fails_ends_the_others_if_asked(bench: Bench) -> None:
    script = "test $SLURM_PROCID = 0 && exit 3; exec sleep 1000"
    assert bench.run("-n3", "-K", "sh", "-c", script).returncode == 128 + signal.SIGTERM


def test_after_the_first_end_the_others_are_given_some_time(bench: Bench) -> None:
    done = bench.run("-n2", "-W1", "sh", "-c", "test $SLURM_PROCID = 0 || exec sleep 1000")
    assert done.returncode == 128 + signal.SIGTERM
    assert "Timed out waiting for job step to complete" in done.stderr


def test_what_tasks_leave_behind_is_ended(bench: Bench) -> None:
    done = bench.run("sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 & echo $!")
    assert done.returncode == 0
    assert gone(int(done.stdout))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_to_srun_ends_its_tasks_and_all_they_started(bench: Bench, number: int) -> None:
    child = bench.spawn("-n2", "sh", "-c", "sleep 1000 & echo $!; wait")
    assert child.stdout is not None
    pids = [int(child.stdout.readline()) for _ in range(2)]
    child.send_signal(number)
    assert child.wait(PATIENCE_S) == 128 + signal.SIGTERM
    assert all(map(gone, pids))


def test_a_killed_srun_takes_its_tasks_with_it(bench: Bench) -> None:
    child = bench.spawn("-n2", "sh", "-c", "echo $$; setsid sleep 1000 & echo $!; wait")
    assert child.stdout is not None
    pids = [int(child.stdout.readline()) for _ in range(4)]
    child.kill()
    child.wait(PATIENCE_S)
    assert all(map(gone, pids))


def test_other_signals_are_the_tasks_business(bench: Bench) -> None:
    child = bench.spawn("sh", "-c", "trap 'echo got; exit 4' USR1; echo up; sleep 1000 & wait")
    assert child.stdout is not None
    assert child.stdout.readline() == "up\n"
    child.send_signal(signal.SIGUSR1)
    assert child.stdout.readline() == "got\n"
    assert child.wait(PATIENCE_S) == 4


def test_a_time_limit_ends_a_step(bench: Bench) -> None:
    done = bench.run("-t", "0:01", "sleep", "1000")
    assert done.returncode == 128 + signal.SIGTERM
    assert "CANCELLED" in done.stderr and "TIME LIMIT" in done.stderr


# ---- terminals
def test_ctrl_c_ends_the_step_by_the_same_signal(bench: Bench) -> None:
    terminal = bench.terminal(*SRUN, "-n2", "sh", "-c", "echo up; exec sleep 1000")
    terminal.expect_exact("up")
    terminal.expect_exact("up")
    terminal.sendintr()
    terminal.expect(pexpect.EOF)
    terminal.wait()
    assert terminal.signalstatus == signal.SIGINT


def test_two_ctrl_c_end_a_step_that_will_not(bench: Bench) -> None:
    code = "import signal,sys; signal.signal(2, lambda *_: print('no', flush=True)); print('up', flush=True)\nwhile 1: signal.pause()"
    terminal = bench.terminal(*SRUN, sys.executable, "-c", code)
    terminal.expect_exact("up")
    terminal.sendintr()
    while terminal.expect_exact(["no", pexpect.EOF]) == 0:
        terminal.sendintr()  # on a busy machine a second may pass between two
    terminal.wait()
    assert terminal.exitstatus == 128 + signal.SIGTERM


def test_a_pseudo_terminal_is_a_real_one(bench: Bench) -> None:
    terminal = bench.terminal(*SRUN, "--pty", "bash", "--norc", "--noprofile", "-i")
    terminal.setwinsize(33, 99)
    terminal.sendline("PS1='in''> '")
    terminal.expect_exact("in> ")
    terminal.sendline("stty size; test -t 0 && test -t 1 && test -t 2 && echo real")
    terminal.expect_exact("33 99")
    terminal.expect_exact("real\r\n")
    terminal.expect_exact("in> ")
    terminal.setwinsize(20, 70)
    terminal.sendline("sleep 1000")
    terminal.send("\x1a")
    terminal.expect("Stopped")
    terminal.expect_exact("in> ")
    terminal.sendline("stty size; fg")
    terminal.expect_exact("20 70")
    terminal.expect_exact("sleep 1000")
    terminal.sendintr()
    terminal.expect_exact("in> ")
    terminal.sendline("exit 5")
    terminal.expect(pexpect.EOF)
    terminal.wait()
    assert terminal.exitstatus == 5


def test_our_terminal_is_as_it_was_after_a_pseudo_terminal(bench: Bench) -> None:
    line = f"stty -a > before; {sys.executable} {DRIVER} --pty sh -c 'echo in'; stty -a > after; echo done"
    terminal = bench.terminal("sh", "-c", line)
    terminal.expect_exact("in")
    terminal.expect_exact("done")
    assert (bench.folder / "before").read_text() == (bench.folder / "after").read_text()


def test_a_pseudo_terminal_without_a_terminal_of_ours_ends_with_its_input(bench: Bench) -> None:
    done = bench.run("--pty", "cat", input="hello\n")
    assert done.returncode == 0
    assert "hello" in done.stdout
