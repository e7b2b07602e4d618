//! The search language through the store's public interface: what Slipway adds to MLflow's, and what errors say.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "a test says what went wrong by panicking"
)]

use slipway_store::*;

struct Fixture {
    store: Store,
    _dir: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { store: Store::open(dir.path(), Box::new(|_| {})).unwrap(), _dir: dir }
    }

    fn write(&self, change: Change) {
        self.store.write_blocking(change).unwrap();
    }

    fn run(&self, run_id: &str, start_ms: i64, params: &[(&str, &str)], metrics: &[(&str, f64)]) {
        self.write(Change::CreateRun(Box::new(NewRun {
            run_id: run_id.into(),
            experiment_id: 0,
            name: run_id.into(),
            user: String::new(),
            status: RunStatus::Running,
            start_ms: Some(start_ms),
            tags: vec![],
        })));
        let metric = |&(key, value): &(&str, f64)| LoggedMetric {
            key: key.into(),
            point: Point { step: 0, time_ms: 0, value },
            model_id: None,
            dataset_name: None,
            dataset_digest: None,
        };
        self.write(Change::Log(Box::new(LogBatch {
            run_id: run_id.into(),
            metrics: metrics.iter().map(metric).collect(),
            params: params.iter().map(|(key, value)| KeyValue::new(*key, *value)).collect(),
            tags: vec![],
        })));
    }

    fn found(&self, filter: &str) -> Result<String> {
        let search = Search { filter: filter.into(), limit: 1000, ..Search::default() };
        let page = self.store.read(|reader| reader.search_runs(&[0], &search))?;
        Ok(page.items.iter().map(|run| run.info.run_id.as_str()).collect::<Vec<_>>().join(" "))
    }

    fn in_table(&self, filter: &str) -> Result<String> {
        let query = TableQuery { filter: filter.into(), limit: 1000, ..TableQuery::default() };
        let table = self.store.read(|reader| reader.run_table(&query))?;
        Ok(table.rows.iter().map(|row| row.run_id.as_str()).collect::<Vec<_>>().join(" "))
    }
}

/// 2026-11-01T00:00:00Z.
const NOVEMBER_MS: i64 = 1_793_491_200_000;

#[test]
fn filters_may_say_more_than_mlflows() {
    let fixture = Fixture::new();
    fixture.run("a", NOVEMBER_MS - 1, &[("lr", "1e-3"), ("model", "gbm")], &[("loss", 0.5)]);
    fixture.run("b", NOVEMBER_MS, &[("lr", "0.01")], &[("loss", f64::NAN)]);
    fixture.run("c", NOVEMBER_MS + 3_600_000, &[("lr", "auto")], &[]);
    for (filter, expected) in [
        ("start_time >= '2026-11-01'", "c b"),
        ("start_time < \"2026-11-01\"", "a"),
        ("start_time > '2026-11-01T00:00:00Z' OR params.lr = 0.001", "c a"),
        ("start_time = '2026-11-01T02:00:00+01:00'", "c"),
        ("params.lr < 0.005 or params.lr = 'auto'", "c a"),
        ("NOT params.lr > 0", "c"),
        ("not (metrics.loss < 1)", "c b"),
        ("end_time IS NULL AND params.model IS NULL", "c b"),
        ("not not params.model = 'gbm'", "a"),
        ("datasets.name IS NULL", "c b a"),
    ] {
        assert_eq!(fixture.found(filter).unwrap(), expected, "{filter}");
        assert_eq!(fixture.in_table(filter).unwrap(), expected, "{filter}");
    }
    // MLflow refuses to test metrics for NULL, so only Slipway's own table does.
    assert_eq!(fixture.in_table("metrics.loss IS NULL").unwrap(), "c");
    assert_eq!(fixture.in_table("metrics.loss IS NOT NULL").unwrap(), "b a");
    let refused = fixture.found("metrics.loss IS NULL").unwrap_err().to_string();
    assert_eq!(
        refused,
        "IS NULL / IS NOT NULL is only supported for tags and params, not for 'metric' 'loss'"
    );
}

