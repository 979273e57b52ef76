"""What outlives us: how far the events are handled, what has been told, and what is still to be sent.

The three change in one transaction, so that no event is forgotten and none is told twice; a notice leaves the outbox when its transport
has taken it. On disk before anything goes on (synchronous=FULL): a power cut too takes nothing back.
"""

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import NamedTuple
from urllib.parse import quote

from jobd import locks, paths
from jobd.errors import JobdError, Refused

TOLD_DAYS = 100  # for which is remembered what was told; only a hundredth of it is ever needed
FORGET_EVERY = 1000  # letters
WAL_PAGES = 200  # of 4 kB, beside the file itself: on a small disk too there is room for them
_VERSION = 1
_SCHEMA = """
CREATE TABLE position (one INTEGER PRIMARY KEY CHECK (one = 1), server_id TEXT NOT NULL, seq INTEGER NOT NULL, at REAL NOT NULL);
CREATE TABLE told (key TEXT PRIMARY KEY, job_id INTEGER, at REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX told_at ON told (at);
CREATE INDEX told_living ON told (job_id) WHERE job_id IS NOT NULL;
CREATE TABLE outbox (number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, transport TEXT NOT NULL, receiver TEXT NOT NULL,
    subject TEXT NOT NULL, body TEXT NOT NULL, kind TEXT NOT NULL, at REAL NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
    due_at REAL NOT NULL DEFAULT 0, UNIQUE (key, transport, receiver));
CREATE INDEX outbox_due ON outbox (transport, due_at, number);
"""


class Position(NamedTuple):
    """The last event that was handled."""

    server_id: str  # of its journal
    seq: int
    at: float  # wall


class Notice(NamedTuple):
    """Something to be told."""

    key: str  # of what it tells: the same thing has the same one
    kind: str
    subject: str
    body: str
    at: float
    to: tuple[str, ...]  # addresses; none: those of the configuration
    living_job_id: int | None = None  # remembered for as long as that job lives


class Letter(NamedTuple):
    """A notice on its way to one receiver."""

    number: int
    key: str
    transport: str
    receiver: str
    subject: str
    body: str
    kind: str
    at: float
    tries: int
    due_at: float  # not to be tried before (wall)


class Backlog(NamedTuple):
    """What waits for one transport."""

    transport: str
    count: int  # type: ignore[assignment]  # tuple.count goes unused
    since: float  # when the oldest was written (wall)


class Damaged(JobdError):
    """What the file has can no longer be read: the next start puts it aside."""


_DAMAGES = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_LETTER = ", ".join(Letter._fields)
_FORGET = "DELETE FROM told WHERE job_id IS NULL AND at < ?"
_NEW_LETTER = (
    "INSERT OR IGNORE INTO outbox (key, transport, receiver, subject, body, kind, at) VALUES (?,?,?,?,?,?,?)"
)


def folder_of_state() -> str:
    """Where it all is; it need not exist."""
    return os.path.join(paths.state_dir(), "notify")


def running_pid() -> int | None:
    """The jobd-notify that runs, if one does."""
    try:
        return locks.holder(os.path.join(folder_of_state(), "lock"))
    except OSError:
        return None


def waiting() -> list[Backlog]:
    """What is to be sent, without a lock: for who wants to know while jobd-notify runs, or does not.

    Raises:
        JobdError: it cannot be read.
    """
    path = os.path.join(folder_of_state(), "notify.sqlite")
    if not os.path.exists(path):
        return []
    query = "SELECT transport, count(*), min(at) FROM outbox GROUP BY transport ORDER BY transport"
    try:
        with contextlib.closing(sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True)) as db:
            return [Backlog(*row) for row in db.execute(query)]
    except sqlite3.Error as error:
        raise JobdError(f"cannot read {path}: {error}") from error


