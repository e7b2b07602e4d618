//! The history of models, their rules, and what webhooks are told.

use super::{Reader, as_i64};
use crate::error::{Error, Missing, Result};
use crate::model::Page;
use crate::registry::promotion::{self, Asked};
use crate::registry::{
    Compared, Delivery, Earlier, EventKind, HistoryEntry, HistoryKind, HistoryQuery, Rule, RuleOutcome,
    Target, Webhook, Who,
};
use crate::search::Where;
use rusqlite::{OptionalExtension, Row, params, params_from_iter};
use std::collections::HashSet;

/// Moves that are looked through for earlier holders.
const MOVES_LIMIT: u32 = 10_000;

impl Reader<'_> {
    /// What happened to models, newest first.
    ///
    /// # Errors
    /// What the database says.
    pub fn model_history(&self, query: &HistoryQuery) -> Result<Page<HistoryEntry>> {
        let mut sql = Where::default();
        sql.push(ENTRY_COLUMNS).push(" WHERE 1");
        if let Some(name) = &query.name {
            sql.push(" AND h.model = ?").bind(name.clone());
        }
        if let Some(version) = query.version {
            let moved = HistoryKind::AliasMoved;
            sql.push(&format!(" AND (h.version = ? OR (h.kind = {} AND h.was = ?))", code(moved)));
            sql.bind(version).bind(version.to_string());
        }
        if let Some(before) = query.before {
            sql.push(" AND h.id < ?").bind(before);
        }
        sql.push(" ORDER BY h.id DESC LIMIT ?").bind(as_i64(query.limit.saturating_add(1)));
        let mut statement = self.db.prepare(&sql.sql)?;
        let rows = statement.query_map(params_from_iter(sql.values), entry)?;
        let mut items = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        let wanted = usize::try_from(query.limit).unwrap_or(usize::MAX);
        let more = items.len() > wanted;
        items.truncate(wanted);
        Ok(Page { items, more })
    }

    /// One entry of the history.
    ///
    /// # Errors
    /// [`Missing::HistoryEntry`].
    pub fn history_entry(&self, id: i64) -> Result<HistoryEntry> {
        let mut statement = self.db.prepare_cached(&format!("{ENTRY_COLUMNS} WHERE h.id = ?1"))?;
        let found = statement.query_row([id], entry).optional()?;
        found.ok_or(Error::NotFound(Missing::HistoryEntry(id)))
    }

    /// The version that an alias names, or the newest one in a stage.
    ///
    /// # Errors
    /// [`Missing::RegisteredModel`].
    pub fn holder(&self, name: &str, target: &Target) -> Result<Option<i64>> {
        self.require_model(name)?;
        promotion::holder(self.db, name, target)
    }

    /// Versions that were at a target and are there no more, the last one first. Deleted ones are left out.
    ///
    /// # Errors
    /// [`Missing::RegisteredModel`].
    pub fn earlier_holders(&self, name: &str, target: &Target) -> Result<Vec<Earlier>> {
        let now = self.holder(name, target)?;
        let (kind, condition, subject) = match target {
            Target::Alias(alias) => (HistoryKind::AliasMoved, "h.subject = ?3", alias.as_str()),
            Target::Stage(stage) => {
                (HistoryKind::StageMoved, "(h.was = ?3 OR h.became = ?3)", stage.as_str())
            }
        };
        let mut statement = self.db.prepare_cached(&format!(
            "SELECT h.version, h.at_ms, h.was, h.became FROM model_history h WHERE h.model = ?1 AND h.closed = 0 \
             AND h.kind = ?2 AND {condition} ORDER BY h.id DESC LIMIT {MOVES_LIMIT}"
        ))?;
        let rows = statement.query_map(params![name, kind, subject], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?;
        type Move = (Option<i64>, i64, Option<String>, Option<String>);
        let moves: Vec<Move> = rows.collect::<rusqlite::Result<_>>()?;
        let number = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<i64>().ok());
        let mut earlier: Vec<Earlier> = Vec::new();
        let mut seen: HashSet<i64> = now.into_iter().collect();
        for (at, (version, at_ms, was, became)) in moves.iter().enumerate() {
            let (left, came) = match target {
                Target::Alias(_) => (number(was), number(became)),
                Target::Stage(stage) if was.as_deref() == Some(stage.as_str()) => (*version, None),
                // It came in, and did not leave.
                Target::Stage(_) => continue,
            };
            let Some(left) = left.filter(|left| seen.insert(*left)) else { continue };
            if !self.has_version(name, left)? {
                continue;
            }
            let from_ms = moves[at + 1..].iter().find_map(|(version, at_ms, _, became)| {
                let came_in = match target {
                    Target::Alias(_) => number(became) == Some(left),
                    Target::Stage(stage) => {
                        *version == Some(left) && became.as_deref() == Some(stage.as_str())
                    }
                };
                came_in.then_some(*at_ms)
            });
            let replaced_by = match target {
                Target::Alias(_) => came,
                Target::Stage(_) => now,
            };
            earlier.push(Earlier { version: left, from_ms, until_ms: *at_ms, replaced_by });
        }
        Ok(earlier)
    }

    fn has_version(&self, name: &str, version: i64) -> Result<bool> {
        let mut statement = self.db.prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM model_versions WHERE model = ?1 AND version = ?2)",
        )?;
        Ok(statement.query_row(params![name, version], |row| row.get(0))?)
    }

    /// What a version of a model has to fulfil before it is moved.
    ///
    /// # Errors
    /// What the database says.
    pub fn model_rules(&self, name: &str) -> Result<Vec<Rule>> {
        promotion::rules(self.db, name)
    }

    /// Whether the rules hold for moving a version to a target, as the writer would find it now.
    ///
    /// # Errors
    /// [`Missing::ModelVersion`].
    pub fn check_rules(
        &self,
        name: &str,
        version: i64,
        target: &Target,
        note: Option<&str>,
        compared: Option<&Compared>,
    ) -> Result<Vec<RuleOutcome>> {
        self.model_version(name, version)?;
        promotion::check(self.db, Asked { name, version, target, note, compared })
    }

    /// All versions in a stage.
    ///
    /// # Errors
    /// What the database says.
    pub fn versions_in(&self, name: &str, stage: crate::Stage) -> Result<Vec<i64>> {
        let mut statement = self.db.prepare_cached(
            "SELECT version FROM model_versions WHERE model = ?1 AND stage = ?2 ORDER BY version",
        )?;
        let rows = statement.query_map(params![name, stage], |row| row.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Webhooks, oldest first.
    ///
    /// # Errors
    /// What the database says.
    pub fn webhooks(&self, offset: u64, limit: u64) -> Result<Page<Webhook>> {
        let mut statement = self
            .db
            .prepare_cached(&format!("{WEBHOOK_COLUMNS} ORDER BY created_ms, id LIMIT ?1 OFFSET ?2"))?;
        let rows = statement.query_map(params![as_i64(limit.saturating_add(1)), as_i64(offset)], webhook)?;
        let mut items = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = items.len() > wanted;
        items.truncate(wanted);
        Ok(Page { items, more })
    }

    /// A webhook.
    ///
    /// # Errors
    /// [`Missing::Webhook`].
    pub fn webhook(&self, id: &str) -> Result<Webhook> {
        let mut statement = self.db.prepare_cached(&format!("{WEBHOOK_COLUMNS} WHERE id = ?1"))?;
        let found = statement.query_row([id], webhook).optional()?;
        found.ok_or_else(|| Error::NotFound(Missing::Webhook(id.to_owned())))
    }

    /// Webhooks for which something is due, and when the next delivery after that is.
    ///
    /// # Errors
    /// What the database says.
    pub fn due_webhooks(&self, now_ms: i64) -> Result<(Vec<String>, Option<i64>)> {
        let mut statement = self.db.prepare_cached(
            "SELECT webhook FROM webhook_deliveries WHERE state = 0 AND due_ms <= ?1 GROUP BY webhook ORDER BY min(due_ms)",
        )?;
        let rows = statement.query_map([now_ms], |row| row.get(0))?;
        let due = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        let mut next = self
            .db
            .prepare_cached("SELECT min(due_ms) FROM webhook_deliveries WHERE state = 0 AND due_ms > ?1")?;
        Ok((due, next.query_row([now_ms], |row| row.get(0))?))
    }

    /// Deliveries to a webhook that are due, in the order in which they came about.
    ///
    /// # Errors
    /// What the database says.
    pub fn due_deliveries(&self, webhook: &str, now_ms: i64, limit: u64) -> Result<Vec<Delivery>> {
        let mut statement = self.db.prepare_cached(&format!(
            "{DELIVERY_COLUMNS} WHERE state = 0 AND due_ms <= ?1 AND webhook = ?2 ORDER BY id LIMIT ?3"
        ))?;
        let rows = statement.query_map(params![now_ms, webhook, as_i64(limit)], delivery)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Deliveries to a webhook, newest first.
    ///
    /// # Errors
    /// What the database says.
    pub fn deliveries(&self, webhook: &str, before: Option<i64>, limit: u64) -> Result<Page<Delivery>> {
        let mut statement = self.db.prepare_cached(&format!(
            "{DELIVERY_COLUMNS} WHERE webhook = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3"
        ))?;
        let before = before.unwrap_or(i64::MAX);
        let rows =
            statement.query_map(params![webhook, before, as_i64(limit.saturating_add(1))], delivery)?;
        let mut items = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = items.len() > wanted;
        items.truncate(wanted);
        Ok(Page { items, more })
    }

    /// One delivery.
    ///
    /// # Errors
    /// [`Missing::Delivery`].
    pub fn delivery(&self, id: i64) -> Result<Delivery> {
        let mut statement = self.db.prepare_cached(&format!("{DELIVERY_COLUMNS} WHERE id = ?1"))?;
        let found = statement.query_row([id], delivery).optional()?;
        found.ok_or(Error::NotFound(Missing::Delivery(id)))
    }
}

/// The last column says whether it can be taken back: nothing was moved after it, and what it was is still there.
const ENTRY_COLUMNS: &str = "SELECT h.id, h.model, h.version, h.at_ms, h.user, h.via, h.kind, h.action, h.subject, \
     h.was, h.became, h.note, h.cause, h.refers, h.closed = 0 AND h.cause IS NULL AND CASE h.kind \
     WHEN 13 THEN NOT EXISTS (SELECT 1 FROM model_history l WHERE l.model = h.model AND l.id > h.id AND l.kind = 13 \
     AND l.subject = h.subject) AND (h.was IS NULL OR EXISTS (SELECT 1 FROM model_versions v WHERE v.model = h.model \
     AND v.version = CAST(h.was AS INTEGER))) \
     WHEN 14 THEN NOT EXISTS (SELECT 1 FROM model_history l WHERE l.model = h.model AND l.id > h.id AND l.kind = 14 \
     AND l.version = h.version) AND EXISTS (SELECT 1 FROM model_versions v WHERE v.model = h.model \
     AND v.version = h.version) ELSE 0 END FROM model_history h";

const WEBHOOK_COLUMNS: &str =
    "SELECT id, name, description, url, events, active, secret, created_ms, updated_ms FROM webhooks";

const DELIVERY_COLUMNS: &str = "SELECT id, webhook, event, facts, state, attempts, due_ms, tried_ms, status, problem \
     FROM webhook_deliveries";

/// The number that a kind is stored as, in SQL that is put together.
fn code(kind: HistoryKind) -> i64 {
    match kind {
        HistoryKind::AliasMoved => 13,
        _ => 14,
    }
}

/// Reads [`ENTRY_COLUMNS`].
fn entry(row: &Row<'_>) -> rusqlite::Result<HistoryEntry> {
    Ok(HistoryEntry {
        id: row.get(0)?,
        model: row.get(1)?,
        version: row.get(2)?,
        at_ms: row.get(3)?,
        who: Who { user: row.get(4)?, via: row.get(5)? },
        kind: row.get(6)?,
        action: row.get(7)?,
        subject: row.get(8)?,
        was: row.get(9)?,
        became: row.get(10)?,
        note: row.get(11)?,
        cause: row.get(12)?,
        refers: row.get(13)?,
        can_undo: row.get(14)?,
    })
}

/// Reads [`WEBHOOK_COLUMNS`].
fn webhook(row: &Row<'_>) -> rusqlite::Result<Webhook> {
    let events: String = row.get(4)?;
    let codes: Vec<i64> = serde_json::from_str(&events).unwrap_or_default();
    Ok(Webhook {
        id: row.get(0)?,
        name: row.get(1)?,
        description: row.get(2)?,
        url: row.get(3)?,
        events: codes.into_iter().filter_map(EventKind::from_code).collect(),
        is_active: row.get(5)?,
        secret: row.get(6)?,
        created_ms: row.get(7)?,
        updated_ms: row.get(8)?,
    })
}

/// Reads [`DELIVERY_COLUMNS`].
fn delivery(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    let (event, facts): (i64, String) = (row.get(2)?, row.get(3)?);
    let unreadable =
        |column| rusqlite::Error::InvalidColumnType(column, "facts".into(), rusqlite::types::Type::Text);
    Ok(Delivery {
        id: row.get(0)?,
        webhook: row.get(1)?,
        event: EventKind::from_code(event).ok_or_else(|| unreadable(2))?,
        facts: serde_json::from_str(&facts).map_err(|_| unreadable(3))?,
        state: row.get(4)?,
        attempts: row.get(5)?,
        due_ms: row.get(6)?,
        tried_ms: row.get(7)?,
        status: row.get(8)?,
        problem: row.get(9)?,
    })
}
