"""Reading and writing in folders that somebody else fills: nothing that blocks, nothing outside, nothing without end."""

import errno
import os
import stat

# What passes by itself, or when somebody makes room: it is tried again.
PASSING = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ENFILE, errno.EMFILE, errno.ENOMEM, errno.EROFS}
)


class BadFile(Exception):
    """A file cannot be what it should be; the text is for a person."""


def read(path: str, below: str, size_max: int) -> bytes:
    """All bytes of a plain file.

    Args:
        below: the folder in which it must be, also where it is a link.

    Raises:
        BadFile: it is none, is elsewhere, is too large, or cannot be read.
    """
    name = printable(os.path.basename(path))
    try:
        real = os.path.realpath(path, strict=True)
        if not real.startswith(os.path.realpath(below) + os.sep):
            raise BadFile(f"{name} is a link out of its folder")
        descriptor = os.open(real, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise BadFile(f"{name} is no plain file")
            parts: list[bytes] = []
            size = 0
            while size <= size_max and (part := os.read(descriptor, min(1 << 20, size_max + 1 - size))):
                parts.append(part)
                size += len(part)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno in PASSING:
            raise
        raise BadFile(f"{name} cannot be read: {error.strerror}") from error
    if size > size_max:
        raise BadFile(f"{name} is larger than {size_max} bytes")
    return b"".join(parts)


def append(folder: str, name: str, text: str) -> None:
    """Write at the end of a plain file of that folder, once: not where it already ends so.

    Raises:
        BadFile: what bears the name is something else.
        OSError: it cannot be written.
    """
    data = text.encode("utf-8", "backslashreplace")
    try:
        descriptor = os.open(
            os.path.join(folder, name),
            os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW,
            0o666,
        )
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise BadFile(f"{name} is no plain file") from error
        raise
    try:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode):
            raise BadFile(f"{name} is no plain file")
        tail = os.pread(descriptor, len(data) + 1, max(0, info.st_size - len(data) - 1))
        if tail.endswith(data):
            return
        begun = tail.rpartition(b"\n")[2]
        if begun and data.startswith(begun):
            data = data[len(begun) :]  # who was saying just this died over it
        elif begun:
            data = b"\n" + data  # whoever wrote last had not ended the line
        while data:
            data = data[os.write(descriptor, data) :]
    finally:
        os.close(descriptor)


def replace(path: str, data: bytes) -> None:
    """Write a file whole or not at all, and so that it is there after a power cut.

    Raises:
        OSError: it cannot be written.
    """
    new = f"{path}.new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    descriptor = os.open(new, flags, 0o644)
    try:
        try:
            while data:
                data = data[os.write(descriptor, data) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(new, path)
    except OSError:
        remove(new)
        raise
    descriptor = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: str) -> None:
    """Remove a file, if it is there and can be."""
    try:
        os.unlink(path)
    except OSError:
        pass


def newest_change_s(path: str) -> float:
    """When something at or below that path was changed last, in seconds since the epoch; 0 if nothing is there.

    By the time that only the kernel sets: what is copied may bring a time of its own along, as from a machine whose clock is ahead.
    """
    newest = 0.0
    stack = [path]
    while stack:
        here = stack.pop()
        try:
            info = os.lstat(here)
            newest = max(newest, info.st_ctime)
            if stat.S_ISDIR(info.st_mode):
                with os.scandir(here) as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            stack.append(entry.path)
                        else:
                            newest = max(newest, entry.stat(follow_symlinks=False).st_ctime)
        except OSError:
            continue  # it goes while we look, or is not for us to see
    return newest


def cut(name: str, bytes_max: int) -> str:
    """The beginning of a name, so many bytes at most, in whole characters."""
    data = os.fsencode(name)
    if len(data) <= bytes_max:
        return name
    while bytes_max > 0 and data[bytes_max] & 0xC0 == 0x80:
        bytes_max -= 1
    return os.fsdecode(data[:bytes_max])


def printable(text: str) -> str:
    """A name on one line, with nothing in it that a terminal would act on or that is no UTF-8."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def age_of(path: str) -> float:
    """When its info file was written last, as far as that can be told by its name."""
    times = []
    try:
        with os.scandir(path) as found:
            for entry in found:
                if entry.name.lower().endswith((".cfg", ".xml", ".sh")):
                    times.append(entry.stat(follow_symlinks=False).st_mtime)
        return min(times) if times else os.lstat(path).st_mtime
    except OSError:
        try:
            return os.lstat(path).st_mtime
        except OSError:
            return 0.0


def text_of(error: Exception) -> str:
    """An error in a few words."""
    if isinstance(error, OSError):
        where = f"{printable(os.path.basename(str(error.filename)))}: " if error.filename else ""
        return f"{where}{error.strerror or error}"
    return str(error)
