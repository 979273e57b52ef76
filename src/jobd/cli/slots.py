"""Which processors of its job each living step has, so that steps which together need more than there are wait for each other.

One small file for each job in the runtime folder: a line for each step, "pid start processors", under a lock that is held for the look
alone. A step that was killed needs no tidying: its line counts as long as its Srun lives.
"""

import fcntl
import os
import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from jobd import locks, paths
from jobd.cli.presence import start_ticks


class Holding(NamedTuple):
    """What one Srun has."""

    pid: int
    start: int  # in clock ticks since boot
    slots: tuple[int, ...]


class Slots:
    """The processors of one attempt of a job (or mere numbers, where it is not bound to any)."""

    def __init__(self, folder: str, name: str, slots: list[int]) -> None:
        """
        Args:
            folder: where the files are; it is made when it is needed.
            name: of the job's file.
        """
        self._path = os.path.join(folder, name)
        self._folder = folder
        self._all = slots

    def take(self, count: int, wait: Callable[[], None]) -> list[int]:
        """Have so many of them until we end or `give_back`; waits as long as other steps leave too few.

        Args:
            count: at most as many as there are.
            wait: called once, before it has to wait.

        Raises:
            OSError: the file cannot be used.
        """
        assert count <= len(self._all)
        has_waited = False
        while True:
            with self._opened() as file:
                others = [held for held in _read(file) if _is_alive(held)]
                busy = {slot for held in others for slot in held.slots}
                free = [slot for slot in self._all if slot not in busy]
                if len(free) >= count:
                    own = Holding(os.getpid(), start_ticks(os.getpid()), tuple(free[:count]))
                    _write(file, [*others, own])
                    return free[:count]
            if not has_waited:
                wait()
                has_waited = True
            _wait_for_one(others)

    def give_back(self) -> None:
        """Let go of what we have."""
        try:
            with self._opened() as file:
                left = [held for held in _read(file) if held.pid != os.getpid() and _is_alive(held)]
                _write(file, left)
                if not left:
                    os.unlink(self._path)
        except OSError:
            pass  # it counts only as long as we live

    @contextmanager
    def _opened(self) -> Iterator[int]:
        """The file, locked."""
        paths.make_private(self._folder)
        while True:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                if not locks.is_in_place(self._path, file):
                    continue  # the last who used it took it away
                yield file
                return
            finally:
                os.close(file)


def slots_of_job(job_id: int, attempt: int, slots: list[int]) -> Slots:
    """Those of an attempt of a job of this runtime folder's server."""
    return Slots(os.path.join(paths.runtime_dir(), "steps"), f"{job_id}.{attempt}", slots)


def _read(file: int) -> list[Holding]:
    """The lines; a broken one is as good as none."""
    found = []
    for line in os.pread(file, 1 << 20, 0).decode("ascii", "replace").splitlines():
        try:
            pid, start, *slots = map(int, line.split())
        except ValueError:
            continue
        found.append(Holding(pid, start, tuple(slots)))
    return found


def _write(file: int, holdings: list[Holding]) -> None:
    lines = "".join(" ".join(map(str, (held.pid, held.start, *held.slots))) + "\n" for held in holdings)
    os.ftruncate(file, 0)
    os.pwrite(file, lines.encode(), 0)


def _is_alive(held: Holding) -> bool:
    try:
        with open(f"/proc/{held.pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return False
    return int(fields[19]) == held.start and fields[0] not in (b"Z", b"X")


def _wait_for_one(others: list[Holding]) -> None:
    """Sleep until one of those who hold slots has ended."""
    poll = select.poll()
    pidfds = []
    try:
        for held in others:
            try:
                pidfd = os.pidfd_open(held.pid)
            except ProcessLookupError:
                return
            pidfds.append(pidfd)
            if not _is_alive(held):
                return
            poll.register(pidfd, select.POLLIN)
        poll.poll()
    finally:
        for pidfd in pidfds:
            os.close(pidfd)


__all__ = ["Holding", "Slots", "slots_of_job"]
