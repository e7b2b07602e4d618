//! Jobs: taking them in, looking at them, ending and repeating them; and the queue that they wait in.

pub(super) mod log;
mod render;

use super::wire::{
    ApiError, CancelJobsRequest, CancelRequest, Changed, EndedLeftovers, ErrorCode, JobClaim, JobDetail,
    JobIds, JobList, JobOrder, JobRequest, JobState, JobSummary, MoveRunRequest, PriorityRequest,
    QueueSettings, QueueStatus, RetryRequest, StateCount,
};
use super::{blocking, experiment_id, read, write};
use crate::ServerState;
use crate::error::{ApiFailure, ApiJson, ApiPath, ApiQuery, ApiResult};
use crate::jobs::RunPlan;
use crate::state::now_ms;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use slipway_jobs::queue::NewWork;
use slipway_jobs::spec::{Base, JobSpec, Tracking};
use slipway_jobs::{JobId, Queue, QueueError};
use slipway_store::{Applied, Change, Job, JobsOrder, JobsQuery, Missing, RunsEdit};
use std::collections::BTreeMap;
use std::time::Duration;
use utoipa::IntoParams;

const LIST_DEFAULT: u64 = 50;
const LIST_LIMIT: u64 = 500;
/// How long an answer waits for a job at most.
const WAIT: Duration = Duration::from_secs(30);
const MOST_IDS: usize = 10_000;

impl From<QueueError> for ApiFailure {
    fn from(error: QueueError) -> Self {
        let message = error.to_string();
        match error {
            QueueError::Spec(_) => Self::invalid(message),
            QueueError::Store(error) => error.into(),
            QueueError::Target(slipway_jobs::target::TargetError::Refused(_)) => Self::invalid(message),
            QueueError::Target(slipway_jobs::target::TargetError::Unavailable(_)) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable, message)
            }
            QueueError::Target(slipway_jobs::target::TargetError::Io { .. }) | QueueError::Io { .. } => {
                Self::internal(message)
            }
        }
    }
}

/// The queue; none in a program that answers only for a moment.
fn queue(state: &ServerState) -> ApiResult<&Queue> {
    state.queue().ok_or_else(|| {
        let message = "nothing runs jobs here at the moment";
        ApiFailure::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable, message)
            .hint("`slipway serve` or the window does.")
    })
}

/// The job that an id or the beginning of one names.
async fn find(state: &ServerState, id: &str) -> ApiResult<Job> {
    let id = id.to_owned();
    Ok(read(state, move |reader| reader.job(&id)).await??)
}

fn id_of(job: &Job) -> ApiResult<JobId> {
    job.job_id.parse().map_err(|error: slipway_jobs::BadId| ApiFailure::internal(error.to_string()))
}

fn order(order: JobOrder) -> JobsOrder {
    match order {
        JobOrder::Submitted => JobsOrder::Submitted,
        JobOrder::Queue => JobsOrder::Queue,
        JobOrder::Name => JobsOrder::Name,
        JobOrder::State => JobsOrder::State,
        JobOrder::Priority => JobsOrder::Priority,
        JobOrder::Started => JobsOrder::Started,
        JobOrder::Ended => JobsOrder::Ended,
        JobOrder::Duration => JobsOrder::Duration,
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Only in these states, e.g. `queued,running`; all when absent.
    state: Option<String>,
    experiment_id: Option<String>,
    run_id: Option<String>,
    /// With this in the name, or at the beginning of the id.
    text: Option<String>,
    /// The latest first when absent.
    #[param(inline)]
    order: Option<JobOrder>,
    /// The other way round.
    #[serde(default)]
    #[param(required = false)]
    reverse: bool,
    /// Jobs to pass over.
    offset: Option<u64>,
    /// Jobs to give at most; 50 when absent, 500 at most.
    limit: Option<u64>,
}

/// Jobs: the latest first, or in another order.
#[utoipa::path(get, path = "/jobs", tag = "jobs", params(ListQuery),
    responses((status = 200, body = JobList), (status = "default", body = ApiError)))]
