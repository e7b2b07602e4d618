//! The one writer: gathers the changes that are waiting, applies them in one transaction, makes it durable, then
//! answers every caller. A caller that is alone does that itself (`desk`).
//!
//! Changes that share a transaction run in savepoints, so that one that fails takes only itself back; a change that is
//! alone has the transaction for that. Nobody is answered before the commit, and nothing is told to observers before it
//! either.

mod bulk;
mod desk;
mod experiments;
mod hot;
mod jobs;
mod keys;
mod log;
mod logged_models;
pub(crate) mod names;
mod promotion;
pub(crate) mod purge;
mod registry;
mod runs;
mod tidy;
mod webhooks;

use crate::change::{Applied, Change, Notice, RunsEdit};
use crate::columns::{Columns, Touched};
use crate::error::{Error, Result};
use crate::registry::history::By;
use crate::store::Observer;
use crate::upkeep::Board;
pub(crate) use desk::Desk;
use hot::Hot;
pub(crate) use hot::Tail;
pub(crate) use log::{as_number, from_bits, read_summary};
use names::Names;
use rusqlite::Connection;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
pub(crate) use tidy::Tidy;
use tokio::sync::oneshot;

/// Most changes that one transaction takes: bounds how long the first caller waits for the last one's work.
const BATCH: usize = 512;

/// What the writer thread is asked to do.
#[derive(Debug)]
pub(crate) enum Request {
    /// Apply a change and answer.
    Write { change: Box<Change>, answer: Answer },
    /// Do what no caller asked for and no reader sees, and answer.
    Tidy { work: Tidy, answer: Answer },
    /// End after everything that was asked before.
    Stop,
}

type Answer = oneshot::Sender<Result<Applied>>;

/// The writer thread: ends on [`Request::Stop`] or when every sender is gone.
pub(crate) fn run(desk: &Desk, requests: &mpsc::Receiver<Request>) {
    desk.open();
    let mut stopping = false;
    while !stopping {
        let mut waiting = Vec::new();
        let mut next = match requests.recv_timeout(desk::SILENCE) {
            Err(RecvTimeoutError::Timeout) => {
                desk.after_silence();
                continue;
            }
            request => request.ok(),
        };
        while let Some(request) = next {
            match request {
                Request::Write { change, answer } => waiting.push((Work::Change(change), answer)),
                Request::Tidy { work, answer } => waiting.push((Work::Tidy(work), answer)),
                Request::Stop => stopping = true,
            }
            next = if stopping || waiting.len() >= BATCH { None } else { requests.try_recv().ok() };
        }
        if waiting.is_empty() {
            break;
        }
        desk.commit(waiting);
    }
    desk.close();
}

/// What can be applied.
enum Work {
    Change(Box<Change>),
    Tidy(Tidy),
}

type Waiting = (Work, Answer);

/// The connection that may write, and what it remembers between transactions.
struct Writer {
    connection: Connection,
    names: Names,
    hot: Hot,
    /// Tails that the transaction under way made longer, by run.
    tails: Vec<(i64, Tail)>,
    board: Arc<Board>,
}

impl Writer {
    fn new(connection: Connection, board: Arc<Board>) -> Self {
        Self { connection, names: Names::default(), hot: Hot::default(), tails: Vec::new(), board }
    }

    fn commit(&mut self, waiting: Vec<Waiting>, observer: &Observer, columns: &Columns) {
        // Before the commit, so that no snapshot shows a change that was not noted.
        for (work, _) in &waiting {
            if let Work::Change(change) = work {
                columns.note(&Touched::by(change));
            }
        }
        let mut notices = Vec::new();
        let mut answers = Vec::with_capacity(waiting.len());
        let generation = self.board.generation();
        let alone = waiting.len() == 1;
        let mut broken = self.execute("BEGIN IMMEDIATE").err();
        for (work, answer) in waiting {
            let result = match &broken {
                Some(error) => Err(again(error)),
                None => self.apply_whole(work, &mut notices, alone),
            };
            // A full disk or a failing one can make SQLite take back the whole transaction, not only the change.
            if broken.is_none() && !alone && self.connection.is_autocommit() {
                broken = Some(result.as_ref().err().map_or(Error::Closed, again));
            }
            answers.push((answer, result));
        }
        // A change that was alone and failed has ended the transaction. If it could not, nothing of it may be kept.
        if broken.is_none() && !self.connection.is_autocommit() {
            let failed = answers.first().filter(|_| alone).and_then(|(_, result)| result.as_ref().err());
            broken = failed.map(again).or_else(|| self.execute("COMMIT").err());
        }
        if let Some(error) = &broken {
            tracing::error!(%error, "a transaction was taken back");
            self.names.forget_all();
            self.hot.forget_all();
            self.tails.clear();
            if !self.connection.is_autocommit()
                && let Err(error) = self.connection.execute_batch("ROLLBACK")
            {
                tracing::error!(%error, "and could not be rolled back");
            }
        } else if !notices.is_empty() {
            observer(&notices);
        }
        columns.settle();
        // Once more after the commit: until now readers saw what was there before.
        if self.board.generation() != generation {
            self.board.series_may_be_gone();
        }
        self.board.logged(&self.tails);
        self.tails.clear();
        for (answer, result) in answers {
            let result = match (&broken, result) {
                (Some(error), Ok(_)) => Err(again(error)),
                (_, result) => result,
            };
            // A caller that went away does not need its answer.
            let _ = answer.send(result);
        }
    }

