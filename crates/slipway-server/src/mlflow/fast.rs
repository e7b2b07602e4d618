//! The quick way to read what training code sends all the time: batches, points, params and tags.
//!
//! Only bodies that are exactly as clients write them are read here, straight into what the store takes. For
//! anything else (another spelling, numbers as text, a key twice, a value that breaks a rule) the answer is `None`,
//! and the lenient reader says what it means or what is wrong with it. So both always agree, and no message is
//! written here.

mod scan;

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
    #[serde(default)]
    metrics: Vec<Logged>,
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

/// A metric of a batch as the store takes it: made while the next one is read, so that a thousand are gone through once.
struct Logged(LoggedMetric);

impl<'de> Deserialize<'de> for Logged {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        metric(Metric::deserialize(deserializer)?).map(Self).ok_or_else(|| de::Error::custom("breaks a rule"))
    }
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
    scan::batch(body).or_else(|| batch_by_types(body))
}

/// The same with everything that a metric may have, and with escapes in its texts.
fn batch_by_types(body: &[u8]) -> Option<LogBatch> {
    let read: Batch<'_> = read(body)?;
    let metrics: Vec<LoggedMetric> = read.metrics.into_iter().map(|Logged(metric)| metric).collect();
    metrics.iter().all(|metric| validate::is_plain_key(&metric.key)).then_some(())?;
    let pairs = |pairs: Vec<Pair<'_>>, cut: fn(&str) -> String| {
        pairs.into_iter().map(|read| pair(read, cut)).collect::<Option<Vec<_>>>()
    };
    checked(scan::Batch {
        run_id: read.run_id.filled()?,
        metrics,
        params: pairs(read.params, validate::param_value)?,
        tags: pairs(read.tags, validate::run_tag_value)?,
    })
}

/// The batch, if it breaks none of the rules that are about all of it.
fn checked(batch: scan::Batch<'_>) -> Option<LogBatch> {
    let scan::Batch { run_id, metrics, params, tags } = batch;
    let fits = !run_id.is_empty()
        && run_id.len() <= RUN_ID_LIMIT_CHARS
        && metrics.len() <= BATCH_METRICS
        && params.len() <= BATCH_PARAMS
        && tags.len() <= BATCH_TAGS
        && metrics.len() + params.len() + tags.len() <= BATCH_ALL;
    let mut seen = HashSet::with_capacity(params.len());
    let is_good = fits && params.iter().all(|param| seen.insert(param.key.as_str()));
    drop(seen);
    is_good.then(|| LogBatch { run_id: run_id.to_owned(), metrics, params, tags })
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

    #[test]
    fn what_clients_send_is_scanned() {
        let body = br#" {"metrics": [ {"key":"a/b.c" , "value":-1.5e-3,"timestamp":7,"step":-3},
            {"step":0,"value":"NaN","timestamp":8,"key":"b"}, {"key":"c","value":12,"timestamp":0}],
            "params":[{"key":"p","value":""},{"key":"q"}],"run_id":"r","tags":[]}
        "#;
        let scanned = scan::batch(body).unwrap();
        assert_eq!(shown(&scanned), shown(&batch_by_types(body).unwrap()));
        assert_eq!(scanned.metrics[0].point, Point { step: -3, time_ms: 7, value: -0.0015 });
        assert_eq!(scanned.params.len(), 2);
    }

    #[test]
    fn what_json_does_not_have_is_not_scanned() {
        let body = |value: &str| {
            format!(r#"{{"run_id":"r","metrics":[{{"key":"a","value":{value},"timestamp":1}}]}}"#)
        };
        for value in ["1", "-0", "0.5", "1e5", "1E+5", "1.25e-2", "18446744073709551616", "\"-Infinity\""] {
            let body = body(value);
            let scanned = scan::batch(body.as_bytes()).map(|batch| shown(&batch));
            assert!(scanned.is_some(), "{value}");
            assert_eq!(scanned, batch_by_types(body.as_bytes()).map(|batch| shown(&batch)));
        }
        for value in [
            "+1",
            "01",
            "-01",
            "1.",
            ".5",
            "-.5",
            "1.e5",
            "1e",
            "1e400",
            "--1",
            "1-1",
            "-",
            "",
            "inf",
            "nan",
            "\"1\"",
            "\"\\u004eaN\"",
            "1,\"value\":2",
            "1,",
            "1 1",
            "null",
            "[1]",
            "1}}",
        ] {
            assert!(scan::batch(body(value).as_bytes()).is_none(), "{value}");
        }
        let whole = body("1");
        for length in 0..whole.len() {
            assert!(scan::batch(&whole.as_bytes()[..length]).is_none(), "{length}");
        }
        for other in [
            "{}",
            "[]",
            r#"{"run_id":"r",}"#,
            r#"{"run_id":""}"#,
            r#"{"run_id":"r"}{}"#,
            "{\"run_id\":\"\n\"}",
        ] {
            assert!(scan::batch(other.as_bytes()).is_none(), "{other}");
        }
        let steps = |step: &str| {
            format!(r#"{{"run_id":"r","metrics":[{{"key":"a","value":1,"timestamp":1,"step":{step}}}]}}"#)
        };
        assert!(scan::batch(steps("-9223372036854775808").as_bytes()).is_some());
        for step in ["2.0", "-0", "9223372036854775808", "1e2", "\"1\"", "null"] {
            assert!(scan::batch(steps(step).as_bytes()).is_none(), "{step}");
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
