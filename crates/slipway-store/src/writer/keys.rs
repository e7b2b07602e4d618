//! Keeps `experiment_keys` true: which keys the runs of each experiment carry.

use crate::error::Result;
use crate::model::Lifecycle;
use crate::reader::ColumnKind;
use rusqlite::{Connection, params};

/// A run in use got a key that it did not have. `value` is a param's text, `number` whether it reads as one.
pub(super) fn added(
    db: &Connection,
    experiment: i64,
    kind: ColumnKind,
    name: i64,
    value: Option<&str>,
    number: bool,
) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO experiment_keys (experiment, kind, name, active_runs, deleted_runs, numeric, value) \
         VALUES (?1, ?2, ?3, 1, 0, ?4, ?5) ON CONFLICT DO UPDATE SET active_runs = active_runs + 1, \
         numeric = numeric AND excluded.numeric, varies = varies OR value IS NOT excluded.value",
    )?
    .execute(params![experiment, kind, name, number, value])?;
    Ok(())
}

/// A run in use lost a tag.
pub(super) fn removed_tag(db: &Connection, experiment: i64, name: i64) -> Result<()> {
    db.prepare_cached(
        "UPDATE experiment_keys SET active_runs = active_runs - 1 WHERE experiment = ?1 AND kind = ?2 AND name = ?3",
    )?
    .execute(params![experiment, ColumnKind::Tag, name])?;
    Ok(())
}

/// A metric of a run has more than one point.
pub(super) fn is_curve(db: &Connection, experiment: i64, name: i64) -> Result<()> {
    db.prepare_cached(
        "UPDATE experiment_keys SET curve = 1 WHERE experiment = ?1 AND kind = ?2 AND name = ?3",
    )?
    .execute(params![experiment, ColumnKind::Metric, name])?;
    Ok(())
}

/// A run went to the trash or came back.
pub(super) fn moved(db: &Connection, experiment: i64, run: i64, lifecycle: Lifecycle) -> Result<()> {
    let change = match lifecycle {
        Lifecycle::Deleted => "active_runs = active_runs - 1, deleted_runs = deleted_runs + 1",
        Lifecycle::Active => "active_runs = active_runs + 1, deleted_runs = deleted_runs - 1",
    };
    let kinds =
        [(ColumnKind::Param, "run_params"), (ColumnKind::Metric, "series"), (ColumnKind::Tag, "run_tags")];
    for (kind, table) in kinds {
        db.prepare_cached(&format!(
            "UPDATE experiment_keys SET {change} WHERE experiment = ?1 AND kind = ?2 \
             AND name IN (SELECT name FROM {table} WHERE run = ?3)"
        ))?
        .execute(params![experiment, kind, run])?;
    }
    Ok(())
}

/// A run in the trash is deleted for ever. Called while its rows are still there.
pub(super) fn gone(db: &Connection, experiment: i64, run: i64) -> Result<()> {
    let kinds =
        [(ColumnKind::Param, "run_params"), (ColumnKind::Metric, "series"), (ColumnKind::Tag, "run_tags")];
    for (kind, table) in kinds {
        let of_run =
            format!("experiment = ?1 AND kind = ?2 AND name IN (SELECT name FROM {table} WHERE run = ?3)");
        db.prepare_cached(&format!(
            "UPDATE experiment_keys SET deleted_runs = deleted_runs - 1 WHERE {of_run}"
        ))?
        .execute(params![experiment, kind, run])?;
        db.prepare_cached(&format!(
            "DELETE FROM experiment_keys WHERE {of_run} AND active_runs <= 0 AND deleted_runs <= 0"
        ))?
        .execute(params![experiment, kind, run])?;
    }
    Ok(())
}

/// A run in use left an experiment. Called while its rows are there, as [`arrived`] is.
pub(super) fn left(db: &Connection, experiment: i64, run: i64) -> Result<()> {
    let kinds =
        [(ColumnKind::Param, "run_params"), (ColumnKind::Metric, "series"), (ColumnKind::Tag, "run_tags")];
    for (kind, table) in kinds {
        let of_run =
            format!("experiment = ?1 AND kind = ?2 AND name IN (SELECT name FROM {table} WHERE run = ?3)");
        db.prepare_cached(&format!(
            "UPDATE experiment_keys SET active_runs = active_runs - 1 WHERE {of_run}"
        ))?
        .execute(params![experiment, kind, run])?;
        db.prepare_cached(&format!(
            "DELETE FROM experiment_keys WHERE {of_run} AND active_runs <= 0 AND deleted_runs <= 0"
        ))?
        .execute(params![experiment, kind, run])?;
    }
    Ok(())
}

/// A run in use came into an experiment, with all its keys.
pub(super) fn arrived(db: &Connection, experiment: i64, run: i64) -> Result<()> {
    // Kind, number, value and curve of each key of the run.
    let kinds = [
        (ColumnKind::Param, "run_params", "t.number IS NOT NULL, t.value, 0"),
        (ColumnKind::Metric, "series", "1, NULL, t.points > 1"),
        (ColumnKind::Tag, "run_tags", "0, NULL, 0"),
    ];
    for (kind, table, facts) in kinds {
        db.prepare_cached(&format!(
            "INSERT INTO experiment_keys (experiment, kind, name, active_runs, deleted_runs, numeric, value, curve) \
             SELECT ?1, ?2, t.name, 1, 0, {facts} FROM {table} t WHERE t.run = ?3 \
             ON CONFLICT DO UPDATE SET active_runs = active_runs + 1, numeric = numeric AND excluded.numeric, \
             varies = varies OR value IS NOT excluded.value, curve = curve OR excluded.curve"
        ))?
        .execute(params![experiment, kind, run])?;
    }
    Ok(())
}
