//! Smoothing of curves, over full-resolution data and before thinning.
//!
//! One number `w` from 0 to below 1 says how much, for every kind, so that kinds can be compared: an exponential
//! average of weight `w` looks back over about `n = (1 + w) / (1 - w)` points, and the kinds with a window take the odd
//! number of points nearest to that `n`, centred. Windows are cut off at the ends of the curve. Values that are not
//! finite are passed through, and count for nothing else.

use super::Curve;
use std::collections::VecDeque;

/// How a curve is smoothed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Smoothing {
    /// Exponential moving average without the bias of its start: `s = w·s + (1 - w)·y`, shown as `s / (1 - wⁿ)` after
    /// `n` points (Kingma & Ba, "Adam", section 3).
    #[default]
    Ema,
    /// The same with the weight of the past falling by distance in x: between points `Δx` apart it is `w^(Δx / d)`, with
    /// `d` the mean distance of points: `s = v·s + y`, `m = v·m + 1`, shown as `s / m`. Over even steps this is `Ema`.
    TimeEma,
    /// Mean weighed by `exp(-k² / 2σ²)` at `k` points away, up to `3σ`; `σ = sqrt((n² - 1) / 12)`, which is how far the
    /// points of a window of `n` spread.
    Gaussian,
    /// Mean of the window.
    RunningMean,
    /// Median of the window; of two values in the middle, their mean.
    Median,
}

/// The values of a curve, smoothed. A weight outside `0..1` smooths nothing.
pub fn smooth(curve: &Curve, kind: Smoothing, weight: f64) -> Vec<f64> {
    if !(weight > 0.0 && weight < 1.0) {
        return curve.y.clone();
    }
    match kind {
        Smoothing::Ema => exponential(&curve.y, weight),
        Smoothing::TimeEma => exponential_by_distance(curve, weight),
        Smoothing::Gaussian => gaussian(&curve.y, weight),
        Smoothing::RunningMean => running_mean(&curve.y, half_window(weight)),
        Smoothing::Median => running_median(&curve.y, half_window(weight)),
    }
}

/// Points of the window on each side of its middle.
fn half_window(weight: f64) -> usize {
    // As large as a window gets; a weight so near to 1 means "all of it".
    const MOST: f64 = 1e6;
    let points = ((1.0 + weight) / (1.0 - weight)).min(MOST);
    ((points - 1.0) / 2.0).round() as usize
}

fn exponential(y: &[f64], weight: f64) -> Vec<f64> {
    let mut average = 0.0;
    let mut remaining = 1.0;
    y.iter()
        .map(|&value| {
            if !value.is_finite() {
                return value;
            }
            average = weight * average + (1.0 - weight) * value;
            remaining *= weight;
            average / (1.0 - remaining)
        })
        .collect()
}

fn exponential_by_distance(curve: &Curve, weight: f64) -> Vec<f64> {
    let len = curve.len();
    let Some(last) = len.checked_sub(1) else { return Vec::new() };
    let spacing = (curve.x[last] - curve.x[0]) / last.max(1) as f64;
    let (mut sum, mut mass) = (0.0, 0.0);
    let mut previous = f64::NAN;
    let mut smoothed = Vec::with_capacity(len);
    for (&x, &value) in curve.x.iter().zip(&curve.y) {
        if !value.is_finite() {
            smoothed.push(value);
            continue;
        }
        // All points at one place: they weigh the same.
        let steps = if spacing > 0.0 { (x - previous) / spacing } else { 0.0 };
        let kept = if previous.is_nan() { 0.0 } else { weight.powf(steps) };
        sum = kept * sum + value;
        mass = kept * mass + 1.0;
        previous = x;
        smoothed.push(sum / mass);
    }
    smoothed
}

