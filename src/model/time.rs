//! [`Timestamp`]: a moment of wall time, in microseconds since 1970, and nothing else.
//!
//! Deliberately absent: reading a clock ([`crate::clock`] does).

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Microseconds since 1970-01-01 UTC. Ordered, 8 bytes, never negative.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The last moment that can be told; a lease until then never ends.
    pub const MAX: Self = Self(u64::MAX);

    /// This moment plus `wait`; stays at [`Self::MAX`] instead of overflowing.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(micros(wait)))
    }

    /// This moment less `wait`; stays at 1970 instead of going below.
    #[must_use]
    pub fn before(self, wait: Duration) -> Self {
        Self(self.0.saturating_sub(micros(wait)))
    }

    /// The time from `earlier` to this moment; zero when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// Whole seconds since 1970.
    #[must_use]
    pub fn seconds(self) -> u64 {
        self.0 / 1_000_000
    }

    /// Seconds since 1970 with their fraction, as dlrepo's JSON writes them (spec dlrepo §5).
    #[must_use]
    pub fn seconds_f64(self) -> f64 {
        Duration::from_micros(self.0).as_secs_f64()
    }
}

/// Whole microseconds of `wait`, at most `u64::MAX` of them.
#[must_use]
pub fn micros(wait: Duration) -> u64 {
    u64::try_from(wait.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_stays_within_its_range() {
        assert_eq!(Timestamp::MAX.after(Duration::from_secs(1)), Timestamp::MAX);
        assert_eq!(Timestamp(5).before(Duration::from_secs(1)), Timestamp(0));
        assert_eq!(Timestamp(5).since(Timestamp(9)), Duration::ZERO);
        assert_eq!(Timestamp(1_500_000).seconds(), 1);
        assert!((Timestamp(1_500_000).seconds_f64() - 1.5).abs() < 1e-9);
        assert_eq!(micros(Duration::MAX), u64::MAX);
    }
}
