//! Deleting for ever: which rows go, which stay, and what a crash between two slices leaves.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "a test says what went wrong by panicking"
)]

use slipway_store::*;
use std::path::Path;

fn open(dir: &Path) -> Store {
    Store::open(dir, Box::new(|_| {})).unwrap()
}

fn write(store: &Store, change: Change) -> Applied {
    store.write_blocking(change).unwrap()
}

fn experiment(store: &Store, name: &str) -> i64 {
    let change =
        Change::CreateExperiment { name: name.into(), artifact_location: None, tags: vec![], at_ms: 1 };
    match write(store, change) {
        Applied::ExperimentId(id) => id,
        other => panic!("{other:?}"),
    }
}

/// A run with something in every table that belongs to runs.
fn run(store: &Store, experiment_id: i64, run_id: &str) {
    write(
        store,
        Change::CreateRun(Box::new(NewRun {
            run_id: run_id.into(),
            experiment_id,
            name: run_id.into(),
            user: "me".into(),
            status: RunStatus::Running,
            start_ms: Some(1),
            tags: vec![KeyValue::new("t", run_id)],
        })),
    );
    let point = |step| LoggedMetric {
        key: "m".into(),
        point: Point { step, time_ms: step, value: step as f64 },
        model_id: None,
        dataset_name: None,
        dataset_digest: None,
    };
    write(
        store,
        Change::Log(Box::new(LogBatch {
            run_id: run_id.into(),
            metrics: (0..100).map(point).collect(),
            params: vec![KeyValue::new("p", run_id), KeyValue::new(format!("only-{run_id}"), "1")],
            tags: vec![],
        })),
    );
    let dataset = |name: &str| DatasetInput {
        dataset: Dataset {
            name: name.into(),
            digest: "d".into(),
            source_type: "local".into(),
            source: "x".into(),
            schema: None,
            profile: None,
        },
        tags: vec![KeyValue::new("context", "train")],
    };
    write(
        store,
        Change::LogInputs {
            run_id: run_id.into(),
            datasets: vec![dataset("shared"), dataset(run_id)],
            model_ids: vec!["m-x".into()],
        },
    );
    write(
        store,
        Change::LogOutputs {
            run_id: run_id.into(),
            models: vec![ModelOutput { model_id: "m-y".into(), step: 1 }],
        },
    );
}

fn model(store: &Store, experiment_id: i64, model_id: &str) {
    write(
        store,
        Change::CreateLoggedModel(Box::new(NewLoggedModel {
            model_id: model_id.into(),
            experiment_id,
            name: "model".into(),
            model_type: None,
            source_run_id: None,
            params: vec![KeyValue::new("k", "v")],
            tags: vec![KeyValue::new("k", "v")],
            at_ms: 1,
        })),
    );
}

fn delete(store: &Store, run_ids: &[&str], at_ms: i64) {
    let run_ids = run_ids.iter().map(|id| (*id).to_owned()).collect();
    write(store, Change::DeleteRuns { run_ids, at_ms });
}

fn purge_all(store: &Store, selection: PurgeSelection) {
    write(store, Change::Purge(selection));
    while write(store, Change::PurgeSlice { limit: 3 }) != Applied::Changed(0) {}
}

fn runs(ids: &[&str]) -> PurgeSelection {
    PurgeSelection { run_ids: ids.iter().map(|id| (*id).to_owned()).collect(), ..PurgeSelection::default() }
}

fn everything(deleted_until_ms: Option<i64>) -> PurgeSelection {
    PurgeSelection { everything: true, deleted_until_ms, ..PurgeSelection::default() }
}

fn owners(store: &Store) -> Vec<String> {
    let folders = store.read(|reader| reader.doomed(0, 1000)).unwrap();
    folders.into_iter().map(|folder| folder.owner).collect()
}

