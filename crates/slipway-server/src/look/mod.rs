//! Looking into stored files without loading them: lines of logs, rows of tables, what a file really is, and many
//! files as one archive.
//!
//! Whatever is in a file came from outside: nothing here runs it, trusts its sizes, or keeps more of it in memory
//! than a page. All of it blocks its thread.

pub(crate) mod archive;
pub(crate) mod csv_table;
pub(crate) mod find;
pub(crate) mod index;
pub(crate) mod json_table;
pub(crate) mod known;
pub(crate) mod lines;
pub(crate) mod parquet_table;
pub(crate) mod sniff;
pub(crate) mod streams;
pub(crate) mod traceback;

pub(crate) use known::Known;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Texts of cells and names of columns are cut after this many characters.
const CELL_CHARS: usize = 2_000;
/// Columns beyond these are left out.
const MOST_COLUMNS: usize = 1_000;

/// Some rows of a table.
#[derive(Debug, Default)]
pub(crate) struct TablePage {
    pub(crate) columns: Vec<TableColumn>,
    /// Absent cells have no value.
    pub(crate) rows: Vec<Vec<Option<String>>>,
    /// Known when the file says so, or was read to its end.
    pub(crate) total_rows: Option<u64>,
    /// Columns that are not shown.
    pub(crate) left_out_columns: u64,
}

/// A column of a table.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TableColumn {
    pub(crate) name: String,
    /// As the file says it; empty when it does not.
    pub(crate) kind: String,
}

/// Why a file cannot be shown as what it seems to be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookError {
    #[error("the disk refused to read it: {0}")]
    Io(#[from] io::Error),
    #[error("this is not {expected}: {reason}")]
    Broken { expected: &'static str, reason: String },
    #[error("the pattern is not a regular expression: {0}")]
    Pattern(String),
}

/// Reads as much as there is from `at`, at most what fits into `buffer`.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(buffer.get_mut(filled..).unwrap_or_default(), at + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The bytes from `start` to `end`; fewer when the file was cut off meanwhile.
pub(crate) fn read_span(file: &File, start: u64, end: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(end.saturating_sub(start)).unwrap_or_default()];
    let count = read_at(file, &mut bytes, start)?;
    bytes.truncate(count);
    Ok(bytes)
}

/// A text that is fit to be shown in a cell.
fn cell(text: &str) -> String {
    match text.char_indices().nth(CELL_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
