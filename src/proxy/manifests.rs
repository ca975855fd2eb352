//! Manifests through a group's cache (spec gitlab §1.4).
//!
//! | asked for | cached | the upstream | served |
//! |---|---|---|---|
//! | by digest | yes | is not asked | what is cached: HIT |
//! | by tag | yes, fresh | is not asked | HIT |
//! | by tag | yes | HEAD: the same digest | REVALIDATED |
//! | by tag | yes | HEAD: another one that is here | that: REVALIDATED |
//! | by tag | yes | HEAD: another one; GET is right | that, from now on: MISS |
//! | by tag | yes | fails, refuses, lies, takes too long | what is cached: STALE |
//! | either | no | HEAD grants what another group has of it | the same bytes: REVALIDATED |
//! | either | no | GET is right | that, from now on: MISS |
//! | either | no | fails, refuses, lies | its refusal, or ours |
//!
//! Everything that concerns one name of one group is one question at a time, however many ask, and
//! goes on when they leave; and what two groups ask with the same credentials is asked once.
//! Defends I4: what is served has the digest that it is said to have.

use std::sync::Arc;

use bytes::Bytes;

use super::fetch::Refused;
use super::fetched::{Fetched, Head, NoManifest};
use super::once::Once;
use super::passing::Passing;
use super::pulls::{How, NotServed, Proxy, World};
use super::source::{Patience, Source};
use crate::blobs::{Source as Stored, read_part};
use crate::model::{
    Cached, CachedId, CachedKind, CachedRef, CachedWhat, Digest, GroupId, OciDigest, Reference,
    Timestamp, UpstreamName,
};
use crate::store::blobs::Content;
use crate::store::cached::NewCached;
use crate::store::reading::{Kept, Readable};
use crate::store::{self, View};

/// How often a name is looked up that is purged in between.
const TRIES: u32 = 3;

/// A manifest, ready to be sent.
pub enum Manifest {
    /// It is here.
    Here(Document, How),
    /// It is too large to be kept, or asked for by something that nothing is kept by.
    Passing(Box<Passing>),
}

/// A manifest that is here.
pub struct Document {
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// What the upstream calls it.
    pub media_type: String,
    /// Its bytes.
    pub size: u64,
    /// When it came.
    pub since: Timestamp,
    kept: Kept,
}

/// One name of one group.
pub(super) type Name = (GroupId, [u8; 32], UpstreamName, String);
/// One name of one upstream, asked with patience or without.
type There = ([u8; 32], UpstreamName, String, bool);

/// What is being asked.
#[derive(Default)]
pub(super) struct Questions {
    names: Once<Name, Said>,
    pub(super) lists: Once<Name, Result<Arc<Fetched>, NoManifest>>,
    heads: Once<There, Result<Head, Refused>>,
    manifests: Once<There, Result<Arc<Fetched>, NoManifest>>,
}

/// What came of asking.
#[derive(Clone)]
enum Said {
    /// What is cached is right, or is it now.
    Right,
    Fetched(Arc<Fetched>),
    Not(NoManifest),
}

/// A question about a name of a group.
#[derive(Clone)]
struct Asked {
    world: World,
    source: Arc<Source>,
    reference: Reference,
    /// What it is cached as.
    known: Option<CachedId>,
}

impl Proxy {
    /// A manifest of an image.
    ///
    /// # Errors
    /// [`NotServed`].
    pub async fn manifest(
        &self,
        group: GroupId,
        image: &UpstreamName,
        reference: &Reference,
    ) -> Result<Manifest, NotServed> {
        let world = self.world(group, image)?;
        if matches!(reference, Reference::Digest(OciDigest::Sha512(_))) {
            return self.pass(&world, reference).await;
        }
        let mut refused = None;
        for _ in 0..TRIES {
            let known = self.known(&world, reference)?;
            let id = known.as_ref().map(|(id, _)| *id);
            if let Some((id, document)) = known
                && self.needs_nobody(&world, reference, id)
            {
                self.store.note_cached_read(id);
                return Ok(Manifest::Here(document, How::Hit));
            }
            let how = match self.say(&world, reference, id).await {
                Said::Right => How::Revalidated,
                Said::Fetched(fetched) => {
                    return Ok(Manifest::Here(Document::of(&fetched, self.now()), How::Miss));
                }
                Said::Not(NoManifest::TooLarge) => {
                    return self.pass(&world, reference).await;
                }
                Said::Not(why) => {
                    refused = Some(why);
                    How::Stale
                }
            };
            // A purge may have come in between.
            if let Some((id, document)) = self.known(&world, reference)? {
                self.store.note_cached_read(id);
                if let Some(why) = &refused {
                    tell_stale(&world, reference, why);
                }
                return Ok(Manifest::Here(document, how));
            }
            if let Some(why) = refused.take() {
                return Err(why.into());
            }
        }
        Err(NotServed::Refused(Refused::Unanswered("the cache is being purged".to_owned())))
    }

