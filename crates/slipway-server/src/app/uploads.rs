//! Taking in a folder from a browser: begun, filled file by file, published whole or dropped.

use super::wire::{
    ApiError, Changed, UploadBegun, UploadPublished, UploadRequest, UploadedDeleted, UploadedFolder,
    UploadedFolders, UploadedName,
};
use super::{Binary, blocking};
use crate::ServerState;
use crate::error::{ApiFailure, ApiJson, ApiPath, ApiQuery, ApiResult};
use axum::Json;
use axum::extract::{Request, State};
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::Value;
use slipway_artifacts::ArtifactPath;
use slipway_store::Job;
use std::path::Path;
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

/// The folders that came from a browser, and what each takes up.
#[utoipa::path(get, path = "/uploads", tag = "projects",
    responses((status = 200, body = UploadedFolders), (status = "default", body = ApiError)))]
pub(super) async fn list_uploaded(State(state): State<ServerState>) -> ApiResult<Json<UploadedFolders>> {
    let folders = blocking(move || {
        let uploaded = state.uploads().uploaded()?;
        let waiting = if uploaded.is_empty() { Vec::new() } else { unended(&state)? };
        let folders = uploaded.into_iter().map(|one| {
            let path = one.path.display().to_string();
            Ok::<_, ApiFailure>(UploadedFolder {
                runs: super::projects::runs_of(&state, &path)?.0,
                jobs: waiting.iter().filter(|job| needs(job, &one.path)).count() as u64,
                name: one.name,
                path,
                files: one.files,
                bytes: one.bytes,
                changed_ms: one.changed_ms,
            })
        });
        folders.collect::<ApiResult<Vec<_>>>()
    });
    Ok(Json(UploadedFolders { folders: folders.await?? }))
}

/// Deletes a folder that came from a browser, with all that is in it, and closes it as a project. Refused while a job
/// that needs it has not ended.
#[utoipa::path(post, path = "/uploads/delete", tag = "projects", request_body = UploadedName,
    responses((status = 200, body = UploadedDeleted), (status = "default", body = ApiError)))]
pub(super) async fn delete_uploaded(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<UploadedName>,
) -> ApiResult<Json<UploadedDeleted>> {
    let deleted = blocking(move || {
        let path = state.uploads().named(&request.name)?;
        let in_use: Vec<Job> = unended(&state)?.into_iter().filter(|job| needs(job, &path)).collect();
        if let Some(job) = in_use.first() {
            let more =
                if in_use.len() > 1 { format!(" and {} others", in_use.len() - 1) } else { String::new() };
            return Err(ApiFailure::refused(format!(
                "job `{}` ({}){more} needs `{}` and has not ended",
                job.name, job.job_id, request.name
            ))
            .hint("Wait for it, or cancel it."));
        }
        let gone = state.uploads().delete(&request.name)?;
        let (data_dir, events) = (&state.config().data_dir, state.events());
        let unwritable = |error: std::io::Error| {
            ApiFailure::internal(format!("the folder is gone, but stays among the opened projects: {error}"))
        };
        for project in state.opened().list(data_dir, events).map_err(unwritable)? {
            if Path::new(&project.project).starts_with(&path) {
                state.opened().remove(data_dir, &project.project, events).map_err(unwritable)?;
            }
        }
        Ok::<_, ApiFailure>(UploadedDeleted { files: gone.files, freed_bytes: gone.bytes })
    });
    Ok(Json(deleted.await??))
}

/// All jobs that have not ended. Blocks its thread.
fn unended(state: &ServerState) -> ApiResult<Vec<Job>> {
    Ok(state.store().read(|reader| reader.live_jobs())?)
}

/// Whether the description of a job names a folder, or something in it.
fn needs(job: &Job, folder: &Path) -> bool {
    let folder = folder.to_string_lossy();
    let names_it = |text: &str| {
        text.match_indices(&*folder).any(|(at, found)| {
            let next = text.get(at + found.len()..).and_then(|rest| rest.chars().next());
            // `wine-2` is not `wine`.
            next.is_none_or(|next| !next.is_alphanumeric() && !"-_.".contains(next))
        })
    };
    fn any(value: &Value, is_it: &impl Fn(&str) -> bool) -> bool {
        match value {
            Value::String(text) => is_it(text),
            Value::Array(items) => items.iter().any(|item| any(item, is_it)),
            Value::Object(fields) => fields.iter().any(|(key, value)| is_it(key) || any(value, is_it)),
            _ => false,
        }
    }
    // One that cannot be read may need it.
    serde_json::from_str(&job.spec).map_or(true, |spec: Value| any(&spec, &names_it))
}

