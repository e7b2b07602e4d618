//! Points of histories as JSON, written straight into the answer: there can be millions.
//!
//! A history that is asked for whole is read and sent in pieces, so that its length costs time but no memory.

use super::encode::{Answer, Double, put};
use super::error::Result;
use super::{page, read};
use crate::ServerState;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use slipway_store::{Error as StoreError, Page, Point, Reader};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// Points that are read at once for a history without an end: some megabytes.
const PIECE_POINTS: u64 = if cfg!(test) { 1_500 } else { 250_000 };
/// Points that are sent at once.
const CHUNK_POINTS: usize = if cfg!(test) { 400 } else { 4096 };
/// About what a point becomes.
const POINT_BYTES: usize = 96;

/// Writes the points of one metric.
pub(super) struct PointWriter {
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl PointWriter {
    /// For points that say only which metric they are of.
    pub(super) fn new(key: &str) -> Result<Self> {
        let mut head = b"{\"key\":".to_vec();
        put(&mut head, key)?;
        head.extend_from_slice(b",\"value\":");
        Ok(Self { head, tail: b"}".to_vec() })
    }

    /// For points that say which run they are of, too.
    pub(super) fn of_run(key: &str, run_id: &str) -> Result<Self> {
        let mut tail = b",\"run_id\":".to_vec();
        put(&mut tail, run_id)?;
        tail.push(b'}');
        Ok(Self { tail, ..Self::new(key)? })
    }

    /// Adds points to a list that `out` is in the middle of.
    pub(super) fn add(&self, out: &mut Vec<u8>, points: &[Point]) -> Result<()> {
        out.reserve(points.len() * (POINT_BYTES.max(self.head.len() + self.tail.len() + 40)));
        for point in points {
            if out.last().is_some_and(|last| *last == b'}') {
                out.push(b',');
            }
            out.extend_from_slice(&self.head);
            put(out, &Double(point.value))?;
            out.extend_from_slice(b",\"timestamp\":");
            put(out, &point.time_ms)?;
            out.extend_from_slice(b",\"step\":");
            put(out, &point.step)?;
            out.extend_from_slice(&self.tail);
        }
        Ok(())
    }
}

/// Begins the message; [`end`] ends it.
pub(super) fn begin() -> Vec<u8> {
    b"{\"metrics\":[".to_vec()
}

/// Ends what [`begin`] began.
pub(super) fn end(mut out: Vec<u8>, next_page_token: Option<String>) -> Result<Answer> {
    out.push(b']');
    if let Some(token) = next_page_token {
        out.extend_from_slice(b",\"next_page_token\":");
        put(&mut out, &token)?;
    }
    out.push(b'}');
    Ok(Answer::written(out))
}

/// Part of a history, by time; that of an unknown run is empty, as MLflow has it.
pub(super) fn read_points(
    reader: &Reader<'_>,
    run_id: &str,
    key: &str,
    offset: u64,
    limit: u64,
) -> Result<Page<Point>> {
    match reader.metric_history(run_id, key, offset, Some(limit)) {
        Err(StoreError::NotFound(_)) => Ok(Page { items: Vec::new(), more: false }),
        other => Ok(other?),
    }
}

/// Answers one page of a history.
pub(super) async fn one_page(
    state: &ServerState,
    run_id: String,
    key: String,
    offset: u64,
    limit: u64,
) -> Result<Answer> {
    read(state, move |reader| {
        let found = read_points(reader, &run_id, &key, offset, limit)?;
        if found.items.is_empty() {
            return Ok(Answer::empty());
        }
        let mut out = begin();
        PointWriter::new(&key)?.add(&mut out, &found.items)?;
        end(out, page::next(found.more, offset, found.items.len()))
    })
    .await
}

/// Answers a history from `offset` to its end. Points that arrive meanwhile may be among them.
pub(super) async fn to_the_end(
    state: &ServerState,
    run_id: String,
    key: String,
    offset: u64,
) -> Result<Response> {
    let writer = PointWriter::new(&key)?;
    let first = piece(state, &run_id, &key, offset).await?;
    if first.items.is_empty() {
        return Ok(Answer::empty().into_response());
    }
    if !first.more {
        let mut out = begin();
        writer.add(&mut out, &first.items)?;
        return Ok(end(out, None)?.into_response());
    }
    // Two chunks wait at most: a slow reader makes the sender wait, not the memory grow.
    let (sender, chunks) = mpsc::channel::<Result<Bytes, std::io::Error>>(2);
    let state = state.clone();
    tokio::spawn(async move {
        if let Err(error) = send_pieces(&state, &writer, (&run_id, &key, offset), first, &sender).await {
            // The answer has begun; all that is left is to let it end before its end.
            let _ = sender.send(Err(std::io::Error::other(error.to_string()))).await;
        }
    });
    Ok(Answer::streamed(Body::from_stream(ReceiverStream::new(chunks))))
}

async fn piece(state: &ServerState, run_id: &str, key: &str, offset: u64) -> Result<Page<Point>> {
    let (run_id, key) = (run_id.to_owned(), key.to_owned());
    read(state, move |reader| read_points(reader, &run_id, &key, offset, PIECE_POINTS)).await
}

async fn send_pieces(
    state: &ServerState,
    writer: &PointWriter,
    (run_id, key, mut offset): (&str, &str, u64),
    mut points: Page<Point>,
    sender: &mpsc::Sender<Result<Bytes, std::io::Error>>,
) -> Result<()> {
    let mut out = begin();
    let mut is_first = true;
    loop {
        for chunk in points.items.chunks(CHUNK_POINTS) {
            if !is_first {
                out.push(b',');
            }
            is_first = false;
            writer.add(&mut out, chunk)?;
            if sender.send(Ok(std::mem::take(&mut out).into())).await.is_err() {
                // Nobody reads any more.
                return Ok(());
            }
        }
        if !points.more {
            break;
        }
        offset += points.items.len() as u64;
        points = piece(state, run_id, key, offset).await?;
    }
    out.extend_from_slice(b"]}");
    // As above: it may be that nobody reads any more.
    let _ = sender.send(Ok(out.into())).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn points_are_json_that_keeps_every_bit() {
        let values = [1.0, 0.1, -0.0, f64::MAX, 5e-324, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
        let points: Vec<_> = values
            .iter()
            .enumerate()
            .map(|(at, value)| Point { step: at as i64, time_ms: -5, value: *value })
            .collect();
        let mut out = begin();
        PointWriter::new("a \"b\"").unwrap().add(&mut out, &points[..3]).unwrap();
        PointWriter::of_run("a", "r").unwrap().add(&mut out, &points[3..]).unwrap();
        let body = end(out, Some("t".to_owned())).unwrap().into_text();
        assert!(
            body.starts_with(r#"{"metrics":[{"key":"a \"b\"","value":1.0,"timestamp":-5,"step":0},{"key""#)
        );
        let read: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(read["next_page_token"], "t");
        let list = read["metrics"].as_array().unwrap();
        assert_eq!(list.len(), 8);
        for (point, expected) in list.iter().zip(values).take(5) {
            assert_eq!(point["value"].as_f64().unwrap().to_bits(), expected.to_bits());
        }
        assert_eq!(list[5]["value"], "NaN");
        assert_eq!((list[6]["value"].as_f64(), list[7]["value"].as_f64()), (Some(f64::MAX), Some(f64::MIN)));
        assert_eq!(list[7]["run_id"], "r");
    }
}
