//! `slipway runs`: what has been tracked, listed, shown and compared.

mod compare;
mod list;
mod show;

pub(crate) use list::usual_columns;

use super::client::{Api, encoded};
use super::{Global, Result, find};
use clap::{Args, Subcommand};
use slipway_server::app::wire::RunDetail;
use std::process::ExitCode;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List runs, newest first.
    #[command(visible_alias = "list")]
    Ls(list::List),
    /// Everything known of one run.
    Show(show::Show),
    /// Runs side by side: what differs between them.
    #[command(visible_alias = "diff")]
    Compare(compare::Compare),
}

/// For people, or for a program.
#[derive(Args)]
#[group(multiple = false)]
struct Form {
    /// As JSON.
    #[arg(long)]
    json: bool,
    /// As CSV.
    #[arg(long)]
    csv: bool,
    /// As a Markdown table.
    #[arg(long)]
    md: bool,
}

pub(crate) fn run(global: &Global, command: Command) -> Result<ExitCode> {
    let api = Api::open(&global.data_dir()?)?;
    match command {
        Command::Ls(arguments) => list::list(global, &api, &arguments)?,
        Command::Show(arguments) => show::show(&api, &arguments)?,
        Command::Compare(arguments) => compare::compare(global, &api, &arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn detail(api: &Api, text: &str) -> Result<RunDetail> {
    let run = find::run(api, text)?;
    api.get(&format!("/runs/{}", encoded(&run.run_id)))
}
