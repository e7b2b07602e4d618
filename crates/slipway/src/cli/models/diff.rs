//! Versions side by side.

use super::names::{required_version, value};
use super::{print_json, print_table};
use crate::cli::client::Api;
use crate::cli::trash::report::bytes;
use crate::cli::{Result, output};
use clap::Args;
use slipway_server::app::wire::{DiffMetric, DiffRequest, ModelsDiff, SignatureState};

#[derive(Args)]
pub(crate) struct Diff {
    /// Versions: `NAME/3` or `NAME@champion`.
    #[arg(required = true, num_args = 2..=20, value_name = "VERSION")]
    versions: Vec<String>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn diff(api: &Api, arguments: &Diff) -> Result<()> {
    let versions =
        arguments.versions.iter().map(|text| required_version(api, text)).collect::<Result<Vec<_>>>()?;
    let diff: ModelsDiff = api.post("/models/diff", &DiffRequest { versions })?;
    if arguments.json {
        return print_json(&diff);
    }
    print_diff(&diff)
}

pub(super) fn print_diff(diff: &ModelsDiff) -> Result<()> {
    let mut head = vec!["".to_owned()];
    head.extend(
        diff.versions.iter().map(|version| format!("{} v{}", output::clean(&version.name), version.version)),
    );
    let mut rows: Vec<Vec<String>> = Vec::new();
    for metric in diff.metrics.iter().chain(&diff.latency) {
        rows.push(metric_row(metric));
    }
    for text in diff.params.iter().chain(&diff.environment).filter(|text| text.differs) {
        let mut row = vec![output::clean(&text.key)];
        row.extend(text.values.iter().map(|value| output::clean(value.as_deref().unwrap_or("–"))));
        rows.push(row);
    }
    let mut sizes = vec!["size".to_owned()];
    sizes.extend(diff.sizes_bytes.iter().map(|size| size.map_or("–".to_owned(), bytes)));
    rows.push(sizes);
    let mut signatures = vec!["signature".to_owned()];
    signatures.extend(diff.signatures.iter().map(|verdict| match verdict.state {
        SignatureState::Same => "same".to_owned(),
        SignatureState::Unknown => "unknown".to_owned(),
        SignatureState::Compatible => format!("compatible: {}", output::clean(&verdict.reasons.join(", "))),
        SignatureState::Incompatible => {
            format!("incompatible: {}", output::clean(&verdict.reasons.join(", ")))
        }
    }));
    rows.push(signatures);
    let numeric = vec![false; head.len()];
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    print_table(&head, rows, &numeric)
}

fn metric_row(metric: &DiffMetric) -> Vec<String> {
    let dataset =
        metric.metric.dataset.as_deref().map(|dataset| format!(" on {dataset}")).unwrap_or_default();
    let mut row = vec![output::clean(&format!("{}{dataset}", metric.metric.key))];
    for (index, found) in metric.values.iter().enumerate() {
        let mut text = value(found.as_ref());
        if let (Some(Some(delta)), Some(Some(better))) = (metric.deltas.get(index), metric.better.get(index))
        {
            let word = if *better { "better" } else { "worse" };
            text.push_str(&format!(" ({delta:+.6} {word})"));
        }
        row.push(text);
    }
    row
}
