"""The launch book: what the agent did, on disk, so that the next agent knows it. One file that is only appended to.

A record is one write(2) of msgpack, [kind, job_id, attempt, …]. It survives the death of the agent, not a power cut: after that no
process lives, and the boot id tells. A record that was torn by a full disk ends the file; the next one that can be written is
the whole book, new.
"""

import logging
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgpack

from jobd.errors import JobdError, WireError
from jobd.wire import batch as b
from jobd.wire import codec

log = logging.getLogger("jobd.agent")

COMPACT_BYTES = 1 << 20  # from this size on the book is rewritten when most of it is of the past
COMPACT_RATIO = 4
FORGOTTEN_MAX = 1000  # a launch that comes late, after its end was committed, must not start anything

Key = tuple[int, int]  # (job_id, attempt)


class Entry(NamedTuple):
    """What the book has on one attempt whose end is not committed."""

    launch: b.Launch  # without its command and variables
    began_s: float  # monotonic
    last_pid: int = 0  # the youngest number just before the spawn; 0: not known
    pid: int = 0  # 0: the agent died before it could tell
    start_ticks: int = 0
    unenforced: tuple[str, ...] = ()
    change: b.Change | None = None
    is_warned: bool = False
    over: b.Over | None = None
    left: b.Left | None = None

    @property
    def key(self) -> Key:
        """Which attempt it is."""
        return (self.launch.job_id, self.launch.attempt)


class Book:
    """The book of one living agent."""

    def __init__(self, path: str, boot_id: str) -> None:
        """Read what the last agent left, drop what is of another boot, and write it anew.

        Raises:
            OSError: it cannot be read or written.
        """
        self._path = path
        self._boot = codec.pack(["boot", 0, 0, boot_id])
        self._records: dict[Key, list[bytes]] = {}
        self.forgotten: dict[Key, str] = {}  # the tokens of the last ones, oldest first
        self._descriptor = -1
        self._late = b""
        self._size = 0
        self._is_torn = False
        self.entries: list[Entry] = self._read(boot_id)
        self._rewrite()

    # ---- writing
    def begin(self, launch: b.Launch, began_s: float, last_pid: int = 0) -> None:
        """It is about to be spawned.

        Args:
            last_pid: the youngest process there is: the next number is the attempt's, if nobody else is quicker.

        Raises:
            OSError: that could not be written, so it must not be.
        """
        slim = launch._replace(argv=[], variables=[], all_cpus=[])
        key = (launch.job_id, launch.attempt)
        try:
            self._add(key, codec.pack(["begin", *key, slim, began_s, last_pid]))
        except OSError:
            self._records.pop(key, None)
            raise

    def withdraw(self, key: Key) -> None:
        """It was not spawned after all, and may be begun again."""
        if self._records.pop(key, None) is not None:
            self._note(None, ["withdrawn", *key])

    def spawned(self, key: Key, pid: int, start_ticks: int, unenforced: list[str]) -> None:
        """It runs as this process."""
        self._note(key, ["pid", *key, pid, start_ticks, unenforced])

    def changed(self, change: b.Change) -> None:
        """Its limits are others now."""
        self._note((change.job_id, change.attempt), ["change", change.job_id, change.attempt, change])

    def warned(self, key: Key) -> None:
        """It was sent the signal that it wanted before its time limit."""
        self._note(key, ["warned", *key])

    def over(self, over: b.Over) -> None:
        """Its main process is over, or a limit is hit."""
        self._note((over.job_id, over.attempt), ["over", over.job_id, over.attempt, over])

    def left(self, left: b.Left) -> None:
        """Nothing of it lives."""
        self._note((left.job_id, left.attempt), ["left", left.job_id, left.attempt, left])

    def forget(self, key: Key, token: str) -> None:
        """Its end is committed by the server."""
        if self._records.pop(key, None) is None:
            return
        self._remember(key, token)
        # With the next record: one that is lost is said again at the next connection, and forgotten again.
        self._late += codec.pack(["forgot", *key, token])

    def close(self) -> None:
        """Write no more."""
        if self._late and not self._is_torn:
            try:
                self._write(self._descriptor, self._late)
            except OSError as error:
                log.error("%s: %s", self._path, error.strerror)
        os.close(self._descriptor)

    def _remember(self, key: Key, token: str) -> None:
        self.forgotten[key] = token
        if len(self.forgotten) > FORGOTTEN_MAX:
            del self.forgotten[next(iter(self.forgotten))]

    def _note(self, key: Key | None, record: list[Any]) -> None:
        """What has happened already: if it cannot be written now it is with the next that can be."""
        try:
            self._add(key, codec.pack(record))
        except OSError as error:
            log.error("%s: %s; the next agent would not know what happens now", self._path, error.strerror)

    def _add(self, key: Key | None, data: bytes) -> None:
        if key is not None:
            self._records.setdefault(key, []).append(data)
        if self._is_torn or (
            self._size > COMPACT_BYTES and self._size > COMPACT_RATIO * self._living_bytes()
        ):
            self._rewrite()
            return
        data, self._late = self._late + data, b""
        self._write(self._descriptor, data)
        self._size += len(data)

    def _write(self, descriptor: int, data: bytes) -> None:
        self._is_torn = True
        if os.write(descriptor, data) != len(data):
            raise OSError(28, "no space left")
        self._is_torn = False

    def _living_bytes(self) -> int:
        return sum(len(record) for records in self._records.values() for record in records)

    def _rewrite(self) -> None:
        self._is_torn = True  # until it is done
        data = b"".join(
            [
                self._boot,
                *(codec.pack(["forgot", *key, token]) for key, token in self.forgotten.items()),
                *(record for records in self._records.values() for record in records),
            ]
        )
        new = self._path + ".new"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(new, flags, 0o600)
        try:
            self._write(descriptor, data)
            os.rename(new, self._path)
        except OSError:
            self._is_torn = True
            os.close(descriptor)
            raise
        self._late = b""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._size = descriptor, len(data)

    # ---- reading
    def _read(self, boot_id: str) -> list[Entry]:
        entries: dict[Key, Entry] = {}
        is_of_this_boot = False
        for record in _records(self._path):
            kind, job_id, attempt, *rest = record
            key = (job_id, attempt)
            if kind == "boot":
                is_of_this_boot = rest[0] == boot_id
            elif kind == "forgot":
                entries.pop(key, None)
                self._records.pop(key, None)
                self._remember(key, rest[0])
            elif kind == "withdrawn":
                entries.pop(key, None)
                self._records.pop(key, None)
            elif kind == "begin":
                entries[key] = Entry(codec.build(b.Launch, rest[0]), float(rest[1]), int(rest[2]))
                self._records[key] = [codec.pack(record)]
            elif key in entries:
                entries[key] = _with(entries[key], kind, rest)
                self._records[key].append(codec.pack(record))
        if not is_of_this_boot:
            # No process of another boot lives. The server knows that too; only ends are news to it.
            entries = {key: entry for key, entry in entries.items() if entry.left is not None}
            self._records = {key: self._records[key] for key in entries}
            self.forgotten.clear()
        return list(entries.values())