#[test]
fn errors_show_the_place_and_what_was_expected() {
    let fixture = Fixture::new();
    for (filter, place, says) in [
        ("metrics.loss > 'a'", "'a'", "Expected numeric value type for metric. Found 'a'"),
        ("start_time > 'soon'", "'soon'", "a date such as '2026-11-01'"),
        ("params.lr LIKE 3", "LIKE", "numbers can be compared with"),
        ("run_id > 'x'", ">", "=, !=, LIKE, ILIKE, IN and NOT IN"),
        ("tags.a = 3", "3", "put the value in single quotes"),
        ("run_id = 'x' AND bogus.x = 'y'", "bogus", "'metrics', 'params', 'tags', 'attributes'"),
        ("shoe_size = 'x'", "shoe_size", "run_id, run_name, status"),
        ("run_id IN ('a' 'b')", "'b'", "a comma or the end of the list"),
        ("(run_id = 'a'", "", "a closing parenthesis"),
        ("run_id = 'a' run_id = 'b'", "run_id", "expected AND, OR or the end"),
    ] {
        let Error::Search(error) = fixture.found(filter).unwrap_err() else {
            panic!("{filter}: not an error of the search");
        };
        let shown = error.render(filter);
        let span = error.span.unwrap();
        assert_eq!(&filter[span], place, "{shown}");
        assert!(shown.contains(says), "{shown}");
        assert!(shown.contains('^'), "{shown}");
    }
}

