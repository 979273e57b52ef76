"""The control group of one attempt (cgroup v2): limits that the kernel holds, and an end that nothing slips through.

Rules, from cgroups(7) and the kernel's cgroup-v2.rst, each tried out:
* What was written is read back. What does not read as it was written is not enforced, and is said.
* While the agent is inside in order to start something there, the group has no limit of memory: its own life would depend on it.
* All of an attempt ends for want of memory, not its largest process alone: half a job is worse than none.
"""

import logging
import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

log = logging.getLogger("jobd.agent")

CPU_PERIOD_US = 100_000
WATCHED_MEMORY = "memory: watched by the agent, not bound by the kernel"
UNBOUND_PROCESSORS = "processors: not bound"
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Usage(NamedTuple):
    """What a group's processes have used so far, those that are gone included."""

    cpu_s: float
    memory_peak_bytes: int  # 0 where the kernel does not count it


class Group:
    """The group of one attempt."""

    def __init__(
        self, path: str, *, supervisor: str, processors: int, rmdir: Callable[[str], None] = os.rmdir
    ) -> None:
        """
        Args:
            path: its folder.
            supervisor: the folder of the agent's own group.
            processors: how many there are.
        """
        self.path = path
        self._supervisor = supervisor
        self._processors = processors
        self._rmdir = rmdir
        self._memory_bytes = 0
        self._nb_proc = 0
        self._unenforced: dict[str, str] = {}
        self._events: int | None = None

    # ---- who is in it
    def take_in(self, pid: int) -> None:
        """Move a process in. What it has forked before stays outside.

        Raises:
            OSError: it is gone (ESRCH), or may not be moved.
        """
        write(f"{self.path}/cgroup.procs", str(pid))

    def enter(self) -> None:
        """Move the agent in, so that what it starts now is born inside.

        After a pause without such moves the kernel takes some 15 ms for one, else 0.02 ms.

        Raises:
            OSError: the group cannot be entered.
        """
        self._limit_memory(0)
        write(f"{self.path}/cgroup.procs", "0")

    def leave(self) -> None:
        """Move the agent back, and put the limit of memory in force.

        Raises:
            OSError: it cannot go back.
        """
        write(f"{self._supervisor}/cgroup.procs", "0")
        self._limit_memory(self._memory_bytes)

    def pids(self) -> list[int]:
        """All its processes, those of groups below it included."""
        found: list[int] = []
        for folder in self._folders():
            try:
                found += map(int, read(f"{folder}/cgroup.procs").split())
            except OSError:
                continue  # it was removed meanwhile, or is threaded, and then its processes are listed above
        return found

    @property
    def is_populated(self) -> bool:
        """Whether a process lives in it or below it. Reading it makes `events_fd` wait for the next change."""
        return self._event(b"populated")

    @property
    def is_frozen(self) -> bool:
        """Whether all its processes stand still."""
        return self._event(b"frozen")

    @property
    def events_fd(self) -> int:
        """A descriptor on which POLLPRI tells that `is_populated` or `is_frozen` may have changed."""
        if self._events is None:
            self._events = os.open(f"{self.path}/cgroup.events", os.O_RDONLY | os.O_CLOEXEC)
        return self._events

    def send_away(self, pids: frozenset[int]) -> None:
        """Move those of these processes that are in it to the agent: a server or an agent that a job has started is no job's."""
        for pid in pids & set(self.pids()):
            try_to_write(f"{self._supervisor}/cgroup.procs", str(pid))

    # ---- its end
    def kill(self) -> None:
        """KILL to all in it. A fork under way may slip through: do it again until it is not populated."""
        # Without forks nothing slips through; the controller may be missing.
        try_to_write(f"{self.path}/pids.max", "0")
        if not try_to_write(f"{self.path}/cgroup.kill", "1"):  # Linux 5.14
            for pid in self.pids():
                try:
                    os.kill(pid, 9)
                except (ProcessLookupError, PermissionError):
                    pass

    def freeze(self, is_frozen: bool) -> bool:
        """Let all in it stand still, or go on; whether the kernel takes the order. It is carried out a little later."""
        return try_to_write(f"{self.path}/cgroup.freeze", "1" if is_frozen else "0")

    def remove(self) -> bool:
        """Remove it, and the groups that the job has made in it; whether it is gone. One with a process stays."""
        self.close()
        for folder in reversed(list(self._folders())):
            try:
                self._rmdir(folder)
            except FileNotFoundError:
                pass
            except OSError as error:
                log.warning("%s: %s", folder, error.strerror)
                return False
        return True

    def close(self) -> None:
        """Let go of its descriptor; the group stays."""
        if self._events is not None:
            os.close(self._events)
            self._events = None

    # ---- limits, and what was used
    def set_limits(self, *, memory_bytes: int, nb_proc: int) -> None:
        """Limit memory and time of processors; 0 for no limit. What cannot be set is in `unenforced`.

        Args:
            nb_proc: the time of so many processors, whichever they are. More than there are is no limit.
        """
        self._memory_bytes, self._nb_proc = memory_bytes, nb_proc
        self._limit_memory(memory_bytes)
        self._limit_processors(self._limited_procs)

    def lift(self, is_lifted: bool) -> None:
        """Take the limit of time of processors off while a Salloc in it has procs of its own, and put it back."""
        self._limit_processors(0 if is_lifted else self._limited_procs)

    def unenforced(self) -> list[str]:
        """The limits that were wanted and that the kernel does not hold, in words."""
        return sorted(self._unenforced.values())

    @property
    def holds_memory(self) -> bool:
        """Whether the kernel holds its limit of memory; if not, somebody must watch it."""
        return self._memory_bytes > 0 and "memory" not in self._unenforced

    @property
    def holds_processors(self) -> bool:
        """Whether the kernel holds its limit of time of processors."""
        return self._limited_procs > 0 and "cpu" not in self._unenforced

    def learn_limits(self) -> None:
        """Know which limits an earlier agent has set."""
        self._memory_bytes = _first_number(f"{self.path}/memory.max")
        self._nb_proc = _first_number(f"{self.path}/cpu.max") // CPU_PERIOD_US

    def was_oom(self) -> bool:
        """Whether the kernel killed one of its processes for want of memory."""
        try:
            counts = _pairs(read(f"{self.path}/memory.events"))
        except OSError:
            return False
        return counts.get("oom_kill", 0) + counts.get("oom_group_kill", 0) > 0

    def usage(self) -> Usage:
        """What was used by all that were ever in it."""
        cpu_s, peak_bytes = 0.0, 0
        try:
            cpu_s = _pairs(read(f"{self.path}/cpu.stat")).get("usage_usec", 0) / 1e6
        except OSError:
            pass
        try:
            peak_bytes = int(read(f"{self.path}/memory.peak"))  # Linux 5.19
        except (OSError, ValueError):
            pass
        return Usage(cpu_s, peak_bytes)

    @property
    def _limited_procs(self) -> int:
        return self._nb_proc if self._nb_proc < self._processors else 0

    def _limit_memory(self, memory_bytes: int) -> None:
        if memory_bytes <= 0:
            if self._memory_bytes > 0:
                try_to_write(f"{self.path}/memory.max", "max")
            self._unenforced.pop("memory", None)
            return
        # Else a job would use the disk where its memory ends. The file is missing in a kernel without swap.
        try_to_write(f"{self.path}/memory.swap.max", "0")
        try_to_write(f"{self.path}/memory.oom.group", "1")  # Linux 4.19
        pages_bytes = str(memory_bytes // _PAGE * _PAGE)
        if _set(f"{self.path}/memory.max", pages_bytes):
            self._unenforced.pop("memory", None)
        else:
            self._unenforced["memory"] = WATCHED_MEMORY

    def _limit_processors(self, nb_proc: int) -> None:
        if nb_proc <= 0:
            try_to_write(f"{self.path}/cpu.max", f"max {CPU_PERIOD_US}")
            self._unenforced.pop("cpu", None)
        elif _set(f"{self.path}/cpu.max", f"{nb_proc * CPU_PERIOD_US} {CPU_PERIOD_US}"):
            self._unenforced.pop("cpu", None)
        else:
            self._unenforced["cpu"] = UNBOUND_PROCESSORS

    def _event(self, name: bytes) -> bool:
        try:
            data = os.pread(self.events_fd, 4096, 0)
        except OSError:
            return False  # the group is gone
        return name + b" 1" in data.split(b"\n")

    def _folders(self) -> Iterator[str]:
        """Its folder and those below, each before what is in it."""
        for folder, _, _ in os.walk(self.path):
            yield folder


def unenforced(
    group: Group | None, *, memory_bytes: int, cpus: list[int], nb_proc: int, processors: int
) -> list[str]:
    """The limits of an attempt that the kernel does not hold, in words for `Scontrol show job`."""
    found = []
    if memory_bytes and not (group is not None and group.holds_memory):
        found.append(WATCHED_MEMORY)
    if not cpus and nb_proc < processors and not (group is not None and group.holds_processors):
        found.append(UNBOUND_PROCESSORS)
    return found


def read(path: str) -> str:
    """A file of a group.

    Raises:
        OSError: as the kernel says it.
    """
    with open(path, encoding="ascii", errors="replace") as file:
        return file.read()


def write(path: str, text: str) -> None:
    """One write(2), as the files of cgroups want it.

    Raises:
        OSError: as the kernel says it.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def try_to_write(path: str, text: str) -> bool:
    """Write; whether the kernel took it."""
    try:
        write(path, text)
    except OSError:
        return False
    return True


def _set(path: str, text: str) -> bool:
    """Write and read back; whether it holds."""
    try:
        write(path, text)
        return read(path).strip() == text
    except OSError:
        return False


def _pairs(text: str) -> dict[str, int]:
    """Lines of `name number`."""
    pairs = {}
    for line in text.splitlines():
        name, _, number = line.partition(" ")
        if number.strip().isdigit():
            pairs[name] = int(number)
    return pairs


def _first_number(path: str) -> int:
    """The number that a file begins with; 0 where it says "max", or is missing."""
    try:
        word = read(path).split()[0]
    except (OSError, IndexError):
        return 0
    return int(word) if word.isdigit() else 0
