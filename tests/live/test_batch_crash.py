"""Batch jobs outlive everything: server and agent stopped, killed and starved of disk at each phase of a job, and journals of other days."""

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from live.batches import (
    agent_of,
    can_tell_exits,
    configured,
    end_of,
    ended,
    is_gone,
    kill_agent,
    kill_hard,
    kill_server,
    lines,
    process_state,
    script,
    submit,
    wrap,
)

FIXTURE = Path(__file__).parents[1] / "journal/fixtures/journal-v1.sqlite"
HOME = ".local/state/jobd"
SMALL = 1 << 16  # bytes: less than any journal has


def stop_server(house: Any) -> None:
    """Stop the server as a user does."""
    house.ok("Sserver", "-1")


def until_gone(house: Any, pid: int) -> None:
    """Wait for the end of a process."""
    house.until(lambda: is_gone(pid))


both_ways = pytest.mark.parametrize("go_down", [kill_server, stop_server])
GoDown = Callable[[Any], None]


# ---- the server goes
@both_ways
def test_waiting_jobs_keep_their_place_and_held_ones_stay_held(house: Any, go_down: GoDown) -> None:
    house.server(1)
    go = house.pipe("go")
    first = wrap(house, f"read x < {go}")
    house.until_state(first, "RUNNING")
    held = wrap(house, "echo held >> order", "--hold")
    numbers = [wrap(house, f"echo {name} >> order") for name in ("one", "two")]
    after = wrap(house, "echo after >> order", "-d", f"afterok:{numbers[1]}")
    array = wrap(house, "echo $SLURM_ARRAY_TASK_ID >> order", "-a", "7,8")
    go_down(house)
    house.server(1)
    assert house.job(held)["reason_code"] == "JobHeldUser"
    assert house.job(after)["reason_code"] == "Dependency"
    go.write_text("on\n")
    house.until(lambda: [row["job_id"] for row in house.jobs()] == [held])
    assert array and sorted(lines(house.work / "order")) == ["7", "8", "after", "one", "two"]
    assert lines(house.work / "order")[:2] == ["one", "two"]


@both_ways
def test_a_running_job_runs_on_and_its_end_is_exact(house: Any, go_down: GoDown) -> None:
    house.server(2)
    go = house.pipe("go")
    job_id = wrap(house, f"echo x >> begun; read x < {go}; exit 9")
    pid = house.until(lambda: house.job(job_id)["pid"])
    go_down(house)
    house.server(2)
    row = house.job(job_id)
    assert (row["state"], row["pid"]) == ("RUNNING", pid)
    go.write_text("on\n")
    row = ended(house, job_id)
    assert end_of(row) == ("FAILED", 9, None, "self")
    assert row["batch"].attempt == 1 and lines(house.work / "begun") == ["x"]


@both_ways
def test_an_end_while_the_server_is_away_is_exact(house: Any, go_down: GoDown) -> None:
    house.server(3)
    go = house.pipe("go")
    ends = {"exit 0": (0, None), "exit 5": (5, None), "kill -SEGV $$": (None, signal.SIGSEGV)}
    numbers = {text: wrap(house, f"ulimit -c 0; read x < {go}; {text}") for text in ends}
    pids = [house.until(lambda n=number: house.job(n)["pid"]) for number in numbers.values()]
    go_down(house)
    with open(go, "w") as file:
        file.write("on\n" * 3)
    for pid in pids:
        until_gone(house, pid)
    house.server(3)
    found = {text: ended(house, number) for text, number in numbers.items()}
    assert {text: (row["exit_code"], row["signal"]) for text, row in found.items()} == ends


@both_ways
def test_limits_bind_while_the_server_is_away(house: Any, go_down: GoDown) -> None:
    configured(house, "kill_grace_s = 0.3\n")
    house.server(2)
    ready = house.pipe("ready")
    script(house, f"trap 'echo term >> got' TERM\necho $$ > {ready}; while :; do sleep 0.05; done")
    job_id = submit(house, "-t", "0:02", "job.sh")
    pid = int(house.until_ready(ready))
    go_down(house)
    until_gone(house, pid)
    house.server(2)
    assert end_of(ended(house, job_id)) == ("TIMEOUT", None, signal.SIGKILL, "time limit")
    assert lines(house.work / "got") == ["term"]


