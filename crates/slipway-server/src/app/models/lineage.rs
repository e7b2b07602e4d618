//! Where a model comes from and what it became: from datasets to runs to logged models to versions to aliases.

use crate::ServerState;
use crate::app::read;
use crate::app::wire::{ApiError, Lineage, LineageEdge, LineageNode, LineagePoint};
use crate::error::{ApiFailure, ApiJson, ApiResult};
use axum::Json;
use axum::extract::State;
use slipway_models::layout::{Sizes, layered};
use slipway_store::{Error, Reader, Result, Search, Target, View};
use std::collections::{HashSet, VecDeque};

/// Boxes that are shown.
const NODES_LIMIT: usize = 200;
/// Neighbours of one box that are looked at.
const NEIGHBOURS_LIMIT: u64 = 50;
/// Newest versions with which the lineage of a model begins, beside those with an alias.
const MODEL_VERSIONS: u64 = 10;
const SIZES: Sizes = Sizes { width: 200.0, height: 48.0, gap_x: 64.0, gap_y: 16.0 };

/// What leads to a dataset, run, model, version or alias, and what comes from it, laid out.
#[utoipa::path(post, path = "/models/lineage", tag = "models", request_body = LineagePoint,
    responses((status = 200, body = Lineage), (status = "default", body = ApiError)))]
pub(in crate::app) async fn trace_lineage(
    State(state): State<ServerState>,
    ApiJson(start): ApiJson<LineagePoint>,
) -> ApiResult<Json<Lineage>> {
    if let LineagePoint::Dataset { experiment_id, .. } = &start {
        crate::app::experiment_id(experiment_id)?;
    }
    let graph = read(&state, move |reader| trace(reader, &start)).await??;
    match graph.nodes.is_empty() {
        true => Err(ApiFailure::not_found("there is nothing of which a lineage could be shown")),
        false => Ok(Json(laid_out(graph))),
    }
}

#[derive(Default)]
struct Graph {
    nodes: Vec<Node>,
    /// From, to, and in which way.
    edges: Vec<(usize, usize, String)>,
    truncated: bool,
}

struct Node {
    point: LineagePoint,
    label: String,
    detail: String,
    is_start: bool,
    is_missing: bool,
}

/// A neighbour, and in which way it is one.
type Link = (LineagePoint, String);

fn trace(reader: &Reader<'_>, start: &LineagePoint) -> Result<Graph> {
    let mut graph = Graph::default();
    let starts = match start {
        LineagePoint::Model { name } => versions_of(reader, name)?,
        point => vec![point.clone()],
    };
    for upwards in [true, false] {
        let mut waiting: VecDeque<usize> = VecDeque::new();
        let mut seen = HashSet::new();
        for point in &starts {
            let at = graph.put(reader, point, true)?;
            // What was asked for has to be there; what it names may be gone.
            if graph.nodes[at].is_missing && !matches!(start, LineagePoint::Model { .. }) {
                exists(reader, point)?;
            }
            if seen.insert(at) {
                waiting.push_back(at);
            }
        }
        while let Some(at) = waiting.pop_front() {
            let point = graph.nodes[at].point.clone();
            let links = if upwards { before(reader, &point) } else { after(reader, &point) };
            for (other, label) in links.or_else(nothing_if_gone)? {
                let known = graph.nodes.iter().any(|node| node.point == other);
                if !known && graph.nodes.len() >= NODES_LIMIT {
                    graph.truncated = true;
                    continue;
                }
                let there = graph.put(reader, &other, false)?;
                let edge = if upwards { (there, at, label) } else { (at, there, label) };
                if !graph.edges.iter().any(|(from, to, _)| (*from, *to) == (edge.0, edge.1)) {
                    graph.edges.push(edge);
                }
                if seen.insert(there) {
                    waiting.push_back(there);
                }
            }
        }
    }
    Ok(graph)
}

impl Graph {
    fn put(&mut self, reader: &Reader<'_>, point: &LineagePoint, is_start: bool) -> Result<usize> {
        if let Some(at) = self.nodes.iter().position(|node| node.point == *point) {
            return Ok(at);
        }
        let (label, detail, is_missing) = match described(reader, point) {
            Ok((label, detail)) => (label, detail, false),
            Err(Error::NotFound(_)) => (name_of(point), "deleted".to_owned(), true),
            Err(error) => return Err(error),
        };
        self.nodes.push(Node { point: point.clone(), label, detail, is_start, is_missing });
        Ok(self.nodes.len() - 1)
    }
}

