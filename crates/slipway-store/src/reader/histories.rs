//! Histories of metrics. An unknown run or metric has an empty one.

use super::{Outlines, Reader};
use crate::error::Result;
use crate::history::Place;
use crate::history::curve::{self, Axis, CurveQuery, Outline, Rough, Scale};
use crate::history::stored::Stored;
use crate::model::{Page, Point};
use crate::series::{Curve, Thinned, join};
use rusqlite::OptionalExtension;
use std::sync::Arc;

impl Reader<'_> {
    /// A metric's whole history by step, then time, then value.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) when a part of it is damaged, as for every function here.
    pub fn series(&self, run_id: &str, key: &str) -> Result<Vec<Point>> {
        match self.stored(run_id, key, None)? {
            Some((mut stored, _)) => stored.read_all(),
            None => Ok(Vec::new()),
        }
    }

    /// The part of [`Reader::series`] that comes after a point, or its beginning; at most `limit` points.
    ///
    /// Points that arrive between two calls neither repeat nor hide others.
    ///
    /// # Errors
    /// As [`Reader::series`].
    pub fn series_after(
        &self,
        run_id: &str,
        key: &str,
        after: Option<&Point>,
        limit: u64,
    ) -> Result<Page<Point>> {
        let after = after.map(Place::of);
        let Some((mut stored, _)) = self.stored(run_id, key, after)? else { return Ok(empty()) };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let wanted = |point: &Point| after.is_none_or(|after| Place::of(point) > after);
        let mut items = Vec::new();
        for index in 0..stored.parts.len() {
            if items.len() > limit {
                break;
            }
            stored.read_part(index, &mut items)?;
            items.retain(wanted);
        }
        if items.len() <= limit {
            items.extend(stored.tail.iter().filter(|point| wanted(point)));
        }
        let more = items.len() > limit;
        items.truncate(limit);
        Ok(Page { items, more })
    }

    /// Hands out a whole history by step, then time, then value, in pieces of a few thousand points, without ever
    /// holding more than one of them.
    ///
    /// # Errors
    /// As [`Reader::series`], and whatever `take` gives.
    pub fn each_piece(
        &self,
        run_id: &str,
        key: &str,
        mut take: impl FnMut(&[Point]) -> Result<()>,
    ) -> Result<()> {
        let Some((mut stored, _)) = self.stored(run_id, key, None)? else { return Ok(()) };
        let mut piece = Vec::new();
        for index in 0..stored.parts.len() {
            piece.clear();
            stored.read_part(index, &mut piece)?;
            take(&piece)?;
        }
        take(&stored.tail)
    }

    /// A metric's points in the order MLflow gives them: time, step, value.
    ///
    /// # Errors
    /// As [`Reader::series`].
    pub fn metric_history(
        &self,
        run_id: &str,
        key: &str,
        offset: u64,
        limit: Option<u64>,
    ) -> Result<Page<Point>> {
        let Some((stored, _)) = self.stored(run_id, key, None)? else { return Ok(empty()) };
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        let all = stored.len();
        let mut items = by_time(stored, offset, limit)?;
        items.truncate(limit);
        let more = offset.saturating_add(items.len()) < all;
        Ok(Page { items, more })
    }

    /// What a chart shows of a metric, unpacking no more than that takes: exactly what
    /// [`thin`](crate::series::thin) keeps of [`Reader::full_curve`].
    ///
    /// # Errors
    /// As [`Reader::series`].
    pub fn curve(&self, run_id: &str, key: &str, query: &CurveQuery) -> Result<Thinned> {
        let Some((mut stored, start_ms)) = self.stored(run_id, key, None)? else {
            return Ok(Thinned::default());
        };
        let scale = Scale::new(query.axis, start_ms, &stored);
        curve::thinned(&mut stored, scale, query)
    }

    /// What can be shown of a metric at once, before what [`Reader::curve`] gives.
    ///
    /// # Errors
    /// As [`Reader::series`].
    pub fn outline(
        &self,
        run_id: &str,
        key: &str,
        query: &CurveQuery,
        outlines: &Outlines,
    ) -> Result<Outline> {
        let mut rough = outlines.find(run_id, key, query.axis, self.columns, self.committed);
        if rough.is_none() {
            let Some((mut stored, start_ms)) = self.stored(run_id, key, None)? else {
                return Ok(Outline::Exact(Thinned::default()));
            };
            let scale = Scale::new(query.axis, start_ms, &stored);
            let Some(made) = Rough::new(&stored, scale).map(Arc::new) else {
                return curve::thinned(&mut stored, scale, query).map(Outline::Exact);
            };
            outlines.keep(run_id, key, query.axis, self.committed, made.clone());
            rough = Some(made);
        }
        match rough.and_then(|rough| rough.within(query.window)) {
            Some(thinned) => Ok(Outline::Rough(thinned)),
            None => self.curve(run_id, key, query).map(Outline::Exact),
        }
    }

    /// A metric's whole history over an axis, sorted by it; for smoothing, which needs every point.
    ///
    /// # Errors
    /// As [`Reader::series`].
    pub fn full_curve(&self, run_id: &str, key: &str, axis: Axis) -> Result<Curve> {
        let Some((mut stored, start_ms)) = self.stored(run_id, key, None)? else {
            return Ok(Curve::default());
        };
        let scale = Scale::new(axis, start_ms, &stored);
        curve::full(&mut stored, scale)
    }

    /// A metric's whole history over another metric of its run, as [`join`] puts them together. Nothing when the run has
    /// no such other metric.
    ///
    /// # Errors
    /// As [`Reader::series`].
    pub fn curve_over(&self, run_id: &str, key: &str, over: &str) -> Result<Option<Curve>> {
        let places = self.series(run_id, over)?;
        if places.is_empty() {
            return Ok(None);
        }
        Ok(Some(join(&self.series(run_id, key)?, &places)))
    }

    /// Whether a run has any point of a metric.
    ///
    /// # Errors
    /// Those of the database.
    pub fn has_metric(&self, run_id: &str, key: &str) -> Result<bool> {
        Ok(self.stored_id(run_id, key)?.is_some())
    }

    /// Heads and tail of a history, at least what comes after `place`, and when the run started.
    fn stored(
        &self,
        run_id: &str,
        key: &str,
        place: Option<Place>,
    ) -> Result<Option<(Stored<'_>, Option<i64>)>> {
        let Some((series, start_ms)) = self.stored_id(run_id, key)? else { return Ok(None) };
        Ok(Some((Stored::load(self.db, series, place)?, start_ms)))
    }

    /// The id of a history, and when its run started.
    fn stored_id(&self, run_id: &str, key: &str) -> Result<Option<(i64, Option<i64>)>> {
        let mut statement = self.db.prepare_cached(
            "SELECT s.id, r.start_ms FROM series s JOIN runs r ON r.id = s.run JOIN names n ON n.id = s.name \
             WHERE r.run_id = ?1 AND n.text = ?2",
        )?;
        Ok(statement.query_row([run_id, key], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
    }
}

fn empty() -> Page<Point> {
    Page { items: Vec::new(), more: false }
}

/// Points `offset..offset + limit` of a history by time, step and value, or some more.
///
/// Parts of it that come after one another in time need not be sorted together, and where they are not wanted, not
/// even be unpacked.
fn by_time(mut stored: Stored<'_>, offset: usize, limit: usize) -> Result<Vec<Point>> {
    /// A part of the history, the tail being the last.
    struct Stretch {
        points: usize,
        earliest_ms: i64,
        latest_ms: i64,
    }
    let mut stretches: Vec<Stretch> = Vec::with_capacity(stored.parts.len() + 1);
    let times = |points: &[Point]| {
        let times = points.iter().map(|point| point.time_ms);
        times.clone().min().zip(times.max())
    };
    for part in &stored.parts {
        let (earliest_ms, latest_ms) = part.head.times_ms;
        let late = times(&part.late).unwrap_or((earliest_ms, latest_ms));
        stretches.push(Stretch {
            points: part.len(),
            earliest_ms: earliest_ms.min(late.0),
            latest_ms: latest_ms.max(late.1),
        });
    }
    let (earliest_ms, latest_ms) = times(&stored.tail).unwrap_or((i64::MAX, i64::MAX));
    stretches.push(Stretch { points: stored.tail.len(), earliest_ms, latest_ms });

    // The earliest time from each stretch on.
    let mut earliest_after = vec![i64::MAX; stretches.len() + 1];
    for (index, stretch) in stretches.iter().enumerate().rev() {
        earliest_after[index] = earliest_after[index + 1].min(stretch.earliest_ms);
    }
    let mut items = Vec::new();
    let (mut skipped, mut start) = (0, 0);
    let mut latest_ms = i64::MIN;
    let mut points = 0;
    for (index, stretch) in stretches.iter().enumerate() {
        points += stretch.points;
        latest_ms = latest_ms.max(stretch.latest_ms);
        // Where times are equal, the order of steps decides, and that is the order of the stretches.
        if latest_ms > earliest_after[index + 1] {
            continue;
        }
        let group = start..index + 1;
        start = index + 1;
        latest_ms = i64::MIN;
        let count = std::mem::take(&mut points);
        if items.is_empty() && skipped + count <= offset {
            skipped += count;
            continue;
        }
        let from = items.len();
        for index in group {
            if index < stored.parts.len() {
                stored.read_part(index, &mut items)?;
            } else {
                items.extend_from_slice(&stored.tail);
            }
        }
        let order = |point: &Point| (point.time_ms, Place::of(point));
        if !items[from..].is_sorted_by_key(order) {
            items[from..].sort_unstable_by_key(order);
        }
        if from == 0 {
            items.drain(..offset - skipped);
        }
        if items.len() >= limit {
            break;
        }
    }
    Ok(items)
}
