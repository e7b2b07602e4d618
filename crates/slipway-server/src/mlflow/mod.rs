//! MLflow's REST API, as the stock client of version 3.18 speaks it.
//!
//! Each handler reads a request, calls the store or the artifacts once, and writes the answer in MLflow's shape.
//! `decode` and `encode` know the wire format, `validate` the rules that need no stored state, `error` the error
//! bodies. No rule of the domain lives here, and nothing outside of this folder knows MLflow's field names.

mod artifact_proxy;
mod artifacts;
mod chosen;
mod decode;
mod encode;
mod error;
mod experiments;
mod fast;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod inputs;
mod logged_models;
mod metrics;
mod model_versions;
mod multipart;
pub(crate) mod names;
mod page;
mod points;
mod registered_models;
mod run_message;
mod runs;
mod server_info;
mod source;
#[cfg(test)]
mod tests;
mod validate;
mod webhooks;

use crate::ServerState;
use crate::state::now_ms;
use axum::Router;
use axum::extract::OriginalUri;
use axum::http::{Method, StatusCode};
use axum::routing::{any, get, patch, post, put};
use error::{Code, MlflowError, Result};
use slipway_store::{Action, Applied, Change, Promotion, Reader, Target};
pub(crate) use source::model_location;
pub(crate) use webhooks::{
    check_webhook, event_name, event_named, message as webhook_message, new_id as new_webhook_id,
    seal_secret, try_out,
};

/// Version of MLflow whose protocol this is.
pub(crate) const MLFLOW_VERSION: &str = "3.18.0";

/// How the history of models calls whoever comes through here.
const CLIENT: &str = "MLflow client";

/// Every MLflow route, under all its prefixes.
pub(crate) fn router() -> Router<ServerState> {
    let mut router = Router::new()
        .route("/health", get(server_info::health))
        .route("/version", get(server_info::version))
        .route("/get-artifact", get(artifacts::download_of_run))
        .route("/model-versions/get-artifact", get(artifacts::download_of_version));
    for family in ["/api", "/ajax-api"] {
        for version in ["2.0", "3.0"] {
            router = router
                .nest(&format!("{family}/{version}/mlflow"), tracking())
                .nest(&format!("{family}/{version}/mlflow-artifacts"), proxy());
        }
        router = router.route(family, any(unknown)).route(&format!("{family}/{{*path}}"), any(unknown));
    }
    router
}

/// Everything below `/mlflow`.
fn tracking() -> Router<ServerState> {
    Router::new()
        .route("/experiments/create", post(experiments::create))
        .route("/experiments/get", get(experiments::get))
        .route("/experiments/get-by-name", get(experiments::get_by_name))
        .route("/experiments/search", get(experiments::search).post(experiments::search))
        .route("/experiments/update", post(experiments::update))
        .route("/experiments/delete", post(experiments::delete))
        .route("/experiments/restore", post(experiments::restore))
        .route("/experiments/set-experiment-tag", post(experiments::set_tag))
        .route("/experiments/delete-experiment-tag", post(experiments::delete_tag))
        .route("/experiments/search-datasets", post(inputs::search_datasets))
        .route("/runs/create", post(runs::create))
        .route("/runs/get", get(runs::get))
        .route("/runs/search", post(runs::search))
        .route("/runs/update", post(runs::update))
        .route("/runs/delete", post(runs::delete))
        .route("/runs/restore", post(runs::restore))
        .route("/runs/log-batch", post(runs::log_batch))
        .route("/runs/log-metric", post(runs::log_metric))
        .route("/runs/log-parameter", post(runs::log_param))
        .route("/runs/set-tag", post(runs::set_tag))
        .route("/runs/delete-tag", post(runs::delete_tag))
        .route("/runs/log-model", post(runs::log_model))
        .route("/runs/log-inputs", post(inputs::log_inputs))
        .route("/runs/outputs", post(inputs::log_outputs))
        .route("/metrics/get-history", get(metrics::history))
        .route("/metrics/get-history-bulk", get(metrics::history_bulk))
        .route("/metrics/get-history-bulk-interval", get(metrics::history_bulk_interval))
        .route("/logged-models", post(logged_models::create))
        .route("/logged-models/search", post(logged_models::search))
        .route(
            "/logged-models/{model_id}",
            get(logged_models::get).patch(logged_models::finalize).delete(logged_models::delete),
        )
        .route("/logged-models/{model_id}/params", post(logged_models::log_params))
        .route("/logged-models/{model_id}/tags", patch(logged_models::set_tags))
        .route("/logged-models/{model_id}/tags/{tag_key}", axum::routing::delete(logged_models::delete_tag))
        .route("/logged-models/{model_id}/artifacts/directories", get(artifacts::list_of_logged_model))
        .route("/logged-models/{model_id}/artifacts/files", get(artifacts::download_of_logged_model))
        .route("/registered-models/create", post(registered_models::create))
        .route("/registered-models/get", get(registered_models::get))
        .route("/registered-models/search", get(registered_models::search))
        .route("/registered-models/rename", post(registered_models::rename))
        .route("/registered-models/update", patch(registered_models::update))
        .route("/registered-models/delete", axum::routing::delete(registered_models::delete))
        .route("/registered-models/set-tag", post(registered_models::set_tag))
        .route("/registered-models/delete-tag", axum::routing::delete(registered_models::delete_tag))
        .route(
            "/registered-models/alias",
            get(registered_models::by_alias)
                .post(registered_models::set_alias)
                .delete(registered_models::delete_alias),
        )
        .route(
            "/registered-models/get-latest-versions",
            get(registered_models::latest_versions).post(registered_models::latest_versions),
        )
        .route("/model-versions/create", post(model_versions::create))
        .route("/model-versions/get", get(model_versions::get))
        .route("/model-versions/get-download-uri", get(model_versions::download_uri))
        .route("/model-versions/search", get(model_versions::search))
        .route("/model-versions/update", patch(model_versions::update))
        .route("/model-versions/transition-stage", post(model_versions::transition_stage))
        .route("/model-versions/delete", axum::routing::delete(model_versions::delete))
        .route("/model-versions/set-tag", post(model_versions::set_tag))
        .route("/model-versions/delete-tag", axum::routing::delete(model_versions::delete_tag))
        .route("/webhooks", get(webhooks::list).post(webhooks::create))
        .route("/webhooks/{webhook_id}", get(webhooks::get).patch(webhooks::update).delete(webhooks::delete))
        .route("/webhooks/{webhook_id}/test", post(webhooks::test))
        .route("/artifacts/list", get(artifacts::list_of_run))
        .route("/artifacts/presigned-download-url", post(multipart::presigned_download))
        .route("/artifacts/presigned-upload-url", post(multipart::presigned_upload))
        .route("/upload-artifact", post(artifacts::upload))
        .route("/server-info", get(server_info::server_info))
        .method_not_allowed_fallback(wrong_method)
}

