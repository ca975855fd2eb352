//! [`Kind`]: what sort of value a setting takes, and which field of [`Settings`] it is.
//!
//! Deliberately absent: names, defaults and help of single settings (`setting.rs`).

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderName;

use super::settings::Settings;
use super::values::{AuthMode, LogFilter, PublicUrl, Realm, UrlPrefix};
use super::{text, untagged};
use crate::access::ldap;
use crate::model::{CommandLine, NamePattern, Networks, UntaggedRules};

/// The field of a setting.
pub type At<T> = fn(&mut Settings) -> &mut T;

/// The sort of value, its bounds and its field.
pub enum Kind {
    /// A folder, relative to the one that the process runs in.
    Folder(At<PathBuf>),
    /// A folder, or none.
    OptionalFolder(At<Option<PathBuf>>),
    /// An address with a port.
    Listen(At<SocketAddr>),
    /// A web address, or none.
    Url(At<Option<PublicUrl>>),
    /// Web addresses, joined by commas.
    Urls(At<Vec<PublicUrl>>),
    /// A regular expression for the start of a name, or none.
    Pattern(At<Option<NamePattern>>),
    /// A program and its arguments, or none.
    Command(At<Option<CommandLine>>),
    /// The name of an HTTP header, or none.
    Header(At<Option<HeaderName>>),
    /// The beginning of the path of a URL, or none.
    UrlPrefix(At<Option<UrlPrefix>>),
    /// Log levels.
    Filter(At<LogFilter>),
    /// A file, relative to the folder that the process runs in, or none.
    File(At<Option<PathBuf>>),
    /// Any text, or none.
    Text(At<Option<String>>),
    /// On or off.
    Switch(At<bool>),
    /// The address of a directory, or none.
    LdapUrl(At<Option<ldap::Url>>),
    /// A filter for a directory, or none.
    LdapFilter(At<Option<ldap::Filter>>),
    /// Whether people log in.
    Auth(At<AuthMode>),
    /// Text that is shown in a header.
    Realm(At<Realm>),
    /// Addresses and networks.
    Networks(At<Networks>),
    /// How long repositories of the registry keep untagged manifests.
    Untagged(At<UntaggedRules>),
    /// A length of time.
    Time(RangeInclusive<Duration>, At<Duration>),
    /// A number of bytes.
    Size(RangeInclusive<u64>, At<u64>),
    /// A number of things.
    Count(RangeInclusive<u32>, At<u32>),
}

impl Kind {
    /// Reads `given` into its field of `settings`; on failure a sentence says what is wrong.
    pub fn put(&self, settings: &mut Settings, given: &str) -> Result<(), String> {
        match self {
            Self::Folder(at) => *at(settings) = text::folder(given)?,
            Self::Listen(at) => *at(settings) = text::listen(given)?,
            Self::Url(at) => *at(settings) = Some(PublicUrl::parse(given)?),
            Self::Urls(at) => *at(settings) = PublicUrl::parse_list(given)?,
            Self::Pattern(at) => *at(settings) = Some(NamePattern::parse(given)?),
            Self::Command(at) => *at(settings) = Some(CommandLine::parse(given)?),
            Self::Header(at) => *at(settings) = Some(text::header(given)?),
            Self::UrlPrefix(at) => *at(settings) = Some(UrlPrefix::parse(given)?),
            Self::Filter(at) => *at(settings) = LogFilter::parse(given)?,
            Self::OptionalFolder(at) | Self::File(at) => {
                *at(settings) = Some(text::folder(given)?);
            }
            Self::Text(at) => *at(settings) = Some(text::words(given)?),
            Self::Switch(at) => *at(settings) = text::switch(given)?,
            Self::LdapUrl(at) => *at(settings) = Some(ldap::Url::parse(given)?),
            Self::LdapFilter(at) => *at(settings) = Some(ldap::Filter::parse(given)?),
            Self::Auth(at) => *at(settings) = AuthMode::parse(given)?,
            Self::Realm(at) => *at(settings) = Realm::parse(given)?,
            Self::Networks(at) => *at(settings) = Networks::parse(given)?,
            Self::Untagged(at) => *at(settings) = untagged::parse(given)?,
            Self::Time(range, at) => *at(settings) = within(range, text::duration(given)?)?,
            Self::Size(range, at) => *at(settings) = within(range, text::size(given)?)?,
            Self::Count(range, at) => *at(settings) = within(range, text::count(given)?)?,
        }
        Ok(())
    }

