//! Deleting for ever, in slices: what is chosen is written down first, then rows go a few at a time, each with a
//! record of the files that are to follow. Whoever removes the files strikes the record out.
//!
//! A crash at any point leaves either the wish or the record, and so can be continued. What is restored before
//! its rows are gone stays.

use super::keys;
use crate::DEFAULT_EXPERIMENT_ID;
use crate::change::{Applied, Notice};
use crate::error::{Error, Missing, Result};
use crate::model::Lifecycle;
use crate::trash::{PurgeSelection, TrashKind};
use rusqlite::{Connection, OptionalExtension, params};

/// What a selection comes to.
#[derive(Debug, Default)]
pub(crate) struct Chosen {
    pub(crate) runs: Vec<String>,
    pub(crate) models: Vec<String>,
    pub(crate) experiments: Vec<i64>,
}

/// Finds what a selection names, and refuses what is not in the trash.
pub(crate) fn chosen(db: &Connection, selection: &PurgeSelection) -> Result<Chosen> {
    let until = selection.deleted_until_ms.unwrap_or(i64::MAX);
    if selection.everything {
        // What belongs to an experiment that goes is not named one by one. The default experiment itself stays,
        // but what is in it goes.
        return Ok(Chosen {
            runs: texts(
                db,
                "SELECT run_id FROM runs WHERE lifecycle = 1 AND coalesce(deleted_ms, 0) <= ?1 AND (experiment = 0 \
                 OR experiment NOT IN (SELECT id FROM experiments WHERE lifecycle = 1 AND coalesce(deleted_ms, 0) <= ?1))",
                until,
            )?,
            models: texts(
                db,
                "SELECT model_id FROM logged_models WHERE lifecycle = 1 AND coalesce(deleted_ms, 0) <= ?1 \
                 AND (experiment = 0 OR experiment NOT IN \
                 (SELECT id FROM experiments WHERE lifecycle = 1 AND coalesce(deleted_ms, 0) <= ?1))",
                until,
            )?,
            experiments: db
                .prepare_cached(
                    "SELECT id FROM experiments WHERE lifecycle = 1 AND coalesce(deleted_ms, 0) <= ?1 AND id <> 0",
                )?
                .query_map([until], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?,
        });
    }
    for run_id in &selection.run_ids {
        let state = state(db, "SELECT lifecycle, deleted_ms FROM runs WHERE run_id = ?1", run_id)?;
        check("run", run_id, until, state, || Missing::Run(run_id.clone()))?;
    }
    for model_id in &selection.model_ids {
        let state =
            state(db, "SELECT lifecycle, deleted_ms FROM logged_models WHERE model_id = ?1", model_id)?;
        check("logged model", model_id, until, state, || Missing::LoggedModel(model_id.clone()))?;
    }
    for id in &selection.experiment_ids {
        if *id == DEFAULT_EXPERIMENT_ID {
            return Err(Error::Invalid(
                "The experiment 0 cannot be deleted for ever, since clients that name no experiment log into it; \
                 its runs can."
                    .to_owned(),
            ));
        }
        let text = id.to_string();
        let sql = "SELECT lifecycle, deleted_ms FROM experiments WHERE id = CAST(?1 AS INTEGER)";
        check("experiment", &text, until, state(db, sql, &text)?, || Missing::Experiment(*id))?;
    }
    Ok(Chosen {
        runs: selection.run_ids.clone(),
        models: selection.model_ids.clone(),
        experiments: selection.experiment_ids.clone(),
    })
}

/// Writes down what is to be deleted for ever. Answers how many things that is.
pub(super) fn begin(db: &Connection, selection: &PurgeSelection) -> Result<Applied> {
    let chosen = chosen(db, selection)?;
    let mut put =
        db.prepare_cached("INSERT INTO purging (kind, id) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?;
    let mut count = 0;
    for run_id in &chosen.runs {
        count += put.execute(params![TrashKind::Run, run_id])?;
    }
    for model_id in &chosen.models {
        count += put.execute(params![TrashKind::LoggedModel, model_id])?;
    }
    for id in &chosen.experiments {
        count += put.execute(params![TrashKind::Experiment, id.to_string()])?;
    }
    Ok(Applied::Changed(count as u64))
}

/// Deletes the rows of at most `limit` of the things that are written down. Answers how many of them are dealt
/// with; 0 when nothing is left.
pub(super) fn slice(db: &Connection, notices: &mut Vec<Notice>, limit: u32) -> Result<Applied> {
    let limit = i64::from(limit);
    let mut done = 0;
    for run_id in waiting(db, TrashKind::Run, limit)? {
        let found = db
            .prepare_cached("SELECT id, experiment FROM runs WHERE run_id = ?1 AND lifecycle = 1")?
            .query_row([&run_id], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        if let Some((row, experiment)) = found {
            delete_run(db, notices, row, experiment)?;
        }
        strike(db, TrashKind::Run, &run_id)?;
        done += 1;
    }
    if done < limit {
        for model_id in waiting(db, TrashKind::LoggedModel, limit - done)? {
            let found = db
                .prepare_cached("SELECT id FROM logged_models WHERE model_id = ?1 AND lifecycle = 1")?
                .query_row([&model_id], |row| row.get(0))
                .optional()?;
            if let Some(row) = found {
                delete_model(db, notices, row)?;
            }
            strike(db, TrashKind::LoggedModel, &model_id)?;
            done += 1;
        }
    }
    if done < limit
        && let Some(id) = waiting(db, TrashKind::Experiment, 1)?.first()
    {
        done += slice_of_experiment(db, notices, id, limit - done)?;
    }
    Ok(Applied::Changed(done.cast_unsigned()))
}

/// The files of these records are gone, or are to stay.
pub(super) fn strike_doomed(db: &Connection, ids: &[i64]) -> Result<Applied> {
    let mut statement = db.prepare_cached("DELETE FROM doomed WHERE id = ?1")?;
    let mut count = 0;
    for id in ids {
        count += statement.execute([id])?;
    }
    Ok(Applied::Changed(count as u64))
}

/// Deletes some rows of an experiment, and the experiment itself when nothing else is left of it.
fn slice_of_experiment(db: &Connection, notices: &mut Vec<Notice>, id: &str, limit: i64) -> Result<i64> {
    let found: Option<i64> = db
        .prepare_cached("SELECT id FROM experiments WHERE id = CAST(?1 AS INTEGER) AND lifecycle = 1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    let Some(experiment) = found else {
        strike(db, TrashKind::Experiment, id)?;
        return Ok(1);
    };
    let ids = |sql: &str, limit: i64| -> Result<Vec<i64>> {
        let mut statement = db.prepare_cached(sql)?;
        Ok(statement.query_map([experiment, limit], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
    };
    let mut done = 0;
    for run in ids("SELECT id FROM runs WHERE experiment = ?1 LIMIT ?2", limit)? {
        delete_run(db, notices, run, experiment)?;
        done += 1;
    }
    for model in ids("SELECT id FROM logged_models WHERE experiment = ?1 LIMIT ?2", limit - done)? {
        delete_model(db, notices, model)?;
        done += 1;
    }
    if done < limit {
        db.prepare_cached(
            "INSERT INTO doomed (kind, owner, uri) SELECT ?2, CAST(id AS TEXT), artifact_location \
             FROM experiments WHERE id = ?1",
        )?
        .execute(params![experiment, TrashKind::Experiment])?;
        db.prepare_cached("DELETE FROM experiments WHERE id = ?1")?.execute([experiment])?;
        db.prepare_cached("UPDATE purged_experiment SET id = max(id, ?1)")?.execute([experiment])?;
        strike(db, TrashKind::Experiment, id)?;
        notices.push(Notice::Experiments);
        done += 1;
    }
    Ok(done)
}

fn delete_run(db: &Connection, notices: &mut Vec<Notice>, row: i64, experiment: i64) -> Result<()> {
    let datasets = db
        .prepare_cached("SELECT dataset FROM run_datasets WHERE run = ?1")?
        .query_map([row], |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<i64>>>()?;
    db.prepare_cached(
        "INSERT INTO doomed (kind, owner, uri) SELECT ?2, run_id, artifact_uri FROM runs WHERE id = ?1",
    )?
    .execute(params![row, TrashKind::Run])?;
    keys::gone(db, experiment, row)?;
    // Params, tags, histories and the rest follow by ON DELETE CASCADE.
    let run_id = db
        .prepare_cached("DELETE FROM runs WHERE id = ?1 RETURNING run_id")?
        .query_row([row], |row| row.get(0))?;
    for dataset in datasets {
        db.prepare_cached(
            "DELETE FROM datasets WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM run_datasets WHERE dataset = ?1)",
        )?
        .execute([dataset])?;
    }
    notices.push(Notice::Run { experiment_id: experiment, run_id });
    Ok(())
}

fn delete_model(db: &Connection, notices: &mut Vec<Notice>, row: i64) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO doomed (kind, owner, uri) SELECT ?2, model_id, artifact_location \
         FROM logged_models WHERE id = ?1",
    )?
    .execute(params![row, TrashKind::LoggedModel])?;
    db.prepare_cached("DELETE FROM logged_models WHERE id = ?1")?.execute([row])?;
    notices.push(Notice::Models);
    Ok(())
}

fn waiting(db: &Connection, kind: TrashKind, limit: i64) -> Result<Vec<String>> {
    let mut statement = db.prepare_cached("SELECT id FROM purging WHERE kind = ?1 ORDER BY id LIMIT ?2")?;
    Ok(statement.query_map(params![kind, limit], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
}

fn strike(db: &Connection, kind: TrashKind, id: &str) -> Result<()> {
    db.prepare_cached("DELETE FROM purging WHERE kind = ?1 AND id = ?2")?.execute(params![kind, id])?;
    Ok(())
}

fn texts(db: &Connection, sql: &str, until: i64) -> Result<Vec<String>> {
    let mut statement = db.prepare_cached(sql)?;
    Ok(statement.query_map([until], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
}

type State = Option<(Lifecycle, Option<i64>)>;

fn state(db: &Connection, sql: &str, id: &str) -> Result<State> {
    Ok(db.prepare_cached(sql)?.query_row([id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

fn check(what: &str, id: &str, until: i64, state: State, missing: impl Fn() -> Missing) -> Result<()> {
    match state {
        None => Err(Error::NotFound(missing())),
        Some((Lifecycle::Active, _)) => Err(Error::Invalid(format!(
            "The {what} {id} is not in the trash. Only what is in the trash can be deleted for ever."
        ))),
        Some((Lifecycle::Deleted, at)) if at.unwrap_or(0) > until => Err(Error::Invalid(format!(
            "The {what} {id} has not been in the trash for as long as was asked for."
        ))),
        Some(_) => Ok(()),
    }
}
