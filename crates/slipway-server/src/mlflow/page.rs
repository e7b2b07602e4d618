//! Page tokens and page sizes of listings.

use super::decode::Fields;
use super::error::{MlflowError, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// The token that continues a listing at `offset`.
pub(super) fn token(offset: u64) -> String {
    STANDARD.encode(format!("{{\"offset\": {offset}}}"))
}

/// Token of the page after one that began at `offset` and gave `count` items; none when nothing follows.
pub(super) fn next(more: bool, offset: u64, count: usize) -> Option<String> {
    more.then(|| token(offset + count as u64))
}

/// The offset that the request's `page_token` names; 0 without one.
pub(super) fn offset(fields: &Fields<'_>) -> Result<u64> {
    match fields.text("page_token")? {
        None | Some("") => Ok(0),
        Some(token) => offset_of(&parse(token)?),
    }
}

/// What a token carries.
pub(super) fn parse(token: &str) -> Result<Value> {
    let decoded = STANDARD
        .decode(token)
        .map_err(|_| MlflowError::invalid("Invalid page token, could not base64-decode"))?;
    serde_json::from_slice(&decoded).map_err(|_| {
        let shown: String = String::from_utf8_lossy(&decoded).chars().take(200).collect();
        MlflowError::invalid(format!("Invalid page token, decoded value=b'{shown}'"))
    })
}

/// The offset in what a token carries.
pub(super) fn offset_of(parsed: &Value) -> Result<u64> {
    parsed.get("offset").and_then(Value::as_u64).filter(|offset| *offset <= i64::MAX as u64).ok_or_else(
        || {
            let shown: String = parsed.to_string().chars().take(200).collect();
            MlflowError::invalid(format!("Invalid page token, parsed value={shown}"))
        },
    )
}

/// `max_results` between 1 and `most`; `default` when the request does not name it.
pub(super) fn limit(fields: &Fields<'_>, default: i64, most: i64) -> Result<u64> {
    let wanted = fields.integer("max_results")?.unwrap_or(default);
    if wanted < 1 {
        return Err(MlflowError::invalid(format!(
            "Invalid value {wanted} for parameter 'max_results' supplied. It must be a positive integer"
        )));
    }
    if wanted > most {
        return Err(fields.invalid_as_sent("max_results")?);
    }
    Ok(wanted.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_leads_back_to_its_offset() {
        assert_eq!(token(1), "eyJvZmZzZXQiOiAxfQ==", "spelled as MLflow spells it");
        assert_eq!(offset_of(&parse(&token(70_000)).unwrap()).unwrap(), 70_000);
        assert_eq!(next(false, 10, 5), None);
        assert_eq!(next(true, 10, 5), Some(token(15)));
    }

    #[test]
    fn bad_tokens_are_named() {
        for (bad, message) in [
            ("x", "Invalid page token, could not base64-decode"),
            ("YWJj", "Invalid page token, decoded value=b'abc'"),
            ("e30=", "Invalid page token, parsed value={}"),
            ("eyJvZmZzZXQiOiAtMX0=", "Invalid page token, parsed value={\"offset\":-1}"),
        ] {
            let error = parse(bad).and_then(|parsed| offset_of(&parsed)).unwrap_err();
            assert_eq!(error.message(), message);
        }
    }
}
