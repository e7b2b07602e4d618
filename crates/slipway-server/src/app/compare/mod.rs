//! Runs side by side: any number of them, from any experiments, a window of rows and columns at a time.

mod facts;
mod layout;
pub(super) mod text;

use super::export::text::Cell;
use super::wire::{
    ApiError, CellValue, CompareCell, CompareReduce, CompareRequest, CompareRow, CompareSection, ComparedRun,
    ComparedSection, Comparison, Reduce,
};
use super::{convert, read};
use crate::ServerState;
use crate::error::{ApiFailure, ApiJson, ApiResult};
use axum::Json;
use axum::extract::State;
use facts::Value;
use layout::{Line, Matrix, same};
use slipway_store::Run;
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

const MAX_RUNS: usize = 1000;
const MAX_ROWS: u64 = 1000;
const DEFAULT_ROWS: u64 = 200;
const MAX_COLUMNS: u64 = 200;
const DEFAULT_COLUMNS: u64 = 50;
/// Longer texts are cut in cells.
const CELL_CHARS: usize = 160;
const SECTIONS: [CompareSection; 6] = [
    CompareSection::Params,
    CompareSection::Metrics,
    CompareSection::Tags,
    CompareSection::Environment,
    CompareSection::Code,
    CompareSection::Data,
];

/// The comparison that was asked for last: scrolling through it asks for the same runs again and again.
#[derive(Debug, Default)]
pub(crate) struct Remembered(Mutex<Option<Arc<Compared>>>);

#[derive(Debug)]
struct Compared {
    asked: Vec<String>,
    /// Newest event before the runs were read.
    as_of: u64,
    runs: Vec<ComparedRun>,
    missing: Vec<String>,
    matrix: Matrix,
}

impl Compared {
    fn section(&self, section: CompareSection) -> Vec<(&str, &[Option<Value>])> {
        self.matrix
            .keys
            .range((section, String::new())..)
            .take_while(|((at, _), _)| *at == section)
            .map(|((_, key), values)| (key.as_str(), values.as_slice()))
            .collect()
    }

    fn values(&self, section: CompareSection, key: &str) -> &[Option<Value>] {
        self.matrix.keys.get(&(section, key.to_owned())).map(Vec::as_slice).unwrap_or_default()
    }
}

/// A window of some runs side by side: rows are keys, columns are runs.
#[utoipa::path(post, path = "/runs/compare", tag = "runs", request_body = CompareRequest,
    responses((status = 200, body = Comparison), (status = "default", body = ApiError)))]
pub(super) async fn compare_runs(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<CompareRequest>,
) -> ApiResult<Json<Comparison>> {
    let limits = [
        ("limit", request.limit.unwrap_or(DEFAULT_ROWS), MAX_ROWS),
        ("run_limit", request.run_limit.unwrap_or(DEFAULT_COLUMNS), MAX_COLUMNS),
    ];
    for (name, value, most) in limits {
        if value > most {
            return Err(ApiFailure::invalid(format!("`{name}` is at most {most}, not {value}")));
        }
    }
    let compared = compared(&state, &request.run_ids).await?;
    Ok(Json(super::blocking(move || window(&compared, &request)).await?))
}

/// A comparison without a window.
pub(super) struct Whole {
    pub(super) runs: Vec<ComparedRun>,
    pub(super) rows: Vec<WholeRow>,
}

/// All values of one key, uncut.
pub(super) struct WholeRow {
    pub(super) section: CompareSection,
    pub(super) key: String,
    pub(super) cells: Vec<Cell>,
}

/// Every row and column of a comparison, for exports.
pub(super) async fn whole(
    state: &ServerState,
    request: CompareRequest,
    best: BTreeMap<String, Reduce>,
) -> ApiResult<Whole> {
    let compared = compared(state, &request.run_ids).await?;
    super::blocking(move || {
        let reduce_of = |key: &str| match (request.reduce, best.get(key)) {
            (CompareReduce::Best, Some(Reduce::Min)) => CompareReduce::Min,
            (CompareReduce::Best, Some(Reduce::Max)) => CompareReduce::Max,
            (reduce, _) => reduce,
        };
        let rows = keys(&compared, &request)
            .into_iter()
            .flat_map(|(section, keys)| keys.into_iter().map(move |(key, _)| (section, key)))
            .map(|(section, key)| WholeRow {
                section,
                key: key.to_owned(),
                cells: compared
                    .values(section, key)
                    .iter()
                    .map(|value| exported(value.as_ref(), reduce_of(key)))
                    .collect(),
            })
            .collect();
        Whole { runs: compared.runs.clone(), rows }
    })
    .await
}

