//! The queue at work: takes jobs in, starts those whose turn it is, and lets them be canceled, paused and put in order.
//!
//! What is remembered is in the store; what is here is gone with the process and made anew from the store and the
//! targets at the next start.

use super::order::{Order, Settings, Waiting};
use crate::folder::JobFolders;
use crate::spec::{BadSpec, Base, JobSpec, LIMIT_BYTES, When};
use crate::target::{Target, TargetError, Tracker};
use crate::{AttemptId, JobId, JobState, LocalTarget, WaitOutcome, machine};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use slipway_store::{Change, Job, KeyValue, NewJob, Outcome, Step, Store};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// So many jobs are asked to end at once.
const AT_ONCE: usize = 256;

/// What a job gets from whoever tracks it.
pub trait Surroundings: Send + Sync + 'static {
    /// Variables for its command.
    fn variables(&self, job: &JobId, spec: &JobSpec, run_id: Option<&str>) -> BTreeMap<String, String>;

    /// Who tracks it, if anybody does.
    fn tracker(&self, spec: &JobSpec, run_id: Option<&str>) -> Option<Tracker>;

    /// Tags for its run when it has ended.
    fn run_tags(&self, exit_code: Option<i32>) -> Vec<KeyValue>;

    /// An attempt has ended. Its end is written down when this is done.
    fn before_end<'a>(
        &'a self,
        attempt: &'a AttemptId,
        spec: &'a JobSpec,
        run_id: Option<&'a str>,
    ) -> BoxFuture<'a, ()>;
}

/// How a queue is opened.
#[derive(Clone)]
pub struct QueueOptions {
    /// Everything remembered.
    pub store: Store,
    /// This machine.
    pub local: LocalTarget,
    /// Other targets.
    pub targets: Vec<Arc<dyn Target>>,
    /// What jobs get from whoever tracks them.
    pub surroundings: Arc<dyn Surroundings>,
    /// Starts only what is submitted here, and leaves what waits already to others.
    pub own_only: bool,
}

/// A job to be taken in.
#[derive(Debug)]
pub struct NewWork {
    /// What to run.
    pub spec: JobSpec,
    /// Written together with the job, e.g. the making of its run.
    pub together_with: Vec<Change>,
    /// The job that it repeats.
    pub repeats: Option<JobId>,
    /// Somebody at a terminal starts its first agent and waits for it.
    pub from_terminal: bool,
    /// Its id, if it has one already.
    pub id: Option<JobId>,
    /// Now.
    pub at_ms: i64,
}

/// Why the queue refused.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The description is wrong.
    #[error("{0}")]
    Spec(#[from] BadSpec),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] slipway_store::Error),
    /// The target refused or cannot be reached.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A file of a job cannot be used.
    #[error("the folder of job {job}: {source}")]
    Io {
        /// The job.
        job: JobId,
        /// Why.
        source: std::io::Error,
    },
}

/// How a job waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waits {
    /// Why, in words.
    pub reason: String,
    /// Its place among those that wait for their turn, from 1.
    pub position: Option<u64>,
}

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

/// All jobs that have not ended.
pub(super) struct State {
    pub(super) jobs: HashMap<JobId, Live>,
    pub(super) order: Order,
    /// Jobs by the one that they wait for.
    needed: HashMap<JobId, Vec<JobId>>,
    /// Jobs that are not due yet.
    later: BTreeSet<(i64, JobId)>,
    last_number: i64,
}

/// A job that has not ended.
#[derive(Clone)]
pub(super) struct Live {
    pub(super) spec: Arc<JobSpec>,
    pub(super) number: i64,
    pub(super) attempts: u32,
    pub(super) state: JobState,
    pub(super) experiment_id: Option<i64>,
    pub(super) run_id: Option<String>,
    pub(super) priority: i32,
    pub(super) canceled: bool,
    /// Somebody at a terminal starts its next agent.
    pub(super) from_terminal: bool,
    needs_left: HashSet<JobId>,
}

