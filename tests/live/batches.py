"""Batch jobs in a house: how to queue them, to wait for their ends, to see what they wrote, and to kill who runs them."""

import os
import select
import signal
from pathlib import Path
from typing import Any

from jobd.agent.processes import exit_status
from jobd.states import FINAL_STATES

PATIENCE_S = 60.0
FINAL = tuple(state.value for state in FINAL_STATES)


def configured(house: Any, text: str) -> None:
    """Give the house a configuration, before its server starts."""
    folder = house.root / ".config/jobd"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.toml").write_text(text)


def script(house: Any, text: str, name: str = "job.sh") -> str:
    """Write a script into the work folder; its name."""
    (house.work / name).write_text(text if text.startswith("#!") else f"#!/bin/bash\n{text}\n")
    return name


def submit(house: Any, *arguments: str, **options: Any) -> int:
    """Queue a job by Sbatch; its number."""
    return int(house.ok("Sbatch", "--parsable", *arguments, **options))


def wrap(house: Any, text: str, *options: str) -> int:
    """Queue a line of shell; its number."""
    return submit(house, *options, "--wrap", text)


def ended(house: Any, job_id: int) -> dict[str, Any]:
    """Wait until a job is over; its row."""
    row: dict[str, Any] = house.until_state(job_id, *FINAL)
    return row


def end_of(row: dict[str, Any]) -> tuple[str, int | None, int | None, str]:
    """How a job ended: state, exit code, signal, cause."""
    return row["state"], row["exit_code"], row["signal"], row["cause"]


def elements(house: Any, array_id: int) -> dict[int, dict[str, Any]]:
    """The elements of an array that were split off, by index."""
    rows = house.jobs() + house.jobs(is_finished=True)
    found = [row for row in rows if row["batch"] is not None and row["batch"].array_id == array_id]
    return {row["batch"].array_index: row for row in found if row["batch"].array_index is not None}


def output(house: Any, job_id: int | str) -> str:
    """What a job wrote to its default file."""
    text: str = (house.work / f"slurm-{job_id}.out").read_text()
    return text


def lines(path: Path) -> list[str]:
    """The lines of a file; none if it is not there."""
    return path.read_text().splitlines() if path.exists() else []


def process_state(pid: int) -> str:
    """The letter of a process's state; "" if it is gone and reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0].decode()
    except OSError:
        return ""


def is_gone(pid: int) -> bool:
    """Whether a process has ended; who is to reap it may take its time."""
    return process_state(pid) in ("", "Z")


def can_tell_exits() -> bool:
    """Whether this kernel tells the exit code of a stranger (PIDFD_GET_INFO, Linux 6.15)."""
    pid = os.posix_spawn("/bin/true", ["true"], {})
    pidfd = os.pidfd_open(pid)
    os.waitpid(pid, 0)
    status = exit_status(pidfd)
    os.close(pidfd)
    return status is not None


def agent_of(house: Any) -> int:
    """The pid of the agent that the server has."""
    return int(house.until(lambda: house.request_status()["agent_pid"]))


def kill_hard(pid: int) -> None:
    """kill -9, and wait until it is gone."""
    pidfd = os.pidfd_open(pid)
    try:
        os.kill(pid, signal.SIGKILL)
        assert select.select([pidfd], [], [], PATIENCE_S)[0], f"{pid} survived its SIGKILL"
    finally:
        os.close(pidfd)


def kill_server(house: Any) -> None:
    """kill -9 the server."""
    kill_hard(house.server_pid())


def kill_agent(house: Any) -> None:
    """kill -9 the agent, and wait for the next one."""
    old = agent_of(house)
    kill_hard(old)
    house.until(lambda: house.request_status()["agent_pid"] not in (None, old))
