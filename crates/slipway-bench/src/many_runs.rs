//! Many runs with very many columns, for looking at the runs table and for timing what it asks.
//!
//! `slipway-bench fill-runs` loads them into a server that runs, as training code would: a run is made, logged to in one
//! or more calls, and ended. `slipway-bench ask-runs` then times the table's questions. Nothing is started, ended or
//! removed.

use crate::bodies::{CREATE_RUN, EPOCH_MS, LOG_BATCH, UPDATE_RUN, end_run};
use crate::http::{Connection, Request};
use crate::random::Sequence;
use crate::rows::{made_up_run_id, run_id_in};
use crate::stats::{ms, percentile};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Params and metrics that every run carries, half of each.
const SHARED: usize = 20;
/// Params and metrics of a run that only some others carry, half of each.
const OWN: usize = 20;
/// Most params that a server takes in one call.
const PARAMS_AT_ONCE: usize = 100;
/// Callers at once.
const CLIENTS: usize = 16;
const TIMES: usize = 15;

/// What to load.
#[derive(Debug, Args)]
pub(crate) struct Fill {
    /// Address of the server, such as 127.0.0.1:5757
    #[arg(long, value_name = "HOST:PORT", required_unless_present = "print")]
    address: Option<SocketAddr>,
    /// Sends nothing, but prints the lines that script/bench_fill_mlflow.py reads, for this experiment
    #[arg(long, value_name = "EXPERIMENT_ID")]
    print: Option<String>,
    /// Name of the experiment, which must be new
    #[arg(long, default_value = "many")]
    experiment: String,
    #[arg(long, default_value_t = 100_000)]
    runs: usize,
    /// Params and metrics in all
    #[arg(long, default_value_t = 2000)]
    columns: usize,
    /// Every run carries every column, not 40 of them
    #[arg(long)]
    dense: bool,
    /// Points of each metric
    #[arg(long, default_value_t = 1)]
    points: usize,
}

/// Loads the runs and prints, as JSON, the experiment and the columns, as an address of the UI names these.
pub(crate) fn fill(options: &Fill) -> Result<()> {
    ensure!(options.columns >= SHARED + OWN, "there are at least {} columns", SHARED + OWN);
    if let Some(experiment) = &options.print {
        return print(options, experiment);
    }
    let address = options.address.context("--address is missing")?;
    let began = Instant::now();
    let body = json!({ "name": options.experiment }).to_string();
    let create = Request::post("/api/2.0/mlflow/experiments/create", body.as_bytes());
    let made = call(&mut Connection::open(address)?, &create)?;
    let experiment = made["experiment_id"].as_str().context("no experiment_id in the answer")?;
    let next = AtomicUsize::new(0);
    let load = || -> Result<()> {
        let mut connection = Connection::open(address)?;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= options.runs {
                return Ok(());
            }
            let mut call = |request: &Request, run_id: &str| match connection.call(request, run_id)? {
                200 => Ok(run_id_in(connection.body()).map(str::to_owned)),
                status => bail!("{status}: {}", String::from_utf8_lossy(connection.body())),
            };
            let create = Request::post(CREATE_RUN, create_run(experiment, number).as_bytes());
            let run_id = call(&create, "")?.context("no run_id in the answer")?;
            for batch in batches(number, options) {
                call(&Request::about_run(LOG_BATCH, &batch), &run_id)?;
            }
            if has_ended(number) {
                call(&Request::about_run(UPDATE_RUN, &end_run(number)), &run_id)?;
            }
        }
    };
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(load)).collect();
        let ended: Vec<_> = callers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        ended.into_iter().try_for_each(|ended| ended.unwrap_or_else(|_| bail!("a caller ended badly")))
    })?;
    let name = |column| format!("{}:{}", if column % 2 == 0 { 'p' } else { 'm' }, key(column));
    let columns: Vec<String> = (0..options.columns).map(name).collect();
    let took_s = began.elapsed().as_secs_f64();
    println!("{}", json!({ "experiment_id": experiment, "columns": columns, "took_s": took_s }));
    Ok(())
}

