//! What the fields of a filter mean for each kind of thing.
//!
//! Table aliases are fixed: `r` runs, `e` experiments, `l` logged models, `m` registered models, `v` versions.

use super::SearchError;
use super::order::OrderKey;
use super::parser::{Clause, Field, Op, Value};
use super::sql::{Where, number, text};

/// Gives fields their meaning.
pub(crate) trait Entity {
    /// Writes one condition.
    fn clause(&self, clause: &Clause, out: &mut Where) -> Result<(), SearchError>;

    /// Writes one or more sort terms, without a comma at either end.
    fn order(&self, key: &OrderKey, out: &mut Where) -> Result<(), SearchError>;
}

/// A tag table that `owner` has, for the shared tag conditions.
struct TagTable {
    /// `FROM … WHERE …` that finds the tag rows `t` of one thing, with one `?` for the key.
    from: &'static str,
}

impl TagTable {
    fn clause(&self, clause: &Clause, out: &mut Where) -> Result<(), SearchError> {
        let exists = if clause.op == Op::IsNull { "NOT EXISTS (SELECT 1 " } else { "EXISTS (SELECT 1 " };
        out.push(exists).push(self.from).bind(clause.field.key.clone());
        if !matches!(clause.op, Op::IsNull | Op::IsNotNull) {
            out.push(" AND ");
            text("t.value", "tag", clause, out)?;
        }
        out.push(")");
        Ok(())
    }
}

fn unknown_attribute(field: &Field, valid: &[&str]) -> SearchError {
    SearchError::new(
        format!("Invalid attribute key '{}' specified. Valid keys are '{}'", field.key, valid.join(", ")),
        field.span.clone(),
    )
}

fn unknown_entity(field: &Field, valid: &str) -> SearchError {
    let entity = field.entity.as_deref().unwrap_or_default();
    SearchError::new(
        format!("Invalid entity type '{entity}'. Valid values are {valid}"),
        field.span.start..field.span.start + entity.len(),
    )
}

fn direction(ascending: bool) -> &'static str {
    if ascending { "ASC" } else { "DESC" }
}

/// Sorts texts or numbers with missing ones last, whatever the direction.
fn push_order(out: &mut Where, value: &Where, ascending: bool) {
    out.append(value).push(" IS NULL, ").append(value).push(" ").push(direction(ascending));
}

/// Runs.
pub(crate) struct Runs;

/// Expression for the name of a run's state.
const RUN_STATUS: &str = "CASE r.status WHEN 1 THEN 'RUNNING' WHEN 2 THEN 'SCHEDULED' WHEN 3 THEN 'FINISHED' \
     WHEN 4 THEN 'FAILED' ELSE 'KILLED' END";

const RUN_ENTITIES: &str = "'metrics', 'params', 'tags', 'attributes', 'datasets'";

const RUN_ATTRIBUTES: &[&str] =
    &["run_id", "run_name", "status", "user_id", "artifact_uri", "start_time", "end_time", "duration"];

/// Column of a run's attribute, and whether it is a number.
fn run_attribute(field: &Field) -> Result<(&'static str, bool), SearchError> {
    Ok(match field.key.as_str() {
        "run_id" => ("r.run_id", false),
        "run_name" | "run name" | "Run name" | "Run Name" => ("r.name", false),
        "status" => (RUN_STATUS, false),
        "user_id" => ("r.user", false),
        "artifact_uri" => ("r.artifact_uri", false),
        "start_time" | "created" | "Created" => ("r.start_ms", true),
        "end_time" => ("r.end_ms", true),
        "duration" => ("(r.end_ms - r.start_ms)", true),
        _ => return Err(unknown_attribute(field, RUN_ATTRIBUTES)),
    })
}

const PARAM_FROM: &str =
    "FROM run_params t WHERE t.run = r.id AND t.name = (SELECT id FROM names WHERE text = ?)";

