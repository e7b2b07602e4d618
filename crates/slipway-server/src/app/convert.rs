//! Between the store's words and the wire's.

use super::wire;
use crate::error::{ApiFailure, ApiResult};
use slipway_store as store;
use std::collections::BTreeMap;

pub(super) fn run_state(status: store::RunStatus) -> wire::RunState {
    match status {
        store::RunStatus::Scheduled => wire::RunState::Queued,
        store::RunStatus::Running => wire::RunState::Running,
        store::RunStatus::Finished => wire::RunState::Succeeded,
        store::RunStatus::Failed => wire::RunState::Failed,
        store::RunStatus::Killed => wire::RunState::Canceled,
    }
}

pub(super) fn lifecycle(lifecycle: store::Lifecycle) -> wire::Lifecycle {
    match lifecycle {
        store::Lifecycle::Active => wire::Lifecycle::Active,
        store::Lifecycle::Deleted => wire::Lifecycle::Deleted,
    }
}

pub(super) fn view(view: wire::View) -> store::View {
    match view {
        wire::View::Active => store::View::Active,
        wire::View::Deleted => store::View::Deleted,
        wire::View::All => store::View::All,
    }
}

pub(super) fn experiment(overview: store::ExperimentOverview) -> wire::Experiment {
    let store::ExperimentOverview { experiment, run_count, running_count, failed_count, last_run_ms } =
        overview;
    wire::Experiment {
        experiment_id: experiment.id.to_string(),
        name: experiment.name,
        lifecycle: lifecycle(experiment.lifecycle),
        created_ms: experiment.created_ms,
        updated_ms: experiment.updated_ms,
        tags: experiment.tags.into_iter().map(|tag| (tag.key, tag.value)).collect::<BTreeMap<_, _>>(),
        run_count,
        running_count,
        failed_count,
        last_run_ms,
    }
}

pub(super) fn column_kind(kind: wire::ColumnKind) -> store::ColumnKind {
    match kind {
        wire::ColumnKind::Attribute => store::ColumnKind::Attribute,
        wire::ColumnKind::Param => store::ColumnKind::Param,
        wire::ColumnKind::Metric => store::ColumnKind::Metric,
        wire::ColumnKind::Tag => store::ColumnKind::Tag,
    }
}

pub(super) fn column(column: wire::ColumnRef) -> ApiResult<store::ColumnRef> {
    let reduce = match (column.reduce.unwrap_or_default(), column.step) {
        (wire::Reduce::Last, _) => store::Reduce::Last,
        (wire::Reduce::Min, _) => store::Reduce::Min,
        (wire::Reduce::Max, _) => store::Reduce::Max,
        (wire::Reduce::First, _) => store::Reduce::First,
        (wire::Reduce::At, Some(step)) => store::Reduce::At(step),
        (wire::Reduce::At, None) => {
            return Err(ApiFailure::invalid(format!(
                "the column '{}' with `reduce` `at` needs a `step`",
                column.key
            )));
        }
    };
    // Only metrics have histories.
    let reduce = if column.kind == wire::ColumnKind::Metric { reduce } else { store::Reduce::Last };
    Ok(store::ColumnRef { kind: column_kind(column.kind), key: column.key, reduce })
}

/// The end of a history; none for what is no end.
pub(super) fn end(reduce: wire::Reduce) -> Option<store::Reduce> {
    match reduce {
        wire::Reduce::Min => Some(store::Reduce::Min),
        wire::Reduce::Max => Some(store::Reduce::Max),
        wire::Reduce::Last | wire::Reduce::First | wire::Reduce::At => None,
    }
}

pub(super) fn columns(columns: Vec<wire::ColumnRef>) -> ApiResult<Vec<store::ColumnRef>> {
    columns.into_iter().map(column).collect()
}

/// The name of a column, without a reducer.
pub(super) fn column_name(column: store::ColumnRef) -> wire::ColumnRef {
    let kind = match column.kind {
        store::ColumnKind::Attribute => wire::ColumnKind::Attribute,
        store::ColumnKind::Param => wire::ColumnKind::Param,
        store::ColumnKind::Metric => wire::ColumnKind::Metric,
        store::ColumnKind::Tag => wire::ColumnKind::Tag,
    };
    wire::ColumnRef { kind, key: column.key, reduce: None, step: None }
}

