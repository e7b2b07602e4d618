//! `slipway runs compare`: runs side by side.

use super::super::client::Api;
use super::super::table::TextTable;
use super::super::{Global, Result, find, output};
use super::{Form, detail};
use clap::Args;
use serde_json::{Map, Value, json};
use slipway_server::app::wire::{CellValue, ColumnKind, RunDetail};
use std::collections::BTreeSet;
use std::io::{BufWriter, IsTerminal, Write};

#[derive(Args)]
pub(crate) struct Compare {
    /// Ids, first characters of ids, or names.
    #[arg(required = true, num_args = 2..)]
    runs: Vec<String>,
    /// Also what is the same in all of them.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    form: Form,
}

/// One line of a comparison: a param or a metric, and what each run has there.
struct Line {
    kind: ColumnKind,
    key: String,
    values: Vec<Option<CellValue>>,
}

impl Line {
    fn differs(&self) -> bool {
        // Compared as text, so that NaN equals NaN.
        let texts: BTreeSet<Option<String>> =
            self.values.iter().map(|value| value.as_ref().map(output::exact)).collect();
        texts.len() > 1
    }
}

pub(super) fn compare(global: &Global, api: &Api, arguments: &Compare) -> Result<()> {
    let runs: Vec<RunDetail> = arguments.runs.iter().map(|text| detail(api, text)).collect::<Result<_>>()?;
    let mut lines = lines(&runs);
    let same = lines.iter().filter(|line| !line.differs()).count();
    if !arguments.all {
        lines.retain(Line::differs);
    }
    let to_terminal = std::io::stdout().is_terminal();
    let mut out = BufWriter::new(std::io::stdout().lock());
    if arguments.form.json {
        let part = |kind: ColumnKind| -> Map<String, Value> {
            let of_kind = lines.iter().filter(|line| line.kind == kind);
            of_kind
                .filter_map(|line| Some((line.key.clone(), serde_json::to_value(&line.values).ok()?)))
                .collect()
        };
        let heads: Vec<Value> = runs
            .iter()
            .map(|run| json!({ "run_id": run.run_id, "name": run.name, "experiment_id": run.experiment_id, "state": run.state }))
            .collect();
        let answer =
            json!({ "runs": heads, "params": part(ColumnKind::Param), "metrics": part(ColumnKind::Metric) });
        serde_json::to_writer_pretty(&mut out, &answer)?;
        writeln!(out)?;
    } else if arguments.form.csv {
        let head = ["key"].into_iter().chain(runs.iter().map(|run| run.run_id.as_str()));
        writeln!(out, "{}", output::csv_row(head, to_terminal))?;
        for line in &lines {
            let key = find::full_key(line.kind, &line.key, None);
            let values =
                line.values.iter().map(|value| value.as_ref().map(output::exact).unwrap_or_default());
            let cells: Vec<String> = std::iter::once(key).chain(values).collect();
            writeln!(out, "{}", output::csv_row(cells.iter().map(String::as_str), to_terminal))?;
        }
    } else {
        let table = TextTable {
            head: std::iter::once(String::new())
                .chain(runs.iter().map(|run| {
                    let id: String = run.run_id.chars().take(8).collect();
                    format!("{} ({id})", output::clean(&run.name))
                }))
                .collect(),
            rows: lines
                .iter()
                .map(|line| {
                    let key = output::clean(&find::full_key(line.kind, &line.key, None));
                    let values = line
                        .values
                        .iter()
                        .map(|value| value.as_ref().map_or_else(|| "-".to_owned(), output::cell));
                    std::iter::once(key).chain(values).collect()
                })
                .collect(),
            numeric: std::iter::once(false).chain(runs.iter().map(|_| true)).collect(),
        };
        if arguments.form.md {
            table.print_markdown(&mut out)?;
        } else {
            table.print(&mut out, |_, _| None)?;
        }
    }
    out.flush()?;
    if !arguments.all && same > 0 {
        let noun = if same == 1 { "value is" } else { "values are" };
        global.say(format!("{same} {noun} the same in all of them; `--all` shows them too."));
    }
    Ok(())
}

/// Every param and metric that one of the runs has, params first, by name.
fn lines(runs: &[RunDetail]) -> Vec<Line> {
    let params: BTreeSet<&str> =
        runs.iter().flat_map(|run| run.params.iter().map(|pair| pair.key.as_str())).collect();
    let metrics: BTreeSet<&str> =
        runs.iter().flat_map(|run| run.metrics.iter().map(|metric| metric.key.as_str())).collect();
    let param = |run: &RunDetail, key: &str| {
        run.params.iter().find(|pair| pair.key == key).map(|pair| CellValue::Text(pair.value.clone()))
    };
    let metric = |run: &RunDetail, key: &str| {
        run.metrics.iter().find(|metric| metric.key == key).map(|metric| metric.last.clone())
    };
    let of_params = params.into_iter().map(|key| Line {
        kind: ColumnKind::Param,
        key: key.to_owned(),
        values: runs.iter().map(|run| param(run, key)).collect(),
    });
    let of_metrics = metrics.into_iter().map(|key| Line {
        kind: ColumnKind::Metric,
        key: key.to_owned(),
        values: runs.iter().map(|run| metric(run, key)).collect(),
    });
    of_params.chain(of_metrics).collect()
}
