//! Whatever is tried on a job in whatever order, only the steps that its phases allow are taken.

use super::*;
use proptest::prelude::*;

fn any_step() -> impl Strategy<Value = Step> {
    let outcome = prop_oneof![
        Just(RunOutcome::Succeeded),
        Just(RunOutcome::Failed),
        Just(RunOutcome::Canceled),
        Just(RunOutcome::Lost)
    ];
    let given_up = prop_oneof![
        Just(WaitOutcome::Failed),
        Just(WaitOutcome::Canceled),
        Just(WaitOutcome::Skipped),
        Just(WaitOutcome::Cached)
    ];
    prop_oneof![
        Just(Step::Start { place: String::new() }),
        Just(Step::Begin { at: String::new() }),
        outcome.clone().prop_map(|outcome| Step::End { outcome, end: AttemptEnd::default() }),
        outcome.prop_map(|outcome| Step::TryAgain { outcome, end: AttemptEnd::default(), not_before_ms: 0 }),
        given_up.prop_map(|outcome| Step::GiveUp { outcome, reason: String::new() }),
    ]
}

/// The rule, written down once more as a table: which state a step leads to.
fn table(state: JobState, step: &Step) -> Option<JobState> {
    use JobState::{Queued, Running, Starting};
    match (state, step) {
        (Queued, Step::Start { .. }) => Some(Starting),
        (Queued, Step::GiveUp { outcome, .. }) => Some(Outcome::from(*outcome).state()),
        (Starting, Step::Begin { .. }) => Some(Running),
        (Starting | Running, Step::End { outcome, .. }) => Some(Outcome::from(*outcome).state()),
        (Starting | Running, Step::TryAgain { .. }) => Some(Queued),
        _ => None,
    }
}

proptest! {
    /// Whatever is tried in whatever order: only the table's steps go, what has ended stays as it is, an attempt is
    /// counted once and only by a start, and a state that was stored goes on where it was.
    #[test]
    fn no_way_leads_around_the_table(steps in prop::collection::vec(any_step(), 0..60)) {
        let mut phase = Phase::Queued(Queued::new());
        let mut starts = 0;
        for step in &steps {
            let state = phase.state();
            match (phase.after(step), table(state, step)) {
                (Ok(next), Some(expected)) => {
                    prop_assert!(!state.is_final());
                    prop_assert_eq!(next.state(), expected);
                    if matches!(step, Step::Start { .. }) {
                        starts += 1;
                    }
                    phase = next;
                }
                (Err(refused), None) => prop_assert_eq!(refused.state, state),
                (found, expected) => prop_assert!(false, "{:?} but {:?}", found, expected),
            }
            prop_assert_eq!(phase.attempts(), starts);
            prop_assert_eq!(Phase::stored(phase.state(), phase.attempts()), phase);
            prop_assert_eq!(phase.state().is_final(), phase.state().outcome().is_some());
        }
    }
}
