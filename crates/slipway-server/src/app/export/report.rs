//! A run set as one page that opens offline: what was asked, its charts, its groups, its runs with their distance to the
//! baseline, and where they differ. It is written while it is read, so that its length costs no memory.

use super::super::wire::{
    ApiError, BarReach, ColumnRef, CompareRequest, CompareSection, GroupSortKey, GroupsRequest, Reduce,
    ReportBar, ReportBars, ReportChart, ReportRequest, ReportScatter, TableRequest, View,
};
use super::super::{blocking, compare, experiment_id, picture};
use super::groups::{GroupSet, key_cell, shared_text};
use super::page::{self, Delta, PageCell, escaped};
use super::rows::RunSet;
use super::text::{Cell, date, exact_number, readable};
use super::{Columns, heading, pipe};
use crate::ServerState;
use crate::error::{ApiFailure, ApiJson, ApiResult};
use crate::state::now_ms;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use slipway_charts::{Bar, Bars, Chart, Points, Role, Series, Style, XKind};
use slipway_store::{Reader, Store, TableCell, TableRow};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};

const MAX_CHARTS: usize = 60;
const MAX_ROWS: u64 = 10_000;
const DEFAULT_ROWS: u64 = 1000;
const MAX_GROUPS: u64 = 1000;
const MAX_COMPARED: usize = 50;
const MAX_POINTS: u64 = 2000;
const MAX_BARS: usize = 200;
const CHART_PX: (u32, u32) = (620, 380);

/// A run set as one page that opens offline.
#[utoipa::path(post, path = "/export/report", tag = "export", request_body = ReportRequest,
    responses((status = 200, body = String, content_type = "text/html"),
        (status = "default", body = ApiError)))]
pub(in super::super) async fn export_report(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<ReportRequest>,
) -> ApiResult<Response> {
    let report = Report::new(&state, request).await?;
    let store = state.store().clone();
    let body = pipe::body(move |out| report.write(&store, out));
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"report.html\""),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, body).into_response())
}

/// A request that was checked.
struct Report {
    set: RunSet,
    columns: Columns,
    wire_columns: Vec<ColumnRef>,
    groups: Option<GroupSet>,
    compared: Option<compare::Whole>,
    baseline: Option<Baseline>,
    best: BTreeMap<String, Reduce>,
    title: String,
    note: String,
    /// What was asked, as names and values.
    about: Vec<(&'static str, String)>,
    rows: u64,
    query: TableRequest,
    run_ids: Vec<String>,
    charts: Vec<ReportChart>,
}

struct Baseline {
    run_id: String,
    name: String,
    /// What it has in the columns of the table.
    cells: Vec<TableCell>,
}

impl Report {
    async fn new(state: &ServerState, request: ReportRequest) -> ApiResult<Self> {
        let ReportRequest { query, run_ids, title, note, baseline, best, group_by, rows, compare, charts } =
            request;
        within("charts", charts.len(), MAX_CHARTS)?;
        within("runs side by side", compare.len(), MAX_COMPARED)?;
        let rows = rows.unwrap_or(DEFAULT_ROWS);
        within("rows", usize::try_from(rows).unwrap_or(usize::MAX), MAX_ROWS as usize)?;
        let set = RunSet::new(query.clone(), run_ids.clone())?;
        let groups = match group_by.is_empty() {
            true => None,
            false => Some(GroupSet::new(groups_of(&query, group_by))?),
        };
        let columns = Columns::new(set.columns(), &query.columns, &[]);
        let compared = match compare.is_empty() {
            true => None,
            false => {
                let request = CompareRequest {
                    run_ids: compare,
                    differing: true,
                    sections: vec![CompareSection::Params, CompareSection::Metrics],
                    ..CompareRequest::default()
                };
                Some(compare::whole(state, request, BTreeMap::new()).await?)
            }
        };
        let store = state.store().clone();
        blocking(move || {
            set.check(&store)?;
            if let Some(groups) = &groups {
                groups.check(&store)?;
            }
            let baseline = baseline.map(|id| Baseline::read(&store, id, &query.columns)).transpose()?;
            let about = about(&store, &query, &run_ids, groups.as_ref(), baseline.as_ref())?;
            let title = if title.trim().is_empty() { "Runs".to_owned() } else { title };
            let wire_columns = query.columns.clone();
            Ok(Self {
                set,
                columns,
                wire_columns,
                groups,
                compared,
                baseline,
                best,
                title,
                note,
                about,
                rows,
                query,
                run_ids,
                charts,
            })
        })
        .await?
    }

