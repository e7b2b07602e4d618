//! Histories through the store, against a plain set of points, while they are compacted again and again.

use super::*;
use crate::series::{Curve, Window, thin};
use crate::{
    Axis, Change, CurveQuery, KeyValue, LogBatch, LoggedMetric, NewRun, Outline, Outlines, RunStatus, Store,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

const RUN: &str = "run";
const START_MS: i64 = 900;

fn open(dir: &Path) -> Store {
    Store::open(dir, Box::new(|_| {})).unwrap()
}

fn open_with_run(dir: &Path, start_ms: Option<i64>) -> Store {
    let store = open(dir);
    let run = NewRun {
        run_id: RUN.into(),
        experiment_id: 0,
        name: "name".into(),
        user: String::new(),
        status: RunStatus::Running,
        start_ms,
        tags: vec![],
    };
    store.write_blocking(Change::CreateRun(Box::new(run))).unwrap();
    store
}

fn log(store: &Store, key: &str, points: &[Point]) {
    log_all(store, &[(key, points)]);
}

/// Logs several metrics in one call.
fn log_all(store: &Store, metrics: &[(&str, &[Point])]) {
    let metric = |key: &str, point: &Point| LoggedMetric {
        key: key.into(),
        point: *point,
        model_id: None,
        dataset_name: None,
        dataset_digest: None,
    };
    let of_key =
        |(key, points): &(&str, &[Point])| points.iter().map(|point| metric(key, point)).collect::<Vec<_>>();
    let metrics = metrics.iter().flat_map(of_key).collect();
    let batch = LogBatch { run_id: RUN.into(), metrics, ..LogBatch::default() };
    store.write_blocking(Change::Log(Box::new(batch))).unwrap();
}

fn series(store: &Store, key: &str) -> Vec<Point> {
    store.read(|reader| reader.series(RUN, key)).unwrap()
}

/// How many blocks and how many chunks there are.
fn stored(store: &Store) -> (i64, i64) {
    let db = Connection::open(store.path()).unwrap();
    let count = |table| db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
    (count("tails"), count("chunks"))
}

fn line(steps: std::ops::Range<i64>) -> Vec<Point> {
    steps.map(|step| Point { step, time_ms: 1000 + step, value: (step as f64).sin() }).collect()
}

/// Something that happens to a history.
#[derive(Debug, Clone)]
enum Event {
    Log(Vec<Point>),
    /// The last batch again, as after a lost answer.
    Resend,
    Compact,
    Reopen,
}

/// Mostly a training that goes on, with all that can go wrong in one.
fn events() -> impl Strategy<Value = Vec<Event>> {
    let value = prop_oneof![
        6 => (-5..5_i8).prop_map(|value| f64::from(value) / 2.0),
        3 => any::<f32>().prop_map(f64::from),
        1 => Just(-0.0),
        1 => Just(f64::INFINITY),
        1 => Just(f64::NEG_INFINITY),
        1 => any::<u64>().prop_map(|bits| f64::from_bits(bits | 0x7ff0_0000_0000_0001)),
    ];
    // How a step and a time follow from those before.
    let ahead = prop_oneof![8 => 1..3_i64, 1 => Just(0), 1 => -40..0_i64];
    let point = (ahead.clone(), ahead, value);
    let log = prop::collection::vec(point, 1..24);
    let event = prop_oneof![
        6 => log.prop_map(Ok),
        1 => Just(Err(Event::Resend)),
        2 => Just(Err(Event::Compact)),
        1 => Just(Err(Event::Reopen)),
    ];
    prop::collection::vec(event, 1..20).prop_map(|events| {
        let (mut step, mut time_ms) = (0, 1000);
        let mut moved = |(steps, times, value): (i64, i64, f64)| {
            (step, time_ms) = (step + steps, time_ms + times);
            Point { step, time_ms, value }
        };
        let mut event = |event: Result<Vec<_>, Event>| match event {
            Ok(points) => Event::Log(points.into_iter().map(&mut moved).collect()),
            Err(event) => event,
        };
        events.into_iter().map(&mut event).collect()
    })
}

/// What every reader must give, worked out the obvious way.
fn check(store: &Store, set: &BTreeMap<Place, Point>, start_ms: Option<i64>) {
    let expected: Vec<Point> = set.values().copied().collect();
    assert_eq!(series(store, "m"), expected);
    store
        .read(|reader| {
            let outlines = Outlines::default();
            let mut pieces = Vec::new();
            reader.each_piece(RUN, "m", |piece| {
                pieces.extend_from_slice(piece);
                Ok(())
            })?;
            assert_eq!(pieces, expected);

            for size in [1, 7, 1000] {
                let mut paged = Vec::new();
                loop {
                    let page = reader.series_after(RUN, "m", paged.last(), size)?;
                    assert!(page.items.len() as u64 <= size);
                    paged.extend(page.items);
                    if !page.more {
                        break;
                    }
                }
                assert_eq!(paged, expected);
            }

            let mut by_time = expected.clone();
            by_time.sort_by_key(|point| (point.time_ms, Place::of(point)));
            assert_eq!(reader.metric_history(RUN, "m", 0, None)?.items, by_time);
            for size in [5, 40] {
                let mut paged = Vec::new();
                loop {
                    let page = reader.metric_history(RUN, "m", paged.len() as u64, Some(size))?;
                    paged.extend(page.items);
                    if !page.more {
                        break;
                    }
                }
                assert_eq!(paged, by_time);
            }
            assert!(reader.metric_history(RUN, "m", u64::MAX, Some(3))?.items.is_empty());

            let run = reader.run(RUN)?;
            let summary = run.metrics.iter().find(|summary| summary.key == "m");
            assert_eq!(summary.map_or(0, |summary| summary.points), expected.len() as u64);

            let first_ms = start_ms.or(expected.iter().map(|point| point.time_ms).min()).unwrap_or(0);
            for axis in [Axis::Step, Axis::Time, Axis::Relative] {
                let x = |point: &Point| match axis {
                    Axis::Step => point.step as f64,
                    Axis::Time => point.time_ms as f64,
                    Axis::Relative => (point.time_ms - first_ms) as f64 / 1000.0,
                };
                let mut points: Vec<_> = expected.iter().map(|point| (x(point), point.value)).collect();
                points.sort_by(|a, b| a.0.total_cmp(&b.0));
                let (xs, ys): (Vec<f64>, Vec<f64>) = points.into_iter().unzip();
                let curve = Curve { x: xs, y: ys };
                let full = reader.full_curve(RUN, "m", axis)?;
                assert_eq!((bits(&full.x), bits(&full.y)), (bits(&curve.x), bits(&curve.y)));
                let at = |part: f64| {
                    let (first, last) =
                        (curve.x.first().copied().unwrap_or(0.0), curve.x.last().copied().unwrap_or(1.0));
                    first + (last - first) * part
                };
                let ranges = [
                    (f64::NEG_INFINITY, f64::INFINITY),
                    (at(0.2), at(0.7)),
                    (at(0.5), at(0.5)),
                    (at(0.9), at(0.1)),
                    (at(1.5), at(2.0)),
                    (at(-2.0), at(-1.0)),
                    (f64::NAN, at(0.5)),
                    (at(0.5), f64::NAN),
                ];
                for (from, to) in ranges {
                    for width_px in [0, 1, 2, 3, 10, 1000] {
                        let window = Window { from, to, width_px, log: width_px % 2 == 1 };
                        let query = CurveQuery { axis, window };
                        let found = reader.curve(RUN, "m", &query)?;
                        let wanted = thin(&curve, window);
                        assert_eq!(
                            (bits(&found.curve.x), bits(&found.curve.y)),
                            (bits(&wanted.curve.x), bits(&wanted.curve.y)),
                            "{query:?}"
                        );
                        assert_eq!(
                            (found.total, found.non_finite, found.y_range, found.x_range),
                            (wanted.total, wanted.non_finite, wanted.y_range, wanted.x_range),
                            "{query:?}"
                        );
                        match reader.outline(RUN, "m", &query, &outlines)? {
                            Outline::Exact(found) => assert_eq!(bits(&found.curve.y), bits(&wanted.curve.y)),
                            Outline::Rough(rough) => {
                                assert!(rough.curve.x.is_sorted() && width_px > 0, "{query:?}");
                                let known: HashSet<_> =
                                    bits(&curve.x).into_iter().zip(bits(&curve.y)).collect();
                                let shown = bits(&rough.curve.x).into_iter().zip(bits(&rough.curve.y));
                                assert!(shown.into_iter().all(|point| known.contains(&point)), "{query:?}");
                                assert_eq!(rough.x_range, wanted.x_range);
                            }
                        }
                    }
                }
            }
            Ok(())
        })
        .unwrap();
}

fn bits(numbers: &[f64]) -> Vec<u64> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_history_is_the_set_of_its_points(events in events(), start in any::<bool>()) {
        let dir = tempfile::tempdir().unwrap();
        let start_ms = start.then_some(START_MS);
        let mut store = open_with_run(dir.path(), start_ms);
        let mut set = BTreeMap::new();
        // Metrics that share log calls with it, with fewer points, and so are compacted at other times.
        let mut beside = BTreeMap::new();
        let mut once = BTreeMap::new();
        let mut last = Vec::new();
        let log_three = |store: &Store, points: &[Point]| {
            let (first, some) = (points.get(..1).unwrap_or_default(), points.get(..3).unwrap_or(points));
            log_all(store, &[("beside", some), ("m", points), ("once", if points.len() == 1 { first } else { &[] })]);
        };
        for event in events {
            match event {
                Event::Log(points) => {
                    let placed = |point: &Point| (Place::of(point), *point);
                    set.extend(points.iter().map(placed));
                    beside.extend(points.iter().take(3).map(placed));
                    once.extend(points.iter().filter(|_| points.len() == 1).map(placed));
                    log_three(&store, &points);
                    last = points;
                }
                Event::Resend => log_three(&store, &last),
                Event::Compact => store.tidy_up(),
                Event::Reopen => {
                    store.close();
                    store = open(dir.path());
                }
            }
        }
        let check_beside = |store: &Store| {
            for (key, set) in [("beside", &beside), ("once", &once)] {
                assert_eq!(series(store, key), set.values().copied().collect::<Vec<_>>(), "{key}");
            }
        };
        check(&store, &set, start_ms);
        check_beside(&store);
        store.tidy_up();
        check(&store, &set, start_ms);
        check_beside(&store);
        prop_assert!(set.len() < compact::WORTH_A_CHUNK || stored(&store).1 > 0, "nothing was compacted");
        store.close();
    }
}

