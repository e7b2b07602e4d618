//! Times what one caller writes, without HTTP.
//!
//! `cargo run --release -p slipway-store --example writes -- DIR KEYS CALLS`: log calls of 1,000 points; of one point
//! where KEYS is 0; small runs in three calls where KEYS is `run`.
#![allow(clippy::unwrap_used, missing_docs, reason = "a measurement, not a product")]

use slipway_store::*;
use std::time::Instant;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let dir = std::path::PathBuf::from(arguments.next().unwrap());
    let keys = arguments.next().unwrap_or_else(|| "10".to_owned());
    let calls = arguments.next().map_or(300, |text| text.parse().unwrap());
    std::fs::create_dir_all(&dir).unwrap();
    let store = Store::open(&dir, Box::new(|_| {})).unwrap();
    let mut took_ms = match keys.as_str() {
        "run" => small_runs(&store, calls),
        keys => log_calls(&store, keys.parse().unwrap(), calls),
    };
    took_ms.sort_by(f64::total_cmp);
    let at = |share: usize| took_ms[calls * share / 10];
    println!("{keys}: p10 {:.3} p50 {:.3} p90 {:.3} ms", at(1), at(5), at(9));
    store.close();
}

fn new_run(number: usize) -> NewRun {
    NewRun {
        run_id: format!("{:016x}{number:016x}", std::process::id()),
        experiment_id: 0,
        name: "run".into(),
        user: "bench".into(),
        status: RunStatus::Running,
        start_ms: Some(number as i64),
        tags: ["mlflow.user", "mlflow.source.name", "mlflow.source.type"]
            .map(|key| KeyValue::new(key, "ada"))
            .to_vec(),
    }
}

fn metric(key: &str, step: i64) -> LoggedMetric {
    #[allow(clippy::cast_possible_truncation, reason = "single precision is what is wanted")]
    let value = (2.0 / (1.0 + (step + key.len() as i64) as f64 / 900.0)) as f32;
    LoggedMetric {
        key: key.to_owned(),
        point: Point { step, time_ms: 1_780_000_000_000 + 85 * step, value: f64::from(value) },
        model_id: None,
        dataset_name: None,
        dataset_digest: None,
    }
}

fn log_calls(store: &Store, keys: usize, calls: usize) -> Vec<f64> {
    let run = new_run(0);
    let run_id = run.run_id.clone();
    store.write_blocking(Change::CreateRun(Box::new(run))).unwrap();
    let names: Vec<String> = (0..keys.max(1)).map(|key| format!("layer.{key:03}/loss")).collect();
    let steps = 1000_usize.checked_div(keys).unwrap_or(1);
    let timed = |call: usize| {
        let mut batch = LogBatch { run_id: run_id.clone(), ..LogBatch::default() };
        for step in call * steps..(call + 1) * steps {
            batch.metrics.extend(names.iter().map(|name| metric(name, step as i64)));
        }
        let began = Instant::now();
        store.write_blocking(Change::Log(Box::new(batch))).unwrap();
        began.elapsed().as_secs_f64() * 1000.0
    };
    (0..calls).map(timed).collect()
}

fn small_runs(store: &Store, calls: usize) -> Vec<f64> {
    let pairs = |of: &str, count: usize, number: usize| {
        let pair = |at: usize| KeyValue::new(format!("{of}_{at:02}"), (number % (at + 3)).to_string());
        (0..count).map(pair).collect()
    };
    let timed = |number: usize| {
        let run = new_run(number);
        let run_id = run.run_id.clone();
        let batch = LogBatch {
            run_id: run_id.clone(),
            metrics: (0..20).map(|at| metric(&format!("metric_{at:02}"), 0)).collect(),
            params: pairs("param", 20, number),
            tags: pairs("tag", 5, number),
        };
        let end =
            Change::UpdateRun { run_id, status: Some(RunStatus::Finished), end_ms: Some(2), name: None };
        let began = Instant::now();
        for change in [Change::CreateRun(Box::new(run)), Change::Log(Box::new(batch)), end] {
            store.write_blocking(change).unwrap();
        }
        began.elapsed().as_secs_f64() * 1000.0
    };
    (0..calls).map(timed).collect()
}
