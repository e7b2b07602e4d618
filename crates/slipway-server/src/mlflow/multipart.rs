//! Uploads in parts, and the links that MLflow gives to storage elsewhere.
//!
//! A client that is told to (`MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD`) asks for an address for each part, sends the parts
//! at the same time, and has them joined. The addresses lead back to this server. Plain uploads pass through without
//! being gathered, whatever their size, so clients are not advised to do this.

use super::artifact_proxy::{Serving, tell};
use super::decode::{Fields, Params, UrlPath};
use super::encode::Answer;
use super::error::{Code, MlflowError, Result};
use super::read;
use crate::ServerState;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use serde::Serialize;
use slipway_artifacts::{ArtifactPath, PARTS_LIMIT};
use std::collections::BTreeMap;

#[derive(Serialize)]
struct Created {
    upload_id: String,
    credentials: Vec<Credential>,
}

#[derive(Serialize)]
struct Credential {
    url: String,
    part_number: u32,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<&'static str, String>,
}

/// The folder in the address and the name at the end of the client's own path make the path of the file.
fn target(folder: &str, fields: &Fields<'_>) -> Result<ArtifactPath> {
    let local = fields.required_text("path")?;
    let name = local.rsplit(['/', '\\']).next().unwrap_or_default();
    Ok(ArtifactPath::parse_folder(folder)?.join(&ArtifactPath::parse(name)?)?)
}

pub(super) async fn create(
    State(state): State<ServerState>,
    _: Serving,
    UrlPath(folder): UrlPath<String>,
    headers: HeaderMap,
    params: Params,
) -> Result<Answer> {
    let fields = params.fields();
    let path = target(&folder, &fields)?;
    let wanted = fields.integer("num_parts")?.unwrap_or(1);
    let count = u32::try_from(wanted).ok().filter(|count| (1..=PARTS_LIMIT).contains(count)).ok_or_else(|| {
        MlflowError::invalid(format!(
            "Invalid value {wanted} for parameter 'num_parts' supplied. It must be between 1 and {PARTS_LIMIT}"
        ))
    })?;
    let base = own_address(&state, &headers);
    let upload_id = state.artifacts().begin_parts(&path).await?;
    let credentials = (1..=count)
        .map(|part_number| Credential {
            url: format!("{base}/api/2.0/mlflow-artifacts/mpu/parts/{upload_id}/{part_number}"),
            part_number,
            headers: own_authorization(&headers),
        })
        .collect();
    Answer::of(&Created { upload_id, credentials })
}

/// How the client that asks reaches this server. The guard has checked the name it used.
fn own_address(state: &ServerState, headers: &HeaderMap) -> String {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    // Said by a proxy in front that speaks TLS; whoever invents it harms itself only.
    let is_secure = text(HeaderName::from_static("x-forwarded-proto")) == Some("https");
    match text(header::HOST) {
        Some(host) if is_secure => format!("https://{host}"),
        Some(host) => format!("http://{host}"),
        None => state.config().url.clone(),
    }
}

/// Parts are sent with the headers named here and no others, so the client gets back what it came with.
fn own_authorization(headers: &HeaderMap) -> BTreeMap<&'static str, String> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    given.map(|value| ("Authorization", value.to_owned())).into_iter().collect()
}

pub(super) async fn part(
    State(state): State<ServerState>,
    _: Serving,
    UrlPath((upload_id, number)): UrlPath<(String, u32)>,
    request: Request,
) -> Result<Response> {
    let mut part = state.artifacts().begin_part(&upload_id, number)?;
    let mut chunks = request.into_body().into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| {
            MlflowError::invalid(format!("Part {number} broke off: {error}. Nothing of it was stored."))
        })?;
        part.write(chunk).await?;
    }
    let tag = part.finish().await?;
    Ok((StatusCode::OK, [(header::ETAG, tag)]).into_response())
}