impl Entity for Runs {
    fn clause(&self, clause: &Clause, out: &mut Where) -> Result<(), SearchError> {
        match clause.field.entity.as_deref() {
            Some("metrics" | "metric") => {
                if matches!(clause.op, Op::IsNull | Op::IsNotNull) {
                    return Err(SearchError::new(
                        format!(
                            "IS NULL / IS NOT NULL is only supported for tags and params, not for 'metric' '{}'",
                            clause.field.key
                        ),
                        clause.op_span.clone(),
                    ));
                }
                out.push("EXISTS (SELECT 1 FROM series s WHERE s.run = r.id AND s.name = (SELECT id FROM names WHERE text = ?) AND ");
                out.bind(clause.field.key.clone());
                if clause.op == Op::Ne {
                    // NaN is unequal to everything.
                    out.push("(s.last_value IS NULL OR ");
                    number("s.last_value", "metric", clause, out)?;
                    out.push(")");
                } else {
                    number("s.last_value", "metric", clause, out)?;
                }
                out.push(")");
                Ok(())
            }
            Some("params" | "param" | "parameters" | "parameter") => {
                if let Value::Number(_) = clause.value {
                    out.push("EXISTS (SELECT 1 ")
                        .push(PARAM_FROM)
                        .bind(clause.field.key.clone())
                        .push(" AND ");
                    number("t.number", "param", clause, out)?;
                    out.push(")");
                    return Ok(());
                }
                TagTable { from: PARAM_FROM }.clause(clause, out)
            }
            Some("tags" | "tag") => TagTable {
                from: "FROM run_tags t WHERE t.run = r.id AND t.name = (SELECT id FROM names WHERE text = ?)",
            }
            .clause(clause, out),
            Some("dataset" | "datasets") => {
                let column = match clause.field.key.as_str() {
                    "name" => "d.name",
                    "digest" => "d.digest",
                    "context" => "t.value",
                    _ => return Err(unknown_attribute(&clause.field, &["name", "digest", "context"])),
                };
                out.push(
                    "EXISTS (SELECT 1 FROM run_datasets i JOIN datasets d ON d.id = i.dataset \
                     LEFT JOIN run_dataset_tags t ON t.input = i.id AND t.key = 'mlflow.data.context' \
                     WHERE i.run = r.id AND ",
                );
                text(column, "dataset", clause, out)?;
                out.push(")");
                Ok(())
            }
            None | Some("attributes" | "attribute" | "attr" | "run") => {
                let (column, is_number) = run_attribute(&clause.field)?;
                if is_number && !matches!(clause.op, Op::IsNull | Op::IsNotNull) {
                    number(column, "attribute", clause, out)
                } else {
                    text(column, "attribute", clause, out)
                }
            }
            Some(_) => Err(unknown_entity(&clause.field, RUN_ENTITIES)),
        }
    }

    fn order(&self, key: &OrderKey, out: &mut Where) -> Result<(), SearchError> {
        let mut value = Where::default();
        match key.field.entity.as_deref() {
            Some("metrics" | "metric") => {
                let from =
                    " FROM series s WHERE s.run = r.id AND s.name = (SELECT id FROM names WHERE text = ?))";
                // Numbers first, then NaN, then runs without the metric, in both directions.
                out.push("coalesce((SELECT s.last_value IS NULL").push(from).bind(key.field.key.clone());
                out.push(", 2), (SELECT s.last_value").push(from).bind(key.field.key.clone());
                out.push(" ").push(direction(key.ascending));
                return Ok(());
            }
            Some("params" | "param" | "parameters" | "parameter") => {
                value.push("(SELECT t.value ").push(PARAM_FROM).push(")").bind(key.field.key.clone());
            }
            Some("tags" | "tag") => {
                value.push("(SELECT t.value FROM run_tags t WHERE t.run = r.id AND t.name = (SELECT id FROM names WHERE text = ?))");
                value.bind(key.field.key.clone());
            }
            None | Some("attributes" | "attribute" | "attr" | "run") => {
                value.push(run_attribute(&key.field)?.0);
            }
            Some(other) => {
                return Err(SearchError::new(
                    format!(
                        "Invalid identifier type '{other}'. Expected one of 'metrics', 'params', 'tags', 'attributes'"
                    ),
                    key.field.span.clone(),
                ));
            }
        }
        push_order(out, &value, key.ascending);
        Ok(())
    }
}

/// Experiments.
pub(crate) struct Experiments;

fn experiment_attribute(field: &Field) -> Result<&'static str, SearchError> {
    Ok(match field.key.as_str() {
        "name" => "e.name",
        "experiment_id" => "e.id",
        "creation_time" => "e.created_ms",
        "last_update_time" => "e.updated_ms",
        _ => {
            return Err(unknown_attribute(
                field,
                &["name", "experiment_id", "creation_time", "last_update_time"],
            ));
        }
    })
}

