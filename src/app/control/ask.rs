//! [`ask`]: the client's end of the socket.

use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::address;
use super::wire::{Reply, Request, receive, send};
use crate::app::admin::{Answer, Command, Progress};

/// A server that is there says so within this time.
const GREETING_MAX: Duration = Duration::from_secs(10);
/// A plan of a million tags is shorter.
const REPLY_BYTES_MAX: u64 = 1 << 30;

/// Why a server did not answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// Nobody listens.
    #[error(
        "nobody answers at {}: {source}; the server is starting or stopping, or another larder \
         command works there: try again when it has ended",
        path.display()
    )]
    NoServer {
        /// The socket.
        path: PathBuf,
        /// What connecting says.
        source: io::Error,
    },
    /// The connection ended before the answer.
    #[error("the server at {} did not answer: {why}; see its log", path.display())]
    Broken {
        /// The socket.
        path: PathBuf,
        /// What happened.
        why: String,
    },
    /// The server says why not.
    #[error("{0}")]
    Refused(String),
}

/// Lets the server of the data folder `root` do `command`.
///
/// # Errors
/// Why there is no answer.
pub fn ask(
    root: &Path,
    command: Command,
    progress: &mut dyn FnMut(Progress),
) -> Result<Answer, Unanswered> {
    let path = address::path(root);
    let stream = address::connect(root)
        .map_err(|source| Unanswered::NoServer { path: path.clone(), source })?;
    let broken = |error: io::Error| Unanswered::Broken { path: path.clone(), why: why(&error) };
    stream.set_read_timeout(Some(GREETING_MAX)).map_err(broken)?;
    // One that refuses may have done so, and closed, before it read anything.
    let sent = send(&stream, &Request { command });
    let mut replies = BufReader::new(&stream);
    let mut reply = next(&mut replies).map_err(|error| broken(sent.err().unwrap_or(error)))?;
    stream.set_read_timeout(None).map_err(broken)?;
    loop {
        match reply {
            Reply::Progress(step) => progress(step),
            Reply::Answer(answer) => return Ok(answer),
            Reply::Error(why) => return Err(Unanswered::Refused(why)),
        }
        reply = next(&mut replies).map_err(broken)?;
    }
}

fn next(replies: &mut impl BufRead) -> io::Result<Reply> {
    let reply = receive(replies, REPLY_BYTES_MAX)?;
    reply.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "it ended"))
}

fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "it ended before the command was done".into(),
        io::ErrorKind::WouldBlock => format!("it was silent for {GREETING_MAX:?}"),
        _ => error.to_string(),
    }
}
