//! Promotion and rollback.

use super::diff::print_diff;
use super::names::{required_version, target, target_text};
use super::print_json;
use crate::cli::client::Api;
use crate::cli::{Global, Result, output};
use clap::Args;
use slipway_server::app::wire::{
    ModelVersionRef, Promoted, PromotionPreview, PromotionRequest, RollbackRequest,
};
use std::io::Write;

#[derive(Args)]
pub(crate) struct Promote {
    /// The version: `NAME/3` or `NAME@challenger`.
    version: String,
    /// Where to: an alias, as `@champion`, or a stage: `Staging`, `Production`, `Archived`, `None`.
    target: String,
    /// Why.
    #[arg(short, long)]
    note: Option<String>,
    /// Say what would change and whether the rules hold, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Leave other versions in the stage.
    #[arg(long)]
    keep_existing: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct Rollback {
    /// Name of the model.
    name: String,
    /// An alias, as `@champion`, or a stage.
    target: String,
    /// Which earlier version; the one before the present one when absent.
    #[arg(long, value_name = "VERSION")]
    to: Option<i64>,
    /// Why.
    #[arg(short, long)]
    note: Option<String>,
    /// Also when its files have changed or are gone.
    #[arg(long)]
    force: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn promote(global: &Global, api: &Api, arguments: Promote) -> Result<()> {
    let ModelVersionRef { name, version } = required_version(api, &arguments.version)?;
    let request = PromotionRequest {
        name,
        version,
        target: target(&arguments.target)?,
        note: arguments.note,
        archive_existing: Some(!arguments.keep_existing),
        expected_holder: None,
    };
    if arguments.dry_run {
        let preview: PromotionPreview = api.post("/models/promotion/preview", &request)?;
        if arguments.json {
            return print_json(&preview);
        }
        let mut out = std::io::stdout().lock();
        let holder = preview.holder.map_or("no version".to_owned(), |holder| format!("v{holder}"));
        writeln!(out, "{} is {holder}, and would be v{}.", arguments.target, preview.version)?;
        for result in &preview.rules {
            let mark = if result.passed { "holds" } else { "BROKEN" };
            writeln!(out, "  {mark}  {}", output::clean(&result.reason))?;
        }
        drop(out);
        return print_diff(&preview.diff);
    }
    let done: Promoted = api.post("/models/promote", &request)?;
    told(global, &done, arguments.json)
}

pub(super) fn rollback(global: &Global, api: &Api, arguments: Rollback) -> Result<()> {
    let request = RollbackRequest {
        name: arguments.name,
        target: target(&arguments.target)?,
        version: arguments.to,
        note: arguments.note,
        force: arguments.force,
    };
    let done: Promoted = api.post("/models/rollback", &request)?;
    told(global, &done, arguments.json)
}

fn told(global: &Global, done: &Promoted, json: bool) -> Result<()> {
    if json {
        return print_json(done);
    }
    let version =
        |version: Option<i64>| version.map_or("no version".to_owned(), |version| format!("v{version}"));
    let text = match done.history_id {
        None => format!("{} already is {}.", target_text(&done.target), version(done.version)),
        Some(_) => format!(
            "{} of {} is {}; it was {}.",
            target_text(&done.target),
            done.name,
            version(done.version),
            version(done.previous)
        ),
    };
    global.say(output::clean(&text));
    Ok(())
}
