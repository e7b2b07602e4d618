//! What leaves the program as a file: the table of a run set, its groups, histories at full resolution, comparisons, and a
//! page with all that. Everything is written while it is read, so that its length costs no memory.

pub(super) mod groups;
mod page;
mod parquet;
mod pipe;
pub(super) mod report;
mod rows;
#[cfg(test)]
mod tests;
pub(super) mod text;

use super::wire::{
    ApiError, ColumnInfo, CompareExport, CompareSection, CurvesExport, ExportFormat, RunsExport,
};
use super::{Binary, blocking, compare, convert, read};
use crate::ServerState;
use crate::error::{ApiFailure, ApiJson, ApiResult};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use parquet::{Kind, ParquetTable, distinct};
use rows::RunSet;
use slipway_store::{ColumnKind, ColumnRef, Point, Reader, TableCell, TableRow};
use std::io::{self, Write};
use text::{Cell, TextTable, csv_field, defused, exact_number, tsv_field};

/// A history, as its rows say it.
const CURVE_HEADS: [&str; 6] = ["run_id", "run_name", "metric", "step", "wall_time", "value"];

/// The runs of a run set as a table, all of them.
#[utoipa::path(post, path = "/export/runs", tag = "export", request_body = RunsExport,
    responses((status = 200, body = Binary, content_type = "application/octet-stream"),
        (status = "default", body = ApiError)))]
pub(super) async fn export_runs(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<RunsExport>,
) -> ApiResult<Response> {
    let RunsExport { query, run_ids, format, spreadsheet_safe } = request;
    let (experiments, view) = (query.experiment_ids.clone(), query.view);
    let wire_columns = query.columns.clone();
    let set = RunSet::new(query, run_ids)?;
    let store = state.store().clone();
    let set = blocking(move || set.check(&store).map(|()| set)).await??;
    let ids = experiments.iter().map(|id| super::experiment_id(id)).collect::<ApiResult<Vec<_>>>()?;
    let known = read(&state, move |reader| reader.run_columns(&ids, convert::view(view))).await??;
    let known: Vec<ColumnInfo> = known.into_iter().map(convert::column_info).collect();
    let columns = Columns::new(set.columns(), &wire_columns, &known);
    let store = state.store().clone();
    let body = pipe::body(move |out| {
        let mut failure = Ok(());
        store
            .read(|reader| {
                failure = write_runs(reader, &set, &columns, format, spreadsheet_safe, out);
                Ok(())
            })
            .map_err(io::Error::other)?;
        failure
    });
    Ok(attachment("runs", format, body))
}

/// Histories of a run set's metrics at full resolution, one point a row.
#[utoipa::path(post, path = "/export/curves", tag = "export", request_body = CurvesExport,
    responses((status = 200, body = Binary, content_type = "application/octet-stream"),
        (status = "default", body = ApiError)))]
pub(super) async fn export_curves(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<CurvesExport>,
) -> ApiResult<Response> {
    let CurvesExport { query, run_ids, metrics, format, spreadsheet_safe } = request;
    if !matches!(format, ExportFormat::Csv | ExportFormat::Tsv | ExportFormat::Parquet) {
        return Err(ApiFailure::invalid("curves are exported as `csv`, `tsv` or `parquet`"));
    }
    let query = super::wire::TableRequest { columns: Vec::new(), ..query };
    let set = RunSet::new(query, run_ids)?;
    let store = state.store().clone();
    let set = blocking(move || set.check(&store).map(|()| set)).await??;
    let store = state.store().clone();
    let body = pipe::body(move |out| {
        let mut curves = match format {
            ExportFormat::Parquet => {
                let kinds = [Kind::Text, Kind::Text, Kind::Text, Kind::Integer, Kind::TimeMs, Kind::Number];
                let columns = CURVE_HEADS.iter().map(|head| (*head).to_owned()).zip(kinds).collect();
                Curves::Parquet(ParquetTable::begin(out, columns)?)
            }
            _ => {
                let separator = if format == ExportFormat::Csv { "," } else { "\t" };
                let end = if format == ExportFormat::Csv { "\r\n" } else { "\n" };
                write!(out, "{}{end}", CURVE_HEADS.join(separator))?;
                Curves::Text { out, separator, end, spreadsheet_safe }
            }
        };
        let mut failure = Ok(());
        store
            .read(|reader| {
                failure = set.each(reader, |page| {
                    page.iter().try_for_each(|row| write_curves(reader, row, &metrics, &mut curves))
                });
                Ok(())
            })
            .map_err(io::Error::other)?;
        failure?;
        match curves {
            Curves::Parquet(table) => table.end(),
            Curves::Text { .. } => Ok(()),
        }
    });
    Ok(attachment("curves", format, body))
}

