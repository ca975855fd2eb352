//! [`Command`]: the administration commands, done by one function whether a server runs or not.
//!
//! A running server does them for whoever reaches its socket (`control`); without one, the
//! command line opens the house and does them itself. An [`Answer`] is rendered where it was
//! made, so that both ways give the same text and the same JSON.
//! Deliberately absent: sockets, the terminal, and any rule about what may go (the plan that a
//! dry run shows is the one that a run applies, I6).

mod check;
pub mod governed;
pub mod groups;
mod hex;
pub mod packages;
pub mod people;
mod plan;
pub mod policies;
pub mod projects;
pub mod proxy;
mod quota;
mod stats;
mod sweep;
#[cfg(test)]
mod tests;
mod text;
mod why;

use std::fmt::Display;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Error, House};
use crate::cleanup::{Contents, Mode};
use crate::config::Settings;
use crate::model::Digest;
use crate::stop::Stop;
use crate::sweeper::Handle;
pub use quota::Quotas;

/// What an administrator may ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// A full sweep, or what it would remove.
    Sweep(Sweep),
    /// Compares rows, counters, indexes and files with each other.
    Check {
        /// What to do about differences.
        mode: Mode,
        /// Whether to read what blobs consist of.
        contents: Contents,
    },
    /// Tells why a blob is kept.
    Why {
        /// The blob.
        #[serde(with = "hex")]
        digest: Digest,
    },
    /// Counts blobs, bytes and what waits in each stage.
    Stats,
    /// Shows or changes what users' repositories may hold.
    Quota(Quotas),
    /// Changes or shows accounts and tokens.
    People(people::People),
    /// Changes or shows groups.
    Groups(groups::Groups),
    /// Changes or shows projects.
    Projects(projects::Projects),
    /// Changes or shows who is in a group.
    Members(groups::Members),
    /// Changes or shows deploy tokens.
    DeployTokens(groups::DeployTokens),
    /// Shows or changes what groups cache of other registries.
    Proxy(proxy::Proxy),
    /// Shows or deletes packages.
    Packages(packages::Packages),
    /// Shows, changes or runs what projects keep of their packages.
    Policies(policies::Policies),
}

/// How to sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sweep {
    /// Show what the policies would remove; change nothing.
    DryRun,
    /// A full run.
    Full,
    /// A full run that takes the time as it is now for right, after the clock has jumped.
    AcceptClock,
}

impl Command {
    /// Whether it is worth doing to its end when nobody waits for the answer any more. A sweep
    /// that the server was asked for goes on in any case.
    #[must_use]
    pub fn outlives_its_client(&self) -> bool {
        match self {
            Self::Check { mode, .. } => *mode == Mode::Repair,
            Self::People(_)
            | Self::Groups(_)
            | Self::Projects(_)
            | Self::Members(_)
            | Self::DeployTokens(_) => true,
            Self::Proxy(command) => !command.only_reads(),
            Self::Packages(command) => !command.only_reads(),
            Self::Policies(command) => !command.only_reads(),
            _ => false,
        }
    }
}

/// What a command found or did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Whether all is well.
    pub verdict: Verdict,
    /// For people: lines, without an end of line after the last.
    pub text: String,
    /// For machines.
    pub value: Value,
}

/// Whether all is well, for scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Yes.
    Fine,
    /// The command was done, and something is left to be looked at.
    Wanting,
}

impl Verdict {
    fn fine_if(is_fine: bool) -> Self {
        if is_fine { Self::Fine } else { Self::Wanting }
    }
}

impl Answer {
    fn new(verdict: Verdict, answer: &(impl Serialize + Display)) -> Result<Self, Error> {
        // Only a value that has no JSON at all would fail here.
        let value = serde_json::to_value(answer).map_err(|_| Error::Broken("the answer"))?;
        Ok(Self { verdict, text: answer.to_string(), value })
    }
}

/// How far a command is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What it does.
    pub stage: String,
    /// Things done in this stage.
    pub done: u64,
    /// Things of this stage, if that is known.
    pub of: Option<u64>,
    /// Bytes of the things that are done, if they are counted.
    pub bytes: Option<u64>,
}

/// Who sweeps.
pub enum Sweeping<'d> {
    /// The thread of the running server.
    Server(&'d Handle),
    /// Nobody else: there is no server.
    Alone(&'d Settings),
}

/// Where a command is done.
pub struct Desk<'d> {
    /// The open data folder.
    pub house: &'d House,
    /// Who sweeps.
    pub sweeping: Sweeping<'d>,
    /// Ends what takes long.
    pub stop: &'d Stop,
    /// Is told often how far it is.
    pub progress: &'d mut dyn FnMut(Progress),
}

impl Desk<'_> {
    /// Does `command`.
    ///
    /// # Errors
    /// Why it could not be done; [`Error::Stopped`] when [`Self::stop`] ended it.
    pub fn execute(&mut self, command: Command) -> Result<Answer, Error> {
        match command {
            Command::Sweep(Sweep::DryRun) => self.dry_run(),
            Command::Sweep(Sweep::Full) => self.sweep(sweep::Clock::Watch),
            Command::Sweep(Sweep::AcceptClock) => self.sweep(sweep::Clock::Accept),
            Command::Check { mode, contents } => self.check(mode, contents),
            Command::Why { digest } => self.why(digest),
            Command::Stats => self.stats(),
            Command::Quota(what) => self.quota(what),
            Command::People(command) => self.people(command),
            Command::Groups(command) => self.groups(command),
            Command::Projects(command) => self.projects(command),
            Command::Members(command) => self.members(command),
            Command::DeployTokens(command) => self.deploy_tokens(command),
            Command::Proxy(command) => self.proxy(command),
            Command::Packages(command) => self.packages(command),
            Command::Policies(command) => self.policies(command),
        }
    }

    fn tell(&mut self, stage: &str, done: u64, of: Option<u64>) {
        (self.progress)(Progress { stage: stage.to_owned(), done, of, bytes: None });
    }

    fn check_stop(&self, what: &'static str) -> Result<(), Error> {
        if self.stop.is_requested() { Err(Error::Stopped(what)) } else { Ok(()) }
    }
}
