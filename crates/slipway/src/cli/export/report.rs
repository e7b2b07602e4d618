//! `slipway export report`: a run set, or a saved view, as one page that opens offline.

use super::view::{Axis, View};
use super::{Which, ids, sink, which};
use crate::cli::client::Api;
use crate::cli::{Failure, Global, Result, find, runs};
use clap::Args;
use slipway_server::app::wire::{
    BarReach, CellValue, ChartLine, ChartRequest, ChartRole, ColumnInfo, ColumnKind, ColumnRef, ReportBar,
    ReportBars, ReportChart, ReportRequest, ReportScatter, SeriesGroup, SeriesRef, SeriesRequest, Table,
    TableRequest,
};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

const MAX_CHARTS: usize = 60;
const MAX_COMPARED: usize = 20;
/// Runs that are looked at for the first groups.
const MAX_GROUPED: u64 = 1000;

#[derive(Args)]
pub(crate) struct Report {
    #[command(flatten)]
    which: Which,
    /// A saved view: its runs, columns, order, groups, baseline and charts.
    #[arg(long, conflicts_with_all = ["runs", "filter", "experiment", "sort"])]
    view: Option<String>,
    /// Columns of the table, separated by commas. Without it those of the view, or the usual ones.
    #[arg(long, short, value_delimiter = ',')]
    columns: Vec<String>,
    /// Metrics to draw, separated by commas. Without it all, up to 60 charts.
    #[arg(long, short, value_delimiter = ',')]
    metrics: Vec<String>,
    /// How many of the first runs are drawn. Without it as many as the view says, or 20.
    #[arg(long)]
    first: Option<usize>,
    /// The run that the others are compared to.
    #[arg(long)]
    baseline: Option<String>,
    /// Rows of the table of runs.
    #[arg(long, default_value_t = 1000)]
    rows: u64,
    #[arg(long)]
    title: Option<String>,
    /// Text below the title.
    #[arg(long, default_value = "", hide_default_value = true)]
    note: String,
    /// File to write. Without it stdout.
    #[arg(long, short)]
    output: Option<PathBuf>,
}

pub(super) fn run(global: &Global, arguments: &Report) -> Result<ExitCode> {
    let file = arguments.output.as_ref().filter(|path| path.as_os_str() != "-");
    if file.is_none() && std::io::stdout().is_terminal() {
        return Err(Failure::usage("a page cannot be shown on a terminal")
            .hint("Name a file with `-o report.html`, or send it on with `>`."));
    }
    let api = Api::open(&global.data_dir()?)?;
    let request = request(&api, arguments)?;
    let filter = request.query.filter.clone();
    let bytes = sink::to_output(&api, "/export/report", &request, &filter, file)?;
    if let Some(path) = file {
        global.say(format!("{bytes} bytes in `{}`", path.display()));
    }
    Ok(ExitCode::SUCCESS)
}

fn request(api: &Api, arguments: &Report) -> Result<ReportRequest> {
    let view = match &arguments.view {
        Some(name) => View::saved(api, name)?,
        None => View::default(),
    };
    let (mut query, run_ids) = which(api, &arguments.which)?;
    if arguments.view.is_some() {
        query = TableRequest {
            experiment_ids: view.experiment_ids(api)?,
            filter: view.filter.clone(),
            search: view.search.clone(),
            view: if view.trash { slipway_server::app::wire::View::Deleted } else { Default::default() },
            archived: view.archived,
            order_by: view.order_by(),
            best: view.best(),
            ..TableRequest::default()
        };
    }
    let known = find::columns(api, &query.experiment_ids)?;
    query.columns = match (arguments.columns.is_empty(), view.columns()) {
        (false, _) => {
            arguments.columns.iter().map(|text| find::column(&known, text)).collect::<Result<_>>()?
        }
        (true, Some(columns)) => std::iter::once(name_column()).chain(columns).collect(),
        (true, None) => runs::usual_columns(&known, true),
    };
    let baseline = match (&arguments.baseline, &view.baseline) {
        (Some(text), _) => ids(api, std::slice::from_ref(text))?.pop(),
        (None, baseline) => baseline.clone(),
    };
    let by = view.group();
    let shown = shown(api, &query, &run_ids, &by, &view, arguments.first)?;
    let (charts, compare) = (charts(&known, &shown, &view, arguments, baseline.as_deref()), compared(&shown));
    Ok(ReportRequest {
        title: arguments
            .title
            .clone()
            .or_else(|| arguments.view.clone())
            .or_else(|| arguments.which.experiment.clone())
            .unwrap_or_else(|| "All runs".to_owned()),
        note: arguments.note.clone(),
        best: view.best(),
        rows: Some(arguments.rows),
        group_by: by,
        query,
        run_ids,
        baseline,
        compare,
        charts,
    })
}

