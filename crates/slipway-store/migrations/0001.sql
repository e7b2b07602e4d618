-- Names of metrics, params and tags, each stored once.
CREATE TABLE names (
    id INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE experiments (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    artifact_location TEXT NOT NULL,
    lifecycle INTEGER NOT NULL DEFAULT 0,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    deleted_ms INTEGER
) STRICT;

CREATE TABLE experiment_tags (
    experiment INTEGER NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (experiment, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL UNIQUE,
    experiment INTEGER NOT NULL REFERENCES experiments (id),
    name TEXT NOT NULL,
    user TEXT NOT NULL,
    status INTEGER NOT NULL,
    start_ms INTEGER,
    end_ms INTEGER,
    artifact_uri TEXT NOT NULL,
    lifecycle INTEGER NOT NULL DEFAULT 0,
    deleted_ms INTEGER,
    -- run_id of the parent; the parent may be unknown here.
    parent TEXT
) STRICT;
CREATE INDEX runs_by_start ON runs (experiment, lifecycle, start_ms DESC, run_id);
CREATE INDEX runs_by_time ON runs (lifecycle, start_ms DESC, run_id, experiment);
CREATE INDEX runs_by_parent ON runs (parent) WHERE parent IS NOT NULL;

CREATE TABLE run_params (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    name INTEGER NOT NULL REFERENCES names (id),
    value TEXT NOT NULL,
    -- The value where it reads as a finite number.
    number REAL,
    PRIMARY KEY (run, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE run_tags (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    name INTEGER NOT NULL REFERENCES names (id),
    value TEXT NOT NULL,
    PRIMARY KEY (run, name)
) STRICT, WITHOUT ROWID;

-- One row a metric of a run: what search and tables need. `*_bits` are the bits of a 64-bit float as a signed
-- integer; `last_value` and `first_value` are the same numbers for search, NULL where they are NaN.
CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    name INTEGER NOT NULL REFERENCES names (id),
    points INTEGER NOT NULL,
    last_step INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    last_bits INTEGER NOT NULL,
    last_value REAL,
    first_step INTEGER NOT NULL,
    first_ms INTEGER NOT NULL,
    first_bits INTEGER NOT NULL,
    first_value REAL,
    min_value REAL,
    min_step INTEGER,
    max_value REAL,
    max_step INTEGER,
    -- Smallest step whose value is not finite.
    bad_step INTEGER,
    UNIQUE (run, name)
) STRICT;

-- The hot tail of histories. The key makes a resent point the same point.
CREATE TABLE points (
    series INTEGER NOT NULL REFERENCES series (id) ON DELETE CASCADE,
    step INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    bits INTEGER NOT NULL,
    PRIMARY KEY (series, step, time_ms, bits)
) STRICT, WITHOUT ROWID;

-- Histories that are compacted: columns of steps, times and values, compressed.
CREATE TABLE chunks (
    series INTEGER NOT NULL REFERENCES series (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    first_step INTEGER NOT NULL,
    last_step INTEGER NOT NULL,
    points INTEGER NOT NULL,
    first_bits INTEGER NOT NULL,
    last_bits INTEGER NOT NULL,
    min_value REAL,
    max_value REAL,
    codec INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (series, number)
) STRICT;

-- Which keys the runs of an experiment carry, so that a table knows its columns without reading every run.
CREATE TABLE experiment_keys (
    experiment INTEGER NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
    -- 1 param, 2 metric, 3 tag.
    kind INTEGER NOT NULL,
    name INTEGER NOT NULL REFERENCES names (id),
    -- Runs that carry it: in use, and in the trash.
    active_runs INTEGER NOT NULL,
    deleted_runs INTEGER NOT NULL,
    -- Params: every value so far reads as a number.
    numeric INTEGER NOT NULL,
    -- Params: the value seen first, and whether another one was seen since.
    value TEXT,
    varies INTEGER NOT NULL DEFAULT 0,
    -- Metrics: some history has more than one point.
    curve INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (experiment, kind, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE datasets (
    id INTEGER PRIMARY KEY,
    experiment INTEGER NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    source_type TEXT NOT NULL,
    source TEXT NOT NULL,
    schema TEXT,
    profile TEXT,
    UNIQUE (experiment, name, digest)
) STRICT;

CREATE TABLE run_datasets (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    dataset INTEGER NOT NULL REFERENCES datasets (id),
    UNIQUE (run, dataset)
) STRICT;

CREATE TABLE run_dataset_tags (
    input INTEGER NOT NULL REFERENCES run_datasets (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (input, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE run_model_inputs (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    model_id TEXT NOT NULL,
    PRIMARY KEY (run, model_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE run_model_outputs (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    model_id TEXT NOT NULL,
    step INTEGER NOT NULL,
    PRIMARY KEY (run, model_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE logged_models (
    id INTEGER PRIMARY KEY,
    model_id TEXT NOT NULL UNIQUE,
    experiment INTEGER NOT NULL REFERENCES experiments (id),
    name TEXT NOT NULL,
    artifact_location TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    status INTEGER NOT NULL,
    status_message TEXT,
    model_type TEXT,
    source_run_id TEXT,
    lifecycle INTEGER NOT NULL DEFAULT 0,
    deleted_ms INTEGER
) STRICT;
CREATE INDEX logged_models_by_experiment ON logged_models (experiment, created_ms DESC);
CREATE INDEX logged_models_by_run ON logged_models (source_run_id);

CREATE TABLE logged_model_params (
    model INTEGER NOT NULL REFERENCES logged_models (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (model, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE logged_model_tags (
    model INTEGER NOT NULL REFERENCES logged_models (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (model, key)
) STRICT, WITHOUT ROWID;

-- An empty dataset name or digest means that none was given.
CREATE TABLE logged_model_metrics (
    model INTEGER NOT NULL REFERENCES logged_models (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    dataset_name TEXT NOT NULL,
    dataset_digest TEXT NOT NULL,
    step INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    bits INTEGER NOT NULL,
    value REAL,
    run_id TEXT NOT NULL,
    PRIMARY KEY (model, key, dataset_name, dataset_digest, step, time_ms, bits, run_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE registered_models (
    name TEXT PRIMARY KEY NOT NULL,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    description TEXT,
    -- Number of the next version: numbers are never used again.
    next_version INTEGER NOT NULL DEFAULT 1
) STRICT, WITHOUT ROWID;

CREATE TABLE registered_model_tags (
    model TEXT NOT NULL REFERENCES registered_models (name) ON DELETE CASCADE ON UPDATE CASCADE,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (model, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE model_versions (
    model TEXT NOT NULL REFERENCES registered_models (name) ON DELETE CASCADE ON UPDATE CASCADE,
    version INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    user TEXT,
    description TEXT,
    source TEXT NOT NULL,
    storage_location TEXT NOT NULL,
    run_id TEXT,
    run_link TEXT,
    model_id TEXT,
    stage INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (model, version)
) STRICT, WITHOUT ROWID;
CREATE INDEX model_versions_by_run ON model_versions (run_id);
CREATE INDEX model_versions_by_logged_model ON model_versions (model_id);

CREATE TABLE model_version_tags (
    model TEXT NOT NULL,
    version INTEGER NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (model, version, key),
    FOREIGN KEY (model, version) REFERENCES model_versions (model, version) ON DELETE CASCADE ON UPDATE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE registered_model_aliases (
    model TEXT NOT NULL,
    alias TEXT NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (model, alias),
    FOREIGN KEY (model, version) REFERENCES model_versions (model, version) ON DELETE CASCADE ON UPDATE CASCADE
) STRICT, WITHOUT ROWID;

INSERT INTO experiments (id, name, artifact_location, created_ms, updated_ms)
VALUES (0, 'Default', 'mlflow-artifacts:/0', CAST(unixepoch('subsec') * 1000 AS INTEGER), CAST(unixepoch('subsec') * 1000 AS INTEGER));
