//! What a filter of runs may name.

use super::{
    Entity, TagTable, direction, no_null_test_of_metrics, push_order, unknown_among, unknown_attribute,
    unknown_entity,
};
use crate::reader::Reduce;
use crate::search::SearchError;
use crate::search::direction::Direction;
use crate::search::expr::{Clause, Field, Op, Part, Value};
use crate::search::order::OrderKey;
use crate::search::sql::Where;
use crate::search::test::Test;

/// Runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Runs {
    /// Whether it is Slipway's own table that is searched: metrics may be tested for NULL, which MLflow refuses, `parent`
    /// is known, and fields need no entity.
    pub(crate) own_table: bool,
}

/// What a condition on a run looks at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum RunField {
    Metric(String, Reduce),
    Param(String),
    Tag(String),
    Attribute(RunAttribute),
    /// `name`, `digest` or `context` of the datasets that a run read: any of them may answer.
    Dataset(&'static str),
    /// Id and name of the run that a run is nested in: either may answer.
    Parent,
}

/// Fields of the run itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum RunAttribute {
    RunId,
    Name,
    Status,
    User,
    ArtifactUri,
    Start,
    End,
    Duration,
}

const ENTITIES: &str = "'metrics', 'params', 'tags', 'attributes', 'datasets'";

/// Attributes that a filter can name.
pub(crate) const ATTRIBUTES: &[&str] =
    &["run_id", "run_name", "status", "user_id", "artifact_uri", "start_time", "end_time", "duration"];

/// Short names of some of them.
const SPELLINGS: &[&str] = &["name", "state", "started", "ended", "created", "parent"];

impl RunAttribute {
    fn read(field: &Field) -> Result<Self, SearchError> {
        Ok(match field.key.as_str() {
            "run_id" => Self::RunId,
            "run_name" | "name" | "run name" | "Run name" | "Run Name" => Self::Name,
            "status" | "state" => Self::Status,
            "user_id" => Self::User,
            "artifact_uri" => Self::ArtifactUri,
            "start_time" | "started" | "created" | "Created" => Self::Start,
            "end_time" | "ended" => Self::End,
            "duration" => Self::Duration,
            _ => return Err(unknown_among(field, ATTRIBUTES, SPELLINGS)),
        })
    }

    /// The expression behind it, of a run `r`.
    pub(crate) fn column(self) -> &'static str {
        match self {
            Self::RunId => "r.run_id",
            Self::Name => "r.name",
            Self::Status => {
                "CASE r.status WHEN 1 THEN 'RUNNING' WHEN 2 THEN 'SCHEDULED' WHEN 3 THEN 'FINISHED' \
                 WHEN 4 THEN 'FAILED' ELSE 'KILLED' END"
            }
            Self::User => "r.user",
            Self::ArtifactUri => "r.artifact_uri",
            Self::Start => "r.start_ms",
            Self::End => "r.end_ms",
            Self::Duration => "(r.end_ms - r.start_ms)",
        }
    }

    /// Numbers are compared with numbers; the others are texts.
    pub(crate) fn is_number(self) -> bool {
        matches!(self, Self::Start | Self::End | Self::Duration)
    }
}

/// What a run's state is called beside what MLflow calls it.
const STATES: [(&str, &str); 5] = [
    ("queued", "SCHEDULED"),
    ("running", "RUNNING"),
    ("succeeded", "FINISHED"),
    ("failed", "FAILED"),
    ("canceled", "KILLED"),
];

/// A condition on `state`, in MLflow's words.
fn in_statuses(clause: &Clause) -> Result<Clause, SearchError> {
    let status = |text: &str| {
        let known = STATES.iter().find(|(state, status)| text.eq_ignore_ascii_case(state) || text == *status);
        known.map(|(_, status)| (*status).to_owned()).ok_or_else(|| {
            let states = STATES.map(|(state, _)| state).join(", ");
            SearchError::new(format!("There is no state '{text}'"), clause.value_span.clone())
                .hint(format!("a run is {states}"))
        })
    };
    let value = match (&clause.op, &clause.value) {
        (Op::Eq | Op::Ne, Value::Text(text) | Value::DoubleQuoted(text)) => Value::Text(status(text)?),
        (_, Value::List(texts)) => {
            Value::List(texts.iter().map(|text| status(text)).collect::<Result<_, _>>()?)
        }
        (_, value) => value.clone(),
    };
    Ok(Clause { value, ..clause.clone() })
}