pub(super) async fn list_jobs(
    State(state): State<ServerState>,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> ApiResult<Json<JobList>> {
    let named = query.state.iter().flat_map(|states| states.split(',')).filter(|name| !name.is_empty());
    let states = named
        .map(|name| {
            let found = slipway_jobs::JobState::ALL.into_iter().find(|state| state.as_str() == name);
            found.ok_or_else(|| ApiFailure::invalid(format!("there is no state {name:?}")))
        })
        .collect::<ApiResult<Vec<_>>>()?;
    let query = JobsQuery {
        states,
        experiment_id: query.experiment_id.as_deref().map(experiment_id).transpose()?,
        run_id: query.run_id,
        text: query.text.unwrap_or_default(),
        order: order(query.order.unwrap_or_default()),
        reverse: query.reverse,
        at_ms: now_ms(),
        offset: query.offset.unwrap_or(0),
        limit: query.limit.unwrap_or(LIST_DEFAULT).min(LIST_LIMIT),
    };
    let (page, counts) =
        read(&state, move |reader| Ok((reader.jobs(&query)?, reader.job_counts(&query)?))).await??;
    Ok(Json(JobList {
        jobs: render::summaries(&page.items, state.queue()),
        more: page.more,
        counts: counts.into_iter().map(|(state, jobs)| StateCount { state: state.into(), jobs }).collect(),
    }))
}

/// Takes a job in. It is remembered when this answers.
#[utoipa::path(post, path = "/jobs", tag = "jobs", request_body = JobRequest,
    responses((status = 200, body = JobSummary), (status = "default", body = ApiError)))]
pub(super) async fn submit_job(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<JobRequest>,
) -> ApiResult<Json<JobSummary>> {
    let JobRequest { mut spec, experiment, from_terminal, environment } = request;
    if let Some(name) = experiment {
        let experiment_id = super::experiments::named(&state, &name).await?;
        spec.tracking.get_or_insert_with(Tracking::default).experiment_id = experiment_id;
    }
    submit(&state, spec, None, from_terminal, environment).await
}

pub(super) async fn submit(
    state: &ServerState,
    mut spec: JobSpec,
    repeats: Option<JobId>,
    from_terminal: bool,
    environment: Option<BTreeMap<String, String>>,
) -> ApiResult<Json<JobSummary>> {
    let queue = queue(state)?;
    let at_ms = now_ms();
    spec.check().map_err(QueueError::from)?;
    let id = JobId::random();
    if let Some(variables) = environment {
        let (folders, job) = (queue.folders().clone(), id.clone());
        blocking(move || folders.keep_environment(&job, &variables))
            .await?
            .map_err(|source| QueueError::Io { job: id.clone(), source })?;
    }
    let together_with = RunPlan::make(&mut spec, &state.config().user, at_ms).changes;
    let id =
        queue.submit(NewWork { spec, together_with, repeats, from_terminal, id: Some(id), at_ms }).await?;
    let job = find(state, id.as_str()).await?;
    Ok(Json(render::summary(&job, state.queue())))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct WaitQuery {
    /// Answer when the job is in another state than this one.
    not: Option<JobState>,
    /// Answer when the job has ended.
    #[serde(default)]
    #[param(required = false)]
    ended: bool,
    /// But wait no longer than this; 30 seconds at most.
    #[serde(default)]
    #[param(required = false)]
    wait_ms: u64,
}

/// Everything about a job, named by its id or a beginning of it.
#[utoipa::path(get, path = "/jobs/{job_id}", tag = "jobs", params(("job_id" = String, Path), WaitQuery),
    responses((status = 200, body = JobDetail), (status = "default", body = ApiError)))]
pub(super) async fn get_job(
    State(state): State<ServerState>,
    ApiPath(id): ApiPath<String>,
    ApiQuery(query): ApiQuery<WaitQuery>,
) -> ApiResult<Json<JobDetail>> {
    let until = tokio::time::Instant::now() + Duration::from_millis(query.wait_ms).min(WAIT);
    let mut wakes = state.events().wakes();
    loop {
        wakes.borrow_and_update();
        let job = find(&state, &id).await?;
        let waits = query.not.is_some_and(|not| JobState::from(job.state) == not)
            || (query.ended && !job.state.is_final());
        if waits && matches!(tokio::time::timeout_at(until, wakes.changed()).await, Ok(Ok(()))) {
            continue;
        }
        return Ok(Json(render::detail(&state, job).await?));
    }
}

/// Asks for the folder in which a terminal starts the agent of its job, and waits for it for some seconds.
#[utoipa::path(post, path = "/jobs/{job_id}/claim", tag = "jobs", params(("job_id" = String, Path)),
    responses((status = 200, body = JobClaim), (status = "default", body = ApiError)))]
