//! The slipway program: the command line, and the one place where all parts are put together.
