//! How one long value of two runs differs, line by line.

use super::super::wire::{ApiError, CompareTextRequest, DiffLine, LineChange, TextDiff};
use super::facts::{self, Value};
use crate::ServerState;
use crate::error::{ApiFailure, ApiJson, ApiResult};
use axum::Json;
use axum::extract::State;
use similar::{ChangeTag, TextDiff as Difference};
use std::time::Duration;

const MAX_LINES: usize = 20_000;
/// After this the rest is compared coarsely.
const PATIENCE: Duration = Duration::from_secs(2);

/// How one value of two runs differs, line by line.
#[utoipa::path(post, path = "/runs/compare/text", tag = "runs", request_body = CompareTextRequest,
    responses((status = 200, body = TextDiff), (status = "default", body = ApiError)))]
pub(in super::super) async fn compare_text(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<CompareTextRequest>,
) -> ApiResult<Json<TextDiff>> {
    let old = value(&state, &request, &request.old_run_id).await?;
    let new = value(&state, &request, &request.new_run_id).await?;
    Ok(Json(super::super::blocking(move || difference(&old, &new)).await?))
}

/// Empty when the run has no such value.
async fn value(state: &ServerState, request: &CompareTextRequest, run_id: &str) -> ApiResult<String> {
    let Some((_, facts)) = facts::of(state, run_id).await? else {
        return Err(ApiFailure::not_found(format!("there is no run {run_id:?}")));
    };
    let found = facts.into_iter().find(|fact| fact.section == request.section && fact.key == request.key);
    Ok(match found.map(|fact| fact.value) {
        Some(Value::Text(text)) => text,
        Some(Value::Metric { last, .. }) => last.to_string(),
        None => String::new(),
    })
}

fn difference(old: &str, new: &str) -> TextDiff {
    let (old, new) = (laid_out(old), laid_out(new));
    let (old, old_cut) = beginning(&old);
    let (new, new_cut) = beginning(&new);
    let compared = Difference::configure().timeout(PATIENCE).diff_lines(old, new);
    let lines: Vec<DiffLine> = compared
        .iter_all_changes()
        .map(|change| DiffLine {
            change: match change.tag() {
                ChangeTag::Equal => LineChange::Same,
                ChangeTag::Delete => LineChange::Removed,
                ChangeTag::Insert => LineChange::Added,
            },
            old: change.old_index().map(|index| index as u64 + 1),
            new: change.new_index().map(|index| index as u64 + 1),
            text: change.value().trim_end_matches(['\n', '\r']).to_owned(),
        })
        .collect();
    let count = |wanted| lines.iter().filter(|line| line.change == wanted).count() as u64;
    TextDiff {
        added: count(LineChange::Added),
        removed: count(LineChange::Removed),
        lines,
        cut: old_cut || new_cut,
    }
}

/// JSON on one line says nothing line by line.
fn laid_out(text: &str) -> String {
    if text.trim_start().starts_with(['{', '['])
        && let Ok(value) = serde_json::from_str::<serde_json::Value>(text)
        && let Ok(pretty) = serde_json::to_string_pretty(&value)
    {
        return pretty;
    }
    text.to_owned()
}

fn beginning(text: &str) -> (&str, bool) {
    match text.match_indices('\n').nth(MAX_LINES) {
        Some((end, _)) => (&text[..end], true),
        None => (text, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(diff: &TextDiff) -> Vec<String> {
        diff.lines
            .iter()
            .map(|line| {
                let mark = match line.change {
                    LineChange::Same => ' ',
                    LineChange::Removed => '-',
                    LineChange::Added => '+',
                };
                format!("{mark}{}", line.text)
            })
            .collect()
    }

    #[test]
    fn lines_are_the_same_removed_or_added() {
        let diff = difference("a\nb\nc\n", "a\nB\nc\nd");
        assert_eq!(printed(&diff), [" a", "-b", "+B", " c", "+d"]);
        assert_eq!((diff.added, diff.removed, diff.cut), (2, 1, false));
        assert_eq!((diff.lines[1].old, diff.lines[1].new), (Some(2), None));
    }

    #[test]
    fn json_is_compared_part_by_part() {
        let diff = difference(r#"{"lr":0.1,"layers":[1,2]}"#, r#"{"lr":0.2,"layers":[1,2]}"#);
        assert_eq!((diff.added, diff.removed), (1, 1));
    }

    #[test]
    fn nothing_and_everything() {
        assert!(difference("", "").lines.is_empty());
        let long = "x\n".repeat(MAX_LINES * 2);
        assert!(difference(&long, "").cut);
    }
}
