//! One line for a group of runs.
//!
//! The members of a group log at steps of their own. They are compared at every x at which any of them has a finite
//! point. There, a member counts with its own value if it has one (the last, if several), and otherwise with what lies on
//! the straight line between its points before and after; before its first and after its last point it does not count, so
//! nothing is made up and the number of members falls where runs end.

use super::Curve;
use super::smooth::mean;

/// Most places at which members are compared. Where there are more in the range, evenly many are left out.
pub const MOST_PLACES: usize = 1 << 16;

/// What stands for the members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Aggregate {
    /// Their mean.
    #[default]
    Mean,
    /// The one in the middle; of two, their mean.
    Median,
    /// The smallest.
    Min,
    /// The largest.
    Max,
}

/// What is shaded around the line. All but `MinMax` lie around the mean, and need two members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Band {
    /// Nothing.
    #[default]
    None,
    /// From the smallest to the largest.
    MinMax,
    /// One standard deviation of a sample, `sqrt(Σ(y - mean)² / (n - 1))`, to both sides.
    Std,
    /// One standard error of the mean, which is the standard deviation by `sqrt(n)`, to both sides.
    StdErr,
    /// Where the mean lies with 95 %: the standard error times the 0.975 quantile of Student's t with `n - 1` degrees of
    /// freedom, to both sides.
    Ci95,
}

/// The line of a group. All columns have the same length.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GroupLine {
    /// What stands for the members.
    pub line: Curve,
    /// Lower and upper edge of the band.
    pub band: Option<(Vec<f64>, Vec<f64>)>,
    /// How many members count.
    pub members: Vec<u32>,
}

/// The places at which members are compared, while they are collected.
#[derive(Debug, Default)]
pub struct Places {
    x: Vec<f64>,
}

impl Places {
    /// Adds those of a member, which is sorted by x.
    pub fn add(&mut self, member: &Curve) {
        let old = std::mem::take(&mut self.x);
        self.x.reserve(old.len().max(member.len()));
        let mut old = old.into_iter().peekable();
        for (&x, y) in member.x.iter().zip(&member.y) {
            if !y.is_finite() || !x.is_finite() {
                continue;
            }
            while let Some(earlier) = old.next_if(|other| *other < x) {
                self.x.push(earlier);
            }
            if old.peek() != Some(&x) && self.x.last() != Some(&x) {
                self.x.push(x);
            }
        }
        self.x.extend(old);
    }

    /// Where the group begins and ends.
    pub fn range(&self) -> Option<(f64, f64)> {
        self.x.first().copied().zip(self.x.last().copied())
    }

    /// The places from `from` to `to` and one beyond each, at most [`MOST_PLACES`], and whether some were left out.
    pub fn within(&self, from: f64, to: f64) -> (Vec<f64>, bool) {
        let start = self.x.partition_point(|x| *x < from).saturating_sub(1);
        let end = (self.x.partition_point(|x| *x <= to) + 1).min(self.x.len()).max(start);
        let places = &self.x[start..end];
        if places.len() <= MOST_PLACES {
            return (places.to_vec(), false);
        }
        let last = places.len() - 1;
        let chosen = (0..MOST_PLACES).map(|i| places[i * last / (MOST_PLACES - 1)]).collect();
        (chosen, true)
    }
}

/// The values of a member at the places; NaN where it does not count.
pub fn values_at(member: &Curve, places: &[f64]) -> Vec<f64> {
    let mut points =
        member.x.iter().copied().zip(member.y.iter().copied()).filter(|(_, y)| y.is_finite()).peekable();
    let mut before: Option<(f64, f64)> = None;
    places
        .iter()
        .map(|&x| {
            while let Some(point) = points.next_if(|point| point.0 <= x) {
                before = Some(point);
            }
            match (before, points.peek()) {
                (Some(at), _) if at.0 == x => at.1,
                (Some(before), Some(after)) => {
                    let part = (x - before.0) / (after.0 - before.0);
                    before.1 * (1.0 - part) + after.1 * part
                }
                _ => f64::NAN,
            }
        })
        .collect()
}

