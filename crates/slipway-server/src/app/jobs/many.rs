//! The same for many jobs at once.

use super::{MOST_IDS, cancel_job, retry_job};
use crate::ServerState;
use crate::app::wire::{ApiError, CancelRequest, Changed, JobIds, RetryRequest};
use crate::error::{ApiFailure, ApiJson, ApiPath, ApiResult};
use axum::Json;
use axum::extract::State;

fn checked(ids: JobIds) -> ApiResult<Vec<String>> {
    if ids.job_ids.is_empty() || ids.job_ids.len() > MOST_IDS {
        return Err(ApiFailure::invalid(format!("name between 1 and {MOST_IDS} jobs")));
    }
    Ok(ids.job_ids)
}

/// Asks jobs to end. Those that have ended stay as they are.
#[utoipa::path(post, path = "/jobs/cancel", tag = "jobs", request_body = JobIds,
    responses((status = 200, body = Changed), (status = "default", body = ApiError)))]
pub(in crate::app) async fn cancel_jobs(
    State(state): State<ServerState>,
    ApiJson(ids): ApiJson<JobIds>,
) -> ApiResult<Json<Changed>> {
    let mut changed = 0;
    for id in checked(ids)? {
        let asked = ApiJson(CancelRequest::default());
        changed += cancel_job(State(state.clone()), ApiPath(id), asked).await?.changed;
    }
    Ok(Json(Changed { changed }))
}

/// Runs jobs again, each as a new job.
#[utoipa::path(post, path = "/jobs/retry", tag = "jobs", request_body = JobIds,
    responses((status = 200, body = Changed), (status = "default", body = ApiError)))]
pub(in crate::app) async fn retry_jobs(
    State(state): State<ServerState>,
    ApiJson(ids): ApiJson<JobIds>,
) -> ApiResult<Json<Changed>> {
    let mut changed = 0;
    for id in checked(ids)? {
        let _ = retry_job(State(state.clone()), ApiPath(id), ApiJson(RetryRequest::default())).await?;
        changed += 1;
    }
    Ok(Json(Changed { changed }))
}
