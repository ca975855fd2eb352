//! Floor 6: the house as a whole: opened from the ground up, served, and closed in order.

pub mod admin;
pub mod control;
mod house;
mod running;
mod signals;

use std::io::Write;

use crate::config::Settings;
use crate::model::{Scope, Trigger};
use signals::Signals;

pub use house::{Error, House, access};
pub use running::Running;
pub use signals::Ending;

/// Opens the house and serves until a signal ends it. Prints `listening on http://ADDR:PORT` as
/// the first line on standard output.
///
/// # Errors
/// Why the house could not be opened, or the address not be bound.
pub fn serve(settings: &Settings) -> Result<Ending, Error> {
    let running = Running::start(settings)?;
    let mut signals = running
        .block_on(async { Signals::new() })
        .map_err(|source| Error::Start { what: "the signal handlers", source })?;
    greet(running.address());
    let sweep = || _ = running.sweeper().ask(Scope::Full, Trigger::Signal);
    running.block_on(signals.until_end(sweep, || running.reload()));
    Ok(running.stop_unless(signals.second()))
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
