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
    let mut thinned = Thinned { total: end - start, ..Thinned::default() };
    for &value in &curve.y[start..end] {
        if value.is_finite() {
            let (low, high) = thinned.y_range.unwrap_or((value, value));
            thinned.y_range = Some((low.min(value), high.max(value)));
        } else {
            thinned.non_finite += 1;
        }
    }
    let mut keep = Vec::new();
    let columns = usize::try_from(width_px).unwrap_or(usize::MAX);
    if columns == 0 || end - start <= columns.saturating_mul(4) {
        keep.extend(start..end);
    } else {
        keep_per_column(curve, start..end, columns, &mut keep);
    }
    let before = start.checked_sub(1);
    let after = (end < len).then_some(end);
    for index in before.into_iter().chain(keep).chain(after) {
        thinned.curve.x.push(curve.x[index]);
        thinned.curve.y.push(curve.y[index]);
    }
    if before.is_some() {
        thinned.total += 1;
    }
    if after.is_some() {
        thinned.total += 1;
    }
    thinned
}

/// Indices of the first, smallest, largest and last finite point of each column, and of its first and last point
/// that is not finite.
fn keep_per_column(curve: &Curve, range: std::ops::Range<usize>, columns: usize, keep: &mut Vec<usize>) {
    let left = curve.x[range.start];
    let right = curve.x[range.end - 1];
    let per_column = (right - left) / columns as f64;
    let column_of = |x: f64| {
        if per_column > 0.0 { (((x - left) / per_column) as usize).min(columns - 1) } else { 0 }
    };
    let mut start = range.start;
    while start < range.end {
        let column = column_of(curve.x[start]);
        // Points are sorted by x, so a column is a run of neighbours.
        let end = start + curve.x[start..range.end].partition_point(|x| column_of(*x) <= column);
        let mut chosen = [None; 6];
        let [first, low, high, last, first_bad, last_bad] = &mut chosen;
        for index in start..end {
            let value = curve.y[index];
            if value.is_finite() {
                first.get_or_insert(index);
                *last = Some(index);
                if low.is_none_or(|low| value < curve.y[low]) {
                    *low = Some(index);
                }
                if high.is_none_or(|high| value > curve.y[high]) {
                    *high = Some(index);
                }
            } else {
                first_bad.get_or_insert(index);
                *last_bad = Some(index);
            }
        }
        chosen.sort_unstable();
        let mut previous = None;
        for index in chosen.into_iter().flatten() {
            if previous != Some(index) {
                keep.push(index);
                previous = Some(index);
            }
        }
        start = end;
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
