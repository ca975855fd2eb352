//! [`Flags`]: what stood on the command line, still as text.
//!
//! Text, so that a bad value is refused by the same code and with the same words as one in the
//! file. Deliberately absent: reading the command line ([`crate::cli::args`]).

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::setting::Setting;

/// The settings that were given as flags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// The TOML file that `--config` names.
    pub config: Option<PathBuf>,
    values: BTreeMap<&'static str, String>,
}

impl Flags {
    /// No settings, and perhaps a named file.
    #[must_use]
    pub fn new(config: Option<PathBuf>) -> Self {
        Self { config, values: BTreeMap::new() }
    }

    /// Notes the text of a flag; a later one replaces an earlier one.
    pub fn set(&mut self, setting: &Setting, text: impl Into<String>) {
        self.values.insert(setting.flag, text.into());
    }

    /// What was given for a setting.
    #[must_use]
    pub fn get(&self, setting: &Setting) -> Option<&str> {
        self.values.get(setting.flag).map(String::as_str)
    }
}
