//! How two columns go together.

/// Sums that a mean and a variance are made of; the mean is taken along, so that large numbers keep their digits.
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let off = value - self.mean;
        self.mean += off / self.count;
        self.squares += off * (value - self.mean);
    }
}

/// Pearson's correlation of the pairs of which both numbers are finite, -1 to 1. None for fewer than three pairs, or
/// where one side never changes.
#[must_use]
pub fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    let (mut of_x, mut of_y, mut both) = (Moments::default(), Moments::default(), 0.0);
    for (&x, &y) in x.iter().zip(y).filter(|(x, y)| x.is_finite() && y.is_finite()) {
        let off = x - of_x.mean;
        of_x.add(x);
        of_y.add(y);
        both += off * (y - of_y.mean);
    }
    let scale = (of_x.squares * of_y.squares).sqrt();
    (of_x.count > 2.0 && scale > 0.0 && scale.is_finite()).then(|| (both / scale).clamp(-1.0, 1.0))
}

/// The correlation ratio eta: the square root of the part of the variance of `y` that lies between the categories, 0
/// to 1. It has no sign, since categories have no order. None for fewer than three values or two categories, or where
/// `y` never changes.
#[must_use]
pub fn correlation_ratio(categories: &[Option<u32>], y: &[f64]) -> Option<f64> {
    let mut all = Moments::default();
    let mut each: Vec<Moments> = Vec::new();
    for (category, &y) in categories.iter().zip(y).filter(|(_, y)| y.is_finite()) {
        let Some(category) = category.map(|category| category as usize) else {
            continue;
        };
        if each.len() <= category {
            each.resize(category + 1, Moments::default());
        }
        each[category].add(y);
        all.add(y);
    }
    each.retain(|category| category.count > 0.0);
    if all.count < 3.0 || each.len() < 2 || all.squares <= 0.0 || !all.squares.is_finite() {
        return None;
    }
    let between: f64 = each.iter().map(|of| of.count * (of.mean - all.mean).powi(2)).sum();
    Some((between / all.squares).clamp(0.0, 1.0).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_correlate_fully_and_noise_does_not() {
        let x: Vec<f64> = (0..50).map(f64::from).collect();
        let up: Vec<f64> = x.iter().map(|x| 3.0 * x + 1e9).collect();
        let down: Vec<f64> = x.iter().map(|x| -x).collect();
        let zigzag: Vec<f64> = (0..50).map(|i| f64::from(i % 2)).collect();
        assert!((pearson(&x, &up).unwrap_or_default() - 1.0).abs() < 1e-9);
        assert!((pearson(&x, &down).unwrap_or_default() + 1.0).abs() < 1e-12);
        assert!(pearson(&x, &zigzag).unwrap_or(1.0).abs() < 0.05);
    }

    #[test]
    fn nothing_is_said_of_too_little() {
        assert_eq!(pearson(&[1.0, 2.0], &[1.0, 2.0]), None);
        assert_eq!(pearson(&[1.0, 1.0, 1.0], &[1.0, 2.0, 3.0]), None);
        assert_eq!(pearson(&[f64::NAN; 9], &[1.0; 9]), None);
        assert_eq!(correlation_ratio(&[Some(0); 5], &[1.0, 2.0, 3.0, 4.0, 5.0]), None);
        assert_eq!(correlation_ratio(&[None; 5], &[1.0; 5]), None);
    }

    /// The example of the encyclopedias: grades in algebra, geometry and statistics give 0.8386.
    #[test]
    fn the_ratio_is_that_of_the_known_example() {
        let algebra = [45.0, 70.0, 29.0, 15.0, 21.0];
        let geometry = [40.0, 20.0, 30.0, 42.0];
        let statistics = [65.0, 95.0, 80.0, 70.0, 85.0, 73.0];
        let categories: Vec<Option<u32>> =
            [vec![Some(0); 5], vec![Some(1); 4], vec![Some(7); 6]].into_iter().flatten().collect();
        let grades: Vec<f64> = algebra.into_iter().chain(geometry).chain(statistics).collect();
        let eta = correlation_ratio(&categories, &grades).unwrap_or_default();
        assert!((eta - 0.8386).abs() < 1e-4, "{eta}");
    }
}
