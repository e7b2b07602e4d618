//! Runs: the columns, the SQL and the oracle agree, whatever was written between two searches.

mod groups;

use super::oracle::{Looked, SortValue, compare, matches};
use super::random::{Dice, Kind, Known, NUMBERS, TEXTS, TIMES, field, filter, sugared};
use crate::search::{Expr, Field, Part};
use crate::{
    ARCHIVED_TAG, Applied, Change, ColumnKind, ColumnRef, Dataset, DatasetInput, KeyValue, LentRun,
    LentTexts, Lifecycle, LogBatch, LoggedMetric, ModelOutput, NewRun, PARENT_RUN_TAG, Page, Point,
    PurgeSelection, Reader, Reduce, Renditions, Run, RunStatus, Search, SortKey, Store, TableQuery,
    TableShape, View,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::atomic::Ordering::Relaxed;

const METRICS: &[&str] = &["m", "val loss", "m/\u{e9}", "not"];
/// By its name.
const LESS_IS_BETTER: &str = "val loss";
/// Since the test says so.
const MORE_IS_BETTER: &str = "m";
const PARAMS: &[&str] = &["p", "my-key", "q"];
const TAGS: &[&str] = &["team", "mlflow.runName", "t", PARENT_RUN_TAG, "mlflow.user", ARCHIVED_TAG];

const METRIC: &[Option<&str>] = &[Some("metrics"), Some("metric")];
const PARAM: &[Option<&str>] = &[Some("params"), Some("param"), Some("parameters"), Some("parameter")];
const TAG: &[Option<&str>] = &[Some("tags"), Some("tag")];
const ATTRIBUTE: &[Option<&str>] = &[None, Some("attributes"), Some("attr"), Some("run")];
const DATASET: &[Option<&str>] = &[Some("dataset"), Some("datasets")];

/// Fields that can be filtered by and sorted by.
fn fields() -> Vec<Known> {
    let mut fields: Vec<Known> = Vec::new();
    fields.extend(METRICS.iter().map(|key| (METRIC, *key, Kind::Metric)));
    fields.extend(PARAMS.iter().map(|key| (PARAM, *key, Kind::Param)));
    fields.extend(TAGS.iter().map(|key| (TAG, *key, Kind::Text)));
    fields.extend(
        ["run_id", "run_name", "name", "status", "user_id", "artifact_uri"]
            .map(|key| (ATTRIBUTE, key, Kind::Text)),
    );
    fields.extend(["start_time", "started", "end_time", "ended"].map(|key| (ATTRIBUTE, key, Kind::Time)));
    fields.push((ATTRIBUTE, "duration", Kind::Metric));
    fields
}

const DATASETS: &[Known] =
    &[(DATASET, "name", Kind::Text), (DATASET, "digest", Kind::Text), (DATASET, "context", Kind::Text)];

/// Whether a run fulfils a filter.
type Holds<'a> = Box<dyn Fn(&Remembered) -> bool + 'a>;

/// One run as the test remembers it.
#[derive(Debug, Clone, Default)]
struct Remembered {
    run_id: String,
    experiment: i64,
    user: String,
    status: RunStatus,
    start: Option<i64>,
    end: Option<i64>,
    deleted: bool,
    params: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
    metrics: BTreeMap<String, Vec<Point>>,
    datasets: Vec<(String, String, Option<String>)>,
}

impl Remembered {
    /// Largest step, then time, then value, where NaN counts as 0.
    fn latest(&self, key: &str) -> Option<f64> {
        let rank =
            |point: &Point| (point.step, point.time_ms, if point.value.is_nan() { 0.0 } else { point.value });
        let points = self.metrics.get(key)?;
        let mut best = points[0];
        for point in points {
            if rank(point) >= rank(&best) {
                best = *point;
            }
        }
        Some(best.value)
    }

    fn look(&self, field: &Field) -> Looked {
        let key = field.key.as_str();
        let finite = || {
            let points = self.metrics.get(key).map(Vec::as_slice).unwrap_or_default();
            points.iter().map(|point| point.value).filter(|value| value.is_finite())
        };
        match field.entity.as_deref() {
            Some("metrics" | "metric") => Looked::Number(match field.part {
                Some(Part::Min) => finite().reduce(f64::min),
                Some(Part::Max) => finite().reduce(f64::max),
                Some(Part::Best) if key == LESS_IS_BETTER => finite().reduce(f64::min),
                Some(Part::Best) => finite().reduce(f64::max),
                _ => self.latest(key),
            }),
            Some("params" | "param" | "parameters" | "parameter") => {
                Looked::Param(self.params.get(key).cloned())
            }
            Some("tags" | "tag") => Looked::Text(self.tags.get(key).cloned()),
            Some("dataset" | "datasets") => Looked::Any(
                self.datasets
                    .iter()
                    .map(|(name, digest, context)| match key {
                        "name" => Some(name.clone()),
                        "digest" => Some(digest.clone()),
                        _ => context.clone(),
                    })
                    .collect(),
            ),
            _ => match key {
                "run_id" => Looked::Text(Some(self.run_id.clone())),
                "run_name" | "name" => Looked::Text(self.tags.get("mlflow.runName").cloned()),
                "status" => Looked::Text(Some(self.status.as_str().to_owned())),
                "user_id" => Looked::Text(Some(self.user.clone())),
                "artifact_uri" => Looked::Text(Some(format!(
                    "mlflow-artifacts:/{}/{}/artifacts",
                    self.experiment, self.run_id
                ))),
                "start_time" | "started" => Looked::Number(self.start.map(|ms| ms as f64)),
                "end_time" | "ended" => Looked::Number(self.end.map(|ms| ms as f64)),
                _ => Looked::Number(self.start.zip(self.end).map(|(start, end)| (end - start) as f64)),
            },
        }
    }

    fn sort_value(&self, field: &Field) -> SortValue {
        match self.look(field) {
            Looked::Text(Some(text)) | Looked::Param(Some(text)) => SortValue::Text(text),
            Looked::Number(Some(number)) if number.is_nan() => SortValue::Nan,
            Looked::Number(Some(number)) => SortValue::Number(number),
            _ => SortValue::Missing,
        }
    }
}

/// The store and what should be in it.
struct World {
    store: Store,
    runs: Vec<Remembered>,
    experiments: Vec<i64>,
    /// Runs made so far.
    created: usize,
    renditions: Renditions,
    _dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Box::new(|_| {})).unwrap();
        for name in ["e1", "e2"] {
            let (name, at_ms) = (name.to_owned(), 0);
            let create = Change::CreateExperiment { name, artifact_location: None, tags: vec![], at_ms };
            store.write_blocking(create).unwrap();
        }
        let (experiments, renditions) = (vec![0, 1, 2], Renditions::default());
        Self { store, runs: Vec::new(), experiments, created: 0, renditions, _dir: dir }
    }

    fn write(&self, change: Change) {
        self.store.write_blocking(change).unwrap();
    }

    fn create(&mut self, dice: &mut Dice) {
        let mut run = Remembered {
            // Ids come in no order, and some look like texts of filters.
            run_id: format!("{}{}", dice.pick(&["a", "zzz", "9", "0"]), self.created),
            experiment: dice.pick(&self.experiments),
            user: dice.pick(TEXTS).to_owned(),
            start: dice.maybe(TIMES),
            ..Remembered::default()
        };
        let name = dice.pick(TEXTS).to_owned();
        run.tags.insert("mlflow.runName".into(), name.clone());
        let mut tags = Vec::new();
        if dice.once_in(2) {
            let parent = match dice.roll(6) {
                0 => "unknown".to_owned(),
                // A run that will be there later.
                1 => format!("a{}", self.created + 2),
                _ => self.runs.last().map_or_else(String::new, |run| run.run_id.clone()),
            };
            tags.push(KeyValue::new(PARENT_RUN_TAG, parent.clone()));
            run.tags.insert(PARENT_RUN_TAG.into(), parent);
        }
        self.write(Change::CreateRun(Box::new(NewRun {
            run_id: run.run_id.clone(),
            experiment_id: run.experiment,
            name,
            user: run.user.clone(),
            status: RunStatus::Running,
            start_ms: run.start,
            tags,
        })));
        self.created += 1;
        self.runs.push(run);
    }

    /// Numbers of rows that are free then come back with other runs.
    fn empty_the_trash(&mut self) {
        self.write(Change::Purge(PurgeSelection { everything: true, ..PurgeSelection::default() }));
        while self.store.write_blocking(Change::PurgeSlice { limit: 2 }).unwrap() != Applied::Changed(0) {}
        self.runs.retain(|run| !run.deleted);
    }

    /// Changes one run, or adds one.
    fn step(&mut self, dice: &mut Dice) {
        if self.runs.is_empty() || dice.once_in(3) {
            return self.create(dice);
        }
        if dice.once_in(30) {
            return self.empty_the_trash();
        }
        let place = dice.roll(self.runs.len());
        let mut run = self.runs[place].clone();
        let run_id = run.run_id.clone();
        match dice.roll(8) {
            _ if run.deleted => {
                run.deleted = false;
                self.write(Change::RestoreRuns { run_ids: vec![run_id] });
            }
            0 if dice.once_in(2) => {
                run.deleted = true;
                self.write(Change::DeleteRuns { run_ids: vec![run_id], at_ms: 1 });
            }
            1 => {
                run.status = dice.pick(&[RunStatus::Finished, RunStatus::Failed, RunStatus::Killed]);
                run.end = dice.maybe(TIMES).or(run.end);
                let (status, end_ms) = (Some(run.status), run.end);
                self.write(Change::UpdateRun { run_id, status, end_ms, name: None });
            }
            2 => {
                let dataset = |name: &str, digest: &str| Dataset {
                    name: name.into(),
                    digest: digest.into(),
                    source_type: "local".into(),
                    source: "{}".into(),
                    schema: None,
                    profile: None,
                };
                let (name, digest) = (dice.pick(TEXTS), dice.pick(TEXTS));
                if !run.datasets.iter().any(|known| known.0 == name && known.1 == digest) {
                    let context = dice.maybe(TEXTS).map(str::to_owned);
                    let tags = context.iter().map(|text| KeyValue::new("mlflow.data.context", text.clone()));
                    let input = DatasetInput { dataset: dataset(name, digest), tags: tags.collect() };
                    run.datasets.push((name.to_owned(), digest.to_owned(), context));
                    let model_ids = dice.maybe(TEXTS).into_iter().map(str::to_owned).collect();
                    self.write(Change::LogInputs { run_id, datasets: vec![input], model_ids });
                } else {
                    let output = ModelOutput { model_id: name.to_owned(), step: dice.pick(&[-1, 0, 7]) };
                    self.write(Change::LogOutputs { run_id, models: vec![output] });
                }
            }
            3 => {
                let key = dice.pick(TAGS);
                if key != "mlflow.runName" && run.tags.remove(key).is_some() {
                    self.write(Change::DeleteRunTag { run_id, key: key.to_owned() });
                }
            }
            _ => {
                let batch = log(dice, &mut run);
                self.write(Change::Log(Box::new(batch)));
            }
        }
        self.runs[place] = run;
    }
}

