//! [`Role`]: what somebody is in a group, and [`Ability`]: what that is enough for (spec gitlab
//! §9.2). [`Member`]: who has which role.
//!
//! A role is inherited downwards, and the highest one counts.
//! Deliberately absent: finding out who somebody is, and rules of paths, which do not hold here.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Timestamp, UserName};

/// What somebody is in a group and in all below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Pulls through the proxy.
    Guest,
    /// Reads packages.
    Reporter,
    /// Publishes them.
    Developer,
    /// Removes them.
    Maintainer,
    /// Everything.
    Owner,
}

/// What a role may be enough for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ability {
    /// See that a private group is there.
    ReadGroup,
    /// Pull through the dependency proxy, and see its lists.
    ReadDependencyProxy,
    /// Change the dependency proxy's settings and its policy, unless the group says otherwise.
    AdminDependencyProxy,
    /// Change the group, its members and its deploy tokens; purge its cache.
    AdminGroup,
    /// Make a group in the group.
    CreateSubgroup,
    /// Make a project in the group.
    CreateProject,
    /// See that a private project is there.
    ReadProject,
    /// Change the project, its members and its deploy tokens.
    AdminProject,
    /// Delete the project.
    DeleteProject,
    /// List and download packages.
    ReadPackages,
    /// Publish them, and move the names of their versions.
    CreatePackage,
    /// Remove them.
    DestroyPackage,
    /// Change what a project keeps of them and the rules that protect them.
    AdminPackages,
    /// Change what may be published again in a group.
    AdminPackageSettings,
}

impl Role {
    /// All of them, lowest first.
    pub const ALL: [Self; 5] =
        [Self::Guest, Self::Reporter, Self::Developer, Self::Maintainer, Self::Owner];

    /// The number that stands for it in the API.
    #[must_use]
    pub fn level(self) -> u8 {
        match self {
            Self::Guest => 10,
            Self::Reporter => 20,
            Self::Developer => 30,
            Self::Maintainer => 40,
            Self::Owner => 50,
        }
    }

    /// The role that a number of the API stands for.
    #[must_use]
    pub fn of_level(level: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|role| u64::from(role.level()) == level)
    }

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::Reporter => "reporter",
            Self::Developer => "developer",
            Self::Maintainer => "maintainer",
            Self::Owner => "owner",
        }
    }

    /// Reads its name, or its number.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let named = Self::ALL.into_iter().find(|role| role.as_str() == text.to_ascii_lowercase());
        named.or_else(|| text.parse().ok().and_then(Self::of_level))
    }

    /// Whether it is enough for that.
    #[must_use]
    pub fn may(self, ability: Ability) -> bool {
        self >= ability.least()
    }
}

impl Ability {
    /// The lowest role that is enough.
    #[must_use]
    pub fn least(self) -> Role {
        match self {
            Self::ReadGroup | Self::ReadProject | Self::ReadDependencyProxy => Role::Guest,
            Self::ReadPackages => Role::Reporter,
            Self::CreatePackage | Self::CreateProject => Role::Developer,
            Self::CreateSubgroup
            | Self::AdminProject
            | Self::DestroyPackage
            | Self::AdminPackages => Role::Maintainer,
            Self::AdminDependencyProxy
            | Self::AdminGroup
            | Self::DeleteProject
            | Self::AdminPackageSettings => Role::Owner,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who is a member: the key of a row, beside the group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MemberName {
    /// Somebody, by login.
    User(UserName),
    /// Everybody who is in this group of a directory, an auth file or an account.
    Team(String),
}

impl fmt::Display for MemberName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(login) => write!(f, "{login}"),
            Self::Team(name) => write!(f, "team {name}"),
        }
    }
}

/// The record of a member; the group and [`MemberName`] are the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// As what.
    pub role: Role,
    /// Since when.
    pub since: Timestamp,
    /// The login of whoever said so.
    pub by: String,
    /// From when on no more.
    pub expires: Option<Timestamp>,
    /// When the local account was made that is meant, if it is one: another account of the same
    /// login is somebody else.
    pub account: Option<Timestamp>,
}

impl Member {
    /// Whether it counts at this moment.
    #[must_use]
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_have_names_and_numbers() {
        for role in Role::ALL {
            assert_eq!(Role::of_level(role.level().into()), Some(role));
            assert_eq!(Role::parse(role.as_str()), Some(role));
            assert_eq!(Role::parse(&role.level().to_string()), Some(role));
            assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
        }
        assert!(Role::ALL.is_sorted());
        assert_eq!((Role::of_level(15), Role::parse("king")), (None, None));
    }

    #[test]
    fn what_a_role_may_do() {
        use Ability::{AdminDependencyProxy, AdminGroup, ReadDependencyProxy};
        assert!(Role::Guest.may(ReadDependencyProxy));
        assert!(!Role::Maintainer.may(AdminGroup) && !Role::Maintainer.may(AdminDependencyProxy));
        assert!(Role::Owner.may(AdminGroup) && Role::Owner.may(AdminDependencyProxy));
    }
}
