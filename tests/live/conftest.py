"""A house for each live test: XDG folders of its own, the real programs, and a check that no process is left behind.

Tests wait for events (the server's, or the end of a process), never for time.
"""

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pexpect
import pytest

PATIENCE_S = 60.0  # a limit for what should take milliseconds, on a machine that is busy
BIN = os.path.dirname(sys.executable)


class House:
    """A private world for one server. Paths are short, since sockets have short names."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.mark = uuid.uuid4().hex
        self.runtime = root / "r"
        self.runtime.mkdir(mode=0o700)
        self.work = root / "w"
        self.work.mkdir()
        self.env = {
            "PATH": f"{BIN}:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(root),
            "XDG_RUNTIME_DIR": str(self.runtime),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "HOUSE": self.mark,
        }
        self._children: list[subprocess.Popen[str]] = []
        self._terminals: list[pexpect.spawn] = []
        self.farewell: Any = None

    # ---- running things
    def run(self, *command: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, with its output."""
        options = {"env": self.env, "cwd": self.work, "timeout": PATIENCE_S} | options
        return subprocess.run(command, capture_output=True, text=True, check=False, **options)

    def ok(self, *command: str, **options: Any) -> str:
        """Run a command that must succeed; its output."""
        done = self.run(*command, **options)
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def spawn(self, *command: str, **options: Any) -> subprocess.Popen[str]:
        """Start a command in the background; it is ended with the house."""
        options = {
            "env": self.env,
            "cwd": self.work,
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
        } | options
        child = subprocess.Popen(command, **options)
        self._children.append(child)
        return child

    def terminal(self, command: str, *arguments: str, **options: Any) -> pexpect.spawn:
        """Run a command on a pseudo-terminal."""
        options = {
            "env": self.env,
            "cwd": str(self.work),
            "timeout": PATIENCE_S,
            "encoding": "utf-8",
        } | options
        child = pexpect.spawn(command, list(arguments), **options)
        self._terminals.append(child)
        return child

    # ---- the server
    def server(self, nb_proc: int = 2) -> int:
        """Start the server; its pid."""
        self.ok("Sserver", str(nb_proc))
        return self.server_pid()

    def server_pid(self) -> int:
        """The pid of the living server."""
        return int(self.request_status()["pid"])

    def jobs(self, *, is_finished: bool = False, job_ids: Sequence[int] = ()) -> list[dict[str, Any]]:
        """The jobs as the server lists them."""
        from jobd.client import pages
        from jobd.wire import messages as m

        with self.client() as client:
            rows = pages(client, m.ListJobs(job_ids=list(job_ids), is_finished=is_finished))
        return [row._asdict() for row in rows]

    def job(self, job_id: int) -> dict[str, Any] | None:
        """One job, living or finished."""
        for is_finished in (False, True):
            for row in self.jobs(job_ids=[job_id], is_finished=is_finished):
                return row
        return None

    def request_status(self) -> dict[str, Any]:
        """The server's status."""
        from jobd.wire import messages as m

        with self.client() as client:
            status: dict[str, Any] = client.request(m.Ask())._asdict()
        return status

    @contextlib.contextmanager
    def environment(self) -> Iterator[None]:
        """This house's environment as our own, for the library's calls."""
        saved = dict(os.environ)
        for key in list(os.environ):
            if key.startswith(("XDG_", "JOBD_")):
                del os.environ[key]
        os.environ.update({key: self.env[key] for key in ("HOME", "XDG_RUNTIME_DIR")})
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(saved)

    @contextlib.contextmanager
    def client(self) -> Iterator[Any]:
        """A client of this house's server."""
        from jobd.client import Client

        with self.environment():
            client = Client(is_starting=False)
            try:
                yield client
            finally:
                client.close()

    def until(self, is_so: Callable[[], Any], topic: bytes = b"", timeout_s: float = PATIENCE_S) -> Any:
        """Wait until something is so: looked at now, and after each event of the server. Its (true) value."""
        import time

        from jobd.client import Events

        with self.environment():
            events = Events(topic)
        end_s = time.monotonic() + timeout_s
        try:
            while True:
                value = is_so()
                if value:
                    return value
                # What happens outside the server makes no event, so now and then it is looked at all the same.
                events.wait(min(0.25, max(0.0, end_s - time.monotonic())))
                assert time.monotonic() < end_s, "it did not come to be"
        finally:
            events.close()

    def until_state(self, job_id: int, *states: str) -> dict[str, Any]:
        """Wait until a job is in one of these (long) states."""

        def row() -> dict[str, Any] | None:
            job = self.job(job_id)
            return job if job is not None and job["state"] in states else None

        found: dict[str, Any] = self.until(row)
        return found

    def until_ready(self, path: Path, timeout_s: float = PATIENCE_S) -> str:
        """Wait until a job has written a line to a named pipe; the line."""
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            os.set_blocking(descriptor, True)
            assert select.select([descriptor], [], [], timeout_s)[0], f"nothing came from {path}"
            return os.read(descriptor, 4096).decode()
        finally:
            os.close(descriptor)

    def pipe(self, name: str) -> Path:
        """A named pipe in the work folder."""
        path = self.work / name
        os.mkfifo(path)
        return path

    # ---- the end
    def processes(self) -> list[int]:
        """All processes that descend from this house."""
        found = []
        for name in os.listdir("/proc"):
            if not name.isdigit() or int(name) == os.getpid():
                continue
            try:
                environ = Path(f"/proc/{name}/environ").read_bytes()
                state = Path(f"/proc/{name}/stat").read_bytes().rpartition(b")")[2].split()[0]
            except OSError:
                continue
            if f"HOUSE={self.mark}".encode() in environ.split(b"\0") and state not in (b"Z", b"X"):
                found.append(int(name))
        return found

    def close(self) -> list[str]:
        """End everything; what had to be ended by force, as text."""
        self.farewell = self.run("Sserver", "-2", timeout=PATIENCE_S)
        for terminal in self._terminals:
            terminal.close(force=True)
        for child in self._children:
            if child.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(5)
            if child.poll() is None:
                child.kill()
        left = []
        for _ in range(200):
            pids = self.processes()
            if not pids:
                break
            for pid in pids:
                with contextlib.suppress(OSError):
                    pidfd = os.pidfd_open(pid)
                    select.select([pidfd], [], [], 0.05)
                    os.close(pidfd)
        for pid in self.processes():
            with contextlib.suppress(OSError):
                command = (
                    Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                )
                left.append(f"{pid}: {command}")
                os.kill(pid, signal.SIGKILL)
        for child in self._children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.communicate(timeout=5)  # only now: what was left behind may have held its pipes
        return left


@pytest.fixture
def house(request: pytest.FixtureRequest) -> Iterator[House]:
    """A private world, gone with all its processes after the test."""
    root = Path(tempfile.mkdtemp(prefix="jobd-", dir="/tmp"))
    built = House(root)
    try:
        yield built
    finally:
        left = built.close()
        logs = {path.name: path.read_text() for path in root.glob(".local/state/jobd/*.log")}
        shutil.rmtree(root, ignore_errors=True)
    assert not left, f"left behind: {left}, after Sserver -2: {built.farewell}, logs: {logs}"
    for name, text in logs.items():
        assert "Traceback" not in text, f"{name}: {text}"
