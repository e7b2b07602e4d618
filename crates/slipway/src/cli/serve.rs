//! `slipway serve`: the server in the foreground, until it is told to end.

use super::{Failure, Global, Result, output, url};
use clap::Args;
use slipway::{ArtifactOptions, ServeOptions, Server};
use std::io::{IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Address to listen on. Anything but loopback lets other machines in, with the token only.
    #[arg(long, default_value = "127.0.0.1", env = "MLFLOW_HOST", hide_env_values = true)]
    host: String,
    /// Port to listen on; 0 lets the system choose. Also taken from MLFLOW_PORT.
    #[arg(long, env = "SLIPWAY_PORT", hide_env_values = true)]
    port: Option<u16>,
    /// Where new experiments keep their files, as a URI or a path. Without it, clients send them to this server.
    #[arg(long, value_name = "URI", env = "MLFLOW_DEFAULT_ARTIFACT_ROOT", hide_env_values = true)]
    default_artifact_root: Option<String>,
    /// Folder in which this server keeps the files that clients send; a path or a file:// URI. It is remembered for
    /// later starts.
    #[arg(long, value_name = "PATH", env = "MLFLOW_ARTIFACTS_DESTINATION", hide_env_values = true)]
    artifacts_destination: Option<String>,
    /// Take files from clients and give them back; on unless MLFLOW_SERVE_ARTIFACTS says otherwise.
    #[arg(long, overrides_with = "no_serve_artifacts")]
    serve_artifacts: bool,
    /// Leave the files to the clients, which then need the folder themselves.
    #[arg(long, overrides_with = "serve_artifacts")]
    no_serve_artifacts: bool,
    /// A folder of this machine whose files may be shown when an experiment keeps its artifacts there. May be given
    /// again.
    #[arg(long = "readable-artifacts", value_name = "PATH")]
    readable_artifacts: Vec<PathBuf>,
    /// A further name that clients may call this server by, as `name` or `name:port`. May be given again.
    #[arg(long = "allowed-host", value_name = "NAME")]
    allowed_hosts: Vec<String>,
    /// Let webhooks lead to this machine and to private networks, and to addresses with http://.
    #[arg(long)]
    webhooks_to_private: bool,
    /// Show it in a browser.
    #[arg(long)]
    open: bool,
}

pub(crate) fn run(global: &Global, arguments: &Arguments) -> Result<ExitCode> {
    let options = ServeOptions {
        host: arguments.host.clone(),
        port: port(arguments)?,
        data_dir: global.data_dir()?,
        allowed_hosts: arguments.allowed_hosts.clone(),
        webhooks_to_private: arguments.webhooks_to_private,
    };
    let artifacts = ArtifactOptions {
        default_root: filled(&arguments.default_artifact_root),
        destination: filled(&arguments.artifacts_destination),
        is_serving: is_serving(arguments)?,
        readable: arguments.readable_artifacts.clone(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers())
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("the server could not be started: {error}")))?;
    runtime.block_on(serve(global, arguments, options, artifacts))
}

fn filled(text: &Option<String>) -> Option<String> {
    text.clone().filter(|text| !text.is_empty())
}

/// A variable of MLflow's, unless it is empty.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn port(arguments: &Arguments) -> Result<u16> {
    const DEFAULT: u16 = 5757;
    let Some(port) = arguments.port else {
        return variable("MLFLOW_PORT").map_or(Ok(DEFAULT), |text| {
            text.parse().map_err(|_| Failure::failed(format!("MLFLOW_PORT is {text:?}, which is no port")))
        });
    };
    Ok(port)
}

fn is_serving(arguments: &Arguments) -> Result<bool> {
    if arguments.serve_artifacts || arguments.no_serve_artifacts {
        return Ok(arguments.serve_artifacts);
    }
    let Some(text) = variable("MLFLOW_SERVE_ARTIFACTS") else { return Ok(true) };
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "t" | "yes" | "y" | "on" => Ok(true),
        "0" | "false" | "f" | "no" | "n" | "off" => Ok(false),
        _ => Err(Failure::failed(format!("MLFLOW_SERVE_ARTIFACTS is {text:?}; say true or false"))),
    }
}

