//! What webhooks are told, in MLflow's words and with its signature.

use super::words;
use crate::ServerState;
use crate::webhooks::{Message, SecretError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value, json};
use sha2::Sha256;
use slipway_store::{Delivery, EventFacts, EventKind, Webhook};

/// What is sent to a webhook, signed if it has a secret. Reads a file.
pub(crate) fn message(
    state: &ServerState,
    webhook: &Webhook,
    delivery: &Delivery,
    now_ms: i64,
) -> Result<Message, SecretError> {
    let (entity, action) = words(delivery.event);
    let body = json!({
        "entity": entity,
        "action": action,
        "timestamp": timestamp(delivery.facts.at_ms),
        "data": data(delivery.event, &delivery.facts),
    })
    .to_string();
    // The same for every attempt, so that the other side can tell what it has already heard.
    let id = format!("{}-{}", webhook.id, delivery.id);
    let seconds = (now_ms / 1000).to_string();
    let mut headers = vec![("X-MLflow-Delivery-Id", id.clone()), ("X-MLflow-Timestamp", seconds.clone())];
    if let Some(stored) = &webhook.secret {
        let secret = state.secrets().open(&webhook.id, stored)?;
        headers.push(("X-MLflow-Signature", signature(&secret, &id, &seconds, &body)));
    }
    Ok(Message { headers, body })
}

fn signature(secret: &str, id: &str, seconds: &str, body: &str) -> String {
    // A key of any length will do.
    let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    hmac.update(format!("{id}.{seconds}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(hmac.finalize().into_bytes()))
}

/// What an event tells, by its kind.
fn data(kind: EventKind, facts: &EventFacts) -> Value {
    let version = facts.version.map(|version| version.to_string());
    let tags: Map<String, Value> =
        facts.tags.iter().map(|tag| (tag.key.clone(), Value::from(tag.value.clone()))).collect();
    let name = &facts.name;
    match kind {
        EventKind::ModelCreated | EventKind::PromptCreated => {
            json!({ "name": name, "tags": tags, "description": facts.description })
        }
        EventKind::VersionCreated => json!({
            "name": name,
            "version": version,
            "source": facts.source,
            "run_id": facts.run_id,
            "tags": tags,
            "description": facts.description,
        }),
        EventKind::PromptVersionCreated => {
            let template =
                facts.tags.iter().find(|tag| tag.key == "mlflow.prompt.text").map(|tag| &tag.value);
            json!({
                "name": name,
                "version": version,
                "template": template,
                "tags": tags,
                "description": facts.description,
            })
        }
        EventKind::VersionTagSet | EventKind::PromptVersionTagSet => {
            json!({ "name": name, "version": version, "key": facts.key, "value": facts.value })
        }
        EventKind::VersionTagRemoved | EventKind::PromptVersionTagRemoved => {
            json!({ "name": name, "version": version, "key": facts.key })
        }
        EventKind::AliasSet | EventKind::PromptAliasSet => {
            json!({ "name": name, "alias": facts.alias, "version": version })
        }
        EventKind::AliasRemoved | EventKind::PromptAliasRemoved => {
            json!({ "name": name, "alias": facts.alias })
        }
        EventKind::PromptTagSet => json!({ "name": name, "key": facts.key, "value": facts.value }),
        EventKind::PromptTagRemoved => json!({ "name": name, "key": facts.key }),
        EventKind::BudgetExceeded => json!({ "name": name }),
    }
}

/// Milliseconds as `2026-11-23T15:04:05.123000+00:00`.
fn timestamp(at_ms: i64) -> String {
    let (days, ms) = (at_ms.div_euclid(86_400_000), at_ms.rem_euclid(86_400_000));
    let (year, month, day) = date_of(days);
    let (seconds, ms) = (ms / 1000, ms % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}000+00:00")
}

/// Year, month and day of a number of days since 1970.
fn date_of(days: i64) -> (i64, i64, i64) {
    // Years that begin in March, so that the odd day is the last one, in rounds of 400 years.
    let days = days + 719_468;
    let round = days.div_euclid(146_097);
    let day = days.rem_euclid(146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    (year + round * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_as_the_client_makes_it() {
        // hmac.new(b"s", b"i.1.{}", sha256), in base64.
        assert_eq!(signature("s", "i", "1", "{}"), "v1,0RNAxPAM5oOPOGweqFPy1eyj8JscaQ5bwGpLCLD5Dgc=");
    }

    #[test]
    fn times_are_said_as_python_says_them() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00.000000+00:00");
        assert_eq!(timestamp(1_709_210_096_789), "2024-02-29T12:34:56.789000+00:00");
        assert_eq!(timestamp(-1), "1969-12-31T23:59:59.999000+00:00");
    }
}
