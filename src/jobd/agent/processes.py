"""What /proc tells of processes, and pidfds. Reads only; signals are sent in kill.py.

A process is (pid, start time): the pid alone is used again.
"""

import errno
import fcntl
import os
import struct
from functools import cache
from typing import NamedTuple

# PIDFD_GET_INFO (linux/pidfd.h, Linux 6.13; the exit code since 6.15): a struct of 64 bytes, the wanted and answered fields
# as a mask in the first 8, the wait status as an i32 at byte 60.
_PIDFD_GET_INFO = 0xC040FF0B
_PIDFD_INFO_EXIT = 1 << 3

_PF_EXITING = 0x00000004
_PF_KTHREAD = 0x00200000  # among the flags of proc(5): a thread of the kernel's own (linux/sched.h)


class Process(NamedTuple):
    """A line of the process table."""

    pid: int
    parent: int
    group: int  # its process group
    start_ticks: int
    is_zombie: bool
    session: int = 0  # 0: of a namespace that cannot be seen, or the kernel's own
    is_kernel: bool = False  # a thread of the kernel's own
    is_exiting: bool = False  # in the middle of its end, or a zombie


def look_up(pid: int) -> Process | None:
    """One process; None if there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        is_zombie = fields[0] in (b"Z", b"X")
        flags = int(fields[6])
        return Process(
            pid,
            int(fields[1]),
            int(fields[2]),
            int(fields[19]),
            is_zombie,
            int(fields[3]),
            bool(flags & _PF_KTHREAD),
            bool(flags & _PF_EXITING),
        )
    except (OSError, IndexError, ValueError):
        return None


def snapshot() -> dict[int, Process]:
    """All living processes (zombies are no longer any), by pid."""
    table = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            process = look_up(int(name))
            if process is not None and not process.is_zombie:
                table[process.pid] = process
    return table


def newest_pid() -> int:
    """The number that the youngest process or thread was given (proc(5), /proc/loadavg); 0 where it cannot be learnt."""
    try:
        return int(os.pread(_loadavg(), 128, 0).split()[4])
    except (OSError, IndexError, ValueError):
        return 0


@cache
def _loadavg() -> int:
    return os.open("/proc/loadavg", os.O_RDONLY | os.O_CLOEXEC)


def can_list_children() -> bool:
    """Whether the kernel was built to list the children of a process (CONFIG_PROC_CHILDREN)."""
    return os.path.exists(f"/proc/self/task/{os.getpid()}/children")


def children_of(pid: int) -> list[int]:
    """The children of one process, fresh from the kernel (proc(5), /proc/PID/task/TID/children); none where it cannot be asked."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found += map(int, file.read().split())
    except (OSError, ValueError):
        pass
    return found


def read_environment(pid: int) -> frozenset[bytes] | None:
    """The NAME=VALUE with which a process was started; None where we may not look.

    Empty if there are none, but for a moment also in the middle of an execve(2).
    """
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return frozenset(file.read().split(b"\0")) - {b""}
    except OSError:
        return None


def open_pidfd(pid: int, start_ticks: int) -> int | None:
    """A pidfd of exactly that process; None if it is gone.

    Raises:
        OSError: no descriptor is left, or the like.
    """
    try:
        pidfd = os.pidfd_open(pid)
    except OSError as error:
        if error.errno in (errno.ESRCH, errno.EINVAL):
            return None
        raise
    process = look_up(pid)
    if process is None or process.start_ticks != start_ticks or process.is_zombie:
        os.close(pidfd)
        return None
    return pidfd


def exit_status(pidfd: int) -> int | None:
    """The wait status of a process that is no child of ours, once its parent has reaped it; None where the kernel cannot tell."""
    buffer = bytearray(64)
    struct.pack_into("<Q", buffer, 0, 0b1111)
    try:
        fcntl.ioctl(pidfd, _PIDFD_GET_INFO, buffer)
    except OSError:
        return None
    (mask,) = struct.unpack_from("<Q", buffer, 0)
    if not mask & _PIDFD_INFO_EXIT:
        return None
    (status,) = struct.unpack_from("<i", buffer, 60)
    return int(status)


def boot_id() -> str:
    """The number of this boot, without which no start time means anything."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
