//! MLflow's REST API. Translates between its JSON and the store; no rule of the domain lives here.

use crate::ServerState;

/// Every MLflow route, under all its prefixes.
pub(crate) fn router() -> axum::Router<ServerState> {
    axum::Router::new()
}
