//! Webhooks: making, trying, removing them, and the log of what they were told.

use super::wire::{
    ApiError, Changed, DeliveryInfo, DeliveryList, DeliveryRef, DeliveryState, WebhookEdit, WebhookInfo,
    WebhookList, WebhookRef, WebhookTrial,
};
use super::{read, write};
use crate::ServerState;
use crate::error::{ApiFailure, ApiJson, ApiQuery, ApiResult};
use crate::mlflow::{check_webhook, event_name, event_named, new_webhook_id, seal_secret, try_out};
use crate::state::now_ms;
use crate::webhooks::Sent;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use slipway_store::{Change, Delivery, DeliveryAttempt, EventKind, Webhook};
use utoipa::IntoParams;

const WEBHOOKS_LIMIT: u64 = 1000;
const DELIVERIES_DEFAULT: u64 = 50;
const DELIVERIES_LIMIT: u64 = 500;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DeliveriesQuery {
    /// Id of the webhook.
    webhook: String,
    /// Only deliveries before this one.
    before: Option<i64>,
    /// Deliveries at most; 50 when absent, 500 at most.
    limit: Option<u64>,
}

/// All webhooks, oldest first.
#[utoipa::path(get, path = "/webhooks", tag = "webhooks",
    responses((status = 200, body = WebhookList), (status = "default", body = ApiError)))]
pub(super) async fn list_webhooks(State(state): State<ServerState>) -> ApiResult<Json<WebhookList>> {
    let page = read(&state, move |reader| reader.webhooks(0, WEBHOOKS_LIMIT)).await??;
    // MLflow's clients may ask to hear of budgets. Nothing here has any, so nobody is offered that.
    let offered = EventKind::ALL.into_iter().filter(|kind| *kind != EventKind::BudgetExceeded);
    Ok(Json(WebhookList {
        webhooks: page.items.into_iter().map(info).collect(),
        events: offered.map(event_name).collect(),
        to_private: state.config().webhooks_to_private,
    }))
}

/// Makes a webhook, or changes one.
#[utoipa::path(post, path = "/webhooks", tag = "webhooks", request_body = WebhookEdit,
    responses((status = 200, body = WebhookInfo), (status = "default", body = ApiError)))]
pub(super) async fn save_webhook(
    State(state): State<ServerState>,
    ApiJson(edit): ApiJson<WebhookEdit>,
) -> ApiResult<Json<WebhookInfo>> {
    let before = match edit.id.clone() {
        Some(id) => Some(read(&state, move |reader| reader.webhook(&id)).await??),
        None => None,
    };
    let named = |name: &String| {
        event_named(name).ok_or_else(|| ApiFailure::invalid(format!("there is no event '{name}'")))
    };
    let mut events = edit.events.iter().map(named).collect::<ApiResult<Vec<_>>>()?;
    events.sort_unstable();
    events.dedup();
    let at_ms = now_ms();
    let id = before.as_ref().map_or_else(new_webhook_id, |before| before.id.clone());
    let secret = match edit.secret {
        None => before.as_ref().and_then(|before| before.secret.clone()),
        Some(secret) if secret.is_empty() => None,
        Some(secret) => Some(seal_secret(&state, &id, &secret).map_err(ApiFailure::invalid)?),
    };
    let webhook = Webhook {
        id,
        name: edit.name,
        description: edit.description.filter(|text| !text.is_empty()),
        url: edit.url,
        events,
        is_active: edit.is_active,
        secret,
        created_ms: before.map_or(at_ms, |before| before.created_ms),
        updated_ms: at_ms,
    };
    check_webhook(&webhook, state.config().webhooks_to_private).map_err(ApiFailure::invalid)?;
    write(&state, Change::PutWebhook(Box::new(webhook.clone()))).await?;
    Ok(Json(info(webhook)))
}

/// Removes a webhook with its log.
#[utoipa::path(post, path = "/webhooks/delete", tag = "webhooks", request_body = WebhookRef,
    responses((status = 200, body = Changed), (status = "default", body = ApiError)))]