pub(super) async fn claim_job(
    State(state): State<ServerState>,
    ApiPath(id): ApiPath<String>,
) -> ApiResult<Json<JobClaim>> {
    const PATIENCE: Duration = Duration::from_secs(5);
    let queue = queue(&state)?;
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        let job = find(&state, &id).await?;
        let folder = queue.folders().attempt(&id_of(&job)?.attempt(1));
        let is_ready = job.state == slipway_jobs::JobState::Starting && folder.submission().is_ok();
        if is_ready || job.state.is_final() || tokio::time::Instant::now() > until {
            let summary = render::summary(&job, Some(queue));
            let folder = is_ready.then(|| folder.path().to_string_lossy().into_owned());
            return Ok(Json(JobClaim {
                job_id: summary.job_id,
                state: summary.state,
                reason: summary.reason,
                folder,
            }));
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Asks a job to end: SIGTERM to its process group, SIGKILL after its grace. One that waits ends at once.
#[utoipa::path(post, path = "/jobs/{job_id}/cancel", tag = "jobs", request_body = CancelRequest,
    params(("job_id" = String, Path)),
    responses((status = 200, body = Changed), (status = "default", body = ApiError)))]
pub(super) async fn cancel_job(
    State(state): State<ServerState>,
    ApiPath(id): ApiPath<String>,
    ApiJson(request): ApiJson<CancelRequest>,
) -> ApiResult<Json<Changed>> {
    let job = find(&state, &id).await?;
    let changed = queue(&state)?.cancel(&id_of(&job)?, request.grace_ms, now_ms()).await?;
    Ok(Json(Changed { changed: changed.into() }))
}

/// Asks many jobs to end. Answers how many had not ended.
#[utoipa::path(post, path = "/jobs/cancel", tag = "jobs", request_body = CancelJobsRequest,
    responses((status = 200, body = Changed), (status = "default", body = ApiError)))]
pub(super) async fn cancel_jobs(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<CancelJobsRequest>,
) -> ApiResult<Json<Changed>> {
    let CancelJobsRequest { job_ids, grace_ms } = request;
    if job_ids.len() > MOST_IDS {
        return Err(ApiFailure::invalid(format!("at most {MOST_IDS} jobs can be canceled at once")));
    }
    let ids = job_ids
        .into_iter()
        .map(|id| id.parse::<JobId>().map_err(|error| ApiFailure::invalid(error.to_string())));
    let changed = queue(&state)?.cancel_all(ids.collect::<ApiResult<_>>()?, grace_ms, now_ms()).await?;
    Ok(Json(Changed { changed }))
}

/// Runs a job again as a new job, as it was or with another description.
#[utoipa::path(post, path = "/jobs/{job_id}/retry", tag = "jobs", request_body = RetryRequest,
    params(("job_id" = String, Path)),
    responses((status = 200, body = JobSummary), (status = "default", body = ApiError)))]
pub(super) async fn retry_job(
    State(state): State<ServerState>,
    ApiPath(id): ApiPath<String>,
    ApiJson(request): ApiJson<RetryRequest>,
) -> ApiResult<Json<JobSummary>> {
    let job = find(&state, &id).await?;
    let mut spec = match request.spec {
        Some(spec) => spec,
        None => render::spec(&job)?,
    };
    RunPlan::forget_run(&mut spec);
    let id = id_of(&job)?;
    let environment = match spec.environment.base {
        Base::Caller => Some(queue(&state)?.folders().environment(&id).map_err(|error| {
            ApiFailure::invalid(format!(
                "the variables of the terminal that job {id} came from are gone: {error}"
            ))
            .hint("Start it from a terminal again, or edit its description to use Slipway's own variables.")
        })?),
        _ => None,
    };
    submit(&state, spec, Some(id), false, environment).await
}

/// Lets a job go before or after others.
#[utoipa::path(post, path = "/jobs/{job_id}/priority", tag = "jobs", request_body = PriorityRequest,
    params(("job_id" = String, Path)),
    responses((status = 200, body = JobSummary), (status = "default", body = ApiError)))]
pub(super) async fn prioritize_job(
    State(state): State<ServerState>,
    ApiPath(id): ApiPath<String>,
    ApiJson(request): ApiJson<PriorityRequest>,
) -> ApiResult<Json<JobSummary>> {
    let job = find(&state, &id).await?;
    queue(&state)?.prioritize(&id_of(&job)?, request.priority).await?;
    let job = find(&state, &job.job_id).await?;
    Ok(Json(render::summary(&job, state.queue())))
}

/// Puts the run of a job into another experiment: the one that its command has chosen.
#[utoipa::path(post, path = "/jobs/{job_id}/move-run", tag = "jobs", request_body = MoveRunRequest,
    params(("job_id" = String, Path)),
    responses((status = 200, body = Changed), (status = "default", body = ApiError)))]
