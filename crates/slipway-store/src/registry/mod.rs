//! The model registry beyond what MLflow's protocol has: summaries for lists, metrics of versions, the record of their
//! files, rules of promotion, the history of what was done, and the events that webhooks are told of.

pub(crate) mod events;
pub(crate) mod history;
pub(crate) mod metrics;
pub(crate) mod promotion;
mod types;

pub use events::{Delivery, DeliveryAttempt, DeliveryState, EventFacts, EventKind, Webhook};
pub use history::{Action, HistoryEntry, HistoryKind, Who};
pub use promotion::{Check, Compared, Rule, RuleOutcome, Target};
pub use types::{
    Earlier, FileRecord, FilesRecord, HistoryQuery, MetricKey, ModelSummary, ModelsOrder, ModelsQuery,
    Promoted, Promotion, RegistryScope, RunName, VersionMetric, VersionSummary, VersionsOrder, VersionsQuery,
};
