//! The queue: every delivery is tried until it was taken or given up. It lies in the database, written with the change
//! that it tells of, so that it goes on after a crash where it stood; what was on its way then may come twice, under the
//! same delivery id.
//!
//! Each webhook is told one thing after the other; one that is slow or away holds up no other.

use super::secrets::Secrets;
use super::send::{Sent, send};
use crate::ServerState;
use crate::mlflow::webhook_message;
use crate::state::now_ms;
use slipway_store::{Change, Delivery, DeliveryAttempt, DeliveryState, Webhook};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long to wait after each attempt that failed; after the last one it is given up.
const PAUSES_MS: [i64; 8] = [1_000, 5_000, 30_000, 120_000, 600_000, 3_600_000, 14_400_000, 43_200_000];
/// Deliveries of one webhook that are read at once.
const BATCH: u64 = 32;
/// Webhooks that are told at the same time.
const AT_ONCE: usize = 8;
/// A look at the queue even when nobody said that something is in it.
const LONGEST_MS: i64 = 60_000;
const KEPT_MS: i64 = 30 * 24 * 3_600_000;

/// Tells webhooks what happened until `stop`.
pub async fn deliver_webhooks(state: ServerState, stop: CancellationToken) {
    let busy: Arc<Mutex<HashSet<String>>> = Arc::default();
    let done = Arc::new(tokio::sync::Notify::new());
    let forget = Change::ForgetDeliveries { before_ms: now_ms() - KEPT_MS };
    if let Err(error) = state.store().write(forget).await {
        tracing::warn!(%error, "old deliveries to webhooks were not forgotten");
    }
    seal_plain(&state).await;
    loop {
        let now = now_ms();
        let store = state.store().clone();
        let found = tokio::task::spawn_blocking(move || store.read(|reader| reader.due_webhooks(now))).await;
        let (due, next) = match found {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the queue of webhooks cannot be read");
                (Vec::new(), None)
            }
            Err(_) => return,
        };
        for id in due {
            let mut working = lock(&busy);
            if working.len() >= AT_ONCE || !working.insert(id.clone()) {
                continue;
            }
            drop(working);
            let (state, busy, done, stop) = (state.clone(), busy.clone(), done.clone(), stop.clone());
            tokio::spawn(async move {
                tell(&state, &id, &stop).await;
                lock(&busy).remove(&id);
                done.notify_one();
            });
        }
        let wait = next.map_or(LONGEST_MS, |next| next - now_ms()).clamp(10, LONGEST_MS);
        tokio::select! {
            () = stop.cancelled() => return,
            () = state.events().deliveries() => {}
            () = done.notified() => {}
            () = tokio::time::sleep(Duration::from_millis(u64::try_from(wait).unwrap_or(10))) => {}
        }
    }
}

/// Seals what was stored before secrets were sealed.
async fn seal_plain(state: &ServerState) {
    let work = state.clone();
    let sealed =
        tokio::task::spawn_blocking(move || -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
            let webhooks = work.store().read(|reader| reader.webhooks(0, u64::from(u32::MAX)))?;
            for mut webhook in webhooks.items {
                let Some(plain) = webhook.secret.as_deref().filter(|stored| Secrets::is_plain(stored)) else {
                    continue;
                };
                webhook.secret = Some(work.secrets().seal(&webhook.id, plain)?);
                work.store().write_blocking(Change::PutWebhook(Box::new(webhook)))?;
            }
            Ok(())
        });
    if let Ok(Err(error)) = sealed.await {
        tracing::warn!(%error, "secrets of webhooks were not sealed");
    }
}

fn lock(busy: &Mutex<HashSet<String>>) -> std::sync::MutexGuard<'_, HashSet<String>> {
    busy.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells one webhook what is due.
async fn tell(state: &ServerState, id: &str, stop: &CancellationToken) {
    let (store, wanted) = (state.store().clone(), id.to_owned());
    let found = tokio::task::spawn_blocking(move || {
        store.read(|reader| Ok((reader.webhook(&wanted)?, reader.due_deliveries(&wanted, now_ms(), BATCH)?)))
    });
    // One that was removed meanwhile took its deliveries along.
    let Ok(Ok((webhook, due))) = found.await else { return };
    for delivery in due {
        if stop.is_cancelled() {
            return;
        }
        let attempt = attempt(state, &webhook, &delivery).await;
        let failed = attempt.state == DeliveryState::Waiting;
        if let Err(error) = state.store().write(Change::WebhookTried(attempt)).await {
            tracing::warn!(%error, "how a webhook answered was not written down");
            return;
        }
        // The others keep their order, and their turn comes after it.
        if failed {
            return;
        }
    }
}

async fn attempt(state: &ServerState, webhook: &Webhook, delivery: &Delivery) -> DeliveryAttempt {
    let to_private = state.config().webhooks_to_private;
    let sent = if webhook.is_active {
        let (state, webhook, delivery) = (state.clone(), webhook.clone(), delivery.clone());
        let work = move || match webhook_message(&state, &webhook, &delivery, now_ms()) {
            Ok(message) => send(&webhook.url, &message, to_private),
            // Somebody may put the key back meanwhile.
            Err(error) => Sent::Failed { problem: error.to_string(), again: true },
        };
        tokio::task::spawn_blocking(work)
            .await
            .unwrap_or_else(|error| Sent::Failed { problem: error.to_string(), again: true })
    } else {
        Sent::Failed { problem: "the webhook was disabled".to_owned(), again: false }
    };
    let at_ms = now_ms();
    let (status, problem, again) = match sent {
        Sent::Taken { status, .. } => {
            let (state, status) = (DeliveryState::Delivered, Some(i64::from(status)));
            return DeliveryAttempt {
                delivery: delivery.id,
                state,
                due_ms: at_ms,
                at_ms,
                status,
                problem: None,
            };
        }
        Sent::Refused { status, again, .. } => {
            let problem = match status {
                300..=399 => format!("it answered {status}; redirects are not followed"),
                _ => format!("it answered {status}"),
            };
            (Some(i64::from(status)), problem, again)
        }
        Sent::Failed { problem, again } => (None, problem, again),
    };
    let pause =
        usize::try_from(delivery.attempts).ok().and_then(|tried| PAUSES_MS.get(tried)).filter(|_| again);
    DeliveryAttempt {
        delivery: delivery.id,
        state: if pause.is_some() { DeliveryState::Waiting } else { DeliveryState::GivenUp },
        due_ms: at_ms + pause.copied().unwrap_or_default(),
        at_ms,
        status,
        problem: Some(problem),
    }
}
