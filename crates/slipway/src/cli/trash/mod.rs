//! `slipway trash` and `slipway gc`: what was deleted, taking it back, and deleting it for ever.

mod age;
pub(crate) mod gc;
pub(crate) mod report;

use super::client::Api;
use super::table::TextTable;
use super::{Failure, Global, Result, output};
use age::Age;
use clap::{Args, Subcommand};
use report::{bytes, count, print_purged};
use slipway_server::app::wire::{
    Changed, PurgeReport, TrashIds, TrashItem, TrashKind, TrashList, TrashSelection, TrashWork, WorkState,
};
use std::io::{BufRead, BufWriter, IsTerminal, Write};
use std::process::ExitCode;

/// Things of one request.
const PAGE: u64 = 200;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Take runs, experiments or logged models out of the trash.
    Restore(Restore),
    /// Delete what is in the trash for ever, and free its disk space.
    Empty(Empty),
}

#[derive(Args)]
struct Restore {
    /// Ids as `slipway trash` lists them.
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
}

#[derive(Args)]
struct Empty {
    /// Ids as `slipway trash` lists them; all that is in the trash when none is named.
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// Only what has been in the trash for this long: `30d`, `1d12h`, `90m`.
    #[arg(long, value_name = "AGE")]
    older_than: Option<Age>,
    #[command(flatten)]
    how: How,
}

/// How to go about deleting.
#[derive(Args)]
pub(crate) struct How {
    /// Say what would go, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(global: &Global, arguments: Arguments) -> Result<ExitCode> {
    let api = Api::open(&global.data_dir()?)?;
    match arguments.command {
        None => list(&api, arguments.json)?,
        Some(Command::Restore(restore)) => {
            let ids = sorted(&restore.ids);
            let Changed { changed } = api.post("/trash/restore", &ids)?;
            if arguments.json {
                print_json(&serde_json::json!({ "changed": changed }))?;
            } else {
                global.say(format!("Restored {}.", count(changed, "thing")));
            }
        }
        Some(Command::Empty(empty)) => {
            let TrashIds { run_ids, logged_model_ids, experiment_ids } = sorted(&empty.ids);
            let selection = TrashSelection {
                everything: empty.ids.is_empty(),
                older_than_ms: empty.older_than.map(|age| age.ms),
                run_ids,
                logged_model_ids,
                experiment_ids,
                versions: Vec::new(),
            };
            let how = How { json: empty.how.json || arguments.json, ..empty.how };
            if let Some(report) = purge(global, &api, &selection, &how)? {
                if how.json {
                    print_json(&report)?;
                } else {
                    print_purged(global, &report, how.dry_run)?;
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(api: &Api, json: bool) -> Result<()> {
    let mut items: Vec<TrashItem> = Vec::new();
    let all = loop {
        let page: TrashList = api.get(&format!("/trash?offset={}&limit={PAGE}", items.len()))?;
        let got = page.items.len() as u64;
        items.extend(page.items.iter().cloned());
        if got < PAGE {
            break page;
        }
    };
    if json {
        return print_json(&TrashList { items, ..all });
    }
    let mut out = BufWriter::new(std::io::stdout().lock());
    if items.is_empty() {
        writeln!(out, "The trash is empty.")?;
        out.flush()?;
        return Ok(());
    }
    let freed: u64 = items.iter().filter_map(|item| item.size.as_ref()).map(|size| size.bytes).sum();
    let rows = items
        .iter()
        .map(|item| {
            let what = match item.kind {
                TrashKind::Run => "run".to_owned(),
                TrashKind::LoggedModel => "logged model".to_owned(),
                TrashKind::Experiment => format!("experiment, {}", count(item.run_count, "run")),
            };
            vec![
                output::clean(&item.id),
                what,
                output::clean(&item.name),
                item.deleted_ms.map_or_else(|| "-".to_owned(), output::time),
                item.size.as_ref().map_or_else(|| "-".to_owned(), |size| bytes(size.bytes)),
            ]
        })
        .collect();
    let head = ["id", "what", "name", "deleted", "frees"].map(str::to_owned).to_vec();
    let table = TextTable { head, rows, numeric: vec![false, false, false, false, true] };
    table.print(&mut out, |_, _| None)?;
    writeln!(out, "\nEmptying the trash frees {}.", bytes(freed))?;
    out.flush()?;
    Ok(())
}

/// Ids by what they are ids of.
fn sorted(ids: &[String]) -> TrashIds {
    let mut sorted = TrashIds::default();
    for id in ids {
        let list = if id.starts_with("m-") {
            &mut sorted.logged_model_ids
        } else if id.len() < 20 && id.bytes().all(|byte| byte.is_ascii_digit()) {
            &mut sorted.experiment_ids
        } else {
            &mut sorted.run_ids
        };
        list.push(id.clone());
    }
    sorted
}

/// Deletes for ever, after having asked. None when the answer was no.
fn purge(global: &Global, api: &Api, selection: &TrashSelection, how: &How) -> Result<Option<PurgeReport>> {
    if how.dry_run || !how.yes {
        let would: PurgeReport = api.post("/trash/preview", selection)?;
        let nothing = would.runs + would.experiments + would.logged_models + would.versions == 0;
        if how.dry_run || nothing {
            return Ok(Some(would));
        }
        print_purged_to_stderr(&would);
        if !agreed("Delete this for ever?")? {
            global.say("Nothing was deleted.");
            return Ok(None);
        }
    }
    let work = done(api, api.post("/trash/purge", selection)?)?;
    match work.purged {
        Some(report) => Ok(Some(report)),
        None => Err(Failure::failed("the server did not say what was deleted")),
    }
}

fn print_purged_to_stderr(would: &PurgeReport) {
    for line in report::purged(would, true) {
        output::chatter(&line);
    }
}

/// Waits for work to end.
fn done(api: &Api, mut work: TrashWork) -> Result<TrashWork> {
    while work.state == WorkState::Running {
        work = api.get("/trash/work?wait_ms=20000")?;
    }
    match (work.state, &work.problem) {
        (WorkState::Failed, problem) => Err(Failure::failed(format!(
            "not everything was deleted: {}",
            problem.as_deref().unwrap_or("no reason was given")
        ))
        .hint("What is left is tried again when Slipway starts the next time, or by the same command.")),
        _ => Ok(work),
    }
}

/// Asks on the terminal. Where nobody can answer, it must have been said before.
fn agreed(question: &str) -> Result<bool> {
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return Err(Failure::usage("nobody is here to say whether to delete this for ever")
            .hint("`--yes` says so; `--dry-run` shows what would go."));
    }
    let mut err = std::io::stderr().lock();
    write!(err, "{question} [y/N] ")?;
    err.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

fn print_json(value: &impl serde::Serialize) -> Result<()> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)?;
    out.flush()?;
    Ok(())
}
