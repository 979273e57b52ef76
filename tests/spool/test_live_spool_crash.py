"""The spool, the launcher and the server die at every step and at any time; each folder still runs once, and ends in one place."""

import os
import random
import signal
import sys
from pathlib import Path

import pytest

from spool.conftest import Spool

MORTAL = str(Path(__file__).with_name("mortal.py"))
HALTING = str(Path(__file__).with_name("halting.py"))
STEPS_MAX = 100


def put_form(spool: Spool, form: str, name: str) -> None:
    """A job in the queue that writes a line to the house's file of runs, in one of the forms."""
    runs = spool.house.root / "runs"
    if form == "folder":
        spool.put(name, f"echo {name} >> {runs}; exit 3", max_nb_proc=1, nb_proc=2)
    else:
        making = spool.house.root / "making"
        making.mkdir(exist_ok=True)
        (making / name).write_text(f"#!/bin/sh\n#SBATCH -J {name}\necho {name} >> {runs}; exit 3\n")
        os.rename(making / name, spool.queue / name)


def check_done(spool: Spool, name: str) -> None:
    """It ran once, is told once, and is nowhere else."""
    (done,) = spool.found(spool.done, name)
    log = (done / "process.log").read_text()
    assert log.count("Job started") == 1 and log.count("Job finished") == 1, (name, log)
    assert log.endswith("with code 3\n")
    assert spool.status(done)["exit_code"] == 3
    assert (spool.house.root / "runs").read_text().split().count(name) == 1
    assert not spool.names(spool.queue) and not spool.names(spool.running) and not spool.names(spool.lost)
    assert not [left for left in os.listdir(done) if left.startswith(".")], os.listdir(done)
    assert not [left for left in spool.names(spool.root / ".jobd-spool") if "-" in left or "." in left]
    (row,) = [row for row in spool.house.jobs(is_finished=True) if row["name"] == name]
    assert Path(row["batch"].stdout).read_text() == log


@pytest.mark.parametrize("form", ["folder", "script"])
def test_the_spool_dies_at_every_step(spool: Spool, form: str) -> None:
    """Step by step until it no longer dies: with a folder that is there at the start, so that taking, running and ending are all in it."""
    spool.prepare()
    for number in range(1, STEPS_MAX):
        name = f"job{number}"
        put_form(spool, form, name)
        command = [
            sys.executable,
            MORTAL,
            str(number),
            str(spool.root),
            "--quiet-s",
            "0",
            "--max-nb-proc",
            "1",
        ]
        with open(spool.log, "a") as log:
            mortal = spool.house.spawn(*command, stdout=log, stderr=log)
        spool.until(
            lambda name=name, mortal=mortal: mortal.poll() is not None or spool.found(spool.done, name)
        )
        has_died = mortal.poll() is not None
        spool.process = mortal
        assert has_died or spool.stop() in (0, -signal.SIGKILL)
        spool.start("--quiet-s", "0", "--max-nb-proc", "1")
        spool.until_done(name)
        assert spool.stop() == 0
        check_done(spool, name)
        if not has_died and mortal.returncode == 0:
            break
    assert 20 < number < STEPS_MAX - 1, f"{number} steps"


def test_the_spool_dies_over_the_end_of_one_that_never_began(spool: Spool) -> None:
    """Its job was cancelled while it waited. It is told once and never runs, at whatever step the spool dies."""
    spool.start("--quiet-s", "0")
    gate = spool.house.pipe("gate")
    spool.put("first", f"read x < {gate}", nb_proc=2)
    spool.until(lambda: spool.names(spool.running))
    for number in range(1, STEPS_MAX):
        name = f"job{number}"
        spool.put(name, f"echo {name} >> {spool.house.root}/runs")
        (job,) = spool.until(lambda name=name: [j for j in spool.house.jobs() if j["name"] == name])
        spool.stop(signal.SIGKILL)
        spool.house.ok("Scancel", str(job["job_id"]))
        with open(spool.log, "a") as log:
            command = [sys.executable, MORTAL, str(number), str(spool.root), "--quiet-s", "0"]
            mortal = spool.house.spawn(*command, stdout=log, stderr=log)
        spool.process = mortal
        spool.until(
            lambda name=name, mortal=mortal: mortal.poll() is not None or spool.found(spool.done, name)
        )
        has_died = mortal.poll() is not None
        assert has_died or spool.stop() in (0, -signal.SIGKILL)
        spool.start("--quiet-s", "0")
        done = spool.until_done(name)
        assert (done / "process.log").read_text().count("before it started: CANCELLED") == 1
        assert spool.status(done)["state"] == "CANCELLED"
        assert not spool.names(spool.queue) and [job["name"] for job in spool.house.jobs()] == ["first"]
        if not has_died and mortal.returncode == 0:
            break
    assert 10 < number < STEPS_MAX - 1, f"{number} steps"
    gate.write_text("go\n")
    spool.until_done("first")
    assert not (spool.house.root / "runs").exists()