fn nothing_if_gone(error: Error) -> Result<Vec<Link>> {
    match error {
        Error::NotFound(_) => Ok(Vec::new()),
        error => Err(error),
    }
}

fn exists(reader: &Reader<'_>, point: &LineagePoint) -> Result<()> {
    described(reader, point).map(drop)
}

/// The versions with which the lineage of a model begins.
fn versions_of(reader: &Reader<'_>, name: &str) -> Result<Vec<LineagePoint>> {
    let model = reader.registered_model(name)?;
    let query = slipway_store::VersionsQuery {
        name: Some(name.to_owned()),
        limit: MODEL_VERSIONS,
        ..slipway_store::VersionsQuery::default()
    };
    let (newest, _) = reader.version_summaries(&query)?;
    let mut numbers: Vec<i64> = newest.into_iter().map(|summary| summary.version.version).collect();
    numbers.extend(model.aliases.into_iter().map(|(_, version)| version));
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers.into_iter().map(|version| LineagePoint::Version { name: name.to_owned(), version }).collect())
}

fn name_of(point: &LineagePoint) -> String {
    match point {
        LineagePoint::Dataset { name, .. } | LineagePoint::Model { name } => name.clone(),
        LineagePoint::Run { run_id } => run_id.clone(),
        LineagePoint::LoggedModel { model_id } => model_id.clone(),
        LineagePoint::Version { name, version } => format!("{name} v{version}"),
        LineagePoint::Alias { name, alias } => format!("{name}@{alias}"),
    }
}

/// What a box says, in two lines.
fn described(reader: &Reader<'_>, point: &LineagePoint) -> Result<(String, String)> {
    Ok(match point {
        LineagePoint::Dataset { experiment_id, name, digest } => {
            let used = reader.runs_that_read_dataset(experiment_id.parse().unwrap_or(-1), name, digest, 1)?;
            if used.is_empty() {
                return Err(Error::NotFound(slipway_store::Missing::Run(format!("that read '{name}'"))));
            }
            (name.clone(), format!("dataset {digest}"))
        }
        LineagePoint::Run { run_id } => {
            let run = reader.run_info(run_id)?;
            (run.name, format!("run in {}", reader.experiment(run.experiment_id)?.name))
        }
        LineagePoint::LoggedModel { model_id } => {
            let model = reader.logged_model(model_id)?;
            (model.name, "logged model".to_owned())
        }
        LineagePoint::Version { name, version } => {
            let found = reader.model_version(name, *version)?;
            let stage = match found.stage {
                slipway_store::Stage::None => "version".to_owned(),
                stage => format!("version in {}", stage.as_str()),
            };
            (format!("{name} v{version}"), stage)
        }
        LineagePoint::Alias { name, alias } => match reader.holder(name, &Target::Alias(alias.clone()))? {
            Some(version) => (format!("@{alias}"), format!("alias of {name} v{version}")),
            None => return Err(Error::NotFound(slipway_store::Missing::Alias(alias.clone()))),
        },
        LineagePoint::Model { name } => (reader.registered_model(name)?.name, "model".to_owned()),
    })
}

