//! Finds the `slipway` program that the tests run.

use crate::Result;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The program under test: `SLIPWAY_BIN` when that is set, otherwise the one that cargo builds from this
/// source. Under cargo it is built first, so that a test never runs a program older than its source.
pub fn slipway_program() -> Result<PathBuf> {
    static FOUND: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    FOUND.get_or_init(|| find().map_err(|error| error.to_string())).clone().map_err(Into::into)
}

fn find() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("SLIPWAY_BIN") {
        let path = PathBuf::from(named);
        return if path.is_file() {
            Ok(path)
        } else {
            Err(format!("SLIPWAY_BIN names {}, which is not a file", path.display()).into())
        };
    }
    // A test program is target/PROFILE/deps/NAME-HASH.
    let own = std::env::current_exe()?;
    let profile_dir = own
        .parent()
        .and_then(Path::parent)
        .ok_or_else(|| format!("{} does not lie in a cargo target folder", own.display()))?;
    if let Some(cargo) = std::env::var_os("CARGO") {
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--locked", "-p", "slipway"]);
        build.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
        match profile_dir.file_name().and_then(|name| name.to_str()) {
            Some("debug") | None => {}
            Some(profile) => {
                build.args(["--profile", profile]);
            }
        }
        let status = build.status()?;
        if !status.success() {
            return Err("cargo could not build the slipway program".into());
        }
    }
    let path = profile_dir.join("slipway");
    if path.is_file() {
        Ok(path)
    } else {
        Err(format!("{} does not exist: run `cargo build -p slipway` first", path.display()).into())
    }
}
