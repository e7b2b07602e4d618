//! Compiled Kubeflow pipelines.

use crate::report::{Found, Kind, count};
use crate::sniff::MAX_TEXT_BYTES;
use crate::walk::open;
use serde::Deserialize;
use serde_norway::Value;
use std::io;
use std::path::Path;

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
