//! [`Tag`]: one build of a branch, with its flags (spec dlrepo §6).

use serde::{Deserialize, Serialize};

use super::{TagId, Timestamp, Usage};

/// The record of a tag; branch and name are the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// What its jobs are keyed by. Ids grow with creation, so they break ties of time.
    pub id: TagId,
    /// When its first write came; never changes.
    pub created: Timestamp,
    /// Released to the public.
    pub released: bool,
    /// Protected from deletion.
    pub locked: bool,
    /// Known to be good; the alias `stable` is the newest such tag.
    pub stable: bool,
    /// Stripped free text.
    pub description: Option<String>,
    /// Progress of publication, for people.
    pub publish_status: Option<String>,
    /// Files and bytes below.
    pub usage: Usage,
}

/// A change of a tag's fields; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagChange {
    /// New released flag.
    pub released: Option<bool>,
    /// New locked flag.
    pub locked: Option<bool>,
    /// New stable flag.
    pub stable: Option<bool>,
    /// New description; it is stripped, and an empty one removes it.
    pub description: Option<String>,
}

impl Tag {
    /// The tag with `change` applied.
    #[must_use]
    pub fn changed(mut self, change: &TagChange) -> Self {
        self.released = change.released.unwrap_or(self.released);
        self.locked = change.locked.unwrap_or(self.locked);
        self.stable = change.stable.unwrap_or(self.stable);
        if let Some(text) = &change.description {
            let text = text.trim();
            self.description = (!text.is_empty()).then(|| text.to_owned());
        }
        self
    }
}
