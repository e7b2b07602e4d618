//! Everything Slipway remembers: the SQLite schema, the one writer, the readers, the search language and metric series.
