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
            TableFormat::Parquet => Ok(wire_page(parquet_table::page(&file, request.offset, limit)?, None, true)),
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
        other => ApiFailure::new(StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::InvalidInput, other.to_string())
            .hint("Download the file to look at it with another program."),
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