#[test]
fn limits_are_said_not_hit() {
    let fixture = Fixture::new();
    fixture.run("a", 1, &[], &[]);
    let list = |count: usize| {
        let ids: Vec<String> = (0..count).map(|id| format!("'{id}'")).collect();
        format!("run_id IN ({})", ids.join(","))
    };
    assert_eq!(fixture.found(&list(30_000)).unwrap(), "");
    assert!(fixture.found(&list(30_001)).unwrap_err().to_string().contains("more than 30000 values"));
    let pattern = |length: usize| format!("params.x LIKE '{}'", "%".repeat(length));
    assert_eq!(fixture.found(&pattern(10_000)).unwrap(), "");
    assert!(fixture.found(&pattern(10_001)).unwrap_err().to_string().contains("longer than 10000 bytes"));
    let nested = |depth: usize| format!("{}run_id = 'a'{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(fixture.found(&nested(49)).unwrap(), "a");
    assert!(fixture.found(&nested(50)).unwrap_err().to_string().contains("nested deeper than 50 levels"));
    let many = |count: usize| vec!["run_id = 'a'"; count].join(" OR ");
    assert_eq!(fixture.found(&many(200)).unwrap(), "a");
    assert!(fixture.found(&many(201)).unwrap_err().to_string().contains("more than 200 conditions"));
    let long = format!("run_id = '{}'", "x".repeat(3 << 20));
    assert!(fixture.found(&long).unwrap_err().to_string().contains("longer than"));
}

#[test]
fn datasets_are_listed_once_for_each_context() {
    let fixture = Fixture::new();
    let input = |name: &str, context: Option<&str>| DatasetInput {
        dataset: Dataset {
            name: name.into(),
            digest: "1".into(),
            source_type: "local".into(),
            source: "{}".into(),
            schema: None,
            profile: None,
        },
        tags: context.map(|text| KeyValue::new("mlflow.data.context", text)).into_iter().collect(),
    };
    for (run_id, context) in [("a", Some("train")), ("b", Some("eval")), ("c", Some("train")), ("d", None)] {
        fixture.run(run_id, 1, &[], &[]);
        let datasets = vec![input("iris", context), input("digits", Some("train"))];
        fixture.write(Change::LogInputs { run_id: run_id.into(), datasets, model_ids: vec![] });
    }
    let found = fixture.store.read(|reader| reader.search_datasets(&[0], 1000)).unwrap();
    let shown: Vec<_> =
        found.iter().map(|one| (one.name.as_str(), one.context.as_deref().unwrap_or("-"))).collect();
    assert_eq!(shown, [("digits", "train"), ("iris", "-"), ("iris", "eval"), ("iris", "train")]);
    assert!(found.iter().all(|one| one.experiment_id == 0 && one.digest == "1"));
    assert_eq!(fixture.store.read(|reader| reader.search_datasets(&[0], 2)).unwrap().len(), 2);
    assert!(fixture.store.read(|reader| reader.search_datasets(&[], 1000)).unwrap().is_empty());
    assert_eq!(fixture.found("datasets.name = 'iris' and dataset.context = 'eval'").unwrap(), "b");
}

#[test]
fn times_count_from_when_the_question_is_asked() {
    let fixture = Fixture::new();
    let day = 86_400_000;
    for age in [1, 6, 8, 400] {
        fixture.run(&format!("r{age}"), 1_000 * day - age * day, &[], &[("loss", f64::from(age as i32))]);
    }
    let found = |filter: &str| {
        let query =
            TableQuery { filter: filter.into(), limit: 100, now_ms: 1_000 * day, ..TableQuery::default() };
        let table = fixture.store.read(|reader| reader.run_table(&query)).unwrap();
        table.rows.iter().map(|row| row.run_id.as_str()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(found("started > -7d"), "r1 r6");
    assert_eq!(found("start_time between -2w and -36h"), "r6 r8");
    assert_eq!(found("created < -52w or metrics.loss in [6, 8]"), "r6 r8 r400");
    assert_eq!(found("state = 'running' and not name in [\"r1\", 'r6']"), "r8 r400");
    assert_eq!(found("state in ['failed', 'RUNNING'] and metrics.loss not between 2 and 300"), "r1 r400");
    assert_eq!(found("duration > 2h"), "");
    for (filter, hint) in [
        ("started > 7d", "-7d is seven days ago"),
        ("metrics.loss > -7d", "are times"),
        ("state = 'dead'", "succeeded"),
        ("stared > -7d", "started"),
    ] {
        let query = TableQuery { filter: filter.into(), ..TableQuery::default() };
        let Err(Error::Search(error)) = fixture.store.read(|reader| reader.run_table(&query)) else {
            panic!("{filter} is understood");
        };
        assert!(error.hint.as_deref().is_some_and(|text| text.contains(hint)), "{filter}: {error:?}");
    }
    // MLflow's own search has no now.
    assert!(fixture.found("start_time > -7d").is_err());
}

#[test]
fn a_name_that_is_not_there_leads_to_those_that_are() {
    let fixture = Fixture::new();
    fixture.run("a", 0, &[("learning-rate", "1")], &[("val_loss", 1.0)]);
    let hint = |filter: &str| {
        let query = TableQuery { filter: filter.into(), ..TableQuery::default() };
        let explained = |reader: &Reader<'_>| {
            let error = reader.run_table(&query).unwrap_err();
            Ok(reader.explain(&[], View::Active, filter, error))
        };
        match fixture.store.read(explained).unwrap() {
            Error::Search(error) => error.hint.unwrap_or_default(),
            other => panic!("{other}"),
        }
    };
    assert_eq!(hint("val_los < 1"), "did you mean metrics.val_loss?");
    assert_eq!(hint("`learning-rat` = '1'"), "did you mean params.`learning-rate`?");
    assert_eq!(hint("statu = 'x'"), "did you mean status?");
    assert_eq!(hint("nothing_like_it = 'x'"), "");
    // One that is there needs no entity.
    let query = TableQuery {
        filter: "val_loss < 2 and `learning-rate` = 1".into(),
        limit: 5,
        ..TableQuery::default()
    };
    assert_eq!(fixture.store.read(|reader| reader.run_table(&query)).unwrap().matching, 0);
    let query = TableQuery { filter: "val_loss < 2 and `learning-rate` = '1'".into(), ..query };
    assert_eq!(fixture.store.read(|reader| reader.run_table(&query)).unwrap().matching, 1);
}

#[test]
fn a_quick_search_looks_into_tags_but_not_into_those_of_the_library() {
    let fixture = Fixture::new();
    for (run, key, value) in
        [("a", "team", "Vision"), ("b", "mlflow.source.name", "vision.py"), ("vision-c", "team", "text")]
    {
        fixture.run(run, 0, &[], &[]);
        let tags = vec![KeyValue::new(key, value)];
        let (metrics, params) = (vec![], vec![]);
        fixture.write(Change::Log(Box::new(LogBatch { run_id: run.into(), metrics, params, tags })));
    }
    let found = |search: &str| {
        let query = TableQuery { search: search.into(), limit: 10, ..TableQuery::default() };
        let table = fixture.store.read(|reader| reader.run_table(&query)).unwrap();
        let mut ids: Vec<String> = table.rows.into_iter().map(|row| row.run_id).collect();
        ids.sort_unstable();
        ids.join(" ")
    };
    assert_eq!(found("vision"), "a vision-c");
    assert_eq!(found("/^vis/"), "a vision-c");
    assert_eq!(found("text"), "vision-c");
    assert_eq!(found("vision.py"), "");
}
