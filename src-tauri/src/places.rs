//! Where the shell keeps things, and what it calls itself.

use anyhow::Context;
use std::path::{Path, PathBuf};

/// Choices of the person: `desktop.json`.
pub(crate) fn config_dir() -> anyhow::Result<PathBuf> {
    match std::env::var_os("SLIPWAY_CONFIG_DIR").filter(|dir| !dir.is_empty()) {
        Some(dir) => Ok(PathBuf::from(dir)),
        None => {
            Ok(dirs::config_dir().context("no home folder: set HOME or SLIPWAY_CONFIG_DIR")?.join("slipway"))
        }
    }
}

/// What is good to know at the next start and no loss when it is gone: window size, graphics workaround,
/// the page's own storage.
pub(crate) fn state_dir() -> anyhow::Result<PathBuf> {
    let dir = dirs::state_dir().or_else(dirs::data_local_dir).context("no home folder: set HOME")?;
    Ok(dir.join("slipway"))
}

/// Gone after a restart of the machine: sockets and locks.
pub(crate) fn runtime_dir() -> anyhow::Result<PathBuf> {
    match dirs::runtime_dir() {
        Some(dir) => Ok(dir.join("slipway")),
        None => state_dir(),
    }
}

/// The folder with the runs, when nobody named another one.
pub(crate) fn default_data_dir() -> anyhow::Result<PathBuf> {
    Ok(dirs::data_dir().context("no home folder: set HOME or SLIPWAY_DATA_DIR")?.join("slipway"))
}

/// Where a download goes on a desktop that names no folder for them: the home folder, under a free name. None where one
/// is named, or there is no home.
pub(crate) fn download_without_folder(suggested: &Path) -> Option<PathBuf> {
    if dirs::download_dir().is_some() {
        return None;
    }
    Some(free_path(&dirs::home_dir()?, Path::new(suggested.file_name()?)))
}

/// The path of a file in a folder, with a number in its name where others are taken.
fn free_path(dir: &Path, name: &Path) -> PathBuf {
    let stem = name.file_stem().unwrap_or_default().to_string_lossy();
    let extension =
        name.extension().map(|extension| format!(".{}", extension.to_string_lossy())).unwrap_or_default();
    let mut path = dir.join(name);
    let mut number = 1;
    while path.exists() {
        path = dir.join(format!("{stem} ({number}){extension}"));
        number += 1;
    }
    path
}

/// Makes a folder that only its owner may enter.
pub(crate) fn make_private(dir: &Path) -> anyhow::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).with_context(|| format!("cannot make the folder `{}`", dir.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_name_gets_a_number() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(free_path(dir.path(), Path::new("runs.csv")), dir.path().join("runs.csv"));
        std::fs::write(dir.path().join("runs.csv"), "").unwrap();
        std::fs::write(dir.path().join("runs (1).csv"), "").unwrap();
        assert_eq!(free_path(dir.path(), Path::new("runs.csv")), dir.path().join("runs (2).csv"));
        std::fs::write(dir.path().join("LICENSE"), "").unwrap();
        assert_eq!(free_path(dir.path(), Path::new("LICENSE")), dir.path().join("LICENSE (1)"));
    }
}
