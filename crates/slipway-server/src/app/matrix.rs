//! The values of some columns for up to 100,000 runs in a binary form that goes straight into typed arrays: what a
//! scatter plot or parallel coordinates draw. Names are not in it; they are asked for when somebody points at a run.
//!
//! All numbers are little-endian. The head is padded with spaces, so that the numbers start at a multiple of 8 bytes.
//!
//! ```text
//! u32 magic "SLM1"   u32 head_bytes   u32 id_bytes   u32 0
//! head: JSON, see `MatrixHead`
//! for each column: f64 value[run_count]
//! ids of the runs, separated by line feeds
//! ```
//!
//! A value is NaN where a run has none, and infinite where it is. In a column of texts it is a place in the head's list.

use super::wire::{ApiError, MatrixColumn, MatrixHead, TableRequest};
use super::{Binary, read, runs_table};
use crate::ServerState;
use crate::error::{ApiFailure, ApiJson, ApiResult};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use slipway_store::Matrix;

const MAGIC: &[u8; 4] = b"SLM1";
const MAX_RUNS: u64 = 100_000;
/// Nobody can tell more categories apart, and a column of names would send them all.
const MAX_TEXTS: usize = 1_000;
const MAX_COLUMNS: usize = 50;

/// Values of columns for many runs as binary arrays; see the description for the layout.
///
/// Takes what `runs/table` takes, with a `limit` of up to 100,000 (the default) and up to 50 columns; every run that
/// matches is a row, nested or not. Little-endian. `"SLM1", u32 head_bytes, u32 id_bytes, u32 0`, then JSON
/// (`MatrixHead`) padded with spaces to a multiple of 8 bytes, then per column `f64 value[run_count]` (NaN: no value;
/// texts: places in the head's list), then the ids of the runs separated by line feeds.
#[utoipa::path(post, path = "/runs/matrix", tag = "runs", request_body = TableRequest,
    responses(
        (status = 200, body = Binary, content_type = "application/octet-stream"),
        (status = "default", body = ApiError)
    ))]
pub(super) async fn query_matrix(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<TableRequest>,
) -> ApiResult<Response> {
    if request.columns.len() > MAX_COLUMNS {
        return Err(ApiFailure::invalid(format!(
            "at most {MAX_COLUMNS} columns can be asked for at once, not {}",
            request.columns.len()
        )));
    }
    let query = runs_table::query(request, MAX_RUNS, MAX_RUNS)?;
    let filter = query.filter.clone();
    let matrix = read(&state, move |reader| reader.run_matrix(&query)).await?;
    let matrix = matrix.map_err(|error| ApiFailure::from_search(error, &filter))?;
    let bytes = encode(matrix).map_err(|error| ApiFailure::internal(error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream"), (header::CACHE_CONTROL, "no-store")], bytes)
        .into_response())
}

fn encode(matrix: Matrix) -> serde_json::Result<Vec<u8>> {
    let run_count = matrix.run_ids.len();
    let (columns, values): (Vec<MatrixColumn>, Vec<Vec<f64>>) =
        matrix.columns.into_iter().map(column).unzip();
    let mut head = serde_json::to_vec(&MatrixHead { matching: matrix.matching, run_count, columns })?;
    head.resize(head.len().next_multiple_of(8), b' ');
    let ids = matrix.run_ids.join("\n");
    let mut bytes = Vec::with_capacity(16 + head.len() + values.len() * run_count * 8 + ids.len());
    bytes.extend_from_slice(MAGIC);
    for length in [head.len(), ids.len(), 0] {
        bytes.extend_from_slice(&(length as u32).to_le_bytes());
    }
    bytes.extend_from_slice(&head);
    for column in &values {
        bytes.extend(column.iter().flat_map(|number| number.to_le_bytes()));
    }
    bytes.extend_from_slice(ids.as_bytes());
    Ok(bytes)
}

fn column(column: slipway_store::MatrixColumn) -> (MatrixColumn, Vec<f64>) {
    match column {
        slipway_store::MatrixColumn::Numbers { values, missing } => {
            let odd = values.iter().filter(|value| !value.is_finite()).count();
            (
                MatrixColumn { texts: None, text_count: 0, missing, not_finite: odd.saturating_sub(missing) },
                values,
            )
        }
        slipway_store::MatrixColumn::Texts { codes, mut texts } => {
            let text_count = texts.len();
            texts.truncate(MAX_TEXTS);
            let value = |code: &Option<u32>| match code {
                Some(code) if (*code as usize) < MAX_TEXTS => f64::from(*code),
                _ => f64::NAN,
            };
            let values: Vec<f64> = codes.iter().map(value).collect();
            let missing = values.iter().filter(|value| value.is_nan()).count();
            (MatrixColumn { texts: Some(texts), text_count, missing, not_finite: 0 }, values)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_is_laid_out_as_described() {
        let matrix = Matrix {
            run_ids: vec!["a".to_owned(), "b".to_owned(), "c".to_owned()],
            columns: vec![
                slipway_store::MatrixColumn::Numbers {
                    values: vec![0.5, f64::NAN, f64::INFINITY],
                    missing: 1,
                },
                slipway_store::MatrixColumn::Texts {
                    codes: vec![Some(1), None, Some(0)],
                    texts: vec!["8".to_owned(), "é\"".to_owned()],
                },
            ],
            matching: 7,
        };
        let bytes = encode(matrix).expect("encoded");
        let length = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four")) as usize;
        assert_eq!(&bytes[..4], MAGIC);
        assert_eq!(length(4) % 8, 0);
        let head: MatrixHead = serde_json::from_slice(&bytes[16..16 + length(4)]).expect("head");
        assert_eq!((head.matching, head.run_count), (7, 3));
        assert_eq!((head.columns[0].missing, head.columns[0].not_finite), (1, 1));
        assert_eq!(head.columns[1].texts.as_deref(), Some(&["8".to_owned(), "é\"".to_owned()][..]));
        let at = 16 + length(4);
        let numbers: Vec<f64> = bytes[at..at + 48]
            .chunks_exact(8)
            .map(|chunk| f64::from_le_bytes(chunk.try_into().expect("eight")))
            .collect();
        assert_eq!((numbers[0], numbers[2], numbers[3], numbers[5]), (0.5, f64::INFINITY, 1.0, 0.0));
        assert!(numbers[1].is_nan() && numbers[4].is_nan());
        assert_eq!(&bytes[at + 48..], b"a\nb\nc");
        assert_eq!(bytes.len(), at + 48 + length(8));
    }

    #[test]
    fn a_column_of_names_does_not_send_them_all() {
        let names: Vec<String> = (0..5_000).map(|name| format!("{name:05}")).collect();
        let codes = (0..5_000).map(Some).collect();
        let (column, values) = column(slipway_store::MatrixColumn::Texts { codes, texts: names });
        assert_eq!((column.text_count, column.texts.map(|texts| texts.len())), (5_000, Some(1_000)));
        assert_eq!((column.missing, values[999]), (4_000, 999.0));
    }
}
