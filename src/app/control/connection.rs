//! One client: reads what it asks for, does it, and tells it how far that is.

use std::io::{self, BufReader};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Service;
use super::wire::{Reply, Request, receive, send};
use crate::app::admin::{Command, Desk, Progress, Sweeping};
use crate::stop::Stop;

/// A request has at most this many bytes: certificates are the longest that one says.
const REQUEST_BYTES_MAX: u64 = 256 << 10;
/// How long a client may take to send or to take a part.
const STALL_MAX: Duration = Duration::from_secs(5);
/// Lines of progress are this far apart, unless the stage changes.
const PROGRESS_GAP: Duration = Duration::from_millis(100);

/// A connection and the thread that serves it.
pub(super) struct Connection {
    stream: UnixStream,
    stop: Stop,
    thread: JoinHandle<()>,
}

impl Connection {
    pub(super) fn start(service: &Arc<Service>, stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(STALL_MAX))?;
        stream.set_write_timeout(Some(STALL_MAX))?;
        let client = Client::new(stream.try_clone()?, Stop::new());
        let stop = client.stop.clone();
        let service = Arc::clone(service);
        let thread = std::thread::Builder::new().name("command".into());
        let thread = thread.spawn(move || client.serve(&service))?;
        Ok(Self { stream, stop, thread })
    }

    pub(super) fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    /// Ends the wait for a request, or what is being done; the client is still told so.
    pub(super) fn stop(&self) {
        self.stop.request();
        if let Err(error) = self.stream.shutdown(Shutdown::Read) {
            log::debug!("a client of a command went away: {error}");
        }
    }

    pub(super) fn join(self) {
        if self.thread.join().is_err() {
            log::error!("an administration command panicked");
        }
    }
}

/// Tells a client that it is one too many.
pub(super) fn refuse(stream: UnixStream) {
    let client = Client::new(stream, Stop::new());
    let what = "too many administration commands at once, try again when one has ended";
    client.send(&Reply::Error(what.into()));
}

struct Client {
    stream: UnixStream,
    stop: Stop,
}

impl Client {
    fn new(stream: UnixStream, stop: Stop) -> Self {
        Self { stream, stop }
    }

    fn serve(self, service: &Service) {
        let reply = match receive::<Request>(&mut BufReader::new(&self.stream), REQUEST_BYTES_MAX) {
            Ok(Some(Request { command })) => Some(self.execute(command, service)),
            Ok(None) => None,
            Err(error) => Some(Reply::Error(format!("the command was not understood: {error}"))),
        };
        if let Some(reply) = reply {
            self.send(&reply);
        }
        // The listening thread has the socket too, so dropping this one would not close it.
        if let Err(error) = self.stream.shutdown(Shutdown::Both) {
            log::debug!("a client of a command went away: {error}");
        }
    }

    fn execute(&self, command: Command, service: &Service) -> Reply {
        log::info!("an administrator asks: {command:?}");
        let outlives_its_client = command.outlives_its_client();
        let mut told = Told::default();
        let mut is_there = true;
        let mut progress = |progress: Progress| {
            if is_there && told.is_news(&progress) {
                is_there = self.send(&Reply::Progress(progress));
                if !is_there && !outlives_its_client {
                    self.stop.request();
                }
            }
        };
        // So that the client knows at once that somebody is there.
        progress(Progress { stage: "begin".into(), ..Progress::default() });
        let sweeping = Sweeping::Server(&service.sweeper);
        let mut desk =
            Desk { house: &service.house, sweeping, stop: &self.stop, progress: &mut progress };
        match desk.execute(command) {
            Ok(answer) => Reply::Answer(answer),
            Err(error) => Reply::Error(error.to_string()),
        }
    }

    /// Tells whether the client is still there.
    fn send(&self, reply: &Reply) -> bool {
        let sent = send(&self.stream, reply);
        if let Err(error) = &sent {
            log::debug!("a client of a command went away: {error}");
        }
        sent.is_ok()
    }
}

/// What the client knows.
#[derive(Default)]
struct Told {
    last: Option<(Instant, String)>,
}

impl Told {
    /// Whether to tell the client this; then it counts as told.
    fn is_news(&mut self, progress: &Progress) -> bool {
        let is_old = |(at, stage): &(Instant, String)| {
            *stage == progress.stage && at.elapsed() < PROGRESS_GAP
        };
        if self.last.as_ref().is_some_and(is_old) {
            return false;
        }
        self.last = Some((Instant::now(), progress.stage.clone()));
        true
    }
}
