//! Moving versions to aliases and stages: the rules are checked in the transaction that moves, against what is there
//! then, so that of two who move at once each is compared with the other.

use super::registry::{require_version, touch_model, touch_version};
use crate::change::Applied;
use crate::error::{Error, Missing, Result};
use crate::model::Stage;
use crate::registry::events::{EventFacts, EventKind, raise};
use crate::registry::history::{self, Action, By, HistoryKind, New};
use crate::registry::promotion::{Asked, check, holder};
use crate::registry::{Promoted, Promotion, Target};
use rusqlite::{Connection, OptionalExtension, params};

/// Moves a version.
pub(super) fn promote(db: &Connection, by: By<'_>, promotion: &Promotion) -> Result<Applied> {
    let Promotion { name, version, target, archive_existing, action, expected_holder, compared, at_ms } =
        promotion;
    require_version(db, name, *version)?;
    let previous = holder(db, name, target)?;
    if expected_holder.is_some_and(|expected| expected != previous.unwrap_or(0)) {
        return Err(moved(name, target, previous));
    }
    let mut done = Promoted {
        name: name.clone(),
        target: target.clone(),
        version: Some(*version),
        previous,
        history_id: None,
    };
    let is_there = match target {
        Target::Alias(_) => previous == Some(*version),
        Target::Stage(stage) => stage_of(db, name, *version)? == *stage,
    };
    match action {
        // What is there already needs to fulfil nothing.
        _ if is_there => {}
        Action::Rollback => {
            if !was_there(db, name, *version, target)? {
                return Err(Error::Invalid(format!(
                    "version {version} of '{name}' has never been {target}, so there is nothing to go back to; promote it"
                )));
            }
        }
        _ => obey(db, by, promotion, compared.as_ref(), previous)?,
    }
    done.history_id = match target {
        Target::Alias(_) if is_there => None,
        Target::Alias(alias) => {
            Some(set_alias(db, by, *at_ms, *action, name, alias, previous, Some(*version), None)?)
        }
        Target::Stage(stage) => {
            set_stage(db, by, *at_ms, *action, name, *version, *stage, *archive_existing)?
        }
    };
    match target {
        Target::Alias(_) => touch_model(db, name, *at_ms)?,
        Target::Stage(_) => touch_version(db, name, *version, *at_ms)?,
    };
    Ok(Applied::Promoted(done))
}

/// Refuses what breaks a rule.
fn obey(
    db: &Connection,
    by: By<'_>,
    promotion: &Promotion,
    compared: Option<&crate::registry::Compared>,
    previous: Option<i64>,
) -> Result<()> {
    let Promotion { name, version, target, .. } = promotion;
    let asked = Asked { name, version: *version, target, note: by.note, compared };
    let outcomes = check(db, asked)?;
    let broken: Vec<String> = outcomes
        .iter()
        .filter(|outcome| outcome.passed == Some(false))
        .map(|outcome| outcome.reason.clone())
        .collect();
    if !broken.is_empty() {
        let what = format!("moving version {version} of '{name}' to {target}");
        return Err(Error::Refused { what, reasons: broken });
    }
    match outcomes.iter().any(|outcome| outcome.passed.is_none()) {
        true => Err(moved(name, target, previous)),
        false => Ok(()),
    }
}

fn moved(name: &str, target: &Target, now: Option<i64>) -> Error {
    Error::HolderMoved { name: name.to_owned(), target: target.to_string(), now }
}

/// Whether the history says that a version was at a target.
fn was_there(db: &Connection, name: &str, version: i64, target: &Target) -> Result<bool> {
    let mut statement;
    Ok(match target {
        Target::Alias(alias) => {
            statement = db.prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM model_history WHERE model = ?1 AND closed = 0 AND kind = ?2 \
                 AND subject = ?3 AND (was = ?4 OR became = ?4))",
            )?;
            statement
                .query_row(params![name, HistoryKind::AliasMoved, alias, version.to_string()], |row| {
                    row.get(0)
                })?
        }
        Target::Stage(stage) => {
            statement = db.prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM model_history WHERE model = ?1 AND closed = 0 AND kind = ?2 \
                 AND version = ?4 AND (was = ?3 OR became = ?3))",
            )?;
            statement.query_row(params![name, HistoryKind::StageMoved, stage.as_str(), version], |row| {
                row.get(0)
            })?
        }
    })
}

