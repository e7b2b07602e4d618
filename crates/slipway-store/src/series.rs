//! Curves: smoothing and thinning, without a database.
//!
//! A chart of `width_px` columns can show four points a column: the first, the smallest, the largest and the
//! last. [`thin`] keeps exactly these, so that no spike is lost and nothing is invented; with fewer points than
//! that it keeps all. Smoothing, groups and fences work on full-resolution data, before thinning.

mod fences;
mod group;
mod smooth;

pub use fences::Fences;
pub use group::{Aggregate, Band, GroupLine, MOST_PLACES, Places, aggregate, values_at};
pub use smooth::{Smoothing, smooth};

use crate::model::Point;

/// Points of one curve, sorted by `x`. Both columns have the same length.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Curve {
    /// Step, epoch milliseconds or seconds since the start.
    pub x: Vec<f64>,
    /// Values; any float.
    pub y: Vec<f64>,
}

impl Curve {
    /// Number of points.
    pub fn len(&self) -> usize {
        self.x.len().min(self.y.len())
    }

    /// True when there is no point.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What is left of a curve for a chart.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Thinned {
    /// The points kept, in their order.
    pub curve: Curve,
    /// Points in the range before thinning.
    pub total: usize,
    /// Points in the range that are not finite.
    pub non_finite: usize,
    /// Smallest and largest finite value in the range.
    pub y_range: Option<(f64, f64)>,
    /// Where the whole curve begins and ends, whatever the range.
    pub x_range: Option<(f64, f64)>,
}

impl Thinned {
    /// True when points of the range were left out.
    pub fn left_out(&self) -> bool {
        self.curve.len() < self.total
    }
}

/// A metric over another one: each point at the last finite value that `over` had at or before its step; points before
/// the first such value have no place and are left out. Both are sorted by step.
pub fn join(points: &[Point], over: &[Point]) -> Curve {
    let mut places = over.iter().filter(|place| place.value.is_finite()).peekable();
    let mut at = None;
    let mut pairs: Vec<(f64, f64)> = Vec::with_capacity(points.len());
    for point in points {
        while let Some(place) = places.next_if(|place| place.step <= point.step) {
            at = Some(place.value);
        }
        if let Some(x) = at {
            pairs.push((x, point.value));
        }
    }
    // A counter may start again; the order of steps decides among equal places.
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (x, y) = pairs.into_iter().unzip();
    Curve { x, y }
}

/// What of a curve is on screen, and how finely.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// Left edge; infinite for the beginning.
    pub from: f64,
    /// Right edge, inclusive.
    pub to: f64,
    /// Columns of pixels; 0 for every point.
    pub width_px: u32,
    /// The x axis is logarithmic: columns are even in `ln x`, and only what is above zero has a place.
    pub log: bool,
}

impl Default for Window {
    /// Every point.
    fn default() -> Self {
        Self { from: f64::NEG_INFINITY, to: f64::INFINITY, width_px: 0, log: false }
    }
}

impl Window {
    /// The same without what a logarithmic axis has no place for.
    pub(crate) fn drawable(mut self) -> Self {
        if self.log {
            self.from = self.from.max(f64::MIN_POSITIVE);
        }
        self
    }

    /// Columns for points between two x: those of the screen where it says where it begins and ends, and otherwise of
    /// the points.
    pub(crate) fn columns(&self, first: f64, last: f64, points: usize) -> Columns {
        let count = usize::try_from(self.width_px).unwrap_or(usize::MAX);
        let all = count == 0 || points <= count.saturating_mul(4);
        let edge = |wanted: f64, otherwise: f64| if wanted.is_finite() { wanted } else { otherwise };
        // The smallest number is not an edge that somebody asked for.
        let from = if self.log && self.from <= f64::MIN_POSITIVE { f64::NEG_INFINITY } else { self.from };
        Columns::new(edge(from, first), edge(self.to, last), if all { 0 } else { count }, self.log)
    }
}

/// Keeps what a window can show.
///
/// One point beyond each edge is kept as well, so that lines run out of the picture instead of ending in it.
pub fn thin(curve: &Curve, window: Window) -> Thinned {
    let window = window.drawable();
    let Window { from, to, .. } = window;
    let len = curve.len();
    let start = curve.x[..len].partition_point(|x| *x < from);
    let end = curve.x[..len].partition_point(|x| *x <= to).max(start);
    let before = start.checked_sub(1);
    let after = (end < len).then_some(end);
    let mut thinned = Thinned {
        total: end - start + usize::from(before.is_some()) + usize::from(after.is_some()),
        x_range: len.checked_sub(1).map(|last| (curve.x[0], curve.x[last])),
        ..Thinned::default()
    };
    let keep = |index: Option<usize>, thinned: &mut Thinned| {
        if let Some(index) = index {
            thinned.curve.x.push(curve.x[index]);
            thinned.curve.y.push(curve.y[index]);
        }
    };
    keep(before, &mut thinned);
    if start < end {
        let mut columns = window.columns(curve.x[start], curve.x[end - 1], end - start);
        columns.add(start, &curve.x[start..end], &curve.y[start..end]);
        columns.finish(&mut thinned);
    }
    keep(after, &mut thinned);
    thinned
}

