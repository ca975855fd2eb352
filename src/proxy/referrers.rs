//! What refers to a manifest of an upstream: asked for each time, and kept for when it cannot be
//! asked (OCI distribution specification 1.1, "Listing Referrers").
//!
//! A list has no digest that somebody could vouch for, and it moves: it is a moving name beside
//! the tags. One that comes in pages is served and kept in one piece, or not at all: whoever looks
//! for a signature must not take a part for the whole.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::fetch::Refused;
use super::fetched::{Fetched, MANIFEST_BYTES_MAX, NoManifest};
use super::manifests::{Document, entry};
use super::next_page::next_query;
use super::pulls::{How, NotServed, Proxy, World, refusal, unanswered};
use super::source::{Patience, Source};
use crate::model::oci_manifest::OCI_INDEX;
use crate::model::{CachedRef, GroupId, OciDigest, UpstreamName};

/// Most pages of a list.
const PAGES_MAX: usize = 100;

/// What such a list has at least. Nothing of it is kept, however many lines there are.
#[derive(Deserialize)]
struct List {
    #[serde(rename = "manifests")]
    _manifests: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    #[serde(rename = "digest")]
    _digest: IgnoredAny,
}

/// The text of its lines. They are never taken apart: values of so many small ones would take
/// many times the memory of their text.
#[derive(Deserialize)]
struct Lines<'p> {
    #[serde(borrow)]
    manifests: &'p RawValue,
}

/// A part of a list, and what asks for the next.
struct Page {
    bytes: Bytes,
    next: Option<String>,
}

impl Proxy {
    /// The list of what refers to a manifest, as the upstream has it.
    ///
    /// # Errors
    /// [`NotServed`].
    pub async fn referrers(
        &self,
        group: GroupId,
        image: &UpstreamName,
        digest: &OciDigest,
    ) -> Result<(Document, How), NotServed> {
        let world = self.world(group, image)?;
        let name = match digest {
            OciDigest::Sha256(digest) => Some(CachedRef::referrers(*digest)),
            OciDigest::Sha512(_) => None,
        };
        let known = self.known_list(&world, name.as_ref())?;
        let before = known.as_ref().map(|document| document.digest);
        let patience = match (&known, world.source()) {
            (Some(_), Ok(source)) => source.budget(),
            _ => Patience::Long,
        };
        match self.ask_list(&world, digest, name.clone(), patience).await {
            Ok(list) => {
                let how = if before == Some(list.digest) { How::Revalidated } else { How::Miss };
                Ok((Document::of(&list, self.now()), how))
            }
            // A purge may have come in between.
            Err(why) => match self.known_list(&world, name.as_ref())? {
                Some(document) => Ok((document, How::Stale)),
                None => Err(why.into()),
            },
        }
    }

    fn known_list(
        &self,
        world: &World,
        name: Option<&CachedRef>,
    ) -> Result<Option<Document>, NotServed> {
        let Some(name) = name else { return Ok(None) };
        let known = self.cached_document(|view| {
            Ok(world.has(view.cached_tag(world.group, &world.image, name)?))
        })?;
        Ok(known.map(|(id, document)| {
            self.store.note_cached_read(id);
            document
        }))
    }

    async fn ask_list(
        &self,
        world: &World,
        digest: &OciDigest,
        name: Option<CachedRef>,
        patience: Patience,
    ) -> Result<Arc<Fetched>, NoManifest> {
        let source = world.source().map_err(NoManifest::Refused)?;
        let key = (world.group, source.key(), world.image.clone(), format!("referrers {digest}"));
        let (proxy, world, digest) = (self.clone(), world.clone(), *digest);
        let work = || async move {
            let list = fetch(&source, &world.image, &digest, patience).await?;
            let list = Arc::new(list);
            if let Some(name) = name {
                proxy.keep_list(world, source.origin(), name, Arc::clone(&list)).await;
            }
            Ok(list)
        };
        self.questions.lists.ask(key, work).await.unwrap_or_else(|| {
            let why = "the server gave it up".to_owned();
            Err(NoManifest::Refused(Refused::Unanswered(why)))
        })
    }

