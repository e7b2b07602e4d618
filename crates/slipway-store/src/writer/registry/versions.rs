//! Changes to versions of registered models: making, describing, deleting, tags, the record of their files.

use super::{Log, require_model, require_version, tag_facts, touch_model, touch_version};
use crate::change::{Applied, NewModelVersion};
use crate::error::Result;
use crate::model::KeyValue;
use crate::registry::FilesRecord;
use crate::registry::events::{EventFacts, EventKind, raise};
use crate::registry::history::{HistoryKind, New};
use rusqlite::{Connection, OptionalExtension, params};

pub(super) fn record_files(
    db: &Connection,
    name: &str,
    version: i64,
    record: &FilesRecord,
) -> Result<Applied> {
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

pub(super) fn create(log: Log<'_>, version: &NewModelVersion) -> Result<Applied> {
    let db = log.db;
    require_model(db, &version.name)?;
    if version.once {
        let there = db
            .prepare_cached(
                "SELECT version FROM model_versions WHERE model = ?1 AND source = ?2 AND created_ms = ?3",
            )?
            .query_row(params![version.name, version.source, version.at_ms], |row| row.get(0))
            .optional()?;
        if let Some(number) = there {
            return Ok(Applied::Version(number));
        }
    }
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
        put_tag(db, &version.name, number, tag)?;
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

pub(super) fn describe(
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

pub(super) fn delete(log: Log<'_>, name: &str, version: i64, at_ms: i64) -> Result<Applied> {
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

pub(super) fn set_tag(log: Log<'_>, name: &str, version: i64, tag: &KeyValue, at_ms: i64) -> Result<Applied> {
    require_version(log.db, name, version)?;
    let was: Option<String> = log
        .db
        .query_row(
            "SELECT value FROM model_version_tags WHERE model = ?1 AND version = ?2 AND key = ?3",
            params![name, version, tag.key],
            |row| row.get(0),
        )
        .optional()?;
    put_tag(log.db, name, version, tag)?;
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

pub(super) fn delete_tag(log: Log<'_>, name: &str, version: i64, key: &str, at_ms: i64) -> Result<Applied> {
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

fn put_tag(db: &Connection, name: &str, version: i64, tag: &KeyValue) -> Result<()> {
    db.execute(
        "INSERT INTO model_version_tags (model, version, key, value) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT DO UPDATE SET value = excluded.value",
        params![name, version, tag.key, tag.value],
    )?;
    Ok(())
}
