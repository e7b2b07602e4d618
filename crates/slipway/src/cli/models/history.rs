//! What was done to a model.

use super::names::version_of;
use super::{print_json, print_table};
use crate::cli::client::{Api, escaped};
use crate::cli::{Result, output};
use clap::Args;
use slipway_server::app::wire::{HistoryAction, HistoryEntry, HistoryKind, ModelHistory};

#[derive(Args)]
pub(crate) struct History {
    /// A model `NAME`, or a version `NAME/3`.
    #[arg(value_name = "MODEL")]
    model: String,
    /// Entries at most.
    #[arg(short = 'n', long, default_value_t = 100)]
    limit: u64,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn history(api: &Api, arguments: &History) -> Result<()> {
    let (name, version) = match version_of(api, &arguments.model)? {
        Some(found) => (found.name, format!("&version={}", found.version)),
        None => (arguments.model.clone(), String::new()),
    };
    let limit = arguments.limit;
    let found: ModelHistory =
        api.get(&format!("/models/history?name={}{version}&limit={limit}", escaped(&name)))?;
    if arguments.json {
        return print_json(&found);
    }
    let rows = found.entries.iter().map(|entry| {
        vec![
            output::time(entry.at_ms),
            output::clean(entry.user.as_deref().unwrap_or("?")),
            output::clean(&what_happened(entry)),
            output::clean(entry.note.as_deref().unwrap_or_default()),
        ]
    });
    print_table(&["WHEN", "WHO", "WHAT", "NOTE"], rows.collect(), &[false; 4])
}

fn what_happened(entry: &HistoryEntry) -> String {
    let action = match entry.action {
        HistoryAction::Rollback => " (rollback)",
        HistoryAction::Undo => " (undone)",
        _ => "",
    };
    let version = entry.version.map(|version| format!("v{version}")).unwrap_or_default();
    let subject = entry.subject.as_deref().unwrap_or_default();
    let end = |text: &Option<String>| text.clone().map_or("none".to_owned(), |text| format!("v{text}"));
    match entry.kind {
        HistoryKind::AliasMoved => format!("@{subject}: {} → {}{action}", end(&entry.from), end(&entry.to)),
        HistoryKind::StageMoved => {
            let end = |text: &Option<String>| text.clone().unwrap_or_default();
            format!("{version}: {} → {}{action}", end(&entry.from), end(&entry.to))
        }
        HistoryKind::VersionCreated => format!("{version} registered"),
        HistoryKind::VersionDeleted => format!("{version} deleted"),
        HistoryKind::VersionDescribed => format!("{version} described"),
        HistoryKind::VersionTagSet => format!("{version} tag {subject} set"),
        HistoryKind::VersionTagRemoved => format!("{version} tag {subject} removed"),
        HistoryKind::ModelCreated => "model made".to_owned(),
        HistoryKind::ModelRenamed => format!("renamed from {}", entry.from.as_deref().unwrap_or_default()),
        HistoryKind::ModelDescribed => "model described".to_owned(),
        HistoryKind::ModelDeleted => "model deleted".to_owned(),
        HistoryKind::ModelTagSet => format!("tag {subject} set"),
        HistoryKind::ModelTagRemoved => format!("tag {subject} removed"),
        HistoryKind::RulesSet => "rules set".to_owned(),
    }
}
