//! [`ClockGuard`]: leases and policies use wall time, which can be set. After a jump against
//! monotonic time (or against the time noted before a restart) the stages that remove things
//! wait for an operator, or for a lease's length.

use std::time::Duration;

use crate::clock::Clock;
use crate::model::Timestamp;

/// Differences up to this are ordinary corrections.
const TOLERANCE: Duration = Duration::from_secs(30);
/// With a lease of zero, a jump still gives this long to notice it.
const HOLD_MIN: Duration = Duration::from_secs(60);

pub(super) struct ClockGuard {
    wall: Timestamp,
    monotonic: Duration,
    hold: Option<Hold>,
    length: Duration,
}

struct Hold {
    until: Duration,
    why: String,
}

impl ClockGuard {
    /// `last_seen`: the wall time that was noted before the restart.
    pub(super) fn new(clock: &dyn Clock, last_seen: Option<Timestamp>, lease: Duration) -> Self {
        let (wall, monotonic) = (clock.now(), clock.monotonic());
        let mut guard = Self { wall, monotonic, hold: None, length: lease.max(HOLD_MIN) };
        if let Some(last_seen) = last_seen.filter(|seen| seen.since(wall) > TOLERANCE) {
            let back = last_seen.since(wall);
            guard.begin(format!("the clock is {back:?} behind the time before the restart"));
        }
        guard
    }

    /// Compares the clocks; tells why nothing may be removed, if that is so.
    pub(super) fn look(&mut self, clock: &dyn Clock) -> Option<String> {
        let (wall, monotonic) = (clock.now(), clock.monotonic());
        let passed = monotonic.saturating_sub(self.monotonic);
        let expected = self.wall.after(passed);
        let (ahead, behind) = (wall.since(expected), expected.since(wall));
        (self.wall, self.monotonic) = (wall, monotonic);
        if ahead > TOLERANCE {
            self.begin(format!("the clock jumped {ahead:?} ahead"));
        } else if behind > TOLERANCE {
            self.begin(format!("the clock jumped {behind:?} back"));
        }
        if self.hold.as_ref().is_some_and(|hold| hold.until <= monotonic) {
            log::info!("the clock has been steady: the sweeper removes things again");
            self.hold = None;
        }
        self.hold.as_ref().map(|hold| hold.why.clone())
    }

    /// An operator says that the time is right.
    pub(super) fn accept(&mut self) {
        if let Some(hold) = self.hold.take() {
            log::info!("the time is accepted as right, although {}", hold.why);
        }
    }

    fn begin(&mut self, why: String) {
        let length = self.length;
        log::error!(
            "{why}: nothing is removed for {length:?}, or until `larder sweep --accept-clock`"
        );
        self.hold = Some(Hold { until: self.monotonic + length, why });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    const LEASE: Duration = Duration::from_secs(600);

    fn start() -> Timestamp {
        Timestamp(1_000_000_000_000)
    }

    #[test]
    fn a_steady_clock_is_believed() {
        let clock = ManualClock::at(start());
        let mut guard = ClockGuard::new(&clock, Some(start()), LEASE);
        clock.advance(Duration::from_secs(86_400));
        assert_eq!(guard.look(&clock), None);
    }

    #[test]
    fn a_jump_holds_for_a_lease_or_until_it_is_accepted() {
        for to in [start().after(LEASE), start().before(LEASE)] {
            let clock = ManualClock::at(start());
            let mut guard = ClockGuard::new(&clock, None, LEASE);
            clock.jump(to);
            assert!(guard.look(&clock).is_some());
            clock.advance(Duration::from_secs(599));
            assert!(guard.look(&clock).is_some());
            clock.advance(Duration::from_secs(1));
            assert_eq!(guard.look(&clock), None);
            clock.jump(start().after(LEASE * 10));
            assert!(guard.look(&clock).is_some());
            guard.accept();
            assert_eq!(guard.look(&clock), None);
        }
    }

    #[test]
    fn a_clock_that_was_set_back_over_a_restart_is_noticed() {
        let clock = ManualClock::at(start());
        let mut guard = ClockGuard::new(&clock, Some(start().after(LEASE)), LEASE);
        assert!(guard.look(&clock).is_some());
    }
}
