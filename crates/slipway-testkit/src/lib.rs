//! For tests: a sandbox data folder, a running server, a frozen clock.
