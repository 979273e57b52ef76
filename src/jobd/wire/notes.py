"""The note that each running Salloc keeps in the runtime folder: what it runs, and how that ended.

It is written before the command's end is reported and removed once the server has committed it. So an exit code survives the
death of server and agent alike: whoever comes next reads the note. One line of text, written to a new file and renamed.
"""

import os
from typing import NamedTuple


class Note(NamedTuple):
    """What a Salloc runs: the command's pid and start time, and its end once that is known."""

    token: str
    pid: int
    start_ticks: int
    is_over: bool = False
    exit_code: int | None = None
    signal: int | None = None


def encode(note: Note) -> str:
    """The text of a note."""
    end = "-"
    if note.is_over:
        end = f"exit:{note.exit_code}" if note.signal is None else f"signal:{note.signal}"
    return f"{note.token} {note.pid} {note.start_ticks} {end}\n"


def decode(text: str) -> Note | None:
    """The note of a text; None if it is none (a note is advice: a broken one is as good as none)."""
    try:
        token, pid, start_ticks, end = text.split()
        note = Note(token, int(pid), int(start_ticks))
        if end == "-":
            return note
        kind, number = end.split(":")
        if kind == "exit":
            return note._replace(is_over=True, exit_code=int(number))
        if kind == "signal":
            return note._replace(is_over=True, signal=int(number))
    except ValueError:
        pass
    return None


def write(folder: str, job_id: int, note: Note) -> None:
    """Put the note of a job in place, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    path = os.path.join(folder, str(job_id))
    temporary = f"{path}.{os.getpid()}.new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, encode(note).encode())
    finally:
        os.close(descriptor)
    os.rename(temporary, path)


def read(folder: str, job_id: int) -> Note | None:
    """The note of a job, or None."""
    try:
        with open(os.path.join(folder, str(job_id)), encoding="ascii", errors="replace") as file:
            return decode(file.read(512))
    except OSError:
        return None


def remove(folder: str, job_id: int) -> None:
    """Take the note of a job away, if it is there."""
    try:
        os.unlink(os.path.join(folder, str(job_id)))
    except OSError:
        pass
