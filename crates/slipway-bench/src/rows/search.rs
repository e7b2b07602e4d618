//! Finding runs among many: filters, orders, pages.

use super::{Bench, fill_mlflow, made_up_run_id, page_token_in, run_id_in, turn};
use crate::bodies::{CREATE_RUN, EPOCH_MS, LOG_BATCH, SmallRun, UPDATE_RUN, create_run, end_run};
use crate::http::{Request, ran_out_of_time};
use crate::load::{Outcome, repeat, together};
use crate::report::{Row, Side};
use crate::server::{Kind, Programs, Server};
use crate::stats::{mb, ms, percentile, short};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const PATH: &str = "/api/2.0/mlflow/runs/search";
const LOADERS: usize = 16;
/// Slipway repeats a query so often in each round, since its times are short and so vary more.
const REPEATS: usize = 20;
/// MLflow is asked for so many pages of all runs, the first ones.
const PAGES_OF_MLFLOW: usize = 4;
const PAGE: usize = 1000;
/// How long MLflow has for a search.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long Slipway has until something is wrong.
const STALLED: Duration = Duration::from_secs(60);
/// A search of MLflow that takes longer is not repeated.
const ONCE_WILL_DO: Duration = Duration::from_secs(2);
const P50_LIMIT: Duration = Duration::from_millis(20);

/// What is asked: words for the table, filter, order, how many results.
const QUERIES: [(&str, &str, &str, usize); 9] = [
    ("newest 100", "", "", 100),
    ("metric filter, 10% match, 100", "metrics.m00 > 0.9", "", 100),
    ("metric filter, 10% match, 1,000", "metrics.m00 > 0.9", "", 1000),
    ("metric filter, 0.1% match, 100", "metrics.m00 > 0.999", "", 100),
    ("param filter, 10% match, 100", "params.p00 = 'v3'", "", 100),
    ("param filter, 0.1% match, 100", "params.p01 = 'v33'", "", 100),
    ("order by metric, 100", "", "metrics.m01 DESC", 100),
    ("order by metric, 1,000", "", "metrics.m01 DESC", 1000),
    ("two filters, order by metric, 100", "metrics.m00 > 0.5 and params.p00 = 'v3'", "metrics.m01 ASC", 100),
];

pub(super) fn search(bench: &mut Bench, servers: &mut [Server; 2]) -> Result<()> {
    let mut experiments = Vec::new();
    for server in &*servers {
        experiments.push(server.create_experiment("search")?);
    }
    let mut have = 0;
    for size in bench.sizes.search_runs {
        grow(bench, servers, &experiments, have..size)?;
        have = size;
        for (what, filter, order, count) in QUERIES {
            query(bench, servers, &experiments, size, (what, filter, order, count))?;
        }
        page_through(bench, servers, &experiments, size)?;
    }
    Ok(())
}

/// Makes both servers hold the same further runs.
fn grow(bench: &mut Bench, servers: &[Server; 2], experiments: &[String], runs: Range<usize>) -> Result<()> {
    let [slipway, mlflow] = servers;
    let (first, total) = (runs.start, runs.end);
    let loaded = load_slipway(slipway, &experiments[0], runs.clone())?;
    let mut row =
        Row::rate(format!("load: runs {first} to {total}, 3 calls each, {LOADERS} clients"), "runs/s");
    row.slipway.add(Outcome::calls_per_s, loaded);
    bench.report.add(row);
    let began = Instant::now();
    let settled = slipway.wait_until_idle(Duration::from_secs(8), Duration::from_secs(120));
    let settled_s = began.elapsed().as_secs_f64();
    let began = Instant::now();
    fill(&bench.programs, mlflow, &experiments[1], runs)?;
    bench.report.note(format!(
        "Runs {first} to {total}: Slipway was {} {} s after it had taken them in; MLflow's database was filled directly, \
         in {} s. Folders then: Slipway {} MB, MLflow {} MB.",
        if settled { "idle" } else { "**still busy**" },
        short(settled_s),
        short(began.elapsed().as_secs_f64()),
        mb(slipway.disk_bytes()),
        mb(mlflow.disk_bytes())
    ));
    Ok(())
}

