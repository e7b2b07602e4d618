//! The tracking address of a job: what its command logs to, whether Slipway is there or not.
//!
//! While Slipway answers, everything goes through to it, so that what was answered is on its disk. While it is away,
//! writes go into a journal, durably, before they are answered; a [`replica`] answers what the command asks about its own
//! runs, models and experiments. When Slipway is back, the journal goes to it in order before anything new. Every write
//! means the same however often it arrives: what has no such meaning of its own, like the making of a run, carries an id
//! that was chosen here. So one whose answer was lost is safe to send again, and is there once.

mod body;
mod call;
mod gpus;
pub mod journal;
mod metrics;
pub mod names;
mod points;
pub mod replay;
mod replica;
mod serve;
mod uploads;
mod upstream;

pub use body::FileBody;
pub(super) use metrics::{INTERVAL_VARIABLE, SystemMetrics};
pub use serve::CHOSEN_ID;
pub use serve::CHOSEN_MS;

use crate::JobId;
use crate::folder::AttemptFolder;
use crate::target::Tracker;
use call::Call;
use journal::{Entry, Journal};
use points::Points;
use replay::{Receiver as _, Unreachable};
use replica::{Replica, Say};
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use uploads::{Asked, Uploads};
use upstream::Upstream;

/// How often Slipway is looked for while there is something for it.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// At the end Slipway gets what is left, if that takes no longer.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// A question waits so long for what was written before it to be sent.
const CATCHING_UP: Duration = Duration::from_secs(10);
/// A command that runs no longer has hardly asked anything.
const LOOK_AHEAD_AFTER: Duration = Duration::from_millis(300);
const JSON: &str = "application/json";

/// The address, as long as the agent lives.
pub(super) struct Endpoint {
    shared: Rc<Shared>,
    address: SocketAddr,
}

struct Shared {
    upstream: Upstream,
    job: JobId,
    run_id: Option<String>,
    folder: std::path::PathBuf,
    /// Never borrowed while something is waited for.
    state: RefCell<State>,
    /// Held by whoever sends the journal, so that its order is kept.
    sending: Mutex<()>,
    /// Bodies that got files of their own.
    bodies: Cell<u64>,
}

struct State {
    journal: Journal,
    replica: Replica,
    points: Points,
    uploads: Uploads,
    /// The experiment that the command looked up last, before it took up its run.
    chosen_experiment: Option<String>,
    /// The command has taken up its run.
    has_its_run: bool,
}

impl Endpoint {
    /// Opens it. Must be called inside of a `LocalSet`.
    pub(super) async fn open(
        folder: &AttemptFolder,
        tracker: &Tracker,
        job: JobId,
        run_id: Option<String>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = State {
            journal: Journal::open(folder.path())?,
            replica: Replica::default(),
            points: Points::default(),
            uploads: Uploads::default(),
            chosen_experiment: None,
            has_its_run: false,
        };
        let shared = Rc::new(Shared {
            upstream: Upstream::new(tracker.data_dir.clone(), folder.path().to_owned()),
            job,
            run_id,
            folder: folder.path().to_owned(),
            state: RefCell::new(state),
            sending: Mutex::new(()),
            bodies: Cell::new(0),
        });
        tokio::task::spawn_local(shared.clone().look_ahead());
        tokio::task::spawn_local(shared.clone().catch_up());
        tokio::task::spawn_local(serve::serve(listener, shared.clone()));
        Ok(Self { shared, address })
    }

    /// What to put into the command's variables.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Logs for the agent itself, later; what cannot be logged is not missed.
    pub(super) fn log_later(&self, body: Value) {
        let entry = post("/api/2.0/mlflow/runs/log-batch", &body);
        let shared = self.shared.clone();
        tokio::task::spawn_local(async move { drop(shared.write(entry).await) });
    }

    /// The run that is logged to.
    pub(super) fn run_id(&self) -> Option<&str> {
        self.shared.run_id.as_deref()
    }

    /// Sends what is left, if somebody is there. What remains is in the folder for Slipway to read.
    pub(super) async fn close(&self) {
        // What is still there stays in the journal.
        let _ = tokio::time::timeout(LAST_WORDS, self.shared.send_journal()).await;
    }
}

fn post(target: &str, body: &Value) -> Entry {
    Entry {
        method: "POST".to_owned(),
        target: target.to_owned(),
        content_type: JSON.to_owned(),
        body: body.to_string().into_bytes(),
        ..Entry::default()
    }
}

/// What to answer: a status and a body of JSON.
type Answer = (u16, Vec<u8>);

fn said(say: Say) -> Option<Answer> {
    match say {
        Say::Answer(value) => Some((200, value.to_string().into_bytes())),
        Say::Refuse { status, code, message } => {
            Some((status, json!({ "error_code": code, "message": message }).to_string().into_bytes()))
        }
        Say::Unknown => None,
    }
}

