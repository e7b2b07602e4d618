//! The queue at work: takes jobs in, starts those whose turn it is, and lets them be canceled, paused and put in order.
//!
//! What is remembered is in the store; what is here is gone with the process and made anew from the store and the
//! targets at the next start.

use super::order::Order;
use super::state::{Live, State, live_of};
use super::work::{NewWork, QueueError, QueueOptions};
use crate::spec::{BadSpec, LIMIT_BYTES, When};
use crate::target::{Target, TargetError};
use crate::{JobId, JobState, WaitOutcome, machine};
use slipway_store::{Change, Job, NewJob, Outcome, Step};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Nobody says when there is room on a disk again.
const DISK_LOOK_MS: i64 = 2_000;

/// The queue. Cheap to clone; all clones are the same one.
#[derive(Clone)]
pub struct Queue {
    pub(super) shared: Arc<Shared>,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Queue")
    }
}

pub(super) struct Shared {
    pub(super) options: QueueOptions,
    pub(super) state: Mutex<State>,
    pub(super) wake: Notify,
    pub(super) stop: CancellationToken,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The target that a job names.
    pub(super) fn target(&self, name: &str) -> Result<&dyn Target, TargetError> {
        if name == crate::spec::LOCAL {
            return Ok(&self.options.local);
        }
        let found = self.options.targets.iter().find(|target| target.name() == name);
        found.map(|target| &**target).ok_or_else(|| {
            TargetError::Refused(format!("there is no target `{name}`; `local` is this machine"))
        })
    }

    /// Writes a change down, however long that takes: what happened to a job has happened. False when it was refused or
    /// the program ends.
    pub(super) async fn write(&self, change: Change) -> bool {
        let mut pause = Duration::from_millis(100);
        loop {
            match self.options.store.write(change.clone()).await {
                Ok(_) => return true,
                Err(slipway_store::Error::Closed) => return false,
                Err(error @ (slipway_store::Error::Invalid(_) | slipway_store::Error::NotFound(_))) => {
                    tracing::error!(%error, "a step of a job was refused");
                    return false;
                }
                Err(error) => tracing::error!(%error, "a step of a job is not written down yet"),
            }
            tokio::select! {
                () = self.stop.cancelled() => return false,
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(Duration::from_secs(10)),
            }
        }
    }
}

