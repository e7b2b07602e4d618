//! Serving a router on a socket: with limits on what a connection may cost, and an end that does not wait for ever.

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Connections at the same time; more wait until one ends.
const MAX_CONNECTIONS: usize = 512;
/// A connection that has not sent a whole request head for this long is closed, idle or slow.
const HEAD_SILENCE: Duration = Duration::from_secs(120);
/// The last places are for those who come with a request at once, so that many silent ones do not shut out others.
const LAST_PLACES: usize = 128;
const HEAD_SILENCE_WHEN_CROWDED: Duration = Duration::from_secs(3);
/// Requests that are still running when the server ends get this long.
const END_LIMIT: Duration = Duration::from_secs(5);

/// Answers requests until `stop` is cancelled; then lets running ones finish, for five seconds at most.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let connections = TaskTracker::new();
    let cut_off = CancellationToken::new();
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
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
        let is_crowded = places.available_permits() < LAST_PLACES;
        let head_silence = if is_crowded { HEAD_SILENCE_WHEN_CROWDED } else { HEAD_SILENCE };
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
