"""The server as a unit of systemd, in a manager of our own (scripts/user-systemd): what outlives what, and who starts whom.

Starting such a manager needs root and an installed systemd, as the machines that run these tests have.
"""

import contextlib
import hashlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

import jobd
from live.conftest import BIN, PATIENCE_S, House

SCRIPT = Path(__file__).parents[2] / "scripts" / "user-systemd"
UNITS = len(list((SCRIPT.parents[1] / "contrib" / "systemd").iterdir()))


def closed_folders() -> list[Path]:
    """Folders on the way to the programs under test into which only their owner may look."""
    found = []
    for start in (BIN, sys.prefix, sys.base_prefix, jobd.__file__):
        for folder in Path(start).resolve().parents:
            if not folder.stat().st_mode & 0o001 and folder not in found:
                found.append(folder)
    return sorted(found)


class Bed(House):
    """A house with a systemd user manager. Commands run outside the manager's cgroups, as those of a terminal do."""

    def __init__(self, root: Path, user: str = "root") -> None:
        super().__init__(root)
        variables = [f"{key}={self.env[key]}" for key in ("PATH", "HOUSE")]
        opened = (
            [word for folder in closed_folders() for word in ("-o", str(folder))] if user != "root" else []
        )
        self.bed("start", "-u", user, *opened, *variables)
        self.cgroup = Path((root / ".manager" / "cgroup").read_text().strip())

    def bed(self, verb: str, *arguments: str) -> str:
        """Have the bed's script do something."""
        return self.ok(str(SCRIPT), verb, str(self.root), *arguments, env=dict(os.environ))

    def systemctl(self, *arguments: str) -> str:
        """Run systemctl, which must succeed."""
        return self.ok("systemctl", "--user", *arguments)

    def says(self, name: str, unit: str = "jobd.service") -> str:
        """A property of a unit."""
        return self.systemctl("show", f"--property={name}", "--value", unit).strip()

    def drop_in(self, text: str) -> None:
        """Change jobd.service."""
        folder = self.units / "jobd.service.d"
        folder.mkdir(parents=True)
        (folder / "test.conf").write_text(text)
        self.systemctl("daemon-reload")

    @property
    def units(self) -> Path:
        """Where the units are."""
        return self.root / ".config/systemd/user"

    def agent_scope(self) -> str:
        """The name of the unit in which the agent is."""
        pid = self.until(lambda: self.request_status()["agent_pid"])
        # Where it may make groups for jobs, it moves itself into a leaf of its scope first.
        path = Path(f"/proc/{pid}/cgroup").read_text().rstrip().removesuffix("/supervisor")
        return path.rpartition("/")[2]

    def until_gone(self, pid: int, act: Callable[[], Any]) -> None:
        """Do something, and wait for the end of a process."""
        pidfd = os.pidfd_open(pid)
        try:
            act()
            assert select.select([pidfd], [], [], PATIENCE_S)[0], f"{pid} lives on"
        finally:
            os.close(pidfd)

    def until_another(self, pid: int) -> int:
        """Wait until a server other than that one answers; its pid."""
        from jobd.client import is_server_alive
        from jobd.errors import NoServer

        def found() -> int | None:
            with self.environment():
                if not is_server_alive():
                    return None
            try:
                other = self.server_pid()
            except NoServer:
                return None
            return other if other != pid else None

        return int(self.until(found))

    def close(self) -> list[str]:
        """End the server and its jobs, then the manager, then what is left."""
        self.run("Sserver", "-2")
        self.bed("stop")
        left = super().close()
        return left if not self.cgroup.exists() else [*left, str(self.cgroup)]


@contextlib.contextmanager
def a_bed(user: str = "root") -> Iterator[Bed]:
    if os.getuid() != 0:
        pytest.skip("a systemd manager for tests can be started by root only")
    root = Path(tempfile.mkdtemp(prefix="jobd-", dir="/tmp"))
    try:
        built = Bed(root, user)
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


@pytest.fixture
def bed() -> Iterator[Bed]:
    """A manager that knows nothing of jobd."""
    with a_bed() as built:
        yield built


@pytest.fixture
def unit(bed: Bed) -> Bed:
    """A manager that has the units, and no server."""
    bed.ok("jobctl", "install-units")
    return bed