def test_jobs_start_while_the_spool_looks_around(spool: Spool) -> None:
    """At every look of a spool that begins: one folder that waited runs to its end meanwhile, another begins to run."""
    spool.start()
    numbers = iter(range(1, STEPS_MAX))
    for number in numbers:
        first, ends, runs = f"first{number}", f"ends{number}", f"runs{number}"
        gate, ready, go = (spool.house.pipe(f"{kind}{number}") for kind in ("gate", "ready", "go"))
        spool.put(first, f"read x < {gate}", nb_proc=2)
        spool.until(lambda first=first: first in spool.names(spool.running))
        spool.put(ends, "exit 3")
        spool.put(runs, f"echo up > {ready}; read x < {go}; exit 3")
        spool.until(lambda: len(spool.house.jobs()) == 3)
        spool.stop(signal.SIGKILL)
        before = spool.text().count("INFO watching")
        with open(spool.log, "a") as log:
            command = [sys.executable, HALTING, str(number), str(spool.root)]
            halting = spool.house.spawn(*command, stdout=log, stderr=log)
        spool.process = halting
        spool.until(
            lambda pid=halting.pid, n=before: is_stopped(pid) or spool.text().count("INFO watching") > n
        )
        has_halted = is_stopped(halting.pid)
        gate.write_text("go\n")
        assert spool.house.until_ready(ready) == "up\n"
        spool.house.until(lambda: len(spool.house.jobs()) == 1)
        halting.send_signal(signal.SIGCONT)
        for name in (first, ends):
            spool.until_done(name)
        go.write_text("go\n")
        done = spool.until_done(runs)
        assert spool.status(done)["exit_code"] == spool.status(spool.until_done(ends))["exit_code"] == 3
        assert (done / "process.log").read_text().count("Job started") == 1
        assert not spool.names(spool.queue) and not spool.names(spool.running) and not spool.names(spool.lost)
        if not has_halted:
            break
    assert 10 < number < STEPS_MAX - 1, f"{number} looks"


def is_stopped(pid: int) -> bool:
    """Whether that process stands still."""
    return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] == b"T"


@pytest.mark.parametrize("program", ["ln", "mv", "date"])
@pytest.mark.parametrize("is_after", [False, True])
def test_the_launcher_dies(spool: Spool, program: str, is_after: bool) -> None:
    """By a program of that name in its PATH, which ends its caller before or after it has done its work. Then the script never runs."""
    tools = spool.house.root / "tools"
    tools.mkdir()
    flag = spool.house.root / "flag"
    real = f"/bin/{program}"
    deadly = f"rm {flag} && {{ kill -9 $PPID; exit 1; }}"
    first, second = (f'{real} "$@"', deadly) if is_after else (deadly, f'{real} "$@"')
    (tools / program).write_text(f'#!/bin/sh\n[ -e {flag} ] || exec {real} "$@"\n{first}\n{second}\n')
    (tools / program).chmod(0o755)
    spool.house.env["PATH"] = f"{tools}:{spool.house.env['PATH']}"
    spool.start()
    flag.touch()
    spool.put("dies", f"echo ran >> {spool.house.root}/runs")
    done = spool.until_done("dies")
    assert spool.status(done)["signal"] == signal.SIGKILL
    assert not (spool.house.root / "runs").exists()
    spool.put("next", f"echo ran >> {spool.house.root}/runs")
    spool.until_done("next")
    assert not spool.names(spool.queue) and not spool.names(spool.running) and not spool.names(spool.lost)


