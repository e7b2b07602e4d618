//! A chart as the window shows it, drawn without one: SVG, PNG or PDF.

use super::series::{Role, lines};
use super::wire::{
    ApiError, ChartLine, ChartRequest, ChartRole, PictureFormat, PictureRequest, PictureTheme, XAxis,
};
use super::{Binary, blocking};
use crate::ServerState;
use crate::error::{ApiFailure, ApiJson, ApiResult};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use slipway_charts::{Band, Chart, Colour, Points, Series, Style, Theme, XKind};
use slipway_store::Store;

/// A chart of several runs, groups and metrics as a picture.
#[utoipa::path(post, path = "/export/chart", tag = "export", request_body = PictureRequest,
    responses(
        (status = 200, content(
            (String = "image/svg+xml"),
            (Binary = "image/png"),
            (Binary = "application/pdf")
        )),
        (status = "default", body = ApiError)
    ))]
pub(super) async fn export_chart(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<PictureRequest>,
) -> ApiResult<Response> {
    let default = Style::default();
    let style = Style {
        width: request.width.unwrap_or(default.width),
        height: request.height.unwrap_or(default.height),
        theme: match request.theme {
            PictureTheme::Light => Theme::Light,
            PictureTheme::Dark => Theme::Dark,
        },
        scale: request.scale.unwrap_or(default.scale),
        transparent: request.transparent,
        ..default
    };
    let format = request.format;
    let store = state.store().clone();
    let drawn = blocking(move || -> ApiResult<Vec<u8>> {
        let chart = chart(&store, request.chart, style.width.saturating_mul(style.scale.clamp(1, 4)))?;
        match format {
            PictureFormat::Svg => slipway_charts::draw_svg(&chart, &style).map(String::into_bytes),
            PictureFormat::Png => slipway_charts::draw_png(&chart, &style),
            PictureFormat::Pdf => slipway_charts::draw_pdf(&chart, &style),
        }
        .map_err(failure)
    })
    .await??;
    let (kind, ending) = match format {
        PictureFormat::Svg => ("image/svg+xml", "svg"),
        PictureFormat::Png => ("image/png", "png"),
        PictureFormat::Pdf => ("application/pdf", "pdf"),
    };
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"chart.{ending}\"")),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, drawn).into_response())
}

pub(super) fn failure(error: slipway_charts::Error) -> ApiFailure {
    match error {
        slipway_charts::Error::Size { .. } => ApiFailure::invalid(error.to_string()),
        other => ApiFailure::internal(other.to_string()),
    }
}

/// Reads what a chart shows.
pub(super) fn chart(store: &Store, request: ChartRequest, width_px: u32) -> ApiResult<Chart> {
    let ChartRequest { mut data, lines: given, title, log_y, symlog_y, y_from, y_to, faint } = request;
    // Twice as fine as the picture, for those who look closer.
    data.width_px = width_px.min(slipway_charts::MAX_SIDE_PX).saturating_mul(2);
    let looks = given.iter().map(look).collect::<ApiResult<Vec<_>>>()?;
    let mut series: Vec<Series> = Vec::new();
    for index in 0..data.series.len() + data.groups.len() {
        let mut one = looks.get(index).cloned().unwrap_or_default();
        let named = given.get(index).is_some_and(|line| line.name.is_some());
        match data.groups.get(index.wrapping_sub(data.series.len())) {
            Some(group) => {
                one.run_id = group.run_ids.first().cloned().unwrap_or_default();
                if !named {
                    one.label = format!("{} runs", group.run_ids.len());
                }
            }
            None => {
                one.run_id = data.series.get(index).map(|of| of.run_id.clone()).unwrap_or_default();
                if !named {
                    one.label = store.read(|reader| Ok(reader.run_info(&one.run_id)?.name))?;
                }
            }
        }
        series.push(one);
    }
    let mut chart = Chart { log_y, symlog_y, log_x: data.log_x, first_on_top: true, ..Chart::default() };
    for line in lines(store, &data)? {
        let points = Points { x: line.thinned.curve.x, y: line.thinned.curve.y };
        let Some(one) = series.get_mut(line.request) else { continue };
        match line.role {
            Role::Raw => one.line = points,
            Role::Smooth => {
                let raw = std::mem::replace(&mut one.line, points);
                one.raw = (faint && one.role != slipway_charts::Role::Member).then_some(raw);
            }
            Role::Low => one.band.get_or_insert_with(Band::default).low = points,
            Role::High => one.band.get_or_insert_with(Band::default).high = points,
            Role::Members => {}
            Role::Fences => {
                chart.fences = points.y.first().copied().zip(points.y.get(1).copied());
            }
        }
    }
    // A run need not have the metric.
    series.retain(|one| !one.line.x.is_empty());
    let mut metrics: Vec<&str> = Vec::new();
    for metric in data.series.iter().map(|of| &of.metric).chain(data.groups.iter().map(|of| &of.metric)) {
        if !metrics.contains(&metric.as_str()) {
            metrics.push(metric);
        }
    }
    let metric = metrics.first().copied().unwrap_or_default().to_owned();
    chart.y_label = if metrics.len() == 1 { metric.clone() } else { String::new() };
    chart.title = title.unwrap_or(metric);
    chart.x_range = (data.from, data.to);
    chart.y_range = (y_from, y_to);
    (chart.x_label, chart.x_kind) = match (data.x_metric, data.x) {
        (Some(metric), _) => (metric, XKind::Metric),
        (None, XAxis::Step) => ("Step".to_owned(), XKind::Number),
        (None, XAxis::Time) => ("Time (UTC)".to_owned(), XKind::TimeMs),
        (None, XAxis::Relative) => ("Time since the start".to_owned(), XKind::Seconds),
    };
    chart.empty_reason = series.is_empty().then(|| format!("No run logged {}", metrics.join(", ")));
    chart.series = series;
    Ok(chart)
}

pub(super) fn look(line: &ChartLine) -> ApiResult<Series> {
    let colour = match (&line.colour, line.slot) {
        (Some(text), _) => Some(rgb(text).ok_or_else(|| {
            ApiFailure::invalid(format!("`colour` is written as `#rrggbb`, not as `{text}`"))
        })?),
        (None, Some(slot @ 1..=8)) => Some(Colour::Slot(slot - 1)),
        (None, Some(slot)) => return Err(ApiFailure::invalid(format!("`slot` is 1 to 8, not {slot}"))),
        (None, None) => None,
    };
    let role = match line.role {
        ChartRole::Line => slipway_charts::Role::Line,
        ChartRole::Member => slipway_charts::Role::Member,
        ChartRole::Baseline => slipway_charts::Role::Baseline,
    };
    let label = line.name.clone().unwrap_or_default();
    Ok(Series { label, colour, role, dash: line.dash, ..Series::default() })
}

fn rgb(text: &str) -> Option<Colour> {
    let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6 && digits.is_ascii())?;
    let number = u32::from_str_radix(digits, 16).ok()?;
    Some(Colour::Rgb((number >> 16) as u8, (number >> 8) as u8, number as u8))
}
