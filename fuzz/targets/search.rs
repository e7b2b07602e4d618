//! The search language: whatever text comes, it is refused with a place that lies within it, or it becomes SQL that
//! the database takes.
//!
//! The first line is a filter, each further line an `order_by`; they are asked of everything that can be searched.

#![no_main]

use libfuzzer_sys::fuzz_target;
use slipway_store::search::parse;
use slipway_store::{
    Change, Error, KeyValue, LogBatch, LoggedMetric, LoggedModelOrder, LoggedModelSearch, NewRun, Point, Result,
    RunStatus, Search, Store, View,
};
use std::sync::OnceLock;

/// A store with a run in it, so that conditions are not only compiled but evaluated.
fn store() -> &'static Store {
    static STORE: OnceLock<Store> = OnceLock::new();
    STORE.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder").keep();
        let store = Store::open(&folder, Box::new(|_| {})).expect("a new store");
        let run = NewRun {
            run_id: "run".to_owned(),
            experiment_id: 0,
            name: "name".to_owned(),
            user: "user".to_owned(),
            status: RunStatus::Running,
            start_ms: Some(1),
            tags: vec![KeyValue::new("t", "v")],
        };
        let point = Point { step: 1, time_ms: 1, value: 0.5 };
        let metric = LoggedMetric {
            key: "m".to_owned(),
            point,
            model_id: None,
            dataset_name: None,
            dataset_digest: None,
        };
        let batch = LogBatch {
            run_id: "run".to_owned(),
            metrics: vec![metric],
            params: vec![KeyValue::new("p", "1e-3")],
            tags: Vec::new(),
        };
        store.write_blocking(Change::CreateRun(Box::new(run))).expect("a run");
        store.write_blocking(Change::Log(Box::new(batch))).expect("something logged");
        store
    })
}

fn allowed<T>(result: Result<T>, asked: &Search) {
    match result {
        Ok(_) | Err(Error::Search(_) | Error::Invalid(_)) => {}
        Err(other) => panic!("{asked:?} is the caller's fault, and became: {other}"),
    }
}

fuzz_target!(|text: &str| {
    let mut lines = text.lines();
    let filter = lines.next().unwrap_or_default().to_owned();
    let order_by: Vec<String> = lines.map(str::to_owned).collect();
    if let Err(error) = parse(&filter)
        && let Some(span) = error.span
    {
        assert!(span.start <= span.end, "{span:?}");
        assert!(filter.get(span.clone()).is_some(), "{span:?} does not lie within {filter:?}");
    }
    let search = Search { filter, order_by, view: View::All, offset: 0, limit: 3 };
    let models = LoggedModelSearch {
        experiment_ids: vec![0],
        filter: search.filter.clone(),
        datasets: Vec::new(),
        order_by: search
            .order_by
            .iter()
            .map(|field| LoggedModelOrder {
                field: field.clone(),
                ascending: true,
                dataset_name: None,
                dataset_digest: None,
            })
            .collect(),
        offset: 0,
        limit: 3,
    };
    let asked = store().read(|reader| {
        allowed(reader.search_runs(&[0], &search), &search);
        allowed(reader.search_experiments(&search), &search);
        allowed(reader.search_registered_models(&search), &search);
        allowed(reader.search_model_versions(&search), &search);
        allowed(reader.search_logged_models(&models), &search);
        Ok(())
    });
    asked.expect("the store can be read");
});
