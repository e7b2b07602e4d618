//! Databases of older programs: everything in them survives every upgrade, and an upgrade that is cut off at any
//! statement leaves a database that the next start upgrades as if nothing had happened.
//!
//! `fixtures/schema_v1.sql` is what the program of schema version 1 had written. `schema_v3.sql` is the same after the
//! program of version 3 had upgraded it and logged more, and so on with those of versions 4 and 6. They are never edited,
//! and what is expected of them here holds for every later version.

mod cut_off;

use crate::model::{KeyValue, Lifecycle, ModelStatus, Point, RunStatus, Stage, View};
use crate::{LoggedModelSearch, Reader, Run, Search, Store};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

const VERSION_1: &str = include_str!("../../fixtures/schema_v1.sql");
const VERSION_3: &str = include_str!("../../fixtures/schema_v3.sql");
const VERSION_4: &str = include_str!("../../fixtures/schema_v4.sql");
const VERSION_6: &str = include_str!("../../fixtures/schema_v6.sql");
/// All that version 6 added were the tables of jobs, which are empty there.
const FROM_6_TO_5: &str =
    "DROP TABLE job_attempts; DROP TABLE jobs; DROP TABLE queue; PRAGMA user_version = 5;";

/// Databases of all versions that programs have written.
fn all_versions() -> Vec<Files> {
    let version_5 = format!("{VERSION_6}{FROM_6_TO_5}");
    [VERSION_1, VERSION_3, VERSION_4, &version_5, VERSION_6].map(written).to_vec()
}

/// The files of a database by the end of their names: what is on disk at one moment.
type Files = BTreeMap<String, Vec<u8>>;

/// The database of an older program, as it lay on disk after that program ended.
fn written(sql: &str) -> Files {
    let dir = tempfile::tempdir().unwrap();
    let connection = Connection::open(dir.path().join("slipway.db")).unwrap();
    connection.execute_batch("PRAGMA journal_mode = WAL;").unwrap();
    connection.execute_batch(sql).unwrap();
    connection.close().unwrap();
    files(dir.path())
}

fn files(dir: &Path) -> Files {
    std::fs::read_dir(dir)
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            // The shared memory beside the log is made anew by whoever comes after a crash.
            let ending = name.strip_prefix("slipway.db").filter(|ending| *ending != "-shm")?;
            Some((ending.to_owned(), std::fs::read(dir.join(&name)).unwrap()))
        })
        .collect()
}

fn put(files: &Files) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (ending, bytes) in files {
        std::fs::write(dir.path().join(format!("slipway.db{ending}")), bytes).unwrap();
    }
    dir
}

fn open(dir: &Path) -> Store {
    Store::open(dir, Box::new(|_| {})).unwrap()
}

fn all(filter: &str) -> Search {
    Search { filter: filter.to_owned(), view: View::All, limit: 1_000, ..Search::default() }
}

fn runs(reader: &Reader<'_>) -> Vec<Run> {
    reader.search_runs(&[0, 1, 2, 3], &all("")).unwrap().items
}

/// All that can be asked of the store, in words: two stores that answer the same hold the same.
fn everything(dir: &Path) -> String {
    let store = open(dir);
    let text = store
        .read(|reader| {
            let mut out = String::new();
            for experiment in reader.search_experiments(&all(""))?.items {
                writeln!(out, "{experiment:?}").unwrap();
            }
            for run in runs(reader) {
                writeln!(out, "{run:?}").unwrap();
                for metric in &run.metrics {
                    let key = &metric.key;
                    writeln!(out, "{key} {:?}", reader.series(&run.info.run_id, key)?).unwrap();
                    writeln!(out, "{:?}", reader.metric_history(&run.info.run_id, key, 0, None)?).unwrap();
                }
            }
            let models = LoggedModelSearch {
                experiment_ids: vec![0, 1, 2, 3],
                limit: 100,
                ..LoggedModelSearch::default()
            };
            writeln!(out, "{:?}", reader.search_logged_models(&models)?).unwrap();
            writeln!(out, "{:?}", reader.search_registered_models(&all(""))?).unwrap();
            writeln!(out, "{:?}", reader.search_model_versions(&all(""))?).unwrap();
            writeln!(out, "{:?}", reader.run_columns(&[1], View::All)?).unwrap();
            Ok(out)
        })
        .unwrap();
    store.close();
    text
}