fn name_column() -> ColumnRef {
    ColumnRef { kind: ColumnKind::Attribute, key: "name".to_owned(), reduce: None, step: None }
}

/// A line or bar: a run, or the runs of a group.
struct Shown {
    name: String,
    run_ids: Vec<String>,
    grouped: bool,
}

/// The first runs or groups that are not hidden, as the window would draw them.
fn shown(
    api: &Api,
    query: &TableRequest,
    run_ids: &[String],
    by: &[ColumnRef],
    view: &View,
    first: Option<usize>,
) -> Result<Vec<Shown>> {
    let first = first.unwrap_or(view.first).clamp(1, 200);
    let limit = if by.is_empty() { (first + view.hidden.len()).min(1000) as u64 } else { MAX_GROUPED };
    let mut request = TableRequest { columns: by.to_vec(), limit: Some(limit), offset: 0, ..query.clone() };
    if !run_ids.is_empty() {
        let quoted: Vec<String> = run_ids.iter().take(1000).map(|id| format!("'{id}'")).collect();
        request.filter = format!("attributes.run_id IN ({})", quoted.join(", "));
    }
    let table: Table = api.post_filter("/runs/table", &request, &query.filter)?;
    let mut shown: Vec<(Vec<Option<CellValue>>, Shown)> = Vec::new();
    for row in table.rows.into_iter().filter(|row| !view.hidden.contains(&row.run_id)) {
        if by.is_empty() {
            shown.push((Vec::new(), Shown { name: row.name, run_ids: vec![row.run_id], grouped: false }));
        } else if let Some((_, group)) = shown.iter_mut().find(|(key, _)| *key == row.cells) {
            group.run_ids.push(row.run_id);
        } else {
            let names: Vec<String> = row.cells.iter().map(value_text).collect();
            let group = Shown { name: names.join(", "), run_ids: vec![row.run_id], grouped: true };
            shown.push((row.cells, group));
        }
    }
    Ok(shown.into_iter().map(|(_, shown)| shown).take(first).collect())
}

fn value_text(cell: &Option<CellValue>) -> String {
    match cell {
        None => "(none)".to_owned(),
        Some(CellValue::Text(text)) => text.clone(),
        Some(CellValue::Number(number)) => number.to_string(),
    }
}

fn compared(shown: &[Shown]) -> Vec<String> {
    shown.iter().flat_map(|one| one.run_ids.iter().cloned()).take(MAX_COMPARED).collect()
}