    async fn pass(&self, world: &World, reference: &Reference) -> Result<Manifest, NotServed> {
        let passing = self.pass_manifest(world, reference).await?;
        Ok(Manifest::Passing(Box::new(passing)))
    }

    /// The bytes of a manifest.
    ///
    /// # Errors
    /// [`NotServed::Files`], which is logged as a damage.
    pub async fn read(&self, document: Document) -> Result<Bytes, NotServed> {
        let (suffix, pin) = match document.kept {
            Kept::Inline(bytes) => return Ok(bytes),
            Kept::Placed(suffix, pin) => (suffix, pin),
        };
        let (files, digest, size) = (self.files.clone(), document.digest, document.size);
        let reading = tokio::task::spawn_blocking(move || {
            let named = format!("the cached manifest sha256:{digest}");
            match files.open_pinned(digest, suffix, pin, &named)? {
                Stored::Inline(bytes) => Ok(bytes),
                Stored::File(file, _pin) => {
                    read_part(&file, 0..size).map_err(|e| NotServed::Damaged(e.to_string()))
                }
            }
        });
        match reading.await {
            Ok(read) => read,
            Err(error) => Err(NotServed::Damaged(error.to_string())),
        }
    }

    /// What is cached by a name.
    fn known(
        &self,
        world: &World,
        reference: &Reference,
    ) -> Result<Option<(CachedId, Document)>, NotServed> {
        self.cached_document(|view| find(view, world, reference))
    }

    /// What `find` finds, with its bytes.
    pub(super) fn cached_document(
        &self,
        find: impl Fn(&View) -> Result<Option<(CachedId, Cached)>, store::Error>,
    ) -> Result<Option<(CachedId, Document)>, NotServed> {
        let found = self.store.readable(|view| {
            let Some((id, cached)) = find(view)? else { return Ok(None) };
            Ok(view.blob(cached.blob)?.map(|blob| (cached.blob, blob, (id, cached))))
        })?;
        Ok(found.and_then(|Readable { blob, kept, found: (id, cached) }| {
            let CachedWhat::Manifest { media_type, .. } = cached.what else { return None };
            let (digest, size, since) = (blob.digest, blob.size, cached.created);
            Some((id, Document { digest, media_type, size, since, kept }))
        }))
    }

    fn needs_nobody(&self, world: &World, reference: &Reference, id: CachedId) -> bool {
        match reference {
            Reference::Digest(_) => true,
            Reference::Tag(tag) => {
                self.fresh.is_fresh(world.group, &world.image, &CachedRef::tag(tag), id)
            }
        }
    }

    async fn say(&self, world: &World, reference: &Reference, known: Option<CachedId>) -> Said {
        let source = match world.source() {
            Ok(source) => source,
            Err(refused) => return Said::Not(NoManifest::Refused(refused)),
        };
        let name = (world.group, source.key(), world.image.clone(), reference.to_string());
        let (world, reference) = (world.clone(), reference.clone());
        let asked = Asked { world, source, reference, known };
        let proxy = self.clone();
        let said = self.questions.names.ask(name, || async move { proxy.find_out(&asked).await });
        said.await.unwrap_or_else(|| {
            let why = "the server gave it up, try again".to_owned();
            Said::Not(NoManifest::Refused(Refused::Unanswered(why)))
        })
    }

    async fn find_out(&self, asked: &Asked) -> Said {
        let patience = match asked.known {
            Some(_) => asked.source.budget(),
            None => Patience::Long,
        };
        if asked.needs_head(&self.store) {
            let head = match self.head(asked, patience).await {
                Ok(head) => head,
                Err(refused) => return Said::Not(NoManifest::Refused(refused)),
            };
            if asked.known.is_some() && !head.status.is_success() {
                let why = format!("it answers with {}", head.status);
                return Said::Not(NoManifest::Refused(Refused::Unanswered(why)));
            }
            if self.is_here(asked, &head).await {
                return Said::Right;
            }
        }
        self.fetch_in_time(asked, patience).await
    }

