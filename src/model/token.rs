//! [`Token`]: a secret that stands for somebody, for machines; [`TokenScope`]: for what.
//!
//! Deliberately absent: the text that its owner holds (`access`). Only a hash of it is kept, so
//! whoever reads the database cannot use it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Timestamp, UserName};

/// Longest name of a token, in bytes.
pub const TOKEN_NAME_LENGTH_MAX: usize = 255;

/// An access token; its id is the key of its row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Whom it stands for.
    #[serde(with = "login_text")]
    pub user: UserName,
    /// What its owner calls it.
    pub name: String,
    /// What it may be used for.
    pub scopes: Vec<TokenScope>,
    /// Who knows its user.
    pub owner: TokenOwner,
    /// When it was made.
    pub created: Timestamp,
    /// From when on it is worth nothing.
    pub expires: Option<Timestamp>,
    /// SHA-256 of the secret, which has 256 random bits.
    pub hash: [u8; 32],
    /// When it was used last, about to the minute.
    pub last_used: Option<Timestamp>,
}

impl Token {
    /// Whether it is worth anything at this moment.
    #[must_use]
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }
}

/// Who knows the user of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenOwner {
    /// The local account that was made at this moment: another one of the same login, made after
    /// it was deleted, does not revive the token.
    Account {
        /// [`super::Account::created`].
        created: Timestamp,
    },
    /// Another back end.
    Elsewhere {
        /// Names of the groups that whoever made the token gave it, for back ends that cannot be
        /// asked without a password.
        groups: Vec<String>,
    },
}

/// How a login stands in a record and in JSON: as its text.
pub mod login_text {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::UserName;

    /// Writes it.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn serialize<S: Serializer>(login: &UserName, to: S) -> Result<S::Ok, S::Error> {
        login.as_str().serialize(to)
    }

    /// Reads it.
    ///
    /// # Errors
    /// Those of the reader, and why the text is no login.
    pub fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<UserName, D::Error> {
        let text = String::deserialize(from)?;
        UserName::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// What a token may be used for, never more than its user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenScope {
    /// Everything.
    Api,
    /// Reading.
    ReadApi,
    /// Pulling from the registry, and nothing else.
    ReadRegistry,
    /// Pulling from the registry and pushing to it, and nothing else.
    WriteRegistry,
}

impl TokenScope {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Api, Self::ReadApi, Self::ReadRegistry, Self::WriteRegistry];

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

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::ReadApi => "read_api",
            Self::ReadRegistry => "read_registry",
            Self::WriteRegistry => "write_registry",
        }
    }
}

impl fmt::Display for TokenScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_have_names() {
        for scope in TokenScope::ALL {
            assert_eq!(TokenScope::parse(scope.as_str()), Ok(scope));
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.as_str());
        }
        assert!(TokenScope::parse("sudo").unwrap_err().contains("api, read_api, read_registry"));
    }

    #[test]
    fn a_token_ends_when_it_says() {
        let user = UserName::parse("u").unwrap();
        let token = Token {
            user,
            name: String::new(),
            scopes: vec![TokenScope::Api],
            owner: TokenOwner::Account { created: Timestamp(1) },
            created: Timestamp(1),
            expires: Some(Timestamp(9)),
            hash: [0; 32],
            last_used: None,
        };
        assert!(token.is_valid_at(Timestamp(8)) && !token.is_valid_at(Timestamp(9)));
        assert!(Token { expires: None, ..token }.is_valid_at(Timestamp::MAX));
    }
}