/// Columns of pixels from left to right: each keeps its first, smallest, largest and last finite point, and its first
/// and last point that is not finite.
#[derive(Debug)]
pub(crate) struct Columns {
    left: f64,
    per_column: f64,
    /// 0: every point is kept.
    count: usize,
    log: bool,
    current: Option<usize>,
    seen: Seen,
    kept: Curve,
    non_finite: usize,
    y_range: Option<(f64, f64)>,
}

/// A point and its number.
type Numbered = (usize, f64, f64);

/// What one column has seen.
#[derive(Debug, Default)]
struct Seen {
    /// First, smallest, largest and last.
    finite: Option<[Numbered; 4]>,
    /// First and last.
    non_finite: Option<[Numbered; 2]>,
}

impl Columns {
    /// Columns over the given range, in which the points to come lie; 0 columns keep every point.
    fn new(left: f64, right: f64, count: usize, log: bool) -> Self {
        let (left, right) = if log { (left.ln(), right.ln()) } else { (left, right) };
        Self {
            left,
            per_column: (right - left) / count as f64,
            count,
            log,
            current: None,
            seen: Seen::default(),
            kept: Curve::default(),
            non_finite: 0,
            y_range: None,
        }
    }

    fn column_of(&self, x: f64) -> usize {
        if self.per_column > 0.0 {
            let x = if self.log { x.ln() } else { x };
            (((x - self.left) / self.per_column) as usize).min(self.count - 1)
        } else {
            0
        }
    }

    /// True when points from `x` to `other` fall into one column.
    pub(crate) fn are_same(&self, x: f64, other: f64) -> bool {
        self.count > 0 && self.column_of(x) == self.column_of(other)
    }

    /// Adds points that come after those added before, sorted by `x`. `index` is the number of the first one.
    pub(crate) fn add(&mut self, index: usize, x: &[f64], y: &[f64]) {
        let mut start = 0;
        while start < x.len() {
            let end = if self.count == 0 {
                x.len()
            } else {
                let column = self.column_of(x[start]);
                if self.current != Some(column) {
                    self.close_column();
                    self.current = Some(column);
                }
                // Points are sorted by x, so a column is a run of neighbours.
                start + x[start..].partition_point(|x| self.column_of(*x) <= column)
            };
            if self.count == 0 {
                self.kept.x.extend_from_slice(x);
                self.kept.y.extend_from_slice(y);
            }
            self.non_finite += self.seen.scan(index + start, &x[start..end], &y[start..end]);
            start = end;
        }
    }

    fn close_column(&mut self) {
        let seen = std::mem::take(&mut self.seen);
        if let Some([_, low, high, _]) = seen.finite {
            let (least, most) = self.y_range.unwrap_or((low.2, high.2));
            self.y_range = Some((least.min(low.2), most.max(high.2)));
        }
        if self.count == 0 {
            return;
        }
        let mut chosen: Vec<_> =
            seen.finite.into_iter().flatten().chain(seen.non_finite.into_iter().flatten()).collect();
        chosen.sort_unstable_by_key(|point| point.0);
        chosen.dedup_by_key(|point| point.0);
        self.kept.x.extend(chosen.iter().map(|point| point.1));
        self.kept.y.extend(chosen.iter().map(|point| point.2));
    }

    /// Appends what was kept, and the totals.
    pub(crate) fn finish(mut self, thinned: &mut Thinned) {
        self.close_column();
        thinned.curve.x.append(&mut self.kept.x);
        thinned.curve.y.append(&mut self.kept.y);
        thinned.non_finite = self.non_finite;
        thinned.y_range = self.y_range;
    }
}

