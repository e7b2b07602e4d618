//! The life of one attempt: from its place to its end, also when it was begun by an earlier start of the program.

use super::driver::Queue;
use super::state::Live;
use crate::spec::Base;
use crate::target::{Began, Cause, ExitRecord, Observation, Place, Submission, TargetError};
use crate::{AttemptId, JobId, JobState, RunOutcome};
use slipway_store::{AttemptEnd, Change, KeyValue, RunOfStep, Step};
use std::time::Duration;

/// How often a target that cannot be reached is asked.
const PATIENCE: Duration = Duration::from_secs(2);
/// So many times it is asked to start something.
const TRIES: u32 = 5;

impl Live {
    /// A step of this job as a change.
    pub(super) fn step(&self, id: &JobId, step: Step, tags: Vec<KeyValue>, at_ms: i64) -> Change {
        Change::StepJob {
            job_id: id.to_string(),
            attempts: self.attempts,
            step: Box::new(step),
            run: self.run_id.clone().map(|run_id| RunOfStep { run_id, tags }),
            at_ms,
        }
    }
}

impl Queue {
    fn live(&self, id: &JobId) -> Option<Live> {
        self.shared.lock().jobs.get(id).cloned()
    }

    /// Begins the next attempt of a job and follows it.
    pub(super) async fn attempt(self, id: JobId, place: Place) {
        let Some(live) = self.live(&id) else { return };
        let text = serde_json::to_string(&place).unwrap_or_default();
        let step = live.step(&id, Step::Start { place: text }, Vec::new(), crate::agent::now_ms());
        if !self.shared.write(step).await {
            return;
        }
        let number = live.attempts + 1;
        if let Some(live) = self.shared.lock().jobs.get_mut(&id) {
            live.attempts = number;
        }
        self.start(&id.attempt(number), place).await;
    }

    /// Goes on with an attempt that an earlier start of the program began.
    pub(super) async fn adopt(self, id: JobId, place: Place) {
        let Some(live) = self.live(&id) else { return };
        let attempt = id.attempt(live.attempts);
        let found = match self.shared.target(&live.spec.target) {
            Ok(target) => target.observe(&attempt).await,
            Err(error) => Err(error),
        };
        match found {
            Ok(Observation::Unknown) if live.state == JobState::Starting => {
                let is_kept = self.folders().environment(&id).is_ok();
                if live.canceled.is_cancelled() || (live.spec.environment.base == Base::Caller && !is_kept) {
                    let reason = "it was interrupted before it began".to_owned();
                    self.end(&attempt, Observation::Gone { reason, leftovers: Vec::new() }).await;
                } else {
                    if let Some(live) = self.shared.lock().jobs.get_mut(&id) {
                        live.from_terminal = false;
                    }
                    self.start(&attempt, place).await;
                }
            }
            Ok(Observation::Unknown) => {
                let reason = "its folder is not there any more".to_owned();
                self.end(&attempt, Observation::Gone { reason, leftovers: Vec::new() }).await;
            }
            Ok(found) => {
                if live.canceled.is_cancelled() {
                    self.ask_to_end(&attempt, &live).await;
                }
                self.follow(&attempt, found).await;
            }
            Err(error) => {
                self.follow(&attempt, Observation::Starting { reason: error.to_string() }).await;
            }
        }
    }

    async fn ask_to_end(&self, attempt: &AttemptId, live: &Live) {
        if let Ok(target) = self.shared.target(&live.spec.target)
            && let Err(error) = target.cancel(attempt, live.spec.grace_ms).await
        {
            tracing::warn!(%error, "{attempt} was not asked to end");
        }
    }

