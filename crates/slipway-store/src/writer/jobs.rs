//! Changes to jobs. Whether a step is allowed is said by [`Phase`] alone.

use super::names::Names;
use super::runs;
use crate::change::{Applied, Notice};
use crate::error::{Error, Missing, Result, Taken};
use crate::job::{AttemptEnd, JobState, NewJob, Phase, RunOfStep, RunOutcome, Step, WaitOutcome};
use crate::model::{Lifecycle, RunStatus};
use rusqlite::{Connection, OptionalExtension, params};

/// Which attempt of which job a step is meant for, and when it is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) job_id: &'a str,
    pub(super) attempts: u32,
    pub(super) at_ms: i64,
}

pub(super) fn submit(db: &Connection, notices: &mut Vec<Notice>, job: &NewJob) -> Result<Applied> {
    let added = db
        .prepare_cached(
            "INSERT INTO jobs (job_id, name, target, state, priority, experiment, run_id, repeats, submitted_ms, spec) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (job_id) DO NOTHING",
        )?
        .execute(params![
            job.job_id,
            job.name,
            job.target,
            JobState::Queued,
            job.priority,
            job.experiment_id,
            job.run_id,
            job.repeats,
            job.at_ms,
            job.spec
        ])?;
    if added == 0 {
        return Err(Error::AlreadyExists(Taken::Job(job.job_id.clone())));
    }
    notices.push(Notice::Job { job_id: job.job_id.clone(), state: Some(JobState::Queued) });
    Ok(Applied::Done)
}

fn find(db: &Connection, job_id: &str) -> Result<(i64, Phase)> {
    db.prepare_cached("SELECT id, state, attempts FROM jobs WHERE job_id = ?1")?
        .query_row([job_id], |row| Ok((row.get(0)?, Phase::stored(row.get(1)?, row.get(2)?))))
        .optional()?
        .ok_or_else(|| Error::NotFound(Missing::Job(job_id.to_owned())))
}

