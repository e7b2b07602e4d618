//! The store through its public interface: what was written is read back, rules hold, nothing is half there.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "a test says what went wrong by panicking"
)]

use slipway_store::*;
use std::path::Path;
use std::sync::{Arc, Mutex};

struct Fixture {
    store: Store,
    notices: Arc<Mutex<Vec<Notice>>>,
    _dir: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let notices = Arc::new(Mutex::new(Vec::new()));
        let seen = notices.clone();
        let observer = Box::new(move |new: &[Notice]| seen.lock().unwrap().extend_from_slice(new));
        Self { store: Store::open(dir.path(), observer).unwrap(), notices, _dir: dir }
    }

    fn write(&self, change: Change) -> Applied {
        self.store.write_blocking(change).unwrap()
    }

    fn refuse(&self, change: Change) -> String {
        self.store.write_blocking(change).unwrap_err().to_string()
    }

    fn experiment(&self, name: &str) -> i64 {
        match self.write(Change::CreateExperiment {
            name: name.into(),
            artifact_location: None,
            tags: vec![],
            at_ms: 1,
        }) {
            Applied::ExperimentId(id) => id,
            other => panic!("{other:?}"),
        }
    }

    fn run(&self, experiment_id: i64, run_id: &str, start_ms: i64, tags: &[(&str, &str)]) {
        self.write(Change::CreateRun(Box::new(NewRun {
            run_id: run_id.into(),
            experiment_id,
            name: format!("name-{run_id}"),
            user: "me".into(),
            status: RunStatus::Running,
            start_ms: Some(start_ms),
            tags: tags.iter().map(|(key, value)| KeyValue::new(*key, *value)).collect(),
        })));
    }

    fn log(&self, run_id: &str, metrics: &[(&str, i64, i64, f64)], params: &[(&str, &str)]) {
        self.write(batch(run_id, metrics, params));
    }

    fn found(&self, experiment_id: i64, filter: &str) -> Vec<String> {
        let search = Search { filter: filter.into(), limit: 1000, ..Search::default() };
        let page = self.store.read(|reader| reader.search_runs(&[experiment_id], &search)).unwrap();
        page.items.into_iter().map(|run| run.info.run_id).collect()
    }

    fn ordered(&self, experiment_id: i64, order: &str) -> Vec<String> {
        let search = Search { order_by: vec![order.into()], limit: 1000, ..Search::default() };
        let page = self.store.read(|reader| reader.search_runs(&[experiment_id], &search)).unwrap();
        page.items.into_iter().map(|run| run.info.run_id).collect()
    }
}

fn batch(run_id: &str, metrics: &[(&str, i64, i64, f64)], params: &[(&str, &str)]) -> Change {
    Change::Log(Box::new(LogBatch {
        run_id: run_id.into(),
        metrics: metrics
            .iter()
            .map(|&(key, step, time_ms, value)| LoggedMetric {
                key: key.into(),
                point: Point { step, time_ms, value },
                model_id: None,
                dataset_name: None,
                dataset_digest: None,
            })
            .collect(),
        params: params.iter().map(|(key, value)| KeyValue::new(*key, *value)).collect(),
        tags: vec![],
    }))
}

#[test]
fn histories_survive_bit_for_bit() {
    let fixture = Fixture::new();
    fixture.run(0, "r", 1, &[]);
    let odd_nan = f64::from_bits(0x7ff8_dead_beef_0001);
    let points = [
        ("m", 3, 10, 1.5),
        ("m", 1, 20, f64::INFINITY),
        ("m", 1, 20, f64::NEG_INFINITY),
        ("m", -5, 20, odd_nan),
        ("m", 3, 10, -0.0),
    ];
    fixture.log("r", &points, &[]);
    // A client that got no answer sends again: nothing doubles.
    fixture.log("r", &points, &[]);
    let series = fixture.store.read(|reader| reader.series("r", "m")).unwrap();
    let mut expected: Vec<_> = points.iter().map(|p| (p.1, p.2, p.3.to_bits())).collect();
    let mut read: Vec<_> = series.iter().map(|p| (p.step, p.time_ms, p.value.to_bits())).collect();
    assert!(read.is_sorted_by_key(|p| (p.0, p.1)));
    // Page by page it is the same.
    let mut paged = Vec::new();
    loop {
        let page = fixture.store.read(|reader| reader.series_after("r", "m", paged.last(), 2)).unwrap();
        paged.extend(page.items);
        if !page.more {
            break;
        }
    }
    assert_eq!(paged, series);
    expected.sort_unstable();
    read.sort_unstable();
    assert_eq!(read, expected);

    let run = fixture.store.read(|reader| reader.run("r")).unwrap();
    let summary = &run.metrics[0];
    assert_eq!(summary.points, 5);
    assert_eq!((summary.last.step, summary.last.value), (3, 1.5));
    assert_eq!(summary.first.value.to_bits(), odd_nan.to_bits());
    assert_eq!(summary.max, Some(Extreme { value: 1.5, step: 3 }));
    assert_eq!(summary.first_non_finite_step, Some(-5));
}

