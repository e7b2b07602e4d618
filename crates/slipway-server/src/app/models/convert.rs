//! Between the store's words on models and the wire's.

use crate::app::wire;
use crate::error::{ApiFailure, ApiResult};
use crate::registry::metrics::higher_is_better;
use slipway_store as store;
use std::collections::BTreeMap;

pub(super) fn stage(stage: store::Stage) -> wire::ModelStage {
    match stage {
        store::Stage::None => wire::ModelStage::None,
        store::Stage::Staging => wire::ModelStage::Staging,
        store::Stage::Production => wire::ModelStage::Production,
        store::Stage::Archived => wire::ModelStage::Archived,
    }
}

pub(super) fn metric_name(metric: store::MetricKey) -> wire::MetricName {
    wire::MetricName { key: metric.key, dataset: metric.dataset }
}

pub(super) fn metric_key(metric: wire::MetricName) -> store::MetricKey {
    store::MetricKey { key: metric.key, dataset: metric.dataset }
}

/// Guessed from the name.
pub(super) fn direction(key: &str) -> wire::MetricDirection {
    match higher_is_better(key) {
        true => wire::MetricDirection::Higher,
        false => wire::MetricDirection::Lower,
    }
}

pub(super) fn tags(tags: Vec<store::KeyValue>) -> BTreeMap<String, String> {
    tags.into_iter().map(|tag| (tag.key, tag.value)).collect()
}

pub(super) fn model(summary: store::ModelSummary, best: Option<wire::BestMetric>) -> wire::ModelRow {
    let store::ModelSummary { model, version_count, latest_version, size_bytes, used_by_runs } = summary;
    let aliases = model.aliases.into_iter().map(|(alias, version)| wire::AliasHolder { alias, version });
    let stages = model
        .latest_versions
        .into_iter()
        .map(|version| wire::StageHolder { stage: stage(version.stage), version: version.version });
    wire::ModelRow {
        name: model.name,
        description: model.description,
        created_ms: model.created_ms,
        updated_ms: model.updated_ms,
        tags: tags(model.tags),
        version_count,
        latest_version,
        size_bytes,
        aliases: aliases.collect(),
        stages: stages.collect(),
        best,
        used_by_runs,
    }
}

pub(super) fn version(summary: store::VersionSummary) -> wire::VersionRow {
    let store::VersionSummary { version, run_name, size_bytes, metrics } = summary;
    wire::VersionRow {
        name: version.name,
        version: version.version,
        created_ms: version.created_ms,
        updated_ms: version.updated_ms,
        user: version.user,
        description: version.description,
        stage: stage(version.stage),
        aliases: version.aliases,
        tags: tags(version.tags),
        run_id: version.run_id,
        run_name,
        model_id: version.model_id,
        size_bytes,
        metrics: metrics.into_iter().map(|value| value.map(wire::CellValue::from_f64)).collect(),
    }
}

pub(super) fn version_metric(metric: store::VersionMetric) -> wire::VersionMetric {
    wire::VersionMetric {
        direction: direction(&metric.metric.key),
        metric: metric_name(metric.metric),
        dataset_digest: metric.dataset_digest,
        value: wire::CellValue::from_f64(metric.point.value),
        step: metric.point.step,
        run_id: metric.run_id,
    }
}

/// What `MLmodel` says; nothing when there is none.
pub(super) fn card(described: crate::registry::files::Described) -> Option<wire::ModelCard> {
    let crate::registry::files::Described { card, example, requirements } = described;
    let card = card?;
    Some(wire::ModelCard {
        flavors: card
            .flavors
            .into_iter()
            .map(|flavor| wire::ModelFlavor {
                name: flavor.name,
                fields: flavor.fields.into_iter().collect(),
            })
            .collect(),
        signature: card.signature.map(signature),
        input_example: example.map(|(path, example)| wire::InputExample {
            columns: example.columns,
            rows: example.rows.into_iter().map(|row| row.into_iter().map(cell).collect()).collect(),
            row_count: example.row_count,
            text: example.text,
            path,
        }),
        requirements,
        python_version: card.python_version,
        mlflow_version: card.mlflow_version,
        model_uuid: card.model_uuid,
        made_at: card.made_at,
        problems: card.problems,
    })
}

fn cell(cell: slipway_models::Cell) -> Option<wire::CellValue> {
    match cell {
        slipway_models::Cell::Empty => None,
        slipway_models::Cell::Number(number) => Some(wire::CellValue::from_f64(number)),
        slipway_models::Cell::Text(text) => Some(wire::CellValue::Text(text)),
    }
}

fn signature(signature: slipway_models::Signature) -> wire::ModelSignature {
    let fields = |fields: Vec<slipway_models::Field>| {
        let field = |field: slipway_models::Field| wire::SignatureField {
            r#type: field.kind.to_string(),
            name: field.name,
            required: field.required,
            default: field.default,
        };
        fields.into_iter().map(field).collect()
    };
    wire::ModelSignature {
        inputs: signature.inputs.map(fields),
        outputs: signature.outputs.map(fields),
        params: signature.params.map(fields),
    }
}