fn log(dice: &mut Dice, run: &mut Remembered) -> LogBatch {
    let mut batch = LogBatch { run_id: run.run_id.clone(), metrics: vec![], params: vec![], tags: vec![] };
    for _ in 0..dice.roll(4) {
        let value = if dice.once_in(5) { f64::NAN } else { dice.pick(NUMBERS) };
        let (step, time_ms) = (dice.pick(&[-1, 0, 1, 2]), dice.pick(&[0, 1]));
        let (key, point) = (dice.pick(METRICS).to_owned(), Point { step, time_ms, value });
        run.metrics.entry(key.clone()).or_default().push(point);
        batch.metrics.push(LoggedMetric {
            key,
            point,
            model_id: None,
            dataset_name: None,
            dataset_digest: None,
        });
    }
    for _ in 0..dice.roll(3) {
        let key = dice.pick(PARAMS).to_owned();
        if let Entry::Vacant(fresh) = run.params.entry(key.clone()) {
            let value = dice.pick(TEXTS).to_owned();
            batch.params.push(KeyValue::new(key, value.clone()));
            fresh.insert(value);
        }
    }
    for _ in 0..dice.roll(3) {
        let (key, mut value) = (dice.pick(TAGS).to_owned(), dice.pick(TEXTS).to_owned());
        if key == PARENT_RUN_TAG {
            value = format!("{}{}", dice.pick(&["a", "zzz", "9", "0"]), dice.roll(30));
        }
        if key == ARCHIVED_TAG {
            value = dice.pick(&["true", "true", "false", "TRUE"]).to_owned();
        }
        batch.tags.push(KeyValue::new(key.clone(), value.clone()));
        run.tags.insert(key, value);
    }
    batch
}

