-- What jobd remembers. Version 3. A change of this file needs a step in upgrade.py and a fixture of the old form.
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;

-- One row a job. Its columns change with its life; `spec` (msgpack, records.py) only when what it asks for is changed.
CREATE TABLE jobs (
    job_id            INTEGER PRIMARY KEY,
    parent_id         INTEGER,
    root_id           INTEGER NOT NULL,
    array_id          INTEGER,           -- of an array and of its elements
    array_index       INTEGER,           -- of an element
    token             TEXT    NOT NULL,
    name              BLOB    NOT NULL,  -- bytes: a name need not be UTF-8
    submitted_at      REAL    NOT NULL,
    phase             INTEGER NOT NULL,  -- 0 waiting, 1 running, 2 completing; 3 completed, 4 failed, 5 cancelled,
                                         -- 6 time-out, 7 out of memory, 8 node failure
    attempt           INTEGER NOT NULL,
    started_at        REAL,
    ended_at          REAL,
    cause             TEXT,
    exit_code         INTEGER,
    signal            INTEGER,
    cpu_s             REAL,
    memory_peak_bytes INTEGER,
    run               BLOB,              -- what it was given and what the agent told of it (msgpack)
    tasks             BLOB,              -- of a waiting array: the elements that have not been split off (msgpack)
    spec              BLOB    NOT NULL
);
-- Each of these grows at its end alone, so that a job costs the same whatever lies behind it.
CREATE INDEX jobs_living ON jobs (job_id) WHERE phase < 3;
CREATE INDEX jobs_ended ON jobs (phase, ended_at, job_id) WHERE phase >= 3;
CREATE INDEX jobs_named ON jobs (name, ended_at, job_id) WHERE phase >= 3;
CREATE INDEX jobs_array ON jobs (array_id, job_id) WHERE array_id IS NOT NULL;
CREATE INDEX jobs_element ON jobs (array_id, array_index) WHERE array_index IS NOT NULL;

-- One row a submission: its token, and the jobs that came of it as runs (first, count, …), for when it is said again.
CREATE TABLE submissions (
    first_id INTEGER PRIMARY KEY,
    token    TEXT NOT NULL UNIQUE,
    at       REAL NOT NULL,
    jobs     BLOB NOT NULL
);

-- Scripts and environments by their hash, each once; `uses` counts the jobs that name it.
CREATE TABLE blobs (key TEXT PRIMARY KEY, uses INTEGER NOT NULL, data BLOB NOT NULL);
CREATE INDEX blobs_unused ON blobs (key) WHERE uses <= 0;

-- Attempts that are over, of jobs that were queued again: what `jobs` had of them. The last attempt of a job is in `jobs` alone.
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
    is_asked          INTEGER NOT NULL,  -- by somebody, rather than --retries or a reboot
    PRIMARY KEY (job_id, attempt)
) WITHOUT ROWID;

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

-- Numbered without gaps; the oldest are removed, never one between.
CREATE TABLE events (seq INTEGER PRIMARY KEY, at REAL NOT NULL, body BLOB NOT NULL);
