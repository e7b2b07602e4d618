//! `mlflow-artifacts`: the files of all runs and models, by their path below the artifact root.
//!
//! Bytes pass through in both directions without being gathered. Every path becomes an [`ArtifactPath`] before
//! anything is touched. What is served is for saving, never for showing: it must not run with the app's rights.

use super::decode::{Params, UrlPath, cut};
use super::encode::{Answer, FileInfo};
use super::error::{Code, MlflowError, Result};
use crate::ServerState;
use crate::places::Place;
use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use slipway_artifacts::{ArtifactPath, Error as ArtifactError};
use tokio_util::io::ReaderStream;

const CHUNK_BYTES: usize = 256 * 1024;

/// Lets only requests through when this server keeps files for clients.
pub(super) struct Serving;

impl FromRequestParts<ServerState> for Serving {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &ServerState) -> Result<Self, Response> {
        if state.places().is_serving {
            return Ok(Self);
        }
        let text = format!(
            "Endpoint: {} disabled due to the mlflow server running with `--no-serve-artifacts`. To enable artifacts \
             server functionality, run `slipway serve` with `--serve-artifacts`",
            cut(parts.uri.path())
        );
        Err((StatusCode::SERVICE_UNAVAILABLE, text).into_response())
    }
}

/// A folder by its path, which may end with a slash.
pub(super) fn folder(path: &str) -> Result<ArtifactPath> {
    Ok(ArtifactPath::parse_folder(path.strip_suffix('/').unwrap_or(path))?)
}

/// A place in the folder of this server.
fn own(state: &ServerState, path: &ArtifactPath) -> Result<Place> {
    Ok(Place::find(state, &ArtifactPath::ROOT.to_uri())?.join(path)?)
}

pub(super) async fn list(State(state): State<ServerState>, _: Serving, params: Params) -> Result<Answer> {
    let folder = folder(params.fields().text("path")?.unwrap_or_default())?;
    let files = entries(&own(&state, &folder)?, "").await?;
    if files.is_empty() { Ok(Answer::empty()) } else { Answer::one("files", &files) }
}

/// What lies in a folder, each path beginning with `prefix`. A folder that is not there is empty.
pub(super) async fn entries(folder: &Place, prefix: &str) -> Result<Vec<FileInfo>> {
    let entries = match folder.list().await {
        Ok(entries) => entries,
        Err(ArtifactError::NotFound(_) | ArtifactError::NotDirectory(_)) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let info = |entry: slipway_artifacts::Entry| FileInfo {
        path: if prefix.is_empty() { entry.name } else { format!("{prefix}/{}", entry.name) },
        is_dir: entry.is_dir,
        file_size: (!entry.is_dir).then_some(entry.size_bytes),
    };
    Ok(entries.into_iter().map(info).collect())
}

pub(super) async fn upload(
    State(state): State<ServerState>,
    _: Serving,
    UrlPath(path): UrlPath<String>,
    request: Request,
) -> Result<StatusCode> {
    let place = own(&state, &ArtifactPath::parse(&path)?)?;
    store(&state, &place, request.into_body()).await?;
    Ok(StatusCode::OK)
}

/// Stores a body as it arrives. A body that breaks off leaves nothing behind.
pub(super) async fn store(state: &ServerState, place: &Place, body: Body) -> Result<u64> {
    let path = place.path();
    let mut upload = place.root().begin(path).await?;
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| {
            MlflowError::invalid(format!("The upload of '{path}' broke off: {error}. Nothing was stored."))
        })?;
        upload.write(chunk).await?;
    }
    let size_bytes = upload.finish().await?;
    tell(state, path);
    Ok(size_bytes)
}

/// Tells open views that files of a run changed.
pub(super) fn tell(state: &ServerState, path: &ArtifactPath) {
    if let Some(run_id) = run_of(path.as_str()) {
        state.events().artifacts_changed(run_id);
    }
}

/// The run that a path `<experiment>/<run>/artifacts/…` belongs to.
fn run_of(path: &str) -> Option<&str> {
    let mut parts = path.split('/').skip(1);
    let (run_id, folder) = (parts.next()?, parts.next()?);
    (folder == "artifacts").then_some(run_id)
}

pub(super) async fn download(
    State(state): State<ServerState>,
    _: Serving,
    UrlPath(path): UrlPath<String>,
) -> Result<Response> {
    send(&own(&state, &ArtifactPath::parse(&path)?)?).await
}

/// Sends a file to be saved.
pub(super) async fn send(place: &Place) -> Result<Response> {
    let (download, path) = (place.download().await?, place.path());
    let kind = mime_guess::from_path(path.name()).first_or_octet_stream();
    let headers: [(HeaderName, HeaderValue); 5] = [
        (header::CONTENT_TYPE, value(kind.essence_str())?),
        (header::CONTENT_LENGTH, download.size_bytes().into()),
        (header::CONTENT_DISPOSITION, value(&attachment(path.name()))?),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'")),
    ];
    let reader = download.reader()?;
    Ok((headers, Body::from_stream(ReaderStream::with_capacity(reader, CHUNK_BYTES))).into_response())
}

fn value(text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text)
        .map_err(|error| MlflowError::new(Code::InternalError, format!("Header {text:?}: {error}")))
}

/// `Content-Disposition` of a file to be saved under `name`.
fn attachment(name: &str) -> String {
    /// What may stand in the extended form of a file name.
    const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'_');
    let plain: String = name
        .chars()
        .map(|c| if c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '%') || c == ' ' { c } else { '_' })
        .collect();
    if plain == name {
        format!("attachment; filename=\"{plain}\"")
    } else {
        format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{}", utf8_percent_encode(name, ESCAPED))
    }
}

pub(super) async fn delete(
    State(state): State<ServerState>,
    _: Serving,
    UrlPath(path): UrlPath<String>,
) -> Result<Answer> {
    let path = ArtifactPath::parse(&path)?;
    match state.artifacts().delete(&path).await {
        // Deleted is deleted, whoever did it.
        Ok(()) => {
            tell(&state, &path);
            Ok(Answer::empty())
        }
        Err(ArtifactError::NotFound(_)) => Ok(Answer::empty()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_run_of_a_path() {
        assert_eq!(run_of("1/ab/artifacts/model/x"), Some("ab"));
        assert_eq!(run_of("1/models/m-1/artifacts/x"), None);
        assert_eq!(run_of("x"), None);
    }

    #[test]
    fn file_names_stay_inside_their_quotes() {
        assert_eq!(attachment("roc curve.png"), "attachment; filename=\"roc curve.png\"");
        assert_eq!(
            attachment("a\"; x=\"\r\nü.html"),
            "attachment; filename=\"a_; x=____.html\"; filename*=UTF-8''a%22%3B%20x%3D%22%0D%0A%C3%BC.html"
        );
    }
}
