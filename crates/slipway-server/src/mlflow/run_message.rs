//! A run as MLflow's clients read it.
//!
//! A search answers with up to 50,000 of them, each with dozens of params and metrics, so these are added to the body
//! piece by piece; what there is once a run is left to serde.

use super::encode::{Double, Pairs, Text, put, stage};
use super::error::Result;
use serde::Serialize;
use slipway_store as store;
use slipway_store::{LentInfo, LentPoints, LentRun, LentTexts};

/// Adds a run with everything but its histories to a body.
pub(super) fn put_run(body: &mut Vec<u8>, run: &LentRun<'_>) -> Result<()> {
    put_all_but_outputs(body, run)?;
    body.extend_from_slice(b",\"outputs\":");
    put(body, &RunOutputs::from(run))?;
    body.push(b'}');
    Ok(())
}

/// The same for a run that was just made: as MLflow gives it, without a word about outputs.
pub(super) fn put_new_run(body: &mut Vec<u8>, run: &LentRun<'_>) -> Result<()> {
    put_all_but_outputs(body, run)?;
    body.push(b'}');
    Ok(())
}

fn put_all_but_outputs(body: &mut Vec<u8>, run: &LentRun<'_>) -> Result<()> {
    body.extend_from_slice(b"{\"info\":");
    put(body, &RunInfo::from(run.info))?;
    body.extend_from_slice(b",\"data\":{");
    put_metrics(body, &run.metrics)?;
    put_texts(body, b"\"params\":[", &run.params)?;
    put_texts(body, b"\"tags\":[", &run.tags)?;
    body.extend_from_slice(b"},\"inputs\":");
    put(body, &RunInputs::from(run))
}

/// The latest point of each metric; nothing when there are none.
fn put_metrics(body: &mut Vec<u8>, metrics: &LentPoints<'_>) -> Result<()> {
    let mut before: &[u8] = b"\"metrics\":[{\"key\":";
    for (key, point) in metrics.iter() {
        body.extend_from_slice(before);
        put(body, key)?;
        body.extend_from_slice(b",\"value\":");
        put(body, &Double(point.value))?;
        body.extend_from_slice(b",\"timestamp\":");
        put(body, &point.time_ms)?;
        body.extend_from_slice(b",\"step\":");
        put(body, &point.step)?;
        before = b"},{\"key\":";
    }
    if !metrics.is_empty() {
        body.extend_from_slice(b"}]");
    }
    Ok(())
}

/// A list of keys and texts, of which `head` is the name; nothing when there are none.
fn put_texts(body: &mut Vec<u8>, head: &[u8], texts: &LentTexts<'_>) -> Result<()> {
    if texts.is_empty() {
        return Ok(());
    }
    if body.last() != Some(&b'{') {
        body.push(b',');
    }
    body.extend_from_slice(head);
    let mut before: &[u8] = b"{\"key\":";
    for (key, text) in texts.iter() {
        body.extend_from_slice(before);
        put(body, key)?;
        body.extend_from_slice(b",\"value\":");
        put(body, text)?;
        before = b"},{\"key\":";
    }
    body.extend_from_slice(b"}]");
    Ok(())
}

/// The fixed fields of a run.
#[derive(Serialize)]
pub(super) struct RunInfo<'a> {
    run_uuid: &'a str,
    experiment_id: Text<i64>,
    run_name: &'a str,
    user_id: &'a str,
    status: &'static str,
    start_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time: Option<i64>,
    artifact_uri: &'a str,
    lifecycle_stage: &'static str,
    run_id: &'a str,
}

impl<'a> From<LentInfo<'a>> for RunInfo<'a> {
    fn from(info: LentInfo<'a>) -> Self {
        Self {
            run_uuid: info.run_id,
            experiment_id: Text(info.experiment_id),
            run_name: info.name,
            user_id: info.user,
            status: info.status.as_str(),
            // MLflow knows no run without a start.
            start_time: info.start_ms.unwrap_or(0),
            end_time: info.end_ms,
            artifact_uri: info.artifact_uri,
            lifecycle_stage: stage(info.lifecycle),
            run_id: info.run_id,
        }
    }
}

#[derive(Serialize)]
struct RunInputs<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dataset_inputs: Vec<DatasetInput<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    model_inputs: Vec<ModelInput<'a>>,
}

#[derive(Serialize)]
struct RunOutputs<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    model_outputs: Vec<ModelOutput<'a>>,
}

#[derive(Serialize)]
struct ModelInput<'a> {
    model_id: &'a str,
}

#[derive(Serialize)]
struct ModelOutput<'a> {
    model_id: &'a str,
    step: i64,
}

#[derive(Serialize)]
struct DatasetInput<'a> {
    #[serde(skip_serializing_if = "Pairs::is_empty")]
    tags: Pairs<'a>,
    dataset: Dataset<'a>,
}

#[derive(Serialize)]
struct Dataset<'a> {
    name: &'a str,
    digest: &'a str,
    source_type: &'a str,
    source: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<&'a str>,
}

impl<'a> From<&'a store::DatasetInput> for DatasetInput<'a> {
    fn from(input: &'a store::DatasetInput) -> Self {
        let dataset = &input.dataset;
        Self {
            tags: Pairs(&input.tags),
            dataset: Dataset {
                name: &dataset.name,
                digest: &dataset.digest,
                source_type: &dataset.source_type,
                source: &dataset.source,
                schema: dataset.schema.as_deref(),
                profile: dataset.profile.as_deref(),
            },
        }
    }
}

impl<'a> From<&LentRun<'a>> for RunInputs<'a> {
    fn from(run: &LentRun<'a>) -> Self {
        Self {
            dataset_inputs: run.datasets.iter().map(Into::into).collect(),
            model_inputs: run.model_inputs.iter().map(|model_id| ModelInput { model_id }).collect(),
        }
    }
}

impl<'a> From<&LentRun<'a>> for RunOutputs<'a> {
    fn from(run: &LentRun<'a>) -> Self {
        let outputs = run.model_outputs.iter();
        Self {
            model_outputs: outputs
                .map(|output| ModelOutput { model_id: &output.model_id, step: output.step })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::encode::Answer;
    use super::*;
    use slipway_store::{Lifecycle, RunStatus};

    #[test]
    fn a_run_carries_both_ids_and_leaves_out_what_is_not_set() {
        let info = LentInfo {
            run_id: "ab",
            experiment_id: 123_456_789_012_345_678,
            name: "n",
            status: RunStatus::Running,
            start_ms: Some(5),
            end_ms: None,
            user: "",
            artifact_uri: "mlflow-artifacts:/1/ab/artifacts",
            lifecycle: Lifecycle::Active,
        };
        let outputs = [store::ModelOutput { model_id: "m-1".to_owned(), step: 0 }];
        let run = LentRun {
            info,
            params: LentTexts::default(),
            tags: LentTexts::default(),
            metrics: LentPoints::default(),
            datasets: &[],
            model_inputs: &[],
            model_outputs: &outputs,
        };
        assert_eq!(
            Answer::one_written("run", |body| put_run(body, &run)).unwrap().into_text(),
            concat!(
                r#"{"run":{"info":{"run_uuid":"ab","experiment_id":"123456789012345678","run_name":"n","#,
                r#""user_id":"","status":"RUNNING","start_time":5,"#,
                r#""artifact_uri":"mlflow-artifacts:/1/ab/artifacts","lifecycle_stage":"active","run_id":"ab"},"#,
                r#""data":{},"inputs":{},"outputs":{"model_outputs":[{"model_id":"m-1","step":0}]}}}"#
            )
        );
    }
}
