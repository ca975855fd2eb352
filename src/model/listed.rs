//! [`ListedBy`] and [`ListedText`]: by what groups and projects are listed, and the text that
//! decides where one stands, so that a page of a list costs the page.
//!
//! Deliberately absent: the order of numbers, which the records have already.

use super::{Group, Project};

/// What lists there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ListedBy {
    /// Groups by what people call them.
    GroupTitle,
    /// Groups by the last name of their path.
    GroupName,
    /// Projects by what people call them.
    ProjectTitle,
    /// Projects by the last name of their path.
    ProjectName,
}

impl ListedBy {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::GroupTitle, Self::GroupName, Self::ProjectTitle, Self::ProjectName];
}

/// A text as lists compare it: whatever its case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListedText(String);

impl ListedText {
    /// Of any text. Keys of tables end texts with a zero byte, so none is left in it.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(text.to_lowercase().replace('\0', " "))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Group {
    /// Where it stands in the lists of groups.
    #[must_use]
    pub fn listed(&self) -> [(ListedBy, ListedText); 2] {
        [
            (ListedBy::GroupTitle, ListedText::of(&self.name)),
            (ListedBy::GroupName, ListedText::of(&self.path)),
        ]
    }
}

impl Project {
    /// Where it stands in the lists of projects.
    #[must_use]
    pub fn listed(&self) -> [(ListedBy, ListedText); 2] {
        [
            (ListedBy::ProjectTitle, ListedText::of(&self.name)),
            (ListedBy::ProjectName, ListedText::of(&self.path)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_zero_bytes_do_not_matter() {
        assert_eq!(ListedText::of("ACME Ä\0x").as_str(), "acme ä x");
        assert!(ListedBy::ALL.is_sorted());
    }
}
