//! What became of a run: versions of registered models.

use super::read;
use super::wire::{ApiError, LineageVersion, RunLineage};
use crate::ServerState;
use crate::error::{ApiPath, ApiResult};
use axum::Json;
use axum::extract::State;
use slipway_store::{Search, View};

const MOST_VERSIONS: u64 = 200;

/// Versions of registered models that come from a run.
#[utoipa::path(get, path = "/runs/{run_id}/lineage", tag = "runs", params(("run_id" = String, Path)),
    responses((status = 200, body = RunLineage), (status = "default", body = ApiError)))]
pub(super) async fn get_lineage(
    State(state): State<ServerState>,
    ApiPath(run_id): ApiPath<String>,
) -> ApiResult<Json<RunLineage>> {
    let page = read(&state, move |reader| {
        // Refuses what is no run, so that the filter below holds the id of one.
        let run = reader.run_info(&run_id)?;
        let search = Search {
            filter: format!("run_id = '{}'", run.run_id),
            order_by: Vec::new(),
            view: View::Active,
            offset: 0,
            limit: MOST_VERSIONS,
        };
        reader.search_model_versions(&search)
    })
    .await??;
    let mut versions: Vec<LineageVersion> = page
        .items
        .into_iter()
        .map(|version| LineageVersion {
            name: version.name,
            version: version.version,
            aliases: version.aliases,
            model_id: version.model_id,
            source: version.source,
        })
        .collect();
    versions.sort_by(|a, b| a.name.cmp(&b.name).then(b.version.cmp(&a.version)));
    Ok(Json(RunLineage { versions, truncated: page.more }))
}
