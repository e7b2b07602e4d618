//! Logs realistic loss curves and prints what that costs: time a batch, CPU of the writer, bytes a point, memory, and
//! how long charts and histories take to read.
//!
//! `cargo run --release -p slipway-store --example histories -- DIR [POINTS]`
//!
//! DIR must be new, and on the disk that is to be measured.
#![allow(clippy::unwrap_used, missing_docs, reason = "a measurement, not a product")]

use rand::{RngExt, SeedableRng, rngs::StdRng};
use slipway_store::series::Window;
use slipway_store::*;
use std::path::Path;
use std::time::{Duration, Instant};

const KEYS: usize = 10;
const STEPS: i64 = 100;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let dir = std::path::PathBuf::from(arguments.next().unwrap());
    let points: i64 = arguments.next().map_or(10_000_000, |text| text.parse().unwrap());
    std::fs::create_dir_all(&dir).unwrap();
    let store = Store::open(&dir, Box::new(|_| {})).unwrap();
    let mut random = StdRng::seed_from_u64(7);

    println!("fdatasync of 16 KiB appended: {:.0} us", sync_us(&dir));
    create(&store, "single");
    let took = timed(2000, |at| {
        store.write_blocking(Change::Log(Box::new(batch("single", &["loss"], at, 1, &mut random)))).unwrap();
    });
    println!("1 point a call, 1 caller: {took}");
    for callers in [8, 64] {
        let per_caller = 20_000 / callers;
        for caller in 0..callers {
            create(&store, &format!("caller-{callers}-{caller}"));
        }
        let took = timed(1, |_| {
            std::thread::scope(|scope| {
                for caller in 0..callers {
                    let store = &store;
                    scope.spawn(move || {
                        let mut random = StdRng::seed_from_u64(caller as u64);
                        let run = format!("caller-{callers}-{caller}");
                        for at in 0..per_caller {
                            let batch = batch(&run, &["loss"], at, 1, &mut random);
                            store.write_blocking(Change::Log(Box::new(batch))).unwrap();
                        }
                    });
                }
            });
        });
        let calls = (callers * per_caller) as f64;
        println!("1 point a call, {callers} callers: {}", took.per(calls));
    }

    let keys: Vec<String> = (0..KEYS).map(|key| format!("metric/{key}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    create(&store, "quiet");
    let batches: Vec<_> = (0..300)
        .map(|at| Change::Log(Box::new(batch("quiet", &keys, at * STEPS, STEPS, &mut random))))
        .collect();
    let mut batches = batches.into_iter();
    let took = timed(300, |_| {
        store.write_blocking(batches.next().unwrap()).unwrap();
    });
    println!("1,000 points a call, 1 caller: {took}");

    // The long ingestion: ten metrics of ten runs.
    let size = KEYS as i64 * STEPS;
    let batches = points / size;
    let runs: Vec<String> = (0..10).map(|run| format!("long-{run}")).collect();
    runs.iter().for_each(|run| create(&store, run));
    let mut made = Duration::ZERO;
    let mut next = vec![0; runs.len()];
    let mut took = timed(1, |_| {
        for at in 0..batches {
            let run = (at % runs.len() as i64) as usize;
            let started = Instant::now();
            let batch = batch(&runs[run], &keys, next[run], STEPS, &mut random);
            made += started.elapsed();
            next[run] += STEPS;
            store.write_blocking(Change::Log(Box::new(batch))).unwrap();
        }
    });
    took.wall -= made.as_micros() as f64;
    println!(
        "{points} points: {}; {:.2} million points/s, memory {} MB, file {} MB",
        took.per(batches as f64),
        points as f64 / took.wall,
        memory_mb(),
        file_mb(store.path())
    );
    let started = Instant::now();
    store.tidy_up();
    println!(
        "the rest is compacted after {:.1} s, memory {} MB",
        started.elapsed().as_secs_f64(),
        memory_mb()
    );

    create(&store, "chart");
    for at in 0..100 {
        let batch = batch("chart", &["loss"], at * 10_000, 10_000, &mut random);
        store.write_blocking(Change::Log(Box::new(batch))).unwrap();
    }
    store.tidy_up();
    for (axis, name) in [(Axis::Step, "step"), (Axis::Time, "time")] {
        for width_px in [320, 1000, 2500] {
            let query = CurveQuery { axis, window: Window { width_px, ..Window::default() } };
            let took = best_ms(|| drop(store.read(|reader| reader.curve("chart", "loss", &query)).unwrap()));
            println!("1M points by {name} at {width_px} px: {took:.1} ms");
        }
    }
    let took = best_ms(|| drop(store.read(|reader| reader.series("chart", "loss")).unwrap()));
    println!("1M points, all: {took:.1} ms");
    let took = best_ms(|| {
        for page in 0..40 {
            let page =
                store.read(|reader| reader.metric_history("chart", "loss", page * 25_000, Some(25_000)));
            assert_eq!(page.unwrap().items.len(), 25_000);
        }
    });
    println!("1M points in 40 pages by time: {took:.1} ms");
    println!("memory {} MB", memory_mb());
    let all = store.read(|reader| {
        let mut all = 0;
        for run in runs.iter().map(String::as_str).chain(["quiet", "chart", "single"]) {
            all += reader.run(run)?.metrics.iter().map(|metric| metric.points).sum::<u64>();
        }
        Ok(all + 40_000)
    });
    let path = store.path().to_owned();
    store.close();
    let bytes = std::fs::metadata(path).unwrap().len();
    println!("{:.2} bytes a point on disk", bytes as f64 / all.unwrap() as f64);
}

fn create(store: &Store, run_id: &str) {
    let run = NewRun {
        run_id: run_id.into(),
        experiment_id: 0,
        name: run_id.into(),
        user: "bench".into(),
        status: RunStatus::Running,
        start_ms: Some(1_700_000_000_000),
        tags: vec![],
    };
    store.write_blocking(Change::CreateRun(Box::new(run))).unwrap();
}

/// Losses of 32 bits, sent as 64; a step about each 120 ms, the metrics of a step one after the other.
fn batch(run_id: &str, keys: &[&str], from: i64, steps: i64, random: &mut StdRng) -> LogBatch {
    let mut metrics = Vec::with_capacity(keys.len() * steps as usize);
    for step in from..from + steps {
        let time_ms = 1_700_000_000_000 + step * 120 + random.random_range(0..12);
        for key in keys {
            let trend = 0.3 + 2.5 * (-(step as f64) / 150_000.0).exp();
            let noise: f64 = (0..4).map(|_| random.random_range(-1.0..1.0)).sum::<f64>() * 0.05;
            let value = f64::from((trend * (1.0 + noise)) as f32);
            metrics.push(LoggedMetric {
                key: (*key).into(),
                point: Point { step, time_ms, value },
                model_id: None,
                dataset_name: None,
                dataset_digest: None,
            });
        }
    }
    LogBatch { run_id: run_id.into(), metrics, ..LogBatch::default() }
}

/// What a call took, in microseconds.
struct Took {
    wall: f64,
    /// CPU of the writer, and of the background thread.
    writer: f64,
    upkeep: f64,
}

fn timed(calls: i64, mut call: impl FnMut(i64)) -> Took {
    let started = Instant::now();
    let before = ["store-writer", "store-upkeep"].map(cpu_us);
    (0..calls).for_each(&mut call);
    let wall = started.elapsed().as_micros() as f64 / calls as f64;
    let after = ["store-writer", "store-upkeep"].map(cpu_us);
    let of = |at: usize| (after[at] - before[at]) / calls as f64;
    Took { wall, writer: of(0), upkeep: of(1) }
}

impl std::fmt::Display for Took {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { wall, writer, upkeep } = self;
        write!(f, "{wall:.0} us wall, {writer:.0} us CPU of the writer, {upkeep:.0} us of the background")
    }
}

