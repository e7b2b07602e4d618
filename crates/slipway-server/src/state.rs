//! What every handler sees.

use crate::events::EventBus;
use crate::files::Tickets;
use crate::load::Load;
use crate::look::Known;
use crate::opened::Opened;
use crate::places::ArtifactPlaces;
use crate::trash::{Outcome, Work};
use crate::undo::Undos;
use crate::uploads::Uploads;
use crate::webhooks::Secrets;
use slipway_artifacts::ArtifactRoot;
use slipway_jobs::Queue;
use slipway_store::{Change, KeyValue, Outlines, Renditions, Store};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

/// Facts about this start of the server that do not change while it runs.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Folder of the database and the artifacts, for people to see.
    pub data_dir: PathBuf,
    /// What to put into `MLFLOW_TRACKING_URI`.
    pub url: String,
    /// Opens Slipway's own API, and everything else on an address that others can reach.
    pub token: String,
    /// Who can reach the server, and by which names.
    pub exposure: Exposure,
    /// Account that the server runs as.
    pub user: String,
    /// When it started, in epoch milliseconds.
    pub started_at_ms: i64,
    /// Webhooks may be told at addresses of this machine and of private networks.
    pub webhooks_to_private: bool,
}

/// Who can reach the server, and by which names it may be called in the `Host` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exposure {
    /// Only programs on this machine.
    Loopback {
        /// The port it listens on.
        port: u16,
        /// Further names, `name` (any port) or `name:port`.
        allowed_hosts: Vec<String>,
    },
    /// Other machines: then nothing but the page itself is open without the token.
    Network {
        /// The port it listens on.
        port: u16,
        /// Names besides IP addresses and this machine's own name; `name` (any port) or `name:port`.
        allowed_hosts: Vec<String>,
    },
}

/// What every handler sees. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ServerState {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: ServerConfig,
    store: Store,
    artifacts: ArtifactRoot,
    places: ArtifactPlaces,
    events: EventBus,
    tickets: Tickets,
    known: Known,
    trash: Work<Outcome>,
    compared: crate::app::Remembered,
    looks: crate::app::Looks,
    load: Load,
    undos: Undos,
    uploads: Uploads,
    secrets: Secrets,
    opened: Opened,
    run_messages: Renditions,
    outlines: Outlines,
    warming: AtomicBool,
    recording: Arc<tokio::sync::Semaphore>,
    lengthening: tokio::sync::Mutex<()>,
    queue: OnceLock<Queue>,
}

impl ServerState {
    /// Puts the parts together. `events` is the bus that the store's observer feeds.
    #[must_use]
    pub fn new(config: ServerConfig, store: Store, artifacts: ArtifactRoot, events: EventBus) -> Self {
        Self::with_places(config, store, artifacts, ArtifactPlaces::default(), events)
    }

