-- Histories move from a row per point to blocks and compressed chunks. What was called `chunks` never held anything.
DROP TABLE chunks;

-- Points that were logged lately: a block for each metric of a log call, in the order in which they came.
CREATE TABLE tails (
    series INTEGER NOT NULL REFERENCES series (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    points INTEGER NOT NULL,
    -- Smallest and largest step.
    first_step INTEGER NOT NULL,
    last_step INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (series, number)
) STRICT, WITHOUT ROWID;

-- Points that were compacted, sorted by step, time and value; the chunks of a series do not overlap in that order.
-- A `rank` is the bits of a 64-bit float, changed so that integers sort as the floats do. The heads come before the
-- columns of data, so that they can be read without these.
CREATE TABLE chunks (
    series INTEGER NOT NULL REFERENCES series (id) ON DELETE CASCADE,
    first_step INTEGER NOT NULL,
    first_ms INTEGER NOT NULL,
    first_rank INTEGER NOT NULL,
    points INTEGER NOT NULL,
    last_step INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    last_rank INTEGER NOT NULL,
    -- The smallest and the largest finite value: their numbers within the chunk, and where they stand.
    low_index INTEGER,
    low_step INTEGER,
    low_ms INTEGER,
    low_rank INTEGER,
    high_index INTEGER,
    high_step INTEGER,
    high_ms INTEGER,
    high_rank INTEGER,
    non_finite INTEGER NOT NULL,
    earliest_ms INTEGER NOT NULL,
    latest_ms INTEGER NOT NULL,
    -- 1: times never go back within the chunk.
    in_time INTEGER NOT NULL,
    steps BLOB NOT NULL,
    bits BLOB NOT NULL,
    times BLOB NOT NULL,
    PRIMARY KEY (series, first_step, first_ms, first_rank)
) STRICT, WITHOUT ROWID;