#[test]
fn the_latest_value_is_that_of_the_largest_step_then_time_then_value() {
    let fixture = Fixture::new();
    fixture.run(0, "r", 1, &[]);
    fixture.log("r", &[("m", 2, 5, 1.0), ("m", 2, 5, 3.0), ("m", 2, 5, 2.0), ("m", 1, 99, 9.0)], &[]);
    let run = fixture.store.read(|reader| reader.run("r")).unwrap();
    assert_eq!(run.metrics[0].last.value, 3.0);
    fixture.log("r", &[("m", 2, 6, 0.5)], &[]);
    let run = fixture.store.read(|reader| reader.run("r")).unwrap();
    assert_eq!(run.metrics[0].last.value, 0.5);
}

#[test]
fn a_batch_that_fails_leaves_nothing_behind() {
    let fixture = Fixture::new();
    fixture.run(0, "r", 1, &[]);
    fixture.log("r", &[], &[("p", "1")]);
    fixture.log("r", &[], &[("p", "1")]);
    let said = fixture.refuse(batch("r", &[("m", 0, 0, 1.0)], &[("fresh", "x"), ("p", "2")]));
    assert_eq!(
        said,
        "Changing param values is not allowed. Param with key='p' was already logged with value='1' for run ID='r'. \
         Attempted logging new value '2'."
    );
    let run = fixture.store.read(|reader| reader.run("r")).unwrap();
    assert_eq!(run.params, [KeyValue::new("p", "1")]);
    assert!(run.metrics.is_empty());
    // The name that the failed batch brought is not remembered wrongly.
    fixture.log("r", &[], &[("fresh", "y")]);
    let run = fixture.store.read(|reader| reader.run("r")).unwrap();
    assert_eq!(run.params, [KeyValue::new("fresh", "y"), KeyValue::new("p", "1")]);
}

#[test]
fn what_is_in_the_trash_takes_no_writes_and_comes_back() {
    let fixture = Fixture::new();
    let id = fixture.experiment("e");
    fixture.run(id, "kept", 1, &[]);
    fixture.run(id, "gone", 2, &[]);
    fixture.write(Change::DeleteRuns { run_ids: vec!["gone".into()], at_ms: 5 });
    assert!(
        fixture.refuse(batch("gone", &[("m", 0, 0, 1.0)], &[])).contains("must be in the 'active' state")
    );
    fixture.write(Change::DeleteExperiment { id, at_ms: 9 });
    assert!(fixture.found(id, "").is_empty());
    let taken = fixture.refuse(Change::CreateExperiment {
        name: "e".into(),
        artifact_location: None,
        tags: vec![],
        at_ms: 1,
    });
    assert!(taken.starts_with("Experiment(name=e) already exists."), "{taken}");
    assert!(taken.contains("trash"), "{taken}");
    fixture.write(Change::RestoreExperiment { id, at_ms: 10 });
    // The run that was deleted on its own stays deleted.
    assert_eq!(fixture.found(id, ""), ["kept"]);
    fixture.write(Change::RestoreRuns { run_ids: vec!["gone".into()] });
    assert_eq!(fixture.found(id, ""), ["gone", "kept"]);
}

