//! Pages of a table in JSON, as MLflow's `log_table` and pandas' `split` write it: `{"columns": […], "data": [[…]]}`.
//! The file is read from start to end, and only the page is kept.

use super::{LookError, MOST_COLUMNS, TableColumn, TablePage, cell};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::fmt;
use std::fs::File;
use std::io::{BufReader, Seek};

/// Reads rows `offset..` of the table.
pub(crate) fn page(file: &File, offset: u64, limit: u64) -> Result<TablePage, LookError> {
    let broken = |reason: String| LookError::Broken { expected: "a table", reason };
    let mut input = file;
    input.rewind()?;
    let mut reader = serde_json::Deserializer::from_reader(BufReader::with_capacity(256 << 10, input));
    let mut found = Found { columns: None, rows: Vec::new(), total: None };
    let wanted = Wanted { offset, limit, found: &mut found };
    wanted.deserialize(&mut reader).map_err(|error| broken(error.to_string()))?;
    let (Some(columns), Some(total)) = (found.columns, found.total) else {
        return Err(broken("it has no `columns` and `data`".to_owned()));
    };
    Ok(TablePage {
        left_out_columns: columns.len().saturating_sub(MOST_COLUMNS) as u64,
        columns: columns
            .iter()
            .take(MOST_COLUMNS)
            .map(|name| TableColumn { name: text(name).unwrap_or_default(), kind: String::new() })
            .collect(),
        rows: found.rows,
        total_rows: Some(total),
    })
}

/// Whether a file that starts like this may be such a table.
pub(crate) fn starts_like_one(head: &[u8]) -> bool {
    let head: Vec<u8> = head.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).take(40).collect();
    [b"{\"columns\":[".as_slice(), b"{\"index\":[", b"{\"data\":[["]
        .iter()
        .any(|start| head.starts_with(start))
}

struct Found {
    columns: Option<Vec<Value>>,
    rows: Vec<Vec<Option<String>>>,
    total: Option<u64>,
}

struct Wanted<'a> {
    offset: u64,
    limit: u64,
    found: &'a mut Found,
}

impl<'de> DeserializeSeed<'de> for Wanted<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Wanted<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `columns` and `data`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { offset, limit, found } = self;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "columns" => found.columns = Some(map.next_value()?),
                "data" => map.next_value_seed(Data { offset, limit, found: &mut *found })?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

struct Data<'a> {
    offset: u64,
    limit: u64,
    found: &'a mut Found,
}

impl<'de> DeserializeSeed<'de> for Data<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Data<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        let mut at = 0;
        self.found.rows.clear();
        loop {
            let is_wanted = at >= self.offset && at - self.offset < self.limit;
            if is_wanted {
                let Some(row) = rows.next_element::<Vec<Value>>()? else { break };
                self.found.rows.push(row.iter().take(MOST_COLUMNS).map(text).collect());
            } else if rows.next_element::<IgnoredAny>()?.is_none() {
                break;
            }
            at += 1;
        }
        self.found.total = Some(at);
        Ok(())
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(cell(text)),
        other => Some(cell(&other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::index::tests::file_of;
    use super::*;

    #[test]
    fn a_page_of_a_table() {
        let rows: Vec<String> =
            (0..5_000).map(|n| format!("[{n}, \"t{n}\", null, {{\"a\": [1]}}]")).collect();
        let json = format!("{{\"columns\": [\"id\", \"text\", 3, \"x\"], \"data\": [{}]}}", rows.join(","));
        assert!(starts_like_one(json.as_bytes()));
        let page = page(&file_of(json.as_bytes()), 4_999, 10).unwrap();
        assert_eq!(page.total_rows, Some(5_000));
        assert_eq!(
            page.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(),
            ["id", "text", "3", "x"]
        );
        let row: Vec<_> = page.rows[0].iter().map(Option::as_deref).collect();
        assert_eq!(row, [Some("4999"), Some("t4999"), None, Some("{\"a\":[1]}")]);
    }

    #[test]
    fn what_is_no_table_says_so() {
        let deep = format!("{{\"columns\": [], \"data\": {}", "[".repeat(100_000));
        for bad in [
            "",
            "[]",
            "{}",
            "{\"columns\": [\"a\"]}",
            "{\"data\": [1], \"columns\": []}",
            "{\"columns\": [\"a\"], \"data\": [[1]",
            &deep,
        ] {
            let found = page(&file_of(bad.as_bytes()), 0, 10);
            assert!(matches!(found, Err(LookError::Broken { .. })), "{bad:.60}");
        }
    }
}
