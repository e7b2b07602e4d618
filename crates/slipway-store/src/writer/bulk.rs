//! One change to several runs, and taking it back.
//!
//! What was changed is answered as it was before, so that nobody else's change can come between looking and changing.

use super::names::{self, Names};
use super::runs::{RunRow, find, put_tag};
use super::{experiments, keys};
use crate::change::{Applied, Notice, RunBefore, RunsEdit, Was};
use crate::error::{Error, Result};
use crate::model::{KeyValue, Lifecycle};
use crate::{PARENT_RUN_TAG, RUN_NAME_TAG};
use rusqlite::{Connection, OptionalExtension, params};

pub(super) fn edit(
    db: &Connection,
    names: &mut Names,
    notices: &mut Vec<Notice>,
    run_ids: &[String],
    edit: &RunsEdit,
) -> Result<Applied> {
    if let RunsEdit::Move { experiment_id } = edit {
        experiments::require_active(db, *experiment_id)?;
    }
    let mut before = Vec::new();
    for run_id in run_ids {
        let Some(run) = known(db, run_id)? else { continue };
        let was = match edit {
            RunsEdit::Tags { set, remove } if run.lifecycle == Lifecycle::Active => {
                tags(db, names, &run, set, remove)?
            }
            RunsEdit::Move { experiment_id } if run.lifecycle == Lifecycle::Active => {
                into(db, &run, run_id, *experiment_id, None)?
            }
            RunsEdit::Delete { at_ms } if run.lifecycle == Lifecycle::Active => {
                put_lifecycle(db, &run, Lifecycle::Deleted, Some(*at_ms))?;
                Some(Was::Active)
            }
            RunsEdit::Restore if run.lifecycle == Lifecycle::Deleted => {
                experiments::require_active(db, run.experiment)?;
                let deleted_ms = db
                    .prepare_cached("SELECT deleted_ms FROM runs WHERE id = ?1")?
                    .query_row([run.id], |row| row.get(0))?;
                put_lifecycle(db, &run, Lifecycle::Active, None)?;
                Some(Was::Deleted { deleted_ms })
            }
            RunsEdit::Tags { .. } | RunsEdit::Move { .. } | RunsEdit::Delete { .. } | RunsEdit::Restore => {
                None
            }
        };
        if let Some(was) = was {
            tell(notices, run.experiment, run_id);
            if let RunsEdit::Move { experiment_id } = edit {
                tell(notices, *experiment_id, run_id);
            }
            before.push(RunBefore { run_id: run_id.clone(), was });
        }
    }
    Ok(Applied::Edited(before))
}

pub(super) fn revert(
    db: &Connection,
    names: &mut Names,
    notices: &mut Vec<Notice>,
    runs: &[RunBefore],
) -> Result<Applied> {
    let mut changed = 0;
    for RunBefore { run_id, was } in runs {
        let Some(run) = known(db, run_id)? else { continue };
        let is_active = run.lifecycle == Lifecycle::Active;
        let applies = match was {
            Was::Tags { .. } => is_active,
            Was::In { experiment_id, .. } => is_active && is_in_use(db, *experiment_id)?,
            Was::Active => !is_active && is_in_use(db, run.experiment)?,
            Was::Deleted { .. } => is_active,
        };
        if !applies {
            continue;
        }
        match was {
            Was::Tags { tags, name } => {
                for (key, value) in tags {
                    match value {
                        Some(value) => {
                            put_tag(db, names, run.id, run.experiment, &KeyValue::new(key, value))?
                        }
                        None => remove_tag(db, &run, key)?,
                    }
                }
                if let Some(name) = name {
                    db.prepare_cached("UPDATE runs SET name = ?2 WHERE id = ?1")?
                        .execute(params![run.id, name])?;
                }
            }
            Was::In { experiment_id, model_ids } => {
                into(db, &run, run_id, *experiment_id, Some(model_ids))?;
                tell(notices, *experiment_id, run_id);
            }
            Was::Active => put_lifecycle(db, &run, Lifecycle::Active, None)?,
            Was::Deleted { deleted_ms } => put_lifecycle(db, &run, Lifecycle::Deleted, *deleted_ms)?,
        }
        tell(notices, run.experiment, run_id);
        changed += 1;
    }
    Ok(Applied::Changed(changed))
}

fn tell(notices: &mut Vec<Notice>, experiment_id: i64, run_id: &str) {
    notices.push(Notice::Run { experiment_id, run_id: run_id.to_owned() });
}

