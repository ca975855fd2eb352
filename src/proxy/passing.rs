//! [`Passing`]: what goes through to one client and is not kept: larger than anything that is, or
//! asked for by SHA-512, by which nothing is kept (spec gitlab §1.4, §1.5).
//!
//! Defends I4: it is compared with its digest all the same, before its last piece is given out.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;
use http::header::CONTENT_TYPE;

use super::checked::Checked;
use super::fetch::{Fetch, Remote};
use super::pulls::{NotServed, Proxy, World};
use super::remote::{RemoteBlob, RemoteManifest};
use crate::model::{GroupId, OciDigest, Reference, UpstreamName};

/// A body on its way to one client.
pub struct Passing {
    /// What it is compared with.
    pub digest: OciDigest,
    /// What the upstream calls it.
    pub media_type: Option<String>,
    /// Its bytes, where the upstream tells.
    pub total: Option<u64>,
    body: Checked,
}

impl Passing {
    async fn begin(remote: Arc<dyn Remote>, known: Option<OciDigest>) -> Result<Self, NotServed> {
        let fetch = Fetch::begin(remote, 0).await.map_err(NotServed::Refused)?;
        let header = |name: &str| Some(fetch.headers().get(name)?.to_str().ok()?.to_owned());
        let said = header("docker-content-digest").and_then(|text| OciDigest::parse(&text).ok());
        let Some(digest) = known.or(said) else {
            return Err(NotServed::Lied("it is large, and nobody says its digest".to_owned()));
        };
        let (media_type, total) = (header(CONTENT_TYPE.as_str()), fetch.total());
        Ok(Self { digest, media_type, total, body: Checked::new(fetch, digest) })
    }

    /// The bytes; an error breaks the answer off.
    pub fn into_stream(self) -> impl Stream<Item = io::Result<Bytes>> + Send {
        futures_util::stream::unfold(Some(self.body), async |body| {
            let mut body = body?;
            match body.next().await.transpose()? {
                Ok(bytes) => Some((Ok(bytes), Some(body))),
                Err(broken) => {
                    log::warn!("a body that is not kept breaks off: {broken}");
                    Some((Err(io::Error::other(broken)), None))
                }
            }
        })
    }
}

impl Proxy {
    pub(super) async fn pass_manifest(
        &self,
        world: &World,
        reference: &Reference,
    ) -> Result<Passing, NotServed> {
        let known = match reference {
            Reference::Digest(digest) => Some(*digest),
            Reference::Tag(_) => None,
        };
        let source = world.source().map_err(NotServed::Refused)?;
        let (image, reference) = (world.image.clone(), reference.clone());
        Passing::begin(Arc::new(RemoteManifest { source, image, reference }), known).await
    }

    /// A blob that nothing is kept by.
    ///
    /// # Errors
    /// [`NotServed`].
    pub async fn pass_blob(
        &self,
        group: GroupId,
        image: &UpstreamName,
        digest: OciDigest,
    ) -> Result<Passing, NotServed> {
        let world = self.world(group, image)?;
        let source = world.source().map_err(NotServed::Refused)?;
        let remote = RemoteBlob { source, image: world.image, digest };
        Passing::begin(Arc::new(remote), Some(digest)).await
    }
}
