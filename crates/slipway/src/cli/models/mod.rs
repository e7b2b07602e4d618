//! `slipway models`: what is registered, what it fulfils, and moving it.

mod diff;
mod history;
mod moving;
mod names;
mod register;
mod rules;
mod show;

use super::client::Api;
use super::table::TextTable;
use super::{Global, Result};
use clap::Subcommand;
use serde::Serialize;
use std::io::{BufWriter, Write};
use std::process::ExitCode;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List registered models.
    Ls(show::List),
    /// Show a model, or one of its versions.
    Show(show::Show),
    /// Register a version: from a run, a logged model, or a file or folder of this machine, which is copied.
    Register(register::Register),
    /// Move a version to an alias or a stage, if the rules of the model allow it.
    Promote(moving::Promote),
    /// Move an alias or a stage back to a version that was there before.
    Rollback(moving::Rollback),
    /// Put versions side by side; all are compared with the first.
    Diff(diff::Diff),
    /// Show or set what a version has to fulfil before it is promoted.
    Rules(rules::Rules),
    /// Show what was done to a model, by whom and when.
    History(history::History),
}

pub(crate) fn run(global: &Global, command: Command) -> Result<ExitCode> {
    let api = Api::open(&global.data_dir()?)?;
    match command {
        Command::Ls(arguments) => show::list(&api, &arguments)?,
        Command::Show(arguments) => show::show(&api, &arguments)?,
        Command::Register(arguments) => register::register(global, &api, arguments)?,
        Command::Promote(arguments) => moving::promote(global, &api, arguments)?,
        Command::Rollback(arguments) => moving::rollback(global, &api, arguments)?,
        Command::Diff(arguments) => diff::diff(&api, &arguments)?,
        Command::Rules(arguments) => rules::rules(&api, arguments)?,
        Command::History(arguments) => history::history(&api, &arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn print_table(head: &[&str], rows: Vec<Vec<String>>, numeric: &[bool]) -> Result<()> {
    let head = head.iter().map(|name| (*name).to_owned()).collect();
    let table = TextTable { head, rows, numeric: numeric.to_vec() };
    let mut out = BufWriter::new(std::io::stdout().lock());
    table.print(&mut out, |_, _| None)?;
    out.flush()?;
    Ok(())
}

fn print_json(value: &impl Serialize) -> Result<()> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)?;
    out.flush()?;
    Ok(())
}
