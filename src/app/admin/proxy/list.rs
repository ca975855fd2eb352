//! `proxy list`: the images of a group's cache, and which blobs belong to which.
//!
//! One snapshot, read in pages. What is told of the space is logical, with what other holders of
//! the same bytes have told apart: deleting that gives nothing back.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use serde::Serialize;

use super::super::text::{bytes, count, moment, table};
use super::super::{Answer, Desk, Verdict};
use super::group_at;
use crate::app::Error;
use crate::model::{
    BlobId, Cached, CachedId, CachedKind, CachedState, CachedWhat, Digest, GroupId, GroupPath,
    Referrer, Timestamp, Usage,
};
use crate::store::View;

/// Entries that are read at a time.
const PAGE: usize = 1000;
/// Tags of one manifest that are told.
const TAGS_MAX: usize = 100;

impl Desk<'_> {
    pub(super) fn list_cached(
        &mut self,
        path: &GroupPath,
        kind: Option<CachedKind>,
    ) -> Result<Answer, Error> {
        let view = self.house.store().view()?;
        let (group, _) = group_at(&view, path)?;
        let manifests = self.entries(&view, group, CachedKind::Manifest)?;
        let blobs = self.entries(&view, group, CachedKind::Blob)?;
        let mut shown = Shown {
            group: path.to_string(),
            manifests: manifest_lines(&view, &manifests, &blobs)?,
            blobs: blob_lines(&view, &manifests, &blobs)?,
            now: self.house.store().clock().now(),
            kind,
        };
        match kind {
            Some(CachedKind::Manifest) => shown.blobs.clear(),
            Some(CachedKind::Blob) => shown.manifests.clear(),
            None => {}
        }
        Answer::new(Verdict::Fine, &shown)
    }

    /// All entries of a kind, newest first.
    fn entries(
        &mut self,
        view: &View,
        group: GroupId,
        kind: CachedKind,
    ) -> Result<Vec<(CachedId, Cached)>, Error> {
        let mut entries: Vec<(CachedId, Cached)> = Vec::new();
        loop {
            let last = entries.last().map(|(id, _)| *id);
            let page = view.cached_list(group, kind, last, PAGE)?;
            if page.is_empty() {
                return Ok(entries);
            }
            entries.extend(page);
            self.tell("reading the cache", u64::try_from(entries.len()).unwrap_or(0), None);
            self.check_stop("the list")?;
        }
    }
}

#[derive(Serialize)]
struct Shown {
    group: String,
    manifests: Vec<ManifestLine>,
    blobs: Vec<BlobLine>,
    #[serde(skip)]
    now: Timestamp,
    #[serde(skip)]
    kind: Option<CachedKind>,
}

#[derive(Serialize)]
struct ManifestLine {
    image: String,
    /// Images and tags that name it now.
    tags: Vec<String>,
    media_type: String,
    /// Blobs that it names and that are cached here.
    blobs: Vec<String>,
    /// Manifests that it names and that are cached here.
    manifests: Vec<String>,
    /// The bytes of those blobs.
    blob_bytes: u64,
    #[serde(flatten)]
    entry: EntryLine,
}

#[derive(Serialize)]
struct BlobLine {
    /// Images with a manifest that names it.
    images: Vec<String>,
    #[serde(flatten)]
    entry: EntryLine,
}

#[derive(Serialize)]
struct EntryLine {
    id: CachedId,
    digest: String,
    size: u64,
    /// Whether somebody else has the same bytes.
    shared: bool,
    status: &'static str,
    attempts: u32,
    last_error: Option<String>,
    /// When it is tried again, or taken for lost.
    due: Option<Timestamp>,
    read_at: Timestamp,
    created_at: Timestamp,
}

impl EntryLine {
    fn new(view: &View, id: CachedId, entry: &Cached) -> Result<Self, Error> {
        let (attempts, last_error, due) = match &entry.state {
            CachedState::Active | CachedState::Pending => (0, None, None),
            CachedState::Processing { until, attempt } => (*attempt, None, Some(*until)),
            CachedState::Failed { attempts, error, retry } => {
                (*attempts, Some(error.clone()), *retry)
            }
        };
        Ok(Self {
            id,
            digest: format!("sha256:{}", entry.digest()),
            size: entry.size,
            shared: is_shared(view, entry.blob, id)?,
            status: entry.state.name(),
            attempts,
            last_error,
            due,
            read_at: entry.read,
            created_at: entry.created,
        })
    }

    fn state(&self) -> String {
        match (self.status, &self.last_error) {
            (status, Some(error)) => format!("{status} after {}: {error}", self.tries()),
            ("default", None) => "cached".to_owned(),
            (status, None) => status.to_owned(),
        }
    }

    fn tries(&self) -> String {
        count(self.attempts.into(), "try")
    }
}

