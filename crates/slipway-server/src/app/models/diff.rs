//! Versions side by side.

use super::convert;
use crate::ServerState;
use crate::app::blocking;
use crate::app::wire::{
    ApiError, CellValue, DiffMetric, DiffRequest, DiffText, MetricDirection, ModelVersionRef, ModelsDiff,
    SignatureState, SignatureVerdict,
};
use crate::error::{ApiFailure, ApiJson, ApiResult};
use crate::places::Place;
use crate::registry::files;
use crate::registry::metrics::{has_direction, is_latency};
use axum::Json;
use axum::extract::State;
use slipway_models::Signature;
use slipway_store as store;
use std::collections::BTreeMap;

const VERSIONS_LIMIT: usize = 20;

/// What differs between versions; all are compared with the first.
#[utoipa::path(post, path = "/models/diff", tag = "models", request_body = DiffRequest,
    responses((status = 200, body = ModelsDiff), (status = "default", body = ApiError)))]
pub(in crate::app) async fn diff_versions(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<DiffRequest>,
) -> ApiResult<Json<ModelsDiff>> {
    if !(2..=VERSIONS_LIMIT).contains(&request.versions.len()) {
        return Err(ApiFailure::invalid(format!(
            "{} versions cannot be compared; name 2 to {VERSIONS_LIMIT}",
            request.versions.len()
        )));
    }
    Ok(Json(blocking(move || diff(&state, &request.versions)).await??))
}

/// One of the versions.
struct Side {
    summary: store::VersionSummary,
    metrics: Vec<store::VersionMetric>,
    params: Vec<store::KeyValue>,
    signature: Option<Signature>,
    environment: BTreeMap<String, String>,
}

/// Puts versions side by side. Blocks its thread.
pub(super) fn diff(state: &ServerState, versions: &[ModelVersionRef]) -> ApiResult<ModelsDiff> {
    let mut sides = Vec::with_capacity(versions.len());
    for version in versions {
        sides.push(side(state, version)?);
    }
    let signatures = sides
        .iter()
        .map(|side| {
            let first = sides.first().and_then(|first| first.signature.as_ref());
            verdict(slipway_models::compare(first, side.signature.as_ref()))
        })
        .collect();
    let params = |side: &Side| {
        side.params.iter().map(|param| (param.key.clone(), param.value.clone())).collect::<BTreeMap<_, _>>()
    };
    let (latency, metrics) = metrics(&sides).into_iter().partition(|row| is_latency(&row.metric.key));
    Ok(ModelsDiff {
        metrics,
        latency,
        params: texts(&sides.iter().map(params).collect::<Vec<_>>()),
        environment: texts(&sides.iter().map(|side| side.environment.clone()).collect::<Vec<_>>()),
        signatures,
        sizes_bytes: sides.iter().map(|side| side.summary.size_bytes).collect(),
        versions: sides.into_iter().map(|side| convert::version(side.summary)).collect(),
    })
}

fn side(state: &ServerState, version: &ModelVersionRef) -> ApiResult<Side> {
    let (found, record, metrics, params) = state.store().read(|reader| {
        let found = reader.model_version(&version.name, version.version)?;
        let record = reader.version_files(&version.name, version.version)?;
        let metrics = reader.version_metrics(&found)?;
        let logged = match &found.model_id {
            Some(id) => reader.logged_model(id).map(|model| model.params).or_else(none_if_gone)?,
            None => Vec::new(),
        };
        let params = match (&found.run_id, logged.is_empty()) {
            (Some(id), true) => reader.run(id).map(|run| run.params).or_else(none_if_gone)?,
            _ => logged,
        };
        Ok((found, record, metrics, params))
    })?;
    let place = Place::find(state, &found.storage_location).ok();
    let described = place.as_ref().map(files::describe).unwrap_or_default();
    let mut environment = BTreeMap::new();
    let listed = || files::list(place.as_ref()?).ok();
    let size_bytes = record
        .map(|record| record.size_bytes())
        .or_else(|| Some(listed()?.0.iter().map(|file| file.size_bytes).sum()));
    let mut signature = None;
    if let Some(card) = described.card {
        signature = card.signature;
        let names: Vec<String> = card.flavors.into_iter().map(|flavor| flavor.name).collect();
        environment.insert("flavors".to_owned(), names.join(", "));
        let mut put = |key: &str, value: Option<String>| {
            value.map(|value| environment.insert(key.to_owned(), value));
        };
        put("python", card.python_version);
        put("mlflow", card.mlflow_version);
    }
    for line in described.requirements {
        let (name, rest) =
            line.split_at(line.find(['=', '<', '>', '!', '~', ' ', ';', '[']).unwrap_or(line.len()));
        let rest = if rest.trim().is_empty() { "any" } else { rest.trim() };
        environment.insert(format!("package {}", name.trim()), rest.to_owned());
    }
    let run_name = None;
    let summary = store::VersionSummary { version: found, run_name, size_bytes, metrics: Vec::new() };
    Ok(Side { summary, metrics, params, signature, environment })
}

fn none_if_gone<T>(error: store::Error) -> store::Result<Vec<T>> {
    match error {
        store::Error::NotFound(_) => Ok(Vec::new()),
        error => Err(error),
    }
}

fn metrics(sides: &[Side]) -> Vec<DiffMetric> {
    let mut rows: BTreeMap<(Option<String>, String), Vec<Option<f64>>> = BTreeMap::new();
    for (index, side) in sides.iter().enumerate() {
        for metric in &side.metrics {
            let key = (metric.metric.dataset.clone(), metric.metric.key.clone());
            let row = rows.entry(key).or_insert_with(|| vec![None; sides.len()]);
            row[index] = Some(metric.point.value);
        }
    }
    rows.into_iter()
        .map(|((dataset, key), values)| {
            let direction = convert::direction(&key);
            let first = values.first().copied().flatten();
            let deltas: Vec<Option<f64>> = values
                .iter()
                .map(|value| Some((*value)? - first?).filter(|delta| delta.is_finite()))
                .collect();
            let says = has_direction(&key);
            let better = deltas.iter().map(|delta| match delta {
                Some(delta) if *delta != 0.0 && says => {
                    Some((*delta > 0.0) == (direction == MetricDirection::Higher))
                }
                _ => None,
            });
            DiffMetric {
                better: better.collect(),
                metric: convert::metric_name(store::MetricKey { key, dataset }),
                direction,
                values: values.iter().map(|value| value.map(CellValue::from_f64)).collect(),
                deltas,
            }
        })
        .collect()
}

/// Rows of texts, those that differ first.
fn texts(sides: &[BTreeMap<String, String>]) -> Vec<DiffText> {
    let mut keys: Vec<&String> = sides.iter().flat_map(BTreeMap::keys).collect();
    keys.sort_unstable();
    keys.dedup();
    let mut rows: Vec<DiffText> = keys
        .into_iter()
        .map(|key| {
            let values: Vec<Option<String>> = sides.iter().map(|side| side.get(key).cloned()).collect();
            let differs = values.iter().any(|value| *value != values[0]);
            DiffText { key: key.clone(), values, differs }
        })
        .collect();
    rows.sort_by_key(|row| !row.differs);
    rows
}

fn verdict(verdict: slipway_models::Verdict) -> SignatureVerdict {
    let state = match verdict.state {
        slipway_models::State::Same => SignatureState::Same,
        slipway_models::State::Compatible => SignatureState::Compatible,
        slipway_models::State::Incompatible => SignatureState::Incompatible,
        slipway_models::State::Unknown => SignatureState::Unknown,
    };
    SignatureVerdict { state, reasons: verdict.reasons }
}