/// What something was made from.
fn before(reader: &Reader<'_>, point: &LineagePoint) -> Result<Vec<Link>> {
    Ok(match point {
        LineagePoint::Dataset { .. } | LineagePoint::Model { .. } => Vec::new(),
        LineagePoint::Run { run_id } => {
            let run = reader.run(run_id)?;
            let experiment_id = run.info.experiment_id.to_string();
            let datasets = run.datasets.into_iter().map(|input| {
                let context = input.tags.iter().find(|tag| tag.key == "mlflow.data.context");
                let label = context.map_or("read", |tag| tag.value.as_str()).to_owned();
                let experiment_id = experiment_id.clone();
                let (name, digest) = (input.dataset.name, input.dataset.digest);
                (LineagePoint::Dataset { experiment_id, name, digest }, label)
            });
            let models = run.model_inputs.into_iter();
            let models = models.map(|model_id| (LineagePoint::LoggedModel { model_id }, "read".to_owned()));
            datasets.chain(models).collect()
        }
        LineagePoint::LoggedModel { model_id } => {
            let source = reader.logged_model(model_id)?.source_run_id;
            source.map(|run_id| (LineagePoint::Run { run_id }, "logged".to_owned())).into_iter().collect()
        }
        LineagePoint::Version { name, version } => {
            let version = reader.model_version(name, *version)?;
            match (version.model_id, version.run_id) {
                (Some(model_id), _) => {
                    vec![(LineagePoint::LoggedModel { model_id }, "registered".to_owned())]
                }
                (None, Some(run_id)) => vec![(LineagePoint::Run { run_id }, "registered".to_owned())],
                (None, None) => Vec::new(),
            }
        }
        LineagePoint::Alias { name, alias } => {
            let version = reader.holder(name, &Target::Alias(alias.clone()))?;
            let point = |version| LineagePoint::Version { name: name.clone(), version };
            version.map(|version| (point(version), "names".to_owned())).into_iter().collect()
        }
    })
}

/// What came of something.
fn after(reader: &Reader<'_>, point: &LineagePoint) -> Result<Vec<Link>> {
    Ok(match point {
        LineagePoint::Alias { .. } | LineagePoint::Model { .. } => Vec::new(),
        LineagePoint::Dataset { experiment_id, name, digest } => reader
            .runs_that_read_dataset(experiment_id.parse().unwrap_or(-1), name, digest, NEIGHBOURS_LIMIT)?
            .into_iter()
            .map(|run| (LineagePoint::Run { run_id: run.run_id }, "read".to_owned()))
            .collect(),
        LineagePoint::Run { run_id } => {
            let run = reader.run(run_id)?;
            let made = run.model_outputs.into_iter();
            let mut links: Vec<Link> = made
                .map(|made| (LineagePoint::LoggedModel { model_id: made.model_id }, "logged".to_owned()))
                .collect();
            let search = Search {
                filter: format!("run_id = '{}'", run.info.run_id),
                order_by: Vec::new(),
                view: View::Active,
                offset: 0,
                limit: NEIGHBOURS_LIMIT,
            };
            // Those of a logged model hang on that.
            let versions = reader.search_model_versions(&search)?.items.into_iter();
            links.extend(versions.filter(|version| version.model_id.is_none()).map(|version| {
                let point = LineagePoint::Version { name: version.name, version: version.version };
                (point, "registered".to_owned())
            }));
            links
        }
        LineagePoint::LoggedModel { model_id } => {
            let versions = reader.logged_model(model_id)?.registrations.into_iter();
            let mut links: Vec<Link> = versions
                .map(|(name, version)| (LineagePoint::Version { name, version }, "registered".to_owned()))
                .collect();
            let (readers, _) = reader.runs_that_read(model_id, NEIGHBOURS_LIMIT)?;
            let readers = readers.into_iter();
            links.extend(readers.map(|run| (LineagePoint::Run { run_id: run.run_id }, "read".to_owned())));
            links
        }
        LineagePoint::Version { name, version } => reader
            .model_version(name, *version)?
            .aliases
            .into_iter()
            .map(|alias| (LineagePoint::Alias { name: name.clone(), alias }, "named".to_owned()))
            .collect(),
    })
}

fn laid_out(graph: Graph) -> Lineage {
    let edges: Vec<(usize, usize)> = graph.edges.iter().map(|(from, to, _)| (*from, *to)).collect();
    let (places, width, height) = layered(graph.nodes.len(), &edges, SIZES);
    let id = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
    Lineage {
        nodes: graph
            .nodes
            .into_iter()
            .zip(places)
            .enumerate()
            .map(|(index, (node, place))| LineageNode {
                id: id(index),
                point: node.point,
                label: node.label,
                detail: node.detail,
                is_start: node.is_start,
                is_missing: node.is_missing,
                layer: id(place.layer),
                x: place.x,
                y: place.y,
                width: SIZES.width,
                height: SIZES.height,
            })
            .collect(),
        edges: graph
            .edges
            .into_iter()
            .map(|(from, to, label)| LineageEdge { from: id(from), to: id(to), label })
            .collect(),
        width,
        height,
        truncated: graph.truncated,
    }
}
