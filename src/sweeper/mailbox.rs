//! How the sweeper is asked to work and watched while it does.
//!
//! Requests made during a run coalesce into exactly one more run, full if any of them was full.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::model::{Run, RunId, Scope, Trigger};

/// What was asked for since the last run began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The widest scope.
    pub scope: Scope,
    /// Why: the trigger of the first request of that scope.
    pub trigger: Trigger,
    /// All tickets up to this one are answered by the run.
    pub(super) tickets: u64,
}

/// A request that was made: [`Handle::wait`] tells when its run ended.
#[derive(Clone, Copy, Debug)]
pub struct Ticket(u64);

/// Where a run is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// The run.
    #[serde(skip)]
    pub run: RunId,
    /// Its stage.
    pub stage: &'static str,
    /// Things done in this stage.
    pub items: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What the sweeper is doing.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// The run that goes on.
    pub running: Option<Progress>,
    /// Whether more was asked for meanwhile.
    pub asked: Option<Scope>,
    /// Why nothing is removed at the moment, as a sentence.
    pub held: Option<String>,
}

#[derive(Default)]
pub(super) struct Mailbox {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    mail: Option<Mail>,
    tickets: u64,
    finished: u64,
    last: Option<Run>,
    progress: Option<Progress>,
    held: Option<String>,
    accept_clock: bool,
    woken: bool,
    ended: bool,
}

impl Mailbox {
    /// Waits until something is asked for, at most `wait`.
    pub(super) fn wait(&self, wait: Option<Duration>) -> Option<Mail> {
        let idle = |state: &mut State| state.mail.is_none() && !state.woken;
        let guard = self.lock();
        let mut state = match wait {
            Some(wait) => {
                let waited = self.changed.wait_timeout_while(guard, wait, idle);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => self.changed.wait_while(guard, idle).unwrap_or_else(PoisonError::into_inner),
        };
        state.woken = false;
        state.mail.take()
    }

    pub(super) fn begin(&self, run: &Run) {
        self.lock().progress = Some(Progress { run: run.id, stage: "begin", items: 0, bytes: 0 });
    }

    pub(super) fn progress(&self, progress: Progress) {
        self.lock().progress = Some(progress);
    }

    pub(super) fn hold(&self, why: Option<String>) {
        self.lock().held = why;
    }

    pub(super) fn takes_clock(&self) -> bool {
        std::mem::take(&mut self.lock().accept_clock)
    }

    /// No run goes on.
    pub(super) fn rest(&self) {
        self.lock().progress = None;
    }

    pub(super) fn finish(&self, tickets: u64, run: Option<Run>) {
        let mut state = self.lock();
        state.finished = tickets;
        state.last = run;
        self.changed.notify_all();
    }

    /// Nothing will be finished any more.
    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The door to the sweeper. Clones are the same door.
#[derive(Clone)]
pub struct Handle {
    mailbox: Arc<Mailbox>,
}

impl Handle {
    pub(super) fn new(mailbox: Arc<Mailbox>) -> Self {
        Self { mailbox }
    }

    /// Asks for a run that begins after this call.
    #[allow(clippy::must_use_candidate, reason = "most who ask do not wait")]
    pub fn ask(&self, scope: Scope, trigger: Trigger) -> Ticket {
        let mut state = self.mailbox.lock();
        state.tickets += 1;
        let tickets = state.tickets;
        let mail = state.mail.get_or_insert(Mail { scope, trigger, tickets });
        mail.tickets = tickets;
        if scope > mail.scope {
            mail.scope = scope;
            mail.trigger = trigger;
        }
        self.mailbox.changed.notify_all();
        Ticket(tickets)
    }

    /// Waits until the run of `ticket` has ended, at most `wait`; `None` when it has not, or
    /// when the sweeper stops before it.
    #[must_use]
    pub fn wait(&self, ticket: Ticket, wait: Duration) -> Option<Run> {
        let deadline = Instant::now() + wait;
        let mut state = self.mailbox.lock();
        while state.finished < ticket.0 && !state.ended {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let waited = self.mailbox.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        if state.finished < ticket.0 { None } else { state.last.clone() }
    }

    /// What the sweeper is doing.
    #[must_use]
    pub fn status(&self) -> Status {
        let state = self.mailbox.lock();
        Status {
            running: state.progress.clone(),
            asked: state.mail.map(|mail| mail.scope),
            held: state.held.clone(),
        }
    }

    /// Lets the destructive stages go on after a clock jump, at the next run.
    pub fn accept_clock(&self) {
        self.mailbox.lock().accept_clock = true;
    }

    /// Wakes the sweeper to look at its stop value.
    pub(super) fn wake(&self) {
        self.mailbox.lock().woken = true;
        self.mailbox.changed.notify_all();
    }
}
