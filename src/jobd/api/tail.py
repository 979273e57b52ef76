"""The end of a file that grows: what a job writes, as it writes it. For pages and screens, which show the last part and never the whole.

    watcher = Watcher()                        one for a program: one descriptor for all files, which a loop or a poll can wait on
    tail = Tail(path, 65536, watcher, on_change)
    piece = tail.read()                        now, and after each on_change
    …
    watcher.read()                             when watcher.fileno() is readable: calls on_change of those that have changed

Reading never waits: a job's output may have become a link, a named pipe or a device, and none of these is opened for its bytes. inotify(7) is called
by hand, with one instance for all files, since there are only 128 instances for each user, and a library for one file takes one.
"""

import ctypes
import errno
import os
import stat
import struct
import threading
from collections.abc import Callable
from typing import NamedTuple

_MODIFY, _ATTRIB, _MOVE_SELF, _DELETE_SELF, _IGNORED = 0x2, 0x4, 0x800, 0x400, 0x8000
_HEAD = struct.Struct("iIII")  # wd, mask, cookie, length of the name
_READ_BYTES = 65536


class Piece(NamedTuple):
    """Bytes that have come."""

    data: bytes
    begin: int  # where in the file they begin
    is_new: bool  # they do not follow what was read before: the first piece, a file that began anew, or a part that was left out


class Watcher:
    """Tells which of many files have changed. `read` and `close` are for one thread; `add` and `remove` for any."""

    def __init__(self) -> None:
        """
        Raises:
            OSError: the kernel gives no more of them.
        """
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self._fd < 0:
            raise _os_error("inotify_init1")
        self._called: dict[int, dict[int, Callable[[], None]]] = {}  # watch → key → what is called
        self._keys = self._removals = 0
        self._lock = threading.Lock()

    def fileno(self) -> int:
        """What to wait on until it is readable."""
        return int(self._fd)

    def add(self, descriptor: int, on_change: Callable[[], None]) -> tuple[int, int]:
        """Call `on_change` (in `read`) when the file behind an open descriptor changes; what `remove` takes.

        Raises:
            OSError: the kernel gives no more watches.
        """
        path = f"/proc/self/fd/{descriptor}".encode()
        while True:
            before = self._removals
            # Without the lock, since a disk that does not answer may hold it up.
            watch = self._libc.inotify_add_watch(
                self._fd, path, _MODIFY | _ATTRIB | _MOVE_SELF | _DELETE_SELF
            )
            if watch < 0:
                raise _os_error("inotify_add_watch")
            with self._lock:
                if self._removals != before:
                    continue  # it may have been this one: a file has one watch, however often it is added
                self._keys += 1
                self._called.setdefault(watch, {})[self._keys] = on_change
                return watch, self._keys

    def remove(self, handle: tuple[int, int]) -> None:
        """Call it no more."""
        watch, key = handle
        with self._lock:
            called = self._called.get(watch, {})
            called.pop(key, None)
            if not called and self._called.pop(watch, None) is not None:
                self._removals += 1
                self._libc.inotify_rm_watch(self._fd, watch)

    def read(self) -> None:
        """Call what is to be called for the files that have changed; never waits."""
        changed: dict[int, None] = {}
        while True:
            try:
                data = os.read(self._fd, _READ_BYTES)
            except BlockingIOError:
                break
            at = 0
            while at < len(data):
                watch, mask, _, length = _HEAD.unpack_from(data, at)
                at += _HEAD.size + length
                if watch < 0:  # the kernel's queue was full: anything may have changed
                    changed.update(dict.fromkeys(self._called))
                elif mask != _IGNORED:
                    changed[watch] = None
        for watch in changed:
            for on_change in list(self._called.get(watch, {}).values()):
                on_change()

    def close(self) -> None:
        """Watch nothing more."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            self._called.clear()


class Tail:
    """The end of one file, read piece by piece."""

    def __init__(
        self,
        path: str,
        bytes_max: int,
        watcher: Watcher | None = None,
        on_change: Callable[[], None] | None = None,
    ) -> None:
        """Nothing is opened yet, so it never fails.

        Args:
            bytes_max: of a piece: the first one has the last so many, and of more than that what is before is left out.
            watcher, on_change: called when it has changed since the last `read`.
        """
        self.path = path
        self.trouble = "not read yet"  # why nothing can be read; "" while it can
        self.size = 0
        self._bytes_max = bytes_max
        self._watcher, self._on_change = watcher, on_change
        self._fd = -1
        self._handle: tuple[int, int] | None = None
        self._at: int | None = None  # read up to here; None: nothing of this file yet

    def read(self) -> Piece | None:
        """What has come since the last time; None for nothing. `trouble` says why nothing can."""
        try:
            self._open()
            status = os.fstat(self._fd)
            self.size = status.st_size
            self.trouble = ""
            if self._at is not None and self.size == self._at:
                return None
            is_new = self._at is None or self.size < self._at or self.size - self._at > self._bytes_max
            begin = max(0, self.size - self._bytes_max) if is_new or self._at is None else self._at
            data = os.pread(self._fd, self.size - begin, begin)
        except (OSError, ValueError) as error:
            self._leave()
            self.trouble = _words(error)
            return None
        self._at = begin + len(data)
        return Piece(data, begin, is_new)

    def close(self) -> None:
        """Let go of the file."""
        self._leave()
        self._watcher = None

    def _open(self) -> None:
        """Open the file that the name means now.

        Raises:
            OSError: there is none that can be read.
            ValueError: the name is none.
        """
        if self._fd >= 0:
            here, named = os.fstat(self._fd), os.lstat(self.path)
            if (here.st_dev, here.st_ino) == (named.st_dev, named.st_ino):
                return
            self._leave()
        # Looked at before it is opened: to open a device may do something (rewind a tape), and to open a pipe wakes its writer.
        _check(os.lstat(self.path))
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
        self._fd = os.open(self.path, flags)
        _check(os.fstat(self._fd))
        if self._watcher is not None and self._on_change is not None:
            self._handle = self._watcher.add(self._fd, self._on_change)

    def _leave(self) -> None:
        if self._handle is not None and self._watcher is not None:
            self._watcher.remove(self._handle)
        self._handle = None
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._at = -1, None


def read_end(path: str, bytes_max: int) -> tuple[bytes, int, str]:
    """The last bytes of a file, its size, and why nothing can be read ("" where it can)."""
    tail = Tail(path, bytes_max)
    try:
        piece = tail.read()
        return piece.data if piece is not None else b"", tail.size, tail.trouble
    finally:
        tail.close()


def _check(status: os.stat_result) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise OSError(errno.ELOOP, "")
    if not stat.S_ISREG(status.st_mode):
        kinds = {
            stat.S_IFIFO: "a named pipe",
            stat.S_IFDIR: "a folder",
            stat.S_IFSOCK: "a socket",
        }
        raise OSError(errno.EINVAL, f"it is {kinds.get(stat.S_IFMT(status.st_mode), 'a device')}, no file")


def _words(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, OSError):
        if error.errno == errno.ELOOP:
            return "it is a link, which is not followed"
        return error.strerror or str(error)
    return "its name is none"


def _os_error(call: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{call}: {os.strerror(number)}")
