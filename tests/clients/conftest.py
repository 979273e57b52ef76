"""Two worlds for real clients of Slurm: jobd under Slurm's names, and a private real Slurm, which shows that the tests ask for nothing else.

Each world lives as long as the session; each test has a work folder of its own in it and the world's environment as its own, since the
clients are libraries that call sbatch and the rest from here.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from conformance.conftest import jobd_of_all as jobd_of_all
from conformance.conftest import slurm_of_all as slurm_of_all
from conformance.harness import World

PATIENCE_S = 120.0  # a limit for what should take seconds
REQUEUE_S = 240.0  # real Slurm keeps a job that was put back for two minutes


class Client(NamedTuple):
    """Where a client's calls end up."""

    name: str  # jobd or slurm
    folder: Path  # in which the test works


@pytest.fixture(scope="session", params=["jobd", "slurm"])
def either(request: pytest.FixtureRequest) -> tuple[str, World]:
    """One of the two, and its name."""
    return request.param, request.getfixturevalue(f"{request.param}_of_all")


@pytest.fixture
def client(either: tuple[str, World], monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """The world as the environment of this process, in a fresh work folder; what still lives at the end is cancelled."""
    name, world = either
    for variable in list(os.environ):
        if variable.startswith(("SLURM", "SBATCH", "SQUEUE", "SACCT", "JOBD_", "XDG_")):
            monkeypatch.delenv(variable)
    for variable, value in world.env.items():
        monkeypatch.setenv(variable, value)
    work = Path(tempfile.mkdtemp(dir=world.folder))
    monkeypatch.chdir(work)
    yield Client(name, work)
    call("scancel", "--me")
    until(lambda: call("squeue", "-h", "--me") == "")


def call(*command: str) -> str:
    """What a command that must succeed says."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def until(is_so: Callable[[], Any], timeout_s: float = PATIENCE_S) -> Any:
    """Look again and again until something is so (a real Slurm tells nobody); its value."""
    end_s = time.monotonic() + timeout_s
    while not (value := is_so()):
        assert time.monotonic() < end_s, "it did not come to be"
        time.sleep(0.1)
    return value


def until_state(job_id: int | str, *states: str, timeout_s: float = PATIENCE_S) -> str:
    """Wait until squeue shows a job in one of these states."""

    def state() -> str:
        found = call("squeue", "-h", "-t", "all", "-j", f"{job_id},{job_id}", "-o", "%T").strip()
        return found if found in states else ""

    return str(until(state, timeout_s))
