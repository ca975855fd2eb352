//! [`DeployToken`]: credentials of a group for machines: nobody's, with a name and scopes (spec
//! gitlab §9).
//!
//! Deliberately absent: its text and how it is compared (`access`).

use serde::{Deserialize, Serialize};

use super::{GroupId, Timestamp};

/// Longest name and login, in bytes.
pub const DEPLOY_TOKEN_NAME_LENGTH_MAX: usize = 255;

/// The record of a deploy token; its id is the key. It is worth something while its group is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeployToken {
    /// The group that it is for, with all below.
    pub group: GroupId,
    /// What people call it.
    pub name: String,
    /// The login that goes with it.
    pub username: String,
    /// What it may be used for.
    pub scopes: Vec<DeployScope>,
    /// The login of whoever made it.
    pub by: String,
    /// When that was.
    pub created: Timestamp,
    /// From when on it is worth nothing.
    pub expires: Option<Timestamp>,
    /// SHA-256 of the secret, which has 256 random bits.
    pub hash: [u8; 32],
    /// When it was used last, about to the minute.
    pub last_used: Option<Timestamp>,
}

/// What a deploy token may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeployScope {
    /// Half of what pulling through the dependency proxy needs.
    ReadRegistry,
    /// The other half.
    WriteRegistry,
    /// Reading packages.
    ReadPackageRegistry,
    /// Publishing them.
    WritePackageRegistry,
}

impl DeployScope {
    /// All there are.
    pub const ALL: [Self; 4] = [
        Self::ReadRegistry,
        Self::WriteRegistry,
        Self::ReadPackageRegistry,
        Self::WritePackageRegistry,
    ];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadRegistry => "read_registry",
            Self::WriteRegistry => "write_registry",
            Self::ReadPackageRegistry => "read_package_registry",
            Self::WritePackageRegistry => "write_package_registry",
        }
    }

    /// Reads its name.
    ///
    /// # Errors
    /// A sentence with the names there are.
    pub fn parse(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|scope| scope.as_str() == text);
        found.ok_or_else(|| {
            format!("the scopes are {}, not {text:?}", Self::ALL.map(Self::as_str).join(", "))
        })
    }
}

impl DeployToken {
    /// Whether it is worth anything at this moment, as far as its row tells.
    #[must_use]
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }

    /// Whether it has this scope.
    #[must_use]
    pub fn has(&self, scope: DeployScope) -> bool {
        self.scopes.contains(&scope)
    }
}