pub(super) async fn complete(
    State(state): State<ServerState>,
    _: Serving,
    UrlPath(folder): UrlPath<String>,
    params: Params,
) -> Result<Answer> {
    let fields = params.fields();
    target(&folder, &fields)?;
    if !fields.has("parts")? {
        return Err(fields.missing("parts"));
    }
    let parts = fields
        .objects("parts")?
        .iter()
        .map(|part| {
            let number = part.required_integer("part_number")?;
            let number = u32::try_from(number)
                .map_err(|_| MlflowError::invalid(format!("There is no part {number} of the upload.")))?;
            Ok((number, part.text("etag")?.unwrap_or_default().to_owned()))
        })
        .collect::<Result<Vec<_>>>()?;
    let (path, _) = state.artifacts().complete_parts(fields.required_text("upload_id")?, &parts).await?;
    tell(&state, &path);
    Ok(Answer::empty())
}

pub(super) async fn abort(
    State(state): State<ServerState>,
    _: Serving,
    UrlPath(folder): UrlPath<String>,
    params: Params,
) -> Result<Answer> {
    let fields = params.fields();
    target(&folder, &fields)?;
    state.artifacts().abort_parts(fields.required_text("upload_id")?).await?;
    Ok(Answer::empty())
}

/// A link to where the bytes are: there is none, they are here.
pub(super) async fn presigned(_: Serving) -> MlflowError {
    MlflowError::new(
        Code::NotImplemented,
        "Multipart download is not supported for the current artifact repository",
    )
}

/// The scheme of an address of artifacts, empty for a plain path.
fn scheme(uri: &str) -> &str {
    uri.split_once(':').map_or("", |(scheme, _)| scheme)
}

/// Says why there is no link to files at `uri`; `what` is the direction, and `of_run` how MLflow names the files.
fn no_link(uri: &str, what: &str, of_run: &str, requirement: &str) -> MlflowError {
    let scheme = scheme(uri);
    if ["http", "https", "mlflow-artifacts"].contains(&scheme) {
        return MlflowError::invalid(format!(
            "Presigned {what} is not supported for {of_run}proxied artifact storage (artifact URI scheme: {scheme}). \
             This endpoint requires a {requirement}direct cloud storage artifact URI."
        ));
    }
    MlflowError::new(
        Code::NotImplemented,
        format!("Presigned {what} is not supported for the current artifact repository"),
    )
}

pub(super) async fn presigned_download(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    const LONGEST_S: i64 = 604_800;
    let fields = params.fields();
    let run_id = fields.required_text("run_id")?.to_owned();
    ArtifactPath::parse(fields.required_text("path")?)?;
    if let Some(expiration) = fields.integer("expiration")?
        && !(1..=LONGEST_S).contains(&expiration)
    {
        return Err(MlflowError::invalid(format!(
            "expiration must be between 1 and {LONGEST_S} seconds (got {expiration})."
        )));
    }
    let uri = read(&state, move |reader| Ok(reader.run_info(&run_id)?.artifact_uri)).await?;
    Err(no_link(&uri, "download", "runs with ", "run with a "))
}

pub(super) async fn presigned_upload(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let fields = params.fields();
    let path = fields.required_text("path")?;
    let run_id = fields.filled_text("run_id")?.map(str::to_owned);
    let model_id = fields.filled_text("model_id")?.map(str::to_owned);
    if run_id.is_some() == model_id.is_some() {
        return Err(MlflowError::invalid("Exactly one of run_id and model_id must be provided."));
    }
    ArtifactPath::parse(path)?;
    let uri = read(&state, move |reader| {
        Ok(match (run_id, model_id) {
            (_, Some(model_id)) => reader.logged_model(&model_id)?.artifact_location,
            (run_id, None) => reader.run_info(&run_id.unwrap_or_default())?.artifact_uri,
        })
    })
    .await?;
    Err(no_link(&uri, "upload", "", ""))
}
