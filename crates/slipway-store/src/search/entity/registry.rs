//! What filters of registered models and of their versions may name.

use super::{Entity, TagTable, direction, no_null_test_of_metrics, unknown_attribute, unknown_entity};
use crate::registry::{MetricKey, metrics};
use crate::search::SearchError;
use crate::search::expr::{Clause, Expr, Op, Value};
use crate::search::order::OrderKey;
use crate::search::sql::Where;
use crate::search::test::Test;

/// Tag of a registered model that marks it as a prompt.
const PROMPT_TAG: &str = "mlflow.prompt.is_prompt";

/// Condition that a registered model named by `column` is a prompt.
fn is_prompt(column: &str) -> String {
    format!(
        "EXISTS (SELECT 1 FROM registered_model_tags p WHERE p.model = {column} AND p.key = '{PROMPT_TAG}' AND lower(p.value) = 'true')"
    )
}

/// MLflow lists prompts only to those who ask for them by this tag.
fn prompt_clause(column: &str, clause: &Clause, out: &mut Where) -> bool {
    if clause.field.key != PROMPT_TAG {
        return false;
    }
    let asks = match (&clause.op, &clause.value) {
        (Op::Eq, Value::Text(text) | Value::DoubleQuoted(text)) => text.eq_ignore_ascii_case("true"),
        (Op::Ne, Value::Text(text) | Value::DoubleQuoted(text)) => !text.eq_ignore_ascii_case("true"),
        _ => return false,
    };
    out.push(if asks { "" } else { "NOT " }).push(&is_prompt(column));
    true
}

/// The condition that hides prompts, unless the filter speaks of them.
fn hide_prompts(column: &str, filter: Option<&Expr>) -> String {
    let asks = filter.is_some_and(|expr| {
        expr.any(&|clause| {
            clause.field.key == PROMPT_TAG && matches!(clause.field.entity.as_deref(), Some("tags" | "tag"))
        })
    });
    if asks { "1".to_owned() } else { format!("NOT {}", is_prompt(column)) }
}

/// The name of a stage, as a text that can be tested.
const STAGE: &str =
    "CASE v.stage WHEN 1 THEN 'Staging' WHEN 2 THEN 'Production' WHEN 3 THEN 'Archived' ELSE 'None' END";

/// A condition on the latest value of a metric of the version `v`.
fn metric_test(clause: &Clause, out: &mut Where) -> Result<(), SearchError> {
    no_null_test_of_metrics(clause)?;
    let test = Test::of_number("metric", clause)?;
    let value = metrics::latest(&MetricKey { key: clause.field.key.clone(), dataset: None }, "value");
    out.values.extend(value.values);
    test.write(&value.sql, out);
    Ok(())
}

/// A condition that one of the rows of `from` fulfils; `IS NULL` holds when there is none.
fn any_row(from: &str, column: &str, clause: &Clause, out: &mut Where) -> Result<(), SearchError> {
    let test = Test::of_text("attribute", clause)?;
    out.push(if test == Test::Null { "NOT EXISTS (SELECT 1 " } else { "EXISTS (SELECT 1 " }).push(from);
    out.push(" AND ");
    let test = if test == Test::Null { Test::NotNull } else { test };
    test.write(column, out);
    out.push(")");
    Ok(())
}

/// What a filter of registered models may name without an entity.
pub(crate) const MODEL_ATTRIBUTES: &[&str] = &["name", "alias", "stage", "run_id"];

/// What a filter of versions may name without an entity.
pub(crate) const VERSION_ATTRIBUTES: &[&str] =
    &["name", "run_id", "source_path", "version_number", "alias", "stage"];

/// Registered models.
pub(crate) struct RegisteredModels;

impl RegisteredModels {
    /// See [`hide_prompts`].
    pub(crate) fn hide_prompts(filter: Option<&Expr>) -> String {
        hide_prompts("m.name", filter)
    }
}

impl Entity for RegisteredModels {
    fn clause(&self, clause: &Clause, out: &mut Where) -> Result<(), SearchError> {
        match clause.field.entity.as_deref() {
            Some("tags" | "tag") => {
                if prompt_clause("m.name", clause, out) {
                    return Ok(());
                }
                TagTable { from: "FROM registered_model_tags t WHERE t.model = m.name AND t.key = ?" }
                    .clause(clause, out)
            }
            None | Some("attributes" | "attribute") => match clause.field.key.as_str() {
                "name" => {
                    Test::of_text("attribute", clause)?.write("m.name", out);
                    Ok(())
                }
                "alias" => {
                    any_row("FROM registered_model_aliases a WHERE a.model = m.name", "a.alias", clause, out)
                }
                "stage" => any_row("FROM model_versions v WHERE v.model = m.name", STAGE, clause, out),
                "run_id" => any_row("FROM model_versions v WHERE v.model = m.name", "v.run_id", clause, out),
                _ => Err(unknown_attribute(&clause.field, MODEL_ATTRIBUTES)),
            },
            Some("metrics" | "metric") => {
                out.push("EXISTS (SELECT 1 FROM model_versions v WHERE v.model = m.name AND ");
                metric_test(clause, out)?;
                out.push(")");
                Ok(())
            }
            Some(_) => Err(unknown_entity(&clause.field, "'attribute', 'metrics', 'tags'")),
        }
    }

