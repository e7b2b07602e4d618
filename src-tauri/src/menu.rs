//! The menu of the window. Every entry does what the page or a key does too.

use crate::links::Route;
use crate::shell::Shell;
use crate::{commands, window};
use tauri::menu::{AboutMetadataBuilder, Menu, MenuBuilder, MenuEvent, MenuItemBuilder, SubmenuBuilder};
use tauri::{AppHandle, Emitter, Manager};
use tauri_plugin_dialog::DialogExt;

/// Smallest and largest size of everything in the window.
const ZOOM: (f64, f64) = (0.8, 2.0);
const ZOOM_STEP: f64 = 0.1;

/// The whole menu.
pub(crate) fn build(app: &AppHandle) -> tauri::Result<Menu<tauri::Wry>> {
    let item =
        |id: &str, text: &str, keys: &str| MenuItemBuilder::with_id(id, text).accelerator(keys).build(app);
    let file = SubmenuBuilder::new(app, "File")
        .item(&item("open-folder", "Open Folder…", "CmdOrCtrl+O")?)
        .separator()
        .item(&item("quit", "Quit", "CmdOrCtrl+Q")?)
        .build()?;
    let mut view = SubmenuBuilder::new(app, "View")
        .item(&item("zoom-in", "Zoom In", "CmdOrCtrl+=")?)
        .item(&item("zoom-out", "Zoom Out", "CmdOrCtrl+-")?)
        .item(&item("zoom-reset", "Actual Size", "CmdOrCtrl+0")?);
    if cfg!(debug_assertions) {
        view = view.separator().item(&item("reload", "Reload", "CmdOrCtrl+R")?);
    }
    let go = SubmenuBuilder::new(app, "Go")
        .text("go-home", "Home")
        .text("go-runs", "Runs")
        .item(&item("go-settings", "Settings", "CmdOrCtrl+,")?)
        .build()?;
    let about = AboutMetadataBuilder::new()
        .name(Some("Slipway"))
        .version(Some(env!("CARGO_PKG_VERSION")))
        .comments(Some("The whole machine-learning lifecycle on one desk."))
        .license(Some(env!("CARGO_PKG_LICENSE")))
        .build();
    let help = SubmenuBuilder::new(app, "Help")
        .text("palette", "All Commands…")
        .text("shortcuts", "Keyboard Shortcuts")
        .text("browser", "Open in Browser")
        .separator()
        .about_with_text("About Slipway", Some(about))
        .build()?;
    MenuBuilder::new(app).item(&file).item(&view.build()?).item(&go).item(&help).build()
}

/// Does what was chosen. Entries of the tray are not here.
pub(crate) fn choose(app: &AppHandle, event: &MenuEvent) {
    match event.id().as_ref() {
        "open-folder" => open_folder(app),
        "quit" => window::quit(app),
        "zoom-in" => zoom(app, |zoom| zoom + ZOOM_STEP),
        "zoom-out" => zoom(app, |zoom| zoom - ZOOM_STEP),
        "zoom-reset" => zoom(app, |_| 1.0),
        "reload" => {
            if let Some(Err(error)) = window::find(app).map(|window| window.reload()) {
                tracing::warn!("cannot reload: {error}");
            }
        }
        "go-home" => window::show(app, Some(Route::fixed("/home")), None),
        "go-runs" => window::show(app, Some(Route::fixed("/runs")), None),
        "go-settings" => window::show(app, Some(Route::fixed("/settings")), None),
        "browser" => {
            let address = window::address(app, None);
            if let Err(error) = commands::open_in_browser(app, address.as_str()) {
                tracing::warn!("{error:#}");
            }
        }
        action @ ("palette" | "shortcuts") => {
            let sent = app.emit_to(window::LABEL, "slipway://menu", serde_json::json!({ "action": action }));
            if let Err(error) = sent {
                tracing::warn!("the page is not told of the menu: {error}");
            }
        }
        _ => {}
    }
}

fn open_folder(app: &AppHandle) {
    let handle = app.clone();
    app.dialog().file().set_title("Open a folder").pick_folder(move |folder| {
        if let Some(Ok(path)) = folder.map(tauri_plugin_dialog::FilePath::into_path) {
            window::show(&handle, Some(Route::inspect(&path)), None);
        }
    });
}

fn zoom(app: &AppHandle, change: impl FnOnce(f64) -> f64) {
    let shell = app.state::<Shell>();
    let changed = shell.settings.change(|settings| {
        // Ten steps up and ten down end where they began.
        settings.zoom = (change(settings.zoom).clamp(ZOOM.0, ZOOM.1) * 10.0).round() / 10.0;
    });
    match changed {
        Ok(settings) => window::set_zoom(app, settings.zoom),
        Err(error) => tracing::warn!("the size is not changed: {error:#}"),
    }
}
