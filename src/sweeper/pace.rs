//! [`Pace`]: how many rows the next slice may touch, so that its commit takes no longer than its
//! work (I7).
//!
//! Work is bounded by a clock, but a commit only ends when every touched page is on the disk: rows
//! that lie together share pages, rows keyed by digests have one each, and disks differ. So each
//! stage begins with few rows and learns from its own slices.

use std::time::Duration;

use crate::db::SliceTimes;

/// With fewer rows a slice would be little more than the fixed price of a commit.
const ROWS_MIN: u32 = 32;

/// Pure: what it learns from is handed in.
pub(super) struct Pace {
    rows: u32,
    rows_max: u32,
    commit_bound: Duration,
}

impl Pace {
    /// `bound` holds for the work of a slice and for its commit alike.
    pub(super) fn new(bound: Duration, rows_max: u32) -> Self {
        Self { rows: ROWS_MIN.min(rows_max), rows_max, commit_bound: bound }
    }

    /// The rows of the next slice.
    pub(super) fn rows(&self) -> u32 {
        self.rows
    }

    /// Half as many after a commit that took too long, a quarter more after any other.
    pub(super) fn learn(&mut self, times: SliceTimes) {
        let rows = if times.commit > self.commit_bound {
            (self.rows / 2).max(ROWS_MIN)
        } else {
            self.rows.saturating_add(self.rows / 4 + 1)
        };
        self.rows = rows.min(self.rows_max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Duration = Duration::from_millis(5);

    /// Slices whose commits take `row_us` microseconds for each row.
    fn settle(pace: &mut Pace, row_us: u32) -> u32 {
        for _ in 0..100 {
            let commit = Duration::from_micros(pace.rows().into()) * row_us;
            pace.learn(SliceTimes { work: Duration::ZERO, commit });
        }
        pace.rows()
    }

    #[test]
    fn a_slow_disk_gets_fewer_rows_and_a_fast_one_more() {
        let mut pace = Pace::new(BOUND, 500);
        assert_eq!(settle(&mut pace, 1), 500);
        let rows = settle(&mut pace, 50);
        assert!((50..=126).contains(&rows), "{rows}");
        assert_eq!(settle(&mut pace, 10_000), ROWS_MIN);
        assert_eq!(settle(&mut pace, 1), 500);
    }

    #[test]
    fn the_most_rows_that_are_set_are_the_most() {
        assert_eq!(settle(&mut Pace::new(BOUND, 1), 1), 1);
        assert_eq!(settle(&mut Pace::new(BOUND, 0), 1), 0);
    }
}
