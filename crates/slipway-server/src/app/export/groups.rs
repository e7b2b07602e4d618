//! Runs in groups as a table: what makes each group, how many runs it has, and what its members have together.

use super::super::wire::{ApiError, ExportFormat, GroupsExport, GroupsRequest};
use super::super::{Binary, blocking, runs_table};
use super::parquet::{Kind, ParquetTable, distinct};
use super::text::{Cell, TextTable};
use super::{attachment, heading, pipe};
use crate::ServerState;
use crate::error::{ApiFailure, ApiJson, ApiResult};
use axum::extract::State;
use axum::response::Response;
use slipway_store::{ColumnKind, ColumnRef, Group, GroupsQuery, Reader, Store, TableCell};
use std::io;

const PAGE: u64 = 1000;

/// The groups of a run set as a table, all of them.
#[utoipa::path(post, path = "/export/groups", tag = "export", request_body = GroupsExport,
    responses((status = 200, body = Binary, content_type = "application/octet-stream"),
        (status = "default", body = ApiError)))]
pub(in super::super) async fn export_groups(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<GroupsExport>,
) -> ApiResult<Response> {
    let GroupsExport { query, format, spreadsheet_safe } = request;
    let groups = GroupSet::new(query)?;
    let store = state.store().clone();
    let groups = blocking(move || groups.check(&store).map(|()| groups)).await??;
    let store = state.store().clone();
    let body = pipe::body(move |out| {
        let (heads, kinds) = groups.columns();
        let mut written = Ok(());
        store
            .read(|reader| {
                written = if format == ExportFormat::Parquet {
                    ParquetTable::begin(out, heads.into_iter().zip(kinds).collect()).and_then(|mut table| {
                        groups.each(reader, |group| table.row(groups.cells(group)))?;
                        table.end()
                    })
                } else {
                    let numeric: Vec<bool> = kinds.iter().map(|kind| *kind != Kind::Text).collect();
                    TextTable::begin(out, format, spreadsheet_safe, heads, &numeric).and_then(|mut table| {
                        groups.each(reader, |group| table.row(&groups.cells(group)))?;
                        table.end()
                    })
                };
                Ok(())
            })
            .map_err(io::Error::other)?;
        written
    });
    Ok(attachment("groups", format, body))
}

/// Which groups, with which columns.
pub(super) struct GroupSet {
    query: GroupsQuery,
    pub(super) by: Vec<String>,
    pub(super) names: Vec<String>,
}

impl GroupSet {
    /// Checks the request. Its window does not count.
    pub(super) fn new(request: GroupsRequest) -> ApiResult<Self> {
        let by = request.by.iter().map(heading).collect();
        let names = request.columns.iter().map(heading).collect();
        let request = GroupsRequest { offset: 0, limit: Some(PAGE), ..request };
        Ok(Self { query: runs_table::groups_query(request)?, by, names })
    }

    /// Finds out whether the store understands the question, before an answer is begun.
    pub(super) fn check(&self, store: &Store) -> ApiResult<()> {
        let mut query = self.query.clone();
        query.runs.limit = 0;
        match store.read(|reader| reader.run_groups(&query)) {
            Ok(_) => Ok(()),
            Err(error) => Err(ApiFailure::from_search(error, &query.runs.filter)),
        }
    }

    /// Hands out the groups.
    pub(super) fn each(
        &self,
        reader: &Reader<'_>,
        take: impl FnMut(Group) -> io::Result<()>,
    ) -> io::Result<()> {
        self.first(reader, u64::MAX, take).map(|_| ())
    }

    /// Hands out the first `most` groups; answers how many there are in all.
    pub(super) fn first(
        &self,
        reader: &Reader<'_>,
        most: u64,
        mut take: impl FnMut(Group) -> io::Result<()>,
    ) -> io::Result<u64> {
        let mut query = self.query.clone();
        loop {
            query.runs.limit = PAGE.min(most - query.runs.offset);
            let page = reader.run_groups(&query).map_err(io::Error::other)?;
            let got = page.groups.len() as u64;
            query.runs.offset += got;
            page.groups.into_iter().try_for_each(&mut take)?;
            if got == 0 || query.runs.offset >= page.total.min(most) {
                return Ok(page.total);
            }
        }
    }

    fn columns(&self) -> (Vec<String>, Vec<Kind>) {
        let mut columns: Vec<(String, Kind)> =
            self.by.iter().map(|name| (name.clone(), Kind::Text)).collect();
        columns.push(("runs".to_owned(), Kind::Integer));
        for (name, column) in self.names.iter().zip(&self.query.runs.columns) {
            if is_numbers(column) {
                columns.push((format!("{name}.n"), Kind::Integer));
                columns
                    .extend(["mean", "std", "min", "max"].map(|of| (format!("{name}.{of}"), Kind::Number)));
            } else {
                columns.push((name.clone(), Kind::Text));
            }
        }
        let (heads, kinds) = columns.into_iter().unzip();
        (distinct(heads), kinds)
    }

    fn cells(&self, group: Group) -> Vec<Cell> {
        let mut cells: Vec<Cell> = group.key.into_iter().map(key_cell).collect();
        cells.push(Cell::Number(group.run_count as f64));
        for (cell, column) in group.cells.into_iter().zip(&self.query.runs.columns) {
            if is_numbers(column) {
                cells.push(Cell::Number(cell.n as f64));
                let numbers = [cell.mean, cell.std, cell.min, cell.max];
                cells.extend(numbers.map(|number| number.map_or(Cell::Empty, Cell::Number)));
            } else {
                cells.push(shared_text(cell));
            }
        }
        cells
    }
}

/// What a field that makes groups has in one of them.
pub(super) fn key_cell(key: TableCell) -> Cell {
    match key {
        TableCell::Empty => Cell::Empty,
        TableCell::Text(text) => Cell::Text(text),
        TableCell::Number(number) => Cell::Text(super::exact_number(number)),
    }
}

/// The text that all members have, or how many there are.
pub(super) fn shared_text(cell: slipway_store::GroupCell) -> Cell {
    match (cell.text, cell.different) {
        (Some(text), _) => Cell::Text(text),
        (None, 0) => Cell::Empty,
        (None, different) => Cell::Text(format!("{different} different")),
    }
}

fn is_numbers(column: &ColumnRef) -> bool {
    column.kind == ColumnKind::Metric
        || column.kind == ColumnKind::Attribute
            && matches!(column.key.as_str(), "duration_ms" | "start_ms" | "end_ms")
}
