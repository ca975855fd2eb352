//! What waits for the writer thread: changes from requests, slices of background work, and how
//! their answers come back.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::{Error, WriteTxn};

/// A change that waits, runs (perhaps more than once) and is answered after the commit.
pub(super) trait Job: Send {
    /// Runs the change and keeps its result; tells whether it succeeded.
    fn run(&mut self, txn: &WriteTxn) -> Ran;

    /// Sends the kept result, or the failure of the commit instead.
    fn answer(self: Box<Self>, commit: Result<(), Error>);

    /// Notes how long the transaction took.
    fn note(&self, times: SliceTimes);
}

/// How a change ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ran {
    Changed,
    Refused,
}

struct Change<T, E, F> {
    make: F,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
    times: Option<Times>,
}

impl<T, E, F> Job for Change<T, E, F>
where
    T: Send,
    E: From<Error> + Send,
    F: Fn(&WriteTxn) -> Result<T, E> + Send,
{
    fn run(&mut self, txn: &WriteTxn) -> Ran {
        let result = catch_unwind(AssertUnwindSafe(|| (self.make)(txn)))
            .unwrap_or_else(|panic| Err(Error::Broken(panic_text(panic.as_ref())).into()));
        let ran = if result.is_ok() { Ran::Changed } else { Ran::Refused };
        self.result = Some(result);
        ran
    }

    fn answer(self: Box<Self>, commit: Result<(), Error>) {
        let result = match (commit, self.result) {
            (Ok(()), Some(result)) => result,
            (Ok(()), None) => Err(Error::Broken("it was never run".into()).into()),
            (Err(error), _) => Err(error.into()),
        };
        // Whoever asked may be gone; the change is made all the same.
        let _ = self.reply.send(result);
    }

    fn note(&self, times: SliceTimes) {
        if let Some(slot) = &self.times {
            *lock(&slot.0) = times;
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic".into())
}

/// How long a slice's transaction took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SliceTimes {
    /// The work before the commit.
    pub work: Duration,
    /// The commit.
    pub commit: Duration,
    /// Others write too: some did since the slice before, or wait for this one to end.
    pub is_crowded: bool,
}

impl SliceTimes {
    /// From the transaction's start to the end of its commit.
    #[must_use]
    pub fn total(self) -> Duration {
        self.work + self.commit
    }
}

/// Where the times of a slice are left for whoever asked for it.
#[derive(Clone, Default)]
pub(super) struct Times(Arc<Mutex<SliceTimes>>);

impl Times {
    pub(super) fn get(&self) -> SliceTimes {
        *lock(&self.0)
    }
}

/// The answer to a change, after its commit: a future, or something to wait for on a thread that
/// runs no futures.
#[must_use = "the change is made, but nobody knows how it ended"]
pub struct Pending<T, E>(oneshot::Receiver<Result<T, E>>);

impl<T, E: From<Error>> Pending<T, E> {
    /// Blocks until the commit. Not for threads that run futures.
    ///
    /// # Errors
    /// What the change returned, or how the commit failed.
    pub fn wait(self) -> Result<T, E> {
        self.0.blocking_recv().unwrap_or_else(|_| Err(unanswered().into()))
    }
}

impl<T, E: From<Error>> Future for Pending<T, E> {
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(context)
            .map(|answer| answer.unwrap_or_else(|_| Err(unanswered().into())))
    }
}

/// The writer ended without an answer: the change may or may not be stored.
fn unanswered() -> Error {
    Error::OutcomeUnknown("the writer ended before it answered".into())
}

fn closed() -> Error {
    Error::Unavailable("it is closed".into())
}

/// What the writer should do next.
pub(super) enum Next {
    /// Run the waiting changes of requests.
    Batch,
    /// Run this slice.
    Slice(Box<dyn Job>),
    /// Open the database again: somebody met a failure after it was opened this many times.
    Reopen(u64),
    /// Nothing is left, and nothing more will come.
    End,
}

