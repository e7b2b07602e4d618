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

/// Makes a folder that only its owner may enter.
pub(crate) fn make_private(dir: &Path) -> anyhow::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).with_context(|| format!("cannot make the folder `{}`", dir.display()))
}
