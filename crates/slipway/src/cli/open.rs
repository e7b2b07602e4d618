//! `slipway` by itself: the window, when there is one to open.

use super::{Failure, Global, Result};
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

pub(crate) fn run(global: &Global, open: Option<OsString>) -> Result<ExitCode> {
    if let Some(target) = &open {
        check(target)?;
    }
    if !has_display() {
        return Err(Failure::usage("there is no display to open a window on")
            .hint("`slipway serve` starts the server and prints an address for a browser; `slipway --help` lists the rest."));
    }
    let Some(program) = desktop_program() else {
        return Err(Failure::usage("the desktop program `slipway-desktop` is not installed")
            .hint("`slipway serve --open` shows the same in a browser."));
    };
    let mut command = Command::new(&program);
    if let Some(dir) = &global.data_dir {
        command.arg("--data-dir").arg(dir);
    }
    if let Some(target) = open {
        command.arg("--").arg(target);
    }
    // It takes the place of this process, so that a terminal waits for and ends the window itself.
    let error = command.exec();
    Err(Failure::failed(format!("`{}` could not be started: {error}", program.display())))
}

/// A mistyped subcommand arrives here as a path.
fn check(target: &OsString) -> Result<()> {
    let is_link = target.to_str().is_some_and(|text| text.starts_with("slipway://"));
    if is_link || Path::new(target).exists() {
        return Ok(());
    }
    let shown = target.to_string_lossy();
    Err(Failure::usage(format!(
        "`{shown}` is neither a subcommand nor a file or folder nor a `slipway://` link"
    ))
    .hint("`slipway --help` lists the subcommands."))
}

/// Whether a window could be shown.
pub(crate) fn has_display() -> bool {
    ["DISPLAY", "WAYLAND_DISPLAY"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// The desktop program: beside this one, otherwise on the PATH.
pub(crate) fn desktop_program() -> Option<PathBuf> {
    let beside =
        std::env::current_exe().ok().and_then(|own| own.parent().map(|dir| dir.join("slipway-desktop")));
    beside.filter(|path| path.is_file()).or_else(|| on_path("slipway-desktop"))
}

/// The first file of that name on the PATH.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| {
        std::fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    })
}