    fn execute(&self, sql: &str) -> Result<()> {
        self.connection.prepare_cached(sql)?.execute([])?;
        Ok(())
    }

    /// Applies one change, or none of it. One that is alone in its transaction ends it when it fails.
    fn apply_whole(&mut self, work: Work, notices: &mut Vec<Notice>, alone: bool) -> Result<Applied> {
        if !alone {
            self.execute("SAVEPOINT change")?;
        }
        let told = notices.len();
        let result = match work {
            Work::Change(change) => {
                let result = self.apply(&change, By::default(), notices);
                if !keeps_series(&change) {
                    self.hot.forget_all();
                    self.board.series_may_be_gone();
                }
                result
            }
            Work::Tidy(work) => work.apply(&self.connection, &mut self.hot, &self.board),
        };
        let end = if result.is_ok() {
            self.names.keep();
            self.hot.keep();
            if alone { None } else { Some("RELEASE change") }
        } else {
            notices.truncate(told);
            self.names.forget();
            self.hot.forget();
            Some(if alone { "ROLLBACK" } else { "ROLLBACK TO change" })
        };
        // After a rollback of the whole transaction there is no savepoint left, and `result` says why.
        if let Some(end) = end
            && !self.connection.is_autocommit()
        {
            self.execute(end)?;
        }
        result
    }

