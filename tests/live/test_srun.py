"""Srun, as a user sees it: outside a job its own job, inside a step. Real processes, a real server."""

import os
import signal
import time
from typing import Any

import pexpect
import pytest


def script(house: Any, text: str, *options: str, code: int = 0) -> str:
    """Run a batch script to its end; what it wrote."""
    path = house.work / "script.sh"
    path.write_text(f"#!/bin/sh\n{text}\n")
    done = house.run("Sbatch", "--wait", "--parsable", "-o", "out-%j", *options, str(path))
    assert done.returncode == code, done.stderr
    written: str = (house.work / f"out-{done.stdout.strip()}").read_text()
    return written


def until_written(house: Any, text: str) -> None:
    """Wait until the job has written something; no server is there to tell of it."""
    end_s = time.monotonic() + 60
    while text not in (house.work / "out").read_text():
        assert time.monotonic() < end_s
        time.sleep(0.02)


# ---- outside
def test_outside_it_is_a_job_of_its_own(house: Any) -> None:
    house.server(2)
    done = house.run(
        "Srun", "-n2", "-l", "-J", "me", "sh", "-c", "echo $SLURM_PROCID $SLURM_JOB_ID $SLURM_JOB_NAME"
    )
    assert sorted(done.stdout.splitlines()) == ["0: 0 1 me", "1: 1 1 me"]
    row = house.job(1)
    assert (row["kind"], row["nb_proc"], row["state"], row["name"]) == ("srun", 2, "COMPLETED", "me")


@pytest.mark.parametrize(("command", "code"), [("exit 7", 7), ("kill -9 $$", 137), ("kill -SEGV $$", 139)])
def test_outside_the_code_is_the_commands(house: Any, command: str, code: int) -> None:
    house.server(2)
    assert house.run("Srun", "sh", "-c", command).returncode == code
    assert house.job(1)["state"] in ("FAILED", "CANCELLED")


def test_outside_each_task_has_processors_of_its_own(house: Any) -> None:
    cpus = sorted(os.sched_getaffinity(0))[:2]
    if len(cpus) < 2:
        cpus *= 2  # one processor is shared by both, which then says the same
    house.server(2)
    lines = house.ok("Srun", "-n2", "sh", "-c", "taskset -cp $$ | sed 's/.*: //'").split()
    assert sorted(map(int, lines)) == cpus