    /// Fetches and keeps it. That goes on when the time is over in which something cached could
    /// be served instead: else an upstream that is slow would never be heard.
    async fn fetch_in_time(&self, asked: &Asked, patience: Patience) -> Said {
        let (proxy, question) = (self.clone(), asked.clone());
        let fetching = tokio::spawn(async move {
            let fetched = proxy.fetch(&question).await?;
            proxy.keep(&question, &fetched).await;
            Ok(fetched)
        });
        let fetched = match patience {
            Patience::Until(moment) => tokio::time::timeout_at(moment.into(), fetching).await,
            Patience::Short | Patience::Long => Ok(fetching.await),
        };
        let unanswered = |why: String| Err(NoManifest::Refused(Refused::Unanswered(why)));
        let fetched = match fetched {
            Ok(Ok(fetched)) => fetched,
            Ok(Err(error)) => unanswered(error.to_string()),
            Err(error) => unanswered(error.to_string()),
        };
        fetched.map_or_else(Said::Not, Said::Fetched)
    }

    async fn head(&self, asked: &Asked, patience: Patience) -> Result<Head, Refused> {
        let Asked { world, source, reference, .. } = asked.clone();
        let work = || async move { Head::ask(&source, &world.image, &reference, patience).await };
        let head = self.questions.heads.ask(asked.there(patience), work).await;
        head.unwrap_or_else(|| Err(Refused::Unanswered("the server gave it up".to_owned())))
    }

    async fn fetch(&self, asked: &Asked) -> Result<Arc<Fetched>, NoManifest> {
        let Asked { world, source, reference, .. } = asked.clone();
        let work =
            || async move { Fetched::ask(&source, &world.image, &reference, Patience::Long).await };
        let there = asked.there(Patience::Long);
        let fetched = self.questions.manifests.ask(there, work).await;
        fetched.unwrap_or_else(|| {
            let why = "the server gave it up".to_owned();
            Err(NoManifest::Refused(Refused::Unanswered(why)))
        })
    }

    /// Whether what the upstream has just told this group of is here, and its name leads there
    /// now: an entry of the group's own, or what another group has of the same upstream.
    async fn is_here(&self, asked: &Asked, head: &Head) -> bool {
        let Some(digest) = head.names() else { return false };
        if let Reference::Digest(OciDigest::Sha256(wanted)) = &asked.reference
            && *wanted != digest
        {
            return false;
        }
        match self.point(asked, head, digest).await {
            Ok(is_here) => is_here,
            Err(error) => {
                log::warn!("sha256:{digest} is fetched, since what is here is of no use: {error}");
                false
            }
        }
    }

    async fn point(
        &self,
        asked: &Asked,
        head: &Head,
        digest: Digest,
    ) -> Result<bool, store::Error> {
        let (world, origin) = (&asked.world, asked.source.origin());
        let (own, elsewhere) = {
            let view = self.store.view()?;
            let own = world.has(view.cached(world.group, CachedKind::Manifest, digest)?);
            let own = own.filter(|(_, cached)| head.is_of_type(media_type(cached)));
            let elsewhere = match own {
                Some(_) => None,
                None => {
                    world.others(view.cached_elsewhere(CachedKind::Manifest, digest, &origin)?)
                }
            };
            (own, elsewhere.filter(|cached| head.is_of_type(media_type(cached))))
        };
        let id = if let Some((id, _)) = own {
            let is_named = asked.known == Some(id);
            if !is_named && !self.name(asked, id).await? {
                return Ok(false);
            }
            id
        } else if let Some(CachedWhat::Manifest { media_type, parts, .. }) =
            elsewhere.map(|cached| cached.what)
        {
            let same = Fetched { digest, media_type, bytes: Bytes::new(), parts };
            let new = asked.entry(same, Content::Stored(digest));
            self.store.put_cached(new).await?.0
        } else {
            return Ok(false);
        };
        self.note_fresh(asked, id);
        Ok(true)
    }

    async fn name(&self, asked: &Asked, id: CachedId) -> Result<bool, store::Error> {
        let Asked { world: World { group, image, .. }, .. } = asked;
        match asked.tag() {
            Some(tag) => self.store.point_cached(*group, image.clone(), tag, id).await,
            None => Ok(true),
        }
    }