fn is_shared(view: &View, blob: BlobId, id: CachedId) -> Result<bool, Error> {
    let holders = view.referrers(blob, 2)?;
    Ok(holders.iter().any(|holder| *holder != Referrer::Cached(id)))
}

/// The manifests, each with what it names of what is served here.
fn manifest_lines(
    view: &View,
    manifests: &[(CachedId, Cached)],
    blobs: &[(CachedId, Cached)],
) -> Result<Vec<ManifestLine>, Error> {
    let sizes: HashMap<Digest, u64> = blobs.iter().map(|(_, e)| (e.digest(), e.size)).collect();
    let known: BTreeSet<Digest> = manifests.iter().map(|(_, e)| e.digest()).collect();
    let mut lines = Vec::new();
    for (id, entry) in manifests {
        let CachedWhat::Manifest { image, media_type, parts, .. } = &entry.what else { continue };
        let names = |digest: &&Digest| format!("sha256:{digest}");
        let layers: BTreeSet<&Digest> = parts.iter().filter(|p| sizes.contains_key(p)).collect();
        let children: BTreeSet<&Digest> = parts.iter().filter(|p| known.contains(p)).collect();
        lines.push(ManifestLine {
            image: image.clone(),
            tags: view.tags_of_cached(*id, TAGS_MAX)?,
            media_type: media_type.clone(),
            blob_bytes: layers.iter().filter_map(|part| sizes.get(part)).sum(),
            blobs: layers.iter().map(names).collect(),
            manifests: children.iter().map(names).collect(),
            entry: EntryLine::new(view, *id, entry)?,
        });
    }
    Ok(lines)
}

/// The blobs, each with the images that name it.
fn blob_lines(
    view: &View,
    manifests: &[(CachedId, Cached)],
    blobs: &[(CachedId, Cached)],
) -> Result<Vec<BlobLine>, Error> {
    let mut images: BTreeMap<Digest, BTreeSet<&str>> = BTreeMap::new();
    for (_, entry) in manifests {
        let CachedWhat::Manifest { image, parts, .. } = &entry.what else { continue };
        for part in parts {
            images.entry(*part).or_default().insert(image);
        }
    }
    let line = |(id, entry): &(CachedId, Cached)| {
        let named_by = images.get(&entry.digest()).into_iter().flatten();
        let images = named_by.map(|image| (*image).to_owned()).collect();
        Ok(BlobLine { images, entry: EntryLine::new(view, *id, entry)? })
    };
    blobs.iter().map(line).collect()
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind != Some(CachedKind::Blob) {
            let total = sum(self.manifests.iter().map(|line| &line.entry));
            writeln!(f, "{} of {}", count(total.files, "manifest"), bytes(total.bytes))?;
            let rows = self.manifests.iter().map(|line| self.manifest_row(line));
            f.write_str(&table(rows.collect()))?;
        }
        if self.kind != Some(CachedKind::Manifest) {
            let total = sum(self.blobs.iter().map(|line| &line.entry));
            let shared = sum(self.blobs.iter().map(|line| &line.entry).filter(|e| e.shared));
            write!(f, "{} of {}", count(total.files, "blob"), bytes(total.bytes))?;
            writeln!(f, ", of which others have {}", bytes(shared.bytes))?;
            let rows = self.blobs.iter().map(|line| self.blob_row(line));
            f.write_str(&table(rows.collect()))?;
        }
        Ok(())
    }
}

impl Shown {
    fn manifest_row(&self, line: &ManifestLine) -> [String; 6] {
        let tags = line.tags.join(" ");
        let digest = line.entry.digest.clone();
        let parts = match (line.blobs.len(), line.manifests.len()) {
            (0, 0) => "nothing of it".to_owned(),
            (blobs, 0) => format!("{blobs} blobs, {}", bytes(line.blob_bytes)),
            (0, manifests) => format!("{manifests} manifests"),
            (blobs, manifests) => format!("{blobs} blobs and {manifests} manifests"),
        };
        let read = format!("pulled {}", moment(line.entry.read_at, self.now));
        [line.image.clone(), tags, digest, parts, line.entry.state(), read]
    }

    fn blob_row(&self, line: &BlobLine) -> [String; 5] {
        let images = match line.images.as_slice() {
            [] => "no image".to_owned(),
            images => images.join(" "),
        };
        let read = format!("pulled {}", moment(line.entry.read_at, self.now));
        let size = bytes(line.entry.size);
        [line.entry.digest.clone(), size, images, line.entry.state(), read]
    }
}

fn sum<'l>(lines: impl Iterator<Item = &'l EntryLine>) -> Usage {
    lines.fold(Usage::default(), |sum, line| Usage {
        files: sum.files + 1,
        bytes: sum.bytes.saturating_add(line.size),
    })
}
