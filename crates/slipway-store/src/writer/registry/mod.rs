//! Changes to the model registry: registered models, versions, aliases, stages, rules. Each is written into the history
//! and told to webhooks in its own transaction.

mod models;
mod versions;

use super::promotion;
use crate::change::{Applied, Change, Notice};
use crate::error::{Error, Missing, Result};
use crate::registry::events::EventFacts;
use crate::registry::history::{self, Action, By, New};
use crate::registry::{Promotion, Target};
use rusqlite::{Connection, params};

/// Applies a change of the registry.
pub(super) fn apply(
    db: &Connection,
    notices: &mut Vec<Notice>,
    by: By<'_>,
    change: &Change,
) -> Result<Applied> {
    let log = Log { db, by };
    let applied = match change {
        Change::CreateRegisteredModel { name, description, tags, at_ms } => {
            models::create(log, name, description.as_deref(), tags, *at_ms)
        }
        Change::RenameRegisteredModel { name, new_name, at_ms } => {
            models::rename(log, name, new_name, *at_ms)
        }
        Change::DescribeRegisteredModel { name, description, at_ms } => {
            models::describe(log, name, description, *at_ms)
        }
        Change::DeleteRegisteredModel { name, at_ms } => models::delete(log, name, *at_ms),
        Change::SetRegisteredModelTag { name, tag, at_ms } => models::set_tag(log, name, tag, *at_ms),
        Change::DeleteRegisteredModelTag { name, key, at_ms } => models::delete_tag(log, name, key, *at_ms),
        Change::SetAlias { name, alias, version, at_ms } => {
            let target = Target::Alias(alias.clone());
            promotion::promote(db, by, &plain(name, *version, target, false, *at_ms))
        }
        Change::TransitionStage { name, version, stage, archive_existing, at_ms } => {
            let target = Target::Stage(*stage);
            promotion::promote(db, by, &plain(name, *version, target, *archive_existing, *at_ms))
        }
        Change::Promote(promotion) => promotion::promote(db, by, promotion),
        Change::UndoPromotion { history_id, at_ms } => promotion::undo(db, by, *history_id, *at_ms),
        Change::DeleteAlias { name, alias, at_ms } => models::delete_alias(log, name, alias, *at_ms),
        Change::SetModelRules { name, rules, at_ms } => models::set_rules(log, name, rules, *at_ms),
        Change::RecordVersionFiles { name, version, record } => {
            versions::record_files(db, name, *version, record)
        }
        Change::CreateModelVersion(version) => versions::create(log, version),
        Change::DescribeModelVersion { name, version, description, at_ms } => {
            versions::describe(log, name, *version, description, *at_ms)
        }
        Change::DeleteModelVersion { name, version, at_ms } => versions::delete(log, name, *version, *at_ms),
        Change::SetModelVersionTag { name, version, tag, at_ms } => {
            versions::set_tag(log, name, *version, tag, *at_ms)
        }
        Change::DeleteModelVersionTag { name, version, key, at_ms } => {
            versions::delete_tag(log, name, *version, key, *at_ms)
        }
        // `Writer::apply` hands over nothing else.
        other => Err(Error::Invalid(format!("not a change of the registry: {other:?}"))),
    }?;
    notices.push(Notice::Models);
    notices.push(Notice::Deliveries);
    Ok(applied)
}

/// The database, and who is changing it.
#[derive(Clone, Copy)]
struct Log<'a> {
    db: &'a Connection,
    by: By<'a>,
}

impl Log<'_> {
    fn write(self, at_ms: i64, entry: New<'_>) -> Result<i64> {
        history::write(self.db, self.by, at_ms, entry)
    }
}

/// A move without a look at files.
fn plain(name: &str, version: i64, target: Target, archive_existing: bool, at_ms: i64) -> Promotion {
    Promotion {
        name: name.to_owned(),
        version,
        target,
        archive_existing,
        action: Action::Promotion,
        expected_holder: None,
        compared: None,
        at_ms,
    }
}

fn tag_facts(name: &str, version: Option<i64>, key: &str, value: Option<&str>, at_ms: i64) -> EventFacts {
    EventFacts {
        at_ms,
        name: name.to_owned(),
        version,
        key: Some(key.to_owned()),
        value: value.map(str::to_owned),
        ..EventFacts::default()
    }
}

fn require_model(db: &Connection, name: &str) -> Result<()> {
    let there: bool = db
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM registered_models WHERE name = ?1)")?
        .query_row([name], |row| row.get(0))?;
    if there { Ok(()) } else { Err(Error::NotFound(Missing::RegisteredModel(name.to_owned()))) }
}

pub(super) fn require_version(db: &Connection, name: &str, version: i64) -> Result<()> {
    require_model(db, name)?;
    let there: bool = db
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM model_versions WHERE model = ?1 AND version = ?2)")?
        .query_row(params![name, version], |row| row.get(0))?;
    if there {
        Ok(())
    } else {
        Err(Error::NotFound(Missing::ModelVersion { name: name.to_owned(), version }))
    }
}

pub(super) fn touch_model(db: &Connection, name: &str, at_ms: i64) -> Result<Applied> {
    let there =
        db.execute("UPDATE registered_models SET updated_ms = ?2 WHERE name = ?1", params![name, at_ms])?;
    if there == 0 {
        return Err(Error::NotFound(Missing::RegisteredModel(name.to_owned())));
    }
    Ok(Applied::Done)
}

pub(super) fn touch_version(db: &Connection, name: &str, version: i64, at_ms: i64) -> Result<Applied> {
    require_version(db, name, version)?;
    db.execute(
        "UPDATE model_versions SET updated_ms = ?3 WHERE model = ?1 AND version = ?2",
        params![name, version, at_ms],
    )?;
    touch_model(db, name, at_ms)
}