/// A comparison, every row and column of it.
#[utoipa::path(post, path = "/export/compare", tag = "export", request_body = CompareExport,
    responses((status = 200, body = Binary, content_type = "application/octet-stream"),
        (status = "default", body = ApiError)))]
pub(super) async fn export_compare(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<CompareExport>,
) -> ApiResult<Response> {
    let CompareExport { compare: request, best, format, spreadsheet_safe } = request;
    if format == ExportFormat::Parquet {
        return Err(ApiFailure::invalid("a comparison is exported as text, not as `parquet`").hint(
            "Its rows hold numbers and texts side by side. `export/runs` gives the same runs with types.",
        ));
    }
    let comparison = compare::whole(&state, request, best).await?;
    let body = pipe::body(move |out| {
        let names = comparison.runs.iter().map(|run| run.name.clone());
        let heads: Vec<String> = ["section".to_owned(), "key".to_owned()].into_iter().chain(names).collect();
        let heads = if format == ExportFormat::Json { distinct(heads) } else { heads };
        let numeric: Vec<bool> = (0..heads.len()).map(|_| false).collect();
        let mut table = TextTable::begin(out, format, spreadsheet_safe, heads, &numeric)?;
        for row in comparison.rows {
            let mut cells = vec![Cell::text(section_word(row.section)), Cell::Text(row.key)];
            cells.extend(row.cells);
            table.row(&cells)?;
        }
        table.end()
    });
    Ok(attachment("comparison", format, body))
}

fn section_word(section: CompareSection) -> &'static str {
    match section {
        CompareSection::Params => "params",
        CompareSection::Metrics => "metrics",
        CompareSection::Tags => "tags",
        CompareSection::Environment => "environment",
        CompareSection::Code => "code",
        CompareSection::Data => "data",
    }
}

fn attachment(name: &str, format: ExportFormat, body: axum::body::Body) -> Response {
    let (ending, kind) = match format {
        ExportFormat::Csv => ("csv", "text/csv; charset=utf-8"),
        ExportFormat::Tsv => ("tsv", "text/tab-separated-values; charset=utf-8"),
        ExportFormat::Parquet => ("parquet", "application/vnd.apache.parquet"),
        ExportFormat::Json => ("json", "application/json"),
        ExportFormat::Md => ("md", "text/markdown; charset=utf-8"),
        ExportFormat::Latex => ("tex", "application/x-tex; charset=utf-8"),
    };
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.{ending}\"")),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    (headers, body).into_response()
}

/// The columns of an exported table: the run's id first, then those of the run set.
struct Columns {
    refs: Vec<ColumnRef>,
    heads: Vec<String>,
    kinds: Vec<Kind>,
}

impl Columns {
    fn new(refs: &[ColumnRef], wire: &[super::wire::ColumnRef], known: &[ColumnInfo]) -> Self {
        let heads = wire.iter().map(heading);
        let heads = distinct(std::iter::once("run_id".to_owned()).chain(heads).collect());
        let numeric = |key: &str| {
            known
                .iter()
                .any(|info| info.kind == super::wire::ColumnKind::Param && info.key == key && info.numeric)
        };
        let kind = |column: &ColumnRef| match column.kind {
            ColumnKind::Metric => Kind::Number,
            ColumnKind::Param if numeric(&column.key) => Kind::Number,
            ColumnKind::Attribute if matches!(column.key.as_str(), "start_ms" | "end_ms") => Kind::TimeMs,
            ColumnKind::Attribute if column.key == "duration_ms" => Kind::Integer,
            _ => Kind::Text,
        };
        let kinds = std::iter::once(Kind::Text).chain(refs.iter().map(kind)).collect();
        Self { refs: refs.to_vec(), heads, kinds }
    }

