//! The stream of live changes: server-sent events that can be resumed.

use super::wire::{ApiError, Event};
use crate::ServerState;
use crate::error::{ApiQuery, ApiResult};
use crate::events::{EventBus, GATHER, Message, Next};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream, StreamExt};
use serde::Deserialize;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::watch;
use utoipa::IntoParams;

const HEARTBEAT: Duration = Duration::from_secs(15);
/// Messages taken from the ring at once.
const BATCH: usize = 256;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct EventsQuery {
    /// Id of the last event that arrived; the header `Last-Event-ID` says the same.
    after: Option<String>,
}

/// Live changes as server-sent events. Each has an id `boot.sequence`; a stream that names the last one it has
/// seen goes on after it, or starts with `reset` when that is not possible. A comment comes every 15 seconds.
#[utoipa::path(get, path = "/events", tag = "server",
    params(EventsQuery, ("Last-Event-ID" = Option<String>, Header)),
    responses(
        (status = 200, body = Event, content_type = "text/event-stream"),
        (status = "default", body = ApiError)
    ))]
pub(super) async fn stream_events(
    State(state): State<ServerState>,
    ApiQuery(query): ApiQuery<EventsQuery>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let named =
        headers.get("last-event-id").and_then(|id| id.to_str().ok()).map(str::to_owned).or(query.after);
    let stream = messages(state.events().clone(), named.as_deref());
    let sse = Sse::new(stream).keep_alive(KeepAlive::new().interval(HEARTBEAT));
    let headers = [
        (header::CACHE_CONTROL, "no-store"),
        // A proxy on the way must not wait for more.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, sse).into_response())
}

struct Reading {
    bus: EventBus,
    wakes: watch::Receiver<bool>,
    sequence: u64,
}

/// Events after the one that was named. Nothing is read ahead: a slow reader falls behind the ring and is told.
fn messages(
    bus: EventBus,
    named: Option<&str>,
) -> impl Stream<Item = Result<sse::Event, Infallible>> + use<> {
    let mut wakes = bus.wakes();
    wakes.mark_changed();
    let (sequence, greeting) = match named.and_then(|id| bus.resume(id)) {
        Some(sequence) => (sequence, None),
        None => {
            let newest = bus.newest();
            (newest, Some(reset(&bus, newest)))
        }
    };
    let rest = stream::unfold(Reading { bus, wakes, sequence }, |mut reading| async move {
        let batch = reading.next_batch().await?;
        Some((stream::iter(batch), reading))
    });
    stream::iter(greeting).chain(rest.flatten()).map(Ok)
}

impl Reading {
    /// The next events, when there are some; nothing when the server goes down.
    async fn next_batch(&mut self) -> Option<Vec<sse::Event>> {
        loop {
            self.wakes.mark_unchanged();
            match self.bus.after(self.sequence, BATCH) {
                Next::Closed => return None,
                Next::Nothing => {
                    self.wakes.changed().await.ok()?;
                    // What belongs together comes within a moment.
                    tokio::time::sleep(GATHER).await;
                }
                Next::Lost { sequence } => {
                    self.sequence = sequence;
                    return Some(vec![reset(&self.bus, sequence)]);
                }
                Next::Messages(messages) => {
                    self.sequence = messages.last().map_or(self.sequence, |message| message.sequence);
                    let boot = self.bus.boot_id();
                    return Some(messages.iter().map(|message| rendered(boot, message)).collect());
                }
            }
        }
    }
}

fn rendered(boot_id: &str, message: &Message) -> sse::Event {
    sse::Event::default().id(format!("{boot_id}.{}", message.sequence)).data(&*message.json)
}

fn reset(bus: &EventBus, sequence: u64) -> sse::Event {
    let boot_id = bus.boot_id().to_owned();
    let id = format!("{boot_id}.{sequence}");
    // The boot id is made of hexadecimal digits, so this is JSON.
    sse::Event::default().id(id).data(format!("{{\"type\":\"reset\",\"boot_id\":\"{boot_id}\"}}"))
}
