//! Everything that can happen to the store, as plain values.
//!
//! A change says *what* happened and carries its own time and ids, so that the same change applied to the same
//! store always gives the same result. The HTTP API, importers, the journal of a remote job and tests all use
//! this one path. Checks that need no database (lengths, characters, numbers) belong to whoever makes the
//! change; checks against what is stored are made by the writer when it applies the change.

use crate::job::{JobState, NewJob, RunOfStep, Step};
use crate::model::{DatasetInput, KeyValue, ModelOutput, ModelStatus, Point, RunStatus, Stage};
use crate::registry::{DeliveryAttempt, FilesRecord, Promoted, Promotion, Rule, Webhook, Who};
use crate::trash::PurgeSelection;
use serde::{Deserialize, Serialize};

/// One change. Applied whole or not at all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Change {
    /// Several changes as one: all of them in this order, or none. Answer: [`Applied::Done`].
    Together(Vec<Change>),
    /// A change of the registry, and who asked for it and why; the history keeps that. Answer: that of the change.
    By {
        /// Who.
        who: Who,
        /// Why.
        note: Option<String>,
        /// The change.
        change: Box<Change>,
    },
    /// Makes an experiment. Answer: [`Applied::ExperimentId`].
    CreateExperiment {
        /// Must not be taken, not even by one in the trash.
        name: String,
        /// Absent: `mlflow-artifacts:/<id>`.
        artifact_location: Option<String>,
        /// Tags to start with.
        tags: Vec<KeyValue>,
        /// Now.
        at_ms: i64,
    },
    /// Makes an experiment that keeps its files below a folder, as `<artifact_root>/<id>`. Answer:
    /// [`Applied::ExperimentId`].
    CreateExperimentBelow {
        /// Must not be taken, not even by one in the trash.
        name: String,
        /// URI or absolute path.
        artifact_root: String,
        /// Tags to start with.
        tags: Vec<KeyValue>,
        /// Now.
        at_ms: i64,
    },
    /// Says where an experiment keeps its files, unless that was said before or it has runs or models. Answer:
    /// [`Applied::Changed`].
    PlaceExperiment {
        /// Which one.
        id: i64,
        /// As `<artifact_root>/<id>`.
        artifact_root: String,
    },
    /// Renames an active experiment.
    RenameExperiment {
        /// Which one.
        id: i64,
        /// Must not be taken.
        name: String,
        /// Now.
        at_ms: i64,
    },
    /// Moves an active experiment and its active runs to the trash.
    DeleteExperiment {
        /// Which one.
        id: i64,
        /// Now.
        at_ms: i64,
    },
    /// Takes an experiment out of the trash, with the runs that went there with it.
    RestoreExperiment {
        /// Which one.
        id: i64,
        /// Now.
        at_ms: i64,
    },
    /// Sets a tag of an active experiment.
    SetExperimentTag {
        /// Which one.
        id: i64,
        /// The tag.
        tag: KeyValue,
        /// Now.
        at_ms: i64,
    },
    /// Removes a tag of an active experiment.
    DeleteExperimentTag {
        /// Which one.
        id: i64,
        /// Must be set.
        key: String,
        /// Now.
        at_ms: i64,
    },
    /// Makes a run in an active experiment. Answer: [`Applied::Done`].
    CreateRun(Box<NewRun>),
    /// Changes status, end or name. Absent fields stay.
    UpdateRun {
        /// Which run; must be active.
        run_id: String,
        /// New status.
        status: Option<RunStatus>,
        /// New end.
        end_ms: Option<i64>,
        /// New name; also set as the tag `mlflow.runName`.
        name: Option<String>,
    },
    /// Moves runs to the trash. Unknown ids are an error; runs in the trash stay there.
    DeleteRuns {
        /// Which runs.
        run_ids: Vec<String>,
        /// Now.
        at_ms: i64,
    },
    /// Takes runs out of the trash. Active runs stay active.
    RestoreRuns {
        /// Which runs.
        run_ids: Vec<String>,
    },
    /// Logs to an active run, all or nothing.
    Log(Box<LogBatch>),
    /// Does one thing to several runs. Those that it does not apply to are passed over: unknown ones, and those in the
    /// trash where it is about runs in use. Answer: [`Applied::Edited`].
    EditRuns {
        /// Which runs.
        run_ids: Vec<String>,
        /// What to do to each.
        edit: RunsEdit,
    },
    /// Gives runs back what [`Change::EditRuns`] took from them; those that are gone since are passed over. Answer:
    /// [`Applied::Changed`].
    RevertRuns {
        /// What they were, in the order in which it was said.
        runs: Vec<RunBefore>,
    },
    /// Removes a tag of an active run.
    DeleteRunTag {
        /// Which run.
        run_id: String,
        /// Must be set.
        key: String,
    },
    /// Records what a run read.
    LogInputs {
        /// Which run; must be active.
        run_id: String,
        /// Datasets.
        datasets: Vec<DatasetInput>,
        /// Ids of logged models.
        model_ids: Vec<String>,
    },
    /// Records which logged models a run made.
    LogOutputs {
        /// Which run; must be active.
        run_id: String,
        /// The models.
        models: Vec<ModelOutput>,
    },
    /// Makes a logged model, pending.
    CreateLoggedModel(Box<NewLoggedModel>),
    /// Sets the upload state of a logged model.
    FinalizeLoggedModel {
        /// Which one.
        model_id: String,
        /// New state.
        status: ModelStatus,
        /// Now.
        at_ms: i64,
    },
    /// Adds params to a logged model.
    LogModelParams {
        /// Which one.
        model_id: String,
        /// Params; a key that exists gets the new value.
        params: Vec<KeyValue>,
        /// Now.
        at_ms: i64,
    },
    /// Sets tags of a logged model.
    SetLoggedModelTags {
        /// Which one.
        model_id: String,
        /// Tags.
        tags: Vec<KeyValue>,
        /// Now.
        at_ms: i64,
    },
    /// Removes a tag of a logged model.
    DeleteLoggedModelTag {
        /// Which one.
        model_id: String,
        /// Must be set.
        key: String,
        /// Now.
        at_ms: i64,
    },
    /// Moves a logged model to the trash.
    DeleteLoggedModel {
        /// Which one.
        model_id: String,
        /// Now.
        at_ms: i64,
    },
    /// Takes a logged model out of the trash. One that is in use stays so.
    RestoreLoggedModel {
        /// Which one; its experiment must be active.
        model_id: String,
        /// Now.
        at_ms: i64,
    },
    /// Writes down what is to be deleted for ever; [`Change::PurgeSlice`] then does it. Answer:
    /// [`Applied::Changed`].
    Purge(PurgeSelection),
    /// Deletes rows of what is written down. Answer: [`Applied::Changed`], 0 when nothing is left.
    PurgeSlice {
        /// Runs, logged models and experiments at most.
        limit: u32,
    },
    /// The files of these records are gone or are to stay. Answer: [`Applied::Changed`].
    StrikeDoomed {
        /// [`crate::Folder::id`] of each.
        ids: Vec<i64>,
    },
    /// Makes a registered model.
    CreateRegisteredModel {
        /// Must not be taken.
        name: String,
        /// Markdown.
        description: Option<String>,
        /// Tags to start with.
        tags: Vec<KeyValue>,
        /// Now.
        at_ms: i64,
    },
    /// Renames a registered model, with its versions, tags and aliases.
    RenameRegisteredModel {
        /// Which one.
        name: String,
        /// Must not be taken.
        new_name: String,
        /// Now.
        at_ms: i64,
    },
    /// Changes the description of a registered model.
    DescribeRegisteredModel {
        /// Which one.
        name: String,
        /// Markdown.
        description: String,
        /// Now.
        at_ms: i64,
    },
    /// Deletes a registered model with its versions, tags and aliases. Files stay.
    DeleteRegisteredModel {
        /// Which one.
        name: String,
        /// Now.
        at_ms: i64,
    },
    /// Sets a tag of a registered model.
    SetRegisteredModelTag {
        /// Which one.
        name: String,
        /// The tag.
        tag: KeyValue,
        /// Now.
        at_ms: i64,
    },
    /// Removes a tag of a registered model; no error when it is not set.
    DeleteRegisteredModelTag {
        /// Which one.
        name: String,
        /// Key of the tag.
        key: String,
        /// Now.
        at_ms: i64,
    },
    /// Moves a version to an alias or a stage. Answer: [`Applied::Promoted`].
    ///
    /// Refused with [`crate::Error::Refused`] when a rule is broken, and with [`crate::Error::HolderMoved`] when the
    /// version that it was compared with is no longer there.
    Promote(Box<Promotion>),
    /// Takes a promotion, a rollback or the removal of an alias back, unless something was moved since. Answer:
    /// [`Applied::Promoted`].
    UndoPromotion {
        /// [`crate::HistoryEntry::id`].
        history_id: i64,
        /// Now.
        at_ms: i64,
    },
    /// Sets all rules of a model.
    SetModelRules {
        /// Registered model.
        name: String,
        /// From now on.
        rules: Vec<Rule>,
        /// Now.
        at_ms: i64,
    },
    /// Writes down what the files of a version are, unless that was done before. Answer: [`Applied::Changed`].
    RecordVersionFiles {
        /// Registered model.
        name: String,
        /// Which version.
        version: i64,
        /// The files.
        record: FilesRecord,
    },
    /// Makes a webhook, or changes the one with this id.
    PutWebhook(Box<Webhook>),
    /// Removes a webhook with its deliveries. Answer: [`Applied::Changed`].
    DeleteWebhook {
        /// Which one.
        id: String,
    },
    /// Says how an attempt to tell a webhook went. Answer: [`Applied::Changed`].
    WebhookTried(DeliveryAttempt),
    /// Forgets deliveries that ended before a time. Answer: [`Applied::Changed`].
    ForgetDeliveries {
        /// Created before this.
        before_ms: i64,
    },
    /// As [`Change::Promote`], for an alias.
    SetAlias {
        /// Registered model.
        name: String,
        /// The alias.
        alias: String,
        /// Must exist.
        version: i64,
        /// Now.
        at_ms: i64,
    },
    /// Removes an alias; no error when it is not set.
    DeleteAlias {
        /// Registered model.
        name: String,
        /// The alias.
        alias: String,
        /// Now.
        at_ms: i64,
    },
    /// Publishes a version. Answer: [`Applied::Version`].
    CreateModelVersion(Box<NewModelVersion>),
    /// Changes the description of a version.
    DescribeModelVersion {
        /// Registered model.
        name: String,
        /// Which version.
        version: i64,
        /// Markdown.
        description: String,
        /// Now.
        at_ms: i64,
    },
    /// Deletes a version; its number is not used again.
    DeleteModelVersion {
        /// Registered model.
        name: String,
        /// Which version.
        version: i64,
        /// Now.
        at_ms: i64,
    },
    /// Sets a tag of a version.
    SetModelVersionTag {
        /// Registered model.
        name: String,
        /// Which version.
        version: i64,
        /// The tag.
        tag: KeyValue,
        /// Now.
        at_ms: i64,
    },
    /// Removes a tag of a version; no error when it is not set.
    DeleteModelVersionTag {
        /// Registered model.
        name: String,
        /// Which version.
        version: i64,
        /// Key of the tag.
        key: String,
        /// Now.
        at_ms: i64,
    },
    /// As [`Change::Promote`], for a stage.
    TransitionStage {
        /// Registered model.
        name: String,
        /// Which version.
        version: i64,
        /// Where to.
        stage: Stage,
        /// Move the versions that are in that stage to `Archived`.
        archive_existing: bool,
        /// Now.
        at_ms: i64,
    },
    /// Takes a job in, queued. Answer: [`Applied::Done`].
    SubmitJob(Box<NewJob>),
    /// Brings a job one step on. Refused when its state does not allow it, or when another attempt is meant.
    StepJob {
        /// Which job.
        job_id: String,
        /// Attempts before the step.
        attempts: u32,
        /// The step.
        step: Box<Step>,
        /// What becomes of its run.
        run: Option<RunOfStep>,
        /// Now.
        at_ms: i64,
    },
    /// Somebody wants a job to end. Answer: [`Applied::Changed`], 0 when it has ended already.
    CancelJob {
        /// Which job.
        job_id: String,
        /// Now.
        at_ms: i64,
    },
    /// Lets a job go before or after others.
    PrioritizeJob {
        /// Which job.
        job_id: String,
        /// Higher ones go first.
        priority: i32,
    },
    /// Forgets jobs; those that have not ended are passed over. Answer: [`Applied::Changed`].
    ForgetJobs {
        /// Which ones.
        job_ids: Vec<String>,
    },
    /// Sets the queue.
    SetQueue {
        /// The settings, as JSON.
        settings: String,
    },
}