/// What a search should find.
struct Asked {
    experiments: Vec<i64>,
    view: View,
    filter: Option<Expr>,
    order: Vec<(Field, bool)>,
    offset: usize,
    limit: usize,
}

impl Asked {
    fn new(dice: &mut Dice, datasets: bool) -> Self {
        let mut known = fields();
        let mut order: Vec<(Field, bool)> = Vec::new();
        for _ in 0..dice.roll(3) {
            let sort = dice.pick(&known);
            let key = (field(dice, &sort), dice.once_in(2));
            // The same key under another entity's name is the same key, but not written twice.
            if order.iter().all(|(other, _)| other.key != key.0.key) {
                order.push(key);
            }
        }
        if datasets {
            known.extend(DATASETS);
        }
        Self {
            experiments: dice.pick(&[vec![0], vec![0, 2], vec![2, 1, 0], vec![]]),
            view: dice.pick(&[View::Active, View::Active, View::Deleted, View::All]),
            filter: (!dice.once_in(4)).then(|| filter(dice, &known, 3)),
            order,
            offset: dice.pick(&[0, 0, 1, 5, 1000]),
            limit: dice.pick(&[1, 3, 10, 1000]),
        }
    }

    fn search(&self) -> Search {
        let direction = |ascending| if ascending { "ASC" } else { "DESC" };
        Search {
            filter: self.filter.as_ref().map(sugared).unwrap_or_default(),
            order_by: self.order.iter().map(|(field, up)| format!("{field} {}", direction(*up))).collect(),
            view: self.view,
            offset: self.offset as u64,
            limit: self.limit as u64,
        }
    }