pub(super) fn target(target: wire::ModelTarget) -> ApiResult<store::Target> {
    Ok(match target {
        wire::ModelTarget::Alias { alias } => {
            store::Target::Alias(crate::mlflow::check_alias(&alias).map_err(ApiFailure::invalid)?)
        }
        wire::ModelTarget::Stage { stage } => store::Target::Stage(match stage {
            wire::ModelStage::None => store::Stage::None,
            wire::ModelStage::Staging => store::Stage::Staging,
            wire::ModelStage::Production => store::Stage::Production,
            wire::ModelStage::Archived => store::Stage::Archived,
        }),
    })
}

pub(super) fn promoted(done: store::Promoted) -> wire::Promoted {
    wire::Promoted {
        name: done.name,
        target: super::promote::wire_target(done.target),
        version: done.version,
        previous: done.previous,
        history_id: done.history_id,
    }
}

pub(super) fn rule(rule: wire::ModelRule) -> ApiResult<store::Rule> {
    let check = match rule.check {
        wire::RuleCheck::Metric { metric, dataset, direction, tolerance } => store::Check::Metric {
            metric: store::MetricKey { key: metric, dataset: dataset.filter(|dataset| !dataset.is_empty()) },
            higher: direction == wire::MetricDirection::Higher,
            tolerance,
        },
        wire::RuleCheck::Signature => store::Check::Signature,
        wire::RuleCheck::Tag { key, value } => store::Check::Tag { key, value },
        wire::RuleCheck::Note => store::Check::Note,
    };
    let targets = rule.targets.into_iter().map(target).collect::<ApiResult<_>>()?;
    Ok(store::Rule { targets, check })
}

pub(super) fn wire_rule(rule: store::Rule) -> wire::ModelRule {
    let check = match rule.check {
        store::Check::Metric { metric, higher, tolerance } => wire::RuleCheck::Metric {
            metric: metric.key,
            dataset: metric.dataset,
            direction: if higher { wire::MetricDirection::Higher } else { wire::MetricDirection::Lower },
            tolerance,
        },
        store::Check::Signature => wire::RuleCheck::Signature,
        store::Check::Tag { key, value } => wire::RuleCheck::Tag { key, value },
        store::Check::Note => wire::RuleCheck::Note,
    };
    let targets = rule.targets.into_iter().map(super::promote::wire_target).collect();
    wire::ModelRule { targets, check }
}

pub(super) fn outcome(outcome: store::RuleOutcome) -> wire::RuleResult {
    wire::RuleResult {
        rule: wire_rule(outcome.rule),
        passed: outcome.passed == Some(true),
        reason: outcome.reason,
    }
}

pub(super) fn entry(entry: store::HistoryEntry) -> wire::HistoryEntry {
    use store::HistoryKind as Kind;
    wire::HistoryEntry {
        id: entry.id,
        name: entry.model,
        version: entry.version,
        at_ms: entry.at_ms,
        user: entry.who.user,
        via: entry.who.via,
        kind: match entry.kind {
            Kind::ModelCreated => wire::HistoryKind::ModelCreated,
            Kind::ModelRenamed => wire::HistoryKind::ModelRenamed,
            Kind::ModelDescribed => wire::HistoryKind::ModelDescribed,
            Kind::ModelDeleted => wire::HistoryKind::ModelDeleted,
            Kind::ModelTagSet => wire::HistoryKind::ModelTagSet,
            Kind::ModelTagRemoved => wire::HistoryKind::ModelTagRemoved,
            Kind::RulesSet => wire::HistoryKind::RulesSet,
            Kind::VersionCreated => wire::HistoryKind::VersionCreated,
            Kind::VersionDescribed => wire::HistoryKind::VersionDescribed,
            Kind::VersionDeleted => wire::HistoryKind::VersionDeleted,
            Kind::VersionTagSet => wire::HistoryKind::VersionTagSet,
            Kind::VersionTagRemoved => wire::HistoryKind::VersionTagRemoved,
            Kind::AliasMoved => wire::HistoryKind::AliasMoved,
            Kind::StageMoved => wire::HistoryKind::StageMoved,
        },
        action: match entry.action {
            store::Action::Edit => wire::HistoryAction::Edit,
            store::Action::Promotion => wire::HistoryAction::Promotion,
            store::Action::Rollback => wire::HistoryAction::Rollback,
            store::Action::Undo => wire::HistoryAction::Undo,
        },
        subject: entry.subject,
        from: entry.was,
        to: entry.became,
        note: entry.note,
        cause_id: entry.cause,
        undoes_id: entry.refers,
        can_undo: entry.can_undo,
    }
}
