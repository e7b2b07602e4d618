//! The server behind the window: our own, or the one that already holds the data folder.

use anyhow::Context;
use slipway::{RunEnd, ServeOptions, Server};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::broadcast;

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

impl Backend {
    /// Starts the server, or attaches to the one that holds the folder.
    pub(crate) async fn start(wanted: Wanted) -> anyhow::Result<Self> {
        if let Some(running) = slipway::running(&wanted.data_dir) {
            tracing::info!("Slipway already runs for this folder at {}; showing that", running.address);
            return Ok(Self {
                url: running.address,
                token: running.token,
                own: Mutex::new(None),
                owned: false,
            });
        }
        let server = match wanted.port {
            Some(port) => start_on(port, wanted.data_dir).await?,
            None => match start_on(USUAL_PORT, wanted.data_dir.clone()).await {
                Ok(server) => server,
                Err(error) if address_in_use(&error) => {
                    tracing::warn!("port {USUAL_PORT} is taken by another program; choosing a free one");
                    start_on(0, wanted.data_dir).await?
                }
                Err(error) => return Err(error),
            },
        };
        let (url, token) = (server.url(), server.token().to_owned());
        Ok(Self { url, token, own: Mutex::new(Some(server)), owned: true })
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

    /// Says when runs end. Only our own server tells.
    pub(crate) fn run_ends(&self) -> Option<broadcast::Receiver<RunEnd>> {
        let own = self.own.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        own.as_ref().map(Server::run_ends)
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

async fn start_on(port: u16, data_dir: PathBuf) -> anyhow::Result<Server> {
    let host = HOST.to_owned();
    let shown = data_dir.display().to_string();
    Server::start(ServeOptions { host, port, data_dir, allowed_hosts: Vec::new() })
        .await
        .with_context(|| format!("the server for `{shown}` does not start"))
}

fn address_in_use(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::AddrInUse)
    })
}
