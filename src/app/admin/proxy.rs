//! `proxy`: what groups have cached of other registries, how they do it, and letting go of it.
//!
//! A secret comes in on the operator's own socket and is sealed here, so that neither a log nor
//! the database has it. Deliberately absent: deleting, which is the sweeper's.

mod list;
mod settings;
mod stats;

use std::fmt;

use serde::{Deserialize, Serialize};

use super::text::count;
use super::{Answer, Desk, Sweeping, Verdict};
use crate::app::Error;
use crate::model::{CachedKind, Group, GroupId, GroupPath, Role, Scope, Trigger};
use crate::store::{self, View};

pub use settings::Refused;

/// What to do about the dependency proxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proxy {
    /// Show what a group has cached.
    List {
        /// Which group.
        #[serde(with = "group_path")]
        group: GroupPath,
        /// Only manifests, or only blobs.
        kind: Option<CachedKind>,
    },
    /// Let a group forget all it has cached.
    Purge {
        /// Which group.
        #[serde(with = "group_path")]
        group: GroupPath,
    },
    /// Try again to delete what could not be deleted.
    Retry {
        /// The full path of the group; `None`: all.
        group: Option<String>,
    },
    /// Count entries and bytes.
    Stats,
    /// Show how a group caches.
    Show {
        /// Which group.
        #[serde(with = "group_path")]
        group: GroupPath,
    },
    /// Change how a group caches.
    Set {
        /// Which group.
        #[serde(with = "group_path")]
        group: GroupPath,
        /// What of it.
        change: Box<Change>,
    },
    /// Show or set how many batches may be deleted at once.
    Capacity {
        /// How many; `None`: as before.
        capacity: Option<u32>,
    },
}

impl Proxy {
    /// Whether nothing is changed.
    pub(super) fn only_reads(&self) -> bool {
        matches!(self, Self::List { .. } | Self::Stats | Self::Show { .. })
    }
}

/// What to change of how a group caches; `None`: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Change {
    /// Whether anything is served.
    pub enabled: Option<bool>,
    /// The address of the registry.
    pub upstream: Option<Own<String>>,
    /// Whether an image without a slash is looked for below `library/`.
    pub library: Option<bool>,
    /// Certificates in PEM.
    pub certificates: Option<Own<String>>,
    /// Who asks the registry.
    pub credentials: Option<Own<Credentials>>,
    /// The longest wait where something cached could be served, in ms.
    pub patience_ms: Option<Own<u64>>,
    /// Requests at once.
    pub requests_max: Option<Own<u32>>,
    /// Whether entries go by their age.
    pub ttl: Option<bool>,
    /// After how many days.
    pub ttl_days: Option<Own<u32>>,
    /// The lowest role that may change all this.
    pub admins: Option<Role>,
}

/// A value of a group's own, or what holds without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Own<T> {
    /// What holds without one.
    Default,
    /// The group's own.
    Value(T),
}

impl<T> Own<T> {
    /// `None` for what holds without one.
    pub fn value(self) -> Option<T> {
        match self {
            Self::Default => None,
            Self::Value(value) => Some(value),
        }
    }
}

/// Who asks a registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// The login.
    pub identity: String,
    /// The password or token.
    pub secret: Secret,
}

/// A secret, which shows itself to nobody.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl Desk<'_> {
    pub(super) fn proxy(&mut self, command: Proxy) -> Result<Answer, Error> {
        match command {
            Proxy::List { group, kind } => self.list_cached(&group, kind),
            Proxy::Purge { group } => self.purge_cached(&group),
            Proxy::Retry { group } => self.retry_cached(group.as_deref()),
            Proxy::Stats => self.proxy_stats(),
            Proxy::Show { group } => self.show_proxy(&group),
            Proxy::Set { group, change } => self.set_proxy(&group, *change),
            Proxy::Capacity { capacity } => self.proxy_capacity(capacity),
        }
    }

    fn purge_cached(&mut self, path: &GroupPath) -> Result<Answer, Error> {
        let store = self.house.store();
        let (group, _) = group_at(&store.view()?, path)?;
        store.purge_cached(group).wait()?;
        self.ask_for_deletion();
        let text = format!("Nothing that {path} had cached is served any more.{}", self.when()?);
        Ok(answer(text, serde_json::json!({ "group": path.to_string() })))
    }

    fn retry_cached(&mut self, path: Option<&str>) -> Result<Answer, Error> {
        let store = self.house.store();
        let unknown = |path: &str| store::Error::GroupUnknown(path.to_owned());
        let group = match path {
            Some(path) => {
                let parsed = GroupPath::parse(path).map_err(|_| unknown(path))?;
                Some(group_at(&store.view()?, &parsed)?.0)
            }
            None => None,
        };
        let number = store.retry_cached(group)?;
        if number > 0 {
            self.ask_for_deletion();
        }
        let entries = count(number, "entry");
        let text = format!("{entries} will be tried again.{}", self.when()?);
        Ok(answer(text, serde_json::json!({ "retried": number })))
    }

    fn proxy_capacity(&mut self, capacity: Option<u32>) -> Result<Answer, Error> {
        let store = self.house.store();
        if let Some(capacity) = capacity {
            store.set_proxy_capacity(capacity.into()).wait()?;
            self.ask_for_deletion();
        }
        let capacity = store.view()?.proxy_capacity()?;
        let batches = count(capacity, "batch");
        let text = match capacity {
            0 => "Nothing cached is deleted: what was purged or is too old stays, and is not \
                  served."
                .to_owned(),
            _ => format!("{batches} of each kind may be deleted at once."),
        };
        Ok(answer(text, serde_json::json!({ "capacity": capacity })))
    }

    /// Lets a running server begin at once.
    fn ask_for_deletion(&self) {
        if let Sweeping::Server(handle) = self.sweeping {
            handle.ask(Scope::Reclaim, Trigger::Request);
        }
    }

    /// What to expect of the space.
    fn when(&self) -> Result<&'static str, Error> {
        Ok(match (self.house.store().view()?.proxy_capacity()?, &self.sweeping) {
            (0, _) => " Its space stays, since `larder proxy capacity` is 0.",
            (_, Sweeping::Server(_)) => "",
            (_, Sweeping::Alone(_)) => " Its space comes back when the server runs again.",
        })
    }
}

fn answer(text: String, value: serde_json::Value) -> Answer {
    Answer { verdict: Verdict::Fine, text, value }
}

fn group_at(view: &View, path: &GroupPath) -> Result<(GroupId, Group), Error> {
    let found = view.group_at(path)?;
    Ok(found.ok_or_else(|| store::Error::GroupUnknown(path.to_string()))?)
}

/// A full path as text, for `serde(with)`.
mod group_path {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::model::GroupPath;

    pub(super) fn serialize<S: Serializer>(path: &GroupPath, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(path)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<GroupPath, D::Error> {
        GroupPath::parse(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}
