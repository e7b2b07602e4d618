//! The window around Slipway.
fn main() {}
