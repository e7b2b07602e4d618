//! Slipway's own API, `/api/slipway/v1`: what the UI, the command line and scripts use.
//!
//! One file per subject. A handler translates between [`wire`] and the store; no rule of the domain lives here.
//! Each handler carries its own description, and [`openapi`] is made from exactly the handlers that are routed,
//! so the document and the server cannot drift apart.

#[expect(
    missing_docs,
    reason = "fields of the wire say what they are by name, and by a comment where that is not enough"
)]
pub mod wire;

mod artifacts;
mod bulk;
mod columns;
mod compare;
mod convert;
mod events;
mod experiments;
mod export;
mod importance;
mod info;
mod inspect;
mod jobs;
mod lineage;
mod logs;
mod looked;
mod matrix;
mod media;
mod metrics;
mod models;
mod openapi;
mod picture;
mod plot;
mod preview;
mod problems;
mod projects;
mod run_detail;
mod runs_table;
mod series;
mod suggest;
mod trash;
mod uploads;
mod views;
mod webhooks;

pub(crate) use compare::Remembered;
pub(crate) use inspect::Looks;
pub use openapi::openapi;
pub use run_detail::command_tags;
pub use trash::continue_purges;

use crate::ServerState;
use crate::error::{ApiFailure, ApiResult};
use crate::guard::{self, OWN_API};
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::any;
use slipway_store::{Applied, Change, Reader};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// All routes of this API, behind the token.
pub(crate) fn router(state: &ServerState) -> Router<ServerState> {
    let (router, _) = routed().split_for_parts();
    let behind_token = router
        // Not a fallback: that would leave unknown paths to MLflow's routes, without the token.
        .route("/", any(guard::unknown_route))
        .route("/{*path}", any(guard::unknown_route))
        .method_not_allowed_fallback(guard::wrong_method)
        .layer(from_fn_with_state(state.clone(), guard::require_token));
    Router::new().nest(OWN_API, behind_token)
}

