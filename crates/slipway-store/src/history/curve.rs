//! Curves for charts, read with as little unpacking as gives the exact result.
//!
//! A chart shows the first, smallest, largest and last point of each pixel column. A chunk that lies inside one column
//! needs no unpacking, since its head names these four; only chunks that reach into two columns, or have points that
//! are not finite, are unpacked. The result is that of [`thin`] over the whole history.

use super::stored::{Part, Stored};
use super::{Place, unrank};
use crate::error::Result;
use crate::model::Point;
use crate::series::{Columns, Curve, Thinned, Window, thin};
use std::cmp::Ordering;
use std::ops::Range;

/// What a curve is drawn over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Axis {
    /// Steps.
    #[default]
    Step,
    /// Epoch milliseconds.
    Time,
    /// Seconds since the run started, or since the first point of a run that does not say when it did.
    Relative,
}

/// Which part of a curve is wanted, and how finely.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CurveQuery {
    /// What it is drawn over.
    pub axis: Axis,
    /// Which part of it, in units of the axis.
    pub window: Window,
}

impl Default for CurveQuery {
    /// Every point, by step.
    fn default() -> Self {
        Self { axis: Axis::Step, window: Window::default() }
    }
}

/// What the heads of chunks tell of a curve.
#[derive(Debug, Clone, PartialEq)]
pub enum Outline {
    /// All there is to show: little had to be unpacked for it.
    Exact(Thinned),
    /// The first, smallest, largest and last point of each chunk; every one was logged, but columns of pixels may lack
    /// theirs.
    Rough(Thinned),
}

/// Chunks that are unpacked rather than outlined: they take less time than a second answer.
const FEW_CHUNKS: usize = 8;

/// How steps and times become places on the axis.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    axis: Axis,
    start_ms: i64,
}

impl Scale {
    /// `start_ms` is when the run started, if it says so.
    pub(crate) fn new(axis: Axis, start_ms: Option<i64>, stored: &Stored<'_>) -> Self {
        let heads = stored.parts.iter().map(|part| part.head.times_ms.0);
        let late = stored.parts.iter().flat_map(|part| &part.late).chain(&stored.tail);
        let earliest = || heads.chain(late.map(|point| point.time_ms)).min().unwrap_or(0);
        Self { axis, start_ms: start_ms.unwrap_or_else(earliest) }
    }

    fn by_time(self) -> bool {
        self.axis != Axis::Step
    }

    /// The place of a step or of a time, whichever the axis shows.
    fn x(self, number: i64) -> f64 {
        match self.axis {
            Axis::Step | Axis::Time => number as f64,
            Axis::Relative => number.saturating_sub(self.start_ms) as f64 / 1000.0,
        }
    }

    fn of(self, step: i64, time_ms: i64) -> f64 {
        self.x(if self.by_time() { time_ms } else { step })
    }

    fn of_place(self, place: Place) -> (f64, f64) {
        (self.of(place.step, place.time_ms), unrank(place.rank))
    }
}

/// The whole curve, sorted by its axis; of points at the same place, by step.
pub(crate) fn full(stored: &mut Stored<'_>, scale: Scale) -> Result<Curve> {
    let points = stored.read_all()?;
    let mut curve = Curve::default();
    if scale.by_time() && !stored.is_in_time() {
        // Clocks may go back.
        let mut pairs: Vec<_> =
            points.iter().map(|point| (scale.of(point.step, point.time_ms), point.value)).collect();
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        (curve.x, curve.y) = pairs.into_iter().unzip();
    } else {
        push(&mut curve, &points, scale);
    }
    Ok(curve)
}

