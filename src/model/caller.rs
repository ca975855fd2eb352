//! [`Caller`]: who asks; [`Right`]: what for (spec dlrepo §15).

use serde::{Deserialize, Serialize};

use super::{DeployScope, DeployTokenId, GroupId, UserName};

/// Who makes a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Nobody logged in.
    Anonymous,
    /// Somebody whom a back end knows.
    User(User),
    /// A machine with a deploy token: it has no login, and no rule speaks of it.
    Deploy(DeployCaller),
}

/// A machine that came with a deploy token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeployCaller {
    /// Which token.
    pub id: DeployTokenId,
    /// The login that goes with it: no [`UserName`], and nobody's.
    pub username: String,
    /// The group that it is for, with all below.
    pub group: GroupId,
    /// What it may be used for.
    pub scopes: Vec<DeployScope>,
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
    /// Whether it is known who asks.
    #[must_use]
    pub fn is_known(&self) -> bool {
        *self != Self::Anonymous
    }

    /// The login, if somebody logged in.
    #[must_use]
    pub fn login(&self) -> Option<&UserName> {
        match self {
            Self::Anonymous | Self::Deploy(_) => None,
            Self::User(user) => Some(&user.login),
        }
    }

    /// The login, that of a deploy token too, or nothing: what is noted of who made a change.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Anonymous => "",
            Self::User(user) => user.login.as_str(),
            Self::Deploy(machine) => &machine.username,
        }
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
