//! Seeded chance: the world's only source of surprise.

use std::time::Duration;

/// SplitMix64 (Steele et al. 2014): eight lines, and the same numbers on every machine for ever.
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `limit`; 0 for 0.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next().checked_rem(limit).unwrap_or(0)
    }

    /// True in so many of a hundred cases.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of these; the first if there is only one.
    pub(crate) fn pick<T: Clone>(&mut self, first: T, others: &[T]) -> T {
        let index = self.below(others.len() as u64 + 1);
        let other = index.checked_sub(1).and_then(|index| others.get(usize::try_from(index).ok()?));
        other.cloned().unwrap_or(first)
    }

    /// A span up to `max`, short ones far more often than long ones: as delays are.
    pub(crate) fn span(&mut self, max: Duration) -> Duration {
        let max_ns = u64::try_from(max.as_nanos()).unwrap_or(u64::MAX);
        let cut = self.below(24);
        Duration::from_nanos(self.below(max_ns.saturating_add(1)) >> cut)
    }
}
