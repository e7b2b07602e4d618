//! Names that the agent gives while Slipway is away, and what they became: ids of experiments and numbers of versions,
//! which only Slipway can give. The command knows the agent's name for as long as it runs; Slipway never sees it.

use super::journal::Entry;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Every name of the agent begins so, and is 18 digits long: no id of an experiment and no number of a version is.
const FIRST: u64 = 810_000_000_000_000_000;
const MANY: u64 = 9_999_999_999_999_999;

/// What a write makes under a name of the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Made {
    /// An experiment, which may be there already.
    Experiment {
        /// What the command calls it.
        id: String,
        /// Its name.
        name: String,
    },
    /// A version of a registered model.
    Version {
        /// What the command calls it.
        number: String,
    },
}

/// What became of the agent's names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Names {
    real: BTreeMap<String, String>,
}

/// A name that nothing has.
pub(super) fn new_name() -> String {
    (FIRST + rand::random::<u64>() % MANY).to_string()
}

impl Names {
    /// No name of the agent is known to Slipway yet.
    pub(super) fn is_empty(&self) -> bool {
        self.real.is_empty()
    }

    pub(super) fn learn(&mut self, name: String, real: String) {
        self.real.insert(name, real);
    }

    /// A text with what Slipway calls things.
    pub(super) fn to_real(&self, text: &str) -> String {
        self.real.iter().fold(text.to_owned(), |text, (name, real)| text.replace(name, real))
    }

    /// A write as Slipway understands it. Files of users stay as they are, but for the descriptions of models.
    pub(super) fn translate(&self, entry: &mut Entry) {
        if self.is_empty() {
            return;
        }
        let is_file = entry.target.contains("/mlflow-artifacts/");
        entry.target = self.to_real(&entry.target);
        if (!is_file || entry.target.ends_with("/MLmodel"))
            && let Ok(text) = std::str::from_utf8(&entry.body)
        {
            entry.body = self.to_real(text).into_bytes();
        }
    }

    /// An answer of Slipway as the command understands it.
    pub(super) fn to_given(&self, body: &[u8]) -> Option<Vec<u8>> {
        if self.is_empty() {
            return None;
        }
        let mut answer: Value = serde_json::from_slice(body).ok()?;
        let given: BTreeMap<&str, &str> =
            self.real.iter().map(|(name, real)| (real.as_str(), name.as_str())).collect();
        rename(&mut answer, &given);
        Some(answer.to_string().into_bytes())
    }
}

/// Gives experiments the ids under which the command knows them.
fn rename(value: &mut Value, given: &BTreeMap<&str, &str>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(id) if key == "experiment_id" => {
                        if let Some(name) = given.get(id.as_str()) {
                            *id = (*name).to_owned();
                        }
                    }
                    other => rename(other, given),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| rename(value, given)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_there_and_back() {
        let mut names = Names::default();
        let name = new_name();
        assert_eq!(name.len(), 18);
        names.learn(name.clone(), "7".to_owned());
        let mut entry = Entry {
            target: format!("/api/2.0/mlflow-artifacts/artifacts/{name}/r/artifacts/x"),
            body: name.clone().into_bytes(),
            ..Entry::default()
        };
        names.translate(&mut entry);
        assert_eq!(entry.target, "/api/2.0/mlflow-artifacts/artifacts/7/r/artifacts/x");
        assert_eq!(entry.body, name.as_bytes(), "a user's file was altered");
        let mut entry = Entry {
            target: "/api/2.0/mlflow/runs/create".to_owned(),
            body: format!("{{\"experiment_id\":\"{name}\"}}").into_bytes(),
            ..Entry::default()
        };
        names.translate(&mut entry);
        assert_eq!(entry.body, b"{\"experiment_id\":\"7\"}");
        let answer = names.to_given(br#"{"run":{"info":{"experiment_id":"7","run_id":"7"}}}"#).unwrap();
        let expected = format!(r#"{{"run":{{"info":{{"experiment_id":"{name}","run_id":"7"}}}}}}"#);
        assert_eq!(answer, expected.as_bytes());
    }
}