pub(super) fn step(
    db: &Connection,
    names: &mut Names,
    notices: &mut Vec<Notice>,
    at: At<'_>,
    step: &Step,
    run: Option<&RunOfStep>,
) -> Result<Applied> {
    let At { job_id, attempts, at_ms } = at;
    let (id, before) = find(db, job_id)?;
    let refused = |why: String| Err(Error::Invalid(format!("job {job_id}: {why}")));
    if before.attempts() != attempts {
        return refused(format!("it is at attempt {}, and not at {attempts}", before.attempts()));
    }
    let after = match before.after(step) {
        Ok(after) => after,
        Err(error) => return refused(error.to_string()),
    };
    let number = after.attempts();
    let status = match step {
        Step::Start { place } => {
            db.prepare_cached(
                "UPDATE jobs SET attempts = ?2, started_ms = coalesce(started_ms, ?3), not_before_ms = NULL \
                 WHERE id = ?1",
            )?
            .execute(params![id, number, at_ms])?;
            db.prepare_cached(
                "INSERT INTO job_attempts (job, number, state, started_ms, place) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![id, number, JobState::Starting, at_ms, place])?;
            None
        }
        Step::Begin { at } => {
            db.prepare_cached(
                "UPDATE job_attempts SET state = ?3, began_ms = ?4, at = ?5 WHERE job = ?1 AND number = ?2",
            )?
            .execute(params![id, number, JobState::Running, at_ms, at])?;
            Some(RunStatus::Running)
        }
        Step::End { outcome, end } => {
            end_attempt(db, id, number, *outcome, end, at_ms)?;
            end_job(db, id, &end.reason, at_ms)?;
            Some(match outcome {
                RunOutcome::Succeeded => RunStatus::Finished,
                RunOutcome::Failed | RunOutcome::Lost => RunStatus::Failed,
                RunOutcome::Canceled => RunStatus::Killed,
            })
        }
        Step::TryAgain { outcome, end, not_before_ms } => {
            end_attempt(db, id, number, *outcome, end, at_ms)?;
            db.prepare_cached("UPDATE jobs SET reason = ?2, not_before_ms = ?3 WHERE id = ?1")?
                .execute(params![id, end.reason, not_before_ms])?;
            None
        }
        Step::GiveUp { outcome, reason } => {
            end_job(db, id, reason, at_ms)?;
            Some(match outcome {
                WaitOutcome::Failed => RunStatus::Failed,
                WaitOutcome::Cached => RunStatus::Finished,
                WaitOutcome::Canceled | WaitOutcome::Skipped => RunStatus::Killed,
            })
        }
    };
    db.prepare_cached("UPDATE jobs SET state = ?2 WHERE id = ?1")?.execute(params![id, after.state()])?;
    if let Some(run) = run {
        step_run(db, names, notices, run, status, at_ms)?;
    }
    notices.push(Notice::Job { job_id: job_id.to_owned(), state: Some(after.state()) });
    Ok(Applied::Done)
}

fn end_attempt(
    db: &Connection,
    id: i64,
    number: u32,
    outcome: RunOutcome,
    end: &AttemptEnd,
    at_ms: i64,
) -> Result<()> {
    let state = crate::job::Outcome::from(outcome).state();
    let number_of = |value: Option<u64>| value.map(|value| i64::try_from(value).unwrap_or(i64::MAX));
    db.prepare_cached(
        "UPDATE job_attempts SET state = ?3, ended_ms = ?4, exit_code = ?5, signal = ?6, reason = ?7, cpu_ms = ?8, \
         peak_memory_bytes = ?9 WHERE job = ?1 AND number = ?2",
    )?
    .execute(params![
        id,
        number,
        state,
        at_ms,
        end.exit_code,
        end.signal,
        end.reason,
        number_of(end.cpu_ms),
        number_of(end.peak_memory_bytes)
    ])?;
    Ok(())
}

fn end_job(db: &Connection, id: i64, reason: &str, at_ms: i64) -> Result<()> {
    db.prepare_cached("UPDATE jobs SET reason = ?2, ended_ms = ?3, not_before_ms = NULL WHERE id = ?1")?
        .execute(params![id, reason, at_ms])?;
    Ok(())
}

/// Brings the run of a job along. What the command itself has said of its run stays.
fn step_run(
    db: &Connection,
    names: &mut Names,
    notices: &mut Vec<Notice>,
    run: &RunOfStep,
    status: Option<RunStatus>,
    at_ms: i64,
) -> Result<()> {
    let row = match runs::find(db, &run.run_id) {
        Ok(row) if row.lifecycle == Lifecycle::Active => row,
        Ok(_) | Err(Error::NotFound(_)) => return Ok(()),
        Err(error) => return Err(error),
    };
    for tag in &run.tags {
        runs::put_tag(db, names, row.id, row.experiment, tag)?;
    }
    if let Some(status) = status.filter(|_| !row.status.is_final()) {
        if status == RunStatus::Running {
            db.prepare_cached("UPDATE runs SET start_ms = coalesce(start_ms, ?2) WHERE id = ?1")?
                .execute(params![row.id, at_ms])?;
        }
        let end_ms = status.is_final().then_some(at_ms);
        runs::update(db, names, notices, &run.run_id, Some(status), end_ms, None)?;
    }
    Ok(())
}

pub(super) fn cancel(
    db: &Connection,
    notices: &mut Vec<Notice>,
    job_id: &str,
    at_ms: i64,
) -> Result<Applied> {
    let (id, phase) = find(db, job_id)?;
    if phase.state().is_final() {
        return Ok(Applied::Changed(0));
    }
    db.execute("UPDATE jobs SET cancel_ms = coalesce(cancel_ms, ?2) WHERE id = ?1", params![id, at_ms])?;
    notices.push(Notice::Job { job_id: job_id.to_owned(), state: Some(phase.state()) });
    Ok(Applied::Changed(1))
}

pub(super) fn prioritize(
    db: &Connection,
    notices: &mut Vec<Notice>,
    job_id: &str,
    priority: i32,
) -> Result<Applied> {
    let (id, phase) = find(db, job_id)?;
    db.execute("UPDATE jobs SET priority = ?2 WHERE id = ?1", params![id, priority])?;
    notices.push(Notice::Job { job_id: job_id.to_owned(), state: Some(phase.state()) });
    Ok(Applied::Done)
}

pub(super) fn forget(db: &Connection, notices: &mut Vec<Notice>, job_ids: &[String]) -> Result<Applied> {
    let mut forgotten = 0;
    for job_id in job_ids {
        let (id, phase) = match find(db, job_id) {
            Ok(found) => found,
            Err(Error::NotFound(_)) => continue,
            Err(error) => return Err(error),
        };
        if phase.state().is_final() {
            db.execute("DELETE FROM jobs WHERE id = ?1", [id])?;
            notices.push(Notice::Job { job_id: job_id.clone(), state: None });
            forgotten += 1;
        }
    }
    Ok(Applied::Changed(forgotten))
}

pub(super) fn set_queue(db: &Connection, notices: &mut Vec<Notice>, settings: &str) -> Result<Applied> {
    db.execute(
        "INSERT INTO queue (id, settings) VALUES (0, ?1) ON CONFLICT (id) DO UPDATE SET settings = excluded.settings",
        [settings],
    )?;
    notices.push(Notice::Queue);
    Ok(Applied::Done)
}
