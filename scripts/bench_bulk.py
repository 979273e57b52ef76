"""The peers of the row `batch`: each runs many no-op commands on two processors. Nothing is judged here.

HyperQueue is a Python package; it is installed into an environment of its own, once, below XDG_CACHE_HOME.
No file is removed between the rounds: ext4 avoids the inodes of files that were deleted within the last minutes, and a
benchmark that deleted thousands would make each further file cost half a millisecond.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from bench_peers import TRUE, environment

SLOTS = 2
INSTALL_S = 300.0
RUN_S = 300.0  # for one round of one peer

# One job of many tasks, each with its own output file. Its own wait looks once a second; the last file that a task made
# tells better when the work was done, and in its favour.
HYPERQUEUE_RUN = """
import os, sys, time
from hyperqueue import Job
from hyperqueue.cluster import LocalCluster, WorkerConfig
folder, count, slots = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with LocalCluster(folder + "/server", WorkerConfig(cores=slots)) as cluster:
    client = cluster.client()
    began_s = time.time()
    job = Job(default_workdir=folder + "/out")
    for _ in range(count):
        job.program(["/bin/true"], stderr=None)
    client.wait_for_jobs([client.submit(job)])
    waited_s = time.time() - began_s
    ends_s = [entry.stat().st_mtime - began_s for entry in os.scandir(folder + "/out")]
assert len(ends_s) >= count, (len(ends_s), count)
print("took", min(waited_s, max(ends_s)))
"""


class Bulk(NamedTuple):
    """One way to run many; `run` does that many jobs and says how many seconds they took."""

    name: str
    what: str
    run: Callable[[int], float]


class Missing(NamedTuple):
    """One that is not to be had here, and why."""

    name: str
    why: str


def xargs(count: int) -> float:
    """xargs: no queue, no record, no output file."""
    lines = "\n".join(map(str, range(count))) + "\n"
    began_s = time.perf_counter()
    _call(["xargs", f"-P{SLOTS}", "-n1", TRUE], environment(), stdin=lines)
    return time.perf_counter() - began_s


def task_spooler(parent: str, count: int) -> float:
    """task-spooler: all queued by a shell's loop, each with its own output file, and the last awaited."""
    folder = tempfile.mkdtemp(dir=parent)
    own = {**environment(), "TS_SOCKET": os.path.join(folder, "socket"), "TMPDIR": folder}
    _call(["tsp", "-S", str(SLOTS)], own)
    try:
        began_s = time.perf_counter()
        loop = f'i=0; while [ "$i" -lt {count} ]; do tsp {TRUE}; i=$((i + 1)); done; tsp -w'
        _call(["/bin/sh", "-c", loop], own)
        took_s = time.perf_counter() - began_s
        made = sum(name.startswith("ts-out") for name in os.listdir(folder))
    finally:
        _call(["tsp", "-K"], own)
    if made < count:
        sys.exit(f"bench: tsp made {made} output files of {count}")
    return took_s


def hyperqueue(python: str, parent: str, count: int) -> float:
    """HyperQueue: one LocalCluster of two cores, whose start does not count."""
    folder = tempfile.mkdtemp(dir=parent)
    os.mkdir(os.path.join(folder, "out"))
    said = _call([python, "-c", HYPERQUEUE_RUN, folder, str(count), str(SLOTS)], environment())
    return float(said.rpartition("took ")[2])


def bulks(folder: str) -> list[Bulk | Missing]:
    """All peers, also those that are not to be had. What they keep, they keep in `folder`."""
    found: list[Bulk | Missing] = [Bulk("xargs", f"xargs -P{SLOTS} -n1", xargs)]
    if shutil.which("tsp") is None:
        found.append(Missing("task-spooler", "not installed (Debian: task-spooler)"))
    else:
        found.append(Bulk("task-spooler", f"task-spooler: tsp -S {SLOTS}", partial(task_spooler, folder)))
    python, why = _hyperqueue_python()
    if why:
        found.append(Missing("HyperQueue", why))
    else:
        found.append(Bulk("HyperQueue", "HyperQueue: LocalCluster", partial(hyperqueue, python, folder)))
    return found


def _hyperqueue_python() -> tuple[str, str]:
    """(the interpreter that has it, "") or ("", why it is not to be had)."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = os.path.join(cache, "jobd-bench", "hyperqueue")
    python = os.path.join(folder, "bin", "python")
    has = [python, "-c", "import hyperqueue"]
    if os.path.exists(python) and not subprocess.run(has, capture_output=True).returncode:
        return python, ""
    for words in (
        [sys.executable, "-m", "venv", "--clear", folder],
        [python, "-m", "pip", "install", "--quiet", "hyperqueue"],
    ):
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=INSTALL_S)
        except (OSError, subprocess.TimeoutExpired) as error:
            return "", f"not to be installed: {error}"
        if done.returncode:
            lines = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()
            return "", f"not to be installed: {lines[-1][:100]}"
    return python, ""


def _call(words: list[str], own: dict[str, str], stdin: str | None = None) -> str:
    done = subprocess.run(
        words,
        env=own,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        timeout=RUN_S,
    )
    if done.returncode:
        sys.exit(f"bench: {words[0]} failed with {done.returncode}: {done.stderr.strip()[-300:]}")
    return done.stdout
