//! Tables as Parquet: a group of rows at a time, so that the length of the table costs no memory.

use super::text::Cell;
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;
use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Arc;

/// Cells that are gathered before they are written.
const GROUP_CELLS: usize = 1 << 20;
const GROUP_ROWS: usize = 1 << 17;

/// What a column holds. Every column may have holes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Integer,
    TimeMs,
}

fn failed(error: parquet::errors::ParquetError) -> io::Error {
    io::Error::other(format!("the Parquet file could not be written: {error}"))
}

/// Names of columns must differ.
pub(super) fn distinct(names: Vec<String>) -> Vec<String> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    names
        .into_iter()
        .map(|name| {
            let times = seen.entry(name.clone()).or_insert(0);
            *times += 1;
            if *times == 1 { name } else { format!("{name} ({times})") }
        })
        .collect()
}

/// Writes a table as Parquet.
pub(super) struct ParquetTable<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    columns: Vec<(Kind, Vec<Cell>)>,
}

impl<W: Write + Send> ParquetTable<W> {
    pub(super) fn begin(out: W, columns: Vec<(String, Kind)>) -> io::Result<Self> {
        let fields = columns
            .iter()
            .map(|(name, kind)| {
                use parquet::basic::{LogicalType, Repetition, TimeUnit, Type as Physical};
                let (physical, logical) = match kind {
                    Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
                    Kind::Number => (Physical::DOUBLE, None),
                    Kind::Integer => (Physical::INT64, None),
                    Kind::TimeMs => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MILLIS))),
                };
                Type::primitive_type_builder(name, physical)
                    .with_logical_type(logical)
                    .with_repetition(Repetition::OPTIONAL)
                    .build()
                    .map(Arc::new)
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(failed)?;
        let schema = Type::group_type_builder("table").with_fields(fields).build().map_err(failed)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(format!("slipway {}", env!("CARGO_PKG_VERSION")))
            .build();
        let writer =
            SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties)).map_err(failed)?;
        let columns = columns.into_iter().map(|(_, kind)| (kind, Vec::new())).collect();
        Ok(Self { writer, columns })
    }

    /// Writes one row; it has a cell for each column, of its kind or empty.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) -> io::Result<()> {
        for ((_, column), cell) in self.columns.iter_mut().zip(cells) {
            column.push(cell);
        }
        let rows = self.columns.first().map_or(0, |(_, column)| column.len());
        if rows >= GROUP_ROWS || rows * self.columns.len() >= GROUP_CELLS {
            self.write_group()
        } else {
            Ok(())
        }
    }

    fn write_group(&mut self) -> io::Result<()> {
        let mut group = self.writer.next_row_group().map_err(failed)?;
        for (kind, column) in &mut self.columns {
            write_column(&mut group, *kind, column)?;
            column.clear();
        }
        group.close().map_err(failed)?;
        Ok(())
    }

    /// Ends the file.
    pub(super) fn end(mut self) -> io::Result<()> {
        if self.columns.first().is_some_and(|(_, column)| !column.is_empty()) {
            self.write_group()?;
        }
        self.writer.close().map_err(failed)?;
        Ok(())
    }
}

fn write_column<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    kind: Kind,
    cells: &[Cell],
) -> io::Result<()> {
    let Some(mut column) = group.next_column().map_err(failed)? else {
        return Err(io::Error::other("a Parquet file has fewer columns than its table"));
    };
    match kind {
        Kind::Text => {
            let (values, levels) = present(cells, |cell| match cell {
                Cell::Text(text) => Some(ByteArray::from(text.as_str())),
                Cell::Number(number) => Some(ByteArray::from(super::text::exact_number(*number).as_str())),
                Cell::TimeMs(ms) | Cell::SpanMs(ms) => Some(ByteArray::from(ms.to_string().as_str())),
                Cell::Empty => None,
            });
            column.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None).map_err(failed)?;
        }
        Kind::Number => {
            let (values, levels) = present(cells, |cell| match cell {
                Cell::Number(number) => Some(*number),
                Cell::Text(text) => text.trim().parse().ok(),
                Cell::TimeMs(ms) | Cell::SpanMs(ms) => Some(*ms as f64),
                Cell::Empty => None,
            });
            column.typed::<DoubleType>().write_batch(&values, Some(&levels), None).map_err(failed)?;
        }
        Kind::Integer | Kind::TimeMs => {
            let (values, levels) = present(cells, |cell| match cell {
                Cell::TimeMs(ms) | Cell::SpanMs(ms) => Some(*ms),
                Cell::Number(number) => Some(*number as i64),
                Cell::Text(text) => text.parse().ok(),
                Cell::Empty => None,
            });
            column.typed::<Int64Type>().write_batch(&values, Some(&levels), None).map_err(failed)?;
        }
    }
    column.close().map_err(failed)?;
    Ok(())
}

/// The values that are there, and for each cell whether it is one.
fn present<T>(cells: &[Cell], read: impl Fn(&Cell) -> Option<T>) -> (Vec<T>, Vec<i16>) {
    let mut values = Vec::with_capacity(cells.len());
    let levels = cells
        .iter()
        .map(|cell| match read(cell) {
            Some(value) => {
                values.push(value);
                1
            }
            None => 0,
        })
        .collect();
    (values, levels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;

    #[test]
    fn what_is_written_reads_back() {
        let mut out = Vec::new();
        let columns = vec![
            ("run_id".to_owned(), Kind::Text),
            ("a \"|\n🚢".to_owned(), Kind::Number),
            ("start_ms".to_owned(), Kind::TimeMs),
        ];
        let mut table = ParquetTable::begin(&mut out, columns).unwrap();
        let numbers = [0.1, f64::NAN, f64::INFINITY, -0.0];
        for (i, number) in numbers.iter().enumerate() {
            table
                .row([Cell::text(format!("r{i}")), Cell::Number(*number), Cell::TimeMs(i as i64 - 1)])
                .unwrap();
        }
        table.row([Cell::Empty, Cell::Empty, Cell::Empty]).unwrap();
        table.end().unwrap();

        let reader = SerializedFileReader::new(Bytes::from(out)).unwrap();
        assert_eq!(reader.metadata().file_metadata().schema().get_fields()[1].name(), "a \"|\n🚢");
        let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 5);
        for (i, number) in numbers.iter().enumerate() {
            assert_eq!(rows[i].get_string(0).unwrap(), &format!("r{i}"));
            assert_eq!(rows[i].get_double(1).unwrap().to_bits(), number.to_bits());
            assert_eq!(rows[i].get_timestamp_millis(2).unwrap(), i as i64 - 1);
        }
        assert!(rows[4].get_string(0).is_err(), "a hole is no empty text");
    }

    #[test]
    fn long_tables_have_several_groups() {
        let mut out = Vec::new();
        let mut table = ParquetTable::begin(&mut out, vec![("n".to_owned(), Kind::Integer)]).unwrap();
        for i in 0..GROUP_ROWS + 7 {
            table.row([Cell::SpanMs(i as i64)]).unwrap();
        }
        table.end().unwrap();
        let reader = SerializedFileReader::new(Bytes::from(out)).unwrap();
        assert_eq!(reader.num_row_groups(), 2);
        assert_eq!(reader.metadata().file_metadata().num_rows(), GROUP_ROWS as i64 + 7);
    }

    #[test]
    fn names_differ() {
        let names = ["a", "b", "a", "a"].map(str::to_owned).to_vec();
        assert_eq!(distinct(names), ["a", "b", "a (2)", "a (3)"]);
    }
}
