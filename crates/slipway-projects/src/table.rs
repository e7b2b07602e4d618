//! Tables: CSV, TSV, Parquet, and JSON that is made like one.

use crate::report::{Found, Kind, size};
use crate::walk::open;
use std::io;
use std::path::Path;

const SNIFFED_BYTES: u64 = 64 << 10;
/// More columns than this are counted, not named.
const MAX_NAMED: usize = 5;

/// A file with the extension of a table.
pub(crate) fn file(path: &Path, extension: &str, shown: &str, found: &mut Found) -> io::Result<()> {
    let mut file = open(path)?;
    if extension == "parquet" {
        let whole = file.head(4)? == b"PAR1" && file.tail(4)? == b"PAR1" && file.size_bytes() >= 12;
        if whole {
            found.add(Kind::Table, shown, format!("Parquet, {}", size(file.size_bytes())));
        }
        return Ok(());
    }
    let head = file.head(SNIFFED_BYTES)?;
    let separator = if extension == "tsv" { '\t' } else { ',' };
    if let Some(columns) = columns(&head, separator) {
        let mut names: Vec<&str> = columns.iter().take(MAX_NAMED).map(String::as_str).collect();
        if columns.len() > MAX_NAMED {
            names.push("…");
        }
        let noun = if columns.len() == 1 { "column" } else { "columns" };
        let (kind, number) = (extension.to_uppercase(), columns.len());
        let detail = format!("{kind}, {}, {number} {noun}: {}", size(file.size_bytes()), names.join(", "));
        found.add(Kind::Table, shown, detail);
    }
    Ok(())
}

/// JSON that starts like rows, or like a table as MLflow stores it. Most JSON is something else.
pub(crate) fn json(path: &Path, shown: &str, found: &mut Found) -> io::Result<()> {
    let mut file = open(path)?;
    let head = file.head(SNIFFED_BYTES)?;
    let text: String =
        String::from_utf8_lossy(&head).chars().filter(|letter| !letter.is_whitespace()).take(12).collect();
    if text.starts_with("[{") || text.starts_with("{\"columns\":") {
        found.add(Kind::Table, shown, format!("JSON, {}", size(file.size_bytes())));
    }
    Ok(())
}

/// The names in the first line. Nothing when it is not text.
fn columns(head: &[u8], comma: char) -> Option<Vec<String>> {
    if head.contains(&0) {
        return None;
    }
    let text = String::from_utf8_lossy(head);
    let line = text.trim_start_matches('\u{feff}').lines().next()?.trim_end_matches('\r');
    if line.trim().is_empty() {
        return None;
    }
    // Tables of some countries and programs use another separator under the same name.
    let separator = [comma, ';', '\t'].into_iter().max_by_key(|candidate| {
        let found = line.matches(*candidate).count();
        (found, *candidate == comma)
    })?;
    Some(split(line, separator))
}

/// Fields in quotes may hold the separator; a doubled quote is one quote.
fn split(line: &str, separator: char) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                push(&mut fields, '"');
            }
            '"' => quoted = !quoted,
            other if other == separator && !quoted => fields.push(String::new()),
            other => push(&mut fields, other),
        }
    }
    fields.iter().map(|field| field.trim().chars().take(40).collect()).collect()
}

fn push(fields: &mut [String], character: char) {
    if let Some(field) = fields.last_mut() {
        field.push(character);
    }
}
