//! [`Pace`]: how much the next slice may do, so that neither its work nor its commit takes longer
//! than the bound (I7).
//!
//! A slice looks at a clock as it goes, but beginning its transaction and closing its tables count
//! as work too, and its commit only ends when every touched page is on the disk: rows that lie
//! together share pages, rows keyed by digests have one each, and disks differ. So part of the
//! bound is kept back for the closing, and each stage begins with few rows when the server is new
//! and learns from its own slices, over all runs. Where others write too they wait for a slice and
//! its commit, so both get half of the bound.

use std::time::Duration;

use crate::db::SliceTimes;

/// With fewer rows a slice would be little more than the fixed price of a commit.
const ROWS_MIN: u32 = 32;

/// Pure: what it learns from is handed in.
pub struct Pace {
    rows: u32,
    rows_max: u32,
    bound: Duration,
    is_crowded: bool,
}

impl Pace {
    /// `bound` holds for the work of a slice and for its commit alike.
    #[must_use]
    pub fn new(bound: Duration, rows_max: u32) -> Self {
        Self { rows: ROWS_MIN.min(rows_max), rows_max, bound, is_crowded: false }
    }

    /// How long the next slice may go on; the rest of the bound is for closing its tables.
    #[must_use]
    pub fn time(&self) -> Duration {
        self.bound() / 2
    }

    /// The most rows of the next slice.
    #[must_use]
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// Half as many after a slice that took too long, a quarter more after one that had time
    /// left. Work is held a good way below the bound, so that learning never breaks it.
    pub fn learn(&mut self, times: SliceTimes) {
        self.is_crowded = times.is_crowded;
        let bound = self.bound();
        let rows = if times.commit > bound || times.work > bound * 4 / 5 {
            (self.rows / 2).max(ROWS_MIN)
        } else if times.work > bound * 3 / 5 {
            self.rows
        } else {
            self.rows.saturating_add(self.rows / 4 + 1)
        };
        self.rows = rows.min(self.rows_max);
    }

    fn bound(&self) -> Duration {
        if self.is_crowded { self.bound / 2 } else { self.bound }
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
            pace.learn(SliceTimes { commit, ..SliceTimes::default() });
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
    fn work_stays_below_the_bound_and_nothing_is_wasted() {
        for row_us in [10, 30, 100] {
            let mut pace = Pace::new(BOUND, 500);
            for _ in 0..100 {
                // The fixed price of a transaction comes on top of the rows.
                let work = Duration::from_micros(500) + Duration::from_micros(row_us) * pace.rows();
                assert!(work < BOUND || pace.rows() == ROWS_MIN, "{work:?} at {row_us} us a row");
                pace.learn(SliceTimes { work, ..SliceTimes::default() });
            }
            let used = Duration::from_micros(row_us) * pace.rows();
            assert!(used > BOUND / 3, "{used:?} at {row_us} us a row");
        }
    }

    #[test]
    fn where_others_write_a_slice_and_its_commit_take_the_bound_together() {
        let mut pace = Pace::new(BOUND, 500);
        let row = Duration::from_micros(20);
        for _ in 0..100 {
            let half = row * pace.rows() / 2;
            let times = SliceTimes { work: half, commit: half, is_crowded: true };
            assert!(times.total() <= BOUND, "{times:?}");
            pace.learn(times);
        }
        assert!(pace.time() <= BOUND / 4 && row * pace.rows() > BOUND / 3, "{}", pace.rows());
        pace.learn(SliceTimes::default());
        assert_eq!(pace.time(), BOUND / 2);
    }

    #[test]
    fn the_most_rows_that_are_set_are_the_most() {
        assert_eq!(settle(&mut Pace::new(BOUND, 1), 1), 1);
        assert_eq!(settle(&mut Pace::new(BOUND, 0), 1), 0);
    }
}
