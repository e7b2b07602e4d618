//! Files of one run, logged model or model version, by their path within it.

use super::artifact_proxy::{entries, folder, send, store};
use super::decode::{Fields, Params, UrlPath};
use super::encode::{Answer, FileInfo};
use super::error::{Code, MlflowError, Result};
use super::{read, runs, validate};
use crate::ServerState;
use crate::places::Place;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use serde::Serialize;
use slipway_artifacts::ArtifactPath;

/// Most that a page may upload in one piece.
const UPLOAD_LIMIT_BYTES: usize = 10 * 1024 * 1024;

async fn run_uri(state: &ServerState, run_id: String) -> Result<String> {
    read(state, move |reader| Ok(reader.run_info(&run_id)?.artifact_uri)).await
}

async fn logged_model_uri(state: &ServerState, model_id: String) -> Result<String> {
    read(state, move |reader| Ok(reader.logged_model(&model_id)?.artifact_location)).await
}

#[derive(Serialize)]
struct Listing {
    root_uri: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<FileInfo>,
}

async fn listing(state: &ServerState, root_uri: String, below: &str) -> Result<Answer> {
    let below = folder(below)?;
    let place = Place::find(state, &root_uri)?.join(&below)?;
    let files = entries(&place, below.as_str()).await?;
    Answer::of(&Listing { root_uri, files })
}

pub(super) async fn list_of_run(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let fields = params.fields();
    let run_id = runs::run_id(&fields)?;
    let below = fields.text("path")?.unwrap_or_default();
    folder(below)?;
    listing(&state, run_uri(&state, run_id).await?, below).await
}

pub(super) async fn list_of_logged_model(
    State(state): State<ServerState>,
    UrlPath(model_id): UrlPath<String>,
    params: Params,
) -> Result<Answer> {
    let below = params.fields().text("artifact_directory_path")?.unwrap_or_default().to_owned();
    listing(&state, logged_model_uri(&state, model_id).await?, &below).await
}

async fn download(state: &ServerState, root_uri: &str, below: &str) -> Result<Response> {
    send(&Place::find(state, root_uri)?.join(&ArtifactPath::parse(below)?)?).await
}

/// A query parameter of a download, which has a message of its own when it is missing.
fn parameter<'a>(fields: &'a Fields<'_>, name: &str) -> Result<&'a str> {
    fields.filled_text(name)?.ok_or_else(|| {
        MlflowError::new(Code::BadRequest, format!("Request must include the \"{name}\" query parameter."))
    })
}

pub(super) async fn download_of_run(State(state): State<ServerState>, params: Params) -> Result<Response> {
    let fields = params.fields();
    let run_id = runs::run_id(&fields)?;
    let below = parameter(&fields, "path")?;
    download(&state, &run_uri(&state, run_id).await?, below).await
}

pub(super) async fn download_of_logged_model(
    State(state): State<ServerState>,
    UrlPath(model_id): UrlPath<String>,
    params: Params,
) -> Result<Response> {
    let fields = params.fields();
    let below = parameter(&fields, "artifact_file_path")?;
    download(&state, &logged_model_uri(&state, model_id).await?, below).await
}

pub(super) async fn download_of_version(
    State(state): State<ServerState>,
    params: Params,
) -> Result<Response> {
    let fields = params.fields();
    let name = parameter(&fields, "name")?.to_owned();
    let version = validate::version(parameter(&fields, "version")?)?;
    let below = parameter(&fields, "path")?;
    let root_uri =
        read(&state, move |reader| Ok(reader.model_version(&name, version)?.storage_location)).await?;
    download(&state, &root_uri, below).await
}

/// A file that a page puts into a run.
pub(super) async fn upload(State(state): State<ServerState>, request: Request) -> Result<Answer> {
    let params = Params::from_query(request.uri().query().unwrap_or_default())?;
    let fields = params.fields();
    let must = |name: &str| {
        fields.filled_text(name)?.ok_or_else(|| MlflowError::invalid(format!("Request must specify {name}.")))
    };
    let run_id = must("run_uuid")?.to_owned();
    let below = ArtifactPath::parse(must("path")?)?;
    let bytes = axum::body::to_bytes(request.into_body(), UPLOAD_LIMIT_BYTES).await.map_err(|error| {
        MlflowError::invalid(format!(
            "An upload in one piece may have at most {UPLOAD_LIMIT_BYTES} bytes: {error}"
        ))
    })?;
    if bytes.is_empty() {
        return Err(MlflowError::invalid("Request must specify data."));
    }
    let place = Place::find(&state, &run_uri(&state, run_id).await?)?.join(&below)?;
    store(&state, &place, Body::from(bytes)).await?;
    Ok(Answer::empty())
}
