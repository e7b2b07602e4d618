//! A chart as an image, drawn without a window.

use super::wire::{ApiError, SeriesRef, XAxis};
use super::{Binary, blocking, series};
use crate::ServerState;
use crate::error::{ApiFailure, ApiQuery, ApiResult};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use slipway_charts::{Chart, Points, Series, Style, Theme, XKind};
use slipway_store::CurveQuery;
use slipway_store::series::{Thinned, Window};
use utoipa::{IntoParams, ToSchema};

const MAX_RUNS: usize = 200;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum PlotFormat {
    #[default]
    Svg,
    Png,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum PlotTheme {
    #[default]
    Light,
    Dark,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PlotQuery {
    /// Name of the metric.
    metric: String,
    /// Ids of runs separated by commas; at most 200.
    run_ids: String,
    /// Default `svg`.
    #[serde(default)]
    #[param(required = false, inline)]
    format: PlotFormat,
    /// Default `step`.
    #[serde(default)]
    #[param(required = false)]
    x: XAxis,
    /// In pixels. Default 960.
    width: Option<u32>,
    /// In pixels. Default 540.
    height: Option<u32>,
    /// Default `light`.
    #[serde(default)]
    #[param(required = false, inline)]
    theme: PlotTheme,
    /// PNG only: pixels of the file for one of the layout, 1 to 4. Default 1.
    scale: Option<u32>,
    /// Weight of the past in the moving average, from 0 to below 1. Default 0.
    #[serde(default)]
    #[param(required = false)]
    smoothing: f64,
    /// Logarithmic y axis.
    #[serde(default)]
    #[param(required = false)]
    log_y: bool,
    /// Above the chart. Default: the metric's name.
    title: Option<String>,
}

/// The chart of one metric over some runs as an image.
#[utoipa::path(get, path = "/plot", tag = "runs", params(PlotQuery),
    responses(
        (status = 200, content(
            (String = "image/svg+xml"),
            (Binary = "image/png")
        )),
        (status = "default", body = ApiError)
    ))]
pub(super) async fn draw_plot(
    State(state): State<ServerState>,
    ApiQuery(query): ApiQuery<PlotQuery>,
) -> ApiResult<Response> {
    let run_ids: Vec<String> =
        query.run_ids.split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect();
    if run_ids.is_empty() || run_ids.len() > MAX_RUNS {
        return Err(ApiFailure::invalid(format!(
            "`run_ids` names 1 to {MAX_RUNS} runs, not {}",
            run_ids.len()
        )));
    }
    if !(0.0..1.0).contains(&query.smoothing) {
        return Err(ApiFailure::invalid(format!(
            "`smoothing` is from 0 to below 1, not {}",
            query.smoothing
        )));
    }
    let default = Style::default();
    let style = Style {
        width: query.width.unwrap_or(default.width),
        height: query.height.unwrap_or(default.height),
        theme: match query.theme {
            PlotTheme::Light => Theme::Light,
            PlotTheme::Dark => Theme::Dark,
        },
        scale: query.scale.unwrap_or(default.scale),
        ..default
    };
    let store = state.store().clone();
    let format = query.format;
    let drawn = blocking(move || -> ApiResult<Vec<u8>> {
        let chart = chart(&store, &query, &run_ids, &style)?;
        match query.format {
            PlotFormat::Svg => slipway_charts::draw_svg(&chart, &style).map(String::into_bytes),
            PlotFormat::Png => slipway_charts::draw_png(&chart, &style),
        }
        .map_err(|error| match error {
            slipway_charts::Error::Size { .. } => ApiFailure::invalid(error.to_string()),
            other => ApiFailure::internal(other.to_string()),
        })
    })
    .await??;
    let content_type = match format {
        PlotFormat::Svg => "image/svg+xml",
        PlotFormat::Png => "image/png",
    };
    Ok(([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-store")], drawn).into_response())
}

fn chart(
    store: &slipway_store::Store,
    query: &PlotQuery,
    run_ids: &[String],
    style: &Style,
) -> ApiResult<Chart> {
    let width_px = style.width.saturating_mul(style.scale.clamp(1, 4));
    let window = Window { width_px, ..Window::default() };
    let curve = CurveQuery { axis: series::axis(query.x), window };
    let points = |thinned: Thinned| Points { x: thinned.curve.x, y: thinned.curve.y };
    let series = store.read(|reader| {
        run_ids
            .iter()
            .map(|run_id| {
                let info = reader.run_info(run_id)?;
                let wanted = SeriesRef { run_id: run_id.clone(), metric: query.metric.clone() };
                let (raw, smoothed) = series::shown(reader, &wanted, &curve, query.smoothing)?;
                let (line, raw) = match smoothed {
                    Some(line) => (points(line), Some(points(raw))),
                    None => (points(raw), None),
                };
                Ok(Series { run_id: run_id.clone(), label: info.name, line, raw, ..Series::default() })
            })
            .collect::<slipway_store::Result<Vec<_>>>()
    })?;
    Ok(Chart {
        title: query.title.clone().unwrap_or_else(|| query.metric.clone()),
        x_label: match query.x {
            XAxis::Step => "Step",
            XAxis::Time => "Time (UTC)",
            XAxis::Relative => "Time since the start",
        }
        .to_owned(),
        y_label: query.metric.clone(),
        x_kind: match query.x {
            XAxis::Step => XKind::Number,
            XAxis::Time => XKind::TimeMs,
            XAxis::Relative => XKind::Seconds,
        },
        log_y: query.log_y,
        empty_reason: series
            .iter()
            .all(|series| series.line.x.is_empty())
            .then(|| format!("No run logged {}", query.metric)),
        series,
        ..Chart::default()
    })
}
