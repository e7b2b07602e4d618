//! What a stored file is, and pages of the tables in it.

use super::artifacts::{PathQuery, preview_by_name};
use super::wire::{
    ApiError, ArtifactLook, ErrorCode, PreviewColumn, PreviewPage, PreviewRequest, TableFormat,
};
use super::{blocking, logs};
use crate::ServerState;
use crate::error::{ApiFailure, ApiJson, ApiPath, ApiQuery, ApiResult};
use crate::look::index::Rows;
use crate::look::{LookError, TablePage, csv_table, json_table, parquet_table, read_span, sniff};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use std::time::{Duration, Instant};

const MOST_ROWS: u64 = 1_000;
/// How long one request reads a file to count its rows; the next one goes on.
const COUNTING: Duration = Duration::from_millis(300);
/// A table in JSON is read from its start each time, which is too slow beyond this.
const JSON_LIMIT_BYTES: u64 = 512 << 20;

/// What a file is, by its first bytes.
#[utoipa::path(get, path = "/runs/{run_id}/artifacts/look", tag = "artifacts",
    params(("run_id" = String, Path), PathQuery),
    responses((status = 200, body = ArtifactLook), (status = "default", body = ApiError)))]
pub(super) async fn look_at_artifact(
    State(state): State<ServerState>,
    ApiPath(run_id): ApiPath<String>,
    ApiQuery(query): ApiQuery<PathQuery>,
) -> ApiResult<Json<ArtifactLook>> {
    let (place, file, modified_ms) = logs::open(&state, run_id, &query.path).await?;
    let look = blocking(move || -> std::io::Result<ArtifactLook> {
        let head = read_span(&file, 0, sniff::HEAD_BYTES as u64)?;
        let sniffed = sniff::sniff(preview_by_name(place.path().name()), &head);
        Ok(ArtifactLook {
            path: query.path,
            size_bytes: file.metadata()?.len(),
            modified_ms,
            preview: sniffed.preview,
            mismatch: sniffed.mismatch,
            found: sniffed.is.map(str::to_owned),
            is_json_table: json_table::starts_like_one(&head),
        })
    });
    Ok(Json(look.await?.map_err(logs::unreadable)?))
}

/// Some rows of a table in a file.
#[utoipa::path(post, path = "/runs/{run_id}/preview", tag = "artifacts", request_body = PreviewRequest,
    params(("run_id" = String, Path)),
    responses((status = 200, body = PreviewPage), (status = "default", body = ApiError)))]
pub(super) async fn preview_table(
    State(state): State<ServerState>,
    ApiPath(run_id): ApiPath<String>,
    ApiJson(request): ApiJson<PreviewRequest>,
) -> ApiResult<Json<PreviewPage>> {
    let limit = request.limit.min(MOST_ROWS);
    let (place, file, _) = logs::open(&state, run_id, &request.path).await?;
    let page = blocking(move || -> Result<PreviewPage, LookError> {
        match request.format {
            TableFormat::Csv => {
                let until = Instant::now() + COUNTING;
                let name = (place.root().folder().to_owned(), place.path().as_str());
                let mut looked = Ok(TablePage::default());
                let (rows, is_complete) =
                    state.known().with(name, Rows::Quoted, &file, until, |index, is_complete| {
                        looked = csv_table::page(index, &file, request.offset, limit);
                        Ok((index.row_count().saturating_sub(1), is_complete))
                    })?;
                Ok(wire_page(looked?, Some(rows), is_complete))
            }
            TableFormat::Parquet => {
                Ok(wire_page(parquet_table::page(&file, request.offset, limit)?, None, true))
            }
            TableFormat::Json => {
                let size_bytes = file.metadata()?.len();
                if size_bytes > JSON_LIMIT_BYTES {
                    return Err(LookError::Broken {
                        expected: "a table that can be shown",
                        reason: format!("it has {size_bytes} bytes of JSON, more than {JSON_LIMIT_BYTES}"),
                    });
                }
                Ok(wire_page(json_table::page(&file, request.offset, limit)?, None, true))
            }
        }
    });
    page.await?.map(Json).map_err(|error| match error {
        LookError::Io(error) => logs::unreadable(error),
        other => {
            ApiFailure::new(StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::InvalidInput, other.to_string())
                .hint("Download the file to look at it with another program.")
        }
    })
}

