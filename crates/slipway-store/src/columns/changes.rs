//! Which runs were changed lately, so that columns need to read only those again.

use crate::change::Change;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Most changed runs that are remembered; beyond it, the oldest changes are forgotten and columns that have not seen
/// them are read anew.
const KEPT: usize = 20_000;

/// What a change can alter of what is kept of runs in memory.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Touched<'a> {
    Nothing,
    Runs(Vec<&'a str>),
    /// More runs than the change names, or rows of runs are removed: their numbers can be given to other runs.
    Everything,
}

impl<'a> Touched<'a> {
    /// Every change is named here, so that a new one cannot be forgotten.
    pub(crate) fn by(change: &'a Change) -> Self {
        match change {
            Change::Together(changes) => changes.iter().map(Self::by).fold(Self::Nothing, Self::and),
            Change::By { change, .. } => Self::by(change),
            Change::CreateRun(run) => Self::Runs(vec![&run.run_id]),
            Change::Log(batch) => Self::Runs(vec![&batch.run_id]),
            Change::UpdateRun { run_id, .. }
            | Change::DeleteRunTag { run_id, .. }
            // No column holds these two, but a run that is shown whole does.
            | Change::LogInputs { run_id, .. }
            | Change::LogOutputs { run_id, .. } => Self::Runs(vec![run_id]),
            Change::DeleteRuns { run_ids, .. }
            | Change::RestoreRuns { run_ids }
            | Change::EditRuns { run_ids, .. } => Self::Runs(run_ids.iter().map(String::as_str).collect()),
            Change::StepJob { run: Some(run), .. } => Self::Runs(vec![&run.run_id]),
            Change::RevertRuns { runs } => Self::Runs(runs.iter().map(|run| run.run_id.as_str()).collect()),
            // Rows of runs may go, and their numbers come back with other runs.
            Change::DeleteExperiment { .. }
            | Change::RestoreExperiment { .. }
            | Change::PurgeSlice { .. } => Self::Everything,
            // Nothing of a run changes with these.
            Change::CreateExperiment { .. }
            | Change::CreateExperimentBelow { .. }
            | Change::PlaceExperiment { .. }
            | Change::RenameExperiment { .. }
            | Change::SetExperimentTag { .. }
            | Change::DeleteExperimentTag { .. }
            | Change::CreateLoggedModel(_)
            | Change::FinalizeLoggedModel { .. }
            | Change::LogModelParams { .. }
            | Change::SetLoggedModelTags { .. }
            | Change::DeleteLoggedModelTag { .. }
            | Change::DeleteLoggedModel { .. }
            | Change::RestoreLoggedModel { .. }
            | Change::Purge(_)
            | Change::StrikeDoomed { .. }
            | Change::CreateRegisteredModel { .. }
            | Change::RenameRegisteredModel { .. }
            | Change::DescribeRegisteredModel { .. }
            | Change::DeleteRegisteredModel { .. }
            | Change::SetRegisteredModelTag { .. }
            | Change::DeleteRegisteredModelTag { .. }
            | Change::Promote(_)
            | Change::UndoPromotion { .. }
            | Change::SetModelRules { .. }
            | Change::RecordVersionFiles { .. }
            | Change::PutWebhook(_)
            | Change::DeleteWebhook { .. }
            | Change::WebhookTried(_)
            | Change::ForgetDeliveries { .. }
            | Change::SetAlias { .. }
            | Change::DeleteAlias { .. }
            | Change::CreateModelVersion(_)
            | Change::DescribeModelVersion { .. }
            | Change::DeleteModelVersion { .. }
            | Change::SetModelVersionTag { .. }
            | Change::DeleteModelVersionTag { .. }
            | Change::TransitionStage { .. }
            | Change::SubmitJob(_)
            | Change::StepJob { run: None, .. }
            | Change::CancelJob { .. }
            | Change::PrioritizeJob { .. }
            | Change::ForgetJobs { .. }
            | Change::SetQueue { .. } => Self::Nothing,
        }
    }

    /// What two changes alter together.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Everything, _) | (_, Self::Everything) => Self::Everything,
            (Self::Nothing, touched) | (touched, Self::Nothing) => touched,
            (Self::Runs(mut runs), Self::Runs(more)) => {
                runs.extend(more);
                Self::Runs(runs)
            }
        }
    }
}

