-- Everything that executes. Numbers of states are those of src/codes.rs.
CREATE TABLE jobs (
    -- In the order in which they came.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    target TEXT NOT NULL,
    state INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    -- Attempts so far, the present one included.
    attempts INTEGER NOT NULL DEFAULT 0,
    -- The run it is tracked as, and its experiment. Both may be gone since.
    experiment INTEGER,
    run_id TEXT,
    -- The job that this one repeats.
    repeats TEXT,
    -- Why it ended as it did, or why it is tried again.
    reason TEXT NOT NULL DEFAULT '',
    submitted_ms INTEGER NOT NULL,
    not_before_ms INTEGER,
    started_ms INTEGER,
    ended_ms INTEGER,
    cancel_ms INTEGER,
    -- The description, as JSON.
    spec TEXT NOT NULL
) STRICT;
CREATE INDEX jobs_by_state ON jobs (state, id);
CREATE INDEX jobs_by_run ON jobs (run_id) WHERE run_id IS NOT NULL;

CREATE TABLE job_attempts (
    job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    -- Present state, or how it ended.
    state INTEGER NOT NULL,
    started_ms INTEGER NOT NULL,
    began_ms INTEGER,
    ended_ms INTEGER,
    -- What it was given, as JSON, and where it runs, in words.
    place TEXT NOT NULL,
    at TEXT NOT NULL DEFAULT '',
    exit_code INTEGER,
    signal INTEGER,
    reason TEXT NOT NULL DEFAULT '',
    cpu_ms INTEGER,
    peak_memory_bytes INTEGER,
    PRIMARY KEY (job, number)
) STRICT, WITHOUT ROWID;

-- How the queue is set, as JSON; one row at most.
CREATE TABLE queue (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    settings TEXT NOT NULL
) STRICT;
