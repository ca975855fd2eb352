//! [`Caller`]: who asks; [`Right`]: what for (spec dlrepo §15).

use serde::{Deserialize, Serialize};

use super::UserName;

/// Who makes a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Nobody logged in.
    Anonymous,
    /// Somebody whom a back end knows.
    User(User),
}

/// Somebody who logged in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct User {
    /// The canonical login, also the name of the user's repository.
    pub login: UserName,
    /// Names of the groups that the rules speak of.
    pub groups: Vec<String>,
    /// Whether the rules are asked at all.
    pub rank: Rank,
}

/// Whether the rules hold for somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rank {
    /// What the rules grant.
    Ordinary,
    /// Every right on every front.
    Admin,
}

impl Caller {
    /// The login, if somebody logged in.
    #[must_use]
    pub fn login(&self) -> Option<&UserName> {
        match self {
            Self::Anonymous => None,
            Self::User(user) => Some(&user.login),
        }
    }

    /// The login, or nothing: what is noted of who made a change.
    #[must_use]
    pub fn name(&self) -> &str {
        self.login().map_or("", UserName::as_str)
    }
}

/// What a request does to the thing that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Look at it.
    Read,
    /// Make or complete it: PUT and PATCH.
    Add,
    /// Change its flags: POST.
    Update,
    /// Take it away: DELETE.
    Delete,
}

impl std::fmt::Display for Right {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Add => "add",
            Self::Update => "update",
            Self::Delete => "delete",
        })
    }
}
