//! Changes to registered models: making, naming, describing, deleting, tags, aliases taken away, rules.

use super::{Log, require_model, tag_facts, touch_model};
use crate::change::Applied;
use crate::error::{Error, Result, Taken};
use crate::model::KeyValue;
use crate::registry::Rule;
use crate::registry::events::{EventFacts, EventKind, raise};
use crate::registry::history::{Action, HistoryKind, New};
use crate::writer::promotion;
use rusqlite::{Connection, OptionalExtension, params};

pub(super) fn create(
    log: Log<'_>,
    name: &str,
    description: Option<&str>,
    tags: &[KeyValue],
    at_ms: i64,
) -> Result<Applied> {
    let inserted = log.db.execute(
        "INSERT INTO registered_models (name, created_ms, updated_ms, description) VALUES (?1, ?2, ?2, ?3) \
         ON CONFLICT DO NOTHING",
        params![name, at_ms, description],
    )?;
    if inserted == 0 {
        return Err(Error::AlreadyExists(Taken::RegisteredModel(name.to_owned())));
    }
    for tag in tags {
        put_tag(log.db, name, tag)?;
    }
    log.write(at_ms, New { became: description, ..New::of(HistoryKind::ModelCreated, name) })?;
    let facts = EventFacts {
        at_ms,
        name: name.to_owned(),
        description: description.map(str::to_owned),
        tags: tags.to_vec(),
        ..EventFacts::default()
    };
    raise(log.db, EventKind::ModelCreated, &facts)?;
    Ok(Applied::Done)
}

pub(super) fn rename(log: Log<'_>, name: &str, new_name: &str, at_ms: i64) -> Result<Applied> {
    let db = log.db;
    require_model(db, name)?;
    if name != new_name {
        let taken: bool = db.query_row(
            "SELECT EXISTS (SELECT 1 FROM registered_models WHERE name = ?1)",
            [new_name],
            |row| row.get(0),
        )?;
        if taken {
            return Err(Error::AlreadyExists(Taken::RegisteredModel(new_name.to_owned())));
        }
        // Versions, tags, aliases and rules follow by ON UPDATE CASCADE.
        db.execute("UPDATE registered_models SET name = ?2 WHERE name = ?1", [name, new_name])?;
        db.execute("UPDATE model_versions SET updated_ms = ?2 WHERE model = ?1", params![new_name, at_ms])?;
        db.execute("UPDATE model_history SET model = ?2 WHERE model = ?1 AND closed = 0", [name, new_name])?;
        let entry =
            New { was: Some(name), became: Some(new_name), ..New::of(HistoryKind::ModelRenamed, new_name) };
        log.write(at_ms, entry)?;
    }
    touch_model(db, new_name, at_ms)
}

pub(super) fn describe(log: Log<'_>, name: &str, description: &str, at_ms: i64) -> Result<Applied> {
    require_model(log.db, name)?;
    let was: Option<String> =
        log.db.query_row("SELECT description FROM registered_models WHERE name = ?1", [name], |row| {
            row.get(0)
        })?;
    log.db.execute(
        "UPDATE registered_models SET description = ?2 WHERE name = ?1",
        params![name, description],
    )?;
    if was.as_deref() != Some(description) {
        let was = was.as_deref();
        let entry = New { was, became: Some(description), ..New::of(HistoryKind::ModelDescribed, name) };
        log.write(at_ms, entry)?;
    }
    touch_model(log.db, name, at_ms)
}

pub(super) fn delete(log: Log<'_>, name: &str, at_ms: i64) -> Result<Applied> {
    require_model(log.db, name)?;
    log.db.execute("DELETE FROM registered_models WHERE name = ?1", [name])?;
    log.write(at_ms, New::of(HistoryKind::ModelDeleted, name))?;
    // Whoever takes the name next begins anew.
    log.db.execute("UPDATE model_history SET closed = 1 WHERE model = ?1 AND closed = 0", [name])?;
    Ok(Applied::Done)
}

pub(super) fn set_tag(log: Log<'_>, name: &str, tag: &KeyValue, at_ms: i64) -> Result<Applied> {
    require_model(log.db, name)?;
    let was: Option<String> = log
        .db
        .query_row(
            "SELECT value FROM registered_model_tags WHERE model = ?1 AND key = ?2",
            params![name, tag.key],
            |row| row.get(0),
        )
        .optional()?;
    put_tag(log.db, name, tag)?;
    if was.as_ref() != Some(&tag.value) {
        let entry = New {
            subject: Some(&tag.key),
            was: was.as_deref(),
            became: Some(&tag.value),
            ..New::of(HistoryKind::ModelTagSet, name)
        };
        log.write(at_ms, entry)?;
    }
    raise(log.db, EventKind::PromptTagSet, &tag_facts(name, None, &tag.key, Some(&tag.value), at_ms))?;
    touch_model(log.db, name, at_ms)
}

pub(super) fn delete_tag(log: Log<'_>, name: &str, key: &str, at_ms: i64) -> Result<Applied> {
    let was: Option<String> = log
        .db
        .query_row(
            "DELETE FROM registered_model_tags WHERE model = ?1 AND key = ?2 RETURNING value",
            params![name, key],
            |row| row.get(0),
        )
        .optional()?;
    let touched = touch_model(log.db, name, at_ms)?;
    if let Some(was) = was {
        let entry =
            New { subject: Some(key), was: Some(&was), ..New::of(HistoryKind::ModelTagRemoved, name) };
        log.write(at_ms, entry)?;
        raise(log.db, EventKind::PromptTagRemoved, &tag_facts(name, None, key, None, at_ms))?;
    }
    Ok(touched)
}

pub(super) fn delete_alias(log: Log<'_>, name: &str, alias: &str, at_ms: i64) -> Result<Applied> {
    let was: Option<i64> = log
        .db
        .query_row(
            "SELECT version FROM registered_model_aliases WHERE model = ?1 AND alias = ?2",
            params![name, alias],
            |row| row.get(0),
        )
        .optional()?;
    if was.is_some() {
        promotion::set_alias(log.db, log.by, at_ms, Action::Edit, name, alias, was, None, None)?;
    }
    touch_model(log.db, name, at_ms)
}

pub(super) fn set_rules(log: Log<'_>, name: &str, rules: &[Rule], at_ms: i64) -> Result<Applied> {
    require_model(log.db, name)?;
    let text = serde_json::to_string(rules).map_err(|error| Error::Invalid(error.to_string()))?;
    let was: Option<String> = log
        .db
        .query_row("SELECT rules FROM model_rules WHERE model = ?1", [name], |row| row.get(0))
        .optional()?;
    log.db.execute(
        "INSERT INTO model_rules (model, rules) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET rules = excluded.rules",
        params![name, text],
    )?;
    if was.as_ref() != Some(&text) {
        let entry = New { was: was.as_deref(), became: Some(&text), ..New::of(HistoryKind::RulesSet, name) };
        log.write(at_ms, entry)?;
    }
    touch_model(log.db, name, at_ms)
}

fn put_tag(db: &Connection, name: &str, tag: &KeyValue) -> Result<()> {
    db.execute(
        "INSERT INTO registered_model_tags (model, key, value) VALUES (?1, ?2, ?3) \
         ON CONFLICT DO UPDATE SET value = excluded.value",
        params![name, tag.key, tag.value],
    )?;
    Ok(())
}
