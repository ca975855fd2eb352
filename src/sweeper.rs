//! Floor 4: the only background thread. It applies policies, destroys what was detached,
//! collects what is free and unlinks the files (design §5).
//!
//! Each stage works in bounded slices (I7) with a look at `stop` between them; one failing item
//! is put off and never ends the run; every run that did something leaves a record.
//! Deliberately absent: what a slice does (`store` knows), and any second thread that deletes.

mod clock_guard;
mod daily;
mod mailbox;
mod pace;
mod packages;
mod proxy;
mod recount;
mod registry;
mod schedule;
mod stages;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::blobs::BlobFiles;
use crate::model::{Run, Scope, Timestamp, Trigger, UntaggedRules};
use crate::publish;
use crate::stop::Stop;
use crate::store::check::Position;
use crate::store::{Error, Store};

use clock_guard::ClockGuard;
pub use mailbox::{Handle, Progress, Status, Ticket};
use mailbox::{Mail, Mailbox};
pub use pace::Pace;
pub use packages::{POLICY_DEADLINE, POLICY_PAGE};
use schedule::{Schedule, Wake};

/// How often it is written when manifests were pulled, whether there is a run or not.
const PULLS_PERIOD: Duration = Duration::from_secs(60);

/// What the sweeper is told once.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Time between full runs; `None`: only on request.
    pub period: Option<Duration>,
    /// Workers that unlink files; 0 pauses the stage.
    pub unlink_workers: usize,
    /// Work of one slice before its commit (I7).
    pub work_bound: Duration,
    /// Most rows of one slice: what its commit has to write.
    pub rows_max: u32,
    /// Fewer lapsed digests than this are not worth a stage of their own.
    pub lapsed_min: u64,
    /// Runs that leases ask for are at least this far apart, so that a stream of deletes does not
    /// become a stream of runs.
    pub spacing: Duration,
    /// How long a policy of packages may look for files and mark them before it goes on in the next
    /// run.
    pub policy_deadline: Duration,
    /// Files and packages that such a policy looks at in one snapshot.
    pub policy_page: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            period: Some(Duration::from_secs(24 * 3600)),
            unlink_workers: 2,
            work_bound: Duration::from_millis(5),
            rows_max: 500,
            lapsed_min: 1_000,
            spacing: Duration::from_secs(30),
            policy_deadline: POLICY_DEADLINE,
            policy_page: POLICY_PAGE,
        }
    }
}

/// The sweeper's work, without its thread: tests call it step by step.
pub struct Sweeper {
    store: Store,
    files: BlobFiles,
    settings: Settings,
    stop: Stop,
    mailbox: Arc<Mailbox>,
    schedule: Schedule,
    clock_guard: ClockGuard,
    /// Who takes released tags back from other servers, if there are any.
    publisher: Option<publish::Handle>,
    /// How long repositories of the registry keep untagged manifests.
    untagged: UntaggedRules,
    /// When it was last written when manifests were pulled.
    pulls_noted: Timestamp,
    /// What is known of cached images between two runs.
    looked: proxy::Looked,
    /// What each stage has learnt about this disk.
    paces: HashMap<&'static str, Pace>,
    /// Where the share of the counters that the next full run recounts begins.
    recounted: Position,
    /// Whether the log says already that policies reach users' repositories too.
    told_of_users: bool,
}

/// The sweeper's thread.
pub struct Thread {
    handle: Handle,
    stop: Stop,
    running: Option<JoinHandle<()>>,
}

impl Sweeper {
    /// A sweeper that has not run. Whoever holds its [`Handle`] can ask it to.
    ///
    /// # Errors
    /// [`Error::Db`] when what it remembers cannot be read.
    pub fn new(
        store: Store,
        files: BlobFiles,
        settings: Settings,
        stop: Stop,
    ) -> Result<Self, Error> {
        let view = store.view()?;
        let schedule = Schedule::new(settings, view.last_full_run()?);
        let clock = &**store.clock();
        let clock_guard = ClockGuard::new(clock, view.last_seen()?, store.rules().lease);
        let mailbox = Arc::new(Mailbox::default());
        let recounted = Position::default();
        let paces = HashMap::new();
        let publisher = None;
        Ok(Self {
            store,
            files,
            settings,
            stop,
            mailbox,
            schedule,
            clock_guard,
            publisher,
            untagged: UntaggedRules::default(),
            pulls_noted: Timestamp::default(),
            looked: proxy::Looked::default(),
            paces,
            recounted,
            told_of_users: false,
        })
    }

    /// The same, with `publisher` to take released tags back from other servers before they go.
    #[must_use]
    pub fn with_publisher(mut self, publisher: publish::Handle) -> Self {
        self.publisher = Some(publisher);
        self
    }

