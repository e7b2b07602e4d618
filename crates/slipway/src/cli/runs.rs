//! `slipway runs`: what has been tracked, listed, shown and compared.

use super::client::{Api, encoded};
use super::table::TextTable;
use super::{Failure, Global, Result, find, output};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use slipway_server::app::wire::{
    CellValue, ColumnInfo, ColumnKind, ColumnRef, RunDetail, SortKey, Table, TableRequest, TableRow,
};
use std::collections::BTreeSet;
use std::io::{BufWriter, IsTerminal, Write};
use std::process::ExitCode;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List runs, newest first.
    #[command(visible_alias = "list")]
    Ls(List),
    /// Everything known of one run.
    Show(Show),
    /// Runs side by side: what differs between them.
    #[command(visible_alias = "diff")]
    Compare(Compare),
}

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
}

#[derive(Args)]
pub(crate) struct Show {
    /// Id, first characters of the id, or name.
    run: String,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

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

/// Columns of a plain listing besides the fixed ones.
const MAX_METRICS: usize = 4;
const MAX_PARAMS: usize = 3;
/// As many columns as one request may name.
const MAX_COLUMNS: usize = 500;
const PAGE: u64 = 1000;

pub(crate) fn run(global: &Global, command: Command) -> Result<ExitCode> {
    let api = Api::open(&global.data_dir()?)?;
    match command {
        Command::Ls(arguments) => list(global, &api, &arguments)?,
        Command::Show(arguments) => show(&api, &arguments)?,
        Command::Compare(arguments) => compare(global, &api, &arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}

// ---- ls

fn list(global: &Global, api: &Api, arguments: &List) -> Result<()> {
    let experiment_ids = find::scope(api, arguments.experiment.as_deref())?;
    let known = find::columns(api, &experiment_ids)?;
    let for_programs = arguments.form.json || arguments.form.csv;
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

    let to_terminal = std::io::stdout().is_terminal();
    let mut left_out = 0;
    let mut out = BufWriter::new(std::io::stdout().lock());
    if arguments.form.json {
        let runs: Vec<Value> = rows.iter().map(|row| row_json(row, &columns)).collect();
        serde_json::to_writer_pretty(&mut out, &json!({ "total": total, "runs": runs }))?;
        writeln!(out)?;
    } else if arguments.form.csv {
        let head: Vec<String> =
            columns.iter().map(|column| find::full_key(column.kind, &column.key, column.reduce)).collect();
        let head =
            ["run_id"].into_iter().chain(head.iter().map(String::as_str).filter(|key| *key != "run_id"));
        writeln!(out, "{}", output::csv_row(head, to_terminal))?;
        for row in &rows {
            let cells = columns
                .iter()
                .zip(&row.cells)
                .filter(|(column, _)| !(column.kind == ColumnKind::Attribute && column.key == "run_id"))
                .map(|(_, cell)| cell.as_ref().map(output::exact).unwrap_or_default());
            let cells: Vec<String> = std::iter::once(row.run_id.clone()).chain(cells).collect();
            writeln!(out, "{}", output::csv_row(cells.iter().map(String::as_str), to_terminal))?;
        }
    } else {
        let mut table = text_table(&rows, &columns);
        if arguments.form.md {
            table.print_markdown(&mut out)?;
        } else if !rows.is_empty() {
            let terminal = terminal_size::terminal_size_of(std::io::stdout());
            if let Some((width, _)) = terminal.filter(|_| arguments.columns.is_empty()) {
                left_out = table.narrow(usize::from(width.0));
            }
            let colour = output::colour_stdout();
            table.print(&mut out, |_, cell| if colour { output::state_colour(cell) } else { None })?;
        }
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

/// For people: what fits on a screen. For programs: everything that is a column.
fn usual_columns(known: &[ColumnInfo], everything: bool) -> Vec<ColumnRef> {
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

// ---- show

fn detail(api: &Api, text: &str) -> Result<RunDetail> {
    let run = find::run(api, text)?;
    api.get(&format!("/runs/{}", encoded(&run.run_id)))
}

fn show(api: &Api, arguments: &Show) -> Result<()> {
    let run = detail(api, &arguments.run)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    if arguments.json {
        serde_json::to_writer_pretty(&mut out, &run)?;
        writeln!(out)?;
        out.flush()?;
        return Ok(());
    }
    let state = output::state(run.state);
    let state = match output::state_colour(state).filter(|_| output::colour_stdout()) {
        Some(code) => format!("\u{1b}[{code}m{state}\u{1b}[0m"),
        None => state.to_owned(),
    };
    let mut facts: Vec<(&str, String)> = vec![
        ("run", format!("{} ({})", output::clean(&run.name), run.run_id)),
        ("experiment", output::clean(&run.experiment_name)),
        ("state", state),
    ];
    facts.extend(run.start_ms.map(|start| ("started", output::time(start))));
    if let (Some(start), Some(end)) = (run.start_ms, run.end_ms) {
        facts.push(("took", output::duration(end - start)));
    }
    if !run.user.is_empty() {
        facts.push(("user", output::clean(&run.user)));
    }
    if let Some(command) = &run.command {
        facts.push(("command", output::clean(&command.command)));
        facts.extend(command.working_dir.as_ref().map(|dir| ("folder", output::clean(dir))));
        facts.extend(command.git_commit.as_ref().map(|commit| {
            let dirty = if command.git_dirty { ", with changes" } else { "" };
            ("commit", format!("{}{dirty}", output::clean(commit)))
        }));
        facts.extend(command.host.as_ref().map(|host| ("host", output::clean(host))));
        facts.extend(command.exit_code.map(|code| ("exit code", code.to_string())));
    }
    facts.extend(run.parent.as_ref().map(|parent| ("parent", output::clean(&parent.name))));
    if !run.children.is_empty() {
        facts.push(("children", run.children.len().to_string()));
    }
    facts.extend(run.first_problem.as_ref().map(|problem| ("problem", output::clean(problem))));
    for (name, value) in facts {
        writeln!(out, "{name:<11} {value}")?;
    }
    if !run.note.is_empty() {
        writeln!(out, "\nnote\n{}", indented(&output::clean_lines(&run.note)))?;
    }
    let plain = |_: usize, _: &str| None;
    if !run.params.is_empty() {
        writeln!(out, "\nparams")?;
        for pair in &run.params {
            writeln!(out, "  {} = {}", output::clean(&pair.key), output::clean(&pair.value))?;
        }
    }
    if !run.metrics.is_empty() {
        writeln!(out)?;
        let rows = run.metrics.iter().map(|metric| {
            let bound = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), output::number);
            vec![
                output::clean(&metric.key),
                output::cell(&metric.last),
                metric.last_step.to_string(),
                bound(metric.min),
                bound(metric.max),
                metric.points.to_string(),
            ]
        });
        let table = TextTable {
            head: ["metrics", "last", "step", "min", "max", "points"].map(str::to_owned).to_vec(),
            rows: rows.collect(),
            numeric: vec![false, true, true, true, true, true],
        };
        table.print(&mut out, plain)?;
    }
    // MLflow's and Slipway's own are told above in words.
    let is_own = |key: &str| {
        key.starts_with("mlflow.") || (key.starts_with("slipway.") && !key.starts_with("slipway.env."))
    };
    let tags: Vec<_> = run.tags.iter().filter(|tag| !is_own(&tag.key)).collect();
    if !tags.is_empty() {
        writeln!(out, "\ntags")?;
        for tag in tags {
            writeln!(out, "  {} = {}", output::clean(&tag.key), output::clean(&tag.value))?;
        }
    }
    if !run.datasets.is_empty() {
        writeln!(out, "\ndatasets")?;
        for dataset in &run.datasets {
            writeln!(out, "  {} ({})", output::clean(&dataset.name), output::clean(&dataset.digest))?;
        }
    }
    if !run.models.is_empty() {
        writeln!(out, "\nmodels")?;
        for model in &run.models {
            writeln!(out, "  {} ({})", output::clean(&model.name), output::clean(&model.model_id))?;
        }
    }
    out.flush()?;
    Ok(())
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

// ---- compare

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

fn compare(global: &Global, api: &Api, arguments: &Compare) -> Result<()> {
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