/// Everything below `/mlflow-artifacts`.
fn proxy() -> Router<ServerState> {
    Router::new()
        .route("/artifacts", get(artifact_proxy::list))
        .route(
            "/artifacts/{*path}",
            get(artifact_proxy::download).put(artifact_proxy::upload).delete(artifact_proxy::delete),
        )
        .route("/mpu/create/{*path}", post(multipart::create))
        .route("/mpu/parts/{upload_id}/{number}", put(multipart::part))
        .route("/mpu/complete/{*path}", post(multipart::complete))
        .route("/mpu/abort/{*path}", post(multipart::abort))
        .route("/presigned/{*path}", get(multipart::presigned))
        .method_not_allowed_fallback(wrong_method)
}

async fn unknown(method: Method, OriginalUri(uri): OriginalUri) -> MlflowError {
    MlflowError::new(
        Code::EndpointNotFound,
        format!("Slipway has no endpoint {method} {}", decode::cut(uri.path())),
    )
}

async fn wrong_method(method: Method, OriginalUri(uri): OriginalUri) -> MlflowError {
    MlflowError::new(
        Code::EndpointNotFound,
        format!("The method {method} is not allowed for {}", decode::cut(uri.path())),
    )
    .with_status(StatusCode::METHOD_NOT_ALLOWED)
}

/// Asks the store for one thing by its name, at once: handing that over would take longer than the answer.
fn look_up<T>(state: &ServerState, ask: impl FnOnce(&Reader<'_>) -> Result<T>) -> Result<T> {
    state.store().read(|reader| Ok(ask(reader)))?
}

/// Asks the store, and renders the answer, where waiting for the disk holds up nobody else.
async fn read<T: Send + 'static>(
    state: &ServerState,
    ask: impl FnOnce(&Reader<'_>) -> Result<T> + Send + 'static,
) -> Result<T> {
    let store = state.store().clone();
    tokio::task::spawn_blocking(move || store.read(|reader| Ok(ask(reader)))).await.map_err(|error| {
        MlflowError::new(Code::InternalError, format!("The request was given up: {error}"))
    })??
}

/// The name of a registered model, if it can be one.
pub(crate) fn check_model_name(name: &str) -> std::result::Result<String, String> {
    validate::registered_model_name(name).map_err(|error| error.to_string())
}

/// An alias, if it can be one.
pub(crate) fn check_alias(alias: &str) -> std::result::Result<String, String> {
    validate::alias(alias).map_err(|error| error.to_string())
}

/// Changes the registry in the name of a client.
async fn write_registry(state: &ServerState, change: Change) -> Result<Applied> {
    let who = crate::registry::who(state, CLIENT);
    write(state, Change::By { who, note: None, change: Box::new(change) }).await
}

/// Moves a version, if the rules allow it.
async fn promote(
    state: &ServerState,
    name: String,
    version: i64,
    target: Target,
    archive_existing: bool,
) -> Result<()> {
    let promotion = Promotion {
        name,
        version,
        target,
        archive_existing,
        action: Action::Promotion,
        expected_holder: None,
        compared: None,
        at_ms: now_ms(),
    };
    let who = crate::registry::who(state, CLIENT);
    crate::registry::promotion::promote(state, promotion, who, None).await?;
    Ok(())
}

/// Changes the store; done when it is durable.
async fn write(state: &ServerState, change: Change) -> Result<Applied> {
    Ok(state.store().write(change).await?)
}