/// The line of a group, from the values of its members at the places.
pub fn aggregate(places: &[f64], members: &[Vec<f64>], aggregate: Aggregate, band: Band) -> GroupLine {
    let mut group = GroupLine::default();
    let (mut low, mut high) = (Vec::new(), Vec::new());
    let mut values = Vec::with_capacity(members.len());
    for (at, &x) in places.iter().enumerate() {
        values.clear();
        values.extend(members.iter().map(|member| member[at]).filter(|value| !value.is_nan()));
        if values.is_empty() {
            continue;
        }
        values.sort_unstable_by(f64::total_cmp);
        let count = values.len();
        let (least, most) = (values[0], values[count - 1]);
        let average = values.iter().sum::<f64>() / count as f64;
        let line = match aggregate {
            Aggregate::Mean => average,
            Aggregate::Median if count % 2 == 1 => values[count / 2],
            Aggregate::Median => mean(values[count / 2 - 1], values[count / 2]),
            Aggregate::Min => least,
            Aggregate::Max => most,
        };
        let deviation = || {
            let squares: f64 = values.iter().map(|value| (value - average).powi(2)).sum();
            if count > 1 { (squares / (count - 1) as f64).sqrt() } else { 0.0 }
        };
        let edges = match band {
            Band::None => None,
            Band::MinMax => Some((least, most)),
            Band::Std => Some(around(average, deviation())),
            Band::StdErr => Some(around(average, deviation() / (count as f64).sqrt())),
            Band::Ci95 => Some(around(average, t_quantile(count - 1) * deviation() / (count as f64).sqrt())),
        };
        group.line.x.push(x);
        group.line.y.push(line);
        group.members.push(u32::try_from(count).unwrap_or(u32::MAX));
        if let Some(edges) = edges {
            low.push(edges.0);
            high.push(edges.1);
        }
    }
    group.band = (band != Band::None).then_some((low, high));
    group
}

fn around(middle: f64, by: f64) -> (f64, f64) {
    (middle - by, middle + by)
}

