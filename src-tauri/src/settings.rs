//! What the shell remembers of a person's choices: one small file, written whole or not at all.

use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The content of `desktop.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    /// Closing the window leaves Slipway in the tray.
    pub(crate) keep_in_tray: bool,
    /// The session starts Slipway without a window.
    pub(crate) start_at_login: bool,
    /// Closing the window leaves the server running, tray or not.
    pub(crate) run_in_background: bool,
    /// The question on the first close was answered.
    pub(crate) asked_on_close: bool,
    /// Size of everything in the window, 1 is 100 %.
    pub(crate) zoom: f64,
    /// What a newer version keeps here.
    #[serde(flatten)]
    pub(crate) other: serde_json::Map<String, serde_json::Value>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            keep_in_tray: false,
            start_at_login: false,
            run_in_background: false,
            asked_on_close: false,
            zoom: 1.0,
            other: serde_json::Map::new(),
        }
    }
}

/// What happens when the window is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnClose {
    /// The window hides; the tray's icon brings it back.
    HideInTray,
    /// The window goes and frees its memory; the server stays.
    KeepServer,
    /// Ask, because nobody has said yet.
    Ask,
    /// Stop the server and end.
    Quit,
}

impl Settings {
    pub(crate) fn on_close(&self, tray_available: bool, owns_server: bool) -> OnClose {
        if self.keep_in_tray && tray_available {
            OnClose::HideInTray
        } else if self.run_in_background {
            OnClose::KeepServer
        } else if !self.asked_on_close && owns_server {
            OnClose::Ask
        } else {
            OnClose::Quit
        }
    }
}

/// The settings and where they are kept.
pub(crate) struct Store {
    path: PathBuf,
    current: Mutex<Settings>,
}

impl Store {
    /// Reads the file. One that cannot be read is set aside, so that it is neither lost nor in the way.
    pub(crate) fn open(path: PathBuf) -> Self {
        let current = match read(&path) {
            Ok(settings) => settings,
            Err(error) => {
                tracing::warn!("{error:#}; the settings start anew");
                let aside = path.with_extension("json.broken");
                if let Err(error) = std::fs::rename(&path, &aside) {
                    tracing::warn!("cannot set `{}` aside: {error}", path.display());
                }
                Settings::default()
            }
        };
        Self { path, current: Mutex::new(current) }
    }

    pub(crate) fn get(&self) -> Settings {
        self.lock().clone()
    }

    /// Changes the settings and writes them. When they cannot be written nothing changes.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Settings)) -> anyhow::Result<Settings> {
        let mut current = self.lock();
        let mut next = current.clone();
        change(&mut next);
        if next != *current {
            write(&self.path, &next)?;
            *current = next;
        }
        Ok(current.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Settings> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(path: &Path) -> anyhow::Result<Settings> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Settings::default()),
        Err(error) => return Err(error).with_context(|| format!("`{}` cannot be read", path.display())),
    };
    let mut settings: Settings =
        serde_json::from_str(&text).with_context(|| format!("`{}` is not understood", path.display()))?;
    if !(0.5..=3.0).contains(&settings.zoom) {
        settings.zoom = 1.0;
    }
    Ok(settings)
}

fn write(path: &Path, settings: &Settings) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(settings).context("the settings cannot be written")?;
    write_whole(path, &format!("{text}\n"))
}

/// Writes a small file so that it is there whole or as it was.
pub(crate) fn write_whole(path: &Path, text: &str) -> anyhow::Result<()> {
    let folder = path.parent().with_context(|| format!("`{}` is not in a folder", path.display()))?;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = path.with_file_name(name);
    std::fs::write(&new, text).with_context(|| format!("cannot write `{}`", new.display()))?;
    std::fs::rename(&new, path).with_context(|| format!("cannot replace `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_survive_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("slipway/desktop.json");
        let store = Store::open(path.clone());
        assert_eq!(store.get(), Settings::default());
        store.change(|settings| settings.run_in_background = true).unwrap();
        store.change(|settings| settings.zoom = 1.25).unwrap();
        let again = Store::open(path).get();
        assert!(again.run_in_background && !again.keep_in_tray);
        assert!((again.zoom - 1.25).abs() < 1e-9);
    }

    #[test]
    fn what_a_newer_version_wrote_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("desktop.json");
        std::fs::write(&path, r#"{"keep_in_tray":true,"quiet_hours":"22-7","zoom":1e9}"#).unwrap();
        let store = Store::open(path.clone());
        let changed = store.change(|settings| settings.asked_on_close = true).unwrap();
        assert!(changed.keep_in_tray && (changed.zoom - 1.0).abs() < 1e-9);
        assert!(std::fs::read_to_string(path).unwrap().contains("22-7"));
    }

    #[test]
    fn a_broken_file_is_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("desktop.json");
        std::fs::write(&path, "{\"keep_in_tray\": tru").unwrap();
        assert_eq!(Store::open(path.clone()).get(), Settings::default());
        assert!(!path.exists());
        assert_eq!(
            std::fs::read_to_string(dir.path().join("desktop.json.broken")).unwrap(),
            "{\"keep_in_tray\": tru"
        );
    }

    #[test]
    fn nothing_changes_when_the_file_cannot_be_written() {
        let dir = tempfile::tempdir().unwrap();
        // A file stands where the folder should be.
        std::fs::write(dir.path().join("slipway"), "").unwrap();
        let store = Store::open(dir.path().join("slipway/desktop.json"));
        assert!(store.change(|settings| settings.keep_in_tray = true).is_err());
        assert!(!store.get().keep_in_tray);
    }

    #[test]
    fn closing_asks_once_and_then_does_what_was_said() {
        let on_close = |keep_in_tray, run_in_background, asked_on_close, tray, owns_server| {
            Settings { keep_in_tray, run_in_background, asked_on_close, ..Settings::default() }
                .on_close(tray, owns_server)
        };
        assert_eq!(on_close(false, false, false, true, true), OnClose::Ask);
        assert_eq!(on_close(false, false, true, true, true), OnClose::Quit);
        assert_eq!(on_close(true, false, true, true, true), OnClose::HideInTray);
        assert_eq!(on_close(true, true, true, false, true), OnClose::KeepServer);
        assert_eq!(on_close(false, true, false, true, true), OnClose::KeepServer);
        // A tray that was there yesterday is gone: ask rather than vanish, or quit when that was answered.
        assert_eq!(on_close(true, false, false, false, true), OnClose::Ask);
        assert_eq!(on_close(true, false, true, false, true), OnClose::Quit);
        // Somebody else's server goes on without us: there is nothing to ask.
        assert_eq!(on_close(false, false, false, true, false), OnClose::Quit);
    }
}