/// A condition on `parent`. What it is not is asked with NOT, since its id and its name are two answers.
fn of_parent(clause: &Clause) -> Result<Test, SearchError> {
    match clause.op {
        Op::Ne | Op::NotIn => Err(SearchError::new(
            format!("Invalid comparator '{}' for 'parent'", clause.op.as_str()),
            clause.op_span.clone(),
        )
        .hint("write NOT parent = 'a'")),
        _ => Test::of_text("attribute", clause),
    }
}

/// Which number of a metric's history a field names.
fn reduce(field: &Field) -> Result<Reduce, SearchError> {
    Ok(match field.part {
        None | Some(Part::Last) => Reduce::Last,
        Some(Part::First) => Reduce::First,
        Some(Part::Min) => Reduce::Min,
        Some(Part::Max) => Reduce::Max,
        Some(Part::Best) => match Direction::of(&field.key) {
            Some(direction) => direction.best(),
            None => {
                return Err(SearchError::new(
                    format!("The name '{}' does not say whether more of it is better", field.key),
                    field.span.clone(),
                )
                .hint("write .min or .max instead of .best"));
            }
        },
    })
}

impl Runs {
    /// Why a field that stands without an entity is no field of a run, for those who know that no metric, param or tag has
    /// such a name either.
    pub(crate) fn unknown(field: &Field) -> Option<SearchError> {
        if field.entity.is_some() || field.key == "parent" {
            return None;
        }
        RunAttribute::read(field).err()
    }

    /// What a clause looks at, and what it asks.
    pub(crate) fn resolve(self, clause: &Clause) -> Result<(RunField, Test), SearchError> {
        let key = clause.field.key.clone();
        let entity = match clause.field.entity.as_deref() {
            None if self.own_table && key == "parent" => return Ok((RunField::Parent, of_parent(clause)?)),
            None if self.own_table && RunAttribute::read(&clause.field).is_err() => match clause.value {
                Value::Number(_) => Some("metrics"),
                Value::Text(_) | Value::DoubleQuoted(_) | Value::List(_) => Some("params"),
                _ => None,
            },
            entity => entity,
        };
        Ok(match entity {
            Some("metrics" | "metric") => {
                if !self.own_table {
                    no_null_test_of_metrics(clause)?;
                }
                (RunField::Metric(key, reduce(&clause.field)?), Test::of_number("metric", clause)?)
            }
            Some("params" | "param" | "parameters" | "parameter") => {
                let test = match clause.value {
                    Value::Number(_) => Test::of_number("param", clause)?,
                    _ => Test::of_text("param", clause)?,
                };
                (RunField::Param(key), test)
            }
            Some("tags" | "tag") => (RunField::Tag(key), Test::of_text("tag", clause)?),
            Some("dataset" | "datasets") => {
                let column = match key.as_str() {
                    "name" => "d.name",
                    "digest" => "d.digest",
                    "context" => "t.value",
                    _ => return Err(unknown_attribute(&clause.field, &["name", "digest", "context"])),
                };
                (RunField::Dataset(column), Test::of_text("dataset", clause)?)
            }
            None | Some("attributes" | "attribute" | "attr" | "run") => {
                let attribute = RunAttribute::read(&clause.field)?;
                let test = match attribute {
                    RunAttribute::Start | RunAttribute::End => Test::of_time("attribute", clause)?,
                    RunAttribute::Duration => Test::of_span("attribute", clause)?,
                    RunAttribute::Status if key == "state" => {
                        Test::of_text("attribute", &in_statuses(clause)?)?
                    }
                    _ => Test::of_text("attribute", clause)?,
                };
                (RunField::Attribute(attribute), test)
            }
            Some(_) => return Err(unknown_entity(&clause.field, ENTITIES)),
        })
    }

    /// What an order sorts by.
    pub(crate) fn resolve_order(key: &OrderKey) -> Result<RunField, SearchError> {
        let name = key.field.key.clone();
        match key.field.entity.as_deref() {
            Some("metrics" | "metric") => Ok(RunField::Metric(name, reduce(&key.field)?)),
            Some("params" | "param" | "parameters" | "parameter") => Ok(RunField::Param(name)),
            Some("tags" | "tag") => Ok(RunField::Tag(name)),
            None | Some("attributes" | "attribute" | "attr" | "run") => {
                Ok(RunField::Attribute(RunAttribute::read(&key.field)?))
            }
            Some(other) => Err(SearchError::new(
                format!(
                    "Invalid identifier type '{other}'. Expected one of 'metrics', 'params', 'tags', 'attributes'"
                ),
                key.field.span.clone(),
            )),
        }
    }
}

const METRIC_FROM: &str =
    "FROM series s WHERE s.run = r.id AND s.name = (SELECT id FROM names WHERE text = ?)";