    /// Has an attempt started, and follows it.
    async fn start(&self, attempt: &AttemptId, place: Place) {
        let Some(live) = self.live(&attempt.job) else { return };
        let surroundings = &self.shared.options.surroundings;
        let laid_out = tokio::select! {
            laid_out = surroundings.before_start(attempt, &live.spec, live.run_id.as_deref()) => laid_out,
            // What it reads may be long on its way.
            () = live.canceled.cancelled() => {
                let reason = "canceled before it began".to_owned();
                let record = ExitRecord { cause: Cause::Canceled, reason, ..ExitRecord::default() };
                return self.end(attempt, Observation::Ended(record)).await;
            }
        };
        if let Err(reason) = laid_out {
            let record = ExitRecord { cause: Cause::NotPrepared, reason, ..ExitRecord::default() };
            return self.end(attempt, Observation::Ended(record)).await;
        }
        let variables =
            self.shared.options.surroundings.variables(&attempt.job, &live.spec, live.run_id.as_deref());
        let tracker = self.shared.options.surroundings.tracker(&live.spec, live.run_id.as_deref());
        let spec = (*live.spec).clone();
        let submission = Submission { attempt: attempt.clone(), spec, place, variables, tracker };
        let mut tries = 0;
        let begun = loop {
            let begun = if live.from_terminal {
                self.shared.options.local.expect(&submission)
            } else {
                match self.shared.target(&live.spec.target) {
                    Ok(target) => target.submit(&submission).await,
                    Err(error) => Err(error),
                }
            };
            tries += 1;
            match begun {
                Err(TargetError::Unavailable(_)) if tries < TRIES => tokio::time::sleep(PATIENCE).await,
                begun => break begun,
            }
        };
        match begun {
            Ok(found) => {
                // Somebody may have wanted it to end before there was anything to end.
                let live = self.live(&attempt.job).unwrap_or(live);
                if live.canceled.is_cancelled() {
                    self.ask_to_end(attempt, &live).await;
                }
                self.follow(attempt, found).await;
            }
            Err(error) => {
                let reason = format!("it could not be started: {error}");
                let record = ExitRecord { cause: Cause::NotStarted, reason, ..ExitRecord::default() };
                self.end(attempt, Observation::Ended(record)).await;
            }
        }
    }

    /// Follows an attempt to its end.
    async fn follow(&self, attempt: &AttemptId, mut found: Observation) {
        loop {
            match &found {
                Observation::Starting { .. } => {}
                Observation::Running(began) => self.begin(attempt, began).await,
                Observation::Ended(_) | Observation::Gone { .. } => return self.end(attempt, found).await,
                Observation::Unknown => {
                    let reason = "its target does not know it any more".to_owned();
                    return self.end(attempt, Observation::Gone { reason, leftovers: Vec::new() }).await;
                }
            }
            let Some(live) = self.live(&attempt.job) else { return };
            let next = match self.shared.target(&live.spec.target) {
                Ok(target) => target.changed(attempt, &found).await,
                Err(error) => Err(error),
            };
            match next {
                Ok(next) => found = next,
                Err(error) => {
                    tracing::warn!(%error, "{attempt} cannot be followed; trying again");
                    tokio::select! {
                        () = self.shared.stop.cancelled() => return,
                        () = tokio::time::sleep(PATIENCE) => {}
                    }
                }
            }
        }
    }

    /// Writes down that a command runs, once.
    async fn begin(&self, attempt: &AttemptId, began: &Began) {
        let live = {
            let mut state = self.shared.lock();
            let Some(live) = state.jobs.get_mut(&attempt.job) else { return };
            if live.state != JobState::Starting {
                return;
            }
            live.state = JobState::Running;
            live.clone()
        };
        let step = Step::Begin { at: began.words() };
        self.shared.write(live.step(&attempt.job, step, Vec::new(), began.at_ms)).await;
    }

