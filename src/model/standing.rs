//! [`Standing`]: why a manifest of the registry is there, as a state machine.
//!
//! A tag and an index hold a manifest. What has a subject follows it: it stays while that is
//! there. All else is untagged: what somebody pushed stays until somebody removes it or a rule
//! for its repository does; what lost its last holder by a deletion goes when its upload link
//! ends. Each way of letting go leaves such a link.

use serde::{Deserialize, Serialize};

use super::Timestamp;

/// Why a manifest is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// Tags and indexes name it; their number, at least one.
    Held {
        /// Rows of tags and entries of indexes.
        count: u64,
    },
    /// Its subject is there.
    Follows,
    /// Pushed and not named, or not named any more: it stays unless a rule says otherwise.
    Untagged {
        /// Since this moment; a request that names it renews it.
        since: Timestamp,
    },
    /// What named it was deleted.
    Doomed {
        /// It may go from this moment on, not before.
        until: Timestamp,
    },
}

/// Why a holder lets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LetGo {
    /// Something else was pushed in its place.
    Displaced,
    /// It was deleted.
    Deleted,
}

impl Standing {
    /// One more holder.
    #[must_use]
    pub fn hold(self) -> Self {
        match self {
            Self::Held { count } => Self::Held { count: count.saturating_add(1) },
            _ => Self::Held { count: 1 },
        }
    }

    /// One holder less. The last one leaves what is to come after: see [`Self::alone`].
    #[must_use]
    pub fn release(self, after: Self) -> Self {
        match self {
            Self::Held { count: 0 | 1 } => after,
            Self::Held { count } => Self::Held { count: count - 1 },
            free => free,
        }
    }

    /// What a manifest without a holder is at `now`, if a link that begins now ends at `until`.
    #[must_use]
    pub fn alone(why: LetGo, now: Timestamp, until: Timestamp) -> Self {
        match why {
            LetGo::Displaced => Self::Untagged { since: now },
            LetGo::Deleted => Self::Doomed { until },
        }
    }

    /// A request names it: what is not held stays for another link.
    #[must_use]
    pub fn renew(self, now: Timestamp, until: Timestamp) -> Self {
        match self {
            Self::Untagged { since } => Self::Untagged { since: since.max(now) },
            Self::Doomed { until: before } => Self::Doomed { until: before.max(until) },
            stays => stays,
        }
    }

    /// Whether whoever pushed it is charged for it: nothing else is that names it.
    #[must_use]
    pub fn is_charged(self) -> bool {
        !matches!(self, Self::Held { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(10);
    const END: Timestamp = Timestamp(20);

    #[test]
    fn every_cell_of_the_state_machine() {
        let (one, two) = (Standing::Held { count: 1 }, Standing::Held { count: 2 });
        let untagged = Standing::alone(LetGo::Displaced, NOW, END);
        let doomed = Standing::alone(LetGo::Deleted, NOW, END);
        assert_eq!(untagged, Standing::Untagged { since: NOW });
        assert_eq!(doomed, Standing::Doomed { until: END });
        for free in [untagged, doomed, Standing::Follows] {
            assert_eq!(free.hold(), one);
            assert_eq!(free.release(one), free);
            assert!(free.is_charged());
        }
        assert_eq!(one.hold(), two);
        assert_eq!(two.release(doomed), one);
        assert_eq!(one.release(doomed), doomed);
        assert_eq!(one.release(Standing::Follows), Standing::Follows);
        assert!(!one.is_charged());
        let later = |from: Standing| from.renew(Timestamp(15), Timestamp(25));
        assert_eq!(later(untagged), Standing::Untagged { since: Timestamp(15) });
        assert_eq!(later(doomed), Standing::Doomed { until: Timestamp(25) });
        assert_eq!(doomed.renew(Timestamp(1), Timestamp(11)), doomed);
        assert_eq!((later(one), later(Standing::Follows)), (one, Standing::Follows));
    }
}
