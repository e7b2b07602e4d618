//! `slipway runs ls`: runs as a table, as JSON, or as a file of another kind.

use super::super::client::Api;
use super::super::export::{self, Format};
use super::super::table::TextTable;
use super::super::{Failure, Global, Result, find, output};
use super::Form;
use clap::Args;
use serde_json::{Map, Value, json};
use slipway_server::app::wire::{
    CellValue, ColumnInfo, ColumnKind, ColumnRef, RunsExport, SortKey, Table, TableRequest, TableRow,
};
use std::io::{BufWriter, IsTerminal, Write};

#[derive(Args)]
pub(crate) struct List {
    /// Name or id of an experiment.
    #[arg(long, short)]
    experiment: Option<String>,
    /// Which runs, in MLflow's search syntax, e.g. `metrics.val_loss < 0.3 and params.model = 'gbm'`.
    #[arg(long, short, default_value = "", hide_default_value = true)]
    filter: String,
    /// Column to sort by; `-val_loss` is largest first. Separate further ones by commas.
    #[arg(long, short, value_delimiter = ',', allow_hyphen_values = true)]
    sort: Vec<String>,
    /// Columns to show, separated by commas, e.g. `name,state,val_loss.min,params.lr`.
    #[arg(long, short, value_delimiter = ',')]
    columns: Vec<String>,
    /// How many runs at most; 0 for all.
    #[arg(long, short, default_value_t = 50)]
    limit: u64,
    #[command(flatten)]
    form: Form,
    /// As a file of another kind, with the columns that `--csv` has.
    #[arg(long, value_enum, conflicts_with_all = ["json", "csv", "md"])]
    format: Option<Format>,
}

/// Columns of a plain listing besides the fixed ones.
const MAX_METRICS: usize = 4;
const MAX_PARAMS: usize = 3;
/// As many columns as one request may name.
const MAX_COLUMNS: usize = 500;
const PAGE: u64 = 1000;

pub(super) fn list(global: &Global, api: &Api, arguments: &List) -> Result<()> {
    let experiment_ids = find::scope(api, arguments.experiment.as_deref())?;
    let known = find::columns(api, &experiment_ids)?;
    let for_programs = arguments.form.json || arguments.form.csv || arguments.format.is_some();
    let columns: Vec<ColumnRef> = if arguments.columns.is_empty() {
        usual_columns(&known, for_programs)
    } else {
        arguments.columns.iter().map(|text| find::column(&known, text)).collect::<Result<_>>()?
    };
    if columns.len() > MAX_COLUMNS {
        return Err(Failure::usage(format!("{} columns are more than {MAX_COLUMNS}", columns.len()))
            .hint("Name those that matter with `--columns`."));
    }
    let sort: Vec<SortKey> =
        arguments.sort.iter().map(|text| find::sort_key(&known, text)).collect::<Result<_>>()?;

    if let (Some(format), 0) = (arguments.format, arguments.limit) {
        return exported(api, arguments, format, (experiment_ids, sort, columns), Vec::new());
    }
    let mut rows: Vec<TableRow> = Vec::new();
    let total = loop {
        let left = if arguments.limit == 0 { PAGE } else { arguments.limit - rows.len() as u64 };
        let request = TableRequest {
            experiment_ids: experiment_ids.clone(),
            filter: arguments.filter.clone(),
            order_by: sort.clone(),
            columns: columns.clone(),
            offset: rows.len() as u64,
            limit: Some(left.min(PAGE)),
            ..TableRequest::default()
        };
        let page: Table = api.post_filter("/runs/table", &request, &arguments.filter)?;
        let got = page.rows.len();
        rows.extend(page.rows);
        let is_full = arguments.limit != 0 && rows.len() as u64 >= arguments.limit;
        if got == 0 || is_full || rows.len() as u64 >= page.total {
            break page.total;
        }
    };

    if let Some(format) = arguments.format {
        let run_ids: Vec<String> = rows.into_iter().map(|row| row.run_id).collect();
        if run_ids.is_empty() {
            global.say("No run matches.");
            return Ok(());
        }
        return exported(api, arguments, format, (experiment_ids, sort, columns), run_ids);
    }
    let mut left_out = 0;
    let mut out = BufWriter::new(std::io::stdout().lock());
    if arguments.form.json {
        let runs: Vec<Value> = rows.iter().map(|row| row_json(row, &columns)).collect();
        serde_json::to_writer_pretty(&mut out, &json!({ "total": total, "runs": runs }))?;
        writeln!(out)?;
    } else if arguments.form.csv {
        write_csv(&mut out, &rows, &columns)?;
    } else if arguments.form.md {
        text_table(&rows, &columns).print_markdown(&mut out)?;
    } else if !rows.is_empty() {
        let mut table = text_table(&rows, &columns);
        let terminal = terminal_size::terminal_size_of(std::io::stdout());
        if let Some((width, _)) = terminal.filter(|_| arguments.columns.is_empty()) {
            left_out = table.narrow(usize::from(width.0));
        }
        let colour = output::colour_stdout();
        table.print(&mut out, |_, cell| if colour { output::state_colour(cell) } else { None })?;
    }
    out.flush()?;
    if left_out > 0 {
        let noun = if left_out == 1 { "column does" } else { "columns do" };
        global.say(format!("{left_out} {noun} not fit; `--columns` chooses which to show, `--csv` has all."));
    }
    if rows.is_empty() {
        global.say(if arguments.filter.is_empty() { "No runs." } else { "No run matches." });
    } else if (rows.len() as u64) < total {
        global.say(format!("{} of {total} runs; `--limit 0` lists all.", rows.len()));
    }
    Ok(())
}

