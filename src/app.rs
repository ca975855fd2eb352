//! Floor 6: the house as a whole: opened from the ground up, served, and closed in order.

pub mod admin;
pub mod control;
mod house;
pub mod people;
mod running;
mod signals;

use std::io::Write;

use crate::config::Settings;
use crate::model::{Scope, Trigger};
use signals::Signals;

pub use house::{Error, House, access};
pub use people::FirstAdmin;
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
    greet(&running, settings);
    let sweep = || _ = running.sweeper().ask(Scope::Full, Trigger::Signal);
    running.block_on(signals.until_end(sweep, || running.reload()));
    Ok(running.stop_unless(signals.second()))
}

/// What a person who started it by hand needs next: four lines in any case.
fn greet(running: &Running, settings: &Settings) {
    let address = running.address();
    let data = settings.server.data.display();
    let (what, login) = match running.first_admin() {
        _ if !running.asks_who() => (
            "Nobody has to log in: whoever can connect may read and write.".to_owned(),
            String::new(),
        ),
        Some(FirstAdmin { password, file }) => (
            format!(
                "The account admin was made, its password is {password} (also in {}).",
                file.display()
            ),
            format!("-u admin:{password} "),
        ),
        None => (
            format!("People log in; `larder user list --data {data}` shows the accounts here."),
            "-u LOGIN ".to_owned(),
        ),
    };
    let mut out = std::io::stdout().lock();
    // Nobody may be reading, which is no reason not to serve.
    let _ = writeln!(out, "listening on http://{address}");
    let _ = writeln!(
        out,
        "{what} Try:\n  \
         curl {login}-T README.md http://{address}/branches/main/v1/docs/text/README.md\n  \
         curl {login}http://{address}/branches/main/latest/docs/text/README.md -L"
    );
    let _ = out.flush();
}
