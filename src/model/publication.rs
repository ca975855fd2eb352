//! [`Publication`]: what somebody wants of a tag on other servers, and how far that is (spec
//! dlrepo §12).
//!
//! The record is what serialises a release, an un-release and a deletion of one tag: each new
//! wish has a new number, and whoever works for an older one learns so at the next safe point.
//! Deliberately absent: the requests (`crate::publish`) and the clock.

use serde::{Deserialize, Serialize};

use super::{BranchId, TagId, Timestamp, Usage};

/// The key of a publication: a branch's lie together.
pub type PublicationKey = (BranchId, TagId);

/// What is wanted of a tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// It shall be on every target.
    Released,
    /// It shall be on none.
    NotReleased,
    /// It shall be on none, and then go from here too: a cleanup policy says so.
    Deleted {
        /// The rule, as a sentence.
        rule: String,
    },
}

/// The record of a wish. It stays while the tag is published, so that nobody deletes it here only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication {
    /// What is wanted.
    pub wish: Wish,
    /// No two wishes have the same: work for another number is out of date.
    pub number: u64,
    /// When it was wished.
    pub asked: Timestamp,
    /// By whom: a login, or empty when nobody was logged in.
    pub by: String,
    /// Tries that failed so far.
    pub attempts: u32,
    /// When it is worked on next; `None` when it is fulfilled.
    pub due: Option<Timestamp>,
    /// Why the last try failed.
    pub error: Option<String>,
    /// Each target, in the order in which they are asked.
    pub targets: Vec<TargetReport>,
}

/// How far one target is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetReport {
    /// Its address.
    pub url: String,
    /// Where it stands.
    pub state: TargetState,
    /// Why it failed.
    pub error: Option<String>,
    /// Files and bytes that it has of this tag.
    pub done: Usage,
    /// Files and bytes that it is to have.
    pub all: Usage,
    /// Its jobs by name; given up once all of them are there.
    pub jobs: Vec<JobReport>,
}

/// Where a target stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetState {
    /// Not begun.
    Waiting,
    /// Being worked on.
    Busy,
    /// The filter command left it out.
    LeftOut,
    /// It has what it is to have, which its own digests say.
    Done,
    /// It failed.
    Failed,
}

/// How far one job is on one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobReport {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub state: JobState,
    /// Files and bytes that were sent or linked.
    pub done: Usage,
    /// Files and bytes that are to be there.
    pub all: Usage,
}

/// Where a job stands on a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Not begun.
    Waiting,
    /// It stays home: it is internal.
    Internal,
    /// It stays home: it is not locked.
    Unlocked,
    /// Its files are being sent.
    Uploading,
    /// The target says the same digest of it.
    Done,
}

impl Publication {
    /// Whether it is still to be worked on.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.due.is_some()
    }
}

impl TargetReport {
    /// A target that is not begun.
    #[must_use]
    pub fn waiting(url: String) -> Self {
        let (state, none) = (TargetState::Waiting, Usage::default());
        Self { url, state, error: None, done: none, all: none, jobs: Vec::new() }
    }

    /// The same without its jobs, which are only of interest while they are on their way.
    #[must_use]
    pub fn summed_up(mut self) -> Self {
        self.jobs = Vec::new();
        self
    }
}

/// `published to …`: the targets that have the tag, and what stayed home although it is no
/// secret.
#[must_use]
pub fn published(urls: &[String], unlocked: &[String]) -> String {
    let urls = urls.join(",");
    if unlocked.is_empty() {
        return format!("published to {urls}");
    }
    format!("published to {urls} without {}, not locked", unlocked.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_published_is_told_in_the_words_of_dlrepo() {
        let urls = ["http://a".to_owned(), "http://b".to_owned()];
        assert_eq!(published(&urls, &[]), "published to http://a,http://b");
        let open = ["j".to_owned(), "k".to_owned()];
        assert_eq!(published(&urls[..1], &open), "published to http://a without j, k, not locked");
    }
}