    /// As [`ServerState::new`], with artifacts kept or read in other places, too.
    #[must_use]
    pub fn with_places(
        config: ServerConfig,
        store: Store,
        artifacts: ArtifactRoot,
        places: ArtifactPlaces,
        events: EventBus,
    ) -> Self {
        let (tickets, known) = (Tickets::default(), Known::default());
        let (trash, undos) = (Work::default(), Undos::in_folder(config.data_dir.join("undo")));
        let secrets = Secrets::in_folder(&config.data_dir);
        let uploads = Uploads::in_folder(&config.data_dir);
        let (run_messages, compared) = (Renditions::default(), crate::app::Remembered::default());
        let outlines = Outlines::default();
        let warming = AtomicBool::new(false);
        let recording = Arc::new(tokio::sync::Semaphore::new(1));
        let inner = Inner {
            config,
            store,
            artifacts,
            places,
            events,
            tickets,
            known,
            trash,
            undos,
            uploads,
            secrets,
            opened: Opened::default(),
            run_messages,
            outlines,
            compared,
            looks: crate::app::Looks::default(),
            load: Load::default(),
            warming,
            recording,
            lengthening: tokio::sync::Mutex::default(),
            queue: OnceLock::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Facts about this start.
    #[must_use]
    pub fn config(&self) -> &ServerConfig {
        &self.inner.config
    }

    /// What seals the secrets of webhooks.
    pub(crate) fn secrets(&self) -> &Secrets {
        &self.inner.secrets
    }

    /// Folders that came from a browser.
    pub(crate) fn uploads(&self) -> &Uploads {
        &self.inner.uploads
    }

    /// How busy the machine is.
    pub(crate) fn load(&self) -> &Load {
        &self.inner.load
    }

    /// Looks into folders that somebody watches.
    pub(crate) fn looks(&self) -> &crate::app::Looks {
        &self.inner.looks
    }

    /// Everything remembered.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// The folder that keeps all artifacts of this data folder.
    #[must_use]
    pub fn artifacts(&self) -> &ArtifactRoot {
        &self.inner.artifacts
    }

    /// Whether that folder is the data folder's own. One that was chosen elsewhere may hold other things, too.
    pub(crate) fn owns_artifacts(&self) -> bool {
        let own = self.inner.config.data_dir.join("artifacts");
        let same = |a: &std::path::Path, b: &std::path::Path| matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b);
        same(&own, self.inner.artifacts.folder())
    }

    /// Where else artifacts are.
    #[must_use]
    pub fn places(&self) -> &ArtifactPlaces {
        &self.inner.places
    }

    /// The change that makes an experiment: its files go to `location`, or else where the server keeps those of new
    /// experiments.
    pub(crate) fn new_experiment(
        &self,
        name: String,
        location: Option<String>,
        tags: Vec<KeyValue>,
        at_ms: i64,
    ) -> Change {
        match (location, &self.inner.places.default_root) {
            (None, Some(root)) => {
                Change::CreateExperimentBelow { name, artifact_root: root.clone(), tags, at_ms }
            }
            (artifact_location, _) => Change::CreateExperiment { name, artifact_location, tags, at_ms },
        }
    }

    /// Gives it the queue that jobs wait in; once.
    pub fn set_queue(&self, queue: Queue) {
        if self.inner.queue.set(queue).is_err() {
            tracing::error!("a second queue was given to the server, which goes on with the first");
        }
    }

    /// The queue that jobs wait in; none in a program that answers only for a moment.
    #[must_use]
    pub fn queue(&self) -> Option<&Queue> {
        self.inner.queue.get()
    }

    /// What changes, for open views.
    #[must_use]
    pub fn events(&self) -> &EventBus {
        &self.inner.events
    }

    /// Asks long work to leave off, since the program is about to end. It is continued at the next start.
    pub fn stop_work(&self) {
        self.inner.trash.stop();
        if let Some(queue) = self.queue() {
            queue.stop();
        }
    }

    pub(crate) fn trash(&self) -> &Work<Outcome> {
        &self.inner.trash
    }

    /// Projects that were opened.
    pub(crate) fn opened(&self) -> &Opened {
        &self.inner.opened
    }

    /// The comparison that was asked for last.
    pub(crate) fn compared(&self) -> &crate::app::Remembered {
        &self.inner.compared
    }

    /// Indexes of files that were looked at lately.
    pub(crate) fn known(&self) -> &Known {
        &self.inner.known
    }

    /// Outlines of long histories, for first pictures of charts.
    pub(crate) fn outlines(&self) -> &Outlines {
        &self.inner.outlines
    }

    /// Runs as MLflow's searches gave them lately.
    pub(crate) fn run_messages(&self) -> &Renditions {
        &self.inner.run_messages
    }

    /// True while columns of the runs table are read ahead.
    pub(crate) fn warming(&self) -> &AtomicBool {
        &self.inner.warming
    }

    /// Lets one look through the files of a version at a time.
    pub(crate) fn recording(&self) -> &Arc<tokio::sync::Semaphore> {
        &self.inner.recording
    }

    /// Lets one request at a time read a list that is kept in a tag, and write it longer.
    pub(crate) fn lengthening(&self) -> &tokio::sync::Mutex<()> {
        &self.inner.lengthening
    }

    pub(crate) fn undos(&self) -> &Undos {
        &self.inner.undos
    }

    pub(crate) fn tickets(&self) -> &Tickets {
        &self.inner.tickets
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
