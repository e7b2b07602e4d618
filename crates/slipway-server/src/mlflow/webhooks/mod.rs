//! Webhooks: making, listing and testing them, and what they are told in MLflow's words.

mod message;

pub(crate) use message::message;

use super::decode::{Fields, Params};
use super::encode::Answer;
use super::error::{MlflowError, Result};
use super::{now_ms, page, read, write};
use crate::ServerState;
use crate::webhooks::{Sent, check_url, send};
use axum::extract::{Path, State};
use serde_json::{Map, Value, json};
use slipway_store::{Change, Delivery, DeliveryState, EventFacts, EventKind, KeyValue, Webhook};

const LIST_DEFAULT: i64 = 100;
const LIST_LIMIT: i64 = 1000;
const NAME_LIMIT_CHARS: usize = 63;
const TEXT_LIMIT_CHARS: usize = 5000;
const SECRET_LIMIT_CHARS: usize = 1000;

const ENTITIES: &[(&str, &str)] = &[
    ("REGISTERED_MODEL", "registered_model"),
    ("MODEL_VERSION", "model_version"),
    ("MODEL_VERSION_TAG", "model_version_tag"),
    ("MODEL_VERSION_ALIAS", "model_version_alias"),
    ("PROMPT", "prompt"),
    ("PROMPT_VERSION", "prompt_version"),
    ("PROMPT_TAG", "prompt_tag"),
    ("PROMPT_VERSION_TAG", "prompt_version_tag"),
    ("PROMPT_ALIAS", "prompt_alias"),
    ("BUDGET_POLICY", "budget_policy"),
];
const ACTIONS: &[(&str, &str)] = &[
    ("CREATED", "created"),
    ("UPDATED", "updated"),
    ("DELETED", "deleted"),
    ("SET", "set"),
    ("EXCEEDED", "exceeded"),
];

/// What an event is about, and what happened to it.
fn words(kind: EventKind) -> (&'static str, &'static str) {
    match kind {
        EventKind::ModelCreated => ("registered_model", "created"),
        EventKind::VersionCreated => ("model_version", "created"),
        EventKind::VersionTagSet => ("model_version_tag", "set"),
        EventKind::VersionTagRemoved => ("model_version_tag", "deleted"),
        EventKind::AliasSet => ("model_version_alias", "created"),
        EventKind::AliasRemoved => ("model_version_alias", "deleted"),
        EventKind::PromptCreated => ("prompt", "created"),
        EventKind::PromptVersionCreated => ("prompt_version", "created"),
        EventKind::PromptTagSet => ("prompt_tag", "set"),
        EventKind::PromptTagRemoved => ("prompt_tag", "deleted"),
        EventKind::PromptVersionTagSet => ("prompt_version_tag", "set"),
        EventKind::PromptVersionTagRemoved => ("prompt_version_tag", "deleted"),
        EventKind::PromptAliasSet => ("prompt_alias", "created"),
        EventKind::PromptAliasRemoved => ("prompt_alias", "deleted"),
        EventKind::BudgetExceeded => ("budget_policy", "exceeded"),
    }
}

/// The name of an event, e.g. `model_version.created`.
pub(crate) fn event_name(kind: EventKind) -> String {
    let (entity, action) = words(kind);
    format!("{entity}.{action}")
}

/// The event with a name.
pub(crate) fn event_named(name: &str) -> Option<EventKind> {
    EventKind::ALL.into_iter().find(|kind| event_name(*kind) == name)
}

/// Refuses a webhook that cannot be.
pub(crate) fn check_webhook(webhook: &Webhook, to_private: bool) -> std::result::Result<(), String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric();
    let fits = webhook.name.len() <= NAME_LIMIT_CHARS
        && webhook.name.starts_with(is_plain)
        && webhook.name.ends_with(is_plain)
        && webhook.name.chars().all(|c| is_plain(c) || matches!(c, '.' | '_' | '-'));
    if !fits {
        return Err(format!(
            "Webhook name '{}' is invalid. It must start and end with a letter or digit, be at most \
             {NAME_LIMIT_CHARS} characters long, and contain only letters, digits, dots (.), underscores (_), and \
             hyphens (-).",
            super::decode::cut(&webhook.name)
        ));
    }
    if webhook.events.is_empty() {
        return Err("Webhook events must be a non-empty list of events.".to_owned());
    }
    if webhook.description.as_ref().is_some_and(|text| text.chars().count() > TEXT_LIMIT_CHARS) {
        return Err(format!("Webhook description has more than {TEXT_LIMIT_CHARS} characters."));
    }
    check_url(&webhook.url, to_private).map_err(|error| format!("Invalid webhook URL: {error}"))
}

