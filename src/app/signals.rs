//! Signals of the operating system, turned into what the house understands.
//!
//! `ctrlc` serves SIGINT; SIGTERM, SIGHUP and SIGUSR1 come from tokio.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// How serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Everything was closed.
    InOrder,
    /// A second signal came: nothing was waited for.
    AtOnce,
}

pub(super) struct Signals {
    interrupts: mpsc::UnboundedReceiver<()>,
    terminate: Signal,
    hang_up: Signal,
    user1: Signal,
    // Only held: a write beyond a size limit is to fail, not to kill the process.
    _file_size: Signal,
}

impl Signals {
    /// Takes the signals over. Once in a process.
    pub(super) fn new() -> io::Result<Self> {
        let (sender, interrupts) = mpsc::unbounded_channel();
        ctrlc::set_handler(move || _ = sender.send(())).map_err(io::Error::other)?;
        Ok(Self {
            interrupts,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
            _file_size: signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?,
        })
    }

    /// Waits for SIGINT or SIGTERM; calls `sweep` at each SIGUSR1 and `reload` at each SIGHUP.
    pub(super) async fn until_end(&mut self, sweep: impl Fn(), reload: impl Fn()) -> Ending {
        loop {
            tokio::select! {
                _ = self.interrupts.recv() => return Ending::InOrder,
                _ = self.terminate.recv() => return Ending::InOrder,
                _ = self.hang_up.recv() => reload(),
                _ = self.user1.recv() => sweep(),
            }
        }
    }

    /// Waits for one more SIGINT or SIGTERM.
    pub(super) async fn second(&mut self) {
        tokio::select! {
            _ = self.interrupts.recv() => {}
            _ = self.terminate.recv() => {}
        }
        log::warn!("stopping at once");
    }
}
