//! What a client asks about the server itself.

use super::MLFLOW_VERSION;
use super::encode::Answer;
use super::error::Result;
use crate::ServerState;
use axum::extract::State;
use serde::Serialize;

pub(super) async fn health() -> &'static str {
    "OK"
}

pub(super) async fn version() -> &'static str {
    MLFLOW_VERSION
}

#[derive(Serialize)]
struct ServerInfo {
    store_type: &'static str,
    workspaces_enabled: bool,
    trace_archival_enabled: bool,
    multipart_uploads_enabled: bool,
    multipart_downloads_enabled: bool,
    artifact_serving_enabled: bool,
    presigned_upload_run_id_supported: bool,
    presigned_upload_model_id_supported: bool,
    model_artifact_presigned_downloads_supported: bool,
    features_enabled: Features,
    tracking_auth: &'static str,
    artifacts_presigned_only: bool,
}

#[derive(Serialize)]
struct Features {
    gateway: bool,
    scheduled_issue_detection: bool,
}

pub(super) async fn server_info(State(state): State<ServerState>) -> Result<Answer> {
    Answer::of(&ServerInfo {
        store_type: "SqlStore",
        workspaces_enabled: false,
        trace_archival_enabled: false,
        multipart_uploads_enabled: false,
        multipart_downloads_enabled: false,
        artifact_serving_enabled: state.places().is_serving,
        presigned_upload_run_id_supported: true,
        presigned_upload_model_id_supported: true,
        model_artifact_presigned_downloads_supported: false,
        features_enabled: Features { gateway: false, scheduled_issue_detection: false },
        tracking_auth: "",
        artifacts_presigned_only: false,
    })
}
