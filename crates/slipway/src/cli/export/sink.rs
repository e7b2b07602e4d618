//! Where an export goes: a file that is whole or not there, or stdout.

use crate::cli::client::Api;
use crate::cli::{Failure, Result};
use serde::Serialize;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Asks for an export and writes it as it comes; gives the number of bytes. A file gets its name when it is whole.
pub(in crate::cli) fn to_output(
    api: &Api,
    target: &str,
    request: &impl Serialize,
    filter: &str,
    file: Option<&PathBuf>,
) -> Result<u64> {
    let Some(path) = file else {
        let mut out = BufWriter::new(std::io::stdout().lock());
        let bytes = api.post_to(target, request, filter, &mut out)?;
        out.flush()?;
        return Ok(bytes);
    };
    let failed = |error: std::io::Error| {
        Failure::failed(format!("`{}` could not be written: {error}", path.display()))
    };
    // A device or a pipe cannot be replaced by a file.
    if std::fs::metadata(path).is_ok_and(|meta| !meta.is_file()) {
        let mut out = BufWriter::new(std::fs::File::create(path).map_err(failed)?);
        let bytes = api.post_to(target, request, filter, &mut out)?;
        out.flush().map_err(failed)?;
        return Ok(bytes);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let part = tempfile::Builder::new()
        .prefix(".slipway-export-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(folder)
        .map_err(failed)?;
    let mut out = BufWriter::new(part);
    let bytes = api.post_to(target, request, filter, &mut out)?;
    let part = out.into_inner().map_err(|error| failed(error.into_error()))?;
    part.persist(path).map_err(|error| failed(error.error))?;
    Ok(bytes)
}
