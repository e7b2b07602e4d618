//! Answers as MLflow's clients read them: protobuf messages in JSON.
//!
//! Fields that are not set are left out, ids are text, times are numbers, NaN is the text `"NaN"`. Everything is
//! written straight from the store's values into the body, since a search can answer with thousands of runs.

use super::error::{Code, MlflowError, Result};
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use slipway_store as store;
use slipway_store::{KeyValue, Lifecycle, ModelStatus, Point};

/// A finished JSON body.
#[derive(Debug)]
pub(super) struct Answer(Vec<u8>);

impl Answer {
    /// Writes a message.
    pub(super) fn of(message: &impl Serialize) -> Result<Self> {
        serde_json::to_vec(message).map(Self).map_err(unwritten)
    }

    /// A body that was written by hand.
    pub(super) fn written(body: Vec<u8>) -> Self {
        Self(body)
    }

    /// A body that is still being written.
    pub(super) fn streamed(body: Body) -> Response {
        (Self::HEADERS, body).into_response()
    }

    /// The body as text.
    #[cfg(test)]
    pub(super) fn into_text(self) -> String {
        String::from_utf8(self.0).unwrap()
    }

    const HEADERS: [(header::HeaderName, HeaderValue); 2] = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];

    /// The message without fields.
    pub(super) fn empty() -> Self {
        Self(b"{}".to_vec())
    }

    /// A message with one field.
    pub(super) fn one(name: &'static str, value: &impl Serialize) -> Result<Self> {
        Self::of(&OneField { name, value })
    }

    /// A message with one field, whose value `write` adds to the body.
    pub(super) fn one_written(name: &str, write: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<Self> {
        let mut body = format!("{{\"{name}\":").into_bytes();
        write(&mut body)?;
        body.push(b'}');
        Ok(Self(body))
    }

    /// A message with a list and, if more follows, the token of the next page.
    pub(super) fn page<T: Serialize>(
        name: &'static str,
        items: impl ExactSizeIterator<Item = T> + Clone,
        next_page_token: Option<String>,
    ) -> Result<Self> {
        Self::of(&PageOf { name, items, next_page_token })
    }
}

/// Adds a value to a body.
pub(super) fn put<T: Serialize + ?Sized>(body: &mut Vec<u8>, value: &T) -> Result<()> {
    serde_json::to_writer(body, value).map_err(unwritten)
}

fn unwritten(error: serde_json::Error) -> MlflowError {
    MlflowError::new(Code::InternalError, format!("The answer could not be written: {error}"))
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        (Self::HEADERS, self.0).into_response()
    }
}

/// As [`Answer::page`], for items that are written down already.
pub(super) struct PageWriter {
    name: &'static str,
    body: Vec<u8>,
}

impl PageWriter {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, body: Vec::new() }
    }

    pub(super) fn add(&mut self, item: &[u8]) {
        if self.body.is_empty() {
            self.body.extend_from_slice(b"{\"");
            self.body.extend_from_slice(self.name.as_bytes());
            self.body.extend_from_slice(b"\":[");
        } else {
            self.body.push(b',');
        }
        self.body.extend_from_slice(item);
    }

    pub(super) fn end(mut self, next_page_token: Option<String>) -> Answer {
        self.body.extend_from_slice(if self.body.is_empty() { b"{" } else { b"]" });
        if let Some(token) = next_page_token {
            let comma = if self.body.len() > 1 { "," } else { "" };
            // A token is letters, digits and signs that need no escapes.
            self.body.extend_from_slice(format!("{comma}\"next_page_token\":\"{token}\"").as_bytes());
        }
        self.body.push(b'}');
        Answer(self.body)
    }
}

struct OneField<'a, T> {
    name: &'static str,
    value: &'a T,
}

impl<T: Serialize> Serialize for OneField<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(self.name, self.value)?;
        map.end()
    }
}

struct PageOf<I> {
    name: &'static str,
    items: I,
    next_page_token: Option<String>,
}

impl<T: Serialize, I: ExactSizeIterator<Item = T> + Clone> Serialize for PageOf<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if self.items.len() > 0 {
            map.serialize_entry(self.name, &List(self.items.clone()))?;
        }
        if let Some(token) = &self.next_page_token {
            map.serialize_entry("next_page_token", token)?;
        }
        map.end()
    }
}

/// An iterator as a JSON array.
pub(super) struct List<I>(pub(super) I);

impl<T: Serialize, I: Iterator<Item = T> + Clone> Serialize for List<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for item in self.0.clone() {
            list.serialize_element(&item)?;
        }
        list.end()
    }
}

/// A number as text.
pub(super) struct Text<T>(pub(super) T);

impl<T: std::fmt::Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A float as MLflow gives it: NaN as text, an infinity as the largest float of its sign.
pub(super) struct Double(pub(super) f64);

