//! [`TomlFile`]: the settings of a TOML file, each with its line.
//!
//! Deliberately absent: what a value means (the setting's [`super::Kind`] reads its text).

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Error, Place};
use super::setting::{SETTINGS, Setting, data};

type Key<'a> = Spanned<std::borrow::Cow<'a, str>>;

/// A file whose keys are all known.
pub struct TomlFile {
    path: PathBuf,
    entries: Vec<(&'static Setting, Place, String)>,
}

impl TomlFile {
    /// Reads `text`, the contents of `path`. Fails on bad TOML, on a key that is no setting and
    /// on a value that is neither text nor, where a number can stand, a whole number.
    pub fn parse(path: PathBuf, text: &str) -> Result<Self, Error> {
        let source = Source { path: &path, text };
        let root = DeTable::parse(text).map_err(|error| Error::Syntax {
            place: source.place(&error.span().unwrap_or(0..0)),
            what: error.message().to_owned(),
        })?;
        let mut entries = Vec::new();
        for (section, value) in root.get_ref() {
            let DeValue::Table(table) = value.get_ref() else {
                return Err(source.unknown(section.get_ref(), &section.span()));
            };
            entries.extend(source.section(section, table)?);
        }
        Ok(Self { path, entries })
    }

    /// The file, where the data folder's own file has been read: it cannot name another folder.
    pub fn without_data(self) -> Result<Self, Error> {
        let Some((setting, place, given)) =
            self.entries.iter().find(|(setting, ..)| setting.flag == data().flag)
        else {
            return Ok(self);
        };
        let problem = "this file was found in the data folder and cannot name another; name the \
                       folder with --data or LARDER_DATA";
        Err(setting.refuse(place.clone(), given, problem))
    }

    /// The file's path as it was named.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Each setting with its place and text.
    pub fn entries(&self) -> impl Iterator<Item = (&'static Setting, Place, String)> {
        self.entries.iter().cloned()
    }
}

struct Source<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    fn section(
        &self,
        section: &Key<'_>,
        table: &DeTable<'_>,
    ) -> Result<Vec<(&'static Setting, Place, String)>, Error> {
        let section_name = section.get_ref().as_ref();
        if SETTINGS.iter().all(|setting| setting.section != section_name) {
            return Err(self.unknown(section_name, &section.span()));
        }
        let mut entries = Vec::new();
        for (key, value) in table {
            let name = format!("{section_name}.{}", key.get_ref());
            let setting = SETTINGS.iter().find(|setting| setting.key() == name);
            let setting = setting.ok_or_else(|| self.unknown(&name, &key.span()))?;
            entries.push((setting, self.place(&key.span()), self.value(setting, value)?));
        }
        Ok(entries)
    }

    fn value(&self, setting: &Setting, value: &Spanned<DeValue<'_>>) -> Result<String, Error> {
        match value.get_ref() {
            DeValue::String(text) => Ok(text.to_string()),
            DeValue::Integer(number) if number.radix() == 10 && setting.kind.takes_numbers() => {
                Ok(number.as_str().to_owned())
            }
            DeValue::Boolean(switch) if setting.kind.takes_switches() => Ok(switch.to_string()),
            _ => {
                let given = self.text.get(value.span()).unwrap_or_default();
                let problem = if setting.kind.takes_switches() {
                    "it is neither true nor false"
                } else if setting.kind.takes_numbers() {
                    "it is neither text in quotes nor a whole number"
                } else {
                    "it is not text in quotes"
                };
                Err(setting.refuse(self.place(&value.span()), given, problem))
            }
        }
    }

    fn unknown(&self, key: &str, span: &Range<usize>) -> Error {
        let (section, name) = key.split_once('.').unwrap_or(("", key));
        let name = name.replace('-', "_");
        let is_meant = |setting: &&Setting| {
            let is_short = setting.section == section && setting.name() == name;
            is_short || setting.full_name() == name
        };
        let meant = SETTINGS.iter().find(is_meant).map(Setting::key);
        let allowed = match meant {
            Some(meant) => format!("Meant is `{meant}`"),
            None => format!("There are: {}", known(section)),
        };
        Error::UnknownKey { place: self.place(span), key: key.to_owned(), allowed }
    }

    fn place(&self, span: &Range<usize>) -> Place {
        let before = self.text.get(..span.start).unwrap_or_default();
        Place::File { path: self.path.to_owned(), line: before.matches('\n').count() + 1 }
    }
}

/// The keys of a section; all of them when there is no such section.
fn known(section: &str) -> String {
    let here = |setting: &&Setting| setting.section == section;
    let mut keys: Vec<_> = SETTINGS.iter().filter(here).map(Setting::key).collect();
    if keys.is_empty() {
        keys = SETTINGS.iter().map(Setting::key).collect();
    }
    keys.join(", ")
}
