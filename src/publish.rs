//! Floor 3, release to other servers: fulfils the wishes of `store::publications` on every target
//! (spec dlrepo §12), one try after the other until it works.
//!
//! A thread of its own runs the tries, several tags at once: a target that does not answer holds
//! up nobody but the tags that wait for it. All that is known is in the database, and what a
//! target has already is found out by asking it, so a try that breaks off anywhere (a kill on
//! either side, a stop) is simply made again. A tag counts as published when each target says
//! the digests that are known here, never because all requests went well.
//! Deliberately absent: deciding what is wished (HTTP and the policies do), and reclaiming space.

mod body;
mod client;
mod error;
mod filter;
mod progress;
mod target;
mod try_once;
mod url;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{Id, JoinError, JoinSet, LocalSet};

pub use error::Error;

use crate::blobs::BlobFiles;
use crate::model::PublicationKey;
use crate::stop::Stop;
use crate::store::Store;
use crate::store::publications::Standing;
use client::Client;
use try_once::Try;

/// Tags that are worked on at once.
const TAGS_MAX: usize = 8;
/// How many due publications are looked at to find those.
const LOOK_MAX: usize = 1000;
/// The wait after a failure of our own database.
const TROUBLE_WAIT: Duration = Duration::from_secs(10);
/// Without anything due: nobody wakes us but a wish.
const IDLE_WAIT: Duration = Duration::from_secs(3600);

/// What the publisher is told once.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Addresses of the targets, without a slash at the end, in the order in which they are
    /// asked.
    pub urls: Vec<String>,
    /// A file with `login:password`.
    pub auth_file: Option<PathBuf>,
    /// A command that is asked for each target whether a tag goes there.
    pub filter_command: Option<PathBuf>,
    /// Longest duration of one request, and of the filter command.
    pub timeout: Duration,
    /// Most requests to one target at once.
    pub requests_max: usize,
    /// A file with certificates, in PEM, that are trusted besides those of the system.
    pub ca_file: Option<PathBuf>,
    /// The wait after a first failure.
    pub retry_first: Duration,
    /// A folder of our own for the filter command to run in.
    pub folder: PathBuf,
    /// What requests in progress get to end when the server stops.
    pub stop_time_max: Duration,
}

/// The door to the publisher. Clones are the same door.
#[derive(Clone, Default)]
pub struct Handle {
    door: Arc<Door>,
}

#[derive(Default)]
struct Door {
    wake: Notify,
    has_targets: bool,
}

impl Handle {
    /// The door to a publisher with these targets, which may run or not.
    #[must_use]
    pub fn new<U>(urls: &[U]) -> Self {
        Self { door: Arc::new(Door { wake: Notify::new(), has_targets: !urls.is_empty() }) }
    }

    /// Whether a release is more than a flag.
    #[must_use]
    pub fn has_targets(&self) -> bool {
        self.door.has_targets
    }

    /// There are new wishes.
    pub fn wake(&self) {
        self.door.wake.notify_one();
    }
}

/// The publisher's work, without its thread.
pub struct Publisher {
    shared: Arc<Shared>,
    stop: Stop,
    handle: Handle,
}

/// What all tries share.
struct Shared {
    store: Store,
    files: BlobFiles,
    settings: Settings,
    client: Client,
    /// A tag was sent away: its space is to come back.
    reclaim: Box<dyn Fn() + Send + Sync>,
}

/// Why a try is to end early.
#[derive(Clone, Default)]
struct Halt {
    is_asked: Arc<AtomicBool>,
}

impl Halt {
    fn ask(&self) {
        self.is_asked.store(true, Ordering::Relaxed);
    }

    /// Between two requests: whether to go on.
    fn check(&self) -> Result<(), Error> {
        if self.is_asked.load(Ordering::Relaxed) { Err(Error::Halted) } else { Ok(()) }
    }
}

/// A try in progress.
struct Running {
    number: u64,
    halt: Halt,
    task: Id,
}

/// The publisher's thread.
pub struct Thread {
    handle: Handle,
    stop: Stop,
    running: Option<JoinHandle<()>>,
}

