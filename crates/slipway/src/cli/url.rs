//! `slipway url`: where the running server's pages are.

use super::{Failure, Global, Result};
use clap::Args;
use serde_json::json;
use std::io::Write;
use std::process::ExitCode;

#[derive(Args)]
pub(crate) struct Arguments {
    /// As JSON: `url`, `tracking_uri`, `pid`.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(global: &Global, arguments: &Arguments) -> Result<ExitCode> {
    let data_dir = global.data_dir()?;
    let Some(running) = slipway::running(&data_dir) else {
        return Err(Failure::not_found(format!("no server runs for `{}`", data_dir.display()))
            .hint("Start one with `slipway serve`."));
    };
    let url = page(&running.address, &running.token, "");
    if arguments.json {
        let answer = json!({ "url": url, "tracking_uri": running.address, "pid": running.pid });
        writeln!(std::io::stdout(), "{answer}")?;
    } else {
        writeln!(std::io::stdout(), "{url}")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The address of a page, with the token where no server ever sees it: in the fragment.
pub(crate) fn page(address: &str, token: &str, place: &str) -> String {
    let address = address.trim_end_matches('/');
    if place.is_empty() {
        format!("{address}/#token={token}")
    } else {
        format!("{address}/#token={token}&go={place}")
    }
}
