//! Runs; their histories are in [`super::histories`].

use super::{Reader, Reduce, Search, among, in_view, order_keys, order_terms};
use crate::columns::{Key, Query, Rule, Shape, Sort};
use crate::error::{Error, Missing, Result};
use crate::model::{Dataset, DatasetInput, KeyValue, ModelOutput, Page, Run, RunInfo};
use crate::search::{Expr, OrderKey, RunField, Runs, Where, compile_expr, parse};
use crate::writer::read_summary;
use rusqlite::{OptionalExtension, Row};

const COLUMNS: &str = "r.id, r.run_id, r.experiment, r.name, r.user, r.status, r.start_ms, r.end_ms, \
     r.artifact_uri, r.lifecycle, r.parent";

/// MLflow refuses to test metrics for NULL, and so do searches in its name.
const RUNS: Runs = Runs { null_metrics: false };

impl Reader<'_> {
    /// The fixed fields of a run, in the trash or not.
    ///
    /// # Errors
    /// [`Missing::Run`].
    pub fn run_info(&self, run_id: &str) -> Result<RunInfo> {
        Ok(self.find_run(run_id)?.1)
    }

    /// A run with everything but its histories.
    ///
    /// # Errors
    /// [`Missing::Run`].
    pub fn run(&self, run_id: &str) -> Result<Run> {
        let (id, info) = self.find_run(run_id)?;
        self.complete(id, info)
    }

    /// Active runs nested directly in a run, oldest first.
    ///
    /// # Errors
    /// Only what the database says.
    pub fn children(&self, run_id: &str) -> Result<Vec<RunInfo>> {
        let mut statement = self.db.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM runs r WHERE r.parent = ?1 AND r.lifecycle = 0 ORDER BY r.start_ms, r.id"
        ))?;
        let rows = statement.query_map([run_id], |row| Ok(read(row)?.1))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Runs of the given experiments that match; newest start first by default. No experiments, no runs.
    ///
    /// # Errors
    /// [`Error::Search`] for a filter or an order that cannot be understood.
    pub fn search_runs(&self, experiment_ids: &[i64], search: &Search) -> Result<Page<Run>> {
        let filter = parse(&search.filter)?;
        let order = order_keys(&search.order_by)?;
        let scope =
            format!("{} AND {}", among("r.experiment", experiment_ids), in_view("r.lifecycle", search.view));
        let in_columns = match self.has_many_runs(&scope)? {
            true => self.search_columns(experiment_ids, search, filter.as_ref(), &order)?,
            false => None,
        };
        let page = match in_columns {
            Some(page) => page,
            None => {
                let mut query = Where::default();
                query.push(&format!("SELECT r.id FROM runs r WHERE {scope} AND "));
                query.append(&compile_expr(filter.as_ref(), &RUNS)?).push(" ORDER BY ");
                query.append(&order_terms(&RUNS, &search.order_by, "r.start_ms DESC, r.run_id ASC")?);
                self.page_of_ids(query, search.offset, search.limit)?
            }
        };
        let mut statement =
            self.db.prepare_cached(&format!("SELECT {COLUMNS} FROM runs r WHERE r.id = ?1"))?;
        let mut items = Vec::with_capacity(page.items.len());
        for id in page.items {
            let (id, info) = statement.query_row([id], read)?;
            items.push(self.complete(id, info)?);
        }
        Ok(Page { items, more: page.more })
    }

    /// The page that a search finds in columns; none when it asks for what no column holds.
    fn search_columns(
        &self,
        experiment_ids: &[i64],
        search: &Search,
        filter: Option<&Expr>,
        order: &[OrderKey],
    ) -> Result<Option<Page<i64>>> {
        let mut query = Query::new(Some(experiment_ids), search.view);
        if let Some(filter) = filter
            && !query.filter(filter, RUNS)?
        {
            return Ok(None);
        }
        for key in order {
            let column = match Runs::resolve_order(key)? {
                RunField::Metric(key) => Key::Metric(key, Reduce::Last),
                RunField::Param(key) => Key::Param(key),
                RunField::Tag(key) => Key::Tag(key),
                RunField::Attribute(attribute) => Key::Attribute(attribute),
                RunField::Dataset(_) => return Ok(None),
            };
            query.sort(column, Sort { ascending: key.ascending, rule: Rule::NanAfterNumbers });
        }
        let window = search.offset..search.offset.saturating_add(search.limit);
        let found = query.run(self.columns, self.db, self.committed, &Shape::Flat, window.clone())?;
        let items = found.page.iter().map(|hit| hit.id).collect();
        Ok(Some(Page { items, more: window.end < found.total as u64 }))
    }

    fn find_run(&self, run_id: &str) -> Result<(i64, RunInfo)> {
        let mut statement =
            self.db.prepare_cached(&format!("SELECT {COLUMNS} FROM runs r WHERE r.run_id = ?1"))?;
        statement
            .query_row([run_id], read)
            .optional()?
            .ok_or_else(|| Error::NotFound(Missing::Run(run_id.to_owned())))
    }

    /// Adds everything but the histories.
    fn complete(&self, id: i64, info: RunInfo) -> Result<Run> {
        let mut metrics = self.db.prepare_cached(
            "SELECT s.name, s.points, s.last_step, s.last_ms, s.last_bits, s.first_step, s.first_ms, s.first_bits, \
             s.min_value, s.min_step, s.max_value, s.max_step, s.bad_step FROM series s WHERE s.run = ?1",
        )?;
        let mut rows = metrics.query([id])?;
        let mut metrics = Vec::new();
        while let Some(row) = rows.next()? {
            metrics.push(read_summary(row, self.key_texts.get(self.db, row.get(0)?)?.to_string())?);
        }
        metrics.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        let mut inputs = self
            .db
            .prepare_cached("SELECT model_id FROM run_model_inputs WHERE run = ?1 ORDER BY model_id")?;
        let model_inputs = inputs.query_map([id], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        let mut outputs = self.db.prepare_cached(
            "SELECT model_id, step FROM run_model_outputs WHERE run = ?1 ORDER BY step, model_id",
        )?;
        let model_outputs = outputs
            .query_map([id], |row| Ok(ModelOutput { model_id: row.get(0)?, step: row.get(1)? }))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(Run {
            params: self.named_texts("SELECT name, value FROM run_params WHERE run = ?1", id)?,
            tags: self.named_texts("SELECT name, value FROM run_tags WHERE run = ?1", id)?,
            metrics,
            datasets: self.datasets(id)?,
            model_inputs,
            model_outputs,
            info,
        })
    }

    /// Keys and values of a run, by key, from a query that gives the number of the name and the value.
    fn named_texts(&self, sql: &str, run: i64) -> Result<Vec<KeyValue>> {
        let mut statement = self.db.prepare_cached(sql)?;
        let mut rows = statement.query([run])?;
        let mut pairs = Vec::new();
        while let Some(row) = rows.next()? {
            let key = self.key_texts.get(self.db, row.get(0)?)?.to_string();
            pairs.push(KeyValue { key, value: row.get(1)? });
        }
        pairs.sort_unstable();
        Ok(pairs)
    }

    fn datasets(&self, run: i64) -> Result<Vec<DatasetInput>> {
        let mut statement = self.db.prepare_cached(
            "SELECT i.id, d.name, d.digest, d.source_type, d.source, d.schema, d.profile \
             FROM run_datasets i JOIN datasets d ON d.id = i.dataset WHERE i.run = ?1 ORDER BY i.id",
        )?;
        let rows = statement.query_map([run], |row| {
            let dataset = Dataset {
                name: row.get(1)?,
                digest: row.get(2)?,
                source_type: row.get(3)?,
                source: row.get(4)?,
                schema: row.get(5)?,
                profile: row.get(6)?,
            };
            Ok((row.get::<_, i64>(0)?, dataset))
        })?;
        let mut inputs = Vec::new();
        for row in rows {
            let (input, dataset) = row?;
            let tags =
                self.pairs("SELECT key, value FROM run_dataset_tags WHERE input = ?1 ORDER BY key", [input])?;
            inputs.push(DatasetInput { dataset, tags });
        }
        Ok(inputs)
    }
}

/// Reads [`COLUMNS`].
fn read(row: &Row<'_>) -> rusqlite::Result<(i64, RunInfo)> {
    let info = RunInfo {
        run_id: row.get(1)?,
        experiment_id: row.get(2)?,
        name: row.get(3)?,
        user: row.get(4)?,
        status: row.get(5)?,
        start_ms: row.get(6)?,
        end_ms: row.get(7)?,
        artifact_uri: row.get(8)?,
        lifecycle: row.get(9)?,
        parent_run_id: row.get(10)?,
    };
    Ok((row.get(0)?, info))
}