fn values(pairs: &[KeyValue]) -> BTreeMap<&str, &str> {
    pairs.iter().map(|pair| (pair.key.as_str(), pair.value.as_str())).collect()
}

#[test]
fn what_the_first_version_stored_is_there_bit_for_bit() {
    for old in all_versions() {
        has_what_version_1_stored(put(&old).path());
    }
}

#[test]
fn what_the_fourth_version_had_in_tails_is_there() {
    for sql in [VERSION_4, VERSION_6] {
        let dir = put(&written(sql));
        let store = open(dir.path());
        for tidied in [false, true] {
            if tidied {
                store.tidy_up();
            }
            store
                .read(|reader| {
                    let child = runs(reader).into_iter().find(|run| run.info.name == "child").unwrap();
                    for key in 0..3 {
                        let line = (0..6).map(|step| Point {
                            step,
                            time_ms: 1_700_000_000_000 + step * 10,
                            value: key as f64 + step as f64 / 4.0,
                        });
                        let late = Point { step: -3, time_ms: 1_700_000_000_000, value: -1.5 };
                        let expected: Vec<Point> =
                            (key == 0).then_some(late).into_iter().chain(line).collect();
                        assert_eq!(reader.series(&child.info.run_id, &format!("u/{key}"))?, expected);
                    }
                    assert!(reader.series(&child.info.run_id, "u/nan")?[0].value.is_nan());
                    Ok(())
                })
                .unwrap();
        }
        store.close();
    }
}

#[test]
fn what_the_fifth_and_sixth_version_knew_of_models_is_there() {
    for sql in [format!("{VERSION_6}{FROM_6_TO_5}"), VERSION_6.to_owned()] {
        let dir = put(&written(&sql));
        let store = open(dir.path());
        store
            .read(|reader| {
                let ship = reader.registered_model("Ship")?;
                assert_eq!(ship.aliases, [("challenger".to_owned(), 3), ("champion".to_owned(), 2)]);
                let rules = reader.model_rules("Ship")?;
                assert_eq!((rules.len(), &rules[0].check), (1, &crate::Check::Note));
                let query = crate::HistoryQuery {
                    name: Some("Ship".to_owned()),
                    limit: 100,
                    ..crate::HistoryQuery::default()
                };
                let history = reader.model_history(&query)?.items;
                let told: Vec<_> = history
                    .iter()
                    .map(|entry| (entry.kind, entry.action, entry.was.as_deref(), entry.became.as_deref()))
                    .collect();
                use crate::{Action, HistoryKind};
                assert_eq!(
                    told[..4],
                    [
                        (HistoryKind::VersionTagSet, Action::Edit, None, Some("twice")),
                        (HistoryKind::AliasMoved, Action::Promotion, None, Some("3")),
                        (HistoryKind::AliasMoved, Action::Rollback, Some("3"), Some("2")),
                        (HistoryKind::AliasMoved, Action::Promotion, Some("2"), Some("3")),
                    ]
                );
                assert_eq!(history[2].note.as_deref(), Some("back to port"));
                let webhooks = reader.webhooks(0, 10)?.items;
                assert_eq!(webhooks.len(), 1);
                assert_eq!(webhooks[0].secret.as_deref(), Some("tell nobody"));
                let deliveries = reader.deliveries(&webhooks[0].id, None, 10)?.items;
                assert_eq!(deliveries.len(), 3, "each move of an alias was written down");
                assert!(deliveries.iter().all(|it| it.state == crate::DeliveryState::Waiting));
                Ok(())
            })
            .unwrap();
        store.close();
    }
}