/// Threads that read requests. The writer is another one, and reads have theirs: half of the cores keep both busy, and
/// fewer threads are woken for nothing.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get() / 2).clamp(1, 8)
}

async fn serve(
    global: &Global,
    arguments: &Arguments,
    options: ServeOptions,
    artifacts: ArtifactOptions,
) -> Result<ExitCode> {
    // Before anything is opened, so that no signal is lost.
    let unheard = |error: std::io::Error| Failure::failed(format!("signals cannot be listened for: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(unheard)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(unheard)?;

    let data_dir = options.data_dir.clone();
    let server =
        Server::start_with(options, artifacts).await.map_err(|error| Failure::failed(error.to_string()))?;
    announce(global, &server, &data_dir);
    let redirect = if arguments.open { open_browser(global, &server, &data_dir) } else { None };

    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    global.say("Stopping.");
    if let Some(file) = redirect {
        // It may have been removed by hand.
        let _ = std::fs::remove_file(file);
    }
    tokio::select! {
        () = server.stop() => {}
        // A second Ctrl+C is impatience.
        _ = interrupt.recv() => return Ok(ExitCode::from(130)),
    }
    Ok(ExitCode::SUCCESS)
}

fn announce(global: &Global, server: &Server, data_dir: &Path) {
    // Nobody may be reading stdout; the server serves all the same.
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{}", server.url());
    let _ = stdout.flush();
    drop(stdout);
    // A log outlives the session it was made in, and others may read it: the token is only for a terminal.
    let (page, token) = if std::io::stderr().is_terminal() {
        (output::link(&server.ui_url(), &server.ui_url(), output::colour_allowed()), server.token())
    } else {
        ("the address that `slipway url` prints".to_owned(), "(the token in server.json of the data folder)")
    };
    global.say(format!(
        "Slipway keeps runs in `{}`.\n\
         In a browser:    {}\n\
         Training code:   export MLFLOW_TRACKING_URI={}",
        data_dir.display(),
        page,
        server.url()
    ));
    if !server.address().ip().is_loopback() {
        global.say(format!(
            "Other machines can reach it at port {}, with the token only:\n\
             \x20                export MLFLOW_TRACKING_URI=http://THIS-MACHINE:{}\n\
             \x20                export MLFLOW_TRACKING_TOKEN={}\n\
             What they send is not encrypted; put a proxy with TLS in front where the network is not yours.",
            server.address().port(),
            server.address().port(),
            token
        ));
    }
    global.say("Ctrl+C stops it.");
}

/// Shows the pages in a browser. The address holds the token and the arguments of a program are for everyone on the
/// machine to see, so the browser is given a file, which only this account can read, that leads there.
fn open_browser(global: &Global, server: &Server, data_dir: &Path) -> Option<PathBuf> {
    let target = url::page(&server.url(), server.token(), "");
    let file = data_dir.join("open.html");
    let page = format!(
        "<!doctype html><meta charset=\"utf-8\"><title>Slipway</title>\
         <meta http-equiv=\"refresh\" content=\"0;url={target}\"><a href=\"{target}\">Slipway</a>\n"
    );
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&file)
        .and_then(|mut opened| opened.write_all(page.as_bytes()));
    if let Err(error) = written {
        global.say(format!("A browser cannot be opened: {error}. The address is above."));
        return None;
    }
    let started = Command::new("xdg-open")
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match started {
        // It ends by itself; somebody must take note of that.
        Ok(mut opener) => drop(std::thread::spawn(move || opener.wait())),
        Err(error) => {
            global.say(format!("`xdg-open` does not start ({error}); open the address above yourself."))
        }
    }
    Some(file)
}
