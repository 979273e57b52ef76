"""Salloc, as a user sees it: as if there were no Salloc. Real processes, a real server."""

import os
import resource
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from jobd.states import JobState


def python(code: str) -> list[str]:
    return ["python3", "-c", code]


@pytest.mark.parametrize("code", [0, 1, 2, 7, 126, 127, 128, 255])
def test_the_exit_code_is_the_commands(house: Any, code: int) -> None:
    house.server()
    assert house.run("Salloc", "sh", "-c", f"exit {code}").returncode == code


@pytest.mark.parametrize("name", ["SEGV", "ABRT", "TERM", "KILL", "HUP", "INT", "USR1", "PIPE"])
def test_a_command_that_dies_by_a_signal_makes_salloc_die_by_it(house: Any, name: str) -> None:
    house.server()
    number = getattr(signal, f"SIG{name}")
    done = house.run("Salloc", "sh", "-c", f"kill -{name} $$")
    assert done.returncode == -number
    assert done.stderr == ""


def test_input_output_and_error_are_the_callers(house: Any) -> None:
    house.server()
    done = house.run("Salloc", "sh", "-c", "cat; echo err >&2", input="one\ntwo\n")
    assert (done.stdout, done.stderr, done.returncode) == ("one\ntwo\n", "err\n", 0)
    piped = house.ok("sh", "-c", "seq 3 | Salloc sed s/^/x/ | tac")
    assert piped == "x3\nx2\nx1\n"
    assert house.ok("sh", "-c", "Salloc cat <<EOF\nhere\nEOF") == "here\n"


def test_no_shell_looks_at_the_command(house: Any) -> None:
    house.server()
    assert house.ok("Salloc", "printf", "%s\\n", "a b", "$HOME;*", "") == "a b\n$HOME;*\n\n"


def test_options_end_at_the_command_or_at_two_dashes(house: Any) -> None:
    house.server()
    assert house.ok("Salloc", "-n", "2", "echo", "-n", "3", "--version") == "3 --version"
    assert house.ok("Salloc", "-n2", "--", "echo", "--", "-v") == "-- -v\n"


def test_arguments_that_are_no_utf8_arrive_as_they_are(house: Any) -> None:
    house.server()
    done = subprocess.run(
        [b"Salloc", b"printf", b"%s", b"\xff\xfe a"], env=house.env, capture_output=True, check=True
    )
    assert done.stdout == b"\xff\xfe a"
    (row,) = [job for job in house.jobs(is_finished=True) if job["name"] == "printf"]
    assert row["state"] == "COMPLETED"


def test_the_environment_is_the_callers_and_says_how_many_procs(house: Any) -> None:
    house.server()
    env = house.env | {"OMP_NUM_THREADS": "5", "ODD": "a\nb", "LANG": "C"}
    del env["TERM"]
    plain = house.ok("env", "-0", env=env).split("\0")
    inside = house.ok("Salloc", "-n", "2", "env", "-0", env=env).split("\0")
    added = dict(line.split("=", 1) for line in inside if line and line not in plain)
    assert set(plain) <= set(inside)
    assert added.pop("JOBD_SERVER")
    threads = {name: added.pop(name) for name in list(added) if name.endswith(("THREADS", "PROCS"))}
    assert threads and set(threads.values()) == {"2"} and "OMP_NUM_THREADS" not in threads
    assert added == {"JOBD_JOB_ID": "1", "JOBD_NB_PROC": "2", "NB_PROC": "2"}


def test_a_nested_job_gets_thread_counts_of_its_own(house: Any) -> None:
    house.server()
    assert house.ok("Salloc", "-n2", "Salloc", "-n1", "sh", "-c", "echo $OMP_NUM_THREADS $NB_PROC") == "1 1\n"


def test_folder_umask_limits_nice_and_signals_are_the_callers(house: Any) -> None:
    house.server()
    look = "pwd; umask; ulimit -a; nice; grep -E '^(SigBlk|NoNewPrivs)' /proc/self/status; trap; ls /proc/self/fd"

    def change() -> None:
        os.umask(0o027)
        os.nice(3)
        resource.setrlimit(resource.RLIMIT_NOFILE, (512, 1024))
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])

    (house.work / "here").mkdir()
    options = {"cwd": house.work / "here", "preexec_fn": change, "stdin": subprocess.DEVNULL}
    assert house.ok("Salloc", "bash", "-c", look, **options) == house.ok("bash", "-c", look, **options)


