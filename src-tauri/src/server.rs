//! The server behind the window: our own, or the one that already holds the data folder.

use crate::follow::{self, End};
use slipway::{RunningServer, ServeOptions, Server, StartError};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Where the pages come from, and the server itself when it is ours.
pub(crate) struct Backend {
    url: String,
    token: String,
    own: Mutex<Option<Server>>,
    owned: bool,
}

/// What the server is to be started with.
pub(crate) struct Wanted {
    pub(crate) data_dir: PathBuf,
    /// Absent: the usual port, or any other when that is taken.
    pub(crate) port: Option<u16>,
}

const HOST: &str = "127.0.0.1";
const USUAL_PORT: u16 = 5757;
/// How long somebody else may hold the folder without serving it.
const PATIENCE: Duration = Duration::from_secs(5);

impl Backend {
    /// Starts the server, or attaches to the one that holds the folder.
    pub(crate) async fn start(wanted: Wanted) -> anyhow::Result<Self> {
        let started = Instant::now();
        loop {
            if let Some(running) = slipway::running(&wanted.data_dir) {
                let RunningServer { address, token, pid } = running;
                tracing::info!("process {pid} already serves this folder at {address}; showing that");
                return Ok(Self { url: address, token, own: Mutex::new(None), owned: false });
            }
            match wanted.start_own().await {
                Ok(server) => {
                    let (url, token) = (server.url(), server.token().to_owned());
                    return Ok(Self { url, token, own: Mutex::new(Some(server)), owned: true });
                }
                // A command may hold the folder for a moment, or a server may be just about to listen.
                Err(StartError::Held { .. }) if started.elapsed() < PATIENCE => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// `http://127.0.0.1:PORT`
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// What the page needs to be let in.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Whether it ends with this program.
    pub(crate) fn is_own(&self) -> bool {
        self.owned
    }

    /// Says when runs and jobs end.
    pub(crate) fn ends(&self) -> std::io::Result<mpsc::UnboundedReceiver<End>> {
        follow::ends(&self.url, &self.token)
    }

    /// Ends our own server and lets it finish what it has begun. A second call does nothing.
    pub(crate) fn stop(&self) {
        let server = self.own.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(server) = server {
            let stopped = tauri::async_runtime::block_on(async {
                tokio::time::timeout(Duration::from_secs(10), server.stop()).await
            });
            if stopped.is_err() {
                tracing::warn!("the server did not stop within 10 s; what it acknowledged is on disk");
            }
        }
    }
}

impl Wanted {
    async fn start_own(&self) -> Result<Server, StartError> {
        match (self.port, self.start_on(self.port.unwrap_or(USUAL_PORT)).await) {
            (None, Err(StartError::PortTaken { .. })) => {
                tracing::warn!("port {USUAL_PORT} is taken by another program; a free one is used");
                self.start_on(0).await
            }
            (_, started) => started,
        }
    }

    async fn start_on(&self, port: u16) -> Result<Server, StartError> {
        let (host, data_dir) = (HOST.to_owned(), self.data_dir.clone());
        Server::start(ServeOptions {
            host,
            port,
            data_dir,
            allowed_hosts: Vec::new(),
            webhooks_to_private: false,
        })
        .await
    }
}
