//! The one writer: gathers the changes that are waiting, applies them in one transaction, makes it durable, then
//! answers every caller.
//!
//! Each change runs in a savepoint, so that one that fails takes only itself back. Nobody is answered before the
//! commit, and nothing is told to observers before it either.

mod experiments;
mod keys;
mod log;
mod logged_models;
pub(crate) mod names;
mod registry;
mod runs;

use crate::change::{Applied, Change, Notice};
use crate::columns::{Columns, Touched};
use crate::error::{Error, Result};
use crate::store::Observer;
pub(crate) use log::{as_number, from_bits, read_summary, to_bits};
use names::Names;
use rusqlite::Connection;
use std::sync::mpsc;
use tokio::sync::oneshot;

/// Most changes that one transaction takes: bounds how long the first caller waits for the last one's work.
const BATCH: usize = 512;

/// What the writer thread is asked to do.
#[derive(Debug)]
pub(crate) enum Request {
    /// Apply a change and answer.
    Write { change: Box<Change>, answer: oneshot::Sender<Result<Applied>> },
    /// End after everything that was asked before.
    Stop,
}

/// The writer thread: ends on [`Request::Stop`] or when every sender is gone.
pub(crate) fn run(
    connection: Connection,
    requests: &mpsc::Receiver<Request>,
    observer: &Observer,
    columns: &Columns,
) {
    let mut writer = Writer { connection, names: Names::default() };
    let mut stopping = false;
    while !stopping {
        let mut waiting = Vec::new();
        match requests.recv() {
            Ok(Request::Write { change, answer }) => waiting.push((change, answer)),
            Ok(Request::Stop) | Err(_) => break,
        }
        while waiting.len() < BATCH {
            match requests.try_recv() {
                Ok(Request::Write { change, answer }) => waiting.push((change, answer)),
                Ok(Request::Stop) => {
                    stopping = true;
                    break;
                }
                Err(_) => break,
            }
        }
        // Before the commit, so that no snapshot shows a change that was not noted.
        waiting.iter().for_each(|(change, _)| columns.note(&Touched::by(change)));
        writer.commit(waiting, observer, columns);
    }
    if let Err(error) = writer.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);") {
        tracing::warn!(%error, "the last checkpoint failed; the next start makes up for it");
    }
}

type Waiting = (Box<Change>, oneshot::Sender<Result<Applied>>);

/// The connection that may write, and what it remembers between transactions.
struct Writer {
    connection: Connection,
    names: Names,
}

impl Writer {
    fn commit(&mut self, waiting: Vec<Waiting>, observer: &Observer, columns: &Columns) {
        let mut notices = Vec::new();
        let mut answers = Vec::with_capacity(waiting.len());
        let mut broken = self.connection.execute_batch("BEGIN IMMEDIATE").map_err(Error::from).err();
        for (change, answer) in waiting {
            let result = match &broken {
                Some(error) => Err(again(error)),
                None => self.apply_whole(&change, &mut notices),
            };
            // A full disk or a failing one can make SQLite take back the whole transaction, not only the change.
            if broken.is_none() && self.connection.is_autocommit() {
                broken = Some(result.as_ref().err().map_or(Error::Closed, again));
            }
            answers.push((answer, result));
        }
        if broken.is_none() {
            broken = self.connection.execute_batch("COMMIT").map_err(Error::from).err();
        }
        if let Some(error) = &broken {
            tracing::error!(%error, "a transaction was taken back");
            self.names.forget_all();
            if !self.connection.is_autocommit()
                && let Err(error) = self.connection.execute_batch("ROLLBACK")
            {
                tracing::error!(%error, "and could not be rolled back");
            }
        } else if !notices.is_empty() {
            observer(&notices);
        }
        columns.settle();
        for (answer, result) in answers {
            let result = match (&broken, result) {
                (Some(error), Ok(_)) => Err(again(error)),
                (_, result) => result,
            };
            // A caller that went away does not need its answer.
            let _ = answer.send(result);
        }
    }

    /// Applies one change, or none of it.
    fn apply_whole(&mut self, change: &Change, notices: &mut Vec<Notice>) -> Result<Applied> {
        self.connection.prepare_cached("SAVEPOINT change")?.execute([])?;
        let told = notices.len();
        let result = self.apply(change, notices);
        let end = if result.is_ok() {
            self.names.keep();
            "RELEASE change"
        } else {
            notices.truncate(told);
            self.names.forget();
            "ROLLBACK TO change"
        };
        // After a rollback of the whole transaction there is no savepoint left, and `result` says why.
        if !self.connection.is_autocommit() {
            self.connection.prepare_cached(end)?.execute([])?;
        }
        result
    }

    fn apply(&mut self, change: &Change, notices: &mut Vec<Notice>) -> Result<Applied> {
        let db = &self.connection;
        let names = &mut self.names;
        match change {
            Change::CreateExperiment { name, artifact_location, tags, at_ms } => {
                let place = |id| artifact_location.clone().unwrap_or_else(|| format!("mlflow-artifacts:/{id}"));
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
            Change::Log(batch) => log::log(db, names, notices, batch),
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
            _ => registry::apply(db, notices, change),
        }
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
