//! [`Running`]: an open house that answers requests, as a value: for the command line, which adds
//! signals, and for whoever embeds Larder.
//!
//! Started from the ground up and closed in the opposite order: requests end first, then the
//! sweeper and the publisher, then the runtime, and the database last, so that everything that was
//! acknowledged or is under way finds it open (I5).

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::control::Control;
use super::people::{FirstAdmin, People};
use super::{Ending, Error, House, house};
use crate::access::Access;
use crate::config::Settings;
use crate::http::{self, listen};
use crate::model::{Scope, Trigger};
use crate::publish;
use crate::stop::Stop;
use crate::sweeper::{Handle, Thread};

/// How often the ballast is looked after.
const BALLAST_PERIOD: Duration = Duration::from_secs(2);
/// Connections that the kernel keeps until they are accepted. The usual 128 are too few for a
/// burst of clients: it answers those beyond with cookies, and may reset them later.
const WAITING_MAX: u32 = 4096;
/// What tasks that were cut off get to end before the database is closed without them.
const TASKS_END_MAX: Duration = Duration::from_secs(5);

/// A house that answers requests. Dropping it stops it in order, within the deadline of the
/// settings; that blocks, so it is not for a thread that runs futures.
pub struct Running {
    address: SocketAddr,
    access: Access,
    sweeper: Handle,
    runtime: tokio::runtime::Handle,
    parts: Option<Parts>,
}

/// What is taken apart at the end.
struct Parts {
    house: Arc<House>,
    runtime: Runtime,
    thread: Thread,
    publisher: publish::Thread,
    control: Option<Control>,
    stop: Stop,
    finish: oneshot::Sender<()>,
    serving: JoinHandle<()>,
    ballast: JoinHandle<()>,
    people: People,
    deadline: Duration,
}