fn routed() -> OpenApiRouter<ServerState> {
    OpenApiRouter::new()
        .routes(routes!(info::get_info))
        .routes(routes!(experiments::list_experiments, experiments::create_experiment))
        .routes(routes!(experiments::edit_experiment))
        .routes(routes!(runs_table::query_runs))
        .routes(routes!(runs_table::query_groups))
        .routes(routes!(runs_table::list_differing))
        .routes(routes!(suggest::suggest))
        .routes(routes!(bulk::edit_runs))
        .routes(routes!(bulk::undo_edit, bulk::list_undos))
        .routes(routes!(matrix::query_matrix))
        .routes(routes!(importance::query_importance))
        .routes(routes!(media::list_media))
        .routes(routes!(columns::list_columns))
        .routes(routes!(compare::compare_runs))
        .routes(routes!(compare::text::compare_text))
        .routes(routes!(export::export_runs))
        .routes(routes!(export::export_curves))
        .routes(routes!(export::export_compare))
        .routes(routes!(run_detail::get_run, run_detail::edit_run))
        .routes(routes!(run_detail::delete_runs))
        .routes(routes!(run_detail::restore_runs))
        .routes(routes!(series::query_series))
        .routes(routes!(series::query_series_batch))
        .routes(routes!(artifacts::list_artifacts))
        .routes(routes!(artifacts::get_artifact))
        .routes(routes!(artifacts::link_artifact))
        .routes(routes!(artifacts::link_archive))
        .routes(routes!(preview::look_at_artifact))
        .routes(routes!(preview::preview_table))
        .routes(routes!(problems::get_problems))
        .routes(routes!(projects::list_projects))
        .routes(routes!(projects::open_project))
        .routes(routes!(projects::close_project))
        .routes(routes!(projects::plan_project))
        .routes(routes!(projects::run_project))
        .routes(routes!(projects::get_recorded))
        .routes(routes!(projects::list_environments))
        .routes(routes!(projects::get_environment))
        .routes(routes!(projects::make_environment))
        .routes(routes!(projects::remove_environments))
        .routes(routes!(lineage::get_lineage))
        .routes(routes!(logs::list_logs))
        .routes(routes!(logs::read_log))
        .routes(routes!(logs::search_log))
        .routes(routes!(inspect::inspect_path))
        .routes(routes!(inspect::watch_inspect))
        .routes(routes!(inspect::stop_inspect))
        .routes(routes!(uploads::begin_upload))
        .routes(routes!(uploads::put_uploaded_file))
        .routes(routes!(uploads::publish_upload))
        .routes(routes!(uploads::drop_upload))
        .routes(routes!(uploads::list_uploaded))
        .routes(routes!(uploads::delete_uploaded))
        .routes(routes!(metrics::get_metric_history))
        .routes(routes!(models::list::query_models))
        .routes(routes!(suggest::suggest_registry))
        .routes(routes!(models::list::get_model))
        .routes(routes!(models::list::list_versions))
        .routes(routes!(models::version::get_version))
        .routes(routes!(models::edit::create_model))
        .routes(routes!(models::edit::edit_model))
        .routes(routes!(models::edit::delete_model))
        .routes(routes!(models::history::list_history))
        .routes(routes!(models::history::set_rules))
        .routes(routes!(models::diff::diff_versions))
        .routes(routes!(models::promote::preview_promotion))
        .routes(routes!(models::promote::promote))
        .routes(routes!(models::promote::roll_back))
        .routes(routes!(models::promote::undo_promotion))
        .routes(routes!(models::promote::remove_alias))
        .routes(routes!(models::promote::list_holders))
        .routes(routes!(models::promote::check_files))
        .routes(routes!(models::lineage::trace_lineage))
        .routes(routes!(models::register::preview_registration))
        .routes(routes!(models::register::register))
        .routes(routes!(webhooks::list_webhooks, webhooks::save_webhook))
        .routes(routes!(webhooks::delete_webhook))
        .routes(routes!(webhooks::try_webhook))
        .routes(routes!(webhooks::list_deliveries))
        .routes(routes!(webhooks::deliver_again))
        .routes(routes!(plot::draw_plot))
        .routes(routes!(picture::export_chart))
        .routes(routes!(export::groups::export_groups))
        .routes(routes!(export::report::export_report))
        .routes(routes!(trash::list_trash))
        .routes(routes!(trash::preview_purge))
        .routes(routes!(trash::purge_trash))
        .routes(routes!(trash::restore_trash))
        .routes(routes!(trash::get_trash_work))
        .routes(routes!(trash::preview_gc))
        .routes(routes!(trash::collect_garbage))
        .routes(routes!(views::list_views, views::save_view))
        .routes(routes!(views::delete_view))
        .routes(routes!(views::set_view_project))
        .routes(routes!(jobs::list_jobs, jobs::submit_job))
        .routes(routes!(jobs::get_job))
        .routes(routes!(jobs::claim_job))
        .routes(routes!(jobs::cancel_job))
        .routes(routes!(jobs::cancel_jobs))
        .routes(routes!(jobs::retry_job))
        .routes(routes!(jobs::prioritize_job))
        .routes(routes!(jobs::move_run))
        .routes(routes!(jobs::end_leftovers))
        .routes(routes!(jobs::forget_jobs))
        .routes(routes!(jobs::log::get_job_log))
        .routes(routes!(jobs::log::read_job_log))
        .routes(routes!(jobs::log::search_job_log))
        .routes(routes!(jobs::log::link_job_log))
        .routes(routes!(jobs::get_queue, jobs::set_queue))
        .routes(routes!(events::stream_events))
        .routes(routes!(openapi::get_openapi))
}

/// Bytes in an answer, for the description of the API.
#[derive(utoipa::ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "it stands for a body that is streamed")]
struct Binary(Vec<u8>);

/// Asks the store where waiting for the disk holds up nobody else.
async fn read<T: Send + 'static>(
    state: &ServerState,
    ask: impl FnOnce(&Reader<'_>) -> slipway_store::Result<T> + Send + 'static,
) -> ApiResult<slipway_store::Result<T>> {
    let store = state.store().clone();
    blocking(move || store.read(ask)).await
}

/// Runs what takes its time where it holds up nobody else.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> ApiResult<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| ApiFailure::internal(format!("the request was given up: {error}")))
}

/// Changes the store; done when it is durable.
async fn write(state: &ServerState, change: Change) -> ApiResult<Applied> {
    Ok(state.store().write(change).await?)
}

/// Ids of experiments travel as text.
fn experiment_id(text: &str) -> ApiResult<i64> {
    text.parse().map_err(|_| ApiFailure::invalid(format!("{text:?} is not the id of an experiment")))
}

#[cfg(test)]
mod table_tests;
#[cfg(test)]
mod tests;