def test_outside_it_waits_its_turn_and_its_death_takes_it_off_the_queue(house: Any) -> None:
    house.server(1)
    go = house.pipe("go")
    house.spawn("Salloc", "sh", "-c", f"read x < {go}")
    house.until_state(1, "RUNNING")
    waiting = house.spawn("Srun", "-v", "echo", "never")
    house.until_state(2, "PENDING")
    waiting.terminate()
    assert house.until_state(2, "CANCELLED")["cause"] == "client gone"
    go.write_text("on\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_outside_killing_it_kills_its_tasks(house: Any, number: int) -> None:
    house.server(2)
    child = house.spawn("Srun", "-n2", "sh", "-c", "echo up; exec sleep 1000")
    assert [child.stdout.readline() for _ in range(2)] == ["up\n"] * 2
    child.send_signal(number)
    row = house.until_state(1, "CANCELLED")
    assert row["cause"] == "signalled"


def test_outside_a_command_that_is_not_there_never_waits(house: Any) -> None:
    house.server(2)
    done = house.run("Srun", "nosuch")
    assert done.returncode == 2
    assert done.stderr.startswith("slurmstepd: error: execve(): nosuch: No such file or directory\n")
    assert house.job(1) is None


def test_ctrl_c_ends_it_and_the_shells_loop(house: Any) -> None:
    house.server(2)
    terminal = house.terminal(
        "bash", "-c", "for n in 1 2; do Srun sh -c 'echo begun; exec sleep 1000'; done; echo went on"
    )
    terminal.expect_exact("begun")
    terminal.sendintr()
    assert terminal.expect_exact(["went on", "begun", pexpect.EOF]) == 2


def test_a_shell_on_a_pseudo_terminal(house: Any) -> None:
    house.server(2)
    terminal = house.terminal("Srun", "--pty", "bash", "--norc", "--noprofile", "-i")
    terminal.sendline("PS1='in''> '")
    terminal.expect_exact("in> ")
    terminal.sendline("tty; echo job $SLURM_JOB_ID; exit 6")
    terminal.expect("/dev/pts/")
    terminal.expect_exact("job 1")
    terminal.expect(pexpect.EOF)
    terminal.wait()
    assert terminal.exitstatus == 6


@pytest.mark.parametrize("ntasks", ["1", "2"])
def test_ctrl_z_stops_it_and_fg_goes_on(house: Any, ntasks: str) -> None:
    house.server(2)
    terminal = house.terminal("bash", "--norc", "--noprofile", "-i", env=house.env | {"PS1": "=> "})
    terminal.expect_exact("=> ")
    terminal.sendline(
        f"Srun -i0 -n{ntasks} sh -c 'echo begun; test $SLURM_PROCID = 0 || exit 0; read x; echo got $x'"
    )
    for _ in range(int(ntasks)):
        terminal.expect_exact("begun\r\n")
    terminal.send("\x1a")
    terminal.expect("Stopped")
    terminal.expect_exact("=> ")
    assert house.job(1)["state"] == "RUNNING"
    terminal.sendline("fg")
    terminal.sendline("again")
    terminal.expect_exact("got again")
    terminal.expect_exact("=> ")
    terminal.sendline("exit")


# ---- inside
def test_inside_it_is_a_step_of_the_job(house: Any) -> None:
    house.server(2)
    text = script(
        house,
        "Srun -l sh -c 'echo $SLURM_JOB_ID $SLURM_STEP_ID'\nSrun sh -c 'echo $SLURM_STEP_ID; exit 5'\necho code $?",
        "-n2",
    )
    lines = text.splitlines()
    assert sorted(lines[:2]) == ["0: 1 0", "1: 1 0"]
    assert "code 5" in lines
    assert [job["job_id"] for job in house.jobs(is_finished=True)] == [1]
    steps = house.ok("Sacct", "-n", "-P", "-j", "1", "-o", "JobID,State,ExitCode").splitlines()
    assert steps == ["1|COMPLETED|0:0", "1.batch|COMPLETED|0:0", "1.0|COMPLETED|0:0", "1.1|FAILED|5:0"]


def test_inside_the_number_of_the_job_alone_is_enough(house: Any) -> None:
    house.server(2)
    clean = "env -i PATH=$PATH HOME=$HOME XDG_RUNTIME_DIR=$XDG_RUNTIME_DIR HOUSE=$HOUSE SLURM_JOB_ID=$SLURM_JOB_ID"
    assert script(house, f"{clean} Srun -n1 sh -c 'echo $JOBD_JOB_ID.$SLURM_STEP_ID'") == "1.0\n"


def test_inside_a_salloc_it_is_a_step_too(house: Any) -> None:
    house.server(2)
    out = house.ok("Salloc", "-n2", "Srun", "-n2", "-l", "sh", "-c", "echo $SLURM_JOB_ID.$SLURM_STEP_ID")
    assert sorted(out.splitlines()) == ["0: 1.0", "1: 1.0"]


def test_inside_a_step_that_needs_more_than_the_job_has_is_refused(house: Any) -> None:
    house.server(2)
    text = script(house, "Srun -n3 true; echo $?; Srun -n3 -O true; echo $?", "-n2")
    assert text.splitlines()[1:] == ["1", "0"]
    assert "More processors requested than permitted" in text


def test_inside_steps_have_processors_of_their_own_and_wait_for_them(house: Any) -> None:
    house.server(2)
    house.pipe("one")
    house.pipe("two")
    text = script(
        house,
        "Srun -n1 sh -c 'taskset -cp $$; echo x > one; cat two' &\n"
        "Srun -n1 sh -c 'taskset -cp $$; cat one; echo y > two' &\n"  # both run at a time, or neither ends
        "wait",
        "-n2",
    )
    places = [line.rpartition(": ")[2] for line in text.splitlines() if "affinity" in line]
    assert len(places) == 2
    if len(os.sched_getaffinity(0)) >= 2:
        assert places[0] != places[1]


def test_inside_a_step_within_a_step_does_not_wait_for_it(house: Any) -> None:
    house.server(2)
    assert script(house, "Srun sh -c 'Srun echo inner'", "-n1") == "inner\n"


def test_a_step_of_another_job_from_outside(house: Any) -> None:
    house.server(2)
    go = house.pipe("go")
    house.ok("Sbatch", "--wrap", f"read x < {go}")
    house.until_state(1, "RUNNING")
    assert (
        house.ok("Srun", "--jobid=1", "--overlap", "sh", "-c", "echo $SLURM_JOB_ID $JOBD_JOB_ID") == "1 1\n"
    )
    go.write_text("on\n")
    house.until_state(1, "COMPLETED")
    done = house.run("Srun", "--jobid=1", "true")
    assert (done.returncode, "Invalid job id specified" in done.stderr) == (1, True)


def test_a_step_runs_while_the_server_is_away_and_says_so(house: Any) -> None:
    house.server(2)
    go, ready = house.pipe("go"), house.pipe("ready")
    (house.work / "script.sh").write_text(
        f"#!/bin/sh\necho up > {ready}; read x < {go}; Srun sh -c 'echo ran'\n"
    )
    house.ok("Sbatch", "-o", "out", "script.sh")
    house.until_ready(ready)
    house.ok("Sserver", "-1")
    go.write_text("on\n")
    until_written(house, "ran\n")
    house.server(2)
    house.until_state(1, "COMPLETED")
    assert "runs without a record" in (house.work / "out").read_text()


def test_a_cancelled_step_ends_and_the_job_goes_on(house: Any) -> None:
    house.server(2)
    ready = house.pipe("ready")
    (house.work / "script.sh").write_text(
        f"#!/bin/sh\nSrun sh -c 'echo up > {ready}; exec sleep 1000'; echo code $?\n"
    )
    house.ok("Sbatch", "-o", "out", "script.sh")
    house.until_ready(ready)
    house.ok("Scancel", "1.0")
    house.until_state(1, "COMPLETED")
    assert "code 143" in (house.work / "out").read_text()


def test_a_signal_goes_to_the_steps_and_not_to_the_script(house: Any) -> None:
    house.server(2)
    ready = house.pipe("ready")
    (house.work / "script.sh").write_text(
        "#!/bin/bash\ntrap 'echo script' USR1\n"
        f"Srun bash -c 'trap \"echo step; exit 4\" USR1; echo up > {ready}; sleep 1000 & wait'; echo code $?\n"
    )
    house.ok("Sbatch", "-o", "out", "script.sh")
    house.until_ready(ready)
    house.ok("Scancel", "-s", "USR1", "1")
    house.until_state(1, "COMPLETED")
    text = (house.work / "out").read_text()
    assert "step\n" in text and "code 4" in text and "script" not in text