    /// The value in `settings`, as [`Kind::put`] would read it again; `None` when not set.
    #[must_use]
    pub fn get(&self, settings: &Settings) -> Option<String> {
        let settings = &mut settings.clone();
        match self {
            Self::Folder(at) => Some(at(settings).display().to_string()),
            Self::OptionalFolder(at) => {
                at(settings).as_ref().map(|path| path.display().to_string())
            }
            Self::Listen(at) => Some(at(settings).to_string()),
            Self::Url(at) => at(settings).as_ref().map(ToString::to_string),
            Self::Urls(at) => {
                let urls: Vec<_> = at(settings).iter().map(ToString::to_string).collect();
                (!urls.is_empty()).then(|| urls.join(","))
            }
            Self::Pattern(at) => at(settings).as_ref().map(ToString::to_string),
            Self::Command(at) => at(settings).as_ref().map(ToString::to_string),
            Self::Header(at) => at(settings).as_ref().map(ToString::to_string),
            Self::UrlPrefix(at) => at(settings).as_ref().map(ToString::to_string),
            Self::Filter(at) => Some(at(settings).to_string()),
            Self::File(at) => at(settings).as_ref().map(|path| path.display().to_string()),
            Self::Text(at) => at(settings).clone(),
            Self::Switch(at) => Some(at(settings).to_string()),
            Self::LdapUrl(at) => at(settings).as_ref().map(ToString::to_string),
            Self::LdapFilter(at) => at(settings).as_ref().map(ToString::to_string),
            Self::Auth(at) => Some(at(settings).to_string()),
            Self::Realm(at) => Some(at(settings).to_string()),
            Self::Networks(at) => Some(at(settings).to_string()),
            Self::Untagged(at) => untagged::print(at(settings)),
            Self::Time(_, at) => Some(text::print_duration(*at(settings))),
            Self::Size(_, at) => Some(text::print_size(*at(settings))),
            Self::Count(_, at) => Some(at(settings).to_string()),
        }
    }

    /// What may stand there, for help texts and errors.
    #[must_use]
    pub fn allowed(&self) -> String {
        match self {
            Self::Folder(_) | Self::OptionalFolder(_) => "a folder".to_owned(),
            Self::Listen(_) => text::LISTEN_ALLOWED.to_owned(),
            Self::Url(_) => PublicUrl::ALLOWED.to_owned(),
            Self::Urls(_) => format!("{}; more of them joined by commas", PublicUrl::ALLOWED),
            Self::Pattern(_) => NamePattern::ALLOWED.to_owned(),
            Self::Command(_) => CommandLine::ALLOWED.to_owned(),
            Self::Header(_) => text::HEADER_ALLOWED.to_owned(),
            Self::UrlPrefix(_) => UrlPrefix::ALLOWED.to_owned(),
            Self::Filter(_) => LogFilter::ALLOWED.to_owned(),
            Self::File(_) => "a file".to_owned(),
            Self::Text(_) => "text".to_owned(),
            Self::Switch(_) => text::SWITCH_ALLOWED.to_owned(),
            Self::LdapUrl(_) => ldap::Url::ALLOWED.to_owned(),
            Self::LdapFilter(_) => ldap::Filter::ALLOWED.to_owned(),
            Self::Auth(_) => AuthMode::ALLOWED.to_owned(),
            Self::Realm(_) => Realm::ALLOWED.to_owned(),
            Self::Networks(_) => Networks::ALLOWED.to_owned(),
            Self::Untagged(_) => untagged::ALLOWED.to_owned(),
            Self::Time(range, _) => {
                let (least, most) = (range.start(), range.end());
                let (least, most) = (text::print_duration(*least), text::print_duration(*most));
                format!("a time from {least} to {most}, such as 600, 600s, 10m, 24h, 1d or 5ms")
            }
            Self::Size(range, _) => {
                let (least, most) = (text::print_size(*range.start()), *range.end());
                let most = text::print_size(most);
                format!("bytes from {least} to {most}, such as 16384, 16KiB, 64MiB or 1G")
            }
            Self::Count(range, _) => format!("a number from {} to {}", range.start(), range.end()),
        }
    }

    /// What stands for the value in a help text.
    #[must_use]
    pub fn placeholder(&self) -> &'static str {
        match self {
            Self::Folder(_) | Self::OptionalFolder(_) => "DIR",
            Self::Listen(_) => "ADDR:PORT",
            Self::Url(_) | Self::LdapUrl(_) => "URL",
            Self::Urls(_) => "URL,URL",
            Self::Pattern(_) => "REGEX",
            Self::Command(_) => "COMMAND",
            Self::Header(_) => "HEADER",
            Self::UrlPrefix(_) => "PATH",
            Self::Filter(_) => "LEVEL",
            Self::File(_) => "FILE",
            Self::Text(_) | Self::Realm(_) => "TEXT",
            Self::Switch(_) => "BOOL",
            Self::LdapFilter(_) => "FILTER",
            Self::Auth(_) => "on|none",
            Self::Networks(_) => "NETWORKS",
            Self::Untagged(_) => "PATTERN=TIME,…",
            Self::Time(..) => "TIME",
            Self::Size(..) => "BYTES",
            Self::Count(..) => "NUMBER",
        }
    }

    /// Whether a bare number can stand for the value in a file.
    #[must_use]
    pub fn takes_numbers(&self) -> bool {
        matches!(self, Self::Time(..) | Self::Size(..) | Self::Count(..))
    }

    /// Whether a bare `true` or `false` can stand for the value in a file.
    #[must_use]
    pub fn takes_switches(&self) -> bool {
        matches!(self, Self::Switch(_))
    }
}

fn within<T: PartialOrd>(range: &RangeInclusive<T>, value: T) -> Result<T, String> {
    if value < *range.start() {
        return Err("it is too small".to_owned());
    }
    if value > *range.end() {
        return Err("it is too large".to_owned());
    }
    Ok(value)
}