@both_ways
def test_a_job_that_is_being_ended_is_ended(house: Any, go_down: GoDown) -> None:
    configured(house, "kill_grace_s = 1\n")
    house.server(2)
    ready = house.pipe("ready")
    job_id = wrap(house, f"trap 'echo term >> got' TERM; echo $$ > {ready}; while :; do sleep 0.05; done")
    pid = int(house.until_ready(ready))
    house.ok("Scancel", str(job_id))
    house.until(lambda: lines(house.work / "got"))
    go_down(house)
    until_gone(house, pid)
    house.server(2)
    assert end_of(ended(house, job_id)) == ("CANCELLED", None, signal.SIGKILL, "deleted")


# ---- the agent goes
def test_a_killed_agent_leaves_jobs_running_and_the_next_one_tells_their_ends(house: Any) -> None:
    house.server(2)
    go = house.pipe("go")
    job_id = wrap(house, f"echo x >> begun; read x < {go}; exit 7")
    crash = wrap(house, f"ulimit -c 0; read x < {go}; kill -SEGV $$")
    pid = house.until(
        lambda: house.job(job_id)["pid"] and house.job(crash)["pid"] and house.job(job_id)["pid"]
    )
    kill_agent(house)
    assert (house.job(job_id)["state"], house.job(job_id)["pid"]) == ("RUNNING", pid)
    with open(go, "w") as file:
        file.write("on\n" * 2)
    ends = [end_of(ended(house, number)) for number in (job_id, crash)]
    if can_tell_exits():
        assert ends == [("FAILED", 7, None, "self"), ("FAILED", None, signal.SIGSEGV, "self")]
    else:
        assert ends == [("NODE_FAIL", None, None, "lost")] * 2
    assert lines(house.work / "begun") == ["x"]


def test_an_end_that_nobody_saw_is_unknown_and_what_it_left_is_ended(house: Any) -> None:
    house.server(2)
    ready, go = house.pipe("ready"), house.pipe("go")
    text = f"setsid sh -c 'echo $$ > {ready}; exec sleep 1000' & read x < {go}; exit 7"
    job_id = wrap(house, text)
    runaway = int(house.until_ready(ready))
    pid = house.until(lambda: house.job(job_id)["pid"])
    agent = agent_of(house)
    kill_server(house)
    kill_hard(agent)
    go.write_text("on\n")
    house.until(lambda: process_state(pid) == "")  # a zombie would still tell
    house.server(2)
    row = ended(house, job_id)
    assert end_of(row) == ("NODE_FAIL", None, None, "lost")
    assert is_gone(runaway)


def test_both_killed_and_a_job_that_lives_is_taken_over(house: Any) -> None:
    configured(house, "kill_grace_s = 0.3\n")
    house.server(2)
    go, ready = house.pipe("go"), house.pipe("ready")
    job_id = wrap(house, f"read x < {go}; exit 4")
    deaf = wrap(house, f"trap '' TERM; echo $$ > {ready}; while :; do sleep 0.05; done")
    house.until_ready(ready)
    house.until(lambda: house.job(job_id)["pid"])
    agent = agent_of(house)
    kill_hard(agent)
    kill_server(house)
    house.server(2)
    assert agent_of(house) != agent
    house.ok("Scancel", str(deaf))
    assert end_of(ended(house, deaf))[0] == "CANCELLED"
    go.write_text("on\n")
    row = ended(house, job_id)
    assert end_of(row) == (
        ("FAILED", 4, None, "self") if can_tell_exits() else ("NODE_FAIL", None, None, "lost")
    )