impl Entity for Experiments {
    fn clause(&self, clause: &Clause, out: &mut Where) -> Result<(), SearchError> {
        match clause.field.entity.as_deref() {
            Some("tags" | "tag") => {
                TagTable { from: "FROM experiment_tags t WHERE t.experiment = e.id AND t.key = ?" }
                    .clause(clause, out)
            }
            None | Some("attributes" | "attribute") => {
                let column = experiment_attribute(&clause.field)?;
                match clause.field.key.as_str() {
                    "name" => text(column, "attribute", clause, out),
                    "experiment_id" => text("CAST(e.id AS TEXT)", "attribute", clause, out),
                    _ => match clause.value {
                        Value::Number(value) if value.fract() != 0.0 => Err(SearchError::new(
                            format!(
                                "Expected integer value for attribute '{}'. Found {value}",
                                clause.field.key
                            ),
                            clause.value_span.clone(),
                        )),
                        _ => number(column, "attribute", clause, out),
                    },
                }
            }
            Some(_) => Err(unknown_entity(&clause.field, "'attributes', 'tags'")),
        }
    }

    fn order(&self, key: &OrderKey, out: &mut Where) -> Result<(), SearchError> {
        match key.field.entity.as_deref() {
            None | Some("attributes" | "attribute") => {
                out.push(experiment_attribute(&key.field)?).push(" ").push(direction(key.ascending));
                Ok(())
            }
            Some(_) => Err(unknown_entity(&key.field, "'attributes'")),
        }
    }
}

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
fn hide_prompts(column: &str, filter: &str) -> String {
    if filter.contains(PROMPT_TAG) { "1".to_owned() } else { format!("NOT {}", is_prompt(column)) }
}

/// Registered models.
pub(crate) struct RegisteredModels;

impl RegisteredModels {
    /// See [`hide_prompts`].
    pub(crate) fn hide_prompts(filter: &str) -> String {
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
                "name" => text("m.name", "attribute", clause, out),
                _ => Err(unknown_attribute(&clause.field, &["name"])),
            },
            Some(_) => Err(unknown_entity(&clause.field, "'attribute', 'tags'")),
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
    pub(crate) fn hide_prompts(filter: &str) -> String {
        hide_prompts("v.model", filter)
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
            None | Some("attributes" | "attribute") => match clause.field.key.as_str() {
                "name" => text("v.model", "attribute", clause, out),
                "run_id" => text("v.run_id", "attribute", clause, out),
                "source_path" => text("v.source", "attribute", clause, out),
                "version_number" => {
                    let whole = match &clause.value {
                        Value::Number(number) => Some(*number),
                        Value::Text(text) | Value::DoubleQuoted(text) => {
                            text.parse::<i64>().ok().map(|n| n as f64)
                        }
                        _ => None,
                    };
                    match whole {
                        Some(whole) if whole.fract() == 0.0 => {
                            let clause = Clause { value: Value::Number(whole), ..clause.clone() };
                            number("v.version", "attribute", &clause, out)
                        }
                        _ => Err(SearchError::new(
                            "Expected integer value for attribute 'version_number'",
                            clause.value_span.clone(),
                        )),
                    }
                }
                _ => Err(unknown_attribute(
                    &clause.field,
                    &["name", "run_id", "source_path", "version_number"],
                )),
            },
            Some(_) => Err(unknown_entity(&clause.field, "'attribute', 'tags'")),
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
    /// The latest value of a metric, among the rows of the given datasets.
    pub(crate) fn metric(&self, key: &str, datasets: &[(String, Option<String>)]) -> Where {
        let mut out = Where::default();
        out.push("(SELECT x.value FROM logged_model_metrics x WHERE x.model = l.id AND x.key = ?")
            .bind(key.to_owned());
        out.push(" AND ").append(&in_datasets(datasets));
        out.push(" ORDER BY x.time_ms DESC, x.step DESC LIMIT 1)");
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
                let value = self.metric(&clause.field.key, self.datasets);
                out.values.extend(value.values.iter().cloned());
                number(&value.sql, "metric", clause, out)
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
                if is_number {
                    number(column, "attribute", clause, out)
                } else {
                    text(column, "attribute", clause, out)
                }
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
