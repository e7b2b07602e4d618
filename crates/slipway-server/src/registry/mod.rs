//! What the server knows of models beyond what the store holds: their files, which are read and hashed and never loaded,
//! and how a version is promoted with what its files say.

pub(crate) mod copies;
pub(crate) mod files;
pub(crate) mod hashes;
pub(crate) mod metrics;
pub(crate) mod promotion;

use crate::ServerState;
use crate::state::Exposure;
use slipway_store::Who;

/// Who changes a model, as far as it is known: on a server for this machine alone, its own account.
pub(crate) fn who(state: &ServerState, via: &str) -> Who {
    let config = state.config();
    let user = matches!(config.exposure, Exposure::Loopback { .. }).then(|| config.user.clone());
    Who { user, via: Some(via.to_owned()) }
}
