//! The last stage of a full run: a share of the counters is recounted, so that a drift (I2) is
//! noticed without anybody asking. What is wrong is corrected and is an error of the run.
//!
//! Bounded by rows, so it never takes long however large the store is. Deliberately absent:
//! removing anything; rows that are missing or stray are for `larder check --repair`.

use super::Sweeper;
use super::stages::{Stage, fail};
use crate::model::Run;
use crate::store::Error;
use crate::store::check::Outcome;

/// Rows that one run walks over: some tenths of a second.
const ROWS_MAX: u64 = 200_000;

impl Sweeper {
    pub(super) fn recount(&mut self, run: &mut Run, stage: &mut Stage) -> Result<(), Error> {
        let share = self.store.recount_share(&mut self.recounted, ROWS_MAX, &self.stop)?;
        stage.looked_at(share.rows);
        for difference in share.recount.differences {
            let what = difference.what;
            let sentence = match difference.outcome {
                Outcome::Repaired => format!("a counter had drifted and was corrected: {what}"),
                _ => format!("{what}; run `larder check --repair`"),
            };
            log::error!("{sentence}");
            fail(run, sentence);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::blobs::{BlobFiles, OsDisk, Pins};
    use crate::clock::SystemClock;
    use crate::db::schema::TOTALS;
    use crate::db::{self, Db, Options};
    use crate::model::{Scope, Trigger};
    use crate::stop::Stop;
    use crate::store::Store;
    use crate::store::tests::rules;
    use crate::sweeper::Settings;

    #[test]
    fn a_drift_is_an_error_of_the_run_and_gone_in_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(&dir.path().join("db"), Options::default()).unwrap();
        let rules = rules(Duration::ZERO);
        let store = Store::new(db, Pins::new(), Arc::new(SystemClock::new()), rules);
        let files = BlobFiles::open(dir.path(), Arc::new(OsDisk)).unwrap();
        let settings = Settings::default();
        let mut sweeper = Sweeper::new(store.clone(), files, settings, Stop::new()).unwrap();
        let drift = store.db().write(|txn| {
            let mut totals = TOTALS.get(txn, &())?.unwrap_or_default();
            totals.queue = 3;
            TOTALS.put(txn, &(), &totals)?;
            Ok::<_, db::Error>(())
        });
        drift.wait().unwrap();
        let mut errors = |scope| sweeper.run(scope, Trigger::Request).errors;
        assert_eq!(errors(Scope::Reclaim), [""; 0]);
        let found = errors(Scope::Full);
        assert!(
            found.len() == 1 && found[0].contains("had drifted and was corrected"),
            "{found:?}"
        );
        assert_eq!(errors(Scope::Full), [""; 0]);
    }
}
