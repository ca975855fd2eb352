//! [`Args`]: the command line as values. Reading only; what a command does is elsewhere.
//!
//! The settings' flags are not written here: they follow from [`crate::config::SETTINGS`], and
//! their values stay text until [`crate::config`] reads them, so that a bad value is told the
//! same way wherever it stands.

use std::path::PathBuf;

use clap::{Args as Group, Parser, Subcommand};

use crate::app::admin;
use crate::cleanup::{Contents, Mode};
use crate::config::{Flags, Form};
use crate::model::Digest;

mod acl;
mod governed;
pub mod groups;
mod health;
pub mod packages;
pub mod people;
pub mod policies;
pub mod projects;
pub mod proxy;
mod quota;
mod settings;
#[cfg(test)]
mod tests;

pub use acl::{Acl, AclCheck, AclCommand, Login};
pub use health::Health;
pub use quota::QuotaArgs;
pub use settings::{Place, Reach, SettingFlags};

/// Larder, a self-hosted artifact repository: one binary, one data folder, and your disk space
/// back.
#[derive(Debug, Parser)]
#[command(name = "larder", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  larder serve --data /srv/larder              start on 127.0.0.1:1337
  larder sweep --data /srv/larder --dry-run    what the policies would remove, and why
  larder check --data /srv/larder              is everything as it should be?

`larder COMMAND --help` tells more. Every setting can also be given as a variable LARDER_NAME
or in a TOML file; `larder config` shows where each one comes from.";

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the server.
    Serve(Serve),
    /// Apply the policies, destroy what was deleted and give the disk space back.
    Sweep(Sweep),
    /// Compare references, counters, indexes and files with each other.
    Check(Check),
    /// Tell who holds a blob, or since when it is free and until when it is leased.
    Why(Why),
    /// Count blobs, bytes, and the work that waits in each stage.
    Stats(Stats),
    /// Show or change what users' repositories may hold.
    Quota(QuotaArgs),
    /// Tell who may do what.
    Acl(Acl),
    /// Make, change and show local accounts.
    User(people::User),
    /// Make, show and revoke access tokens.
    Token(people::Token),
    /// Make, change, show and delete groups.
    Group(groups::Group),
    /// Make, change, show and delete projects.
    Project(projects::Project),
    /// Say who is what in a group or a project.
    Member(groups::Member),
    /// Make, show and revoke credentials of groups and projects for machines.
    DeployToken(groups::DeployToken),
    /// Show and change what groups cache of other registries, and how.
    Proxy(proxy::Proxy),
    /// Show and delete packages of projects.
    Package(packages::Package),
    /// Show and change what projects keep of their packages, and what that removes.
    Policy(policies::Policy),
    /// Show the effective settings and where each one comes from.
    Config(ShowConfig),
    /// Ask the running server whether it is ready, for health checks.
    Health(Health),
}

/// `larder serve`
#[derive(Debug, Group)]
#[command(after_help = SERVE)]
pub struct Serve {
    /// The settings given as flags.
    #[command(flatten)]
    pub settings: SettingFlags,
}

const SERVE: &str = "\
The first line on standard output is `listening on http://ADDR:PORT`; the log goes to standard
error. Signals: TERM and INT stop in order, a second one at once; USR1 starts a full sweep; HUP
reads the rules and the auth file again.

Examples:
  larder serve --data /srv/larder
  larder serve --data /tmp/try --listen 127.0.0.1:0 --lease 0
  LARDER_LOG=debug larder serve --config /etc/larder.toml";

/// `larder sweep`
#[derive(Debug, Group)]
#[command(after_help = SWEEP)]
pub struct Sweep {
    /// Show what each policy would remove, why, and the bytes that become free; change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Take the time as it is now for right, after the clock has jumped.
    #[arg(long, conflicts_with = "dry_run")]
    pub accept_clock: bool,
    /// Which repository, and how to answer.
    #[command(flatten)]
    pub common: Common,
}

impl Sweep {
    /// What to do.
    #[must_use]
    pub fn command(&self) -> admin::Command {
        admin::Command::Sweep(match (self.dry_run, self.accept_clock) {
            (true, _) => admin::Sweep::DryRun,
            (false, true) => admin::Sweep::AcceptClock,
            (false, false) => admin::Sweep::Full,
        })
    }
}

