//! Files of folders on this machine: only of those that somebody opened as a project or looked into, and only below
//! them. Everything that shows artifacts shows these, too: `folder:/PATH` takes the place of a run's id.

use crate::ServerState;
use crate::app::wire::ErrorCode;
use crate::error::{ApiFailure, ApiResult};
use crate::places::Place;
use axum::http::StatusCode;
use slipway_artifacts::{ArtifactPath, ArtifactRoot};
use std::path::{Path, PathBuf};

/// The folder, or the one file, if it may be read. Links below it are not followed.
pub(super) fn place(state: &ServerState, asked: &Path) -> ApiResult<Place> {
    if !asked.is_absolute() {
        let message = format!("`{}` is not an absolute path; give the path from `/` on", asked.display());
        return Err(ApiFailure::invalid(message));
    }
    let real = asked
        .canonicalize()
        .map_err(|_| ApiFailure::not_found(format!("there is no file or folder at `{}`", asked.display())))?;
    if !is_known(state, &real)? {
        return Err(ApiFailure::new(
            StatusCode::FORBIDDEN,
            ErrorCode::Forbidden,
            format!("`{}` was not looked into since Slipway began", asked.display()),
        )
        .hint("Look into the folder first; what it contains can be shown then."));
    }
    if real.is_dir() {
        return Ok(Place::of_folder(ArtifactRoot::open_reader(&real)?, None));
    }
    let (Some(parent), Some(name)) = (real.parent(), real.file_name().and_then(|name| name.to_str())) else {
        return Err(ApiFailure::invalid(format!("the name of `{}` is not UTF-8", asked.display())));
    };
    Ok(Place::of_folder(ArtifactRoot::open_reader(parent)?, Some(ArtifactPath::parse(name)?)))
}

fn is_known(state: &ServerState, real: &Path) -> ApiResult<bool> {
    let data_dir = real_or_same(&state.config().data_dir);
    // The database, the token and the keys are nobody's project; what came from a browser is.
    if real.starts_with(&data_dir) && !real.starts_with(real_or_same(state.uploads().folder())) {
        return Ok(false);
    }
    if state.looks().seen().iter().any(|seen| real.starts_with(seen)) {
        return Ok(true);
    }
    let opened = state.opened().list(&state.config().data_dir, state.events()).map_err(|error| {
        ApiFailure::internal(format!("the list of opened projects cannot be read: {error}"))
    })?;
    let is_inside = |project: &str| {
        let folder = Path::new(project);
        folder.is_absolute() && folder.canonicalize().is_ok_and(|folder| real.starts_with(folder))
    };
    Ok(opened.iter().any(|entry| is_inside(&entry.project)))
}

fn real_or_same(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use crate::testing::TestServer;
    use serde_json::json;

    fn id(path: &std::path::Path) -> String {
        let text = path.display().to_string();
        format!("folder:{text}")
            .replace('%', "%25")
            .replace('/', "%2F")
            .replace(':', "%3A")
            .replace(' ', "%20")
    }

    #[tokio::test]
    async fn only_what_was_looked_into_is_read_and_nothing_outside_of_it() {
        let server = TestServer::new();
        let outer = tempfile::tempdir().expect("folder");
        let folder = outer.path().join("my work");
        std::fs::create_dir_all(folder.join("data")).expect("folders");
        std::fs::write(folder.join("data/t.csv"), "a,b\n1,2\n").expect("file");
        std::fs::write(outer.path().join("secret.txt"), "secret").expect("file");
        std::os::unix::fs::symlink(outer.path().join("secret.txt"), folder.join("link.txt")).expect("link");
        std::os::unix::fs::symlink(outer.path(), folder.join("up")).expect("link");
        let look = async |path: String| server.get(&path).await;
        let csv = format!("/runs/{}/artifacts/look?path=data%2Ft.csv", id(&folder));

        let before = look(csv.clone()).await;
        assert_eq!(before.status, 403, "{:?}", before.body);
        assert!(before.json()["hint"].as_str().expect("hint").contains("Look into"));
        let inspected = json!({ "path": folder });
        assert_eq!(server.send_json("POST", "/inspect", &inspected).await.status, 200);
        assert_eq!(look(csv).await.json()["preview"], "csv");
        let rows = json!({ "path": "data/t.csv", "format": "csv", "limit": 9 });
        let page = server.send_json("POST", &format!("/runs/{}/preview", id(&folder)), &rows).await;
        assert_eq!(page.json()["rows"], json!([["1", "2"]]));
        let list = look(format!("/runs/{}/artifacts", id(&folder))).await.json();
        assert_eq!(list["entries"].as_array().expect("list").len(), 1, "links are left out: {list}");
        for (path, status) in
            [("link.txt", 400), ("up%2Fsecret.txt", 400), ("..%2Fsecret.txt", 400), ("none", 404)]
        {
            let answer = look(format!("/runs/{}/artifacts/content?path={path}", id(&folder))).await;
            assert!(
                answer.status == status || answer.status == 404,
                "{path}: {} {:?}",
                answer.status,
                answer.body
            );
        }
        // What is below is known; what is beside and above is not, and neither is what Slipway keeps.
        assert_eq!(look(format!("/runs/{}/artifacts", id(&folder.join("data")))).await.status, 200);
        assert_eq!(look(format!("/runs/{}/artifacts", id(outer.path()))).await.status, 403);
        let data_dir = server.state.config().data_dir.clone();
        server.send_json("POST", "/inspect", &json!({ "path": data_dir })).await;
        assert_eq!(look(format!("/runs/{}/artifacts", id(&data_dir))).await.status, 403);
        assert_eq!(look("/runs/folder%3Arelative/artifacts".to_owned()).await.status, 400);
    }

    #[tokio::test]
    async fn of_a_single_file_nothing_beside_it_is_read() {
        let server = TestServer::new();
        let folder = tempfile::tempdir().expect("folder");
        std::fs::write(folder.path().join("a.csv"), "a\n1\n").expect("file");
        std::fs::write(folder.path().join("b.csv"), "b\n1\n").expect("file");
        let file = folder.path().join("a.csv");
        server.send_json("POST", "/inspect", &json!({ "path": file })).await;
        let list = server.get(&format!("/runs/{}/artifacts", id(&file))).await.json();
        assert_eq!(
            (list["entries"].as_array().expect("list").len(), &list["entries"][0]["name"]),
            (1, &json!("a.csv"))
        );
        let of = async |name: &str| {
            server.get(&format!("/runs/{}/artifacts/content?path={name}", id(&file))).await
        };
        assert_eq!(of("a.csv").await.body, "a\n1\n");
        assert_eq!(of("b.csv").await.status, 404);
        assert_eq!(server.get(&format!("/runs/{}/artifacts", id(folder.path()))).await.status, 403);
    }
}
