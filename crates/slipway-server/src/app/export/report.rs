//! A view as one page that opens offline: a table of runs and charts, without scripts and without anything from elsewhere.

use super::super::picture;
use super::super::wire::{ApiError, ReportRequest};
use super::rows::RunSet;
use super::text::exact_number;
use super::{Cell, Columns, blocking};
use crate::ServerState;
use crate::error::{ApiFailure, ApiJson, ApiResult};
use crate::state::now_ms;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use slipway_charts::{Style, Theme};
use slipway_store::Store;
use std::fmt::Write as _;

const MAX_CHARTS: usize = 60;
const MAX_ROWS: usize = 5000;
const HEAD: &str = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
    <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
    <meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"color-scheme\" content=\"light dark\">\n";
const STYLE: &str = "<style>\nbody{font:14px/1.5 system-ui,sans-serif;margin:24px auto;padding:0 16px;max-width:1100px;\
    background:Canvas;color:CanvasText}\n.table{overflow:auto}\ntable{border-collapse:collapse}\n\
    th,td{padding:4px 8px;text-align:left;border-bottom:1px solid GrayText;white-space:nowrap}\n\
    svg{max-width:100%;height:auto}\nfigure{margin:24px 0}\n.note{white-space:pre-wrap}\n.dark{display:none}\n\
    @media (prefers-color-scheme:dark){.dark{display:block}.light{display:none}}\n</style>\n";

/// A run set as one page: its table and charts.
#[utoipa::path(post, path = "/export/report", tag = "export", request_body = ReportRequest,
    responses((status = 200, body = String, content_type = "text/html"),
        (status = "default", body = ApiError)))]
pub(in super::super) async fn export_report(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<ReportRequest>,
) -> ApiResult<Response> {
    if request.charts.len() > MAX_CHARTS {
        return Err(ApiFailure::invalid(format!(
            "a report has at most {MAX_CHARTS} charts, not {}",
            request.charts.len()
        )));
    }
    let store = state.store().clone();
    let page = blocking(move || page(&store, request)).await??;
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"report.html\""),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, page).into_response())
}

fn page(store: &Store, request: ReportRequest) -> ApiResult<String> {
    let ReportRequest { query, run_ids, title, note, baseline, charts } = request;
    let (filter, search, wire_columns) = (query.filter.clone(), query.search.clone(), query.columns.clone());
    let set = RunSet::new(query, run_ids)?;
    set.check(store)?;
    let columns = Columns::new(set.columns(), &wire_columns, &[]);
    let when = chrono::DateTime::from_timestamp_millis(now_ms())
        .map(|time| time.format("%Y-%m-%d %H:%M UTC").to_string())
        .unwrap_or_default();
    let mut out = String::from(HEAD);
    let title = if title.is_empty() { "Runs".to_owned() } else { escaped(&title) };
    let _ = write!(out, "<title>{title}</title>\n{STYLE}</head>\n<body>\n<h1>{title}</h1>\n<p>{when}. ");
    out.push_str(if filter.is_empty() && search.is_empty() { "All runs." } else { "Runs" });
    if !filter.is_empty() {
        let _ = write!(out, " where <code>{}</code>", escaped(&filter));
    }
    if !search.is_empty() {
        let _ = write!(out, " with \u{201c}{}\u{201d}", escaped(&search));
    }
    out.push_str("</p>\n");
    if !note.is_empty() {
        let _ = writeln!(out, "<p class=\"note\">{}</p>", escaped(&note));
    }
    table(store, &set, &columns, baseline.as_deref(), &mut out)?;
    for chart in charts {
        let drawn = picture::chart(store, chart, Style::default().width)?;
        out.push_str("<figure>\n");
        for (class, theme) in [("light", Theme::Light), ("dark", Theme::Dark)] {
            let style = Style { theme, ..Style::default() };
            let svg = slipway_charts::draw_svg(&drawn, &style).map_err(picture::failure)?;
            let _ = writeln!(
                out,
                "<div class=\"{class}\">{}</div>",
                svg.replacen(" xmlns=\"http://www.w3.org/2000/svg\"", "", 1)
            );
        }
        let words = slipway_charts::summary(&drawn);
        let _ = writeln!(out, "<figcaption>{}</figcaption>\n</figure>", escaped(&words));
    }
    out.push_str("</body>\n</html>\n");
    Ok(out)
}

fn table(
    store: &Store,
    set: &RunSet,
    columns: &Columns,
    baseline: Option<&str>,
    out: &mut String,
) -> ApiResult<()> {
    out.push_str("<div class=\"table\"><table>\n<tr>");
    for head in &columns.heads {
        let _ = write!(out, "<th>{}</th>", escaped(head));
    }
    out.push_str("</tr>\n");
    let mut rows = 0;
    let mut read = Ok(());
    store.read(|reader| {
        read = set.each(reader, |page| {
            for row in page {
                rows += 1;
                if rows > MAX_ROWS {
                    continue;
                }
                let is_baseline = baseline == Some(row.run_id.as_str());
                out.push_str("<tr>");
                for (index, cell) in columns.cells(row).into_iter().enumerate() {
                    let mark = if is_baseline && index == 0 { " (baseline)" } else { "" };
                    let _ = write!(out, "<td>{}{mark}</td>", escaped(&words(cell)));
                }
                out.push_str("</tr>\n");
            }
            Ok(())
        });
        Ok(())
    })?;
    read.map_err(|error| ApiFailure::internal(error.to_string()))?;
    out.push_str("</table></div>\n");
    if rows > MAX_ROWS {
        let _ = writeln!(out, "<p>The first {MAX_ROWS} of {rows} runs.</p>");
    }
    Ok(())
}

fn words(cell: Cell) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Text(text) => text,
        Cell::Number(number) => exact_number(number),
        Cell::TimeMs(at) => chrono::DateTime::from_timestamp_millis(at)
            .map_or_else(|| at.to_string(), |time| time.format("%Y-%m-%d %H:%M:%S").to_string()),
        Cell::SpanMs(span) => format!("{} s", span as f64 / 1000.0),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