@pytest.fixture
def listening(bed: Bed) -> Bed:
    """A manager that listens for the first client, and no server."""
    bed.ok("jobctl", "install-units", "--enable")
    return bed


def runs_and_waits(bed: Bed) -> tuple[Path, subprocess.Popen[str], subprocess.Popen[str]]:
    """With one proc: a job that runs until a line is written to the pipe and ends with 5, and one that waits and ends with 6."""
    bed.ok("Sserver", "1")
    go = bed.pipe("go")
    first = bed.spawn("Salloc", "sh", "-c", f"read x < {go}; exit 5")
    bed.until_state(1, "RUNNING")
    second = bed.spawn("Salloc", "sh", "-c", "exit 6")
    bed.until_state(2, "PENDING")
    return go, first, second


def the_ends_are_exact(bed: Bed, first: subprocess.Popen[str], second: subprocess.Popen[str]) -> None:
    assert (first.wait(PATIENCE_S), second.wait(PATIENCE_S)) == (5, 6)
    assert [bed.until_state(number, "FAILED")["exit_code"] for number in (1, 2)] == [5, 6]


# ---- start, stop, restart
def test_systemctl_and_sserver_lead_to_the_same_server(unit: Bed) -> None:
    unit.systemctl("start", "jobd")
    pid = unit.server_pid()
    assert int(unit.says("MainPID")) == pid
    unit.ok("Sserver", "3")
    assert unit.server_pid() == pid
    unit.systemctl("restart", "jobd")
    status = unit.request_status()
    assert status["pid"] != pid and status["nb_proc"] == 3
    unit.systemctl("stop", "jobd")
    assert unit.run("Sserver").returncode == 3


def test_sserver_starts_the_unit_and_what_it_stops_stays_stopped(unit: Bed) -> None:
    unit.ok("Sserver", "2")
    assert int(unit.says("MainPID")) == unit.server_pid()
    assert unit.ok("Sserver", "-1") == "stopped\n"
    unit.until(lambda: unit.says("ActiveState") == "inactive")
    assert (unit.says("Result"), unit.says("NRestarts")) == ("success", "0")


def test_a_start_right_after_a_stop_is_not_lost(unit: Bed) -> None:
    for number in range(1, 5):
        unit.ok("Sserver", str(number))
        unit.ok("Sserver", "-1")
    unit.ok("jobctl", "up")
    assert unit.request_status()["nb_proc"] == 4


def test_a_restart_leaves_running_and_waiting_jobs_alone(unit: Bed) -> None:
    go, first, second = runs_and_waits(unit)
    unit.systemctl("restart", "jobd")
    assert [job["state"] for job in unit.jobs()] == ["RUNNING", "PENDING"]
    go.write_text("on\n")
    the_ends_are_exact(unit, first, second)


def test_an_exit_code_is_kept_while_the_unit_is_stopped(unit: Bed) -> None:
    go, first, second = runs_and_waits(unit)
    unit.systemctl("stop", "jobd")
    go.write_text("on\n")
    assert first.wait(PATIENCE_S) == 5
    assert second.poll() is None
    unit.systemctl("start", "jobd")
    the_ends_are_exact(unit, first, second)


def test_a_killed_server_is_started_again_and_no_job_notices(unit: Bed) -> None:
    go, first, second = runs_and_waits(unit)
    pid = unit.server_pid()
    unit.until_gone(pid, lambda: os.kill(pid, signal.SIGKILL))
    # Nobody but systemd starts it: a client that only looks does not.
    assert unit.until_another(pid) == int(unit.says("MainPID"))
    assert unit.says("NRestarts") == "1"
    assert [job["state"] for job in unit.jobs()] == ["RUNNING", "PENDING"]
    go.write_text("on\n")
    the_ends_are_exact(unit, first, second)


def test_a_server_that_hangs_is_restarted_by_the_watchdog(unit: Bed) -> None:
    unit.drop_in("[Service]\nWatchdogSec=1\nRestartSec=0\nLimitCORE=0\n")
    go, first, second = runs_and_waits(unit)
    pid = unit.server_pid()
    unit.until_gone(pid, lambda: os.kill(pid, signal.SIGSTOP))
    unit.until_another(pid)
    assert [job["state"] for job in unit.jobs()] == ["RUNNING", "PENDING"]
    go.write_text("on\n")
    the_ends_are_exact(unit, first, second)