#[test]
fn what_the_third_version_had_in_tails_is_there_and_is_compacted() {
    let dir = put(&written(VERSION_3));
    let store = open(dir.path());
    let line = |steps: &mut dyn Iterator<Item = i64>, value: fn(i64) -> f64| -> Vec<Point> {
        steps.map(|step| Point { step, time_ms: 1_700_000_000_000 + step * 10, value: value(step) }).collect()
    };
    let expected = [
        ("t/0", line(&mut (0..24), |step| step as f64 * 0.25)),
        ("t/1", line(&mut (0..24), |step| step as f64 * 0.25 + 1.0)),
        ("t/2", line(&mut (0..24), |step| step as f64 * 0.25 + 2.0)),
        ("t/long", line(&mut (0..100), |step| step as f64 * 0.1)),
        ("t/chunks", line(&mut [90, 95].into_iter().chain(100..402), |step| step as f64 / 8.0)),
        ("t/late", line(&mut [3, 5].into_iter(), |step| if step == 3 { 2.5 } else { 1.5 })),
    ];
    let check = || {
        store
            .read(|reader| {
                let child = runs(reader).into_iter().find(|run| run.info.name == "child").unwrap();
                for (key, points) in &expected {
                    assert_eq!(reader.series(&child.info.run_id, key)?, *points, "{key}");
                }
                Ok(child.info.run_id)
            })
            .unwrap()
    };
    let run_id = check();
    store.tidy_up();
    check();
    // Sent again, as after a lost answer.
    let metrics = expected.iter().flat_map(|(key, points)| {
        points.iter().map(|point| crate::LoggedMetric {
            key: (*key).to_owned(),
            point: *point,
            model_id: None,
            dataset_name: None,
            dataset_digest: None,
        })
    });
    let batch = crate::LogBatch { run_id, metrics: metrics.collect(), ..crate::LogBatch::default() };
    store.write_blocking(crate::Change::Log(Box::new(batch))).unwrap();
    check();
    store.close();
}

