//! A random forest for regression, grown to learn which features decide a target.
//!
//! After Breiman, "Random Forests", Machine Learning 45 (2001). The importance of a feature is its mean decrease in
//! impurity: what its splits take off the target's sum of squares, as a part of what all splits take off, averaged
//! over the trees. The parts add up to 1. Two things follow that whoever shows them should say: features that go
//! together share their importance, and where the forest explains little, the parts are parts of next to nothing.
//! How much it explains is told by runs that a tree has not seen (`explained`).

use crate::feature::{Binned, Feature};
use crate::tree::Tree;

/// How a forest is grown.
#[derive(Debug, Clone)]
pub struct ForestOptions {
    /// Trees.
    pub trees: usize,
    /// Splits from the root to a leaf, at most.
    pub max_depth: usize,
    /// Runs in a leaf, at least.
    pub min_leaf: usize,
    /// The same seed gives the same forest.
    pub seed: u64,
}

impl Default for ForestOptions {
    fn default() -> Self {
        Self { trees: 100, max_depth: 12, min_leaf: 2, seed: 0x51_1950 }
    }
}

impl ForestOptions {
    /// A third of the features, as is usual for regression, but two where there are two.
    pub(crate) fn tried_features(&self, features: usize) -> usize {
        features.div_ceil(3).max(2).min(features)
    }
}

/// What a forest learned.
#[derive(Debug, Clone, PartialEq)]
pub struct Forest {
    /// Importance of each feature; they add up to 1, or are all 0 when nothing could be split.
    pub importances: Vec<f64>,
    /// The part of the target's variance that the forest explains, judged by runs that a tree has not seen: 1 is all,
    /// 0 is what the mean does, less is worse than that. None when every tree saw every run.
    pub explained: Option<f64>,
}

impl Forest {
    /// Grows a forest. Every feature has as many values as the target, and the target is finite; runs for which that
    /// is not so are passed over.
    #[must_use]
    pub fn grow(features: &[Feature], target: &[f64], options: &ForestOptions) -> Self {
        let count = features.iter().map(Feature::len).fold(target.len(), usize::min);
        let usable: Vec<u32> = (0..count)
            .filter(|run| target[*run].is_finite())
            .filter_map(|run| u32::try_from(run).ok())
            .collect();
        let mut importances = vec![0.0; features.len()];
        if usable.is_empty() || features.is_empty() {
            return Self { importances, explained: None };
        }
        let target = &scaled(target, &usable);
        let binned: Vec<Binned> = features.iter().map(Feature::binned).collect();
        let mut dice = Dice(options.seed);
        let mut guesses = vec![(0.0, 0_u32); count];
        for _ in 0..options.trees {
            let mut seen = vec![false; count];
            let mut runs: Vec<u32> = usable.iter().map(|_| usable[dice.below(usable.len())]).collect();
            runs.iter().for_each(|run| seen[*run as usize] = true);
            let mut gains = vec![0.0; features.len()];
            let tree = Tree::grow(&binned, target, &mut runs, options, &mut dice, &mut gains);
            let all: f64 = gains.iter().sum();
            if all > 0.0 {
                importances.iter_mut().zip(gains).for_each(|(sum, gain)| *sum += gain / all);
            }
            for run in usable.iter().map(|run| *run as usize).filter(|run| !seen[*run]) {
                guesses[run].0 += tree.predict(&binned, run);
                guesses[run].1 += 1;
            }
        }
        let all: f64 = importances.iter().sum();
        if all > 0.0 {
            importances.iter_mut().for_each(|importance| *importance /= all);
        }
        Self { importances, explained: explained(target, &guesses) }
    }
}

/// The target about its mean and in units of its spread, so that sums of squares keep their digits.
fn scaled(target: &[f64], usable: &[u32]) -> Vec<f64> {
    let count = usable.len() as f64;
    let largest =
        usable.iter().map(|run| target[*run as usize].abs()).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    // Divided first: the sum of the largest numbers there are is not finite.
    let small: Vec<f64> = target.iter().map(|value| value / largest).collect();
    let mean = usable.iter().map(|run| small[*run as usize]).sum::<f64>() / count;
    let spread = (usable.iter().map(|run| (small[*run as usize] - mean).powi(2)).sum::<f64>() / count).sqrt();
    let unit = if spread > 0.0 { spread } else { 1.0 };
    small.iter().map(|value| (value - mean) / unit).collect()
}

