//! The trash, what deleting for ever would take along, and who refers to files.

use super::{Reader, as_i64};
use crate::error::{Error, Result};
use crate::model::Page;
use crate::trash::{Folder, PurgeSelection, TrashCounts, TrashItem, TrashKind, VersionPlace};
use crate::writer::purge;
use rusqlite::{Params, Row, params};

/// What is in the trash by itself, and not about to go.
const LISTED_RUNS: &str = "r.lifecycle = 1 AND e.lifecycle = 0 \
     AND NOT EXISTS (SELECT 1 FROM purging p WHERE p.kind = 1 AND p.id = r.run_id)";
const LISTED_MODELS: &str = "m.lifecycle = 1 AND e.lifecycle = 0 \
     AND NOT EXISTS (SELECT 1 FROM purging p WHERE p.kind = 2 AND p.id = m.model_id)";
const LISTED_EXPERIMENTS: &str = "e.lifecycle = 1 \
     AND NOT EXISTS (SELECT 1 FROM purging p WHERE p.kind = 3 AND p.id = CAST(e.id AS TEXT))";

impl Reader<'_> {
    /// What lies in the trash, deleted last first.
    ///
    /// # Errors
    /// Only what the database says.
    pub fn trash(&self, offset: u64, limit: u64) -> Result<Page<TrashItem>> {
        let sql = format!(
            "SELECT 3 AS kind, CAST(e.id AS TEXT) AS id, e.name, e.id, e.name, e.deleted_ms AS deleted_ms, \
             (SELECT count(*) FROM runs WHERE experiment = e.id) FROM experiments e WHERE {LISTED_EXPERIMENTS} \
             UNION ALL SELECT 1, r.run_id, r.name, e.id, e.name, r.deleted_ms, 0 \
             FROM runs r JOIN experiments e ON e.id = r.experiment WHERE {LISTED_RUNS} \
             UNION ALL SELECT 2, m.model_id, m.name, e.id, e.name, m.deleted_ms, 0 \
             FROM logged_models m JOIN experiments e ON e.id = m.experiment WHERE {LISTED_MODELS} \
             ORDER BY deleted_ms DESC, kind DESC, id LIMIT ?1 OFFSET ?2"
        );
        let mut statement = self.db.prepare_cached(&sql)?;
        let rows = statement.query_map([as_i64(limit.saturating_add(1)), as_i64(offset)], |row| {
            Ok(TrashItem {
                kind: row.get(0)?,
                id: row.get(1)?,
                name: row.get(2)?,
                experiment_id: row.get(3)?,
                experiment_name: row.get(4)?,
                deleted_ms: row.get(5)?,
                run_count: row.get::<_, i64>(6)?.cast_unsigned(),
            })
        })?;
        let mut items = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = items.len() > wanted;
        items.truncate(wanted);
        Ok(Page { items, more })
    }

    /// How much lies in the trash.
    ///
    /// # Errors
    /// Only what the database says.
    pub fn trash_counts(&self) -> Result<TrashCounts> {
        let count = |sql: &str| -> Result<u64> {
            Ok(self.db.prepare_cached(sql)?.query_row([], |row| row.get::<_, i64>(0))?.cast_unsigned())
        };
        Ok(TrashCounts {
            experiments: count(&format!("SELECT count(*) FROM experiments e WHERE {LISTED_EXPERIMENTS}"))?,
            runs: count(&format!(
                "SELECT count(*) FROM runs r JOIN experiments e ON e.id = r.experiment WHERE {LISTED_RUNS}"
            ))?,
            logged_models: count(&format!(
                "SELECT count(*) FROM logged_models m JOIN experiments e ON e.id = m.experiment WHERE {LISTED_MODELS}"
            ))?,
        })
    }

    /// Whose files would go if the selection were deleted for ever now. What does not exist or is not in the
    /// trash is an error, as it would be then.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Invalid`].
    pub fn purge_folders(&self, selection: &PurgeSelection) -> Result<Vec<Folder>> {
        let mut folders = Vec::new();
        let chosen = purge::chosen(self.db, selection)?;
        for run_id in &chosen.runs {
            folders.extend(
                self.folders("SELECT 0, 1, run_id, artifact_uri FROM runs WHERE run_id = ?1", [run_id])?,
            );
        }
        for model_id in &chosen.models {
            folders.extend(self.folders(
                "SELECT 0, 2, model_id, artifact_location FROM logged_models WHERE model_id = ?1",
                [model_id],
            )?);
        }
        for id in &chosen.experiments {
            folders.extend(
                self.folders("SELECT 0, 1, run_id, artifact_uri FROM runs WHERE experiment = ?1", [id])?,
            );
            folders.extend(self.folders(
                "SELECT 0, 2, model_id, artifact_location FROM logged_models WHERE experiment = ?1",
                [id],
            )?);
            folders.extend(self.folders(
                "SELECT 0, 3, CAST(id AS TEXT), artifact_location FROM experiments WHERE id = ?1",
                [id],
            )?);
        }
        // A run may be named, and be in an experiment that is named.
        let mut seen = std::collections::HashSet::new();
        folders.retain(|folder| seen.insert((folder.kind, folder.owner.clone())));
        Ok(folders)
    }

    /// Whose files are where, of one thing.
    ///
    /// # Errors
    /// Only what the database says; what does not exist has no folders.
    pub fn folders_of(&self, kind: TrashKind, id: &str) -> Result<Vec<Folder>> {
        match kind {
            TrashKind::Run => {
                self.folders("SELECT 0, 1, run_id, artifact_uri FROM runs WHERE run_id = ?1", [id])
            }
            TrashKind::LoggedModel => self.folders(
                "SELECT 0, 2, model_id, artifact_location FROM logged_models WHERE model_id = ?1",
                [id],
            ),
            TrashKind::Experiment => self.folders(
                "SELECT 0, 1, run_id, artifact_uri FROM runs WHERE experiment = CAST(?1 AS INTEGER) UNION ALL \
                 SELECT 0, 2, model_id, artifact_location FROM logged_models WHERE experiment = CAST(?1 AS INTEGER) \
                 UNION ALL SELECT 0, 3, CAST(id AS TEXT), artifact_location FROM experiments \
                 WHERE id = CAST(?1 AS INTEGER)",
                [id],
            ),
        }
    }

    /// Every place that something in the store owns, in use or in the trash.
    ///
    /// # Errors
    /// Only what the database says.
    pub fn all_folders(&self) -> Result<Vec<Folder>> {
        self.folders(
            "SELECT 0, 1, run_id, artifact_uri FROM runs \
             UNION ALL SELECT 0, 2, model_id, artifact_location FROM logged_models \
             UNION ALL SELECT 0, 3, CAST(id AS TEXT), artifact_location FROM experiments",
            [],
        )
    }

    /// Runs and logged models whose files do not lie where their experiment keeps its own, because they were moved
    /// there from another one.
    ///
    /// # Errors
    /// Only what the database says.
    pub fn moved_folders(&self) -> Result<Vec<Folder>> {
        let elsewhere =
            |uri: &str| format!("substr({uri}, 1, length(e.artifact_location)) <> e.artifact_location");
        let sql = format!(
            "SELECT 0, 1, r.run_id, r.artifact_uri FROM runs r JOIN experiments e ON e.id = r.experiment WHERE {} \
             UNION ALL SELECT 0, 2, l.model_id, l.artifact_location FROM logged_models l \
             JOIN experiments e ON e.id = l.experiment WHERE {}",
            elsewhere("r.artifact_uri"),
            elsewhere("l.artifact_location")
        );
        self.folders(&sql, [])
    }

    /// Where the files of every experiment are.
    ///
    /// # Errors
    /// Only what the database says.
    pub fn experiment_folders(&self) -> Result<Vec<Folder>> {
        self.folders("SELECT 0, 3, CAST(id AS TEXT), artifact_location FROM experiments", [])
    }

    /// Where the files of every model version are.
    ///
    /// # Errors
    /// Only what the database says.
    pub fn version_places(&self) -> Result<Vec<VersionPlace>> {
        let mut statement =
            self.db.prepare_cached("SELECT model, version, source, storage_location FROM model_versions")?;
        let rows = statement.query_map([], |row| {
            Ok(VersionPlace {
                name: row.get(0)?,
                version: row.get(1)?,
                source: row.get(2)?,
                storage_location: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Files of what was deleted for ever and that are still to go: the records after `after`, oldest first.
    ///
    /// # Errors
    /// Only what the database says.
    pub fn doomed(&self, after: i64, limit: u64) -> Result<Vec<Folder>> {
        self.folders(
            "SELECT id, kind, owner, uri FROM doomed WHERE id > ?1 ORDER BY id LIMIT ?2",
            params![after, as_i64(limit)],
        )
    }

    /// Whether something is still to be deleted for ever: rows, files or both.
    ///
    /// # Errors
    /// Only what the database says.
    pub fn purge_unfinished(&self) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM purging) OR EXISTS (SELECT 1 FROM doomed)";
        Ok(self.db.query_row(sql, [], |row| row.get(0))?)
    }

    fn folders(&self, sql: &str, params: impl Params) -> Result<Vec<Folder>> {
        fn read(row: &Row<'_>) -> rusqlite::Result<Folder> {
            Ok(Folder { id: row.get(0)?, kind: row.get(1)?, owner: row.get(2)?, uri: row.get(3)? })
        }
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map(params, read)?;
        rows.collect::<rusqlite::Result<_>>().map_err(Error::from)
    }
}