/// Points an alias somewhere else, or nowhere.
#[expect(clippy::too_many_arguments, reason = "each is one field of the entry")]
pub(super) fn set_alias(
    db: &Connection,
    by: By<'_>,
    at_ms: i64,
    action: Action,
    name: &str,
    alias: &str,
    was: Option<i64>,
    became: Option<i64>,
    refers: Option<i64>,
) -> Result<i64> {
    let facts = EventFacts {
        at_ms,
        name: name.to_owned(),
        version: became,
        alias: Some(alias.to_owned()),
        ..EventFacts::default()
    };
    match became {
        Some(version) => {
            db.prepare_cached(
                "INSERT INTO registered_model_aliases (model, alias, version) VALUES (?1, ?2, ?3) \
                 ON CONFLICT (model, alias) DO UPDATE SET version = excluded.version",
            )?
            .execute(params![name, alias, version])?;
            raise(db, EventKind::AliasSet, &facts)?;
        }
        None => {
            db.execute(
                "DELETE FROM registered_model_aliases WHERE model = ?1 AND alias = ?2",
                params![name, alias],
            )?;
            raise(db, EventKind::AliasRemoved, &facts)?;
        }
    }
    let (was, text) = (was.map(|version| version.to_string()), became.map(|version| version.to_string()));
    let entry = New {
        action,
        version: became,
        subject: Some(alias),
        was: was.as_deref(),
        became: text.as_deref(),
        refers,
        ..New::of(HistoryKind::AliasMoved, name)
    };
    history::write(db, by, at_ms, entry)
}

/// Moves a version to a stage, and those that are in it out of it if that is wanted. None when nothing moved.
#[expect(clippy::too_many_arguments, reason = "each is one field of the entry")]
fn set_stage(
    db: &Connection,
    by: By<'_>,
    at_ms: i64,
    action: Action,
    name: &str,
    version: i64,
    stage: Stage,
    archive_existing: bool,
) -> Result<Option<i64>> {
    if archive_existing && !matches!(stage, Stage::Staging | Stage::Production) {
        return Err(Error::Invalid(format!(
            "Model version transition cannot archive existing model versions because '{}' is not an Active stage. \
             Valid stages are Staging, Production",
            stage.as_str()
        )));
    }
    // To a stage that means nothing is no promotion.
    let action = match (action, stage) {
        (Action::Promotion, Stage::None | Stage::Archived) => Action::Edit,
        (action, _) => action,
    };
    let others: Vec<i64> = match archive_existing {
        false => Vec::new(),
        true => {
            let mut statement = db.prepare_cached(
                "SELECT version FROM model_versions WHERE model = ?1 AND version <> ?2 AND stage = ?3 ORDER BY version",
            )?;
            statement
                .query_map(params![name, version, stage], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?
        }
    };
    let mut id = None;
    if stage_of(db, name, version)? != stage {
        id = Some(move_stage(
            db,
            by,
            at_ms,
            name,
            version,
            stage,
            Cause { action, cause: None, refers: None },
        )?);
    }
    for other in others {
        let cause = Cause { action: Action::Edit, cause: id, refers: None };
        let entry = move_stage(db, by, at_ms, name, other, Stage::Archived, cause)?;
        id = id.or(Some(entry));
    }
    Ok(id)
}

#[derive(Clone, Copy)]
struct Cause {
    action: Action,
    cause: Option<i64>,
    refers: Option<i64>,
}

fn move_stage(
    db: &Connection,
    by: By<'_>,
    at_ms: i64,
    name: &str,
    version: i64,
    stage: Stage,
    cause: Cause,
) -> Result<i64> {
    let was = stage_of(db, name, version)?;
    db.prepare_cached(
        "UPDATE model_versions SET stage = ?3, updated_ms = ?4 WHERE model = ?1 AND version = ?2",
    )?
    .execute(params![name, version, stage, at_ms])?;
    let entry = New {
        action: cause.action,
        version: Some(version),
        was: Some(was.as_str()),
        became: Some(stage.as_str()),
        cause: cause.cause,
        refers: cause.refers,
        ..New::of(HistoryKind::StageMoved, name)
    };
    history::write(db, by, at_ms, entry)
}

fn stage_of(db: &Connection, name: &str, version: i64) -> Result<Stage> {
    let found = db
        .prepare_cached("SELECT stage FROM model_versions WHERE model = ?1 AND version = ?2")?
        .query_row(params![name, version], |row| row.get(0))
        .optional()?;
    found.ok_or_else(|| Error::NotFound(Missing::ModelVersion { name: name.to_owned(), version }))
}

/// An entry of the history, as far as taking it back needs it.
struct Entry {
    id: i64,
    name: String,
    version: Option<i64>,
    kind: HistoryKind,
    subject: Option<String>,
    was: Option<String>,
    became: Option<String>,
}

/// Takes an entry back, and what it brought about.
pub(super) fn undo(db: &Connection, by: By<'_>, history_id: i64, at_ms: i64) -> Result<Applied> {
    let mut statement = db.prepare_cached(
        "SELECT id, model, version, kind, subject, was, became FROM model_history \
         WHERE (id = ?1 OR cause = ?1) AND closed = 0 ORDER BY id",
    )?;
    let rows = statement.query_map([history_id], |row| {
        Ok(Entry {
            id: row.get(0)?,
            name: row.get(1)?,
            version: row.get(2)?,
            kind: row.get(3)?,
            subject: row.get(4)?,
            was: row.get(5)?,
            became: row.get(6)?,
        })
    })?;
    let mut entries = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    if entries.first().is_none_or(|entry| entry.id != history_id) {
        return Err(Error::NotFound(Missing::HistoryEntry(history_id)));
    }
    let main = entries.remove(0);
    let done = match main.kind {
        HistoryKind::AliasMoved => undo_alias(db, by, &main, at_ms)?,
        HistoryKind::StageMoved => undo_stage(db, by, &main, entries, at_ms)?,
        _ => return Err(Error::Invalid("only moves of aliases and stages can be taken back".to_owned())),
    };
    touch_model(db, &main.name, at_ms)?;
    Ok(Applied::Promoted(done))
}

fn undo_alias(db: &Connection, by: By<'_>, entry: &Entry, at_ms: i64) -> Result<Promoted> {
    let alias = entry.subject.clone().unwrap_or_default();
    let target = Target::Alias(alias.clone());
    let now = holder(db, &entry.name, &target)?;
    let number = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<i64>().ok());
    let later: bool = db
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM model_history WHERE model = ?1 AND closed = 0 AND kind = ?2 AND subject = ?3 \
             AND id > ?4)",
        )?
        .query_row(params![entry.name, entry.kind, alias, entry.id], |row| row.get(0))?;
    if later || now != number(&entry.became) {
        return Err(moved(&entry.name, &target, now));
    }
    let was = number(&entry.was);
    if let Some(version) = was {
        require_version(db, &entry.name, version)?;
    }
    let id = set_alias(db, by, at_ms, Action::Undo, &entry.name, &alias, now, was, Some(entry.id))?;
    Ok(Promoted { name: entry.name.clone(), target, version: was, previous: now, history_id: Some(id) })
}