/// Rows of every table but those of names and of the schema itself.
fn table_sizes(dir: &Path) -> Vec<(String, i64)> {
    let db = rusqlite::Connection::open(dir.join("slipway.db")).unwrap();
    let names: Vec<String> = db
        .prepare(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name",
        )
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    names
        .into_iter()
        .filter(|name| !matches!(name.as_str(), "names" | "doomed" | "purged_experiment"))
        .map(|name| {
            let count = db.query_row(&format!("SELECT count(*) FROM {name}"), [], |row| row.get(0)).unwrap();
            (name, count)
        })
        .collect()
}

#[test]
fn a_purged_run_leaves_no_row_behind() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let id = experiment(&store, "e");
    run(&store, id, "stays");
    let before = table_sizes(dir.path());
    for name in ["a", "b", "c", "d", "e"] {
        run(&store, id, name);
    }
    let found = |filter: &str| -> Vec<String> {
        let search = Search { filter: filter.into(), limit: 10, ..Search::default() };
        let page = store.read(|reader| reader.search_runs(&[id], &search)).unwrap();
        page.items.into_iter().map(|run| run.info.run_id).collect()
    };
    assert_eq!(found("params.p = 'a'"), ["a"]);
    delete(&store, &["a", "b", "c", "d", "e"], 5);
    purge_all(&store, runs(&["a", "b", "c", "d", "e"]));
    assert_eq!(table_sizes(dir.path()), before);
    assert_eq!(owners(&store), ["a", "b", "c", "d", "e"]);
    let columns = store.read(|reader| reader.run_columns(&[id], View::All)).unwrap();
    let has = |key: &str| columns.iter().any(|column| column.key == key);
    assert!(has("only-stays") && !has("only-a"));
    // The id can be used again, and what is searched is what is there, not what has been.
    assert_eq!(found("params.p = 'a'"), [""; 0]);
    run(&store, id, "a");
    assert_eq!(found("params.p = 'a'"), ["a"]);
    assert_eq!(found("params.p = 'b'"), [""; 0]);
    assert_eq!(store.read(|reader| reader.series("a", "m")).unwrap().len(), 100);
    assert_eq!(store.read(|reader| reader.series("stays", "m")).unwrap().len(), 100);
}

#[test]
fn a_purged_experiment_takes_all_that_is_in_it_and_frees_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let before = table_sizes(dir.path());
    let id = experiment(&store, "e");
    write(&store, Change::SetExperimentTag { id, tag: KeyValue::new("a", "b"), at_ms: 1 });
    for name in ["a", "b", "c", "d", "e"] {
        run(&store, id, name);
        model(&store, id, &format!("m-{name}"));
    }
    write(&store, Change::DeleteExperiment { id, at_ms: 5 });
    let selection = PurgeSelection { experiment_ids: vec![id], ..PurgeSelection::default() };
    let planned = store.read(|reader| reader.purge_folders(&selection)).unwrap();
    assert_eq!(planned.len(), 11);
    purge_all(&store, selection);
    assert_eq!(table_sizes(dir.path()), before);
    assert_eq!(owners(&store).len(), 11);
    assert!(experiment(&store, "e") > id, "its number is not given again");
}

#[test]
fn only_what_is_in_the_trash_can_be_purged() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let id = experiment(&store, "e");
    run(&store, id, "active");
    run(&store, id, "young");
    run(&store, id, "old");
    model(&store, id, "m-1");
    delete(&store, &["old"], 100);
    delete(&store, &["young"], 200);
    let refuse =
        |selection: PurgeSelection| store.write_blocking(Change::Purge(selection)).unwrap_err().to_string();
    assert!(refuse(runs(&["old", "active"])).contains("active is not in the trash"));
    assert!(refuse(runs(&["old", "unknown"])).contains("unknown not found"));
    assert!(
        refuse(PurgeSelection { deleted_until_ms: Some(150), ..runs(&["young"]) }).contains("for as long")
    );
    assert!(
        refuse(PurgeSelection { experiment_ids: vec![id], ..PurgeSelection::default() })
            .contains("not in the trash")
    );
    assert!(
        refuse(PurgeSelection { model_ids: vec!["m-1".into()], ..PurgeSelection::default() })
            .contains("not in the trash")
    );
    // Nothing of a refused wish is left.
    assert_eq!(write(&store, Change::PurgeSlice { limit: 10 }), Applied::Changed(0));
    purge_all(&store, everything(Some(150)));
    assert_eq!(owners(&store), ["old"]);
    write(&store, Change::DeleteLoggedModel { model_id: "m-1".into(), at_ms: 300 });
    purge_all(&store, everything(None));
    assert_eq!(owners(&store), ["old", "young", "m-1"]);
    assert!(store.read(|reader| reader.run_info("active")).is_ok());
    assert_eq!(store.read(|reader| reader.trash_counts()).unwrap(), TrashCounts::default());
}