/// Seals a secret that was given for a webhook, and refuses one that cannot be.
pub(crate) fn seal_secret(
    state: &ServerState,
    webhook: &str,
    secret: &str,
) -> std::result::Result<String, String> {
    if secret.chars().count() > SECRET_LIMIT_CHARS {
        return Err(format!("Webhook secret has more than {SECRET_LIMIT_CHARS} characters."));
    }
    state.secrets().seal(webhook, secret).map_err(|error| error.to_string())
}

/// Reads one `{entity, action}`.
fn event(fields: &Fields<'_>) -> Result<EventKind> {
    let entity = fields.choice("entity", 1, ENTITIES)?.unwrap_or("?");
    let action = fields.choice("action", 1, ACTIONS)?.unwrap_or("?");
    let named = event_named(&format!("{entity}.{action}"));
    named.ok_or_else(|| {
        MlflowError::invalid(format!("Invalid action '{action}' for entity '{entity}' of a webhook event."))
    })
}

fn events(fields: &Fields<'_>) -> Result<Vec<EventKind>> {
    let mut events = fields.objects("events")?.iter().map(event).collect::<Result<Vec<_>>>()?;
    events.sort_unstable();
    events.dedup();
    Ok(events)
}

fn is_active(fields: &Fields<'_>) -> Result<Option<bool>> {
    fields.choice("status", 1, &[("ACTIVE", true), ("DISABLED", false)])
}

/// The webhook in MLflow's words. Its secret is never said again.
fn shown(webhook: &Webhook) -> Value {
    let upper = |text: &str| text.to_ascii_uppercase();
    let events: Vec<Value> = webhook
        .events
        .iter()
        .map(|kind| {
            let (entity, action) = words(*kind);
            json!({ "entity": upper(entity), "action": upper(action) })
        })
        .collect();
    let mut shown = Map::new();
    shown.insert("webhook_id".to_owned(), webhook.id.clone().into());
    shown.insert("name".to_owned(), webhook.name.clone().into());
    if let Some(description) = &webhook.description {
        shown.insert("description".to_owned(), description.clone().into());
    }
    shown.insert("url".to_owned(), webhook.url.clone().into());
    shown.insert("events".to_owned(), events.into());
    shown.insert("status".to_owned(), if webhook.is_active { "ACTIVE" } else { "DISABLED" }.into());
    shown.insert("creation_timestamp".to_owned(), webhook.created_ms.into());
    shown.insert("last_updated_timestamp".to_owned(), webhook.updated_ms.into());
    Value::Object(shown)
}

async fn answer(state: &ServerState, id: String) -> Result<Answer> {
    read(state, move |reader| Answer::one("webhook", &shown(&reader.webhook(&id)?))).await
}

async fn put(state: &ServerState, webhook: Webhook) -> Result<Answer> {
    check_webhook(&webhook, state.config().webhooks_to_private).map_err(MlflowError::invalid)?;
    let id = webhook.id.clone();
    write(state, Change::PutWebhook(Box::new(webhook))).await?;
    answer(state, id).await
}

/// The secret that a request gives a webhook, sealed.
fn secret(state: &ServerState, webhook: &str, fields: &Fields<'_>) -> Result<Option<String>> {
    let given = fields.filled_text("secret")?;
    given.map(|secret| seal_secret(state, webhook, secret).map_err(MlflowError::invalid)).transpose()
}

pub(super) async fn create(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let fields = params.fields();
    let owned = |name| fields.filled_text(name).map(|text| text.map(str::to_owned));
    let at_ms = now_ms();
    let id = new_id();
    let webhook = Webhook {
        secret: secret(&state, &id, &fields)?,
        id,
        name: fields.required_text("name")?.to_owned(),
        description: owned("description")?,
        url: fields.required_text("url")?.to_owned(),
        events: events(&fields)?,
        is_active: is_active(&fields)?.unwrap_or(true),
        created_ms: at_ms,
        updated_ms: at_ms,
    };
    put(&state, webhook).await
}

/// Makes up an id.
pub(crate) fn new_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}

