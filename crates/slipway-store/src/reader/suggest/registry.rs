//! What could stand in a filter of registered models or of their versions.

use super::{
    Fitting, MOST, Offers, SuggestionKind, Suggestions, add_key, add_quantiles, add_value, fit, suggested,
    words,
};
use crate::error::Result;
use crate::reader::{ColumnKind, Reader, as_i64};
use crate::registry::{MetricKey, RegistryScope, metrics};
use crate::search::{Field, MODEL_ATTRIBUTES, Op, VERSION_ATTRIBUTES, Where, quoted_key, quoted_text};
use rusqlite::params_from_iter;

/// Versions, the newest, whose metrics and tags are offered.
const LOOKED_AT: usize = 2000;
const STAGES: [&str; 4] = ["'None'", "'Staging'", "'Production'", "'Archived'"];

impl Reader<'_> {
    /// What could stand at a place of a filter of models or versions, given in bytes.
    ///
    /// # Errors
    /// Only what the database says: a filter that is wrong so far gets no suggestions.
    pub fn suggest_registry(&self, scope: &RegistryScope, text: &str, place: usize) -> Result<Suggestions> {
        suggested(&OfRegistry { reader: self, scope }, text, place)
    }
}

struct OfRegistry<'a> {
    reader: &'a Reader<'a>,
    scope: &'a RegistryScope,
}

