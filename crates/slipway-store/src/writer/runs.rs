//! Changes to runs, except for logging.

use super::experiments;
use super::keys;
use super::names::{self, Names};
use crate::change::{Applied, NewRun, Notice};
use crate::error::{Error, Missing, Result, Taken};
use crate::model::{DatasetInput, KeyValue, Lifecycle, ModelOutput, RunStatus};
use crate::reader::ColumnKind;
use crate::{PARENT_RUN_TAG, RUN_NAME_TAG};
use rusqlite::{Connection, OptionalExtension, params};

/// What a change needs to know of the run it touches.
pub(super) struct RunRow {
    /// Number of the row.
    pub(super) id: i64,
    pub(super) experiment: i64,
    pub(super) lifecycle: Lifecycle,
    pub(super) name: String,
    pub(super) status: RunStatus,
}

/// The run, whatever its lifecycle.
pub(super) fn find(db: &Connection, run_id: &str) -> Result<RunRow> {
    let mut statement =
        db.prepare_cached("SELECT id, experiment, lifecycle, name, status FROM runs WHERE run_id = ?1")?;
    statement
        .query_row([run_id], |row| {
            Ok(RunRow {
                id: row.get(0)?,
                experiment: row.get(1)?,
                lifecycle: row.get(2)?,
                name: row.get(3)?,
                status: row.get(4)?,
            })
        })
        .optional()?
        .ok_or_else(|| Error::NotFound(Missing::Run(run_id.to_owned())))
}

/// The run, which must be in use.
pub(super) fn find_active(db: &Connection, run_id: &str) -> Result<RunRow> {
    let run = find(db, run_id)?;
    match run.lifecycle {
        Lifecycle::Active => Ok(run),
        Lifecycle::Deleted => Err(Error::Invalid(format!(
            "The run {run_id} must be in the 'active' state. Current state is deleted."
        ))),
    }
}

pub(super) fn create(
    db: &Connection,
    names: &mut Names,
    notices: &mut Vec<Notice>,
    run: &NewRun,
) -> Result<Applied> {
    experiments::require_active(db, run.experiment_id)?;
    let location: String = db
        .prepare_cached("SELECT artifact_location FROM experiments WHERE id = ?1")?
        .query_row([run.experiment_id], |row| row.get(0))?;
    let artifact_uri = format!("{}/{}/artifacts", location.trim_end_matches('/'), run.run_id);
    let inserted = db
        .prepare_cached(
            "INSERT INTO runs (run_id, experiment, name, user, status, start_ms, artifact_uri) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (run_id) DO NOTHING",
        )?
        .execute(params![
            run.run_id,
            run.experiment_id,
            run.name,
            run.user,
            run.status,
            run.start_ms,
            artifact_uri
        ])?;
    if inserted == 0 {
        return Err(Error::AlreadyExists(Taken::Run(run.run_id.clone())));
    }
    let id = db.last_insert_rowid();
    for tag in &run.tags {
        put_tag(db, names, id, run.experiment_id, tag)?;
    }
    put_tag(db, names, id, run.experiment_id, &KeyValue::new(RUN_NAME_TAG, run.name.clone()))?;
    notices.push(Notice::Run { experiment_id: run.experiment_id, run_id: run.run_id.clone() });
    Ok(Applied::Done)
}

pub(super) fn update(
    db: &Connection,
    names: &mut Names,
    notices: &mut Vec<Notice>,
    run_id: &str,
    status: Option<RunStatus>,
    end_ms: Option<i64>,
    name: Option<&str>,
) -> Result<Applied> {
    let run = find_active(db, run_id)?;
    db.prepare_cached(
        "UPDATE runs SET status = coalesce(?2, status), end_ms = coalesce(?3, end_ms) WHERE id = ?1",
    )?
    .execute(params![run.id, status, end_ms])?;
    if let Some(name) = name {
        put_tag(db, names, run.id, run.experiment, &KeyValue::new(RUN_NAME_TAG, name))?;
    }
    notices.push(Notice::Run { experiment_id: run.experiment, run_id: run_id.to_owned() });
    Ok(Applied::Done)
}

pub(super) fn delete(
    db: &Connection,
    notices: &mut Vec<Notice>,
    run_ids: &[String],
    at_ms: i64,
) -> Result<Applied> {
    change_lifecycle(db, notices, run_ids, Lifecycle::Deleted, Some(at_ms))
}

pub(super) fn restore(db: &Connection, notices: &mut Vec<Notice>, run_ids: &[String]) -> Result<Applied> {
    change_lifecycle(db, notices, run_ids, Lifecycle::Active, None)
}

fn change_lifecycle(
    db: &Connection,
    notices: &mut Vec<Notice>,
    run_ids: &[String],
    lifecycle: Lifecycle,
    deleted_ms: Option<i64>,
) -> Result<Applied> {
    let mut changed = 0;
    for run_id in run_ids {
        let run = find(db, run_id)?;
        if run.lifecycle == lifecycle {
            continue;
        }
        if lifecycle == Lifecycle::Active {
            experiments::require_active(db, run.experiment)?;
        }
        db.prepare_cached("UPDATE runs SET lifecycle = ?2, deleted_ms = ?3 WHERE id = ?1")?
            .execute(params![run.id, lifecycle, deleted_ms])?;
        keys::moved(db, run.experiment, run.id, lifecycle)?;
        notices.push(Notice::Run { experiment_id: run.experiment, run_id: run_id.clone() });
        changed += 1;
    }
    Ok(Applied::Changed(changed))
}

