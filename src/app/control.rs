//! [`Control`]: where the administration commands reach a running server: a socket in the data
//! folder that only its owner may open. [`ask`] is the other end.
//!
//! One line of JSON asks; lines of progress come back, and one last line with the answer or with
//! the reason why there is none. A thread for each connection, a few at once: what is asked for
//! is synchronous and can take long. A client that goes away ends what it waits for, but not a
//! repair, nor the sweep of a server. Deliberately absent: rights (the file's mode is the door)
//! and the runtime that serves HTTP, which this does not need.

mod address;
mod ask;
mod connection;
#[cfg(test)]
mod tests;
mod wire;

use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::House;
use crate::sweeper::Handle;

pub use ask::{Unanswered, ask};

use connection::Connection;

/// Commands that are done at once.
const CONNECTIONS_MAX: usize = 8;
/// The wait after the system could not hand over a connection.
const LACK_WAIT: Duration = Duration::from_millis(500);

/// The socket of a running server. Dropping it takes the socket away, ends what is being done
/// for clients and waits for that.
pub struct Control {
    // Closing it wakes the thread, which takes it as the request to stop.
    awake: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
    path: PathBuf,
}

/// What commands are done with.
struct Service {
    house: Arc<House>,
    sweeper: Handle,
}

impl Control {
    /// Makes the socket in the folder of `house` and answers on it.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn start(house: Arc<House>, sweeper: Handle) -> io::Result<Self> {
        let root = house.root().to_owned();
        let listener = address::listen(&root)?;
        listener.set_nonblocking(true)?;
        let (awake, wake) = UnixStream::pair()?;
        let service = Arc::new(Service { house, sweeper });
        let thread = std::thread::Builder::new().name("control".into());
        let thread = thread.spawn(move || service.work(&listener, &wake))?;
        Ok(Self { awake: Some(awake), thread: Some(thread), path: address::path(&root) })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // The next server replaces one that is left.
        if let Err(error) = std::fs::remove_file(&self.path) {
            log::debug!("{} could not be removed: {error}", self.path.display());
        }
        self.awake = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the thread of the administration commands panicked");
        }
    }
}

impl Service {
    fn work(self: Arc<Self>, listener: &UnixListener, wake: &UnixStream) {
        let mut connections: Vec<Connection> = Vec::new();
        while wait(listener, wake) {
            connections.retain(|connection| !connection.is_over());
            match listener.accept() {
                Ok((stream, _)) if connections.len() >= CONNECTIONS_MAX => {
                    connection::refuse(stream);
                }
                Ok((stream, _)) => match Connection::start(&self, stream) {
                    Ok(connection) => connections.push(connection),
                    Err(error) => log::error!("a command cannot be done: {error}"),
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    log::error!("no connection for a command: {error}");
                    std::thread::sleep(LACK_WAIT);
                }
            }
        }
        for connection in &connections {
            connection.stop();
        }
        connections.into_iter().for_each(Connection::join);
    }
}

/// Waits for a connection; `false` when it is time to stop.
fn wait(listener: &UnixListener, wake: &UnixStream) -> bool {
    loop {
        let mut events = [PollFd::new(listener, PollFlags::IN), PollFd::new(wake, PollFlags::IN)];
        match poll(&mut events, None) {
            Ok(_) => return events[1].revents().is_empty(),
            Err(Errno::INTR) => {}
            Err(error) => {
                log::error!("administration commands are not answered any more: {error}");
                return false;
            }
        }
    }
}
