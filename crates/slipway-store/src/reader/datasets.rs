//! Datasets that runs used.

use super::{Reader, among, as_i64};
use crate::error::Result;
use crate::model::DatasetSummary;

impl Reader<'_> {
    /// The datasets that runs of the given experiments used, in the trash or not, each context of a dataset once, by
    /// experiment, name, digest and context; at most `limit`.
    ///
    /// # Errors
    /// Only what the database says.
    pub fn search_datasets(&self, experiment_ids: &[i64], limit: u64) -> Result<Vec<DatasetSummary>> {
        let mut statement = self.db.prepare(&format!(
            "SELECT DISTINCT d.experiment, d.name, d.digest, t.value FROM datasets d \
             JOIN run_datasets i ON i.dataset = d.id \
             LEFT JOIN run_dataset_tags t ON t.input = i.id AND t.key = 'mlflow.data.context' \
             WHERE {} ORDER BY d.experiment, d.name, d.digest, t.value LIMIT ?1",
            among("d.experiment", experiment_ids)
        ))?;
        let rows = statement.query_map([as_i64(limit)], |row| {
            Ok(DatasetSummary {
                experiment_id: row.get(0)?,
                name: row.get(1)?,
                digest: row.get(2)?,
                context: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}