#[test]
fn runs_are_found_by_what_they_carry() {
    let fixture = Fixture::new();
    let id = fixture.experiment("e");
    fixture.run(id, "a", 1, &[("team", "red")]);
    fixture.run(id, "b", 2, &[("team", "Blue"), ("my-key", "x")]);
    fixture.run(id, "c", 3, &[]);
    fixture.log("a", &[("loss", 0, 0, 0.5), ("val/loss", 0, 0, 1.0)], &[("lr", "0.01"), ("model", "gbm")]);
    fixture.log("b", &[("loss", 0, 0, f64::NAN)], &[("lr", "1e-3"), ("model", "mlp")]);
    for (filter, expected) in [
        ("metrics.loss < 0.6", "a"),
        ("metrics.loss != 0.4", "b a"),
        ("metrics.loss >= 0.5 and params.model = 'gbm'", "a"),
        ("metrics.`val/loss` = 1", "a"),
        ("metrics.val/loss = 1", "a"),
        ("tags.team = 'red'", "a"),
        ("tags.team != 'red'", "b"),
        ("tag.team ILIKE 'BL%'", "b"),
        ("tag.team LIKE 'bl%'", ""),
        ("tags.`my-key` = 'x'", "b"),
        ("params.model IS NULL", "c"),
        ("params.model IS NOT NULL", "b a"),
        ("run_id IN ('a', 'c')", "c a"),
        ("attributes.run_name = 'name-b'", "b"),
        ("status = 'RUNNING' and start_time > 1", "c b"),
        ("status = 'running'", ""),
        ("params.lr < 0.005", "b"),
        ("params.model = 'gbm' or tags.team = 'Blue'", "b a"),
        ("not (params.model = 'gbm')", "c b"),
        ("end_time IS NULL", "c b a"),
    ] {
        assert_eq!(fixture.found(id, filter).join(" "), expected, "{filter}");
    }
    for filter in [
        "metrics.loss < 'a'",
        "nonsense = 'x'",
        "foo.bar = 'x'",
        "params.model > 'a'",
        "metrics.loss IS NULL",
        "dataset.size = 'x'",
    ] {
        let search = Search { filter: filter.into(), limit: 10, ..Search::default() };
        let error = fixture.store.read(|reader| reader.search_runs(&[id], &search)).unwrap_err();
        assert!(matches!(error, Error::Search(_)), "{filter}: {error}");
    }
}

#[test]
fn orders_put_nan_after_numbers_and_missing_last() {
    let fixture = Fixture::new();
    let id = fixture.experiment("e");
    for (index, run) in ["a", "b", "c", "d"].into_iter().enumerate() {
        fixture.run(id, run, i64::try_from(index).unwrap(), &[]);
    }
    fixture.log("a", &[("m", 0, 0, 2.0)], &[("p", "y")]);
    fixture.log("b", &[("m", 0, 0, f64::NAN)], &[("p", "x")]);
    fixture.log("c", &[("m", 0, 0, 1.0)], &[]);
    assert_eq!(fixture.ordered(id, "metrics.m ASC").join(" "), "c a b d");
    assert_eq!(fixture.ordered(id, "metrics.m DESC").join(" "), "a c b d");
    assert_eq!(fixture.ordered(id, "params.p").join(" "), "b a d c");
    assert_eq!(fixture.ordered(id, "start_time").join(" "), "a b c d");
    assert_eq!(fixture.ordered(id, "attributes.run_id DESC").join(" "), "d c b a");
}

fn table(fixture: &Fixture, query: &TableQuery) -> (Vec<String>, Table) {
    let table = fixture.store.read(|reader| reader.run_table(query)).unwrap();
    let shown = table
        .rows
        .iter()
        .map(|row| format!("{}{}:{}", row.run_id, if row.matches { "" } else { "?" }, row.child_count))
        .collect();
    (shown, table)
}

