//! What can be wrong with settings, and where they stand.
//!
//! Deliberately absent: values that were refused by a type below; they come in as a sentence.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Where a value comes from: for a message, and for `larder config`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nobody said anything.
    Default,
    /// A line of the TOML file; lines count from 1.
    File {
        /// The file as it was named.
        path: PathBuf,
        /// The line that the key or value starts on.
        line: usize,
    },
    /// An environment variable; two names when two make one value.
    Variable(String),
    /// A flag, without its dashes.
    Flag(&'static str),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::Flag(flag) => write!(f, "flag --{flag}"),
        }
    }
}

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A value that the setting cannot take.
    #[error("{0}")]
    Value(Box<Refusal>),
    /// A key of the file that is no setting.
    #[error("{place}: `{key}` is not a setting. {allowed}")]
    UnknownKey {
        /// Where it stands.
        place: Place,
        /// The key with its section.
        key: String,
        /// A sentence with the one that was meant, or with those there are.
        allowed: String,
    },
    /// The file is not TOML.
    #[error("{place}: not readable as TOML: {what}")]
    Syntax {
        /// Where reading ended.
        place: Place,
        /// What the reader expected.
        what: String,
    },
    /// The file cannot be read at all.
    #[error("{}: {source}. Name another file with --config or LARDER_CONFIG", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A value that the setting cannot take.
#[derive(Debug)]
pub struct Refusal {
    /// Where it stands.
    pub place: Place,
    /// The setting, as a key of the file.
    pub key: String,
    /// What was given.
    pub given: String,
    /// What is wrong with it.
    pub problem: String,
    /// What could stand there.
    pub allowed: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, key, given, problem, allowed } = self;
        write!(f, "{place}: {key} cannot be `{given}`: {problem}. Allowed: {allowed}")
    }
}