fn known(db: &Connection, run_id: &str) -> Result<Option<RunRow>> {
    match find(db, run_id) {
        Ok(run) => Ok(Some(run)),
        Err(Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_in_use(db: &Connection, experiment: i64) -> Result<bool> {
    match experiments::require_active(db, experiment) {
        Ok(()) => Ok(true),
        Err(Error::NotFound(_) | Error::Invalid(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

fn value_of_tag(db: &Connection, run: &RunRow, key: &str) -> Result<Option<String>> {
    let Some(name) = names::find(db, key)? else { return Ok(None) };
    let mut statement = db.prepare_cached("SELECT value FROM run_tags WHERE run = ?1 AND name = ?2")?;
    Ok(statement.query_row(params![run.id, name], |row| row.get(0)).optional()?)
}

/// Sets and removes tags; gives what they were, as far as they changed.
fn tags(
    db: &Connection,
    names: &mut Names,
    run: &RunRow,
    set: &[KeyValue],
    remove: &[String],
) -> Result<Option<Was>> {
    let mut changed = Vec::new();
    for tag in set {
        let was = value_of_tag(db, run, &tag.key)?;
        if was.as_deref() != Some(&tag.value) {
            put_tag(db, names, run.id, run.experiment, tag)?;
            changed.push((tag.key.clone(), was));
        }
    }
    for key in remove {
        if let Some(was) = value_of_tag(db, run, key)? {
            remove_tag(db, run, key)?;
            changed.push((key.clone(), Some(was)));
        }
    }
    // A tag that was changed twice gets its first value back last.
    changed.reverse();
    let name = changed.iter().any(|(key, _)| key == RUN_NAME_TAG).then(|| run.name.clone());
    Ok((!changed.is_empty()).then_some(Was::Tags { tags: changed, name }))
}

fn remove_tag(db: &Connection, run: &RunRow, key: &str) -> Result<()> {
    let Some(name) = names::find(db, key)? else { return Ok(()) };
    let removed = db
        .prepare_cached("DELETE FROM run_tags WHERE run = ?1 AND name = ?2")?
        .execute(params![run.id, name])?;
    if removed > 0 {
        keys::removed_tag(db, run.experiment, name)?;
    }
    if key == PARENT_RUN_TAG {
        db.prepare_cached("UPDATE runs SET parent = NULL WHERE id = ?1")?.execute([run.id])?;
    }
    Ok(())
}

fn put_lifecycle(db: &Connection, run: &RunRow, lifecycle: Lifecycle, deleted_ms: Option<i64>) -> Result<()> {
    db.prepare_cached("UPDATE runs SET lifecycle = ?2, deleted_ms = ?3 WHERE id = ?1")?
        .execute(params![run.id, lifecycle, deleted_ms])?;
    keys::moved(db, run.experiment, run.id, lifecycle)
}

/// Moves a run in use into another experiment, with these logged models, or with those it made; nothing when it is
/// there already. Artifacts stay where they are.
fn into(
    db: &Connection,
    run: &RunRow,
    run_id: &str,
    experiment: i64,
    models: Option<&[String]>,
) -> Result<Option<Was>> {
    if run.experiment == experiment {
        return Ok(None);
    }
    keys::left(db, run.experiment, run.id)?;
    keys::arrived(db, experiment, run.id)?;
    db.prepare_cached("UPDATE runs SET experiment = ?2 WHERE id = ?1")?
        .execute(params![run.id, experiment])?;
    // A job is listed where its run is.
    db.prepare_cached("UPDATE jobs SET experiment = ?2 WHERE run_id = ?1")?
        .execute(params![run_id, experiment])?;
    datasets_into(db, run.id, experiment)?;
    let model_ids = match models {
        Some(models) => models.to_vec(),
        None => db
            .prepare_cached(
                "SELECT model_id FROM logged_models WHERE source_run_id = ?1 AND experiment = ?2",
            )?
            .query_map(params![run_id, run.experiment], |row| row.get(0))?
            .collect::<rusqlite::Result<Vec<String>>>()?,
    };
    for model_id in &model_ids {
        db.prepare_cached(
            "UPDATE logged_models SET experiment = ?3 WHERE model_id = ?1 AND experiment = ?2",
        )?
        .execute(params![model_id, run.experiment, experiment])?;
    }
    Ok(Some(Was::In { experiment_id: run.experiment, model_ids }))
}

/// Datasets belong to an experiment: those of the run are found or made again in its new one.
fn datasets_into(db: &Connection, run: i64, experiment: i64) -> Result<()> {
    let used = db
        .prepare_cached("SELECT id, dataset FROM run_datasets WHERE run = ?1")?
        .query_map([run], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<Vec<(i64, i64)>>>()?;
    for (use_id, dataset) in used {
        db.prepare_cached(
            "INSERT INTO datasets (experiment, name, digest, source_type, source, schema, profile) \
             SELECT ?2, name, digest, source_type, source, schema, profile FROM datasets WHERE id = ?1 \
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![dataset, experiment])?;
        db.prepare_cached(
            "UPDATE run_datasets SET dataset = (SELECT n.id FROM datasets o JOIN datasets n ON n.experiment = ?3 \
             AND n.name = o.name AND n.digest = o.digest WHERE o.id = ?2) WHERE id = ?1",
        )?
        .execute(params![use_id, dataset, experiment])?;
        db.prepare_cached(
            "DELETE FROM datasets WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM run_datasets WHERE dataset = ?1)",
        )?
        .execute([dataset])?;
    }
    Ok(())
}
