//! Taking in a folder from a browser: begun, filled file by file, published whole or dropped.

use super::wire::{ApiError, Changed, UploadBegun, UploadPublished, UploadRequest};
use super::{Binary, blocking};
use crate::ServerState;
use crate::error::{ApiFailure, ApiJson, ApiPath, ApiQuery, ApiResult};
use axum::Json;
use axum::extract::{Request, State};
use futures_util::StreamExt;
use serde::Deserialize;
use slipway_artifacts::ArtifactPath;
use utoipa::IntoParams;

/// Begins an upload. Nothing of it is anywhere to be seen until it is published.
#[utoipa::path(post, path = "/uploads", tag = "projects", request_body = UploadRequest,
    responses((status = 200, body = UploadBegun), (status = "default", body = ApiError)))]
pub(super) async fn begin_upload(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<UploadRequest>,
) -> ApiResult<Json<UploadBegun>> {
    let begun = blocking(move || state.uploads().begin(&request.name, request.files, request.bytes));
    Ok(Json(UploadBegun { upload_id: begun.await?? }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct FileQuery {
    /// Relative to the folder, with `/`.
    path: String,
}

/// Stores one file of an upload while it comes in.
#[utoipa::path(put, path = "/uploads/{upload_id}/file", tag = "projects",
    params(("upload_id" = String, Path), FileQuery),
    request_body(content = Binary, content_type = "application/octet-stream"),
    responses((status = 200, body = Changed), (status = "default", body = ApiError)))]
pub(super) async fn put_uploaded_file(
    State(state): State<ServerState>,
    ApiPath(id): ApiPath<String>,
    ApiQuery(query): ApiQuery<FileQuery>,
    request: Request,
) -> ApiResult<Json<Changed>> {
    let mut file = state.uploads().file(&id, &ArtifactPath::parse(&query.path)?).await?;
    let mut chunks = request.into_body().into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| {
            ApiFailure::invalid(format!("the upload of `{}` broke off: {error}", query.path))
        })?;
        file.write(chunk).await?;
    }
    Ok(Json(Changed { changed: file.finish().await? }))
}

/// Makes the folder visible, whole.
#[utoipa::path(post, path = "/uploads/{upload_id}/publish", tag = "projects", params(("upload_id" = String, Path)),
    responses((status = 200, body = UploadPublished), (status = "default", body = ApiError)))]
pub(super) async fn publish_upload(
    State(state): State<ServerState>,
    ApiPath(id): ApiPath<String>,
) -> ApiResult<Json<UploadPublished>> {
    let published = blocking(move || state.uploads().publish(&id)).await??;
    Ok(Json(UploadPublished {
        path: published.path.display().to_string(),
        files: published.files,
        bytes: published.bytes,
    }))
}

/// Drops an upload and everything that came of it.
#[utoipa::path(post, path = "/uploads/{upload_id}/drop", tag = "projects", params(("upload_id" = String, Path)),
    responses((status = 200, body = Changed), (status = "default", body = ApiError)))]
pub(super) async fn drop_upload(
    State(state): State<ServerState>,
    ApiPath(id): ApiPath<String>,
) -> ApiResult<Json<Changed>> {
    let dropped = blocking(move || state.uploads().drop_upload(&id)).await??;
    Ok(Json(Changed { changed: dropped }))
}

#[cfg(test)]
mod tests {
    use crate::testing::{Reply, TestServer};
    use crate::uploads::{MOST_BYTES, MOST_FILES};
    use axum::body::Body;
    use serde_json::json;

    async fn put(server: &TestServer, id: &str, path: &str, bytes: &'static str) -> Reply {
        let request = TestServer::own("PUT", &format!("/uploads/{id}/file?path={path}"))
            .header("content-type", "application/octet-stream");
        server.send(request.body(Body::from(bytes)).expect("request")).await
    }