fn exported(value: Option<&Value>, reduce: CompareReduce) -> Cell {
    match value {
        None => Cell::Empty,
        Some(Value::Text(text)) => Cell::Text(text.clone()),
        Some(Value::Metric { last, min, max, first }) => {
            let number = match reduce {
                CompareReduce::First => Some(*first),
                CompareReduce::Min => *min,
                CompareReduce::Max => *max,
                CompareReduce::Last | CompareReduce::Best => Some(*last),
            };
            // No point was finite, so that none was smallest.
            Cell::Number(number.unwrap_or(f64::NAN))
        }
    }
}

/// The runs with their values, read anew when something changed.
async fn compared(state: &ServerState, run_ids: &[String]) -> ApiResult<Arc<Compared>> {
    if run_ids.len() > MAX_RUNS {
        return Err(ApiFailure::invalid(format!(
            "at most {MAX_RUNS} runs can be compared at once, not {}",
            run_ids.len()
        ))
        .hint("Group or filter them first."));
    }
    let as_of = state.events().newest();
    let remembered = state.compared().0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(found) = remembered.filter(|found| found.as_of == as_of && found.asked == run_ids) {
        return Ok(found);
    }
    let mut seen = HashSet::new();
    let (mut runs, mut facts, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    for run_id in run_ids.iter().filter(|run_id| seen.insert(run_id.as_str())) {
        match facts::of(state, run_id).await? {
            Some((run, found)) => {
                runs.push(run);
                facts.push(found);
            }
            None => missing.push(run_id.clone()),
        }
    }
    let names = experiment_names(state, &runs).await?;
    let runs = runs.into_iter().map(|run| compared_run(run, &names)).collect();
    let matrix = Matrix::of(facts);
    let found = Arc::new(Compared { asked: run_ids.to_vec(), as_of, runs, missing, matrix });
    *state.compared().0.lock().unwrap_or_else(PoisonError::into_inner) = Some(found.clone());
    Ok(found)
}

async fn experiment_names(state: &ServerState, runs: &[Run]) -> ApiResult<BTreeMap<i64, String>> {
    let ids: HashSet<i64> = runs.iter().map(|run| run.info.experiment_id).collect();
    Ok(read(state, move |reader| {
        ids.into_iter().map(|id| Ok((id, reader.experiment(id)?.name))).collect::<slipway_store::Result<_>>()
    })
    .await??)
}

fn compared_run(run: Run, names: &BTreeMap<i64, String>) -> ComparedRun {
    ComparedRun {
        experiment_id: run.info.experiment_id.to_string(),
        experiment_name: names.get(&run.info.experiment_id).cloned().unwrap_or_default(),
        run_id: run.info.run_id,
        name: run.info.name,
        state: convert::run_state(run.info.status),
        start_ms: run.info.start_ms,
    }
}

fn window(compared: &Compared, request: &CompareRequest) -> Comparison {
    let reduce = request.reduce;
    let base = request
        .baseline
        .as_ref()
        .and_then(|id| compared.runs.iter().position(|run| run.run_id == *id))
        .unwrap_or_default();
    let mut sections = Vec::new();
    for section in SECTIONS {
        let all = compared.section(section);
        let differing = all.iter().filter(|(_, values)| differ(values, reduce)).count();
        sections.push(ComparedSection { section, keys: all.len() as u64, differing: differing as u64 });
    }
    let mut lines = Vec::new();
    for (section, keys) in keys(compared, request) {
        layout::section(section, &keys, &request.closed, &mut lines);
    }
    let columns = span(request.run_offset, request.run_limit.unwrap_or(DEFAULT_COLUMNS), compared.runs.len());
    let rows = span(request.offset, request.limit.unwrap_or(DEFAULT_ROWS), lines.len());
    Comparison {
        run_count: compared.runs.len() as u64,
        baseline: compared.runs.get(base).cloned(),
        missing: compared.missing.clone(),
        sections,
        total: lines.len() as u64,
        rows: lines[rows].iter().map(|line| row(compared, line, base, columns.clone(), reduce)).collect(),
        runs: compared.runs[columns].to_vec(),
    }
}

/// Keys of one section, with whether runs differ in them.
type Keys<'a> = Vec<(&'a str, bool)>;