impl Took {
    fn per(&self, count: f64) -> Self {
        Self { wall: self.wall / count, writer: self.writer / count, upkeep: self.upkeep / count }
    }
}

fn best_ms(mut call: impl FnMut()) -> f64 {
    let mut once = || {
        let started = Instant::now();
        call();
        started.elapsed().as_secs_f64() * 1e3
    };
    (0..7).map(|_| once()).fold(f64::INFINITY, f64::min)
}

fn sync_us(dir: &Path) -> f64 {
    use std::io::Write;
    let mut file = std::fs::File::create(dir.join("sync")).unwrap();
    let took = timed(200, |_| {
        file.write_all(&[7; 16 << 10]).unwrap();
        file.sync_data().unwrap();
    });
    std::fs::remove_file(dir.join("sync")).unwrap();
    took.wall
}

/// CPU time of the thread with this name.
fn cpu_us(name: &str) -> f64 {
    let threads = std::fs::read_dir("/proc/self/task").unwrap().map(|entry| entry.unwrap().path());
    let ns: u64 = threads
        .filter(|thread| std::fs::read_to_string(thread.join("comm")).is_ok_and(|comm| comm.trim() == name))
        .map(|thread| {
            let stat = std::fs::read_to_string(thread.join("schedstat")).unwrap();
            stat.split_whitespace().next().unwrap().parse::<u64>().unwrap()
        })
        .sum();
    ns as f64 / 1e3
}

fn memory_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

fn file_mb(path: &Path) -> u64 {
    std::fs::metadata(path).unwrap().len() >> 20
}
