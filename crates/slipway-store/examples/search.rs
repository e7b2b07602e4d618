//! Fills a data folder with many runs, then times searches and the runs table.
//!
//! `cargo run --release -p slipway-store --example search -- DIR RUNS PARAMS METRICS`
//!
//! A folder that is there already is only filled up to RUNS. Figures are medians in milliseconds, with the first
//! call (which may have to read columns) beside them.
#![allow(clippy::unwrap_used, missing_docs, reason = "a measurement, not a product")]

use slipway_store::*;
use std::time::Instant;

const TIMES: usize = 15;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let dir = std::path::PathBuf::from(arguments.next().unwrap());
    let mut number = |default| arguments.next().map_or(default, |text| text.parse::<i64>().unwrap());
    let (runs, params, metrics) = (number(100_000), number(20), number(20));
    std::fs::create_dir_all(&dir).unwrap();
    let store = Store::open(&dir, Box::new(|_| {})).unwrap();
    let there = store.read(|reader| reader.experiment_overviews(View::Active)).unwrap()[0].run_count;
    fill(&store, i64::try_from(there).unwrap()..runs, params, metrics);
    search_times(&store);
    table_times(&store);
    write_times(&store, params, metrics);
    store.close();
}

/// Numbers that look random and are the same in every run of this program.
fn value(run: i64, key: i64) -> f64 {
    let mixed = (run * 64 + key).wrapping_mul(0x9E37_79B9_7F4A_7C15_u64.cast_signed());
    ((mixed ^ (mixed >> 29)).wrapping_mul(0x1656_67B1_9E37_79F9) & 0xF_FFFF) as f64 / 1_048_576.0
}

fn small_run(store: &Store, run: i64, params: i64, metrics: i64) {
    let run_id = format!("{run:032x}");
    let create = Change::CreateRun(Box::new(NewRun {
        run_id: run_id.clone(),
        experiment_id: 0,
        name: format!("run-{run}"),
        user: "bench".into(),
        status: RunStatus::Running,
        start_ms: Some(run),
        tags: vec![KeyValue::new("team", format!("team-{}", run % 7))],
    }));
    store.write_blocking(create).unwrap();
    let metric = |key| LoggedMetric {
        key: format!("metric_{key}"),
        point: Point { step: 0, time_ms: run, value: value(run, key) },
        model_id: None,
        dataset_name: None,
        dataset_digest: None,
    };
    let param = |key| {
        let text = match key % 4 {
            0 => format!("{:.4}", value(run, 100 + key)),
            1 => format!("{}", (value(run, 100 + key) * 8.0) as i64),
            _ => format!("choice-{}", (value(run, 100 + key) * 20.0) as i64),
        };
        KeyValue::new(format!("param_{key}"), text)
    };
    let batch = LogBatch {
        run_id: run_id.clone(),
        metrics: (0..metrics).map(metric).collect(),
        params: (0..params).map(param).collect(),
        tags: vec![],
    };
    store.write_blocking(Change::Log(Box::new(batch))).unwrap();
    let (status, end_ms) = (Some(RunStatus::Finished), Some(run + 1000));
    store.write_blocking(Change::UpdateRun { run_id, status, end_ms, name: None }).unwrap();
}

fn fill(store: &Store, runs: std::ops::Range<i64>, params: i64, metrics: i64) {
    let started = Instant::now();
    // Many callers at once, so that they share commits.
    std::thread::scope(|scope| {
        for worker in 0..32 {
            let runs = runs.clone();
            scope.spawn(move || {
                let mut run = runs.start + worker;
                while run < runs.end {
                    small_run(store, run, params, metrics);
                    run += 32;
                }
            });
        }
    });
    println!("filled in {:.1} s", started.elapsed().as_secs_f64());
}

/// Milliseconds that this thread was executing: on a busy machine the clock on the wall shows others' work too.
fn cpu_ms() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).map_or(f64::NAN, |ns| ns / 1e6)
}

fn time(name: &str, mut what: impl FnMut() -> usize) {
    let (mut took, mut worked) = (Vec::new(), Vec::new());
    let mut results = 0;
    for _ in 0..TIMES {
        let (started, cpu) = (Instant::now(), cpu_ms());
        results = what();
        took.push(started.elapsed().as_secs_f64() * 1e3);
        worked.push(cpu_ms() - cpu);
    }
    let first = took[0];
    took.sort_by(f64::total_cmp);
    worked.sort_by(f64::total_cmp);
    let (wall, cpu) = (took[TIMES / 2], worked[TIMES / 2]);
    println!("{name:<58} {wall:>8.2} ms  cpu {cpu:>8.2} ms  first {first:>8.1} ms  {results} rows");
}

