//! [`Places`]: how many requests an upstream has to answer at once.
//!
//! Downloads, which may take long and hang, leave some places to the short questions that a pull
//! of something cached waits for.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// Longest wait for a place of a question that has time.
const WAIT_MAX: Duration = Duration::from_secs(5 * 60);

/// A place; dropping it makes it free.
#[derive(Debug)]
pub(super) struct Place {
    _permit: Option<OwnedSemaphorePermit>,
}

/// The places of one upstream.
#[derive(Debug)]
pub(super) struct Places {
    short: Arc<Semaphore>,
    long: Arc<Semaphore>,
    count: usize,
}

impl Places {
    /// So many, a quarter of them for short questions; at least one for each kind.
    pub(super) fn new(count: usize) -> Self {
        let short = (count / 4).max(1);
        let long = count.saturating_sub(short).max(1);
        Self {
            short: Arc::new(Semaphore::new(short)),
            long: Arc::new(Semaphore::new(long)),
            count: short + long,
        }
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// A place for a question that has to be answered by then, or for one that has time; `None`:
    /// there was none in time.
    pub(super) async fn take(&self, deadline: Option<Instant>) -> Option<Place> {
        let (places, until) = match deadline {
            Some(deadline) => (&self.short, deadline),
            None => (&self.long, Instant::now() + WAIT_MAX),
        };
        let taken = timeout_at(until, Arc::clone(places).acquire_owned()).await.ok()?;
        // It is never closed, and without a place a question is asked all the same.
        Some(Place { _permit: taken.ok() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn downloads_leave_places_to_short_questions() {
        let places = Places::new(4);
        assert_eq!((places.count(), Places::new(1).count()), (4, 2));
        let soon = || Some(Instant::now() + Duration::from_millis(5));
        let downloads = [places.take(None).await, places.take(None).await, places.take(None).await];
        assert!(downloads.iter().all(Option::is_some));
        let one = places.take(soon()).await;
        assert!(one.is_some());
        assert!(places.take(soon()).await.is_none());
        drop(one);
        assert!(places.take(soon()).await.is_some());
    }
}
