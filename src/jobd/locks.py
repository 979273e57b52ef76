"""Locks that the kernel drops with their holder, so that a stale one cannot be.

POSIX record locks (fcntl(2), F_SETLK): not inherited by children, and F_GETLK tells who holds one without taking it.
"""

import fcntl
import os
import struct

_FLOCK = "hhqqi"  # l_type, l_whence, l_start, l_len, l_pid, on 64-bit Linux


def take(path: str) -> int | None:
    """Lock that file for as long as this process lives; None if somebody else has it.

    Returns a descriptor that must stay open. Closing any descriptor of the file drops the lock: open it once.

    Raises:
        OSError: the file cannot be made.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def is_in_place(path: str, descriptor: int) -> bool:
    """Whether a locked file is the one that others find at `path`; not so once its folder was removed, as at a logout."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except OSError:
        return False


def holder(path: str) -> int | None:
    """The pid of the process that has the lock, None if nobody has.

    Raises:
        OSError: the file cannot be read, though it is there.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        answer = fcntl.fcntl(descriptor, fcntl.F_GETLK, struct.pack(_FLOCK, fcntl.F_WRLCK, 0, 0, 0, 0))
    finally:
        os.close(descriptor)
    kind, _, _, _, pid = struct.unpack(_FLOCK, answer)
    return None if kind == fcntl.F_UNLCK else int(pid)