def test_a_server_that_is_idle_keeps_the_watchdog_content(unit: Bed) -> None:
    unit.drop_in("[Service]\nWatchdogSec=200ms\n")
    pid = unit.server(1)
    before = int(unit.says("WatchdogTimestampMonotonic"))
    unit.until(lambda: int(unit.says("WatchdogTimestampMonotonic")) > before + 1_000_000)
    assert unit.server_pid() == pid


def test_an_error_in_the_configuration_is_said_in_one_line_and_not_tried_again(listening: Bed) -> None:
    (listening.root / ".config/jobd").mkdir()
    (listening.root / ".config/jobd/config.toml").write_text("bypas_max = 3\n")
    for command in (("Sserver", "2"), ("Salloc", "true")):
        done = listening.run(*command)
        assert done.returncode == 3
        assert "no setting 'bypas_max'" in done.stderr and done.stderr.count("\n") == 1
    listening.until(lambda: listening.says("ActiveState") == "failed")
    assert listening.says("NRestarts") == "0"
    (listening.root / ".config/jobd/config.toml").unlink()
    assert listening.ok("Salloc", "echo", "ran") == "ran\n"


# ---- the agent's scope
def test_the_agent_has_a_delegated_scope_and_outlives_the_server(unit: Bed) -> None:
    unit.server(1)
    assert unit.agent_scope() == "jobd-agent.scope"
    assert unit.says("Delegate", "jobd-agent.scope") == "yes"
    agent = unit.request_status()["agent_pid"]
    child = unit.spawn("Salloc", "cat", stdin=subprocess.PIPE)
    unit.until_state(1, "RUNNING")
    for verb in ("restart", "stop", "start"):
        unit.systemctl(verb, "jobd")
    assert unit.until(lambda: unit.request_status()["agent_pid"]) == agent
    child.communicate("")
    assert child.returncode == 0


def trapping(bed: Bed) -> tuple[subprocess.Popen[str], int]:
    """A job whose processes note the signal that ends them; the pid of one that ran away from its session."""
    script = "trap 'echo term >> signals; exit 1' TERM; echo $$; while :; do read x; done"
    child = bed.spawn("Salloc", "sh", "-c", f'setsid sh -c "{script}" < hold & wait')
    os.close(os.open(bed.work / "hold", os.O_WRONLY))
    assert child.stdout is not None
    return child, int(child.stdout.readline())


def test_stopping_the_scope_ends_all_jobs_properly_and_the_server_gets_a_new_agent(unit: Bed) -> None:
    unit.server(1)
    hold = os.open(unit.pipe("hold"), os.O_RDWR)
    child, runaway = trapping(unit)
    waiting = unit.spawn("Salloc", "true")
    unit.until_state(2, "PENDING")
    pid, agent = unit.server_pid(), unit.until(lambda: unit.request_status()["agent_pid"])
    unit.until_gone(runaway, lambda: unit.systemctl("stop", "jobd-agent.scope"))
    assert child.wait(PATIENCE_S) != 0 and waiting.wait(PATIENCE_S) != 0
    assert (unit.work / "signals").read_text() == "term\n"
    assert {unit.until_state(number, "CANCELLED")["job_id"] for number in (1, 2)} == {1, 2}
    unit.until(lambda: unit.request_status()["agent_pid"] not in (None, agent))
    assert unit.agent_scope() == "jobd-agent.scope" and unit.server_pid() == pid
    assert unit.ok("Salloc", "echo", "ran") == "ran\n"
    os.close(hold)


def test_stopping_the_scope_without_a_server_ends_all_jobs_too(unit: Bed) -> None:
    unit.server(1)
    hold = os.open(unit.pipe("hold"), os.O_RDWR)
    child, runaway = trapping(unit)
    waiting = unit.spawn("Salloc", "true")
    unit.until_state(2, "PENDING")
    unit.systemctl("stop", "jobd")
    unit.until_gone(runaway, lambda: unit.systemctl("stop", "jobd-agent.scope"))
    assert child.wait(PATIENCE_S) != 0 and waiting.wait(PATIENCE_S) != 0
    assert (unit.work / "signals").read_text() == "term\n"
    unit.server(1)
    unit.until(lambda: not unit.jobs())
    os.close(hold)


