//! [`Group`]: what proxies and packages belong to, with people in it (spec gitlab §1, §9): names
//! and full paths.
//!
//! Defends I9: a name is lower-cased here, once, as an image's name can have no upper case.
//! Deliberately absent: who may do what in a group ([`super::role`]).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{GroupId, Timestamp};

/// Longest name, and longest full path of a new group, in bytes.
pub const GROUP_PATH_LENGTH_MAX: usize = 255;
/// Most names of a full path: what deciding about a request may cost.
pub const GROUP_DEPTH_MAX: usize = 20;

/// Why a text names no group.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupNameError {
    /// Not in the grammar.
    #[error(
        "{0:?} is no name of a group: write a-z, 0-9, _ . and -, beginning with none of . and -, \
         ending with no . (nor with .git or .atom)"
    )]
    Name(String),
    /// Kept for something else.
    #[error("{0:?} is reserved: a group needs another name")]
    Reserved(String),
    /// Too long or too deep.
    #[error(
        "a path has up to {GROUP_DEPTH_MAX} names and {GROUP_PATH_LENGTH_MAX} bytes, this one has \
         more"
    )]
    TooLong,
}

/// One name of a group's path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName(String);

/// Names that mean something else in a URL.
const RESERVED: [&str; 2] = ["dependency_proxy", "u"];

impl GroupName {
    /// Reads a percent-decoded text; upper case is lowered.
    ///
    /// # Errors
    /// [`GroupNameError`].
    pub fn parse(text: &str) -> Result<Self, GroupNameError> {
        let name = text.to_ascii_lowercase();
        let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let is_name = name.bytes().all(|byte| is_letter(byte) || b"_.-".contains(&byte))
            && name.bytes().next().is_some_and(|first| is_letter(first) || first == b'_')
            && ![".", ".git", ".atom"].iter().any(|end| name.ends_with(end));
        if name.len() > GROUP_PATH_LENGTH_MAX {
            return Err(GroupNameError::TooLong);
        }
        if !is_name {
            return Err(GroupNameError::Name(text.to_owned()));
        }
        if RESERVED.contains(&name.as_str()) {
            return Err(GroupNameError::Reserved(name));
        }
        Ok(Self(name))
    }

    /// The canonical spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A full path: the names from the top down, one at least.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupPath(Vec<GroupName>);

impl GroupPath {
    /// Reads names joined by slashes. It may be longer than a new group's: a group above may have
    /// got a longer name since.
    ///
    /// # Errors
    /// [`GroupNameError`].
    pub fn parse(text: &str) -> Result<Self, GroupNameError> {
        let names = text.split('/').map(GroupName::parse).collect::<Result<Vec<_>, _>>()?;
        if names.len() > GROUP_DEPTH_MAX {
            return Err(GroupNameError::TooLong);
        }
        Ok(Self(names))
    }

    /// The path of something in a group, or at the top.
    #[must_use]
    pub fn join(parent: Option<&Self>, name: GroupName) -> Self {
        let mut names = parent.map_or_else(Vec::new, |parent| parent.0.clone());
        names.push(name);
        Self(names)
    }

    /// Whether a group may get this path.
    ///
    /// # Errors
    /// [`GroupNameError::TooLong`].
    pub fn check_length(&self) -> Result<(), GroupNameError> {
        let separators = self.0.len() - 1;
        let bytes = self.0.iter().map(|name| name.as_str().len()).sum::<usize>() + separators;
        if bytes > GROUP_PATH_LENGTH_MAX || self.0.len() > GROUP_DEPTH_MAX {
            return Err(GroupNameError::TooLong);
        }
        Ok(())
    }

    /// The names, from the top down.
    #[must_use]
    pub fn names(&self) -> &[GroupName] {
        &self.0
    }
}

impl fmt::Display for GroupPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, name) in self.0.iter().enumerate() {
            write!(f, "{}{name}", if at == 0 { "" } else { "/" })?;
        }
        Ok(())
    }
}

/// The record of a group; its id is the key. It counts only while names lead to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The group that it is in; [`GroupId::TOP`]: none.
    pub parent: GroupId,
    /// Its name in there, canonical.
    pub path: String,
    /// What people call it.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Who may see that it is there, and read its packages.
    pub visibility: Visibility,
    /// When it was made.
    pub created: Timestamp,
}

/// Who may see a group, the narrowest first. What a proxy has cached is for members, whatever this
/// says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Its members.
    Private,
    /// Whoever is logged in.
    Internal,
    /// Everybody.
    Public,
}

impl Visibility {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Internal => "internal",
            Self::Public => "public",
        }
    }
}

impl fmt::Display for Visibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_canonical() {
        for (given, name) in [("Acme", "acme"), ("a.b_c-d", "a.b_c-d"), ("_x", "_x"), ("7", "7")] {
            assert_eq!(GroupName::parse(given).unwrap().as_str(), name);
        }
        for bad in ["", ".a", "-a", "a.", "a.git", "a.atom", "a/b", "a b", "ä", "..", "."] {
            assert!(matches!(GroupName::parse(bad), Err(GroupNameError::Name(_))), "{bad}");
        }
        let reserved = GroupName::parse("Dependency_Proxy");
        assert!(matches!(reserved, Err(GroupNameError::Reserved(_))));
    }

    #[test]
    fn a_path_has_some_names_and_not_too_many() {
        let path = GroupPath::parse("A/b/C").unwrap();
        assert_eq!((path.to_string().as_str(), path.names().len()), ("a/b/c", 3));
        let deep = |depth: usize| vec!["a"; depth].join("/");
        assert!(GroupPath::parse(&deep(GROUP_DEPTH_MAX)).is_ok());
        for bad in ["", "a//b", "/a", "a/", &deep(GROUP_DEPTH_MAX + 1), &"a".repeat(256)] {
            assert!(GroupPath::parse(bad).is_err(), "{bad}");
        }
    }
}
