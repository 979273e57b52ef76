"""Batch jobs where systemd is: they live in the agent's scope, in control groups of their own, and outlive the server's unit."""

import os
import signal
from pathlib import Path

from live.batches import agent_of, end_of, ended, is_gone, kill_hard, wrap
from live.test_systemd import Bed, bed, listening, unit

__all__ = ["bed", "listening", "unit"]


def group_of(pid: int) -> str:
    """The control group of a process."""
    return Path(f"/proc/{pid}/cgroup").read_text().rstrip().rpartition("::")[2]


def test_a_job_that_lives_on_has_a_group_of_its_own_in_the_agents_scope(unit: Bed) -> None:
    unit.server(2)
    go = unit.pipe("go")
    numbers = [wrap(unit, f"read x < {go}") for _ in range(2)]
    pids = [unit.until(lambda n=number: unit.job(n)["pid"]) for number in numbers]
    unit.until(lambda: all(group_of(pid) != group_of(agent_of(unit)) for pid in pids))
    groups = [group_of(pid) for pid in pids]
    assert len(set(groups)) == 2 and all("/jobd-agent.scope/" in group for group in groups)
    with open(go, "w") as file:
        file.write("on\n" * 2)
    assert [ended(unit, number)["state"] for number in numbers] == ["COMPLETED"] * 2
    assert not [path for group in groups if (path := unit.cgroup / group.lstrip("/")).exists()]


def test_stop_restart_and_kill_of_the_unit_leave_jobs_alone(unit: Bed) -> None:
    unit.server(2)
    go = unit.pipe("go")
    job_id = wrap(unit, f"read x < {go}; exit 6")
    pid = unit.until(lambda: unit.job(job_id)["pid"])
    unit.systemctl("restart", "jobd")
    server = unit.server_pid()
    unit.until_gone(server, lambda: os.kill(server, signal.SIGKILL))
    unit.until_another(server)
    assert (unit.job(job_id)["state"], unit.job(job_id)["pid"]) == ("RUNNING", pid)
    unit.systemctl("stop", "jobd")
    go.write_text("on\n")
    unit.until(lambda: is_gone(pid))
    unit.systemctl("start", "jobd")
    assert end_of(ended(unit, job_id)) == ("FAILED", 6, None, "self")


def test_a_killed_agents_jobs_are_taken_over_though_they_hold_its_scope(unit: Bed) -> None:
    unit.server(2)
    go, ready = unit.pipe("go"), unit.pipe("ready")
    job_id = wrap(unit, f"(setsid sleep 1000 & ); echo up > {ready}; read x < {go}; exit 6")
    unit.until_ready(ready)
    old = agent_of(unit)
    kill_hard(old)
    unit.until(lambda: unit.request_status()["agent_pid"] not in (None, old))
    go.write_text("on\n")
    row = ended(unit, job_id)
    assert end_of(row) in (("FAILED", 6, None, "self"), ("NODE_FAIL", None, None, "lost"))
    assert ended(unit, wrap(unit, "exit 2"))["exit_code"] == 2


def test_stopping_the_scope_ends_all_that_runs_and_leaves_what_waits(unit: Bed) -> None:
    unit.server(1)
    ready = unit.pipe("ready")
    running = wrap(
        # It does not end of systemd's own TERM, which reaches all of the scope at once, but is ended by the agent.
        unit,
        f"trap 'echo term > got' TERM; echo $$ > {ready}; while :; do sleep 0.1; done",
    )
    pid = int(unit.until_ready(ready))
    waiting = wrap(unit, "exit 4")
    unit.until_gone(pid, lambda: unit.systemctl("stop", "jobd-agent.scope"))
    row = ended(unit, running)
    assert (row["state"], row["cause"]) == ("NODE_FAIL", "scope")
    assert (unit.work / "got").read_text() == "term\n"
    assert ended(unit, waiting)["exit_code"] == 4


def test_what_cleared_its_environment_and_ran_away_is_ended_by_its_group(unit: Bed) -> None:
    unit.server(2)
    go, ready = unit.pipe("go"), unit.pipe("ready")
    other = wrap(unit, f"read x < {go}")  # so that it is not the only one to whom a process may belong
    job_id = wrap(unit, f"sleep 0.5; env -i setsid sh -c 'echo $$ > {ready}; exec sleep 1000' & wait")
    pid = int(unit.until_ready(ready))
    unit.ok("Scancel", str(job_id))
    ended(unit, job_id)
    assert is_gone(pid)
    go.write_text("on\n")
    assert ended(unit, other)["state"] == "COMPLETED"


def test_a_suspended_job_is_frozen_in_its_group(unit: Bed) -> None:
    unit.server(2)
    go = unit.pipe("go")
    job_id = wrap(unit, f"read x < {go}; exit 3")
    pid = unit.until(lambda: unit.job(job_id)["pid"])
    unit.until(lambda: group_of(pid) != group_of(agent_of(unit)))
    unit.ok("Scontrol", "suspend", str(job_id))
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    mount = next(words[1] for words in mounts if words[2] == "cgroup2")
    events = Path(mount + group_of(pid)) / "cgroup.events"
    unit.until(lambda: "frozen 1" in events.read_text())
    unit.ok("Scontrol", "resume", str(job_id))
    go.write_text("on\n")
    assert ended(unit, job_id)["exit_code"] == 3