impl Publisher {
    /// A publisher behind `handle` that has not begun; `reclaim` asks for a sweep.
    ///
    /// # Errors
    /// [`Error::Certificates`], [`Error::Folder`].
    pub fn new(
        (store, files): (Store, BlobFiles),
        settings: Settings,
        (handle, stop): (Handle, Stop),
        reclaim: Box<dyn Fn() + Send + Sync>,
    ) -> Result<Self, Error> {
        let client = Client::new(&settings)?;
        filter::clear(&settings.folder)?;
        let shared = Arc::new(Shared { store, files, settings, client, reclaim });
        Ok(Self { shared, stop, handle })
    }

    /// Starts the thread.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn start(self) -> std::io::Result<Thread> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (handle, stop) = (self.handle.clone(), self.stop.clone());
        let thread = std::thread::Builder::new().name("publisher".into());
        let thread = thread.spawn(move || {
            LocalSet::new().block_on(&runtime, self.work());
            // Nobody waits for a name server that does not answer.
            runtime.shutdown_background();
        })?;
        Ok(Thread { handle, stop, running: Some(thread) })
    }

    async fn work(self) {
        let mut running = HashMap::new();
        let mut tries = JoinSet::new();
        while !self.stop.is_requested() {
            let wait = self.begin(&mut running, &mut tries).unwrap_or_else(|error| {
                log::error!("what is to be published is not known: {error}");
                TROUBLE_WAIT
            });
            tokio::select! {
                () = self.handle.door.wake.notified() => {}
                () = tokio::time::sleep(wait) => {}
                Some(ended) = tries.join_next() => self.ended(&mut running, &mut tries, ended),
            }
        }
        halt_all(&running);
        let ends = async { while tries.join_next().await.is_some() {} };
        if tokio::time::timeout(self.shared.settings.stop_time_max, ends).await.is_err() {
            log::info!("publishing breaks off; it goes on with the next start");
        }
    }

    /// Begins what is due and halts what is out of date; tells how long nothing else is due.
    fn begin(
        &self,
        running: &mut HashMap<PublicationKey, Running>,
        tries: &mut JoinSet<PublicationKey>,
    ) -> Result<Duration, Error> {
        let view = self.shared.store.view()?;
        let now = self.shared.store.clock().now();
        for (at, key) in view.publications_due(LOOK_MAX)? {
            if at > now {
                return Ok(at.since(now).min(IDLE_WAIT));
            }
            let found = view.publication(key)?;
            if let Some(busy) = running.get(&key) {
                if found.is_none_or(|(_, row)| row.number != busy.number) {
                    busy.halt.ask();
                }
                continue;
            }
            let Some((path, row)) = found else {
                log::error!("a publication has no tag, run `larder check`: {key:?}");
                continue;
            };
            if running.len() < TAGS_MAX {
                let (halt, number) = (Halt::default(), row.number);
                let shared = Arc::clone(&self.shared);
                let next = Try::new(shared, key, path, row, halt.clone());
                let task = tries.spawn_local(next.run()).id();
                running.insert(key, Running { number, halt, task });
            }
        }
        Ok(IDLE_WAIT)
    }

    /// A try that panicked, which is a programming error, counts as one that failed.
    fn ended(
        &self,
        running: &mut HashMap<PublicationKey, Running>,
        tries: &mut JoinSet<PublicationKey>,
        ended: Result<PublicationKey, JoinError>,
    ) {
        let error = match ended {
            Ok(key) => return drop(running.remove(&key)),
            Err(error) => error,
        };
        log::error!("a try to publish did not end well: {error}");
        let broken = running.iter_mut().find(|(_, running)| running.task == error.id());
        if let Some((key, broken)) = broken {
            let shared = Arc::clone(&self.shared);
            let task = tries.spawn_local(try_once::give_up(shared, *key, broken.number));
            broken.task = task.id();
        }
    }
}

fn halt_all(running: &HashMap<PublicationKey, Running>) {
    for running in running.values() {
        running.halt.ask();
    }
}

impl Drop for Thread {
    /// Stops it; requests in progress get some time.
    fn drop(&mut self) {
        self.stop.request();
        self.handle.wake();
        if let Some(thread) = self.running.take()
            && thread.join().is_err()
        {
            log::error!("the publisher panicked");
        }
    }
}

/// What the store makes of an end: whether it still matters.
fn is_out_of_date(standing: Standing) -> bool {
    standing == Standing::Superseded
}