fn gaussian(y: &[f64], weight: f64) -> Vec<f64> {
    /// Points that are worked on together, so that sums stay in the processor's cache.
    const BLOCK: usize = 1024;
    let points = (2 * half_window(weight) + 1) as f64;
    let sigma = ((points * points - 1.0) / 12.0).sqrt();
    let reach = ((3.0 * sigma).ceil() as usize).min(y.len());
    let weights: Vec<f64> =
        (0..=reach).map(|k| (-(k as f64).powi(2) / (2.0 * sigma * sigma)).exp()).collect();
    // Room on both sides for what the window has no points for.
    let mut values = vec![0.0; y.len() + 2 * reach];
    let mut present = vec![0.0; y.len() + 2 * reach];
    for (at, &value) in y.iter().enumerate() {
        if value.is_finite() {
            values[at + reach] = value;
            present[at + reach] = 1.0;
        }
    }
    let mut smoothed = y.to_vec();
    for (number, block) in smoothed.chunks_mut(BLOCK).enumerate() {
        let start = number * BLOCK;
        let (mut sums, mut masses) = ([0.0; BLOCK], [0.0; BLOCK]);
        for offset in 0..=2 * reach {
            let weight = weights[offset.abs_diff(reach)];
            let from = start + offset;
            for (sum, value) in sums.iter_mut().zip(&values[from..from + block.len()]) {
                *sum += weight * value;
            }
            for (mass, present) in masses.iter_mut().zip(&present[from..from + block.len()]) {
                *mass += weight * present;
            }
        }
        for (value, (sum, mass)) in block.iter_mut().zip(sums.iter().zip(&masses)) {
            if value.is_finite() {
                *value = sum / mass;
            }
        }
    }
    smoothed
}

/// Each window is the end of one block of the window's size and the beginning of the next, so that a huge value spoils
/// the digits of no sum but those it belongs to, as it would with one sum that is carried along.
fn running_mean(y: &[f64], half: usize) -> Vec<f64> {
    let size = 2 * half + 1;
    let padded = y.len() + 2 * half;
    let item = |at: usize| match at.checked_sub(half).and_then(|at| y.get(at)) {
        Some(value) if value.is_finite() => (*value, 1.0),
        _ => (0.0, 0.0),
    };
    let plus = |a: (f64, f64), b: (f64, f64)| (a.0 + b.0, a.1 + b.1);
    // Sums from the start of a point's block to the point, and from the point to the end of its block.
    let mut heads = vec![(0.0, 0.0); padded];
    let mut tails = vec![(0.0, 0.0); padded];
    for at in 0..padded {
        heads[at] = if at % size == 0 { item(at) } else { plus(heads[at - 1], item(at)) };
    }
    for at in (0..padded).rev() {
        let ends = at + 1 == padded || (at + 1) % size == 0;
        tails[at] = if ends { item(at) } else { plus(item(at), tails[at + 1]) };
    }
    y.iter()
        .enumerate()
        .map(|(at, &value)| {
            if !value.is_finite() {
                return value;
            }
            let (sum, count) =
                if at % size == 0 { heads[at + size - 1] } else { plus(tails[at], heads[at + size - 1]) };
            sum / count
        })
        .collect()
}

fn running_median(y: &[f64], half: usize) -> Vec<f64> {
    let mut sorted: Vec<f64> = Vec::new();
    let mut window: VecDeque<f64> = VecDeque::new();
    let mut coming = y.iter();
    for value in coming.by_ref().take(half) {
        window.push_back(*value);
        insert(&mut sorted, *value);
    }
    y.iter()
        .enumerate()
        .map(|(at, &value)| {
            if let Some(&next) = coming.next() {
                window.push_back(next);
                insert(&mut sorted, next);
            }
            if at > half
                && let Some(gone) = window.pop_front()
            {
                remove(&mut sorted, gone);
            }
            if !value.is_finite() {
                return value;
            }
            let middle = sorted.len() / 2;
            if sorted.len() % 2 == 1 { sorted[middle] } else { mean(sorted[middle - 1], sorted[middle]) }
        })
        .collect()
}

/// The mean of two values, whose sum may be too large.
pub(super) fn mean(a: f64, b: f64) -> f64 {
    a / 2.0 + b / 2.0
}

fn insert(sorted: &mut Vec<f64>, value: f64) {
    if value.is_finite() {
        let at = sorted.partition_point(|other| *other < value);
        sorted.insert(at, value);
    }
}

