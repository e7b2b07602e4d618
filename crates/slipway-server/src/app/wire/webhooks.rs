//! Webhooks and how telling them went. Secrets go in and never come out.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct WebhookList {
    pub webhooks: Vec<WebhookInfo>,
    /// Names of all events there are.
    pub events: Vec<String>,
    /// Addresses of this machine and of private networks are allowed.
    pub to_private: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct WebhookInfo {
    pub id: String,
    pub name: String,
    pub description: Option<String>,
    pub url: String,
    /// E.g. `model_version.created`.
    pub events: Vec<String>,
    pub is_active: bool,
    /// What is sent is signed.
    pub has_secret: bool,
    pub created_ms: i64,
    pub updated_ms: i64,
}

/// Makes a webhook, or changes the one with this id.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct WebhookEdit {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub url: String,
    pub events: Vec<String>,
    pub is_active: bool,
    /// Absent: as it was. Empty: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct WebhookRef {
    pub id: String,
}

/// What came of a trial.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct WebhookTrial {
    pub success: bool,
    pub status: Option<u16>,
    /// The answer, or what went wrong.
    pub message: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DeliveryList {
    /// Newest first.
    pub deliveries: Vec<DeliveryInfo>,
    /// Ask for those before the last one's id to go on.
    pub more: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DeliveryInfo {
    pub id: i64,
    pub event: String,
    /// Name of the model, and the version where there is one.
    pub model: String,
    pub version: Option<i64>,
    pub created_ms: i64,
    pub state: DeliveryState,
    pub attempts: i64,
    /// While it is waiting.
    pub due_ms: Option<i64>,
    pub tried_ms: Option<i64>,
    pub status: Option<i64>,
    pub problem: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    Waiting,
    Delivered,
    GivenUp,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DeliveryRef {
    pub id: i64,
}
