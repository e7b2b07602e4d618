//! `slipway openapi`: the description of Slipway's own HTTP API.

use super::{Failure, Result};
use std::io::Write;
use std::process::ExitCode;

pub(crate) fn run() -> Result<ExitCode> {
    let document = slipway_server::app::openapi()
        .to_pretty_json()
        .map_err(|error| Failure::failed(format!("the OpenAPI document could not be written: {error}")))?;
    writeln!(std::io::stdout(), "{document}")?;
    Ok(ExitCode::SUCCESS)
}