    /// Writes down how an attempt ended, and what follows.
    async fn end(&self, attempt: &AttemptId, found: Observation) {
        let id = &attempt.job;
        let Some(live) = self.live(id) else { return };
        let surroundings = self.shared.options.surroundings.clone();
        let missing = surroundings.before_end(attempt, &live.spec, live.run_id.as_deref()).await;
        let now_ms = crate::agent::now_ms();
        let Verdict { outcome, mut end, at_ms, began_ms, at, again } =
            Verdict::of(found, live.canceled.is_cancelled(), now_ms);
        for words in missing {
            end.reason = format!("{}; {words}", end.reason);
        }
        let tags = surroundings.run_tags(end.exit_code);
        let retries = &live.spec.retries;
        let tries_again = again && !live.canceled.is_cancelled() && live.attempts <= retries.at_most;
        let step = if tries_again {
            let pause_ms = i64::try_from(retries.pause_after_ms(live.attempts)).unwrap_or(i64::MAX);
            Step::TryAgain { outcome, end, not_before_ms: now_ms.saturating_add(pause_ms) }
        } else {
            Step::End { outcome, end }
        };
        let not_before_ms = match &step {
            Step::TryAgain { not_before_ms, .. } => Some(*not_before_ms),
            _ => None,
        };
        let last = live.step(id, step, tags, at_ms);
        let change = match began_ms {
            // It was over before anybody heard of its beginning.
            Some(began_ms) if live.state == JobState::Starting => {
                let began = Step::Begin { at };
                Change::Together(vec![live.step(id, began, Vec::new(), began_ms), last])
            }
            _ => last,
        };
        if !self.shared.write(change).await {
            return;
        }
        if not_before_ms.is_some() {
            let mut state = self.shared.lock();
            state.order.release(id);
            if let Some(live) = state.jobs.get_mut(id) {
                live.state = JobState::Queued;
                live.from_terminal = false;
            }
            state.line_up(id, not_before_ms);
            drop(state);
            self.shared.wake.notify_one();
            return;
        }
        for (dependent, outcome, reason) in self.ended(id, outcome.into()) {
            self.give_up(&dependent, outcome, reason).await;
        }
    }
}

/// What to make of the end of an attempt.
struct Verdict {
    outcome: RunOutcome,
    end: AttemptEnd,
    at_ms: i64,
    began_ms: Option<i64>,
    at: String,
    /// It makes sense to try it again.
    again: bool,
}

impl Verdict {
    fn of(found: Observation, canceled: bool, now_ms: i64) -> Self {
        match found {
            Observation::Ended(record) => {
                let outcome = match record.cause {
                    Cause::Canceled => RunOutcome::Canceled,
                    Cause::Exited if record.exit_code == Some(0) => RunOutcome::Succeeded,
                    Cause::Exited | Cause::NotStarted | Cause::NotPrepared | Cause::TimedOut => {
                        RunOutcome::Failed
                    }
                };
                Self {
                    outcome,
                    at_ms: if record.ended_ms > 0 { record.ended_ms } else { now_ms },
                    began_ms: record.began_ms,
                    at: record.at,
                    // A program that is not there will not be there in a minute either.
                    again: outcome == RunOutcome::Failed && record.cause != Cause::NotStarted,
                    end: AttemptEnd {
                        exit_code: record.exit_code,
                        signal: record.signal,
                        reason: record.reason,
                        cpu_ms: record.cpu_ms,
                        peak_memory_bytes: record.peak_memory_bytes,
                    },
                }
            }
            Observation::Gone { reason, leftovers } => {
                let left = leftovers.len();
                let reason = match left {
                    0 => reason,
                    1 => format!("{reason}; a process of it still runs"),
                    _ => format!("{reason}; {left} processes of it still run"),
                };
                let outcome = if canceled && left == 0 { RunOutcome::Canceled } else { RunOutcome::Lost };
                let end = AttemptEnd { reason, ..AttemptEnd::default() };
                // Nothing may run twice at once.
                Self { outcome, end, at_ms: now_ms, began_ms: None, at: String::new(), again: left == 0 }
            }
            Observation::Unknown | Observation::Starting { .. } | Observation::Running(_) => {
                let end = AttemptEnd { reason: "it has not ended".to_owned(), ..AttemptEnd::default() };
                let outcome = RunOutcome::Lost;
                Self { outcome, end, at_ms: now_ms, began_ms: None, at: String::new(), again: false }
            }
        }
    }
}
