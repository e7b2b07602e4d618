//! End-to-end tests live in `tests/tests/` (Rust), `tests/clients` (stock Python clients), `tests/browser` and `tests/desktop`.