def test_a_pause_and_a_time_limit_outlive_the_agent(house: Any) -> None:
    house.server(2)
    go, ready = house.pipe("go"), house.pipe("ready")
    paused = wrap(house, f"echo > {ready}; read x < {go}", "-t", "0:03")
    house.until_ready(ready)
    house.ok("Scontrol", "suspend", str(paused))
    limited = wrap(house, "exec sleep 1000", "-t", "0:02")
    house.until(lambda: house.job(limited)["pid"])  # one that is just being started is not known to live
    kill_agent(house)
    row = ended(house, limited)  # the time of the other one would be over by now
    assert end_of(row)[::3] == ("TIMEOUT", "time limit")
    assert house.job(paused)["state"] == "SUSPENDED"
    house.ok("Scontrol", "resume", str(paused))
    house.until_state(paused, "RUNNING")
    house.ok("Scontrol", "update", f"JobId={paused}", "TimeLimit=10")
    go.write_text("on\n")
    assert ended(house, paused)["state"] in ("COMPLETED", "NODE_FAIL")
    assert ended(house, paused)["state"] == "COMPLETED" or not can_tell_exits()


def test_an_agent_that_is_killed_again_and_again_starts_no_job_twice(house: Any) -> None:
    house.server(2)
    array = wrap(house, "echo $JOBD_ATTEMPT >> begun-$SLURM_ARRAY_TASK_ID", "-a", "0-99")
    for _ in range(5):
        kill_agent(house)
    house.until(lambda: not house.jobs())
    assert array and len(house.jobs(is_finished=True)) == 100
    for row in house.jobs(is_finished=True):
        begun = lines(house.work / f"begun-{row['batch'].array_index}")
        if row["state"] == "COMPLETED":
            assert begun == ["1"]
        else:
            assert row["cause"] in ("lost", "start unknown") and begun in ([], ["1"])


# ---- a boot
def test_after_a_reboot_what_ran_runs_again_unless_it_must_not(house: Any) -> None:
    house.server(3)
    ready = house.pipe("ready")
    text = f"echo $JOBD_ATTEMPT >> begun-$SLURM_JOB_NAME; [ $JOBD_ATTEMPT = 2 ] || {{ echo $$ > {ready}; sleep 1000; }}"
    pids = []
    again = wrap(house, text, "-J", "again")
    pids.append(int(house.until_ready(ready)))
    never = wrap(house, text, "-J", "never", "--no-requeue")
    pids.append(int(house.until_ready(ready)))
    house.until(lambda: house.job(again)["pid"] and house.job(never)["pid"])
    waiting = wrap(house, "true", "--hold")
    agent = agent_of(house)
    kill_server(house)
    kill_hard(agent)
    for pid in pids:
        os.killpg(pid, signal.SIGKILL)
        until_gone(house, pid)
    # Of a boot only its number is imitated: the journal and the launch book are said to be of another one.
    with sqlite3.connect(house.root / HOME / "journal.sqlite") as journal:
        blob = journal.execute("SELECT value FROM meta WHERE key = 'boot_id'").fetchone()[0]
        other = blob.replace(b"-", b"+") if isinstance(blob, bytes) else blob.replace("-", "+")
        journal.execute("UPDATE meta SET value = ? WHERE key = 'boot_id'", (other,))
    journal.close()
    book = house.root / HOME / "launches"
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()
    assert boot_id in book.read_bytes()
    book.write_bytes(book.read_bytes().replace(boot_id, boot_id.replace(b"-", b"+")))
    house.server(3)
    row = ended(house, again)
    assert (end_of(row), row["batch"].attempt) == (("COMPLETED", 0, None, "self"), 2)
    assert end_of(ended(house, never)) == ("NODE_FAIL", None, None, "reboot")
    assert (lines(house.work / "begun-again"), lines(house.work / "begun-never")) == (["1", "2"], ["1"])
    assert house.job(waiting)["reason_code"] == "JobHeldUser"


