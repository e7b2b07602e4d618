//! The session bus, where there is one. Servers and containers have none, and that is fine.

use std::path::Path;

/// Connects, or says why not.
pub(crate) fn session() -> zbus::Result<zbus::blocking::Connection> {
    zbus::blocking::Connection::session()
}

/// Whether somebody answers to a name.
pub(crate) fn has_owner(name: &str) -> bool {
    let asked = || -> zbus::Result<bool> {
        let bus = zbus::blocking::fdo::DBusProxy::new(&session()?)?;
        Ok(bus.name_has_owner(name.try_into()?)?)
    };
    asked().unwrap_or(false)
}

/// Asks the file manager to show a file in its folder.
pub(crate) fn show_in_file_manager(path: &Path) -> zbus::Result<()> {
    let uri = file_uri(path);
    session()?.call_method(
        Some("org.freedesktop.FileManager1"),
        "/org/freedesktop/FileManager1",
        Some("org.freedesktop.FileManager1"),
        "ShowItems",
        &([uri.as_str()].as_slice(), ""),
    )?;
    Ok(())
}

fn file_uri(path: &Path) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
    const ENCODED: &AsciiSet =
        &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    format!("file://{}", percent_encode(path.as_os_str().as_encoded_bytes(), ENCODED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_addresses() {
        assert_eq!(file_uri(Path::new("/a b/é#?.csv")), "file:///a%20b/%C3%A9%23%3F.csv");
    }
}