def test_sserver_minus_2_ends_all_jobs_properly_and_the_unit(listening: Bed) -> None:
    listening.server(1)
    hold = os.open(listening.pipe("hold"), os.O_RDWR)
    child, runaway = trapping(listening)
    listening.until_gone(runaway, lambda: listening.ok("Sserver", "-2"))
    assert child.wait(PATIENCE_S) != 0
    assert (listening.work / "signals").read_text() == "term\n"
    listening.until(lambda: listening.says("ActiveState") == "inactive")
    listening.until(lambda: listening.says("LoadState", "jobd-agent.scope") == "not-found")
    assert listening.says("NRestarts") == "0"
    os.close(hold)


def test_a_killed_agent_gets_the_same_scope_again(unit: Bed) -> None:
    unit.server(1)
    agent = unit.until(lambda: unit.request_status()["agent_pid"])
    os.kill(agent, signal.SIGKILL)
    unit.until(lambda: unit.request_status()["agent_pid"] not in (None, agent))
    assert unit.agent_scope() == "jobd-agent.scope"


def test_where_the_name_of_the_scope_is_taken_another_is_found(unit: Bed) -> None:
    taken = unit.spawn(
        *(
            str(SCRIPT),
            "exec",
            str(unit.root),
            "systemd-run",
            "--user",
            "--scope",
            "--unit=jobd-agent",
            "cat",
        ),
        env=dict(os.environ),
        stdin=subprocess.PIPE,
    )
    unit.until(lambda: unit.says("ActiveState", "jobd-agent.scope") == "active")
    pid = unit.server(1)
    assert unit.agent_scope() == f"jobd-agent-{pid}.scope"
    taken.communicate("")


def test_where_no_scope_can_be_had_the_agent_is_a_plain_daemon(unit: Bed) -> None:
    fake = unit.root / "bin" / "systemd-run"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\nexit 1\n")
    fake.chmod(0o755)
    unit.drop_in(f"[Service]\nEnvironment=PATH={fake.parent}:{unit.env['PATH']}\n")
    unit.server(1)
    assert unit.agent_scope() == "jobd.service"
    child = unit.spawn("Salloc", "sleep", "1000")
    unit.until_state(1, "RUNNING")
    unit.ok("Sdelete", "1")
    assert child.wait(PATIENCE_S) != 0


# ---- the socket
def test_the_first_salloc_starts_the_server_and_many_at_once_start_one(listening: Bed) -> None:
    assert listening.says("ActiveState") == "inactive"
    children = [listening.spawn("Salloc", "sh", "-c", f"exit {number}") for number in range(8)]
    assert [child.wait(PATIENCE_S) for child in children] == list(range(8))
    assert int(listening.says("MainPID")) == listening.server_pid()
    log = (listening.root / ".local/state/jobd/jobd.log").read_text()
    assert log.count("INFO jobd: jobd ") == 1
    # The socket is systemd's and is there for the next time.
    listening.ok("Sserver", "-1")
    assert listening.ok("Salloc", "echo", "ran") == "ran\n"


def test_nobody_but_a_new_client_wakes_a_stopped_server(listening: Bed) -> None:
    go, first, second = runs_and_waits(listening)
    watching = listening.spawn("Squeue", "--watch", "--json")
    assert watching.stdout is not None
    stream = watching.stdout.fileno()
    # It prints what happens once it is there, so let things happen until it does.
    listening.until(
        lambda: listening.ok("jobctl", "set-nb-proc", "1") and select.select([stream], [], [], 0)[0]
    )
    listening.until(lambda: listening.request_status()["agent_pid"])
    listening.ok("Sserver", "-1")
    listening.until(lambda: listening.says("ActiveState") == "inactive")
    go.write_text("on\n")
    assert first.wait(PATIENCE_S) == 5
    # In the server's place we see the waiting Salloc, the watcher and the agent come back: none of them has woken it.
    context = zmq.Context()
    events, agents = context.socket(zmq.XPUB), context.socket(zmq.ROUTER)
    try:
        events.setsockopt(zmq.XPUB_VERBOSE, 1)
        for socket, name in ((events, "events.sock"), (agents, "agents.sock")):
            socket.setsockopt(zmq.RCVTIMEO, int(PATIENCE_S * 1000))
            socket.bind(f"ipc://{listening.runtime}/jobd/{name}")
        seen: set[bytes] = set()
        while not {b"\x01job.2.", b"\x01"} <= seen:
            seen.add(events.recv())
        assert b"hello" in agents.recv_multipart()[1]
    finally:
        context.destroy(linger=0)
    assert listening.run("Sserver").returncode == 3
    assert listening.says("ActiveState") == "inactive"
    listening.ok("Sserver", "1")
    the_ends_are_exact(listening, first, second)
    watching.kill()


