//! `check`: what was compared, what differs, and whether all of it is repaired.

use std::time::Duration;

use super::{Answer, Desk, Progress, Sweeping, Verdict};
use crate::app::Error;
use crate::cleanup::{self, Contents, Mode};
use crate::store::check::{self, AGE_MAX, Watch};

impl Desk<'_> {
    pub(super) fn check(&mut self, mode: Mode, contents: Contents) -> Result<Answer, Error> {
        let age_max = match self.sweeping {
            Sweeping::Server(_) => AGE_MAX,
            // Nobody needs the pages that the snapshot keeps.
            Sweeping::Alone(_) => Duration::MAX,
        };
        let progress = &mut |step: check::Progress| (self.progress)(step.into());
        let mut watch = Watch { stop: self.stop, age_max, progress };
        let (store, files) = (self.house.store(), self.house.files());
        let report = cleanup::check(store, files, mode, contents, &mut watch)?;
        let is_fine = report.recount.left() == 0 && report.recount.aborted.is_none();
        Answer::new(Verdict::fine_if(is_fine), &report)
    }
}

impl From<check::Progress> for Progress {
    fn from(step: check::Progress) -> Self {
        let check::Progress { stage, done, of } = step;
        Self { stage: stage.to_owned(), done, of: (of > 0).then_some(of), bytes: None }
    }
}
