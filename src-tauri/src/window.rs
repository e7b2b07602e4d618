//! The one window: what it shows, what it may do, and what closing it means.

use crate::links::Route;
use crate::settings::OnClose;
use crate::shell::Shell;
use crate::{commands, menu, places};
use serde::Serialize;
use std::path::PathBuf;
use tauri::ipc::CapabilityBuilder;
use tauri::webview::{DownloadEvent, NewWindowResponse, PageLoadEvent};
use tauri::{
    AppHandle, DragDropEvent, Emitter, Manager, Theme, Url, WebviewUrl, WebviewWindow, WebviewWindowBuilder,
    WindowEvent, window::Color,
};
use tauri_plugin_dialog::{DialogExt, MessageDialogButtons, MessageDialogKind};

pub(crate) const LABEL: &str = "main";

/// What the page may ask for: the commands of `commands.rs`, and to hear our events. The last is what the shell
/// plugin turns clicks on links to the web into; tauri.conf.json lets it open `http` and `https` only.
const PERMISSIONS: [&str; 10] = [
    "allow-first-paint",
    "allow-open-external",
    "allow-pick-folder",
    "allow-reveal-path",
    "allow-set-shell-setting",
    "allow-shell-settings",
    "allow-window-title",
    "core:event:allow-listen",
    "core:event:allow-unlisten",
    "shell:allow-open",
];

/// The window, when there is one.
pub(crate) fn find(app: &AppHandle) -> Option<WebviewWindow> {
    app.get_webview_window(LABEL)
}

/// Gives the page of our own server its few rights. To be called once, before the window exists.
pub(crate) fn grant_rights(app: &AppHandle) -> tauri::Result<()> {
    let server = app.state::<Shell>().server.url().to_owned();
    let capability = CapabilityBuilder::new("page").local(false).remote(format!("{server}/*")).window(LABEL);
    app.add_capability(PERMISSIONS.into_iter().fold(capability, CapabilityBuilder::permission))
}

/// The page's address, with what lets it in. The part behind `#` is never sent over the network.
pub(crate) fn address(app: &AppHandle, route: Option<&Route>) -> String {
    let server = &app.state::<Shell>().server;
    let go = route.map(|route| format!("&go={}", route.encoded())).unwrap_or_default();
    format!("{}/#token={}{go}", server.url(), server.token())
}

/// Brings the window to the front, makes it when there is none, and leads it to a route. From any thread.
pub(crate) fn show(app: &AppHandle, route: Option<Route>, activation_token: Option<String>) {
    let handle = app.clone();
    let asked = app.run_on_main_thread(move || {
        let shown = match find(&handle) {
            Some(window) => bring_forward(&window, route.as_ref(), activation_token.as_deref()),
            None => create(&handle, route.as_ref()),
        };
        if let Err(error) = shown {
            tracing::error!("the window cannot be shown: {error:#}");
        }
    });
    if let Err(error) = asked {
        tracing::error!("the window cannot be shown: {error}");
    }
}

#[derive(Serialize, Clone)]
struct Navigate {
    path: String,
}

