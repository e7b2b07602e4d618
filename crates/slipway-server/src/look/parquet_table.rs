//! Pages of a Parquet file: the footer says what there is, row groups before the page are passed over.

use super::{LookError, MOST_COLUMNS, TableColumn, TablePage, cell};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::schema::types::{Type, TypePtr};
use std::fs::File;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

/// A footer that claims to be larger is not believed.
const FOOTER_BYTES: u64 = 64 << 20;
/// Rows before the page within its group are read and thrown away; more than these take too long.
const MOST_SKIPPED_ROWS: u64 = 2_000_000;

/// Reads rows `offset..`.
pub(crate) fn page(file: &File, offset: u64, limit: u64) -> Result<TablePage, LookError> {
    check_footer(file)?;
    let file = file.try_clone()?;
    // The reader takes care, but is large; what it does with a hostile file must not end more than this request.
    std::panic::catch_unwind(AssertUnwindSafe(|| read(file, offset, limit)))
        .unwrap_or_else(|_| Err(broken("it is damaged".to_owned())))
}

fn broken(reason: String) -> LookError {
    LookError::Broken { expected: "a Parquet file that can be read", reason }
}

fn check_footer(file: &File) -> Result<(), LookError> {
    let size = file.metadata()?.len();
    let tail = super::read_span(file, size.saturating_sub(8), size)?;
    let length = match tail.as_slice() {
        [a, b, c, d, b'P', b'A', b'R', b'1'] => u64::from(u32::from_le_bytes([*a, *b, *c, *d])),
        [.., b'P', b'A', b'R', b'E'] => return Err(broken("it is encrypted".to_owned())),
        _ => return Err(broken("its end is missing; it may not have been written to the end".to_owned())),
    };
    if length > FOOTER_BYTES.min(size.saturating_sub(12)) {
        return Err(broken("its footer is larger than it can be".to_owned()));
    }
    Ok(())
}

fn read(file: File, offset: u64, limit: u64) -> Result<TablePage, LookError> {
    let failed = |error: ParquetError| broken(error.to_string());
    let reader = SerializedFileReader::new(file).map_err(failed)?;
    let meta = reader.metadata();
    let schema = meta.file_metadata().schema();
    let fields = schema.get_fields();
    let mut page = TablePage {
        columns: fields
            .iter()
            .take(MOST_COLUMNS)
            .map(|field| TableColumn { name: cell(field.name()), kind: kind(field) })
            .collect(),
        left_out_columns: fields.len().saturating_sub(MOST_COLUMNS) as u64,
        total_rows: u64::try_from(meta.file_metadata().num_rows()).ok(),
        rows: Vec::new(),
    };
    let projection = projected(schema, fields)?;
    let mut before = offset;
    for number in 0..reader.num_row_groups() {
        let group = reader.get_row_group(number).map_err(failed)?;
        let rows = u64::try_from(group.metadata().num_rows()).unwrap_or_default();
        if before >= rows {
            before -= rows;
            continue;
        }
        if before > MOST_SKIPPED_ROWS {
            return Err(broken(format!(
                "row {offset} is too far inside of a group of {rows} rows to be reached"
            )));
        }
        let skipped = usize::try_from(before).unwrap_or(usize::MAX);
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX) - page.rows.len();
        for row in group.get_row_iter(Some(projection.clone())).map_err(failed)?.skip(skipped).take(wanted) {
            let row = row.map_err(failed)?;
            page.rows.push(row.get_column_iter().map(|(_, field)| text(field)).collect());
        }
        before = 0;
        if page.rows.len() as u64 >= limit {
            break;
        }
    }
    Ok(page)
}

fn projected(schema: &Type, fields: &[TypePtr]) -> Result<Type, LookError> {
    let kept: Vec<TypePtr> = fields.iter().take(MOST_COLUMNS).map(Arc::clone).collect();
    Type::group_type_builder(schema.name())
        .with_fields(kept)
        .build()
        .map_err(|error| broken(error.to_string()))
}

/// A column's type in a word.
fn kind(field: &TypePtr) -> String {
    if field.is_group() {
        return "nested".to_owned();
    }
    match field.get_basic_info().logical_type_ref() {
        Some(logical) => {
            format!("{logical:?}").split(['(', ' ', '{']).next().unwrap_or_default().to_lowercase()
        }
        None => format!("{:?}", field.get_physical_type()).to_lowercase(),
    }
}

fn text(field: &Field) -> Option<String> {
    match field {
        Field::Null => None,
        Field::Str(text) => Some(cell(text)),
        Field::Bytes(bytes) => Some(match std::str::from_utf8(bytes.data()) {
            Ok(text) => cell(text),
            Err(_) => format!("{} bytes", bytes.len()),
        }),
        other => Some(cell(&other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::index::tests::file_of;
    use super::*;
    use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;
    use proptest::prelude::*;

    /// A file of several row groups.
    fn sample(groups: i64, rows: i64) -> Vec<u8> {
        let schema = "message m { required int64 id; optional binary name (utf8); }";
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let mut bytes = Vec::new();
        let mut writer =
            SerializedFileWriter::new(&mut bytes, schema, Arc::new(WriterProperties::default())).unwrap();
        for group in 0..groups {
            let mut out = writer.next_row_group().unwrap();
            let ids: Vec<i64> = (group * rows..(group + 1) * rows).collect();
            let mut column = out.next_column().unwrap().unwrap();
            column.typed::<Int64Type>().write_batch(&ids, None, None).unwrap();
            column.close().unwrap();
            // Every other name is absent.
            let levels: Vec<i16> = ids.iter().map(|id| i16::from(id % 2 == 0)).collect();
            let names: Vec<ByteArray> = ids
                .iter()
                .filter(|id| *id % 2 == 0)
                .map(|id| ByteArray::from(format!("n{id}").into_bytes()))
                .collect();
            let mut column = out.next_column().unwrap().unwrap();
            column.typed::<ByteArrayType>().write_batch(&names, Some(&levels), None).unwrap();
            column.close().unwrap();
            out.close().unwrap();
        }
        writer.close().unwrap();
        bytes
    }

    #[test]
    fn pages_reach_across_row_groups() {
        let file = file_of(&sample(3, 100));
        let found = page(&file, 199, 3).unwrap();
        let rows: Vec<Vec<&str>> = found
            .rows
            .iter()
            .map(|row| row.iter().map(|cell| cell.as_deref().unwrap_or("-")).collect())
            .collect();
        assert_eq!(rows, [["199", "-"], ["200", "n200"], ["201", "-"]]);
        assert_eq!(found.total_rows, Some(300));
        let names: Vec<&str> = found.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["id", "name"]);
        assert!(page(&file, 300, 3).unwrap().rows.is_empty());
    }

    #[test]
    fn what_is_no_parquet_file_says_so() {
        let good = sample(1, 10);
        let mut footer = good.clone();
        let at = footer.len() - 8;
        footer[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        let cut = good[..good.len() / 2].to_vec();
        for bad in [b"".to_vec(), b"PAR1".to_vec(), b"PAR1PAR1".to_vec(), b"text".repeat(9), footer, cut] {
            assert!(
                matches!(page(&file_of(&bad), 0, 10), Err(LookError::Broken { .. })),
                "{} bytes",
                bad.len()
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn a_damaged_file_ends_nothing_but_its_page(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = sample(2, 20);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = page(&file_of(&bytes), 0, 100);
        }
    }
}
