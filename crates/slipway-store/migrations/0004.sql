-- Tails move from a row per metric to a row per log call. What is in them follows in src/history/migrate.rs.
ALTER TABLE tails RENAME TO tails_by_series;

-- Points that were logged lately: the blocks of all metrics of a log call in one row, so that a call with a thousand
-- metrics writes a few pages and not a thousand.
CREATE TABLE tails (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    -- All points in the row.
    points INTEGER NOT NULL,
    -- The series of each block, its points and its bytes.
    directory BLOB NOT NULL,
    -- The blocks, one after the other.
    data BLOB NOT NULL,
    PRIMARY KEY (run, number)
) STRICT, WITHOUT ROWID;
