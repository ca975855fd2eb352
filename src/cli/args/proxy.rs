//! `larder proxy`: what groups have cached of other registries, and how they do.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as Group, Subcommand, ValueEnum};

use super::Common;
use crate::app::admin::proxy::Own;
use crate::config::duration;
use crate::model::{CachedKind, GroupPath, Role};

/// `larder proxy`
#[derive(Debug, Group)]
#[command(after_help = PROXY)]
pub struct Proxy {
    /// What to do.
    #[command(subcommand)]
    pub command: ProxyCommand,
}

const PROXY: &str = "\
Examples:
  larder proxy list acme/web --data /srv/larder
  larder proxy set acme --upstream https://registry.example --identity ci --secret-file token
  larder proxy set acme --ttl on --ttl-days 30
  larder proxy capacity 4";

/// What to do about the dependency proxy.
#[derive(Debug, Subcommand)]
pub enum ProxyCommand {
    /// Show the images and blobs that a group has cached, whatever their state.
    List(ListCached),
    /// Let a group forget all it has cached. Nothing of it is served from now on.
    Purge(OfGroup),
    /// Try again to delete what could not be deleted.
    Retry(Retry),
    /// Count entries and bytes of every group and state, and what waits to be deleted.
    Stats(OfAll),
    /// Show how a group caches.
    Show(OfGroup),
    /// Change how a group caches.
    Set(Box<SetProxy>),
    /// Show or set how many batches of entries may be deleted at once; 0: none is.
    Capacity(Capacity),
}

/// `larder proxy list`
#[derive(Debug, Group)]
pub struct ListCached {
    /// The full path of the group.
    #[arg(value_name = "GROUP", value_parser = group)]
    pub group: GroupPath,
    /// Only these.
    #[arg(long, value_enum)]
    pub kind: Option<Kind>,
    /// Which repository, and how to answer.
    #[command(flatten)]
    pub common: Common,
}

/// What to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Manifests, with the blobs of each.
    Manifests,
    /// Blobs.
    Blobs,
}

impl Kind {
    /// The kind of an entry.
    #[must_use]
    pub fn of_entry(self) -> CachedKind {
        match self {
            Self::Manifests => CachedKind::Manifest,
            Self::Blobs => CachedKind::Blob,
        }
    }
}

/// `larder proxy purge` and `show`
#[derive(Debug, Group)]
pub struct OfGroup {
    /// The full path of the group.
    #[arg(value_name = "GROUP", value_parser = group)]
    pub group: GroupPath,
    /// Which repository, and how to answer.
    #[command(flatten)]
    pub common: Common,
}

/// `larder proxy retry`
#[derive(Debug, Group)]
pub struct Retry {
    /// The full path of the group; all of them when left out.
    #[arg(value_name = "GROUP", value_parser = group)]
    pub group: Option<GroupPath>,
    /// Which repository, and how to answer.
    #[command(flatten)]
    pub common: Common,
}

/// `larder proxy stats`
#[derive(Debug, Group)]
pub struct OfAll {
    /// Which repository, and how to answer.
    #[command(flatten)]
    pub common: Common,
}

/// `larder proxy capacity`
#[derive(Debug, Group)]
pub struct Capacity {
    /// Batches of up to 100 entries, for manifests and for blobs each. It holds from the next
    /// batch on; with 0 what was purged or is too old stays, and is not served.
    #[arg(value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(..=32_767))]
    pub capacity: Option<u32>,
    /// Which repository, and how to answer.
    #[command(flatten)]
    pub common: Common,
}

