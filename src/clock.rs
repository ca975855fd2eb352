//! [`Clock`]: the only door through which time enters the house.
//!
//! Leases and policies use wall time; how long something took, and whether the wall clock
//! jumped, is told by the monotonic one. Tests hold a [`ManualClock`], so none of them sleeps.
//! Deliberately absent: time zones, calendars, waiting (see [`crate::stop`]).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::model::Timestamp;
use crate::model::time::micros;

/// Where time comes from.
pub trait Clock: Send + Sync {
    /// Wall time. It may jump, in both directions.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment of this process. It never goes back; it may stand still
    /// while the machine sleeps.
    fn monotonic(&self) -> Duration;
}

/// The machine's clocks.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts at zero, now.
    #[must_use]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    /// A machine that believes to be before 1970 is told to be in 1970: leases end late then,
    /// never early.
    fn now(&self) -> Timestamp {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Timestamp(micros(since_1970.unwrap_or_default()))
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

/// A clock that moves only when it is told to.
#[derive(Debug)]
pub struct ManualClock {
    times: Mutex<Times>,
}

#[derive(Clone, Copy, Debug)]
struct Times {
    wall: Timestamp,
    monotonic: Duration,
}

impl ManualClock {
    /// A clock that shows `wall`; its monotonic time is zero.
    #[must_use]
    pub fn at(wall: Timestamp) -> Self {
        Self { times: Mutex::new(Times { wall, monotonic: Duration::ZERO }) }
    }

    /// Lets `time` go by on both clocks.
    pub fn advance(&self, time: Duration) {
        let mut times = self.lock();
        times.wall = times.wall.after(time);
        times.monotonic = times.monotonic.saturating_add(time);
    }

    /// Sets the wall clock to `wall` without any time going by, as an operator or NTP does.
    pub fn jump(&self, wall: Timestamp) {
        self.lock().wall = wall;
    }

    /// Both fields are changed in one step, so a panic elsewhere cannot leave them torn.
    fn lock(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.lock().wall
    }

    fn monotonic(&self) -> Duration {
        self.lock().monotonic
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_when_told_and_a_jump_moves_the_wall_only() {
        let clock = ManualClock::at(Timestamp(1_000));
        clock.advance(Duration::from_micros(5));
        assert_eq!((clock.now(), clock.monotonic()), (Timestamp(1_005), Duration::from_micros(5)));
        clock.jump(Timestamp(3));
        assert_eq!((clock.now(), clock.monotonic()), (Timestamp(3), Duration::from_micros(5)));
    }

    #[test]
    fn the_system_clock_is_past_2020_and_does_not_go_back() {
        let clock = SystemClock::new();
        assert!(clock.now() > Timestamp(1_577_836_800_000_000));
        let earlier = clock.monotonic();
        assert!(clock.monotonic() >= earlier);
    }
}