    fn expected(&self, runs: &[Remembered]) -> (Vec<String>, usize) {
        let mut found: Vec<&Remembered> = runs
            .iter()
            .filter(|run| self.experiments.contains(&run.experiment))
            .filter(|run| match self.view {
                View::Active => !run.deleted,
                View::Deleted => run.deleted,
                View::All => true,
            })
            .filter(|run| self.filter.as_ref().is_none_or(|expr| matches(expr, &|field| run.look(field))))
            .collect();
        found.sort_by(|a, b| {
            let keys =
                self.order.iter().map(|(field, up)| compare(&a.sort_value(field), &b.sort_value(field), *up));
            let by_keys = keys.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then);
            by_keys.then(b.start.cmp(&a.start)).then(a.run_id.cmp(&b.run_id))
        });
        let page = found.iter().skip(self.offset).take(self.limit);
        (page.map(|run| run.run_id.clone()).collect(), found.len())
    }
}

/// Through columns, and by SQL.
const WAYS: [u32; 2] = [0, u32::MAX];

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn searches_find_what_they_should(seed in any::<u64>()) {
        let mut dice = Dice(seed);
        let mut world = World::new();
        for _ in 0..30 {
            for _ in 0..dice.roll(8) {
                world.step(&mut dice);
            }
            let asked = Asked::new(&mut dice, true);
            let search = asked.search();
            let (expected, total) = asked.expected(&world.runs);
            for way in WAYS {
                let page: Page<Run> = world
                    .store
                    .read(|reader| reader.through(way).search_runs(&asked.experiments, &search))
                    .map_err(|error| TestCaseError::fail(format!("{search:?}: {error}")))?;
                let found: Vec<_> = page.items.iter().map(|run| run.info.run_id.clone()).collect();
                prop_assert_eq!(&found, &expected, "way {}: {:?}", way, search);
                prop_assert_eq!(page.more, asked.offset + found.len() < total && asked.offset < total);
                let read = |reader: &Reader<'_>| {
                    rendered(&reader.through(way), &asked.experiments, &search, &world.renditions)
                };
                prop_assert_eq!(world.store.read(read).unwrap(), written(&page), "way {}: {:?}", way, search);
            }
        }
    }

    #[test]
    fn tables_show_what_they_should(seed in any::<u64>()) {
        let mut dice = Dice(seed);
        let mut world = World::new();
        for _ in 0..20 {
            for _ in 0..dice.roll(8) {
                world.step(&mut dice);
            }
            let mut asked = Asked::new(&mut dice, true);
            asked.order.clear();
            for clause in asked.filter.iter_mut().flat_map(Expr::clauses_mut) {
                let key = clause.field.key.as_str();
                clause.field.part = match dice.pick(&[None, Some(Part::Min), Some(Part::Max), Some(Part::Last)]) {
                    _ if !clause.field.is_metric() => None,
                    _ if [LESS_IS_BETTER, MORE_IS_BETTER].contains(&key) && dice.once_in(3) => Some(Part::Best),
                    part => part,
                };
            }
            let (expected, total) = asked.expected(&world.runs);
            let mut query = TableQuery {
                best: BTreeMap::from([(MORE_IS_BETTER.to_owned(), Reduce::Max)]),
                experiment_ids: asked.experiments.clone(),
                filter: asked.search().filter,
                view: asked.view,
                offset: asked.offset as u64,
                limit: asked.limit as u64,
                shape: TableShape::Flat,
                archived: true,
                ..TableQuery::default()
            };
            if asked.experiments.is_empty() {
                // No experiments are all of them, here.
                continue;
            }
            for way in WAYS {
                let table = world.store.read(|reader| reader.through(way).run_table(&query)).unwrap();
                let found: Vec<_> = table.rows.iter().map(|row| row.run_id.clone()).collect();
                prop_assert_eq!(&found, &expected, "way {}: {:?}", way, query);
                prop_assert_eq!((table.total, table.matching), (total as u64, total as u64));
            }
            // Orders, quick search and empty lists of experiments: both ways agree.
            for _ in 0..3 {
                let kinds = [ColumnKind::Metric, ColumnKind::Param, ColumnKind::Tag, ColumnKind::Attribute];
                let keys = (0..dice.roll(3)).map(|_| {
                    let kind = dice.pick(&kinds);
                    let key = match kind {
                        ColumnKind::Metric => dice.pick(METRICS),
                        ColumnKind::Param => dice.pick(PARAMS),
                        ColumnKind::Tag => dice.pick(TAGS),
                        ColumnKind::Attribute => dice.pick(&[
                            "name", "run_id", "state", "start_ms", "end_ms", "duration_ms", "user", "experiment",
                            "source", "note",
                        ]),
                    };
                    let reduce = dice.pick(&[Reduce::Last, Reduce::Min, Reduce::Max, Reduce::First]);
                    SortKey {
                        column: ColumnRef { kind, key: key.to_owned(), reduce },
                        descending: dice.once_in(2),
                    }
                });
                query.order_by = keys.collect();
                query.archived = dice.once_in(2);
                query.search = dice.pick(&["", "", "a", "A", "\u{c4}B", "0", "zz"]).to_owned();
                query.experiment_ids = dice.pick(&[vec![], vec![0, 1], vec![2]]);
                let parent = world.runs.get(dice.roll(20)).map_or("none", |run| run.run_id.as_str());
                let children = TableShape::Children(parent.to_owned());
                query.shape = dice.pick(&[TableShape::Flat, TableShape::Roots, children]);
                let tables = WAYS
                    .map(|way| world.store.read(|reader| reader.through(way).run_table(&query)).unwrap());
                prop_assert_eq!(&tables[0], &tables[1], "{:?}", query);
            }
        }
    }

    #[test]
    fn what_only_people_write_means_what_it_says(seed in any::<u64>()) {
        let mut dice = Dice(seed);
        let mut world = World::new();
        for _ in 0..10 {
            for _ in 0..1 + dice.roll(8) {
                world.step(&mut dice);
            }
            let text = dice.pick(&["a", "A", "b", "0", "true", "zz"]);
            let parent = world.runs.get(dice.roll(12)).map_or("none", |run| run.run_id.as_str()).to_owned();
            let name = |run: &Remembered| run.tags.get("mlflow.runName").cloned();
            // A run is not its own parent, whatever its tag says.
            let above = |run: &Remembered| run.tags.get(PARENT_RUN_TAG).filter(|id| **id != run.run_id).cloned();
            let named: Vec<String> =
                world.runs.iter().filter(|run| name(run).as_deref() == Some(text)).map(|run| run.run_id.clone()).collect();
            let (filter, holds): (String, Holds<'_>) = match dice.roll(8) {
                0 => (text.to_owned(), Box::new(|run| {
                    let own = run.tags.iter().filter(|(key, _)| !key.starts_with("mlflow.")).map(|(_, value)| value);
                    let mut texts = own.chain(name(run).iter()).chain([&run.run_id]).map(|text| text.to_lowercase()).collect::<Vec<_>>().into_iter();
                    texts.any(|one| one.contains(&text.to_lowercase()))
                })),
                1 => (format!("name ~ '^{text}'"), Box::new(|run| name(run).is_some_and(|name| name.starts_with(text)))),
                2 => (format!("not (params.p ~ '{text}')"), Box::new(|run| !run.params.get("p").is_some_and(|p| p.contains(text)))),
                3 => ("tags.team".to_owned(), Box::new(|run| run.tags.contains_key("team"))),
                4 => ("metrics.m > 0.5 and not tags.t".to_owned(), Box::new(|run| {
                    run.latest("m").is_some_and(|m| m > 0.5) && !run.tags.contains_key("t")
                })),
                5 => (format!("parent = '{parent}'"), Box::new(|run| above(run).as_ref() == Some(&parent))),
                6 => (format!("parent = '{text}'"), Box::new(|run| {
                    above(run).is_some_and(|id| id == text || named.contains(&id))
                })),
                _ => ("parent is null".to_owned(), Box::new(|run| above(run).is_none())),
            };
            let query = TableQuery {
                experiment_ids: vec![0, 1, 2],
                filter,
                limit: 1000,
                shape: TableShape::Flat,
                archived: true,
                ..TableQuery::default()
            };
            let mut expected: Vec<&str> =
                world.runs.iter().filter(|run| !run.deleted && holds(run)).map(|run| run.run_id.as_str()).collect();
            expected.sort_unstable();
            for way in WAYS {
                let table = world.store.read(|reader| reader.through(way).run_table(&query)).unwrap();
                let mut found: Vec<&str> = table.rows.iter().map(|row| row.run_id.as_str()).collect();
                found.sort_unstable();
                prop_assert_eq!(&found, &expected, "way {}: {:?}", way, query.filter);
            }
        }
    }
}

