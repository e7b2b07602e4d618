//! The values of some columns for very many runs at once, column by column: what a scatter plot or a forest needs.
//!
//! No row is read where the columns in memory hold the values, so that 100,000 runs cost a few milliseconds a column.

use super::columns::key_of;
use super::{Reader, TableCell, TableQuery, needs_columns};
use crate::columns::{Column, Hit, Shape};
use crate::error::Result;
use crate::search::Expr;
use crate::writer::as_number;
use std::collections::HashMap;

/// The values of the columns of a [`TableQuery`] for the runs of its window.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Matrix {
    /// Ids of the runs, in the order of the query.
    pub run_ids: Vec<String>,
    /// One for each column of the query.
    pub columns: Vec<MatrixColumn>,
    /// Runs that match, in the window or not.
    pub matching: u64,
}

/// The values of one column, one for each run.
#[derive(Debug, Clone, PartialEq)]
pub enum MatrixColumn {
    /// Numbers, or texts that all read as numbers. NaN where a run has no number; `missing` counts those without any
    /// value.
    Numbers {
        /// One for each run.
        values: Vec<f64>,
        /// Runs without a value.
        missing: usize,
    },
    /// Texts: places in the list of the different ones, which is in order.
    Texts {
        /// One for each run; none where a run has no value.
        codes: Vec<Option<u32>>,
        /// The different texts: those that read as numbers by their size, then the others by name.
        texts: Vec<String>,
    },
}

impl Reader<'_> {
    /// The values of the query's columns for the runs of its window, nested or not.
    ///
    /// # Errors
    /// [`crate::Error::Search`] for a filter, a sort key or a column that cannot be understood.
    pub fn run_matrix(&self, query: &TableQuery) -> Result<Matrix> {
        let expr = query.expr(self.db)?;
        if needs_columns(query, expr.as_ref()) || self.has_many_runs(&self.scope(query)?)? {
            return self.matrix_from_columns(query, expr.as_ref());
        }
        let table = self.run_table(&TableQuery { shape: super::TableShape::Flat, ..query.clone() })?;
        let column =
            |index: usize| MatrixColumn::from_cells(table.rows.iter().map(|row| row.cells.get(index)));
        Ok(Matrix {
            columns: (0..query.columns.len()).map(column).collect(),
            run_ids: table.rows.into_iter().map(|row| row.run_id).collect(),
            matching: table.matching,
        })
    }

    fn matrix_from_columns(&self, query: &TableQuery, filter: Option<&Expr>) -> Result<Matrix> {
        let mut search = self.column_search(query, filter)?;
        let keys = query.columns.iter().map(|column| Ok(search.add_column(key_of(column)?.0)));
        let places = keys.collect::<Result<Vec<usize>>>()?;
        let matches = search.find(self.columns, self.db, self.committed)?;
        let window = query.offset..query.offset.saturating_add(query.limit);
        let found = search.page(&matches, &Shape::Flat, window);
        let snapshot = &matches.snapshot;
        let slot = |hit: &Hit| snapshot.base.slot(hit.id).map(|slot| slot as usize);
        let slots: Vec<usize> = found.page.iter().filter_map(slot).collect();
        let column = |place: &usize| MatrixColumn::from_column(&snapshot.columns[*place], &slots);
        Ok(Matrix {
            run_ids: slots.iter().map(|slot| snapshot.base.run_ids[*slot].to_string()).collect(),
            columns: places.iter().map(column).collect(),
            matching: found.matching as u64,
        })
    }
}

impl MatrixColumn {
    fn from_column(column: &Column, slots: &[usize]) -> Self {
        match column {
            Column::Numbers(numbers) => Self::from_numbers(slots.iter().map(|slot| numbers.get(*slot).get())),
            Column::Texts(texts) => {
                // Only what these runs have counts: other experiments may use the same key for other things.
                let mut used = vec![false; texts.list.texts.len() + 1];
                slots.iter().for_each(|slot| used[texts.codes.get(*slot) as usize] = true);
                let here = (1..used.len()).filter(|code| used[*code]);
                if here.clone().all(|code| texts.list.numbers[code - 1].is_some()) {
                    return Self::from_numbers(slots.iter().map(|slot| match texts.codes.get(*slot) {
                        0 => None,
                        code => texts.list.numbers[code as usize - 1],
                    }));
                }
                let list = here.map(|code| (texts.list.texts[code - 1].as_ref(), code as u32)).collect();
                Self::from_texts(list, slots.iter().map(|slot| texts.codes.get(*slot)))
            }
        }
    }

    fn from_numbers(numbers: impl Iterator<Item = Option<f64>>) -> Self {
        let mut missing = 0;
        let value = |number: Option<f64>| {
            missing += usize::from(number.is_none());
            number.unwrap_or(f64::NAN)
        };
        let values = numbers.map(value).collect();
        Self::Numbers { values, missing }
    }

    /// `list` are the different texts with their codes; `codes` has one for each run, 0 for none.
    fn from_texts(mut list: Vec<(&str, u32)>, codes: impl Iterator<Item = u32>) -> Self {
        list.sort_by(|(a, _), (b, _)| match (as_number(a), as_number(b)) {
            (Some(x), Some(y)) => x.total_cmp(&y).then_with(|| a.cmp(b)),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (None, None) => a.cmp(b),
        });
        let places: HashMap<u32, u32> =
            list.iter().zip(0..).map(|((_, code), place)| (*code, place)).collect();
        Self::Texts {
            codes: codes.map(|code| places.get(&code).copied()).collect(),
            texts: list.into_iter().map(|(text, _)| text.to_owned()).collect(),
        }
    }

