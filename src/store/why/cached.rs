//! What in a group's cache holds a blob: its state, and which images name it.

use std::ops::ControlFlow;

use super::super::{Error, View, proxy_groups, referrers};
use super::Held;
use crate::db::Span;
use crate::db::schema::{CACHED, CACHED_OF, CACHED_TAGS_OF};
use crate::model::{Cached, CachedId, CachedKind, CachedState, CachedWhat, Digest, Node};

/// Holders that are named.
const NAMED_MAX: usize = 3;
/// Manifests of a cache that are looked through for one that names a blob.
const LOOKED_AT_MAX: usize = 2000;

impl View {
    /// Why a cache has a blob, and the group if it was deleted.
    pub(super) fn held_by_cached(&self, id: CachedId) -> Result<(Held, Option<Node>), Error> {
        let Some(cached) = CACHED.get(&self.snapshot, &id)? else {
            return Ok((Held::default(), None));
        };
        let purged = proxy_groups::record(&self.snapshot, cached.group)?.purged;
        let state = match cached.state {
            CachedState::Active if id <= purged => CachedState::Pending.name(),
            ref state => state.name(),
        };
        let names = match &cached.what {
            CachedWhat::Manifest { .. } => self.names_of_cached(id, &cached)?,
            CachedWhat::Blob { digest, .. } => self.cached_namers(&cached, *digest)?,
        };
        let root = super::super::groups::unnamed(&self.snapshot, cached.group)?;
        Ok((Held { names, state: Some(state), ..Held::default() }, root.map(Node::Group)))
    }

    /// The moving names of a manifest.
    fn names_of_cached(&self, id: CachedId, cached: &Cached) -> Result<Vec<String>, Error> {
        let at = referrers::proxy_path(&self.snapshot, cached.group)?;
        let names = CACHED_TAGS_OF.page(&self.snapshot, Span::under(&id), NAMED_MAX)?;
        Ok(names
            .into_iter()
            .map(|((_, (image, name)), ())| format!("{at}{image}:{name}"))
            .collect())
    }

    /// A few of the manifests of the same cache that name a blob, the newest first.
    fn cached_namers(&self, blob: &Cached, digest: Digest) -> Result<Vec<String>, Error> {
        let at = referrers::proxy_path(&self.snapshot, blob.group)?;
        let (mut names, mut looked_at) = (Vec::new(), 0);
        let newest = Span::under(&(blob.group, CachedKind::Manifest)).descending();
        CACHED_OF.each(&self.snapshot, newest, |(_, (_, id)), ()| {
            looked_at += 1;
            if looked_at > LOOKED_AT_MAX || names.len() >= NAMED_MAX {
                return Ok(ControlFlow::Break(()));
            }
            let manifest = CACHED.get(&self.snapshot, &id)?;
            if let Some(CachedWhat::Manifest { image, reference, parts, .. }) =
                manifest.map(|manifest| manifest.what)
                && parts.contains(&digest)
            {
                names.push(format!("{at}{image}:{reference}"));
            }
            Ok::<_, Error>(ControlFlow::Continue(()))
        })?;
        Ok(names)
    }
}