/// A run to be made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewRun {
    /// Must be new.
    pub run_id: String,
    /// Must be active.
    pub experiment_id: i64,
    /// Shown name, never empty; also set as the tag `mlflow.runName`.
    pub name: String,
    /// May be empty.
    pub user: String,
    /// State to start in.
    pub status: RunStatus,
    /// When it started.
    pub start_ms: Option<i64>,
    /// Tags to start with.
    pub tags: Vec<KeyValue>,
}

/// What is done to several runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum RunsEdit {
    /// Sets and removes tags of runs in use.
    Tags {
        /// Tags to set.
        set: Vec<KeyValue>,
        /// Keys of tags to remove, where they are set.
        remove: Vec<String>,
    },
    /// Moves runs in use to another experiment, with the logged models they made. Their files stay where they are.
    Move {
        /// Must be active.
        experiment_id: i64,
    },
    /// Moves runs to the trash.
    Delete {
        /// Now.
        at_ms: i64,
    },
    /// Takes runs out of the trash; their experiments must be active.
    Restore,
}

/// What a run was before it was edited.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunBefore {
    /// Which run.
    pub run_id: String,
    /// What was changed, as it was.
    pub was: Was,
}

/// What was changed of a run, as it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Was {
    /// Values of tags, none where the tag was not set; and the name, if one of them carries it.
    Tags {
        /// The tags.
        tags: Vec<(String, Option<String>)>,
        /// The shown name.
        name: Option<String>,
    },
    /// It was in this experiment.
    In {
        /// The experiment.
        experiment_id: i64,
        /// Logged models that moved with the run.
        model_ids: Vec<String>,
    },
    /// It was in use.
    Active,
    /// It was in the trash.
    Deleted {
        /// Since when.
        deleted_ms: Option<i64>,
    },
}