def test_a_storm(spool: Spool) -> None:
    """Two hundred folders, while spool and server are killed over and over: each runs at most once, and nothing is lost."""
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)
    runs = spool.house.root / "runs"
    count = 120
    spool.start()
    for number in range(count):
        spool.put(f"job{number}", f"echo job{number} >> {runs}; exit 3")
        if number % 10 == 5:
            if chance.random() < 0.6:
                spool.stop(signal.SIGKILL)
                spool.start(is_waiting=chance.random() < 0.5)
            if chance.random() < 0.5:
                os.kill(spool.house.server_pid(), signal.SIGKILL)
                spool.house.ok("Sserver", "2")
    spool.until(lambda: len(spool.names(spool.done)) + len(spool.names(spool.lost)) >= count)
    ran = runs.read_text().split()
    assert sorted(ran) == sorted(set(ran)), f"seed {seed}"
    told = {}  # of each folder that did not end as it should: what it tells
    for path in [*spool.done.iterdir(), *spool.lost.iterdir()]:
        log = (path / "process.log").read_text()
        is_told = log.count("Job started") == 1 and log.count("Job finished") == 1
        status = (path / "status.json").read_text() if (path / "status.json").exists() else ""
        if not is_told or path.parent == spool.lost or '"exit_code": 3,' not in status:
            told[path.name] = (log, status)
    assert not told and len(ran) == count, f"seed {seed}: {len(ran)} ran; {told}; {spool.text()[-3000:]}"


def test_what_is_left_over_goes_to_lost_and_found(spool: Spool) -> None:
    """Among the running ones: a folder that nobody started, a copy of one that runs, and one whose journal is gone."""
    spool.start()
    gate = spool.house.pipe("gate")
    spool.put("runs", f"read x < {gate}")
    spool.until(lambda: spool.names(spool.running))
    spool.until(lambda: (spool.running / "runs" / "process.log").exists())
    assert spool.stop() == 0
    (spool.running / "stranger").mkdir()
    spool.house.ok("cp", "-r", str(spool.running / "runs"), str(spool.running / "copy"))
    spool.start()
    for name in ("stranger", "copy"):
        _, text = spool.until_lost(name)
        assert "left over among the running ones" in text
    assert spool.names(spool.running) == ["runs"]
    gate.write_text("go\n")
    spool.until_done("runs")
    assert spool.stop() == 0
    # Now the server forgets all.
    gate2 = spool.house.pipe("gate2")
    spool.start()
    spool.put("forgotten", f"read x < {gate2}")
    spool.until(lambda: spool.names(spool.running))
    assert spool.stop() == 0
    gate2.write_text("go\n")
    spool.until(lambda: not spool.house.jobs())
    spool.house.ok("Sserver", "-2")
    for path in (spool.house.root / ".local/state/jobd").glob("journal.sqlite*"):
        path.unlink()
    spool.house.server(2)
    spool.start()
    _, text = spool.until_lost("forgotten")
    assert "does not know job" in text


def test_turns_go_on_though_the_server_forgets_whose_turn_it_is(spool: Spool) -> None:
    gate = spool.house.pipe("gate")
    spool.house.ok("Sbatch", "-n2", "-o", "/dev/null", "--wrap", f"read x < {gate}")
    spool.start("--launch-type", "blocking")
    spool.put("first")
    spool.until(
        lambda: [job for job in spool.house.jobs() if job["name"] == "first" and not job["batch"].is_held]
    )
    spool.put("second")
    spool.until(lambda: len(spool.house.jobs()) == 3)
    server = spool.house.server_pid()
    os.kill(server, signal.SIGKILL)
    spool.until(lambda: not os.path.exists(f"/proc/{server}"))
    for path in (spool.house.root / ".local/state/jobd").glob("journal.sqlite*"):
        path.unlink()
    spool.house.server(2)
    for name in ("first", "second"):
        spool.until_done(name)
