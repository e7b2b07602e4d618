//! What the agent of a job chose for what it has made: with it, a request that arrives again makes nothing twice. Only
//! whoever has the token is believed.

use crate::ServerState;
use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use slipway_jobs::agent::tracking::{CHOSEN_ID, CHOSEN_MS};
use std::convert::Infallible;

/// An id and a time; neither for requests of clients.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) id: Option<String>,
    pub(super) at_ms: Option<i64>,
}

impl Chosen {
    fn of(headers: &HeaderMap, token: &str) -> Self {
        if !crate::guard::has_token(headers, token) {
            return Self::default();
        }
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let is_id = |id: &&str| {
            let digits = id.strip_prefix("m-").unwrap_or(id);
            digits.len() == 32 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        Self {
            id: text(CHOSEN_ID).filter(is_id).map(str::to_owned),
            at_ms: text(CHOSEN_MS).and_then(|text| text.parse().ok()).filter(|at_ms| *at_ms > 0),
        }
    }
}

impl FromRequestParts<ServerState> for Chosen {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &ServerState) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers, &state.config().token))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn only_who_has_the_token_chooses() {
        let id = "0123456789abcdef0123456789abcdef";
        let mut headers = HeaderMap::new();
        headers.insert(CHOSEN_ID, HeaderValue::from_static("0123456789abcdef0123456789abcdef"));
        headers.insert(CHOSEN_MS, HeaderValue::from_static("17"));
        assert_eq!(Chosen::of(&headers, "secret"), Chosen::default());
        headers.insert("authorization", HeaderValue::from_static("Bearer secret"));
        assert_eq!(Chosen::of(&headers, "secret"), Chosen { id: Some(id.to_owned()), at_ms: Some(17) });
        headers.insert(CHOSEN_ID, HeaderValue::from_static("../0123456789abcdef0123456789abc"));
        assert_eq!(Chosen::of(&headers, "secret").id, None);
    }
}
