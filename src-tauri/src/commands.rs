//! What the page may ask of the shell: only what a browser cannot do. `build.rs` names these, `window.rs`
//! grants them to the page of our own server and to nobody else.

use crate::shell::Shell;
use crate::{autostart, bus, tray, window};
use anyhow::Context;
use serde::Serialize;
use std::path::Path;
use tauri::{AppHandle, Manager, State, Url};
use tauri_plugin_dialog::DialogExt;
use tauri_plugin_shell::ShellExt;

/// The three switches, and which of them this desktop can do.
#[derive(Serialize)]
pub(crate) struct ShellSettings {
    keep_in_tray: bool,
    start_at_login: bool,
    run_in_background: bool,
    tray_available: bool,
    start_at_login_available: bool,
}

/// For the page, an error is its text.
type Answer<T> = Result<T, String>;

fn text(error: anyhow::Error) -> String {
    format!("{error:#}")
}

/// Asks for a folder. Nothing when the person changed their mind.
#[tauri::command]
pub(crate) async fn pick_folder(app: AppHandle) -> Option<String> {
    let folder = app.dialog().file().set_title("Open a folder").blocking_pick_folder()?;
    Some(folder.into_path().ok()?.to_string_lossy().into_owned())
}

/// Shows a page of the web in the system's browser.
#[tauri::command]
pub(crate) fn open_external(app: AppHandle, url: String) -> Answer<()> {
    open_in_browser(&app, &url).map_err(text)
}

/// Nothing but web addresses: anything else could start a program.
pub(crate) fn open_in_browser(app: &AppHandle, url: &str) -> anyhow::Result<()> {
    let url = web_address(url)?;
    #[expect(deprecated, reason = "its successor is a plugin of its own, for this one call")]
    app.shell().open(url.as_str(), None).with_context(|| format!("cannot open `{url}` in a browser"))
}

fn web_address(url: &str) -> anyhow::Result<Url> {
    let url: Url = url.parse().with_context(|| format!("`{url}` is not an address"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        anyhow::bail!("only addresses with http and https are opened, and `{url}` is not one");
    }
    Ok(url)
}

/// Shows a file or folder in the file manager. It never opens a file, because that could start a program.
#[tauri::command]
pub(crate) async fn reveal_path(path: String) -> Answer<()> {
    reveal(Path::new(&path)).map_err(text)
}

fn reveal(path: &Path) -> anyhow::Result<()> {
    if !path.is_absolute() {
        anyhow::bail!("`{}` is not an absolute path", path.display());
    }
    let metadata = path.metadata().with_context(|| format!("`{}` cannot be shown", path.display()))?;
    if bus::show_in_file_manager(path).is_ok() {
        return Ok(());
    }
    let folder = if metadata.is_dir() { path } else { path.parent().unwrap_or(Path::new("/")) };
    std::process::Command::new("xdg-open")
        .arg(folder)
        .spawn()
        .map(drop)
        .with_context(|| format!("no file manager is there to show `{}`", folder.display()))
}

/// The switches as they are.
#[tauri::command]
pub(crate) async fn shell_settings(app: AppHandle) -> Answer<ShellSettings> {
    Ok(current_settings(&app.state::<Shell>()))
}

fn current_settings(shell: &Shell) -> ShellSettings {
    let settings = shell.settings.get();
    ShellSettings {
        keep_in_tray: settings.keep_in_tray,
        start_at_login: autostart::is_on(),
        run_in_background: settings.run_in_background,
        tray_available: tray::available(),
        start_at_login_available: autostart::available(),
    }
}

/// Turns one switch. It counts at once.
#[tauri::command]
pub(crate) async fn set_shell_setting(app: AppHandle, name: String, value: bool) -> Answer<ShellSettings> {
    let shell = app.state::<Shell>();
    match name.as_str() {
        "keep_in_tray" => {
            // Who turns a switch has answered the question on the first close, too.
            shell
                .settings
                .change(|settings| {
                    settings.keep_in_tray = value;
                    settings.asked_on_close = true;
                })
                .map_err(text)?;
            update_tray(&app);
        }
        "run_in_background" => {
            shell
                .settings
                .change(|settings| {
                    settings.run_in_background = value;
                    settings.asked_on_close = true;
                })
                .map_err(text)?;
        }
        "start_at_login" => {
            autostart::set(value).map_err(text)?;
            shell.settings.change(|settings| settings.start_at_login = value).map_err(text)?;
        }
        other => return Err(format!("there is no setting `{other}`")),
    }
    Ok(current_settings(&shell))
}

/// Shows or removes the tray icon, from any thread.
pub(crate) fn update_tray(app: &AppHandle) {
    let handle = app.clone();
    let asked = app.run_on_main_thread(move || {
        if let Err(error) = tray::update(&handle) {
            tracing::warn!("{error:#}");
        }
    });
    if let Err(error) = asked {
        tracing::warn!("the tray is not updated: {error}");
    }
}

/// The page has painted, so the start guard stands down.
#[tauri::command]
pub(crate) fn first_paint(shell: State<'_, Shell>) {
    shell.paint_guard.first_paint();
}

/// Names the window.
#[tauri::command]
pub(crate) fn window_title(app: AppHandle, title: String) -> Answer<()> {
    let title: String = title.chars().filter(|character| !character.is_control()).take(200).collect();
    match window::find(&app) {
        Some(window) => window.set_title(&title).map_err(|error| error.to_string()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_addresses_are_opened() {
        assert!(web_address("https://mlflow.org/docs?a=b#c").is_ok());
        assert!(web_address("http://127.0.0.1:5000/").is_ok());
        for refused in [
            "file:///etc/passwd",
            "javascript:alert(1)",
            "slipway://run/a",
            "/usr/bin/xterm",
            "mailto:a@b.c",
            "",
            "https://",
            "smb://host/x",
        ] {
            assert!(web_address(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn what_is_not_there_cannot_be_revealed() {
        assert!(reveal(Path::new("relative")).is_err());
        let dir = tempfile::tempdir().unwrap();
        let error = reveal(&dir.path().join("gone")).unwrap_err();
        assert!(format!("{error:#}").contains("gone"));
    }
}
