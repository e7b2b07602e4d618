//! Runs nested in runs.

use super::base::Base;

/// Most levels that are looked at: chains that run in a circle end there.
const DEEPEST: u32 = 20;

/// Largest number of ancestors of a run, as far as they and the run are in scope.
pub(super) fn nesting(base: &Base, in_scope: &[bool]) -> u32 {
    let mut deepest = 0;
    for slot in (0..base.parents.len()).filter(|slot| in_scope[*slot]) {
        let mut depth = 0;
        let mut above = base.parent(slot);
        while let Some(parent) = above.filter(|parent| in_scope[*parent]) {
            depth += 1;
            if depth == DEEPEST {
                break;
            }
            above = base.parent(parent);
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// The runs that match and all their ancestors in scope.
pub(super) fn with_ancestors(base: &Base, in_scope: &[bool], matched: &[bool]) -> Vec<bool> {
    let mut shown = matched.to_vec();
    for slot in (0..matched.len()).filter(|slot| matched[*slot]) {
        let mut above = base.parent(slot);
        // What is shown already has its ancestors shown, or will have when its turn comes.
        while let Some(parent) = above.filter(|parent| in_scope[*parent] && !shown[*parent]) {
            shown[parent] = true;
            above = base.parent(parent);
        }
    }
    shown
}

/// How many of the shown runs are nested directly in each run.
pub(super) fn child_counts(base: &Base, shown: &[bool]) -> Vec<u32> {
    let mut counts = vec![0; shown.len()];
    for slot in (0..shown.len()).filter(|slot| shown[*slot]) {
        if let Some(parent) = base.parent(slot) {
            counts[parent] += 1;
        }
    }
    counts
}