#[cfg(test)]
mod tests {
    use crate::testing::{Reply, TestServer};
    use crate::uploads::{MOST_BYTES, MOST_FILES};
    use axum::body::Body;
    use serde_json::json;
    use slipway_store::{Change, NewJob};

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

    async fn uploaded(server: &TestServer, name: &str) -> std::path::PathBuf {
        let begun = json!({ "name": name, "files": 1, "bytes": 9 });
        let begun = server.send_json("POST", "/uploads", &begun).await.json();
        let id = begun["upload_id"].as_str().expect("id");
        put(server, id, "src%2Ftrain.py", "print(1)\n").await;
        let done = server.send_json("POST", &format!("/uploads/{id}/publish"), &json!({})).await.json();
        done["path"].as_str().expect("path").into()
    }

    fn queued(name: &str, spec: &serde_json::Value) -> Change {
        Change::SubmitJob(Box::new(NewJob {
            job_id: slipway_jobs::JobId::random().to_string(),
            name: name.to_owned(),
            target: "local".to_owned(),
            priority: 0,
            experiment_id: None,
            run_id: None,
            repeats: None,
            spec: spec.to_string(),
            at_ms: 1,
        }))
    }

    #[tokio::test]
    async fn a_folder_is_deleted_unless_a_job_needs_it() {
        let server = TestServer::new();
        assert_eq!(server.get("/uploads").await.json()["folders"], json!([]));
        let (wine, other) = (uploaded(&server, "wine").await, uploaded(&server, "wine-2").await);
        let open = json!({ "project": wine, "remember": true });
        assert_eq!(server.send_json("POST", "/projects/open", &open).await.status, 200);
        let store = server.state.store().clone();
        let needed = json!({ "command": { "shell": format!("python {}/src/train.py", other.display()) } });
        tokio::task::spawn_blocking(move || store.write_blocking(queued("needs it", &needed)))
            .await
            .expect("thread")
            .expect("job");
        let listed = server.get("/uploads").await.json();
        let told: Vec<_> = listed["folders"].as_array().expect("folders").iter().collect();
        assert_eq!((told.len(), &told[0]["name"], &told[1]["name"]), (2, &json!("wine"), &json!("wine-2")));
        assert_eq!(
            (&told[0]["files"], &told[0]["jobs"], &told[1]["jobs"]),
            (&json!(1), &json!(0), &json!(1))
        );

        let delete =
            async |name: &str| server.send_json("POST", "/uploads/delete", &json!({ "name": name })).await;
        let refused = delete("wine-2").await;
        assert_eq!(refused.status, 409, "{:?}", refused.body);
        let words = refused.json()["message"].to_string();
        assert!(words.contains("needs it"), "{words}");
        assert!(other.is_dir());
        // Nothing is deleted but whole folders that are here.
        let outside = tempfile::tempdir().expect("folder");
        std::fs::write(outside.path().join("kept"), "x").expect("file");
        let uploads = server.state.uploads().folder();
        std::os::unix::fs::symlink(outside.path(), uploads.join("link")).expect("link");
        std::os::unix::fs::symlink(outside.path(), wine.join("inside")).expect("link");
        for bad in ["", "..", ".", "wine/src", "/", ".incoming", "a\u{0}"] {
            assert_eq!(delete(bad).await.status, 400, "{bad:?}");
        }
        for missing in ["link", "nothing"] {
            assert_eq!(delete(missing).await.status, 404, "{missing}");
        }
        let gone = delete("wine").await;
        assert_eq!(gone.status, 200, "{:?}", gone.body);
        assert!(gone.json()["freed_bytes"].as_u64().expect("bytes") >= 9);
        assert!(!wine.exists() && outside.path().join("kept").exists());
        assert_eq!(server.get("/projects").await.json()["projects"], json!([]));
        assert_eq!(delete("wine").await.status, 404);
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
