"""jobctl log: what jobs have written, and with -f what they write, until they end.

What a job says of itself comes as events of the server; the growth of a file is looked at ten times a second, and only while a job runs
that is followed. A job that is queued again (retries, requeue) is followed into its next attempt.
"""

import os
import sys
from collections.abc import Sequence
from typing import Any

import zmq

from jobd import waits
from jobd.cli import selection
from jobd.cli.main import say
from jobd.client import Client, Events
from jobd.errors import Refused
from jobd.states import JobState
from jobd.wire import messages as m
from jobd.wire.batch import JobId
from jobd.wire.topics import job_topic

LOOK_S = 0.1
CHUNK_BYTES = 1 << 18
TAIL_BYTES = 1 << 16  # read at a time, backwards, for the last lines
WAITING = JobState.PENDING.value


def show(words: Sequence[str], *, is_following: bool, is_error: bool, lines: int | None) -> int:
    """Show it; the exit code.

    Args:
        words: jobs as people write them.
        is_error: what they write as errors, where that is a file of its own.
        lines: only the last so many of each.

    Raises:
        JobdError: a job is not known, or has no output to show.
    """
    wanted = selection.parse_all(words)
    client = Client()
    rows = waits.rows_of(client.request, wanted)
    for job in wanted:
        if not any(selection.fits(job, row) for row in rows):
            raise waits.unknown(job)
    shown = _Shown(wanted, is_error=is_error, lines=lines, has_prefix=len(rows) > 1 or _is_array(rows))
    if is_following:
        _follow(client, wanted, shown, rows)
        return 0
    client.close()
    return shown.all_once(rows)


def _is_array(rows: list[m.JobRow]) -> bool:
    return any(row.batch is not None and row.batch.tasks for row in rows)


def file_of(row: m.JobRow, *, is_error: bool) -> str:
    """The file that a job writes to.

    Raises:
        Refused: it has none.
    """
    batch = row.batch
    path = (batch.stderr or batch.stdout) if batch is not None and is_error else batch.stdout if batch else ""
    if not path:
        raise Refused(
            f"job {selection.text_of(row)} has no output file: it wrote where {row.kind} was called"
        )
    return path


class _File:
    """One file, and how much of it was shown."""

    def __init__(self, path: str, prefix: bytes) -> None:
        self._path = path
        self._prefix = prefix
        self._at = 0
        self._mtime_ns = -1  # when it was written last, of what was shown
        self._is_again = False
        self._rest = b""

    def skip_to_last(self, lines: int) -> None:
        """Show only the last lines of what is there by now."""
        with open(self._path, "rb") as file:
            position = file.seek(0, os.SEEK_END)
            tail = b""
            while position > 0 and tail.count(b"\n") <= lines:
                position = max(0, position - TAIL_BYTES)
                file.seek(position)
                tail = file.read(TAIL_BYTES + len(tail))
            kept = b"".join(tail.splitlines(keepends=True)[-lines:]) if lines else b""
            self._at = position + len(tail) - len(kept)

    def start_again(self) -> None:
        """A new attempt writes it anew, once the agent has emptied it, which the server does not wait for."""
        self._is_again = True

    def grow(self, out: Any, *, is_last: bool = False) -> None:
        """Show what is new.

        Args:
            is_last: the job is over, so this is what its last attempt has left.

        Raises:
            OSError: it is not there, or cannot be read.
        """
        with open(self._path, "rb") as file:
            now = os.fstat(file.fileno())
            if self._is_again:
                if not is_last and (now.st_size, now.st_mtime_ns) == (self._at, self._mtime_ns):
                    return  # still that of the attempt before
                self._at, self._is_again = 0, False
            elif now.st_size < self._at:
                self._at = 0  # written anew
            file.seek(self._at)
            while chunk := file.read(CHUNK_BYTES):
                self._at += len(chunk)
                self._put(out, chunk)
            self._mtime_ns = os.fstat(file.fileno()).st_mtime_ns
        out.flush()

    def _put(self, out: Any, chunk: bytes) -> None:
        if not self._prefix:
            out.write(chunk)
            return
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        out.write(b"".join(self._prefix + line + b"\n" for line in whole))

    def end(self, out: Any) -> None:
        """Show a last line that has no end."""
        if self._rest:
            out.write(self._prefix + self._rest + b"\n")
            self._rest = b""
        out.flush()


