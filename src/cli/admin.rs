//! The administration commands at the terminal: done by the server when there is one, else here.

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use super::args::Common;
use super::bar::Bar;
use super::{load, start_quiet_log};
use crate::app::admin::{Answer, Command, Desk, Progress, Sweeping, Verdict};
use crate::app::{Error, House, control};
use crate::config::{Form, Settings};
use crate::stop::Stop;

/// Exit code of a command that was done and found something to be looked at.
const WANTING: u8 = 1;

/// Does `command` and prints the answer. `Err` is a sentence for people.
pub(super) fn run(common: &Common, command: Command) -> Result<ExitCode, String> {
    run_then(common, command, |_| ())
}

/// Does `command`, lets `then` add to the answer, and prints it.
pub(super) fn run_then(
    common: &Common,
    command: Command,
    then: impl FnOnce(&mut Answer),
) -> Result<ExitCode, String> {
    let loaded = load(common.flags())?;
    start_quiet_log(&loaded);
    let form = common.answer.form();
    let bar = Bar::new(form);
    let answer = ask(&loaded.settings, command, &mut |progress| bar.show(&progress));
    bar.finish();
    let mut answer = answer?;
    then(&mut answer);
    match print(&answer, form) {
        // Whoever reads, such as `head`, has read enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        printed => printed.map_err(|error| format!("the answer cannot be written: {error}"))?,
    }
    Ok(match answer.verdict {
        Verdict::Fine => ExitCode::SUCCESS,
        Verdict::Wanting => ExitCode::from(WANTING),
    })
}

fn ask(
    settings: &Settings,
    command: Command,
    progress: &mut dyn FnMut(Progress),
) -> Result<Answer, String> {
    match House::open_existing(settings) {
        Ok(house) => execute(&house, settings, command, progress).map_err(|e| e.to_string()),
        Err(in_use @ Error::InUse { .. }) => {
            let answer = control::ask(&settings.server.data, command, progress);
            answer.map_err(|error| match error {
                control::Unanswered::NoServer { .. } => format!("{in_use}, but {error}"),
                error => error.to_string(),
            })
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Does `command` in this process. Ctrl-C ends it in order.
fn execute(
    house: &House,
    settings: &Settings,
    command: Command,
    progress: &mut dyn FnMut(Progress),
) -> Result<Answer, Error> {
    let stop = Stop::new();
    let asked = stop.clone();
    let trapped = ctrlc::set_handler(move || asked.request());
    if let Err(error) = trapped {
        log::warn!("Ctrl-C would end this at once, and not in order: {error}");
    }
    let sweeping = Sweeping::Alone(settings);
    Desk { house, sweeping, stop: &stop, progress }.execute(command)
}

fn print(answer: &Answer, form: Form) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match form {
        Form::Text => writeln!(out, "{}", answer.text)?,
        Form::Json => writeln!(out, "{:#}", answer.value)?,
    }
    out.flush()
}