def test_a_job_that_ends_while_the_server_stops_does_not_wake_it(listening: Bed) -> None:
    for _ in range(5):
        listening.ok("Sserver", "1")
        child = listening.spawn(
            "Salloc", "sh", "-c", "echo up; exec cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        # That its job is granted is not enough: a Salloc that has not heard of it waits for the next server.
        assert child.stdout is not None and child.stdout.readline().strip() in ("up", b"up")
        pid = listening.server_pid()
        pidfd = os.pidfd_open(pid)
        assert child.stdin is not None
        os.kill(pid, signal.SIGTERM)
        child.stdin.close()  # both at once
        child.stdin = None
        assert select.select([pidfd], [], [], PATIENCE_S)[0]
        os.close(pidfd)
        assert child.wait(PATIENCE_S) == 0
        listening.until(lambda: listening.says("ActiveState") == "inactive")
        assert listening.run("Sserver").returncode == 3
    listening.ok("Sserver", "1")
    listening.until(lambda: not listening.jobs())
    assert {job["exit_code"] for job in listening.jobs(is_finished=True)} == {0}


def test_a_parent_is_known_through_the_socket_of_systemd(listening: Bed) -> None:
    listening.ok("Salloc", "env", "-u", "JOBD_JOB_ID", "Salloc", "true")
    assert [(job["job_id"], job["parent_id"]) for job in listening.jobs(is_finished=True)] == [
        (1, None),
        (2, 1),
    ]


def test_a_server_that_finds_the_socket_of_systemd_replaced_uses_its_own(listening: Bed) -> None:
    listening.ok("Sserver", "1")
    listening.systemctl("stop", "jobd")
    (listening.runtime / "jobd/control.sock").unlink()
    assert listening.ok("Salloc", "echo", "ran") == "ran\n"
    assert int(listening.says("MainPID")) == listening.server_pid()


def test_after_a_logout_that_removed_the_runtime_folder_jobs_are_taken_over(house: Any) -> None:
    old = house.server(1)
    house.until(lambda: house.request_status()["agent_pid"])
    first = house.spawn("Salloc", "cat", stdin=subprocess.PIPE)
    house.until_state(1, "RUNNING")
    second = house.spawn("Salloc", "sh", "-c", "exit 6")
    house.until_state(2, "PENDING")
    shutil.rmtree(house.runtime / "jobd")
    assert house.server(1) != old
    assert [job["state"] for job in house.jobs()] == ["RUNNING", "PENDING"]
    first.communicate("")
    assert (first.wait(PATIENCE_S), second.wait(PATIENCE_S)) == (0, 6)
    assert house.until_state(1, "COMPLETED")["exit_code"] == 0
    assert house.until_state(2, "FAILED")["exit_code"] == 6


def test_a_server_logs_to_its_file_though_a_desktop_has_handed_on_a_journal(house: Any) -> None:
    house.env["JOURNAL_STREAM"] = "8:1234"
    house.server(1)
    assert " INFO jobd: jobd " in (house.root / ".local/state/jobd/jobd.log").read_text()


# ---- install-units
def test_install_units_can_be_repeated_and_keeps_what_was_edited(unit: Bed) -> None:
    service = unit.units / "jobd.service"
    shipped = service.read_text()
    assert f"\nExecStart={BIN}/jobd\n" in shipped
    assert unit.ok("jobctl", "install-units").count("is up to date") == UNITS
    # One of an older version, as it was written, is replaced without a word.
    old = "[Service]\nExecStart=/bin/false\n"
    digest = hashlib.sha256(old.encode()).hexdigest()[:16]
    service.write_text(f"# Written by jobctl install-units, digest {digest}\n{old}")
    assert "edited" not in unit.ok("jobctl", "install-units")
    assert service.read_text() == shipped and not list(unit.units.glob("*.bak*"))
    for copy in ("jobd.service.bak", "jobd.service.bak2"):
        service.write_text(shipped + "Nice=5\n")
        assert f"was edited; your version is kept as {unit.units / copy}\n" in unit.ok(
            "jobctl", "install-units"
        )
        assert service.read_text() == shipped
        assert (unit.units / copy).read_text() == shipped + "Nice=5\n"


def test_install_units_has_a_running_server_hand_over_to_the_unit(bed: Bed) -> None:
    go, first, second = runs_and_waits(bed)
    pid = bed.server_pid()
    assert bed.says("LoadState") == "not-found"
    said = bed.ok("jobctl", "install-units", "--enable", "--now")
    assert "its jobs ran on" in said
    assert int(bed.says("MainPID")) == bed.server_pid() != pid
    assert bed.says("ActiveState", "jobd.socket") == "active"
    assert [job["state"] for job in bed.jobs()] == ["RUNNING", "PENDING"]
    assert "the server runs already" in bed.ok("jobctl", "install-units", "--enable", "--now")
    go.write_text("on\n")
    the_ends_are_exact(bed, first, second)


def test_install_units_remove_takes_the_units_away_and_leaves_jobs_alone(bed: Bed) -> None:
    bed.ok("jobctl", "install-units", "--enable", "--now")
    go, first, second = runs_and_waits(bed)
    said = bed.ok("jobctl", "install-units", "--remove")
    assert said.count("removed ") == UNITS
    assert [path for path in bed.units.rglob("*") if not path.is_dir()] == []
    assert bed.says("LoadState") == bed.says("LoadState", "jobd.socket") == "not-found"
    assert bed.run("Sserver").returncode == 3
    assert bed.ok("jobctl", "install-units", "--remove").startswith("no units of jobd in ")
    go.write_text("on\n")
    assert first.wait(PATIENCE_S) == 5
    bed.ok("Sserver", "1")
    the_ends_are_exact(bed, first, second)


def test_install_units_does_not_touch_a_masked_unit(bed: Bed) -> None:
    bed.systemctl("mask", "jobd.service")
    done = bed.run("jobctl", "install-units")
    assert done.returncode == 1
    assert (
        done.stderr == f"jobctl: {bed.units}/jobd.service is masked (systemctl --user unmask jobd.service)\n"
    )


def test_install_units_without_a_manager_places_the_files_and_says_so(house: Any) -> None:
    units = house.root / ".config/systemd/user"
    said = house.ok("jobctl", "install-units", "--enable")
    assert f"no systemd user manager runs in {house.runtime}" in said
    assert (units / "jobd.service").exists()
    assert (units / "sockets.target.wants/jobd.socket").is_symlink()
    done = house.run("jobctl", "install-units", "--now")
    assert done.returncode == 1 and "not started" in done.stderr and done.stderr.count("\n") == 1
    house.ok("jobctl", "install-units", "--remove")
    assert [path for path in units.rglob("*") if not path.is_dir()] == []


def test_the_units_are_what_systemd_understands(unit: Bed) -> None:
    paths = [str(path) for path in unit.units.glob("jobd*")]
    done = unit.run("systemd-analyze", "--user", "verify", *paths)
    assert (done.returncode, [line for line in done.stderr.splitlines() if "jobd" in line]) == (0, [])


def test_what_systemctl_cannot_do_is_one_line(unit: Bed) -> None:
    done = unit.run("jobctl", "install-units", "--remove", "--now")
    assert (done.returncode, done.stderr) == (2, "jobctl: --remove goes with neither --enable nor --now\n")


# ---- an ordinary user
def test_an_ordinary_user_has_it_all_too() -> None:
    with a_bed("jobd-tester") as bed:

        def by_user(*command: str) -> str:
            return bed.ok(str(SCRIPT), "exec", str(bed.root), *command, env=dict(os.environ))

        by_user("jobctl", "install-units", "--enable")
        assert by_user("Salloc", "id", "-un") == "jobd-tester\n"
        status = json.loads(by_user("jobctl", "status", "--json"))
        by_user("Salloc", "sh", "-c", "systemctl --user restart jobd")
        assert json.loads(by_user("jobctl", "status", "--json"))["pid"] != status["pid"]
        row = by_user("Squeue", "--finished", "--json")
        assert row.count('"COMPLETED"') >= 2
        assert "jobd-agent.scope" in by_user("systemctl", "--user", "list-units", "jobd-agent.scope")
        by_user("Sserver", "-2")