#[test]
fn the_table_shows_the_tree_and_keeps_ancestors_of_matches() {
    let fixture = Fixture::new();
    let id = fixture.experiment("e");
    fixture.run(id, "parent", 1, &[]);
    fixture.run(id, "child-1", 2, &[(PARENT_RUN_TAG, "parent")]);
    fixture.run(id, "child-2", 3, &[(PARENT_RUN_TAG, "parent")]);
    fixture.run(id, "grandchild", 4, &[(PARENT_RUN_TAG, "child-2")]);
    fixture.run(id, "alone", 5, &[]);
    fixture.run(id, "orphan", 6, &[(PARENT_RUN_TAG, "unknown")]);
    let query = TableQuery { experiment_ids: vec![id], limit: 100, ..TableQuery::default() };
    let (flat, shown) = table(&fixture, &query);
    assert_eq!(flat.len(), 6);
    assert_eq!((shown.total, shown.in_scope, shown.nesting), (6, 6, 2));
    let roots = TableQuery { shape: TableShape::Roots, ..query.clone() };
    assert_eq!(table(&fixture, &roots).0, ["orphan:0", "alone:0", "parent:2"]);
    let children = TableQuery { shape: TableShape::Children("parent".into()), ..query.clone() };
    assert_eq!(table(&fixture, &children).0, ["child-2:1", "child-1:0"]);
    let filtered = TableQuery { filter: "run_id = 'grandchild'".into(), ..roots };
    let (rows, shown) = table(&fixture, &filtered);
    assert_eq!(rows, ["parent?:1"]);
    assert_eq!((shown.total, shown.matching, shown.in_scope), (1, 1, 6));
    let filtered = TableQuery { filter: "run_id = 'grandchild'".into(), ..children };
    assert_eq!(table(&fixture, &filtered).0, ["child-2?:1"]);
    let searched = TableQuery { search: "NAME-al".into(), ..query };
    assert_eq!(table(&fixture, &searched).0, ["alone:0"]);
}

#[test]
fn runs_that_are_nested_in_a_circle_end_no_query_in_a_loop() {
    let fixture = Fixture::new();
    fixture.run(0, "a", 1, &[(PARENT_RUN_TAG, "b")]);
    fixture.run(0, "b", 2, &[(PARENT_RUN_TAG, "a")]);
    fixture.run(0, "self", 3, &[(PARENT_RUN_TAG, "self")]);
    let query = TableQuery { shape: TableShape::Roots, limit: 10, ..TableQuery::default() };
    table(&fixture, &query);
}

