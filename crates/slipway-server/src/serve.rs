//! Serving a router on a socket: with limits on what a connection may cost, and an end that does not wait for ever.

mod patience;

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use patience::Patient;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Connections at the same time, where the system allows as many open files; more wait until one ends.
const MAX_CONNECTIONS: u64 = 4096;
/// Files that the database, artifacts and everything but connections may have open.
const OTHER_FILES: u64 = 256;
/// Requests that are still running when the server ends get this long.
const END_LIMIT: Duration = Duration::from_secs(5);

/// What connections may cost.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Connections at the same time.
    connections: usize,
    /// Of these, the last ones are for those who come with a request at once, so that many silent ones do not shut
    /// out others.
    last_places: usize,
    /// A connection that has not sent a whole request head for this long is closed, idle or slow.
    head_silence: Duration,
    /// The same for the last places.
    head_silence_when_crowded: Duration,
    /// A client that takes nothing of its answer for this long is given up. A download may be paused.
    write_silence: Duration,
}

impl Limits {
    /// As many connections as the system allows.
    fn of_this_process() -> Self {
        let connections = usize::try_from(allowed_connections()).unwrap_or(32);
        Self {
            connections,
            last_places: connections / 4,
            head_silence: Duration::from_secs(120),
            head_silence_when_crowded: Duration::from_secs(1),
            write_silence: Duration::from_secs(600),
        }
    }
}

/// Raises the limit on open files as far as this process may, and says how many connections fit under it. A running
/// request opens files, too, so a connection counts twice.
fn allowed_connections() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        match setrlimit(Resource::Nofile, raised) {
            Ok(()) => limit = raised,
            Err(error) => tracing::debug!(%error, "the limit on open files stays as it is"),
        }
    }
    // No number means no limit.
    let files = limit.current.unwrap_or(u64::MAX);
    (files.saturating_sub(OTHER_FILES) / 2).clamp(32, MAX_CONNECTIONS)
}

/// Answers requests until `stop` is cancelled; then lets running ones finish, for five seconds at most.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    serve_within(Limits::of_this_process(), listener, router, stop).await;
}

async fn serve_within(limits: Limits, listener: TcpListener, router: Router, stop: CancellationToken) {
    let connections = TaskTracker::new();
    let cut_off = CancellationToken::new();
    let places = Arc::new(Semaphore::new(limits.connections));
    loop {
        let place = tokio::select! {
            () = stop.cancelled() => break,
            place = Arc::clone(&places).acquire_owned() => place,
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // For instance too many open files: gone when a connection ends.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        // Small answers must not wait for each other.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY was refused");
        }
        let is_crowded = places.available_permits() < limits.last_places;
        let head_silence = if is_crowded { limits.head_silence_when_crowded } else { limits.head_silence };
        let stream = Patient::new(stream, limits.write_silence);
        let service = TowerToHyperService::new(router.clone());
        let (stop, cut_off) = (stop.clone(), cut_off.clone());
        connections.spawn(async move {
            let _place = place;
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(head_silence)
                .serve_connection(TokioIo::new(stream), service);
            let mut connection = std::pin::pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    tokio::select! {
                        ended = connection => ended,
                        () = cut_off.cancelled() => return,
                    }
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(END_LIMIT, connections.wait()).await.is_err() {
        tracing::warn!(left = connections.len(), "requests were cut off");
        cut_off.cancel();
        connections.wait().await;
    }
}

#[cfg(test)]
mod tests;
