//! What this server is and how code reaches it.

use super::wire::{ApiError, Info};
use crate::ServerState;
use crate::guard::host_name;
use axum::Json;
use axum::extract::State;

/// What this server is and how code reaches it.
#[utoipa::path(get, path = "/info", tag = "server",
    responses((status = 200, body = Info), (status = "default", body = ApiError)))]
pub(super) async fn get_info(State(state): State<ServerState>) -> Json<Info> {
    let config = state.config();
    Json(Info {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        boot_id: state.events().boot_id().to_owned(),
        tracking_uri: config.url.clone(),
        data_dir: config.data_dir.display().to_string(),
        started_at_ms: config.started_at_ms,
        host_name: host_name(),
        user: config.user.clone(),
    })
}