#[test]
fn cells_carry_what_was_asked_in_that_order() {
    let fixture = Fixture::new();
    fixture.run(0, "a", 1, &[("mlflow.user", "ann")]);
    fixture.log(
        "a",
        &[("m", 0, 0, 5.0), ("m", 1, 0, 1.0), ("m", 2, 0, 3.0), ("n", 0, 0, f64::NAN)],
        &[("p", "10")],
    );
    fixture.run(0, "b", 2, &[]);
    fixture.log("b", &[], &[("p", "9")]);
    let column = |kind, key: &str, reduce| ColumnRef { kind, key: key.into(), reduce };
    let query = TableQuery {
        columns: vec![
            column(ColumnKind::Metric, "m", Reduce::Last),
            column(ColumnKind::Metric, "m", Reduce::Min),
            column(ColumnKind::Metric, "m", Reduce::Max),
            column(ColumnKind::Metric, "m", Reduce::First),
            column(ColumnKind::Param, "p", Reduce::Last),
            column(ColumnKind::Attribute, "user", Reduce::Last),
            column(ColumnKind::Tag, "absent", Reduce::Last),
        ],
        order_by: vec![SortKey { column: column(ColumnKind::Param, "p", Reduce::Last), descending: true }],
        limit: 10,
        ..TableQuery::default()
    };
    let (order, shown) = table(&fixture, &query);
    // 10 before 9: as numbers, not as texts.
    assert_eq!(order, ["a:0", "b:0"]);
    assert_eq!(
        shown.rows[0].cells,
        [
            TableCell::Number(3.0),
            TableCell::Number(1.0),
            TableCell::Number(5.0),
            TableCell::Number(5.0),
            TableCell::Text("10".into()),
            TableCell::Text("ann".into()),
            TableCell::Empty,
        ]
    );
    let nan = TableQuery {
        columns: vec![column(ColumnKind::Metric, "n", Reduce::Last)],
        limit: 10,
        filter: "run_id = 'a'".into(),
        ..TableQuery::default()
    };
    let (_, shown) = table(&fixture, &nan);
    assert!(matches!(shown.rows[0].cells[0], TableCell::Number(value) if value.is_nan()));

    let columns = fixture.store.read(|reader| reader.run_columns(&[0], View::Active)).unwrap();
    let metric = columns.iter().find(|c| c.kind == ColumnKind::Metric && c.key == "m").unwrap();
    assert_eq!((metric.run_count, metric.is_curve), (1, true));
    let param = columns.iter().find(|c| c.kind == ColumnKind::Param).unwrap();
    assert_eq!((param.run_count, param.numeric, param.varies), (2, true, true));
    fixture.write(Change::DeleteRuns { run_ids: vec!["a".into()], at_ms: 1 });
    let columns = |view| {
        let columns = fixture.store.read(|reader| reader.run_columns(&[], view)).unwrap();
        columns.into_iter().map(|c| format!("{}:{}", c.key, c.run_count)).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(columns(View::Active), "p:1 mlflow.runName:1");
    assert_eq!(columns(View::Deleted), "p:1 m:1 n:1 mlflow.runName:1 mlflow.user:1");
    fixture.write(Change::DeleteExperiment { id: 0, at_ms: 2 });
    fixture.write(Change::RestoreExperiment { id: 0, at_ms: 3 });
    assert_eq!(columns(View::Active), "p:1 mlflow.runName:1");
    fixture.write(Change::RestoreRuns { run_ids: vec!["a".into()] });
    fixture.write(Change::DeleteRunTag { run_id: "a".into(), key: "mlflow.user".into() });
    assert_eq!(columns(View::All), "p:2 m:1 n:1 mlflow.runName:2");
}

#[test]
fn the_registry_never_uses_a_number_twice_and_moves_aliases() {
    let fixture = Fixture::new();
    let create_once = |at_ms, once| {
        Change::CreateModelVersion(Box::new(NewModelVersion {
            name: "M".into(),
            source: "runs:/r/model".into(),
            storage_location: "mlflow-artifacts:/0/r/artifacts/model".into(),
            run_id: Some("r".into()),
            run_link: None,
            model_id: None,
            description: None,
            user: None,
            tags: vec![KeyValue::new("k", "v")],
            at_ms,
            once,
        }))
    };
    let create = |at_ms| create_once(at_ms, false);
    assert_eq!(fixture.refuse(create(1)), "Registered Model with name=M not found");
    let model = Change::CreateRegisteredModel { name: "M".into(), description: None, tags: vec![], at_ms: 1 };
    fixture.write(model.clone());
    assert_eq!(fixture.refuse(model), "Registered Model (name=M) already exists.");
    assert_eq!(fixture.write(create(2)), Applied::Version(1));
    assert_eq!(fixture.write(create(3)), Applied::Version(2));
    fixture.write(Change::SetAlias { name: "M".into(), alias: "champion".into(), version: 2, at_ms: 4 });
    fixture.write(Change::DeleteModelVersion { name: "M".into(), version: 2, at_ms: 5 });
    assert_eq!(fixture.write(create(6)), Applied::Version(3));
    // What says that it may have arrived before makes nothing twice.
    assert_eq!(fixture.write(create_once(6, true)), Applied::Version(3));
    let alias = fixture.store.read(|reader| reader.model_version_by_alias("M", "champion")).unwrap_err();
    assert_eq!(alias.to_string(), "Registered model alias champion not found.");
    let stage = |version, stage, archive_existing| Change::TransitionStage {
        name: "M".into(),
        version,
        stage,
        archive_existing,
        at_ms: 7,
    };
    fixture.write(stage(1, Stage::Production, false));
    fixture.write(stage(3, Stage::Production, true));
    fixture.write(Change::RenameRegisteredModel { name: "M".into(), new_name: "N".into(), at_ms: 8 });
    let model = fixture.store.read(|reader| reader.registered_model("N")).unwrap();
    let stages: Vec<_> = model.latest_versions.iter().map(|v| (v.version, v.stage)).collect();
    assert_eq!(stages, [(3, Stage::Production), (1, Stage::Archived)]);
    assert_eq!(model.latest_versions[0].tags, [KeyValue::new("k", "v")]);
    let search =
        Search { filter: "version_number > 1 and tags.k = 'v'".into(), limit: 10, ..Search::default() };
    let found = fixture.store.read(|reader| reader.search_model_versions(&search)).unwrap();
    assert_eq!(found.items.iter().map(|v| v.version).collect::<Vec<_>>(), [3]);
}

#[test]
fn prompts_are_listed_only_to_those_who_ask() {
    let fixture = Fixture::new();
    for (name, prompt) in [("model", None), ("prompt", Some("true"))] {
        fixture.write(Change::CreateRegisteredModel {
            name: name.into(),
            description: None,
            tags: prompt.iter().map(|value| KeyValue::new("mlflow.prompt.is_prompt", *value)).collect(),
            at_ms: 1,
        });
    }
    for (filter, expected) in [
        ("", "model"),
        ("name LIKE '%o%'", "model"),
        ("tag.`mlflow.prompt.is_prompt` != 'true'", "model"),
        ("tag.`mlflow.prompt.is_prompt` = 'true'", "prompt"),
    ] {
        let search = Search { filter: filter.into(), limit: 10, ..Search::default() };
        let found = fixture.store.read(|reader| reader.search_registered_models(&search)).unwrap();
        let names: Vec<_> = found.items.iter().map(|model| model.name.as_str()).collect();
        assert_eq!(names.join(" "), expected, "{filter}");
    }
}

#[test]
fn logged_models_carry_metrics_by_dataset() {
    let fixture = Fixture::new();
    fixture.run(0, "r", 1, &[]);
    fixture.write(Change::CreateLoggedModel(Box::new(NewLoggedModel {
        model_id: "m-1".into(),
        experiment_id: 0,
        name: "LM".into(),
        model_type: None,
        source_run_id: Some("r".into()),
        params: vec![KeyValue::new("depth", "3")],
        tags: vec![],
        at_ms: 1,
    })));
    let metric = |step, value, dataset: Option<&str>| LoggedMetric {
        key: "acc".into(),
        point: Point { step, time_ms: step, value },
        model_id: Some("m-1".into()),
        dataset_name: dataset.map(str::to_owned),
        dataset_digest: dataset.map(|_| "d1".to_owned()),
    };
    fixture.write(Change::Log(Box::new(LogBatch {
        run_id: "r".into(),
        metrics: vec![metric(1, 0.5, None), metric(2, 0.7, None), metric(1, 0.9, Some("test"))],
        ..LogBatch::default()
    })));
    fixture.write(Change::FinalizeLoggedModel {
        model_id: "m-1".into(),
        status: ModelStatus::Ready,
        at_ms: 3,
    });
    let model = fixture.store.read(|reader| reader.logged_model("m-1")).unwrap();
    assert_eq!(model.artifact_location, "mlflow-artifacts:/0/models/m-1/artifacts");
    let values: Vec<_> = model.metrics.iter().map(|m| (m.dataset_name.as_deref(), m.point.value)).collect();
    assert_eq!(values, [(None, 0.5), (None, 0.7), (Some("test"), 0.9)]);
    let search = |filter: &str, datasets: Vec<(String, Option<String>)>| {
        let search = LoggedModelSearch {
            experiment_ids: vec![0],
            filter: filter.into(),
            datasets,
            limit: 10,
            ..LoggedModelSearch::default()
        };
        fixture.store.read(|reader| reader.search_logged_models(&search)).unwrap().items.len()
    };
    assert_eq!(search("params.depth = '3' and status = 'READY'", vec![]), 1);
    assert_eq!(search("metrics.acc > 0.8", vec![("test".into(), None)]), 1);
    assert_eq!(search("metrics.acc > 0.8", vec![("other".into(), None)]), 0);
    assert_eq!(search("", vec![("test".into(), Some("d2".into()))]), 0);
}

#[test]
fn observers_hear_of_commits_only() {
    let fixture = Fixture::new();
    fixture.run(0, "r", 1, &[]);
    fixture.log("r", &[("m", 0, 0, 1.0)], &[]);
    fixture.refuse(batch("unknown", &[("m", 0, 0, 1.0)], &[]));
    fixture.log("r", &[("m", 0, 0, 1.0)], &[]);
    fixture.write(Change::UpdateRun {
        run_id: "r".into(),
        status: Some(RunStatus::Finished),
        end_ms: Some(9),
        name: None,
    });
    fixture.store.close();
    let notices = fixture.notices.lock().unwrap();
    let metrics = notices.iter().filter(|notice| matches!(notice, Notice::Metrics { .. })).count();
    assert_eq!(metrics, 1, "{notices:?}");
    let changes = notices.iter().filter(|notice| matches!(notice, Notice::Run { .. })).count();
    assert_eq!(changes, 2, "made and ended: {notices:?}");
    assert!(matches!(fixture.store.write_blocking(batch("r", &[], &[])), Err(Error::Closed)));
}

#[test]
fn a_thousand_writers_at_once_all_get_their_answer() {
    let fixture = Fixture::new();
    fixture.run(0, "r", 1, &[]);
    std::thread::scope(|scope| {
        for worker in 0..16 {
            let store = &fixture.store;
            scope.spawn(move || {
                for step in 0..60 {
                    let key = format!("m{worker}");
                    store.write_blocking(batch("r", &[(&key, step, step, 1.0)], &[])).unwrap();
                }
            });
        }
    });
    let run = fixture.store.read(|reader| reader.run("r")).unwrap();
    assert_eq!(run.metrics.iter().map(|metric| metric.points).sum::<u64>(), 16 * 60);
}

#[test]
fn a_damaged_file_is_named_not_repaired() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("slipway.db"), b"this is no database at all, not even nearly").unwrap();
    let error = Store::open(dir.path(), Box::new(|_| {})).unwrap_err();
    assert!(error.to_string().contains("damaged"), "{error}");
    let kept = std::fs::read(dir.path().join("slipway.db")).unwrap();
    assert!(kept.starts_with(b"this is no database"));
    assert!(Store::open(Path::new("/nonexistent/folder"), Box::new(|_| {})).is_err());
}

