//! Experiments, registered models, versions and logged models: the SQL and the oracle agree.

use super::oracle::{Looked, SortValue, compare, matches};
use super::random::{Dice, Kind, Known, NUMBERS, TEXTS, TIMES, filter};
use crate::search::{Expr, Field};
use crate::{
    Change, KeyValue, LogBatch, LoggedMetric, LoggedModelOrder, LoggedModelSearch, ModelStatus,
    NewLoggedModel, NewModelVersion, NewRun, Point, RunStatus, Search, Store,
};
use proptest::prelude::*;
use std::cmp::Ordering;
use std::collections::BTreeMap;

const BARE: &[Option<&str>] = &[None, Some("attribute"), Some("attributes")];
const BARE_OR_ATTRIBUTES: &[Option<&str>] = &[None, Some("attributes")];
const TAG: &[Option<&str>] = &[Some("tags"), Some("tag")];
const TAGS: &[Option<&str>] = &[Some("tags")];
const PARAMS: &[Option<&str>] = &[Some("params")];
const METRICS: &[Option<&str>] = &[Some("metrics")];
const PROMPT: &str = "mlflow.prompt.is_prompt";

type Texts = BTreeMap<String, String>;

fn open() -> (Store, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (Store::open(dir.path(), Box::new(|_| {})).unwrap(), dir)
}

fn some_tags(dice: &mut Dice) -> Texts {
    (0..dice.roll(3)).map(|_| (dice.pick(&["t", "my-key"]).to_owned(), dice.pick(TEXTS).to_owned())).collect()
}

fn pairs(texts: &Texts) -> Vec<KeyValue> {
    texts.iter().map(|(key, value)| KeyValue::new(key, value)).collect()
}

fn is_tag(field: &Field) -> bool {
    matches!(field.entity.as_deref(), Some("tags" | "tag"))
}

fn mentions_prompts(expr: Option<&Expr>) -> bool {
    expr.is_some_and(|expr| expr.any(&|clause| is_tag(&clause.field) && clause.field.key == PROMPT))
}