/// The id first, then every other column.
fn write_csv(out: &mut impl Write, rows: &[TableRow], columns: &[ColumnRef]) -> Result<()> {
    let to_terminal = std::io::stdout().is_terminal();
    let is_id = |column: &ColumnRef| column.kind == ColumnKind::Attribute && column.key == "run_id";
    let keys = columns.iter().filter(|column| !is_id(column));
    let keys = keys.map(|column| find::full_key(column.kind, &column.key, column.reduce));
    let head: Vec<String> = std::iter::once("run_id".to_owned()).chain(keys).collect();
    writeln!(out, "{}", output::csv_row(head.iter().map(String::as_str), to_terminal))?;
    for row in rows {
        let cells = columns
            .iter()
            .zip(&row.cells)
            .filter(|(column, _)| !is_id(column))
            .map(|(_, cell)| cell.as_ref().map(output::exact).unwrap_or_default());
        let cells: Vec<String> = std::iter::once(row.run_id.clone()).chain(cells).collect();
        writeln!(out, "{}", output::csv_row(cells.iter().map(String::as_str), to_terminal))?;
    }
    Ok(())
}

/// The listed runs as a file on stdout; no ids are all that match.
fn exported(
    api: &Api,
    arguments: &List,
    format: Format,
    (experiment_ids, order_by, columns): (Vec<String>, Vec<SortKey>, Vec<ColumnRef>),
    run_ids: Vec<String>,
) -> Result<()> {
    format.check_stdout()?;
    let filter = arguments.filter.clone();
    let query = TableRequest { experiment_ids, filter, order_by, columns, ..TableRequest::default() };
    let request = RunsExport { query, run_ids, format: format.wire(), spreadsheet_safe: false };
    export::to_output(api, "/export/runs", &request, &arguments.filter, None)?;
    Ok(())
}

