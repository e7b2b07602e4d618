//! Logged models.

use super::{LoggedModelSearch, Reader, among};
use crate::error::{Error, Missing, Result};
use crate::model::{LoggedModel, ModelMetric, Page, Point};
use crate::search::{Entity, LoggedModels, Where, compile_expr, in_datasets, parse, parse_order};
use crate::writer::from_bits;
use rusqlite::{OptionalExtension, Row};

const COLUMNS: &str = "l.id, l.model_id, l.experiment, l.name, l.artifact_location, l.created_ms, l.updated_ms, \
     l.status, l.status_message, l.model_type, l.source_run_id";

impl Reader<'_> {
    /// A logged model that is not in the trash.
    ///
    /// # Errors
    /// [`Missing::LoggedModel`].
    pub fn logged_model(&self, model_id: &str) -> Result<LoggedModel> {
        let mut statement = self.db.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM logged_models l WHERE l.model_id = ?1 AND l.lifecycle = 0"
        ))?;
        let (id, model) = statement
            .query_row([model_id], read)
            .optional()?
            .ok_or_else(|| Error::NotFound(Missing::LoggedModel(model_id.to_owned())))?;
        self.complete_model(id, model)
    }

    /// Logged models that match; newest first by default.
    ///
    /// # Errors
    /// [`Error::Search`] for a filter or an order that cannot be understood.
    pub fn search_logged_models(&self, search: &LoggedModelSearch) -> Result<Page<LoggedModel>> {
        let entity = LoggedModels { datasets: &search.datasets };
        let expr = parse(&search.filter)?;
        let filter = compile_expr(expr.as_ref(), &entity)?;
        let by_metric =
            expr.is_some_and(|expr| expr.any(&|clause| clause.field.entity.as_deref() == Some("metrics")));
        let mut query = Where::default();
        query.push("SELECT l.id FROM logged_models l WHERE l.lifecycle = 0 AND ");
        query.push(&among("l.experiment", &search.experiment_ids)).push(" AND ").append(&filter);
        if !search.datasets.is_empty() && !by_metric {
            // Without a metric condition the datasets say which models: those measured on one of them.
            query.push(" AND EXISTS (SELECT 1 FROM logged_model_metrics x WHERE x.model = l.id AND ");
            query.append(&in_datasets(&search.datasets)).push(")");
        }
        query.push(" ORDER BY ");
        for order in &search.order_by {
            let mut key = parse_order(&order.field)?;
            key.ascending = order.ascending;
            let own = order.dataset_name.clone().map(|name| vec![(name, order.dataset_digest.clone())]);
            LoggedModels { datasets: own.as_deref().unwrap_or_default() }.order(&key, &mut query)?;
            query.push(", ");
        }
        query.push("l.created_ms DESC, l.model_id");
        let page = self.page_of_ids(query, search.offset, search.limit)?;
        let mut statement =
            self.db.prepare_cached(&format!("SELECT {COLUMNS} FROM logged_models l WHERE l.id = ?1"))?;
        let mut items = Vec::with_capacity(page.items.len());
        for id in page.items {
            let (id, model) = statement.query_row([id], read)?;
            items.push(self.complete_model(id, model)?);
        }
        Ok(Page { items, more: page.more })
    }

    fn complete_model(&self, id: i64, mut model: LoggedModel) -> Result<LoggedModel> {
        model.params =
            self.pairs("SELECT key, value FROM logged_model_params WHERE model = ?1 ORDER BY key", [id])?;
        model.tags =
            self.pairs("SELECT key, value FROM logged_model_tags WHERE model = ?1 ORDER BY key", [id])?;
        let mut metrics = self.db.prepare_cached(
            "SELECT key, dataset_name, dataset_digest, step, time_ms, bits, run_id FROM logged_model_metrics \
             WHERE model = ?1 ORDER BY key, dataset_name, dataset_digest, run_id, step, time_ms, bits",
        )?;
        let rows = metrics.query_map([id], |row| {
            let given = |text: String| (!text.is_empty()).then_some(text);
            Ok(ModelMetric {
                key: row.get(0)?,
                dataset_name: given(row.get(1)?),
                dataset_digest: given(row.get(2)?),
                point: Point { step: row.get(3)?, time_ms: row.get(4)?, value: from_bits(row.get(5)?) },
                run_id: row.get(6)?,
            })
        })?;
        model.metrics = rows.collect::<rusqlite::Result<_>>()?;
        let mut registrations = self.db.prepare_cached(
            "SELECT model, version FROM model_versions WHERE model_id = ?1 ORDER BY model, version",
        )?;
        model.registrations = registrations
            .query_map([&model.model_id], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(model)
    }
}

/// Reads [`COLUMNS`].
fn read(row: &Row<'_>) -> rusqlite::Result<(i64, LoggedModel)> {
    let model = LoggedModel {
        model_id: row.get(1)?,
        experiment_id: row.get(2)?,
        name: row.get(3)?,
        artifact_location: row.get(4)?,
        created_ms: row.get(5)?,
        updated_ms: row.get(6)?,
        status: row.get(7)?,
        status_message: row.get(8)?,
        model_type: row.get(9)?,
        source_run_id: row.get(10)?,
        params: Vec::new(),
        tags: Vec::new(),
        metrics: Vec::new(),
        registrations: Vec::new(),
    };
    Ok((row.get(0)?, model))
}
