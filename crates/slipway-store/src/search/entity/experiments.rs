//! What a filter of experiments may name.

use super::{Entity, TagTable, direction, unknown_attribute, unknown_entity};
use crate::search::SearchError;
use crate::search::expr::{Clause, Field, Value};
use crate::search::order::OrderKey;
use crate::search::sql::Where;
use crate::search::test::Test;

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
                let test = match (clause.field.key.as_str(), &clause.value) {
                    ("name", _) => Test::of_text("attribute", clause)?,
                    ("experiment_id", _) => {
                        Test::of_text("attribute", clause)?.write("CAST(e.id AS TEXT)", out);
                        return Ok(());
                    }
                    (key, Value::Number(value)) if value.fract() != 0.0 => {
                        return Err(SearchError::new(
                            format!("Expected integer value for attribute '{key}'. Found {value}"),
                            clause.value_span.clone(),
                        ));
                    }
                    _ => Test::of_time("attribute", clause)?,
                };
                test.write(column, out);
                Ok(())
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
