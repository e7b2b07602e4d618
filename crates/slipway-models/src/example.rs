//! Input examples, as tables.

use serde_json::{Map, Value};

/// Rows that are shown.
const ROWS_LIMIT: usize = 20;
const COLUMNS_LIMIT: usize = 500;
const TEXT_LIMIT_CHARS: usize = 4_000;

/// An input example.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Example {
    /// Names of the columns; empty when it is no table.
    pub columns: Vec<String>,
    /// The first rows.
    pub rows: Vec<Vec<Cell>>,
    /// All rows there are.
    pub row_count: u64,
    /// What is no table.
    pub text: Option<String>,
}

/// One value of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Nothing.
    Empty,
    /// A number.
    Number(f64),
    /// Anything else.
    Text(String),
}

/// Reads the JSON of an input example in whichever of its usual shapes it is.
#[must_use]
pub fn example(text: &str) -> Example {
    let Ok(value) = serde_json::from_str::<Value>(text) else { return as_text(text.to_owned()) };
    table(&value).unwrap_or_else(|| as_text(serde_json::to_string_pretty(&value).unwrap_or_default()))
}

fn as_text(mut text: String) -> Example {
    if let Some((end, _)) = text.char_indices().nth(TEXT_LIMIT_CHARS) {
        text.truncate(end);
        text.push('…');
    }
    Example { text: Some(text), ..Example::default() }
}

fn table(value: &Value) -> Option<Example> {
    match value {
        Value::Object(fields) => {
            // `{"columns": […], "data": [[…]]}`, perhaps below the name of a way to call it.
            if let Some(inner) = ["dataframe_split", "dataframe_records", "inputs", "instances"]
                .iter()
                .find_map(|key| fields.get(*key))
            {
                return table(inner);
            }
            match (
                fields.get("columns").and_then(Value::as_array),
                fields.get("data").and_then(Value::as_array),
            ) {
                (Some(columns), Some(data)) => split(columns.iter().map(name).collect(), data),
                (None, Some(data)) => rows(data),
                _ => by_column(fields),
            }
        }
        Value::Array(items) => rows(items),
        _ => None,
    }
}

fn split(columns: Vec<String>, data: &[Value]) -> Option<Example> {
    let rows = data.iter().take(ROWS_LIMIT).map(|row| {
        let cells = row.as_array()?.iter().take(COLUMNS_LIMIT).map(cell);
        Some(cells.collect())
    });
    let rows: Vec<Vec<Cell>> = rows.collect::<Option<_>>()?;
    let columns = columns.into_iter().take(COLUMNS_LIMIT).collect();
    Some(Example { columns, rows, row_count: data.len() as u64, text: None })
}

/// A list of records, of lists, or of values.
fn rows(items: &[Value]) -> Option<Example> {
    match items.first()? {
        Value::Object(first) => {
            let columns: Vec<String> = first.keys().take(COLUMNS_LIMIT).cloned().collect();
            let rows = items
                .iter()
                .take(ROWS_LIMIT)
                .map(|row| columns.iter().map(|column| row.get(column).map_or(Cell::Empty, cell)).collect());
            Some(Example { rows: rows.collect(), columns, row_count: items.len() as u64, text: None })
        }
        Value::Array(first) => split((0..first.len()).map(|index| index.to_string()).collect(), items),
        _ => {
            let rows = items.iter().take(ROWS_LIMIT).map(|value| vec![cell(value)]).collect();
            Some(Example { columns: vec!["0".to_owned()], rows, row_count: items.len() as u64, text: None })
        }
    }
}

/// `{"a": [1, 2], "b": [3, 4]}`, or one record.
fn by_column(fields: &Map<String, Value>) -> Option<Example> {
    let columns: Vec<String> = fields.keys().take(COLUMNS_LIMIT).cloned().collect();
    if columns.is_empty() {
        return None;
    }
    let lists: Option<Vec<&Vec<Value>>> = columns.iter().map(|column| fields[column].as_array()).collect();
    let (rows, row_count) = match lists {
        Some(lists) => {
            let count = lists.iter().map(|list| list.len()).max().unwrap_or_default();
            let row = |index| lists.iter().map(|list| list.get(index).map_or(Cell::Empty, cell)).collect();
            ((0..count.min(ROWS_LIMIT)).map(row).collect(), count as u64)
        }
        None => (vec![columns.iter().map(|column| cell(&fields[column])).collect()], 1),
    };
    Some(Example { columns, rows, row_count, text: None })
}

fn name(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn cell(value: &Value) -> Cell {
    const CELL_LIMIT_CHARS: usize = 200;
    match value {
        Value::Null => Cell::Empty,
        Value::Number(number) => number.as_f64().map_or(Cell::Empty, Cell::Number),
        other => Cell::Text(name(other).chars().take(CELL_LIMIT_CHARS).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_shapes_are_tables() {
        for text in [
            r#"{"columns": ["a", "b"], "data": [[1, "x"], [2, null]]}"#,
            r#"{"dataframe_split": {"columns": ["a", "b"], "data": [[1, "x"], [2, null]]}}"#,
            r#"[{"a": 1, "b": "x"}, {"a": 2}]"#,
            r#"{"a": [1, 2], "b": ["x"]}"#,
        ] {
            let found = example(text);
            assert_eq!(found.columns, ["a", "b"], "{text}");
            assert_eq!(found.rows[1], [Cell::Number(2.0), Cell::Empty], "{text}");
            assert_eq!(found.row_count, 2, "{text}");
        }
        assert_eq!(example("[[1, 2, 3]]").columns, ["0", "1", "2"]);
        assert_eq!(example("[1, 2]").rows.len(), 2);
        assert_eq!(example(r#"{"inputs": [[0.5]]}"#).rows, [[Cell::Number(0.5)]]);
    }

    #[test]
    fn what_is_no_table_is_text() {
        for text in ["", "hello", "3", "[]", "{}", "\"words\""] {
            assert!(example(text).columns.is_empty(), "{text}");
            assert!(example(text).text.is_some(), "{text}");
        }
    }
}