pub(super) fn group_key(group: wire::GroupKey) -> ApiResult<store::GroupKey> {
    let value = |value| match value {
        None => store::TableCell::Empty,
        Some(wire::CellValue::Number(number)) => store::TableCell::Number(number),
        Some(wire::CellValue::Text(text)) => store::TableCell::Text(text),
    };
    Ok(store::GroupKey { by: columns(group.by)?, key: group.key.into_iter().map(value).collect() })
}

pub(super) fn column_info(info: store::ColumnInfo) -> wire::ColumnInfo {
    wire::ColumnInfo {
        kind: match info.kind {
            store::ColumnKind::Attribute => wire::ColumnKind::Attribute,
            store::ColumnKind::Param => wire::ColumnKind::Param,
            store::ColumnKind::Metric => wire::ColumnKind::Metric,
            store::ColumnKind::Tag => wire::ColumnKind::Tag,
        },
        key: info.key,
        run_count: info.run_count,
        is_curve: info.is_curve,
        numeric: info.numeric,
        varies: info.varies,
    }
}

pub(super) fn table(table: store::Table) -> wire::Table {
    wire::Table {
        rows: table.rows.into_iter().map(row).collect(),
        total: table.total,
        matching: table.matching,
        in_scope: table.in_scope,
        nesting: table.nesting,
        pinned: table.pinned.into_iter().map(row).collect(),
    }
}

pub(super) fn groups(groups: store::Groups) -> wire::Groups {
    wire::Groups {
        groups: groups.groups.into_iter().map(group).collect(),
        total: groups.total,
        matching: groups.matching,
        in_scope: groups.in_scope,
    }
}

fn group(group: store::Group) -> wire::Group {
    let cell = |cell: store::GroupCell| {
        (cell.n > 0).then_some(wire::GroupCell {
            n: cell.n,
            numbers: cell.numbers,
            mean: cell.mean,
            std: cell.std,
            min: cell.min,
            max: cell.max,
            text: cell.text,
            different: cell.different,
        })
    };
    wire::Group {
        key: group.key.into_iter().map(cell_value).collect(),
        run_count: group.run_count,
        running_count: group.running_count,
        failed_count: group.failed_count,
        newest_start_ms: group.newest_start_ms,
        cells: group.cells.into_iter().map(cell).collect(),
    }
}

fn cell_value(cell: store::TableCell) -> Option<wire::CellValue> {
    match cell {
        store::TableCell::Empty => None,
        store::TableCell::Number(number) => Some(wire::CellValue::from_f64(number)),
        store::TableCell::Text(text) => Some(wire::CellValue::Text(text)),
    }
}

fn row(row: store::TableRow) -> wire::TableRow {
    wire::TableRow {
        run_id: row.run_id,
        experiment_id: row.experiment_id.to_string(),
        name: row.name,
        state: run_state(row.status),
        lifecycle: lifecycle(row.lifecycle),
        start_ms: row.start_ms,
        end_ms: row.end_ms,
        parent_run_id: row.parent_run_id,
        child_count: row.child_count,
        matches: row.matches,
        cells: row.cells.into_iter().map(cell_value).collect(),
    }
}

pub(super) fn link(info: store::RunInfo) -> wire::RunLink {
    wire::RunLink { run_id: info.run_id, name: info.name, state: run_state(info.status) }
}

pub(super) fn key_values(pairs: Vec<store::KeyValue>) -> Vec<wire::KeyValue> {
    pairs.into_iter().map(|pair| wire::KeyValue { key: pair.key, value: pair.value }).collect()
}

pub(super) fn metric(summary: store::MetricSummary) -> wire::MetricSummary {
    wire::MetricSummary {
        key: summary.key,
        points: summary.points,
        last: wire::CellValue::from_f64(summary.last.value),
        last_step: summary.last.step,
        last_time_ms: summary.last.time_ms,
        first: wire::CellValue::from_f64(summary.first.value),
        min: summary.min.map(|extreme| extreme.value),
        min_step: summary.min.map(|extreme| extreme.step),
        max: summary.max.map(|extreme| extreme.value),
        max_step: summary.max.map(|extreme| extreme.step),
        first_non_finite_step: summary.first_non_finite_step,
    }
}

pub(super) fn dataset(input: store::DatasetInput) -> wire::DatasetUse {
    let store::DatasetInput { dataset, tags } = input;
    wire::DatasetUse {
        name: dataset.name,
        digest: dataset.digest,
        source_type: dataset.source_type,
        source: dataset.source,
        schema: dataset.schema.unwrap_or_default(),
        profile: dataset.profile.unwrap_or_default(),
        context: tags.into_iter().find(|tag| tag.key == "mlflow.data.context").map(|tag| tag.value),
    }
}
