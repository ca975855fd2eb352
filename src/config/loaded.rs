//! [`Loaded`]: effective settings with the place of each, and how they are shown.
//!
//! The text form is itself a file that gives the same settings; the places are its comments.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::error::{Error, Place};
use super::setting::{SETTINGS, Setting};
use super::settings::Settings;
use super::values::AuthMode;

/// How to show something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// The settings in force.
#[derive(Debug)]
pub struct Loaded {
    /// The values.
    pub settings: Settings,
    /// The file that was read, if any.
    pub file: Option<PathBuf>,
    /// Sentences that an operator should read once.
    pub warnings: Vec<String>,
    /// One for each of [`SETTINGS`], in their order.
    places: Vec<Place>,
}

impl Loaded {
    /// The defaults, with the name of the file that is about to be laid over them.
    pub(super) fn new(file: Option<PathBuf>) -> Self {
        let places = SETTINGS.iter().map(|_| Place::Default).collect();
        Self { settings: Settings::default(), file, warnings: Vec::new(), places }
    }

    /// Lays one value over what is there.
    pub(super) fn put(&mut self, setting: &Setting, at: Place, text: &str) -> Result<(), Error> {
        let read = setting.kind.put(&mut self.settings, text);
        read.map_err(|problem| setting.refuse(at.clone(), text, problem))?;
        let mut places = self.places.iter_mut().zip(SETTINGS);
        if let Some((place, _)) = places.find(|(_, known)| known.flag == setting.flag) {
            *place = at;
        }
        Ok(())
    }

    /// Refuses settings that do not go together, and notes those that go together badly.
    pub(super) fn compare(&mut self) -> Result<(), Error> {
        let Settings { server, auth, .. } = &self.settings;
        if auth.auth == AuthMode::None
            && !auth.open_to_everybody
            && !server.listen.ip().is_loopback()
        {
            let problem = "nobody has to log in (auth.auth = none), so whoever can connect could \
                           write and delete, and only loopback may be listened on. Let people log \
                           in (--auth on), or say --open-to-everybody true";
            return Err(self.refuse("listen", problem));
        }
        if auth.http_login_header.is_some() != auth.http_groups_header.is_some() {
            let what = "auth.http_login_header and auth.http_groups_header are used together \
                        only, and one of them is not set: no header is read";
            self.warnings.push(what.to_owned());
        }
        Ok(())
    }

    /// The error for the value of the setting with this flag.
    fn refuse(&self, flag: &str, problem: &str) -> Error {
        let mut entries = self.entries();
        let found = entries.find(|(setting, ..)| setting.flag == flag);
        // Each flag that is asked about is declared.
        let (setting, value, place) = found.expect("a known flag");
        setting.refuse(place.clone(), &value.unwrap_or_default(), problem)
    }

    /// Each setting with its value, `None` when it is not set, and the value's place.
    pub fn entries(&self) -> impl Iterator<Item = (&'static Setting, Option<String>, &Place)> {
        let value = |setting: &Setting| setting.kind.get(&self.settings);
        SETTINGS.iter().zip(&self.places).map(move |(s, place)| (s, value(s), place))
    }

    /// The settings with their sources, as `larder config` prints them.
    #[must_use]
    pub fn render(&self, form: Form) -> String {
        match form {
            Form::Text => self.text(),
            Form::Json => format!("{:#}\n", self.json()),
        }
    }

    fn text(&self) -> String {
        let mut text = match &self.file {
            Some(file) => format!("# read from {}\n", file.display()),
            None => "# no file was read\n".to_owned(),
        };
        let mut section = "";
        for (setting, value, place) in self.entries() {
            if section != setting.section {
                section = setting.section;
                push(&mut text, format_args!("\n[{section}]"));
            }
            let name = setting.name();
            let line = match value {
                // The data folder's own file cannot name it, so it is told but not set.
                Some(value) if setting.flag == "data" => format!("# {name} = {}", quoted(&value)),
                Some(value) => format!("{name} = {}", literal(setting, &value)),
                None => format!("# {name} is not set"),
            };
            push(&mut text, format_args!("{line:<40} # {place}"));
        }
        text
    }

    fn json(&self) -> Value {
        let entry = |(setting, value, place): (&Setting, Option<String>, &Place)| {
            json!({
                "key": setting.key(),
                "value": value,
                "source": place.to_string(),
                "flag": format!("--{}", setting.flag),
                "variable": setting.variable(),
                "help": setting.help,
                "allowed": setting.kind.allowed(),
            })
        };
        let settings: Vec<_> = self.entries().map(entry).collect();
        json!({ "file": self.file, "settings": settings, "warnings": self.warnings })
    }
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing into a string cannot fail.
    let _ = writeln!(text, "{line}");
}

/// The value as TOML: a bare number where that says it all, else a string.
fn literal(setting: &Setting, value: &str) -> String {
    let is_number = setting.kind.takes_numbers() && value.bytes().all(|c| c.is_ascii_digit());
    if is_number || setting.kind.takes_switches() { value.to_owned() } else { quoted(value) }
}

/// A TOML string: the escapes of JSON are all TOML's too.
fn quoted(value: &str) -> String {
    Value::from(value).to_string()
}
