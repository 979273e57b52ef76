"""The journal: a SQLite file (WAL) with every job, and every event numbered without gaps.

One transaction a tick. What has returned from `commit` is remembered; what has not may or may not be.
What is read for people is in history.py, and the form of a job's row in records.py.
"""

import os
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from typing import Any

import msgpack

from jobd.core.job import Attempt, Job, Now
from jobd.core.world import World
from jobd.errors import JournalError
from jobd.journal import records
from jobd.journal.history import History
from jobd.journal.records import COLUMNS, job_of
from jobd.journal.upgrade import SCHEMA_VERSION, upgrade

EVENTS_TRIM_SLACK = 10_000  # trimmed in strides of this many, so that most ticks do not delete
FORGOTTEN_AT_ONCE_MAX = 2000  # finished jobs that one call forgets: some 30 ms of the server's time
# For so long after its jobs were forgotten a submission is still known when it is said again.
TOKENS_KEPT_S = 86400.0
_CACHE_KIB = 16_384  # the inner pages of all indexes of ten million jobs


class Journal(History):
    """An open journal. One process writes it at a time (the server holds the state folder's lock)."""

    def __init__(self, path: str, *, synchronous: str = "NORMAL", events_kept: int = 100_000) -> None:
        """Open or make the journal.

        Args:
            synchronous: SQLite's word: NORMAL survives the death of the server, FULL a power cut too, at 0.3 to 10 ms a tick.
            events_kept: how many events stay for those who missed some.

        Raises:
            JournalError: it cannot be opened, or is not ours to understand; nothing has been changed.
        """
        super().__init__(path)
        self._events_kept = events_kept
        try:
            self._writer = sqlite3.connect(path, isolation_level=None)
            # By what is in it, not by its size: a first start that died or found the disk full leaves a header without tables.
            is_new = not self._one("SELECT count(*) FROM sqlite_master") and not self._one(
                "PRAGMA user_version"
            )
            if is_new:
                os.chmod(path, 0o600)
            else:
                upgrade(self._writer, path)  # before anything that writes
            self._writer.execute("PRAGMA journal_mode = WAL")
            self._writer.execute(f"PRAGMA synchronous = {synchronous}")
            self._writer.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            if is_new:
                self._writer.executescript(
                    f"BEGIN; {schema()} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
                )
            self.last_seq: int = self._one("SELECT max(seq) FROM events") or 0
            self._oldest_seq: int = self._one("SELECT min(seq) FROM events") or self.last_seq + 1
        except sqlite3.Error as error:
            raise JournalError(
                f"{path} cannot be read ({error}): nothing was changed; restore it from a copy, "
                "or move it away (with its -wal and -shm) to begin a new one"
            ) from error
        except OSError as error:
            raise JournalError(f"{path}: {error.strerror}") from error

    # ---- writing
    def commit(
        self,
        *,
        events: Iterable[tuple[int, float, bytes]] = (),
        new_jobs: Iterable[Job] = (),
        changed_jobs: Iterable[Job] = (),
        meta: Mapping[str, object] | None = None,
        new_specs: Iterable[Job] = (),
        blobs: Iterable[tuple[str, bytes]] = (),
        steps: Iterable[tuple[Any, ...]] = (),
        attempts: Iterable[Attempt] = (),
    ) -> None:
        """One tick's changes, all or none.

        Args:
            events: (number, time, body), without gaps after the last.
            new_jobs: jobs that have no row yet, elements that left their arrays included.
            changed_jobs: jobs whose phase, attempt or tasks changed. The last element of an array is one: it has the array's row.
            new_specs: those of them (or others) that ask for something else than before.
            blobs: (key, bytes); those that are kept already are left as they are.
            attempts: those that are over, of jobs that were queued again.
            steps: Step, or the fields of one; a step that is said again replaces the one of its number.

        Raises:
            JournalError: they could not be written; nothing of them is there.
        """
        with _Transaction(self._writer, self.path) as writer:
            writer.executemany("INSERT INTO events VALUES (?,?,?)", events)
            new = list(new_jobs)
            writer.executemany(records.INSERT, map(records.inserted, new))
            changed = list(changed_jobs)
            writer.executemany(records.UPDATE, map(records.updated, changed))
            arrays = [job for job in changed if job.array_id == job.job_id]
            if arrays:
                writer.executemany(records.UPDATE_TASKS, map(records.updated_tasks, arrays))
            writer.executemany(records.UPDATE_SPEC, map(records.updated_spec, new_specs))
            writer.executemany("INSERT OR IGNORE INTO blobs VALUES (?, 0, ?)", blobs)
            if new:
                writer.executemany("INSERT INTO submissions VALUES (?,?,?,?)", _submissions(new))
                _count_uses(writer, _uses(new), 1)
            writer.executemany(records.INSERT_ATTEMPT, map(records.inserted_attempt, attempts))
            writer.executemany(records.INSERT_STEP, map(records.inserted_step, steps))
            for key, value in (meta or {}).items():
                writer.execute("INSERT OR REPLACE INTO meta VALUES (?,?)", (key, msgpack.packb(value)))

    def trim(self, last_seq: int) -> None:
        """Remove the oldest events, now and then, so that some `events_kept` stay.

        Raises:
            JournalError: it could not be written.
        """
        if last_seq - self._oldest_seq < self._events_kept + EVENTS_TRIM_SLACK:
            return
        oldest = last_seq - self._events_kept + 1
        with _Transaction(self._writer, self.path) as writer:
            writer.execute("DELETE FROM events WHERE seq < ?", (oldest,))
        self._oldest_seq = oldest

    def forget_finished(
        self, before_s: float, job_ids: Iterable[int] = (), *, rows_max: int = FORGOTTEN_AT_ONCE_MAX
    ) -> int:
        """Forget finished jobs that ended before that time, with their steps and the blobs that nobody uses any more.

        It is done in portions: call it again, in a later tick, until it returns less than `rows_max`.

        Args:
            job_ids: only these; () for all.

        Returns:
            How many were forgotten now.

        Raises:
            JournalError: it could not be written.
        """
        chosen = sorted(set(job_ids))
        with _Transaction(self._writer, self.path) as writer:
            found: list[tuple[int, bytes]] = []
            if chosen:
                query = "SELECT job_id, spec FROM jobs WHERE job_id = ? AND phase >= 3 AND ended_at < ?"
                for job_id in chosen:
                    if len(found) < rows_max and job_id <= records.INTEGER_MAX:
                        found += writer.execute(query, (job_id, before_s)).fetchall()
            else:
                for number in records.STATE_NUMBERS.values():
                    query = (
                        "SELECT job_id, spec FROM jobs INDEXED BY jobs_ended WHERE phase >= 3"
                        f" AND phase = {number} AND ended_at < ? ORDER BY ended_at LIMIT ?"
                    )
                    found += writer.execute(query, (before_s, rows_max - len(found))).fetchall()
            ids = [(job_id,) for job_id, _ in found]
            writer.executemany("DELETE FROM jobs WHERE job_id = ?", ids)
            writer.executemany("DELETE FROM steps WHERE job_id = ?", ids)
            writer.executemany("DELETE FROM attempts WHERE job_id = ?", ids)
            _count_uses(writer, Counter(key for _, spec in found for key in records.blob_keys(spec)), -1)
            writer.execute("DELETE FROM blobs INDEXED BY blobs_unused WHERE uses <= 0")
            if not chosen:
                _forget_submissions(writer, before_s - TOKENS_KEPT_S, rows_max)
        return len(found)

    def close(self) -> None:
        """Close; a later open finds everything."""
        super().close()
        self._writer.close()

    # ---- reading what the server itself goes by
    def meta(self, key: str) -> object:
        """A remembered value, or None."""
        rows = self._known("SELECT value FROM meta WHERE key = ?", (key,))
        value: object = msgpack.unpackb(rows[0][0]) if rows else None
        return value

    def living(self) -> Iterator[Job]:
        """The living jobs, oldest first: parents before their children."""
        query = f"SELECT {COLUMNS} FROM jobs INDEXED BY jobs_living WHERE phase < 3 ORDER BY job_id"
        for row in self._known(query, ()):
            yield job_of(row)

    def job_id_max(self) -> int:
        """The highest number ever given that is still remembered."""
        return int(self._known("SELECT max(job_id) FROM jobs", ())[0][0] or 0)

    def job_of_token(self, token: str) -> Job | None:
        """The job of a token, finished or not: of a Salloc's, or of the item `token/i` of a submission."""
        base, _, item = token.partition("/")
        ids = self.jobs_of_submission(base)
        index = int(item) if item.isascii() and item.isdigit() else 0
        if (item and not index) or index >= len(ids):
            return None
        rows = self._known(f"SELECT {COLUMNS} FROM jobs WHERE job_id = ?", (ids[index],))
        return job_of(rows[0]) if rows else None

    def jobs_of_submission(self, token: str) -> list[int]:
        """The numbers of the jobs (or arrays) of a submission in the order of its items, finished or not; [] if unknown."""
        rows = self._known("SELECT jobs FROM submissions WHERE token = ?", (token,))
        if not rows:
            return []
        runs = msgpack.unpackb(rows[0][0])
        return [
            job_id
            for first, count in zip(runs[::2], runs[1::2], strict=True)
            for job_id in range(first, first + count)
        ]

    def blob(self, key: str) -> bytes | None:
        """The bytes of that name, or None."""
        rows = self._known("SELECT data FROM blobs WHERE key = ?", (key,))
        return bytes(rows[0][0]) if rows else None

    def has_blobs(self, keys: Iterable[str]) -> set[str]:
        """Those of these keys whose bytes are kept."""
        query = "SELECT key FROM blobs WHERE key = ?"
        return {row[0] for key in set(keys) for row in self._known(query, (key,))}

    @property
    def oldest_seq(self) -> int:
        """The number of the oldest event that is kept."""
        return self._oldest_seq

    def _known(self, query: str, values: tuple[object, ...]) -> list[Any]:
        """What the writing connection knows.

        Raises:
            JournalError: it cannot be read.
        """
        try:
            return self._writer.execute(query, values).fetchall()
        except UnicodeEncodeError:
            return []  # a text of no UTF-8 is nobody's token or key
        except sqlite3.Error as error:
            raise JournalError(f"cannot read {self.path}: {error}") from error

    def _one(self, query: str) -> int | None:
        value: int | None = self._writer.execute(query).fetchone()[0]
        return value


