//! Floor 6: the house as a whole: opened from the ground up, served, and closed in order.

pub mod admin;
pub mod control;
mod house;
mod signals;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;

use crate::config::Settings;
use crate::http::{self, listen};
use crate::model::{Scope, Trigger};
use crate::stop::Stop;
use crate::sweeper::{Handle, Sweeper};
use control::Control;
pub use house::{Error, House};
use signals::Signals;

pub use signals::Ending;

/// How often the ballast is looked after.
const BALLAST_PERIOD: Duration = Duration::from_secs(10);
/// What tasks that were cut off get to end before the database is closed without them.
const TASKS_END_MAX: Duration = Duration::from_secs(5);

/// Opens the house and serves until a signal ends it. Prints `listening on http://ADDR:PORT` as
/// the first line on standard output.
///
/// # Errors
/// Why the house could not be opened, or the address not be bound.
pub fn serve(settings: &Settings) -> Result<Ending, Error> {
    let house = Arc::new(House::open(settings)?);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("http")
        .build()
        .map_err(|source| Error::Start { what: "the threads that serve", source })?;
    let stop = Stop::new();
    let sweeper = house.sweeper(settings, stop.clone())?;
    let ending = runtime.block_on(serve_until_stopped(settings, &house, sweeper, &stop));
    if matches!(ending, Ok(Ending::AtOnce)) {
        // Whoever asked twice does not wait for anything; a crash is as good an end as any.
        std::mem::forget((house, runtime));
        return ending;
    }
    runtime.shutdown_timeout(TASKS_END_MAX);
    drop(house);
    log::info!("stopped");
    ending
}

async fn serve_until_stopped(
    settings: &Settings,
    house: &Arc<House>,
    sweeper: Sweeper,
    stop: &Stop,
) -> Result<Ending, Error> {
    let mut signals =
        Signals::new().map_err(|source| Error::Start { what: "the signal handlers", source })?;
    let address = settings.server.listen;
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|source| Error::Bind { address, source })?;
    let address = listener.local_addr().map_err(|source| Error::Bind { address, source })?;
    let thread = sweeper
        .start()
        .map_err(|source| Error::Start { what: "the thread that sweeps", source })?;
    let handle = thread.handle().clone();
    let server = house.server(settings, handle.clone());
    let service = warp::service(http::filter(Arc::new(server)));
    let limits = limits(settings);
    let (finish, finished) = tokio::sync::oneshot::channel::<()>();
    let stopped = async {
        // An end of the sender is an end as well.
        let _ = finished.await;
    };
    let listener = listen::Listener::Tcp(listener);
    let service = TowerToHyperService::new(service);
    let serving = tokio::spawn(listen::serve(listener, service, limits, stopped));
    let control = start_control(house, &handle);
    let ballast = house.keep_ballast(BALLAST_PERIOD);
    greet(address);
    let ending = signals.until_end(|| _ = handle.ask(Scope::Full, Trigger::Signal)).await;
    ballast.abort();
    log::info!("stopping: requests have {:?} to finish", settings.server.stop_deadline);
    drop(finish);
    stop.request();
    let threads = tokio::task::spawn_blocking(move || drop((control, thread)));
    let closing = async {
        // The log has what went wrong with serving.
        let _ = serving.await;
        if let Err(error) = threads.await {
            log::error!("the sweeper did not end well: {error}");
        }
    };
    tokio::select! {
        () = closing => Ok(ending),
        () = signals.second() => Ok(Ending::AtOnce),
    }
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

fn greet(address: std::net::SocketAddr) {
    let mut out = std::io::stdout().lock();
    // Nobody may be reading, which is no reason not to serve.
    let _ = writeln!(out, "listening on http://{address}");
    let _ = writeln!(
        out,
        "There are no accounts yet: everybody on this machine may read and write. Try:\n  \
         curl -T README.md http://{address}/branches/main/v1/docs/text/README.md\n  \
         curl http://{address}/branches/main/latest/docs/text/README.md -L"
    );
    let _ = out.flush();
}
