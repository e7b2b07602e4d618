//! Changes to the model registry: registered models, versions, aliases, stages, rules. Each is written into the history
//! and told to webhooks in its own transaction.

use super::promotion;
use crate::change::{Applied, Change, NewModelVersion, Notice};
use crate::error::{Error, Missing, Result, Taken};
use crate::model::KeyValue;
use crate::registry::events::{EventFacts, EventKind, raise};
use crate::registry::history::{self, Action, By, HistoryKind, New};
use crate::registry::{FilesRecord, Promotion, Rule, Target};
use rusqlite::{Connection, OptionalExtension, params};

/// Applies a change of the registry.
pub(super) fn apply(
    db: &Connection,
    notices: &mut Vec<Notice>,
    by: By<'_>,
    change: &Change,
) -> Result<Applied> {
    let log = Log { db, by };
    let applied = match change {
        Change::CreateRegisteredModel { name, description, tags, at_ms } => {
            create_model(log, name, description.as_deref(), tags, *at_ms)
        }
        Change::RenameRegisteredModel { name, new_name, at_ms } => rename(log, name, new_name, *at_ms),
        Change::DescribeRegisteredModel { name, description, at_ms } => {
            describe_model(log, name, description, *at_ms)
        }
        Change::DeleteRegisteredModel { name, at_ms } => delete_model(log, name, *at_ms),
        Change::SetRegisteredModelTag { name, tag, at_ms } => set_model_tag(log, name, tag, *at_ms),
        Change::DeleteRegisteredModelTag { name, key, at_ms } => delete_model_tag(log, name, key, *at_ms),
        Change::SetAlias { name, alias, version, at_ms } => {
            let target = Target::Alias(alias.clone());
            promotion::promote(db, by, &plain(name, *version, target, false, *at_ms))
        }
        Change::TransitionStage { name, version, stage, archive_existing, at_ms } => {
            let target = Target::Stage(*stage);
            promotion::promote(db, by, &plain(name, *version, target, *archive_existing, *at_ms))
        }
        Change::Promote(promotion) => promotion::promote(db, by, promotion),
        Change::UndoPromotion { history_id, at_ms } => promotion::undo(db, by, *history_id, *at_ms),
        Change::DeleteAlias { name, alias, at_ms } => delete_alias(log, name, alias, *at_ms),
        Change::SetModelRules { name, rules, at_ms } => set_rules(log, name, rules, *at_ms),
        Change::RecordVersionFiles { name, version, record } => record_files(db, name, *version, record),
        Change::CreateModelVersion(version) => create_version(log, version),
        Change::DescribeModelVersion { name, version, description, at_ms } => {
            describe_version(log, name, *version, description, *at_ms)
        }
        Change::DeleteModelVersion { name, version, at_ms } => delete_version(log, name, *version, *at_ms),
        Change::SetModelVersionTag { name, version, tag, at_ms } => {
            set_version_tag(log, name, *version, tag, *at_ms)
        }
        Change::DeleteModelVersionTag { name, version, key, at_ms } => {
            delete_version_tag(log, name, *version, key, *at_ms)
        }
        // `Writer::apply` hands over nothing else.
        other => Err(Error::Invalid(format!("not a change of the registry: {other:?}"))),
    }?;
    notices.push(Notice::Models);
    notices.push(Notice::Deliveries);
    Ok(applied)
}

/// The database, and who is changing it.
#[derive(Clone, Copy)]
struct Log<'a> {
    db: &'a Connection,
    by: By<'a>,
}

impl Log<'_> {
    fn write(self, at_ms: i64, entry: New<'_>) -> Result<i64> {
        history::write(self.db, self.by, at_ms, entry)
    }
}

/// A move without a look at files.
fn plain(name: &str, version: i64, target: Target, archive_existing: bool, at_ms: i64) -> Promotion {
    Promotion {
        name: name.to_owned(),
        version,
        target,
        archive_existing,
        action: Action::Promotion,
        expected_holder: None,
        compared: None,
        at_ms,
    }
}

