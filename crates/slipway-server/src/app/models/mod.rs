//! Registered models and their versions: lists, pages, changes. Names are any text, so they come in queries and bodies.

mod convert;
pub(super) mod diff;
pub(super) mod edit;
pub(super) mod history;
pub(super) mod lineage;
pub(super) mod list;
pub(super) mod promote;
pub(super) mod register;
pub(super) mod version;

use crate::ServerState;
use crate::error::ApiResult;
use crate::registry::who;
use axum::http::{HeaderMap, header};
use slipway_store::{Applied, Change};

/// The program that a request came from, in words for people.
fn via(headers: &HeaderMap) -> &'static str {
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    if agent.starts_with("slipway/") {
        "slipway command"
    } else if agent.contains("Mozilla/") {
        "Slipway"
    } else {
        "API"
    }
}

/// Changes a model in the name of whoever asked for it.
async fn write(
    state: &ServerState,
    headers: &HeaderMap,
    note: Option<String>,
    change: Change,
) -> ApiResult<Applied> {
    let change = Change::By { who: who(state, via(headers)), note, change: Box::new(change) };
    super::write(state, change).await
}