fn load_slipway(server: &Server, experiment: &str, runs: Range<usize>) -> Result<Outcome> {
    let next = AtomicUsize::new(runs.start);
    together(server, LOADERS, Duration::from_secs(600), |_, caller| {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= runs.end {
                return Ok(());
            }
            let create = Request::post(CREATE_RUN, create_run(experiment, number).as_bytes());
            let batch = Request::about_run(LOG_BATCH, &SmallRun::new(number, 0).batch(number));
            let end = Request::about_run(UPDATE_RUN, &end_run(number));
            caller.timed(|connection| {
                connection.call(&create, "")?;
                let run_id = run_id_in(connection.body()).context("no run_id in the answer")?.to_owned();
                let status = connection.call(&batch, &run_id)?;
                if status == 200 { connection.call(&end, &run_id) } else { Ok(status) }
            })?;
        }
    })
}

fn fill(programs: &Programs, server: &Server, experiment: &str, runs: Range<usize>) -> Result<()> {
    fill_mlflow(programs, &server.database(), |lines| {
        for number in runs {
            let run_id = made_up_run_id(number as u64);
            let mut run: Value = serde_json::from_str(&create_run(experiment, number))?;
            run["run_id"] = json!(run_id);
            run["status"] = json!("FINISHED");
            run["end_time"] = json!(EPOCH_MS + 1000 * number as i64 + 600_000);
            writeln!(lines, "{run}")?;
            writeln!(lines, r#"{{"run_id":"{run_id}",{}"#, SmallRun::new(number, 0).batch(number))?;
        }
        Ok(())
    })
}

fn body(experiment: &str, filter: &str, order: &str, count: usize, token: Option<&str>) -> Vec<u8> {
    let mut body = json!({
        "experiment_ids": [experiment], "filter": filter, "run_view_type": "ACTIVE_ONLY", "max_results": count
    });
    if !order.is_empty() {
        body["order_by"] = json!([order]);
    }
    if let Some(token) = token {
        body["page_token"] = json!(token);
    }
    body.to_string().into_bytes()
}

fn query(
    bench: &mut Bench,
    servers: &mut [Server; 2],
    experiments: &[String],
    size: usize,
    (what, filter, order, count): (&str, &str, &str, usize),
) -> Result<()> {
    let [ours, theirs] =
        [0, 1].map(|at| Request::post(PATH, &body(&experiments[at], filter, order, count, None)));
    let mut row = Row::cost(format!("search {} runs: {what}", short(size as f64)), "ms");
    let mut one = Side::default();
    // First calls are not measured, but compared; MLflow's is, when it takes so long that once has to do.
    let Answer { runs: found, took } =
        ask_once(&servers[0], &ours, STALLED)?.context("Slipway does not answer")?;
    if filter.is_empty() && order.is_empty() {
        bench.report.note(format!(
            "Slipway's very first search among {} runs took {} ms.",
            short(size as f64),
            ms(took)
        ));
    }
    let first = ask_once(&servers[1], &theirs, PATIENCE)?;
    let expected = first.as_ref().map(|answer| answer.runs.clone());
    let once = match first {
        None => {
            bench.report.note(format!(
                "MLflow did not answer {what} among {} runs within {} s, which is what the row counts.",
                short(size as f64),
                PATIENCE.as_secs()
            ));
            one = Side::more_than(PATIENCE.as_secs_f64() * 1000.0);
            servers[1].restart(&bench.programs)?;
            true
        }
        Some(answer) if answer.took > ONCE_WILL_DO => {
            one = Side::of(answer.took.as_secs_f64() * 1000.0);
            true
        }
        Some(_) => false,
    };
    let value = |outcome: &Outcome| percentile(&outcome.latencies, 50.0).as_secs_f64() * 1000.0;
    for _ in 0..bench.sizes.rounds.max(2) {
        let limit = Duration::from_secs(3);
        row.slipway.add(value, turn(servers, 0, |server| repeat(server, &ours, REPEATS, limit))?);
        if !once {
            let limit = Duration::from_secs(1);
            one.add(value, turn(servers, 1, |server| repeat(server, &theirs, 2, limit))?);
        }
    }
    row.one = Some(one);
    row.reach_ratio(100.0);
    if count <= 100 {
        row.reach("p50 < 20 ms", row.slipway.p50() < P50_LIMIT);
    }
    bench.report.add(row);
    if let Some(expected) = expected.filter(|expected| *expected != found) {
        bench.report.note(format!(
            "**Different answers** to {what} among {size}: Slipway {} runs, MLflow {}; the first that differ: {:?}.",
            found.len(),
            expected.len(),
            found.iter().zip(&expected).find(|(ours, theirs)| ours != theirs)
        ));
    }
    Ok(())
}

/// What a search found, by name, and how long it took.
struct Answer {
    runs: Vec<String>,
    took: Duration,
}

/// One call; nothing when there is no answer in time.
fn ask_once(server: &Server, request: &Request, patience: Duration) -> Result<Option<Answer>> {
    let mut connection = server.connect()?;
    connection.set_patience(patience)?;
    let began = Instant::now();
    match connection.call(request, "") {
        Ok(200) => {}
        Ok(status) => bail!("a search answered {status}: {}", String::from_utf8_lossy(connection.body())),
        Err(error) if ran_out_of_time(&error) => return Ok(None),
        Err(error) => return Err(error),
    }
    let took = began.elapsed();
    Ok(Some(Answer { runs: run_names(connection.body())?, took }))
}

fn run_names(body: &[u8]) -> Result<Vec<String>> {
    let answer: Value = serde_json::from_slice(body).context("the answer to a search is not JSON")?;
    let runs = answer["runs"].as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(runs.iter().filter_map(|run| run["info"]["run_name"].as_str().map(str::to_owned)).collect())
}

fn page_through(bench: &mut Bench, servers: &[Server; 2], experiments: &[String], size: usize) -> Result<()> {
    let pages = size.div_ceil(PAGE);
    let mut row = Row::cost(
        format!("search {} runs: all in {pages} pages of {}", short(size as f64), short(PAGE as f64)),
        "ms",
    );
    let mut one = Side::default();
    let value = |outcome: &Outcome| {
        // A mean page times all pages: of Slipway's, all are measured.
        let mean_s =
            outcome.latencies.iter().sum::<Duration>().as_secs_f64() / outcome.latencies.len() as f64;
        mean_s * 1000.0 * pages as f64
    };
    for round in 0..bench.sizes.rounds {
        row.slipway.add(value, turn(servers, 0, |server| pages_of(server, &experiments[0], pages))?);
        if round == 0 {
            one.add(
                value,
                turn(servers, 1, |server| pages_of(server, &experiments[1], pages.min(PAGES_OF_MLFLOW)))?,
            );
        }
    }
    row.one = Some(one);
    row.reach_ratio(100.0);
    bench.report.add(row);
    if pages > PAGES_OF_MLFLOW {
        bench.report.note(format!(
            "Paging through {} runs: MLflow's time is its first {PAGES_OF_MLFLOW} pages times {}, Slipway's is of all.",
            short(size as f64),
            short(pages as f64 / PAGES_OF_MLFLOW as f64)
        ));
    }
    Ok(())
}

/// Follows the tokens from the first page on, for at most so many pages.
fn pages_of(server: &Server, experiment: &str, pages: usize) -> Result<Outcome> {
    together(server, 1, Duration::from_secs(120), |_, caller| {
        let mut token = None;
        for page in 0..pages {
            if page > 0 && token.is_none() {
                bail!("there are only {page} pages, not {pages}");
            }
            let request = Request::post(PATH, &body(experiment, "", "", PAGE, token.as_deref()));
            caller.timed(|connection| connection.call(&request, ""))?;
            token = page_token_in(caller.connection.body())?;
        }
        ensure!(server.kind != Kind::Slipway || token.is_none(), "there are more than {pages} pages");
        Ok(())
    })
}
