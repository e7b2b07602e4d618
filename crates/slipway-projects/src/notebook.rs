//! Jupyter notebooks.

use crate::report::{Found, Kind, count, size};
use crate::sniff::contains;
use crate::walk::{broken, open};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::io;
use std::path::Path;

/// Larger notebooks (images in their outputs) are recognised, but their cells are not counted.
const MAX_PARSED_BYTES: u64 = 32 << 20;
const SNIFFED_BYTES: u64 = 64 << 10;

#[derive(Deserialize)]
struct Notebook {
    nbformat: u64,
    #[serde(default)]
    nbformat_minor: u64,
    #[serde(default)]
    cells: Vec<IgnoredAny>,
    /// nbformat 3 kept its cells in here.
    #[serde(default)]
    worksheets: Vec<Worksheet>,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Worksheet {
    #[serde(default)]
    cells: Vec<IgnoredAny>,
}

#[derive(Deserialize, Default)]
struct Metadata {
    #[serde(default)]
    kernelspec: Option<KernelSpec>,
}

#[derive(Deserialize)]
struct KernelSpec {
    #[serde(default)]
    display_name: Option<String>,
}

/// An `.ipynb` file.
pub(crate) fn file(path: &Path, shown: &str, found: &mut Found) -> io::Result<()> {
    let mut file = open(path)?;
    if file.size_bytes() > MAX_PARSED_BYTES {
        let marked = contains(&file.tail(SNIFFED_BYTES)?, b"\"nbformat\"")
            || contains(&file.head(SNIFFED_BYTES)?, b"\"nbformat\"");
        if marked {
            found.add(Kind::Notebook, shown, size(file.size_bytes()));
        }
        return Ok(());
    }
    let Some(text) = file.text(MAX_PARSED_BYTES)? else {
        broken(found, Kind::Notebook, shown, &"it is not UTF-8");
        return Ok(());
    };
    match serde_json::from_str::<Notebook>(&text) {
        Ok(notebook) => {
            let cells = notebook.cells.len()
                + notebook.worksheets.iter().map(|worksheet| worksheet.cells.len()).sum::<usize>();
            let kernel = notebook.metadata.kernelspec.and_then(|kernel| kernel.display_name);
            let kernel = kernel.map(|name| format!(", {name}")).unwrap_or_default();
            let cells = count(u64::try_from(cells).unwrap_or(u64::MAX), "cell");
            let (major, minor) = (notebook.nbformat, notebook.nbformat_minor);
            found.add(Kind::Notebook, shown, format!("{cells}{kernel}, nbformat {major}.{minor}"));
        }
        Err(error) => broken(found, Kind::Notebook, shown, &error),
    }
    Ok(())
}