#[test]
fn a_snapshot_older_than_a_key_has_no_value_of_it() {
    let world = World::new();
    let store = &world.store;
    store.write_blocking(Change::CreateRun(Box::new(NewRun { run_id: "old".into(), ..new_run() }))).unwrap();
    let keys = ["metrics.m < 5", "params.p = 'x'", "tags.t = 'x'"];
    let find = |reader: &Reader<'_>| {
        keys.map(|filter| {
            let search = Search { filter: filter.to_owned(), limit: 10, ..Search::default() };
            reader.through(1).search_runs(&[0], &search).unwrap().items.len()
        })
    };
    store
        .read(|older| {
            assert_eq!(older.run("old")?.metrics.len(), 0);
            let point = Point { step: 0, time_ms: 0, value: 1.0 };
            let metric = LoggedMetric {
                key: "m".into(),
                point,
                model_id: None,
                dataset_name: None,
                dataset_digest: None,
            };
            let batch = LogBatch {
                run_id: "old".into(),
                metrics: vec![metric],
                params: vec![KeyValue::new("p", "x")],
                tags: vec![KeyValue::new("t", "x")],
            };
            store.write_blocking(Change::Log(Box::new(batch)))?;
            assert_eq!(store.read(|newer| Ok(find(newer)))?, [1; 3]);
            assert_eq!(find(older), [0; 3]);
            assert_eq!(store.read(|newer| Ok(find(newer)))?, [1; 3]);
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_reader_sees_one_snapshot_while_others_write_and_search() {
    let world = World::new();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let searches = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for writer in 0..3_u64 {
            let (store, stop) = (&world.store, &stop);
            scope.spawn(move || {
                let mut dice = Dice(writer);
                let mut count = 0;
                while !stop.load(Relaxed) {
                    count += 1;
                    let run_id = format!("{writer}-{count}");
                    let start_ms = dice.maybe(TIMES);
                    let create =
                        Change::CreateRun(Box::new(NewRun { run_id: run_id.clone(), start_ms, ..new_run() }));
                    // Another writer may have put the experiment into the trash for a moment.
                    if store.write_blocking(create).is_err() {
                        continue;
                    }
                    let mut run = Remembered { run_id, ..Remembered::default() };
                    for _ in 0..4 {
                        let _ = store.write_blocking(Change::Log(Box::new(log(&mut dice, &mut run))));
                    }
                    if dice.once_in(40) {
                        let (id, at_ms) = (0, 1);
                        let _ = store.write_blocking(Change::DeleteExperiment { id, at_ms });
                        let _ = store.write_blocking(Change::RestoreExperiment { id, at_ms });
                    }
                }
            });
        }
        let readers: Vec<_> = (0..3_u64)
            .map(|reader| {
                let (store, searches, renditions) = (&world.store, &searches, &world.renditions);
                scope.spawn(move || {
                    let mut dice = Dice(1000 + reader);
                    let until = std::time::Instant::now() + std::time::Duration::from_secs(3);
                    // However slow the machine is, something is looked at.
                    while std::time::Instant::now() < until || searches.load(Relaxed) <= 20 {
                        let asked = Asked::new(&mut dice, false);
                        let search = Search { offset: 0, limit: 10_000, ..asked.search() };
                        let found = store.read(|reader| {
                            // The snapshot is older than what others see meanwhile.
                            if dice.once_in(3) {
                                std::thread::sleep(std::time::Duration::from_millis(3));
                            }
                            let rendered = rendered(reader, &[0], &search, renditions)?;
                            let found = WAYS.map(|way| reader.through(way).search_runs(&[0], &search));
                            Ok((rendered, found.into_iter().collect::<crate::Result<Vec<_>>>()?))
                        });
                        let (rendered, found) = found.unwrap();
                        assert_eq!(rendered, written(&found[0]), "{search:?}");
                        assert_eq!(ids(&found[0]), ids(&found[1]), "{search:?}");
                        searches.fetch_add(1, Relaxed);
                    }
                })
            })
            .collect();
        let ended: Vec<_> = readers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        stop.store(true, Relaxed);
        assert!(ended.iter().all(Result::is_ok), "a reader failed");
    });
    assert!(searches.into_inner() > 20);
}

