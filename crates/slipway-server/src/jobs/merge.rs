//! What a job logged while no Slipway was there, and its agent could not send any more: read from the agent's journal
//! and sent to this server, in order, before the end of the job is written down.

use crate::ServerState;
use axum::body::Body;
use axum::http::{Request, header};
use slipway_jobs::agent::tracking::journal::{Entry, Journal};
use slipway_jobs::agent::tracking::replay::{Receiver, Unreachable, replay};
use slipway_jobs::agent::tracking::{CHOSEN_ID, CHOSEN_MS, FileBody};
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use tower::ServiceExt;

/// Answers are short; what is longer is of no use here.
const ANSWER_BYTES: usize = 4 << 20;

/// Sends what is left in the journal of an attempt whose agent has ended; `folder` is that of the attempt.
pub(super) async fn journal(state: &ServerState, folder: &Path) -> Result<(), String> {
    let folder = folder.to_owned();
    let opening = folder.clone();
    let opened = tokio::task::spawn_blocking(move || Journal::open(&opening)).await;
    let mut journal = match opened {
        Ok(Ok(journal)) => journal,
        Ok(Err(error)) => return Err(error.to_string()),
        Err(error) => return Err(error.to_string()),
    };
    if journal.is_empty() {
        return Ok(());
    }
    let server = Inside { state, folder };
    replay(&mut journal, &server).await.map_err(|error| error.to_string())
}

/// What was not taken of what the attempt in a folder logged, in words.
pub(super) fn not_taken(folder: &Path) -> Option<String> {
    let (count, first) = match Journal::aside(folder) {
        Ok(aside) => aside?,
        Err(error) => return Some(format!("whether all that it logged was taken cannot be read: {error}")),
    };
    let things = if count == 1 { "a thing".to_owned() } else { format!("{count} things") };
    Some(format!(
        "{things} that it logged while Slipway was away could not be stored (the first: `{}`, status {}: {}); they are \
         kept in `{}` and can be sent again from there",
        first.target,
        first.status,
        first.said,
        folder.join("journal.aside").display()
    ))
}

/// This server, without a socket.
struct Inside<'a> {
    state: &'a ServerState,
    folder: PathBuf,
}

impl Receiver for Inside<'_> {
    async fn send(&self, entry: &Entry) -> Result<(u16, Vec<u8>), Unreachable> {
        let refused = |error: &dyn std::fmt::Display| Unreachable(error.to_string());
        let body = match &entry.body_file {
            Some(name) => {
                Body::new(FileBody::open(&self.folder.join(name)).map_err(|error| refused(&error))?)
            }
            None => Body::from(entry.body.clone()),
        };
        let config = self.state.config();
        let mut request = Request::builder()
            .method(entry.method.as_str())
            .uri(&entry.target)
            .header(header::HOST, config.url.trim_start_matches("http://"))
            .header(header::AUTHORIZATION, format!("Bearer {}", config.token))
            .header(header::CONTENT_TYPE, &entry.content_type);
        if let Some(id) = &entry.chosen_id {
            request = request.header(CHOSEN_ID, id);
        }
        if let Some(at_ms) = entry.chosen_ms {
            request = request.header(CHOSEN_MS, at_ms);
        }
        let request = request.body(body).map_err(|error| refused(&error))?;
        let answer: Result<_, Infallible> = crate::router(self.state.clone()).oneshot(request).await;
        let answer = answer.unwrap_or_else(|never| match never {});
        let status = answer.status().as_u16();
        let body = axum::body::to_bytes(answer.into_body(), ANSWER_BYTES).await;
        Ok((status, body.map_err(|error| refused(&error))?.to_vec()))
    }
}
