//! Points of metrics that the command has logged into runs of its own, as long as there are not too many, so that it can
//! read back what it logged while nobody else can answer.

use serde_json::{Value, json};
use std::collections::HashMap;

/// Points that are kept in all; an agent stays small.
const KEPT: usize = 10_000;

/// What is sent again comes soon after.
const SENT_AGAIN: usize = 100;

/// The points of runs that have no others.
#[derive(Debug, Default)]
pub(super) struct Points {
    /// By run and metric, in the order in which they came. None for a run of which not all are known.
    runs: HashMap<String, Option<HashMap<String, Vec<Value>>>>,
    kept: usize,
}

impl Points {
    /// A run that has no points yet, and gets them only through here.
    pub(super) fn begin(&mut self, run_id: &str) {
        self.runs.entry(run_id.to_owned()).or_insert_with(|| Some(HashMap::new()));
    }

    /// Whether points of a run are worth taking apart.
    pub(super) fn follows(&self, run_id: &str) -> bool {
        self.runs.get(run_id).is_some_and(Option::is_some)
    }

    /// Takes note of what is logged; `body` is that of `log-batch` or `log-metric`.
    pub(super) fn note(&mut self, body: &Value) {
        let run_id = body.get("run_id").and_then(Value::as_str).unwrap_or_default();
        let Some(run) = self.runs.get_mut(run_id) else { return };
        let one = body.get("key").map(|_| body);
        for point in body.get("metrics").and_then(Value::as_array).into_iter().flatten().chain(one) {
            let Some(metrics) = run else { return };
            let Some(key) = point.get("key").and_then(Value::as_str) else { continue };
            if self.kept >= KEPT {
                self.kept -= metrics.values().map(Vec::len).sum::<usize>();
                *run = None;
                return;
            }
            let field = |name: &str, usual: Value| point.get(name).cloned().unwrap_or(usual);
            let kept = json!({
                "key": key, "value": field("value", Value::Null),
                "timestamp": field("timestamp", json!(0)), "step": field("step", json!(0)),
            });
            let points = metrics.entry(key.to_owned()).or_default();
            // What is sent twice is there once.
            if !points.iter().rev().take(SENT_AGAIN).any(|known| *known == kept) {
                points.push(kept);
                self.kept += 1;
            }
        }
    }

    /// The history of a metric, as MLflow's server says it; none when it is not known to be whole.
    pub(super) fn history(&self, run_id: &str, key: &str) -> Option<Value> {
        let metrics = self.runs.get(run_id)?.as_ref()?;
        Some(json!({ "metrics": metrics.get(key).cloned().unwrap_or_default() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(run_id: &str, from: usize, count: usize) -> Value {
        let point = |step| json!({ "key": "m", "value": 0.5, "timestamp": 1, "step": step });
        json!({ "run_id": run_id, "metrics": (from..from + count).map(point).collect::<Vec<_>>() })
    }

    #[test]
    fn a_history_is_whole_or_not_known() {
        let mut points = Points::default();
        points.note(&batch("r", 0, 1));
        assert_eq!(points.history("r", "m"), None, "points of others were taken for all there are");
        points.begin("r");
        points.note(&batch("r", 0, 2));
        points.note(&batch("r", 0, 2));
        points.note(&json!({ "run_id": "r", "key": "m", "value": 1.0, "timestamp": 2, "step": 9 }));
        let found = points.history("r", "m").unwrap();
        let steps: Vec<_> =
            found["metrics"].as_array().unwrap().iter().map(|point| point["step"].clone()).collect();
        assert_eq!(steps, [0, 1, 9]);
        assert_eq!(points.history("r", "other").unwrap(), json!({ "metrics": [] }));
        points.begin("long");
        points.begin("r");
        for from in 0..KEPT / 100 + 1 {
            points.note(&batch("long", from * 100, 100));
        }
        assert_eq!(points.history("long", "m"), None);
        assert!(!points.follows("long") && points.follows("r"));
        points.note(&batch("r", 20, 1));
        assert_eq!(points.history("r", "m").unwrap()["metrics"].as_array().unwrap().len(), 4);
    }
}
