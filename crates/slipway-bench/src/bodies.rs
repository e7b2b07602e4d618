//! What the rows send: requests encoded before the clock starts, the same for every server.

use crate::http::Request;
use crate::random::Sequence;
use std::fmt::Write as _;

pub(crate) const LOG_BATCH: &str = "/api/2.0/mlflow/runs/log-batch";
pub(crate) const LOG_METRIC: &str = "/api/2.0/mlflow/runs/log-metric";
pub(crate) const UPDATE_RUN: &str = "/api/2.0/mlflow/runs/update";
pub(crate) const CREATE_RUN: &str = "/api/2.0/mlflow/runs/create";
/// When all training began, in Unix milliseconds: no clock is read, so that every measurement stores the same.
pub(crate) const EPOCH_MS: i64 = 1_780_000_000_000;

/// A point of a history.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    pub(crate) step: i64,
    pub(crate) time_ms: i64,
    pub(crate) value: f64,
}

/// A loss curve as training code logs it: a decay with noise that remembers itself a little, single precision,
/// a step every 85 ms or so, and a longer pause where a checkpoint is written.
#[derive(Debug, Clone)]
pub(crate) struct LossCurve {
    random: Sequence,
    step: i64,
    time_ms: i64,
    noise: f64,
}

impl LossCurve {
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: Sequence::new(seed), step: 0, time_ms: EPOCH_MS, noise: 0.0 }
    }
}

impl Iterator for LossCurve {
    type Item = Point;

    fn next(&mut self) -> Option<Point> {
        let level =
            0.25 + 2.2 * (-(self.step as f64) / 50_000.0).exp() + 0.6 * (-(self.step as f64) / 900.0).exp();
        self.noise = 0.6 * self.noise + 0.04 * self.random.noise();
        // Rounded as a tensor's `.item()` rounds.
        #[allow(clippy::cast_possible_truncation, reason = "single precision is what is wanted")]
        let value = (level * (1.0 + self.noise)) as f32;
        let point = Point { step: self.step, time_ms: self.time_ms, value: f64::from(value) };
        self.step += 1;
        #[allow(clippy::cast_possible_truncation, reason = "a few milliseconds")]
        let took_ms = (85.0 + 6.0 * self.random.noise()).max(1.0) as i64;
        self.time_ms += took_ms + if self.step % 1000 == 0 { 2500 } else { 0 };
        Some(point)
    }
}

