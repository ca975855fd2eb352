//! [`Stop`]: shutdown as a value that is passed in.
//!
//! Whoever runs for long is given a clone. It looks at [`Stop::is_requested`] between two bounded
//! pieces of work and waits with [`Stop::wait_for`] instead of sleeping. The roof, which made the
//! value, calls [`Stop::request`] once and then joins its threads: nothing is killed in the
//! middle, and nothing waits for the end of a pause.
//! Deliberately absent: signals (the roof turns them into a request) and async waiting.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A request to stop that many threads can see and wait for. Clones are the same request; it
/// cannot be taken back.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    requested: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    /// Nobody asked to stop yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks everybody who holds a clone to stop and wakes those who wait.
    pub fn request(&self) {
        *self.lock() = true;
        self.shared.changed.notify_all();
    }

    /// Whether somebody asked to stop.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.lock()
    }

    /// Waits for `time`, or shorter when a stop is requested. Tells whether one is.
    #[must_use]
    pub fn wait_for(&self, time: Duration) -> bool {
        let waited =
            self.shared.changed.wait_timeout_while(self.lock(), time, |requested| !*requested);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// A flag cannot be torn, so a panic of another holder is no reason to stop working.
    fn lock(&self) -> MutexGuard<'_, bool> {
        self.shared.requested.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_when_a_clone_asks_to_stop() {
        let stop = Stop::new();
        assert!(!stop.wait_for(Duration::ZERO));
        let waiting = std::thread::spawn({
            let stop = stop.clone();
            move || stop.wait_for(Duration::MAX)
        });
        stop.request();
        assert!(waiting.join().unwrap());
        assert!(stop.is_requested() && stop.wait_for(Duration::MAX));
    }
}
