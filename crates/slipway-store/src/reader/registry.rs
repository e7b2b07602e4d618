//! The model registry.

use super::{Reader, Search, as_i64, order_terms};
use crate::error::{Error, Missing, Result};
use crate::model::{ModelVersion, Page, RegisteredModel, Stage};
use crate::search::{RegisteredModels, Versions, Where, compile_expr, parse};
use rusqlite::{OptionalExtension, Row, params, params_from_iter};

const COLUMNS: &str = "v.model, v.version, v.created_ms, v.updated_ms, v.user, v.description, v.source, \
     v.storage_location, v.run_id, v.run_link, v.model_id, v.stage";

impl Reader<'_> {
    /// A registered model.
    ///
    /// # Errors
    /// [`Missing::RegisteredModel`].
    pub fn registered_model(&self, name: &str) -> Result<RegisteredModel> {
        let mut statement = self.db.prepare_cached(
            "SELECT created_ms, updated_ms, description FROM registered_models WHERE name = ?1",
        )?;
        let found = statement
            .query_row([name], |row| {
                Ok(RegisteredModel {
                    name: name.to_owned(),
                    created_ms: row.get(0)?,
                    updated_ms: row.get(1)?,
                    description: row.get(2)?,
                    tags: Vec::new(),
                    aliases: Vec::new(),
                    latest_versions: Vec::new(),
                })
            })
            .optional()?;
        let mut model = found.ok_or_else(|| Error::NotFound(Missing::RegisteredModel(name.to_owned())))?;
        model.tags =
            self.pairs("SELECT key, value FROM registered_model_tags WHERE model = ?1 ORDER BY key", [name])?;
        let mut aliases = self.db.prepare_cached(
            "SELECT alias, version FROM registered_model_aliases WHERE model = ?1 ORDER BY alias",
        )?;
        model.aliases = aliases
            .query_map([name], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        model.latest_versions = self.latest_versions(name, &Stage::ALL)?;
        Ok(model)
    }

    /// Registered models that match; by name by default. Prompts only when the filter asks for them.
    ///
    /// # Errors
    /// [`Error::Search`] for a filter or an order that cannot be understood.
    pub fn search_registered_models(&self, search: &Search) -> Result<Page<RegisteredModel>> {
        let filter = parse(&search.filter)?;
        let mut query = Where::default();
        query.push("SELECT m.name FROM registered_models m WHERE ");
        query.push(&RegisteredModels::hide_prompts(filter.as_ref()));
        query.push(" AND ").append(&compile_expr(filter.as_ref(), &RegisteredModels)?).push(" ORDER BY ");
        query.append(&order_terms(&RegisteredModels, &search.order_by, "m.name ASC")?);
        query
            .push(" LIMIT ? OFFSET ?")
            .bind(as_i64(search.limit.saturating_add(1)))
            .bind(as_i64(search.offset));
        let mut statement = self.db.prepare(&query.sql)?;
        let rows = statement.query_map(params_from_iter(query.values), |row| row.get::<_, String>(0))?;
        let mut names = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        let more = cut(&mut names, search.limit);
        let items = names.iter().map(|name| self.registered_model(name)).collect::<Result<_>>()?;
        Ok(Page { items, more })
    }

    /// A version.
    ///
    /// # Errors
    /// [`Missing::ModelVersion`].
    pub fn model_version(&self, name: &str, version: i64) -> Result<ModelVersion> {
        let mut statement = self.db.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM model_versions v WHERE v.model = ?1 AND v.version = ?2"
        ))?;
        let found = statement.query_row(params![name, version], read).optional()?;
        self.complete_version(
            found.ok_or_else(|| Error::NotFound(Missing::ModelVersion { name: name.to_owned(), version }))?,
        )
    }

    /// The version that was made from a source at a time, if there is one.
    ///
    /// # Errors
    /// What the database says.
    pub fn model_version_made_at(&self, name: &str, source: &str, at_ms: i64) -> Result<Option<i64>> {
        let mut statement = self.db.prepare_cached(
            "SELECT version FROM model_versions WHERE model = ?1 AND source = ?2 AND created_ms = ?3",
        )?;
        Ok(statement.query_row(params![name, source, at_ms], |row| row.get(0)).optional()?)
    }

    /// The version that an alias points at.
    ///
    /// # Errors
    /// [`Missing::RegisteredModel`] or [`Missing::Alias`].
    pub fn model_version_by_alias(&self, name: &str, alias: &str) -> Result<ModelVersion> {
        let mut statement = self
            .db
            .prepare_cached("SELECT version FROM registered_model_aliases WHERE model = ?1 AND alias = ?2")?;
        match statement.query_row([name, alias], |row| row.get(0)).optional()? {
            Some(version) => self.model_version(name, version),
            None => {
                self.registered_model(name)?;
                Err(Error::NotFound(Missing::Alias(alias.to_owned())))
            }
        }
    }

    /// The newest version in each of the stages, in the order of [`Stage::ALL`].
    ///
    /// # Errors
    /// [`Missing::RegisteredModel`].
    pub fn latest_versions(&self, name: &str, stages: &[Stage]) -> Result<Vec<ModelVersion>> {
        let there: bool = self
            .db
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM registered_models WHERE name = ?1)")?
            .query_row([name], |row| row.get(0))?;
        if !there {
            return Err(Error::NotFound(Missing::RegisteredModel(name.to_owned())));
        }
        let mut statement = self.db.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM model_versions v WHERE v.model = ?1 AND v.stage = ?2 ORDER BY v.version DESC LIMIT 1"
        ))?;
        let mut versions = Vec::new();
        for stage in Stage::ALL.iter().filter(|stage| stages.contains(stage)) {
            if let Some(version) = statement.query_row(params![name, stage], read).optional()? {
                versions.push(self.complete_version(version)?);
            }
        }
        Ok(versions)
    }

    /// Versions that match; last changed first by default. Those of prompts only when the filter asks for them.
    ///
    /// # Errors
    /// [`Error::Search`] for a filter or an order that cannot be understood.
    pub fn search_model_versions(&self, search: &Search) -> Result<Page<ModelVersion>> {
        let filter = parse(&search.filter)?;
        let mut query = Where::default();
        query.push("SELECT ").push(COLUMNS).push(" FROM model_versions v WHERE ");
        query.push(&Versions::hide_prompts(filter.as_ref()));
        query.push(" AND ").append(&compile_expr(filter.as_ref(), &Versions)?).push(" ORDER BY ");
        let default = "v.updated_ms DESC, v.model ASC, v.version DESC";
        query.append(&order_terms(&Versions, &search.order_by, default)?);
        query
            .push(" LIMIT ? OFFSET ?")
            .bind(as_i64(search.limit.saturating_add(1)))
            .bind(as_i64(search.offset));
        let mut statement = self.db.prepare(&query.sql)?;
        let rows = statement.query_map(params_from_iter(query.values), read)?;
        let mut versions = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        let more = cut(&mut versions, search.limit);
        let items =
            versions.into_iter().map(|version| self.complete_version(version)).collect::<Result<_>>()?;
        Ok(Page { items, more })
    }

    fn complete_version(&self, mut version: ModelVersion) -> Result<ModelVersion> {
        version.tags = self.pairs(
            "SELECT key, value FROM model_version_tags WHERE model = ?1 AND version = ?2 ORDER BY key",
            params![version.name, version.version],
        )?;
        let mut aliases = self.db.prepare_cached(
            "SELECT alias FROM registered_model_aliases WHERE model = ?1 AND version = ?2 ORDER BY alias",
        )?;
        version.aliases = aliases
            .query_map(params![version.name, version.version], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(version)
    }
}

/// Cuts a list that was read one longer than wanted; true when something was cut.
fn cut<T>(items: &mut Vec<T>, limit: u64) -> bool {
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = items.len() > wanted;
    items.truncate(wanted);
    more
}

/// Reads [`COLUMNS`].
fn read(row: &Row<'_>) -> rusqlite::Result<ModelVersion> {
    Ok(ModelVersion {
        name: row.get(0)?,
        version: row.get(1)?,
        created_ms: row.get(2)?,
        updated_ms: row.get(3)?,
        user: row.get(4)?,
        description: row.get(5)?,
        source: row.get(6)?,
        storage_location: row.get(7)?,
        run_id: row.get(8)?,
        run_link: row.get(9)?,
        model_id: row.get(10)?,
        stage: row.get(11)?,
        tags: Vec::new(),
        aliases: Vec::new(),
    })
}
