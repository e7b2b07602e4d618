-- What is to be deleted for ever, until its rows are gone. Kinds: 1 run, 2 logged model, 3 experiment.
CREATE TABLE purging (
    kind INTEGER NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

-- Files of what was deleted for ever, until they are gone too. Kinds as above.
CREATE TABLE doomed (
    id INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    owner TEXT NOT NULL,
    uri TEXT NOT NULL
) STRICT;

-- The largest id of an experiment that was deleted for ever: files may still lie below it, so it is not given again.
CREATE TABLE purged_experiment (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    id INTEGER NOT NULL
) STRICT;
INSERT INTO purged_experiment (only, id) VALUES (1, 0);

CREATE INDEX run_datasets_by_dataset ON run_datasets (dataset);