    fn from_cells<'a>(cells: impl Iterator<Item = Option<&'a TableCell>> + Clone) -> Self {
        let is_text = |cell: Option<&TableCell>| match cell {
            Some(TableCell::Text(text)) => as_number(text).is_none(),
            _ => false,
        };
        if !cells.clone().any(is_text) {
            return Self::from_numbers(cells.map(|cell| match cell {
                Some(TableCell::Number(number)) => Some(*number),
                Some(TableCell::Text(text)) => as_number(text),
                Some(TableCell::Empty) | None => None,
            }));
        }
        let mut seen: HashMap<&str, u32> = HashMap::new();
        let mut codes = Vec::new();
        for cell in cells {
            let next = u32::try_from(seen.len() + 1).unwrap_or(u32::MAX);
            codes.push(match cell {
                Some(TableCell::Text(text)) => *seen.entry(text.as_str()).or_insert(next),
                _ => 0,
            });
        }
        Self::from_texts(seen.into_iter().collect(), codes.into_iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Change, ColumnKind, ColumnRef, KeyValue, LogBatch, LoggedMetric, NewRun, Point, Reduce, RunStatus,
        SortKey, Store,
    };

    fn store(folder: &std::path::Path) -> Store {
        let store = Store::open(folder, Box::new(|_| {})).unwrap();
        for run in 0..40_i64 {
            let run_id = format!("{run:02}");
            let create = NewRun {
                run_id: run_id.clone(),
                experiment_id: 0,
                name: format!("run \"{run}\" \u{1f6a2}"),
                user: String::new(),
                status: RunStatus::Finished,
                start_ms: Some(run % 7),
                tags: Vec::new(),
            };
            store.write_blocking(Change::CreateRun(Box::new(create))).unwrap();
            let value = if run % 5 == 0 { f64::NAN } else { run as f64 / 3.0 };
            let metric = LoggedMetric {
                key: "m".to_owned(),
                point: Point { step: 1, time_ms: 1, value },
                model_id: None,
                dataset_name: None,
                dataset_digest: None,
            };
            let mut params = vec![KeyValue::new("n", (11 - run % 10).to_string())];
            if run % 3 > 0 {
                params.push(KeyValue::new("mixed", if run % 2 == 0 { "none" } else { "10" }));
                params.push(KeyValue::new("mixed 2", if run % 4 == 0 { "9" } else { "text" }));
            }
            let metrics = if run % 4 > 0 { vec![metric] } else { Vec::new() };
            let batch = LogBatch { run_id, metrics, params, tags: Vec::new() };
            store.write_blocking(Change::Log(Box::new(batch))).unwrap();
        }
        store
    }

    #[test]
    fn the_tables_and_the_columns_give_the_same_matrix() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let column = |kind, key: &str, reduce| ColumnRef { kind, key: key.to_owned(), reduce };
        let columns = vec![
            column(ColumnKind::Metric, "m", Reduce::Last),
            column(ColumnKind::Metric, "m", Reduce::Min),
            column(ColumnKind::Param, "n", Reduce::Last),
            column(ColumnKind::Param, "mixed", Reduce::Last),
            column(ColumnKind::Param, "mixed 2", Reduce::Last),
            column(ColumnKind::Param, "absent", Reduce::Last),
            column(ColumnKind::Attribute, "name", Reduce::Last),
            column(ColumnKind::Attribute, "start_ms", Reduce::Last),
            column(ColumnKind::Attribute, "state", Reduce::Last),
        ];
        let by_m = SortKey { column: columns[0].clone(), descending: true };
        for (filter, order_by, offset, limit) in [
            ("", vec![], 0, 100),
            ("params.n != '5'", vec![by_m.clone()], 3, 9),
            ("metrics.m > 4", vec![by_m], 0, 5),
            ("params.n = 'x'", vec![], 0, 5),
        ] {
            let query = TableQuery {
                filter: filter.to_owned(),
                order_by,
                offset,
                limit,
                columns: columns.clone(),
                ..TableQuery::default()
            };
            let [few, many] =
                [u32::MAX, 0].map(|way| store.read(|reader| reader.through(way).run_matrix(&query)).unwrap());
            // By their text, in which NaN is NaN.
            assert_eq!(format!("{few:?}"), format!("{many:?}"), "{filter}");
        }
        let query = TableQuery { columns, limit: 100, ..TableQuery::default() };
        let matrix = store.read(|reader| reader.through(0).run_matrix(&query)).unwrap();
        assert_eq!((matrix.matching, matrix.run_ids.len()), (40, 40));
        assert!(matches!(&matrix.columns[0], MatrixColumn::Numbers { missing: 10, .. }));
        assert!(matches!(&matrix.columns[2], MatrixColumn::Numbers { missing: 0, .. }));
        assert!(
            matches!(&matrix.columns[3], MatrixColumn::Texts { texts, .. } if *texts == ["10", "none"]),
            "numbers come first, by their size: {:?}",
            matrix.columns[3]
        );
        store.close();
    }
}
