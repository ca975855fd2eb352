//! [`Watch`]: how a check is watched and ended while it walks.
//!
//! A snapshot that is kept for long keeps old pages of the database from being used again, so
//! its age is bounded.

use std::sync::Arc;
use std::time::Duration;

use super::super::Error;
use crate::clock::Clock;
use crate::db;
use crate::stop::Stop;

/// The age at which a check gives its snapshot up when nothing else is said.
pub const AGE_MAX: Duration = Duration::from_secs(600);
/// Rows between two looks at the clock.
const STRIDE: u64 = 1024;

/// How far a check is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Progress {
    /// What it does.
    pub stage: &'static str,
    /// Steps done in this stage.
    pub done: u64,
    /// Steps of this stage, about.
    pub of: u64,
}

/// Who watches a check and what may end it early.
pub struct Watch<'w> {
    /// Ends it when somebody asks to stop.
    pub stop: &'w Stop,
    /// Ends it when its snapshot is this old.
    pub age_max: Duration,
    /// Is told now and then how far it is.
    pub progress: &'w mut dyn FnMut(Progress),
}

/// Why a walk ended early.
pub(super) enum Halt {
    /// The database failed.
    Db(db::Error),
    /// It was asked to end, or took too long; a sentence.
    Ended(String),
}

impl From<db::Error> for Halt {
    fn from(error: db::Error) -> Self {
        Self::Db(error)
    }
}

impl From<Halt> for Error {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Db(error) => Self::Db(error),
            // Whoever can be ended tells so in its report and never comes here.
            Halt::Ended(why) => Self::Db(db::Error::Unavailable(why)),
        }
    }
}

/// Counts the steps of one walk over one snapshot.
pub(super) struct Walk<'w, 'p> {
    watch: &'p mut Watch<'w>,
    clock: Arc<dyn Clock>,
    started: Duration,
    progress: Progress,
    steps: u64,
    steps_max: u64,
}

impl<'w, 'p> Walk<'w, 'p> {
    pub(super) fn new(watch: &'p mut Watch<'w>, clock: Arc<dyn Clock>, steps_max: u64) -> Self {
        let started = clock.monotonic();
        let progress = Progress { stage: "rows", done: 0, of: 0 };
        Self { watch, clock, started, progress, steps: 0, steps_max }
    }

    /// Begins a stage of about `of` steps.
    pub(super) fn begin(&mut self, stage: &'static str, of: u64) -> Result<(), Halt> {
        self.progress = Progress { stage, done: 0, of };
        self.look()
    }

    /// One row.
    pub(super) fn step(&mut self) -> Result<(), Halt> {
        self.progress.done += 1;
        self.steps += 1;
        if self.steps > self.steps_max {
            return Err(Halt::Ended(format!("it came to more than {} rows", self.steps_max)));
        }
        if self.steps.is_multiple_of(STRIDE) { self.look() } else { Ok(()) }
    }

    /// Rows that were walked over.
    pub(super) fn steps(&self) -> u64 {
        self.steps
    }

    fn look(&mut self) -> Result<(), Halt> {
        (self.watch.progress)(self.progress);
        if self.watch.stop.is_requested() {
            return Err(Halt::Ended("it was asked to stop".into()));
        }
        let age = self.clock.monotonic().saturating_sub(self.started);
        if age > self.watch.age_max {
            let bound = self.watch.age_max;
            let what = format!(
                "its snapshot became older than {bound:?}; check again when less is going on, or \
                 while the server is stopped"
            );
            return Err(Halt::Ended(what));
        }
        Ok(())
    }
}