/// One less the squared errors of the guesses over those of the mean.
fn explained(target: &[f64], guesses: &[(f64, u32)]) -> Option<f64> {
    let judged: Vec<(f64, f64)> = guesses
        .iter()
        .zip(target)
        .filter(|((_, count), _)| *count > 0)
        .map(|((sum, count), target)| (sum / f64::from(*count), *target))
        .collect();
    let mean = judged.iter().map(|(_, target)| target).sum::<f64>() / judged.len() as f64;
    let spread: f64 = judged.iter().map(|(_, target)| (target - mean).powi(2)).sum();
    let errors: f64 = judged.iter().map(|(guess, target)| (target - guess).powi(2)).sum();
    (spread > 0.0).then(|| 1.0 - errors / spread)
}

/// Numbers that look random and follow from the seed: SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to below `limit`, which is not 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        ((u128::from(self.next()) * limit.max(1) as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(count: usize, seed: u64) -> Vec<f64> {
        let mut dice = Dice(seed);
        (0..count).map(|_| dice.below(1_000_000) as f64 / 1e6).collect()
    }

    #[test]
    fn a_param_that_decides_everything_has_nearly_all_the_importance() {
        let rate = noise(300, 1);
        let features = [
            Feature::Numbers(noise(300, 2)),
            Feature::Numbers(rate.clone()),
            Feature::Categories((0..300).map(|run| Some(run % 4)).collect()),
        ];
        let target: Vec<f64> = rate.iter().map(|rate| (rate - 0.3).powi(2)).collect();
        let forest = Forest::grow(&features, &target, &ForestOptions::default());
        assert!(forest.importances[1] > 0.93, "{forest:?}");
        assert!(forest.explained.unwrap_or_default() > 0.9, "{forest:?}");
        assert!((forest.importances.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        assert_eq!(forest, Forest::grow(&features, &target, &ForestOptions::default()));
    }

    #[test]
    fn a_category_counts_by_what_it_decides_not_by_its_number() {
        let kinds: Vec<Option<u32>> = (0..300).map(|run| Some((run * 7 % 5) as u32)).collect();
        // The order of the numbers says nothing: 3 and 0 are good.
        let target: Vec<f64> =
            kinds.iter().map(|kind| if matches!(kind, Some(0 | 3)) { 1.0 } else { 0.0 }).collect();
        let features = [Feature::Numbers(noise(300, 3)), Feature::Categories(kinds)];
        let forest = Forest::grow(&features, &target, &ForestOptions::default());
        assert!(forest.importances[1] > 0.97, "{forest:?}");
    }

    #[test]
    fn two_params_share_by_what_they_do() {
        let (a, b) = (noise(800, 4), noise(800, 5));
        let target: Vec<f64> = a.iter().zip(&b).map(|(a, b)| 3.0 * a + b).collect();
        let features = [Feature::Numbers(a), Feature::Numbers(b), Feature::Numbers(noise(800, 6))];
        let forest = Forest::grow(&features, &target, &ForestOptions::default());
        // Of the variance of 3 a + b, a has nine tenths.
        assert!((forest.importances[0] - 0.9).abs() < 0.06, "{forest:?}");
        assert!(forest.importances[2] < 0.05, "{forest:?}");
        assert!(forest.explained.unwrap_or_default() > 0.9, "{forest:?}");
    }

    #[test]
    fn noise_explains_nothing_and_says_so() {
        let features: Vec<Feature> = (0..5).map(|seed| Feature::Numbers(noise(200, 10 + seed))).collect();
        let forest = Forest::grow(&features, &noise(200, 99), &ForestOptions::default());
        assert!(forest.explained.unwrap_or(1.0) < 0.1, "{forest:?}");
    }

    #[test]
    fn whether_a_value_is_there_can_decide() {
        let drop: Vec<f64> = (0..200).map(|run| if run % 3 == 0 { f64::NAN } else { 0.5 }).collect();
        let target: Vec<f64> = drop.iter().map(|drop| f64::from(u8::from(drop.is_nan()))).collect();
        let forest = Forest::grow(&[Feature::Numbers(drop)], &target, &ForestOptions::default());
        assert_eq!(forest.importances, [1.0]);
    }

    #[test]
    fn nothing_panics_on_odd_input() {
        let odd = [f64::NAN, f64::INFINITY, -f64::MAX, f64::MAX, 0.0, -0.0, 1e-320, 5.0, f64::MAX, -f64::MAX];
        let features = [Feature::Numbers(odd.to_vec()), Feature::Categories(vec![None; 10])];
        let forest = Forest::grow(&features, &odd, &ForestOptions::default());
        assert!(forest.importances.iter().all(|importance| importance.is_finite()), "{forest:?}");
        let constant = Forest::grow(&features, &[1.0; 10], &ForestOptions::default());
        assert_eq!(constant.importances, [0.0, 0.0]);
        assert_eq!(Forest::grow(&[], &[1.0], &ForestOptions::default()).importances, [] as [f64; 0]);
        assert_eq!(Forest::grow(&features, &[], &ForestOptions::default()).explained, None);
    }
}
