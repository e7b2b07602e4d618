//! `slipway serve`: the server in the foreground, until it is told to end.

use super::{Failure, Global, Result, output, url};
use clap::Args;
use slipway::{ServeOptions, Server};
use std::io::{IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Address to listen on. Anything but loopback lets other machines in, with the token only.
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// Port to listen on; 0 lets the system choose.
    #[arg(long, default_value_t = 5757, env = "SLIPWAY_PORT", hide_env_values = true)]
    port: u16,
    /// A further name that clients may call this server by, as `name` or `name:port`. May be given again.
    #[arg(long = "allowed-host", value_name = "NAME")]
    allowed_hosts: Vec<String>,
    /// Show it in a browser.
    #[arg(long)]
    open: bool,
}

pub(crate) fn run(global: &Global, arguments: &Arguments) -> Result<ExitCode> {
    let options = ServeOptions {
        host: arguments.host.clone(),
        port: arguments.port,
        data_dir: global.data_dir()?,
        allowed_hosts: arguments.allowed_hosts.clone(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("the server could not be started: {error}")))?;
    runtime.block_on(serve(global, arguments, options))
}

async fn serve(global: &Global, arguments: &Arguments, options: ServeOptions) -> Result<ExitCode> {
    // Before anything is opened, so that no signal is lost.
    let unheard = |error: std::io::Error| Failure::failed(format!("signals cannot be listened for: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(unheard)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(unheard)?;

    let data_dir = options.data_dir.clone();
    let server = Server::start(options).await.map_err(|error| Failure::failed(error.to_string()))?;
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
