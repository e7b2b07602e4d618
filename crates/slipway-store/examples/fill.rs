//! Fills a data folder with many runs, then times what the runs table asks for.
//!
//! `cargo run --release -p slipway-store --example fill -- DIR RUNS PARAMS METRICS`
#![allow(clippy::unwrap_used, missing_docs, reason = "a measurement, not a product")]

use slipway_store::*;
use std::time::Instant;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let dir = std::path::PathBuf::from(arguments.next().unwrap());
    let mut number = |default| arguments.next().map_or(default, |text| text.parse::<i64>().unwrap());
    let (runs, params, metrics) = (number(100_000), number(10), number(10));
    std::fs::create_dir_all(&dir).unwrap();
    let store = Store::open(&dir, Box::new(|_| {})).unwrap();
    let there = store.read(|reader| reader.experiment_overviews(View::Active)).unwrap()[0].run_count;
    let started = Instant::now();
    let fill = |run: i64| {
        let run_id = format!("{run:032x}");
        let create = Change::CreateRun(Box::new(NewRun {
            run_id: run_id.clone(),
            experiment_id: 0,
            name: format!("run-{run}"),
            user: "bench".into(),
            status: RunStatus::Finished,
            start_ms: Some(run),
            tags: vec![],
        }));
        store.write_blocking(create).unwrap();
        let value =
            |key: i64| (run.wrapping_mul(2_654_435_761).wrapping_add(key * 97) % 10_007) as f64 / 10_007.0;
        let batch = Change::Log(Box::new(LogBatch {
            run_id,
            metrics: (0..metrics)
                .map(|key| LoggedMetric {
                    key: format!("metric_{key}"),
                    point: Point { step: 0, time_ms: run, value: value(key) },
                    model_id: None,
                    dataset_name: None,
                    dataset_digest: None,
                })
                .collect(),
            params: (0..params)
                .map(|key| KeyValue::new(format!("param_{key}"), value(key).to_string()))
                .collect(),
            tags: vec![],
        }));
        store.write_blocking(batch).unwrap();
    };
    // Many callers at once, so that they share commits.
    std::thread::scope(|scope| {
        for worker in 0..32 {
            let fill = &fill;
            scope.spawn(move || {
                let mut run = i64::try_from(there).unwrap() + worker;
                while run < runs {
                    fill(run);
                    run += 32;
                }
            });
        }
    });
    println!("filled in {:.1} s", started.elapsed().as_secs_f64());

    let metric = |key: &str| ColumnRef { kind: ColumnKind::Metric, key: key.into(), reduce: Reduce::Last };
    let columns: Vec<_> = (0..20).map(|key| metric(&format!("metric_{key}"))).collect();
    let base = TableQuery { columns, limit: 100, ..TableQuery::default() };
    let sort = |descending| vec![SortKey { column: metric("metric_1"), descending }];
    let queries = [
        ("first page", base.clone()),
        ("page at 90,000", TableQuery { offset: 90_000, ..base.clone() }),
        ("sorted by a metric", TableQuery { order_by: sort(true), ..base.clone() }),
        ("filtered by a metric", TableQuery { filter: "metrics.metric_1 < 0.01".into(), ..base.clone() }),
        (
            "filtered by two",
            TableQuery { filter: "metrics.metric_1 < 0.5 and params.param_3 > 0.5".into(), ..base.clone() },
        ),
        ("quick search", TableQuery { search: "run-777".into(), ..base.clone() }),
        ("roots", TableQuery { shape: TableShape::Roots, ..base }),
    ];
    for (name, query) in queries {
        let mut took: Vec<_> = (0..5)
            .map(|_| {
                let started = Instant::now();
                store.read(|reader| reader.run_table(&query)).unwrap();
                started.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        took.sort_by(f64::total_cmp);
        println!("{name}: {:.1} ms", took[2]);
    }
    let started = Instant::now();
    let keys = store.read(|reader| reader.run_columns(&[], View::Active)).unwrap().len();
    println!("{keys} columns: {:.1} ms", started.elapsed().as_secs_f64() * 1e3);
    store.close();
}
