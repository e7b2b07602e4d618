//! Reading histories, and the disk they take.

use super::{Bench, fill_mlflow, in_query, made_up_run_id, page_token_in, turn};
use crate::bodies::{EPOCH_MS, create_run, history as history_bodies, log_batches};
use crate::http::Request;
use crate::load::{Outcome, repeat, send_all, together};
use crate::report::{Row, Side};
use crate::server::Server;
use crate::stats::{mb, short};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const PAGE: usize = 25_000;
const BULK_RUNS: usize = 50;
const STALLED: Duration = Duration::from_secs(60);
/// How long MLflow reads pages of a long history, and how long one of its answers may take to be asked for again.
const SLOW_TURN: Duration = Duration::from_secs(20);
const ONCE_WILL_DO: Duration = Duration::from_secs(3);
const BYTES_A_POINT: f64 = 8.0;
const CURVE_LIMIT: Duration = Duration::from_millis(15);

/// The runs that hold histories on one server: the long one first.
struct Runs {
    long: String,
    short: Vec<String>,
}

pub(super) fn history(bench: &mut Bench, servers: &mut [Server; 2]) -> Result<()> {
    let sizes = bench.sizes.clone();
    let servers = &*servers;
    let [slipway, mlflow] = servers;
    let long = history_bodies(1, sizes.history_points / 1000);
    let short: Vec<Vec<String>> =
        (0..BULK_RUNS as u64).map(|run| history_bodies(100 + run, sizes.bulk_points / 1000)).collect();
    let points = (sizes.history_points + BULK_RUNS * sizes.bulk_points) as f64;

    let empty_bytes = mlflow.disk_bytes();
    let runs = [load_slipway(bench, slipway, &long, &short)?, fill(bench, mlflow, &long, &short)?];
    let began = Instant::now();
    let before = slipway.disk_bytes();
    let still = slipway.wait_until_idle(Duration::from_secs(10), Duration::from_secs(150));
    bench.report.note(format!(
        "{} points: Slipway's folder took {} MB when they had come, and {} MB {} s later, {}.",
        crate::stats::short(points),
        mb(before),
        mb(slipway.disk_bytes()),
        crate::stats::short(began.elapsed().as_secs_f64()),
        if still { "idle" } else { "**still busy**" }
    ));
    let mut row = Row::cost("disk per point of loss curves, compacted, whole folder", "bytes");
    row.slipway = Side::of(slipway.disk_bytes() as f64 / points);
    row.one = Some(Side::of((mlflow.disk_bytes() - empty_bytes) as f64 / points));
    row.reach("8 bytes", row.slipway.value() < BYTES_A_POINT);
    bench.report.add(row);

    page_through(bench, servers, &runs)?;
    for points in [320, 2500] {
        let requests: Vec<Request> = runs.iter().map(|runs| bulk(&runs.short, points)).collect();
        let name = format!(
            "bulk-interval: {BULK_RUNS} runs x {} points to {}",
            crate::stats::short(sizes.bulk_points as f64),
            crate::stats::short(f64::from(points))
        );
        let mut row = compare(bench, servers, Row::cost(name, "ms"), &requests)?;
        row.reach_ratio(20.0);
        bench.report.add(row);
    }
    curve(bench, servers, &runs)
}

fn load_slipway(bench: &mut Bench, server: &Server, long: &[String], short: &[Vec<String>]) -> Result<Runs> {
    let experiment = server.create_experiment("history")?;
    let mut ids = server.create_runs(&experiment, 1 + BULK_RUNS)?;
    let runs = Runs { short: ids.split_off(1), long: ids.pop().context("no run was created")? };
    let mut row = Row::rate("load: one metric, 1,000 points a call, 1 client", "points/s");
    let outcome = send_all(server, std::slice::from_ref(&runs.long), &log_batches(long), 10 * STALLED)?;
    ensure!(outcome.refused == 0, "Slipway refused points: {:?}", outcome.refusal);
    row.slipway.add(|outcome| 1000.0 * outcome.calls_per_s(), outcome);
    bench.report.add(row);
    for (run, bodies) in runs.short.iter().zip(short) {
        let outcome = send_all(server, std::slice::from_ref(run), &log_batches(bodies), STALLED)?;
        ensure!(outcome.refused == 0, "Slipway refused points: {:?}", outcome.refusal);
    }
    Ok(runs)
}