impl Serialize for Double {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_nan() {
            serializer.serialize_str("NaN")
        } else {
            serializer.serialize_f64(self.0.clamp(f64::MIN, f64::MAX))
        }
    }
}

/// Keys with their values: params or tags.
pub(super) struct Pairs<'a>(pub(super) &'a [KeyValue]);

impl Pairs<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Pair<'a> {
            key: &'a str,
            value: &'a str,
        }
        serializer.collect_seq(self.0.iter().map(|pair| Pair { key: &pair.key, value: &pair.value }))
    }
}

pub(super) fn stage(lifecycle: Lifecycle) -> &'static str {
    match lifecycle {
        Lifecycle::Active => "active",
        Lifecycle::Deleted => "deleted",
    }
}

/// An experiment.
#[derive(Serialize)]
pub(super) struct Experiment<'a> {
    experiment_id: Text<i64>,
    name: &'a str,
    artifact_location: &'a str,
    lifecycle_stage: &'static str,
    last_update_time: i64,
    creation_time: i64,
    #[serde(skip_serializing_if = "Pairs::is_empty")]
    tags: Pairs<'a>,
    workspace: &'static str,
}

impl<'a> From<&'a store::Experiment> for Experiment<'a> {
    fn from(experiment: &'a store::Experiment) -> Self {
        Self {
            experiment_id: Text(experiment.id),
            name: &experiment.name,
            artifact_location: &experiment.artifact_location,
            lifecycle_stage: stage(experiment.lifecycle),
            last_update_time: experiment.updated_ms,
            creation_time: experiment.created_ms,
            tags: Pairs(&experiment.tags),
            workspace: "default",
        }
    }
}

/// A point of a metric.
#[derive(Serialize)]
struct Metric<'a> {
    key: &'a str,
    value: Double,
    timestamp: i64,
    step: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dataset_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dataset_digest: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<&'a str>,
}

impl<'a> Metric<'a> {
    /// A point of a run.
    fn new(key: &'a str, point: &Point) -> Self {
        Self {
            key,
            value: Double(point.value),
            timestamp: point.time_ms,
            step: point.step,
            dataset_name: None,
            dataset_digest: None,
            model_id: None,
            run_id: None,
        }
    }

    /// A point that says which run it is of.
    fn of_run(key: &'a str, point: &Point, run_id: &'a str) -> Self {
        Self { run_id: Some(run_id), ..Self::new(key, point) }
    }
}

/// A dataset that runs of an experiment used.
#[derive(Serialize)]
pub(super) struct DatasetSummary<'a> {
    experiment_id: Text<i64>,
    name: &'a str,
    digest: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<&'a str>,
}

impl<'a> From<&'a store::DatasetSummary> for DatasetSummary<'a> {
    fn from(summary: &'a store::DatasetSummary) -> Self {
        Self {
            experiment_id: Text(summary.experiment_id),
            name: &summary.name,
            digest: &summary.digest,
            context: summary.context.as_deref(),
        }
    }
}

/// A logged model.
#[derive(Serialize)]
pub(super) struct LoggedModel<'a> {
    info: LoggedModelInfo<'a>,
    data: LoggedModelData<'a>,
}

#[derive(Serialize)]
struct LoggedModelInfo<'a> {
    model_id: &'a str,
    experiment_id: Text<i64>,
    name: &'a str,
    creation_timestamp_ms: i64,
    last_updated_timestamp_ms: i64,
    artifact_uri: &'a str,
    status: &'static str,
    model_type: &'a str,
    source_run_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_message: Option<&'a str>,
    #[serde(skip_serializing_if = "Pairs::is_empty")]
    tags: Pairs<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    registrations: Vec<Registration<'a>>,
}

#[derive(Serialize)]
struct Registration<'a> {
    name: &'a str,
    version: Text<i64>,
}

#[derive(Serialize)]
struct LoggedModelData<'a> {
    #[serde(skip_serializing_if = "Pairs::is_empty")]
    params: Pairs<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    metrics: Vec<Metric<'a>>,
}

impl<'a> From<&'a store::LoggedModel> for LoggedModel<'a> {
    fn from(model: &'a store::LoggedModel) -> Self {
        let metrics = model.metrics.iter().map(|metric| Metric {
            dataset_name: metric.dataset_name.as_deref(),
            dataset_digest: metric.dataset_digest.as_deref(),
            model_id: Some(&model.model_id),
            ..Metric::of_run(&metric.key, &metric.point, &metric.run_id)
        });
        let registrations =
            model.registrations.iter().map(|(name, version)| Registration { name, version: Text(*version) });
        Self {
            info: LoggedModelInfo {
                model_id: &model.model_id,
                experiment_id: Text(model.experiment_id),
                name: &model.name,
                creation_timestamp_ms: model.created_ms,
                last_updated_timestamp_ms: model.updated_ms,
                artifact_uri: &model.artifact_location,
                status: match model.status {
                    ModelStatus::Pending => "LOGGED_MODEL_PENDING",
                    ModelStatus::Ready => "LOGGED_MODEL_READY",
                    ModelStatus::Failed => "LOGGED_MODEL_UPLOAD_FAILED",
                },
                model_type: model.model_type.as_deref().unwrap_or_default(),
                source_run_id: model.source_run_id.as_deref().unwrap_or_default(),
                status_message: model.status_message.as_deref(),
                tags: Pairs(&model.tags),
                registrations: registrations.collect(),
            },
            data: LoggedModelData { params: Pairs(&model.params), metrics: metrics.collect() },
        }
    }
}