/// `larder proxy set`
#[derive(Debug, Group)]
#[command(after_help = SET)]
pub struct SetProxy {
    /// The full path of the group.
    #[arg(value_name = "GROUP", value_parser = group)]
    pub group: GroupPath,
    /// Whether anything is served.
    #[arg(long, value_enum)]
    pub enabled: Option<Switch>,
    /// The address of the registry, without /v2/; `default`: the server's.
    #[arg(long, value_name = "URL")]
    pub upstream: Option<String>,
    /// Whether an image without a slash is looked for below library/.
    #[arg(long, value_enum)]
    pub library: Option<Switch>,
    /// A file with certificates (PEM) that are trusted for this registry besides those of the
    /// system; `none`: no more.
    #[arg(long, value_name = "FILE")]
    pub certificates: Option<PathBuf>,
    /// The login at the registry; `none`: nobody's.
    #[arg(long, value_name = "LOGIN")]
    pub identity: Option<String>,
    /// A file whose first line is the password or token of that login; asked for when left out.
    #[arg(long, value_name = "FILE", requires = "identity")]
    pub secret_file: Option<PathBuf>,
    /// The longest wait for the registry where something cached could be served, such as 2s;
    /// `default`: the server's.
    #[arg(long, value_name = "TIME", value_parser = patience)]
    pub patience: Option<Own<Duration>>,
    /// Requests to the registry at once; `default`: the server's.
    #[arg(long, value_name = "NUMBER", value_parser = requests)]
    pub requests: Option<Own<u32>>,
    /// Whether what nobody pulled for some days goes.
    #[arg(long, value_enum)]
    pub ttl: Option<Switch>,
    /// For how many days; `default`: 90.
    #[arg(long, value_name = "DAYS", value_parser = days)]
    pub ttl_days: Option<Own<u32>>,
    /// The lowest role that may change all this: owner, maintainer or developer.
    #[arg(long, value_name = "ROLE", value_parser = admins)]
    pub admins: Option<Role>,
    /// Which repository, and how to answer.
    #[command(flatten)]
    pub common: Common,
}

const SET: &str = "\
With another address, credentials and certificates have to be given anew, and what was cached from
the old one is purged.

Examples:
  larder proxy set acme --upstream https://quay.io --data /srv/larder
  larder proxy set acme --upstream default --identity acme --secret-file hub-token";

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Yes.
    On,
    /// No.
    Off,
}

fn own<T>(text: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Result<Own<T>, String> {
    if text == "default" { Ok(Own::Default) } else { read(text).map(Own::Value) }
}

fn patience(text: &str) -> Result<Own<Duration>, String> {
    own(text, |text| {
        let time = duration(text).ok().filter(|time| *time > Duration::ZERO);
        time.ok_or_else(|| "it is neither a time such as 2s nor `default`".to_owned())
    })
}

fn requests(text: &str) -> Result<Own<u32>, String> {
    own(text, |text| positive(text, "a number of requests"))
}

fn days(text: &str) -> Result<Own<u32>, String> {
    own(text, |text| positive(text, "a number of days"))
}

fn positive(text: &str, what: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("it is neither {what} above 0 nor `default`"))
}

fn group(text: &str) -> Result<GroupPath, String> {
    GroupPath::parse(text).map_err(|error| error.to_string())
}

fn admins(text: &str) -> Result<Role, String> {
    let role = Role::parse(text).filter(|role| *role >= Role::Developer);
    role.ok_or_else(|| "it is owner, maintainer or developer".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_the_groups_own_or_the_default() {
        assert_eq!(patience("default"), Ok(Own::Default));
        assert_eq!(patience("500ms"), Ok(Own::Value(Duration::from_millis(500))));
        assert_eq!((days("30"), requests("default")), (Ok(Own::Value(30)), Ok(Own::Default)));
        for bad in ["0", "-1", "", "x", "99999999999"] {
            assert!(days(bad).is_err() && requests(bad).is_err(), "{bad}");
        }
        assert!(patience("0").is_err() && patience("soon").is_err());
    }

    #[test]
    fn who_governs_a_proxy_is_at_least_a_developer() {
        assert_eq!(admins("Maintainer"), Ok(Role::Maintainer));
        assert!(admins("guest").is_err() && admins("nobody").is_err());
    }
}