pub(super) async fn delete_webhook(
    State(state): State<ServerState>,
    ApiJson(WebhookRef { id }): ApiJson<WebhookRef>,
) -> ApiResult<Json<Changed>> {
    write(&state, Change::DeleteWebhook { id }).await?;
    Ok(Json(Changed { changed: 1 }))
}

/// Sends an example of its first event to a webhook, once.
#[utoipa::path(post, path = "/webhooks/try", tag = "webhooks", request_body = WebhookRef,
    responses((status = 200, body = WebhookTrial), (status = "default", body = ApiError)))]
pub(super) async fn try_webhook(
    State(state): State<ServerState>,
    ApiJson(WebhookRef { id }): ApiJson<WebhookRef>,
) -> ApiResult<Json<WebhookTrial>> {
    let webhook = read(&state, move |reader| reader.webhook(&id)).await??;
    Ok(Json(match try_out(&state, webhook, None).await {
        Sent::Taken { status, body } => WebhookTrial { success: true, status: Some(status), message: body },
        Sent::Refused { status, body, .. } => {
            WebhookTrial { success: false, status: Some(status), message: body }
        }
        Sent::Failed { problem, .. } => WebhookTrial { success: false, status: None, message: problem },
    }))
}

/// What a webhook was told and how it answered, newest first.
#[utoipa::path(get, path = "/webhooks/deliveries", tag = "webhooks", params(DeliveriesQuery),
    responses((status = 200, body = DeliveryList), (status = "default", body = ApiError)))]
pub(super) async fn list_deliveries(
    State(state): State<ServerState>,
    ApiQuery(query): ApiQuery<DeliveriesQuery>,
) -> ApiResult<Json<DeliveryList>> {
    let limit = query.limit.unwrap_or(DELIVERIES_DEFAULT).min(DELIVERIES_LIMIT);
    let page = read(&state, move |reader| {
        reader.webhook(&query.webhook)?;
        reader.deliveries(&query.webhook, query.before, limit)
    })
    .await??;
    Ok(Json(DeliveryList { deliveries: page.items.into_iter().map(delivery).collect(), more: page.more }))
}

/// Tells a webhook again what it did not take.
#[utoipa::path(post, path = "/webhooks/deliveries/again", tag = "webhooks", request_body = DeliveryRef,
    responses((status = 200, body = DeliveryInfo), (status = "default", body = ApiError)))]
pub(super) async fn deliver_again(
    State(state): State<ServerState>,
    ApiJson(DeliveryRef { id }): ApiJson<DeliveryRef>,
) -> ApiResult<Json<DeliveryInfo>> {
    let before = read(&state, move |reader| reader.delivery(id)).await??;
    let attempt = DeliveryAttempt {
        delivery: id,
        state: slipway_store::DeliveryState::Waiting,
        due_ms: now_ms(),
        at_ms: before.tried_ms.unwrap_or_else(now_ms),
        status: before.status,
        problem: before.problem,
    };
    write(&state, Change::WebhookTried(attempt)).await?;
    Ok(Json(delivery(read(&state, move |reader| reader.delivery(id)).await??)))
}

fn info(webhook: Webhook) -> WebhookInfo {
    WebhookInfo {
        id: webhook.id,
        name: webhook.name,
        description: webhook.description,
        url: webhook.url,
        events: webhook.events.into_iter().map(event_name).collect(),
        is_active: webhook.is_active,
        has_secret: webhook.secret.is_some(),
        created_ms: webhook.created_ms,
        updated_ms: webhook.updated_ms,
    }
}

fn delivery(delivery: Delivery) -> DeliveryInfo {
    let state = match delivery.state {
        slipway_store::DeliveryState::Waiting => DeliveryState::Waiting,
        slipway_store::DeliveryState::Delivered => DeliveryState::Delivered,
        slipway_store::DeliveryState::GivenUp => DeliveryState::GivenUp,
    };
    DeliveryInfo {
        id: delivery.id,
        event: event_name(delivery.event),
        model: delivery.facts.name,
        version: delivery.facts.version,
        created_ms: delivery.facts.at_ms,
        state,
        attempts: delivery.attempts,
        due_ms: (state == DeliveryState::Waiting).then_some(delivery.due_ms),
        tried_ms: delivery.tried_ms,
        status: delivery.status,
        problem: delivery.problem,
    }
}