/// A run without anything.
fn new_run() -> NewRun {
    NewRun {
        run_id: String::new(),
        experiment_id: 0,
        name: "n".into(),
        user: String::new(),
        status: RunStatus::Running,
        start_ms: None,
        tags: vec![],
    }
}

/// What a search gives as renditions, of which some were made for earlier searches.
fn rendered(
    reader: &Reader<'_>,
    experiments: &[i64],
    search: &Search,
    renditions: &Renditions,
) -> crate::Result<(Vec<String>, bool)> {
    let write = |run: &LentRun<'_>, bytes: &mut Vec<u8>| {
        let texts = |texts: LentTexts<'_>| texts.iter().map(|(key, text)| KeyValue::new(key, text)).collect();
        let info = &run.info;
        let shown = Shown {
            ids: (info.run_id.to_owned(), info.experiment_id),
            texts: [info.name, info.user, info.artifact_uri].map(str::to_owned),
            state: (info.status, info.lifecycle, info.start_ms, info.end_ms),
            pairs: [texts(run.params), texts(run.tags)],
            metrics: run.metrics.iter().map(|(key, point)| (key.to_owned(), *point)).collect(),
            datasets: run.datasets.to_vec(),
            model_inputs: run.model_inputs.to_vec(),
            model_outputs: run.model_outputs.to_vec(),
        };
        bytes.extend_from_slice(format!("{shown:?}").as_bytes());
        Ok::<_, crate::Error>(())
    };
    let mut found = Vec::new();
    let each = |bytes: &[u8]| found.push(String::from_utf8_lossy(bytes).into_owned());
    let (count, more) = reader.search_renditions(experiments, search, renditions, write, each)?;
    assert_eq!(count, found.len());
    Ok((found, more))
}

