//! What could come next in the filter box.

use super::wire::{
    ApiError, RegistryScope, RegistrySuggestRequest, SuggestRequest, Suggestion, SuggestionKind, Suggestions,
};
use super::{experiment_id, read};
use crate::ServerState;
use crate::error::{ApiFailure, ApiJson, ApiResult};
use axum::Json;
use axum::extract::State;
use slipway_store::{ColumnKind, Reader};

/// Longer filters are not typed.
const MAX_TEXT_BYTES: usize = 100_000;

/// What could stand at a place of a filter: keys, operators that fit the key, and values that runs have, the most
/// frequent first.
#[utoipa::path(post, path = "/runs/suggest", tag = "runs", request_body = SuggestRequest,
    responses((status = 200, body = Suggestions), (status = "default", body = ApiError)))]
pub(super) async fn suggest(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<SuggestRequest>,
) -> ApiResult<Json<Suggestions>> {
    let SuggestRequest { text, cursor, experiment_ids } = request;
    let ids = experiment_ids.iter().map(|id| experiment_id(id)).collect::<ApiResult<Vec<_>>>()?;
    answer(&state, text, cursor, move |reader, text, place| reader.suggest(&ids, text, place)).await
}

/// What could stand at a place of a filter of models or versions: keys, operators, and the values that there are.
#[utoipa::path(post, path = "/models/suggest", tag = "models", request_body = RegistrySuggestRequest,
    responses((status = 200, body = Suggestions), (status = "default", body = ApiError)))]
pub(super) async fn suggest_registry(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<RegistrySuggestRequest>,
) -> ApiResult<Json<Suggestions>> {
    let RegistrySuggestRequest { text, cursor, scope, name } = request;
    let scope = match scope {
        RegistryScope::Models => slipway_store::RegistryScope::Models,
        RegistryScope::Versions => {
            slipway_store::RegistryScope::Versions(Some(name).filter(|name| !name.is_empty()))
        }
    };
    answer(&state, text, cursor, move |reader, text, place| reader.suggest_registry(&scope, text, place))
        .await
}

async fn answer(
    state: &ServerState,
    text: String,
    cursor: Option<u32>,
    suggest: impl FnOnce(&Reader<'_>, &str, usize) -> slipway_store::Result<slipway_store::Suggestions>
    + Send
    + 'static,
) -> ApiResult<Json<Suggestions>> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(ApiFailure::invalid(format!("the filter is longer than {MAX_TEXT_BYTES} bytes")));
    }
    let place = cursor.map_or(text.len(), |cursor| bytes(&text, cursor));
    let asked = text.clone();
    let found = read(state, move |reader| suggest(reader, &asked, place)).await??;
    let item = |item: slipway_store::Suggestion| Suggestion {
        text: item.text,
        kind: kind(item.kind),
        detail: item.detail,
        count: item.count,
    };
    Ok(Json(Suggestions {
        from: units(&text, found.from),
        to: units(&text, found.to),
        items: found.items.into_iter().map(item).collect(),
    }))
}

fn kind(kind: slipway_store::SuggestionKind) -> SuggestionKind {
    match kind {
        slipway_store::SuggestionKind::Key(ColumnKind::Attribute) => SuggestionKind::Attribute,
        slipway_store::SuggestionKind::Key(ColumnKind::Param) => SuggestionKind::Param,
        slipway_store::SuggestionKind::Key(ColumnKind::Metric) => SuggestionKind::Metric,
        slipway_store::SuggestionKind::Key(ColumnKind::Tag) => SuggestionKind::Tag,
        slipway_store::SuggestionKind::Operator => SuggestionKind::Operator,
        slipway_store::SuggestionKind::Value => SuggestionKind::Value,
        slipway_store::SuggestionKind::Keyword => SuggestionKind::Keyword,
    }
}

/// The byte at which so many UTF-16 code units have passed; never inside a character.
fn bytes(text: &str, units: u32) -> usize {
    let mut passed = 0;
    for (at, c) in text.char_indices() {
        if passed >= units {
            return at;
        }
        passed += c.len_utf16() as u32;
    }
    text.len()
}

fn units(text: &str, bytes: usize) -> u32 {
    let before = text.char_indices().take_while(|(at, _)| *at < bytes);
    before.map(|(_, c)| c.len_utf16() as u32).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_as_browsers_do() {
        let text = "a\u{1f600}\u{e4}b";
        for (place, at) in [(0, 0), (1, 1), (3, 5), (4, 7), (5, 8)] {
            assert_eq!((bytes(text, place), units(text, at)), (at, place));
        }
        // Inside a pair, and beyond the end.
        assert_eq!((bytes(text, 2), bytes(text, 99)), (5, 8));
    }
}
