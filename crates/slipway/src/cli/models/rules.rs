//! What a version has to fulfil before it is promoted, as it is typed and shown.

use super::names::{target, target_text};
use super::print_json;
use crate::cli::client::{Api, escaped};
use crate::cli::{Failure, Result, output};
use clap::Args;
use slipway_server::app::wire::{MetricDirection, ModelDetail, ModelRule, RuleCheck, RulesEdit};
use std::io::Write;

#[derive(Args)]
pub(crate) struct Rules {
    /// Name of the model.
    name: String,
    /// Add a rule: `metric:NAME:higher|lower[:TOLERANCE[:DATASET]]`, `signature`, `tag:KEY[=VALUE]` or `note`. May be
    /// given again.
    #[arg(long, value_name = "RULE")]
    add: Vec<String>,
    /// What the added rules guard: `@champion`, `Staging` or `Production`; all of these when absent. May be given again.
    #[arg(long, value_name = "TARGET", requires = "add")]
    on: Vec<String>,
    /// Remove all rules first.
    #[arg(long)]
    clear: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn rules(api: &Api, arguments: Rules) -> Result<()> {
    let mut detail: ModelDetail = api.get(&format!("/models/one?name={}", escaped(&arguments.name)))?;
    if arguments.clear || !arguments.add.is_empty() {
        let mut rules = if arguments.clear { Vec::new() } else { detail.rules };
        let targets = arguments.on.iter().map(|text| target(text)).collect::<Result<Vec<_>>>()?;
        for text in &arguments.add {
            rules.push(ModelRule { targets: targets.clone(), check: rule_check(text)? });
        }
        let edit = RulesEdit { name: arguments.name.clone(), rules, note: None };
        detail = api.post("/models/rules", &edit)?;
    }
    if arguments.json {
        return print_json(&detail.rules);
    }
    let mut out = std::io::stdout().lock();
    if detail.rules.is_empty() {
        writeln!(out, "{} has no rules.", output::clean(&arguments.name))?;
    }
    for rule in &detail.rules {
        writeln!(out, "{}", output::clean(&rule_text(rule)))?;
    }
    Ok(())
}

/// Reads a rule as it is typed.
fn rule_check(text: &str) -> Result<RuleCheck> {
    let wrong = || {
        Failure::usage(format!("`{text}` is no rule"))
            .hint("Say metric:NAME:higher|lower[:TOLERANCE[:DATASET]], signature, tag:KEY[=VALUE] or note.")
    };
    let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
    match kind {
        "signature" if rest.is_empty() => Ok(RuleCheck::Signature),
        "note" if rest.is_empty() => Ok(RuleCheck::Note),
        "tag" if !rest.is_empty() => Ok(match rest.split_once('=') {
            Some((key, value)) => RuleCheck::Tag { key: key.to_owned(), value: Some(value.to_owned()) },
            None => RuleCheck::Tag { key: rest.to_owned(), value: None },
        }),
        "metric" => {
            let mut parts = rest.splitn(4, ':');
            let metric = parts.next().filter(|name| !name.is_empty()).ok_or_else(wrong)?.to_owned();
            let direction = match parts.next() {
                Some("higher") => MetricDirection::Higher,
                Some("lower") => MetricDirection::Lower,
                _ => return Err(wrong()),
            };
            let tolerance = parts.next().map_or(Ok(0.0), |text| text.parse().map_err(|_| wrong()))?;
            Ok(RuleCheck::Metric { metric, dataset: parts.next().map(str::to_owned), direction, tolerance })
        }
        _ => Err(wrong()),
    }
}

pub(super) fn rule_text(rule: &ModelRule) -> String {
    let on = match rule.targets.is_empty() {
        true => "every alias, Staging and Production".to_owned(),
        false => rule.targets.iter().map(target_text).collect::<Vec<_>>().join(", "),
    };
    let what = match &rule.check {
        RuleCheck::Metric { metric, dataset, direction, tolerance } => {
            let dataset = dataset.as_deref().map(|dataset| format!(" on {dataset}")).unwrap_or_default();
            let better = match direction {
                MetricDirection::Higher => "higher",
                MetricDirection::Lower => "lower",
            };
            format!("{metric}{dataset} is not worse ({better} is better, tolerance {tolerance})")
        }
        RuleCheck::Signature => "the signature is compatible".to_owned(),
        RuleCheck::Tag { key, value: Some(value) } => format!("the tag {key} is {value}"),
        RuleCheck::Tag { key, value: None } => format!("the tag {key} is set"),
        RuleCheck::Note => "there is a note".to_owned(),
    };
    format!("{what}; for {on}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_as_they_are_typed() {
        let metric = |metric: &str, direction, tolerance, dataset: Option<&str>| RuleCheck::Metric {
            metric: metric.to_owned(),
            dataset: dataset.map(str::to_owned),
            direction,
            tolerance,
        };
        for (text, expected) in [
            ("metric:auc:higher", metric("auc", MetricDirection::Higher, 0.0, None)),
            ("metric:val/loss:lower:0.01", metric("val/loss", MetricDirection::Lower, 0.01, None)),
            ("metric:auc:higher:0:a:b", metric("auc", MetricDirection::Higher, 0.0, Some("a:b"))),
            ("signature", RuleCheck::Signature),
            ("note", RuleCheck::Note),
            ("tag:checked=yes", RuleCheck::Tag { key: "checked".to_owned(), value: Some("yes".to_owned()) }),
            ("tag:checked", RuleCheck::Tag { key: "checked".to_owned(), value: None }),
        ] {
            assert_eq!(rule_check(text).ok(), Some(expected), "{text}");
        }
        for text in ["", "metric", "metric:auc", "metric:auc:up", "metric:auc:higher:x", "tag:", "note:x"] {
            assert!(rule_check(text).is_err(), "{text}");
        }
    }
}
