//! The settings' flags, made from their declarations: [`SettingFlags`] has all of them,
//! [`Place`] those that say where the data are, [`Reach`] those that say where the server is.
//!
//! Written by hand instead of derived, because a derived flag would be a second declaration.

use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches};

use super::{CONFIG_FLAG, config_arg};
use crate::config::{Flags, SETTINGS, Setting};

/// Every setting's flag, and `--config`.
#[derive(Clone, Debug, Default)]
pub struct SettingFlags(pub Flags);

/// `--data` and `--config` only.
#[derive(Clone, Debug, Default)]
pub struct Place(pub Flags);

/// `--data`, `--config` and `--listen`.
#[derive(Clone, Debug, Default)]
pub struct Reach(pub Flags);

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        command.arg(config_arg()).args(SETTINGS.iter().map(flag))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        Ok(Self(given(matches)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.0 = given(matches);
        Ok(())
    }
}

impl Args for Place {
    fn augment_args(command: Command) -> Command {
        let data = SETTINGS.iter().filter(|setting| setting.flag == "data");
        command.arg(config_arg()).args(data.map(|data| flag(data).help_heading(None)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Place {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        Ok(Self(given(matches)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.0 = given(matches);
        Ok(())
    }
}

impl Args for Reach {
    fn augment_args(command: Command) -> Command {
        let listen = SETTINGS.iter().filter(|setting| setting.flag == "listen");
        Place::augment_args(command).args(listen.map(|listen| flag(listen).help_heading(None)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Reach {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        Ok(Self(given(matches)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.0 = given(matches);
        Ok(())
    }
}

fn flag(setting: &'static Setting) -> Arg {
    let default = setting.default_text().map(|text| format!(" [default: {text}]"));
    let short = format!("{}{}", setting.help, default.unwrap_or_default());
    let (allowed, variable, key) = (setting.kind.allowed(), setting.variable(), setting.key());
    Arg::new(setting.flag)
        .long(setting.flag)
        .value_name(setting.kind.placeholder())
        .help_heading(setting.section)
        .long_help(format!("{short}\n\nAllowed: {allowed}\n[env: {variable}] [file: {key}]"))
        .help(short)
}

/// The flags that stand in `matches`; a subcommand need not have them all.
fn given(matches: &ArgMatches) -> Flags {
    let mut flags = Flags::new(one(matches, CONFIG_FLAG));
    for setting in SETTINGS {
        if let Some(text) = one::<String>(matches, setting.flag) {
            flags.set(setting, text);
        }
    }
    flags
}

fn one<T: Clone + Send + Sync + 'static>(matches: &ArgMatches, name: &str) -> Option<T> {
    matches.try_get_one(name).ok().flatten().cloned()
}