impl Shared {
    /// Asks what the command is going to ask, so that it can be answered later, too.
    async fn look_ahead(self: Rc<Self>) {
        tokio::time::sleep(LOOK_AHEAD_AFTER).await;
        if let Some(run_id) = &self.run_id {
            let target = format!("/api/2.0/mlflow/runs/get?run_id={run_id}");
            if let Ok(body) = self.upstream.get(&target).await {
                let mut state = self.state.borrow_mut();
                state.replica.observe(&Call::of("GET", &target), &body);
                let metrics = state.replica.run(run_id).and_then(|run| run.pointer("/data/metrics"));
                let is_new = metrics.and_then(Value::as_array).is_none_or(Vec::is_empty);
                if is_new {
                    state.points.begin(run_id);
                }
            }
        }
        let ask =
            post("/api/2.0/mlflow/experiments/search", &json!({ "max_results": 500, "view_type": "ALL" }));
        if let Ok((200, body)) = self.upstream.send(&ask).await
            && let Ok(answer) = serde_json::from_slice::<Value>(&body)
        {
            let is_all = answer.get("next_page_token").and_then(Value::as_str).is_none_or(str::is_empty);
            let found = answer.get("experiments").and_then(Value::as_array).cloned().unwrap_or_default();
            self.state.borrow_mut().replica.observe_experiments(&found, is_all);
        }
    }

    /// Sends the journal when somebody is there again.
    async fn catch_up(self: Rc<Self>) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if !self.is_caught_up() {
                // Nobody there: later.
                let _ = self.send_journal().await;
            }
        }
    }

    fn is_caught_up(&self) -> bool {
        self.state.borrow().journal.is_empty()
    }

    /// Sends the journal in order. What is written meanwhile goes behind it.
    async fn send_journal(&self) -> Result<(), Unreachable> {
        let _one_at_a_time = self.sending.lock().await;
        loop {
            let (first, mut names) = {
                let state = self.state.borrow();
                (state.journal.first(), state.journal.names.clone())
            };
            let Some((entry, end)) = first else { return Ok(()) };
            let (status, body) = replay::send(&entry, &mut names, &self.upstream).await?;
            let mut state = self.state.borrow_mut();
            state.journal.names = names;
            replay::finish(&mut state.journal, &entry, end, status, &body)?;
        }
    }

    /// A write: passed on, or kept.
    async fn write(&self, mut entry: Entry) -> Answer {
        self.choose(&mut entry);
        if self.is_caught_up() {
            let mut names = self.state.borrow().journal.names.clone();
            match replay::send(&entry, &mut names, &self.upstream).await {
                Ok((status, body)) if status < 500 => {
                    let size_bytes = self.size_of(&entry);
                    if let Some(file) = &entry.body_file {
                        let _ = std::fs::remove_file(self.folder.join(file));
                    }
                    let mut state = self.state.borrow_mut();
                    let body = state.journal.names.to_given(&body).unwrap_or(body);
                    let call = Call::of(&entry.method, &entry.target);
                    if status == 200 {
                        if Replica::wants(&call) {
                            state.replica.observe(&call, &body);
                        }
                        state.note(&entry, size_bytes, None);
                    }
                    return (status, body);
                }
                Ok((status, _)) => tracing::debug!(status, "a write is kept in the journal"),
                Err(error) => tracing::debug!(%error, "a write is kept in the journal"),
            }
        }
        self.keep(entry)
    }

    /// Chooses ids and times for what would otherwise be made twice.
    fn choose(&self, entry: &mut Entry) {
        let call = Call::of(&entry.method, &entry.target);
        match (call.method, call.rpc) {
            ("POST", "runs/create") => entry.chosen_id = Some(replica::new_id()),
            ("POST", "logged-models") => entry.chosen_id = Some(format!("m-{}", replica::new_id())),
            ("POST", "model-versions/create") => entry.chosen_ms = Some(crate::agent::now_ms()),
            _ => {}
        }
    }

    /// Keeps a write in the journal, and answers it.
    fn keep(&self, mut entry: Entry) -> Answer {
        let mut state = self.state.borrow_mut();
        let (method, target) = (entry.method.clone(), entry.target.clone());
        let say = state.replica.apply(&Call::of(&method, &target), &mut entry);
        if matches!(say, Say::Refuse { .. }) {
            return said(say).unwrap_or_else(|| (200, b"{}".to_vec()));
        }
        let at = state.journal.length();
        if let Err(error) = state.journal.add(&entry) {
            let message = format!("Slipway is away, and what is logged cannot be kept: {error}");
            return (
                503,
                json!({ "error_code": "TEMPORARILY_UNAVAILABLE", "message": message }).to_string().into(),
            );
        }
        let size_bytes = self.size_of(&entry);
        state.note(&entry, size_bytes, Some(at));
        said(say).unwrap_or_else(|| (200, b"{}".to_vec()))
    }

    fn size_of(&self, entry: &Entry) -> u64 {
        match &entry.body_file {
            Some(file) => std::fs::metadata(self.folder.join(file)).map_or(0, |found| found.len()),
            None => entry.body.len() as u64,
        }
    }

    /// What is known of a question about files while nobody else can say.
    fn own_files(&self, asked: &Asked) -> Option<OwnFiles> {
        let state = self.state.borrow();
        let is_own = |id: &str| self.run_id.as_deref() == Some(id) || state.replica.has_made(id);
        match asked {
            Asked::Folder(folder) => Some(OwnFiles::List(state.uploads.list(folder, is_own)?)),
            Asked::File(path) => {
                let (entry, _) = state.journal.entry_at(state.uploads.journaled(path)?)?;
                Some(match entry.body_file {
                    Some(name) => OwnFiles::File(FileBody::open(&self.folder.join(name)).ok()?),
                    None => OwnFiles::Bytes(entry.body),
                })
            }
        }
    }

    /// A question: asked, or answered from what is known. None when nobody can say.
    async fn question(&self, entry: Entry) -> Option<Answer> {
        let call = Call::of(&entry.method, &entry.target);
        self.follow_the_experiment(&call).await;
        let is_there = self.is_caught_up()
            || matches!(tokio::time::timeout(CATCHING_UP, self.send_journal()).await, Ok(Ok(())));
        if is_there {
            let mut names = self.state.borrow().journal.names.clone();
            if let Ok((status, body)) = replay::send(&entry, &mut names, &self.upstream).await
                && status < 500
            {
                let mut state = self.state.borrow_mut();
                let body = state.journal.names.to_given(&body).unwrap_or(body);
                if status == 200 {
                    if Replica::wants(&call) {
                        state.replica.observe(&call, &body);
                    }
                    state.note_experiment(&call, &body);
                }
                return Some((status, body));
            }
        }
        let asked = serde_json::from_slice(&entry.body).unwrap_or_default();
        let mut state = self.state.borrow_mut();
        if call.rpc == "metrics/get-history" {
            let (run_id, key) = (call.argument("run_id")?, call.argument("metric_key")?);
            let history = state.points.history(&run_id, &key)?;
            return Some((200, history.to_string().into_bytes()));
        }
        let (say, also) = state.replica.answer(&call, &asked);
        if let Some(also) = also
            && let Err(error) = state.journal.add(&also)
        {
            tracing::warn!(%error, "an experiment that is to be made is not written down");
            return None;
        }
        let answer = said(say)?;
        state.note_experiment(&call, &answer.1);
        Some(answer)
    }

    /// A command that chooses an experiment before it takes up its run wants the run to be there: MLflow's client stops
    /// when it is elsewhere. So the run goes there first.
    async fn follow_the_experiment(&self, call: &Call<'_>) {
        let Some(run_id) = self.run_id.as_deref().filter(|_| call.rpc == "runs/get") else { return };
        if call.argument("run_id").is_none_or(|asked| asked != run_id) {
            return;
        }
        let to = {
            let mut state = self.state.borrow_mut();
            if std::mem::replace(&mut state.has_its_run, true) {
                return;
            }
            state.chosen_experiment.take()
        };
        let Some(to) = to else { return };
        let is_there = |state: &State| {
            let at = state.replica.run(run_id).and_then(|run| run.pointer("/info/experiment_id")?.as_str());
            at == Some(to.as_str())
        };
        if is_there(&self.state.borrow()) {
            return;
        }
        let target = format!("/api/slipway/v1/jobs/{}/move-run", self.job);
        let entry = post(&target, &json!({ "experiment_id": to }));
        let (status, body) = self.write(entry).await;
        if status == 200 {
            self.state.borrow_mut().replica.move_run(run_id, &to);
        } else {
            tracing::warn!(status, said = %String::from_utf8_lossy(&body), "the run stays where it is");
        }
    }
}

