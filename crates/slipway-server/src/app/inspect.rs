//! What a dropped file or folder contains. It only looks.

use super::blocking;
use super::wire::{ApiError, ErrorCode, InspectItem, InspectKind, InspectReport, InspectRequest};
use crate::error::{ApiFailure, ApiJson, ApiResult};
use axum::Json;
use axum::http::StatusCode;
use slipway_projects::{InspectError, Kind};

/// What a file or folder on the server's machine contains. Nothing is opened, copied, changed or run.
#[utoipa::path(post, path = "/inspect", tag = "server", request_body = InspectRequest,
    responses((status = 200, body = InspectReport), (status = "default", body = ApiError)))]
pub(super) async fn inspect_path(
    ApiJson(request): ApiJson<InspectRequest>,
) -> ApiResult<Json<InspectReport>> {
    let report =
        blocking(move || slipway_projects::inspect(request.path.as_ref())).await?.map_err(|error| {
            let message = error.to_string();
            match error {
                InspectError::NotAbsolute(_) | InspectError::NotFileOrFolder(_) => {
                    ApiFailure::invalid(message)
                }
                InspectError::NotFound(_) => ApiFailure::not_found(message),
                InspectError::Unreadable { .. } => {
                    ApiFailure::new(StatusCode::FORBIDDEN, ErrorCode::Forbidden, message)
                }
            }
        })?;
    Ok(Json(InspectReport {
        path: report.path.display().to_string(),
        items: report
            .items
            .into_iter()
            .map(|item| InspectItem {
                kind: kind(item.kind),
                path: item.path,
                detail: item.detail,
                warning: item.warning,
            })
            .collect(),
        folders_seen: report.folders_seen,
        unreadable: report.unreadable,
        truncated: report.truncated,
        took_ms: report.took_ms,
    }))
}

fn kind(kind: Kind) -> InspectKind {
    match kind {
        Kind::MlProject => InspectKind::MlProject,
        Kind::MlflowFileStore => InspectKind::MlflowFileStore,
        Kind::MlflowDatabase => InspectKind::MlflowDatabase,
        Kind::TensorBoard => InspectKind::TensorBoard,
        Kind::Wandb => InspectKind::Wandb,
        Kind::Notebook => InspectKind::Notebook,
        Kind::KfpPipeline => InspectKind::KfpPipeline,
        Kind::PythonEnvironment => InspectKind::PythonEnvironment,
        Kind::Requirements => InspectKind::Requirements,
        Kind::CondaEnvironment => InspectKind::CondaEnvironment,
        Kind::Dockerfile => InspectKind::Dockerfile,
        Kind::Model => InspectKind::Model,
        Kind::PythonScript => InspectKind::PythonScript,
        Kind::Table => InspectKind::Table,
    }
}