    #[tokio::test]
    async fn a_folder_is_there_whole_or_not_at_all_and_stays_in_its_place() {
        let server = TestServer::new();
        let uploads = server.state.uploads().folder().to_owned();
        let begin = async |body| server.send_json("POST", "/uploads", &body).await;
        let fine = json!({ "name": "wine", "files": 2, "bytes": 9 });
        let id = begin(fine).await.json()["upload_id"].as_str().expect("id").to_owned();
        assert_eq!(put(&server, &id, "MLproject", "name: wine\n").await.status, 200);
        assert_eq!(put(&server, &id, "src%2Ftrain.py", "print(1)\n").await.json()["changed"], 9);
        for bad in ["..%2Fx", "%2Fetc%2Fx", "a%2F..%2F..%2Fx", "", "a%00b", "a%5Cb", "a%2F%2Fb", "C:%2Fx"] {
            assert_eq!(put(&server, &id, bad, "x").await.status, 400, "{bad:?}");
        }
        let deep = vec!["d"; 40].join("%2F");
        assert_eq!(put(&server, &id, &deep, "x").await.status, 400);
        assert!(!uploads.join("wine").exists(), "nothing is seen before it is whole");
        let done = server.send_json("POST", &format!("/uploads/{id}/publish"), &json!({})).await.json();
        assert_eq!(done["path"], uploads.join("wine").display().to_string());
        assert_eq!((&done["files"], &done["bytes"]), (&json!(2), &json!(20)));
        assert_eq!(std::fs::read_to_string(uploads.join("wine/src/train.py")).expect("file"), "print(1)\n");
        assert_eq!(put(&server, &id, "late.py", "x").await.status, 404);

        // The same name again stands beside it.
        let one = json!({ "name": "wine", "files": 1, "bytes": 1 });
        let id = begin(one).await.json()["upload_id"].as_str().expect("id").to_owned();
        put(&server, &id, "a.py", "x").await;
        let again = server.send_json("POST", &format!("/uploads/{id}/publish"), &json!({})).await.json();
        assert_eq!(again["path"], uploads.join("wine-2").display().to_string());
        let found =
            server.send_json("POST", "/inspect", &json!({ "path": uploads.join("wine") })).await.json();
        assert_eq!(found["items"][0]["kind"], "ml_project");
        let listed = server
            .get(&format!(
                "/runs/folder%3A{}/artifacts",
                uploads.join("wine").display().to_string().replace('/', "%2F")
            ))
            .await;
        assert_eq!(listed.status, 200, "{:?}", listed.body);
    }

    #[tokio::test]
    async fn limits_are_said_and_a_dropped_upload_leaves_nothing() {
        let server = TestServer::new();
        let begin = async |name: &str, files: u64, bytes: u64| {
            server
                .send_json("POST", "/uploads", &json!({ "name": name, "files": files, "bytes": bytes }))
                .await
        };
        for (files, bytes) in [(MOST_FILES + 1, 1), (1, MOST_BYTES + 1)] {
            let refused = begin("x", files, bytes).await;
            assert_eq!(refused.status, 413, "{:?}", refused.body);
        }
        for bad in ["", "..", "a/b", ".hidden", "a\\b", "a\u{0}"] {
            assert_eq!(begin(bad, 1, 1).await.status, 400, "{bad:?}");
        }
        let id = begin("x", 1, 1).await.json()["upload_id"].as_str().expect("id").to_owned();
        let empty = server.send_json("POST", &format!("/uploads/{id}/publish"), &json!({})).await;
        assert_eq!(empty.status, 400);
        put(&server, &id, "a.py", "x").await;
        let dropped = server.send_json("POST", &format!("/uploads/{id}/drop"), &json!({})).await;
        assert_eq!(dropped.json()["changed"], 1);
        assert_eq!(server.send_json("POST", &format!("/uploads/{id}/publish"), &json!({})).await.status, 404);
        let left =
            std::fs::read_dir(server.state.uploads().folder().join(".incoming")).expect("folder").count();
        assert_eq!(left, 0);
        // A page of another site can send neither JSON nor these bytes.
        let form = TestServer::own("PUT", &format!("/uploads/{id}/file?path=x"))
            .header("content-type", "text/plain");
        assert_eq!(server.send(form.body(Body::from("x")).expect("request")).await.status, 415);
    }
}