/// Files that can be given without Slipway.
enum OwnFiles {
    List(Value),
    Bytes(Vec<u8>),
    File(FileBody),
}

impl State {
    /// Takes note of a write that was taken, or kept in the journal from `at` on.
    fn note(&mut self, entry: &Entry, size_bytes: u64, at: Option<u64>) {
        let call = Call::of(&entry.method, &entry.target);
        match (call.method, call.rpc) {
            ("POST", "runs/create") => {
                if let Some(id) = &entry.chosen_id {
                    self.replica.made(id);
                    self.points.begin(id);
                }
            }
            ("POST", "logged-models") => {
                if let Some(id) = &entry.chosen_id {
                    self.replica.made(id);
                }
            }
            ("POST", "runs/log-batch" | "runs/log-metric") => {
                if let Ok(body) = serde_json::from_slice::<Value>(&entry.body)
                    && body.get("run_id").and_then(Value::as_str).is_some_and(|run| self.points.follows(run))
                {
                    self.points.note(&body);
                }
            }
            _ => self.uploads.note(entry, size_bytes, at),
        }
    }

    /// Remembers which experiment the command chose, as `set_experiment` does. One that it searches is only looked at.
    fn note_experiment(&mut self, call: &Call<'_>, body: &[u8]) {
        if self.has_its_run {
            return;
        }
        let answer = || serde_json::from_slice::<Value>(body).unwrap_or_default();
        match call.rpc {
            "experiments/get" | "experiments/get-by-name" => {
                let id =
                    answer().pointer("/experiment/experiment_id").and_then(Value::as_str).map(str::to_owned);
                self.chosen_experiment = id;
            }
            "runs/search" => self.chosen_experiment = None,
            _ => {}
        }
    }
}
