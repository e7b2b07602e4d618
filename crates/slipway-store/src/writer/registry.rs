//! Changes to the model registry: registered models, versions, aliases, stages.

use crate::change::{Applied, Change, NewModelVersion, Notice};
use crate::error::{Error, Missing, Result, Taken};
use crate::model::{KeyValue, Stage};
use rusqlite::{Connection, params};

/// Applies a change of the registry.
pub(super) fn apply(db: &Connection, notices: &mut Vec<Notice>, change: &Change) -> Result<Applied> {
    let applied = match change {
        Change::CreateRegisteredModel { name, description, tags, at_ms } => {
            create_model(db, name, description.as_deref(), tags, *at_ms)
        }
        Change::RenameRegisteredModel { name, new_name, at_ms } => rename(db, name, new_name, *at_ms),
        Change::DescribeRegisteredModel { name, description, at_ms } => {
            db.execute(
                "UPDATE registered_models SET description = ?2 WHERE name = ?1",
                params![name, description],
            )?;
            touch_model(db, name, *at_ms)
        }
        Change::DeleteRegisteredModel { name } => {
            require_model(db, name)?;
            db.execute("DELETE FROM registered_models WHERE name = ?1", [name])?;
            Ok(Applied::Done)
        }
        Change::SetRegisteredModelTag { name, tag, at_ms } => {
            require_model(db, name)?;
            put_model_tag(db, name, tag)?;
            touch_model(db, name, *at_ms)
        }
        Change::DeleteRegisteredModelTag { name, key, at_ms } => {
            db.execute(
                "DELETE FROM registered_model_tags WHERE model = ?1 AND key = ?2",
                params![name, key],
            )?;
            touch_model(db, name, *at_ms)
        }
        Change::SetAlias { name, alias, version, at_ms } => {
            require_version(db, name, *version)?;
            db.execute(
                "INSERT INTO registered_model_aliases (model, alias, version) VALUES (?1, ?2, ?3) \
                 ON CONFLICT (model, alias) DO UPDATE SET version = excluded.version",
                params![name, alias, version],
            )?;
            touch_model(db, name, *at_ms)
        }
        Change::DeleteAlias { name, alias, at_ms } => {
            db.execute(
                "DELETE FROM registered_model_aliases WHERE model = ?1 AND alias = ?2",
                params![name, alias],
            )?;
            touch_model(db, name, *at_ms)
        }
        Change::CreateModelVersion(version) => create_version(db, version),
        Change::DescribeModelVersion { name, version, description, at_ms } => {
            db.execute(
                "UPDATE model_versions SET description = ?3 WHERE model = ?1 AND version = ?2",
                params![name, version, description],
            )?;
            touch_version(db, name, *version, *at_ms)
        }
        Change::DeleteModelVersion { name, version, at_ms } => {
            require_version(db, name, *version)?;
            db.execute(
                "DELETE FROM model_versions WHERE model = ?1 AND version = ?2",
                params![name, version],
            )?;
            touch_model(db, name, *at_ms)
        }
        Change::SetModelVersionTag { name, version, tag, at_ms } => {
            require_version(db, name, *version)?;
            put_version_tag(db, name, *version, tag)?;
            touch_version(db, name, *version, *at_ms)
        }
        Change::DeleteModelVersionTag { name, version, key, at_ms } => {
            db.execute(
                "DELETE FROM model_version_tags WHERE model = ?1 AND version = ?2 AND key = ?3",
                params![name, version, key],
            )?;
            touch_version(db, name, *version, *at_ms)
        }
        Change::TransitionStage { name, version, stage, archive_existing, at_ms } => {
            transition(db, name, *version, *stage, *archive_existing, *at_ms)
        }
        // `Writer::apply` hands over nothing else.
        other => Err(Error::Invalid(format!("not a change of the registry: {other:?}"))),
    }?;
    notices.push(Notice::Models);
    Ok(applied)
}

fn create_model(
    db: &Connection,
    name: &str,
    description: Option<&str>,
    tags: &[KeyValue],
    at_ms: i64,
) -> Result<Applied> {
    let inserted = db.execute(
        "INSERT INTO registered_models (name, created_ms, updated_ms, description) VALUES (?1, ?2, ?2, ?3) \
         ON CONFLICT DO NOTHING",
        params![name, at_ms, description],
    )?;
    if inserted == 0 {
        return Err(Error::AlreadyExists(Taken::RegisteredModel(name.to_owned())));
    }
    for tag in tags {
        put_model_tag(db, name, tag)?;
    }
    Ok(Applied::Done)
}

fn rename(db: &Connection, name: &str, new_name: &str, at_ms: i64) -> Result<Applied> {
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
        // Versions, tags and aliases follow by ON UPDATE CASCADE.
        db.execute("UPDATE registered_models SET name = ?2 WHERE name = ?1", [name, new_name])?;
        db.execute("UPDATE model_versions SET updated_ms = ?2 WHERE model = ?1", params![new_name, at_ms])?;
    }
    touch_model(db, new_name, at_ms)
}

fn create_version(db: &Connection, version: &NewModelVersion) -> Result<Applied> {
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
    touch_model(db, &version.name, version.at_ms)?;
    Ok(Applied::Version(number))
}

fn transition(
    db: &Connection,
    name: &str,
    version: i64,
    stage: Stage,
    archive_existing: bool,
    at_ms: i64,
) -> Result<Applied> {
    require_version(db, name, version)?;
    if archive_existing {
        if !matches!(stage, Stage::Staging | Stage::Production) {
            return Err(Error::Invalid(format!(
                "Model version transition cannot archive existing model versions because '{}' is not an Active \
                 stage. Valid stages are Staging, Production",
                stage.as_str()
            )));
        }
        db.execute(
            "UPDATE model_versions SET stage = ?4, updated_ms = ?5 WHERE model = ?1 AND version <> ?2 AND stage = ?3",
            params![name, version, stage, Stage::Archived, at_ms],
        )?;
    }
    db.execute(
        "UPDATE model_versions SET stage = ?3 WHERE model = ?1 AND version = ?2",
        params![name, version, stage],
    )?;
    touch_version(db, name, version, at_ms)
}

fn require_model(db: &Connection, name: &str) -> Result<()> {
    let there: bool = db
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM registered_models WHERE name = ?1)")?
        .query_row([name], |row| row.get(0))?;
    if there { Ok(()) } else { Err(Error::NotFound(Missing::RegisteredModel(name.to_owned()))) }
}

fn require_version(db: &Connection, name: &str, version: i64) -> Result<()> {
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

fn touch_model(db: &Connection, name: &str, at_ms: i64) -> Result<Applied> {
    let there =
        db.execute("UPDATE registered_models SET updated_ms = ?2 WHERE name = ?1", params![name, at_ms])?;
    if there == 0 {
        return Err(Error::NotFound(Missing::RegisteredModel(name.to_owned())));
    }
    Ok(Applied::Done)
}

fn touch_version(db: &Connection, name: &str, version: i64, at_ms: i64) -> Result<Applied> {
    require_version(db, name, version)?;
    db.execute(
        "UPDATE model_versions SET updated_ms = ?3 WHERE model = ?1 AND version = ?2",
        params![name, version, at_ms],
    )?;
    touch_model(db, name, at_ms)
}
