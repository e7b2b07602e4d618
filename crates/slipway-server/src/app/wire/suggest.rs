//! What could come next in a filter.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SuggestRequest {
    /// The filter as far as it is written.
    #[serde(default)]
    pub text: String,
    /// Where the cursor stands, in UTF-16 code units. Absent: at the end.
    #[serde(default)]
    pub cursor: Option<u32>,
    /// Whose keys and values are known. Empty: all active experiments.
    #[serde(default)]
    pub experiment_ids: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RegistrySuggestRequest {
    /// The filter as far as it is written.
    #[serde(default)]
    pub text: String,
    /// Where the cursor stands, in UTF-16 code units. Absent: at the end.
    #[serde(default)]
    pub cursor: Option<u32>,
    /// What is filtered.
    pub scope: RegistryScope,
    /// For versions: those of this model. Empty: of all.
    #[serde(default)]
    pub name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RegistryScope {
    Models,
    Versions,
}

/// What can replace the text between `from` and `to`, which are in UTF-16 code units; the best first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Suggestions {
    pub from: u32,
    pub to: u32,
    pub items: Vec<Suggestion>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Suggestion {
    /// What to put there, quoted where that is needed.
    pub text: String,
    pub kind: SuggestionKind,
    /// A few words on it; may be empty.
    pub detail: String,
    /// How many of what is searched carry the key or have the value.
    pub count: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SuggestionKind {
    Attribute,
    Param,
    Metric,
    Tag,
    Operator,
    Value,
    Keyword,
}
