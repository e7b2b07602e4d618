//! Promotion: where a version can be moved, what it has to fulfil for that, and whether it does.
//!
//! The writer and readers check with the same function, so that what a preview says is what a promotion meets.

use crate::error::Result;
use crate::model::Stage;
use crate::registry::{MetricKey, metrics};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

/// What a version can be moved to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// An alias.
    Alias(String),
    /// A stage.
    Stage(Stage),
}

impl std::fmt::Display for Target {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Alias(alias) => write!(formatter, "@{alias}"),
            Self::Stage(stage) => formatter.write_str(stage.as_str()),
        }
    }
}

/// What a version has to fulfil before it is moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// What it guards; every alias and the stages `Staging` and `Production` when empty.
    pub targets: Vec<Target>,
    /// What has to hold.
    pub check: Check,
}

/// What has to hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Check {
    /// A metric is not worse than that of the holder.
    Metric {
        /// Which one.
        metric: MetricKey,
        /// More is better.
        higher: bool,
        /// How much worse it may be.
        tolerance: f64,
    },
    /// Whoever calls the holder can call the version. Only whoever reads their files knows.
    Signature,
    /// The version has a tag.
    Tag {
        /// Its key.
        key: String,
        /// Its value; any when absent.
        value: Option<String>,
    },
    /// The promotion carries a note.
    Note,
}

impl Rule {
    /// True when it guards a target.
    #[must_use]
    pub fn guards(&self, target: &Target) -> bool {
        match target {
            Target::Stage(Stage::None | Stage::Archived) => false,
            _ => self.targets.is_empty() || self.targets.contains(target),
        }
    }
}

/// What the files of a version say beside those of the holder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    /// The version that was compared with; none when there was none.
    pub holder: Option<i64>,
    /// Whoever calls the holder can call the version.
    pub fits: bool,
    /// Why, or why not.
    pub reason: String,
}

/// Whether a rule holds, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleOutcome {
    /// The rule.
    pub rule: Rule,
    /// It holds. None when that depends on files that were not compared with the present holder.
    pub passed: Option<bool>,
    /// In words.
    pub reason: String,
}

/// What is to be moved where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: i64,
    pub(crate) target: &'a Target,
    pub(crate) note: Option<&'a str>,
    pub(crate) compared: Option<&'a Compared>,
}

/// The version that an alias names, or the newest one in a stage.
pub(crate) fn holder(db: &Connection, name: &str, target: &Target) -> Result<Option<i64>> {
    Ok(match target {
        Target::Alias(alias) => db
            .prepare_cached("SELECT version FROM registered_model_aliases WHERE model = ?1 AND alias = ?2")?
            .query_row(params![name, alias], |row| row.get(0))
            .optional()?,
        Target::Stage(stage) => db
            .prepare_cached("SELECT max(version) FROM model_versions WHERE model = ?1 AND stage = ?2")?
            .query_row(params![name, stage], |row| row.get(0))?,
    })
}

/// The rules of a model.
pub(crate) fn rules(db: &Connection, name: &str) -> Result<Vec<Rule>> {
    let text: Option<String> = db
        .prepare_cached("SELECT rules FROM model_rules WHERE model = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    match text {
        None => Ok(Vec::new()),
        Some(text) => serde_json::from_str(&text).map_err(|error| {
            crate::Error::Corrupt(format!("the rules of the model '{name}' are not readable ({error})"))
        }),
    }
}