fn bring_forward(
    window: &WebviewWindow,
    route: Option<&Route>,
    activation_token: Option<&str>,
) -> anyhow::Result<()> {
    if let Some(route) = route {
        window.emit_to(LABEL, "slipway://navigate", Navigate { path: route.hash() })?;
    }
    #[cfg(target_os = "linux")]
    if let Some(token) = activation_token.filter(|token| !token.is_empty()) {
        gtk::prelude::GtkWindowExt::set_startup_id(&window.gtk_window()?, token);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = activation_token;
    window.show()?;
    window.unminimize()?;
    window.set_focus()?;
    Ok(())
}

/// Makes the window. On the main thread only.
pub(crate) fn create(app: &AppHandle, route: Option<&Route>) -> anyhow::Result<()> {
    let shell = app.state::<Shell>();
    let server: Url = shell.server.url().parse()?;
    let address: Url = address(app, route).parse()?;
    let navigation = (app.clone(), server.clone());
    let opening = app.clone();
    let dark = matches!(dark_theme(), Theme::Dark);
    let mut builder = WebviewWindowBuilder::new(app, LABEL, WebviewUrl::External(address))
        .title("Slipway")
        .inner_size(1280.0, 800.0)
        .min_inner_size(480.0, 360.0)
        .prevent_overflow()
        .center()
        .menu(menu::build(app)?)
        // Until the page paints, the background that it will have: no white flash in a dark room.
        .background_color(if dark { Color(0x11, 0x14, 0x17, 255) } else { Color(255, 255, 255, 255) })
        .devtools(cfg!(debug_assertions))
        .on_navigation(move |url| stays_here(&navigation.0, &navigation.1, url))
        .on_new_window(move |url, _| {
            open_outside(&opening, &url);
            NewWindowResponse::Deny
        })
        .on_download(move |_, event| match event {
            // What the page made itself, or a file of ours. It goes to the downloads folder under a free name.
            DownloadEvent::Requested { url, destination } => {
                if let Some(path) = places::download_without_folder(destination) {
                    *destination = path;
                }
                is_ours(&server, &url)
            }
            DownloadEvent::Finished { success: false, url, .. } => {
                tracing::warn!("the download of {} failed", url.path());
                true
            }
            _ => true,
        })
        .on_page_load(|window, payload| {
            let guard = &window.state::<Shell>().inner().paint_guard;
            match payload.event() {
                PageLoadEvent::Started => guard.page_started(window.app_handle()),
                PageLoadEvent::Finished => guard.page_loaded(),
            }
        });
    if let Ok(state) = places::state_dir() {
        builder = builder.data_directory(state.join("webview"));
    }
    let window = builder.build()?;
    let zoom = shell.settings.get().zoom;
    if (zoom - 1.0).abs() > f64::EPSILON {
        window.set_zoom(zoom)?;
    }
    let handle = app.clone();
    window.on_window_event(move |event| match event {
        WindowEvent::DragDrop(event) => forward_drag(&handle, event),
        WindowEvent::CloseRequested { api, .. } => match handle.state::<Shell>().on_close() {
            OnClose::HideInTray => {
                api.prevent_close();
                if let Some(Err(error)) = find(&handle).map(|window| window.hide()) {
                    tracing::warn!("the window cannot be hidden: {error}");
                }
            }
            OnClose::Ask => {
                api.prevent_close();
                ask_on_close(&handle);
            }
            // The event loop decides whether the program ends with its last window.
            OnClose::KeepServer | OnClose::Quit => {}
        },
        _ => {}
    });
    Ok(())
}

/// The desktop's choice, as far as an environment tells before the page asks for itself.
fn dark_theme() -> Theme {
    #[cfg(target_os = "linux")]
    if let Some(settings) = gtk::Settings::default() {
        use gtk::prelude::GtkSettingsExt;
        let name = settings.gtk_theme_name().map(|name| name.to_lowercase()).unwrap_or_default();
        if settings.is_gtk_application_prefer_dark_theme() || name.contains("dark") {
            return Theme::Dark;
        }
    }
    Theme::Light
}

/// Only pages of our own server are shown; the web belongs into the system's browser.
fn stays_here(app: &AppHandle, server: &Url, url: &Url) -> bool {
    if is_ours(server, url) || matches!(url.as_str(), "about:blank" | "about:srcdoc") {
        return true;
    }
    open_outside(app, url);
    false
}

/// `blob:` addresses carry the origin of the page that made them.
fn is_ours(server: &Url, url: &Url) -> bool {
    url.origin().is_tuple() && url.origin() == server.origin() && matches!(url.scheme(), "http" | "blob")
}

fn open_outside(app: &AppHandle, url: &Url) {
    if let Err(error) = commands::open_in_browser(app, url.as_str()) {
        tracing::warn!("{error:#}");
    }
}

#[derive(Serialize, Clone)]
struct Drag {
    phase: &'static str,
    paths: Vec<String>,
}

fn forward_drag(app: &AppHandle, event: &DragDropEvent) {
    let text = |paths: &[PathBuf]| paths.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    let drag = match event {
        DragDropEvent::Enter { paths, .. } => Drag { phase: "enter", paths: text(paths) },
        DragDropEvent::Over { .. } => Drag { phase: "over", paths: Vec::new() },
        DragDropEvent::Drop { paths, .. } => Drag { phase: "drop", paths: text(paths) },
        DragDropEvent::Leave => Drag { phase: "leave", paths: Vec::new() },
        _ => return,
    };
    if let Err(error) = app.emit_to(LABEL, "slipway://drag", drag) {
        tracing::warn!("the page is not told of the drag: {error}");
    }
}

/// Asked once, on the first close: whether Slipway stays.
fn ask_on_close(app: &AppHandle) {
    let shell = app.state::<Shell>();
    let tray = crate::tray::available();
    let stays = if tray {
        "It can stay in the tray."
    } else {
        "This desktop has no tray; Slipway can stay in the background, and starting it again shows the window."
    };
    let message = format!(
        "Code that logs its runs to {} fails once Slipway is closed. {stays}\n\nSettings has switches for this.",
        shell.server.url()
    );
    let handle = app.clone();
    let mut dialog = app
        .dialog()
        .message(message)
        .title("Keep Slipway running?")
        .kind(MessageDialogKind::Info)
        .buttons(MessageDialogButtons::OkCancelCustom("Keep running".into(), "Quit".into()));
    if let Some(window) = find(app) {
        dialog = dialog.parent(&window);
    }
    dialog.show(move |keep| {
        let shell = handle.state::<Shell>();
        let changed = shell.settings.change(|settings| {
            settings.asked_on_close = true;
            settings.keep_in_tray |= keep && tray;
            settings.run_in_background |= keep && !tray;
        });
        if let Err(error) = changed {
            tracing::warn!("the answer is not remembered: {error:#}");
        }
        if !keep {
            return quit(&handle);
        }
        commands::update_tray(&handle);
        if let Some(Err(error)) =
            find(&handle).map(|window| if tray { window.hide() } else { window.close() })
        {
            tracing::warn!("the window cannot be closed: {error}");
        }
    });
}

/// Sets the size of everything in the window.
pub(crate) fn set_zoom(app: &AppHandle, zoom: f64) {
    if let Some(Err(error)) = find(app).map(|window| window.set_zoom(zoom)) {
        tracing::warn!("the size cannot be changed: {error}");
    }
}

/// Ends the program, whatever the switches say.
pub(crate) fn quit(app: &AppHandle) {
    if app.state::<Shell>().begin_quitting() {
        app.exit(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_origin_is_ours() {
        let server: Url = "http://127.0.0.1:5757".parse().unwrap();
        let ours = |url: &str| is_ours(&server, &url.parse().unwrap());
        assert!(ours("http://127.0.0.1:5757/#/runs"));
        assert!(ours("http://127.0.0.1:5757/files/abc/plot.html"));
        assert!(ours("blob:http://127.0.0.1:5757/5f0c"));
        for other in [
            "http://127.0.0.1:5758/",
            "https://127.0.0.1:5757/",
            "http://localhost:5757/",
            "http://127.0.0.1:5757@elsewhere.example/",
            "http://127.0.0.1.elsewhere.example:5757/",
            "blob:http://elsewhere.example/5f0c",
            "data:text/html,x",
            "file:///etc/passwd",
            "tauri://localhost/",
            "javascript:alert(1)",
        ] {
            assert!(!ours(other), "{other}");
        }
    }
}