const SWEEP: &str = "\
Works while the server runs (it is asked for a full run, and this waits for its end; Ctrl-C ends
only the wait) and while it does not: then the lease and the other settings are those of the file
and of the environment. Exit code 1 when something failed, or was not done yet; 2 when there is no
answer.

Examples:
  larder sweep --data /srv/larder --dry-run --json
  larder sweep --data /srv/larder";

/// `larder check`
#[derive(Debug, Group)]
#[command(after_help = CHECK)]
pub struct Check {
    /// Correct what is wrong where the right value can be computed.
    #[arg(long)]
    pub repair: bool,
    /// Read every blob again and compare its bytes with its digest.
    #[arg(long)]
    pub hash: bool,
    /// Which repository, and how to answer.
    #[command(flatten)]
    pub common: Common,
}

impl Check {
    /// What to do.
    #[must_use]
    pub fn command(&self) -> admin::Command {
        admin::Command::Check {
            mode: if self.repair { Mode::Repair } else { Mode::Report },
            contents: if self.hash { Contents::Hash } else { Contents::Trust },
        }
    }
}

const CHECK: &str = "\
Works while the server runs, on one snapshot, and while it does not. Exit code 0 when nothing
differs any more (with --repair: when all that did is repaired), 1 when something does or not
everything could be looked at, 2 when there is no answer.

Examples:
  larder check --data /srv/larder
  larder check --data /srv/larder --hash --repair";

/// `larder why`
#[derive(Debug, Group)]
#[command(after_help = WHY)]
pub struct Why {
    /// SHA-256 of the blob: 64 hex digits, with or without `sha256:`.
    #[arg(value_name = "DIGEST", value_parser = digest)]
    pub digest: Digest,
    /// Which repository, and how to answer.
    #[command(flatten)]
    pub common: Common,
}

const WHY: &str = "\
Exit code 1 when nothing with this digest is stored here, 2 when there is no answer.

Example:
  larder why --data /srv/larder \\
    sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/// `larder stats`
#[derive(Debug, Group)]
#[command(after_help = STATS)]
pub struct Stats {
    /// Which repository, and how to answer.
    #[command(flatten)]
    pub common: Common,
}

const STATS: &str = "\
Example:
  larder stats --data /srv/larder --json";

/// `larder config`
#[derive(Debug, Group)]
#[command(after_help = CONFIG)]
pub struct ShowConfig {
    /// The settings given as flags.
    #[command(flatten)]
    pub settings: SettingFlags,
    /// How to answer.
    #[command(flatten)]
    pub answer: Answer,
}

const CONFIG: &str = "\
Takes the flags of `larder serve` and shows what they would give. A flag is over a variable,
a variable over the file, the file over the default. The output is a file that gives the same.

Examples:
  larder config --data /srv/larder
  larder config --json";

/// What the administration commands share.
#[derive(Debug, Group)]
pub struct Common {
    /// The data folder and the file with the other settings.
    #[command(flatten)]
    pub place: Place,
    /// How to answer.
    #[command(flatten)]
    pub answer: Answer,
}

impl Common {
    /// The flags for [`crate::config::Settings::load_here`].
    #[must_use]
    pub fn flags(&self) -> &Flags {
        &self.place.0
    }
}

/// How to answer.
#[derive(Clone, Copy, Debug, Group)]
pub struct Answer {
    /// Answer in JSON, for machines.
    #[arg(long)]
    json: bool,
}

impl Answer {
    /// For people, unless JSON was asked for.
    #[must_use]
    pub fn form(self) -> Form {
        if self.json { Form::Json } else { Form::Text }
    }
}

fn digest(text: &str) -> Result<Digest, String> {
    Digest::parse(text).ok_or_else(|| "a SHA-256 has 64 hex digits".to_owned())
}

/// The path that `--config` names.
const CONFIG_FLAG: &str = "config";

fn config_arg() -> clap::Arg {
    clap::Arg::new(CONFIG_FLAG)
        .long(CONFIG_FLAG)
        .value_name("FILE")
        .value_parser(clap::value_parser!(PathBuf))
        .help(format!(
            "TOML file with settings [env: {}] [default: {} in the data folder, if there]",
            crate::config::FILE_VARIABLE,
            crate::config::FILE_NAME
        ))
}