impl OfRegistry<'_> {
    fn model(&self) -> Option<&str> {
        match self.scope {
            RegistryScope::Versions(Some(name)) => Some(name),
            RegistryScope::Models | RegistryScope::Versions(None) => None,
        }
    }

    /// ` FROM` the newest versions in question, as `v`.
    fn newest(&self) -> Where {
        let mut out = Where::default();
        out.push(" FROM (SELECT * FROM model_versions");
        // Numbers of different models say nothing about which is newer.
        match self.model() {
            Some(name) => out.push(" WHERE model = ? ORDER BY version DESC").bind(name.to_owned()),
            None => out.push(" ORDER BY created_ms DESC"),
        };
        out.push(&format!(" LIMIT {LOOKED_AT}) v"));
        out
    }

    /// Texts with how many have them, by a query that says so.
    fn counted(&self, query: Where) -> Result<Vec<(String, u64)>> {
        let mut statement = self.reader.db.prepare_cached(&query.sql)?;
        let rows = statement.query_map(params_from_iter(query.values), |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned()))
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Metrics of the versions, without those of datasets, which a filter cannot name.
    fn metric_keys(&self) -> Result<Vec<(String, u64)>> {
        let mut query = Where::default();
        query
            .push("SELECT key, count(*) FROM (SELECT v.model, v.version, x.key AS key")
            .append(&self.newest());
        query.push(
            " JOIN logged_models l ON l.model_id = v.model_id JOIN logged_model_metrics x ON x.model = l.id \
             WHERE x.dataset_name = '' UNION SELECT v.model, v.version, t.text",
        );
        query.append(&self.newest());
        query.push(
            " JOIN runs r ON r.run_id = v.run_id JOIN series s ON s.run = r.id JOIN names t ON t.id = s.name) \
             GROUP BY key ORDER BY 2 DESC, 1",
        );
        self.counted(query)
    }

    /// ` FROM` the tags that a filter names, as `t`.
    fn tags(&self) -> Where {
        let mut out = Where::default();
        match self.scope {
            RegistryScope::Models => out.push(" FROM registered_model_tags t"),
            RegistryScope::Versions(_) => out
                .append(&self.newest())
                .push(" JOIN model_version_tags t ON t.model = v.model AND t.version = v.version"),
        };
        out
    }

    /// Latest values of a metric, in order.
    fn numbers(&self, key: &str) -> Result<Vec<f64>> {
        let mut query = Where::default();
        let metric = MetricKey { key: key.to_owned(), dataset: None };
        query.push("SELECT value FROM (SELECT ").append(&metrics::latest(&metric, "value")).push(" AS value");
        query.append(&self.newest()).push(") WHERE value IS NOT NULL ORDER BY value");
        let mut statement = self.reader.db.prepare_cached(&query.sql)?;
        let rows = statement.query_map(params_from_iter(query.values), |row| row.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Values of an attribute that are few enough to be offered.
    fn texts(&self, attribute: &str, typed: &str) -> Result<Vec<(String, u64)>> {
        let mut query = Where::default();
        match attribute {
            "name" => {
                // There may be thousands: those that contain what is typed.
                query.push(
                    "SELECT m.name, (SELECT count(*) FROM model_versions v WHERE v.model = m.name) \
                     FROM registered_models m WHERE instr(lower(m.name), lower(?)) ORDER BY m.updated_ms DESC LIMIT ?",
                );
                query.bind(typed.to_owned()).bind(as_i64(MOST as u64));
            }
            "alias" => {
                query.push("SELECT alias, count(*) FROM registered_model_aliases");
                if let Some(name) = self.model() {
                    query.push(" WHERE model = ?").bind(name.to_owned());
                }
                query.push(" GROUP BY alias ORDER BY 2 DESC, 1");
            }
            // Nobody picks an id or a path from a list.
            _ => return Ok(Vec::new()),
        }
        self.counted(query)
    }
}

impl Offers for OfRegistry<'_> {
    fn fields(&self, typed: &str, found: &mut Vec<Fitting>) -> Result<()> {
        let (attributes, what) = match self.scope {
            RegistryScope::Models => (MODEL_ATTRIBUTES, "of the model"),
            RegistryScope::Versions(_) => (VERSION_ATTRIBUTES, "of the version"),
        };
        for key in attributes {
            // Versions of one model all have its name.
            if let Some(fit) = fit(typed, key, key).filter(|_| *key != "name" || self.model().is_none()) {
                add_key(found, fit, ColumnKind::Attribute, (*key).to_owned(), what, None);
            }
        }
        let mut tags = Where::default();
        tags.push("SELECT t.key, count(*)").append(&self.tags()).push(" GROUP BY 1 ORDER BY 2 DESC, 1");
        for (entity, kind, keys) in [
            ("metrics", ColumnKind::Metric, self.metric_keys()?),
            ("tags", ColumnKind::Tag, self.counted(tags)?),
        ] {
            for (key, count) in keys {
                if let Some(fit) = fit(typed, &format!("{entity}.{key}"), &key)
                    && let Some(text) = quoted_key(Some(entity), &key)
                {
                    add_key(found, fit, kind, text, "", Some(count));
                }
            }
        }
        Ok(())
    }

    fn operators(&self, field: &Field) -> Result<Vec<&'static str>> {
        let numeric = matches!(field.entity.as_deref(), Some("metric" | "metrics"));
        Ok(match (numeric, field.key.as_str()) {
            (true, _) => vec![">", ">=", "<", "<=", "=", "!=", "BETWEEN"],
            (false, "version_number") if field.entity.is_none() => vec!["=", "!=", ">", ">=", "<", "<="],
            _ => vec!["=", "!=", "LIKE", "ILIKE", "IN", "IS NULL", "IS NOT NULL"],
        })
    }

    fn values(&self, field: &Field, _: Option<Op>, typed: &str, found: &mut Vec<Fitting>) -> Result<()> {
        let texts = match (field.entity.as_deref(), field.key.as_str()) {
            (Some("metric" | "metrics"), key) => {
                add_quantiles(&self.numbers(key)?, typed, found, |number| Some(number.to_string()));
                return Ok(());
            }
            (Some("tag" | "tags"), key) => {
                let mut query = Where::default();
                query.push("SELECT t.value, count(*)").append(&self.tags());
                query.push(" WHERE t.key = ? GROUP BY 1 ORDER BY 2 DESC, 1").bind(key.to_owned());
                self.counted(query)?
            }
            (None | Some("attribute" | "attributes"), "stage") => {
                words(&STAGES, SuggestionKind::Value, typed.trim_matches('\''), found);
                return Ok(());
            }
            (None | Some("attribute" | "attributes"), attribute) => self.texts(attribute, typed)?,
            _ => return Ok(()),
        };
        for (text, count) in texts {
            add_value(found, typed, quoted_text(&text), &text, "", Some(count));
        }
        Ok(())
    }
}