/// For people: what fits on a screen. For programs: everything that is a column.
pub(crate) fn usual_columns(known: &[ColumnInfo], everything: bool) -> Vec<ColumnRef> {
    let attributes: &[&str] = if everything {
        &["name", "state", "start_ms", "end_ms", "duration_ms", "experiment", "user"]
    } else {
        &["run_id", "name", "state", "start_ms", "duration_ms"]
    };
    let mut columns: Vec<ColumnRef> = attributes
        .iter()
        .map(|key| ColumnRef {
            kind: ColumnKind::Attribute,
            key: (*key).to_owned(),
            reduce: None,
            step: None,
        })
        .collect();
    let mut add = |kind: ColumnKind, limit: usize, keep: &dyn Fn(&ColumnInfo) -> bool| {
        let mut infos: Vec<&ColumnInfo> =
            known.iter().filter(|info| info.kind == kind && keep(info)).collect();
        // What most runs have first; among equals by name.
        infos.sort_by(|a, b| b.run_count.cmp(&a.run_count).then_with(|| a.key.cmp(&b.key)));
        columns.extend(infos.into_iter().take(limit).map(|info| ColumnRef {
            kind,
            key: info.key.clone(),
            reduce: None,
            step: None,
        }));
    };
    if everything {
        add(ColumnKind::Param, MAX_COLUMNS / 2, &|_| true);
        add(ColumnKind::Metric, MAX_COLUMNS / 2 - attributes.len(), &|_| true);
    } else {
        add(ColumnKind::Param, MAX_PARAMS, &|info| info.varies);
        add(ColumnKind::Metric, MAX_METRICS, &|info| !info.key.starts_with("system/"));
    }
    columns
}

fn row_json(row: &TableRow, columns: &[ColumnRef]) -> Value {
    let values: Map<String, Value> = columns
        .iter()
        .zip(&row.cells)
        // These stand beside `values` already.
        .filter(|(column, _)| {
            column.kind != ColumnKind::Attribute
                || !["run_id", "name", "state", "start_ms", "end_ms"].contains(&column.key.as_str())
        })
        .filter_map(|(column, cell)| {
            let value = match cell {
                Some(CellValue::Number(number)) if column.kind == ColumnKind::Attribute => {
                    Value::from(*number as i64)
                }
                cell => serde_json::to_value(cell).ok()?,
            };
            Some((find::full_key(column.kind, &column.key, column.reduce), value))
        })
        .collect();
    json!({
        "run_id": row.run_id,
        "name": row.name,
        "experiment_id": row.experiment_id,
        "state": row.state,
        "start_ms": row.start_ms,
        "end_ms": row.end_ms,
        "parent_run_id": row.parent_run_id,
        "values": values,
    })
}

fn text_table(rows: &[TableRow], columns: &[ColumnRef]) -> TextTable {
    let head = columns
        .iter()
        .map(|column| match (column.kind, column.key.as_str()) {
            (ColumnKind::Attribute, "start_ms") => "started".to_owned(),
            (ColumnKind::Attribute, "end_ms") => "ended".to_owned(),
            (ColumnKind::Attribute, "duration_ms") => "took".to_owned(),
            (ColumnKind::Attribute, key) => key.to_owned(),
            _ => {
                let full = find::full_key(column.kind, &column.key, column.reduce);
                output::clean(full.split_once('.').map_or(full.as_str(), |(_, key)| key))
            }
        })
        .collect();
    let numeric = (0..columns.len())
        .map(|at| {
            columns.get(at).is_some_and(|column| column.kind != ColumnKind::Attribute)
                && rows.iter().filter_map(|row| row.cells.get(at).and_then(Option::as_ref)).all(|cell| {
                    matches!(cell, CellValue::Number(_)) || output::exact(cell).parse::<f64>().is_ok()
                })
        })
        .collect();
    let rows = rows
        .iter()
        .map(|row| {
            columns.iter().zip(&row.cells).map(|(column, cell)| shown(row, column, cell.as_ref())).collect()
        })
        .collect();
    TextTable { head, rows, numeric }
}

fn shown(row: &TableRow, column: &ColumnRef, cell: Option<&CellValue>) -> String {
    if column.kind == ColumnKind::Attribute {
        match (column.key.as_str(), cell) {
            ("run_id", _) => return row.run_id.chars().take(8).collect(),
            ("state", _) => return output::state(row.state).to_owned(),
            ("start_ms" | "end_ms", Some(CellValue::Number(time))) => return output::time(*time as i64),
            ("duration_ms", Some(CellValue::Number(span))) => return output::duration(*span as i64),
            _ => {}
        }
    }
    cell.map_or_else(|| "-".to_owned(), output::cell)
}