    fn order(&self, key: &OrderKey, out: &mut Where) -> Result<(), SearchError> {
        let column = match (key.field.entity.as_deref(), key.field.key.as_str()) {
            (None | Some("attribute" | "attributes"), "name") => "m.name",
            (None | Some("attribute" | "attributes"), "timestamp" | "last_updated_timestamp") => {
                "m.updated_ms"
            }
            (None | Some("attribute" | "attributes"), "creation_timestamp") => "m.created_ms",
            _ => return Err(unknown_attribute(&key.field, &["name", "timestamp", "last_updated_timestamp"])),
        };
        out.push(column).push(" ").push(direction(key.ascending));
        Ok(())
    }
}

/// Versions of registered models.
pub(crate) struct Versions;

impl Versions {
    /// See [`hide_prompts`].
    pub(crate) fn hide_prompts(filter: Option<&Expr>) -> String {
        hide_prompts("v.model", filter)
    }
}

/// Version numbers are whole, and may be quoted.
fn version_test(clause: &Clause) -> Result<Test, SearchError> {
    let whole = match &clause.value {
        Value::Number(number) => Some(*number),
        Value::Text(text) | Value::DoubleQuoted(text) => text.parse::<i64>().ok().map(|n| n as f64),
        Value::List(_) | Value::Nothing | Value::Span(_) | Value::FromNow(_) | Value::Moment(_) => None,
    };
    match whole {
        Some(whole) if whole.fract() == 0.0 => {
            Test::of_number("attribute", &Clause { value: Value::Number(whole), ..clause.clone() })
        }
        _ => Err(SearchError::new(
            "Expected integer value for attribute 'version_number'",
            clause.value_span.clone(),
        )),
    }
}

impl Entity for Versions {
    fn clause(&self, clause: &Clause, out: &mut Where) -> Result<(), SearchError> {
        match clause.field.entity.as_deref() {
            Some("tags" | "tag") => {
                if prompt_clause("v.model", clause, out) {
                    return Ok(());
                }
                TagTable { from: "FROM model_version_tags t WHERE t.model = v.model AND t.version = v.version AND t.key = ?" }
                    .clause(clause, out)
            }
            Some("metrics" | "metric") => metric_test(clause, out),
            None | Some("attributes" | "attribute") => {
                let (column, test) = match clause.field.key.as_str() {
                    "alias" => {
                        return any_row(
                            "FROM registered_model_aliases a WHERE a.model = v.model AND a.version = v.version",
                            "a.alias",
                            clause,
                            out,
                        );
                    }
                    "stage" => (STAGE, Test::of_text("attribute", clause)?),
                    "name" => ("v.model", Test::of_text("attribute", clause)?),
                    "run_id" => ("v.run_id", Test::of_text("attribute", clause)?),
                    "source_path" => ("v.source", Test::of_text("attribute", clause)?),
                    "version_number" => ("v.version", version_test(clause)?),
                    _ => {
                        return Err(unknown_attribute(&clause.field, VERSION_ATTRIBUTES));
                    }
                };
                test.write(column, out);
                Ok(())
            }
            Some(_) => Err(unknown_entity(&clause.field, "'attribute', 'metrics', 'tags'")),
        }
    }

    fn order(&self, key: &OrderKey, out: &mut Where) -> Result<(), SearchError> {
        let column = match (key.field.entity.as_deref(), key.field.key.as_str()) {
            (None | Some("attribute" | "attributes"), "name") => "v.model",
            (None | Some("attribute" | "attributes"), "version_number") => "v.version",
            (None | Some("attribute" | "attributes"), "creation_timestamp") => "v.created_ms",
            (None | Some("attribute" | "attributes"), "last_updated_timestamp") => "v.updated_ms",
            _ => {
                return Err(unknown_attribute(
                    &key.field,
                    &["name", "version_number", "creation_timestamp", "last_updated_timestamp"],
                ));
            }
        };
        out.push(column).push(" ").push(direction(key.ascending));
        Ok(())
    }
}
