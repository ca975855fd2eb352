//! [`Daily`]: moments of each day, in UTC, at which something begins by the clock (spec gitlab
//! §1.11, §1.12): pure, and tested without a thread.
//!
//! What is remembered is the last time, so restarts that come more often than the period starve
//! nothing, and whatever was missed is caught up once. Deliberately absent: time zones, where
//! some days have an hour twice and others lack one.

use std::time::Duration;

use crate::model::Timestamp;
use crate::model::time::micros;

const MINUTE: u64 = 60 * 1_000_000;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// When cached entries are looked through for their age.
pub(super) const TTL: Daily = Daily(&[40]);
/// When deleting cached entries is started.
pub(super) const START: Daily = Daily(&[3 * 60 + 20, 15 * 60 + 20]);

/// Moments of a day: minutes after midnight UTC, in order, one at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Daily(&'static [u64]);

impl Daily {
    /// The first moment behind `last`.
    pub(super) fn next(self, last: Timestamp) -> Timestamp {
        let day = micros(DAY);
        let midnight = Timestamp(last.0 - last.0 % day);
        let of_day = |midnight: Timestamp| {
            let after = move |minute: &u64| Duration::from_micros(minute * MINUTE);
            self.0.iter().map(move |minute| midnight.after(after(minute)))
        };
        let moments = of_day(midnight).chain(of_day(midnight.after(DAY)));
        moments.into_iter().find(|moment| *moment > last).unwrap_or(Timestamp::MAX)
    }

    /// Whether a moment has come since `last`.
    pub(super) fn is_due(self, last: Timestamp, now: Timestamp) -> bool {
        self.next(last) <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On the third day of 1970.
    fn at(hour: u64, minute: u64, second: u64) -> Timestamp {
        Timestamp((((2 * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000)
    }

    #[test]
    fn the_next_moment_is_behind_the_last_one() {
        for (daily, last, next) in [
            (TTL, at(0, 0, 0), at(0, 40, 0)),
            (TTL, at(0, 39, 59), at(0, 40, 0)),
            (TTL, at(0, 40, 0), at(24, 40, 0)),
            (TTL, at(23, 59, 59), at(24, 40, 0)),
            (START, at(0, 0, 0), at(3, 20, 0)),
            (START, at(3, 20, 0), at(15, 20, 0)),
            (START, at(15, 19, 59), at(15, 20, 0)),
            (START, at(15, 20, 0), at(27, 20, 0)),
        ] {
            assert_eq!(daily.next(last), next, "{daily:?} after {last:?}");
        }
        assert_eq!(TTL.next(Timestamp::MAX), Timestamp::MAX);
    }

    #[test]
    fn what_was_missed_is_due_once() {
        let (last, now) = (at(0, 40, 3), at(24 * 9 + 7, 0, 0));
        assert!(TTL.is_due(last, now) && !TTL.is_due(now, now));
        assert!(!TTL.is_due(last, at(24, 39, 59)) && TTL.is_due(last, at(24, 40, 0)));
    }
}
