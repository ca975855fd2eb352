//! [`Turns`]: who may run now: one at a time for each format, and only so many in all.
//!
//! Waiting is async, so that those who wait hold no thread; a turn outlives a client that went
//! away, since whoever works holds it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::model::FormatPath;

/// The right to run for one format, until it is dropped.
#[derive(Debug)]
pub struct Turn {
    _format: Option<OwnedSemaphorePermit>,
    _run: Option<OwnedSemaphorePermit>,
}

/// Gives turns, in the order in which they are asked for.
pub(super) struct Turns {
    runs: Arc<Semaphore>,
    formats: Mutex<HashMap<FormatPath, Weak<Semaphore>>>,
}

impl Turns {
    pub(super) fn new(runs_max: usize) -> Self {
        Self { runs: Arc::new(Semaphore::new(runs_max)), formats: Mutex::default() }
    }

    pub(super) async fn take(&self, path: &FormatPath) -> Turn {
        let format = permit(self.of_format(path)).await;
        // Only then: whoever waits for its format keeps nobody else from running.
        Turn { _format: format, _run: permit(Arc::clone(&self.runs)).await }
    }

    fn of_format(&self, path: &FormatPath) -> Arc<Semaphore> {
        // The map is whole between two of its changes, also after a panic.
        let mut formats = self.formats.lock().unwrap_or_else(PoisonError::into_inner);
        formats.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = formats.get(path).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::new(Semaphore::new(1));
        formats.insert(path.clone(), Arc::downgrade(&turn));
        turn
    }
}

/// `None` only from a semaphore that is closed, which nobody does.
async fn permit(semaphore: Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    semaphore.acquire_owned().await.ok()
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::model::{BranchName, BranchPath, FormatName, JobName, TagName};

    fn format(name: &str) -> FormatPath {
        let branch = BranchPath::shared(BranchName::parse("b").unwrap());
        let job = branch.tag(TagName::parse("t").unwrap()).job(JobName::parse("j").unwrap());
        job.format(FormatName::parse(name).unwrap())
    }

    #[test]
    fn one_run_for_each_format_and_so_many_in_all() {
        let turns = Turns::new(2);
        let mut context = Context::from_waker(Waker::noop());
        let mut now = |name| match pin!(turns.take(&format(name))).poll(&mut context) {
            Poll::Ready(turn) => Some(turn),
            Poll::Pending => None,
        };
        let first = now("a").unwrap();
        assert!(now("a").is_none(), "it runs already");
        let second = now("b").unwrap();
        assert!(now("c").is_none(), "two run already");
        drop(first);
        let third = now("a").unwrap();
        drop((second, third));
        assert!(now("b").is_some());
        assert_eq!(turns.formats.lock().unwrap().len(), 1, "what is over is forgotten");
    }
}
