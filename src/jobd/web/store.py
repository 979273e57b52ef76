"""What the charts remember: an SQLite file below the state folder. It can be removed at any time: it is filled again from the history.

One thread writes (follow.py), in transactions that carry the number of the last event they know of, so that after a crash each event counts
once. Others read through connections of their own.
"""

import contextlib
import fcntl
import json
import os
import sqlite3
import struct
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

from jobd import paths
from jobd.errors import JobdError
from jobd.web.usage import KEPT_S, LEVELS, Buckets, Point, Use
from jobd.wire.rows import JobRow

VERSION = 1
SPANS_MAX = 200_000  # short jobs that are remembered one by one; of older ones only how many there were
SPANS_READ_MAX = 50_000  # for one picture: half a second
SHORT_S = 120.0
CURVES_MAX = 5_000  # jobs whose use over time is remembered
CURVE_POINTS_MAX = 500
NAME_MAX = 80  # characters
ANY = -1  # the lane of what was bound to no processor, or is not known to have been

SINGLES_FROM = "singles_from"

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE buckets (step INTEGER, place INTEGER, busy REAL, known REAL, cpu REAL, asked REAL, memory REAL, jobs REAL,
    PRIMARY KEY (step, place)) WITHOUT ROWID;
CREATE TABLE spans (ended REAL, job_id INTEGER, started REAL, nb_proc INTEGER, cpus TEXT, name TEXT, state TEXT, is_long INTEGER,
    PRIMARY KEY (ended, job_id)) WITHOUT ROWID;
CREATE INDEX spans_long ON spans (is_long, ended);
CREATE TABLE bands (step INTEGER, place INTEGER, lane INTEGER, busy REAL, jobs INTEGER,
    PRIMARY KEY (step, place, lane)) WITHOUT ROWID;
CREATE TABLE living (job_id INTEGER PRIMARY KEY, since REAL, cpus TEXT);
CREATE TABLE curves (job_id INTEGER, started REAL, ended REAL, points BLOB, PRIMARY KEY (job_id, started)) WITHOUT ROWID;
CREATE INDEX curves_ended ON curves (ended);
"""


class Span(NamedTuple):
    """A job that is over, on the time line."""

    ended: float
    job_id: int  # below 0: of a journal that is no more, so that there is nothing to link to
    started: float
    nb_proc: int
    cpus: list[int]
    name: str
    state: str

    @property
    def is_long(self) -> bool:
        """Whether it is remembered by itself for as long as the time line goes back."""
        return self.ended - self.started >= SHORT_S


class Band(NamedTuple):
    """Short jobs on one processor within one bucket."""

    step_s: int
    place: int
    lane: int
    busy: float  # seconds of the processor
    jobs: int


def span_of(row: JobRow, cpus: list[int]) -> Span | None:
    """The span of a job that is over; None if it never ran."""
    if row.started_at is None or row.ended_at is None or row.ended_at < row.started_at:
        return None
    return Span(row.ended_at, row.job_id, row.started_at, row.nb_proc, cpus, row.name[:NAME_MAX], row.state)


def folder() -> str:
    """Where it is kept."""
    return os.path.join(paths.state_dir(), "web")


def is_damaged(error: Exception, path: str) -> bool:
    """Whether an error says that the file can be of no more use: torn, or removed. A full disk, or a lock, says nothing of the kind."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None or not os.path.exists(path):
        return isinstance(error, sqlite3.Error) and not os.path.exists(path)
    return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or "no such table" in str(error)


def discard(path: str) -> None:
    """Remove the file: all but which processors jobs had is had again from the history.

    Raises:
        OSError: it cannot be.
    """
    for end in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path + end)


class Taken(JobdError):
    """Another page keeps the file."""


