//! Blobs through a group's cache (spec gitlab §1.5).
//!
//! What the group has is served as a registry's blob is. What another group has of the same
//! upstream is shared once the upstream has granted it to this group's own credentials. All else
//! comes by a flight, which everybody who misses it meanwhile follows.

use std::sync::Arc;

use http::StatusCode;
use sha2::{Digest as _, Sha256};

use super::fetch::{Refused, Remote};
use super::flight::{Follower, Key, Wish};
use super::pulls::{How, NotServed, Proxy, World, unanswered};
use super::remote::{Nothing, RemoteBlob};
use super::source::{Patience, Source};
use crate::blobs::Source as Stored;
use crate::model::{
    Blob, CachedKind, CachedWhat, Digest, GroupId, OciDigest, Timestamp, UpstreamName,
};
use crate::store::blobs::Content;
use crate::store::cached::NewCached;
use crate::store::reading::{Kept, Readable};
use crate::store::{self, View};

/// A blob, ready to be sent.
pub enum PulledBlob {
    /// It is here.
    Here {
        /// Its record.
        blob: Blob,
        /// Its bytes.
        source: Stored,
        /// Where it came from.
        how: How,
    },
    /// It is on its way.
    Coming {
        /// Its bytes, where the upstream tells.
        total: Option<u64>,
        /// When it began to come.
        since: Timestamp,
        /// Who waits for it.
        follower: Box<Follower>,
    },
}

/// What is known of a blob without its bytes.
#[derive(Clone, Copy, Debug)]
pub struct BlobHead {
    /// Its bytes, where that is known.
    pub total: Option<u64>,
    /// Since when it is here; `None`: it is not.
    pub since: Option<Timestamp>,
}

impl Proxy {
    /// A blob of an image, to be sent.
    ///
    /// # Errors
    /// [`NotServed`].
    pub async fn blob(
        &self,
        group: GroupId,
        image: &UpstreamName,
        digest: Digest,
    ) -> Result<PulledBlob, NotServed> {
        let world = self.world(group, image)?;
        if let Some(here) = self.here(&world, digest, How::Hit)? {
            return Ok(here);
        }
        if self.share(&world, digest).await
            && let Some(here) = self.here(&world, digest, How::Revalidated)?
        {
            return Ok(here);
        }
        let key = world.source().map(|source| source.key()).unwrap_or_default();
        let mut follower = self.follow(&world, key, digest);
        let mut opened = follower.opened().await;
        // Else whoever asks for it by a wrong name would have it refused to everybody else.
        if matches!(opened, Err(Refused::Answer { .. })) && follower.is_of_another_image() {
            follower = self.follow(&world, of_image(&key, image), digest);
            opened = follower.opened().await;
        }
        let opened = opened.map_err(NotServed::Refused)?;
        let follower = Box::new(follower);
        Ok(PulledBlob::Coming { total: opened.total, since: self.now(), follower })
    }

    /// What can be said of a blob without fetching it.
    ///
    /// # Errors
    /// [`NotServed`].
    pub async fn blob_head(
        &self,
        group: GroupId,
        image: &UpstreamName,
        digest: Digest,
    ) -> Result<(BlobHead, How), NotServed> {
        let world = self.world(group, image)?;
        let view = self.store.view()?;
        let known = world.has(view.cached(group, CachedKind::Blob, digest)?);
        drop(view);
        if let Some((id, cached)) = known {
            self.store.note_cached_read(id);
            let head = BlobHead { total: Some(cached.size), since: Some(cached.created) };
            return Ok((head, How::Hit));
        }
        let source = world.source().map_err(NotServed::Refused)?;
        let digest = OciDigest::Sha256(digest);
        let answer = source.head_blob(image, &digest, Patience::Long).await;
        let answer = answer.map_err(|error| NotServed::Refused(unanswered(&error)))?;
        if answer.status != StatusCode::OK {
            return Err(NotServed::Refused(super::pulls::refusal(answer).await));
        }
        Ok((BlobHead { total: answer.content_length(), since: None }, How::Miss))
    }

    fn here(
        &self,
        world: &World,
        digest: Digest,
        how: How,
    ) -> Result<Option<PulledBlob>, NotServed> {
        let find = |view: &View| {
            let found = world.has(view.cached(world.group, CachedKind::Blob, digest)?);
            let Some((id, cached)) = found else { return Ok(None) };
            Ok(view.blob(cached.blob)?.map(|blob| (cached.blob, blob, id)))
        };
        let found = self.store.readable(find)?;
        let Some(Readable { blob, kept, found: id }) = found else { return Ok(None) };
        let source = match kept {
            Kept::Inline(bytes) => Stored::Inline(bytes),
            Kept::Placed(suffix, pin) => {
                let named = format!("the cached blob sha256:{digest}");
                self.files.open_pinned(digest, suffix, pin, &named)?
            }
        };
        self.store.note_cached_read(id);
        Ok(Some(PulledBlob::Here { blob, source, how }))
    }

    /// Whether the group has a blob now that another group had of the same upstream, since its
    /// own credentials have just been granted it there.
    async fn share(&self, world: &World, digest: Digest) -> bool {
        let Ok(source) = world.source() else { return false };
        match self.try_share(world, &source, digest).await {
            Ok(is_shared) => is_shared,
            Err(error) => {
                log::warn!("sha256:{digest} is fetched, since it cannot be shared: {error}");
                false
            }
        }
    }

    async fn try_share(
        &self,
        world: &World,
        source: &Source,
        digest: Digest,
    ) -> Result<bool, store::Error> {
        let origin = source.origin();
        let known = {
            let view = self.store.view()?;
            world.others(view.cached_elsewhere(CachedKind::Blob, digest, &origin)?)
        };
        if known.is_none() {
            return Ok(false);
        }
        let asked = OciDigest::Sha256(digest);
        let head = source.head_blob(&world.image, &asked, Patience::Long).await;
        if !head.is_ok_and(|head| head.status == StatusCode::OK) {
            return Ok(false);
        }
        let new = NewCached {
            group: world.group,
            upstream: world.upstream.clone(),
            what: CachedWhat::Blob { digest, image: world.image.to_string() },
            content: Content::Stored(digest),
            origin,
            tag: None,
        };
        self.store.put_cached(new).await?;
        Ok(true)
    }

    fn follow(&self, world: &World, key: [u8; 32], digest: Digest) -> Follower {
        let source = world.source();
        let origin = source.as_ref().map(|source| source.origin()).unwrap_or_default();
        let World { group, image, upstream, .. } = world.clone();
        let wish = Wish { group, image: image.clone(), upstream, origin };
        let remote = move || remote(source, image, digest);
        self.flights.join(Key { source: key, digest }, wish, remote)
    }
}

/// Stands for an upstream and the credentials, for one image of it.
fn of_image(key: &[u8; 32], image: &UpstreamName) -> [u8; 32] {
    Sha256::new().chain_update(key).chain_update(image.as_str()).finalize().into()
}

fn remote(
    source: Result<Arc<Source>, Refused>,
    image: UpstreamName,
    digest: Digest,
) -> Arc<dyn Remote> {
    match source {
        Ok(source) => Arc::new(RemoteBlob { source, image, digest: digest.into() }),
        Err(refused) => Arc::new(Nothing(refused)),
    }
}
