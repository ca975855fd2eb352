//! [`Refs`]: whether a blob is needed, as a state machine of two states (invariants I2, I3).
//!
//! Every way of letting go gives a lease: a client that was told "you need not send it" while
//! the blob was held may rely on that for the lease's length without any write at that time.

use serde::{Deserialize, Serialize};

use super::Timestamp;

/// Held by a number of references, or free with a moment before which it must stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refs {
    /// This many references name the blob; at least one.
    Held {
        /// Number of reference rows.
        count: u64,
    },
    /// No reference names the blob.
    Free {
        /// It may be collected from this moment on, not before.
        until: Timestamp,
    },
}

impl Refs {
    /// One more reference.
    #[must_use]
    pub fn hold(self) -> Self {
        match self {
            Self::Held { count } => Self::Held { count: count.saturating_add(1) },
            Self::Free { .. } => Self::Held { count: 1 },
        }
    }

    /// One reference less; the last one leaves a lease until `until`. Releasing what nobody
    /// holds changes nothing.
    #[must_use]
    pub fn release(self, until: Timestamp) -> Self {
        match self {
            Self::Held { count: 0 | 1 } => Self::Free { until },
            Self::Held { count } => Self::Held { count: count - 1 },
            free @ Self::Free { .. } => free,
        }
    }

    /// A promise that the blob stays until `until`: extends a lease, never shortens one. A held
    /// blob needs no note of it, since its last release gives a lease anyway.
    #[must_use]
    pub fn lease(self, until: Timestamp) -> Self {
        match self {
            Self::Free { until: before } => Self::Free { until: before.max(until) },
            held @ Self::Held { .. } => held,
        }
    }

    /// Whether the blob may be collected at `now`.
    #[must_use]
    pub fn collectable(self, now: Timestamp) -> bool {
        matches!(self, Self::Free { until } if until <= now)
    }

    /// Number of references.
    #[must_use]
    pub fn count(self) -> u64 {
        match self {
            Self::Held { count } => count,
            Self::Free { .. } => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Timestamp = Timestamp(10);

    #[test]
    fn every_cell_of_the_state_machine() {
        let free = Refs::Free { until: T };
        let one = Refs::Held { count: 1 };
        let two = Refs::Held { count: 2 };
        assert_eq!(free.hold(), one);
        assert_eq!(one.hold(), two);
        assert_eq!(two.release(T), one);
        assert_eq!(one.release(T), free);
        assert_eq!(free.release(Timestamp(99)), free);
        assert_eq!(free.lease(Timestamp(11)), Refs::Free { until: Timestamp(11) });
        assert_eq!(free.lease(Timestamp(9)), free);
        assert_eq!(one.lease(Timestamp(11)), one);
        assert!(!free.collectable(Timestamp(9)));
        assert!(free.collectable(T));
        assert!(!one.collectable(Timestamp::MAX));
        assert_eq!((free.count(), two.count()), (0, 2));
    }
}
