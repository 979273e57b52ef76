"""The journal: a SQLite file (WAL) with every job, and every event numbered without gaps.

One transaction a tick. What has returned from `commit` is remembered; what has not may or may not be.
Reading for people (history, events) goes through a second connection, so that it never waits for a write.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator
from importlib.resources import files
from typing import Any
from urllib.parse import quote

import msgpack

from jobd.core.job import Completing, Finished, Job, Now, Outcome, Phase, Running, Spec, Waiting
from jobd.core.world import World
from jobd.errors import JournalError
from jobd.journal.upgrade import SCHEMA_VERSION, upgrade
from jobd.states import Cause, OnKill

EVENTS_TRIM_SLACK = 10_000  # trimmed in strides of this many, so that most ticks do not delete

_UPSERT = """INSERT INTO jobs (job_id, parent_id, root_id, token, submitted_at, started_at, ended_at, phase, cpus, held,
 cause, exit_code, signal, spec) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)"""
_UPDATE = """UPDATE jobs SET started_at=?, ended_at=?, phase=?, cpus=?, held=?, cause=?, exit_code=?, signal=?
 WHERE job_id=?"""
_COLUMNS = """job_id, parent_id, root_id, token, submitted_at, started_at, ended_at, phase, cpus, held, cause, exit_code,
 signal, spec"""


class Journal:
    """An open journal. One process writes it at a time (the server holds the state folder's lock)."""

    def __init__(self, path: str, *, synchronous: str = "NORMAL", events_kept: int = 100_000) -> None:
        """Open or make the journal.

        Args:
            synchronous: SQLite's word: NORMAL survives the death of the server, FULL a power cut too, at 0.3 to 10 ms a tick.
            events_kept: how many events stay for those who missed some.

        Raises:
            JournalError: it cannot be opened, or is not ours to understand; nothing has been changed.
        """
        self.path = path
        self._events_kept = events_kept
        try:
            self._writer = sqlite3.connect(path, isolation_level=None)
            self._reader: sqlite3.Connection | None = None
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
            if is_new:
                schema = files("jobd.journal").joinpath("schema.sql").read_text()
                self._writer.executescript(f"BEGIN; {schema} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
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
        events: Iterable[tuple[int, float, bytes]],
        new_jobs: Iterable[Job],
        changed_jobs: Iterable[Job],
        meta: dict[str, object],
    ) -> None:
        """One tick's changes, all or none.

        Raises:
            JournalError: they could not be written; nothing of them is there.
        """
        try:
            writer = self._writer
            writer.execute("BEGIN IMMEDIATE")
            writer.executemany("INSERT INTO events VALUES (?,?,?)", events)
            writer.executemany(_UPSERT, (_job_values(job) for job in new_jobs))
            writer.executemany(_UPDATE, (_change_values(job) for job in changed_jobs))
            for key, value in meta.items():
                writer.execute("INSERT OR REPLACE INTO meta VALUES (?,?)", (key, msgpack.packb(value)))
            writer.execute("COMMIT")
        except (sqlite3.Error, OverflowError) as error:
            try:
                self._writer.execute("ROLLBACK")
            except sqlite3.Error:
                pass
            raise JournalError(f"cannot write {self.path}: {error}") from error

    def trim(self, last_seq: int) -> None:
        """Remove the oldest events, now and then, so that some `events_kept` stay.

        Raises:
            JournalError: it could not be written.
        """
        if last_seq - self._oldest_seq < self._events_kept + EVENTS_TRIM_SLACK:
            return
        oldest = last_seq - self._events_kept + 1
        try:
            self._writer.execute("DELETE FROM events WHERE seq < ?", (oldest,))
        except sqlite3.Error as error:
            raise JournalError(f"cannot write {self.path}: {error}") from error
        self._oldest_seq = oldest

    def forget_finished(self, before_s: float) -> None:
        """Remove finished jobs that ended before that time.

        Raises:
            JournalError: it could not be written.
        """
        try:
            self._writer.execute("DELETE FROM jobs WHERE phase = 3 AND ended_at < ?", (before_s,))
        except sqlite3.Error as error:
            raise JournalError(f"cannot write {self.path}: {error}") from error

    def close(self) -> None:
        """Close; a later open finds everything."""
        self._writer.close()
        if self._reader is not None:
            self._reader.close()

    # ---- reading
    def meta(self, key: str) -> object:
        """A remembered value, or None."""
        rows = self._known("SELECT value FROM meta WHERE key = ?", (key,))
        value: object = msgpack.unpackb(rows[0][0]) if rows else None
        return value

    def living(self) -> Iterator[Job]:
        """The living jobs, oldest first: parents before their children."""
        query = f"SELECT {_COLUMNS} FROM jobs INDEXED BY jobs_living WHERE phase < 3 ORDER BY job_id"
        for row in self._known(query, ()):
            yield _job_of(row)

    def job_id_max(self) -> int:
        """The highest number ever given that is still remembered."""
        return int(self._known("SELECT max(job_id) FROM jobs", ())[0][0] or 0)

    def job_of_token(self, token: str) -> Job | None:
        """The job of a submission, finished or not."""
        rows = self._known(f"SELECT {_COLUMNS} FROM jobs WHERE token = ?", (token,))
        return _job_of(rows[0]) if rows else None

    def finished(self, *, before: tuple[float, int] | None, rows_max: int) -> list[Job]:
        """Finished jobs, the newest end first, from just before (ended_at, job_id) on."""
        where, values = "", []
        if before is not None:
            where, values = "AND (ended_at, job_id) < (?, ?)", [*before]
        query = (
            f"SELECT {_COLUMNS} FROM jobs WHERE phase = 3 {where} ORDER BY ended_at DESC, job_id DESC LIMIT ?"
        )
        return [_job_of(row) for row in self._read(query, (*values, rows_max))]

    def finished_of(self, job_ids: list[int]) -> list[Job]:
        """Those of these jobs that are finished."""
        found = []
        for job_id in job_ids:
            query = f"SELECT {_COLUMNS} FROM jobs WHERE job_id = ? AND phase = 3"
            found += [_job_of(row) for row in self._read(query, (job_id,))]
        return found

    def events_after(self, seq: int, rows_max: int) -> list[bytes]:
        """Bodies of events after that number, oldest first."""
        query = "SELECT body FROM events WHERE seq > ? ORDER BY seq LIMIT ?"
        return [row[0] for row in self._read(query, (seq, rows_max))]  # type: ignore[misc]

    @property
    def oldest_seq(self) -> int:
        """The number of the oldest event that is kept."""
        return self._oldest_seq

    def _read(self, query: str, values: tuple[object, ...]) -> list[tuple[object, ...]]:
        try:
            if self._reader is None:
                self._reader = sqlite3.connect(f"file:{quote(self.path)}?mode=ro", uri=True)
            return self._reader.execute(query, values).fetchall()
        except OverflowError:
            return []  # a number beyond SQLite's own is nobody's
        except sqlite3.Error as error:
            raise JournalError(f"cannot read {self.path}: {error}") from error

    def _known(self, query: str, values: tuple[object, ...]) -> list[Any]:
        """What the writing connection knows.

        Raises:
            JournalError: it cannot be read.
        """
        try:
            return self._writer.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise JournalError(f"cannot read {self.path}: {error}") from error

    def _one(self, query: str) -> int | None:
        value: int | None = self._writer.execute(query).fetchone()[0]
        return value


def restore(world: World, journal: Journal, now: Now) -> None:
    """Fill an empty world with the living jobs of a journal."""
    for job in journal.living():
        world.add(job, now)
    for at_s, key in journal.meta("passes") or ():  # type: ignore[attr-defined]
        world.passes.append((at_s, tuple(key)))
    world.next_job_id = max(int(journal.meta("next_job_id") or 1), journal.job_id_max() + 1)  # type: ignore[call-overload]


# ---- a job ⇄ its row ------------------------------------------------------------------------------------------
_PHASES: dict[type[object], int] = {Waiting: 0, Running: 1, Completing: 2, Finished: 3}


def _job_values(job: Job) -> tuple[object, ...]:
    spec = msgpack.packb(job.spec[1:], unicode_errors="surrogateescape")  # the token has a column
    started_at, ended_at, number, cpus, held, cause, exit_code, signal = _phase_values(job.phase)
    return (
        job.job_id,
        job.parent_id,
        job.root_id,
        job.spec.token,
        job.submitted_at,
        started_at,
        ended_at,
        number,
        cpus,
        held,
        cause,
        exit_code,
        signal,
        spec,
    )


def _change_values(job: Job) -> tuple[object, ...]:
    return (*_phase_values(job.phase), job.job_id)


def _phase_values(phase: Phase) -> tuple[object, ...]:
    number = _PHASES[type(phase)]
    if isinstance(phase, Waiting):
        return (None, None, number, None, None, None, None, None)
    if isinstance(phase, Running):
        return (phase.started_at, None, number, _packed_cpus(phase.cpus), phase.held, None, None, None)
    outcome = phase.outcome
    end = (outcome.cause.value, outcome.exit_code, outcome.signal)
    if isinstance(phase, Completing):
        return (phase.started_at, None, number, _packed_cpus(phase.cpus), phase.held, *end)
    return (phase.started_at, phase.ended_at, number, None, None, *end)


def _packed_cpus(cpus: tuple[int, ...]) -> bytes | None:
    packed: bytes = msgpack.packb(cpus)
    return packed if cpus else None


def _job_of(row: tuple[Any, ...]) -> Job:
    (job_id, parent_id, root_id, token, submitted_at, started_at, ended_at, *rest) = row
    number, cpus, held, cause, code, signal, blob = rest
    spec = _spec_of(token, msgpack.unpackb(blob, unicode_errors="surrogateescape"))
    bound = tuple(msgpack.unpackb(cpus)) if cpus is not None else ()
    phase: Phase
    if number == 0:
        phase = Waiting()
    elif number == 1:
        phase = Running(started_at, bound, held)
    elif number == 2:
        phase = Completing(started_at, bound, held, Outcome(Cause(cause), code, signal))
    else:
        phase = Finished(started_at, ended_at, Outcome(Cause(cause), code, signal))
    return Job(job_id, parent_id, root_id, submitted_at, spec, phase)


def _spec_of(token: str, fields: list[Any]) -> Spec:
    kind, nb_proc, command, *rest = fields
    name, cwd, user, priority, time_limit_s, is_bound, on_kill, pid, start_ticks = rest
    asked = (name, cwd, user, priority, time_limit_s, is_bound, OnKill(on_kill))
    return Spec(token, kind, nb_proc, tuple(command), *asked, pid, start_ticks)
