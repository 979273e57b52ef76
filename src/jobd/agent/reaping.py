"""The children of the agent: the main processes of attempts, and what attempts have left behind, since the agent is the subreaper.

All that an attempt leaves behind becomes a child of the agent before the end of its parent is told. So if the agent has no other
children than main processes, nothing lives of the attempts that have ended: that costs one read, not a look at all processes.
"""

import ctypes
import logging
import os
import resource
import time
from typing import NamedTuple

from jobd.agent.book import Key
from jobd.agent.processes import exit_status, look_up, read_environment
from jobd.agent.tree import EMPTY_LOOKS, EMPTY_PAUSE_S

log = logging.getLogger("jobd.agent")

_PR_SET_CHILD_SUBREAPER = 36
_CHILDREN_BYTES = 1 << 16
FADING_LOOKS = 10  # at children that are about to end
FADING_PAUSE_S = 0.001


class Reaped(NamedTuple):
    """A child that was reaped."""

    pid: int
    key: Key | None  # of its attempt, where that is known
    is_main: bool
    status: int
    used: resource.struct_rusage


class Children:
    """Who the agent's children are. A number stands for the same process until the agent reaps it."""

    def __init__(self) -> None:
        self.mains: dict[int, Key] = {}
        self._sessions: dict[int, Key] = {}  # of every main process whose attempt has not left
        self._servers: dict[Key, str] = {}  # of each attempt that has not left
        self._owners: dict[int, Key] = {}  # others, as far as it is known whose they are
        self._possible: dict[int, set[Key]] = {}  # others without a mark, and whose they may be
        self._bare: set[int] = set()  # others without an environment: started with none, or about to end
        self._faded: set[int] = set()  # those of them that are zombies, so that what they had is ours
        self._pid = os.getpid()
        self._file: int | None = None
        try:
            self._file = os.open(f"/proc/self/task/{self._pid}/children", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            log.info("this kernel does not list children (CONFIG_PROC_CHILDREN): all processes are looked at")

    def close(self) -> None:
        """Let go of the list."""
        if self._file is not None:
            os.close(self._file)

    def add(self, pid: int, key: Key, server_id: str) -> None:
        """A main process was started."""
        self.mains[pid] = key
        self.adopt(pid, key, server_id)

    def adopt(self, pid: int, key: Key, server_id: str) -> None:
        """A main process of an earlier agent: no child of ours, but its session is known by it."""
        self._sessions[pid] = key
        self._servers[key] = server_id

    def drop(self, pid: int, key: Key) -> None:
        """Nothing of that attempt lives."""
        if self._sessions.get(pid) == key:
            del self._sessions[pid]
        self._servers.pop(key, None)
        for possible in self._possible.values():
            possible.discard(key)

    def reap(self, which: int = -1) -> list[Reaped]:
        """Reap the children that have ended.

        Args:
            which: only this one; -1: all.
        """
        reaped: list[Reaped] = []
        while True:
            try:
                pid, status, usage = os.wait4(which, os.WNOHANG)
            except ChildProcessError:
                return reaped
            if pid == 0:
                return reaped
            main = self.mains.pop(pid, None)
            other = self._owners.pop(pid, None)
            self._possible.pop(pid, None)
            self._bare.discard(pid)
            self._faded.discard(pid)
            reaped.append(Reaped(pid, main or other, main is not None, status, usage))

    def others(self) -> list[int]:
        """Pids of children that are no main process: what attempts have left behind."""
        if self._file is None:
            names = [int(name) for name in os.listdir("/proc") if name.isdigit()]
            found = [look_up(pid) for pid in names]
            return [p.pid for p in found if p and p.parent == self._pid and p.pid not in self.mains]
        data, offset = b"", 0
        while True:
            part = os.pread(self._file, _CHILDREN_BYTES, offset)
            data, offset = data + part, offset + len(part)
            if not part:
                break
        return [pid for pid in map(int, data.split()) if pid not in self.mains]

    def left_by(self, key: Key, living: set[Key]) -> bool:
        """Whether a child may be of that attempt, whose main process is over.

        Args:
            living: the attempts that have not left, that one included.
        """
        for _ in range(FADING_LOOKS):
            pids = self.others()
            for pid in pids:
                if pid not in self._owners:
                    self._find_owner(pid, living)
            if any(self._owners.get(pid) == key or self._possible.get(pid) == {key} for pid in pids):
                return True
            # One in the middle of its end has no environment any more, and keeps its own children until it is a zombie.
            new = [pid for pid in pids if pid in self._bare and pid not in self._faded]
            if not [pid for pid in new if self._is_fading(pid)]:
                return False
        return True  # most likely not, but then that is soon seen

    def _is_fading(self, pid: int) -> bool:
        """Whether there are children to come from one without an environment; they are in the list of children after this."""
        process = look_up(pid)
        if process is not None and not process.is_exiting:
            return False
        if process is None or process.is_zombie:
            self._faded.add(pid)
        else:
            time.sleep(FADING_PAUSE_S)
        return True

    def roots_of(self, key: Key) -> list[int]:
        """Children that the attempt has left behind, as far as was seen."""
        own = [pid for pid, owner in self._owners.items() if owner == key]
        return own + [pid for pid, possible in self._possible.items() if possible == {key}]

    def _find_owner(self, pid: int, living: set[Key]) -> None:
        """By its session, else by its mark, else by who else is there."""
        try:
            owner = self._sessions.get(os.getsid(pid))
        except ProcessLookupError:
            return
        if owner is None and pid not in self._bare:
            variables = _environment(pid)
            owner = mark_of(variables)
            if owner is not None and f"JOBD_SERVER={self._servers.get(owner)}".encode() not in variables:
                owner = None  # a server inside a job has jobs of the same numbers
            if not variables:
                self._bare.add(pid)
        if owner is not None:
            self._owners[pid] = owner
            self._possible.pop(pid, None)
        elif pid in self._possible:
            self._possible[pid] &= living
        else:
            self._possible[pid] = set(living)


def become_subreaper() -> None:
    """What loses its parent below us becomes our child (prctl(2), PR_SET_CHILD_SUBREAPER)."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        log.warning("no subreaper: %s", os.strerror(ctypes.get_errno()))


def status_of_stranger(pid: int, start_ticks: int, pidfd: int | None) -> int | None:
    """The wait status of an adopted process that has ended, which somebody else reaps; None where it cannot be learnt (yet).

    Before it is reaped /proc/PID/stat has it (proc(5), exit_code), after that its pidfd where the kernel is new enough.
    """
    status = exit_status(pidfd) if pidfd is not None else None
    if status is None:
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            fields = []
        if len(fields) >= 50 and int(fields[19]) == start_ticks and fields[0] == b"Z":
            status = int(fields[49])
    if status is None and pidfd is not None:
        status = exit_status(pidfd)  # reaped between the two
    return status


def _environment(pid: int) -> frozenset[bytes]:
    """As it was started with; one in the middle of an execve(2) has none for a moment, so that is looked at again."""
    for _ in range(EMPTY_LOOKS):
        variables = read_environment(pid)
        if variables is None or variables:
            return variables or frozenset()
        process = look_up(pid)
        if process is None or process.is_zombie or process.is_exiting:
            break
        time.sleep(EMPTY_PAUSE_S)
    return frozenset()


def is_unreaped(pid: int, start_ticks: int) -> bool:
    """Whether exactly that process is a zombie."""
    process = look_up(pid)
    return process is not None and process.start_ticks == start_ticks and process.is_zombie


def mark_of(variables: frozenset[bytes]) -> Key | None:
    """The attempt that an environment names, whatever its server."""
    numbers = {}
    for variable in variables:
        name, _, value = variable.partition(b"=")
        if name in (b"JOBD_JOB_ID", b"JOBD_ATTEMPT") and value.isdigit() and len(value) < 20:
            numbers[name] = int(value)
    return (numbers[b"JOBD_JOB_ID"], numbers[b"JOBD_ATTEMPT"]) if len(numbers) == 2 else None
