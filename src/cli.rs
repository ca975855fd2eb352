//! Floor 6: the command line.

mod acl;
mod admin;
pub mod args;
mod bar;
mod groups;
mod health;
mod people;
mod projects;
mod proxy;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::app;
use crate::config::{Flags, Loaded, Place, Settings};
use args::{AclCommand, Args, Command};

/// What the log of a command has: the record of a sweep tells its failures already.
const QUIET: &str = "warn,larder::sweeper=error";

/// Runs the command that the process was started with. `Err` is a sentence for people.
///
/// # Errors
/// Whatever keeps the command from being done.
pub fn run() -> Result<ExitCode, String> {
    match Args::parse().command {
        Command::Serve(serve) => self::serve(&serve.settings.0),
        Command::Config(config) => {
            let loaded = load(&config.settings.0)?;
            // Nobody may be reading any more, as behind a pager that was left.
            let _ = write!(io::stdout(), "{}", loaded.render(config.answer.form()));
            Ok(ExitCode::SUCCESS)
        }
        Command::Acl(acl) => match acl.command {
            AclCommand::Check(check) => self::acl::check(&check),
        },
        Command::Sweep(sweep) => admin::run(&sweep.common, sweep.command()),
        Command::Check(check) => admin::run(&check.common, check.command()),
        Command::Why(why) => {
            admin::run(&why.common, app::admin::Command::Why { digest: why.digest })
        }
        Command::Health(health) => Ok(health::run(&health)),
        Command::Quota(quota) => admin::run(quota.common(), quota.command()),
        Command::User(user) => people::user(user.command),
        Command::Token(token) => people::token(token.command),
        Command::Group(group) => groups::group(group.command),
        Command::Project(project) => projects::project(project.command),
        Command::Member(member) => groups::member(member.command),
        Command::DeployToken(token) => groups::deploy_token(token.command),
        Command::Proxy(proxy) => self::proxy::proxy(proxy.command),
        Command::Stats(stats) => admin::run(&stats.common, app::admin::Command::Stats),
    }
}

fn serve(flags: &Flags) -> Result<ExitCode, String> {
    let loaded = load(flags)?;
    start_log(&loaded);
    let ending = app::serve(&loaded.settings).map_err(|error| error.to_string())?;
    Ok(match ending {
        app::Ending::InOrder => ExitCode::SUCCESS,
        app::Ending::AtOnce => ExitCode::from(130),
    })
}

fn load(flags: &Flags) -> Result<Loaded, String> {
    Settings::load_here(flags).map_err(|error| error.to_string())
}

fn start_log(loaded: &Loaded) {
    start_log_with(loaded, loaded.settings.log.log.as_str());
}

/// For commands: their answer tells what they did, so the log has only what went wrong, unless
/// somebody has set what it should have.
fn start_quiet_log(loaded: &Loaded) {
    let mut entries = loaded.entries();
    let is_set = entries.any(|(setting, _, at)| setting.flag == "log" && *at != Place::Default);
    let filter = if is_set { loaded.settings.log.log.as_str() } else { QUIET };
    start_log_with(loaded, filter);
}

fn start_log_with(loaded: &Loaded, filter: &str) {
    let mut builder = env_logger::Builder::new();
    builder.parse_filters(filter);
    // A second logger can only be one that a test has set.
    let _ = builder.try_init();
    for warning in &loaded.warnings {
        log::warn!("{warning}");
    }
}