class Store:
    """The file. For any thread."""

    def __init__(self, folder: str | None = None) -> None:
        """
        Raises:
            JobdError: another jobd-notify has it, or it cannot be used.
        """
        paths.make_private(paths.state_dir())
        self.folder = paths.make_private(folder or folder_of_state())
        self._lock = threading.RLock()
        self._letters = 0
        self._lock_fd = locks.take(os.path.join(self.folder, "lock"))
        if self._lock_fd is None:
            raise Refused(f"another jobd-notify runs already ({self.folder}/lock)")
        self.path = os.path.join(self.folder, "notify.sqlite")
        self.put_aside = ""  # where a damaged file was put
        self.is_damaged = False
        try:
            self._db = self._opened()
        except Damaged:
            at = self._put_aside()
            self._db = self._opened()
            # Whatever journal the server has, it is not the one of this position: what has ended since is asked for.
            self.take((), lambda notice: (), Position("", 0, at))

    def _opened(self) -> sqlite3.Connection:
        """
        Raises:
            JobdError: it cannot be used. Damaged: nor ever will be.
        """
        db: sqlite3.Connection | None = None
        try:
            db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            db.execute(f"PRAGMA wal_autocheckpoint={WAL_PAGES}")
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version == 0:
                db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version={_VERSION}; COMMIT;")
            elif version != _VERSION:
                raise Refused(f"{self.path} was written by a newer jobd")
            (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise Damaged(f"{self.path} is damaged: {found}")
        except (sqlite3.Error, JobdError) as error:
            if db is not None:
                db.close()
            if isinstance(error, JobdError):
                raise
            raise self._trouble("cannot use", error) from error
        return db

    def _put_aside(self) -> float:
        """Keep the damaged file under another name; when it was last written (wall)."""
        at = max(
            os.stat(self.path + suffix).st_mtime
            for suffix in ("", "-wal")
            if os.path.exists(self.path + suffix)
        )
        self.put_aside = f"{self.path}.damaged-{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime())}"
        for suffix in ("-wal", "-shm", ""):
            with contextlib.suppress(FileNotFoundError):
                os.replace(self.path + suffix, self.put_aside + suffix)
        return at

    def _trouble(self, what: str, error: sqlite3.Error) -> JobdError:
        """The error for a person."""
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGES:
            self.is_damaged = True
            return Damaged(f"{self.path} is damaged: {error}")
        return JobdError(f"{what} {self.path}: {error}")

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """
        Raises:
            JobdError: it cannot be read.
        """
        with self._lock:
            try:
                yield self._db
            except sqlite3.Error as error:
                raise self._trouble("cannot read", error) from error

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all or nothing.

        Raises:
            JobdError: it cannot be written; then nothing has changed.
        """
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                self._roll_back()
                with contextlib.suppress(sqlite3.Error):  # where the disk is full this may make some room
                    self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                raise self._trouble("cannot write", error) from error
            finally:
                self._roll_back()

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()
            if self._lock_fd is not None:
                os.close(self._lock_fd)
                self._lock_fd = None

    # ---- events
    def position(self) -> Position | None:
        """How far the events are handled; None at the very first."""
        with self._reading() as db:
            row = db.execute("SELECT server_id, seq, at FROM position").fetchone()
        return None if row is None else Position(*row)

    def take(
        self,
        notices: Iterable[Notice],
        letters_of: Callable[[Notice], Iterable[tuple[str, str]]],
        position: Position | None,
    ) -> list[tuple[str, str]]:
        """Put what was not told yet into the outbox, and the position forward, all or nothing.

        Args:
            letters_of: (transport, receiver) of a notice.

        Returns:
            (key, transport) of what is new in the outbox.

        Raises:
            JobdError: it cannot be written; then nothing has changed.
        """
        new: list[tuple[str, str]] = []
        with self._writing() as db:
            for notice in notices:
                done = db.execute(
                    "INSERT OR IGNORE INTO told VALUES (?,?,?)",
                    (notice.key, notice.living_job_id, notice.at),
                )
                if not done.rowcount:
                    continue
                for transport, receiver in letters_of(notice):
                    values = (
                        notice.key,
                        transport,
                        receiver,
                        notice.subject,
                        notice.body,
                        notice.kind,
                        notice.at,
                    )
                    done = db.execute(_NEW_LETTER, values)
                    if done.rowcount:
                        new.append((notice.key, transport))
            if new and self._is_time_to_forget(len(new)):
                db.execute(_FORGET, (time.time() - TOLD_DAYS * 86400,))
            if position is not None:
                db.execute("INSERT OR REPLACE INTO position VALUES (1,?,?,?)", position)
        return new

    def told_living(self) -> list[int]:
        """The jobs of which something is remembered for as long as they live."""
        with self._reading() as db:
            rows = db.execute("SELECT DISTINCT job_id FROM told WHERE job_id IS NOT NULL").fetchall()
        return [job_id for (job_id,) in rows]

    def clean(self, living: Collection[int]) -> None:
        """Forget what was told long ago, or of jobs that are not living any more where that is all it was for.

        Raises:
            JobdError: it cannot be written; it may be another time.
        """
        gone = [(job_id,) for job_id in self.told_living() if job_id not in living]
        with self._writing() as db:
            db.executemany("DELETE FROM told WHERE job_id = ?", gone)
            db.execute(_FORGET, (time.time() - TOLD_DAYS * 86400,))

    def _is_time_to_forget(self, count: int) -> bool:
        """Now and then, by how many letters there were."""
        self._letters += count
        if self._letters < FORGET_EVERY:
            return False
        self._letters = 0
        return True

    # ---- the outbox. Each may raise JobdError: the file cannot be read or written; then nothing has changed.
    def transports(self) -> dict[str, int]:
        """How many letters wait for each transport."""
        with self._reading() as db:
            return dict(db.execute("SELECT transport, count(*) FROM outbox GROUP BY transport"))

    def next_letter(self, transport: str) -> Letter | None:
        """The one that is due first, or was; None where there is none."""
        query = f"SELECT {_LETTER} FROM outbox WHERE transport = ? ORDER BY due_at, number LIMIT 1"
        with self._reading() as db:
            row = db.execute(query, (transport,)).fetchone()
        return None if row is None else Letter(*row)

    def due_letters(self, transport: str, count_max: int) -> list[Letter]:
        """Those that may be sent now, the first that `next_letter` tells included."""
        query = f"SELECT {_LETTER} FROM outbox WHERE transport = ? AND due_at <= ? ORDER BY due_at, number LIMIT ?"
        with self._reading() as db:
            return [Letter(*row) for row in db.execute(query, (transport, time.time(), count_max))]

    def sent(self, *letters: Letter) -> None:
        """They have been taken, or are given up."""
        with self._writing() as db:
            db.executemany("DELETE FROM outbox WHERE number = ?", [(letter.number,) for letter in letters])

    def postpone(self, letter: Letter, due_at: float) -> None:
        """It is to be tried again, not before that time (wall)."""
        with self._writing() as db:
            db.execute(
                "UPDATE outbox SET tries = tries + 1, due_at = ? WHERE number = ?", (due_at, letter.number)
            )

    def postpone_receiver(self, letter: Letter, pause_s: Callable[[int], float]) -> None:
        """All letters to its receiver are to be tried again later.

        Args:
            pause_s: how long to wait after so many tries.
        """
        of = (letter.transport, letter.receiver)
        with self._writing() as db:
            query = "SELECT max(tries) FROM outbox WHERE transport = ? AND receiver = ?"
            (tries,) = db.execute(query, of).fetchone()
            due_at = time.time() + pause_s((tries or 0) + 1)
            db.execute("UPDATE outbox SET due_at = ? WHERE transport = ? AND receiver = ?", (due_at, *of))
            db.execute("UPDATE outbox SET tries = ? WHERE number = ?", ((tries or 0) + 1, letter.number))

    def hurry(self, transport: str, receiver: str | None = None) -> None:
        """What waits for its next try (all, or to that receiver) waits no more."""
        with self._writing() as db:
            db.execute(
                "UPDATE outbox SET due_at = 0 WHERE transport = ?1 AND due_at > 0 AND (?2 IS NULL OR receiver = ?2)",
                (transport, receiver),
            )

    def hand_on(self, old: str, new: str) -> int:
        """What waits for a transport that there is no more goes by another; how much."""
        with self._writing() as db:
            moved = db.execute(
                "UPDATE OR IGNORE outbox SET transport = ? WHERE transport = ?", (new, old)
            ).rowcount
            db.execute("DELETE FROM outbox WHERE transport = ?", (old,))
        return moved

    def drop(self, transport: str) -> int:
        """Give up all for a transport that there is no more; how many."""
        with self._writing() as db:
            return db.execute("DELETE FROM outbox WHERE transport = ?", (transport,)).rowcount
