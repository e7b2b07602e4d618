//! The icon in the tray, where the desktop has one.

use crate::shell::Shell;
use crate::{bus, window};
use anyhow::Context;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tauri::menu::{MenuBuilder, MenuItemBuilder};
use tauri::tray::TrayIconBuilder;
use tauri::{AppHandle, Manager};

const ID: &str = "slipway";

/// Whether something shows tray icons now. Desktops without it exist, and it can come and go.
pub(crate) fn available() -> bool {
    if cfg!(target_os = "linux") { bus::has_owner("org.kde.StatusNotifierWatcher") } else { true }
}

/// Shows or removes the icon, as the settings say. On the main thread only.
pub(crate) fn update(app: &AppHandle) -> anyhow::Result<()> {
    let wanted = app.state::<Shell>().settings.get().keep_in_tray;
    match (wanted, app.tray_by_id(ID).is_some()) {
        (true, false) if !cfg!(target_os = "linux") || bus::session().is_ok() => show(app),
        (false, true) => {
            drop(app.remove_tray_by_id(ID));
            Ok(())
        }
        _ => Ok(()),
    }
}

fn show(app: &AppHandle) -> anyhow::Result<()> {
    let url = app.state::<Shell>().server.url().to_owned();
    let address = MenuItemBuilder::with_id("address", url).enabled(false).build(app)?;
    let menu = MenuBuilder::new(app)
        .item(&address)
        .separator()
        .text("open", "Open Slipway")
        .text("quit", "Quit")
        .build()?;
    let icon = app.default_window_icon().context("the program has no icon")?.clone();
    let builder =
        TrayIconBuilder::with_id(ID).icon(icon).tooltip("Slipway").menu(&menu).on_menu_event(|app, event| {
            match event.id().as_ref() {
                "open" => window::show(app, None, None),
                "quit" => window::quit(app),
                _ => {}
            }
        });
    // The library behind it panics where libayatana-appindicator is not installed.
    match catch_unwind(AssertUnwindSafe(|| builder.build(app))) {
        Ok(built) => built.map(drop).context("the tray icon cannot be shown"),
        Err(_) => anyhow::bail!("the tray icon needs the package libayatana-appindicator3-1"),
    }
}