#[test]
fn changes_made_together_are_all_made_or_none() {
    let fixture = Fixture::new();
    let id = fixture.experiment("first");
    fixture.experiment("taken");
    let rename = |name: &str| Change::RenameExperiment { id, name: name.into(), at_ms: 2 };
    let tag = Change::SetExperimentTag { id, tag: KeyValue::new("k", "v"), at_ms: 2 };
    fixture.notices.lock().unwrap().clear();
    fixture.refuse(Change::Together(vec![rename("second"), tag.clone(), rename("taken")]));
    let found = fixture.store.read(|reader| reader.experiment(id)).unwrap();
    assert_eq!((found.name.as_str(), found.tags.len()), ("first", 0), "half of it was made");
    assert!(fixture.notices.lock().unwrap().is_empty(), "and told");
    fixture.write(Change::Together(vec![rename("second"), tag]));
    let found = fixture.store.read(|reader| reader.experiment(id)).unwrap();
    assert_eq!((found.name.as_str(), found.tags.len()), ("second", 1));
}

/// The log of writes grows with a large write, and does not take up the disk afterwards; a part is kept to write over.
#[test]
fn after_a_silence_the_log_of_writes_is_short() {
    let fixture = Fixture::new();
    fixture.run(0, "r", 1, &[]);
    let log = fixture.store.path().with_extension("db-wal");
    let long = "x".repeat(8000);
    let tag = |number| {
        Change::Log(Box::new(LogBatch {
            run_id: "r".into(),
            tags: vec![KeyValue::new(format!("tag {number}"), long.clone())],
            ..LogBatch::default()
        }))
    };
    fixture.write(Change::Together((0..700).map(tag).collect()));
    let size = || std::fs::metadata(&log).unwrap().len();
    let kept = 4 << 20;
    assert!(size() > kept, "{}", size());
    let mut waited = 0;
    while size() != kept && waited < 300 {
        std::thread::sleep(std::time::Duration::from_millis(100));
        waited += 1;
    }
    assert_eq!(size(), kept);
    // A copy of all files, as a kill leaves them, holds everything.
    for number in 700..710 {
        fixture.write(tag(number));
    }
    assert_eq!(size(), kept);
    let dir = tempfile::tempdir().unwrap();
    for ending in ["db", "db-wal"] {
        let file = fixture.store.path().with_extension(ending);
        std::fs::copy(&file, dir.path().join(file.file_name().unwrap())).unwrap();
    }
    let copy = Store::open(dir.path(), Box::new(|_| {})).unwrap();
    assert_eq!(copy.read(|reader| reader.run("r")).unwrap().tags.len(), 711);
    copy.close();
}
