//! One version: what the store holds of it, and what its files say.

use super::convert;
use crate::ServerState;
use crate::app::wire::{
    ApiError, FilesRecord, RunBrief, VersionDataset, VersionDetail, VersionFile, VersionFiles,
    VersionLoggedModel, VersionRun,
};
use crate::app::{blocking, convert as common, read};
use crate::error::{ApiQuery, ApiResult};
use crate::places::Place;
use crate::registry::files;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use slipway_store as store;
use slipway_store::{Error, KeyValue, Reader};
use std::collections::{BTreeMap, HashMap};
use utoipa::IntoParams;

const SHOWN_FILES: usize = 2000;
const SHOWN_USERS: u64 = 20;
const SHOWN_WARNINGS: usize = 20;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::app) struct VersionQuery {
    /// Name of the model.
    pub(in crate::app) name: String,
    /// Number of the version.
    pub(in crate::app) version: i64,
}

/// Everything about a version of a model.
#[utoipa::path(get, path = "/models/version", tag = "models", params(VersionQuery),
    responses((status = 200, body = VersionDetail), (status = "default", body = ApiError)))]
pub(in crate::app) async fn get_version(
    State(state): State<ServerState>,
    ApiQuery(query): ApiQuery<VersionQuery>,
) -> ApiResult<Json<VersionDetail>> {
    let (mut detail, record) = read(&state, move |reader| detail(reader, &query)).await??;
    let place = Place::find(&state, &detail.location);
    let (found, described) = blocking(move || match place {
        Ok(place) => (files::list(&place).map_err(|error| error.to_string()), files::describe(&place)),
        Err(error) => (Err(error.to_string()), files::Described::default()),
    })
    .await?;
    detail.files = shown_files(found, record);
    detail.warnings = detail
        .files
        .files
        .iter()
        .filter_map(|file| files::warning(&file.path))
        .take(SHOWN_WARNINGS)
        .collect();
    detail.card = convert::card(described);
    Ok(Json(detail))
}

/// What the store holds.
fn detail(
    reader: &Reader<'_>,
    query: &VersionQuery,
) -> store::Result<(VersionDetail, Option<store::FilesRecord>)> {
    let version = reader.model_version(&query.name, query.version)?;
    let record = reader.version_files(&query.name, query.version)?;
    let metrics = reader.version_metrics(&version)?;
    let run = version.run_id.as_deref().map(|id| reader.run(id)).transpose().or_else(gone)?;
    let logged = version.model_id.as_deref().map(|id| reader.logged_model(id)).transpose().or_else(gone)?;
    let (used_by, used_by_count) = match &version.model_id {
        Some(id) => reader.runs_that_read(id, SHOWN_USERS)?,
        None => (Vec::new(), 0),
    };
    let params = match (&logged, &run) {
        (Some(model), _) if !model.params.is_empty() => model.params.clone(),
        (_, Some(run)) => run.params.clone(),
        _ => Vec::new(),
    };
    let datasets = run.as_ref().map(datasets).unwrap_or_default();
    let detail = VersionDetail {
        source: version.source.clone(),
        location: version.storage_location.clone(),
        run_link: version.run_link.clone(),
        run: run.map(|run| version_run(reader, run)).transpose()?,
        logged_model: logged.map(|model| VersionLoggedModel {
            model_id: model.model_id,
            name: model.name,
            experiment_id: model.experiment_id.to_string(),
            model_type: model.model_type,
            source_run_id: model.source_run_id,
        }),
        metrics: metrics.into_iter().map(convert::version_metric).collect(),
        params: params.into_iter().map(|param| (param.key, param.value)).collect::<BTreeMap<_, _>>(),
        datasets,
        used_by: used_by
            .into_iter()
            .map(|run| RunBrief {
                run_id: run.run_id,
                name: run.name,
                experiment_id: run.experiment_id.to_string(),
            })
            .collect(),
        used_by_count,
        files: VersionFiles {
            files: Vec::new(),
            count: 0,
            size_bytes: 0,
            truncated: false,
            problem: None,
            recorded: None,
        },
        card: None,
        warnings: Vec::new(),
        version: convert::version(store::VersionSummary {
            run_name: None,
            size_bytes: record.as_ref().map(store::FilesRecord::size_bytes),
            version,
            metrics: Vec::new(),
        }),
    };
    Ok((detail, record))
}

/// What was deleted since is no error here.
fn gone<T>(error: Error) -> store::Result<Option<T>> {
    match error {
        Error::NotFound(_) => Ok(None),
        error => Err(error),
    }
}

fn version_run(reader: &Reader<'_>, run: store::Run) -> store::Result<VersionRun> {
    let tag = |key: &str| run.tags.iter().find(|tag| tag.key == key).map(|tag| tag.value.clone());
    Ok(VersionRun {
        source_name: tag("mlflow.source.name"),
        git_commit: tag("mlflow.source.git.commit"),
        git_branch: tag("mlflow.source.git.branch"),
        git_repo: tag("mlflow.source.git.repoURL"),
        experiment_name: reader.experiment(run.info.experiment_id)?.name,
        experiment_id: run.info.experiment_id.to_string(),
        state: common::run_state(run.info.status),
        start_ms: run.info.start_ms,
        run_id: run.info.run_id,
        name: run.info.name,
        user: run.info.user,
    })
}

fn datasets(run: &store::Run) -> Vec<VersionDataset> {
    let context = |tags: &[KeyValue]| {
        tags.iter().find(|tag| tag.key == "mlflow.data.context").map(|tag| tag.value.clone())
    };
    let inputs = run.datasets.iter().map(|input| VersionDataset {
        experiment_id: run.info.experiment_id.to_string(),
        name: input.dataset.name.clone(),
        digest: input.dataset.digest.clone(),
        context: context(&input.tags),
    });
    inputs.collect()
}

/// The files as they are, or as they were recorded when they cannot be read.
fn shown_files(
    found: Result<(Vec<files::Found>, bool), String>,
    record: Option<store::FilesRecord>,
) -> VersionFiles {
    let known: HashMap<&str, &store::FileRecord> =
        record.iter().flat_map(|record| &record.files).map(|file| (file.path.as_str(), file)).collect();
    let mut shown = VersionFiles {
        files: Vec::new(),
        count: 0,
        size_bytes: 0,
        truncated: false,
        problem: None,
        recorded: record.as_ref().map(|record| FilesRecord {
            recorded_ms: record.recorded_ms,
            files: record.files.len() as u64,
            size_bytes: record.size_bytes(),
            sha256: record.sha256.clone(),
        }),
    };
    let all: Vec<VersionFile> = match found {
        Ok((found, more)) => {
            shown.truncated = more;
            let file = |file: files::Found| VersionFile {
                sha256: known.get(file.path.as_str()).map(|known| known.sha256.clone()),
                path: file.path.as_str().to_owned(),
                size_bytes: file.size_bytes,
            };
            found.into_iter().map(file).collect()
        }
        Err(problem) => {
            shown.problem = Some(problem);
            let file = |file: &store::FileRecord| VersionFile {
                path: file.path.clone(),
                size_bytes: file.size_bytes,
                sha256: Some(file.sha256.clone()),
            };
            record.iter().flat_map(|record| &record.files).map(file).collect()
        }
    };
    shown.count = all.len() as u64;
    shown.size_bytes = all.iter().map(|file| file.size_bytes).sum();
    shown.truncated |= all.len() > SHOWN_FILES;
    shown.files = all.into_iter().take(SHOWN_FILES).collect();
    shown
}