fn undo_stage(
    db: &Connection,
    by: By<'_>,
    entry: &Entry,
    brought: Vec<Entry>,
    at_ms: i64,
) -> Result<Promoted> {
    let version = entry.version.unwrap_or_default();
    let stage = |text: &Option<String>| {
        let text = text.as_deref().unwrap_or_default();
        Stage::ALL.into_iter().find(|stage| stage.as_str() == text).unwrap_or_default()
    };
    let (was, became) = (stage(&entry.was), stage(&entry.became));
    require_version(db, &entry.name, version)?;
    let target = Target::Stage(became);
    let later: bool = db
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM model_history WHERE model = ?1 AND closed = 0 AND kind = ?2 AND version = ?3 \
             AND id > ?4)",
        )?
        .query_row(params![entry.name, entry.kind, version, entry.id], |row| row.get(0))?;
    if later || stage_of(db, &entry.name, version)? != became {
        return Err(Error::HolderMoved {
            name: entry.name.clone(),
            target: target.to_string(),
            now: holder(db, &entry.name, &target)?,
        });
    }
    let cause = Cause { action: Action::Undo, cause: None, refers: Some(entry.id) };
    let id = move_stage(db, by, at_ms, &entry.name, version, was, cause)?;
    for other in brought {
        // One that was deleted or moved on since stays as it is.
        let Some(number) = other.version else { continue };
        if matches!(stage_of(db, &entry.name, number), Ok(now) if now == stage(&other.became)) {
            let cause = Cause { action: Action::Undo, cause: Some(id), refers: Some(other.id) };
            move_stage(db, by, at_ms, &entry.name, number, stage(&other.was), cause)?;
        }
    }
    let now = holder(db, &entry.name, &target)?;
    Ok(Promoted {
        name: entry.name.clone(),
        target,
        version: now,
        previous: Some(version),
        history_id: Some(id),
    })
}