fn has_what_version_1_stored(dir: &Path) {
    let store = open(dir);
    store
        .read(|reader| {
            let experiments = reader.search_experiments(&all(""))?.items;
            let mut names: Vec<_> =
                experiments.iter().map(|it| (it.id, it.name.as_str(), it.lifecycle)).collect();
            names.sort_unstable_by_key(|it| it.0);
            let expected = [
                (0, "Default", Lifecycle::Active),
                (1, "first", Lifecycle::Active),
                (2, "elsewhere", Lifecycle::Active),
                (3, "gone", Lifecycle::Deleted),
            ];
            assert_eq!(names, expected);
            let first = reader.experiment(1)?;
            let tags = values(&first.tags);
            assert_eq!((tags["team"], tags["mlflow.note.content"]), ("vision", "Größe ≥ 3 🚢"));
            assert_eq!(reader.experiment(2)?.artifact_location, "file:///data/elsewhere");

            let runs = runs(reader);
            assert_eq!(runs.len(), 5);
            let named = |name: &str| runs.iter().find(|run| run.info.name == name).unwrap();

            let curve = named("curve");
            assert_eq!(curve.info.status, RunStatus::Finished);
            assert_eq!(curve.info.start_ms, Some(1_700_000_000_000));
            assert_eq!(curve.info.end_ms, Some(1_700_000_900_000));
            assert_eq!(curve.info.user, "ada");
            let id = curve.info.run_id.as_str();
            let points: Vec<Point> = (0..400)
                .map(|i: i32| Point {
                    step: i64::from(i),
                    time_ms: 1_700_000_000_000 + i64::from(i) * 1_000,
                    value: 1.0 / (f64::from(i) + 1.0),
                })
                .collect();
            assert_eq!(reader.series(id, "loss")?, points);
            assert_eq!(reader.metric_history(id, "loss", 0, None)?.items, points);
            let loss = curve.metrics.iter().find(|metric| metric.key == "loss").unwrap();
            assert_eq!((loss.points, loss.first, loss.last), (400, points[0], points[399]));
            assert_eq!(loss.min.map(|min| (min.value, min.step)), Some((1.0 / 400.0, 399)));
            let params = values(&curve.params);
            assert_eq!((params["lr"], params["optimizer"], params["note"]), ("0.001", "adam", "naïve ⚓"));
            assert_eq!(params["long"], "x".repeat(6_000));
            assert_eq!(values(&curve.tags)["stage"], "β");
            let input = &curve.datasets[0];
            assert_eq!((input.dataset.name.as_str(), input.dataset.digest.as_str()), ("train", "abc123"));
            assert_eq!(input.dataset.profile.as_deref(), Some("{\"rows\": 3}"));
            assert_eq!(values(&input.tags)["mlflow.data.context"], "training");

            let odd = named("odd numbers");
            assert_eq!(odd.info.status, RunStatus::Failed);
            let at = |step, time_ms, value| Point { step, time_ms, value };
            let expected = [
                at(i64::MIN, 0, 4.0),
                at(0, 999, 0.2),
                at(0, 1_000, 0.1),
                at(1, 1_000, -f64::MAX),
                at(2, 1_000, f64::MAX),
                at(3, 1_000, 5e-324),
                at(4, 1_000, -0.0),
                at(5, 1_000, f64::NEG_INFINITY),
                at(6, 1_000, f64::INFINITY),
                at(7, 1_000, f64::NAN),
                at(i64::MAX, i64::MAX, 3.0),
            ];
            assert_eq!(reader.series(&odd.info.run_id, "odd")?, expected);
            let summary = odd.metrics.iter().find(|metric| metric.key == "odd").unwrap();
            assert_eq!((summary.points, summary.first_non_finite_step), (11, Some(5)));
            assert_eq!(summary.max.map(|max| (max.value, max.step)), Some((f64::MAX, 2)));
            let only_nan = odd.metrics.iter().find(|metric| metric.key == "only nan").unwrap();
            assert!(only_nan.last.value.is_nan() && only_nan.min.is_none());

            let child = named("child");
            assert_eq!(child.info.parent_run_id.as_deref(), Some(id));
            assert_eq!(child.info.status, RunStatus::Running);
            for i in 0..20 {
                let expected = [at(i, i, i as f64 * 0.5)];
                assert_eq!(reader.series(&child.info.run_id, &format!("m/{i}"))?, expected);
            }
            assert_eq!(named("deleted run").info.lifecycle, Lifecycle::Deleted);
            assert_eq!(named("run of a deleted experiment").info.lifecycle, Lifecycle::Deleted);

            let model_id = curve.model_outputs[0].model_id.as_str();
            assert_eq!(curve.model_outputs[0].step, 5);
            assert_eq!(odd.model_inputs, [model_id]);
            let model = reader.logged_model(model_id)?;
            assert_eq!((model.name.as_str(), model.status), ("net", ModelStatus::Ready));
            assert_eq!((values(&model.params)["depth"], values(&model.tags)["kind"]), ("3", "tree"));
            let metric = &model.metrics[0];
            assert_eq!((metric.key.as_str(), metric.point), ("auc", at(3, 7, 0.75)));
            assert_eq!(metric.dataset_digest.as_deref(), Some("abc123"));
            assert_eq!(metric.run_id, odd.info.run_id);
            assert_eq!(model.registrations, [("Ship".to_owned(), 1)]);

            let ship = reader.registered_model("Ship")?;
            assert_eq!(ship.description.as_deref(), Some("a *ship*"));
            assert_eq!(values(&ship.tags)["owner"], "ada");
            assert!(ship.aliases.contains(&("champion".to_owned(), 2)));
            for (version, stage) in [(1, Stage::Archived), (2, Stage::Production), (3, Stage::None)] {
                let found = reader.model_version("Ship", version)?;
                assert_eq!(found.stage, stage);
                assert_eq!(found.description, Some(format!("version {version}")));
                assert_eq!(values(&found.tags)["n"], (version - 1).to_string());
            }
            assert_eq!(reader.model_version("Ship", 1)?.run_id.as_deref(), Some(id));
            assert_eq!(values(&reader.model_version("Ship", 3)?.tags)["checked"], "yes");
            assert!(reader.model_version("Ship", 4).is_err(), "it was deleted");
            assert!(reader.registered_model("Empty").is_ok());

            // What is derived from the rest, and searched by.
            let found = |filter: &str| -> Vec<String> {
                let items = reader.search_runs(&[1], &all(filter)).unwrap().items;
                items.into_iter().map(|run| run.info.name).collect()
            };
            assert_eq!(found("params.lr = '0.001'"), ["curve"]);
            assert_eq!(found("metrics.loss > 1"), ["deleted run"]);
            assert_eq!(found("tags.stage = 'β'"), ["curve"]);
            assert_eq!(found("metrics.`m/7` = 3.5"), ["child"]);
            Ok(())
        })
        .unwrap();
    // Numbers of versions are not used again.
    let published =
        store.write_blocking(crate::Change::CreateModelVersion(Box::new(crate::NewModelVersion {
            name: "Ship".to_owned(),
            source: "s3://bucket/next".to_owned(),
            storage_location: "s3://bucket/next".to_owned(),
            run_id: None,
            run_link: None,
            model_id: None,
            description: None,
            user: None,
            tags: Vec::new(),
            at_ms: 1,
            once: false,
        })));
    assert_eq!(published.unwrap(), crate::Applied::Version(5));
    store.close();
}
