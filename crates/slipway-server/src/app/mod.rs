//! Slipway's own API, `/api/slipway/v1`: what the UI, the command line and scripts use.

pub mod wire;