def test_descriptors_of_the_caller_reach_the_command(house: Any) -> None:
    house.server()
    reader, writer = os.pipe()
    house.ok("Salloc", "bash", "-c", f"echo through >&{writer}", pass_fds=(writer,))
    os.close(writer)
    with os.fdopen(reader) as file:
        assert file.read() == "through\n"


def test_closed_standard_streams_stay_closed(house: Any) -> None:
    house.server()
    for name, prefix in (("plain", ""), ("inside", "Salloc ")):
        done = house.run("bash", "-c", f"{prefix}bash -c 'echo /dev/fd/* > {name}; exit 3' <&- >&- 2>&-")
        assert done.returncode == 3
    assert (house.work / "inside").read_text() == (house.work / "plain").read_text()


def test_it_says_nothing_unless_asked_and_always_its_errors(house: Any) -> None:
    house.server()
    assert house.run("Salloc", "true").stderr == ""
    assert "Salloc: job" in house.run("Salloc", "-v", "true").stderr
    refused = house.run("Salloc", "-q", "-n", "9", "true")
    assert refused.returncode == 1 and refused.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "code", "text"),
    [
        ("no-such-command", 127, "Salloc: no-such-command: command not found\n"),
        ("./none", 127, "Salloc: ./none: No such file or directory\n"),
        ("./plain", 126, "Salloc: ./plain: permission denied\n"),
        ("/", 126, "Salloc: /: is a directory\n"),
    ],
)
def test_what_cannot_be_run_is_told_as_a_shell_does(house: Any, name: str, code: int, text: str) -> None:
    house.server()
    (house.work / "plain").write_text("no program")
    done = house.run("Salloc", name)
    assert (done.returncode, done.stderr) == (code, text)
    assert house.jobs() == []


def test_a_script_without_a_first_line_is_run_by_sh(house: Any) -> None:
    house.server()
    script = house.work / "script"
    script.write_text("echo $1 $0\n")
    script.chmod(0o755)
    assert house.ok("Salloc", "./script", "arg").startswith("arg")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("-n",),
        ("-n", "0", "true"),
        ("-n", "-1", "true"),
        ("-n", "x", "true"),
        ("--nope", "true"),
        ("--",),
        ("-t", "1:2:3:4", "true"),
        ("--on-kill", "x", "true"),
        ("--priority", "high", "true"),
        ("--priority", "9" * 30, "true"),
        ("-n", "9" * 30, "true"),
        ("-t", "9" * 30, "true"),
    ],
)
def test_nonsense_is_refused_with_code_2(house: Any, arguments: tuple[str, ...]) -> None:
    done = house.run("Salloc", *arguments)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("Salloc: ")
    assert "Traceback" not in done.stderr


def test_more_than_nb_proc_max_is_refused_and_the_limit_named(house: Any) -> None:
    house.server(2)
    done = house.run("Salloc", "-n", "3", "true")
    assert done.returncode == 1
    assert "nb_proc_max is 2" in done.stderr and "jobctl set-nb-proc-max 3" in done.stderr
    house.ok("jobctl", "set-nb-proc-max", "3")
    assert house.ok("Salloc", "-n", "3", "echo", "exceptional") == "exceptional\n"


def test_a_job_is_bound_to_as_many_processors_as_it_asked_for(house: Any) -> None:
    count = len(os.sched_getaffinity(0))
    house.server(count)
    for asked in range(1, count + 1):
        assert (
            house.ok("Salloc", "-n", str(asked), "nproc", env=house.env | {"OMP_NUM_THREADS": ""})
            == f"{asked}\n"
        )
    assert (
        house.ok("Salloc", "--no-bind", "python3", "-c", "import os; print(len(os.sched_getaffinity(0)))")
        == f"{count}\n"
    )
    house.ok("Sserver", str(count + 1))
    assert (
        house.ok("Salloc", "python3", "-c", "import os; print(len(os.sched_getaffinity(0)))") == f"{count}\n"
    )


