-- What happened to registered models, written in the transaction of the change itself. Rows outlive what they speak of.
CREATE TABLE model_history (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    model TEXT NOT NULL,
    version INTEGER,
    at_ms INTEGER NOT NULL,
    -- Who asked for it and through what, as far as that is known.
    user TEXT,
    via TEXT,
    kind INTEGER NOT NULL,
    -- Why: 0 edit, 1 promotion, 2 rollback, 3 undo.
    action INTEGER NOT NULL,
    -- An alias or the key of a tag.
    subject TEXT,
    was TEXT,
    became TEXT,
    note TEXT,
    -- The entry that brought this one about, e.g. the promotion by which a version was archived.
    cause INTEGER,
    -- The entry that this one takes back.
    refers INTEGER,
    -- 1: of a model that was deleted since. Another one of the same name begins anew.
    closed INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX model_history_by_model ON model_history (model, id);
CREATE INDEX model_history_by_cause ON model_history (cause) WHERE cause IS NOT NULL;

-- What a version has to fulfil before it may get an alias or a stage, as JSON.
CREATE TABLE model_rules (
    model TEXT PRIMARY KEY NOT NULL REFERENCES registered_models (name) ON DELETE CASCADE ON UPDATE CASCADE,
    rules TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What the files of a version were when they were looked at first.
CREATE TABLE model_version_records (
    model TEXT NOT NULL,
    version INTEGER NOT NULL,
    recorded_ms INTEGER NOT NULL,
    files INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    -- Over the paths and hashes of all files.
    sha256 TEXT NOT NULL,
    PRIMARY KEY (model, version),
    FOREIGN KEY (model, version) REFERENCES model_versions (model, version) ON DELETE CASCADE ON UPDATE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE model_version_files (
    model TEXT NOT NULL,
    version INTEGER NOT NULL,
    path TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    PRIMARY KEY (model, version, path),
    FOREIGN KEY (model, version) REFERENCES model_version_records (model, version) ON DELETE CASCADE ON UPDATE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE webhooks (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    url TEXT NOT NULL,
    -- Numbers of events, as a JSON list.
    events TEXT NOT NULL,
    active INTEGER NOT NULL,
    secret TEXT,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What is to be told to webhooks, and how it went: written with the change that it tells of.
CREATE TABLE webhook_deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    webhook TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    event INTEGER NOT NULL,
    -- What happened, as JSON.
    facts TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    -- 0 waiting, 1 delivered, 2 given up.
    state INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    -- When to try next; only where it is waiting.
    due_ms INTEGER NOT NULL,
    tried_ms INTEGER,
    status INTEGER,
    problem TEXT
) STRICT;
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (due_ms) WHERE state = 0;
CREATE INDEX webhook_deliveries_by_webhook ON webhook_deliveries (webhook, id);
