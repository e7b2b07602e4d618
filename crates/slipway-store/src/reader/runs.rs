//! Runs; their histories are in [`super::histories`].

use super::lent::{Lender, LentRun};
use super::renditions::{Made, Renditions};
use super::{Reader, Search, among, in_view, order_keys, order_terms};
use crate::columns::{Key, Query, Rule, Shape, Sort};
use crate::error::{Error, Missing, Result};
use crate::model::{Dataset, DatasetInput, KeyValue, ModelOutput, Page, Run, RunInfo};
use crate::search::{Expr, OrderKey, RunField, Runs, Where, compile_expr, parse};
use crate::writer::read_summary;
use rusqlite::{OptionalExtension, Row};
use std::sync::Arc;

const COLUMNS: &str = "r.id, r.run_id, r.experiment, r.name, r.user, r.status, r.start_ms, r.end_ms, \
     r.artifact_uri, r.lifecycle, r.parent";

/// Renditions of runs at later places of a search are not kept: whoever goes through so many would push out all others.
const KEPT_PLACES: u64 = 10_000;

/// MLflow refuses to test metrics for NULL, and so do searches in its name.
const RUNS: Runs = Runs { own_table: false };

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

    /// Lends a run with everything but its histories to `borrow`, which makes something of it.
    ///
    /// # Errors
    /// [`Missing::Run`].
    pub fn lend_run<T>(&self, run_id: &str, borrow: impl FnOnce(&LentRun<'_>) -> T) -> Result<T> {
        let (id, _) = self.find_run(run_id)?;
        Lender::new(self)?.lend(id, borrow)
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
        let page = self.find_runs(experiment_ids, search)?;
        let mut statement =
            self.db.prepare_cached(&format!("SELECT {COLUMNS} FROM runs r WHERE r.id = ?1"))?;
        let mut items = Vec::with_capacity(page.items.len());
        for id in page.items {
            let (id, info) = statement.query_row([id], read)?;
            items.push(self.complete(id, info)?);
        }
        Ok(Page { items, more: page.more })
    }

    /// As [`Reader::search_runs`], with each run given to `each` as `render` wrote it down, now or for an earlier
    /// search. Answers how many there were, and whether more follow.
    ///
    /// # Errors
    /// As [`Reader::search_runs`], and what `render` gives.
    pub fn search_renditions<E: From<Error>>(
        &self,
        experiment_ids: &[i64],
        search: &Search,
        renditions: &Renditions,
        mut render: impl FnMut(&LentRun<'_>, &mut Vec<u8>) -> Result<(), E>,
        mut each: impl FnMut(&[u8]),
    ) -> Result<(usize, bool), E> {
        let page = self.find_runs(experiment_ids, search)?;
        let kept = renditions.find(&page.items, self.columns, self.committed);
        let mut lender = None;
        let (mut made, mut bytes) = (Made::default(), Vec::new());
        for (id, kept) in page.items.iter().zip(kept) {
            if let Some(kept) = kept {
                each(&kept);
                continue;
            }
            let lender = match &mut lender {
                Some(lender) => lender,
                none => none.insert(Lender::new(self)?),
            };
            bytes.clear();
            let run_id = lender.lend(*id, |run| {
                render(run, &mut bytes)?;
                Ok::<_, E>(Arc::from(run.info.run_id))
            })??;
            each(&bytes);
            if search.offset < KEPT_PLACES {
                made.add(*id, run_id, &bytes);
            }
        }
        renditions.keep(made, self.committed);
        Ok((page.items.len(), page.more))
    }

    /// Row numbers of the runs that a search finds.
    fn find_runs(&self, experiment_ids: &[i64], search: &Search) -> Result<Page<i64>> {
        let filter = parse(&search.filter)?;
        let order = order_keys(&search.order_by)?;
        let scope =
            format!("{} AND {}", among("r.experiment", experiment_ids), in_view("r.lifecycle", search.view));
        if self.has_many_runs(&scope)?
            && let Some(page) = self.search_columns(experiment_ids, search, filter.as_ref(), &order)?
        {
            return Ok(page);
        }
        let mut query = Where::default();
        query.push(&format!("SELECT r.id FROM runs r WHERE {scope} AND "));
        query.append(&compile_expr(filter.as_ref(), &RUNS)?).push(" ORDER BY ");
        query.append(&order_terms(&RUNS, &search.order_by, "r.start_ms DESC, r.run_id ASC")?);
        self.page_of_ids(query, search.offset, search.limit)
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
                RunField::Metric(key, reduce) => Key::Metric(key, reduce),
                RunField::Param(key) => Key::Param(key),
                RunField::Tag(key) => Key::Tag(key),
                RunField::Attribute(attribute) => Key::Attribute(attribute),
                RunField::Dataset(_) | RunField::Parent => return Ok(None),
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
        Ok(Run {
            params: self.named_texts("SELECT name, value FROM run_params WHERE run = ?1", id)?,
            tags: self.named_texts("SELECT name, value FROM run_tags WHERE run = ?1", id)?,
            metrics,
            datasets: self.datasets(id)?,
            model_inputs: self.model_inputs(id)?,
            model_outputs: self.model_outputs(id)?,
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

    pub(super) fn model_inputs(&self, run: i64) -> Result<Vec<String>> {
        let mut statement = self
            .db
            .prepare_cached("SELECT model_id FROM run_model_inputs WHERE run = ?1 ORDER BY model_id")?;
        Ok(statement.query_map([run], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
    }

    pub(super) fn model_outputs(&self, run: i64) -> Result<Vec<ModelOutput>> {
        let mut statement = self.db.prepare_cached(
            "SELECT model_id, step FROM run_model_outputs WHERE run = ?1 ORDER BY step, model_id",
        )?;
        let outputs =
            statement.query_map([run], |row| Ok(ModelOutput { model_id: row.get(0)?, step: row.get(1)? }))?;
        Ok(outputs.collect::<rusqlite::Result<_>>()?)
    }

    pub(super) fn datasets(&self, run: i64) -> Result<Vec<DatasetInput>> {
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