impl Live {
    fn waiting(&self) -> Waiting {
        let group = self.experiment_id.unwrap_or(-1);
        // Whoever sits there goes first.
        let priority = if self.from_terminal { i32::MAX } else { self.priority };
        let mut waiting = Waiting::new(self.number, group, priority, self.spec.resources.clone());
        waiting.at_once = self.from_terminal;
        waiting
    }
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
            canceled: false,
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
                while let Some((id, place)) = state.order.take_next() {
                    if let Some(live) = state.jobs.get_mut(&id) {
                        live.state = JobState::Starting;
                        tokio::spawn(self.clone().attempt(id, place));
                    }
                }
            }
            let pause = Duration::from_millis(due_ms.map_or(3_600_000, |ms| ms.max(1).cast_unsigned()));
            tokio::select! {
                () = self.shared.stop.cancelled() => return,
                () = self.shared.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Somebody wants a job to end. False when it has ended already.
    ///
    /// # Errors
    /// When there is no such job, or its target cannot be reached.
    pub async fn cancel(&self, id: &JobId, grace_ms: Option<u64>, at_ms: i64) -> Result<bool, QueueError> {
        let change = Change::CancelJob { job_id: id.to_string(), at_ms };
        if self.shared.options.store.write(change).await? == slipway_store::Applied::Changed(0) {
            return Ok(false);
        }
        let live = {
            let mut state = self.shared.lock();
            let Some(live) = state.jobs.get_mut(id) else { return Ok(true) };
            live.canceled = true;
            live.clone()
        };
        if live.state == JobState::Queued {
            self.give_up(id, WaitOutcome::Canceled, "canceled before it began".to_owned()).await;
        } else if live.attempts > 0 {
            let grace_ms = grace_ms.unwrap_or(live.spec.grace_ms);
            self.shared.target(&live.spec.target)?.cancel(&id.attempt(live.attempts), grace_ms).await?;
        }
        Ok(true)
    }

    /// Somebody wants many jobs to end. Gives how many had not ended; what is no job any more is passed over.
    ///
    /// # Errors
    /// When one of them cannot be asked; the others may have been.
    pub async fn cancel_all(
        &self,
        mut ids: Vec<JobId>,
        grace_ms: Option<u64>,
        at_ms: i64,
    ) -> Result<u64, QueueError> {
        // The last ones first: what frees a place must not start one that is about to be asked.
        ids.reverse();
        let mut answers = futures_util::stream::iter(ids)
            .map(|id| async move { self.cancel(&id, grace_ms, at_ms).await })
            .buffered(AT_ONCE);
        let mut asked = 0;
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(had_not_ended) => asked += u64::from(had_not_ended),
                Err(QueueError::Store(slipway_store::Error::NotFound(_))) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(asked)
    }

    /// Lets a job go before or after others.
    ///
    /// # Errors
    /// When there is no such job, or the store cannot be written.
    pub async fn prioritize(&self, id: &JobId, priority: i32) -> Result<(), QueueError> {
        self.shared.options.store.write(Change::PrioritizeJob { job_id: id.to_string(), priority }).await?;
        let mut state = self.shared.lock();
        if let Some(live) = state.jobs.get_mut(id) {
            live.priority = priority;
            let waiting = live.waiting();
            if state.order.is_waiting(id) {
                state.order.add(id.clone(), waiting);
            }
        }
        drop(state);
        self.shared.wake.notify_one();
        Ok(())
    }

    /// What the queue gives away.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.shared.lock().order.settings().clone()
    }

    /// Gives away something else from now on; what runs goes on.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn set(&self, settings: Settings) -> Result<(), QueueError> {
        let text = serde_json::to_string(&settings).map_err(|error| wrong("settings", error.to_string()))?;
        self.shared.options.store.write(Change::SetQueue { settings: text }).await?;
        self.shared.lock().order.set(settings);
        self.shared.wake.notify_one();
        Ok(())
    }

    /// Why a job waits, and where it stands; none when it does not wait.
    #[must_use]
    pub fn waits(&self, id: &JobId) -> Option<Waits> {
        let mut state = self.shared.lock();
        let live = state.jobs.get(id)?;
        if live.state != JobState::Queued {
            return None;
        }
        if let Some(need) = live.needs_left.iter().next() {
            let reason = match live.needs_left.len() {
                1 => format!("it waits for job {need}"),
                count => format!("it waits for {count} jobs"),
            };
            return Some(Waits { reason, position: None });
        }
        let reason = state.order.reason(id).unwrap_or_else(|| "it waits before its next try".to_owned());
        Some(Waits { reason, position: state.order.position(id) })
    }

    /// Who holds which graphics processor; and how many thousandths of processors and bytes of memory are given away.
    #[must_use]
    pub fn given(&self) -> (BTreeMap<u32, JobId>, u64, u64) {
        let state = self.shared.lock();
        let (cpu_milli, memory_bytes) = state.order.given();
        (state.order.gpu_holders(), cpu_milli, memory_bytes)
    }

    /// The folders of jobs on this machine.
    #[must_use]
    pub fn folders(&self) -> &JobFolders {
        self.shared.options.local.folders()
    }

    /// The target of a job.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn target(&self, name: &str) -> Result<&dyn Target, TargetError> {
        self.shared.target(name)
    }

    /// Starts nothing any more. What runs goes on without this program.
    pub fn stop(&self) {
        self.shared.stop.cancel();
    }
}

impl State {
    /// A number behind all that were given.
    fn next_number(&mut self) -> i64 {
        self.last_number += 1;
        self.last_number
    }

    /// Lets a job wait for its turn, unless it still waits for something else.
    pub(super) fn line_up(&mut self, id: &JobId, not_before_ms: Option<i64>) {
        let Some(live) = self.jobs.get(id) else { return };
        if live.state != JobState::Queued || !live.needs_left.is_empty() {
            return;
        }
        match not_before_ms {
            Some(at_ms) => drop(self.later.insert((at_ms, id.clone()))),
            None => {
                let waiting = live.waiting();
                self.order.add(id.clone(), waiting);
            }
        }
    }

    /// Takes a job out that waits; none when it does not.
    fn take_out(&mut self, id: &JobId) -> Option<Live> {
        let live = self.jobs.get(id).filter(|live| live.state == JobState::Queued)?.clone();
        self.order.remove(id);
        self.later.retain(|(_, later)| later != id);
        self.jobs.remove(id);
        Some(live)
    }
}

fn counts_as_success(outcome: Option<Outcome>) -> bool {
    matches!(outcome, Some(Outcome::Succeeded | Outcome::Cached))
}

fn wrong(field: &'static str, reason: String) -> BadSpec {
    BadSpec { field, reason }
}

/// A job of the store as one that has not ended.
fn live_of(job: &Job) -> Option<(JobId, Live)> {
    let (Ok(id), Ok(spec)) = (job.job_id.parse::<JobId>(), serde_json::from_str::<JobSpec>(&job.spec)) else {
        tracing::error!(job = job.job_id, "a job cannot be read, and is left alone");
        return None;
    };
    let live = Live {
        from_terminal: spec.environment.base == Base::Caller
            && job.attempts <= 1
            && job.state != JobState::Queued,
        spec: Arc::new(spec),
        number: job.number,
        attempts: job.attempts,
        state: job.state,
        experiment_id: job.experiment_id,
        run_id: job.run_id.clone(),
        priority: job.priority,
        canceled: job.cancel_ms.is_some(),
        needs_left: HashSet::new(),
    };
    Some((id, live))
}