    fn note_fresh(&self, asked: &Asked, id: CachedId) {
        if let Some(tag) = asked.tag() {
            self.fresh.note(asked.world.group, &asked.world.image, &tag, id);
        }
    }

    /// What cannot be stored is served all the same.
    async fn keep(&self, asked: &Asked, fetched: &Arc<Fetched>) {
        if !fetched.is_accepted() {
            log::info!("{:?} is not cached: no type of a manifest", fetched.media_type);
            return;
        }
        let (place, owned, new) = (self.shelf.clone(), Arc::clone(fetched), asked.clone());
        let kept = tokio::task::spawn_blocking(move || {
            place.keep(&owned.bytes, |content| new.entry(Fetched::clone(&owned), content))
        });
        let why = match kept.await {
            Ok(Ok(id)) => return self.note_fresh(asked, id),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        log::warn!("{}@sha256:{} is not cached: {why}", asked.world.image, fetched.digest);
    }
}

fn find(
    view: &View,
    world: &World,
    reference: &Reference,
) -> Result<Option<(CachedId, Cached)>, store::Error> {
    Ok(world.has(match reference {
        Reference::Tag(tag) => view.cached_tag(world.group, &world.image, &CachedRef::tag(tag))?,
        Reference::Digest(OciDigest::Sha256(digest)) => {
            view.cached(world.group, CachedKind::Manifest, *digest)?
        }
        Reference::Digest(OciDigest::Sha512(_)) => None,
    }))
}

/// Pulls go on, so nobody but the log tells of credentials that have ended.
fn tell_stale(World { image, source, .. }: &World, reference: &Reference, why: &NoManifest) {
    let upstream = source.as_ref().map_or_else(|_| "an upstream".to_owned(), |known| known.url());
    log::warn!("{image} {reference} is served as it was cached from {upstream}: {why}");
}

fn media_type(cached: &Cached) -> &str {
    match &cached.what {
        CachedWhat::Manifest { media_type, .. } => media_type,
        CachedWhat::Blob { .. } => "",
    }
}

impl Asked {
    /// Of a digest, the head tells only whether what another group has may be had.
    fn needs_head(&self, store: &store::Store) -> bool {
        let Reference::Digest(OciDigest::Sha256(digest)) = &self.reference else { return true };
        let origin = self.source.origin();
        let found = store
            .view()
            .and_then(|view| view.cached_elsewhere(CachedKind::Manifest, *digest, &origin));
        found.is_ok_and(|found| self.world.others(found).is_some())
    }

    fn there(&self, patience: Patience) -> There {
        let is_short = !matches!(patience, Patience::Long);
        (self.source.key(), self.world.image.clone(), self.reference.to_string(), is_short)
    }

    fn tag(&self) -> Option<CachedRef> {
        match &self.reference {
            Reference::Tag(tag) => Some(CachedRef::tag(tag)),
            Reference::Digest(_) => None,
        }
    }

    fn entry(&self, fetched: Fetched, content: Content) -> NewCached {
        let (reference, tag) = (self.reference.to_string(), self.tag());
        entry(&self.world, self.source.origin(), (reference, tag), fetched, content)
    }
}

/// An entry for what came, or is here, by this reference.
pub(super) fn entry(
    world: &World,
    origin: [u8; 32],
    (reference, tag): (String, Option<CachedRef>),
    Fetched { digest, media_type, parts, .. }: Fetched,
    content: Content,
) -> NewCached {
    let World { group, image, upstream, .. } = world.clone();
    let tag = tag.map(|tag| (image.clone(), tag));
    let image = image.to_string();
    let what = CachedWhat::Manifest { digest, image, reference, media_type, parts };
    NewCached { group, upstream, what, content, origin, tag }
}

impl Document {
    pub(super) fn of(fetched: &Fetched, since: Timestamp) -> Self {
        let Fetched { digest, media_type, bytes, .. } = fetched;
        Self {
            digest: *digest,
            media_type: media_type.clone(),
            size: super::fetch::length(bytes.len()),
            since,
            kept: Kept::Inline(bytes.clone()),
        }
    }
}

impl From<NoManifest> for NotServed {
    fn from(why: NoManifest) -> Self {
        match why {
            NoManifest::Refused(refused) => Self::Refused(refused),
            NoManifest::Lied(why) => Self::Lied(why),
            NoManifest::TooLarge => Self::Lied("it is too large".to_owned()),
        }
    }
}
