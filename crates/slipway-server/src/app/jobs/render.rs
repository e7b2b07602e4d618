//! Jobs as the API shows them.

use crate::ServerState;
use crate::app::wire::{
    Gpu, JobAttempt, JobDetail, JobSummary, JobUsage, LeftoverProcess, Machine, QueueStatus,
};
use crate::app::{blocking, read};
use crate::error::{ApiFailure, ApiResult};
use slipway_jobs::spec::JobSpec;
use slipway_jobs::target::{Observation, Place};
use slipway_jobs::{JobId, JobState, Queue, load, log, machine};
use slipway_store::{Attempt, Job};

/// What is remembered of what to run.
pub(super) fn spec(job: &Job) -> ApiResult<JobSpec> {
    serde_json::from_str(&job.spec).map_err(|error| {
        ApiFailure::internal(format!("the description of job {} cannot be read: {error}", job.job_id))
    })
}

pub(super) fn summaries(jobs: &[Job], queue: Option<&Queue>) -> Vec<JobSummary> {
    jobs.iter().map(|job| summary(job, queue)).collect()
}

pub(super) fn summary(job: &Job, queue: Option<&Queue>) -> JobSummary {
    let spec = serde_json::from_str::<JobSpec>(&job.spec).ok();
    let waiting = match (job.state, queue, job.job_id.parse::<JobId>()) {
        (JobState::Queued, Some(queue), Ok(id)) => queue.waits(&id),
        _ => None,
    };
    let waits = waiting.as_ref().map(|waiting| waiting.reason.clone());
    let reason = match (waits, job.reason.is_empty()) {
        (Some(waits), true) => waits,
        (Some(waits), false) => format!("{waits}; last time: {}", job.reason),
        (None, _) => job.reason.clone(),
    };
    JobSummary {
        job_id: job.job_id.clone(),
        name: job.name.clone(),
        state: job.state.into(),
        reason,
        target: job.target.clone(),
        priority: job.priority,
        attempts: job.attempts,
        retries: spec.as_ref().map_or(0, |spec| spec.retries.at_most),
        experiment_id: job.experiment_id.map(|id| id.to_string()),
        run_id: job.run_id.clone(),
        repeats: job.repeats.clone(),
        command: spec.as_ref().map(|spec| spec.command.shown()).unwrap_or_default(),
        cpu_milli: spec.as_ref().and_then(|spec| spec.resources.cpu_milli),
        memory_bytes: spec.as_ref().and_then(|spec| spec.resources.memory_bytes),
        gpus: spec.as_ref().map_or(0, |spec| spec.resources.gpus),
        submitted_ms: job.submitted_ms,
        queue_position: waiting.as_ref().and_then(|waiting| waiting.position),
        not_before_ms: job.not_before_ms,
        started_ms: job.started_ms,
        ended_ms: job.ended_ms,
        cancel_ms: job.cancel_ms,
    }
}

pub(super) async fn detail(state: &ServerState, job: Job) -> ApiResult<JobDetail> {
    let id = job.job_id.clone();
    let attempts = read(state, move |reader| reader.job_attempts(&id)).await??;
    let spec = spec(&job)?;
    let summary = summary(&job, state.queue());
    let Ok(id) = job.job_id.parse::<JobId>() else {
        return Err(ApiFailure::internal(format!("{:?} is no id of a job", job.job_id)));
    };
    let folders = state.queue().map(|queue| queue.folders().clone());
    let (last, folder_id) = (job.attempts, id.clone());
    let (attempt_list, usage) = blocking(move || {
        let rendered = attempts.into_iter().map(|found| {
            let folder = folders.as_ref().map(|folders| folders.attempt(&folder_id.attempt(found.number)));
            attempt(found, folder.map_or(0, |folder| log::length(folder.path())))
        });
        let rendered: Vec<_> = rendered.collect();
        let usage =
            folders.and_then(|folders| folders.attempt(&folder_id.attempt(last)).usage().ok().flatten());
        (rendered, usage)
    })
    .await?;
    let mut leftovers = Vec::new();
    if job.state == JobState::Lost
        && let Some(target) = state.queue().and_then(|queue| queue.target(&job.target).ok())
        && let Ok(Observation::Gone { leftovers: found, .. }) =
            target.look_again(&id.attempt(job.attempts)).await
    {
        leftovers = found
            .into_iter()
            .map(|process| LeftoverProcess { pid: process.pid, command: process.command })
            .collect();
    }
    Ok(JobDetail {
        summary,
        spec,
        attempt_list,
        usage: usage.map(|usage| JobUsage {
            at_ms: usage.at_ms,
            cpu_ms: usage.cpu_ms,
            cpu_percent: usage.cpu_percent,
            memory_bytes: usage.memory_bytes,
            peak_memory_bytes: usage.peak_memory_bytes,
            processes: usage.processes,
        }),
        leftovers,
    })
}

fn attempt(attempt: Attempt, log_bytes: u64) -> JobAttempt {
    let place: Place = serde_json::from_str(&attempt.place).unwrap_or_default();
    JobAttempt {
        number: attempt.number,
        state: attempt.state.into(),
        started_ms: attempt.started_ms,
        began_ms: attempt.began_ms,
        ended_ms: attempt.ended_ms,
        exit_code: attempt.end.exit_code,
        signal: attempt.end.signal,
        reason: attempt.end.reason,
        at: attempt.at,
        gpus: place.gpus,
        cpu_ms: attempt.end.cpu_ms,
        peak_memory_bytes: attempt.end.peak_memory_bytes,
        log_bytes,
    }
}

pub(super) async fn queue(state: &ServerState, queue: &Queue) -> QueueStatus {
    let busy_percent = state.load().busy_percent().await;
    // The driver may take its time; without devices it is not asked.
    let loads = blocking(load::gpus).await.unwrap_or_default();
    let settings = queue.settings();
    let (holders, given_cpu_milli, given_memory_bytes) = queue.given();
    let (free_disk_bytes, disk_bytes) = machine::disk_bytes(&state.config().data_dir).unwrap_or_default();
    let mut indexes = machine::gpus();
    indexes.extend(settings.gpus.iter().filter(|gpu| !indexes.contains(gpu)).copied().collect::<Vec<_>>());
    let gpus = indexes
        .into_iter()
        .map(|index| {
            let load = loads.iter().find(|load| load.index == index).cloned().unwrap_or_default();
            Gpu {
                index,
                job_id: holders.get(&index).map(|job| job.as_str().to_owned()),
                name: load.name,
                busy_percent: load.busy_percent,
                used_bytes: load.used_bytes,
                memory_bytes: load.memory_bytes,
                celsius: load.celsius,
            }
        })
        .collect();
    QueueStatus {
        settings,
        given_cpu_milli,
        given_memory_bytes,
        machine: Machine {
            host_name: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            processors: machine::processors(),
            busy_percent,
            memory_bytes: machine::memory_bytes(),
            free_memory_bytes: machine::free_memory_bytes(),
            disk_bytes,
            free_disk_bytes,
            gpus,
            limits: "Memory is limited for each process by its resource limit. Processors are counted when a job is \
                     started, not limited."
                .to_owned(),
        },
    }
}