class _Shown:
    """All files that are shown."""

    def __init__(self, wanted: list[JobId], *, is_error: bool, lines: int | None, has_prefix: bool) -> None:
        self._wanted = wanted
        self._is_error = is_error
        self._lines = lines
        self._has_prefix = has_prefix
        self._files: dict[int, _File] = {}
        self._attempts: dict[int, int] = {}
        self._running: set[int] = set()
        self._left: dict[int, m.JobRow] = {}  # that are not over
        self._out: Any = sys.stdout.buffer

    @property
    def is_over(self) -> bool:
        """Whether all that is followed has ended."""
        return not self._left

    @property
    def is_running(self) -> bool:
        """Whether a file may grow."""
        return bool(self._running)

    def all_once(self, rows: list[m.JobRow]) -> int:
        """Show what is there; 1 if one has nothing to show."""
        code = 0
        shown: set[str] = set()
        for row in rows:
            if row.batch is not None and row.batch.tasks:
                continue  # what waits of an array has written nothing
            path = file_of(row, is_error=self._is_error)
            if path in shown:
                continue
            shown.add(path)
            try:
                self._show(row)
            except OSError as error:
                has_begun = row.started_at is not None
                why = f"{path}: {error.strerror}" if has_begun else "has not started yet"
                say(f"jobctl: job {selection.text_of(row)}: {why}")
                code = 1
        return code

    def _show(self, row: m.JobRow) -> None:
        file = self._file(row)
        if self._lines is not None and row.job_id not in self._files:
            file.skip_to_last(self._lines)
        self._files[row.job_id] = file
        is_last = row.state in waits.FINAL
        file.grow(self._out, is_last=is_last)
        if is_last:
            file.end(self._out)

    def _file(self, row: m.JobRow) -> _File:
        known = self._files.get(row.job_id)
        if known is not None:
            return known
        prefix = f"{selection.text_of(row)}: ".encode() if self._has_prefix else b""
        return _File(file_of(row, is_error=self._is_error), prefix)

    def hear(self, row: m.JobRow) -> None:
        """A job is like this now."""
        if not any(selection.fits(job, row) for job in self._wanted):
            return
        number = row.job_id
        is_array = row.batch is not None and bool(row.batch.tasks)
        if row.state not in waits.FINAL:
            self._left[number] = row
        if is_array or row.state == WAITING:
            if number in self._running:
                self._grow(row)  # before the next attempt empties it
            self._running.discard(number)
            if row.state in waits.FINAL:
                self._left.pop(number, None)
            return
        attempt = row.batch.attempt if row.batch is not None else 0
        before = self._attempts.get(number)
        self._attempts[number] = attempt
        if before is not None and attempt > before and number in self._files:
            say(f"jobctl: job {selection.text_of(row)} runs again (attempt {attempt})")
            if row.batch is not None and not row.batch.is_appending:
                self._files[number].start_again()
        self._grow(row)
        self._running.add(number)
        if row.state in waits.FINAL:
            self._running.discard(number)
            self._left.pop(number, None)

    def gone(self) -> None:
        """The server does not know a job any more: nothing will be heard of it."""
        self._left.clear()

    def grow(self) -> None:
        """Look at all files that may grow."""
        for number in self._running:
            self._grow(self._left[number])

    def _grow(self, row: m.JobRow) -> None:
        try:
            self._show(row)
        except FileNotFoundError:
            pass  # it is about to be made; or the job could not be started, which Squeue tells


def _follow(client: Client, wanted: list[JobId], shown: _Shown, rows: list[m.JobRow]) -> None:
    for row in rows:
        if not (row.batch is not None and row.batch.tasks):
            file_of(row, is_error=False)
    is_wide = len(rows) > waits.FEW or any(
        row.batch is not None and row.batch.array_id is not None for row in rows
    )
    nobody = job_topic(10**17 + int.from_bytes(os.urandom(6)))
    topics = [nobody, b"job."] if is_wide else [job_topic(row.job_id) for row in rows]
    events = Events(topics[0])
    for topic in topics[1:]:
        events.socket.setsockopt(zmq.SUBSCRIBE, topic)
    for row in rows:
        shown.hear(row)
    while not shown.is_over:
        event = events.wait(LOOK_S if shown.is_running else None)
        if event is None:
            shown.grow()
        elif not isinstance(event, m.Event):
            continue
        elif event.job is not None:
            shown.hear(event.job)
        elif is_wide:
            # The answer to our question about nobody: from here on we hear everything, and what was before is asked for.
            for row in waits.rows_of(client.request, wanted):
                shown.hear(row)
        elif event.kind == "now":
            shown.gone()
    events.close()


__all__ = ["file_of", "show"]
