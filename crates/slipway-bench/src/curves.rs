//! Fills a server that runs with long histories, over HTTP as training code would: what the charts are measured with.

use crate::bodies::{CREATE_RUN, EPOCH_MS, LOG_BATCH, LossCurve, create_run, end_run, metrics_body};
use crate::http::{Connection, Request};
use crate::load::race;
use crate::rows::made_up_run_id;
use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::{Value, json};
use std::io::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Points a call: what a client sends at most.
const POINTS_A_CALL: usize = 1000;
/// Clients at once. More do not help on a small machine.
const CLIENTS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(3600);

#[derive(Args)]
pub(crate) struct Curves {
    /// Address of the server, such as 127.0.0.1:5757
    #[arg(long, value_name = "HOST:PORT", required_unless_present = "print")]
    address: Option<SocketAddr>,
    /// Sends nothing, but prints the lines that script/bench_fill_mlflow.py reads, for this experiment
    #[arg(long, value_name = "EXPERIMENT_ID")]
    print: Option<String>,
    /// Name of the experiment, which must be new
    #[arg(long, default_value = "curves")]
    experiment: String,
    #[arg(long, default_value_t = 20)]
    runs: usize,
    /// Metrics of each run
    #[arg(long, default_value_t = 24)]
    metrics: usize,
    /// Points of each metric
    #[arg(long, default_value_t = 1_000_000)]
    points: usize,
}

/// Logs the histories and prints, as JSON, the experiment and the runs that have them.
pub(crate) fn fill(options: &Curves) -> Result<()> {
    if let Some(experiment) = &options.print {
        return print(options, experiment);
    }
    let address = options.address.context("--address is missing")?;
    let began = Instant::now();
    let mut connection = Connection::open(address)?;
    let body = json!({ "name": options.experiment }).to_string();
    let made = ask(&mut connection, "/api/2.0/mlflow/experiments/create", &body)?;
    let experiment = text(&made["experiment_id"])?;
    let mut runs = Vec::with_capacity(options.runs);
    for number in 0..options.runs {
        let made = ask(&mut connection, CREATE_RUN, &create_run(&experiment, number))?;
        runs.push(text(&made["run"]["info"]["run_id"])?);
    }
    let outcome = race(address, CLIENTS.min(runs.len()), PATIENCE, &|client, caller| {
        for (number, run) in runs.iter().enumerate().skip(client).step_by(CLIENTS) {
            for metric in 0..options.metrics {
                let key = name(metric);
                for body in bodies(options, number, metric, &key) {
                    let request = Request::about_run(LOG_BATCH, &body);
                    caller.timed(|connection| connection.call(&request, run))?;
                }
            }
            let request = Request::about_run("/api/2.0/mlflow/runs/update", &end_run(number));
            caller.timed(|connection| connection.call(&request, run))?;
        }
        Ok(())
    })?;
    ensure!(outcome.refused == 0, "the server refused {} calls: {:?}", outcome.refused, outcome.refusal);
    let metrics: Vec<String> = (0..options.metrics).map(name).collect();
    let took_s = began.elapsed().as_secs_f64();
    println!(
        "{}",
        json!({ "experiment_id": experiment, "run_ids": runs, "metrics": metrics, "took_s": took_s })
    );
    Ok(())
}

/// The rest of each log-batch body that logs one metric of one run.
fn bodies(options: &Curves, run: usize, metric: usize, key: &str) -> impl Iterator<Item = String> {
    let mut curve = LossCurve::new((run * options.metrics + metric) as u64);
    let mut left = options.points;
    std::iter::from_fn(move || {
        let count = left.min(POINTS_A_CALL);
        left -= count;
        (count > 0).then(|| metrics_body(curve.by_ref().take(count).map(|point| (key, point))))
    })
}

fn print(options: &Curves, experiment: &str) -> Result<()> {
    let mut lines = std::io::BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
    for number in 0..options.runs {
        let run_id = made_up_run_id(number as u64);
        let mut run: Value = serde_json::from_str(&create_run(experiment, number))?;
        run["run_id"] = json!(run_id);
        run["status"] = json!("FINISHED");
        run["end_time"] = json!(EPOCH_MS + 600_000);
        writeln!(lines, "{run}")?;
        for metric in 0..options.metrics {
            let key = name(metric);
            for rest in bodies(options, number, metric, &key) {
                writeln!(lines, r#"{{"run_id":"{run_id}",{rest}"#)?;
            }
        }
    }
    Ok(lines.flush()?)
}

/// Half of them in a section `train`, half in `val`.
fn name(metric: usize) -> String {
    format!("{}/loss_{:02}", if metric.is_multiple_of(2) { "train" } else { "val" }, metric / 2)
}

fn ask(connection: &mut Connection, path: &str, body: &str) -> Result<Value> {
    let status = connection.call(&Request::post(path, body.as_bytes()), "")?;
    let said = String::from_utf8_lossy(connection.body()).into_owned();
    ensure!(status == 200, "{path} answered {status}: {said}");
    serde_json::from_str(&said).with_context(|| format!("{path} did not answer JSON: {said}"))
}

fn text(value: &Value) -> Result<String> {
    Ok(value.as_str().with_context(|| format!("expected a text, found {value}"))?.to_owned())
}