#[test]
fn long_tails_become_chunks_on_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with_run(dir.path(), None);
    let points = line(0..1000);
    for batch in points.chunks(10) {
        log(&store, "m", batch);
    }
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while stored(&store).1 == 0 {
        assert!(std::time::Instant::now() < deadline, "nothing was compacted");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    store.tidy_up();
    let (tails, chunks) = stored(&store);
    assert_eq!(tails, 0);
    assert!((1000 / 32..=1000 / 8).contains(&chunks), "{chunks}");
    store.close();
    // And it is there after the next start.
    let store = open(dir.path());
    assert_eq!(series(&store, "m"), points);
    store.close();
}

/// What came too late for its chunk makes every reader open that chunk: it is put in its place after a restart, too,
/// however short the tail is.
#[test]
fn a_late_point_gets_into_its_chunk_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with_run(dir.path(), None);
    let mut points = line(0..1000);
    log(&store, "m", &points);
    store.tidy_up();
    let chunks = stored(&store).1;
    assert_eq!(stored(&store).0, 0);
    let late = Point { step: 500, time_ms: 7, value: 0.25 };
    log(&store, "m", &[late]);
    store.close();

    let store = open(dir.path());
    assert_eq!(stored(&store).0, 1, "it was not compacted before the end");
    store.tidy_up();
    assert_eq!(stored(&store).0, 0);
    assert!(stored(&store).1.abs_diff(chunks) <= 1);
    points.push(late);
    points.sort_by_key(|point| (point.step, point.time_ms));
    let mut found = series(&store, "m");
    found.sort_by_key(|point| (point.step, point.time_ms));
    assert_eq!(found, points);
    store.close();
}

