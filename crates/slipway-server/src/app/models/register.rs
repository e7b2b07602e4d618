//! Registering a version from a logged model, from a run's artifacts, or from a file or folder of this machine.

use super::{edit, via};
use crate::ServerState;
use crate::app::wire::{ApiError, RegisterPreview, RegisterRequest, RegisterSource, Registered};
use crate::app::{blocking, read};
use crate::error::{ApiFailure, ApiJson, ApiResult};
use crate::mlflow::check_model_name;
use crate::places::Place;
use crate::registry::copies::{self, Local};
use crate::registry::{files, hashes, who};
use crate::state::now_ms;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use slipway_artifacts::ArtifactPath;
use slipway_store as store;
use slipway_store::{Applied, Change, NewModelVersion};

const WARNINGS_LIMIT: usize = 20;

/// Where the files are, or will be copied from.
struct Origin {
    source: String,
    run_id: Option<String>,
    model_id: Option<String>,
    /// Absent when the files have to be copied first.
    location: Option<String>,
    suggested_name: String,
}

/// What would be registered. Changes nothing, copies nothing.
#[utoipa::path(post, path = "/models/register/preview", tag = "models", request_body = RegisterSource,
    responses((status = 200, body = RegisterPreview), (status = "default", body = ApiError)))]
pub(in crate::app) async fn preview_registration(
    State(state): State<ServerState>,
    ApiJson(source): ApiJson<RegisterSource>,
) -> ApiResult<Json<RegisterPreview>> {
    if let RegisterSource::Path { path } = source {
        let local = blocking(move || copies::look(path.as_ref())).await?.map_err(ApiFailure::invalid)?;
        return Ok(Json(RegisterPreview {
            suggested_name: suggestion(&local.name),
            detail: local.detail,
            files: local.files.len() as u64,
            size_bytes: local.files.iter().map(|file| file.size_bytes).sum(),
            warnings: local.warnings,
        }));
    }
    let origin = origin(&state, source).await?;
    let place = place(&state, &origin)?;
    let (found, described) = blocking(move || (files::list(&place), files::describe(&place))).await?;
    let (found, _) = found?;
    let detail = match &described.card {
        None => "files without an MLmodel file".to_owned(),
        Some(card) => {
            let names: Vec<&str> = card.flavors.iter().map(|flavor| flavor.name.as_str()).collect();
            let signature = if card.signature.is_some() { ", with signature" } else { "" };
            format!("MLflow model, {}{signature}", names.join(", "))
        }
    };
    Ok(Json(RegisterPreview {
        suggested_name: suggestion(&origin.suggested_name),
        detail,
        files: found.len() as u64,
        size_bytes: found.iter().map(|file| file.size_bytes).sum(),
        warnings: warnings(&found),
    }))
}

/// Registers a version; the model is made when there is none of this name. Files of this machine are copied. Nothing is
/// loaded.
#[utoipa::path(post, path = "/models/register", tag = "models", request_body = RegisterRequest,
    responses((status = 200, body = Registered), (status = "default", body = ApiError)))]
pub(in crate::app) async fn register(
    State(state): State<ServerState>,
    headers: HeaderMap,
    ApiJson(request): ApiJson<RegisterRequest>,
) -> ApiResult<Json<Registered>> {
    let name = check_model_name(&request.name).map_err(ApiFailure::invalid)?;
    edit::check_description(request.description.as_deref())?;
    let tags = edit::tags(request.tags)?;
    let mut local_warnings = None;
    let origin = match request.source {
        RegisterSource::Path { path } => {
            let local = blocking(move || copies::look(path.as_ref())).await?.map_err(ApiFailure::invalid)?;
            let location = copies::copy(&state, &local).await.map_err(ApiFailure::invalid)?;
            let Local { source, name, warnings, .. } = local;
            local_warnings = Some(warnings);
            Origin { source, run_id: None, model_id: None, location: Some(location), suggested_name: name }
        }
        source => origin(&state, source).await?,
    };
    let place = place(&state, &origin)?;
    let (found, _) = blocking(move || files::list(&place)).await??;
    if found.is_empty() {
        return Err(ApiFailure::not_found(format!("there are no files at {}", origin.source)));
    }
    let who = who(&state, via(&headers));
    let at_ms = now_ms();
    let wanted = name.clone();
    let is_there = read(&state, move |reader| Ok(reader.registered_model(&wanted).is_ok())).await??;
    if !is_there {
        let change =
            Change::CreateRegisteredModel { name: name.clone(), description: None, tags: Vec::new(), at_ms };
        let change = Change::By { who: who.clone(), note: None, change: Box::new(change) };
        match state.store().write(change).await {
            // Someone was quicker.
            Ok(_) | Err(store::Error::AlreadyExists(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let version = Change::CreateModelVersion(Box::new(NewModelVersion {
        name: name.clone(),
        storage_location: origin.location.unwrap_or_else(|| origin.source.clone()),
        source: origin.source,
        run_id: origin.run_id,
        run_link: None,
        model_id: origin.model_id,
        description: request.description,
        user: who.user.clone(),
        tags,
        at_ms,
        once: false,
    }));
    let change = Change::By { who, note: None, change: Box::new(version) };
    let Applied::Version(version) = state.store().write(change).await? else {
        return Err(ApiFailure::internal("the store gave no number for the version"));
    };
    // At once: whoever registers by a command has no server that could do it later.
    if let Err(error) = hashes::record_now(&state, name.clone(), version).await {
        tracing::warn!(name, version, error, "the files of a version were not recorded");
    }
    let warnings = local_warnings.unwrap_or_else(|| warnings(&found));
    Ok(Json(Registered { name, version, warnings }))
}

fn warnings(found: &[files::Found]) -> Vec<String> {
    found.iter().filter_map(|file| files::warning(file.path.as_str())).take(WARNINGS_LIMIT).collect()
}

fn place(state: &ServerState, origin: &Origin) -> ApiResult<Place> {
    let location = origin.location.as_deref().unwrap_or(&origin.source);
    Place::find(state, location).map_err(|error| ApiFailure::invalid(error.to_string()))
}

async fn origin(state: &ServerState, source: RegisterSource) -> ApiResult<Origin> {
    match source {
        RegisterSource::LoggedModel { model_id } => {
            let model = read(state, move |reader| reader.logged_model(&model_id)).await??;
            Ok(Origin {
                source: format!("models:/{}", model.model_id),
                run_id: model.source_run_id,
                model_id: Some(model.model_id),
                location: Some(model.artifact_location),
                suggested_name: model.name,
            })
        }
        RegisterSource::RunArtifact { run_id, path } => {
            let path = ArtifactPath::parse(&path)?;
            let run = read(state, move |reader| reader.run_info(&run_id)).await??;
            let suggested_name = path.name().split('.').next().unwrap_or_default().to_owned();
            Ok(Origin {
                source: format!("runs:/{}/{}", run.run_id, path.as_str()),
                location: Some(format!("{}/{}", run.artifact_uri.trim_end_matches('/'), path.as_str())),
                run_id: Some(run.run_id),
                model_id: None,
                suggested_name,
            })
        }
        // Taken care of by whoever copies.
        RegisterSource::Path { path } => Err(ApiFailure::invalid(format!("{path} was not copied"))),
    }
}

/// A name that a model can have.
fn suggestion(name: &str) -> String {
    const LIMIT_CHARS: usize = 60;
    let plain: String =
        name.chars().map(|c| if matches!(c, '/' | ':') { '-' } else { c }).take(LIMIT_CHARS).collect();
    check_model_name(&plain).unwrap_or_else(|_| "model".to_owned())
}
