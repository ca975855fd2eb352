//! Floor 6: the settings, from every layer, each with the place it came from.
//!
//! A setting has one declaration, in [`SETTINGS`]: its flag, its `LARDER_*` variable, its key in
//! the TOML file, its help and the values it may take all follow from there. The layers, each
//! over the one before: defaults, the file, dlrepo's variables, ours, flags. A value that cannot
//! be used is refused in whatever layer it stands, also when a higher layer would hide it: a
//! file is right or wrong by itself.
//! Deliberately absent: the process (its arguments, environment and files come in as values, so
//! that loading is a function), and changing a setting while the server runs.

mod dlrepo;
mod error;
mod file;
mod flags;
mod kind;
mod loaded;
mod setting;
mod settings;
#[cfg(test)]
mod tests;
mod text;
mod untagged;
mod values;

use std::io;
use std::path::{Path, PathBuf};

pub use error::{Error, Place, Refusal};
pub use flags::Flags;
pub use kind::Kind;
pub use loaded::{Form, Loaded};
pub use setting::{Alias, SETTINGS, Setting};
pub use settings::{
    Auth, INLINE_MAX_BYTES, Ldap, Log, Package, PostProcess, Proxy, Publish, Server, Settings,
    Space, Store, Sweeper, Tree, Uploads, Users,
};
pub use text::{duration, print_duration, size as parse_size};
pub use values::{AuthMode, LogFilter, PublicUrl, Realm, UrlPrefix};

pub use crate::model::{CommandLine, NamePattern};

use file::TomlFile;

/// Names the TOML file in the environment; the flag is `--config`.
pub const FILE_VARIABLE: &str = "LARDER_CONFIG";

/// The file that is read when none is named: this name in the data folder.
pub const FILE_NAME: &str = "larder.toml";

impl Settings {
    /// The effective settings: `flags` over `env` over the file over the defaults.
    ///
    /// `env` answers for one variable; an empty value counts as not set. `read_file` reads a
    /// whole file. Fails on a file that was named and cannot be read, on an unknown key and on
    /// a value that cannot be used; the error tells where it stands and what is allowed.
    pub fn load(
        flags: &Flags,
        env: impl Fn(&str) -> Option<String>,
        read_file: impl Fn(&Path) -> io::Result<String>,
    ) -> Result<Loaded, Error> {
        let env = |name: &str| env(name).filter(|value| !value.is_empty());
        let file = find_file(flags, &env, &read_file)?;
        let mut loaded = Loaded::new(file.as_ref().map(|file| file.path().to_owned()));
        for (setting, place, text) in file.iter().flat_map(TomlFile::entries) {
            loaded.put(setting, place, &text)?;
        }
        for setting in SETTINGS {
            if let Some((name, text)) = variable(setting, &env) {
                loaded.put(setting, Place::Variable(name), &text)?;
            }
            if let Some(text) = flags.get(setting) {
                loaded.put(setting, Place::Flag(setting.flag), text)?;
            }
        }
        loaded.warnings.extend(dlrepo::warning(&env));
        loaded.warnings.extend(dlrepo::passwords_warning(&env));
        loaded.compare()?;
        Ok(loaded)
    }

    /// [`Settings::load`] with the environment and the files of this process. Also warns of
    /// variables that look like ours and are none.
    pub fn load_here(flags: &Flags) -> Result<Loaded, Error> {
        let lossy = |value: std::ffi::OsString| value.to_string_lossy().into_owned();
        let env = |name: &str| std::env::var_os(name).map(lossy);
        let mut loaded = Self::load(flags, env, |path| std::fs::read_to_string(path))?;
        let names = std::env::vars_os().map(|(name, _)| lossy(name));
        loaded.warnings.extend(unknown_variables(names));
        Ok(loaded)
    }
}

/// The text for a setting from the environment, with the name of its variable: ours, else that
/// of dlrepo.
fn variable(setting: &Setting, env: &impl Fn(&str) -> Option<String>) -> Option<(String, String)> {
    let ours = setting.variable();
    match env(&ours) {
        Some(text) => Some((ours, text)),
        None => setting.alias.read(env),
    }
}

/// The TOML file: the one that is named, else that of the data folder when there is one.
fn find_file(
    flags: &Flags,
    env: &impl Fn(&str) -> Option<String>,
    read_file: &impl Fn(&Path) -> io::Result<String>,
) -> Result<Option<TomlFile>, Error> {
    let named = flags.config.clone().or_else(|| env(FILE_VARIABLE).map(PathBuf::from));
    if let Some(path) = named {
        let text = read_file(&path).map_err(|source| unreadable(&path, source))?;
        return TomlFile::parse(path, &text).map(Some);
    }
    let path = data_folder(flags, env).join(FILE_NAME);
    match read_file(&path) {
        Ok(text) => TomlFile::parse(path, &text)?.without_data().map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(unreadable(&path, source)),
    }
}

fn unreadable(path: &Path, source: io::Error) -> Error {
    Error::Unreadable { path: path.to_owned(), source }
}

/// The data folder as far as it is known before any file is read.
fn data_folder(flags: &Flags, env: &impl Fn(&str) -> Option<String>) -> PathBuf {
    let data = setting::data();
    let given = flags.get(data).map(str::to_owned);
    let text = given.or_else(|| variable(data, env).map(|(_, text)| text));
    text.map_or_else(|| Settings::default().server.data, PathBuf::from)
}

/// What the client script reads: it may be set where a server runs, too.
const CLIENT_VARIABLES: [&str; 4] =
    ["LARDER_URL", "LARDER_USER", "LARDER_PASSWORD", "LARDER_TOKEN"];

/// A warning for each of `names` that starts like ours and is not known.
fn unknown_variables(names: impl Iterator<Item = String>) -> Vec<String> {
    let ours = |name: &String| name.starts_with("LARDER_") && !name.starts_with("LARDER_TEST_");
    let known = |name: &str| {
        name == FILE_VARIABLE
            || CLIENT_VARIABLES.contains(&name)
            || SETTINGS.iter().any(|setting| setting.variable() == name)
    };
    names
        .filter(ours)
        .filter(|name| !known(name))
        .map(|name| format!("{name} is not a setting and is ignored; `larder config` lists them"))
        .collect()
}
