//! Names the commands that the page may be given, so that everything else is refused.

/// Must list what `commands.rs` has; `window.rs` grants them to the page of our own server only.
const COMMANDS: &[&str] = &[
    "first_paint",
    "open_external",
    "pick_folder",
    "reveal_path",
    "set_shell_setting",
    "shell_settings",
    "window_title",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let manifest = tauri_build::AppManifest::new().commands(COMMANDS);
    tauri_build::try_build(tauri_build::Attributes::new().app_manifest(manifest))?;
    Ok(())
}
