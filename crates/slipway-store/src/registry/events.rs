//! What webhooks are told of, and the deliveries that are under way. A delivery is written with the change that it tells
//! of, so that none is lost and none tells of something that did not happen.

use crate::error::Result;
use crate::model::KeyValue;
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

/// Kinds of events that webhooks can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they say it by name")]
pub enum EventKind {
    ModelCreated,
    VersionCreated,
    VersionTagSet,
    VersionTagRemoved,
    AliasSet,
    AliasRemoved,
    PromptCreated,
    PromptVersionCreated,
    PromptTagSet,
    PromptTagRemoved,
    PromptVersionTagSet,
    PromptVersionTagRemoved,
    PromptAliasSet,
    PromptAliasRemoved,
    /// Known to clients; nothing here makes it happen.
    BudgetExceeded,
}

impl EventKind {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::ModelCreated,
        Self::VersionCreated,
        Self::VersionTagSet,
        Self::VersionTagRemoved,
        Self::AliasSet,
        Self::AliasRemoved,
        Self::PromptCreated,
        Self::PromptVersionCreated,
        Self::PromptTagSet,
        Self::PromptTagRemoved,
        Self::PromptVersionTagSet,
        Self::PromptVersionTagRemoved,
        Self::PromptAliasSet,
        Self::PromptAliasRemoved,
        Self::BudgetExceeded,
    ];

    /// The number it is stored as; part of the file format.
    #[must_use]
    pub fn code(self) -> i64 {
        self as i64 + 1
    }

    /// The kind with this number.
    #[must_use]
    pub fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// The same about a prompt, which is a registered model by another name. None where prompts have no such event.
    fn of_prompt(self) -> Self {
        match self {
            Self::ModelCreated => Self::PromptCreated,
            Self::VersionCreated => Self::PromptVersionCreated,
            Self::VersionTagSet => Self::PromptVersionTagSet,
            Self::VersionTagRemoved => Self::PromptVersionTagRemoved,
            Self::AliasSet => Self::PromptAliasSet,
            Self::AliasRemoved => Self::PromptAliasRemoved,
            other => other,
        }
    }
}

/// What happened, as far as an event tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EventFacts {
    /// When.
    pub at_ms: i64,
    /// Name of the model.
    pub name: String,
    /// Version.
    pub version: Option<i64>,
    /// Where the version is from.
    pub source: Option<String>,
    /// Run it is from.
    pub run_id: Option<String>,
    /// Of the model or the version that was made.
    pub description: Option<String>,
    /// Of the model or the version that was made.
    pub tags: Vec<KeyValue>,
    /// Alias.
    pub alias: Option<String>,
    /// Key of a tag.
    pub key: Option<String>,
    /// Value of a tag.
    pub value: Option<String>,
}

/// Where events are sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// Made by whoever makes it.
    pub id: String,
    /// For people.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// Where to.
    pub url: String,
    /// What of.
    pub events: Vec<EventKind>,
    /// Nothing is sent while it is not.
    pub is_active: bool,
    /// Key of signatures, sealed by whoever writes it here; no answer carries it.
    pub secret: Option<String>,
    /// When it was made.
    pub created_ms: i64,
    /// When it was last changed.
    pub updated_ms: i64,
}

/// One event on its way to one webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Counts up.
    pub id: i64,
    /// Where to.
    pub webhook: String,
    /// What of.
    pub event: EventKind,
    /// What happened.
    pub facts: EventFacts,
    /// How far it is.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: i64,
    /// When it is tried next, while it is waiting.
    pub due_ms: i64,
    /// When it was tried last.
    pub tried_ms: Option<i64>,
    /// HTTP status of the last answer.
    pub status: Option<i64>,
    /// What went wrong last.
    pub problem: Option<String>,
}

/// How far a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeliveryState {
    /// To be tried, or tried again.
    Waiting,
    /// The other side took it.
    Delivered,
    /// It was tried often enough, or must not be sent.
    GivenUp,
}

/// How an attempt went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryAttempt {
    /// Of which delivery.
    pub delivery: i64,
    /// What comes of it.
    pub state: DeliveryState,
    /// When to try again, if it is waiting.
    pub due_ms: i64,
    /// When it was tried.
    pub at_ms: i64,
    /// HTTP status of the answer.
    pub status: Option<i64>,
    /// What went wrong.
    pub problem: Option<String>,
}

/// Puts an event into the queue of every active webhook that asks for it.
pub(crate) fn raise(db: &Connection, kind: EventKind, facts: &EventFacts) -> Result<()> {
    let any: bool = db
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM webhooks WHERE active = 1)")?
        .query_row([], |row| row.get(0))?;
    if !any {
        return Ok(());
    }
    let is_prompt: bool = db
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM registered_model_tags WHERE model = ?1 AND key = 'mlflow.prompt.is_prompt' \
             AND lower(value) = 'true')",
        )?
        .query_row([&facts.name], |row| row.get(0))?;
    let kind = match (is_prompt, kind) {
        (true, kind) => kind.of_prompt(),
        // Models have no such event.
        (false, EventKind::PromptTagSet | EventKind::PromptTagRemoved) => return Ok(()),
        (false, kind) => kind,
    };
    let text = serde_json::to_string(facts)
        .map_err(|error| crate::Error::Invalid(format!("the event cannot be written down: {error}")))?;
    db.prepare_cached(
        "INSERT INTO webhook_deliveries (webhook, event, facts, created_ms, due_ms) \
         SELECT w.id, ?1, ?2, ?3, ?3 FROM webhooks w WHERE w.active = 1 \
         AND EXISTS (SELECT 1 FROM json_each(w.events) e WHERE e.value = ?1)",
    )?
    .execute(params![kind.code(), text, facts.at_ms])?;
    Ok(())
}