impl Running {
    /// Opens the data folder, binds the address and starts to answer. The first sweep begins at
    /// once.
    ///
    /// # Errors
    /// Why the house could not be opened, or the address not be bound.
    pub fn start(settings: &Settings) -> Result<Self, Error> {
        let access = house::access(settings)?;
        let house = Arc::new(House::open(settings)?);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .thread_name("http")
            .build()
            .map_err(|source| Error::Start { what: "the threads that serve", source })?;
        let stop = Stop::new();
        let sweeper = house.sweeper(settings, stop.clone())?;
        let (listener, address) = runtime.block_on(async { bind(settings.server.listen) })?;
        let thread = sweeper
            .start()
            .map_err(|source| Error::Start { what: "the thread that sweeps", source })?;
        let sweeper = thread.handle().clone();
        let publisher = start_publisher(&house, settings, &sweeper, &stop)?;
        let people = {
            let _context = runtime.enter();
            People::start(&house, settings)?
        };
        let guards = (access.clone(), people.door(settings));
        let server = house.server(settings, guards, sweeper.clone(), stop.clone());
        let service = TowerToHyperService::new(warp::service(http::filter(Arc::new(server))));
        let (finish, finished) = oneshot::channel();
        // An end of the sender is an end as well.
        let finished = async { drop(finished.await) };
        let listener = listen::Listener::Tcp(listener);
        let serving = listen::serve(listener, service, limits(settings), finished);
        let serving = runtime.spawn(serving);
        let control = start_control(&house, &sweeper);
        let ballast = {
            let _context = runtime.enter();
            house.keep_ballast(BALLAST_PERIOD)
        };
        let handle = runtime.handle().clone();
        let deadline = settings.server.stop_deadline;
        let parts = Parts {
            house,
            runtime,
            thread,
            publisher,
            control,
            stop,
            finish,
            serving,
            ballast,
            people,
            deadline,
        };
        Ok(Self { address, access, sweeper, runtime: handle, parts: Some(parts) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The door to the sweeper.
    #[must_use]
    pub fn sweeper(&self) -> &Handle {
        &self.sweeper
    }

    /// The account that this start made, if it was the first.
    #[must_use]
    pub fn first_admin(&self) -> Option<&FirstAdmin> {
        self.people().and_then(|people| people.first_admin.as_ref())
    }

    /// Whether people log in.
    pub(super) fn asks_who(&self) -> bool {
        self.people().is_some_and(People::are_asked)
    }

    /// Reads again what was read from files at the start, each part by itself: one that is wrong
    /// stays as it was and is told in the log.
    pub fn reload(&self) {
        reload_rules(&self.access);
        if let Some(people) = self.people() {
            people.reload();
        }
    }

    fn people(&self) -> Option<&People> {
        self.parts.as_ref().map(|parts| &parts.people)
    }

    /// Stops in order: no new requests, those in progress get the deadline, then all is closed.
    pub fn stop(self) {
        drop(self);
    }

    /// Runs a future beside the requests.
    pub(super) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Stops in order, or at once when `hurry` comes first.
    pub(super) fn stop_unless(mut self, hurry: impl Future<Output = ()>) -> Ending {
        self.parts.take().map_or(Ending::InOrder, |parts| parts.close(hurry))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(parts) = self.parts.take() {
            parts.close(std::future::pending());
        }
    }
}

impl Parts {
    fn close(self, hurry: impl Future<Output = ()>) -> Ending {
        let Self {
            house,
            runtime,
            thread,
            publisher,
            control,
            stop,
            finish,
            serving,
            ballast,
            people,
            deadline,
        } = self;
        ballast.abort();
        log::info!("stopping: requests have {deadline:?} to finish");
        drop(finish);
        stop.request();
        let ending = runtime.block_on(async {
            let thread = tokio::task::spawn_blocking(move || drop((control, thread)));
            let publisher = tokio::task::spawn_blocking(move || drop(publisher));
            let closing = async {
                // The log has what went wrong with serving.
                let _ = serving.await;
                if let Err(error) = thread.await {
                    log::error!("the sweeper did not end well: {error}");
                }
                if let Err(error) = publisher.await {
                    log::error!("the publisher did not end well: {error}");
                }
            };
            tokio::select! {
                () = closing => Ending::InOrder,
                () = hurry => Ending::AtOnce,
            }
        });
        if ending == Ending::AtOnce {
            // Whoever asked twice does not wait for anything; a crash is as good an end as any.
            std::mem::forget((house, runtime));
            return ending;
        }
        people.stop(&house);
        runtime.shutdown_timeout(TASKS_END_MAX);
        // The sweeper ended before the last requests did.
        note_reads(&house);
        drop(house);
        log::info!("stopped");
        ending
    }
}

/// Writes what was pulled since it was last written.
fn note_reads(house: &House) {
    let store = house.store();
    let downloads = store.flush_package_downloads();
    for noted in [store.flush_noted_pulls(), store.flush_cached_reads(), downloads] {
        if let Err(error) = noted {
            log::warn!("what was downloaded last is not written down: {error}");
        }
    }
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING_MAX)
}

fn reload_rules(access: &Access) {
    let Some(folder) = access.folder() else {
        log::info!("SIGHUP: there is no folder with rules to be read again");
        return;
    };
    match access.reload() {
        Ok(()) => log::info!("the rules in {} are in force", folder.display()),
        Err(error) => log::error!("the rules stay as they were, correct them: {error}"),
    }
}

fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let refused = |source| Error::Bind { address, source };
    let listener = listen_on(address).map_err(refused)?;
    let bound = listener.local_addr().map_err(refused)?;
    Ok((listener, bound))
}

fn start_publisher(
    house: &House,
    settings: &Settings,
    sweeper: &Handle,
    stop: &Stop,
) -> Result<publish::Thread, Error> {
    let sweeper = sweeper.clone();
    let reclaim = move || _ = sweeper.ask(Scope::Reclaim, Trigger::Delete);
    let publisher = house.publisher(settings, stop.clone(), reclaim)?;
    publisher
        .start()
        .map_err(|source| Error::Start { what: "the thread that publishes releases", source })
}

/// Without its socket a server is still worth having: a disk that is full may not have room for
/// one.
fn start_control(house: &Arc<House>, sweeper: &Handle) -> Option<Control> {
    match Control::start(Arc::clone(house), sweeper.clone()) {
        Ok(control) => Some(control),
        Err(error) => {
            log::error!(
                "`larder sweep`, `check`, `why` and `stats` will not reach this server, since its \
                 socket cannot be made: {error}"
            );
            None
        }
    }
}

fn limits(settings: &Settings) -> listen::Limits {
    let connections_max = usize::try_from(settings.server.max_connections).unwrap_or(usize::MAX);
    let stop_time_max = settings.server.stop_deadline;
    listen::Limits { connections_max, stop_time_max, ..listen::Limits::default() }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpStream};

    use super::*;

    #[test]
    fn what_is_stopped_can_be_started_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.server.data = folder.path().join("data");
        settings.server.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        for _ in 0..2 {
            let running = Running::start(&settings).unwrap();
            let address = running.address();
            assert!(TcpStream::connect(address).is_ok());
            assert!(matches!(Running::start(&settings), Err(Error::InUse { .. })));
            running.stop();
            assert!(TcpStream::connect(address).is_err(), "it still listens");
        }
    }
}