    fn cells(&self, row: TableRow) -> Vec<Cell> {
        let mut cells = Vec::with_capacity(self.heads.len());
        cells.push(Cell::Text(row.run_id));
        cells.extend(self.refs.iter().zip(row.cells).map(|(column, cell)| match cell {
            TableCell::Empty => Cell::Empty,
            TableCell::Text(text) => Cell::Text(text),
            TableCell::Number(number) => match (column.kind, column.key.as_str()) {
                (ColumnKind::Attribute, "start_ms" | "end_ms") => Cell::TimeMs(number as i64),
                (ColumnKind::Attribute, "duration_ms") => Cell::SpanMs(number as i64),
                _ => Cell::Number(number),
            },
        }));
        cells
    }
}

/// `metrics.val_loss.min`, as the command line names columns.
fn heading(column: &super::wire::ColumnRef) -> String {
    use super::wire::ColumnKind;
    match column.kind {
        ColumnKind::Attribute => column.key.clone(),
        ColumnKind::Param => format!("params.{}", column.key),
        ColumnKind::Tag => format!("tags.{}", column.key),
        ColumnKind::Metric => {
            let reduce = serde_json::to_value(column.reduce.unwrap_or_default()).ok();
            let reduce = reduce.as_ref().and_then(|name| name.as_str()).filter(|name| *name != "last");
            let ending = reduce.map(|name| format!(".{name}")).unwrap_or_default();
            format!("metrics.{}{ending}", column.key)
        }
    }
}

fn write_runs(
    reader: &Reader<'_>,
    set: &RunSet,
    columns: &Columns,
    format: ExportFormat,
    spreadsheet_safe: bool,
    out: &mut pipe::Pipe,
) -> io::Result<()> {
    if format == ExportFormat::Parquet {
        let named = columns.heads.iter().cloned().zip(columns.kinds.iter().copied()).collect();
        let mut table = ParquetTable::begin(out, named)?;
        set.each(reader, |page| page.into_iter().try_for_each(|row| table.row(columns.cells(row))))?;
        return table.end();
    }
    let numeric: Vec<bool> = columns.kinds.iter().map(|kind| *kind != Kind::Text).collect();
    let mut table = TextTable::begin(out, format, spreadsheet_safe, columns.heads.clone(), &numeric)?;
    set.each(reader, |page| page.into_iter().try_for_each(|row| table.row(&columns.cells(row))))?;
    table.end()
}

/// Where points go.
enum Curves<'a> {
    Text { out: &'a mut pipe::Pipe, separator: &'static str, end: &'static str, spreadsheet_safe: bool },
    Parquet(ParquetTable<&'a mut pipe::Pipe>),
}

fn write_curves(
    reader: &Reader<'_>,
    row: &TableRow,
    metrics: &[String],
    curves: &mut Curves<'_>,
) -> io::Result<()> {
    let own: Vec<String>;
    let keys = if metrics.is_empty() {
        own = reader
            .run(&row.run_id)
            .map_err(io::Error::other)?
            .metrics
            .into_iter()
            .map(|metric| metric.key)
            .collect();
        &own
    } else {
        metrics
    };
    for key in keys {
        let mut failure = Ok(());
        let read = reader.each_piece(&row.run_id, key, |points| {
            failure = write_points(row, key, points, curves);
            match failure {
                Ok(()) => Ok(()),
                // Ends the reading; what went wrong is in `failure`.
                Err(_) => Err(slipway_store::Error::Invalid("the export ended".to_owned())),
            }
        });
        failure?;
        read.map_err(io::Error::other)?;
    }
    Ok(())
}

fn write_points(row: &TableRow, key: &str, points: &[Point], curves: &mut Curves<'_>) -> io::Result<()> {
    match curves {
        Curves::Parquet(table) => points.iter().try_for_each(|point| {
            table.row([
                Cell::text(&row.run_id),
                Cell::text(&row.name),
                Cell::text(key),
                Cell::SpanMs(point.step),
                Cell::TimeMs(point.time_ms),
                Cell::Number(point.value),
            ])
        }),
        Curves::Text { out, separator, end, spreadsheet_safe } => {
            let field = |text: &str| {
                let text = defused(text, *spreadsheet_safe);
                if *separator == "\t" { tsv_field(&text) } else { csv_field(&text) }
            };
            let before =
                format!("{}{separator}{}{separator}{}{separator}", row.run_id, field(&row.name), field(key));
            points.iter().try_for_each(|point| {
                let value = exact_number(point.value);
                write!(out, "{before}{}{separator}{}{separator}{value}{end}", point.step, point.time_ms)
            })
        }
    }
}