/// A registered model.
#[derive(Serialize)]
pub(super) struct RegisteredModel<'a> {
    name: &'a str,
    creation_timestamp: i64,
    last_updated_timestamp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    latest_versions: Vec<ModelVersion<'a>>,
    #[serde(skip_serializing_if = "Pairs::is_empty")]
    tags: Pairs<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    aliases: Vec<Alias<'a>>,
}

#[derive(Serialize)]
struct Alias<'a> {
    alias: &'a str,
    version: Text<i64>,
}

impl<'a> From<&'a store::RegisteredModel> for RegisteredModel<'a> {
    fn from(model: &'a store::RegisteredModel) -> Self {
        Self {
            name: &model.name,
            creation_timestamp: model.created_ms,
            last_updated_timestamp: model.updated_ms,
            description: model.description.as_deref().filter(|text| !text.is_empty()),
            latest_versions: model.latest_versions.iter().map(Into::into).collect(),
            tags: Pairs(&model.tags),
            aliases: model
                .aliases
                .iter()
                .map(|(alias, version)| Alias { alias, version: Text(*version) })
                .collect(),
        }
    }
}

/// A version of a registered model.
#[derive(Serialize)]
pub(super) struct ModelVersion<'a> {
    name: &'a str,
    version: Text<i64>,
    creation_timestamp: i64,
    last_updated_timestamp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    current_stage: &'static str,
    description: &'a str,
    source: &'a str,
    run_id: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "Pairs::is_empty")]
    tags: Pairs<'a>,
    run_link: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    aliases: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    model_id: Option<&'a str>,
}

impl<'a> From<&'a store::ModelVersion> for ModelVersion<'a> {
    fn from(version: &'a store::ModelVersion) -> Self {
        Self {
            name: &version.name,
            version: Text(version.version),
            creation_timestamp: version.created_ms,
            last_updated_timestamp: version.updated_ms,
            user_id: version.user.as_deref().filter(|user| !user.is_empty()),
            current_stage: version.stage.as_str(),
            description: version.description.as_deref().unwrap_or_default(),
            source: &version.source,
            run_id: version.run_id.as_deref().unwrap_or_default(),
            status: "READY",
            tags: Pairs(&version.tags),
            run_link: version.run_link.as_deref().unwrap_or_default(),
            aliases: &version.aliases,
            model_id: version.model_id.as_deref(),
        }
    }
}

/// A file or folder in a listing of artifacts.
#[derive(Serialize)]
pub(super) struct FileInfo {
    pub(super) path: String,
    pub(super) is_dir: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file_size: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(answer: Result<Answer>) -> String {
        String::from_utf8(answer.unwrap().0).unwrap()
    }

    #[test]
    fn floats_as_mlflow_writes_them() {
        for (value, written) in [
            (1.0, "1.0"),
            (0.1, "0.1"),
            (-0.0, "-0.0"),
            (f64::MAX, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
            (f64::NAN, "\"NaN\""),
            (f64::INFINITY, "1.7976931348623157e+308"),
            (f64::NEG_INFINITY, "-1.7976931348623157e+308"),
        ] {
            assert_eq!(serde_json::to_string(&Double(value)).unwrap(), written);
        }
    }

    #[test]
    fn an_empty_page_is_an_empty_message() {
        assert_eq!(text(Answer::page("runs", [0_u8; 0].iter(), None)), "{}");
        assert_eq!(
            text(Answer::page("x", [1, 2].iter(), Some("t".to_owned()))),
            r#"{"x":[1,2],"next_page_token":"t"}"#
        );
    }

    #[test]
    fn a_page_of_written_items_is_the_page_of_the_items() {
        for items in [&[][..], &[1], &[1, 22]] {
            for token in [None, Some("abc=".to_owned())] {
                let mut page = PageWriter::new("x");
                items.iter().for_each(|item: &i32| page.add(item.to_string().as_bytes()));
                assert_eq!(page.end(token.clone()).into_text(), text(Answer::page("x", items.iter(), token)));
            }
        }
    }

    #[test]
    fn points_keep_step_zero() {
        let point = Point { step: 0, time_ms: 0, value: f64::NAN };
        assert_eq!(
            serde_json::to_string(&Metric::of_run("a", &point, "r")).unwrap(),
            r#"{"key":"a","value":"NaN","timestamp":0,"step":0,"run_id":"r"}"#
        );
    }
}
