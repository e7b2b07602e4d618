//! The runs of a run set, a page at a time, all of one snapshot.

use super::super::wire::{TableRequest, TableShape};
use super::super::{convert, runs_table};
use crate::error::{ApiFailure, ApiResult};
use slipway_store::{Reader, Store, TableQuery, TableRow};
use std::collections::HashMap;
use std::io;

const PAGE: u64 = 1000;
/// Ids that one filter names.
const NAMED: usize = 500;
const MAX_IDS: usize = 10_000;

/// Which runs are exported, in which order, with which cells.
pub(super) struct RunSet {
    query: TableQuery,
    run_ids: Vec<String>,
}

impl RunSet {
    /// Checks the request. The window and the shape of its query do not count.
    pub(super) fn new(request: TableRequest, run_ids: Vec<String>) -> ApiResult<Self> {
        if run_ids.len() > MAX_IDS {
            return Err(ApiFailure::invalid(format!(
                "`run_ids` names at most {MAX_IDS} runs, not {}",
                run_ids.len()
            ))
            .hint("Leave it empty and use the filter."));
        }
        if let Some(id) =
            run_ids.iter().find(|id| !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'))
        {
            return Err(ApiFailure::invalid(format!("{id:?} cannot be the id of a run")));
        }
        let request = TableRequest { shape: TableShape::Flat, offset: 0, limit: Some(PAGE), ..request };
        Ok(Self { query: runs_table::query(request, PAGE, PAGE)?, run_ids })
    }

    /// What the cells of each row are.
    pub(super) fn columns(&self) -> &[slipway_store::ColumnRef] {
        &self.query.columns
    }

    /// Finds out whether the store understands the question, before an answer is begun.
    pub(super) fn check(&self, store: &Store) -> ApiResult<()> {
        let query = TableQuery { limit: 0, columns: Vec::new(), ..self.query.clone() };
        match store.read(|reader| reader.run_table(&query)) {
            Ok(_) => Ok(()),
            Err(error) => Err(ApiFailure::from_search(error, &query.filter)),
        }
    }

    /// Hands out the runs page by page.
    pub(super) fn each(
        &self,
        reader: &Reader<'_>,
        take: impl FnMut(Vec<TableRow>) -> io::Result<()>,
    ) -> io::Result<()> {
        self.first(reader, u64::MAX, take).map(|_| ())
    }

    /// Hands out the first `most` runs page by page; answers how many there are in all.
    pub(super) fn first(
        &self,
        reader: &Reader<'_>,
        most: u64,
        mut take: impl FnMut(Vec<TableRow>) -> io::Result<()>,
    ) -> io::Result<u64> {
        if self.run_ids.is_empty() {
            let mut query = self.query.clone();
            loop {
                query.limit = PAGE.min(most - query.offset);
                let page = reader.run_table(&query).map_err(io::Error::other)?;
                let got = page.rows.len() as u64;
                query.offset += got;
                if got > 0 {
                    take(page.rows)?;
                }
                if got == 0 || query.offset >= page.total.min(most) {
                    return Ok(page.total);
                }
            }
        }
        let wanted = self.run_ids.len().min(usize::try_from(most).unwrap_or(usize::MAX));
        for ids in self.run_ids.get(..wanted).unwrap_or_default().chunks(NAMED) {
            let quoted: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
            let query = TableQuery {
                filter: format!("attributes.run_id IN ({})", quoted.join(", ")),
                search: String::new(),
                experiment_ids: Vec::new(),
                view: convert::view(super::super::wire::View::All),
                ..self.query.clone()
            };
            let found = reader.run_table(&query).map_err(io::Error::other)?.rows;
            let mut by_id: HashMap<String, TableRow> =
                found.into_iter().map(|row| (row.run_id.clone(), row)).collect();
            take(ids.iter().filter_map(|id| by_id.remove(id)).collect())?;
        }
        Ok(self.run_ids.len() as u64)
    }
}
