//! Curves: smoothing and thinning, without a database.
//!
//! A chart of `width_px` columns can show four points a column: the first, the smallest, the largest and the
//! last. [`thin`] keeps exactly these, so that no spike is lost and nothing is invented; with fewer points than
//! that it keeps all. [`smooth`] works on full-resolution data and is applied before thinning.

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

/// Exponential moving average with the bias of its start taken out.
///
/// With weight `w` of the past: `s = w·s + (1-w)·y`, shown as `s / (1 - wⁿ)` after `n` finite points (the
/// correction of Kingma & Ba, "Adam", section 3). Values that are not finite are passed through and do not move
/// the average. A weight outside `0..1` smooths nothing.
pub fn smooth(curve: &Curve, weight: f64) -> Vec<f64> {
    if !(weight > 0.0 && weight < 1.0) {
        return curve.y.clone();
    }
    let mut average = 0.0;
    let mut remaining = 1.0;
    let mut smoothed = Vec::with_capacity(curve.y.len());
    for &value in &curve.y {
        if value.is_finite() {
            average = weight * average + (1.0 - weight) * value;
            remaining *= weight;
            smoothed.push(average / (1.0 - remaining));
        } else {
            smoothed.push(value);
        }
    }
    smoothed
}

/// Keeps what a chart of `width_px` columns over `from..=to` can show; 0 columns keep every point of the range.
///
/// One point beyond each edge is kept as well, so that lines run out of the picture instead of ending in it.
pub fn thin(curve: &Curve, from: f64, to: f64, width_px: u32) -> Thinned {
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
        let columns = usize::try_from(width_px).unwrap_or(usize::MAX);
        let all = end - start <= columns.saturating_mul(4);
        let mut columns = Columns::new(curve.x[start], curve.x[end - 1], if all { 0 } else { columns });
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
    /// Columns over the given range, which is that of the points to come; 0 columns keep every point.
    pub(crate) fn new(left: f64, right: f64, count: usize) -> Self {
        Self {
            left,
            per_column: (right - left) / count as f64,
            count,
            current: None,
            seen: Seen::default(),
            kept: Curve::default(),
            non_finite: 0,
            y_range: None,
        }
    }

    fn column_of(&self, x: f64) -> usize {
        if self.per_column > 0.0 {
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

    #[test]
    fn smoothing_a_constant_gives_the_constant() {
        for value in smooth(&curve(vec![3.0; 50]), 0.9) {
            assert!((value - 3.0).abs() < 1e-12);
        }
    }

    #[test]
    fn smoothing_passes_over_what_is_not_finite() {
        let smoothed = smooth(&curve(vec![1.0, f64::NAN, 1.0]), 0.5);
        assert!(smoothed[1].is_nan());
        assert!((smoothed[2] - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_single_spike_in_a_million_points_survives() {
        let mut y = vec![0.0; 1_000_000];
        y[654_321] = 9.0;
        let thinned = thin(&curve(y), f64::NEG_INFINITY, f64::INFINITY, 500);
        assert!(thinned.curve.y.contains(&9.0));
        assert!(thinned.curve.len() <= 2000);
        assert!(thinned.left_out());
    }

    #[test]
    fn points_beyond_the_edges_are_kept_for_the_line() {
        let thinned = thin(&curve((0..10).map(f64::from).collect()), 3.0, 5.0, 100);
        assert_eq!(thinned.curve.x, [2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(thinned.y_range, Some((3.0, 5.0)));
    }

    #[test]
    fn an_empty_range_is_no_error() {
        assert_eq!(thin(&Curve::default(), 0.0, 1.0, 10), Thinned::default());
        assert_eq!(thin(&curve(vec![1.0, 2.0]), 5.0, 4.0, 10).y_range, None);
    }

    proptest! {
        /// The promise of the module, checked against the obvious way to compute it.
        #[test]
        fn every_column_keeps_its_first_min_max_and_last(
            y in proptest::collection::vec(prop_oneof![8 => -1e3..1e3f64, 1 => Just(f64::NAN)], 1..3000),
            width in 1u32..200,
        ) {
            let source = curve(y);
            let thinned = thin(&source, f64::NEG_INFINITY, f64::INFINITY, width);
            prop_assert!(thinned.curve.x.is_sorted());
            let right = source.x[source.len() - 1];
            let per_column = right / f64::from(width);
            for column in 0..width {
                let inside = |x: &f64| {
                    per_column > 0.0 && ((*x / per_column) as u32).min(width - 1) == column
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