pub(super) fn delete_tag(
    db: &Connection,
    notices: &mut Vec<Notice>,
    run_id: &str,
    key: &str,
) -> Result<Applied> {
    let run = find_active(db, run_id)?;
    let removed = match names::find(db, key)? {
        None => 0,
        Some(name) => {
            let removed =
                db.execute("DELETE FROM run_tags WHERE run = ?1 AND name = ?2", params![run.id, name])?;
            if removed > 0 {
                keys::removed_tag(db, run.experiment, name)?;
            }
            removed
        }
    };
    if removed == 0 {
        return Err(Error::NotFound(Missing::RunTag { key: key.to_owned(), run_id: run_id.to_owned() }));
    }
    if key == PARENT_RUN_TAG {
        db.execute("UPDATE runs SET parent = NULL WHERE id = ?1", [run.id])?;
    }
    notices.push(Notice::Run { experiment_id: run.experiment, run_id: run_id.to_owned() });
    Ok(Applied::Done)
}

/// Sets a tag, and with it the fields of the run that mirror one.
pub(super) fn put_tag(
    db: &Connection,
    names: &mut Names,
    run: i64,
    experiment: i64,
    tag: &KeyValue,
) -> Result<()> {
    let name = names.intern(db, &tag.key)?;
    let added = db
        .prepare_cached("INSERT INTO run_tags (run, name, value) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?
        .execute(params![run, name, tag.value])?;
    if added > 0 {
        keys::added(db, experiment, ColumnKind::Tag, name, None, false)?;
    } else {
        db.prepare_cached("UPDATE run_tags SET value = ?3 WHERE run = ?1 AND name = ?2")?
            .execute(params![run, name, tag.value])?;
    }
    match tag.key.as_str() {
        RUN_NAME_TAG => {
            db.prepare_cached("UPDATE runs SET name = ?2 WHERE id = ?1")?.execute(params![run, tag.value])?;
        }
        PARENT_RUN_TAG => {
            db.prepare_cached("UPDATE runs SET parent = nullif(?2, run_id) WHERE id = ?1")?
                .execute(params![run, tag.value])?;
        }
        _ => {}
    }
    Ok(())
}

pub(super) fn log_inputs(
    db: &Connection,
    notices: &mut Vec<Notice>,
    run_id: &str,
    datasets: &[DatasetInput],
    model_ids: &[String],
) -> Result<Applied> {
    let run = find_active(db, run_id)?;
    for input in datasets {
        let dataset = &input.dataset;
        db.prepare_cached(
            "INSERT INTO datasets (experiment, name, digest, source_type, source, schema, profile) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            run.experiment,
            dataset.name,
            dataset.digest,
            dataset.source_type,
            dataset.source,
            dataset.schema,
            dataset.profile
        ])?;
        let id: i64 = db
            .prepare_cached("SELECT id FROM datasets WHERE experiment = ?1 AND name = ?2 AND digest = ?3")?
            .query_row(params![run.experiment, dataset.name, dataset.digest], |row| row.get(0))?;
        db.prepare_cached("INSERT INTO run_datasets (run, dataset) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
            .execute(params![run.id, id])?;
        let use_id: i64 = db
            .prepare_cached("SELECT id FROM run_datasets WHERE run = ?1 AND dataset = ?2")?
            .query_row(params![run.id, id], |row| row.get(0))?;
        for tag in &input.tags {
            db.prepare_cached(
                "INSERT INTO run_dataset_tags (input, key, value) VALUES (?1, ?2, ?3) \
                 ON CONFLICT DO UPDATE SET value = excluded.value",
            )?
            .execute(params![use_id, tag.key, tag.value])?;
        }
    }
    for model_id in model_ids {
        db.prepare_cached(
            "INSERT INTO run_model_inputs (run, model_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        )?
        .execute(params![run.id, model_id])?;
    }
    notices.push(Notice::Run { experiment_id: run.experiment, run_id: run_id.to_owned() });
    Ok(Applied::Done)
}

pub(super) fn log_outputs(
    db: &Connection,
    notices: &mut Vec<Notice>,
    run_id: &str,
    models: &[ModelOutput],
) -> Result<Applied> {
    let run = find_active(db, run_id)?;
    for model in models {
        db.prepare_cached(
            "INSERT INTO run_model_outputs (run, model_id, step) VALUES (?1, ?2, ?3) \
             ON CONFLICT DO UPDATE SET step = excluded.step",
        )?
        .execute(params![run.id, model.model_id, model.step])?;
    }
    notices.push(Notice::Run { experiment_id: run.experiment, run_id: run_id.to_owned() });
    Ok(Applied::Done)
}