def test_two_running_jobs_have_different_processors(house: Any) -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.fail("this machine has one processor")
    house.server(2)
    go = house.pipe("go")
    first = house.spawn("Salloc", "sh", "-c", f"taskset -cp $$; read x < {go}")
    house.until_state(1, "RUNNING")
    second = house.ok("Salloc", "sh", "-c", "taskset -cp $$").split(":")[1]
    go.write_text("on\n")
    assert first.communicate(timeout=60)[0].split(":")[1] != second


# ---- waiting
def held(house: Any, nb_proc: int = 1) -> tuple[subprocess.Popen[str], Path]:
    """A server whose procs are all taken, and the pipe that lets them go."""
    house.server(nb_proc)
    go = house.pipe("hold")
    child = house.spawn("Salloc", "-n", str(nb_proc), "sh", "-c", f"read x < {go}")
    house.until_state(1, "RUNNING")
    return child, go


def test_it_waits_for_free_procs_and_jobs_run_in_their_order(house: Any) -> None:
    _, go = held(house)
    waiting = []
    for number in range(2, 6):
        waiting.append(house.spawn("Salloc", "sh", "-c", f"echo {number} >> order"))
        house.until_state(number, "PENDING")
    assert [job["job_id"] for job in house.jobs()] == [1, 2, 3, 4, 5]
    assert "missing" in house.job(2)["reason"] and "job 1" in house.job(2)["reason"]
    go.write_text("on\n")
    assert [child.wait(60) for child in waiting] == [0] * 4
    assert (house.work / "order").read_text().split() == ["2", "3", "4", "5"]
    assert house.jobs() == []


def test_priority_goes_first(house: Any) -> None:
    _, go = held(house)
    children = []
    for number, priority in ((2, "0"), (3, "-5"), (4, "5")):
        children.append(house.spawn("Salloc", "--priority", priority, "sh", "-c", f"echo {number} >> order"))
        house.until_state(number, "PENDING")
    go.write_text("on\n")
    assert [child.wait(60) for child in children] == [0] * 3
    assert (house.work / "order").read_text().split() == ["4", "2", "3"]


@pytest.mark.parametrize("name", ["INT", "TERM", "HUP", "KILL"])
def test_killing_a_waiting_salloc_takes_its_job_off_the_queue(house: Any, name: str) -> None:
    first, go = held(house)
    child = house.spawn("Salloc", "true")
    house.until_state(2, "PENDING")
    number = getattr(signal, f"SIG{name}")
    child.send_signal(number)
    assert child.wait(60) == -number
    assert house.until_state(2, "CANCELLED")["cause"] == "client gone"
    go.write_text("on\n")
    assert first.wait(60) == 0


def test_a_waiting_salloc_says_why_on_a_terminal(house: Any) -> None:
    _, go = held(house)
    terminal = house.terminal("Salloc", "echo", "done")
    terminal.expect("Salloc: job 2 waits for 1 proc: 1 of 1 proc missing, in use by job 1")
    go.write_text("on\n")
    terminal.expect("job 2 runs")
    terminal.expect("done")
    terminal.wait()
    assert terminal.exitstatus == 0


def test_a_limit_lowered_cancels_waiting_jobs_which_say_why(house: Any) -> None:
    _, go = held(house, 2)
    child = house.spawn("Salloc", "-n", "2", "true")
    house.until_state(2, "PENDING")
    assert "cancelled 1 waiting job" in house.ok("jobctl", "set-nb-proc-max", "1")
    _, error = child.communicate(timeout=60)
    assert child.returncode == 1
    assert "nb_proc_max was lowered" in error and error.count("\n") == 1
    go.write_text("on\n")


def test_nothing_starts_while_nb_proc_is_0_and_all_does_after(house: Any) -> None:
    house.server(1)
    house.ok("jobctl", "set_nb_proc", "0")
    child = house.spawn("Salloc", "echo", "ran")
    assert "nb_proc is 0" in house.until_state(1, "PENDING")["reason"]
    house.ok("jobctl", "set-nb-proc", "1")
    assert child.communicate(timeout=60)[0] == "ran\n"


