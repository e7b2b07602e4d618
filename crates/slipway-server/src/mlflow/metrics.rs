//! Histories of metrics.

use super::decode::{Fields, Params};
use super::encode::Answer;
use super::error::{MlflowError, Result};
use super::points::{self, PointWriter};
use super::{page, read, runs};
use crate::ServerState;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use slipway_store::{Error as StoreError, Point};

const BULK_RUNS: usize = 100;
const BULK_POINTS: i64 = 25_000;
const INTERVAL_POINTS: i64 = 2500;
/// Most points of one page; whoever asks for more gets the token of the next page.
const PAGE_POINTS: u64 = 1_000_000;

pub(super) async fn history(State(state): State<ServerState>, params: Params) -> Result<Response> {
    let fields = params.fields();
    let run_id = runs::run_id(&fields)?;
    let key = fields.required_text("metric_key")?.to_owned();
    let offset = page::offset(&fields)?;
    match fields.integer("max_results")? {
        None => points::to_the_end(&state, run_id, key, offset).await,
        Some(wanted) if wanted < 1 => Err(MlflowError::invalid(format!(
            "Invalid value {wanted} for parameter 'max_results' supplied. It must be a positive integer."
        ))),
        Some(wanted) => {
            Ok(points::one_page(&state, run_id, key, offset, wanted.unsigned_abs().min(PAGE_POINTS))
                .await?
                .into_response())
        }
    }
}

/// The histories of one metric in several runs, one after the other.
pub(super) async fn history_bulk(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let fields = params.fields();
    let run_ids = fields.texts("run_id")?;
    if run_ids.is_empty() {
        return Err(MlflowError::invalid("GetMetricHistoryBulk request must specify at least one run_id."));
    }
    if run_ids.len() > BULK_RUNS {
        return Err(MlflowError::invalid(format!(
            "GetMetricHistoryBulk request cannot specify more than {BULK_RUNS} run_ids. Received {} run_ids.",
            run_ids.len()
        )));
    }
    let key = fields
        .filled_text("metric_key")?
        .ok_or_else(|| MlflowError::invalid("GetMetricHistoryBulk request must specify a metric_key."))?
        .to_owned();
    let wanted = fields.integer("max_results")?.unwrap_or(BULK_POINTS).clamp(0, BULK_POINTS).unsigned_abs();
    read(&state, move |reader| {
        let mut left = wanted;
        let mut out = points::begin();
        for run_id in &run_ids {
            let found = points::read_points(reader, run_id, &key, 0, left)?.items;
            left = left.saturating_sub(found.len() as u64);
            PointWriter::of_run(&key, run_id)?.add(&mut out, &found)?;
            if left == 0 {
                break;
            }
        }
        points::end(out, None)
    })
    .await
}

/// As [`history_bulk`], thinned to some points of each run within a range of steps.
pub(super) async fn history_bulk_interval(
    State(state): State<ServerState>,
    params: Params,
) -> Result<Answer> {
    let fields = params.fields();
    let run_ids = fields.texts("run_ids")?;
    if run_ids.is_empty() {
        return Err(fields.missing("run_ids"));
    }
    if run_ids.len() > BULK_RUNS {
        return Err(too_many_runs(run_ids.len()));
    }
    let key = fields.required_text("metric_key")?.to_owned();
    let most = fields.integer("max_results")?.unwrap_or(INTERVAL_POINTS);
    if !(1..=INTERVAL_POINTS).contains(&most) {
        return Err(MlflowError::invalid(format!(
            "max_results must be between 1 and {INTERVAL_POINTS}. See the API docs for more information about request \
             parameters."
        )));
    }
    let steps = interval(&fields)?;
    read(&state, move |reader| {
        let mut out = points::begin();
        let mut is_empty = true;
        for run_id in &run_ids {
            let mut found = match reader.series(run_id, &key) {
                Err(StoreError::NotFound(_)) => continue,
                other => other?,
            };
            if let Some((start, end)) = steps {
                found.retain(|point| (start..=end).contains(&point.step));
            }
            is_empty &= found.is_empty();
            PointWriter::of_run(&key, run_id)?.add(&mut out, &spread(found, most.unsigned_abs() as usize))?;
        }
        if is_empty { Ok(Answer::empty()) } else { points::end(out, None) }
    })
    .await
}

fn too_many_runs(count: usize) -> MlflowError {
    MlflowError::invalid(format!(
        "GetMetricHistoryBulkInterval request must specify at most {BULK_RUNS} run_ids. Received {count} run_ids. See the API docs for more \
         information about request parameters."
    ))
}

/// The fields `start_step` and `end_step`: both or neither.
fn interval(fields: &Fields<'_>) -> Result<Option<(i64, i64)>> {
    match (fields.integer("start_step")?, fields.integer("end_step")?) {
        (None, None) => Ok(None),
        (Some(start), Some(end)) if start <= end => Ok(Some((start, end))),
        (Some(start), Some(end)) => Err(MlflowError::invalid(format!(
            "end_step must be greater than start_step. Found start_step={start} and end_step={end}."
        ))),
        _ => Err(MlflowError::invalid(
            "If either start step or end step are specified, both must be specified.",
        )),
    }
}

/// At most `most` of the points: the first of each of as many parts of the list, of which earlier ones are longer
/// where they cannot be equal. The last point takes the place of the last of these, so that both ends stay.
fn spread(points: Vec<Point>, most: usize) -> Vec<Point> {
    let (count, Some(last)) = (points.len(), points.last().copied()) else { return points };
    if count <= most || most == 0 {
        return points;
    }
    let (size, longer) = (count / most, count % most);
    let mut kept: Vec<_> = (0..most - 1).map(|part| points[part * size + part.min(longer)]).collect();
    kept.push(last);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(count: i64) -> Vec<Point> {
        (0..count).map(|step| Point { step, time_ms: 0, value: 0.0 }).collect()
    }

    fn steps(points: &[Point]) -> Vec<i64> {
        points.iter().map(|point| point.step).collect()
    }

    #[test]
    fn thinning_keeps_both_ends() {
        assert_eq!(steps(&spread(line(3), 5)), [0, 1, 2]);
        assert_eq!(steps(&spread(line(101), 3)), [0, 34, 100]);
        assert_eq!(steps(&spread(line(5), 4)), [0, 2, 3, 4]);
        assert_eq!(steps(&spread(line(10), 1)), [9]);
        assert!(spread(line(0), 1).is_empty());
        let many = spread(line(100_000), 2500);
        assert_eq!((many.len(), many[0].step, many[2499].step), (2500, 0, 99_999));
    }

    #[test]
    fn an_interval_has_both_ends_in_order() {
        let read = |query: &str| interval(&Params::from_query(query).unwrap().fields());
        assert_eq!(read("start_step=-2&end_step=5").unwrap(), Some((-2, 5)));
        assert_eq!(read("").unwrap(), None);
        assert!(read("start_step=1").is_err());
        assert_eq!(
            read("start_step=5&end_step=1").unwrap_err().message(),
            "end_step must be greater than start_step. Found start_step=5 and end_step=1."
        );
    }
}