fn print(options: &Fill, experiment: &str) -> Result<()> {
    let mut lines = std::io::BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
    for number in 0..options.runs {
        let run_id = made_up_run_id(number as u64);
        let mut run: Value = serde_json::from_str(&create_run(experiment, number))?;
        run["run_id"] = json!(run_id);
        run["user_id"] = json!("ada");
        run["status"] = json!(if has_ended(number) { "FINISHED" } else { "RUNNING" });
        run["end_time"] = json!(EPOCH_MS + 1000 * number as i64 + 600_000);
        writeln!(lines, "{run}")?;
        for rest in batches(number, options) {
            writeln!(lines, r#"{{"run_id":"{run_id}",{rest}"#)?;
        }
    }
    Ok(lines.flush()?)
}

/// One in a hundred goes on running.
fn has_ended(number: usize) -> bool {
    !number.is_multiple_of(100)
}

/// `p00` or `m00`: even columns are params, odd ones metrics.
fn key(column: usize) -> String {
    format!("{}{:02}", if column.is_multiple_of(2) { 'p' } else { 'm' }, column / 2)
}

fn create_run(experiment: &str, number: usize) -> String {
    let start_ms = EPOCH_MS + 1000 * number as i64;
    json!({
        "experiment_id": experiment,
        "run_name": format!("run-{number:06}"),
        "start_time": start_ms,
        "tags": [
            { "key": "mlflow.user", "value": (["ada", "grace", "alan"][number % 3]) },
            { "key": "mlflow.source.name", "value": "train.py" },
            { "key": "team", "value": format!("team-{}", number % 7) },
        ],
    })
    .to_string()
}

/// The columns of a run, by their numbers: even ones are params, odd ones metrics.
fn columns(number: usize, options: &Fill) -> Vec<usize> {
    if options.dense {
        return (0..options.columns).collect();
    }
    let families = (options.columns - SHARED) / OWN;
    let own = SHARED + number % families * OWN;
    (0..SHARED).chain(own..own + OWN).collect()
}

/// The rest of each log-batch body, after the run's id.
fn batches(number: usize, options: &Fill) -> Vec<String> {
    let mut random = Sequence::new(number as u64);
    let (mut params, mut metrics) = (Vec::new(), String::new());
    for column in columns(number, options) {
        let unit = random.unit();
        if column % 2 == 0 {
            let value = match column / 2 {
                0 => format!("v{}", (unit * 10.0).floor()),
                1 => format!("v{}", (unit * 100.0).floor()),
                // Some are numbers, some are words, some are the same for all.
                number if number % 4 == 0 => format!("{unit:.4}"),
                number if number % 4 == 1 => format!("{}", (unit * 8.0).floor()),
                number if number % 4 == 2 => format!("choice-{}", (unit * 20.0).floor()),
                _ => "constant".to_owned(),
            };
            params.push(json!({ "key": key(column), "value": value }));
        } else {
            for step in 0..options.points {
                let value = unit / (1.0 + step as f64) + 0.01 * random.noise();
                let comma = if metrics.is_empty() { "" } else { "," };
                // Writing to a string cannot fail.
                let _ = write!(
                    metrics,
                    r#"{comma}{{"key":"{}","value":{value},"timestamp":{EPOCH_MS},"step":{step}}}"#,
                    key(column)
                );
            }
        }
    }
    let mut bodies = vec![format!(r#""metrics":[{metrics}]}}"#)];
    for params in params.chunks(PARAMS_AT_ONCE) {
        bodies.push(format!(r#""params":{}}}"#, Value::from(params)));
    }
    bodies
}

/// What to ask, and whom.
#[derive(Debug, Args)]
pub(crate) struct Ask {
    /// Address of the server
    #[arg(long, value_name = "HOST:PORT")]
    address: SocketAddr,
    /// Its token
    #[arg(long, env = "SLIPWAY_TOKEN", hide_env_values = true)]
    token: String,
    /// The experiment that was filled
    #[arg(long, value_name = "ID")]
    experiment: String,
}

/// Times what the runs table asks; each question several times, the first one apart.
pub(crate) fn ask(options: &Ask) -> Result<()> {
    let mut connection = Connection::open(options.address)?;
    connection.set_patience(Duration::from_secs(120))?;
    let mut own = |path: &str, body: &Value| {
        let headers =
            format!("Authorization: Bearer {}\r\nContent-Type: application/json\r\n", options.token);
        let path = format!("/api/slipway/v1/runs/{path}");
        call(&mut connection, &Request::new("POST", &path, &headers, body.to_string().as_bytes()))
    };
    let metric = |number: usize| json!({ "kind": "metric", "key": key(2 * number + 1) });
    let param = |number: usize| json!({ "kind": "param", "key": key(2 * number) });
    let visible: Vec<Value> = (0..10).chain(30..35).flat_map(|key| [metric(key), param(key)]).collect();
    let team = json!({ "kind": "tag", "key": "team" });
    let filter = "metrics.m01 < 0.5 and params.p02 = 'choice-7'";
    let by = |column: &Value| json!([{ "column": column, "descending": true }]);
    let questions = [
        ("first page", "table", json!({})),
        ("page at 90,000", "table", json!({ "offset": 90_000 })),
        ("sorted by a metric", "table", json!({ "order_by": by(&metric(1)) })),
        ("sorted by a rare metric", "table", json!({ "order_by": by(&metric(500)) })),
        (
            "sorted by experiment",
            "table",
            json!({ "order_by": [{ "column": { "kind": "attribute", "key": "experiment" } }] }),
        ),
        ("filtered by two", "table", json!({ "filter": filter })),
        ("filtered by two, sorted", "table", json!({ "filter": filter, "order_by": by(&param(0)) })),
        ("filtered by dataset", "table", json!({ "filter": "datasets.name = 'none'" })),
        ("quick search", "table", json!({ "search": "777" })),
        ("quick search by pattern", "table", json!({ "search": "/-0+7\\d7$/" })),
        ("roots", "table", json!({ "shape": { "kind": "roots" } })),
        ("grouped by a tag", "groups", json!({ "by": [team] })),
        ("grouped by two params", "groups", json!({ "by": [param(1), param(2)] })),
        (
            "grouped by two, sorted by a mean",
            "groups",
            json!({ "by": [param(1), param(2)], "order_by": by(&metric(3)) }),
        ),
        ("grouped by a number with many values", "groups", json!({ "by": [param(0)] })),
        ("grouped by two, filtered", "groups", json!({ "by": [param(1), team], "filter": filter })),
        ("members of a group", "table", json!({ "group": { "by": [team], "key": ["team-3"] } })),
        ("differing columns of all", "differing", json!({})),
        ("differing columns of a filter", "differing", json!({ "filter": filter })),
    ];
    println!("milliseconds at the client, {} visible columns, pages of 100", visible.len());
    for (name, path, mut body) in questions {
        body["experiment_ids"] = json!([options.experiment]);
        body["columns"] = json!(visible);
        let mut took = Vec::new();
        let mut answer = Value::Null;
        for _ in 0..TIMES {
            let began = Instant::now();
            answer = own(path, &body)?;
            took.push(began.elapsed());
        }
        let first = took[0];
        let rows = ["rows", "groups", "columns"].iter().find_map(|key| answer[key].as_array());
        println!(
            "{name:<40} p50 {:>8} p95 {:>8} first {:>8}   {} of {}",
            ms(percentile(&took, 50.0)),
            ms(percentile(&took, 95.0)),
            ms(first),
            rows.map_or(0, Vec::len),
            answer["total"].as_u64().or(answer["considered"].as_u64()).unwrap_or(0),
        );
    }
    for text in ["", "metrics.m01 < ", "params.p02 = '", "tags.team = "] {
        let body = json!({ "text": text, "experiment_ids": [options.experiment] });
        let began = Instant::now();
        let found = own("suggest", &body)?;
        let count = found["items"].as_array().map_or(0, Vec::len);
        println!("suggest after {text:<40} {:>8}   {count}", ms(began.elapsed()));
    }
    Ok(())
}

fn call(connection: &mut Connection, request: &Request) -> Result<Value> {
    let status = connection.call(request, "")?;
    let said = String::from_utf8_lossy(connection.body());
    ensure!(status == 200, "{status}: {said}");
    Ok(serde_json::from_str(&said)?)
}
