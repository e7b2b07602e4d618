//! Kubeflow pipelines: compiled ones, and the Python source of those that are not.

use crate::report::{Found, Kind, count};
use crate::sniff::MAX_TEXT_BYTES;
use crate::walk::open;
use serde::Deserialize;
use serde_norway::Value;
use std::io;
use std::path::Path;

/// A pipeline is decorated near the beginning of its file.
const SOURCE_BYTES: u64 = 256 << 10;

/// A YAML file with a pipeline spec as one of its documents; the platform's settings may be another.
pub(crate) fn file(path: &Path, shown: &str, found: &mut Found) -> io::Result<()> {
    let Some(text) = open(path)?.text(MAX_TEXT_BYTES)? else { return Ok(()) };
    // Most YAML files are something else: do not parse them.
    if !(text.contains("pipelineInfo") && text.contains("deploymentSpec")) {
        return Ok(());
    }
    for document in serde_norway::Deserializer::from_str(&text) {
        // After a broken document the parser cannot go on; what came before still counts.
        let Ok(document) = Value::deserialize(document) else { break };
        if let Some(detail) = describe(&document) {
            found.add(Kind::KfpPipeline, shown, detail);
            break;
        }
    }
    Ok(())
}

/// Python source that describes pipelines, by its text: nothing is imported.
pub(crate) fn source(path: &Path, shown: &str, found: &mut Found) -> io::Result<()> {
    let head = open(path)?.head(SOURCE_BYTES)?;
    let text = String::from_utf8_lossy(&head);
    let names = pipelines_in(&text);
    if !names.is_empty() {
        found.add(Kind::KfpPipeline, shown, format!("{}, in Python and not compiled", names.join(", ")));
    }
    Ok(())
}

/// The functions that are decorated as pipelines.
fn pipelines_in(text: &str) -> Vec<&str> {
    let is_kfp = text.lines().any(|line| line.starts_with("from kfp") || line.starts_with("import kfp"));
    let mut names = Vec::new();
    let mut is_next = false;
    for line in text.lines().take_while(|_| is_kfp) {
        let decorator = line.split('(').next().unwrap_or_default().trim_end();
        if matches!(decorator, "@dsl.pipeline" | "@kfp.dsl.pipeline" | "@pipeline") {
            is_next = true;
        } else if let Some(rest) = line.strip_prefix("def ").filter(|_| is_next) {
            names.push(rest.split('(').next().unwrap_or_default().trim());
            is_next = false;
        }
    }
    names
}

fn describe(spec: &Value) -> Option<String> {
    let info = spec.get("pipelineInfo")?;
    let dag = spec.get("root")?.get("dag")?;
    spec.get("deploymentSpec")?;
    let tasks = dag.get("tasks").and_then(Value::as_mapping).map_or(0, serde_norway::Mapping::len);
    let tasks = count(u64::try_from(tasks).unwrap_or(u64::MAX), "task");
    Some(match info.get("name").and_then(Value::as_str) {
        Some(name) => format!("{name}, {tasks}"),
        None => tasks,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipelines_are_found_by_their_decorators() {
        let text = "from kfp import dsl\n\n@dsl.component\ndef step():\n    pass\n\n@dsl.pipeline(\n    name='x'\n)\n\
                    def train_all(rows: int = 3):\n    step()\n\n@dsl.pipeline\ndef second():\n    step()\n";
        assert_eq!(pipelines_in(text), ["train_all", "second"]);
        assert_eq!(pipelines_in(&text.replace("from kfp", "# from kfp")), [""; 0]);
        assert_eq!(pipelines_in("import kfp\ntext = '@dsl.pipeline'\ndef f(): pass\n"), [""; 0]);
    }
}