/// The keys that are asked for, by section.
fn keys<'a>(compared: &'a Compared, request: &CompareRequest) -> Vec<(CompareSection, Keys<'a>)> {
    let search = request.search.to_lowercase();
    let wanted = |section: &CompareSection| request.sections.is_empty() || request.sections.contains(section);
    SECTIONS
        .into_iter()
        .filter(wanted)
        .map(|section| {
            let keys = compared.section(section).into_iter().filter_map(|(key, values)| {
                let differs = differ(values, request.reduce);
                let fits = (differs || !request.differing)
                    && (search.is_empty() || key.to_lowercase().contains(&search));
                fits.then_some((key, differs))
            });
            (section, keys.collect())
        })
        .collect()
}

fn differ(values: &[Option<Value>], reduce: CompareReduce) -> bool {
    let first = values.first().and_then(Option::as_ref);
    values.iter().skip(1).any(|value| !same(first, value.as_ref(), reduce))
}

/// The part of a list of `length` that a window shows.
fn span(offset: u64, limit: u64, length: usize) -> std::ops::Range<usize> {
    let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX).min(length);
    at(offset)..at(offset.saturating_add(limit))
}

fn row(
    compared: &Compared,
    line: &Line<'_>,
    base: usize,
    columns: std::ops::Range<usize>,
    reduce: CompareReduce,
) -> CompareRow {
    match line {
        Line::Heading { section, prefix, label, depth, keys, path, differs } => CompareRow {
            section: *section,
            key: (*prefix).to_owned(),
            label: (*label).to_owned(),
            depth: *depth,
            keys: Some(*keys),
            path: Some(path.clone()),
            differs: *differs,
            base: None,
            cells: Vec::new(),
        },
        Line::Key { section, key, label, depth, differs } => {
            let values = compared.values(*section, key);
            let of_base = values.get(base).and_then(Option::as_ref);
            let show = |value: &Option<Value>| {
                value.as_ref().map(|value| cell(value, !same(of_base, Some(value), reduce), reduce))
            };
            CompareRow {
                section: *section,
                key: (*key).to_owned(),
                label: (*label).to_owned(),
                depth: *depth,
                keys: None,
                path: None,
                differs: *differs,
                base: of_base.map(|value| cell(value, false, reduce)),
                cells: values.get(columns).unwrap_or_default().iter().map(show).collect(),
            }
        }
    }
}

fn cell(value: &Value, differs: bool, reduce: CompareReduce) -> CompareCell {
    match value {
        Value::Text(text) => {
            let end = text.char_indices().nth(CELL_CHARS).map_or(text.len(), |(end, _)| end);
            let shown = text[..end].lines().next().unwrap_or_default();
            CompareCell {
                long: shown.len() < text.trim_end().len(),
                text: shown.to_owned(),
                differs,
                min: None,
                max: None,
            }
        }
        Value::Metric { last, min, max, first } => {
            let number = match reduce {
                CompareReduce::First => Some(*first),
                CompareReduce::Min => *min,
                CompareReduce::Max => *max,
                CompareReduce::Last | CompareReduce::Best => Some(*last),
            };
            let text = match number.map(CellValue::from_f64) {
                Some(CellValue::Number(number)) => number.to_string(),
                Some(CellValue::Text(text)) => text,
                // No point was finite, so that none was smallest.
                None => "NaN".to_owned(),
            };
            CompareCell { text, long: false, differs, min: *min, max: *max }
        }
    }
}