/// What a chart shows of a curve.
pub(crate) fn thinned(stored: &mut Stored<'_>, scale: Scale, query: &CurveQuery) -> Result<Thinned> {
    if scale.by_time() && !stored.is_in_time() {
        return Ok(thin(&full(stored, scale)?, query.window));
    }
    let window = query.window.drawable();
    let mut line = Line::new(stored, scale);
    let len = line.pieces.last().map_or(0, |piece| piece.range.end);
    let mut thinned = Thinned::default();
    if len == 0 {
        return Ok(thinned);
    }
    thinned.x_range = Some((line.at(0)?.0, line.at(len - 1)?.0));
    // Written so that an edge that is no number gives the empty range that `thin` gives.
    let start =
        line.first_where(|x| !matches!(x.partial_cmp(&window.from), Some(Ordering::Less)))?.unwrap_or(len);
    let beyond = |x: f64| !matches!(x.partial_cmp(&window.to), Some(Ordering::Less | Ordering::Equal));
    let end = line.first_where(beyond)?.unwrap_or(len).max(start);
    let before = start.checked_sub(1).map(|index| line.at(index)).transpose()?;
    let after = if end < len { Some(line.at(end)?) } else { None };
    thinned.total = end - start + usize::from(before.is_some()) + usize::from(after.is_some());
    let push = |point: Option<(f64, f64)>, thinned: &mut Thinned| {
        if let Some((x, y)) = point {
            thinned.curve.x.push(x);
            thinned.curve.y.push(y);
        }
    };
    push(before, &mut thinned);
    if start < end {
        let edges = (line.at(start)?.0, line.at(end - 1)?.0);
        let mut columns = window.columns(edges.0, edges.1, end - start);
        for index in 0..line.pieces.len() {
            line.show(index, start..end, &mut columns)?;
        }
        columns.finish(&mut thinned);
    }
    push(after, &mut thinned);
    Ok(thinned)
}

/// The curve as the heads of its chunks have it, from end to end.
#[derive(Debug)]
pub(crate) struct Rough {
    curve: Curve,
    points: usize,
    non_finite: usize,
    x_range: Option<(f64, f64)>,
}

impl Rough {
    /// The heads of a history; none where few chunks make unpacking as quick, or clocks went back.
    pub(crate) fn new(stored: &Stored<'_>, scale: Scale) -> Option<Self> {
        if stored.parts.len() <= FEW_CHUNKS || (scale.by_time() && !stored.is_in_time()) {
            return None;
        }
        let mut curve = Curve::default();
        for part in &stored.parts {
            let last = part.head.points.saturating_sub(1);
            let extremes = part.head.extremes.into_iter().flat_map(|(low, high)| [low, high]);
            let mut known: Vec<(usize, Place)> =
                extremes.map(|extreme| (extreme.index, extreme.place)).collect();
            known.extend([(0, part.head.first), (last, part.head.last)]);
            known.sort_unstable_by_key(|(index, _)| *index);
            known.dedup_by_key(|(index, _)| *index);
            for (_, place) in known {
                let (x, y) = scale.of_place(place);
                curve.x.push(x);
                curve.y.push(y);
            }
        }
        push(&mut curve, &stored.tail, scale);
        let first = stored.parts.first().map(Part::first);
        let last = stored.tail.last().map(Place::of).or(stored.parts.last().map(|part| part.head.last));
        Some(Self {
            curve,
            points: stored.len(),
            non_finite: stored.parts.iter().map(|part| part.head.non_finite).sum(),
            x_range: first.zip(last).map(|(first, last)| (scale.of_place(first).0, scale.of_place(last).0)),
        })
    }

    /// What it shows in a window; none where so few chunks are in it that unpacking them is as quick. How many points
    /// there are is an estimate.
    pub(crate) fn within(&self, window: Window) -> Option<Thinned> {
        let thinned = thin(&self.curve, window);
        if window.width_px == 0 || thinned.total <= 4 * FEW_CHUNKS {
            return None;
        }
        let share =
            |all: usize| (all as f64 * thinned.total as f64 / self.curve.len().max(1) as f64) as usize;
        Some(Thinned {
            total: share(self.points),
            non_finite: share(self.non_finite),
            x_range: self.x_range,
            ..thinned
        })
    }

    /// About how much memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.curve.len() * 2 * size_of::<f64>() + 256
    }
}

/// A curve in pieces, of which one at a time is unpacked.
struct Line<'s, 'a> {
    stored: &'s mut Stored<'a>,
    scale: Scale,
    pieces: Vec<Piece>,
    /// Number of the piece that is unpacked, and its points.
    loaded: Option<usize>,
    curve: Curve,
}

/// A part of a history, or its tail.
#[derive(Debug)]
struct Piece {
    /// Numbers of its points within the curve.
    range: Range<usize>,
    first: (f64, f64),
    last: (f64, f64),
}

