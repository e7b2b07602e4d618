//! What every target must do, as a program that tries it. Each target's tests call [`check`] on a real one.

use crate::spec::{Command, JobSpec};
use crate::target::{Cause, ExitRecord, LogPart, Observation, Place, Submission, Target};
use crate::{AttemptId, JobId};
use std::collections::BTreeMap;
use std::time::Duration;

/// No step takes longer on any target.
const PATIENCE: Duration = Duration::from_secs(120);

/// Tries everything that the trait promises.
///
/// # Errors
/// The first promise that is not kept, in words.
pub async fn check(target: &dyn Target) -> Result<(), String> {
    unknown_is_unknown(target).await?;
    submitting_twice_runs_once(target).await?;
    output_and_exit_code_come_back(target).await?;
    cancel_ends_what_ignores_it(target).await?;
    a_missing_program_is_an_end_like_any_other(target).await
}

fn submission(script: &str) -> Submission {
    let words = ["sh", "-c", script].map(str::to_owned).to_vec();
    Submission {
        attempt: JobId::random().attempt(1),
        spec: JobSpec::new("conformance", Command::Argv(words)),
        place: Place::default(),
        variables: BTreeMap::new(),
        tracker: None,
    }
}

async fn submit(target: &dyn Target, submission: &Submission) -> Result<Observation, String> {
    target.submit(submission).await.map_err(|error| format!("submitting: {error}"))
}

async fn observe(target: &dyn Target, attempt: &AttemptId) -> Result<Observation, String> {
    target.observe(attempt).await.map_err(|error| format!("observing: {error}"))
}

async fn end(target: &dyn Target, attempt: &AttemptId) -> Result<ExitRecord, String> {
    let waiting = async {
        let mut seen = observe(target, attempt).await?;
        loop {
            match seen {
                Observation::Ended(record) => return Ok(record),
                Observation::Gone { reason, .. } => return Err(format!("it is gone: {reason}")),
                Observation::Unknown => return Err("it was forgotten".to_owned()),
                _ => {}
            }
            seen = target.changed(attempt, &seen).await.map_err(|error| format!("waiting: {error}"))?;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.map_err(|_| "it does not end".to_owned())?
}

async fn log(target: &dyn Target, attempt: &AttemptId) -> Result<LogPart, String> {
    target.log(attempt, 0, 1 << 20).await.map_err(|error| format!("reading the log: {error}"))
}

fn expect(holds: bool, promise: &str, found: impl std::fmt::Debug) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("{promise}; found {found:?}")) }
}

async fn unknown_is_unknown(target: &dyn Target) -> Result<(), String> {
    let found = observe(target, &JobId::random().attempt(1)).await?;
    expect(found == Observation::Unknown, "an attempt that was never submitted is unknown", found)
}

async fn submitting_twice_runs_once(target: &dyn Target) -> Result<(), String> {
    let submission = submission("echo ran; sleep 1");
    submit(target, &submission).await?;
    submit(target, &submission).await?;
    let living = target.adopt().await.map_err(|error| format!("adopting: {error}"))?;
    let record = end(target, &submission.attempt).await?;
    submit(target, &submission).await?;
    expect(record.exit_code == Some(0), "it succeeds", &record)?;
    expect(
        living.iter().filter(|attempt| **attempt == submission.attempt).count() <= 1,
        "it lives once",
        &living,
    )?;
    let part = log(target, &submission.attempt).await?;
    expect(part.bytes == b"ran\n", "it runs once, however often it is submitted", &part)?;
    target.forget(&submission.attempt).await.map_err(|error| format!("forgetting: {error}"))?;
    let found = observe(target, &submission.attempt).await?;
    expect(found == Observation::Unknown, "what was forgotten is unknown", found)
}

async fn output_and_exit_code_come_back(target: &dyn Target) -> Result<(), String> {
    let submission = submission("printf 'a\\377\\000'; printf b >&2; exit 7");
    submit(target, &submission).await?;
    let record = end(target, &submission.attempt).await?;
    expect(
        (record.cause, record.exit_code) == (Cause::Exited, Some(7)),
        "the exit code comes back",
        &record,
    )?;
    let mut part = log(target, &submission.attempt).await?;
    let pieces: u32 = part.pieces.iter().map(|piece| piece.length).sum();
    expect(part.complete, "the log of what has ended is complete", &part)?;
    expect(pieces as usize == part.bytes.len(), "pieces cover the log", &part)?;
    part.bytes.sort_unstable();
    expect(part.bytes == b"\0ab\xff", "every byte comes back", &part)?;
    let behind = target.log(&submission.attempt, 2, 10).await.map_err(|error| error.to_string())?;
    expect((behind.from, behind.bytes.len()) == (2, 2), "a log is read from an offset", &behind)
}

async fn cancel_ends_what_ignores_it(target: &dyn Target) -> Result<(), String> {
    let submission = submission("trap '' TERM; echo ready; while true; do sleep 0.1; done");
    submit(target, &submission).await?;
    let until = tokio::time::Instant::now() + PATIENCE;
    while log(target, &submission.attempt).await?.bytes.is_empty() {
        expect(tokio::time::Instant::now() < until, "it begins", ())?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    target.cancel(&submission.attempt, 200).await.map_err(|error| format!("canceling: {error}"))?;
    let record = end(target, &submission.attempt).await?;
    expect(record.cause == Cause::Canceled, "it is canceled, by force if need be", &record)?;
    // Once more: it has ended, and that is fine.
    target.cancel(&submission.attempt, 200).await.map_err(|error| format!("canceling again: {error}"))
}

async fn a_missing_program_is_an_end_like_any_other(target: &dyn Target) -> Result<(), String> {
    let mut submission = submission("");
    submission.spec.command = Command::Argv(vec!["/no/such/program".to_owned()]);
    submit(target, &submission).await?;
    let record = end(target, &submission.attempt).await?;
    expect(record.cause == Cause::NotStarted, "it ends, and says that it was not started", &record)?;
    expect(record.reason.contains("/no/such/program"), "it says what is missing", &record)
}
