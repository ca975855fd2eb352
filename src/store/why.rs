//! Why a blob is kept: who names it, or since when it is free and until when it must stay.

mod cached;
mod images;
mod packages;

use std::collections::HashMap;

use serde::Serialize;

use super::{Error, View, blobs, links, referrers};
use crate::blobs::Pins;
use crate::db::schema::{DETACHED, REFS, UNLINKS};
use crate::db::{Found, Span};
use crate::model::{
    Blob, BlobId, Detached, Digest, Node, Place, Reason, Referrer, Refs, Standing, Timestamp,
};

/// What is known of a blob. Moments are in microseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Why {
    /// No blob has this digest, and none that had it waits to be removed.
    Unknown,
    /// Something names it.
    Held {
        /// The blob.
        #[serde(flatten)]
        facts: Facts,
        /// Number of references.
        count: u64,
        /// The first of those who name it.
        owners: Vec<Owner>,
    },
    /// Nothing names it.
    Free {
        /// The blob.
        #[serde(flatten)]
        facts: Facts,
        /// It may be collected from this moment on.
        until: Timestamp,
    },
    /// Its row is gone; its bytes go with the next sweep that may unlink.
    Collected {
        /// Bytes that come back.
        size: u64,
        /// Where they lie.
        place: &'static str,
        /// How often removing them failed.
        attempts: u32,
        /// The next attempt is not before this moment.
        not_before: Timestamp,
        /// The last failure, as a sentence.
        error: Option<String>,
    },
}

impl Why {
    /// Notes whether somebody reads the blob right now.
    #[must_use]
    pub fn with_pins(mut self, pins: &Pins) -> Self {
        if let Self::Held { facts, .. } | Self::Free { facts, .. } = &mut self {
            facts.pinned = pins.is_pinned(facts.id);
        }
        self
    }
}

/// The facts of a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// Its number.
    #[serde(rename = "blob")]
    pub id: BlobId,
    /// Number of bytes.
    pub size: u64,
    /// `inline` for a row of the database, or `file`.
    pub place: &'static str,
    /// The random part of the file's name, as it is written there.
    pub suffix: Option<String>,
    /// When it arrived.
    pub created: Timestamp,
    /// Whether somebody reads it right now, so that it is not collected.
    pub pinned: bool,
}

/// Who names a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Owner {
    /// The path that it has, or had before it was detached.
    pub path: String,
    /// The detached thing that it lies below, if there is one.
    pub detached: Option<Gone>,
    /// In a repository of the registry: what there holds it.
    #[serde(flatten)]
    pub held: Held,
}

/// What holds a blob in a repository of the registry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Held {
    /// The paths of a few tags and manifests that name it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// The end of the upload link that holds it instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Why a manifest of the registry is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standing: Option<Standing>,
    /// Where an entry of a cache or a package is in its life, as it is served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<&'static str>,
}

/// A detached thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gone {
    /// The path that it had.
    pub path: String,
    /// Who took it away and why, as a sentence.
    pub by: String,
    /// When that was.
    pub at: Timestamp,
    /// When its references are due to be released.
    pub due: Timestamp,
}

impl View {
    /// Why the blob with this digest is kept; names at most `limit` owners. A digest that no blob
    /// has is looked for among the collected ones, all of which are walked over.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn why(&self, digest: &Digest, limit: usize) -> Result<Why, Error> {
        let Some((id, blob)) = blobs::find(&self.snapshot, digest)? else {
            return self.collected(digest);
        };
        let facts = facts(id, &blob);
        Ok(match blob.refs {
            Refs::Free { until } => Why::Free { facts, until },
            Refs::Held { count } => Why::Held { facts, count, owners: self.holders(id, limit)? },
        })
    }

    fn collected(&self, digest: &Digest) -> Result<Why, Error> {
        for row in UNLINKS.cursor(&self.snapshot, Span::all()) {
            if let Found::Row(_, gone) = row?
                && gone.digest == *digest
            {
                return Ok(Why::Collected {
                    size: gone.size,
                    place: place(gone.place),
                    attempts: gone.attempts,
                    not_before: gone.not_before,
                    error: gone.error,
                });
            }
        }
        Ok(Why::Unknown)
    }

    fn holders(&self, id: BlobId, limit: usize) -> Result<Vec<Owner>, Error> {
        let mut found = Vec::new();
        for ((_, referrer), ()) in REFS.page(&self.snapshot, Span::under(&id), limit)? {
            let (held, root) = match &referrer {
                Referrer::Artifact(format, _) => {
                    let root = links::unnamed(&self.snapshot, Node::Format(*format))?;
                    (Held::default(), root)
                }
                Referrer::Image(image) => (self.held_by_image(*image, id)?, None),
                Referrer::Manifest(manifest) => self.held_by_manifest(*manifest)?,
                Referrer::Cached(cached) => self.held_by_cached(*cached)?,
                Referrer::PackageFile(file) => self.held_by_file(*file)?,
            };
            found.push((referrers::path(&self.snapshot, &referrer, id)?, held, root));
        }
        let mut gone = self.gone(found.iter().filter_map(|(_, _, root)| *root).collect())?;
        let owner = |(path, held, root): (String, Held, Option<Node>)| Owner {
            path,
            detached: root.and_then(|root| gone.get_mut(&root).cloned().flatten()),
            held,
        };
        Ok(found.into_iter().map(owner).collect())
    }

    /// Who took these things away: one walk over the queue for all of them.
    fn gone(&self, roots: Vec<Node>) -> Result<HashMap<Node, Option<Gone>>, Error> {
        let mut gone: HashMap<Node, Option<Gone>> = roots.into_iter().map(|r| (r, None)).collect();
        if gone.is_empty() {
            return Ok(gone);
        }
        for row in DETACHED.cursor(&self.snapshot, Span::all()) {
            if let Found::Row((due, _), entry) = row?
                && let Some(known) = gone.get_mut(&entry.node)
            {
                *known = Some(explain(due, entry));
            }
        }
        Ok(gone)
    }
}

fn explain(due: Timestamp, entry: Detached) -> Gone {
    let by = match entry.reason {
        Reason::Request { user } if user.is_empty() => "somebody who was not logged in".to_owned(),
        Reason::Request { user } => format!("user {user}"),
        Reason::Policy { rule } => format!("the cleanup policy: {rule}"),
    };
    Gone { path: entry.path, by, at: entry.at, due }
}

fn facts(id: BlobId, blob: &Blob) -> Facts {
    let suffix = match blob.place {
        Place::Inline => None,
        Place::File(suffix) => Some(suffix.to_string()),
    };
    let Blob { size, created, .. } = *blob;
    Facts { id, size, place: place(blob.place), suffix, created, pinned: false }
}

fn place(place: Place) -> &'static str {
    match place {
        Place::Inline => "inline",
        Place::File(_) => "file",
    }
}
