//! Areas under ROC and precision-recall curves.

/// The points whose two numbers are finite, by x. Points with the same x keep their order.
fn in_order(x: &[f64], y: &[f64]) -> Vec<(f64, f64)> {
    let pairs = x.iter().copied().zip(y.iter().copied());
    let mut points: Vec<(f64, f64)> = pairs.filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points
}

/// The area under straight lines between the points: for a ROC curve, `x` is the false and `y` the true positive rate.
/// None for fewer than two points.
#[must_use]
pub fn trapezoid_area(x: &[f64], y: &[f64]) -> Option<f64> {
    let points = in_order(x, y);
    let strips = points.windows(2).map(|pair| (pair[1].0 - pair[0].0) * (pair[0].1 + pair[1].1) / 2.0);
    (points.len() > 1).then(|| strips.sum())
}

/// Average precision: the precision at each recall, weighted by how much the recall grew to get there. Straight lines
/// between the points of a precision-recall curve would promise too much (Davis and Goadrich, 2006). None for fewer
/// than two points.
#[must_use]
pub fn average_precision(recall: &[f64], precision: &[f64]) -> Option<f64> {
    let mut points = in_order(recall, precision);
    // Where several points have the same recall, it was reached with the best of them.
    points.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1)));
    points.dedup_by(|next, kept| next.0 == kept.0);
    let mut before = 0.0;
    let mut area = 0.0;
    for (recall, precision) in &points {
        area += (recall - before) * precision;
        before = *recall;
    }
    (points.len() > 1).then_some(area)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_perfect_curve_has_area_one_and_a_guess_a_half() {
        assert_eq!(trapezoid_area(&[0.0, 0.0, 1.0], &[0.0, 1.0, 1.0]), Some(1.0));
        assert_eq!(trapezoid_area(&[0.0, 1.0], &[0.0, 1.0]), Some(0.5));
        assert_eq!(trapezoid_area(&[1.0, 0.5, 0.0], &[1.0, 0.75, 0.0]), Some(0.625));
        assert_eq!(trapezoid_area(&[0.0, f64::NAN], &[0.0, 1.0]), None);
        assert_eq!(trapezoid_area(&[], &[]), None);
    }

    /// The worked example of scikit-learn's `average_precision_score`: 0.8333.
    #[test]
    fn average_precision_is_that_of_the_known_example() {
        let area = average_precision(&[1.0, 1.0, 0.5, 0.5, 0.0], &[0.5, 2.0 / 3.0, 0.5, 1.0, 1.0]);
        assert!((area.unwrap_or_default() - 0.833_333).abs() < 1e-5, "{area:?}");
    }
}