fn search_times(store: &Store) {
    let search = |filter: &str, order: &str, limit, offset| Search {
        filter: filter.into(),
        order_by: if order.is_empty() { vec![] } else { vec![order.into()] },
        limit,
        offset,
        ..Search::default()
    };
    let run = |search: &Search| store.read(|reader| reader.search_runs(&[0], search)).unwrap().items.len();
    let both = "metrics.metric_2 < 0.5 and params.param_3 = 'choice-7'";
    for (filter, order) in [
        ("", ""),
        ("metrics.metric_1 < 0.001", ""),
        ("metrics.metric_1 < 0.5", ""),
        ("params.param_2 = 'choice-7'", ""),
        ("params.param_0 > 0.999", ""),
        (both, ""),
        ("", "metrics.metric_5 ASC"),
        ("", "metrics.metric_5 DESC"),
        (both, "metrics.metric_6 DESC"),
        ("metrics.metric_2 < 0.5 or not tags.team = 'team-3'", "params.param_0 ASC"),
        ("params.param_2 LIKE '%ice-1%' and status = 'FINISHED'", "start_time ASC"),
    ] {
        let search = search(filter, order, 100, 0);
        time(&format!("search 100: {filter} {order}"), || run(&search));
    }
    let search_1000 = search("metrics.metric_1 < 0.5", "metrics.metric_5 ASC", 1000, 0);
    time("search 1000: metrics.metric_1 < 0.5, by metric_5", || run(&search_1000));
    let deep = search("", "metrics.metric_5 ASC", 100, 90_000);
    time("search 100 at 90,000: by metric_5", || run(&deep));
    let started = Instant::now();
    let (mut offset, mut pages) = (0, 0);
    loop {
        let page = search("", "metrics.metric_5 ASC", 1000, offset);
        let found = store.read(|reader| reader.search_runs(&[0], &page)).unwrap();
        offset += found.items.len() as u64;
        pages += 1;
        if !found.more || pages == 100 {
            break;
        }
    }
    println!("{offset} runs in {pages} pages by metric_5: {:.2} s", started.elapsed().as_secs_f64());
}

fn table_times(store: &Store) {
    let metric = |key: &str| ColumnRef { kind: ColumnKind::Metric, key: key.into(), reduce: Reduce::Last };
    let columns: Vec<_> = (0..20).map(|key| metric(&format!("metric_{key}"))).collect();
    let base = TableQuery { columns, limit: 100, ..TableQuery::default() };
    let order_by = vec![SortKey { column: metric("metric_1"), descending: true }];
    let filter = "metrics.metric_1 < 0.5 and params.param_0 > 0.5".to_owned();
    let queries = [
        ("table: first page", base.clone()),
        ("table: page at 90,000", TableQuery { offset: 90_000, ..base.clone() }),
        ("table: sorted by a metric", TableQuery { order_by: order_by.clone(), ..base.clone() }),
        ("table: filtered by two", TableQuery { filter: filter.clone(), ..base.clone() }),
        ("table: filtered by two, sorted", TableQuery { filter, order_by, ..base.clone() }),
        ("table: quick search", TableQuery { search: "run-777".into(), ..base.clone() }),
        ("table: roots", TableQuery { shape: TableShape::Roots, ..base }),
    ];
    for (name, query) in queries {
        time(name, || store.read(|reader| reader.run_table(&query)).unwrap().rows.len());
    }
}

/// What one caller waits for, and what a search costs while somebody logs.
fn write_times(store: &Store, params: i64, metrics: i64) {
    let median = |mut took: Vec<f64>| {
        took.sort_by(f64::total_cmp);
        took[took.len() / 2]
    };
    let fresh = i64::try_from(store.read(|r| r.experiment_overviews(View::Active)).unwrap()[0].run_count);
    let fresh = fresh.unwrap();
    let mut took = Vec::new();
    for run in fresh..fresh + 200 {
        let started = Instant::now();
        small_run(store, run, params, metrics);
        took.push(started.elapsed().as_secs_f64() * 1e6);
    }
    println!("small run, one caller: {:.0} us", median(took));
    let run_id = format!("{fresh:032x}");
    let log = |step: i64| {
        let point = Point { step, time_ms: step, value: step as f64 };
        let key = "metric_1".to_owned();
        let metrics =
            vec![LoggedMetric { key, point, model_id: None, dataset_name: None, dataset_digest: None }];
        let batch = LogBatch { run_id: run_id.clone(), metrics, params: vec![], tags: vec![] };
        store.write_blocking(Change::Log(Box::new(batch))).unwrap();
    };
    let mut took = Vec::new();
    for step in 1..1000 {
        let started = Instant::now();
        log(step);
        took.push(started.elapsed().as_secs_f64() * 1e6);
    }
    println!("log one metric, one caller: {:.0} us", median(took));
    let search = Search {
        filter: "metrics.metric_1 < 0.5 and params.param_0 > 0.5".into(),
        order_by: vec!["metrics.metric_5 ASC".into()],
        limit: 100,
        ..Search::default()
    };
    let mut step = 1000;
    time("search 100 after each log call", || {
        step += 1;
        log(step);
        store.read(|reader| reader.search_runs(&[0], &search)).unwrap().items.len()
    });
}