def schema() -> str:
    """The tables of a new journal."""
    return files("jobd.journal").joinpath("schema.sql").read_text()


def restore(world: World, journal: Journal, now: Now) -> None:
    """Fill an empty world with the living jobs of a journal."""
    for job in journal.living():
        world.add(job, now)
    for at_s, key in journal.meta("passes") or ():  # type: ignore[attr-defined]
        world.passes.append((at_s, tuple(key)))
    world.next_job_id = max(int(journal.meta("next_job_id") or 1), journal.job_id_max() + 1)  # type: ignore[call-overload]


class _Transaction:
    """All or none of what is written inside; any failure is a JournalError."""

    def __init__(self, writer: sqlite3.Connection, path: str) -> None:
        self._writer = writer
        self._path = path

    def __enter__(self) -> sqlite3.Connection:
        try:
            self._writer.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise JournalError(f"cannot write {self._path}: {error}") from error
        return self._writer

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if error is None:
            try:
                self._writer.execute("COMMIT")
                return
            except sqlite3.Error as failure:
                error = failure
        try:
            self._writer.execute("ROLLBACK")
        except sqlite3.Error:
            pass  # SQLite has done so already, as for a full disk
        if isinstance(error, sqlite3.Error | OverflowError):
            raise JournalError(f"cannot write {self._path}: {error}") from error


