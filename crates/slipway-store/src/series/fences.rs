//! Which values of a chart are outliers, for those who want the y axis without them.
//!
//! The rule: with `Q1` and `Q3` the quartiles of the finite values of a line that are in the range on screen, its fences
//! are `Q1 - 3·(Q3 - Q1)` and `Q3 + 3·(Q3 - Q1)`, three times as far as Tukey's, so that an ordinary fall of a loss is
//! none. Where the quartiles are equal, the 5th and 95th percentile take their place. The fences of a chart are the lowest
//! and the highest of its lines. Values beyond them are outliers: counted, and out of the picture, but not out of the data.

use super::Curve;

/// The fences of some lines, and what lies beyond those of its own line.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fences {
    limits: Option<(f64, f64)>,
    beyond: Vec<f64>,
}

impl Fences {
    /// Those of one line between two x.
    pub fn of(curve: &Curve, from: f64, to: f64) -> Self {
        let mut values: Vec<f64> = curve
            .x
            .iter()
            .zip(&curve.y)
            .filter(|(x, y)| y.is_finite() && **x >= from && **x <= to)
            .map(|(_, y)| *y)
            .collect();
        let mut spread = |low: f64, high: f64| -> Option<(f64, f64)> {
            let last = values.len().checked_sub(1)?;
            let mut at = |part: f64| {
                let index = (last as f64 * part).round() as usize;
                *values.select_nth_unstable_by(index, f64::total_cmp).1
            };
            Some((at(low), at(high)))
        };
        let Some(mut edges) = spread(0.25, 0.75) else { return Self::default() };
        if edges.0 == edges.1 {
            edges = spread(0.05, 0.95).unwrap_or(edges);
        }
        let reach = 3.0 * (edges.1 - edges.0);
        let limits = (edges.0 - reach, edges.1 + reach);
        values.retain(|value| *value < limits.0 || *value > limits.1);
        Self { limits: Some(limits), beyond: values }
    }

    /// Takes in those of another line.
    pub fn add(&mut self, other: Self) {
        self.limits = match (self.limits, other.limits) {
            (Some(own), Some(other)) => Some((own.0.min(other.0), own.1.max(other.1))),
            (own, other) => own.or(other),
        };
        self.beyond.extend(other.beyond);
    }

    /// The lower and the upper fence, and how many values lie beyond them; nothing without values.
    pub fn clip(&self) -> Option<(f64, f64, usize)> {
        let (low, high) = self.limits?;
        Some((low, high, self.beyond.iter().filter(|value| **value < low || **value > high).count()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(y: Vec<f64>) -> Curve {
        Curve { x: (0..y.len()).map(|step| step as f64).collect(), y }
    }

    fn fences(y: Vec<f64>) -> Option<(f64, f64, usize)> {
        Fences::of(&curve(y), f64::NEG_INFINITY, f64::INFINITY).clip()
    }

    #[test]
    fn a_spike_lies_beyond_the_fences_and_the_rest_within() {
        let mut y: Vec<f64> = (0..=100).map(f64::from).collect();
        y.push(1e9);
        y.push(f64::NAN);
        // Quartiles 25 and 76 of 102 values.
        assert_eq!(fences(y), Some((25.0 - 153.0, 76.0 + 153.0, 1)));
    }

    #[test]
    fn a_line_that_hardly_moves_has_fences_too() {
        let mut y = vec![1.0; 100];
        y[7] = 50.0;
        assert_eq!(fences(y), Some((1.0, 1.0, 1)));
        assert_eq!(fences(vec![]), None);
        assert_eq!(fences(vec![f64::NAN]), None);
    }

    #[test]
    fn what_is_beyond_one_line_may_be_within_another() {
        let mut all =
            Fences::of(&curve((0..100).map(|i| if i == 50 { 30.0 } else { 1.0 }).collect()), 0.0, 99.0);
        assert_eq!(all.clip(), Some((1.0, 1.0, 1)));
        all.add(Fences::of(&curve((0..100).map(f64::from).collect()), 0.0, 99.0));
        assert_eq!(all.clip().unwrap().2, 0);
    }
}