    /// The door for those who ask.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.mailbox))
    }

    /// Starts the thread. Its first run is a full one.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn start(mut self) -> std::io::Result<Thread> {
        let (handle, stop) = (self.handle(), self.stop.clone());
        handle.ask(Scope::Full, Trigger::Startup);
        let thread = std::thread::Builder::new().name("sweeper".into());
        let thread = thread.spawn(move || self.work())?;
        Ok(Thread { handle, stop, running: Some(thread) })
    }

    fn work(&mut self) {
        while !self.stop.is_requested() {
            let now = self.store.clock().now();
            let wait = self.next_wake().map_or(PULLS_PERIOD, |wake| wake.at.since(now));
            let mail = self.mailbox.wait(Some(wait.min(PULLS_PERIOD)));
            if self.stop.is_requested() {
                break;
            }
            self.turn(mail);
        }
        self.mailbox.end();
        self.note_pulls();
        if let Err(error) = self.store.note_time() {
            log::warn!("the time could not be noted: {error}");
        }
    }

    fn note_pulls(&mut self) {
        self.pulls_noted = self.store.clock().now();
        if let Err(error) = self.store.flush_noted_pulls() {
            log::warn!("when manifests were pulled could not be noted: {error}");
        }
        if let Err(error) = self.store.flush_package_downloads() {
            log::warn!("when packages were downloaded could not be noted: {error}");
        }
        self.note_reads();
    }

    /// When to wake without being asked, and for what.
    fn next_wake(&self) -> Option<Wake> {
        let now = self.store.clock().now();
        let (lease, due) =
            match self.store.view().and_then(|v| Ok((v.next_lease_end()?, v.next_due()?))) {
                Ok((lease, due)) => (self.packages_or(self.proxy_or(self.registry_or(lease))), due),
                Err(error) => {
                    log::error!("what is due next is not known: {error}");
                    (Some(now.after(self.settings.spacing)), None)
                }
            };
        self.schedule.next(lease, due)
    }

    /// The earlier of the end of a lease and of what the registry keeps for a time.
    fn registry_or(&self, lease: Option<Timestamp>) -> Option<Timestamp> {
        match self.next_registry_end() {
            Ok(end) => [lease, end].into_iter().flatten().min(),
            Err(error) => {
                log::error!("what the registry may remove next is not known: {error}");
                lease
            }
        }
    }

    /// One turn: what was asked for, or what is due by now. `None`: nothing is.
    pub fn turn(&mut self, mail: Option<Mail>) -> Option<Run> {
        let asked = mail.map(|mail| (mail.scope, mail.trigger));
        let now = self.store.clock().now();
        self.schedule.not_ahead(now);
        // Also when the clock was set back.
        if self.pulls_noted > now || self.pulls_noted.after(PULLS_PERIOD) <= now {
            self.note_pulls();
        }
        let due = self.next_wake().filter(|wake| wake.at <= now);
        let due = due.map(|wake| (wake.scope, wake.trigger));
        // A full run that is due as well swallows a lesser one that was asked for.
        let chosen = match (asked, due) {
            (Some(asked), Some(due)) if due.0 > asked.0 => Some(due),
            (asked, due) => asked.or(due),
        };
        let run = chosen.map(|(scope, trigger)| self.run(scope, trigger));
        self.note_daily();
        if let Some(mail) = mail {
            self.mailbox.finish(mail.tickets, run.clone());
        }
        run
    }

    /// One run, from its first stage to its record.
    pub fn run(&mut self, scope: Scope, trigger: Trigger) -> Run {
        let mut run = match self.store.begin_run(trigger, scope) {
            Ok(run) => run,
            Err(error) => {
                log::error!("a sweep could not begin: {error}");
                self.schedule.failed(self.store.clock().now());
                return unrecorded(scope, trigger, self.store.clock().now(), &error);
            }
        };
        self.mailbox.begin(&run);
        self.schedule.begun();
        self.run_stages(&mut run);
        let ended = self.store.clock().now();
        run.ended = (!self.stop.is_requested()).then_some(ended);
        self.schedule.ended(&run, ended);
        report(&run);
        if let Err(error) = self.store.save_run(run.clone()).and_then(|()| self.store.note_time()) {
            log::error!("the record of sweep {} could not be written: {error}", run.id.0);
        }
        self.mailbox.rest();
        run
    }
}

impl Thread {
    /// The door for those who ask.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Thread {
    /// Stops it, and waits for the end of the current slice.
    fn drop(&mut self) {
        self.stop.request();
        self.handle.wake();
        if let Some(thread) = self.running.take()
            && thread.join().is_err()
        {
            log::error!("the sweeper panicked");
        }
    }
}

fn unrecorded(scope: Scope, trigger: Trigger, now: Timestamp, error: &Error) -> Run {
    Run {
        id: crate::model::RunId(0),
        trigger,
        scope,
        started: now,
        ended: None,
        stages: Vec::new(),
        errors: vec![error.to_string()],
        error_count: 1,
    }
}

fn report(run: &Run) {
    let freed = run.stages.iter().find(|stage| stage.name == stages::UNLINK);
    let (blobs, bytes) = freed.map_or((0, 0), |stage| (stage.items, stage.bytes));
    let took = run.ended.unwrap_or(run.started).since(run.started);
    let level = if run.error_count > 0 { log::Level::Warn } else { log::Level::Info };
    let done: Vec<_> = run
        .stages
        .iter()
        .filter(|stage| stage.items > 0)
        .map(|stage| format!("{} {}", stage.name, stage.items))
        .collect();
    log::log!(
        level,
        "sweep {} ({:?}, asked by {:?}) freed {bytes} bytes of {blobs} blobs in {took:?}, {} \
         failures; {}",
        run.id.0,
        run.scope,
        run.trigger,
        run.error_count,
        if done.is_empty() { "nothing was due".to_owned() } else { done.join(", ") },
    );
    for error in &run.errors {
        log::warn!("sweep {}: {error}", run.id.0);
    }
}
