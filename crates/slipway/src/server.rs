//! A server on a data folder: with a socket, or called inside the process.

use crate::artifacts::{self, ArtifactOptions, Chosen};
use crate::folder::{Held, StartError};
use axum::body::Body;
use axum::http::{HeaderValue, Request, Response, header};
use slipway_server::{Exposure, ServerConfig, ServerState};
use slipway_store::Change;
use std::convert::Infallible;
use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// The experiment that every store begins with.
const DEFAULT_EXPERIMENT: i64 = 0;

/// What to serve, and where.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// Address or name to listen on; `127.0.0.1` keeps it to this machine.
    pub host: String,
    /// Port to listen on; 0 lets the system choose.
    pub port: u16,
    /// Folder of the database and the artifacts; made when it is missing.
    pub data_dir: PathBuf,
    /// Further names by which clients may call the server: `name`, or `name:port`.
    pub allowed_hosts: Vec<String>,
    /// Webhooks may be told at addresses of this machine and of private networks.
    pub webhooks_to_private: bool,
}

/// A server that answers on a socket. [`Server::stop`] ends it; dropping it ends it too, without waiting.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    url: String,
    token: String,
    state: ServerState,
    stop: CancellationToken,
    serving: Option<JoinHandle<()>>,
    held: Held,
    // Held by being open.
    _artifacts: Option<File>,
}

impl Server {
    /// Takes the data folder, listens, and answers from then on.
    ///
    /// # Errors
    /// When another program holds the folder, the folder or its database cannot be used, or the port is taken.
    pub async fn start(options: ServeOptions) -> Result<Self, StartError> {
        Self::start_with(options, ArtifactOptions::default()).await
    }