    fn write(self, store: &Store, out: &mut impl Write) -> io::Result<()> {
        page::begin(out, &self.title)?;
        let made = date(now_ms());
        writeln!(out, "<p class=\"muted\">Made by Slipway {} at {made} UTC</p>", env!("CARGO_PKG_VERSION"))?;
        if !self.note.trim().is_empty() {
            writeln!(out, "<p class=\"note\">{}</p>", escaped(&self.note))?;
        }
        out.write_all(b"<dl>\n")?;
        for (name, value) in &self.about {
            writeln!(out, "<dt>{name}</dt><dd>{}</dd>", escaped(value))?;
        }
        out.write_all(b"</dl>\n")?;
        self.write_charts(store, out)?;
        let mut written = Ok(());
        store
            .read(|reader| {
                written = self.write_tables(reader, out);
                Ok(())
            })
            .map_err(io::Error::other)?;
        written?;
        self.write_compared(out)?;
        page::end(out)
    }

    fn write_charts(&self, store: &Store, out: &mut impl Write) -> io::Result<()> {
        let mut left_out: Vec<(&str, &str)> = Vec::new();
        let drawn = self.charts.iter().any(|chart| !matches!(chart, ReportChart::LeftOut { .. }));
        if drawn {
            out.write_all(b"<h2>Charts</h2>\n<div class=\"charts\">\n")?;
        }
        for (number, chart) in self.charts.iter().enumerate() {
            let id = format!("c{number}");
            let made = match chart {
                ReportChart::LeftOut { title, reason } => {
                    left_out.push((title, reason));
                    continue;
                }
                ReportChart::Lines(request) => picture::chart(store, (**request).clone(), CHART_PX.0)
                    .and_then(|chart| inline(&chart, &id)),
                ReportChart::Scatter(asked) => self.scatter(store, asked, &id),
                ReportChart::Bars(asked) => self.bars(store, asked, &id),
            };
            match made {
                Ok((svg, words)) => {
                    writeln!(out, "<figure>\n{svg}<figcaption>{}</figcaption></figure>", escaped(&words))?;
                }
                // One chart that cannot be drawn is no reason to withhold the others.
                Err(failure) => writeln!(
                    out,
                    "<figure><p class=\"muted\">A chart could not be drawn: {}</p></figure>",
                    escaped(failure.message())
                )?,
            }
        }
        if drawn {
            out.write_all(b"</div>\n")?;
        }
        if !left_out.is_empty() {
            out.write_all(b"<h2>Charts that are left out</h2>\n<ul>\n")?;
            for (title, reason) in left_out {
                writeln!(out, "<li>{}: {}</li>", escaped(title), escaped(reason))?;
            }
            out.write_all(b"</ul>\n")?;
        }
        Ok(())
    }

    fn scatter(&self, store: &Store, asked: &ReportScatter, id: &str) -> ApiResult<(String, String)> {
        let query = TableRequest { columns: vec![asked.x.clone(), asked.y.clone()], ..self.query.clone() };
        let set = RunSet::new(query, self.run_ids.clone())?;
        let (x_label, y_label) = (heading(&asked.x), heading(&asked.y));
        let mut chart = Chart {
            title: if asked.title.is_empty() { format!("{x_label}, {y_label}") } else { asked.title.clone() },
            x_label,
            y_label,
            x_kind: XKind::Metric,
            log_x: asked.log_x,
            log_y: asked.log_y,
            empty_reason: Some("No run has a number in both columns".to_owned()),
            ..Chart::default()
        };
        let total = gather(store, &set, MAX_POINTS, |row| {
            if let [Some(x), Some(y)] = [0, 1].map(|index| row.cells.get(index).and_then(number)) {
                chart.series.push(Series {
                    label: row.name,
                    line: Points { x: vec![x], y: vec![y] },
                    role: if self.is_baseline(&row.run_id) { Role::Baseline } else { Role::Dots },
                    run_id: row.run_id,
                    ..Series::default()
                });
            }
        })?;
        let (svg, mut words) = inline(&chart, id)?;
        if total > MAX_POINTS {
            words.push_str(&format!(". The first {MAX_POINTS} of {total} runs"));
        }
        Ok((svg, words))
    }

