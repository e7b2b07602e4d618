//! A saved view as a report needs it: which runs, in which order and columns, and how charts show them. Fields that say
//! how a window is laid out do not count here.

use crate::cli::client::Api;
use crate::cli::{Failure, Result, output};
use serde::Deserialize;
use slipway_server::app::wire::{
    ColumnKind, ColumnRef, Experiment, ExperimentList, Reduce, SeriesAggregate, SeriesBand, SmoothingKind,
    SortKey, ViewList, XAxis,
};
use std::collections::{BTreeMap, HashSet};

/// What a view says, in the names of its file.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub(super) struct View {
    pub(super) experiments: Vec<String>,
    pub(super) filter: String,
    pub(super) search: String,
    pub(super) trash: bool,
    pub(super) archived: bool,
    sort: Vec<NamedRef>,
    columns: Option<Vec<NamedRef>>,
    group: Vec<NamedRef>,
    pub(super) first: usize,
    pub(super) hidden: HashSet<String>,
    pub(super) baseline: Option<String>,
    directions: BTreeMap<String, Direction>,
    pub(super) x: Axis,
    pub(super) smoothing: f64,
    pub(super) smoothing_kind: SmoothingKind,
    pub(super) faint: bool,
    pub(super) clip: bool,
    pub(super) aggregate: SeriesAggregate,
    pub(super) band: SeriesBand,
    pub(super) logs: Vec<String>,
    pub(super) chart_filter: String,
    pub(super) panels: Vec<Panel>,
}

impl Default for View {
    fn default() -> Self {
        Self {
            experiments: Vec::new(),
            filter: String::new(),
            search: String::new(),
            trash: false,
            archived: false,
            sort: Vec::new(),
            columns: None,
            group: Vec::new(),
            first: 20,
            hidden: HashSet::new(),
            baseline: None,
            directions: BTreeMap::new(),
            x: Axis::Clock(XAxis::Step),
            smoothing: 0.0,
            smoothing_kind: SmoothingKind::Ema,
            faint: true,
            clip: false,
            aggregate: SeriesAggregate::Mean,
            band: SeriesBand::Std,
            logs: Vec::new(),
            chart_filter: String::new(),
            panels: Vec::new(),
        }
    }
}

/// What the x axis is.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Axis {
    Clock(XAxis),
    Metric { metric: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Direction {
    Higher,
    Lower,
}

/// A chart that somebody added.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Panel {
    pub(super) kind: String,
    #[serde(default)]
    pub(super) title: Option<String>,
    #[serde(default)]
    refs: Vec<NamedRef>,
    #[serde(default)]
    pub(super) options: serde_json::Map<String, serde_json::Value>,
}

impl Panel {
    pub(super) fn refs(&self) -> Vec<ColumnRef> {
        refs(&self.refs)
    }
}

/// `{ metric: val_loss, reduce: min }`.
#[derive(Debug, Clone, Deserialize)]
struct NamedRef {
    metric: Option<String>,
    param: Option<String>,
    tag: Option<String>,
    attribute: Option<String>,
    #[serde(default)]
    reduce: Option<Reduce>,
    #[serde(default)]
    step: Option<i64>,
    #[serde(default)]
    descending: bool,
}

impl NamedRef {
    fn column(&self) -> Option<ColumnRef> {
        let kinds = [
            (ColumnKind::Metric, &self.metric),
            (ColumnKind::Param, &self.param),
            (ColumnKind::Tag, &self.tag),
            (ColumnKind::Attribute, &self.attribute),
        ];
        let (kind, key) = kinds.into_iter().find_map(|(kind, key)| Some((kind, key.clone()?)))?;
        let is_metric = kind == ColumnKind::Metric;
        Some(ColumnRef {
            kind,
            key,
            reduce: self.reduce.filter(|_| is_metric),
            step: self.step.filter(|_| is_metric),
        })
    }
}

fn refs(named: &[NamedRef]) -> Vec<ColumnRef> {
    named.iter().filter_map(NamedRef::column).collect()
}

impl View {
    /// Which end of a metric is its best, where somebody said it.
    pub(super) fn best(&self) -> BTreeMap<String, Reduce> {
        let end = |direction: &Direction| match direction {
            Direction::Higher => Reduce::Max,
            Direction::Lower => Reduce::Min,
        };
        self.directions.iter().map(|(metric, direction)| (metric.clone(), end(direction))).collect()
    }

    /// The saved view of that name.
    pub(super) fn saved(api: &Api, name: &str) -> Result<Self> {
        let ViewList { views, .. } = api.get("/views")?;
        let named: Vec<_> = views.into_iter().filter(|view| view.name == name).collect();
        let Some(view) = named.into_iter().next() else {
            return Err(Failure::not_found(format!("no saved view is called `{}`", output::clean(name)))
                .hint("`Save view` in the Runs screen makes one."));
        };
        let unreadable = |why: String| {
            Failure::failed(format!("the view `{}` cannot be read: {why}", output::clean(name)))
                .hint(format!("Its file is `{}`.", view.file))
        };
        let Some(document) = view.document.clone() else {
            return Err(unreadable(view.problem.clone().unwrap_or_default()));
        };
        serde_json::from_value(serde_json::Value::Object(document))
            .map_err(|error| unreadable(error.to_string()))
    }

    /// Ids of its experiments, which it names; a name that is gone stands for none.
    pub(super) fn experiment_ids(&self, api: &Api) -> Result<Vec<String>> {
        let ExperimentList { experiments } = api.get("/experiments?view=active")?;
        let id = |name: &String| {
            let found =
                |experiment: &&Experiment| experiment.name == *name || experiment.experiment_id == *name;
            experiments.iter().find(found).map(|experiment| experiment.experiment_id.clone()).ok_or_else(
                || {
                    Failure::not_found(format!(
                        "the view's experiment `{}` is not there",
                        output::clean(name)
                    ))
                },
            )
        };
        self.experiments.iter().map(id).collect()
    }

    pub(super) fn columns(&self) -> Option<Vec<ColumnRef>> {
        self.columns.as_deref().map(refs)
    }

    pub(super) fn group(&self) -> Vec<ColumnRef> {
        refs(&self.group)
    }

    pub(super) fn order_by(&self) -> Vec<SortKey> {
        let key = |named: &NamedRef| Some(SortKey { column: named.column()?, descending: named.descending });
        self.sort.iter().filter_map(key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_the_window_is_understood() {
        let document = serde_json::json!({
            "experiments": ["fraud"], "filter": "metrics.loss < 1", "first": 5, "x": { "metric": "epoch" },
            "sort": [{ "metric": "loss", "reduce": "min", "descending": true }],
            "columns": [{ "param": "lr", "width": 80 }, { "nonsense": 1 }],
            "group": [{ "param": "kind" }], "directions": { "loss": "lower" }, "split": 0.3,
            "panels": [{ "id": "a", "kind": "scatter", "refs": [{ "param": "lr" }, { "metric": "loss" }] }],
        });
        let view: View = serde_json::from_value(document).unwrap();
        assert_eq!((view.first, view.faint, view.columns().unwrap().len()), (5, true, 1));
        assert!(view.order_by()[0].descending && view.order_by()[0].column.reduce == Some(Reduce::Min));
        assert!(matches!(&view.x, Axis::Metric { metric } if metric == "epoch"));
        assert_eq!(view.panels[0].refs()[1].key, "loss");
        let plain: View = serde_json::from_str("{\"x\": \"time\"}").unwrap();
        assert!(matches!(plain.x, Axis::Clock(XAxis::Time)));
    }
}
