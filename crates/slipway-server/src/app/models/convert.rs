//! Between the store's words on models and the wire's.

use crate::app::wire;
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
    let store::VersionSummary { version, size_bytes, metrics } = summary;
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
