//! What people do to jobs that are in the queue, and what they may know of it.

use super::driver::{Queue, wrong};
use super::order::Settings;
use super::work::{QueueError, Waits};
use crate::folder::JobFolders;
use crate::target::{Target, TargetError};
use crate::{JobId, JobState, WaitOutcome};
use futures_util::StreamExt;
use slipway_store::Change;
use std::collections::BTreeMap;

/// So many jobs are asked to end at once.
const AT_ONCE: usize = 256;

impl Queue {
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
            let state = self.shared.lock();
            let Some(live) = state.jobs.get(id) else { return Ok(true) };
            live.canceled.cancel();
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
}
