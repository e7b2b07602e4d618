//! `slipway gc`: as `mlflow gc`, and the files that nothing refers to.

use super::age::Age;
use super::report::{collected, print, purged};
use super::{How, agreed, done, print_json};
use crate::cli::client::Api;
use crate::cli::{Failure, Global, Result, output};
use clap::Args;
use slipway_server::app::wire::{GcReport, GcRequest, PurgeReport, TrashSelection};
use std::process::ExitCode;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Only what has been in the trash for this long: `30d`, `1d12h`, `90m`.
    #[arg(long, value_name = "AGE")]
    older_than: Option<Age>,
    /// Only these runs, which must be in the trash.
    #[arg(long, value_name = "ID,…", value_delimiter = ',')]
    run_ids: Vec<String>,
    /// Only these experiments, which must be in the trash, with all that is in them.
    #[arg(long, value_name = "ID,…", value_delimiter = ',')]
    experiment_ids: Vec<String>,
    /// Only these logged models, which must be in the trash.
    #[arg(long, value_name = "ID,…", value_delimiter = ',')]
    logged_model_ids: Vec<String>,
    #[command(flatten)]
    how: How,
}

/// Files that nothing refers to stay for this long at least, since a client may be about to refer to them.
const YOUNG_MS: i64 = 3_600_000;

pub(crate) fn run(global: &Global, arguments: Arguments) -> Result<ExitCode> {
    let api = Api::open(&global.data_dir()?)?;
    let how = arguments.how;
    let named = [&arguments.run_ids, &arguments.experiment_ids, &arguments.logged_model_ids]
        .iter()
        .any(|ids| !ids.is_empty());
    let older_than_ms = arguments.older_than.map(|age| age.ms);
    let selection = TrashSelection {
        run_ids: arguments.run_ids,
        experiment_ids: arguments.experiment_ids,
        logged_model_ids: arguments.logged_model_ids,
        versions: Vec::new(),
        // Where something is named, only that goes.
        everything: !named,
        older_than_ms,
    };
    let files = GcRequest { older_than_ms: Some(older_than_ms.unwrap_or_default().max(YOUNG_MS)) };
    if how.dry_run || !how.yes {
        let would: PurgeReport = api.post("/trash/preview", &selection)?;
        let unreferenced: Option<GcReport> =
            if named { None } else { Some(api.post("/gc/preview", &files)?) };
        if how.dry_run {
            return show(global, &would, unreferenced.as_ref(), &how);
        }
        let mut lines = purged(&would, true);
        lines.extend(unreferenced.iter().flat_map(|found| collected(found, true)));
        let rows = would.runs + would.experiments + would.logged_models;
        let left = unreferenced.as_ref().map_or(0, |found| found.count + found.upload_files);
        if rows + left == 0 {
            return show(global, &would, unreferenced.as_ref(), &How { dry_run: true, ..how });
        }
        for line in lines {
            output::chatter(&line);
        }
        if !agreed("Delete this for ever?")? {
            global.say("Nothing was deleted.");
            return Ok(ExitCode::SUCCESS);
        }
    }
    let work = done(&api, api.post("/trash/purge", &selection)?)?;
    let gone = work.purged.ok_or_else(|| Failure::failed("the server did not say what was deleted"))?;
    let mut removed = None;
    if !named {
        removed = done(&api, api.post("/gc", &files)?)?.collected;
    }
    show(global, &gone, removed.as_ref(), &how)
}

fn show(global: &Global, gone: &PurgeReport, files: Option<&GcReport>, how: &How) -> Result<ExitCode> {
    if how.json {
        print_json(&serde_json::json!({ "trash": gone, "unreferenced": files }))?;
    } else {
        let mut lines = purged(gone, how.dry_run);
        lines.extend(files.iter().flat_map(|found| collected(found, how.dry_run)));
        print(global, &lines)?;
    }
    Ok(ExitCode::SUCCESS)
}
