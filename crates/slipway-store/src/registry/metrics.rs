//! What was measured of a version: the metrics of the logged model it was made from, and those of its run.
//!
//! Readers and the writer ask here alike, so that a rule is checked against what people see.

use crate::error::Result;
use crate::model::Point;
use crate::registry::{MetricKey, VersionMetric};
use crate::search::Where;
use crate::writer::from_bits;
use rusqlite::{Connection, OptionalExtension, params};

/// Condition that a metric `x` of the logged model `l` is not what counts, because its run went on. `run` is the id of that
/// run, and `last_step` the last step at which it measured the same.
///
/// The stock client gives a logged model what its run had measured at the step that was named, and at step 0 when none
/// was: what was true before the training. An explicit step, and what was measured of the model itself later, count.
fn outgrown(run: &str, last_step: &str) -> String {
    format!(
        "(x.dataset_name = '' AND x.step = 0 AND x.run_id IS {run} AND x.time_ms <= l.created_ms \
         AND coalesce({last_step}, 0) > 0)"
    )
}

/// The bits of the latest value of a metric of the version `v`, as an expression; `column` is `bits` or `value`.
pub(crate) fn latest(metric: &MetricKey, column: &str) -> Where {
    let mut of_model = Where::default();
    of_model.push("(SELECT x.").push(column).push(
        " FROM logged_models l JOIN logged_model_metrics x ON x.model = l.id \
         WHERE l.model_id = v.model_id AND x.key = ? AND x.dataset_name = ?",
    );
    of_model.bind(metric.key.clone()).bind(metric.dataset.clone().unwrap_or_default());
    if metric.dataset.is_none() {
        of_model.push(" AND NOT ").push(&outgrown("v.run_id", "s.last_step"));
    }
    of_model.push(" ORDER BY x.step DESC, x.time_ms DESC, x.bits DESC LIMIT 1)");
    if metric.dataset.is_some() {
        return of_model;
    }
    // What the run measured is looked up once, for the condition and for where the model has nothing.
    let mut out = Where::default();
    out.push("(SELECT coalesce(").append(&of_model).push(&format!(
        ", s.last_{column}) FROM (SELECT 1) LEFT JOIN runs r ON r.run_id = v.run_id \
         LEFT JOIN series s ON s.run = r.id AND s.name = (SELECT id FROM names WHERE text = ?))"
    ));
    out.bind(metric.key.clone());
    out
}

/// The latest value of one metric of a version.
pub(crate) fn value(db: &Connection, model: &str, version: i64, metric: &MetricKey) -> Result<Option<f64>> {
    let mut query = Where::default();
    query.push("SELECT ").append(&latest(metric, "bits"));
    query.push(" FROM model_versions v WHERE v.model = ? AND v.version = ?");
    query.bind(model.to_owned()).bind(version);
    let mut statement = db.prepare_cached(&query.sql)?;
    let bits: Option<Option<i64>> =
        statement.query_row(rusqlite::params_from_iter(query.values), |row| row.get(0)).optional()?;
    Ok(bits.flatten().map(from_bits))
}

/// Latest values of all metrics of a version, by dataset and key.
pub(crate) fn all(
    db: &Connection,
    model_id: Option<&str>,
    run_id: Option<&str>,
) -> Result<Vec<VersionMetric>> {
    let mut found: Vec<VersionMetric> = Vec::new();
    let mut of_model = db.prepare_cached(&format!(
        "SELECT x.key, x.dataset_name, x.dataset_digest, x.step, x.time_ms, x.bits, x.run_id \
         FROM logged_models l JOIN logged_model_metrics x ON x.model = l.id WHERE l.model_id = ?1 AND NOT {} \
         ORDER BY x.dataset_name, x.key, x.step DESC, x.time_ms DESC, x.bits DESC",
        outgrown(
            "?2",
            "(SELECT s.last_step FROM runs r JOIN series s ON s.run = r.id JOIN names n ON n.id = s.name \
             WHERE r.run_id = x.run_id AND n.text = x.key)"
        )
    ))?;
    let given = |text: String| (!text.is_empty()).then_some(text);
    let rows = of_model.query_map([model_id, run_id], |row| {
        Ok(VersionMetric {
            metric: MetricKey { key: row.get(0)?, dataset: given(row.get(1)?) },
            dataset_digest: given(row.get(2)?),
            point: Point { step: row.get(3)?, time_ms: row.get(4)?, value: from_bits(row.get(5)?) },
            run_id: row.get(6)?,
        })
    })?;
    for row in rows {
        let row = row?;
        // The first of each is the latest.
        if found.last().is_none_or(|last| last.metric != row.metric) {
            found.push(row);
        }
    }
    let mut of_run = db.prepare_cached(
        "SELECT n.text, s.last_step, s.last_ms, s.last_bits, r.run_id FROM runs r \
         JOIN series s ON s.run = r.id JOIN names n ON n.id = s.name WHERE r.run_id = ?1",
    )?;
    let rows = of_run.query_map(params![run_id], |row| {
        Ok(VersionMetric {
            metric: MetricKey { key: row.get(0)?, dataset: None },
            dataset_digest: None,
            point: Point { step: row.get(1)?, time_ms: row.get(2)?, value: from_bits(row.get(3)?) },
            run_id: row.get(4)?,
        })
    })?;
    let own = found.iter().take_while(|metric| metric.metric.dataset.is_none()).count();
    for row in rows {
        let row = row?;
        if !found[..own].iter().any(|metric| metric.metric.key == row.metric.key) {
            found.push(row);
        }
    }
    found.sort_by(|a, b| (&a.metric.dataset, &a.metric.key).cmp(&(&b.metric.dataset, &b.metric.key)));
    Ok(found)
}
