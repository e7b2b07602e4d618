//! Changes to experiments.

use super::keys;
use crate::change::{Applied, Notice};
use crate::error::{Error, Missing, Result, Taken};
use crate::model::{KeyValue, Lifecycle};
use rusqlite::{Connection, OptionalExtension, params};

pub(super) fn create(
    db: &Connection,
    notices: &mut Vec<Notice>,
    name: &str,
    place: impl FnOnce(i64) -> String,
    tags: &[KeyValue],
    at_ms: i64,
) -> Result<Applied> {
    refuse_taken(db, name)?;
    // Ids of deleted experiments are not used again, since files may still lie below them.
    let id: i64 = db.query_row(
        "SELECT max(coalesce(max(id), 0), (SELECT id FROM purged_experiment)) + 1 FROM experiments",
        [],
        |row| row.get(0),
    )?;
    db.prepare_cached(
        "INSERT INTO experiments (id, name, artifact_location, created_ms, updated_ms) VALUES (?1, ?2, ?3, ?4, ?4)",
    )?
    .execute(params![id, name, place(id), at_ms])?;
    for tag in tags {
        put_tag(db, id, tag)?;
    }
    notices.push(Notice::Experiments);
    Ok(Applied::ExperimentId(id))
}

/// The folder of an experiment below a root.
pub(super) fn below(artifact_root: &str, id: i64) -> String {
    format!("{}/{id}", artifact_root.trim_end_matches('/'))
}

/// Says where an experiment keeps its files, as long as there can be none and nobody said it before.
pub(super) fn place(
    db: &Connection,
    notices: &mut Vec<Notice>,
    id: i64,
    artifact_root: &str,
) -> Result<Applied> {
    let changed = db.execute(
        "UPDATE experiments SET artifact_location = ?2 WHERE id = ?1 AND artifact_location = ?3 \
         AND NOT EXISTS (SELECT 1 FROM runs WHERE experiment = ?1) \
         AND NOT EXISTS (SELECT 1 FROM logged_models WHERE experiment = ?1)",
        params![id, below(artifact_root, id), format!("mlflow-artifacts:/{id}")],
    )?;
    if changed > 0 {
        notices.push(Notice::Experiments);
    }
    Ok(Applied::Changed(changed as u64))
}

pub(super) fn rename(
    db: &Connection,
    notices: &mut Vec<Notice>,
    id: i64,
    name: &str,
    at_ms: i64,
) -> Result<Applied> {
    require_active(db, id)?;
    let present: String =
        db.query_row("SELECT name FROM experiments WHERE id = ?1", [id], |row| row.get(0))?;
    if present != name {
        refuse_taken(db, name)?;
        db.execute("UPDATE experiments SET name = ?2 WHERE id = ?1", params![id, name])?;
    }
    touch(db, notices, id, at_ms)
}

pub(super) fn delete(db: &Connection, notices: &mut Vec<Notice>, id: i64, at_ms: i64) -> Result<Applied> {
    if lifecycle(db, id)? == Lifecycle::Deleted {
        return Err(Error::NotFound(Missing::Experiment(id)));
    }
    db.execute("UPDATE experiments SET lifecycle = 1, deleted_ms = ?2 WHERE id = ?1", params![id, at_ms])?;
    db.execute(
        "UPDATE runs SET lifecycle = 1, deleted_ms = ?2 WHERE experiment = ?1 AND lifecycle = 0",
        params![id, at_ms],
    )?;
    // The key counts follow all at once: what was in use is in the trash now.
    db.execute(
        "UPDATE experiment_keys SET deleted_runs = deleted_runs + active_runs, active_runs = 0 WHERE experiment = ?1",
        [id],
    )?;
    touch(db, notices, id, at_ms)
}

pub(super) fn restore(db: &Connection, notices: &mut Vec<Notice>, id: i64, at_ms: i64) -> Result<Applied> {
    if lifecycle(db, id)? == Lifecycle::Active {
        return Err(Error::NotFound(Missing::Experiment(id)));
    }
    // Runs that were in the trash before the experiment went there stay in the trash.
    let mut statement = db.prepare(
        "UPDATE runs SET lifecycle = 0, deleted_ms = NULL WHERE experiment = ?1 AND lifecycle = 1 \
         AND deleted_ms = (SELECT deleted_ms FROM experiments WHERE id = ?1) RETURNING id",
    )?;
    let back = statement.query_map([id], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
    for run in back {
        keys::moved(db, id, run, Lifecycle::Active)?;
    }
    db.execute("UPDATE experiments SET lifecycle = 0, deleted_ms = NULL WHERE id = ?1", [id])?;
    touch(db, notices, id, at_ms)
}

pub(super) fn set_tag(
    db: &Connection,
    notices: &mut Vec<Notice>,
    id: i64,
    tag: &KeyValue,
    at_ms: i64,
) -> Result<Applied> {
    require_active(db, id)?;
    put_tag(db, id, tag)?;
    touch(db, notices, id, at_ms)
}

pub(super) fn delete_tag(
    db: &Connection,
    notices: &mut Vec<Notice>,
    id: i64,
    key: &str,
    at_ms: i64,
) -> Result<Applied> {
    require_active(db, id)?;
    let removed =
        db.execute("DELETE FROM experiment_tags WHERE experiment = ?1 AND key = ?2", params![id, key])?;
    if removed == 0 {
        return Err(Error::NotFound(Missing::ExperimentTag { key: key.to_owned(), id }));
    }
    touch(db, notices, id, at_ms)
}

/// Fails unless the experiment is there and in use.
pub(super) fn require_active(db: &Connection, id: i64) -> Result<()> {
    match lifecycle(db, id)? {
        Lifecycle::Active => Ok(()),
        Lifecycle::Deleted => Err(Error::Invalid(format!(
            "The experiment {id} must be in the 'active' state. Current state is deleted."
        ))),
    }
}

fn lifecycle(db: &Connection, id: i64) -> Result<Lifecycle> {
    let found = db
        .prepare_cached("SELECT lifecycle FROM experiments WHERE id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    found.ok_or(Error::NotFound(Missing::Experiment(id)))
}

fn refuse_taken(db: &Connection, name: &str) -> Result<()> {
    let found: Option<Lifecycle> = db
        .query_row("SELECT lifecycle FROM experiments WHERE name = ?1", [name], |row| row.get(0))
        .optional()?;
    match found {
        None => Ok(()),
        Some(lifecycle) => {
            Err(Error::AlreadyExists(Taken::Experiment(name.to_owned(), lifecycle == Lifecycle::Deleted)))
        }
    }
}

fn put_tag(db: &Connection, id: i64, tag: &KeyValue) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO experiment_tags (experiment, key, value) VALUES (?1, ?2, ?3) \
         ON CONFLICT DO UPDATE SET value = excluded.value",
    )?
    .execute(params![id, tag.key, tag.value])?;
    Ok(())
}

fn touch(db: &Connection, notices: &mut Vec<Notice>, id: i64, at_ms: i64) -> Result<Applied> {
    db.execute("UPDATE experiments SET updated_ms = ?2 WHERE id = ?1", params![id, at_ms])?;
    notices.push(Notice::Experiments);
    Ok(Applied::Done)
}