    /// As [`Server::start`], for a program that runs one command: jobs that wait for their turn are left to others.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub async fn start_for_one(options: ServeOptions) -> Result<Self, StartError> {
        Self::begin(options, ArtifactOptions::default(), true).await
    }

    /// As [`Server::start`], with artifacts in other places.
    ///
    /// # Errors
    /// Also when a folder for artifacts cannot be one, or another Slipway keeps artifacts in it.
    pub async fn start_with(options: ServeOptions, artifacts: ArtifactOptions) -> Result<Self, StartError> {
        Self::begin(options, artifacts, false).await
    }

    async fn begin(
        options: ServeOptions,
        artifacts: ArtifactOptions,
        own_jobs_only: bool,
    ) -> Result<Self, StartError> {
        let ServeOptions { host, port, data_dir, allowed_hosts, webhooks_to_private } = options;
        let held = tokio::task::spawn_blocking(move || Held::take(&data_dir)).await??;
        // Before the database is opened, so that a taken port is found without touching anything.
        let (listener, address) = listen(&host, port).await?;
        let url = url_of(address);
        let token = fresh_token();
        let exposure = exposure(address, allowed_hosts);
        let (held, state, lock) = {
            let (url, token) = (url.clone(), token.clone());
            tokio::task::spawn_blocking(move || {
                let (state, lock) = open(&held, &artifacts, url, token, exposure, webhooks_to_private)?;
                held.announce(&state.config().url, &state.config().token)?;
                Ok::<_, StartError>((held, state, lock))
            })
            .await??
        };
        slipway_server::jobs::open_queue(&state, own_program(), own_jobs_only)
            .await
            .map_err(|error| StartError::Jobs(error.to_string()))?;
        slipway_server::continue_purges(&state);
        let stop = CancellationToken::new();
        let router = slipway_server::router(state.clone());
        let serving = tokio::spawn(slipway_server::serve(listener, router, stop.clone()));
        tokio::spawn(slipway_server::deliver_webhooks(state.clone(), stop.clone()));
        Ok(Self { address, url, token, state, stop, serving: Some(serving), held, _artifacts: lock })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a program on this machine uses, e.g. `http://127.0.0.1:5757`.
    #[must_use]
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Opens Slipway's own API.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// What a browser opens.
    #[must_use]
    pub fn ui_url(&self) -> String {
        format!("{}/#token={}", self.url, self.token)
    }

    /// Lets running requests finish, for five seconds at most, and gives the folder back.
    pub async fn stop(mut self) {
        self.state.stop_work();
        self.state.events().close();
        self.stop.cancel();
        if let Some(serving) = self.serving.take()
            && let Err(error) = serving.await
        {
            tracing::error!(%error, "serving ended badly");
        }
        let store = self.state.store().clone();
        if let Err(error) = tokio::task::spawn_blocking(move || store.close()).await {
            tracing::error!(%error, "closing the store ended badly");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.stop_work();
        self.state.events().close();
        self.stop.cancel();
        self.held.withdraw();
    }
}

/// The same server without a socket, for programs that need it for a moment.
#[derive(Debug)]
pub struct InProcess {
    router: axum::Router,
    state: ServerState,
    _held: Held,
    _artifacts: Option<File>,
}

impl InProcess {
    /// By this name the server is called inside the process.
    const HOST: &str = "slipway.in-process";

    /// Takes the data folder.
    ///
    /// # Errors
    /// As [`Server::start`], except for those of the socket.
    pub fn open(data_dir: PathBuf) -> Result<Self, StartError> {
        let held = Held::take(&data_dir)?;
        let exposure = Exposure::Loopback { port: 0, allowed_hosts: vec![Self::HOST.to_owned()] };
        let url = format!("http://{}", Self::HOST);
        let (state, lock) = open(&held, &ArtifactOptions::default(), url, fresh_token(), exposure, false)?;
        let router = slipway_server::router(state.clone());
        Ok(Self { router, state, _held: held, _artifacts: lock })
    }

    /// Answers one request. `Host` and the token are added to it.
    pub async fn call(&self, mut request: Request<Body>) -> Response<Body> {
        let headers = request.headers_mut();
        headers.insert(header::HOST, HeaderValue::from_static(Self::HOST));
        if let Ok(token) = HeaderValue::from_str(&format!("Bearer {}", self.state.config().token)) {
            headers.insert(header::AUTHORIZATION, token);
        }
        let answer: Result<_, Infallible> = self.router.clone().oneshot(request).await;
        answer.unwrap_or_else(|never| match never {})
    }

    /// Makes sure that everything is closed, and gives the folder back.
    pub fn close(self) {
        self.state.store().close();
    }
}

fn open(
    held: &Held,
    options: &ArtifactOptions,
    url: String,
    token: String,
    exposure: Exposure,
    webhooks_to_private: bool,
) -> Result<(ServerState, Option<File>), StartError> {
    let Chosen { destination, lock, places } = artifacts::choose(options, held.folder())?;
    let (store, root, events) = held.open(&destination)?;
    if let Some(artifact_root) = &places.default_root {
        let change = Change::PlaceExperiment { id: DEFAULT_EXPERIMENT, artifact_root: artifact_root.clone() };
        store
            .write_blocking(change)
            .map_err(|source| StartError::Store { folder: held.folder().to_owned(), source })?;
    }
    let config = ServerConfig {
        data_dir: held.folder().to_owned(),
        url,
        token,
        exposure,
        user: user_name(),
        started_at_ms: chrono::Utc::now().timestamp_millis(),
        webhooks_to_private,
    };
    Ok((ServerState::with_places(config, store, root, places, events), lock))
}

/// The program that runs as the agent of jobs: `slipway` beside this one, or this one itself.
///
/// This one is found by what runs and not by its name, so that it still is when the file was replaced meanwhile.
fn own_program() -> PathBuf {
    let own = PathBuf::from("/proc/self/exe");
    let Ok(path) = std::env::current_exe() else { return own };
    let beside = path.with_file_name("slipway");
    if path.file_name().is_some_and(|name| name != "slipway") && beside.is_file() { beside } else { own }
}

async fn listen(host: &str, port: u16) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source: io::Error| {
        let host = host.to_owned();
        if source.kind() == io::ErrorKind::AddrInUse {
            StartError::PortTaken { host, port, source }
        } else {
            StartError::Listen { host, port, source }
        }
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let listener = TcpListener::bind((bare, port)).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// How a program on this machine reaches a listener.
fn url_of(address: SocketAddr) -> String {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}

fn exposure(address: SocketAddr, mut allowed_hosts: Vec<String>) -> Exposure {
    let port = address.port();
    if address.ip().is_loopback() {
        allowed_hosts.push(address.to_string());
        Exposure::Loopback { port, allowed_hosts }
    } else {
        Exposure::Network { port, allowed_hosts }
    }
}

/// 256 random bits.
fn fresh_token() -> String {
    format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>())
}

/// Name of the account, or its number when it has none.
fn user_name() -> String {
    let uid = rustix::process::getuid().as_raw();
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| format!("uid {uid}"))
}

#[cfg(test)]
mod tests;
