//! `quota`: what users' repositories hold and may hold, and changing the latter for one of them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::text::{bytes, table};
use super::{Answer, Desk, Verdict};
use crate::app::Error;
use crate::model::{Quota, Repository, Usage, UserName};
use crate::store;

/// Repositories that are read at a time.
const PAGE: usize = 1000;

/// What to do about quotas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quotas {
    /// Show everybody's.
    List,
    /// Show one user's.
    Show {
        /// Whose.
        #[serde(with = "name")]
        user: UserName,
    },
    /// Let a user's repository hold this much.
    Set {
        /// Whose.
        #[serde(with = "name")]
        user: UserName,
        /// How much.
        quota: Quota,
    },
}

impl Desk<'_> {
    pub(super) fn quota(&mut self, what: Quotas) -> Result<Answer, Error> {
        let store = self.house.store();
        let default = store.rules().user_quota;
        let shown = match what {
            Quotas::Set { user, quota } => {
                let record = store.set_quota(user.clone(), quota).wait()?;
                vec![Line::new(&user, &record, default)]
            }
            Quotas::Show { user } => match store.view()?.repository(&user) {
                Ok(record) => vec![Line::new(&user, &record, default)],
                Err(store::Error::NotFound(_)) => Vec::new(),
                Err(error) => return Err(error.into()),
            },
            Quotas::List => everybody(store, default)?,
        };
        let is_there = !shown.is_empty();
        Answer::new(Verdict::fine_if(is_there), &Shown { default, repositories: shown })
    }
}

fn everybody(store: &store::Store, default: Option<u64>) -> Result<Vec<Line>, Error> {
    let view = store.view()?;
    let mut lines = Vec::new();
    let mut last = None;
    loop {
        let page = view.repositories(last.as_ref(), PAGE)?;
        let Some((user, _)) = page.last() else { return Ok(lines) };
        last = Some(user.clone());
        lines.extend(page.iter().map(|(user, record)| Line::new(user, record, default)));
    }
}

#[derive(Serialize)]
struct Shown {
    /// What everybody has who has no other, in bytes; `None`: no limit.
    #[serde(rename = "default_bytes")]
    default: Option<u64>,
    repositories: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    user: String,
    files: u64,
    used_bytes: u64,
    /// `None`: no limit.
    quota_bytes: Option<u64>,
    /// `None`: no limit.
    available_bytes: Option<u64>,
    /// Whether the quota is this user's own.
    own: bool,
}

impl Line {
    fn new(user: &UserName, record: &Repository, default: Option<u64>) -> Self {
        let limit = record.quota.limit(default);
        let Usage { files, bytes } = record.usage;
        Self {
            user: user.to_string(),
            files,
            used_bytes: bytes,
            quota_bytes: limit,
            available_bytes: limit.map(|limit| limit.saturating_sub(bytes)),
            own: record.quota != Quota::Default,
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.repositories.is_empty() {
            return f.write_str("There is no such repository: nothing was ever written there.");
        }
        let limit = |bytes_max: Option<u64>| bytes_max.map_or_else(|| "no limit".into(), bytes);
        let row = |line: &Line| {
            let own = if line.own { "its own" } else { "as everybody" };
            let used = format!("{} used", bytes(line.used_bytes));
            let quota = format!("of {}", limit(line.quota_bytes));
            [format!("~{}", line.user), used, quota, own.to_owned()]
        };
        f.write_str(table(self.repositories.iter().map(row).collect()).trim_end())
    }
}

/// A user's name as text, for `serde(with)`.
mod name {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::model::UserName;

    pub(super) fn serialize<S: Serializer>(name: &UserName, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(name)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<UserName, D::Error> {
        UserName::parse(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}
