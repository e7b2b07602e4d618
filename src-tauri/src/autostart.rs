//! Starting with the session, by an XDG autostart file.

use crate::settings::write_whole;
use anyhow::Context;
use std::path::{Path, PathBuf};

const FILE: &str = "slipway-desktop.desktop";

/// Whether this kind of system has such files.
pub(crate) fn available() -> bool {
    cfg!(target_os = "linux") && dirs::config_dir().is_some()
}

/// Whether the session will start Slipway. The file can be taken away by other programs.
pub(crate) fn is_on() -> bool {
    path().is_ok_and(|path| path.is_file())
}

/// Writes or removes the file.
pub(crate) fn set(on: bool) -> anyhow::Result<()> {
    if !available() {
        anyhow::bail!("this system has no place for programs that start with the session");
    }
    let path = path()?;
    if on {
        let program = std::env::current_exe().context("cannot find the program itself")?;
        return write_whole(&path, &entry(&program));
    }
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove `{}`", path.display()))
        }
        _ => Ok(()),
    }
}

fn path() -> anyhow::Result<PathBuf> {
    Ok(dirs::config_dir().context("no home folder: set HOME")?.join("autostart").join(FILE))
}

fn entry(program: &Path) -> String {
    format!(
        "[Desktop Entry]\nType=Application\nName=Slipway\nComment=Receives runs from the start of the session\n\
         Exec={} --background\nIcon=slipway\nTerminal=false\nX-GNOME-Autostart-enabled=true\n",
        quote(&program.to_string_lossy())
    )
}

/// Quoting of the Desktop Entry Specification: the value is unescaped as a string first, then as a command.
fn quote(argument: &str) -> String {
    let mut quoted = String::from("\"");
    for character in argument.chars() {
        match character {
            '"' | '`' | '$' => quoted.extend(['\\', '\\', character]),
            '\\' => quoted.push_str("\\\\\\\\"),
            '%' => quoted.push_str("%%"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_paths_are_quoted() {
        assert_eq!(quote("/usr/bin/slipway-desktop"), r#""/usr/bin/slipway-desktop""#);
        assert_eq!(quote("/a b/100%/$x"), r#""/a b/100%%/\\$x""#);
        assert!(entry(Path::new("/opt/s")).contains("\nExec=\"/opt/s\" --background\n"));
    }
}