def test_raising_nb_proc_starts_what_then_fits(house: Any) -> None:
    _, go = held(house)
    child = house.spawn("Salloc", "echo", "ran")
    house.until_state(2, "PENDING")
    house.ok("jobctl", "set-nb-proc", "2")
    assert child.communicate(timeout=60)[0] == "ran\n"
    go.write_text("on\n")


def test_an_exceptional_job_runs_alone(house: Any) -> None:
    _, go = held(house)
    house.ok("jobctl", "set-nb-proc-max", "4")
    big = house.spawn("Salloc", "-n", "4", "sh", "-c", "Squeue --noheader --state R | wc -l")
    assert "runs alone" in house.until_state(2, "PENDING")["reason"]
    go.write_text("on\n")
    assert big.communicate(timeout=60)[0].strip() == "1"


# ---- killing
STUBBORN = "import signal,time; [signal.signal(s, signal.SIG_IGN) for s in (1, 2, 15)]; print('up', flush=True); signal.pause()"


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "QUIT", "KILL"])
def test_killing_a_running_salloc_kills_its_command_wherever_it_has_gone(house: Any, name: str) -> None:
    house.server()
    pids = house.work / "pids"
    script = (
        f"echo $$ >> {pids}; sleep 1000 & echo $! >> {pids}; "
        f"setsid sh -c 'echo $$ >> {pids}; (sleep 1000; true) & exec sleep 1000' & "
        f"(setsid sh -c 'echo $$ >> {pids}; echo up; exec sleep 1000' &) ; wait"
    )
    child = house.spawn("Salloc", "sh", "-c", script)
    assert child.stdout is not None and child.stdout.readline() == "up\n"
    number = getattr(signal, f"SIG{name}")
    child.send_signal(number)
    child.wait(60)
    row = house.until_state(1, *(state.value for state in JobState if state.is_final))
    assert row["state"] == "CANCELLED" and row["cause"] == "signalled"
    assert not living(pids)


def living(pids: Path) -> list[int]:
    """Those of the recorded processes that live."""
    found = []
    for text in pids.read_text().split():
        try:
            state = Path(f"/proc/{text}/stat").read_bytes().rpartition(b")")[2].split()[0]
        except OSError:
            continue
        if state not in (b"Z", b"X"):
            found.append(int(text))
    return found


def test_sdelete_ends_what_ignores_term(house: Any) -> None:
    (house.root / ".config/jobd").mkdir(parents=True)
    (house.root / ".config/jobd/config.toml").write_text("kill_grace_s = 0.3\n")
    house.server()
    child = house.spawn("Salloc", *python(STUBBORN))
    assert child.stdout is not None and child.stdout.readline() == "up\n"
    house.ok("Sdelete", "1")
    assert child.wait(60) == -signal.SIGKILL
    assert house.job(1)["state"] == "CANCELLED"


def test_sdelete_of_an_unknown_job_says_so_and_touches_nothing(house: Any) -> None:
    _, go = held(house)
    done = house.run("Sdelete", "1", "42")
    assert done.returncode == 1
    assert done.stderr == "Sdelete: no job 42 (Squeue lists the living, Sacct the finished)\n"
    assert house.job(1)["state"] == "RUNNING"
    go.write_text("on\n")


def test_what_the_command_leaves_behind_is_ended_with_it(house: Any) -> None:
    house.server()
    pids = house.work / "pids"
    done = house.run("Salloc", "sh", "-c", f"setsid sleep 1000 >/dev/null 2>&1 & echo $! > {pids}; exit 5")
    assert done.returncode == 5
    assert not living(pids)
    assert house.job(1)["state"] == "FAILED" and house.job(1)["exit_code"] == 5


def test_a_time_limit_ends_the_job_alone(house: Any) -> None:
    house.server()
    child = house.spawn("Salloc", "sh", "-c", "Salloc -t 0:01 sleep 1000; echo $?")
    assert child.communicate(timeout=60)[0].strip() == "143"
    assert child.returncode == 0
    assert house.job(2)["state"] == "TIMEOUT"
    assert house.job(1)["state"] == "COMPLETED"
