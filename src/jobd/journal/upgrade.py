"""From an older schema to this one, step by step. Each step is one transaction; nothing is touched that is not understood.

A step speaks of the tables as they were then: it uses neither schema.sql nor records.py, which go on.
"""

import sqlite3
from collections.abc import Callable

import msgpack

from jobd.errors import JournalError

SCHEMA_VERSION = 3


def upgrade(connection: sqlite3.Connection, path: str) -> None:
    """Bring the journal at `path` to SCHEMA_VERSION.

    Raises:
        JournalError: it is of a newer release, or of none.
        sqlite3.Error: it could not be written; it is as it was.
    """
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise JournalError(
            f"{path} was written by a newer jobd (schema {version}, this one knows {SCHEMA_VERSION}): "
            "start that release, or move the file away to begin a new one"
        )
    while version < SCHEMA_VERSION:
        step = STEPS.get(version)
        if step is None:
            raise JournalError(f"{path} is no journal of jobd (move it away to begin a new one)")
        connection.execute("BEGIN IMMEDIATE")
        try:
            step(connection)
            version += 1
            connection.execute(f"PRAGMA user_version = {version}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise


# ---- 1 → 2: batch jobs
_TABLES_2 = """
CREATE TABLE jobs (
    job_id            INTEGER PRIMARY KEY,
    parent_id         INTEGER,
    root_id           INTEGER NOT NULL,
    array_id          INTEGER,
    array_index       INTEGER,
    token             TEXT    NOT NULL,
    name              BLOB    NOT NULL,
    submitted_at      REAL    NOT NULL,
    phase             INTEGER NOT NULL,
    attempt           INTEGER NOT NULL,
    started_at        REAL,
    ended_at          REAL,
    cause             TEXT,
    exit_code         INTEGER,
    signal            INTEGER,
    cpu_s             REAL,
    memory_peak_bytes INTEGER,
    run               BLOB,
    tasks             BLOB,
    spec              BLOB    NOT NULL
);
CREATE TABLE submissions (
    first_id INTEGER PRIMARY KEY,
    token    TEXT NOT NULL UNIQUE,
    at       REAL NOT NULL,
    jobs     BLOB NOT NULL
);
CREATE TABLE blobs (key TEXT PRIMARY KEY, uses INTEGER NOT NULL, data BLOB NOT NULL);
CREATE INDEX blobs_unused ON blobs (key) WHERE uses <= 0;
CREATE TABLE steps (
    job_id            INTEGER NOT NULL,
    attempt           INTEGER NOT NULL,
    step_id           INTEGER NOT NULL,
    name              BLOB    NOT NULL,
    command           BLOB    NOT NULL,
    ntasks            INTEGER NOT NULL,
    started_at        REAL    NOT NULL,
    ended_at          REAL,
    exit_code         INTEGER,
    signal            INTEGER,
    cpu_s             REAL    NOT NULL,
    memory_peak_bytes INTEGER NOT NULL,
    token             TEXT    NOT NULL,
    PRIMARY KEY (job_id, attempt, step_id)
) WITHOUT ROWID;
"""
_INDEXES_2 = """
CREATE INDEX jobs_living ON jobs (job_id) WHERE phase < 3;
CREATE INDEX jobs_ended ON jobs (phase, ended_at, job_id) WHERE phase >= 3;
CREATE INDEX jobs_named ON jobs (name, ended_at, job_id) WHERE phase >= 3;
CREATE INDEX jobs_array ON jobs (array_id, job_id) WHERE array_id IS NOT NULL;
CREATE INDEX jobs_element ON jobs (array_id, array_index) WHERE array_index IS NOT NULL;
"""


def _to_2(connection: sqlite3.Connection) -> None:
    """The final state becomes the phase; processors and procs go into `run`; tokens get a table of submissions.

    A `spec` of version 1 is the beginning of one of version 2, and stays.
    """
    connection.create_function("run_of", 2, _run_of, deterministic=True)
    connection.create_function(
        "name_of", 1, lambda spec: _unpacked(spec)[3].encode("utf-8", "surrogateescape")
    )
    connection.create_function("one_job", 1, lambda job_id: msgpack.packb([job_id, 1]))
    for old in ("jobs_living", "jobs_token", "jobs_ended"):
        connection.execute(f"DROP INDEX {old}")
    connection.execute("ALTER TABLE jobs RENAME TO jobs_1")
    _run(connection, _TABLES_2)
    connection.execute("""
INSERT INTO jobs SELECT job_id, parent_id, root_id, NULL, NULL, token, name_of(spec), submitted_at,
  CASE WHEN phase < 3 THEN phase
       WHEN cause = 'self' THEN CASE WHEN exit_code = 0 THEN 3 ELSE 4 END
       WHEN cause = 'time limit' THEN 6
       WHEN cause = 'reboot' THEN 8
       ELSE 5 END,
  started_at IS NOT NULL, started_at, ended_at, cause, exit_code, signal, NULL, NULL, run_of(cpus, held), NULL, spec
 FROM jobs_1 ORDER BY job_id""")
    connection.execute(
        "INSERT INTO submissions SELECT job_id, token, submitted_at, one_job(job_id) FROM jobs_1 ORDER BY job_id"
    )
    connection.execute("DROP TABLE jobs_1")
    _run(connection, _INDEXES_2)


# ---- 2 → 3: earlier attempts
_TABLES_3 = """
CREATE TABLE attempts (
    job_id            INTEGER NOT NULL,
    phase             INTEGER NOT NULL,
    attempt           INTEGER NOT NULL,
    started_at        REAL    NOT NULL,
    ended_at          REAL    NOT NULL,
    cause             TEXT    NOT NULL,
    exit_code         INTEGER,
    signal            INTEGER,
    cpu_s             REAL    NOT NULL,
    memory_peak_bytes INTEGER NOT NULL,
    run               BLOB,
    requeued_at       REAL    NOT NULL,
    is_asked          INTEGER NOT NULL,
    PRIMARY KEY (job_id, attempt)
) WITHOUT ROWID;
"""


def _to_3(connection: sqlite3.Connection) -> None:
    """Of attempts before this one nothing is known."""
    _run(connection, _TABLES_3)


def _run_of(cpus: bytes | None, held: int | None) -> bytes | None:
    if held is None:
        return None
    packed: bytes = msgpack.packb(([] if cpus is None else msgpack.unpackb(cpus), held, []))
    return packed


def _unpacked(spec: bytes) -> list[str]:
    fields: list[str] = msgpack.unpackb(spec, unicode_errors="surrogateescape")
    return fields


def _run(connection: sqlite3.Connection, script: str) -> None:
    """Each statement of a script. `executescript` would commit first."""
    for statement in script.split(";"):
        if statement.strip():
            connection.execute(statement)


# version → the step from it to the next one
STEPS: dict[int, Callable[[sqlite3.Connection], None]] = {1: _to_2, 2: _to_3}