/// What to log to one run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LogBatch {
    /// Must be active.
    pub run_id: String,
    /// Points. One that is already there bit for bit is not stored again.
    pub metrics: Vec<LoggedMetric>,
    /// Params. One that is there with another value makes the whole batch fail.
    pub params: Vec<KeyValue>,
    /// Tags. The last one of a key wins.
    pub tags: Vec<KeyValue>,
}

/// One point to be logged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoggedMetric {
    /// Name of the metric.
    pub key: String,
    /// The point.
    pub point: Point,
    /// Logged model it also belongs to.
    pub model_id: Option<String>,
    /// Dataset it was measured on.
    pub dataset_name: Option<String>,
    /// Digest of that dataset.
    pub dataset_digest: Option<String>,
}

/// A logged model to be made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewLoggedModel {
    /// Must be new.
    pub model_id: String,
    /// Must be active.
    pub experiment_id: i64,
    /// Name.
    pub name: String,
    /// Free text.
    pub model_type: Option<String>,
    /// Run that makes it.
    pub source_run_id: Option<String>,
    /// Params to start with.
    pub params: Vec<KeyValue>,
    /// Tags to start with.
    pub tags: Vec<KeyValue>,
    /// Now.
    pub at_ms: i64,
}

/// A version to be published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewModelVersion {
    /// Registered model; must exist.
    pub name: String,
    /// As the client said it.
    pub source: String,
    /// The source with references resolved.
    pub storage_location: String,
    /// Run it came from.
    pub run_id: Option<String>,
    /// Link shown beside it.
    pub run_link: Option<String>,
    /// Logged model it came from.
    pub model_id: Option<String>,
    /// Markdown.
    pub description: Option<String>,
    /// Who publishes it.
    pub user: Option<String>,
    /// Tags to start with.
    pub tags: Vec<KeyValue>,
    /// Now.
    pub at_ms: i64,
    /// It may have arrived before: a version of this source that was made at this very time is this one.
    #[serde(default)]
    pub once: bool,
}

/// What a change gave back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Applied {
    /// Nothing to say.
    Done,
    /// Id of the experiment that was made.
    ExperimentId(i64),
    /// Number of the version that was made.
    Version(i64),
    /// How many things changed.
    Changed(u64),
    /// The runs that were edited, as they were.
    Edited(Vec<RunBefore>),
    /// What was moved.
    Promoted(Promoted),
}

/// What a committed change touched, for views that are open. Sent after the commit, in commit order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Notice {
    /// The list of experiments or one of their fields.
    Experiments,
    /// A run was made, changed, deleted or restored.
    Run {
        /// Its experiment.
        experiment_id: i64,
        /// Its id.
        run_id: String,
    },
    /// Points were added.
    Metrics {
        /// Experiment of the run.
        experiment_id: i64,
        /// The run.
        run_id: String,
        /// What was added, by metric.
        points: Vec<(String, Vec<Point>)>,
    },
    /// Logged or registered models changed.
    Models,
    /// Something may wait to be told to webhooks.
    Deliveries,
    /// A job came, changed or was forgotten.
    Job {
        /// Its id.
        job_id: String,
        /// Its state; absent when it is forgotten.
        state: Option<JobState>,
    },
    /// The queue was set.
    Queue,
}