    fn bars(&self, store: &Store, asked: &ReportBars, id: &str) -> ApiResult<(String, String)> {
        within("bars", asked.bars.len(), MAX_BARS)?;
        let mut run_ids: Vec<String> =
            asked.bars.iter().flat_map(|bar| bar.run_ids.iter().cloned()).collect();
        run_ids.sort_unstable();
        run_ids.dedup();
        let mut values: HashMap<String, f64> = HashMap::new();
        if !run_ids.is_empty() {
            let query = TableRequest { columns: vec![asked.column.clone()], ..TableRequest::default() };
            let set = RunSet::new(query, run_ids)?;
            gather(store, &set, u64::MAX, |row| {
                if let Some(value) = row.cells.first().and_then(number) {
                    values.insert(row.run_id, value);
                }
            })?;
        }
        let title = if asked.title.is_empty() { heading(&asked.column) } else { asked.title.clone() };
        let mut bars = Bars { title, bars: Vec::new() };
        for asked_bar in &asked.bars {
            bars.bars.extend(bar(asked_bar, asked.reach, &values)?);
        }
        let style = Style { width: CHART_PX.0, transparent: true, ..Style::default() };
        let svg = slipway_charts::draw_inline_bars(&bars, &style, id).map_err(picture::failure)?;
        Ok((svg, slipway_charts::summary_of_bars(&bars)))
    }

    fn is_baseline(&self, run_id: &str) -> bool {
        self.baseline.as_ref().is_some_and(|baseline| baseline.run_id == run_id)
    }

    fn write_tables(&self, reader: &Reader<'_>, out: &mut impl Write) -> io::Result<()> {
        if let Some(groups) = &self.groups {
            let heads: Vec<String> = groups
                .by
                .iter()
                .cloned()
                .chain(["runs".to_owned()])
                .chain(groups.names.iter().cloned())
                .collect();
            let numeric: Vec<bool> = (0..heads.len()).map(|index| index >= groups.by.len()).collect();
            page::begin_table(out, "Groups", &heads, &numeric)?;
            let total =
                groups.first(reader, MAX_GROUPS, |group| page::row(out, &group_cells(group), false))?;
            page::end_table(out)?;
            write_more(out, total, MAX_GROUPS, "group")?;
        }
        let numeric: Vec<bool> =
            self.columns.kinds.iter().map(|kind| *kind != super::parquet::Kind::Text).collect();
        page::begin_table(out, "Runs", &self.columns.heads, &numeric)?;
        let total = self.set.first(reader, self.rows, |rows| {
            rows.into_iter().try_for_each(|row| {
                let is_baseline = self.is_baseline(&row.run_id);
                page::row(out, &self.run_cells(row), is_baseline)
            })
        })?;
        page::end_table(out)?;
        write_more(out, total, self.rows, "run")
    }

    fn run_cells(&self, row: TableRow) -> Vec<PageCell> {
        let is_baseline = self.is_baseline(&row.run_id);
        let values: Vec<Option<f64>> = row.cells.iter().map(number).collect();
        let mut cells: Vec<PageCell> = self.columns.cells(row).into_iter().map(page_cell).collect();
        let name = self.wire_columns.iter().position(|column| column.key == "name").map_or(0, |at| at + 1);
        if is_baseline && let Some(cell) = cells.get_mut(name) {
            cell.text.push_str(" (baseline)");
        }
        let Some(baseline) = self.baseline.as_ref().filter(|_| !is_baseline) else { return cells };
        let metrics = self.wire_columns.iter().zip(values).zip(&baseline.cells);
        for (cell, ((column, value), base)) in cells.iter_mut().skip(1).zip(metrics) {
            if column.kind == super::super::wire::ColumnKind::Metric
                && let (Some(value), Some(base)) = (value, number(base))
            {
                cell.delta = delta(value, base, self.best.get(&column.key).copied());
            }
        }
        cells
    }

