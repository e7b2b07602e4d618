//! Registered models as lists and pages show them.

use super::{Reader, as_i64};
use crate::error::{Error, Missing, Result};
use crate::model::{ModelVersion, Stage};
use crate::registry::{
    FileRecord, FilesRecord, MetricKey, ModelSummary, ModelsOrder, ModelsQuery, RunName, VersionMetric,
    VersionSummary, VersionsOrder, VersionsQuery, metrics,
};
use crate::search::{RegisteredModels, Versions, Where, compile_expr, parse};
use rusqlite::{OptionalExtension, Row, params, params_from_iter};

const LATEST_SIZE: &str = "(SELECT f.size_bytes FROM model_versions v JOIN model_version_records f \
     ON f.model = v.model AND f.version = v.version WHERE v.model = m.name ORDER BY v.version DESC LIMIT 1)";

const SIZE: &str =
    "(SELECT f.size_bytes FROM model_version_records f WHERE f.model = v.model AND f.version = v.version)";

impl Reader<'_> {
    /// Registered models that match, and how many there are over all pages.
    ///
    /// # Errors
    /// [`Error::Search`] for a filter that cannot be understood.
    pub fn model_summaries(&self, query: &ModelsQuery) -> Result<(Vec<ModelSummary>, u64)> {
        let filter = parse(&query.filter)?;
        let mut scope = Where::default();
        scope.push(" FROM registered_models m WHERE ");
        scope.push(&RegisteredModels::hide_prompts(filter.as_ref()));
        scope.push(" AND ").append(&compile_expr(filter.as_ref(), &RegisteredModels)?);
        if !query.search.is_empty() {
            let text = format!("%{}%", escaped(&query.search.to_lowercase()));
            scope.push(
                " AND (lower(m.name) LIKE ? ESCAPE '\\' OR lower(m.description) LIKE ? ESCAPE '\\' OR EXISTS \
                 (SELECT 1 FROM registered_model_tags t WHERE t.model = m.name AND \
                 (lower(t.key) LIKE ? ESCAPE '\\' OR lower(t.value) LIKE ? ESCAPE '\\')))",
            );
            scope.bind(text.clone()).bind(text.clone()).bind(text.clone()).bind(text);
        }
        let total = self.count_rows(&scope)?;
        let mut page = Where::default();
        page.push("SELECT m.name").append(&scope).push(" ORDER BY ");
        let direction = if query.descending { "DESC" } else { "ASC" };
        let column = match query.order {
            ModelsOrder::Name => "m.name",
            ModelsOrder::Updated => "m.updated_ms",
            ModelsOrder::Created => "m.created_ms",
            ModelsOrder::Versions => "(SELECT count(*) FROM model_versions v WHERE v.model = m.name)",
            ModelsOrder::Size => LATEST_SIZE,
        };
        page.push(&format!("{column} {direction} NULLS LAST, m.name LIMIT ? OFFSET ?"));
        page.bind(as_i64(query.limit)).bind(as_i64(query.offset));
        let mut statement = self.db.prepare(&page.sql)?;
        let names = statement.query_map(params_from_iter(page.values), |row| row.get::<_, String>(0))?;
        let names = names.collect::<rusqlite::Result<Vec<_>>>()?;
        Ok((names.iter().map(|name| self.model_summary(name)).collect::<Result<_>>()?, total))
    }

    /// A registered model as a list shows it.
    ///
    /// # Errors
    /// [`Missing::RegisteredModel`].
    pub fn model_summary(&self, name: &str) -> Result<ModelSummary> {
        let mut model = self.registered_model(name)?;
        model.latest_versions.retain(|version| matches!(version.stage, Stage::Staging | Stage::Production));
        // CROSS JOIN keeps the order of the tables: from the versions to what read them, never through all runs.
        let mut statement = self.db.prepare_cached(&format!(
            "SELECT (SELECT count(*) FROM model_versions v WHERE v.model = m.name), \
             (SELECT max(version) FROM model_versions v WHERE v.model = m.name), {LATEST_SIZE}, \
             (SELECT count(DISTINCT i.run) FROM model_versions v CROSS JOIN run_model_inputs i \
             ON i.model_id = v.model_id CROSS JOIN runs r ON r.id = i.run WHERE v.model = m.name AND r.lifecycle = 0) \
             FROM registered_models m WHERE m.name = ?1"
        ))?;
        Ok(statement.query_row([name], |row| {
            Ok(ModelSummary {
                model,
                version_count: unsigned(row, 0)?,
                latest_version: row.get(1)?,
                size_bytes: unsigned_or_none(row, 2)?,
                used_by_runs: unsigned(row, 3)?,
            })
        })?)
    }

    /// Versions that match, and how many there are over all pages.
    ///
    /// # Errors
    /// [`Error::Search`] for a filter that cannot be understood, [`Missing::RegisteredModel`].
    pub fn version_summaries(&self, query: &VersionsQuery) -> Result<(Vec<VersionSummary>, u64)> {
        let filter = parse(&query.filter)?;
        let mut scope = Where::default();
        scope.push(" FROM model_versions v WHERE ");
        match &query.name {
            Some(name) => {
                self.require_model(name)?;
                scope.push("v.model = ?").bind(name.clone());
            }
            None => {
                scope.push(&Versions::hide_prompts(filter.as_ref()));
            }
        }
        scope.push(" AND ").append(&compile_expr(filter.as_ref(), &Versions)?);
        let total = self.count_rows(&scope)?;
        // What a row shows is read for those of the page only; all others are merely put in order.
        let mut page = Where::default();
        page.push("SELECT v.model, v.version").append(&scope).push(" ORDER BY ");
        match &query.order {
            VersionsOrder::Version => page.push("v.version"),
            VersionsOrder::Created => page.push("v.created_ms"),
            VersionsOrder::Updated => page.push("v.updated_ms"),
            VersionsOrder::Size => page.push(SIZE),
            VersionsOrder::Metric(metric) => page.append(&metrics::latest(metric, "value")),
        };
        let direction = if query.ascending { "ASC" } else { "DESC" };
        page.push(&format!(" {direction} NULLS LAST, v.model, v.version {direction} LIMIT ? OFFSET ?"));
        page.bind(as_i64(query.limit)).bind(as_i64(query.offset));
        let mut statement = self.db.prepare(&page.sql)?;
        let rows =
            statement.query_map(params_from_iter(page.values), |row| Ok((row.get(0)?, row.get(1)?)))?;
        let found = rows.collect::<rusqlite::Result<Vec<(String, i64)>>>()?;
        let versions =
            found.iter().map(|(name, version)| self.version_summary(name, *version, &query.metrics));
        Ok((versions.collect::<Result<_>>()?, total))
    }

    fn version_summary(&self, name: &str, version: i64, shown: &[MetricKey]) -> Result<VersionSummary> {
        let mut size = self.db.prepare_cached(
            "SELECT size_bytes FROM model_version_records WHERE model = ?1 AND version = ?2",
        )?;
        let metrics = shown.iter().map(|metric| metrics::value(self.db, name, version, metric));
        let mut run = self.db.prepare_cached("SELECT name FROM runs WHERE run_id = ?1 AND lifecycle = 0")?;
        let found = self.model_version(name, version)?;
        Ok(VersionSummary {
            run_name: run.query_row([&found.run_id], |row| row.get(0)).optional()?,
            size_bytes: size.query_row(params![name, version], |row| unsigned(row, 0)).optional()?,
            metrics: metrics.collect::<Result<_>>()?,
            version: found,
        })
    }

    /// Metrics that the newest versions of a model have, and how many of these have each; the most frequent first.
    /// `newest`: how many versions are looked at.
    ///
    /// # Errors
    /// What the database says.
    pub fn metrics_of_versions(&self, name: &str, newest: u32, limit: u64) -> Result<Vec<(MetricKey, u64)>> {
        let mut statement = self.db.prepare_cached(
            "WITH newest AS (SELECT version, model_id, run_id FROM model_versions WHERE model = ?1 \
             ORDER BY version DESC LIMIT ?2) \
             SELECT key, dataset, count(DISTINCT version) AS versions FROM ( \
             SELECT n.version, x.key AS key, x.dataset_name AS dataset FROM newest n \
             JOIN logged_models l ON l.model_id = n.model_id JOIN logged_model_metrics x ON x.model = l.id \
             UNION SELECT n.version, t.text, '' FROM newest n JOIN runs r ON r.run_id = n.run_id \
             JOIN series s ON s.run = r.id JOIN names t ON t.id = s.name) \
             GROUP BY key, dataset ORDER BY versions DESC, dataset, key LIMIT ?3",
        )?;
        let rows = statement.query_map(params![name, newest, as_i64(limit)], |row| {
            let dataset: String = row.get(1)?;
            let dataset = (!dataset.is_empty()).then_some(dataset);
            Ok((MetricKey { key: row.get(0)?, dataset }, unsigned(row, 2)?))
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The version with the largest or smallest value of a metric, and the value. Of equal ones the newest.
    ///
    /// # Errors
    /// What the database says.
    pub fn best_version(&self, name: &str, metric: &MetricKey, higher: bool) -> Result<Option<(i64, f64)>> {
        let mut query = Where::default();
        query.push("SELECT v.version, ").append(&metrics::latest(metric, "value"));
        query.push(" AS value FROM model_versions v WHERE v.model = ? ORDER BY value ").bind(name.to_owned());
        query.push(if higher { "DESC" } else { "ASC" }).push(" NULLS LAST, v.version DESC LIMIT 1");
        let mut statement = self.db.prepare_cached(&query.sql)?;
        let found = statement
            .query_row(params_from_iter(query.values), |row| Ok((row.get(0)?, row.get::<_, Option<f64>>(1)?)))
            .optional()?;
        Ok(found.and_then(|(version, value)| Some((version, value?))))
    }

    /// Latest values of all metrics of a version, by dataset and key.
    ///
    /// # Errors
    /// What the database says.
    pub fn version_metrics(&self, version: &ModelVersion) -> Result<Vec<VersionMetric>> {
        metrics::all(self.db, version.model_id.as_deref(), version.run_id.as_deref())
    }

    /// What the files of a version were when they were looked at first, if they were.
    ///
    /// # Errors
    /// What the database says.
    pub fn version_files(&self, name: &str, version: i64) -> Result<Option<FilesRecord>> {
        let mut statement = self.db.prepare_cached(
            "SELECT recorded_ms, sha256 FROM model_version_records WHERE model = ?1 AND version = ?2",
        )?;
        let found = statement
            .query_row(params![name, version], |row| {
                Ok(FilesRecord { recorded_ms: row.get(0)?, sha256: row.get(1)?, files: Vec::new() })
            })
            .optional()?;
        let Some(mut record) = found else { return Ok(None) };
        let mut files = self.db.prepare_cached(
            "SELECT path, size_bytes, sha256 FROM model_version_files WHERE model = ?1 AND version = ?2 ORDER BY path",
        )?;
        let rows = files.query_map(params![name, version], |row| {
            Ok(FileRecord { path: row.get(0)?, size_bytes: unsigned(row, 1)?, sha256: row.get(2)? })
        })?;
        record.files = rows.collect::<rusqlite::Result<_>>()?;
        Ok(Some(record))
    }

    /// Active runs that read a logged model, newest first, and how many there are.
    ///
    /// # Errors
    /// What the database says.
    pub fn runs_that_read(&self, model_id: &str, limit: u64) -> Result<(Vec<RunName>, u64)> {
        const FROM: &str =
            "FROM run_model_inputs i JOIN runs r ON r.id = i.run WHERE i.model_id = ?1 AND r.lifecycle = 0";
        let mut count = self.db.prepare_cached(&format!("SELECT count(*) {FROM}"))?;
        let total = count.query_row([model_id], |row| unsigned(row, 0))?;
        let mut statement = self.db.prepare_cached(&format!(
            "SELECT r.run_id, r.name, r.experiment {FROM} ORDER BY r.start_ms DESC, r.run_id LIMIT ?2"
        ))?;
        let rows = statement.query_map(params![model_id, as_i64(limit)], |row| {
            Ok(RunName { run_id: row.get(0)?, name: row.get(1)?, experiment_id: row.get(2)? })
        })?;
        Ok((rows.collect::<rusqlite::Result<_>>()?, total))
    }

    /// Active runs that read a dataset, newest first.
    ///
    /// # Errors
    /// What the database says.
    pub fn runs_that_read_dataset(
        &self,
        experiment_id: i64,
        name: &str,
        digest: &str,
        limit: u64,
    ) -> Result<Vec<RunName>> {
        let mut statement = self.db.prepare_cached(
            "SELECT r.run_id, r.name, r.experiment FROM datasets d JOIN run_datasets i ON i.dataset = d.id \
             JOIN runs r ON r.id = i.run WHERE d.experiment = ?1 AND d.name = ?2 AND d.digest = ?3 AND r.lifecycle = 0 \
             ORDER BY r.start_ms DESC, r.run_id LIMIT ?4",
        )?;
        let rows = statement.query_map(params![experiment_id, name, digest, as_i64(limit)], |row| {
            Ok(RunName { run_id: row.get(0)?, name: row.get(1)?, experiment_id: row.get(2)? })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    pub(crate) fn require_model(&self, name: &str) -> Result<()> {
        let mut statement =
            self.db.prepare_cached("SELECT EXISTS (SELECT 1 FROM registered_models WHERE name = ?1)")?;
        match statement.query_row([name], |row| row.get(0))? {
            true => Ok(()),
            false => Err(Error::NotFound(Missing::RegisteredModel(name.to_owned()))),
        }
    }

    /// How many rows a ` FROM … WHERE …` has.
    fn count_rows(&self, scope: &Where) -> Result<u64> {
        let mut statement = self.db.prepare(&format!("SELECT count(*){}", scope.sql))?;
        Ok(statement.query_row(params_from_iter(scope.values.iter()), |row| unsigned(row, 0))?)
    }
}

/// A number that is never negative.
fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or_default())
}

/// A number that is never negative, or nothing.
fn unsigned_or_none(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<u64>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(|number| u64::try_from(number).unwrap_or_default()))
}

/// A text for LIKE, in which nothing stands for anything else.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}
