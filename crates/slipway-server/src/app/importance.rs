//! Which params decide a metric: the importances of a random forest, and correlations. The numbers are made in
//! `slipway-stats`; here is chosen what goes in, and said what was left out.

use super::wire::{self, ApiError, ColumnImportance, Importance, ImportanceRequest};
use super::{blocking, convert, read, runs_table};
use crate::ServerState;
use crate::error::{ApiFailure, ApiJson, ApiResult};
use axum::Json;
use axum::extract::State;
use slipway_stats::{Feature, Forest, ForestOptions, correlation_ratio, pearson};
use slipway_store::{ColumnKind, ColumnRef, Matrix, MatrixColumn, Reader, Reduce, TableQuery};

/// More runs would take seconds and change little.
const MAX_RUNS: u64 = 5_000;
/// Fewer runs say nothing that a glance at the table does not.
const MIN_RUNS: usize = 10;
const MAX_FEATURES: usize = 100;

/// Which columns decide a number: importance in a random forest, and correlation.
#[utoipa::path(post, path = "/runs/importance", tag = "runs", request_body = ImportanceRequest,
    responses((status = 200, body = Importance), (status = "default", body = ApiError)))]
pub(super) async fn query_importance(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<ImportanceRequest>,
) -> ApiResult<Json<Importance>> {
    let wanted =
        wire::TableRequest { columns: Vec::new(), offset: 0, limit: Some(MAX_RUNS), ..request.query };
    let query = runs_table::query(wanted, MAX_RUNS, MAX_RUNS)?;
    let filter = query.filter.clone();
    let target = convert::column(request.target)?;
    let gathered = read(&state, move |reader| Gathered::new(reader, query, target, request.metrics)).await?;
    let gathered = gathered.map_err(|error| ApiFailure::from_search(error, &filter))?;
    // A forest takes a while; the store is not held meanwhile.
    Ok(Json(blocking(move || gathered.explain()).await?))
}

/// What a forest is grown from.
struct Gathered {
    target: ColumnRef,
    candidates: Vec<ColumnRef>,
    /// The target, then the candidates.
    matrix: Matrix,
    notes: Vec<String>,
}

impl Gathered {
    fn new(
        reader: &Reader<'_>,
        query: TableQuery,
        target: ColumnRef,
        metrics: bool,
    ) -> slipway_store::Result<Self> {
        let mut notes = Vec::new();
        let candidates = candidates(reader, &query, &target, metrics, &mut notes)?;
        let columns = std::iter::once(target.clone()).chain(candidates.iter().cloned()).collect();
        let matrix = reader.run_matrix(&TableQuery { columns, ..query })?;
        Ok(Self { target, candidates, matrix, notes })
    }