fn remove(sorted: &mut Vec<f64>, value: f64) {
    let at = sorted.partition_point(|other| *other < value);
    if value.is_finite() && at < sorted.len() {
        sorted.remove(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KINDS: [Smoothing; 5] =
        [Smoothing::Ema, Smoothing::TimeEma, Smoothing::Gaussian, Smoothing::RunningMean, Smoothing::Median];

    fn even(y: Vec<f64>) -> Curve {
        Curve { x: (0..y.len()).map(|step| step as f64).collect(), y }
    }

    /// Every kind by its formula, at one point, from all points.
    fn slow(curve: &Curve, kind: Smoothing, weight: f64, at: usize) -> f64 {
        let y = &curve.y;
        if !y[at].is_finite() {
            return y[at];
        }
        let finite = |range: std::ops::Range<usize>| range.filter(|i| y[*i].is_finite()).collect::<Vec<_>>();
        let weighed = |points: &[usize], weight_of: &dyn Fn(usize) -> f64| {
            let sum: f64 = points.iter().map(|i| weight_of(*i) * y[*i]).sum();
            sum / points.iter().map(|i| weight_of(*i)).sum::<f64>()
        };
        let half = half_window(weight);
        let window = finite(at.saturating_sub(half)..(at + half + 1).min(y.len()));
        match kind {
            Smoothing::Ema => {
                let past = finite(0..at + 1);
                weighed(&past, &|i| weight.powi(past.iter().filter(|other| **other > i).count() as i32))
            }
            Smoothing::TimeEma => {
                let spacing = (curve.x[y.len() - 1] - curve.x[0]) / (y.len() - 1).max(1) as f64;
                let distance =
                    |i: usize| if spacing > 0.0 { (curve.x[at] - curve.x[i]) / spacing } else { 0.0 };
                weighed(&finite(0..at + 1), &|i| weight.powf(distance(i)))
            }
            Smoothing::Gaussian => {
                let points = (2 * half + 1) as f64;
                let sigma = ((points * points - 1.0) / 12.0).sqrt();
                let reach = (3.0 * sigma).ceil() as usize;
                let near = finite(at.saturating_sub(reach)..(at + reach + 1).min(y.len()));
                weighed(&near, &|i| (-(i.abs_diff(at) as f64).powi(2) / (2.0 * sigma * sigma)).exp())
            }
            Smoothing::RunningMean => weighed(&window, &|_| 1.0),
            Smoothing::Median => {
                let mut values: Vec<_> = window.iter().map(|i| y[*i]).collect();
                values.sort_by(f64::total_cmp);
                let middle = values.len() / 2;
                if values.len() % 2 == 1 {
                    values[middle]
                } else {
                    f64::midpoint(values[middle - 1], values[middle])
                }
            }
        }
    }

    #[test]
    fn a_constant_stays_what_it_is_and_no_weight_smooths_nothing() {
        for kind in KINDS {
            for value in smooth(&even(vec![3.0; 50]), kind, 0.9) {
                assert!((value - 3.0).abs() < 1e-12, "{kind:?}");
            }
            for weight in [0.0, 1.0, -1.0, f64::NAN] {
                assert_eq!(smooth(&even(vec![1.0, 5.0]), kind, weight), [1.0, 5.0]);
            }
            assert!(smooth(&Curve::default(), kind, 0.5).is_empty());
        }
    }

    #[test]
    fn a_huge_value_spoils_only_the_means_it_is_part_of() {
        let mut y = vec![1.0; 100];
        y[10] = 1e300;
        assert!((smooth(&even(y), Smoothing::RunningMean, 0.5)[90] - 1.0).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn every_kind_is_what_its_formula_says(
            y in proptest::collection::vec(
                prop_oneof![9 => -1e3..1e3f64, 1 => Just(f64::NAN), 1 => Just(f64::INFINITY)], 1..120),
            gaps in proptest::collection::vec(0u32..5, 120),
            weight in 0.01..0.97f64,
        ) {
            let x = gaps.iter().scan(0.0, |at, gap| { *at += f64::from(*gap); Some(*at) }).take(y.len()).collect();
            let curve = Curve { x, y };
            for kind in KINDS {
                let smoothed = smooth(&curve, kind, weight);
                prop_assert_eq!(smoothed.len(), curve.y.len());
                for (at, &value) in smoothed.iter().enumerate() {
                    let wanted = slow(&curve, kind, weight, at);
                    let same = value.to_bits() == wanted.to_bits() || (value - wanted).abs() < 1e-7;
                    prop_assert!(same, "{kind:?} at {at}: {value} is not {wanted}");
                }
            }
        }
    }
}
