//! What can be compared of one run: its params, metrics and tags, and what its tags, datasets and files say about the
//! environment, the code and the data.

use super::super::wire::CompareSection;
use super::super::{command_tags, read};
use crate::ServerState;
use crate::error::ApiResult;
use crate::places::Place;
use slipway_artifacts::ArtifactPath;
use slipway_store::{Error, MetricSummary, Run};
use tokio::io::AsyncReadExt;

/// Files are read up to here.
const FILE_LIMIT_BYTES: u64 = 1 << 20;
/// A param that holds a larger structure is compared as a text.
const MAX_NESTED_BYTES: usize = 64 << 10;
const MAX_NESTED_KEYS: usize = 500;

/// A value of a run.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Metric { last: f64, min: Option<f64>, max: Option<f64>, first: f64 },
}

/// A value and where it stands in the comparison.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fact {
    pub(super) section: CompareSection,
    pub(super) key: String,
    pub(super) value: Value,
}

fn text(section: CompareSection, key: impl Into<String>, value: impl Into<String>) -> Fact {
    Fact { section, key: key.into(), value: Value::Text(value.into()) }
}

/// Tags that say something about the code or the machine, and under which name.
const KNOWN_TAGS: &[(&str, CompareSection, &str)] = &[
    ("mlflow.source.git.commit", CompareSection::Code, "commit"),
    ("mlflow.source.git.branch", CompareSection::Code, "branch"),
    ("mlflow.source.git.repoURL", CompareSection::Code, "repository"),
    ("mlflow.source.name", CompareSection::Code, "source"),
    ("mlflow.project.entryPoint", CompareSection::Code, "entry point"),
    (command_tags::COMMAND, CompareSection::Code, "command"),
    (command_tags::WORKING_DIR, CompareSection::Code, "folder"),
    (command_tags::GIT_DIRTY, CompareSection::Code, "uncommitted changes"),
    (command_tags::HOST, CompareSection::Environment, "host"),
    ("mlflow.user", CompareSection::Environment, "user"),
];

/// Tags that are about the run as such: its name is above the column already.
const LEFT_OUT_TAGS: &[&str] = &["mlflow.runName", "mlflow.log-model.history", "mlflow.parentRunId"];

