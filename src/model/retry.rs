//! [`backoff`]: how long to wait before something that failed is tried again.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(3600);

/// The wait after the failure number `attempts` (1 is the first): 10 s, doubled each time, an
/// hour at most.
#[must_use]
pub fn backoff(attempts: u32) -> Duration {
    backoff_from(FIRST, attempts)
}

/// The same with another first wait. One that is longer than an hour stays as it is.
#[must_use]
pub fn backoff_from(first: Duration, attempts: u32) -> Duration {
    let doublings = attempts.saturating_sub(1).min(16);
    first.saturating_mul(1 << doublings).min(LONGEST.max(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_an_hour() {
        let seconds: Vec<_> = [0, 1, 2, 3, 20, u32::MAX].map(|n| backoff(n).as_secs()).into();
        assert_eq!(seconds, [10, 10, 20, 40, 3600, 3600]);
        let short = Duration::from_millis(50);
        assert_eq!(backoff_from(short, 3), 4 * short);
        assert_eq!(backoff_from(3 * LONGEST, 9), 3 * LONGEST);
    }
}