pub(super) async fn list(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let fields = params.fields();
    if let Some(wanted) = fields.integer("max_results")?
        && !(1..=LIST_LIMIT).contains(&wanted)
    {
        return Err(MlflowError::invalid(format!(
            "Invalid value {wanted} for parameter 'max_results': it must be between 1 and {LIST_LIMIT}."
        )));
    }
    let (offset, limit) = (page::offset(&fields)?, page::limit(&fields, LIST_DEFAULT, LIST_LIMIT)?);
    read(&state, move |reader| {
        let found = reader.webhooks(offset, limit)?;
        let token = page::next(found.more, offset, found.items.len());
        Answer::page("webhooks", found.items.iter().map(shown), token)
    })
    .await
}

pub(super) async fn get(State(state): State<ServerState>, Path(id): Path<String>) -> Result<Answer> {
    answer(&state, id).await
}

pub(super) async fn update(
    State(state): State<ServerState>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Answer> {
    let fields = params.fields();
    let mut webhook = read(&state, move |reader| Ok(reader.webhook(&id)?)).await?;
    let owned = |name| fields.filled_text(name).map(|text| text.map(str::to_owned));
    webhook.name = owned("name")?.unwrap_or(webhook.name);
    webhook.description = fields.text("description")?.map(str::to_owned).or(webhook.description);
    webhook.url = owned("url")?.unwrap_or(webhook.url);
    if fields.has("events")? {
        webhook.events = events(&fields)?;
    }
    webhook.secret = secret(&state, &webhook.id, &fields)?.or(webhook.secret);
    webhook.is_active = is_active(&fields)?.unwrap_or(webhook.is_active);
    webhook.updated_ms = now_ms();
    put(&state, webhook).await
}

pub(super) async fn delete(State(state): State<ServerState>, Path(id): Path<String>) -> Result<Answer> {
    write(&state, Change::DeleteWebhook { id }).await?;
    Ok(Answer::empty())
}

pub(super) async fn test(
    State(state): State<ServerState>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Answer> {
    let wanted = params.fields().object("event")?.map(|fields| event(&fields)).transpose()?;
    let webhook = read(&state, move |reader| Ok(reader.webhook(&id)?)).await?;
    let sent = try_out(&state, webhook, wanted).await;
    let result = match sent {
        Sent::Taken { status, body } => {
            json!({ "success": true, "response_status": status, "response_body": body })
        }
        Sent::Refused { status, body, .. } => {
            json!({ "success": false, "response_status": status, "response_body": body })
        }
        Sent::Failed { problem, .. } => {
            json!({ "success": false, "error_message": format!("Failed to test webhook: {problem}") })
        }
    };
    Answer::one("result", &result)
}

/// Sends an example of an event, once.
pub(crate) async fn try_out(state: &ServerState, webhook: Webhook, event: Option<EventKind>) -> Sent {
    let Some(event) = event.or_else(|| webhook.events.first().copied()) else {
        return Sent::Failed { problem: "the webhook asks for no event".to_owned(), again: false };
    };
    let to_private = state.config().webhooks_to_private;
    let now = now_ms();
    let delivery = Delivery {
        id: 0,
        webhook: webhook.id.clone(),
        event,
        facts: example(now),
        state: DeliveryState::Waiting,
        attempts: 0,
        due_ms: now,
        tried_ms: None,
        status: None,
        problem: None,
    };
    let state = state.clone();
    let work = move || match message(&state, &webhook, &delivery, now) {
        Ok(message) => send(&webhook.url, &message, to_private),
        Err(error) => Sent::Failed { problem: error.to_string(), again: false },
    };
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Sent::Failed { problem: error.to_string(), again: false })
}

fn example(at_ms: i64) -> EventFacts {
    EventFacts {
        at_ms,
        name: "example_model".to_owned(),
        version: Some(1),
        source: Some("models:/123".to_owned()),
        run_id: Some("abcd1234abcd5678".to_owned()),
        description: Some("An example".to_owned()),
        tags: vec![KeyValue::new("example_key", "example_value")],
        alias: Some("example_alias".to_owned()),
        key: Some("example_key".to_owned()),
        value: Some("example_value".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_has_a_name_of_its_own() {
        for kind in EventKind::ALL {
            assert_eq!(event_named(&event_name(kind)), Some(kind));
        }
    }
}
