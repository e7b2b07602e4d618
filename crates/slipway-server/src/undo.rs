//! What bulk changes took away, for as long as they can be taken back.

use slipway_store::{RunBefore, Was};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// How long a change can be taken back, unless many large ones come after it.
const LIFE_MS: i64 = 3_600_000;
/// Memory that all of it may take, about: what 200,000 runs lost when a tag of each was changed.
const BUDGET_BYTES: usize = 64 << 20;

/// What can be taken back.
#[derive(Debug, Default)]
pub(crate) struct Undos {
    /// The oldest first.
    kept: Mutex<VecDeque<Undo>>,
}

#[derive(Debug)]
struct Undo {
    token: String,
    made_ms: i64,
    bytes: usize,
    runs: Vec<RunBefore>,
}

impl Undos {
    /// Keeps what runs were, and gives the word that brings it back; none when there is nothing or too much of it.
    pub(crate) fn keep(&self, runs: Vec<RunBefore>, now_ms: i64) -> Option<String> {
        let bytes = runs.iter().map(bytes).sum::<usize>();
        if runs.is_empty() || bytes > BUDGET_BYTES {
            return None;
        }
        let token = format!("{:032x}", rand::random::<u128>());
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_back(Undo { token: token.clone(), made_ms: now_ms, bytes, runs });
        let mut total: usize = kept.iter().map(|undo| undo.bytes).sum();
        while let Some(oldest) = kept.front().filter(|undo| total > BUDGET_BYTES || undo.is_old(now_ms)) {
            total -= oldest.bytes;
            kept.pop_front();
        }
        Some(token)
    }

    /// Hands out what was kept, once.
    pub(crate) fn take(&self, token: &str, now_ms: i64) -> Option<Vec<RunBefore>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|undo| !undo.is_old(now_ms));
        let place = kept.iter().position(|undo| undo.token == token)?;
        kept.remove(place).map(|undo| undo.runs)
    }
}

impl Undo {
    fn is_old(&self, now_ms: i64) -> bool {
        now_ms - self.made_ms > LIFE_MS
    }
}

/// About how much memory it takes.
fn bytes(run: &RunBefore) -> usize {
    let texts = match &run.was {
        Was::Tags { tags, name } => {
            let tag = |(key, value): &(String, Option<String>)| {
                48 + key.len() + value.as_ref().map_or(0, String::len)
            };
            tags.iter().map(tag).sum::<usize>() + name.as_ref().map_or(0, String::len)
        }
        Was::In { model_ids, .. } => model_ids.iter().map(|id| 24 + id.len()).sum(),
        Was::Active | Was::Deleted { .. } => 0,
    };
    size_of::<RunBefore>() + run.run_id.len() + texts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn before(text: &str) -> Vec<RunBefore> {
        let tags = vec![("t".to_owned(), Some(text.to_owned()))];
        vec![RunBefore { run_id: "r".to_owned(), was: Was::Tags { tags, name: None } }]
    }

    #[test]
    fn what_is_kept_comes_back_once_and_not_for_ever() {
        let undos = Undos::default();
        assert_eq!(undos.keep(vec![], 0), None);
        let first = undos.keep(before("a"), 0).unwrap();
        let second = undos.keep(before("b"), 0).unwrap();
        assert_eq!(undos.take(&first, 600_000), Some(before("a")));
        assert_eq!(undos.take(&first, 600_000), None);
        assert_eq!(undos.take(&second, LIFE_MS + 1), None);
    }

    #[test]
    fn the_oldest_gives_way_to_what_is_large() {
        let undos = Undos::default();
        let large = "x".repeat(BUDGET_BYTES / 2);
        let tokens = [0, 1, 2].map(|at| undos.keep(before(&large), at).unwrap());
        let there = tokens.map(|token| undos.take(&token, 3).is_some());
        assert_eq!(there, [false, false, true]);
        assert_eq!(undos.keep(before(&"x".repeat(BUDGET_BYTES)), 4), None);
    }
}
