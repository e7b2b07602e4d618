//! Lists of models and of their versions.

use super::convert;
use crate::ServerState;
use crate::app::read;
use crate::app::wire::{
    ApiError, BestMetric, MetricDirection, ModelDetail, ModelMetricInfo, ModelsOrder, ModelsPage,
    ModelsRequest, VersionsOrder, VersionsPage, VersionsRequest,
};
use crate::error::{ApiFailure, ApiJson, ApiQuery, ApiResult};
use crate::registry::metrics::{higher_is_better, rank};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use slipway_store as store;
use slipway_store::{Check, Reader};
use utoipa::IntoParams;

const MODELS_DEFAULT: u64 = 50;
const MODELS_LIMIT: u64 = 200;
const VERSIONS_DEFAULT: u64 = 100;
const VERSIONS_LIMIT: u64 = 1000;
const COLUMNS_LIMIT: usize = 50;
const METRICS_LIMIT: u64 = 200;
/// Newest versions whose metrics are listed on the page of a model.
const LISTED_VERSIONS: u32 = 500;
/// Newest versions by which the metric is chosen that says most; a list asks this for each of its models.
const TELLING_VERSIONS: u32 = 20;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::app) struct NameQuery {
    /// Name of the model.
    name: String,
}

/// A page of the registered models.
#[utoipa::path(post, path = "/models/search", tag = "models", request_body = ModelsRequest,
    responses((status = 200, body = ModelsPage), (status = "default", body = ApiError)))]
pub(in crate::app) async fn query_models(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<ModelsRequest>,
) -> ApiResult<Json<ModelsPage>> {
    let query = store::ModelsQuery {
        filter: request.filter.clone(),
        search: request.search,
        order: match request.order_by {
            ModelsOrder::Name => store::ModelsOrder::Name,
            ModelsOrder::Updated => store::ModelsOrder::Updated,
            ModelsOrder::Created => store::ModelsOrder::Created,
            ModelsOrder::Versions => store::ModelsOrder::Versions,
            ModelsOrder::Size => store::ModelsOrder::Size,
        },
        descending: request.descending,
        offset: request.offset,
        limit: request.limit.unwrap_or(MODELS_DEFAULT).min(MODELS_LIMIT),
    };
    let page = read(&state, move |reader| {
        let (summaries, total) = reader.model_summaries(&query)?;
        let models = summaries.into_iter().map(|summary| {
            let best = best(reader, &summary.model.name)?;
            Ok(convert::model(summary, best))
        });
        Ok(ModelsPage { models: models.collect::<store::Result<_>>()?, total })
    })
    .await?
    .map_err(|error| ApiFailure::from_search(error, &request.filter))?;
    Ok(Json(page))
}

/// A registered model, with what its versions are measured by.
#[utoipa::path(get, path = "/models/one", tag = "models", params(NameQuery),
    responses((status = 200, body = ModelDetail), (status = "default", body = ApiError)))]
pub(in crate::app) async fn get_model(
    State(state): State<ServerState>,
    ApiQuery(NameQuery { name }): ApiQuery<NameQuery>,
) -> ApiResult<Json<ModelDetail>> {
    detail(&state, name).await
}

/// The page of a model.
pub(super) async fn detail(state: &ServerState, name: String) -> ApiResult<Json<ModelDetail>> {
    let detail = read(state, move |reader| {
        let summary = reader.model_summary(&name)?;
        let metrics = reader.metrics_of_versions(&name, LISTED_VERSIONS, METRICS_LIMIT)?.into_iter();
        Ok(ModelDetail {
            model: convert::model(summary, best(reader, &name)?),
            metrics: metrics
                .map(|(metric, version_count)| ModelMetricInfo {
                    direction: convert::direction(&metric.key),
                    metric: convert::metric_name(metric),
                    version_count,
                })
                .collect(),
            rules: reader.model_rules(&name)?.into_iter().map(convert::wire_rule).collect(),
        })
    })
    .await??;
    Ok(Json(detail))
}

/// A page of the versions of one model or of all.
#[utoipa::path(post, path = "/models/versions", tag = "models", request_body = VersionsRequest,
    responses((status = 200, body = VersionsPage), (status = "default", body = ApiError)))]
pub(in crate::app) async fn list_versions(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<VersionsRequest>,
) -> ApiResult<Json<VersionsPage>> {
    if request.metrics.len() > COLUMNS_LIMIT {
        return Err(ApiFailure::invalid(format!("at most {COLUMNS_LIMIT} metrics can be shown at once")));
    }
    let order = match (request.order_by, request.order_metric) {
        (VersionsOrder::Version, _) => store::VersionsOrder::Version,
        (VersionsOrder::Created, _) => store::VersionsOrder::Created,
        (VersionsOrder::Updated, _) => store::VersionsOrder::Updated,
        (VersionsOrder::Size, _) => store::VersionsOrder::Size,
        (VersionsOrder::Metric, Some(metric)) => store::VersionsOrder::Metric(convert::metric_key(metric)),
        (VersionsOrder::Metric, None) => {
            return Err(ApiFailure::invalid("to sort by a metric, say which one in `order_metric`"));
        }
    };
    let query = store::VersionsQuery {
        name: (!request.name.is_empty()).then_some(request.name),
        filter: request.filter.clone(),
        order,
        ascending: request.ascending,
        metrics: request.metrics.into_iter().map(convert::metric_key).collect(),
        offset: request.offset,
        limit: request.limit.unwrap_or(VERSIONS_DEFAULT).min(VERSIONS_LIMIT),
    };
    let (versions, total) = read(&state, move |reader| reader.version_summaries(&query))
        .await?
        .map_err(|error| ApiFailure::from_search(error, &request.filter))?;
    Ok(Json(VersionsPage { versions: versions.into_iter().map(convert::version).collect(), total }))
}

/// The best value of the metric that says most about a model.
fn best(reader: &Reader<'_>, name: &str) -> store::Result<Option<BestMetric>> {
    let ruled = reader.model_rules(name)?.into_iter().find_map(|rule| match rule.check {
        Check::Metric { metric, higher, .. } => Some((metric, higher)),
        _ => None,
    });
    let (metric, higher) = match ruled {
        Some(ruled) => ruled,
        None => {
            let known = reader.metrics_of_versions(name, TELLING_VERSIONS, METRICS_LIMIT)?.into_iter();
            let telling = known.min_by_key(|(metric, _)| rank(&metric.key, metric.dataset.as_deref()));
            let Some((metric, _)) = telling else { return Ok(None) };
            let higher = higher_is_better(&metric.key);
            (metric, higher)
        }
    };
    let direction = if higher { MetricDirection::Higher } else { MetricDirection::Lower };
    let found = reader.best_version(name, &metric, higher)?;
    Ok(found.map(|(version, value)| BestMetric {
        metric: convert::metric_name(metric),
        direction,
        value,
        version,
    }))
}
