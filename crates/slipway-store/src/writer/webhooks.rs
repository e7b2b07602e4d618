//! Webhooks, and how telling them went.

use crate::change::{Applied, Change, Notice};
use crate::error::{Error, Missing, Result};
use crate::registry::{DeliveryAttempt, Webhook};
use rusqlite::{Connection, params};

/// Applies a change of webhooks.
pub(super) fn apply(db: &Connection, notices: &mut Vec<Notice>, change: &Change) -> Result<Applied> {
    match change {
        Change::PutWebhook(webhook) => put(db, webhook),
        Change::DeleteWebhook { id } => match db.execute("DELETE FROM webhooks WHERE id = ?1", [id])? {
            0 => Err(Error::NotFound(Missing::Webhook(id.clone()))),
            _ => Ok(Applied::Changed(1)),
        },
        Change::WebhookTried(attempt) => {
            notices.push(Notice::Deliveries);
            tried(db, attempt)
        }
        Change::ForgetDeliveries { before_ms } => {
            let gone = db.execute(
                "DELETE FROM webhook_deliveries WHERE state <> 0 AND created_ms < ?1",
                [before_ms],
            )?;
            Ok(Applied::Changed(gone as u64))
        }
        // `Writer::apply` hands over nothing else.
        other => Err(Error::Invalid(format!("not a change of webhooks: {other:?}"))),
    }
}

fn put(db: &Connection, webhook: &Webhook) -> Result<Applied> {
    let codes: Vec<i64> = webhook.events.iter().map(|event| event.code()).collect();
    let events = serde_json::to_string(&codes).map_err(|error| Error::Invalid(error.to_string()))?;
    db.execute(
        "INSERT INTO webhooks (id, name, description, url, events, active, secret, created_ms, updated_ms) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (id) DO UPDATE SET name = excluded.name, \
         description = excluded.description, url = excluded.url, events = excluded.events, active = excluded.active, \
         secret = excluded.secret, updated_ms = excluded.updated_ms",
        params![
            webhook.id,
            webhook.name,
            webhook.description,
            webhook.url,
            events,
            webhook.is_active,
            webhook.secret,
            webhook.created_ms,
            webhook.updated_ms
        ],
    )?;
    Ok(Applied::Done)
}

/// Nothing happens when the webhook was removed meanwhile, and its deliveries with it.
fn tried(db: &Connection, attempt: &DeliveryAttempt) -> Result<Applied> {
    let changed = db.execute(
        "UPDATE webhook_deliveries SET state = ?2, due_ms = ?3, tried_ms = ?4, status = ?5, problem = ?6, \
         attempts = attempts + 1 WHERE id = ?1",
        params![
            attempt.delivery,
            attempt.state,
            attempt.due_ms,
            attempt.at_ms,
            attempt.status,
            attempt.problem
        ],
    )?;
    Ok(Applied::Changed(changed as u64))
}