/// The same from runs that were read whole.
fn written(page: &Page<Run>) -> (Vec<String>, bool) {
    let write = |run: &Run| {
        let info = &run.info;
        let shown = Shown {
            ids: (info.run_id.clone(), info.experiment_id),
            texts: [&info.name, &info.user, &info.artifact_uri].map(Clone::clone),
            state: (info.status, info.lifecycle, info.start_ms, info.end_ms),
            pairs: [run.params.clone(), run.tags.clone()],
            metrics: run.metrics.iter().map(|metric| (metric.key.clone(), metric.last)).collect(),
            datasets: run.datasets.clone(),
            model_inputs: run.model_inputs.clone(),
            model_outputs: run.model_outputs.clone(),
        };
        format!("{shown:?}")
    };
    (page.items.iter().map(write).collect(), page.more)
}

/// All that a rendition can show of a run.
#[derive(Debug)]
#[allow(dead_code, reason = "it is compared as text")]
struct Shown {
    ids: (String, i64),
    texts: [String; 3],
    state: (RunStatus, Lifecycle, Option<i64>, Option<i64>),
    pairs: [Vec<KeyValue>; 2],
    metrics: Vec<(String, Point)>,
    datasets: Vec<DatasetInput>,
    model_inputs: Vec<String>,
    model_outputs: Vec<ModelOutput>,
}

fn ids(page: &Page<Run>) -> Vec<&str> {
    page.items.iter().map(|run| run.info.run_id.as_str()).collect()
}
