"""The standard input, output and error of a batch job: opened by the agent, so that what is wrong can be said clearly.

Never blocks: what waits for its other end (a FIFO) is opened so that the job waits and not the agent.
Flags as Slurm has them (slurmstepd/io.c): output is always appended to, after it was cut to nothing unless --open-mode=append.
"""

import errno
import os
import stat
from typing import NamedTuple


class StreamError(Exception):
    """A file of a job cannot be opened; the text is for a person."""

    def __init__(self, text: str, error: OSError | ValueError) -> None:
        super().__init__(text)
        # A full disk is not: who is to write there would fail all the same.
        self.is_passing = isinstance(error, OSError) and error.errno in (
            errno.EMFILE,
            errno.ENFILE,
            errno.ENOMEM,
        )


class Streams(NamedTuple):
    """Open descriptors."""

    stdin: int
    stdout: int
    stderr: int
    fifo: str  # an input that only the job itself can open, since that waits; "" for none

    def close(self, null: int) -> None:
        """Close them, but not the shared /dev/null."""
        for descriptor in {self.stdin, self.stdout, self.stderr} - {null}:
            os.close(descriptor)


def open_streams(stdin: str, stdout: str, stderr: str, *, is_appending: bool, null: int) -> Streams:
    """Open the three files of a job; relative names are below the current folder.

    Args:
        stdin: "" for /dev/null.
        stderr: "" joins stdout, and so does the same name.
        null: an open /dev/null.

    Raises:
        StreamError: one cannot be opened.
    """
    out = _open_output(stdout, is_appending=is_appending, null=null)
    err = -1
    try:
        joins = stderr in ("", stdout)
        err = out if joins else _open_output(stderr, is_appending=is_appending, null=null)
        source, fifo = _open_input(stdin, null)
    except StreamError:
        for descriptor in {out, err} - {null, -1}:
            os.close(descriptor)
        raise
    return Streams(source, out, err, fifo)


def _open_input(path: str, null: int) -> tuple[int, str]:
    if path in ("", os.devnull):
        return null, ""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        raise StreamError(f"cannot open {path} for input: {_text(error)}", error) from error
    if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return null, path
    os.set_blocking(descriptor, True)
    return descriptor, ""


def _open_output(path: str, *, is_appending: bool, null: int) -> int:
    if path == os.devnull:
        return null
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
    if not is_appending:
        flags |= os.O_TRUNC
    try:
        try:
            descriptor = os.open(path, flags, 0o666)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path) or ".", 0o755, exist_ok=True)
            descriptor = os.open(path, flags, 0o666)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            # A FIFO that nobody reads yet. Open for both it waits for nobody, and the job's writes wait for a reader.
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        raise StreamError(f"cannot open {path} for output: {_text(error)}", error) from error
    os.set_blocking(descriptor, True)
    return descriptor


def _text(error: OSError | ValueError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
