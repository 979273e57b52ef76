"""Who is on the other end of a socket, by the kernel's word. Reads /proc only; it is the agent that touches processes.

libzmq gives each message of an ipc connection the address of its peer, which on Linux ends in uid:gid:pid as the kernel recorded
them at connect(2) (SO_PEERCRED).
"""

import errno
import os
from collections.abc import Callable
from typing import NamedTuple

from jobd.errors import Refused
from jobd.limits import PARENTS_LOOKED_UP_MAX


class Peer(NamedTuple):
    """The process at the other end."""

    uid: int
    pid: int


class Identity(NamedTuple):
    """A process for good: a pid is used again, with its start time it is not."""

    pid: int
    start_ticks: int


# pid → (parent's pid, start in ticks since boot); None if there is no such process
Lookup = Callable[[int], tuple[int, int] | None]


def parse_peer(address: str) -> Peer | None:
    """The peer in a Peer-Address; None if it says nothing of one."""
    parts = address.rsplit(":", 3)
    if len(parts) != 4:
        return None
    try:
        return Peer(int(parts[1]), int(parts[3]))
    except ValueError:
        return None


def look_up(pid: int) -> tuple[int, int] | None:
    """A process's parent and start time (proc(5), fields 4 and 22 of /proc/PID/stat)."""
    try:
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
        try:
            fields = os.read(descriptor, 4096).rpartition(b")")[2].split()
        finally:
            os.close(descriptor)
        return int(fields[1]), int(fields[19])
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise Refused("the server has too many open files; ask again (ulimit -n)") from error
        return None
    except (IndexError, ValueError):
        return None


def identify(peer: Peer, lookup: Lookup = look_up) -> tuple[Identity, list[Identity]]:
    """The peer itself and its ancestors, nearest first.

    Raises:
        Refused: the kernel does not show us that process (another pid namespace), so it could not be watched.
    """
    own = lookup(peer.pid) if peer.pid > 0 else None
    if own is None:
        raise Refused("the server cannot see this process (a container with processes of its own?)")
    ancestors: list[Identity] = []
    parent = own[0]
    while parent > 1 and len(ancestors) < PARENTS_LOOKED_UP_MAX:
        found = lookup(parent)
        if found is None:
            break
        ancestors.append(Identity(parent, found[1]))
        parent = found[0]
    return Identity(peer.pid, own[1]), ancestors
