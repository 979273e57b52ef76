"""Limits bind programs that know nothing of jobd, for an ordinary user: without a control group of his own, and in his systemd's scope."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from live.batches import end_of, ended, is_gone, output, wrap
from live.test_systemd import SCRIPT, Bed

MIB = 1 << 20


class Ordinary(Bed):
    """A house whose commands are an ordinary user's: with the manager of his session, or apart from all its control groups."""

    def __init__(self, root: Path, place: str) -> None:
        self.place = place
        super().__init__(root, "jobd-tester")
        if place == "plain":
            # Here is no manager: as under cron or su, on a machine without systemd.
            self.runtime = root / "q"
            self.runtime.mkdir(mode=0o700)
            self.env["XDG_RUNTIME_DIR"] = str(self.runtime)
            user, group = self.ids
            os.chown(self.runtime, int(user), int(group))

    @property
    def ids(self) -> list[str]:
        """The user's and the group's number."""
        return (self.root / ".manager/ids").read_text().strip().split(":")

    def run(self, *command: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """A command of the user; what makes the bed, or comes after it, is our own."""
        manager = self.root / ".manager/pid"
        if command[0] == str(SCRIPT) or not manager.exists():
            return super().run(*command, **options)
        if self.place == "systemd":
            env = dict(os.environ)
            return super().run(str(SCRIPT), "exec", str(self.root), *command, **options | {"env": env})
        user, group = self.ids
        variables = [f"{name}={value}" for name, value in self.env.items()]
        enter = ["nsenter", "--target", manager.read_text().strip(), "--mount", f"--wd={self.work}", "--"]
        change = ["setpriv", "--reuid", user, "--regid", group, "--clear-groups", "--"]
        return super().run(*enter, *change, "env", "-i", *variables, *command, **options)


@pytest.fixture(params=["plain", "systemd"])
def ordinary(request: pytest.FixtureRequest) -> Iterator[Ordinary]:
    """An ordinary user's house, in each place."""
    if os.getuid() != 0:
        pytest.fail("to be another user needs root")
    root = Path(tempfile.mkdtemp(prefix="jobd-", dir="/tmp"))
    try:
        built = Ordinary(root, request.param)
        try:
            yield built
        finally:
            left = built.close()
            logs = {path.name: path.read_text() for path in root.glob(".local/state/jobd/*.log")}
        assert not left, f"left behind: {left}"
        for name, text in logs.items():
            assert "Traceback" not in text, f"{name}: {text}"
    finally:
        shutil.rmtree(root, ignore_errors=True)


def compile_program(house: Any, name: str) -> None:
    """A program of the tests, into the work folder."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.fail("no C compiler (gcc)")
    source = Path(__file__).with_name(f"{name}.c")
    subprocess.run([compiler, "-O1", "-pthread", "-o", house.work / name, source], check=True)


def test_the_jobs_are_really_an_ordinary_users(ordinary: Ordinary) -> None:
    ordinary.server(2)
    job_id = wrap(ordinary, "id -u; cat /proc/self/cgroup")
    ended(ordinary, job_id)
    said = output(ordinary, job_id).splitlines()
    assert said[0] == ordinary.ids[0] != "0"
    scope = ordinary.until(lambda: ordinary.request_status()["agent_pid"])
    groups = Path(f"/proc/{scope}/cgroup").read_text()
    assert ("jobd-agent.scope" in groups) == (ordinary.place == "systemd")


def test_eight_busy_threads_of_one_proc_use_one_processor(ordinary: Ordinary) -> None:
    compile_program(ordinary, "busy")
    ordinary.server(2)
    job_id = wrap(ordinary, "exec ./busy", "-n1")
    row = ended(ordinary, job_id)
    assert end_of(row) == ("COMPLETED", 0, None, "self")
    assert output(ordinary, job_id) == "1\n"
    elapsed_s = row["ended_at"] - row["started_at"]
    assert 0.05 < row["batch"].cpu_s <= 1.05 * elapsed_s + 0.05, (row["batch"].cpu_s, elapsed_s)
    assert row["batch"].unenforced == []


def test_who_is_not_bound_uses_what_there_is_and_that_is_said(ordinary: Ordinary) -> None:
    compile_program(ordinary, "busy")
    ordinary.server(2)
    job_id = wrap(ordinary, "exec ./busy", "-n1", "--no-bind")
    row = ended(ordinary, job_id)
    assert output(ordinary, job_id) == f"{len(os.sched_getaffinity(0))}\n"
    assert row["batch"].unenforced == ["processors: not bound"]


HOG = """
import os, time
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        break
eaten = []
open(f"pid-{os.getpid()}", "w").close()
while len(eaten) < 120:
    eaten.append(bytearray(os.urandom(1 << 20)))
time.sleep(1000)
"""
NEIGHBOUR = """
import os, time
mine = bytearray(os.urandom(20 << 20))
while not os.path.exists("go"):
    time.sleep(0.02)
raise SystemExit(5)
"""


def test_a_hog_ends_out_of_memory_and_its_neighbour_does_not_suffer(ordinary: Ordinary) -> None:
    for name, text in (("hog.py", HOG), ("neighbour.py", NEIGHBOUR)):
        (ordinary.work / name).write_text(text)
    ordinary.server(2)
    neighbour = wrap(ordinary, "python3 neighbour.py", "--mem=100M")
    ordinary.until_state(neighbour, "RUNNING")
    hog = wrap(ordinary, "python3 hog.py", "--mem=100M")
    row = ended(ordinary, hog)
    assert (row["state"], row["cause"]) == ("OUT_OF_MEMORY", "out of memory")
    assert row["batch"].memory_peak_bytes >= 100 * MIB
    pids = [int(path.name[4:]) for path in ordinary.work.glob("pid-*")]
    assert pids and all(is_gone(pid) for pid in pids)
    assert ordinary.ok("Sacct", "-n", "-X", "-P", "-o", "State", "-j", str(hog)) == "OUT_OF_MEMORY\n"
    shown = ordinary.ok("Scontrol", "show", "job", str(neighbour))
    assert "watched by the agent" in shown  # nothing delegates controllers here, and that is said
    (ordinary.work / "go").write_text("")
    assert end_of(ended(ordinary, neighbour)) == ("FAILED", 5, None, "self")