@contextlib.contextmanager
def alone(path: str) -> Iterator[None]:
    """While this lasts nobody else keeps the file: two that count would each write over what the other has counted.

    Raises:
        Taken: somebody does.
        JobdError: nobody can.
    """
    try:
        paths.make_private(os.path.dirname(path))
        descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise JobdError(f"{path}: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise Taken("another page of yours runs and keeps this record: look there") from None
    try:
        yield
    finally:
        os.close(descriptor)


class _OtherVersion(sqlite3.DatabaseError):
    """The file is of another release."""


class Store:
    """The file, for the thread that writes it."""

    def __init__(self, path: str) -> None:
        """Open it, make it if it is not there, and anew if it is none of ours or damaged: it holds nothing that cannot be had again.

        Raises:
            JobdError: it cannot be made.
        """
        self.path = path
        try:
            paths.make_private(os.path.dirname(path))
            try:
                self._open()
            except sqlite3.DatabaseError as error:
                # Not for a full disk or a lock, which pass: which processors jobs had is known here alone.
                if not isinstance(error, _OtherVersion) and not is_damaged(error, path):
                    raise
                discard(path)
                self._open()
        except (OSError, sqlite3.Error) as error:
            raise JobdError(f"{path}: {error}") from error

    def _open(self) -> None:
        self._db = db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version != VERSION:
                tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
                if tables:
                    raise _OtherVersion(f"version {version}")
                db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
            db.execute("SELECT count(*) FROM meta").fetchone()
        except sqlite3.Error:
            db.close()
            raise

    def close(self) -> None:
        """Close it; what is not committed is gone."""
        self.rollback()
        self._db.close()

    # ---- transactions
    def begin(self) -> None:
        """From here on until `commit` all or nothing is kept. Said twice it is said once."""
        if not self._db.in_transaction:
            self._db.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Keep what was done since `begin`."""
        if self._db.in_transaction:
            self._db.execute("COMMIT")

    def rollback(self) -> None:
        """Forget what was done since `begin`."""
        if self._db.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")

    # ---- what it knows
    def value(self, key: str) -> Any:
        """A remembered value; None if there is none."""
        found = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if found is None else json.loads(found[0])

    def remember(self, key: str, value: Any) -> None:
        """Keep a value."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))

    def buckets(self) -> Buckets:
        """All sums."""
        rows = self._db.execute("SELECT step, place, busy, known, cpu, asked, memory, jobs FROM buckets")
        return Buckets({(row[0], row[1]): Use._make(row[2:]) for row in rows})

    def living(self) -> dict[int, tuple[float | None, list[int]]]:
        """Job → (since when it holds its processors, None if it does not now; which they are)."""
        rows = self._db.execute("SELECT job_id, since, cpus FROM living")
        return {row[0]: (row[1], json.loads(row[2])) for row in rows}

    # ---- within a transaction
    def put_buckets(self, buckets: Buckets) -> None:
        """Keep the sums that have changed."""
        changed, buckets.changed = buckets.changed, set()
        self._db.executemany(
            "INSERT OR REPLACE INTO buckets VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [(*key, *buckets.sums[key]) for key in changed if key in buckets.sums],
        )

    def put_living(self, job_id: int, since: float | None, cpus: list[int]) -> None:
        """Keep where a job is that runs."""
        self._db.execute("INSERT OR REPLACE INTO living VALUES (?, ?, ?)", (job_id, since, json.dumps(cpus)))

    def drop_living(self, job_id: int) -> None:
        """It runs no more."""
        self._db.execute("DELETE FROM living WHERE job_id = ?", (job_id,))

    def add_span(self, span: Span) -> bool:
        """Keep a job that is over; False if it is known already."""
        done = self._db.execute(
            "INSERT OR IGNORE INTO spans VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*span[:4], json.dumps(span.cpus), *span[5:], int(span.is_long)),
        )
        return done.rowcount > 0

    def add_bands(self, bands: Iterable[Band]) -> None:
        """Add short jobs to the bands."""
        self._db.executemany(
            "INSERT INTO bands VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET busy = busy + excluded.busy, jobs = jobs + excluded.jobs",
            bands,
        )

    def forget_singles(self, until: float) -> None:
        """Short jobs that ended before that time are not all remembered one by one."""
        self.remember(SINGLES_FROM, max(until, self.value(SINGLES_FROM) or 0.0))

    def put_curve(self, job_id: int, started: float, ended: float | None, points: list[Point]) -> None:
        """Keep what a job used over time; `ended` None while it runs."""
        self._db.execute(
            "INSERT OR REPLACE INTO curves VALUES (?, ?, ?, ?)", (job_id, started, ended, packed(points))
        )

    def curve(self, job_id: int, started: float) -> list[Point]:
        """What is kept of that attempt of a job."""
        rows = self._db.execute(
            "SELECT points FROM curves WHERE job_id = ? AND started = ?", (job_id, started)
        )
        found = rows.fetchone()
        return unpacked(found[0]) if found else []

    def new_journal(self) -> None:
        """The server has another journal: the numbers of jobs begin anew."""
        self._db.execute("UPDATE OR REPLACE spans SET job_id = -job_id WHERE job_id > 0")
        self._db.execute("DELETE FROM living")
        self._db.execute("DELETE FROM curves")

    def spans_count(self) -> int:
        """How many short jobs are remembered one by one."""
        return int(self._db.execute("SELECT count(*) FROM spans WHERE is_long = 0").fetchone()[0])

    def tidy(self, now: float, curves_kept_s: float) -> int:
        """Forget what is too old or too much; how many short jobs are left."""
        for level in LEVELS:
            first = int((now - level.kept_s) // level.step_s)
            for table in ("buckets", "bands"):
                self._db.execute(f"DELETE FROM {table} WHERE step = ? AND place < ?", (level.step_s, first))
        self._db.execute("DELETE FROM spans WHERE ended < ?", (now - KEPT_S,))
        count = self.spans_count()
        if count > SPANS_MAX:
            query = "SELECT ended FROM spans WHERE is_long = 0 ORDER BY ended LIMIT 1 OFFSET ?"
            self.forget_singles(self._db.execute(query, (count - SPANS_MAX,)).fetchone()[0])
            self._db.execute(
                "DELETE FROM spans WHERE (ended, job_id) IN"
                " (SELECT ended, job_id FROM spans WHERE is_long = 0 ORDER BY ended LIMIT ?)",
                (count - SPANS_MAX,),
            )
            count = SPANS_MAX
        self._db.execute("DELETE FROM curves WHERE ended < ?", (now - curves_kept_s,))
        self._db.execute(
            "DELETE FROM curves WHERE (job_id, started) IN"
            " (SELECT job_id, started FROM curves WHERE ended IS NOT NULL ORDER BY ended DESC LIMIT -1 OFFSET ?)",
            (CURVES_MAX,),
        )
        return count


class Reader:
    """The file, for one question; a context manager. A file that is not there is an empty one."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> "Reader":
        try:
            self._db = sqlite3.connect(f"file:{quote(self._path)}?mode=ro", uri=True, timeout=5.0)
            if self._db.execute("PRAGMA user_version").fetchone()[0] == VERSION:
                return self
            self._db.close()
        except sqlite3.OperationalError:
            pass
        # It is not there yet, or is just being made: there is nothing in it.
        self._db = sqlite3.connect(":memory:")
        self._db.executescript(_SCHEMA)
        return self

    def __exit__(self, *raised: object) -> None:
        self._db.close()

    def count_short(self, begin: float, end: float, most: int) -> int:
        """How many short jobs ended there; at most `most` are counted."""
        query = (
            "SELECT count(*) FROM (SELECT 1 FROM spans WHERE is_long = 0 AND ended BETWEEN ? AND ? LIMIT ?)"
        )
        return int(self._db.execute(query, (begin, end + SHORT_S, most)).fetchone()[0])

    def singles_from(self) -> float:
        """From when on all short jobs are remembered one by one."""
        found = self._db.execute("SELECT value FROM meta WHERE key = ?", (SINGLES_FROM,)).fetchone()
        return 0.0 if found is None else float(json.loads(found[0]))

    def spans(self, begin: float, end: float, *, is_long: bool) -> Iterator[Span]:
        """Jobs that ran in that time, the last ends first; of too many the newest."""
        last = end + (KEPT_S if is_long else SHORT_S)
        rows = self._db.execute(
            "SELECT ended, job_id, started, nb_proc, cpus, name, state FROM spans"
            " WHERE is_long = ? AND ended BETWEEN ? AND ? AND started < ? ORDER BY ended DESC LIMIT ?",
            (int(is_long), begin, last, end, SPANS_READ_MAX),
        )
        for row in rows:
            cpus = json.loads(row[4]) if row[4] != "[]" else []
            yield Span._make((*row[:4], cpus, *row[5:]))

    def bands(self, step_s: int, begin: float, end: float) -> list[Band]:
        """Bands of short jobs in that time."""
        rows = self._db.execute(
            "SELECT * FROM bands WHERE step = ? AND place BETWEEN ? AND ? ORDER BY place",
            (step_s, int(begin // step_s), int(end // step_s)),
        )
        return [Band._make(row) for row in rows]

    def curve(self, job_id: int, started: float) -> list[Point]:
        """What that attempt of a job used over time."""
        rows = self._db.execute(
            "SELECT points FROM curves WHERE job_id = ? AND started = ?", (job_id, started)
        )
        found = rows.fetchone()
        return unpacked(found[0]) if found else []


_POINT = struct.Struct("<dff")


def packed(points: Iterable[Point]) -> bytes:
    """Points as bytes."""
    return b"".join(_POINT.pack(*point) for point in points)


def unpacked(data: bytes) -> list[Point]:
    """The points of such bytes."""
    return [Point._make(values) for values in _POINT.iter_unpack(data)]
