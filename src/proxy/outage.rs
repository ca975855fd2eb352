//! [`Outage`]: an upstream that did not answer is not asked again at once, where something cached
//! can be served instead.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long it is not asked.
pub(super) const REST: Duration = Duration::from_secs(30);

/// What is known of the last failure. Times are monotonic.
#[derive(Debug, Default)]
pub(super) struct Outage {
    known: Mutex<Option<(Duration, String)>>,
}

impl Outage {
    /// It did not answer just now.
    pub(super) fn begins(&self, now: Duration, why: String) {
        *self.known() = Some((now + REST, why));
    }

    /// It answers.
    pub(super) fn ends(&self) {
        *self.known() = None;
    }

    /// For how long it is not asked, and why; `None`: it is.
    pub(super) fn lasts(&self, now: Duration) -> Option<(Duration, String)> {
        let known = self.known();
        let (until, why) = known.as_ref()?;
        let left = until.checked_sub(now).filter(|left| !left.is_zero())?;
        Some((left, why.clone()))
    }

    fn known(&self) -> MutexGuard<'_, Option<(Duration, String)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_over_after_a_while_or_with_an_answer() {
        let outage = Outage::default();
        let at = Duration::from_secs;
        assert_eq!(outage.lasts(at(5)), None);
        outage.begins(at(5), "why".to_owned());
        assert_eq!(outage.lasts(at(34)), Some((at(1), "why".to_owned())));
        assert_eq!(outage.lasts(at(35)), None);
        outage.begins(at(40), "why".to_owned());
        outage.ends();
        assert_eq!(outage.lasts(at(40)), None);
    }
}
