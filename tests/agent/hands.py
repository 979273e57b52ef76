"""An agent in this process with a link of ours and real processes: `Hands.hear` is the server's voice, `Hands.said` what it was told."""

import contextlib
import ctypes
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import zmq

from jobd.agent.blobs import Spool
from jobd.agent.book import Book
from jobd.agent.cgroup import Groups
from jobd.agent.loop import Agent
from jobd.agent.processes import boot_id
from jobd.agent.reaping import become_subreaper
from jobd.agent.spawn import Spawner, keep_descriptors
from jobd.agent.turns import Turns
from jobd.wire import batch as b
from jobd.wire import codec
from jobd.wire import messages as m
from jobd.wire.blobs import blob_of, pack_environment
from jobd.wire.verbs import FROM_AGENT, TO_AGENT

PATIENCE_S = 30.0  # for what takes milliseconds, on a machine that is busy
SERVER = "server-of-the-test"
PATH = "/usr/local/bin:/usr/bin:/bin"
ENVIRONMENT = blob_of(pack_environment({b"PATH": PATH.encode(), b"HOME": b"/", b"COLOUR": b"blue"}))
_PR_SET_CHILD_SUBREAPER = 36

T = TypeVar("T")


class Link:
    """Where the agent's words go."""

    def __init__(self) -> None:
        self.said: list[Any] = []
        self.messages = 0

    def send(self, frame: bytes, flags: int) -> None:
        self.messages += not flags & zmq.SNDMORE
        self.said.append(codec.decode_named(FROM_AGENT, frame))


def killed(pid: int) -> None:
    """Kill a process, and see that it has gone: the kernel does it in its own time."""
    pidfd = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        assert select.select([pidfd], [], [], 60)[0]
    finally:
        os.close(pidfd)