# ---- submissions and blobs ------------------------------------------------------------------------------------
def _submissions(new: list[Job]) -> Iterator[tuple[object, ...]]:
    """(first number, token, time, runs of numbers) of what was submitted; elements of arrays are no submissions."""
    runs_of: dict[str, list[int]] = {}
    at: dict[str, float] = {}
    for job in new:
        if job.array_id is not None and job.array_id != job.job_id:
            continue
        token = job.spec.token.partition("/")[0]
        runs = runs_of.get(token)
        if runs is None:
            runs_of[token] = [job.job_id, 1]
            at[token] = job.submitted_at
        elif runs[-2] + runs[-1] == job.job_id:
            runs[-1] += 1
        else:
            runs += [job.job_id, 1]
    for token, runs in runs_of.items():
        yield runs[0], token, at[token], msgpack.packb(runs)


def _forget_submissions(writer: sqlite3.Connection, before_s: float, rows_max: int) -> None:
    """Those of long ago none of whose jobs is remembered, from the oldest on."""
    oldest = "SELECT first_id, at FROM submissions ORDER BY first_id LIMIT ?"
    for first_id, at in writer.execute(oldest, (rows_max,)).fetchall():
        if at >= before_s:
            return
        is_known = writer.execute("SELECT 1 FROM jobs WHERE job_id = ?", (first_id,)).fetchone()
        if not is_known:
            writer.execute("DELETE FROM submissions WHERE first_id = ?", (first_id,))


def _uses(jobs: list[Job]) -> Counter[str]:
    uses: Counter[str] = Counter()
    for job in jobs:
        batch = job.spec.batch
        if batch is not None:
            uses.update(records.keys_of(batch))
    return uses


def _count_uses(writer: sqlite3.Connection, uses: Counter[str], sign: int) -> None:
    changes = [(sign * count, key) for key, count in uses.items()]
    writer.executemany("UPDATE blobs SET uses = uses + ? WHERE key = ?", changes)