const PARAM_FROM: &str =
    "FROM run_params t WHERE t.run = r.id AND t.name = (SELECT id FROM names WHERE text = ?)";
const TAG_FROM: &str =
    "FROM run_tags t WHERE t.run = r.id AND t.name = (SELECT id FROM names WHERE text = ?)";
/// The datasets that runs read, each use with its context; a condition has to follow.
const DATASETS: &str = "FROM run_datasets i JOIN datasets d ON d.id = i.dataset \
     LEFT JOIN run_dataset_tags t ON t.input = i.id AND t.key = 'mlflow.data.context' WHERE ";

/// The row numbers of runs that read a dataset whose `column` passes a test, as a query.
pub(crate) fn in_dataset_rows(column: &str, test: Test) -> Where {
    let mut out = Where::default();
    out.push("SELECT i.run ").push(DATASETS);
    test.write(column, &mut out);
    out
}

impl Entity for Runs {
    fn clause(&self, clause: &Clause, out: &mut Where) -> Result<(), SearchError> {
        let (field, test) = self.resolve(clause)?;
        match field {
            RunField::Metric(key, reduce) => {
                let (column, null_is_nan) = match reduce {
                    Reduce::First => ("s.first_value", true),
                    Reduce::Min => ("s.min_value", false),
                    Reduce::Max => ("s.max_value", false),
                    Reduce::Last | Reduce::At(_) => ("s.last_value", true),
                };
                match test {
                    // NaN is unequal to everything, and stands as NULL.
                    Test::Number(Op::Ne, _) if null_is_nan => {
                        out.push("EXISTS (SELECT 1 ").push(METRIC_FROM).bind(key);
                        out.push(&format!(" AND ({column} IS NULL OR "));
                        test.write(column, out);
                        out.push("))");
                    }
                    // Without a finite value there is no smallest and no largest.
                    Test::Null | Test::NotNull if !null_is_nan => {
                        let exists = if test == Test::Null { "NOT EXISTS" } else { "EXISTS" };
                        out.push(&format!("{exists} (SELECT 1 ")).push(METRIC_FROM).bind(key);
                        out.push(&format!(" AND {column} IS NOT NULL)"));
                    }
                    test => TagTable { from: METRIC_FROM }.write(&key, test, column, out),
                }
            }
            RunField::Param(key) => {
                let column = if matches!(test, Test::Number(..)) { "t.number" } else { "t.value" };
                TagTable { from: PARAM_FROM }.write(&key, test, column, out);
            }
            RunField::Tag(key) => TagTable { from: TAG_FROM }.write(&key, test, "t.value", out),
            RunField::Dataset(column) => {
                let (exists, test) = match test {
                    Test::Null => ("NOT EXISTS (SELECT 1 ", Test::NotNull),
                    test => ("EXISTS (SELECT 1 ", test),
                };
                out.push(exists).push(DATASETS).push("i.run = r.id AND ");
                test.write(column, out);
                out.push(")");
            }
            RunField::Attribute(attribute) => test.write(attribute.column(), out),
            RunField::Parent => match test {
                Test::Null | Test::NotNull => test.write("r.parent", out),
                test => {
                    out.push("coalesce(");
                    test.clone().write("r.parent", out);
                    out.push(", 0) OR EXISTS (SELECT 1 FROM runs p WHERE p.run_id = r.parent AND ");
                    test.write("p.name", out);
                    out.push(")");
                }
            },
        }
        Ok(())
    }

    fn order(&self, key: &OrderKey, out: &mut Where) -> Result<(), SearchError> {
        let mut value = Where::default();
        match Self::resolve_order(key)? {
            RunField::Metric(name, _) => {
                // Numbers first, then NaN, then runs without the metric, in both directions.
                out.push("coalesce((SELECT s.last_value IS NULL ").push(METRIC_FROM).bind(name.clone());
                out.push("), 2), (SELECT s.last_value ").push(METRIC_FROM).bind(name);
                out.push(") ").push(direction(key.ascending));
                return Ok(());
            }
            RunField::Param(name) => {
                value.push("(SELECT t.value ").push(PARAM_FROM).push(")").bind(name);
            }
            RunField::Tag(name) => {
                value.push("(SELECT t.value ").push(TAG_FROM).push(")").bind(name);
            }
            RunField::Attribute(attribute) => {
                value.push(attribute.column());
            }
            RunField::Dataset(column) => {
                value.push(column);
            }
            RunField::Parent => {
                value.push("r.parent");
            }
        }
        push_order(out, &value, key.ascending);
        Ok(())
    }
}
