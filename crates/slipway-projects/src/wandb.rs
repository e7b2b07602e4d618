//! Runs that W&B wrote to disk.

use crate::Limits;
use crate::report::{Found, Kind};
use crate::walk::{Folder, Whole, open};
use std::io;
use std::path::Path;
use std::time::Instant;

/// `:W&B`, the magic number 0xBEE1 and version 0.
const HEADER: [u8; 7] = [b':', b'W', b'&', b'B', 0xe1, 0xbe, 0x00];

/// A folder `run-…` or `offline-run-…` with the run's log in it.
pub(crate) fn run_folder(folder: &Folder, _: &Limits, _: Instant, found: &mut Found) -> Whole {
    let name = folder.name();
    let offline = name.starts_with("offline-run-");
    if !offline && !name.starts_with("run-") {
        return Whole::LookInside;
    }
    let has_log = folder.files.iter().any(|file| {
        file.to_string_lossy().ends_with(".wandb") && is_log(&folder.path.join(file)).unwrap_or(false)
    });
    if !has_log {
        return Whole::LookInside;
    }
    let runs = found.wandb.entry(folder.shown_parent()).or_default();
    runs.runs += 1;
    runs.offline += u64::from(offline);
    Whole::Recognised
}

/// A log outside of a run folder.
pub(crate) fn file(path: &Path, shown: &str, found: &mut Found) -> io::Result<()> {
    if is_log(path)? {
        found.add(Kind::Wandb, shown, "1 run");
    }
    Ok(())
}

fn is_log(path: &Path) -> io::Result<bool> {
    Ok(open(path)?.head(7)? == HEADER)
}
