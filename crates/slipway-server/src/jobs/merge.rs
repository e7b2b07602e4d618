//! What a job logged while no Slipway was there, and its agent could not send any more: read from the agent's journal
//! and sent to this server, in order, before the end of the job is written down.

use crate::ServerState;
use axum::body::Body;
use axum::http::{Request, header};
use slipway_jobs::AttemptId;
use slipway_jobs::agent::tracking::journal::Journal;
use std::convert::Infallible;
use std::path::Path;
use tower::ServiceExt;

/// Sends what is left in the journal of an attempt whose agent has ended; `folder` is that of the attempt.
pub(super) async fn journal(state: &ServerState, attempt: &AttemptId, folder: &Path) -> Result<(), String> {
    let folder = folder.to_owned();
    let opened = tokio::task::spawn_blocking(move || Journal::open(&folder)).await;
    let mut journal = match opened {
        Ok(Ok(journal)) => journal,
        Ok(Err(error)) => return Err(error.to_string()),
        Err(error) => return Err(error.to_string()),
    };
    if journal.is_empty() {
        return Ok(());
    }
    let host = state.config().url.trim_start_matches("http://").to_owned();
    let token = format!("Bearer {}", state.config().token);
    while let Some((entry, end)) = journal.first() {
        let request = Request::builder()
            .method(entry.method.as_str())
            .uri(&entry.target)
            .header(header::HOST, &host)
            .header(header::AUTHORIZATION, &token)
            .header(header::CONTENT_TYPE, &entry.content_type)
            .body(Body::from(entry.body))
            .map_err(|error| error.to_string())?;
        let answer: Result<_, Infallible> = crate::router(state.clone()).oneshot(request).await;
        let answer = answer.unwrap_or_else(|never| match never {});
        let status = answer.status();
        if status.is_server_error() {
            return Err(format!("`{}` was answered with {status}", entry.target));
        }
        if !status.is_success() {
            tracing::warn!(%status, target = entry.target, "what {attempt} logged while Slipway was away was refused");
        }
        journal.done_up_to(end);
    }
    Ok(())
}