# ---- a full disk
def test_a_full_disk_is_refused_in_one_line_and_the_old_state_is_intact(house: Any) -> None:
    house.server(2)
    go = house.pipe("go")
    running, waiting = wrap(house, f"read x < {go}; exit 3"), wrap(house, "true", "--hold")
    house.until(lambda: house.job(running)["pid"])
    pid = house.server_pid()
    # As a quota would: no file of the server may grow. Python ignores the signal, so the write fails.
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (SMALL, resource.RLIM_INFINITY))
    done = house.run("Sbatch", "--wrap", "touch ran")
    assert done.returncode != 0 and not done.stdout
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr, done.stderr
    until_gone(house, pid)
    house.server(2)
    assert {row["job_id"]: row["state"] for row in house.jobs()} == {running: "RUNNING", waiting: "PENDING"}
    go.write_text("on\n")
    house.ok("Scontrol", "release", str(waiting))
    assert [ended(house, number)["exit_code"] for number in (running, waiting)] == [3, 0]
    assert ended(house, wrap(house, "true"))["state"] == "COMPLETED" and not (house.work / "ran").exists()


def test_a_job_that_the_launch_book_has_no_room_for_is_not_started(house: Any) -> None:
    house.server(2)
    go = house.pipe("go")
    running = wrap(house, f"read x < {go}; exit 3")
    house.until(lambda: house.job(running)["pid"])
    agent = agent_of(house)
    resource.prlimit(agent, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
    row = ended(house, wrap(house, "touch ran"))
    assert end_of(row) == ("FAILED", None, None, "launch") and "launch book" in row["reason"], row["reason"]
    go.write_text("on\n")
    assert end_of(ended(house, running)) == ("FAILED", 3, None, "self")
    resource.prlimit(agent, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert ended(house, wrap(house, "true"))["state"] == "COMPLETED" and not (house.work / "ran").exists()


# ---- journals of other days
def place_journal(house: Any, data: bytes) -> Path:
    """A journal is there before the first start."""
    folder = house.root / HOME
    folder.mkdir(parents=True, mode=0o700)
    (folder / "journal.sqlite").write_bytes(data)
    return Path(folder / "journal.sqlite")


def test_a_journal_of_version_1_is_taken_over_whole(house: Any) -> None:
    place_journal(house, FIXTURE.read_bytes())
    configured(house, "history_days = 36500\n")  # what is in it is of long ago
    house.ok("jobctl", "up")
    status = house.request_status()
    assert (status["nb_proc"], status["nb_proc_max"], status["server_id"]) == (4, 8, "5f0d1a2b3c4d")
    rows = {row["job_id"]: row for row in house.jobs(is_finished=True)}
    assert sorted(rows) == list(range(1, 11)) and house.jobs() == []
    assert (rows[1]["exit_code"], rows[2]["signal"]) == (0, signal.SIGSEGV)
    assert {rows[number]["state"] for number in (3, 4, 5, 8)} == {"NODE_FAIL"}  # its machine was another
    assert ended(house, wrap(house, "exit 3"))["exit_code"] == 3
    assert house.job(11)["state"] == "FAILED"


def unreadable(house: Any, name: str) -> bytes:
    """A journal that is not ours to understand."""
    path = house.work / "journal.sqlite"
    shutil.copy(FIXTURE, path)
    if name == "newer":
        with sqlite3.connect(path) as journal:
            journal.execute("PRAGMA user_version = 99")
        journal.close()
        return bytes(path.read_bytes())
    data = bytearray(path.read_bytes())
    data[100:4096] = os.urandom(3996)
    return bytes(data)


@pytest.mark.parametrize("name", ["newer", "damaged"])
def test_a_journal_that_cannot_be_read_is_said_and_left_alone(house: Any, name: str) -> None:
    data = unreadable(house, name)
    path = place_journal(house, data)
    for command in (("Sserver", "2"), ("Sbatch", "--wrap", "touch ran"), ("Sacct",)):
        done: subprocess.CompletedProcess[str] = house.run(*command)
        assert done.returncode == 3, done
        assert done.stderr.count("\n") == 1 and str(path) in done.stderr, done.stderr
    assert path.read_bytes() == data and not (house.work / "ran").exists()
    # The server says why it cannot start, and then closes what it has opened.
    house.until(
        lambda: [one.name for one in path.parent.iterdir() if "journal" in one.name] == ["journal.sqlite"]
    )