fn fill(bench: &Bench, server: &Server, long: &[String], short: &[Vec<String>]) -> Result<Runs> {
    let experiment = server.create_experiment("history")?;
    let runs =
        Runs { long: made_up_run_id(0), short: (1..=short.len() as u64).map(made_up_run_id).collect() };
    let all =
        std::iter::once((&runs.long, long)).chain(runs.short.iter().zip(short.iter().map(Vec::as_slice)));
    fill_mlflow(&bench.programs, &server.database(), |lines| {
        for (number, (run_id, bodies)) in all.enumerate() {
            let mut run: Value = serde_json::from_str(&create_run(&experiment, number))?;
            run["run_id"] = json!(run_id);
            run["status"] = json!("FINISHED");
            run["end_time"] = json!(EPOCH_MS + 600_000);
            writeln!(lines, "{run}")?;
            for rest in bodies {
                writeln!(lines, r#"{{"run_id":"{run_id}",{rest}"#)?;
            }
        }
        Ok(())
    })?;
    Ok(runs)
}

/// The whole history by its pages.
fn page_through(bench: &mut Bench, servers: &[Server; 2], runs: &[Runs; 2]) -> Result<()> {
    let points = bench.sizes.history_points;
    let pages = points.div_ceil(PAGE);
    let read = |server: &Server, run_id: &str, limit: Duration| {
        together(server, 1, limit, |_, caller| {
            let first = format!(
                "/api/2.0/mlflow/metrics/get-history?run_id={run_id}&run_uuid={run_id}&metric_key=loss&max_results={PAGE}"
            );
            let (mut target, mut count) = (first.clone(), 0);
            loop {
                let request = Request::get(&target);
                caller.timed(|connection| connection.call(&request, ""))?;
                count += 1;
                let token = page_token_in(caller.connection.body())?;
                ensure!(
                    token.is_some() == (count < pages),
                    "the history did not end with page {pages}, but was at {count}"
                );
                match token.filter(|_| caller.may_go_on()) {
                    Some(token) => target = format!("{first}&page_token={}", in_query(&token)),
                    None => return Ok(()),
                }
            }
        })
    };
    // A mean page times all pages, so that the slow one need not read all.
    let value = |outcome: &Outcome| {
        let mean_s =
            outcome.latencies.iter().sum::<Duration>().as_secs_f64() / outcome.latencies.len() as f64;
        mean_s * 1000.0 * pages as f64
    };
    let mut read_of_mlflow = 0;
    let mut row =
        Row::cost(format!("get-history of {} points, all {pages} pages", short(points as f64)), "ms");
    let mut one = Side::default();
    for round in 0..bench.sizes.rounds {
        row.slipway.add(value, turn(servers, 0, |server| read(server, &runs[0].long, STALLED))?);
        // The slow one has one turn.
        if round == 0 {
            let outcome = turn(servers, 1, |server| read(server, &runs[1].long, SLOW_TURN))?;
            read_of_mlflow = outcome.latencies.len();
            one.add(value, outcome);
        }
    }
    row.one = Some(one);
    row.reach_ratio(20.0);
    bench.report.add(row);
    if read_of_mlflow < pages {
        bench.report.note(format!(
            "MLflow read its first {read_of_mlflow} pages of {pages} in its turn; its time is their mean times {pages}."
        ));
    }
    Ok(())
}

fn bulk(run_ids: &[String], points: u32) -> Request {
    let ids: Vec<String> = run_ids.iter().map(|id| format!("run_ids={id}")).collect();
    Request::get(&format!(
        "/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval?{}&metric_key=loss&max_results={points}",
        ids.join("&")
    ))
}

/// One request of each server, in turns.
fn compare(bench: &Bench, servers: &[Server; 2], mut row: Row, requests: &[Request]) -> Result<Row> {
    let value = |outcome: &Outcome| crate::stats::percentile(&outcome.latencies, 50.0).as_secs_f64() * 1000.0;
    let mut one = Side::default();
    repeat(&servers[0], &requests[0], 1, STALLED)?;
    let first = repeat(&servers[1], &requests[1], 1, STALLED)?;
    let once = first.wall > ONCE_WILL_DO;
    if once {
        one.add(value, first);
    }
    for round in 0..bench.sizes.rounds {
        let limit = Duration::from_secs(3);
        row.slipway.add(value, turn(servers, 0, |server| repeat(server, &requests[0], 10, limit))?);
        // The slow one has two turns.
        if round < 2 && !once {
            let limit = Duration::from_secs(2);
            one.add(value, turn(servers, 1, |server| repeat(server, &requests[1], 2, limit))?);
        }
    }
    row.one = Some(one);
    Ok(row)
}

/// What a chart of the long history asks for: of Slipway a point a pixel column and more, of MLflow the most that
/// it gives for a chart.
fn curve(bench: &mut Bench, servers: &[Server; 2], runs: &[Runs; 2]) -> Result<()> {
    let body = json!({"series": [{"run_id": runs[0].long, "metric": "loss"}], "width_px": 1000});
    let headers =
        format!("Content-Type: application/json\r\nAuthorization: Bearer {}\r\n", servers[0].token());
    let requests = [
        Request::new("POST", "/api/slipway/v1/series", &headers, body.to_string().as_bytes()),
        bulk(std::slice::from_ref(&runs[1].long), 2500),
    ];
    let name = format!("chart of {} points, 1,000 px wide", short(bench.sizes.history_points as f64));
    let mut row = compare(bench, servers, Row::cost(name, "ms"), &requests)?;
    row.reach("< 15 ms", row.slipway.p50() < CURVE_LIMIT && row.slipway.p50() > Duration::ZERO);
    bench.report.add(row);
    bench.report.note(
        "The chart: Slipway keeps first, smallest, largest and last point of every pixel column; MLflow gives 2,500 \
         points, the most it gives, evenly picked.",
    );
    Ok(())
}