impl<'s, 'a> Line<'s, 'a> {
    fn new(stored: &'s mut Stored<'a>, scale: Scale) -> Self {
        let mut pieces = Vec::with_capacity(stored.parts.len() + 1);
        let mut start = 0;
        let mut add = |len: usize, first: Place, last: Place| {
            pieces.push(Piece {
                range: start..start + len,
                first: scale.of_place(first),
                last: scale.of_place(last),
            });
            start += len;
        };
        for part in &stored.parts {
            add(part.len(), part.first(), part.head.last);
        }
        if let (Some(first), Some(last)) = (stored.tail.first(), stored.tail.last()) {
            add(stored.tail.len(), Place::of(first), Place::of(last));
        }
        Self { stored, scale, pieces, loaded: None, curve: Curve::default() }
    }

    /// The point with the given number, which there must be.
    fn at(&mut self, index: usize) -> Result<(f64, f64)> {
        let found = self.pieces.partition_point(|piece| piece.range.end <= index);
        let Some(piece) = self.pieces.get(found) else { return Ok((f64::NAN, f64::NAN)) };
        let (first, last, within) = (piece.first, piece.last, index - piece.range.start);
        if within == 0 {
            return Ok(first);
        }
        if index + 1 == piece.range.end {
            return Ok(last);
        }
        self.load(found)?;
        Ok((self.curve.x[within], self.curve.y[within]))
    }

    /// Number of the first point of which `is` holds; it must hold of all that follow.
    fn first_where(&mut self, is: impl Fn(f64) -> bool) -> Result<Option<usize>> {
        let found = self.pieces.partition_point(|piece| !is(piece.last.0));
        let Some(piece) = self.pieces.get(found) else { return Ok(None) };
        let start = piece.range.start;
        if is(piece.first.0) {
            return Ok(Some(start));
        }
        self.load(found)?;
        Ok(Some(start + self.curve.x.partition_point(|x| !is(*x))))
    }

    /// Unpacks a piece.
    fn load(&mut self, index: usize) -> Result<()> {
        if self.loaded == Some(index) {
            return Ok(());
        }
        self.loaded = None;
        let Self { stored, scale, curve, .. } = self;
        curve.x.clear();
        curve.y.clear();
        match stored.parts.get(index) {
            None => push(curve, &stored.tail, *scale),
            Some(part) if part.late.is_empty() => {
                let (places, values) = stored.unpacker.pairs(&part.head, scale.by_time())?;
                curve.x.extend(places.iter().map(|place| scale.x(*place)));
                curve.y.extend_from_slice(values);
            }
            Some(_) => {
                let mut points = Vec::new();
                stored.read_part(index, &mut points)?;
                push(curve, &points, *scale);
            }
        }
        self.loaded = Some(index);
        Ok(())
    }

    /// Adds what lies in `wanted` of a piece to the columns.
    fn show(&mut self, index: usize, wanted: Range<usize>, columns: &mut Columns) -> Result<()> {
        let piece = &self.pieces[index];
        let start = piece.range.start;
        let (from, to) = (wanted.start.max(start), wanted.end.min(piece.range.end));
        if from >= to {
            return Ok(());
        }
        let whole = from == start && to == piece.range.end;
        if whole
            && columns.are_same(piece.first.0, piece.last.0)
            && let Some(part) = self.stored.parts.get(index)
            && part.late.is_empty()
            && part.head.non_finite == 0
            && let Some((low, high)) = part.head.extremes
        {
            let last = part.head.points.saturating_sub(1);
            let mut four = [
                (0, part.head.first),
                (low.index, low.place),
                (high.index, high.place),
                (last, part.head.last),
            ];
            four.sort_unstable_by_key(|(index, _)| *index);
            let mut previous = None;
            for (index, place) in four {
                if previous != Some(index) {
                    let (x, y) = self.scale.of_place(place);
                    columns.add(start + index, &[x], &[y]);
                    previous = Some(index);
                }
            }
            return Ok(());
        }
        self.load(index)?;
        columns.add(from, &self.curve.x[from - start..to - start], &self.curve.y[from - start..to - start]);
        Ok(())
    }
}

fn push(curve: &mut Curve, points: &[Point], scale: Scale) {
    curve.x.extend(points.iter().map(|point| scale.of(point.step, point.time_ms)));
    curve.y.extend(points.iter().map(|point| point.value));
}