/// The changes by their numbers. A change is noted before it is committed, so that whatever a snapshot shows was noted
/// before the snapshot was taken.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Number of the last change noted.
    noted: u64,
    /// Changes up to this number are committed, or never will be.
    committed: u64,
    /// Changes up to this number are forgotten.
    forgotten: u64,
    runs: BTreeMap<u64, Arc<str>>,
    numbers: HashMap<Arc<str>, u64>,
}

impl Changes {
    /// To be called before the change is committed.
    pub(crate) fn note(&mut self, touched: &Touched<'_>) {
        match touched {
            Touched::Nothing => {}
            Touched::Runs(runs) => runs.iter().for_each(|run| self.note_run(run)),
            Touched::Everything => {
                self.noted += 1;
                self.forgotten = self.noted;
                self.runs.clear();
                self.numbers.clear();
            }
        }
    }

    fn note_run(&mut self, run: &str) {
        self.noted += 1;
        let run = match self.numbers.remove_entry(run) {
            Some((run, number)) => {
                self.runs.remove(&number);
                run
            }
            None => Arc::from(run),
        };
        self.runs.insert(self.noted, run.clone());
        self.numbers.insert(run, self.noted);
        if self.runs.len() > KEPT
            && let Some((number, run)) = self.runs.pop_first()
        {
            self.numbers.remove(&run);
            self.forgotten = number;
        }
    }

    /// To be called when the transaction of everything noted so far has ended, well or not.
    pub(crate) fn settle(&mut self) {
        self.committed = self.noted;
    }

    /// Every snapshot taken from now on shows all changes up to this number.
    pub(crate) fn committed(&self) -> u64 {
        self.committed
    }

    /// True when a run was surely not touched after a number.
    pub(crate) fn is_unchanged(&self, run: &str, number: u64) -> bool {
        number >= self.forgotten && self.numbers.get(run).is_none_or(|last| *last <= number)
    }

    /// The runs changed after a number; none when they are no longer known.
    pub(crate) fn since(&self, number: u64) -> Option<Vec<Arc<str>>> {
        (number >= self.forgotten)
            .then(|| self.runs.range(number + 1..).map(|(_, run)| run.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_made_together_alter_what_each_alters() {
        let run = |id: &str| Change::DeleteRunTag { run_id: id.to_owned(), key: "k".to_owned() };
        let none = Change::DeleteRegisteredModel { name: "m".to_owned(), at_ms: 1 };
        let all = Change::DeleteExperiment { id: 1, at_ms: 1 };
        let of = |changes: Vec<Change>| Change::Together(changes);
        assert_eq!(Touched::by(&of(vec![])), Touched::Nothing);
        assert_eq!(Touched::by(&of(vec![run("a"), none.clone(), run("b")])), Touched::Runs(vec!["a", "b"]));
        assert_eq!(Touched::by(&of(vec![run("a"), of(vec![none, all])])), Touched::Everything);
    }

    #[test]
    fn runs_are_known_by_their_last_change() {
        let mut changes = Changes::default();
        changes.note(&Touched::Runs(vec!["a", "b"]));
        changes.settle();
        let seen = changes.committed();
        changes.note(&Touched::Runs(vec!["c", "a"]));
        let names = |since: Option<Vec<Arc<str>>>| since.unwrap().join(" ");
        assert_eq!(names(changes.since(seen)), "c a");
        assert_eq!(names(changes.since(0)), "b c a");
        assert_eq!(changes.committed(), seen);
    }

    #[test]
    fn what_is_forgotten_is_not_taken_for_unchanged() {
        let mut changes = Changes::default();
        for run in 0..=KEPT {
            changes.note(&Touched::Runs(vec![&run.to_string()]));
        }
        assert_eq!(changes.since(0), None);
        assert_eq!(changes.since(1).unwrap().len(), KEPT);
        changes.note(&Touched::Everything);
        assert_eq!(changes.since(KEPT as u64), None);
        changes.settle();
        assert_eq!(changes.since(changes.committed()), Some(vec![]));
    }
}
