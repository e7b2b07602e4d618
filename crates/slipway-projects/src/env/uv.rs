//! uv: on the `PATH`, or installed once into Slipway's own folder by the Python that is there.

use super::make::MakeError;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A uv that can be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uv {
    /// The program.
    pub program: PathBuf,
}

/// The uv to use, when there is one: on the `PATH`, else Slipway's own below `tools`.
#[must_use]
pub fn find_uv(tools: &Path) -> Option<Uv> {
    let own = tools.join("uv/bin/uv");
    crate::program::on_path("uv")
        .or_else(|| Some(own).filter(|file| crate::program::can_run(file)))
        .map(|program| Uv { program })
}

/// Finds uv, or installs it below `tools` with pip, from the index that pip uses.
pub(super) fn find_or_install(tools: &Path, say: &mut dyn FnMut(&str)) -> Result<Uv, MakeError> {
    if let Some(uv) = find_uv(tools) {
        return Ok(uv);
    }
    std::fs::create_dir_all(tools).map_err(|error| MakeError::folder(tools, &error))?;
    // Whoever comes second finds what the first has installed.
    let lock = super::shelf::lock_file(&tools.join("uv.lock"))?;
    lock.lock().map_err(|error| MakeError::folder(tools, &error))?;
    if let Some(uv) = find_uv(tools) {
        return Ok(uv);
    }
    let python = ["python3", "python"].iter().find_map(|name| crate::program::on_path(name));
    let Some(python) = python else {
        return Err(MakeError::NoUv("there is no Python to install it with".to_owned()));
    };
    say("Installing uv, which makes environments.");
    let temporary = tools.join(format!(".uv-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&temporary);
    let installed = crate::program::output(
        Command::new(python)
            .args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"])
            .args(["--no-deps", "--no-compile", "--target"])
            .arg(&temporary)
            .arg("uv"),
    );
    if let Err(said) = installed {
        let _ = std::fs::remove_dir_all(&temporary);
        return Err(MakeError::NoUv(said));
    }
    let place = tools.join("uv");
    let _ = std::fs::remove_dir_all(&place);
    std::fs::rename(&temporary, &place).map_err(|error| MakeError::folder(&place, &error))?;
    find_uv(tools).ok_or_else(|| MakeError::NoUv("its package holds no program for this machine".to_owned()))
}
