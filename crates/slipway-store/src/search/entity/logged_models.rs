//! What a filter of logged models may name.

use super::{
    Entity, TagTable, direction, no_null_test_of_metrics, push_order, unknown_attribute, unknown_entity,
};
use crate::search::SearchError;
use crate::search::expr::{Clause, Field, Op, Value};
use crate::search::order::OrderKey;
use crate::search::sql::Where;
use crate::search::test::Test;

/// Logged models. `datasets` restricts which metric rows count: (name, digest), no digest for any.
pub(crate) struct LoggedModels<'a> {
    pub(crate) datasets: &'a [(String, Option<String>)],
}

const LOGGED_MODEL_ATTRIBUTES: &[&str] = &[
    "name",
    "model_id",
    "model_type",
    "status",
    "source_run_id",
    "experiment_id",
    "lifecycle_stage",
    "creation_timestamp",
    "last_updated_timestamp",
];

fn logged_model_attribute(field: &Field) -> Result<(&'static str, bool), SearchError> {
    Ok(match field.key.as_str() {
        "name" => ("l.name", false),
        "model_id" => ("l.model_id", false),
        "model_type" => ("l.model_type", false),
        "status" => ("CASE l.status WHEN 1 THEN 'PENDING' WHEN 2 THEN 'READY' ELSE 'FAILED' END", false),
        "source_run_id" => ("l.source_run_id", false),
        "experiment_id" => ("CAST(l.experiment AS TEXT)", false),
        "lifecycle_stage" => ("CASE l.lifecycle WHEN 0 THEN 'active' ELSE 'deleted' END", false),
        "creation_timestamp" | "creation_time" | "creation_timestamp_ms" => ("l.created_ms", true),
        "last_updated_timestamp" | "last_updated_timestamp_ms" => ("l.updated_ms", true),
        _ => return Err(unknown_attribute(field, LOGGED_MODEL_ATTRIBUTES)),
    })
}

impl LoggedModels<'_> {
    /// The latest value of a metric, among the rows of the given datasets. Orders use it.
    pub(crate) fn metric(&self, key: &str, datasets: &[(String, Option<String>)]) -> Where {
        let mut out = Where::default();
        out.push("(SELECT x.value FROM logged_model_metrics x WHERE x.model = l.id AND x.key = ?")
            .bind(key.to_owned());
        out.push(" AND ").append(&in_datasets(datasets));
        out.push(" ORDER BY x.time_ms DESC, x.step DESC, x.bits DESC LIMIT 1)");
        out
    }
}

/// Condition that a metric row `x` belongs to one of the datasets; no datasets mean any.
pub(crate) fn in_datasets(datasets: &[(String, Option<String>)]) -> Where {
    let mut out = Where::default();
    if datasets.is_empty() {
        out.push("1");
        return out;
    }
    out.push("(");
    for (index, (name, digest)) in datasets.iter().enumerate() {
        out.push(if index > 0 { " OR (x.dataset_name = ?" } else { "(x.dataset_name = ?" })
            .bind(name.clone());
        if let Some(digest) = digest {
            out.push(" AND x.dataset_digest = ?").bind(digest.clone());
        }
        out.push(")");
    }
    out.push(")");
    out
}

impl Entity for LoggedModels<'_> {
    fn clause(&self, clause: &Clause, out: &mut Where) -> Result<(), SearchError> {
        match clause.field.entity.as_deref() {
            Some("metrics") => {
                no_null_test_of_metrics(clause)?;
                let test = Test::of_number("metric", clause)?;
                // Any recorded value may match, as MLflow has it: of any step, run and counted dataset.
                out.push("EXISTS (SELECT 1 FROM logged_model_metrics x WHERE x.model = l.id AND x.key = ?");
                out.bind(clause.field.key.clone());
                out.push(" AND ").append(&in_datasets(self.datasets)).push(" AND ");
                if let Test::Number(Op::Ne, _) = test {
                    // NaN is unequal to everything, and stands as NULL.
                    out.push("coalesce(");
                    test.write("x.value", out);
                    out.push(", 1)");
                } else {
                    test.write("x.value", out);
                }
                out.push(")");
                Ok(())
            }
            Some("params") => {
                TagTable { from: "FROM logged_model_params t WHERE t.model = l.id AND t.key = ?" }
                    .clause(clause, out)
            }
            Some("tags") => TagTable { from: "FROM logged_model_tags t WHERE t.model = l.id AND t.key = ?" }
                .clause(clause, out),
            None | Some("attributes") => {
                let (column, is_number) = logged_model_attribute(&clause.field)?;
                if let ("status", Value::Text(status) | Value::DoubleQuoted(status)) =
                    (clause.field.key.as_str(), &clause.value)
                    && !matches!(status.as_str(), "PENDING" | "READY" | "FAILED")
                {
                    return Err(SearchError::new(
                        format!(
                            "Invalid model status: {status}. Expected statuses are: PENDING, READY, FAILED"
                        ),
                        clause.value_span.clone(),
                    ));
                }
                let test = if is_number {
                    Test::of_time("attribute", clause)?
                } else {
                    Test::of_text("attribute", clause)?
                };
                test.write(column, out);
                Ok(())
            }
            Some(_) => Err(unknown_entity(&clause.field, "'attributes', 'metrics', 'params', 'tags'")),
        }
    }

    fn order(&self, key: &OrderKey, out: &mut Where) -> Result<(), SearchError> {
        match key.field.entity.as_deref() {
            Some("metrics") => {
                push_order(out, &self.metric(&key.field.key, self.datasets), key.ascending);
                Ok(())
            }
            None | Some("attributes") => {
                out.push(logged_model_attribute(&key.field)?.0).push(" ").push(direction(key.ascending));
                Ok(())
            }
            Some(_) => Err(SearchError::new(
                format!("Invalid order by field name: {}. Only metrics are supported.", key.field.key),
                key.field.span.clone(),
            )),
        }
    }
}