def _with(entry: Entry, kind: str, rest: list[Any]) -> Entry:
    if kind == "pid":
        return entry._replace(pid=rest[0], start_ticks=rest[1], unenforced=tuple(rest[2]))
    if kind == "change":
        return entry._replace(change=codec.build(b.Change, rest[0]))
    if kind == "warned":
        return entry._replace(is_warned=True)
    if kind == "over":
        return entry._replace(over=codec.build(b.Over, rest[0]))
    if kind == "left":
        return entry._replace(left=codec.build(b.Left, rest[0]))
    return entry  # of a newer agent


def _records(path: str) -> Iterator[list[Any]]:
    """The records of a book, up to one that is torn."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return
    unpacker = msgpack.Unpacker(unicode_errors="surrogateescape", max_buffer_size=len(data) + 1)
    unpacker.feed(data)
    try:
        for record in unpacker:
            if not _is_record(record):
                raise WireError("no record")
            yield record
    except (JobdError, ValueError, TypeError, IndexError, KeyError, msgpack.UnpackException) as error:
        log.error("%s: broken at byte %d (%s); what stands before is used", path, unpacker.tell(), error)


def _is_record(record: Any) -> bool:
    if type(record) is not list or len(record) < 3 or type(record[0]) is not str:
        return False
    least = {"boot": 4, "forgot": 4, "begin": 6, "pid": 6, "change": 4, "over": 4, "left": 4}.get(
        record[0], 3
    )
    return len(record) >= least and type(record[1]) is int and type(record[2]) is int
