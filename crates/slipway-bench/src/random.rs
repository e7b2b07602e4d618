//! Numbers that look random and are the same in every run: SplitMix64 (Steele, Lea, Flood 2014).

/// A sequence of numbers that its seed determines.
#[derive(Debug, Clone)]
pub(crate) struct Sequence(u64);

impl Sequence {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to below 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Around 0, with a standard deviation of 1; close enough to normal for noise.
    pub(crate) fn noise(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_paper_and_spread_evenly() {
        assert_eq!(Sequence::new(0).next(), 0xE220_A839_7B1D_CDAF);
        let mut sequence = Sequence::new(7);
        let mean = (0..10_000).map(|_| sequence.unit()).sum::<f64>() / 10_000.0;
        assert!((0.49..0.51).contains(&mean), "{mean}");
        let mean = (0..10_000).map(|_| sequence.noise()).sum::<f64>() / 10_000.0;
        assert!((-0.05..0.05).contains(&mean), "{mean}");
    }
}
