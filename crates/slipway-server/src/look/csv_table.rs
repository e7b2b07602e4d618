//! Pages of a CSV file: rows are found by an index and parsed one by one.

use super::index::Index;
use super::{LookError, MOST_COLUMNS, TableColumn, TablePage, cell, read_span};
use std::fs::File;

/// A row that is longer is cut.
const ROW_BYTES: u64 = 256 << 10;

/// Rows `offset..` of the body; the first row of the file names the columns.
pub(crate) fn page(index: &Index, file: &File, offset: u64, limit: u64) -> Result<TablePage, LookError> {
    let mut page = TablePage::default();
    let Some(mut head) = index.walk(file, 0)? else { return Ok(page) };
    let Some(span) = head.next_span()? else { return Ok(page) };
    let first = read_span(file, span.start, span.end.min(span.start + ROW_BYTES))?;
    let first = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&first);
    let separator = separator(first);
    let names = parse(first, separator);
    page.left_out_columns = names.len().saturating_sub(MOST_COLUMNS) as u64;
    page.columns = names
        .iter()
        .take(MOST_COLUMNS)
        .map(|name| TableColumn { name: cell(name), kind: String::new() })
        .collect();
    let mut walk = match index.walk(file, offset + 1)? {
        Some(walk) => walk,
        None => return Ok(page),
    };
    while (page.rows.len() as u64) < limit {
        let Some(span) = walk.next_span()? else { break };
        let bytes = read_span(file, span.start, span.end.min(span.start + ROW_BYTES))?;
        let row = parse(&bytes, separator);
        page.rows.push(row.iter().take(MOST_COLUMNS).map(|text| Some(cell(text))).collect());
    }
    Ok(page)
}

/// The character that the first row has most of, outside of quotes.
fn separator(head: &[u8]) -> u8 {
    let count = |wanted: u8| {
        let mut in_quotes = false;
        head.iter()
            .filter(|byte| {
                in_quotes ^= **byte == b'"';
                !in_quotes && **byte == wanted
            })
            .count()
    };
    // Of equals the last one wins.
    [b'|', b';', b'\t', b','].into_iter().max_by_key(|byte| count(*byte)).unwrap_or(b',')
}

fn parse(row: &[u8], separator: u8) -> Vec<String> {
    let row = row.strip_suffix(b"\r").unwrap_or(row);
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(separator).from_reader(row);
    let mut record = csv::ByteRecord::new();
    match reader.read_byte_record(&mut record) {
        Ok(true) => record.iter().map(|field| String::from_utf8_lossy(field).into_owned()).collect(),
        // An empty row.
        Ok(false) => vec![String::new()],
        Err(_) => vec![String::from_utf8_lossy(row).into_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::super::index::Rows;
    use super::super::index::tests::{file_of, index_of};
    use super::*;
    use proptest::prelude::*;

    fn look(content: &[u8], offset: u64, limit: u64) -> TablePage {
        let file = file_of(content);
        page(&index_of(&file, Rows::Quoted), &file, offset, limit).unwrap()
    }

    fn names(page: &TablePage) -> Vec<&str> {
        page.columns.iter().map(|column| column.name.as_str()).collect()
    }

    fn texts(page: &TablePage) -> Vec<Vec<&str>> {
        page.rows.iter().map(|row| row.iter().map(|cell| cell.as_deref().unwrap_or("-")).collect()).collect()
    }

    #[test]
    fn pages_have_the_names_and_their_rows() {
        let mut csv = "\u{feff}id,\"text\nhere\"\r\n".to_owned();
        for id in 0..10_000 {
            csv.push_str(&format!("{id},\"a \"\"quoted\"\"\n{id}\"\r\n"));
        }
        let page = look(csv.as_bytes(), 9_998, 50);
        assert_eq!(names(&page), ["id", "text\nhere"]);
        assert_eq!(texts(&page), [["9998", "a \"quoted\"\n9998"], ["9999", "a \"quoted\"\n9999"]]);
        assert!(look(csv.as_bytes(), 10_000, 50).rows.is_empty());
    }

    #[test]
    fn separators_are_found() {
        for csv in ["a,b\n1,2", "a;b\n1;2", "a\tb\n1\t2", "a|b\n1|2"] {
            assert_eq!(texts(&look(csv.as_bytes(), 0, 9)), [["1", "2"]], "{csv:?}");
        }
        assert_eq!(names(&look(b"\"a;b;c;d\",e\n", 0, 1)), ["a;b;c;d", "e"]);
    }

    #[test]
    fn hostile_files_are_cut_to_size() {
        let open_quote = [b"a,b\n\"".to_vec(), vec![b'x'; 3 << 20]].concat();
        let page = look(&open_quote, 0, 10);
        assert_eq!(page.rows.len(), 1);
        assert!(texts(&page)[0][0].len() < 10_000);
        let wide = [vec![b','; 500_000], b"\n1\n".to_vec()].concat();
        let page = look(&wide, 0, 10);
        assert_eq!(page.columns.len(), MOST_COLUMNS);
        assert!(page.left_out_columns > 100_000);
        assert!(look(b"", 0, 10).columns.is_empty());
        assert_eq!(texts(&look(b"a,b\n\n1\n", 0, 10)), [vec![""], vec!["1"]]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_table(bytes in proptest::collection::vec(any::<u8>(), 0..2_000), offset in 0_u64..50) {
            look(&bytes, offset, 20);
        }
    }
}