impl Queue {
    /// Opens the queue: goes on with everything that has not ended.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn open(options: QueueOptions) -> Result<Self, QueueError> {
        let store = options.store.clone();
        let read = tokio::task::spawn_blocking(move || {
            store.read(|reader| {
                let live = reader.live_jobs()?;
                let mut jobs = Vec::with_capacity(live.len());
                for job in live {
                    let attempts = if job.state == JobState::Queued {
                        Vec::new()
                    } else {
                        reader.job_attempts(&job.job_id)?
                    };
                    let place = attempts.last().map(|attempt| attempt.place.clone());
                    jobs.push((job, place));
                }
                Ok((jobs, reader.queue_settings()?))
            })
        });
        let (jobs, settings) = read.await.map_err(|_| slipway_store::Error::Closed)??;
        let settings = settings.and_then(|text| serde_json::from_str(&text).ok());
        let state = State {
            jobs: HashMap::new(),
            order: Order::new(settings.unwrap_or_else(machine::usual_settings)),
            needed: HashMap::new(),
            later: BTreeSet::new(),
            last_number: jobs.last().map_or(0, |(job, _)| job.number),
        };
        let shared =
            Shared { options, state: Mutex::new(state), wake: Notify::new(), stop: CancellationToken::new() };
        let queue = Self { shared: Arc::new(shared) };
        queue.go_on(jobs).await;
        tokio::spawn(queue.clone().run());
        Ok(queue)
    }

    /// Takes up what an earlier start of the program left.
    async fn go_on(&self, jobs: Vec<(Job, Option<String>)>) {
        let mut adopted = Vec::new();
        for (job, place) in jobs {
            let Some((id, live)) = live_of(&job) else { continue };
            if job.state == JobState::Queued {
                if !self.shared.options.own_only {
                    self.enqueue(id, live, job.not_before_ms).await;
                }
                continue;
            }
            let place = place.and_then(|place| serde_json::from_str(&place).ok()).unwrap_or_default();
            let mut state = self.shared.lock();
            let waiting = live.waiting();
            state.order.hold(id.clone(), &waiting, &place);
            state.jobs.insert(id.clone(), live);
            adopted.push((id, place));
        }
        for (id, place) in adopted {
            tokio::spawn(self.clone().adopt(id, place));
        }
    }

    /// Takes a job in. It is remembered when this returns.
    ///
    /// # Errors
    /// When the description is wrong, names what is not there, or cannot be stored.
    pub async fn submit(&self, work: NewWork) -> Result<JobId, QueueError> {
        let NewWork { spec, together_with, repeats, from_terminal, id, at_ms } = work;
        spec.check()?;
        self.shared.target(&spec.target)?;
        for need in &spec.needs {
            let wanted = need.job.to_string();
            let store = self.shared.options.store.clone();
            let found = tokio::task::spawn_blocking(move || store.read(|reader| reader.job(&wanted))).await;
            let found = found.map_err(|_| slipway_store::Error::Closed)??;
            if found.job_id != need.job.as_str() {
                return Err(wrong("needs", format!("there is no job `{}`", need.job)).into());
            }
        }
        let text = serde_json::to_string(&spec).map_err(|error| wrong("spec", error.to_string()))?;
        if text.len() > LIMIT_BYTES {
            return Err(wrong("spec", format!("it is longer than {} KiB", LIMIT_BYTES >> 10)).into());
        }
        let id = id.unwrap_or_else(JobId::random);
        let tracking = spec.tracking.as_ref();
        let job = NewJob {
            job_id: id.to_string(),
            name: spec.name.clone(),
            target: spec.target.clone(),
            priority: spec.priority,
            experiment_id: tracking.map(|tracking| tracking.experiment_id),
            run_id: tracking.and_then(|tracking| tracking.run_id.clone()),
            repeats: repeats.map(|job| job.to_string()),
            spec: text,
            at_ms,
        };
        let mut live = Live {
            number: 0,
            attempts: 0,
            state: JobState::Queued,
            experiment_id: job.experiment_id,
            run_id: job.run_id.clone(),
            priority: spec.priority,
            canceled: CancellationToken::new(),
            from_terminal,
            needs_left: HashSet::new(),
            spec: Arc::new(spec),
        };
        let mut changes = together_with;
        changes.push(Change::SubmitJob(Box::new(job)));
        let change = if changes.len() == 1 { changes.remove(0) } else { Change::Together(changes) };
        self.shared.options.store.write(change).await?;
        live.number = self.shared.lock().next_number();
        self.enqueue(id.clone(), live, None).await;
        Ok(id)
    }

    /// Lets a job wait for what it needs, its time, and its turn.
    async fn enqueue(&self, id: JobId, live: Live, not_before_ms: Option<i64>) {
        let needs = live.spec.needs.clone();
        let mut ended = Vec::new();
        {
            let mut state = self.shared.lock();
            let mut live = live;
            for need in &needs {
                if state.jobs.contains_key(&need.job) {
                    state.needed.entry(need.job.clone()).or_default().push(id.clone());
                    live.needs_left.insert(need.job.clone());
                } else {
                    ended.push(need.job.clone());
                }
            }
            state.jobs.insert(id.clone(), live);
            state.line_up(&id, not_before_ms);
        }
        self.shared.wake.notify_one();
        // Those have ended, if they were ever there: how?
        for need in ended {
            let (store, wanted) = (self.shared.options.store.clone(), need.to_string());
            let read = tokio::task::spawn_blocking(move || store.read(|reader| reader.job(&wanted))).await;
            let outcome = read.ok().and_then(Result::ok).and_then(|job| job.state.outcome());
            let wanted = needs.iter().find(|found| found.job == need).map(|found| found.when);
            if wanted == Some(When::Succeeded) && !counts_as_success(outcome) {
                self.give_up(
                    &id,
                    WaitOutcome::Skipped,
                    format!("job {need}, which it needs, did not succeed"),
                )
                .await;
                return;
            }
        }
    }

    /// Ends a job that waits.
    pub(super) async fn give_up(&self, id: &JobId, outcome: WaitOutcome, reason: String) {
        let mut waiting = vec![(id.clone(), outcome, reason)];
        while let Some((id, outcome, reason)) = waiting.pop() {
            let Some(live) = self.shared.lock().take_out(&id) else { continue };
            let step = Step::GiveUp { outcome, reason };
            self.shared.write(live.step(&id, step, Vec::new(), crate::agent::now_ms())).await;
            waiting.extend(self.ended(&id, outcome.into()));
        }
    }

    /// A job has ended: those that need it go on, or are to be given up.
    pub(super) fn ended(&self, id: &JobId, outcome: Outcome) -> Vec<(JobId, WaitOutcome, String)> {
        let mut given_up = Vec::new();
        let mut state = self.shared.lock();
        state.jobs.remove(id);
        state.order.release(id);
        for dependent in state.needed.remove(id).unwrap_or_default() {
            let Some(live) = state.jobs.get_mut(&dependent) else { continue };
            live.needs_left.remove(id);
            let wanted = live.spec.needs.iter().find(|need| need.job == *id).map(|need| need.when);
            if wanted == Some(When::Succeeded) && !counts_as_success(Some(outcome)) {
                let reason = format!("job {id}, which it needs, did not succeed");
                given_up.push((dependent, WaitOutcome::Skipped, reason));
            } else {
                state.line_up(&dependent, None);
            }
        }
        drop(state);
        self.shared.wake.notify_one();
        given_up
    }

    /// Starts whatever has its turn, again and again.
    async fn run(self) {
        loop {
            let mut due_ms = None;
            {
                let mut state = self.shared.lock();
                let now_ms = crate::agent::now_ms();
                while let Some((at_ms, id)) = state.later.first().cloned() {
                    if at_ms > now_ms {
                        due_ms = Some(at_ms - now_ms);
                        break;
                    }
                    state.later.pop_first();
                    state.line_up(&id, None);
                }
                if state.order.needs_disk() {
                    let free = machine::disk_bytes(self.shared.options.local.folders().root());
                    state.order.see_free_disk(free.map_or(u64::MAX, |(free, _)| free));
                }
                while let Some((id, place)) = state.order.take_next() {
                    if let Some(live) = state.jobs.get_mut(&id) {
                        live.state = JobState::Starting;
                        tokio::spawn(self.clone().attempt(id, place));
                    }
                }
            }
            let looks_again = self.shared.lock().order.needs_disk().then_some(DISK_LOOK_MS);
            let due_ms = due_ms.into_iter().chain(looks_again).min();
            let pause = Duration::from_millis(due_ms.map_or(3_600_000, |ms| ms.max(1).cast_unsigned()));
            tokio::select! {
                () = self.shared.stop.cancelled() => return,
                () = self.shared.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Starts nothing any more. What runs goes on without this program.
    pub fn stop(&self) {
        self.shared.stop.cancel();
    }
}

fn counts_as_success(outcome: Option<Outcome>) -> bool {
    matches!(outcome, Some(Outcome::Succeeded | Outcome::Cached))
}

pub(super) fn wrong(field: &'static str, reason: String) -> BadSpec {
    BadSpec { field, reason }
}
