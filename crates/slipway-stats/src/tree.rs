//! One regression tree over bins, as in Breiman, Friedman, Olshen and Stone, "Classification and Regression Trees".

use crate::feature::Binned;
use crate::forest::{Dice, ForestOptions};

/// One node; the first is the root.
#[derive(Debug)]
enum Node {
    Leaf(f64),
    /// Runs in bins of the feature that are marked go to the node `left`, others to the one after it.
    Split {
        feature: usize,
        left_bins: Box<[bool]>,
        left: usize,
    },
}

/// A grown tree.
#[derive(Debug)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
}

/// What the best split of some runs is.
#[derive(Debug)]
struct Split {
    feature: usize,
    left_bins: Box<[bool]>,
    /// By how much the sum of squares about the mean becomes smaller.
    gain: f64,
}

/// Runs in one bin.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    count: f64,
    sum: f64,
}

impl Tree {
    /// Grows a tree on some runs, which may be named several times, and adds to `gains` what each feature's splits
    /// took off the sum of squares.
    pub(crate) fn grow(
        features: &[Binned],
        target: &[f64],
        runs: &mut [u32],
        options: &ForestOptions,
        dice: &mut Dice,
        gains: &mut [f64],
    ) -> Self {
        let mut tree = Self { nodes: vec![Node::Leaf(mean(target, runs))] };
        let mut order: Vec<usize> = (0..features.len()).collect();
        let mut open = vec![(0_usize, 0..runs.len(), 0_usize)];
        while let Some((node, range, depth)) = open.pop() {
            let here = &mut runs[range.clone()];
            if depth >= options.max_depth || here.len() < 2 * options.min_leaf {
                continue;
            }
            // Each node looks at other features, so that one strong feature does not hide the others.
            let tried = options.tried_features(features.len());
            for place in 0..tried {
                let other = place + dice.below(order.len() - place);
                order.swap(place, other);
            }
            let Some(split) = best_split(features, target, here, &order[..tried], options.min_leaf) else {
                continue;
            };
            gains[split.feature] += split.gain;
            let bins = &features[split.feature].bins;
            let middle = partition(here, |run| split.left_bins[bins[run as usize] as usize]);
            let left = tree.nodes.len();
            tree.nodes.push(Node::Leaf(mean(target, &here[..middle])));
            tree.nodes.push(Node::Leaf(mean(target, &here[middle..])));
            tree.nodes[node] = Node::Split { feature: split.feature, left_bins: split.left_bins, left };
            open.push((left, range.start..range.start + middle, depth + 1));
            open.push((left + 1, range.start + middle..range.end, depth + 1));
        }
        tree
    }

    pub(crate) fn predict(&self, features: &[Binned], run: usize) -> f64 {
        let mut node = 0;
        loop {
            match &self.nodes[node] {
                Node::Leaf(mean) => return *mean,
                Node::Split { feature, left_bins, left } => {
                    let is_left = left_bins[features[*feature].bins[run] as usize];
                    node = left + usize::from(!is_left);
                }
            }
        }
    }
}

fn mean(target: &[f64], runs: &[u32]) -> f64 {
    runs.iter().map(|run| target[*run as usize]).sum::<f64>() / runs.len().max(1) as f64
}

/// Puts the runs for which `is_left` holds first, and says how many they are.
fn partition(runs: &mut [u32], is_left: impl Fn(u32) -> bool) -> usize {
    let mut middle = 0;
    for place in 0..runs.len() {
        if is_left(runs[place]) {
            runs.swap(middle, place);
            middle += 1;
        }
    }
    middle
}

fn best_split(
    features: &[Binned],
    target: &[f64],
    runs: &[u32],
    tried: &[usize],
    min_leaf: usize,
) -> Option<Split> {
    let total: f64 = runs.iter().map(|run| target[*run as usize]).sum();
    let count = runs.len() as f64;
    let least = total * total / count;
    let mut best: Option<Split> = None;
    let mut sums = [Sum::default(); 256];
    for &index in tried {
        let feature = &features[index];
        sums[..feature.count].fill(Sum::default());
        for run in runs {
            let sum = &mut sums[feature.bins[*run as usize] as usize];
            sum.count += 1.0;
            sum.sum += target[*run as usize];
        }
        let mut bins: Vec<usize> = (0..feature.count).filter(|bin| sums[*bin].count > 0.0).collect();
        if !feature.ordered {
            // Ordered by the mean of the target, the best of all ways to divide the categories is among the cuts
            // (Breiman et al., section 9.4).
            let mean = |bin: &usize| sums[*bin].sum / sums[*bin].count;
            bins.sort_by(|a, b| mean(a).total_cmp(&mean(b)));
        }
        let mut left = Sum::default();
        for (place, bin) in bins.iter().enumerate().take(bins.len().saturating_sub(1)) {
            left.count += sums[*bin].count;
            left.sum += sums[*bin].sum;
            let right = Sum { count: count - left.count, sum: total - left.sum };
            if (left.count as usize) < min_leaf || (right.count as usize) < min_leaf {
                continue;
            }
            let gain = left.sum * left.sum / left.count + right.sum * right.sum / right.count - least;
            // Sums of floats are never quite even: what is no more than rounding is no gain.
            if gain > 1e-12 * (1.0 + least.abs()) && best.as_ref().is_none_or(|best| gain > best.gain) {
                let left_bins = left_bins(feature, &bins, place, left.count > right.count);
                best = Some(Split { feature: index, left_bins, gain });
            }
        }
    }
    best
}

/// Which bins go left when the bins that occur are cut behind `place`. Bins that do not occur here follow the order, or
/// where there is none, most runs.
fn left_bins(feature: &Binned, bins: &[usize], place: usize, others_left: bool) -> Box<[bool]> {
    if feature.ordered {
        return (0..feature.count).map(|bin| bin <= bins[place]).collect();
    }
    let mut left = vec![others_left; feature.count];
    bins.iter().enumerate().for_each(|(other, bin)| left[*bin] = other <= place);
    left.into()
}
