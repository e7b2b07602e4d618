//! Experiments.

use super::{Reader, Search, in_view, order_terms};
use crate::error::{Error, Missing, Result};
use crate::model::{Experiment, ExperimentOverview, Page, View};
use crate::search::{Experiments, Where, compile};
use rusqlite::{OptionalExtension, Row};

const COLUMNS: &str = "e.id, e.name, e.artifact_location, e.lifecycle, e.created_ms, e.updated_ms";

impl Reader<'_> {
    /// An experiment by id, in the trash or not.
    ///
    /// # Errors
    /// [`Missing::Experiment`].
    pub fn experiment(&self, id: i64) -> Result<Experiment> {
        let mut statement =
            self.db.prepare_cached(&format!("SELECT {COLUMNS} FROM experiments e WHERE e.id = ?1"))?;
        let found = statement.query_row([id], read).optional()?;
        self.with_tags(found.ok_or(Error::NotFound(Missing::Experiment(id)))?)
    }

    /// An experiment by name, in the trash or not.
    ///
    /// # Errors
    /// [`Missing::ExperimentName`].
    pub fn experiment_by_name(&self, name: &str) -> Result<Experiment> {
        let mut statement =
            self.db.prepare_cached(&format!("SELECT {COLUMNS} FROM experiments e WHERE e.name = ?1"))?;
        let found = statement.query_row([name], read).optional()?;
        self.with_tags(found.ok_or_else(|| Error::NotFound(Missing::ExperimentName(name.to_owned())))?)
    }

    /// Experiments that match; newest first by default.
    ///
    /// # Errors
    /// [`Error::Search`] for a filter or an order that cannot be understood.
    pub fn search_experiments(&self, search: &Search) -> Result<Page<Experiment>> {
        let mut query = Where::default();
        query.push("SELECT e.id FROM experiments e WHERE ").push(&in_view("e.lifecycle", search.view));
        query.push(" AND ").append(&compile(&search.filter, &Experiments)?);
        query.push(" ORDER BY ");
        query.append(&order_terms(&Experiments, &search.order_by, "e.created_ms DESC, e.id ASC")?);
        let page = self.page_of_ids(query, search.offset, search.limit)?;
        let items = page.items.into_iter().map(|id| self.experiment(id)).collect::<Result<_>>()?;
        Ok(Page { items, more: page.more })
    }

    /// All experiments of a view with the counts of their active runs, the one used last first.
    ///
    /// # Errors
    /// Only what the database says.
    pub fn experiment_overviews(&self, view: View) -> Result<Vec<ExperimentOverview>> {
        let sql = format!(
            "SELECT {COLUMNS}, count(r.id), count(r.id) FILTER (WHERE r.status IN (1, 2)), \
             count(r.id) FILTER (WHERE r.status = 4), max(r.start_ms) \
             FROM experiments e LEFT JOIN runs r ON r.experiment = e.id AND r.lifecycle = 0 \
             WHERE {} GROUP BY e.id ORDER BY coalesce(max(r.start_ms), e.created_ms) DESC, e.id",
            in_view("e.lifecycle", view)
        );
        let mut statement = self.db.prepare_cached(&sql)?;
        let rows = statement.query_map([], |row| {
            Ok(ExperimentOverview {
                experiment: read(row)?,
                run_count: row.get::<_, i64>(6)?.cast_unsigned(),
                running_count: row.get::<_, i64>(7)?.cast_unsigned(),
                failed_count: row.get::<_, i64>(8)?.cast_unsigned(),
                last_run_ms: row.get(9)?,
            })
        })?;
        let mut overviews = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        for overview in &mut overviews {
            overview.experiment = self.with_tags(overview.experiment.clone())?;
        }
        Ok(overviews)
    }

    fn with_tags(&self, mut experiment: Experiment) -> Result<Experiment> {
        experiment.tags = self.pairs(
            "SELECT key, value FROM experiment_tags WHERE experiment = ?1 ORDER BY key",
            [experiment.id],
        )?;
        Ok(experiment)
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Experiment> {
    Ok(Experiment {
        id: row.get(0)?,
        name: row.get(1)?,
        artifact_location: row.get(2)?,
        lifecycle: row.get(3)?,
        created_ms: row.get(4)?,
        updated_ms: row.get(5)?,
        tags: Vec::new(),
    })
}
