//! When the sweeper wakes by itself: pure, and tested without a thread.

use std::time::Duration;

use super::Settings;
use crate::model::{Run, Scope, Timestamp, Trigger};

/// After a run that failed, the next try is this far away.
const RETRY: Duration = Duration::from_secs(10);
/// What cannot be taken at the moment (a blob that is being read) is not asked for all the time.
const SPACING_MIN: Duration = Duration::from_millis(250);

/// A moment to wake, and for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wake {
    pub(super) at: Timestamp,
    pub(super) scope: Scope,
    pub(super) trigger: Trigger,
}

/// What is remembered between runs.
pub(super) struct Schedule {
    period: Option<Duration>,
    spacing: Duration,
    last_full: Option<Timestamp>,
    last_end: Option<Timestamp>,
    retry: Option<Timestamp>,
    failed_until: Option<Timestamp>,
}

impl Schedule {
    /// `last_full`: when the last full run ended, before the restart.
    pub(super) fn new(settings: Settings, last_full: Option<Timestamp>) -> Self {
        let Settings { period, spacing, .. } = settings;
        let spacing = spacing.max(SPACING_MIN);
        Self { period, spacing, last_full, last_end: None, retry: None, failed_until: None }
    }

    /// The earliest of: the next full run, the earliest end of a lease, the earliest due thing,
    /// the next retry.
    pub(super) fn next(&self, lease: Option<Timestamp>, due: Option<Timestamp>) -> Option<Wake> {
        let full = self.period.map(|period| Wake {
            at: self.last_full.map_or(Timestamp(0), |last| last.after(period)),
            scope: Scope::Full,
            trigger: Trigger::Timer,
        });
        let reclaim = |at, trigger| Wake { at, scope: Scope::Reclaim, trigger };
        let lease = lease.map(|at| reclaim(self.spaced(at), Trigger::Lease));
        let due = due.map(|at| reclaim(self.spaced(at), Trigger::Retry));
        let retry = self.retry.map(|at| reclaim(at, Trigger::Retry));
        let wakes = [full, lease, due, retry].into_iter().flatten();
        let earliest = wakes.min_by_key(|wake| (wake.at, std::cmp::Reverse(wake.scope)))?;
        // Nothing can begin before what kept the last run from beginning had some time to pass.
        let at = self.failed_until.map_or(earliest.at, |until| earliest.at.max(until));
        Some(Wake { at, ..earliest })
    }

    /// Not sooner after the last run than the spacing: what that run left, it could not take.
    fn spaced(&self, at: Timestamp) -> Timestamp {
        self.last_end.map_or(at, |last| at.max(last.after(self.spacing)))
    }

    /// The clock was set back: what was noted of a time to come was noted now.
    pub(super) fn not_ahead(&mut self, now: Timestamp) {
        for noted in [&mut self.last_full, &mut self.last_end].into_iter().flatten() {
            *noted = (*noted).min(now);
        }
    }

    /// A run begins: what was to be tried again is tried now.
    pub(super) fn begun(&mut self) {
        self.retry = None;
        self.failed_until = None;
    }

    /// A run ended, perhaps with things to be tried again.
    pub(super) fn ended(&mut self, run: &Run, now: Timestamp) {
        self.last_end = Some(now);
        if run.error_count > 0 {
            self.come_back(now.after(RETRY));
        }
        if run.scope == Scope::Full {
            self.last_full = Some(now);
        }
    }

    /// A run could not begin.
    pub(super) fn failed(&mut self, now: Timestamp) {
        self.last_end = Some(now);
        self.failed_until = Some(now.after(RETRY));
        self.retry = self.failed_until;
    }

    /// The run that goes on leaves something for later.
    pub(super) fn come_back(&mut self, at: Timestamp) {
        self.retry = Some(self.retry.map_or(at, |known| known.min(at)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RunId;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(second: u64) -> Timestamp {
        Timestamp(second * 1_000_000)
    }

    fn settings(period: Option<u64>) -> Settings {
        let period = period.map(Duration::from_secs);
        Settings { period, spacing: 30 * SECOND, ..Settings::default() }
    }

    fn run(scope: Scope, error_count: u64) -> Run {
        let (id, trigger, started) = (RunId(1), Trigger::Request, at(0));
        let (stages, errors) = (Vec::new(), Vec::new());
        Run { id, trigger, scope, started, ended: None, stages, errors, error_count }
    }

    #[test]
    fn the_period_counts_from_the_last_full_run_also_over_a_restart() {
        let mut schedule = Schedule::new(settings(Some(100)), Some(at(50)));
        let wake = schedule.next(None, None).unwrap();
        assert_eq!((wake.at, wake.scope), (at(150), Scope::Full));
        schedule.ended(&run(Scope::Reclaim, 0), at(140));
        assert_eq!(schedule.next(None, None).unwrap().at, at(150), "a lesser run postpones it");
        schedule.ended(&run(Scope::Full, 0), at(151));
        assert_eq!(schedule.next(None, None).unwrap().at, at(251));
    }

    #[test]
    fn a_period_of_none_never_wakes_but_for_what_is_due() {
        let schedule = Schedule::new(settings(None), None);
        assert_eq!(schedule.next(None, None), None);
        assert_eq!(schedule.next(Some(at(9)), Some(at(7))).unwrap().at, at(7));
    }

    #[test]
    fn what_a_run_left_is_not_tried_again_at_once() {
        let mut schedule = Schedule::new(settings(None), None);
        schedule.ended(&run(Scope::Reclaim, 0), at(100));
        let wake = schedule.next(Some(at(90)), None).unwrap();
        assert_eq!((wake.at, wake.trigger), (at(130), Trigger::Lease));
        assert_eq!(schedule.next(Some(at(500)), None).unwrap().at, at(500));
    }

    #[test]
    fn a_clock_that_was_ahead_postpones_nothing() {
        let mut schedule = Schedule::new(settings(Some(100)), None);
        schedule.ended(&run(Scope::Full, 0), at(9000));
        schedule.not_ahead(at(50));
        assert_eq!(schedule.next(Some(at(60)), None).unwrap().at, at(80));
        assert_eq!(schedule.next(None, None).unwrap().at, at(150));
    }

    #[test]
    fn a_run_that_could_not_begin_is_not_tried_all_the_time() {
        let mut schedule = Schedule::new(settings(Some(1000)), None);
        assert_eq!(schedule.next(None, None).unwrap().at, at(0));
        schedule.failed(at(100));
        assert_eq!(schedule.next(Some(at(1)), Some(at(1))).unwrap().at, at(110));
        schedule.begun();
        assert_eq!(schedule.next(None, None).unwrap().at, at(0));
    }

    #[test]
    fn a_failure_is_tried_again_soon() {
        let mut schedule = Schedule::new(settings(Some(1000)), Some(at(0)));
        schedule.ended(&run(Scope::Reclaim, 1), at(100));
        let wake = schedule.next(None, None).unwrap();
        assert_eq!((wake.at, wake.trigger), (at(110), Trigger::Retry));
        schedule.begun();
        schedule.ended(&run(Scope::Reclaim, 0), at(111));
        assert_eq!(schedule.next(None, None).unwrap().trigger, Trigger::Timer);
    }

    #[test]
    fn what_a_run_left_for_later_is_not_forgotten_at_its_end() {
        for errors in [0, 1] {
            let mut schedule = Schedule::new(settings(None), None);
            schedule.begun();
            schedule.come_back(at(105));
            schedule.ended(&run(Scope::Reclaim, errors), at(100));
            assert_eq!(schedule.next(None, None).unwrap().at, at(105));
        }
    }
}