    fn apply(&mut self, change: &Change, by: By<'_>, notices: &mut Vec<Notice>) -> Result<Applied> {
        let db = &self.connection;
        let names = &mut self.names;
        match change {
            Change::Together(changes) => {
                for change in changes {
                    self.apply(change, by, notices)?;
                }
                Ok(Applied::Done)
            }
            Change::By { who, note, change } => {
                self.apply(change, By { who: Some(who), note: note.as_deref() }, notices)
            }
            Change::CreateExperiment { name, artifact_location, tags, at_ms } => {
                let place =
                    |id| artifact_location.clone().unwrap_or_else(|| format!("mlflow-artifacts:/{id}"));
                experiments::create(db, notices, name, place, tags, *at_ms)
            }
            Change::CreateExperimentBelow { name, artifact_root, tags, at_ms } => {
                let place = |id| experiments::below(artifact_root, id);
                experiments::create(db, notices, name, place, tags, *at_ms)
            }
            Change::PlaceExperiment { id, artifact_root } => {
                experiments::place(db, notices, *id, artifact_root)
            }
            Change::RenameExperiment { id, name, at_ms } => {
                experiments::rename(db, notices, *id, name, *at_ms)
            }
            Change::DeleteExperiment { id, at_ms } => experiments::delete(db, notices, *id, *at_ms),
            Change::RestoreExperiment { id, at_ms } => experiments::restore(db, notices, *id, *at_ms),
            Change::SetExperimentTag { id, tag, at_ms } => {
                experiments::set_tag(db, notices, *id, tag, *at_ms)
            }
            Change::DeleteExperimentTag { id, key, at_ms } => {
                experiments::delete_tag(db, notices, *id, key, *at_ms)
            }
            Change::CreateRun(run) => runs::create(db, names, notices, run),
            Change::UpdateRun { run_id, status, end_ms, name } => {
                runs::update(db, names, notices, run_id, *status, *end_ms, name.as_deref())
            }
            Change::DeleteRuns { run_ids, at_ms } => runs::delete(db, notices, run_ids, *at_ms),
            Change::RestoreRuns { run_ids } => runs::restore(db, notices, run_ids),
            Change::Log(batch) => log::log(db, names, &mut self.hot, &mut self.tails, notices, batch),
            Change::EditRuns { run_ids, edit } => bulk::edit(db, names, notices, run_ids, edit),
            Change::RevertRuns { runs } => bulk::revert(db, names, notices, runs),
            Change::DeleteRunTag { run_id, key } => runs::delete_tag(db, notices, run_id, key),
            Change::LogInputs { run_id, datasets, model_ids } => {
                runs::log_inputs(db, notices, run_id, datasets, model_ids)
            }
            Change::LogOutputs { run_id, models } => runs::log_outputs(db, notices, run_id, models),
            Change::CreateLoggedModel(model) => logged_models::create(db, notices, model),
            Change::FinalizeLoggedModel { model_id, status, at_ms } => {
                logged_models::finalize(db, notices, model_id, *status, *at_ms)
            }
            Change::LogModelParams { model_id, params, at_ms } => {
                logged_models::log_params(db, notices, model_id, params, *at_ms)
            }
            Change::SetLoggedModelTags { model_id, tags, at_ms } => {
                logged_models::set_tags(db, notices, model_id, tags, *at_ms)
            }
            Change::DeleteLoggedModelTag { model_id, key, at_ms } => {
                logged_models::delete_tag(db, notices, model_id, key, *at_ms)
            }
            Change::DeleteLoggedModel { model_id, at_ms } => {
                logged_models::delete(db, notices, model_id, *at_ms)
            }
            Change::RestoreLoggedModel { model_id, at_ms } => {
                logged_models::restore(db, notices, model_id, *at_ms)
            }
            Change::Purge(selection) => purge::begin(db, selection),
            Change::PurgeSlice { limit } => purge::slice(db, notices, *limit),
            Change::StrikeDoomed { ids } => purge::strike_doomed(db, ids),
            Change::SubmitJob(job) => jobs::submit(db, notices, job),
            Change::StepJob { job_id, attempts, step, run, at_ms } => {
                let at = jobs::At { job_id, attempts: *attempts, at_ms: *at_ms };
                jobs::step(db, names, notices, at, step, run.as_ref())
            }
            Change::CancelJob { job_id, at_ms } => jobs::cancel(db, notices, job_id, *at_ms),
            Change::PrioritizeJob { job_id, priority } => jobs::prioritize(db, notices, job_id, *priority),
            Change::ForgetJobs { job_ids } => jobs::forget(db, notices, job_ids),
            Change::SetQueue { settings } => jobs::set_queue(db, notices, settings),
            Change::PutWebhook(_)
            | Change::DeleteWebhook { .. }
            | Change::WebhookTried(_)
            | Change::ForgetDeliveries { .. } => webhooks::apply(db, notices, change),
            _ => registry::apply(db, notices, by, change),
        }
    }
}

/// True for changes after which every run and series is still there, in the same state. All others make the writer
/// forget what it remembers of them, so that a new kind of change is safe before it is quick.
fn keeps_series(change: &Change) -> bool {
    match change {
        Change::Together(changes) => changes.iter().all(keeps_series),
        Change::By { change, .. } => keeps_series(change),
        Change::Log(_)
        | Change::CreateRun(_)
        | Change::UpdateRun { .. }
        | Change::DeleteRunTag { .. }
        | Change::EditRuns { edit: RunsEdit::Tags { .. }, .. }
        | Change::LogInputs { .. }
        | Change::LogOutputs { .. }
        | Change::CreateExperiment { .. }
        | Change::CreateExperimentBelow { .. }
        | Change::SetExperimentTag { .. }
        | Change::CreateLoggedModel(_)
        | Change::FinalizeLoggedModel { .. }
        | Change::LogModelParams { .. }
        | Change::SetLoggedModelTags { .. }
        | Change::CreateRegisteredModel { .. }
        | Change::CreateModelVersion(_)
        | Change::Promote(_)
        | Change::SetAlias { .. }
        | Change::RecordVersionFiles { .. }
        | Change::WebhookTried(_)
        | Change::RestoreLoggedModel { .. }
        | Change::SubmitJob(_)
        | Change::StepJob { .. }
        | Change::CancelJob { .. }
        | Change::PrioritizeJob { .. }
        | Change::ForgetJobs { .. }
        | Change::SetQueue { .. }
        | Change::Purge(_)
        | Change::StrikeDoomed { .. } => true,
        _ => false,
    }
}

/// The same failure for another caller of the same transaction.
fn again(error: &Error) -> Error {
    match error {
        Error::DiskFull => Error::DiskFull,
        Error::ReadOnly(text) => Error::ReadOnly(text.clone()),
        Error::Corrupt(text) => Error::Corrupt(text.clone()),
        other => Error::Io {
            what: "nothing of this request was stored, because the transaction it was part of failed"
                .to_owned(),
            source: std::io::Error::other(other.to_string()),
        },
    }
}
