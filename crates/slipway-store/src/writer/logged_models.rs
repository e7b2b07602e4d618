//! Changes to logged models.

use super::experiments;
use super::log::to_bits;
use crate::change::{Applied, LoggedMetric, NewLoggedModel, Notice};
use crate::error::{Error, Missing, Result, Taken};
use crate::model::{KeyValue, Lifecycle, ModelStatus};
use rusqlite::{Connection, OptionalExtension, params};

pub(super) fn create(db: &Connection, notices: &mut Vec<Notice>, model: &NewLoggedModel) -> Result<Applied> {
    experiments::require_active(db, model.experiment_id)?;
    let location: String = db
        .prepare_cached("SELECT artifact_location FROM experiments WHERE id = ?1")?
        .query_row([model.experiment_id], |row| row.get(0))?;
    let artifacts = format!("{}/models/{}/artifacts", location.trim_end_matches('/'), model.model_id);
    let inserted = db
        .prepare_cached(
            "INSERT INTO logged_models (model_id, experiment, name, artifact_location, created_ms, updated_ms, \
             status, model_type, source_run_id) VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, ?7, ?8) \
             ON CONFLICT (model_id) DO NOTHING",
        )?
        .execute(params![
            model.model_id,
            model.experiment_id,
            model.name,
            artifacts,
            model.at_ms,
            ModelStatus::Pending,
            model.model_type,
            model.source_run_id
        ])?;
    if inserted == 0 {
        return Err(Error::AlreadyExists(Taken::LoggedModel(model.model_id.clone())));
    }
    let id = db.last_insert_rowid();
    put_pairs(db, Pairs::Params, id, &model.params)?;
    put_pairs(db, Pairs::Tags, id, &model.tags)?;
    notices.push(Notice::Models);
    Ok(Applied::Done)
}

pub(super) fn finalize(
    db: &Connection,
    notices: &mut Vec<Notice>,
    model_id: &str,
    status: ModelStatus,
    at_ms: i64,
) -> Result<Applied> {
    let id = find(db, model_id)?;
    db.execute("UPDATE logged_models SET status = ?2 WHERE id = ?1", params![id, status])?;
    touch(db, notices, id, at_ms)
}

pub(super) fn log_params(
    db: &Connection,
    notices: &mut Vec<Notice>,
    model_id: &str,
    params: &[KeyValue],
    at_ms: i64,
) -> Result<Applied> {
    let id = find(db, model_id)?;
    put_pairs(db, Pairs::Params, id, params)?;
    touch(db, notices, id, at_ms)
}

pub(super) fn set_tags(
    db: &Connection,
    notices: &mut Vec<Notice>,
    model_id: &str,
    tags: &[KeyValue],
    at_ms: i64,
) -> Result<Applied> {
    let id = find(db, model_id)?;
    put_pairs(db, Pairs::Tags, id, tags)?;
    touch(db, notices, id, at_ms)
}

pub(super) fn delete_tag(
    db: &Connection,
    notices: &mut Vec<Notice>,
    model_id: &str,
    key: &str,
    at_ms: i64,
) -> Result<Applied> {
    let id = find(db, model_id)?;
    let removed =
        db.execute("DELETE FROM logged_model_tags WHERE model = ?1 AND key = ?2", params![id, key])?;
    if removed == 0 {
        return Err(Error::NotFound(Missing::LoggedModelTag {
            key: key.to_owned(),
            model_id: model_id.to_owned(),
        }));
    }
    touch(db, notices, id, at_ms)
}

pub(super) fn delete(
    db: &Connection,
    notices: &mut Vec<Notice>,
    model_id: &str,
    at_ms: i64,
) -> Result<Applied> {
    let known: Option<(i64, Lifecycle)> = db
        .prepare_cached("SELECT id, lifecycle FROM logged_models WHERE model_id = ?1")?
        .query_row([model_id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (id, lifecycle) = known.ok_or_else(|| Error::NotFound(Missing::LoggedModel(model_id.to_owned())))?;
    if lifecycle == Lifecycle::Deleted {
        // Deleted is deleted, and since when stays.
        return Ok(Applied::Done);
    }
    db.execute("UPDATE logged_models SET lifecycle = 1, deleted_ms = ?2 WHERE id = ?1", params![id, at_ms])?;
    touch(db, notices, id, at_ms)
}

pub(super) fn restore(
    db: &Connection,
    notices: &mut Vec<Notice>,
    model_id: &str,
    at_ms: i64,
) -> Result<Applied> {
    let found: Option<(i64, i64, Lifecycle)> = db
        .prepare_cached("SELECT id, experiment, lifecycle FROM logged_models WHERE model_id = ?1")?
        .query_row([model_id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let (id, experiment, lifecycle) =
        found.ok_or_else(|| Error::NotFound(Missing::LoggedModel(model_id.to_owned())))?;
    if lifecycle == Lifecycle::Active {
        return Ok(Applied::Done);
    }
    experiments::require_active(db, experiment)?;
    db.execute("UPDATE logged_models SET lifecycle = 0, deleted_ms = NULL WHERE id = ?1", [id])?;
    touch(db, notices, id, at_ms)
}

/// Files a metric under the model it belongs to. A metric of a model that is not here is kept with its run only.
pub(super) fn put_metric(db: &Connection, model_id: &str, run_id: &str, metric: &LoggedMetric) -> Result<()> {
    let value = (!metric.point.value.is_nan()).then_some(metric.point.value);
    db.prepare_cached(
        "INSERT INTO logged_model_metrics \
         (model, key, dataset_name, dataset_digest, step, time_ms, bits, value, run_id) \
         SELECT id, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 FROM logged_models WHERE model_id = ?1 AND lifecycle = 0 \
         ON CONFLICT DO NOTHING",
    )?
    .execute(params![
        model_id,
        metric.key,
        metric.dataset_name.as_deref().unwrap_or_default(),
        metric.dataset_digest.as_deref().unwrap_or_default(),
        metric.point.step,
        metric.point.time_ms,
        to_bits(metric.point.value),
        value,
        run_id,
    ])?;
    Ok(())
}

/// The row of a model in use.
fn find(db: &Connection, model_id: &str) -> Result<i64> {
    db.prepare_cached("SELECT id FROM logged_models WHERE model_id = ?1 AND lifecycle = 0")?
        .query_row([model_id], |row| row.get(0))
        .optional()?
        .ok_or_else(|| Error::NotFound(Missing::LoggedModel(model_id.to_owned())))
}

/// Which of a model's lists of keys and values.
#[derive(Clone, Copy)]
enum Pairs {
    Params,
    Tags,
}

fn put_pairs(db: &Connection, which: Pairs, id: i64, pairs: &[KeyValue]) -> Result<()> {
    let mut statement = db.prepare_cached(match which {
        Pairs::Params => {
            "INSERT INTO logged_model_params (model, key, value) VALUES (?1, ?2, ?3) \
             ON CONFLICT DO UPDATE SET value = excluded.value"
        }
        Pairs::Tags => {
            "INSERT INTO logged_model_tags (model, key, value) VALUES (?1, ?2, ?3) \
             ON CONFLICT DO UPDATE SET value = excluded.value"
        }
    })?;
    for pair in pairs {
        statement.execute(params![id, pair.key, pair.value])?;
    }
    Ok(())
}

fn touch(db: &Connection, notices: &mut Vec<Notice>, id: i64, at_ms: i64) -> Result<Applied> {
    db.execute("UPDATE logged_models SET updated_ms = ?2 WHERE id = ?1", params![id, at_ms])?;
    notices.push(Notice::Models);
    Ok(Applied::Done)
}
