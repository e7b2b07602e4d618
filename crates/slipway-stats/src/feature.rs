//! What a forest learns from: one column of numbers or categories, and its values put into bins.

/// One column, with a value or none for every run.
#[derive(Debug, Clone, PartialEq)]
pub enum Feature {
    /// Numbers; what is not finite counts as missing.
    Numbers(Vec<f64>),
    /// Categories by number.
    Categories(Vec<Option<u32>>),
}

/// A split looks at bins, not at values: at most this many, of about equally many runs.
const MOST_BINS: usize = 255;

/// Where every run of a feature belongs. Bin 0 is for runs without a value.
#[derive(Debug)]
pub(crate) struct Binned {
    pub(crate) bins: Vec<u8>,
    pub(crate) count: usize,
    /// False when the order of the bins means nothing.
    pub(crate) ordered: bool,
}

impl Feature {
    /// Runs.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Categories(categories) => categories.len(),
        }
    }

    /// True for no runs at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True when runs differ in it, be it that some have no value.
    #[must_use]
    pub fn varies(&self) -> bool {
        match self {
            Self::Numbers(numbers) => {
                let mut values = numbers.iter().map(|number| number.is_finite().then_some(*number));
                let first = values.next().flatten();
                values.any(|value| value != first)
            }
            Self::Categories(categories) => categories.windows(2).any(|pair| pair[0] != pair[1]),
        }
    }

    pub(crate) fn binned(&self) -> Binned {
        match self {
            Self::Numbers(numbers) => {
                let edges = edges(numbers);
                let bin = |number: &f64| {
                    if !number.is_finite() {
                        return 0;
                    }
                    1 + edges.partition_point(|edge| edge < number).min(edges.len().saturating_sub(1)) as u8
                };
                Binned { bins: numbers.iter().map(bin).collect(), count: edges.len() + 1, ordered: true }
            }
            Self::Categories(categories) => {
                // The rarest beyond the bins share the last one.
                let most = categories.iter().flatten().max().map_or(0, |most| *most as usize + 1);
                let mut uses = vec![0_usize; most];
                categories.iter().flatten().for_each(|category| uses[*category as usize] += 1);
                let mut by_use: Vec<usize> = (0..most).collect();
                by_use.sort_by_key(|category| std::cmp::Reverse(uses[*category]));
                let mut bins = vec![0_u8; most];
                for (place, category) in by_use.into_iter().enumerate() {
                    bins[category] = 1 + place.min(MOST_BINS - 1) as u8;
                }
                let bin = |category: &Option<u32>| category.map_or(0, |category| bins[category as usize]);
                let count = most.min(MOST_BINS) + 1;
                Binned { bins: categories.iter().map(bin).collect(), count, ordered: false }
            }
        }
    }
}

/// The largest value of each bin.
fn edges(numbers: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = numbers.iter().copied().filter(|number| number.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let mut different = sorted.clone();
    different.dedup();
    if different.len() <= MOST_BINS {
        return different;
    }
    let mut edges: Vec<f64> =
        (1..=MOST_BINS).map(|bin| sorted[(bin * sorted.len()).div_ceil(MOST_BINS) - 1]).collect();
    edges.dedup();
    edges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_keep_the_order_of_numbers_and_a_place_for_none() {
        let few = Feature::Numbers(vec![3.0, f64::NAN, 1.0, 2.0, 1.0]).binned();
        assert_eq!((few.bins.as_slice(), few.count), (&[3_u8, 0, 1, 2, 1][..], 4));
        let many = Feature::Numbers((0..10_000).map(f64::from).collect()).binned();
        assert_eq!((many.bins[0], many.bins[9_999], many.count), (1, 255, 256));
        assert!(many.bins.windows(2).all(|pair| pair[0] <= pair[1]));
        let none = Feature::Numbers(vec![f64::INFINITY; 3]).binned();
        assert_eq!((none.bins.as_slice(), none.count), (&[0_u8, 0, 0][..], 1));
    }

    #[test]
    fn rare_categories_share_a_bin() {
        let many = Feature::Categories((0..1000).map(Some).chain([None]).collect()).binned();
        assert_eq!((many.count, many.bins[999], many.bins[1000]), (256, 255, 0));
    }

    #[test]
    fn a_missing_value_is_a_difference() {
        assert!(Feature::Numbers(vec![1.0, f64::NAN]).varies());
        assert!(!Feature::Numbers(vec![f64::NAN, f64::NAN]).varies());
        assert!(!Feature::Categories(vec![Some(1), Some(1)]).varies());
        assert!(!Feature::Numbers(Vec::new()).varies());
    }
}