#[test]
fn readers_see_each_point_once_while_histories_are_compacted() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with_run(dir.path(), None);
    let done = std::sync::atomic::AtomicBool::new(false);
    let written = std::sync::atomic::AtomicI64::new(0);
    use std::sync::atomic::Ordering::SeqCst;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for start in (0..3000).step_by(20) {
                // Every other batch comes before the one it should follow.
                let steps = if start % 40 == 0 { start + 20..start + 40 } else { start - 20..start };
                log(&store, "m", &line(steps));
                if start % 40 != 0 {
                    written.store(start + 20, SeqCst);
                }
            }
            done.store(true, SeqCst);
        });
        scope.spawn(|| {
            while !done.load(SeqCst) {
                store.tidy_up();
            }
        });
        while !done.load(SeqCst) {
            let least = written.load(SeqCst);
            let points = series(&store, "m");
            assert!(points.is_sorted_by(|a, b| Place::of(a) < Place::of(b)), "a point is there twice");
            let expected = line(0..least);
            assert_eq!(&points[..expected.len()], expected, "a point is missing");
        }
    });
    assert_eq!(series(&store, "m"), line(0..3000));
    store.close();
}

#[test]
fn a_damaged_history_is_an_error_that_names_the_metric() {
    for (sql, word) in [
        ("UPDATE chunks SET bits = zeroblob(length(bits))", "checksum"),
        ("UPDATE chunks SET bits = x''", "cut short"),
        ("UPDATE chunks SET steps = substr(steps, 1, 7)", "checksum"),
        ("UPDATE chunks SET points = points + 1", "instead of"),
        ("UPDATE chunks SET points = -1", "cannot be"),
        ("UPDATE chunks SET low_index = 10000", "cannot be"),
        ("UPDATE chunks SET last_step = last_step + 1 WHERE first_step > 0", "begin and end"),
        ("UPDATE tails SET data = x'00'", "too short"),
        ("UPDATE tails SET data = x'07'", "unknown form"),
        ("UPDATE tails SET directory = x'02feffffffffffffffff0118'", "too short"),
        ("UPDATE tails SET directory = x'80'", "too early"),
        ("UPDATE tails SET directory = x'ffffffffffffffffffffff'", "no end"),
        ("UPDATE tails SET data = substr(data, 1, length(data) - 1)", "too early"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let store = open_with_run(dir.path(), None);
        log(&store, "val/loss", &line(0..100));
        store.tidy_up();
        log(&store, "val/loss", &line(100..101));
        store.close();
        Connection::open(dir.path().join("slipway.db")).unwrap().execute_batch(sql).unwrap();
        let store = open(dir.path());
        let error = store.read(|reader| reader.series(RUN, "val/loss")).unwrap_err();
        assert!(matches!(error, Error::Corrupt(_)), "{sql}: {error}");
        let text = error.to_string();
        assert!(text.contains("metric 'val/loss' of run run") && text.contains(word), "{sql}: {text}");
        if sql.contains("directory") {
            // Nobody can tell whose points were in such a row: whoever asks for a metric of the run is told so.
            continue;
        }
        // Others are read, logged and compacted as ever.
        log(&store, "other", &line(0..100));
        store.tidy_up();
        assert_eq!(series(&store, "other"), line(0..100), "{sql}");
        store.close();
    }
}

#[test]
fn what_was_taken_back_is_not_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with_run(dir.path(), None);
    log(&store, "m", &line(0..3));
    let point = Point { step: 3, time_ms: 9, value: 1.0 };
    let metric = |key: &str| LoggedMetric {
        key: key.into(),
        point,
        model_id: None,
        dataset_name: None,
        dataset_digest: None,
    };
    // Two values for one param: the batch fails after its points were put in.
    let batch = LogBatch {
        run_id: RUN.into(),
        metrics: vec![metric("m"), metric("new")],
        params: vec![KeyValue::new("p", "1"), KeyValue::new("p", "2")],
        tags: vec![],
    };
    let failing = Change::Log(Box::new(batch));
    assert!(store.write_blocking(failing).is_err());
    assert_eq!(series(&store, "m"), line(0..3));
    log(&store, "m", &[point]);
    log(&store, "new", &[point]);
    assert_eq!((series(&store, "m").len(), series(&store, "new").len()), (4, 1));
    store.close();
}

