"""The two worlds that play the scenes: a server of jobd's with the folder of Slurm's names, and a private Slurm."""

import contextlib
import functools
import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgpack
import pytest

from conformance.harness import FIRST_JOB, PATIENCE_S, World, on_node
from live.conftest import House

CLUSTER = Path(__file__).parents[2] / "scripts/slurm-cluster"
VERSION = "22.05"  # its words are not those of every release
# While Slurm clears up after a job its processors are not free, and whether the next srun has to wait for them is chance.
SETTLED = 'for _ in {1..100}; do [ -n "$(squeue -h -t CG)" ] || break; sleep 0.05; done\n'
NEEDED = ("slurmctld", "slurmd", "slurmdbd", "sbatch", "munged", "mariadbd", "mariadb-install-db")
CONFIG = 'cluster = "mini"\npartitions = ["main"]\nmemory = "4000M"\nmin_job_age_s = 3600\n'


@pytest.fixture
def jobd() -> Iterator[World]:
    """A new world of jobd's."""
    with _world_of_jobd() as world:
        yield world


@pytest.fixture
def slurm(slurm_of_all: World) -> World:
    """The world of Slurm's, as new: rows may count on it that there are no jobs but those of the scene."""
    if any(slurm_of_all.folder.iterdir()):
        _cluster("clear", slurm_of_all.folder.parent, dict(slurm_of_all.env))
    return slurm_of_all


@pytest.fixture(scope="session")
def jobd_of_all() -> Iterator[World]:
    """A world of jobd's for a whole session."""
    with _world_of_jobd() as world:
        yield world


@functools.cache
def _first_journal() -> bytes:
    """The journal of a server whose first job has the number FIRST_JOB."""
    with _house() as house:
        house.ok("Sserver", "4")
        house.ok("Sserver", "-1")
        path = _journal(house)
        writer = sqlite3.connect(path)
        with writer:
            writer.execute(
                "INSERT OR REPLACE INTO meta VALUES ('next_job_id', ?)", (msgpack.packb(FIRST_JOB),)
            )
        writer.close()  # and what it wrote beside the file is in it
        return path.read_bytes()


@contextlib.contextmanager
def _world_of_jobd() -> Iterator[World]:
    with _house() as house:
        _journal(house).write_bytes(_first_journal())
        names = house.root / "names"
        house.ok(*on_node(), "Sserver", "4")
        house.ok("jobctl", "slurm-names", "--force", str(names))
        folder = house.root / "s"
        folder.mkdir()
        yield World(folder, house.env | {"PATH": f"{names}:{house.env['PATH']}"})


@contextlib.contextmanager
def _house() -> Iterator[House]:
    """A house that is configured as the cluster is; no process is left of it."""
    root = Path(tempfile.mkdtemp(prefix="conf-", dir="/tmp"))
    house = House(root)
    house.env |= _user() | {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
    try:
        (root / ".config/jobd").mkdir(parents=True)
        (root / ".config/jobd/config.toml").write_text(CONFIG)
        _journal(house).parent.mkdir(parents=True, mode=0o700)
        yield house
    finally:
        left = house.close()
        logs = [path.read_text() for path in root.glob(".local/state/jobd/*.log")]
        shutil.rmtree(root, ignore_errors=True)
    assert not left, f"left behind: {left}"
    assert not any("Traceback" in text for text in logs), logs


def _journal(house: House) -> Path:
    return house.root / ".local/state/jobd/journal.sqlite"


@pytest.fixture(scope="session")
def slurm_of_all() -> Iterator[World]:
    """The Slurm that a worker has for its whole session; where none can be had they are skipped, but not in CI."""
    problem = _problem()
    if problem:
        text = (
            f"no Slurm {VERSION} to compare with: {problem} (as root on Debian 12 scripts/test installs it)"
        )
        pytest.fail(text, pytrace=False) if os.environ.get("CI") == "true" else pytest.skip(text)
    root = Path(tempfile.mkdtemp(prefix="conf-", dir="/tmp"))
    root.chmod(0o755)
    folder = root / "s"
    folder.mkdir()
    env = _user() | {
        "PATH": _slurm_path(),
        "HOME": str(root),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TERM": "xterm-256color",
        "OWNER": str(os.getpid()),
    }
    try:
        _cluster("start", root, env)
        del env["OWNER"]
        env["SLURM_CONF"] = str(root / "etc/slurm.conf")
        yield World(folder, env, SETTLED)
    finally:
        _cluster("stop", root, env)
        shutil.rmtree(root, ignore_errors=True)


def _problem() -> str:
    """Why there is no Slurm of the release that the rows are of; empty if there is one."""
    missing = [name for name in NEEDED if shutil.which(name, path=_slurm_path()) is None]
    if missing:
        return f"{', '.join(missing)} missing"
    env = {"PATH": _slurm_path()}
    version = subprocess.run(["slurmd", "-V"], env=env, capture_output=True, text=True, check=False).stdout
    return "" if VERSION in version else f"here is {version.strip() or 'an unknown one'}"


def _cluster(verb: str, root: Path, env: dict[str, str]) -> None:
    # To a file: a daemon that it leaves would hold a pipe open.
    log = root / f"{verb}.log"
    with log.open("w") as file:
        done = subprocess.run(
            [*on_node(), str(CLUSTER), verb, str(root)],
            env={**env, "FIRST_JOB": str(FIRST_JOB)},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            timeout=3 * PATIENCE_S,
            check=False,
        )
    assert done.returncode == 0, log.read_text()


def _slurm_path() -> str:
    return "/usr/bin:/bin:/usr/sbin:/sbin"


def _user() -> dict[str, str]:
    import pwd

    name = pwd.getpwuid(os.getuid()).pw_name
    return {"USER": name, "LOGNAME": name, "SHELL": "/bin/bash"}