fn search(expr: Option<&Expr>, order: &str, limit: u64, offset: u64) -> Search {
    let filter = expr.map(ToString::to_string).unwrap_or_default();
    let order_by = if order.is_empty() { vec![] } else { vec![order.to_owned()] };
    Search { filter, order_by, limit, offset, ..Search::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn experiments(seed in any::<u64>()) {
        let mut dice = Dice(seed);
        let (store, _dir) = open();
        let mut known = Vec::new();
        for (id, name) in TEXTS.iter().enumerate().skip(1).take(8) {
            let (tags, at_ms) = (some_tags(&mut dice), dice.pick(TIMES));
            let (name, pairs) = ((*name).to_owned(), pairs(&tags));
            let create =
                Change::CreateExperiment { name: name.clone(), artifact_location: None, tags: pairs, at_ms };
            store.write_blocking(create).unwrap();
            known.push((id, name, at_ms, tags));
        }
        // The one that is always there gets out of the way, since its times are those of now.
        store.write_blocking(Change::DeleteExperiment { id: 0, at_ms: 0 }).unwrap();
        let fields: &[Known] = &[
            (BARE, "name", Kind::Text),
            (BARE, "experiment_id", Kind::Text),
            (BARE, "creation_time", Kind::Time),
            (BARE, "last_update_time", Kind::Time),
            (TAG, "t", Kind::Text),
            (TAG, "my-key", Kind::Text),
        ];
        for _ in 0..30 {
            let expr = (!dice.once_in(5)).then(|| filter(&mut dice, fields, 3));
            let mut expected: Vec<_> = known
                .iter()
                .filter(|(id, name, at_ms, tags)| {
                    expr.as_ref().is_none_or(|expr| matches(expr, &|field| match field.key.as_str() {
                        key if is_tag(field) => Looked::Text(tags.get(key).cloned()),
                        "name" => Looked::Text(Some(name.clone())),
                        "experiment_id" => Looked::Text(Some(id.to_string())),
                        _ => Looked::Number(Some(*at_ms as f64)),
                    }))
                })
                .collect();
            let order = dice.pick(&["", "name DESC", "creation_time"]);
            expected.sort_by(|a, b| match order {
                "name DESC" => b.1.cmp(&a.1),
                "creation_time" => a.2.cmp(&b.2).then(a.0.cmp(&b.0)),
                _ => b.2.cmp(&a.2).then(a.0.cmp(&b.0)),
            });
            let (offset, limit) = (dice.roll(4), 1 + dice.roll(9));
            let search = search(expr.as_ref(), order, limit as u64, offset as u64);
            let page = store.read(|reader| reader.search_experiments(&search)).unwrap();
            let found: Vec<_> = page.items.iter().map(|found| found.name.clone()).collect();
            let wanted: Vec<_> = expected.iter().skip(offset).take(limit).map(|known| known.1.clone()).collect();
            prop_assert_eq!(&found, &wanted, "{:?}", search);
            prop_assert_eq!(page.more, offset + limit < expected.len());
        }
    }

    #[test]
    fn registered_models_and_versions(seed in any::<u64>()) {
        let mut dice = Dice(seed);
        let (store, _dir) = open();
        let mut models: Vec<(String, Texts, i64)> = Vec::new();
        let mut versions: Vec<(String, i64, NewModelVersion, Texts)> = Vec::new();
        for name in TEXTS.iter().skip(1).take(8) {
            let (mut tags, at_ms) = (some_tags(&mut dice), dice.pick(TIMES));
            if dice.once_in(3) {
                tags.insert(PROMPT.into(), dice.pick(&["true", "false", "True"]).into());
            }
            let name = (*name).to_owned();
            let create = Change::CreateRegisteredModel {
                name: name.clone(),
                tags: pairs(&tags),
                description: None,
                at_ms,
            };
            store.write_blocking(create).unwrap();
            for number in 1..=dice.roll(4) {
                let tags = some_tags(&mut dice);
                let version = NewModelVersion {
                    name: name.clone(),
                    source: dice.pick(TEXTS).into(),
                    storage_location: "s".into(),
                    run_id: dice.maybe(TEXTS).map(str::to_owned),
                    run_link: None,
                    model_id: None,
                    description: None,
                    user: None,
                    tags: pairs(&tags),
                    at_ms,
                    once: false,
                };
                store.write_blocking(Change::CreateModelVersion(Box::new(version.clone()))).unwrap();
                versions.push((name.clone(), i64::try_from(number).unwrap(), version, tags));
            }
            models.push((name, tags, at_ms));
        }
        let is_prompt = |name: &str| {
            let model = models.iter().find(|model| model.0 == name).unwrap();
            model.1.get(PROMPT).is_some_and(|value| value.eq_ignore_ascii_case("true"))
        };
        let model_fields: &[Known] = &[
            (BARE, "name", Kind::Text),
            (TAG, "t", Kind::Text),
            (TAG, "my-key", Kind::Text),
            (TAG, PROMPT, Kind::Flag),
        ];
        let version_fields: &[Known] = &[
            (BARE, "name", Kind::Text),
            (BARE, "run_id", Kind::Text),
            (BARE, "source_path", Kind::Text),
            (BARE, "version_number", Kind::Whole),
            (TAG, "t", Kind::Text),
            (TAG, PROMPT, Kind::Flag),
        ];
        for _ in 0..30 {
            let expr = (!dice.once_in(5)).then(|| filter(&mut dice, model_fields, 3));
            let (offset, limit) = (dice.roll(3), 1 + dice.roll(9));
            let all_kinds = mentions_prompts(expr.as_ref());
            let mut expected: Vec<&str> = models
                .iter()
                .filter(|(name, tags, _)| {
                    (all_kinds || !is_prompt(name))
                        && expr.as_ref().is_none_or(|expr| matches(expr, &|field| match field.key.as_str() {
                            PROMPT => Looked::Flag(is_prompt(name)),
                            key if is_tag(field) => Looked::Text(tags.get(key).cloned()),
                            _ => Looked::Text(Some(name.clone())),
                        }))
                })
                .map(|model| model.0.as_str())
                .collect();
            expected.sort_unstable();
            let asked = search(expr.as_ref(), "", limit as u64, offset as u64);
            let page = store.read(|reader| reader.search_registered_models(&asked)).unwrap();
            let found: Vec<_> = page.items.iter().map(|model| model.name.as_str()).collect();
            let wanted: Vec<_> = expected.iter().copied().skip(offset).take(limit).collect();
            prop_assert_eq!(found, wanted, "{:?}", asked);

            let expr = (!dice.once_in(5)).then(|| filter(&mut dice, version_fields, 3));
            let all_kinds = mentions_prompts(expr.as_ref());
            let mut expected: Vec<_> = versions
                .iter()
                .filter(|(name, number, version, tags)| {
                    (all_kinds || !is_prompt(name))
                        && expr.as_ref().is_none_or(|expr| matches(expr, &|field| match field.key.as_str() {
                            PROMPT => Looked::Flag(is_prompt(name)),
                            key if is_tag(field) => Looked::Text(tags.get(key).cloned()),
                            "name" => Looked::Text(Some(name.clone())),
                            "run_id" => Looked::Text(version.run_id.clone()),
                            "source_path" => Looked::Text(Some(version.source.clone())),
                            _ => Looked::Number(Some(*number as f64)),
                        }))
                })
                .map(|(name, number, version, _)| (name.as_str(), *number, version.at_ms))
                .collect();
            let by_number = dice.once_in(2);
            expected.sort_by(|a, b| {
                let default = b.2.cmp(&a.2).then(a.0.cmp(b.0)).then(b.1.cmp(&a.1));
                if by_number { a.1.cmp(&b.1).then(default) } else { default }
            });
            let order = if by_number { "version_number ASC" } else { "" };
            let asked = search(expr.as_ref(), order, limit as u64, offset as u64);
            let page = store.read(|reader| reader.search_model_versions(&asked)).unwrap();
            let found: Vec<_> =
                page.items.iter().map(|found| (found.name.as_str(), found.version, found.updated_ms)).collect();
            let wanted: Vec<_> = expected.iter().copied().skip(offset).take(limit).collect();
            prop_assert_eq!(found, wanted, "{:?}", asked);
        }
    }

    #[test]
    fn logged_models(seed in any::<u64>()) {
        let mut dice = Dice(seed);
        let (store, _dir) = open();
        store.write_blocking(Change::CreateRun(Box::new(NewRun {
            run_id: "r".into(),
            experiment_id: 0,
            name: "n".into(),
            user: String::new(),
            status: RunStatus::Running,
            start_ms: None,
            tags: vec![],
        }))).unwrap();
        let mut models: Vec<Model> = Vec::new();
        for number in 0..10 {
            models.push(Model::make(&store, &mut dice, number));
        }
        let fields: &[Known] = &[
            (BARE_OR_ATTRIBUTES, "name", Kind::Text),
            (BARE_OR_ATTRIBUTES, "model_id", Kind::Text),
            (BARE_OR_ATTRIBUTES, "model_type", Kind::Text),
            (BARE_OR_ATTRIBUTES, "source_run_id", Kind::Text),
            (BARE_OR_ATTRIBUTES, "experiment_id", Kind::Text),
            (BARE_OR_ATTRIBUTES, "lifecycle_stage", Kind::Text),
            (BARE_OR_ATTRIBUTES, "creation_timestamp", Kind::Time),
            (PARAMS, "t", Kind::Text),
            (TAGS, "my-key", Kind::Text),
            (METRICS, "m", Kind::Metric),
            (METRICS, "val loss", Kind::Metric),
        ];
        for _ in 0..30 {
            let expr = (!dice.once_in(5)).then(|| filter(&mut dice, fields, 3));
            let datasets = dice.pick(&[
                vec![],
                vec![("train".to_owned(), None)],
                vec![("train".to_owned(), Some("2".to_owned())), ("test".to_owned(), None)],
            ]);
            let by_metric = dice.once_in(2);
            let ascending = dice.once_in(2);
            let asks_metrics = expr.as_ref().is_some_and(|expr| {
                expr.any(&|clause| clause.field.entity.as_deref() == Some("metrics"))
            });
            let mut expected: Vec<&Model> = models
                .iter()
                .filter(|model| expr.as_ref().is_none_or(|expr| matches(expr, &|field| model.look(field, &datasets))))
                .filter(|model| {
                    datasets.is_empty() || asks_metrics || model.metrics.iter().any(|row| is_on(row, &datasets))
                })
                .collect();
            expected.sort_by(|a, b| {
                let value = |model: &Model| match model.latest("m", &[]) {
                    Some(number) if !number.is_nan() => SortValue::Number(number),
                    _ => SortValue::Missing,
                };
                let by_key = if by_metric { compare(&value(a), &value(b), ascending) } else { Ordering::Equal };
                by_key.then(b.at_ms.cmp(&a.at_ms)).then(a.model_id.cmp(&b.model_id))
            });
            let order = LoggedModelOrder {
                field: "metrics.m".into(),
                ascending,
                dataset_name: None,
                dataset_digest: None,
            };
            let (offset, limit) = (dice.roll(3), 1 + dice.roll(9));
            let search = LoggedModelSearch {
                experiment_ids: vec![0],
                filter: expr.as_ref().map(ToString::to_string).unwrap_or_default(),
                datasets,
                order_by: if by_metric { vec![order] } else { vec![] },
                offset: offset as u64,
                limit: limit as u64,
            };
            let page = store.read(|reader| reader.search_logged_models(&search)).unwrap();
            let found: Vec<_> = page.items.iter().map(|found| found.model_id.clone()).collect();
            let wanted: Vec<_> =
                expected.iter().skip(offset).take(limit).map(|model| model.model_id.clone()).collect();
            prop_assert_eq!(found, wanted, "{:?}", search);
            prop_assert_eq!(page.more, offset + limit < expected.len());
        }
    }
}

/// A logged model as the test remembers it.
struct Model {
    model_id: String,
    name: String,
    model_type: Option<String>,
    source_run_id: Option<String>,
    at_ms: i64,
    params: Texts,
    tags: Texts,
    metrics: Vec<LoggedMetric>,
}

fn is_on(row: &LoggedMetric, datasets: &[(String, Option<String>)]) -> bool {
    datasets.is_empty()
        || datasets.iter().any(|(name, digest)| {
            row.dataset_name.as_ref() == Some(name) && (digest.is_none() || row.dataset_digest == *digest)
        })
}

impl Model {
    fn make(store: &Store, dice: &mut Dice, number: i64) -> Self {
        let mut model = Self {
            model_id: format!("m-{}", (number * 7) % 10),
            name: dice.pick(TEXTS).into(),
            model_type: dice.maybe(TEXTS).map(str::to_owned),
            source_run_id: dice.maybe(&["r", "a"]).map(str::to_owned),
            at_ms: dice.pick(TIMES),
            params: some_tags(dice),
            tags: some_tags(dice),
            metrics: Vec::new(),
        };
        let create = NewLoggedModel {
            model_id: model.model_id.clone(),
            experiment_id: 0,
            name: model.name.clone(),
            model_type: model.model_type.clone(),
            source_run_id: model.source_run_id.clone(),
            params: pairs(&model.params),
            tags: pairs(&model.tags),
            at_ms: model.at_ms,
        };
        store.write_blocking(Change::CreateLoggedModel(Box::new(create))).unwrap();
        for step in 0..i64::try_from(dice.roll(5)).unwrap() {
            let value = if dice.once_in(5) { f64::NAN } else { dice.pick(NUMBERS) };
            let dataset = dice.maybe(&[("train", "1"), ("train", "2"), ("test", "1")]);
            model.metrics.push(LoggedMetric {
                key: dice.pick(&["m", "val loss"]).into(),
                point: Point { step, time_ms: dice.pick(&[0, 1]), value },
                model_id: Some(model.model_id.clone()),
                dataset_name: dataset.map(|dataset| dataset.0.to_owned()),
                dataset_digest: dataset.map(|dataset| dataset.1.to_owned()),
            });
        }
        let batch =
            LogBatch { run_id: "r".into(), metrics: model.metrics.clone(), params: vec![], tags: vec![] };
        store.write_blocking(Change::Log(Box::new(batch))).unwrap();
        let (model_id, status, at_ms) = (model.model_id.clone(), ModelStatus::Ready, model.at_ms);
        store.write_blocking(Change::FinalizeLoggedModel { model_id, status, at_ms }).unwrap();
        model
    }

    fn latest(&self, key: &str, datasets: &[(String, Option<String>)]) -> Option<f64> {
        let rows = self.metrics.iter().filter(|row| row.key == key && is_on(row, datasets));
        rows.max_by_key(|row| (row.point.time_ms, row.point.step)).map(|row| row.point.value)
    }

    fn look(&self, field: &Field, datasets: &[(String, Option<String>)]) -> Looked {
        let key = field.key.as_str();
        match field.entity.as_deref() {
            Some("metrics") => {
                let rows = self.metrics.iter().filter(|row| row.key == key && is_on(row, datasets));
                Looked::AnyNumber(rows.map(|row| row.point.value).collect())
            }
            Some("params") => Looked::Text(self.params.get(key).cloned()),
            Some("tags") => Looked::Text(self.tags.get(key).cloned()),
            _ => match key {
                "name" => Looked::Text(Some(self.name.clone())),
                "model_id" => Looked::Text(Some(self.model_id.clone())),
                "model_type" => Looked::Text(self.model_type.clone()),
                "source_run_id" => Looked::Text(self.source_run_id.clone()),
                "experiment_id" => Looked::Text(Some("0".into())),
                "lifecycle_stage" => Looked::Text(Some("active".into())),
                _ => Looked::Number(Some(self.at_ms as f64)),
            },
        }
    }
}