/// The 0.975 quantile of Student's t: from a table up to 30 degrees of freedom, and beyond by the expansion in
/// Abramowitz & Stegun 26.7.5, which is exact to six digits there.
fn t_quantile(freedom: usize) -> f64 {
    const TABLE: [f64; 31] = [
        0.0, 12.706_205, 4.302_653, 3.182_446, 2.776_445, 2.570_582, 2.446_912, 2.364_624, 2.306_004,
        2.262_157, 2.228_139, 2.200_985, 2.178_813, 2.160_369, 2.144_787, 2.131_450, 2.119_905, 2.109_816,
        2.100_922, 2.093_024, 2.085_963, 2.079_614, 2.073_873, 2.068_658, 2.063_899, 2.059_539, 2.055_529,
        2.051_831, 2.048_407, 2.045_230, 2.042_272,
    ];
    if let Some(value) = TABLE.get(freedom) {
        return *value;
    }
    let z: f64 = 1.959_963_985;
    let v = freedom as f64;
    z + (z.powi(3) + z) / (4.0 * v)
        + (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * v * v)
        + (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / (384.0 * v.powi(3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(points: &[(f64, f64)]) -> Curve {
        let (x, y) = points.iter().copied().unzip();
        Curve { x, y }
    }

    fn group(members: &[Curve], how: Aggregate, band: Band) -> GroupLine {
        let mut places = Places::default();
        members.iter().for_each(|member| places.add(member));
        let (places, left_out) = places.within(f64::NEG_INFINITY, f64::INFINITY);
        assert!(!left_out);
        let values: Vec<_> = members.iter().map(|member| values_at(member, &places)).collect();
        aggregate(&places, &values, how, band)
    }

    #[test]
    fn members_are_compared_wherever_one_has_a_point_and_count_only_within_their_own_range() {
        let members = [line(&[(0.0, 0.0), (4.0, 4.0)]), line(&[(2.0, 10.0), (3.0, f64::NAN), (6.0, 30.0)])];
        let group = group(&members, Aggregate::Mean, Band::MinMax);
        assert_eq!(group.line.x, [0.0, 2.0, 4.0, 6.0]);
        assert_eq!(group.line.y, [0.0, 6.0, 12.0, 30.0]);
        assert_eq!(group.members, [1, 2, 2, 1]);
        assert_eq!(group.band.unwrap(), (vec![0.0, 2.0, 4.0, 30.0], vec![0.0, 10.0, 20.0, 30.0]));
    }

    #[test]
    fn the_quantile_of_t_goes_on_smoothly_beyond_the_table_to_that_of_the_normal_distribution() {
        // Values of R's qt(0.975, n).
        for (freedom, wanted) in
            [(1, 12.7062), (4, 2.776445), (31, 2.039513), (60, 2.000298), (1000, 1.962339)]
        {
            assert!((t_quantile(freedom) - wanted).abs() < 1e-4, "{freedom}");
        }
    }

    #[test]
    fn too_many_places_are_thinned_evenly_and_keep_their_ends() {
        let mut places = Places::default();
        places.add(&Curve { x: (0..200_000).map(f64::from).collect(), y: vec![1.0; 200_000] });
        let (all, left_out) = places.within(f64::NEG_INFINITY, f64::INFINITY);
        assert!(left_out && all.len() == MOST_PLACES && all.is_sorted());
        assert_eq!((all[0], all[MOST_PLACES - 1]), (0.0, 199_999.0));
        let (few, left_out) = places.within(10.0, 12.0);
        assert_eq!((few, left_out), (vec![9.0, 10.0, 11.0, 12.0, 13.0], false));
    }

    proptest! {
        /// Against the words of the module, computed at each place from all points.
        #[test]
        fn a_group_is_what_its_members_say(
            members in proptest::collection::vec(
                proptest::collection::vec((0u32..40, prop_oneof![8 => -50.0..50.0f64, 1 => Just(f64::NAN)]), 0..30),
                1..6),
        ) {
            let members: Vec<Curve> = members.into_iter().map(|mut points| {
                points.sort_by_key(|point| point.0);
                line(&points.iter().map(|(x, y)| (f64::from(*x), *y)).collect::<Vec<_>>())
            }).collect();
            let value = |member: &Curve, x: f64| -> Option<f64> {
                let points: Vec<_> =
                    member.x.iter().zip(&member.y).filter(|(_, y)| y.is_finite()).collect();
                let before = points.iter().rev().find(|point| *point.0 <= x)?;
                if *before.0 == x {
                    return Some(*before.1);
                }
                let after = points.iter().find(|point| *point.0 > x)?;
                Some(before.1 + (after.1 - before.1) * (x - before.0) / (after.0 - before.0))
            };
            for (how, band) in [
                (Aggregate::Mean, Band::Std), (Aggregate::Median, Band::MinMax),
                (Aggregate::Min, Band::StdErr), (Aggregate::Max, Band::Ci95),
            ] {
                let group = group(&members, how, band);
                let mut wanted_x: Vec<f64> = members.iter()
                    .flat_map(|m| m.x.iter().zip(&m.y).filter(|(_, y)| y.is_finite()).map(|(x, _)| *x)).collect();
                wanted_x.sort_by(f64::total_cmp);
                wanted_x.dedup();
                prop_assert_eq!(&group.line.x, &wanted_x);
                let (low, high) = group.band.as_ref().unwrap();
                for (at, &x) in wanted_x.iter().enumerate() {
                    let mut values: Vec<f64> = members.iter().filter_map(|member| value(member, x)).collect();
                    values.sort_by(f64::total_cmp);
                    let n = values.len() as f64;
                    prop_assert_eq!(group.members[at] as usize, values.len());
                    let mean = values.iter().sum::<f64>() / n;
                    let std = if values.len() < 2 { 0.0 } else {
                        (values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n - 1.0)).sqrt()
                    };
                    let half = values.len() / 2;
                    let median = if values.len() % 2 == 1 { values[half] } else { (values[half - 1] + values[half]) / 2.0 };
                    let (least, most) = (values[0], values[values.len() - 1]);
                    let (line, edges) = match how {
                        Aggregate::Mean => (mean, (mean - std, mean + std)),
                        Aggregate::Median => (median, (least, most)),
                        Aggregate::Min => (least, (mean - std / n.sqrt(), mean + std / n.sqrt())),
                        Aggregate::Max => {
                            let by = t_quantile(values.len() - 1) * std / n.sqrt();
                            (most, (mean - by, mean + by))
                        }
                    };
                    let near = |a: f64, b: f64| (a - b).abs() < 1e-8;
                    prop_assert!(near(group.line.y[at], line) && near(low[at], edges.0) && near(high[at], edges.1));
                }
            }
        }
    }
}