#[test]
fn a_run_in_the_trash_is_not_logged_to_from_memory() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with_run(dir.path(), None);
    log(&store, "m", &line(0..3));
    store.write_blocking(Change::DeleteRuns { run_ids: vec![RUN.into()], at_ms: 1 }).unwrap();
    let batch = LogBatch { run_id: RUN.into(), ..LogBatch::default() };
    let said = store.write_blocking(Change::Log(Box::new(batch))).unwrap_err().to_string();
    assert!(said.contains("'active' state"), "{said}");
    store.write_blocking(Change::RestoreRuns { run_ids: vec![RUN.into()] }).unwrap();
    log(&store, "m", &line(0..5));
    assert_eq!(series(&store, "m"), line(0..5));
    store.write_blocking(Change::DeleteExperiment { id: 0, at_ms: 2 }).unwrap();
    let batch = LogBatch { run_id: RUN.into(), ..LogBatch::default() };
    assert!(store.write_blocking(Change::Log(Box::new(batch))).is_err());
    store.close();
}

#[test]
fn ranks_sort_as_floats_do_and_turn_back() {
    let values = [
        -f64::NAN,
        f64::NEG_INFINITY,
        -1.5,
        -0.0,
        0.0,
        f64::MIN_POSITIVE,
        2.0,
        f64::INFINITY,
        f64::NAN,
        f64::from_bits(0x7ff8_dead_beef_0001),
    ];
    assert!(values.map(rank).is_sorted());
    for value in values {
        assert_eq!(unrank(rank(value)).to_bits(), value.to_bits());
    }
}