pub(super) async fn move_run(
    State(state): State<ServerState>,
    ApiPath(id): ApiPath<String>,
    ApiJson(request): ApiJson<MoveRunRequest>,
) -> ApiResult<Json<Changed>> {
    let job = find(&state, &id).await?;
    let experiment_id = experiment_id(&request.experiment_id)?;
    let Some(run_id) = job.run_id else {
        return Err(ApiFailure::invalid(format!("job {id} has no run")));
    };
    let edit = RunsEdit::Move { experiment_id };
    match write(&state, Change::EditRuns { run_ids: vec![run_id], edit }).await? {
        Applied::Edited(runs) => Ok(Json(Changed { changed: runs.len() as u64 })),
        other => Err(ApiFailure::internal(format!("moving a run gave {other:?}"))),
    }
}

/// Ends processes that a lost job left behind.
#[utoipa::path(post, path = "/jobs/{job_id}/end-leftovers", tag = "jobs", params(("job_id" = String, Path)),
    responses((status = 200, body = EndedLeftovers), (status = "default", body = ApiError)))]
pub(super) async fn end_leftovers(
    State(state): State<ServerState>,
    ApiPath(id): ApiPath<String>,
) -> ApiResult<Json<EndedLeftovers>> {
    let job = find(&state, &id).await?;
    let queue = queue(&state)?;
    let target = queue.target(&job.target).map_err(QueueError::from)?;
    let attempt = id_of(&job)?.attempt(job.attempts);
    let processes = target.end_leftovers(&attempt).await.map_err(QueueError::from)?;
    Ok(Json(EndedLeftovers { processes: processes as u64 }))
}

/// Forgets jobs that have ended, with their logs and folders. Their runs stay.
#[utoipa::path(post, path = "/jobs/forget", tag = "jobs", request_body = JobIds,
    responses((status = 200, body = Changed), (status = "default", body = ApiError)))]
pub(super) async fn forget_jobs(
    State(state): State<ServerState>,
    ApiJson(ids): ApiJson<JobIds>,
) -> ApiResult<Json<Changed>> {
    if ids.job_ids.len() > MOST_IDS {
        return Err(ApiFailure::invalid(format!("at most {MOST_IDS} jobs can be forgotten at once")));
    }
    let queue = queue(&state)?;
    let mut ended = Vec::new();
    for id in ids.job_ids {
        match find(&state, &id).await {
            Ok(job) if job.state.is_final() && job.job_id == id => ended.push(job),
            _ => {}
        }
    }
    // Folders first: a job that is remembered without its folder is better than a folder that nobody knows.
    for job in &ended {
        let id = id_of(job)?;
        let target = queue.target(&job.target).map_err(QueueError::from)?;
        for number in 1..=job.attempts {
            target.forget(&id.attempt(number)).await.map_err(QueueError::from)?;
        }
        let (folders, gone) = (queue.folders().clone(), id.clone());
        blocking(move || folders.remove(&gone))
            .await?
            .map_err(|source| QueueError::Io { job: id, source })?;
    }
    let job_ids = ended.into_iter().map(|job| job.job_id).collect();
    match write(&state, Change::ForgetJobs { job_ids }).await? {
        Applied::Changed(changed) => Ok(Json(Changed { changed })),
        other => Err(ApiFailure::internal(format!("forgetting jobs gave {other:?}"))),
    }
}

/// What the queue gives away, who has it, and the machine.
#[utoipa::path(get, path = "/queue", tag = "jobs",
    responses((status = 200, body = QueueStatus), (status = "default", body = ApiError)))]
pub(super) async fn get_queue(State(state): State<ServerState>) -> ApiResult<Json<QueueStatus>> {
    Ok(Json(render::queue(&state, queue(&state)?).await))
}

/// Sets what the queue gives away, and pauses it or lets it go on. What runs goes on.
#[utoipa::path(put, path = "/queue", tag = "jobs", request_body = QueueSettings,
    responses((status = 200, body = QueueStatus), (status = "default", body = ApiError)))]
pub(super) async fn set_queue(
    State(state): State<ServerState>,
    ApiJson(mut settings): ApiJson<QueueSettings>,
) -> ApiResult<Json<QueueStatus>> {
    settings.gpus.sort_unstable();
    settings.gpus.dedup();
    if settings.gpus.len() > 1_024 {
        return Err(ApiFailure::invalid("a queue has 1,024 GPUs at most"));
    }
    let queue = queue(&state)?;
    queue.set(settings).await?;
    Ok(Json(render::queue(&state, queue).await))
}

/// The attempt that a request means: the last one unless it says otherwise.
fn attempt_of(job: &Job, wanted: Option<u32>) -> ApiResult<slipway_jobs::AttemptId> {
    let number = wanted.unwrap_or(job.attempts.max(1));
    if number == 0 || number > job.attempts.max(1) {
        let missing = Missing::Job(format!("{} with an attempt {number}", job.job_id));
        return Err(slipway_store::Error::NotFound(missing).into());
    }
    Ok(id_of(job)?.attempt(number))
}
