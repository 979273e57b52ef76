"""A place for control groups, real where the machine has one, else imitated; and processes for tests to look for."""

import contextlib
import os
import shutil
import signal
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

from jobd.agent import mounts
from jobd.agent.cgroup import Groups
from jobd.agent.processes import look_up

# What the kernel puts into a new group with the cpu, memory and pids controllers (cgroup-v2.rst), as far as the agent looks at it.
KERNEL_FILES = {
    "cgroup.controllers": "cpu memory pids\n",
    "cgroup.events": "populated 0\nfrozen 0\n",
    "cgroup.freeze": "0\n",
    "cgroup.kill": "",
    "cgroup.procs": "",
    "cgroup.subtree_control": "",
    "cgroup.type": "domain\n",
    "cpu.max": "max 100000\n",
    "cpu.stat": "usage_usec 1250000\nuser_usec 1000000\nsystem_usec 250000\n",
    "memory.events": "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n",
    "memory.max": "max\n",
    "memory.oom.group": "0\n",
    "memory.peak": "4096\n",
    "memory.swap.max": "max\n",
    "pids.max": "max\n",
}


class Imitation(Groups):
    """Groups in an ordinary folder: what is written can be read, and nothing else happens."""

    def __init__(self, folder: Path, *, without: frozenset[str] = frozenset(), processors: int = 8) -> None:
        """
        Args:
            without: files, or their beginnings, that this kernel does not have.
        """
        self._without = tuple(without)
        super().__init__(str(folder), mkdir=self.imitate, rmdir=shutil.rmtree, processors=processors)
        self.fill(str(folder))

    def imitate(self, path: str) -> None:
        """Make a group."""
        os.mkdir(path)
        self.fill(path)

    def fill(self, path: str) -> None:
        """Give a folder the kernel's files."""
        for name, text in KERNEL_FILES.items():
            if not name.startswith(self._without or ("-",)):
                Path(path, name).write_text(text)


def real_place() -> Path | None:
    """A new folder below the mount of version 2, which the one who asks removes; None where none can be made."""
    mount = mounts.mount_point()
    if mount is None:
        return None
    own = mounts.group_of("self") or "/"
    for base in (mount, mount.rstrip("/") + own):
        folder = Path(base) / f"jobd-test-{uuid.uuid4().hex[:12]}"
        try:
            folder.mkdir()
        except OSError:
            continue
        try:
            if (folder / "cgroup.kill").exists() and _takes_processes(folder):
                return folder
        except OSError:
            pass
        folder.rmdir()
    return None


def _takes_processes(folder: Path) -> bool:
    with a_process("sleep", "1000") as child:
        try:
            (folder / "cgroup.procs").write_text(str(child.pid))
        except OSError:
            return False
        finally:
            child.kill()
            child.wait()
    return True


@contextlib.contextmanager
def a_place() -> Iterator[Groups | None]:
    """Real groups that are ready; None where the machine gives none."""
    folder = real_place()
    if folder is None:
        yield None
        return
    home = Path(f"{mounts.mount_point()}".rstrip("/") + (mounts.group_of("self") or "/"))
    try:
        groups = Groups(str(folder), processors=8)
        assert groups.prepare()
        yield groups
    finally:
        (home / "cgroup.procs").write_text("0")
        for path, _, _ in os.walk(folder, topdown=False):
            if (Path(path) / "cgroup.events").read_text().startswith("populated 1"):
                (Path(path) / "cgroup.kill").write_text("1")
                wait_until_empty(Path(path))
            os.rmdir(path)


def wait_until_empty(folder: Path) -> None:
    """Wait for the end of the last process of a group."""
    import select

    with open(folder / "cgroup.events") as file:
        poll = select.poll()
        poll.register(file, select.POLLPRI)
        while "populated 1" in os.pread(file.fileno(), 4096, 0).decode():
            assert poll.poll(30_000), f"{folder} is not emptied"


@contextlib.contextmanager
def a_process(*command: str, **options: object) -> Iterator["subprocess.Popen[str]"]:
    """A process that is over at the end."""
    child = subprocess.Popen(command, text=True, **options)  # type: ignore[call-overload]
    try:
        yield child
    finally:
        if child.poll() is None:
            child.send_signal(signal.SIGKILL)
            child.wait()
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                stream.close()


def identity(pid: int) -> tuple[int, int]:
    """(pid, start) of a living process."""
    process = look_up(pid)
    assert process is not None
    return pid, process.start_ticks


def is_alive(pid: int) -> bool:
    """Whether it lives and is no zombie."""
    process = look_up(pid)
    return process is not None and not process.is_zombie