/// Many metrics with few points each: nothing is worth a chunk, but rows are put together, and no point is lost when
/// some become long enough.
#[test]
fn short_histories_of_a_run_share_few_rows() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with_run(dir.path(), None);
    let keys: Vec<String> = (0..40).map(|key| format!("k{key}")).collect();
    for step in 0..2 {
        for key in &keys {
            log(&store, key, &line(step..step + 1));
        }
    }
    store.tidy_up();
    let (tails, chunks) = stored(&store);
    // What came while the background was looking waits until there is enough of it.
    assert!(tails <= super::compact::WORTH_A_MERGE as i64 && chunks == 0, "{tails} rows and {chunks} chunks");
    let check = |store: &Store, steps: i64| {
        for key in &keys {
            assert_eq!(series(store, key), line(0..steps), "{key}");
        }
    };
    check(&store, 2);
    // One call for all, and again after a lost answer, and after a restart.
    let all: Vec<_> = keys.iter().map(|key| (key.as_str(), line(0..6))).collect();
    let all: Vec<_> = all.iter().map(|(key, points)| (*key, points.as_slice())).collect();
    log_all(&store, &all);
    log_all(&store, &all);
    check(&store, 6);
    store.close();
    let store = open(dir.path());
    log_all(&store, &all);
    check(&store, 6);
    store.tidy_up();
    check(&store, 6);
    assert_eq!(stored(&store), (0, 40));
    log_all(&store, &all);
    check(&store, 6);
    assert_eq!(stored(&store).0, 0, "a point was stored twice");
    store.close();
}

#[test]
fn an_outline_is_kept_until_its_run_is_logged_to() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with_run(dir.path(), None);
    log(&store, "m", &line(0..1000));
    store.tidy_up();
    let outlines = Outlines::default();
    let window = Window { width_px: 100, ..Window::default() };
    let query = CurveQuery { axis: Axis::Step, window };
    let outline = || store.read(|reader| reader.outline(RUN, "m", &query, &outlines)).unwrap();
    let Outline::Rough(first) = outline() else { panic!("a long history has an outline") };
    assert_eq!(first.x_range, Some((0.0, 999.0)));
    assert_eq!(outline(), Outline::Rough(first));
    log(&store, "m", &line(1000..1010));
    let Outline::Rough(later) = outline() else { panic!("a long history has an outline") };
    assert_eq!(later.x_range, Some((0.0, 1009.0)));
}