    /// What cannot be stored is served all the same.
    async fn keep_list(&self, world: World, origin: [u8; 32], name: CachedRef, list: Arc<Fetched>) {
        let (place, image) = (self.shelf.clone(), world.image.clone());
        let kept = tokio::task::spawn_blocking(move || {
            let by = || (name.to_string(), Some(name.clone()));
            place.keep(&list.bytes, |content| {
                entry(&world, origin, by(), Fetched::clone(&list), content)
            })
        });
        let why = match kept.await {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        log::warn!("what refers to a manifest of {image} is not cached: {why}");
    }
}

async fn fetch(
    source: &Source,
    image: &UpstreamName,
    digest: &OciDigest,
    patience: Patience,
) -> Result<Fetched, NoManifest> {
    let page = |query, bytes_max| page(source, image, digest, query, bytes_max, patience);
    let Page { bytes, mut next } = page(None, MANIFEST_BYTES_MAX).await?;
    if next.is_none() {
        return Ok(Fetched::new(bytes, OCI_INDEX.to_owned()));
    }
    let mut left = MANIFEST_BYTES_MAX - bytes.len();
    let mut pages = vec![bytes];
    while pages.len() < PAGES_MAX {
        let more = page(next, left).await?;
        left -= more.bytes.len();
        pages.push(more.bytes);
        next = more.next;
        if next.is_none() {
            return Ok(Fetched::new(joined(&pages)?.into(), OCI_INDEX.to_owned()));
        }
    }
    Err(NoManifest::Lied(format!("a list of referrers has more than {PAGES_MAX} pages")))
}

/// One list of the lines of all pages.
fn joined(pages: &[Bytes]) -> Result<String, NoManifest> {
    let mut lines = Vec::new();
    for page in pages {
        let text = read::<Lines>(page)?.manifests.get();
        let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        lines.extend(inner.map(str::trim).filter(|inner| !inner.is_empty()));
    }
    let lines = lines.join(",");
    Ok(format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{lines}]}}"#))
}

async fn page(
    source: &Source,
    image: &UpstreamName,
    digest: &OciDigest,
    query: Option<String>,
    bytes_max: usize,
    patience: Patience,
) -> Result<Page, NoManifest> {
    let answer = source.referrers(image, digest, query, patience).await;
    let answer = answer.map_err(|error| NoManifest::Refused(unanswered(&error)))?;
    if answer.status != StatusCode::OK {
        return Err(NoManifest::Refused(refusal(answer).await));
    }
    if answer.media_type() != Some(OCI_INDEX) {
        return Err(NoManifest::Lied("a list of referrers is no index".to_owned()));
    }
    let next = next_query(&answer.headers).map_err(NoManifest::Lied)?;
    let bytes = answer.body.whole(bytes_max).await;
    let bytes = bytes.map_err(|error| NoManifest::Refused(unanswered(&error)))?;
    read::<List>(&bytes)?;
    Ok(Page { bytes, next })
}

fn read<'p, T: Deserialize<'p>>(page: &'p [u8]) -> Result<T, NoManifest> {
    let wrong = |error| NoManifest::Lied(format!("a list of referrers: {error}"));
    serde_json::from_slice(page).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_become_one_list_with_their_lines_as_they_are() {
        let pages = [
            r#"{"mediaType": "x", "manifests": [ {"digest": "a", "x": "],[" }, {"digest": 1e3} ]}"#,
            r#"{"manifests": [ ], "annotations": {"of": "the page"}}"#,
            r#"{"manifests":[{"digest":"\u0062"}]}"#,
        ];
        let list = joined(&pages.map(|page| Bytes::from_static(page.as_bytes())));
        let lines = r#"{"digest": "a", "x": "],[" }, {"digest": 1e3},{"digest":"\u0062"}"#;
        let head = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json""#;
        let expected = format!(r#"{head},"manifests":[{lines}]}}"#);
        assert!(matches!(list, Ok(list) if list == expected));
    }
}
