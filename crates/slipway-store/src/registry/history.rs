//! What happened to registered models: written by the writer with each change, in its transaction.

use crate::error::Result;
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

/// Who asked for a change, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Who {
    /// An account.
    pub user: Option<String>,
    /// The program it came through.
    pub via: Option<String>,
}

/// One change of a registered model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// Counts up.
    pub id: i64,
    /// Name of the model.
    pub model: String,
    /// Version that it is about.
    pub version: Option<i64>,
    /// When.
    pub at_ms: i64,
    /// Who.
    pub who: Who,
    /// What happened.
    pub kind: HistoryKind,
    /// Why.
    pub action: Action,
    /// Alias, or key of a tag.
    pub subject: Option<String>,
    /// What was before.
    pub was: Option<String>,
    /// What is since.
    pub became: Option<String>,
    /// Why, in words.
    pub note: Option<String>,
    /// The entry that brought this one about.
    pub cause: Option<i64>,
    /// The entry that this one takes back.
    pub refers: Option<i64>,
    /// It can be taken back.
    pub can_undo: bool,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they say it by name")]
pub enum HistoryKind {
    ModelCreated,
    ModelRenamed,
    ModelDescribed,
    ModelDeleted,
    ModelTagSet,
    ModelTagRemoved,
    RulesSet,
    VersionCreated,
    VersionDescribed,
    VersionDeleted,
    VersionTagSet,
    VersionTagRemoved,
    AliasMoved,
    StageMoved,
}

/// Why something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Action {
    /// Someone edited it.
    #[default]
    Edit,
    /// A version was moved up, and fulfilled the rules.
    Promotion,
    /// A version came back to where it had been.
    Rollback,
    /// Something was taken back.
    Undo,
}

/// Who asked for the change under way, and why.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct By<'a> {
    pub(crate) who: Option<&'a Who>,
    pub(crate) note: Option<&'a str>,
}

/// An entry to be written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct New<'a> {
    pub(crate) kind: HistoryKind,
    pub(crate) action: Action,
    pub(crate) model: &'a str,
    pub(crate) version: Option<i64>,
    pub(crate) subject: Option<&'a str>,
    pub(crate) was: Option<&'a str>,
    pub(crate) became: Option<&'a str>,
    pub(crate) cause: Option<i64>,
    pub(crate) refers: Option<i64>,
}

impl<'a> New<'a> {
    pub(crate) fn of(kind: HistoryKind, model: &'a str) -> Self {
        Self {
            kind,
            action: Action::Edit,
            model,
            version: None,
            subject: None,
            was: None,
            became: None,
            cause: None,
            refers: None,
        }
    }
}

/// Writes an entry and gives its id.
pub(crate) fn write(db: &Connection, by: By<'_>, at_ms: i64, new: New<'_>) -> Result<i64> {
    let who = by.who.cloned().unwrap_or_default();
    let mut statement = db.prepare_cached(
        "INSERT INTO model_history (model, version, at_ms, user, via, kind, action, subject, was, became, note, cause, \
         refers) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?;
    Ok(statement.insert(params![
        new.model,
        new.version,
        at_ms,
        who.user,
        who.via,
        new.kind,
        new.action,
        new.subject,
        new.was,
        new.became,
        by.note,
        new.cause,
        new.refers
    ])?)
}