    fn explain(self) -> Importance {
        let Self { target, candidates, matrix: Matrix { columns, matching, run_ids }, mut notes } = self;
        if (run_ids.len() as u64) < matching {
            notes.push(format!("Only the first {} of {matching} runs were looked at.", run_ids.len()));
        }
        let mut columns = columns.into_iter();
        let target_values = match columns.next() {
            Some(MatrixColumn::Numbers { values, .. }) => values,
            _ => {
                notes.push(format!("{} is not a number, so nothing can be computed.", target.key));
                Vec::new()
            }
        };
        let used: Vec<usize> =
            (0..target_values.len()).filter(|run| target_values[*run].is_finite()).collect();
        let mut answer =
            Importance { columns: Vec::new(), run_count: used.len(), matching, explained: None, notes };
        if used.len() < MIN_RUNS {
            answer.notes.push(format!(
                "{} of the matching runs have a finite {}. At least {MIN_RUNS} are needed.",
                used.len(),
                target.key
            ));
            return answer;
        }
        let target_values: Vec<f64> = used.iter().map(|run| target_values[*run]).collect();
        if target_values.iter().all(|value| *value == target_values[0]) {
            answer.notes.push(format!("{} is the same in all runs, so nothing decides it.", target.key));
            return answer;
        }
        let features = columns.map(|column| feature(&column, &used));
        let mut varying: Vec<(ColumnRef, Feature)> =
            candidates.into_iter().zip(features).filter(|(_, feature)| feature.varies()).collect();
        if varying.is_empty() {
            answer.notes.push("No param differs between these runs.".to_owned());
            return answer;
        }
        if varying.len() > MAX_FEATURES {
            answer.notes.push(format!(
                "Only {MAX_FEATURES} of {} columns that differ were looked at, those that go best with {}.",
                varying.len(),
                target.key
            ));
            varying.sort_by(|(_, a), (_, b)| {
                let strength = |feature| correlation(feature, &target_values).map_or(0.0, f64::abs);
                strength(b).total_cmp(&strength(a))
            });
            varying.truncate(MAX_FEATURES);
        }
        let (names, features): (Vec<ColumnRef>, Vec<Feature>) = varying.into_iter().unzip();
        let forest = Forest::grow(&features, &target_values, &ForestOptions::default());
        answer.explained = forest.explained;
        answer.columns = names
            .into_iter()
            .zip(features)
            .zip(forest.importances)
            .map(|((column, feature), importance)| ColumnImportance {
                column: wire_column(column),
                importance,
                correlation: correlation(&feature, &target_values),
                is_text: matches!(feature, Feature::Categories(_)),
                run_count: present(&feature),
            })
            .collect();
        answer.columns.sort_by(|a, b| b.importance.total_cmp(&a.importance));
        answer
    }
}

/// The columns that may decide the target: params that differ, and other metrics on demand.
fn candidates(
    reader: &Reader<'_>,
    query: &TableQuery,
    target: &ColumnRef,
    metrics: bool,
    notes: &mut Vec<String>,
) -> slipway_store::Result<Vec<ColumnRef>> {
    // Each column takes 8 bytes a run while it is looked at.
    const MOST: usize = 1_000;
    let known = reader.run_columns(&query.experiment_ids, query.view)?;
    let mut known: Vec<_> = known
        .into_iter()
        .filter(|info| match info.kind {
            ColumnKind::Param => info.varies,
            // What a machine did while training is a consequence, not a cause.
            ColumnKind::Metric => metrics && !info.key.starts_with("system/"),
            ColumnKind::Attribute | ColumnKind::Tag => false,
        })
        .filter(|info| (info.kind, &info.key) != (target.kind, &target.key))
        .collect();
    if known.len() > MOST {
        notes.push(format!("Only the {MOST} most used of {} columns were looked at.", known.len()));
        known.sort_by_key(|info| std::cmp::Reverse(info.run_count));
        known.truncate(MOST);
    }
    let column =
        |info: slipway_store::ColumnInfo| ColumnRef { kind: info.kind, key: info.key, reduce: Reduce::Last };
    Ok(known.into_iter().map(column).collect())
}

fn feature(column: &MatrixColumn, runs: &[usize]) -> Feature {
    match column {
        MatrixColumn::Numbers { values, .. } => {
            Feature::Numbers(runs.iter().map(|run| values[*run]).collect())
        }
        MatrixColumn::Texts { codes, .. } => {
            Feature::Categories(runs.iter().map(|run| codes[*run]).collect())
        }
    }
}

fn correlation(feature: &Feature, target: &[f64]) -> Option<f64> {
    match feature {
        Feature::Numbers(values) => pearson(values, target),
        Feature::Categories(categories) => correlation_ratio(categories, target),
    }
}

fn present(feature: &Feature) -> usize {
    match feature {
        Feature::Numbers(values) => values.iter().filter(|value| value.is_finite()).count(),
        Feature::Categories(categories) => categories.iter().flatten().count(),
    }
}

fn wire_column(column: ColumnRef) -> wire::ColumnRef {
    let is_metric = column.kind == ColumnKind::Metric;
    wire::ColumnRef {
        kind: if is_metric { wire::ColumnKind::Metric } else { wire::ColumnKind::Param },
        key: column.key,
        reduce: is_metric.then_some(wire::Reduce::Last),
        step: None,
    }
}