/// Everything that can be compared of a run. None when there is no such run.
pub(super) async fn of(state: &ServerState, run_id: &str) -> ApiResult<Option<(Run, Vec<Fact>)>> {
    let wanted = run_id.to_owned();
    let found = read(state, move |reader| {
        let run = match reader.run(&wanted) {
            Ok(run) => run,
            Err(Error::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut models = Vec::new();
        for output in &run.model_outputs {
            match reader.logged_model(&output.model_id) {
                Ok(model) => models.push(model.artifact_location),
                Err(Error::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Some((run, models)))
    })
    .await??;
    let Some((run, models)) = found else { return Ok(None) };
    let mut facts = recorded(&run);
    if let Some(patch) = file(state, &run.info.artifact_uri, "code/patch.diff").await {
        facts.push(text(CompareSection::Code, "patch", patch));
    }
    // Models of one run are made in one environment; the first that says so is enough.
    for uri in models {
        let before = facts.len();
        if let Some(requirements) = file(state, &uri, "requirements.txt").await {
            facts.extend(packages(&requirements));
        }
        if let Some(environment) = file(state, &uri, "python_env.yaml").await {
            facts.extend(python(&environment));
        }
        if facts.len() > before {
            break;
        }
    }
    facts.sort_by(|a, b| (a.section, &a.key).cmp(&(b.section, &b.key)));
    // A key that two sources give is the first's.
    facts.dedup_by(|b, a| (a.section, &a.key) == (b.section, &b.key));
    Ok(Some((run, facts)))
}

/// What the store itself knows.
fn recorded(run: &Run) -> Vec<Fact> {
    let mut facts = Vec::new();
    for param in &run.params {
        match nested(&param.value) {
            Some(parts) => {
                facts.extend(parts.into_iter().map(|(path, value)| {
                    text(CompareSection::Params, format!("{}.{path}", param.key), value)
                }))
            }
            None => facts.push(text(CompareSection::Params, &param.key, &param.value)),
        }
    }
    facts.extend(run.metrics.iter().map(|metric| Fact {
        section: CompareSection::Metrics,
        key: metric.key.clone(),
        value: number(metric),
    }));
    for tag in &run.tags {
        if LEFT_OUT_TAGS.contains(&tag.key.as_str()) {
            continue;
        }
        let known = KNOWN_TAGS.iter().find(|(key, ..)| *key == tag.key);
        let (section, key) =
            known.map_or((CompareSection::Tags, tag.key.as_str()), |(_, section, name)| (*section, *name));
        facts.push(text(section, key, &tag.value));
    }
    for input in &run.datasets {
        let context = input.tags.iter().find(|tag| tag.key == "mlflow.data.context");
        let name = match context {
            Some(context) => format!("{} ({})", input.dataset.name, context.value),
            None => input.dataset.name.clone(),
        };
        facts.push(text(CompareSection::Data, format!("{name}/digest"), &input.dataset.digest));
        facts.push(text(CompareSection::Data, format!("{name}/source"), &input.dataset.source));
        if let Some(schema) = input.dataset.schema.as_ref().filter(|schema| !schema.is_empty()) {
            facts.push(text(CompareSection::Data, format!("{name}/schema"), schema));
        }
    }
    facts
}

fn number(metric: &MetricSummary) -> Value {
    Value::Metric {
        last: metric.last.value,
        first: metric.first.value,
        min: metric.min.map(|extreme| extreme.value),
        max: metric.max.map(|extreme| extreme.value),
    }
}

/// The leaves of a param that holds a JSON object, by path. None when it is something else, or too large.
fn nested(value: &str) -> Option<Vec<(String, String)>> {
    if !value.trim_start().starts_with('{') || value.len() > MAX_NESTED_BYTES {
        return None;
    }
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(value).ok()?;
    let mut leaves = Vec::new();
    let mut open: Vec<(String, serde_json::Value)> = object.into_iter().collect();
    while let Some((path, value)) = open.pop() {
        match value {
            serde_json::Value::Object(object) if !object.is_empty() => {
                open.extend(object.into_iter().map(|(key, value)| (format!("{path}.{key}"), value)));
            }
            serde_json::Value::String(text) => leaves.push((path, text)),
            other => leaves.push((path, other.to_string())),
        }
        if leaves.len() + open.len() > MAX_NESTED_KEYS {
            return None;
        }
    }
    (!leaves.is_empty()).then_some(leaves)
}

/// `numpy==2.1` as `packages/numpy`: `2.1`. Lines that pin nothing keep what they say.
fn packages(requirements: &str) -> Vec<Fact> {
    let lines = requirements.lines().map(|line| line.split(" #").next().unwrap_or_default().trim());
    lines
        .filter(|line| !line.is_empty() && !line.starts_with(['#', '-']))
        .map(|line| {
            let end = line.find(['=', '<', '>', '~', '!', '@', ';', ' ', '[']).unwrap_or(line.len());
            let (name, rest) = line.split_at(end);
            let version =
                rest.strip_prefix("==").filter(|version| !version.contains(['=', ',', ';'])).unwrap_or(rest);
            let version = if version.is_empty() { "any version" } else { version.trim() };
            text(CompareSection::Environment, format!("packages/{}", name.to_lowercase()), version)
        })
        .collect()
}

/// The version of Python, and what was needed to build.
fn python(environment: &str) -> Vec<Fact> {
    environment
        .lines()
        .filter_map(|line| line.strip_prefix("python:"))
        .map(|version| text(CompareSection::Environment, "python", version.trim().trim_matches(['\'', '"'])))
        .take(1)
        .collect()
}

/// The beginning of a file below a place. None when it cannot be read: a comparison goes on without it.
async fn file(state: &ServerState, uri: &str, path: &str) -> Option<String> {
    let place = Place::find(state, uri).ok()?.join(&ArtifactPath::parse(path).ok()?).ok()?;
    let reader = place.download().await.ok()?.reader().ok()?;
    let mut bytes = Vec::new();
    reader.take(FILE_LIMIT_BYTES).read_to_end(&mut bytes).await.ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(facts: &[Fact]) -> Vec<(String, String)> {
        facts
            .iter()
            .map(|fact| match &fact.value {
                Value::Text(text) => (fact.key.clone(), text.clone()),
                Value::Metric { last, .. } => (fact.key.clone(), last.to_string()),
            })
            .collect()
    }

    #[test]
    fn requirements_are_packages_with_versions() {
        let found = packages(
            "# made by pip\nNumPy==2.1.0\ntorch==2.6.0+cu124 # gpu\nscipy>=1,<2\n-r other.txt\n\nrich\n",
        );
        let expected = [
            ("packages/numpy", "2.1.0"),
            ("packages/torch", "2.6.0+cu124"),
            ("packages/scipy", ">=1,<2"),
            ("packages/rich", "any version"),
        ];
        assert_eq!(shown(&found), expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
        assert_eq!(shown(&python("python: '3.11.4'\nbuild_dependencies:\n- pip==24\n"))[0].1, "3.11.4");
    }

    #[test]
    fn a_param_that_is_an_object_is_compared_leaf_by_leaf() {
        let mut leaves = nested(r#"{"a": {"b": 1, "c": [1, 2]}, "d": "text", "e": {}}"#).unwrap();
        leaves.sort();
        let expected = [("a.b", "1"), ("a.c", "[1,2]"), ("d", "text"), ("e", "{}")];
        assert_eq!(leaves, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
        for other in ["", "{", "{}", "[1]", "{'a': 1}", "adam"] {
            assert_eq!(nested(other), None, "{other}");
        }
        let deep = format!("{}1{}", "{\"a\":".repeat(2000), "}".repeat(2000));
        assert_eq!(nested(&deep), None, "a hostile depth is a text");
    }
}
