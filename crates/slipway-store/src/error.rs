//! What can go wrong, in words for the person who asked.

use crate::search::SearchError;
use std::path::PathBuf;

/// Shorthand.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the store refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The thing asked for is not there.
    #[error("{0}")]
    NotFound(Missing),
    /// The name is taken.
    #[error("{0}")]
    AlreadyExists(Taken),
    /// The request contradicts what is stored, e.g. another value for a param.
    #[error("{0}")]
    Invalid(String),
    /// Rules of a registered model forbid it.
    #[error("{what} was refused: {}", reasons.join("; "))]
    Refused {
        /// What was to be done.
        what: String,
        /// Which rules are broken, and how.
        reasons: Vec<String>,
    },
    /// Another version is where the one was that was compared with.
    #[error("{target} of the model '{name}' has moved to {}; look again", now.map_or("no version".to_owned(), |version| format!("version {version}")))]
    HolderMoved {
        /// The model.
        name: String,
        /// Alias or stage.
        target: String,
        /// The version that is there now.
        now: Option<i64>,
    },
    /// A filter or an order could not be understood.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// The database was made by a newer program.
    #[error(
        "the database {path} has schema version {found}, but this program knows only versions up to {known}; \
         use the newer Slipway that made it, or another data folder (--data-dir)"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The file is not a Slipway database.
    #[error("{path} is not a Slipway database: {reason}; choose another data folder (--data-dir)")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// A page of the database cannot be read.
    #[error(
        "the database is damaged: {0}. Nothing was changed. Stop Slipway, keep a copy of slipway.db, and restore the \
         newest file of the `backups` folder or run `sqlite3 slipway.db .recover`"
    )]
    Corrupt(String),
    /// No room for the write.
    #[error("the disk is full, so nothing of this request was stored; free some space and send it again")]
    DiskFull,
    /// The folder or the file cannot be written.
    #[error(
        "the data folder cannot be written: {0}; check its permissions or choose another one (--data-dir)"
    )]
    ReadOnly(String),
    /// The store was closed while the request waited.
    #[error("the store is closed")]
    Closed,
    /// A file operation failed.
    #[error("{what}: {source}")]
    Io {
        /// What was tried, with the path.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// Anything else the database says.
    #[error("the database refused: {0}")]
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        let text = error.to_string();
        // The shared memory beside the log could not be made larger, which is a full disk by another name.
        if error.sqlite_error().is_some_and(|it| it.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE) {
            return Self::DiskFull;
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::DiskFull,
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                Self::ReadOnly(text)
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt(text),
            _ => Self::Sqlite(error),
        }
    }
}

/// What was not found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// By id.
    #[error("No Experiment with id={0} exists")]
    Experiment(i64),
    /// By name.
    #[error("Could not find experiment with name '{0}'")]
    ExperimentName(String),
    /// A tag of an experiment.
    #[error("No tag with name: {key} in experiment with id {id}")]
    ExperimentTag {
        /// Key asked for.
        key: String,
        /// The experiment.
        id: i64,
    },
    /// A run.
    #[error("Run with id={0} not found")]
    Run(String),
    /// A tag of a run.
    #[error("No tag with name: {key} in run with id {run_id}")]
    RunTag {
        /// Key asked for.
        key: String,
        /// The run.
        run_id: String,
    },
    /// A logged model.
    #[error("Logged model with ID '{0}' not found.")]
    LoggedModel(String),
    /// A tag of a logged model.
    #[error("No tag with key '{key}' found for model with ID '{model_id}'.")]
    LoggedModelTag {
        /// Key asked for.
        key: String,
        /// The model.
        model_id: String,
    },
    /// A registered model.
    #[error("Registered Model with name={0} not found")]
    RegisteredModel(String),
    /// A version.
    #[error("Model Version (name={name}, version={version}) not found")]
    ModelVersion {
        /// Registered model.
        name: String,
        /// Number asked for.
        version: i64,
    },
    /// An alias.
    #[error("Registered model alias {0} not found.")]
    Alias(String),
    /// An entry of the history of models.
    #[error("The history of models has no entry {0}")]
    HistoryEntry(i64),
    /// A webhook.
    #[error("Webhook with ID {0} not found.")]
    Webhook(String),
    /// A delivery.
    #[error("There is no delivery {0}")]
    Delivery(i64),
    /// A job.
    #[error("there is no job `{0}`")]
    Job(String),
}

/// Which name is taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Taken {
    /// Experiment name.
    #[error("Experiment(name={0}) already exists.{hint}", hint = if *.1 { " It is in the trash: restore it, or choose another name." } else { "" })]
    Experiment(String, bool),
    /// Run id.
    #[error("Run with id={0} already exists")]
    Run(String),
    /// Logged model id.
    #[error("Logged model with ID '{0}' already exists.")]
    LoggedModel(String),
    /// Registered model name.
    #[error("Registered Model (name={0}) already exists.")]
    RegisteredModel(String),
    /// Job id.
    #[error("there is a job `{0}` already")]
    Job(String),
}