fn write_metric(into: &mut String, key: &str, point: Point) {
    let Point { step, time_ms, value } = point;
    let comma = if into.ends_with('[') { "" } else { "," };
    // Writing to a string cannot fail.
    let _ = write!(into, r#"{comma}{{"key":"{key}","value":{value},"timestamp":{time_ms},"step":{step}}}"#);
}

/// The rest of a log-batch body, after the run's id, that holds these metrics and nothing else.
pub(crate) fn metrics_body<'a>(points: impl IntoIterator<Item = (&'a str, Point)>) -> String {
    let mut body = String::from(r#""metrics":["#);
    for (key, point) in points {
        write_metric(&mut body, key, point);
    }
    body.push_str("]}");
    body
}

/// Bodies of 1,000 metrics each: `keys` metrics, so many steps of each that it makes 1,000. One after another
/// they continue the histories of one run.
pub(crate) fn batches(keys: usize, count: usize) -> Vec<String> {
    let names: Vec<String> = (0..keys).map(|key| format!("layer.{key:03}/loss")).collect();
    let mut curves: Vec<LossCurve> = (0..keys as u64).map(LossCurve::new).collect();
    (0..count)
        .map(|_| {
            let mut points = Vec::with_capacity(1000);
            for _ in 0..1000 / keys {
                for (name, curve) in names.iter().zip(&mut curves) {
                    points.extend(curve.next().map(|point| (name.as_str(), point)));
                }
            }
            metrics_body(points)
        })
        .collect()
}

/// Bodies of 1,000 points each of one metric `loss`.
pub(crate) fn history(seed: u64, count: usize) -> Vec<String> {
    let mut curve = LossCurve::new(seed);
    (0..count).map(|_| metrics_body(curve.by_ref().take(1000).map(|point| ("loss", point)))).collect()
}

/// Requests that log these bodies in one call each.
pub(crate) fn log_batches(bodies: &[String]) -> Vec<Request> {
    bodies.iter().map(|body| Request::about_run(LOG_BATCH, body)).collect()
}

/// Requests that log one point each.
pub(crate) fn log_metrics(count: usize) -> Vec<Request> {
    LossCurve::new(1)
        .take(count)
        .map(|Point { step, time_ms, value }| {
            let body = format!(r#""key":"loss","value":{value},"timestamp":{time_ms},"step":{step}}}"#);
            Request::about_run(LOG_METRIC, &body)
        })
        .collect()
}

/// The body that creates the run with this number.
pub(crate) fn create_run(experiment_id: &str, number: usize) -> String {
    let start_ms = EPOCH_MS + 1000 * number as i64;
    format!(
        r#"{{"experiment_id":"{experiment_id}","user_id":"ada","run_name":"run-{number:06}","start_time":{start_ms},"#
    ) + r#""tags":[{"key":"mlflow.user","value":"ada"},{"key":"mlflow.source.name","value":"train.py"},"#
        + r#"{"key":"mlflow.source.type","value":"LOCAL"}]}"#
}

/// The rest of the body that ends a run.
pub(crate) fn end_run(number: usize) -> String {
    let end_ms = EPOCH_MS + 1000 * number as i64 + 600_000;
    format!(r#""status":"FINISHED","end_time":{end_ms}}}"#)
}

/// Params, metrics and tags of a small run, as key and value.
#[derive(Debug)]
pub(crate) struct SmallRun {
    pub(crate) params: Vec<(String, String)>,
    pub(crate) metrics: Vec<(String, f64)>,
    pub(crate) tags: Vec<(String, String)>,
}

impl SmallRun {
    /// Twenty params, twenty metrics and `tags` tags. `p00` is one of ten values, `p01` one of a thousand; metrics
    /// are spread evenly from 0 to 1.
    pub(crate) fn new(number: usize, tags: usize) -> Self {
        let mut random = Sequence::new(number as u64);
        let params = (0..20)
            .map(|index| {
                let value = match index {
                    0 => format!("v{}", random.next() % 10),
                    1 => format!("v{}", random.next() % 1000),
                    _ => format!("{:.6}", random.unit()),
                };
                (format!("p{index:02}"), value)
            })
            .collect();
        let metrics = (0..20).map(|index| (format!("m{index:02}"), random.unit())).collect();
        let tags = (0..tags).map(|index| (format!("tag{index}"), format!("value {index}"))).collect();
        Self { params, metrics, tags }
    }

    /// All of it as the rest of one log-batch body.
    pub(crate) fn batch(&self, number: usize) -> String {
        let time_ms = EPOCH_MS + 1000 * number as i64 + 1000;
        let mut body = metrics_body(
            self.metrics.iter().map(|(key, value)| (key.as_str(), Point { step: 0, time_ms, value: *value })),
        );
        body.truncate(body.len() - 1);
        for (name, pairs) in [("params", &self.params), ("tags", &self.tags)] {
            let pairs: Vec<String> =
                pairs.iter().map(|(key, value)| format!(r#"{{"key":"{key}","value":"{value}"}}"#)).collect();
            let _ = write!(body, r#","{name}":[{}]"#, pairs.join(","));
        }
        body.push('}');
        body
    }

    /// The same as the calls that `log_param`, `log_metric` and `set_tag` make, one each.
    pub(crate) fn calls(&self) -> Vec<Request> {
        let pair = |path: &str, key: &str, value: &str| {
            Request::about_run(path, &format!(r#""key":"{key}","value":"{value}"}}"#))
        };
        let params =
            self.params.iter().map(|(key, value)| pair("/api/2.0/mlflow/runs/log-parameter", key, value));
        let metrics = self.metrics.iter().map(|(key, value)| {
            let body = format!(r#""key":"{key}","value":{value},"timestamp":{EPOCH_MS},"step":0}}"#);
            Request::about_run(LOG_METRIC, &body)
        });
        let tags = self.tags.iter().map(|(key, value)| pair("/api/2.0/mlflow/runs/set-tag", key, value));
        params.chain(metrics).chain(tags).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn whole(rest: &str) -> Value {
        serde_json::from_str(&format!(r#"{{"run_id":"x",{rest}"#)).unwrap()
    }

    #[test]
    fn batches_hold_a_thousand_metrics_and_continue_one_another() {
        let bodies = batches(10, 2);
        let (first, second) = (whole(&bodies[0]), whole(&bodies[1]));
        assert_eq!(first["metrics"].as_array().unwrap().len(), 1000);
        assert_eq!(
            (&first["metrics"][999]["step"], &second["metrics"][0]["step"]),
            (&99.into(), &100.into())
        );
        assert_ne!(first["metrics"][0]["value"], second["metrics"][0]["value"]);
        let distinct = whole(&batches(1000, 1)[0]);
        assert_eq!(distinct["metrics"][999]["key"], "layer.999/loss");
    }

    #[test]
    fn a_loss_curve_falls_in_single_precision_and_never_goes_back_in_time() {
        let points: Vec<Point> = LossCurve::new(3).take(100_000).collect();
        assert!(points[0].value > 2.0 && points[99_999].value < 1.0, "{:?}", points[99_999]);
        assert!(points.windows(2).all(|pair| pair[0].time_ms < pair[1].time_ms));
        #[allow(clippy::cast_possible_truncation)]
        let single = |value: f64| f64::from(value as f32) == value;
        assert!(points.iter().all(|point| single(point.value)));
    }

    #[test]
    fn a_small_run_says_the_same_in_one_call_and_in_many() {
        let run = SmallRun::new(5, 5);
        let body = whole(&run.batch(5));
        for (name, count) in [("params", 20), ("metrics", 20), ("tags", 5)] {
            assert_eq!(body[name].as_array().unwrap().len(), count, "{name}");
        }
        assert_eq!(run.calls().len(), 45);
        assert!(serde_json::from_str::<Value>(&create_run("1", 5)).is_ok());
        assert_eq!(whole(&end_run(5))["status"], "FINISHED");
    }
}