impl Seen {
    /// Takes in points; gives how many of them are not finite.
    fn scan(&mut self, index: usize, x: &[f64], y: &[f64]) -> usize {
        let point = |at: usize| (index + at, x[at], y[at]);
        let mut bad = 0;
        // Numbers of the smallest and the largest of these; comparing plain numbers keeps this loop tight.
        let (mut low, mut high) = (None, None);
        let (mut least, mut most) = match &self.finite {
            Some([_, low, high, _]) => (low.2, high.2),
            None => (f64::INFINITY, f64::NEG_INFINITY),
        };
        for (at, &value) in y.iter().enumerate() {
            if !value.is_finite() {
                bad += 1;
                self.non_finite.get_or_insert([point(at); 2])[1] = point(at);
                continue;
            }
            if value < least {
                (low, least) = (Some(at), value);
            }
            if value > most {
                (high, most) = (Some(at), value);
            }
        }
        if bad < y.len() {
            let ends = y.iter().position(|y| y.is_finite()).zip(y.iter().rposition(|y| y.is_finite()));
            if let Some((first, last)) = ends {
                let finite = self.finite.get_or_insert([point(first); 4]);
                for (place, at) in [(1, low), (2, high), (3, Some(last))] {
                    if let Some(at) = at {
                        finite[place] = point(at);
                    }
                }
            }
        }
        bad
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn curve(y: Vec<f64>) -> Curve {
        Curve { x: (0..y.len()).map(|step| step as f64).collect(), y }
    }

    fn window(from: f64, to: f64, width_px: u32) -> Window {
        Window { from, to, width_px, log: false }
    }

    const ALL: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

    #[test]
    fn a_metric_over_another_takes_the_last_value_at_or_before_each_step() {
        let points = |list: &[(i64, f64)]| -> Vec<Point> {
            list.iter().map(|(step, value)| Point { step: *step, time_ms: 0, value: *value }).collect()
        };
        let loss = points(&[(0, 9.0), (1, 8.0), (5, 7.0), (6, 6.0), (10, 5.0)]);
        let epoch = points(&[(1, 0.0), (2, f64::NAN), (6, 1.0), (9, 0.5)]);
        let joined = join(&loss, &epoch);
        assert_eq!(joined, Curve { x: vec![0.0, 0.0, 0.5, 1.0], y: vec![8.0, 7.0, 5.0, 6.0] });
        assert!(join(&loss, &[]).is_empty());
    }

    #[test]
    fn columns_of_a_logarithmic_axis_are_even_in_decades() {
        let source = Curve { x: (0..=100_000).map(f64::from).collect(), y: vec![1.0; 100_001] };
        let thinned =
            thin(&source, Window { from: f64::NEG_INFINITY, to: f64::INFINITY, width_px: 50, log: true });
        // The point at 0 has no place, but the line comes from there.
        assert_eq!(thinned.curve.x[..3], [0.0, 1.0, 2.0]);
        let below = |limit: f64| thinned.curve.x.iter().filter(|x| **x <= limit).count();
        assert!(below(100.0) > 20 && thinned.curve.len() <= 202, "{}", below(100.0));
    }

    #[test]
    fn a_single_spike_in_a_million_points_survives() {
        let mut y = vec![0.0; 1_000_000];
        y[654_321] = 9.0;
        let thinned = thin(&curve(y), window(ALL.0, ALL.1, 500));
        assert!(thinned.curve.y.contains(&9.0));
        assert!(thinned.curve.len() <= 2000);
        assert!(thinned.left_out());
    }

    #[test]
    fn points_beyond_the_edges_are_kept_for_the_line() {
        let thinned = thin(&curve((0..10).map(f64::from).collect()), window(3.0, 5.0, 100));
        assert_eq!(thinned.curve.x, [2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(thinned.y_range, Some((3.0, 5.0)));
    }

    #[test]
    fn an_empty_range_is_no_error() {
        assert_eq!(thin(&Curve::default(), window(0.0, 1.0, 10)), Thinned::default());
        assert_eq!(thin(&curve(vec![1.0, 2.0]), window(5.0, 4.0, 10)).y_range, None);
    }

    proptest! {
        /// The promise of the module, checked against the obvious way to compute it: over all points, and zoomed in.
        #[test]
        fn every_column_keeps_its_first_min_max_and_last(
            y in proptest::collection::vec(prop_oneof![8 => -1e3..1e3f64, 1 => Just(f64::NAN)], 1..3000),
            width in 1u32..200,
            zoom in 0usize..3,
        ) {
            let source = curve(y);
            let last = source.x[source.len() - 1];
            let (from, to) = [ALL, (last * 0.2, last * 0.8 + 0.5), (last * 0.45, last * 0.55 + 0.25)][zoom];
            let thinned = thin(&source, window(from, to, width));
            prop_assert!(thinned.curve.x.is_sorted());
            let (left, right) = (from.max(0.0), to.min(if zoom == 0 { last } else { f64::INFINITY }));
            let per_column = (right - left) / f64::from(width);
            for column in 0..width {
                let inside = |x: &f64| {
                    *x >= from && *x <= to && per_column > 0.0
                        && (((*x - left) / per_column) as u32).min(width - 1) == column
                };
                let of = |c: &Curve| -> Vec<f64> {
                    c.x.iter().zip(&c.y).filter(|(x, y)| inside(x) && y.is_finite()).map(|(_, y)| *y).collect()
                };
                let (all, kept) = (of(&source), of(&thinned.curve));
                prop_assert_eq!(all.first(), kept.first());
                prop_assert_eq!(all.last(), kept.last());
                let low = |v: &[f64]| v.iter().copied().fold(f64::INFINITY, f64::min);
                let high = |v: &[f64]| v.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                prop_assert_eq!(low(&all), low(&kept));
                prop_assert_eq!(high(&all), high(&kept));
            }
        }
    }
}