/// Whether the rules that guard the target hold.
pub(crate) fn check(db: &Connection, asked: Asked<'_>) -> Result<Vec<RuleOutcome>> {
    let holder = holder(db, asked.name, asked.target)?.filter(|holder| *holder != asked.version);
    let mut outcomes = Vec::new();
    for rule in rules(db, asked.name)?.into_iter().filter(|rule| rule.guards(asked.target)) {
        let (passed, reason) = match &rule.check {
            Check::Metric { metric, higher, tolerance } => {
                let new = metrics::value(db, asked.name, asked.version, metric)?;
                let old = holder.map(|holder| metrics::value(db, asked.name, holder, metric)).transpose()?;
                let (passed, reason) =
                    not_worse(metric, new, holder.map(|holder| (holder, old.flatten())), *higher, *tolerance);
                (Some(passed), reason)
            }
            Check::Signature => match (holder, asked.compared) {
                (None, _) => (Some(true), "no version is there to be compared with".to_owned()),
                (Some(holder), Some(compared)) if compared.holder == Some(holder) => {
                    (Some(compared.fits), compared.reason.clone())
                }
                (Some(holder), _) => (None, format!("its signature was not compared with version {holder}")),
            },
            Check::Tag { key, value } => {
                let (passed, reason) = tagged(db, asked, key, value.as_deref())?;
                (Some(passed), reason)
            }
            Check::Note => match asked.note.is_some_and(|note| !note.trim().is_empty()) {
                true => (Some(true), "there is a note".to_owned()),
                false => (Some(false), "a note has to say why".to_owned()),
            },
        };
        outcomes.push(RuleOutcome { rule, passed, reason });
    }
    Ok(outcomes)
}

fn tagged(db: &Connection, asked: Asked<'_>, key: &str, value: Option<&str>) -> Result<(bool, String)> {
    let found: Option<String> = db
        .prepare_cached(
            "SELECT value FROM model_version_tags WHERE model = ?1 AND version = ?2 AND key = ?3",
        )?
        .query_row(params![asked.name, asked.version, key], |row| row.get(0))
        .optional()?;
    Ok(match (found, value) {
        (None, _) => (false, format!("version {} has no tag '{key}'", asked.version)),
        (Some(_), None) => (true, format!("the tag '{key}' is set")),
        (Some(found), Some(value)) if found == value => (true, format!("the tag '{key}' is '{value}'")),
        (Some(found), Some(value)) => {
            (false, format!("the tag '{key}' is '{found}', and has to be '{value}'"))
        }
    })
}

/// Whether a value is not worse than that of the holder.
fn not_worse(
    metric: &MetricKey,
    new: Option<f64>,
    holder: Option<(i64, Option<f64>)>,
    higher: bool,
    tolerance: f64,
) -> (bool, String) {
    let name = match &metric.dataset {
        Some(dataset) => format!("{} on {dataset}", metric.key),
        None => metric.key.clone(),
    };
    let Some(new) = new else { return (false, format!("{name} was not measured")) };
    if new.is_nan() {
        return (false, format!("{name} is not a number"));
    }
    let Some((version, old)) = holder else {
        return (true, format!("{name} is {new}, and no version is there to be compared with"));
    };
    let Some(old) = old.filter(|old| !old.is_nan()) else {
        return (true, format!("{name} is {new}, and version {version} has no value"));
    };
    let within = if tolerance > 0.0 { format!(", with a tolerance of {tolerance}") } else { String::new() };
    let passed = if higher { new >= old - tolerance } else { new <= old + tolerance };
    let word = match (passed, new == old) {
        (_, true) => "as good as",
        (true, _) if (new > old) == higher => "better than",
        (true, _) => "little worse than",
        (false, _) => "worse than",
    };
    (passed, format!("{name} is {new}, {word} {old} of version {version}{within}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worse_is_a_matter_of_direction_and_tolerance() {
        let metric = MetricKey { key: "m".to_owned(), dataset: None };
        for (new, old, higher, tolerance, passed) in [
            (Some(0.9), Some(0.9), true, 0.0, true),
            (Some(0.91), Some(0.9), true, 0.0, true),
            (Some(0.89), Some(0.9), true, 0.0, false),
            (Some(0.89), Some(0.9), true, 0.02, true),
            (Some(0.89), Some(0.9), false, 0.0, true),
            (Some(0.91), Some(0.9), false, 0.0, false),
            (Some(f64::NAN), Some(0.9), true, 9.0, false),
            (Some(0.1), Some(f64::NAN), true, 0.0, true),
            (Some(f64::NEG_INFINITY), Some(0.9), false, 0.0, true),
            (None, Some(0.9), true, 0.0, false),
            (Some(0.1), None, true, 0.0, true),
        ] {
            let (found, reason) = not_worse(&metric, new, Some((3, old)), higher, tolerance);
            assert_eq!(found, passed, "{reason}");
        }
        assert!(not_worse(&metric, Some(0.1), None, true, 0.0).0);
        assert!(!not_worse(&metric, None, None, true, 0.0).0);
    }
}