fn wire_page(page: TablePage, rows: Option<u64>, is_complete: bool) -> PreviewPage {
    PreviewPage {
        columns: page
            .columns
            .into_iter()
            .map(|column| PreviewColumn { name: column.name, kind: column.kind })
            .collect(),
        total_rows: rows.or(page.total_rows).unwrap_or(page.rows.len() as u64),
        rows: page.rows,
        is_complete,
        left_out_columns: page.left_out_columns,
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::TestServer;
    use axum::body::Body;
    use serde_json::json;

    #[tokio::test]
    async fn files_are_looked_at_and_tables_come_by_the_page() {
        let server = TestServer::new();
        server.run("a").await;
        server.put("0/a/artifacts/t.csv", b"id,name\n1,a\n2,b\n3,c\n").await;
        server.put("0/a/artifacts/t.json", br#"{"columns":["x"],"data":[[1],[2]]}"#).await;
        server.put("0/a/artifacts/t.parquet", b"PAR1 and no end").await;
        server.put("0/a/artifacts/p.png", b"<html>").await;
        let look = server.get("/runs/a/artifacts/look?path=p.png").await.json();
        assert_eq!(
            (&look["preview"], &look["mismatch"]),
            (&json!("text"), &json!("Its name says image, but it is text."))
        );
        assert_eq!(server.get("/runs/a/artifacts/look?path=t.json").await.json()["is_json_table"], true);
        let page = |body| {
            let server = &server;
            async move { server.send_json("POST", "/runs/a/preview", &body).await }
        };
        let csv = page(json!({ "path": "t.csv", "format": "csv", "offset": 1, "limit": 1 })).await.json();
        assert_eq!((&csv["rows"], &csv["total_rows"]), (&json!([["2", "b"]]), &json!(3)));
        let json_page =
            page(json!({ "path": "t.json", "format": "json", "offset": 1, "limit": 9 })).await.json();
        assert_eq!((&json_page["rows"], &json_page["total_rows"]), (&json!([["2"]]), &json!(2)));
        for (path, format) in [("t.parquet", "parquet"), ("t.csv", "parquet"), ("t.csv", "json")] {
            let refused = page(json!({ "path": path, "format": format, "limit": 9 })).await;
            assert_eq!(refused.status, 422, "{path} as {format}: {:?}", refused.body);
            assert!(refused.json()["hint"].as_str().is_some());
        }
    }

    #[tokio::test]
    async fn folders_come_by_the_page_and_as_an_archive() {
        let server = TestServer::new();
        server.run("a").await;
        for name in ["a", "b", "c", "d"] {
            server.put(&format!("0/a/artifacts/folder/{name}.txt"), b"text").await;
        }
        let list = server.get("/runs/a/artifacts?path=folder&offset=1&limit=2").await.json();
        let names: Vec<&str> = list["entries"]
            .as_array()
            .expect("list")
            .iter()
            .filter_map(|entry| entry["name"].as_str())
            .collect();
        assert_eq!((names, &list["total"]), (vec!["b.txt", "c.txt"], &json!(4)));
        let link = |body| {
            let server = &server;
            async move { server.send_json("POST", "/artifacts/archive", &body).await }
        };
        let url = link(json!({ "run_id": "a", "path": "folder" })).await.json()["url"]
            .as_str()
            .expect("url")
            .to_owned();
        let archive =
            server.send(TestServer::request("GET", &url).body(Body::empty()).expect("request")).await;
        assert_eq!((archive.status.as_u16(), archive.header("content-type")), (200, "application/zip"));
        assert_eq!(archive.header("content-disposition"), "attachment; filename=\"a-folder.zip\"");
        assert!(archive.body.starts_with(b"PK"));
        assert_eq!(link(json!({ "run_id": "a", "path": "folder/a.txt" })).await.status, 400);
        assert_eq!(link(json!({ "run_id": "a", "path": "none" })).await.status, 404);
        let wrong = url.replace("folder=folder", "folder=..%2F..");
        assert_eq!(
            server
                .send(TestServer::request("GET", &wrong).body(Body::empty()).expect("request"))
                .await
                .status,
            400
        );
        let unknown = TestServer::request("GET", "/files/0123?folder=").body(Body::empty()).expect("request");
        assert_eq!(server.send(unknown).await.status, 403);
    }
}
