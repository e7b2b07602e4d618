//! The window around Slipway.
//!
//! It starts the server of the `slipway` library in this process, or attaches to the one that already holds
//! the data folder, and shows its pages. Here is only what a browser cannot do: the window itself, tray,
//! menu, dropped files, notifications and links. It must never hold a rule about runs or talk to the store.

mod autostart;
mod bus;
mod commands;
mod follow;
mod instance;
mod links;
mod menu;
mod notify;
mod paint_guard;
mod places;
mod server;
mod settings;
mod shell;
mod tray;
mod window;

use anyhow::Context;
use clap::Parser;
use instance::{Claim, First, Request};
use links::Route;
use paint_guard::Renderer;
use server::{Backend, Wanted};
use settings::OnClose;
use shell::Shell;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use tauri::{AppHandle, Manager, RunEvent};
use tauri_plugin_window_state::StateFlags;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Slipway in a window of its own.
#[derive(Parser)]
#[command(name = "slipway-desktop", version)]
struct Arguments {
    /// A file or folder to look into, or a link like `slipway://run/<run id>`.
    open: Option<OsString>,
    /// The folder that holds the runs.
    #[arg(long, env = "SLIPWAY_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// The port for tracking clients. Without it 5757, or a free one when that is taken.
    #[arg(long, env = "SLIPWAY_PORT")]
    port: Option<u16>,
    /// Start without a window, if the tray or the background was chosen for it in the settings.
    #[arg(long)]
    background: bool,
    /// What to do when the graphics driver paints nothing.
    #[arg(long, env = "SLIPWAY_RENDERER", value_enum, default_value = "auto")]
    renderer: Renderer,
}

fn main() -> ExitCode {
    // Before anything of the window: where no `slipway` lies beside this program, it is the agent of its jobs itself.
    if let Some(code) = slipway::agent() {
        return code;
    }
    let arguments = Arguments::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_env("SLIPWAY_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,slipway=info,slipway_desktop=info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("slipway-desktop: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    require_display()?;
    let paint_guard = paint_guard::prepare(arguments.renderer)?;
    let data_dir = match arguments.data_dir {
        Some(data_dir) => std::path::absolute(&data_dir)
            .with_context(|| format!("`{}` is not a path", data_dir.display()))?,
        None => places::default_data_dir()?,
    };
    places::make_private(&data_dir)?;
    // Two names of one folder are one folder.
    let data_dir =
        data_dir.canonicalize().with_context(|| format!("cannot enter `{}`", data_dir.display()))?;
    let request = Request {
        open: arguments.open.map(|open| open.to_string_lossy().into_owned()),
        working_dir: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
        background: arguments.background,
        activation_token: ["XDG_ACTIVATION_TOKEN", "DESKTOP_STARTUP_ID"]
            .into_iter()
            .find_map(|name| std::env::var(name).ok()),
    };
    let first = match instance::claim(&data_dir, &request)? {
        Claim::First(first) => first,
        Claim::HandedOver => {
            eprintln!("Slipway is already open; its window was asked to the front.");
            return Ok(ExitCode::SUCCESS);
        }
    };
    let settings = settings::Store::open(places::config_dir()?.join("desktop.json"));
    let signals = EndSignals::listen().context("signals cannot be heard")?;
    // The port is bound before there is a window, so the page can be loaded at once.
    let server = tauri::async_runtime::block_on(Backend::start(Wanted { data_dir, port: arguments.port }))?;
    eprintln!("{}", server.url());
    open_window(first, request, signals, Shell::new(server, settings, paint_guard))
}

fn require_display() -> anyhow::Result<()> {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if cfg!(target_os = "linux") && !is_set("DISPLAY") && !is_set("WAYLAND_DISPLAY") {
        anyhow::bail!(
            "there is no display for a window (neither DISPLAY nor WAYLAND_DISPLAY is set); \
             `slipway serve` runs without one and prints an address for a browser"
        );
    }
    Ok(())
}

fn open_window(
    first: First,
    request: Request,
    signals: EndSignals,
    shell: Shell,
) -> anyhow::Result<ExitCode> {
    let mut window_state =
        tauri_plugin_window_state::Builder::new().with_state_flags(StateFlags::all() & !StateFlags::VISIBLE);
    if let Ok(state) = places::state_dir() {
        window_state = window_state.with_filename(state.join("window.json").to_string_lossy());
    }
    let app = tauri::Builder::default()
        .plugin(tauri_plugin_dialog::init())
        .plugin(tauri_plugin_shell::init())
        .plugin(window_state.build())
        .invoke_handler(tauri::generate_handler![
            commands::first_paint,
            commands::open_external,
            commands::pick_folder,
            commands::reveal_path,
            commands::set_shell_setting,
            commands::shell_settings,
            commands::window_title,
        ])
        .on_menu_event(|app, event| menu::choose(app, &event))
        .manage(shell)
        .setup(move |app| Ok(set_up(app.handle(), first, &request, signals)?))
        .build(tauri::generate_context!())
        .context("the window system does not start")?;
    let code = app.run_return(|app, event| match event {
        RunEvent::ExitRequested { code: None, api, .. } => {
            // The last window is gone. The server may stay.
            if matches!(app.state::<Shell>().on_close(), OnClose::HideInTray | OnClose::KeepServer) {
                api.prevent_exit();
            }
        }
        RunEvent::Exit => {
            let shell = app.state::<Shell>();
            shell.begin_quitting();
            shell.stop_server();
        }
        _ => {}
    });
    Ok(u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from))
}

fn set_up(app: &AppHandle, first: First, request: &Request, signals: EndSignals) -> anyhow::Result<()> {
    window::grant_rights(app)?;
    commands::update_tray(app);
    let shell = app.state::<Shell>();
    let settings = shell.settings.get();
    // Without a window, something must be left by which a person finds the program.
    let stays_hidden =
        request.background && (settings.keep_in_tray && tray::available() || settings.run_in_background);
    if !stays_hidden {
        window::create(app, route(request).as_ref())?;
    }
    match shell.server.ends() {
        Ok(ends) => notify::watch(app, ends),
        Err(error) => tracing::warn!("no notifications: {error}"),
    }
    signals.quit_on_one(app);
    let handle = app.clone();
    first.serve(move |request| {
        if !request.background {
            window::show(&handle, route(&request), request.activation_token.clone());
        }
    })
}

/// Where a start was asked to lead.
fn route(request: &Request) -> Option<Route> {
    match links::destination(request.open.as_deref()?, &request.working_dir) {
        Ok(route) => Some(route),
        Err(error) => {
            tracing::warn!("{error}");
            None
        }
    }
}

/// The end of the session and Ctrl+C, which stop the server as cleanly as the menu does.
struct EndSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl EndSignals {
    /// From now on they wait for [`EndSignals::quit_on_one`] instead of ending the process at once.
    fn listen() -> std::io::Result<Self> {
        // The streams belong to the runtime that will read them.
        tauri::async_runtime::block_on(async {
            Ok(Self {
                terminate: signal(SignalKind::terminate())?,
                interrupt: signal(SignalKind::interrupt())?,
            })
        })
    }

    fn quit_on_one(mut self, app: &AppHandle) {
        let app = app.clone();
        tauri::async_runtime::spawn(async move {
            tokio::select! {
                _ = self.terminate.recv() => {}
                _ = self.interrupt.recv() => {}
            }
            window::quit(&app);
        });
    }
}
