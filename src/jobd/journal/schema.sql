-- What jobd remembers. Version 1. A change of this file needs a step in upgrade.py and a fixture of the old form.
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;

-- One row a job: the columns change with its life, `spec` (msgpack) never does.
CREATE TABLE jobs (
    job_id       INTEGER PRIMARY KEY,
    parent_id    INTEGER,
    root_id      INTEGER NOT NULL,
    token        TEXT    NOT NULL,
    submitted_at REAL    NOT NULL,
    started_at   REAL,
    ended_at     REAL,
    phase        INTEGER NOT NULL,  -- 0 waiting, 1 running, 2 completing, 3 finished
    cpus         BLOB,
    held         INTEGER,
    cause        TEXT,
    exit_code    INTEGER,
    signal       INTEGER,
    spec         BLOB    NOT NULL
);
CREATE INDEX jobs_living ON jobs (job_id) WHERE phase < 3;
CREATE UNIQUE INDEX jobs_token ON jobs (token);
CREATE INDEX jobs_ended ON jobs (ended_at, job_id) WHERE phase = 3;

-- Numbered without gaps; the oldest are removed, never one between.
CREATE TABLE events (seq INTEGER PRIMARY KEY, at REAL NOT NULL, body BLOB NOT NULL);