#[test]
fn a_crash_between_slices_is_continued_and_what_was_restored_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let id = experiment(&store, "e");
    for name in ["a", "b", "c", "d"] {
        run(&store, id, name);
    }
    delete(&store, &["a", "b", "c", "d"], 5);
    write(&store, Change::Purge(everything(None)));
    assert_eq!(write(&store, Change::PurgeSlice { limit: 1 }), Applied::Changed(1));
    // What is on its way out is not listed any more.
    assert_eq!(store.read(|reader| reader.trash(0, 10)).unwrap().items, []);
    store.close();
    drop(store);
    let store = open(dir.path());
    assert!(store.read(|reader| reader.purge_unfinished()).unwrap());
    write(&store, Change::RestoreRuns { run_ids: vec!["c".into()] });
    while write(&store, Change::PurgeSlice { limit: 2 }) != Applied::Changed(0) {}
    assert_eq!(owners(&store), ["a", "b", "d"]);
    assert_eq!(store.read(|reader| reader.run_info("c")).unwrap().lifecycle, Lifecycle::Active);
    let ids = store.read(|reader| reader.doomed(0, 10)).unwrap().iter().map(|folder| folder.id).collect();
    assert_eq!(write(&store, Change::StrikeDoomed { ids }), Applied::Changed(3));
    assert!(!store.read(|reader| reader.purge_unfinished()).unwrap());
}

#[test]
fn the_trash_lists_what_was_deleted_last_first_and_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (one, two) = (experiment(&store, "one"), experiment(&store, "two"));
    run(&store, one, "a");
    run(&store, two, "b");
    model(&store, one, "m-1");
    model(&store, two, "m-2");
    write(&store, Change::DeleteLoggedModel { model_id: "m-1".into(), at_ms: 10 });
    write(&store, Change::DeleteLoggedModel { model_id: "m-2".into(), at_ms: 11 });
    delete(&store, &["a"], 20);
    write(&store, Change::DeleteExperiment { id: two, at_ms: 30 });
    let page = store.read(|reader| reader.trash(0, 10)).unwrap();
    let listed: Vec<_> = page
        .items
        .iter()
        .map(|item| (item.kind, item.id.as_str(), item.deleted_ms, item.run_count))
        .collect();
    let two_id = two.to_string();
    assert_eq!(
        listed,
        [
            (TrashKind::Experiment, two_id.as_str(), Some(30), 1),
            (TrashKind::Run, "a", Some(20), 0),
            (TrashKind::LoggedModel, "m-1", Some(10), 0),
        ]
    );
    let page = store.read(|reader| reader.trash(1, 1)).unwrap();
    assert!(page.more && page.items[0].id == "a");
    assert_eq!(
        store.read(|reader| reader.trash_counts()).unwrap(),
        TrashCounts { experiments: 1, runs: 1, logged_models: 1 }
    );
    write(&store, Change::RestoreLoggedModel { model_id: "m-1".into(), at_ms: 40 });
    assert!(store.read(|reader| reader.logged_model("m-1")).is_ok());
    // An experiment in the trash takes its models along.
    let refused = store.write_blocking(Change::RestoreLoggedModel { model_id: "m-2".into(), at_ms: 40 });
    assert!(refused.unwrap_err().to_string().contains("active"));
}