class Hands:
    """The agent, its folder, and its loop as main.py has it. A second `start` is the next agent in the same place."""

    def __init__(self, folder: Path, groups: Groups | None = None) -> None:
        self.folder = folder
        self.groups = groups
        self.link = Link()
        self._gates: list[int] = []
        self.server_id = SERVER + os.urandom(6).hex()
        self.reader, self._writer = socket.socketpair()
        for one in (self.reader, self._writer):
            one.setblocking(False)
        self._old_handler = signal.signal(signal.SIGCHLD, lambda *_: None)
        self._old_wakeup = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        become_subreaper()
        keep_descriptors()
        self.start()

    def start(self) -> None:
        """A (new) agent reads the book."""
        self.poller: Any = zmq.Poller()
        self.poller.register(self.reader, zmq.POLLIN)
        self.book = Book(str(self.folder / "launches"), boot_id())
        self.turns = Turns(self._wake)
        self.spawner = Spawner(nofile_soft=1024, lanes=self.turns.lanes)
        self.turns.agent = self.agent = Agent(
            self.link,
            self.poller,
            book=self.book,
            spool=Spool(str(self.folder / "spool")),
            spawner=self.spawner,
            groups=self.groups,
        )
        self.agent.connected()
        self.hear(m.Watch(self.server_id, []))

    def die(self) -> None:
        """What kill -9 leaves: the book, and children that are nobody's any more. (Here they stay ours, so they are not reaped.)"""
        self.book.close()
        self.turns.close()
        self.spawner.close()
        self.link.said.clear()

    def close(self) -> None:
        """End what lives, and give the signals back."""
        self.agent.end_all()
        self.until(lambda: self.agent.may_leave)
        signal.set_wakeup_fd(self._old_wakeup)
        signal.signal(signal.SIGCHLD, self._old_handler)
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
        self.book.close()
        self.turns.close()
        self.spawner.close()
        for descriptor in self._gates:
            os.close(descriptor)
        self.reader.close()
        self._writer.close()
        os.umask(0o022)
        os.chdir(self.folder)

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._writer.send(b"\0")

    # ---- the loop
    def turn(self, timeout_ms: float | None = None) -> None:
        """One turn, as in main.py."""

        def poll(due_ms: float | None) -> Any:
            waits = [ms for ms in (timeout_ms, due_ms) if ms is not None]
            return self.poller.poll(min(waits) if waits else None)

        for key in dict(self.turns.rest(poll)):
            if key == self.reader.fileno():
                self.reader.recv(4096)
                self.agent.children_changed()
            else:
                self.agent.pidfd_ready(key)
        self.agent.step()
        self.agent.flush()

    def until(self, is_so: Callable[[], Any]) -> None:
        """Turn until it is so."""
        end_s = time.monotonic() + PATIENCE_S
        while not is_so():
            assert time.monotonic() < end_s, f"it never came to be; said: {self.link.said}"
            self.turn(20)

    # ---- the server's side
    def hear(self, *messages: Any) -> None:
        """The server says something; also over the wire's own forms."""
        for message in messages:
            self.agent.hear(codec.encode_named(TO_AGENT, message))
        self.agent.step()
        self.agent.flush()

    def launch(self, job_id: int, argv: list[str], **fields: Any) -> b.Launch:
        """A launch of a command, heard."""
        launch = self.make(job_id, argv, **fields)
        self.hear(ENVIRONMENT, launch)
        return launch

    def make(self, job_id: int, argv: list[str], **fields: Any) -> b.Launch:
        """A launch, not said yet."""
        launch = b.Launch(
            job_id=job_id,
            attempt=1,
            token=f"token-{job_id}",
            server_id=self.server_id,
            argv=argv,
            script="",
            environment=ENVIRONMENT.key,
            variables=[],
            cwd=str(self.folder),
            umask=0o022,
            stdin="",
            stdout=str(self.folder / f"{job_id}.out"),
            stderr="",
            is_appending=False,
            cpus=[],
            all_cpus=sorted(os.sched_getaffinity(0)),
            nb_proc=1,
            memory_bytes=0,
            time_limit_s=None,
            warn_signal=0,
            warn_before_s=0,
            is_warning_batch_only=False,
            grace_s=5.0,
            is_leaving=False,
            started_at=time.time(),
        )
        return launch._replace(**fields)

    def shell(self, job_id: int, text: str, **fields: Any) -> b.Launch:
        """A launch of a shell command, heard."""
        return self.launch(job_id, ["/bin/sh", "-c", text], **fields)

    def run(self, job_id: int, argv: list[str], **fields: Any) -> b.Left:
        """Launch, and wait for the end."""
        launch = self.launch(job_id, argv, **fields)
        return self.left(job_id, launch.attempt)

    def sh(self, job_id: int, text: str, **fields: Any) -> b.Left:
        """Launch a shell command, and wait for the end."""
        return self.run(job_id, ["/bin/sh", "-c", text], **fields)

    def left(self, job_id: int, attempt: int = 1) -> b.Left:
        """The end of an attempt, when it has come."""
        self.until(lambda: any(one.attempt == attempt for one in self.all_of(b.Left, job_id)))
        return [one for one in self.all_of(b.Left, job_id) if one.attempt == attempt][-1]

    def launched(self, job_id: int) -> b.Launched:
        """That a job runs, when it was said."""
        self.until(lambda: self.all_of(b.Launched, job_id))
        return self.all_of(b.Launched, job_id)[-1]

    def all_of(self, kind: type[T], job_id: int) -> list[T]:
        """What was said of a job in messages of one kind."""
        return [one for one in self.link.said if isinstance(one, kind) and one.job_id == job_id]  # type: ignore[attr-defined]

    def gate(self, name: str) -> Callable[[str], None]:
        """A FIFO in the folder, from which a job reads a line (`read x < name`) that comes when this is called with it."""
        os.mkfifo(self.folder / name)
        descriptor = os.open(self.folder / name, os.O_RDWR | os.O_CLOEXEC)
        self._gates.append(descriptor)
        return lambda line: os.write(descriptor, f"{line}\n".encode()) and None

    # ---- what is to be seen
    def output(self, job_id: int) -> str:
        """Its output file."""
        return (self.folder / f"{job_id}.out").read_text()

    def wait_for_file(self, name: str) -> str:
        """What a job has written there; it moves the file into place when it is complete."""
        path = self.folder / name
        self.until(path.exists)
        return path.read_text()

    def marked(self) -> list[int]:
        """Living processes that carry our server's mark, zombies excepted."""
        mark = f"JOBD_SERVER={self.server_id}".encode()
        found = []
        for name in os.listdir("/proc"):
            if name.isdigit():
                try:
                    if mark in Path(f"/proc/{name}/environ").read_bytes().split(b"\0"):
                        found.append(int(name))
                except OSError:
                    continue
        return found
