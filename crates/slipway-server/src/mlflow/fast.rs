//! The quick way to read what training code sends all the time: batches, points, params and tags.
//!
//! Only bodies that are exactly as clients write them are read here, straight into what the store takes. For
//! anything else (another spelling, numbers as text, a key twice, a value that breaks a rule) the answer is `None`,
//! and the lenient reader says what it means or what is wrong with it. So both always agree, and no message is
//! written here.

use super::runs::{BATCH_ALL, BATCH_METRICS, BATCH_PARAMS, BATCH_TAGS, RUN_ID_LIMIT_CHARS};
use super::validate;
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use slipway_store::{KeyValue, LogBatch, LoggedMetric, Point};
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

/// Text that is borrowed from the body where it has no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Text<'_> {
    /// The text, unless it is empty, which counts as absent.
    fn filled(&self) -> Option<&str> {
        Some(self.0.as_ref()).filter(|text| !text.is_empty())
    }
}

fn owned(text: Option<Text<'_>>) -> Option<String> {
    text.map(|text| text.0.into_owned()).filter(|text| !text.is_empty())
}

/// A float as clients write it: a number, or one of the three names.
struct Number(f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reads;
        impl Visitor<'_> for Reads {
            type Value = Number;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a number")
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Number, E> {
                Ok(Number(value))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Number, E> {
                Ok(Number(value as f64))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Number, E> {
                Ok(Number(value as f64))
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Number, E> {
                match value {
                    "NaN" => Ok(Number(f64::NAN)),
                    "Infinity" => Ok(Number(f64::INFINITY)),
                    "-Infinity" => Ok(Number(f64::NEG_INFINITY)),
                    _ => Err(E::custom("no number")),
                }
            }
        }
        deserializer.deserialize_any(Reads)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch<'a> {
    #[serde(borrow)]
    run_id: Text<'a>,
    #[serde(borrow, default)]
    metrics: Vec<Metric<'a>>,
    #[serde(borrow, default)]
    params: Vec<Pair<'a>>,
    #[serde(borrow, default)]
    tags: Vec<Pair<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Metric<'a> {
    #[serde(borrow)]
    key: Text<'a>,
    value: Number,
    timestamp: i64,
    step: Option<i64>,
    #[serde(borrow)]
    model_id: Option<Text<'a>>,
    #[serde(borrow)]
    dataset_name: Option<Text<'a>>,
    #[serde(borrow)]
    dataset_digest: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair<'a> {
    #[serde(borrow)]
    key: Text<'a>,
    #[serde(borrow)]
    value: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MetricOfRun<'a> {
    #[serde(borrow)]
    run_id: Option<Text<'a>>,
    #[serde(borrow)]
    run_uuid: Option<Text<'a>>,
    #[serde(borrow)]
    key: Text<'a>,
    value: Number,
    timestamp: i64,
    step: Option<i64>,
    #[serde(borrow)]
    model_id: Option<Text<'a>>,
    #[serde(borrow)]
    dataset_name: Option<Text<'a>>,
    #[serde(borrow)]
    dataset_digest: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PairOfRun<'a> {
    #[serde(borrow)]
    run_id: Option<Text<'a>>,
    #[serde(borrow)]
    run_uuid: Option<Text<'a>>,
    #[serde(borrow)]
    key: Text<'a>,
    #[serde(borrow)]
    value: Option<Text<'a>>,
}

/// Reads a body whose text is checked as a whole: that is quicker than string by string.
fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Option<T> {
    serde_json::from_str(std::str::from_utf8(body).ok()?).ok()
}

/// The run that both fields together name.
fn run_id(id: Option<&Text<'_>>, uuid: Option<&Text<'_>>) -> Option<String> {
    let id = id.and_then(Text::filled).or_else(|| uuid.and_then(Text::filled))?;
    (id.len() <= RUN_ID_LIMIT_CHARS).then(|| id.to_owned())
}

fn metric(metric: Metric<'_>) -> Option<LoggedMetric> {
    let (dataset_name, dataset_digest) = (owned(metric.dataset_name), owned(metric.dataset_digest));
    if metric.timestamp < 0 || dataset_name.is_some() != dataset_digest.is_some() {
        return None;
    }
    Some(LoggedMetric {
        key: metric.key.0.into_owned(),
        point: Point { step: metric.step.unwrap_or(0), time_ms: metric.timestamp, value: metric.value.0 },
        model_id: owned(metric.model_id),
        dataset_name,
        dataset_digest,
    })
}

fn pair(pair: Pair<'_>, cut: fn(&str) -> String) -> Option<KeyValue> {
    validate::is_plain_key(&pair.key.0).then(|| {
        KeyValue::new(pair.key.0.into_owned(), pair.value.map_or_else(String::new, |text| cut(&text.0)))
    })
}

/// The body of `runs/log-batch`.
pub(super) fn batch(body: &[u8]) -> Option<LogBatch> {
    let read: Batch<'_> = read(body)?;
    let (metrics, params, tags) = (read.metrics.len(), read.params.len(), read.tags.len());
    if metrics > BATCH_METRICS
        || params > BATCH_PARAMS
        || tags > BATCH_TAGS
        || metrics + params + tags > BATCH_ALL
    {
        return None;
    }
    // A batch has few names, often one after the other.
    let mut checked: &str = "";
    for metric in &read.metrics {
        let key = metric.key.0.as_ref();
        if key != checked || key.is_empty() {
            if !validate::is_plain_key(key) {
                return None;
            }
            checked = key;
        }
    }
    let batch = LogBatch {
        run_id: run_id(Some(&read.run_id), None)?,
        metrics: read.metrics.into_iter().map(metric).collect::<Option<_>>()?,
        params: read
            .params
            .into_iter()
            .map(|read| pair(read, validate::param_value))
            .collect::<Option<_>>()?,
        tags: read.tags.into_iter().map(|read| pair(read, validate::run_tag_value)).collect::<Option<_>>()?,
    };
    let mut seen = HashSet::with_capacity(params);
    batch.params.iter().all(|param| seen.insert(param.key.as_str())).then_some(())?;
    Some(batch)
}

/// The body of `runs/log-metric`.
pub(super) fn one_metric(body: &[u8]) -> Option<LogBatch> {
    let read: MetricOfRun<'_> = read(body)?;
    let run_id = run_id(read.run_id.as_ref(), read.run_uuid.as_ref())?;
    validate::is_plain_key(&read.key.0).then_some(())?;
    let MetricOfRun { key, value, timestamp, step, model_id, dataset_name, dataset_digest, .. } = read;
    let metric = metric(Metric { key, value, timestamp, step, model_id, dataset_name, dataset_digest })?;
    Some(LogBatch { run_id, metrics: vec![metric], ..LogBatch::default() })
}

fn of_run(body: &[u8], cut: fn(&str) -> String) -> Option<(String, KeyValue)> {
    let read: PairOfRun<'_> = read(body)?;
    let run_id = run_id(read.run_id.as_ref(), read.run_uuid.as_ref())?;
    Some((run_id, pair(Pair { key: read.key, value: read.value }, cut)?))
}

/// The body of `runs/log-parameter`.
pub(super) fn one_param(body: &[u8]) -> Option<LogBatch> {
    let (run_id, param) = of_run(body, validate::param_value)?;
    Some(LogBatch { run_id, params: vec![param], ..LogBatch::default() })
}

/// The body of `runs/set-tag`.
pub(super) fn one_tag(body: &[u8]) -> Option<LogBatch> {
    let (run_id, tag) = of_run(body, validate::run_tag_value)?;
    Some(LogBatch { run_id, tags: vec![tag], ..LogBatch::default() })
}

#[cfg(test)]
mod tests {
    use super::super::decode::Params;
    use super::super::runs;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_clients_send_is_read_quickly() {
        let read = batch(
            br#"{"run_id": "r", "metrics": [
                {"key": "a", "value": 0.1, "timestamp": 7, "step": -3},
                {"key": "train/loss", "value": "NaN", "timestamp": 8, "model_id": "m-1", "dataset_name": "d",
                 "dataset_digest": "x"}],
               "params": [{"key": "p", "value": "caf\u00e9"}], "tags": [{"key": "t", "value": ""}]}"#,
        )
        .unwrap();
        assert_eq!(read.metrics.len(), 2);
        assert_eq!(read.metrics[0].point, Point { step: -3, time_ms: 7, value: 0.1 });
        assert!(read.metrics[1].point.value.is_nan());
        assert_eq!(read.params, [KeyValue::new("p", "café")]);
        let point = one_metric(
            br#"{"run_uuid": "r", "run_id": "r", "key": "m", "value": 1, "timestamp": 5, "step": 0}"#,
        );
        assert_eq!(point.unwrap().metrics[0].point.value.to_bits(), 1.0_f64.to_bits());
        assert!(one_param(br#"{"run_id": "r", "run_uuid": "r", "key": "p", "value": "1"}"#).is_some());
        assert!(one_tag(br#"{"run_id": "r", "key": "mlflow.note.content", "value": "x"}"#).is_some());
    }

    #[test]
    fn what_is_unusual_is_left_to_the_lenient_reader() {
        for body in [
            r#"{"runId": "r"}"#,
            r#"{"run_id": "r", "run_id": "s"}"#,
            r#"{"run_id": ""}"#,
            r#"{"run_id": "r", "other": 1}"#,
            r#"{"run_id": "r", "metrics": null}"#,
            r#"{"run_id": "r", "metrics": [{"key": "a", "value": NaN, "timestamp": 1}]}"#,
            r#"{"run_id": "r", "metrics": [{"key": "a", "value": "1.5", "timestamp": 1}]}"#,
            r#"{"run_id": "r", "metrics": [{"key": "a", "value": 1, "timestamp": "1"}]}"#,
            r#"{"run_id": "r", "metrics": [{"key": "a", "value": 1, "timestamp": -1}]}"#,
            r#"{"run_id": "r", "metrics": [{"key": "a//b", "value": 1, "timestamp": 1}]}"#,
            r#"{"run_id": "r", "params": [{"key": "d"}, {"key": "d"}]}"#,
            r#"{"run_id": "r"}{}"#,
            r#""{\"run_id\": \"r\"}""#,
        ] {
            assert!(batch(body.as_bytes()).is_none(), "{body}");
        }
    }

    /// Bits instead of floats, so that NaN equals itself.
    fn shown(batch: &LogBatch) -> String {
        let bits: Vec<_> = batch.metrics.iter().map(|metric| metric.point.value.to_bits()).collect();
        format!("{batch:?} {bits:?}")
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => "[a-z]{1,4}".prop_map(|text| format!("\"{text}\"")),
            1 => r#""[a-z./ %\\-]{0,6}""#.prop_filter("an escape", |text| !text.contains('\\')),
            1 => Just(r#""caf\u00e9 \n""#.to_owned()),
            1 => Just(format!("\"{}\"", "é".repeat(251))),
            1 => Just(r#""""#.to_owned()),
            1 => Just("null".to_owned()),
            1 => Just("7".to_owned()),
        ]
    }

    fn number() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => any::<i64>().prop_map(|number| number.to_string()),
            4 => any::<f64>().prop_filter("JSON has no other", |number| number.is_finite()).prop_map(|n| format!("{n:?}")),
            2 => (0_i64..5).prop_map(|number| number.to_string()),
            1 => prop::sample::select(vec![
                "\"NaN\"", "\"Infinity\"", "\"-Infinity\"", "\"12\"", "NaN", "null", "true", "-0", "2.0", "1e400",
                "18446744073709551615", "[]", "\"x\"",
            ]).prop_map(str::to_owned),
        ]
    }

    fn field(name: &'static str, value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
        (prop::bool::weighted(0.95), value).prop_map(move |(there, value)| {
            if there { format!("\"{name}\": {value}") } else { String::new() }
        })
    }

    fn object(fields: Vec<String>) -> String {
        let there: Vec<_> = fields.into_iter().filter(|field| !field.is_empty()).collect();
        format!("{{{}}}", there.join(", "))
    }

    fn metric_json() -> impl Strategy<Value = String> {
        let rare = |name, value: String| prop_oneof![9 => Just(String::new()), 1 => Just(format!("\"{name}\": {value}"))];
        (
            field("key", text()),
            field("value", number()),
            field("timestamp", prop_oneof![3 => (0_i64..9).prop_map(|n| n.to_string()), 1 => number()]),
            field("step", number()),
            rare("model_id", "\"m-1\"".to_owned()),
            rare("dataset_name", "\"d\"".to_owned()),
            rare("dataset_digest", "\"x\"".to_owned()),
            prop_oneof![19 => Just(String::new()), 1 => Just("\"runId\": 1".to_owned())],
        )
            .prop_map(|(a, b, c, d, e, f, g, h)| object(vec![a, b, c, d, e, f, g, h]))
    }

    fn pair_json() -> impl Strategy<Value = String> {
        (field("key", text()), field("value", text())).prop_map(|(a, b)| object(vec![a, b]))
    }

    fn list(item: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
        prop::collection::vec(item, 0..4).prop_map(|items| format!("[{}]", items.join(",")))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn both_readers_agree_on_batches(
            run in field("run_id", text()),
            metrics in field("metrics", list(metric_json())),
            params in field("params", list(pair_json())),
            tags in field("tags", list(pair_json())),
        ) {
            let body = object(vec![run, metrics, params, tags]);
            if let Some(quick) = batch(body.as_bytes()) {
                let lenient = Params::from_body(body.as_bytes()).and_then(|params| runs::batch(&params.fields()));
                prop_assert_eq!(shown(&quick), shown(&lenient.map_err(|error| TestCaseError::fail(error.message().to_owned()))?));
            }
        }

        #[test]
        fn both_readers_agree_on_points(metric in metric_json(), run in field("run_id", text()), uuid in field("run_uuid", text())) {
            let inner = metric.trim_start_matches('{').trim_end_matches('}').to_owned();
            let body = object(vec![run, uuid, inner]);
            if let Some(quick) = one_metric(body.as_bytes()) {
                let lenient = Params::from_body(body.as_bytes()).and_then(|params| runs::metric_of_run(&params.fields()));
                prop_assert_eq!(shown(&quick), shown(&lenient.map_err(|error| TestCaseError::fail(error.message().to_owned()))?));
            }
        }
    }
}
