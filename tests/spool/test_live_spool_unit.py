"""The spool as a unit of systemd, in a manager of our own (scripts/user-systemd)."""

import os
import signal
from collections.abc import Iterator

import pytest

from live.test_systemd import Bed, a_bed
from spool.conftest import Spool

UNIT = "jobd-spool.service"


@pytest.fixture
def spool() -> Iterator[Spool]:
    """A manager that has the units, a configuration, and neither a server nor a spool."""
    with a_bed() as bed:
        (bed.root / ".config/jobd").mkdir(parents=True)
        (bed.root / ".config/jobd/spool.toml").write_text('folder = "~/q"\nquiet_s = 0.2\n')
        bed.ok("jobctl", "install-units")
        yield Spool(bed)


def bed_of(spool: Spool) -> Bed:
    assert isinstance(spool.house, Bed)
    return spool.house


def test_start_stop_restart_and_kill(spool: Spool) -> None:
    """The first folder starts the server, as a unit of its own; what becomes of the spool is all one to the jobs."""
    bed = bed_of(spool)
    bed.systemctl("start", UNIT)
    assert spool.queue.is_dir()  # ready is when it watches
    gate, ready = bed.pipe("gate"), bed.pipe("ready")
    spool.put("runs", f"env > variables; echo up > {ready}; read x < {gate}; exit 3")
    assert bed.until_ready(ready) == "up\n"
    assert bed.server_pid() == int(bed.says("MainPID", "jobd.service"))
    bed.until(lambda: bed.says("StatusText", UNIT) == f"watching {spool.root}")
    variables = (spool.running / "runs" / "variables").read_text()
    for name in ("NOTIFY_SOCKET", "INVOCATION_ID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID", "MEMORY_PRESSURE"):
        assert f"\n{name}" not in f"\n{variables}"
    bed.systemctl("restart", UNIT)
    pid = int(bed.says("MainPID", UNIT))
    bed.until_gone(pid, lambda: os.kill(pid, signal.SIGKILL))
    bed.until(lambda: bed.says("ActiveState", UNIT) == "active")
    assert bed.says("NRestarts", UNIT) == "1"
    spool.put("second")
    spool.until_done("second")
    bed.systemctl("stop", UNIT)
    assert (bed.says("ActiveState", UNIT), bed.says("Result", UNIT)) == ("inactive", "success")
    assert [job["state"] for job in bed.jobs()] == ["RUNNING"]
    gate.write_text("go\n")
    bed.until(lambda: not bed.jobs())
    bed.systemctl("start", UNIT)
    assert spool.status(spool.until_done("runs"))["exit_code"] == 3
    assert bed.run("systemctl", "--user", "reload", UNIT).returncode != 0
    assert bed.says("ActiveState", UNIT) == "active"
    bed.systemctl("stop", UNIT)


def test_the_queue_has_gone_and_is_made_again(spool: Spool) -> None:
    bed = bed_of(spool)
    bed.systemctl("start", UNIT)
    os.rename(spool.root, bed.root / "moved")
    os.rename(spool.make(), bed.root / "moved" / "QM_qJobs" / "one")
    bed.until(lambda: spool.queue.is_dir())
    bed.until(lambda: bed.says("ActiveState", UNIT) == "active")
    os.rename(bed.root / "moved" / "QM_qJobs" / "one", spool.queue / "one")
    spool.until_done("one")
    bed.systemctl("stop", UNIT)


CONFIGURATION = {  # of each program: one that works, one that does not, and what is said of that
    "spool": ('folder = "~/q"\n', "folder = 3\n", "folder is a text, not '3'"),
    "notify": ('notify = ["json://127.0.0.1:9/"]\n', "nonsense = 1\n", "no setting 'nonsense'"),
    "web": ('socket = "{root}/web.sock"\n', "port = 700000\n", "port is from 1 to 65535, not 700000"),
}


@pytest.mark.parametrize("name", CONFIGURATION)
def test_each_program_starts_and_stops_or_says_why_not(spool: Spool, name: str) -> None:
    bed = bed_of(spool)
    good, bad, reason = CONFIGURATION[name]
    unit, path = f"jobd-{name}.service", bed.root / f".config/jobd/{name}.toml"
    path.write_text(bad)
    done = bed.run("jobctl", "install-units", "--also", name)
    assert done.returncode == 1 and reason in done.stderr and done.stderr.count("\n") == 1
    assert (bed.says("ExecMainStatus", unit), bed.says("NRestarts", unit)) == ("2", "0")
    path.write_text(good.format(root=bed.root))
    path.chmod(0o600)
    assert f"enabled {unit}" in bed.ok("jobctl", "install-units", "--also", name)
    pid = int(bed.says("MainPID", unit))
    folder = bed.units / f"{unit}.d"
    folder.mkdir()
    (folder / "test.conf").write_text("[Service]\nRestartSec=0\n")
    bed.systemctl("daemon-reload")
    bed.until_gone(pid, lambda: os.kill(pid, signal.SIGKILL))
    bed.until(lambda: bed.says("ActiveState", unit) == "active" and bed.says("MainPID", unit) != str(pid))
    bed.systemctl("stop", unit)
    assert (bed.says("ActiveState", unit), bed.says("Result", unit)) == ("inactive", "success")