/// Charts that were added to the view, then one for each metric.
fn charts(
    known: &[ColumnInfo],
    shown: &[Shown],
    view: &View,
    arguments: &Report,
    baseline: Option<&str>,
) -> Vec<ReportChart> {
    let mut charts: Vec<ReportChart> = Vec::new();
    for panel in &view.panels {
        let refs = panel.refs();
        let title = panel.title.clone().unwrap_or_default();
        let is_on =
            |option: &str| panel.options.get(option).and_then(serde_json::Value::as_bool) == Some(true);
        match (panel.kind.as_str(), refs.as_slice()) {
            ("line", [_, ..]) => {
                let metrics: Vec<&str> = refs.iter().map(|column| column.key.as_str()).collect();
                charts.push(lines(&metrics, shown, view, baseline, &title));
            }
            ("scatter", [x, y, ..]) => charts.push(ReportChart::Scatter(ReportScatter {
                title,
                x: x.clone(),
                y: y.clone(),
                log_x: is_on("logX"),
                log_y: is_on("logY"),
            })),
            ("bar", [_, ..]) => {
                charts.extend(refs.into_iter().map(|column| bars(column, shown, baseline)));
            }
            (kind, _) => charts.push(ReportChart::LeftOut {
                title: if title.is_empty() { kind.to_owned() } else { title },
                reason: "it is drawn by the window only".to_owned(),
            }),
        }
    }
    let words: Vec<String> = view.chart_filter.to_lowercase().split_whitespace().map(str::to_owned).collect();
    let wanted = |column: &&ColumnInfo| match arguments.metrics.is_empty() {
        true => words.iter().all(|word| column.key.to_lowercase().contains(word.as_str())),
        false => arguments.metrics.contains(&column.key),
    };
    let mut metrics: Vec<&ColumnInfo> =
        known.iter().filter(|column| column.kind == ColumnKind::Metric).filter(wanted).collect();
    metrics.sort_by(|a, b| b.is_curve.cmp(&a.is_curve).then_with(|| a.key.cmp(&b.key)));
    for column in &metrics {
        charts.push(if column.is_curve {
            lines(&[&column.key], shown, view, baseline, &column.key)
        } else {
            let metric =
                ColumnRef { kind: ColumnKind::Metric, key: column.key.clone(), reduce: None, step: None };
            bars(metric, shown, baseline)
        });
    }
    if charts.len() > MAX_CHARTS {
        let more = charts.len() - (MAX_CHARTS - 1);
        charts.truncate(MAX_CHARTS - 1);
        charts.push(ReportChart::LeftOut {
            title: format!("{more} further charts"),
            reason: format!("a report has at most {MAX_CHARTS}; `--metrics` names those that matter"),
        });
    }
    charts
}

fn lines(metrics: &[&str], shown: &[Shown], view: &View, baseline: Option<&str>, title: &str) -> ReportChart {
    let mut data = SeriesRequest {
        smoothing: view.smoothing,
        smoothing_kind: view.smoothing_kind,
        aggregate: view.aggregate,
        band: view.band,
        clip: view.clip,
        ..SeriesRequest::default()
    };
    match &view.x {
        Axis::Clock(clock) => data.x = *clock,
        Axis::Metric { metric } => data.x_metric = Some(metric.clone()),
    }
    let mut names = Vec::new();
    for metric in metrics {
        for one in shown {
            let name = if metrics.len() > 1 { format!("{} · {metric}", one.name) } else { one.name.clone() };
            names.push(line(one, name, baseline));
            if one.grouped {
                data.groups.push(SeriesGroup { run_ids: one.run_ids.clone(), metric: (*metric).to_owned() });
            } else {
                let run_id = one.run_ids.first().cloned().unwrap_or_default();
                data.series.push(SeriesRef { run_id, metric: (*metric).to_owned() });
            }
        }
    }
    let log_y = metrics.iter().all(|metric| view.logs.iter().any(|log| log == metric));
    let title = (!title.is_empty()).then(|| title.to_owned());
    ReportChart::Lines(Box::new(ChartRequest {
        data,
        lines: names,
        title,
        log_y,
        faint: view.faint,
        ..ChartRequest::default()
    }))
}

fn bars(column: ColumnRef, shown: &[Shown], baseline: Option<&str>) -> ReportChart {
    let bars = shown
        .iter()
        .take(60)
        .map(|one| ReportBar { line: line(one, one.name.clone(), baseline), run_ids: one.run_ids.clone() });
    ReportChart::Bars(ReportBars { title: String::new(), column, reach: BarReach::Std, bars: bars.collect() })
}

fn line(one: &Shown, name: String, baseline: Option<&str>) -> ChartLine {
    let is_baseline = !one.grouped && baseline.is_some_and(|id| one.run_ids.iter().any(|run| run == id));
    let role = if is_baseline { ChartRole::Baseline } else { ChartRole::Line };
    ChartLine { name: Some(name), role, ..ChartLine::default() }
}