fn create_model(
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
        put_model_tag(log.db, name, tag)?;
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

fn rename(log: Log<'_>, name: &str, new_name: &str, at_ms: i64) -> Result<Applied> {
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

fn describe_model(log: Log<'_>, name: &str, description: &str, at_ms: i64) -> Result<Applied> {
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

fn delete_model(log: Log<'_>, name: &str, at_ms: i64) -> Result<Applied> {
    require_model(log.db, name)?;
    log.db.execute("DELETE FROM registered_models WHERE name = ?1", [name])?;
    log.write(at_ms, New::of(HistoryKind::ModelDeleted, name))?;
    // Whoever takes the name next begins anew.
    log.db.execute("UPDATE model_history SET closed = 1 WHERE model = ?1 AND closed = 0", [name])?;
    Ok(Applied::Done)
}

fn set_model_tag(log: Log<'_>, name: &str, tag: &KeyValue, at_ms: i64) -> Result<Applied> {
    require_model(log.db, name)?;
    let was: Option<String> = log
        .db
        .query_row(
            "SELECT value FROM registered_model_tags WHERE model = ?1 AND key = ?2",
            params![name, tag.key],
            |row| row.get(0),
        )
        .optional()?;
    put_model_tag(log.db, name, tag)?;
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

fn delete_model_tag(log: Log<'_>, name: &str, key: &str, at_ms: i64) -> Result<Applied> {
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

fn delete_alias(log: Log<'_>, name: &str, alias: &str, at_ms: i64) -> Result<Applied> {
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

fn set_rules(log: Log<'_>, name: &str, rules: &[Rule], at_ms: i64) -> Result<Applied> {
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

fn record_files(db: &Connection, name: &str, version: i64, record: &FilesRecord) -> Result<Applied> {
    require_version(db, name, version)?;
    let size = i64::try_from(record.size_bytes()).unwrap_or(i64::MAX);
    let inserted = db.execute(
        "INSERT INTO model_version_records (model, version, recorded_ms, files, size_bytes, sha256) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
        params![name, version, record.recorded_ms, record.files.len() as i64, size, record.sha256],
    )?;
    if inserted == 0 {
        return Ok(Applied::Changed(0));
    }
    let mut statement = db.prepare_cached(
        "INSERT INTO model_version_files (model, version, path, size_bytes, sha256) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for file in &record.files {
        let size = i64::try_from(file.size_bytes).unwrap_or(i64::MAX);
        statement.execute(params![name, version, file.path, size, file.sha256])?;
    }
    Ok(Applied::Changed(1))
}

fn create_version(log: Log<'_>, version: &NewModelVersion) -> Result<Applied> {
    let db = log.db;
    require_model(db, &version.name)?;
    let number: i64 = db.query_row(
        "UPDATE registered_models SET next_version = next_version + 1 WHERE name = ?1 RETURNING next_version - 1",
        [&version.name],
        |row| row.get(0),
    )?;
    db.execute(
        "INSERT INTO model_versions (model, version, created_ms, updated_ms, user, description, source, \
         storage_location, run_id, run_link, model_id) VALUES (?1, ?2, ?3, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![
            version.name,
            number,
            version.at_ms,
            version.user,
            version.description,
            version.source,
            version.storage_location,
            version.run_id,
            version.run_link,
            version.model_id
        ],
    )?;
    for tag in &version.tags {
        put_version_tag(db, &version.name, number, tag)?;
    }
    let entry = New {
        version: Some(number),
        became: Some(&version.source),
        ..New::of(HistoryKind::VersionCreated, &version.name)
    };
    log.write(version.at_ms, entry)?;
    let facts = EventFacts {
        at_ms: version.at_ms,
        name: version.name.clone(),
        version: Some(number),
        source: Some(version.source.clone()),
        run_id: version.run_id.clone(),
        description: version.description.clone(),
        tags: version.tags.clone(),
        ..EventFacts::default()
    };
    raise(db, EventKind::VersionCreated, &facts)?;
    touch_model(db, &version.name, version.at_ms)?;
    Ok(Applied::Version(number))
}

fn describe_version(
    log: Log<'_>,
    name: &str,
    version: i64,
    description: &str,
    at_ms: i64,
) -> Result<Applied> {
    require_version(log.db, name, version)?;
    let was: Option<String> = log.db.query_row(
        "SELECT description FROM model_versions WHERE model = ?1 AND version = ?2",
        params![name, version],
        |row| row.get(0),
    )?;
    log.db.execute(
        "UPDATE model_versions SET description = ?3 WHERE model = ?1 AND version = ?2",
        params![name, version, description],
    )?;
    if was.as_deref() != Some(description) {
        let entry = New {
            version: Some(version),
            was: was.as_deref(),
            became: Some(description),
            ..New::of(HistoryKind::VersionDescribed, name)
        };
        log.write(at_ms, entry)?;
    }
    touch_version(log.db, name, version, at_ms)
}

fn delete_version(log: Log<'_>, name: &str, version: i64, at_ms: i64) -> Result<Applied> {
    let db = log.db;
    require_version(db, name, version)?;
    let mut statement = db.prepare_cached(
        "SELECT alias FROM registered_model_aliases WHERE model = ?1 AND version = ?2 ORDER BY alias",
    )?;
    let rows = statement.query_map(params![name, version], |row| row.get::<_, String>(0))?;
    let aliases = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    db.execute("DELETE FROM model_versions WHERE model = ?1 AND version = ?2", params![name, version])?;
    let entry = New { version: Some(version), ..New::of(HistoryKind::VersionDeleted, name) };
    let cause = Some(log.write(at_ms, entry)?);
    // Its aliases went with it.
    for alias in aliases {
        let was = version.to_string();
        let entry =
            New { subject: Some(&alias), was: Some(&was), cause, ..New::of(HistoryKind::AliasMoved, name) };
        log.write(at_ms, entry)?;
    }
    touch_model(db, name, at_ms)
}

fn set_version_tag(log: Log<'_>, name: &str, version: i64, tag: &KeyValue, at_ms: i64) -> Result<Applied> {
    require_version(log.db, name, version)?;
    let was: Option<String> = log
        .db
        .query_row(
            "SELECT value FROM model_version_tags WHERE model = ?1 AND version = ?2 AND key = ?3",
            params![name, version, tag.key],
            |row| row.get(0),
        )
        .optional()?;
    put_version_tag(log.db, name, version, tag)?;
    if was.as_ref() != Some(&tag.value) {
        let entry = New {
            version: Some(version),
            subject: Some(&tag.key),
            was: was.as_deref(),
            became: Some(&tag.value),
            ..New::of(HistoryKind::VersionTagSet, name)
        };
        log.write(at_ms, entry)?;
    }
    let facts = tag_facts(name, Some(version), &tag.key, Some(&tag.value), at_ms);
    raise(log.db, EventKind::VersionTagSet, &facts)?;
    touch_version(log.db, name, version, at_ms)
}

fn delete_version_tag(log: Log<'_>, name: &str, version: i64, key: &str, at_ms: i64) -> Result<Applied> {
    let was: Option<String> = log
        .db
        .query_row(
            "DELETE FROM model_version_tags WHERE model = ?1 AND version = ?2 AND key = ?3 RETURNING value",
            params![name, version, key],
            |row| row.get(0),
        )
        .optional()?;
    let touched = touch_version(log.db, name, version, at_ms)?;
    if let Some(was) = was {
        let entry = New {
            version: Some(version),
            subject: Some(key),
            was: Some(&was),
            ..New::of(HistoryKind::VersionTagRemoved, name)
        };
        log.write(at_ms, entry)?;
        raise(log.db, EventKind::VersionTagRemoved, &tag_facts(name, Some(version), key, None, at_ms))?;
    }
    Ok(touched)
}

fn tag_facts(name: &str, version: Option<i64>, key: &str, value: Option<&str>, at_ms: i64) -> EventFacts {
    EventFacts {
        at_ms,
        name: name.to_owned(),
        version,
        key: Some(key.to_owned()),
        value: value.map(str::to_owned),
        ..EventFacts::default()
    }
}

fn require_model(db: &Connection, name: &str) -> Result<()> {
    let there: bool = db
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM registered_models WHERE name = ?1)")?
        .query_row([name], |row| row.get(0))?;
    if there { Ok(()) } else { Err(Error::NotFound(Missing::RegisteredModel(name.to_owned()))) }
}

pub(super) fn require_version(db: &Connection, name: &str, version: i64) -> Result<()> {
    require_model(db, name)?;
    let there: bool = db
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM model_versions WHERE model = ?1 AND version = ?2)")?
        .query_row(params![name, version], |row| row.get(0))?;
    if there {
        Ok(())
    } else {
        Err(Error::NotFound(Missing::ModelVersion { name: name.to_owned(), version }))
    }
}

fn put_model_tag(db: &Connection, name: &str, tag: &KeyValue) -> Result<()> {
    db.execute(
        "INSERT INTO registered_model_tags (model, key, value) VALUES (?1, ?2, ?3) \
         ON CONFLICT DO UPDATE SET value = excluded.value",
        params![name, tag.key, tag.value],
    )?;
    Ok(())
}

fn put_version_tag(db: &Connection, name: &str, version: i64, tag: &KeyValue) -> Result<()> {
    db.execute(
        "INSERT INTO model_version_tags (model, version, key, value) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT DO UPDATE SET value = excluded.value",
        params![name, version, tag.key, tag.value],
    )?;
    Ok(())
}

pub(super) fn touch_model(db: &Connection, name: &str, at_ms: i64) -> Result<Applied> {
    let there =
        db.execute("UPDATE registered_models SET updated_ms = ?2 WHERE name = ?1", params![name, at_ms])?;
    if there == 0 {
        return Err(Error::NotFound(Missing::RegisteredModel(name.to_owned())));
    }
    Ok(Applied::Done)
}

pub(super) fn touch_version(db: &Connection, name: &str, version: i64, at_ms: i64) -> Result<Applied> {
    require_version(db, name, version)?;
    db.execute(
        "UPDATE model_versions SET updated_ms = ?3 WHERE model = ?1 AND version = ?2",
        params![name, version, at_ms],
    )?;
    touch_model(db, name, at_ms)
}