    fn write_compared(&self, out: &mut impl Write) -> io::Result<()> {
        let Some(compared) = &self.compared else { return Ok(()) };
        if compared.rows.is_empty() {
            return out.write_all(b"<h2>Where runs differ</h2>\n<p>In no param and no metric.</p>\n");
        }
        let names = compared.runs.iter().map(|run| run.name.clone());
        let heads: Vec<String> = std::iter::once("key".to_owned()).chain(names).collect();
        let numeric: Vec<bool> = (0..heads.len()).map(|index| index > 0).collect();
        page::begin_table(out, "Where runs differ", &heads, &numeric)?;
        for row in &compared.rows {
            let key = format!("{}.{}", super::section_word(row.section), row.key);
            let mut cells = vec![PageCell { exact: Some(key.clone()), text: key, ..PageCell::default() }];
            cells.extend(
                row.cells.iter().cloned().map(|cell| PageCell { is_number: true, ..page_cell(cell) }),
            );
            page::row(out, &cells, false)?;
        }
        page::end_table(out)
    }
}

impl Baseline {
    fn read(store: &Store, run_id: String, columns: &[ColumnRef]) -> ApiResult<Self> {
        let query = TableRequest { columns: columns.to_vec(), ..TableRequest::default() };
        let set = RunSet::new(query, vec![run_id.clone()])?;
        let mut found = None;
        gather(store, &set, 1, |row| found = Some((row.name, row.cells)))?;
        let Some((name, cells)) = found else {
            return Err(ApiFailure::invalid(format!("the baseline `{run_id}` is not there any more"))
                .hint("Choose another baseline, or none."));
        };
        Ok(Self { run_id, name, cells })
    }
}

fn within(what: &str, found: usize, most: usize) -> ApiResult<()> {
    if found > most {
        return Err(ApiFailure::invalid(format!("a report has at most {most} {what}, not {found}")));
    }
    Ok(())
}

fn groups_of(query: &TableRequest, by: Vec<ColumnRef>) -> GroupsRequest {
    let order_by = query.order_by.iter().map(|key| GroupSortKey {
        column: Some(key.column.clone()),
        aggregate: Default::default(),
        descending: key.descending,
    });
    GroupsRequest {
        experiment_ids: query.experiment_ids.clone(),
        filter: query.filter.clone(),
        search: query.search.clone(),
        view: query.view,
        archived: query.archived,
        best: query.best.clone(),
        order_by: order_by.collect(),
        // What makes the groups is said before, and no name tells groups apart.
        columns: query
            .columns
            .iter()
            .filter(|column| !by.contains(column) && column.key != "name")
            .take(200)
            .cloned()
            .collect(),
        by,
        ..GroupsRequest::default()
    }
}

/// The question in words.
fn about(
    store: &Store,
    query: &TableRequest,
    run_ids: &[String],
    groups: Option<&GroupSet>,
    baseline: Option<&Baseline>,
) -> ApiResult<Vec<(&'static str, String)>> {
    let mut about = Vec::new();
    let mut put = |name, value: String| {
        if !value.is_empty() {
            about.push((name, value));
        }
    };
    if run_ids.is_empty() {
        let ids = query.experiment_ids.iter().map(|id| experiment_id(id)).collect::<ApiResult<Vec<_>>>()?;
        let names = store.read(|reader| {
            ids.iter().map(|id| Ok(reader.experiment(*id)?.name)).collect::<slipway_store::Result<Vec<_>>>()
        })?;
        let all = if names.is_empty() { "all".to_owned() } else { names.join(", ") };
        put("Experiments", all);
        put("Filter", if query.filter.trim().is_empty() { "none".to_owned() } else { query.filter.clone() });
        put("Search", query.search.clone());
        match query.view {
            View::Active => {}
            View::Deleted => put("Only", "runs in the trash".to_owned()),
            View::All => put("Also", "runs in the trash".to_owned()),
        }
        if query.archived {
            put("Also", "archived runs".to_owned());
        }
    } else {
        put("Runs", format!("{} that were chosen one by one", run_ids.len()));
    }
    let direction = |descending| if descending { "highest first" } else { "lowest first" };
    let order =
        query.order_by.iter().map(|key| format!("{}, {}", heading(&key.column), direction(key.descending)));
    put("Sorted by", order.collect::<Vec<_>>().join("; "));
    put("Grouped by", groups.map(|groups| groups.by.join(", ")).unwrap_or_default());
    put("Baseline", baseline.map(|baseline| baseline.name.clone()).unwrap_or_default());
    Ok(about)
}

/// Hands out the first `most` runs one by one; answers how many there are.
fn gather(store: &Store, set: &RunSet, most: u64, mut take: impl FnMut(TableRow)) -> ApiResult<u64> {
    let mut read = Ok(0);
    store.read(|reader| {
        read = set.first(reader, most, |rows| {
            rows.into_iter().for_each(&mut take);
            Ok(())
        });
        Ok(())
    })?;
    read.map_err(|error| ApiFailure::internal(error.to_string()))
}

fn inline(chart: &Chart, id: &str) -> ApiResult<(String, String)> {
    let style = Style { width: CHART_PX.0, height: CHART_PX.1, transparent: true, ..Style::default() };
    let svg = slipway_charts::draw_inline(chart, &style, id).map_err(picture::failure)?;
    Ok((svg, slipway_charts::summary(chart)))
}

fn number(cell: &TableCell) -> Option<f64> {
    match cell {
        TableCell::Number(number) => Some(*number),
        TableCell::Text(text) => text.trim().parse().ok(),
        TableCell::Empty => None,
    }
}

/// The bar of a run, or of the members of a group that have a number; none when no member has.
fn bar(asked: &ReportBar, reach: BarReach, values: &HashMap<String, f64>) -> ApiResult<Option<Bar>> {
    let look = picture::look(&asked.line)?;
    let run_id = asked.run_ids.first().cloned().unwrap_or_default();
    let bar = Bar {
        label: look.label,
        colour: look.colour,
        baseline: look.role == Role::Baseline,
        run_id,
        ..Bar::default()
    };
    let mine: Vec<f64> = asked.run_ids.iter().filter_map(|id| values.get(id).copied()).collect();
    let Some(first) = mine.first().copied() else { return Ok(None) };
    if asked.run_ids.len() == 1 {
        return Ok(Some(Bar { value: first, ..bar }));
    }
    let finite: Vec<f64> = mine.into_iter().filter(|value| value.is_finite()).collect();
    if finite.is_empty() {
        return Ok(None);
    }
    let count = finite.len() as f64;
    let mean = finite.iter().sum::<f64>() / count;
    let squares: f64 = finite.iter().map(|value| (value - mean).powi(2)).sum();
    let std = if finite.len() > 1 { (squares / (count - 1.0)).sqrt() } else { 0.0 };
    let reach = match reach {
        _ if finite.len() < 2 => None,
        BarReach::None => None,
        BarReach::Std => Some((mean - std, mean + std)),
        BarReach::Stderr => Some((mean - std / count.sqrt(), mean + std / count.sqrt())),
        BarReach::Minmax => Some((
            finite.iter().copied().fold(f64::INFINITY, f64::min),
            finite.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        )),
    };
    Ok(Some(Bar { value: mean, reach, ..bar }))
}

fn page_cell(cell: Cell) -> PageCell {
    let exact = match &cell {
        Cell::Number(number) => Some(exact_number(*number)),
        Cell::Text(text) if text.chars().count() > 40 => Some(text.clone()),
        _ => None,
    };
    let is_number = !matches!(cell, Cell::Text(_) | Cell::Empty);
    let text = readable(&cell);
    let exact = exact.filter(|exact| *exact != text || !is_number);
    PageCell { text, exact, is_number, delta: None }
}

fn group_cells(group: slipway_store::Group) -> Vec<PageCell> {
    let text = |number: Option<f64>| number.map(|number| readable(&Cell::Number(number)));
    let mut cells: Vec<PageCell> = group
        .key
        .into_iter()
        .map(|key| match key_cell(key) {
            Cell::Empty => PageCell { text: "(none)".to_owned(), ..PageCell::default() },
            cell => page_cell(cell),
        })
        .collect();
    cells.push(page_cell(Cell::Number(group.run_count as f64)));
    for cell in group.cells {
        let spread = text(cell.std).map(|std| format!(" ± {std}")).unwrap_or_default();
        match text(cell.mean) {
            Some(mean) => cells.push(PageCell {
                text: format!("{mean}{spread}"),
                exact: Some(format!(
                    "{} of {} runs, from {} to {}",
                    cell.numbers,
                    group.run_count,
                    text(cell.min).unwrap_or_default(),
                    text(cell.max).unwrap_or_default()
                )),
                is_number: true,
                delta: None,
            }),
            None => cells.push(page_cell(shared_text(cell))),
        }
    }
    cells
}

fn delta(value: f64, base: f64, best: Option<Reduce>) -> Option<Delta> {
    let by = value - base;
    if !by.is_finite() {
        return None;
    }
    if by == 0.0 {
        return Some(Delta { text: "= 0".to_owned(), better: None });
    }
    let size = readable(&Cell::Number(by.abs()));
    let better = match best {
        Some(Reduce::Max) => Some(by > 0.0),
        Some(Reduce::Min) => Some(by < 0.0),
        _ => None,
    };
    Some(Delta { text: format!("{} {size}", if by > 0.0 { "▲" } else { "▼" }), better })
}

fn write_more(out: &mut impl Write, total: u64, most: u64, noun: &str) -> io::Result<()> {
    if total > most {
        let more = total - most;
        let plural = if more == 1 { "" } else { "s" };
        writeln!(out, "<p class=\"muted\">and {more} more {noun}{plural}</p>")?;
    }
    Ok(())
}