/// When the next slice has its turn.
pub(super) struct Turn {
    /// When the last one ended.
    pub(super) last: Instant,
    /// How long others go first, if there are any.
    pub(super) gap: Duration,
    /// Nobody wrote since then.
    pub(super) is_alone: bool,
}

impl Turn {
    fn left(&self) -> Duration {
        self.gap.saturating_sub(self.last.elapsed())
    }
}

#[derive(Default)]
struct Waiting {
    front: VecDeque<Box<dyn Job>>,
    slices: VecDeque<Box<dyn Job>>,
    reopen: Option<u64>,
    closed: bool,
}

/// The queue. Its length is bounded by the number of connections and background threads, each
/// of which waits for its answer before it asks again.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

impl Queue {
    pub(super) fn push_front_job<T, E>(
        &self,
        change: impl Fn(&WriteTxn) -> Result<T, E> + Send + 'static,
    ) -> Pending<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Change { make: change, result: None, reply, times: None });
        self.push(job, |waiting| &mut waiting.front);
        Pending(answer)
    }

    pub(super) fn push_slice_job<T, E>(
        &self,
        change: impl Fn(&WriteTxn) -> Result<T, E> + Send + 'static,
    ) -> (Pending<T, E>, Times)
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let times = Times::default();
        let job =
            Box::new(Change { make: change, result: None, reply, times: Some(times.clone()) });
        self.push(job, |waiting| &mut waiting.slices);
        (Pending(answer), times)
    }

    fn push(&self, job: Box<dyn Job>, lane: fn(&mut Waiting) -> &mut VecDeque<Box<dyn Job>>) {
        let mut waiting = lock(&self.waiting);
        if waiting.closed {
            drop(waiting);
            return job.answer(Err(closed()));
        }
        lane(&mut waiting).push_back(job);
        self.changed.notify_one();
    }

    /// Whether a change of a request waits.
    pub(super) fn has_front(&self) -> bool {
        !lock(&self.waiting).front.is_empty()
    }

    /// The next waiting change of a request, if there is one right now.
    pub(super) fn pop_front(&self) -> Option<Box<dyn Job>> {
        lock(&self.waiting).front.pop_front()
    }

    /// Waits for something to do. A slice is let in when its turn has come, or at once where
    /// nobody waits and nobody wrote since the last one.
    pub(super) fn next(&self, turn: &Turn) -> Next {
        let mut waiting = lock(&self.waiting);
        loop {
            if let Some(met) = waiting.reopen.take() {
                return Next::Reopen(met);
            }
            let left = turn.left();
            let is_alone = turn.is_alone && waiting.front.is_empty();
            if (is_alone || left.is_zero() || waiting.closed)
                && let Some(slice) = waiting.slices.pop_front()
            {
                return Next::Slice(slice);
            }
            if !waiting.front.is_empty() {
                return Next::Batch;
            }
            if waiting.closed {
                return Next::End;
            }
            waiting = if waiting.slices.is_empty() {
                self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner)
            } else {
                let waited = self.changed.wait_timeout(waiting, left);
                waited.unwrap_or_else(PoisonError::into_inner).0
            };
        }
    }

    /// Answers everything that waits: nobody will run it.
    pub(super) fn refuse_all(&self) {
        let mut waiting = lock(&self.waiting);
        let front = std::mem::take(&mut waiting.front);
        let slices = std::mem::take(&mut waiting.slices);
        drop(waiting);
        for job in front.into_iter().chain(slices) {
            job.answer(Err(closed()));
        }
    }

    /// Asks for another opening because of a failure that was met after `met` of them.
    pub(super) fn ask_reopen(&self, met: u64) {
        let mut waiting = lock(&self.waiting);
        waiting.reopen = waiting.reopen.max(Some(met));
        self.changed.notify_one();
    }

    pub(super) fn close(&self) {
        lock(&self.waiting).closed = true;
        self.changed.notify_one();
    }
}

/// The data under these locks is whole at every unlock, so a panic elsewhere spoils nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
