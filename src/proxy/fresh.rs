//! [`Fresh`]: which tags were looked up a short time ago, so that they are served without asking
//! once more (spec gitlab §1.4). In memory: a start looks everything up again.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;

use crate::model::{CachedId, CachedRef, GroupId, UpstreamName};

/// Tags that are remembered: those that were looked up last.
const TAGS_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(9999);

type Tag = (GroupId, UpstreamName, CachedRef);

/// The tags, each with the entry that it named, and when.
pub(super) struct Fresh {
    window: Duration,
    tags: Mutex<LruCache<Tag, (CachedId, Instant)>>,
}

impl Fresh {
    /// Tags stay fresh for `window`; 0: for no time.
    pub(super) fn new(window: Duration) -> Self {
        Self { window, tags: Mutex::new(LruCache::new(TAGS_MAX)) }
    }

    /// The upstream has just said that this tag names this entry.
    pub(super) fn note(&self, group: GroupId, image: &UpstreamName, tag: &CachedRef, id: CachedId) {
        if !self.window.is_zero() {
            let mut tags = self.tags.lock().unwrap_or_else(PoisonError::into_inner);
            tags.put((group, image.clone(), tag.clone()), (id, Instant::now()));
        }
    }

    /// Whether it said so within the window. A purge makes other entries, so it counts here too.
    pub(super) fn is_fresh(
        &self,
        group: GroupId,
        image: &UpstreamName,
        tag: &CachedRef,
        id: CachedId,
    ) -> bool {
        if self.window.is_zero() {
            return false;
        }
        let mut tags = self.tags.lock().unwrap_or_else(PoisonError::into_inner);
        let known = tags.get(&(group, image.clone(), tag.clone()));
        known.is_some_and(|(known, at)| *known == id && at.elapsed() < self.window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ImageTagName;

    #[test]
    fn a_tag_is_fresh_for_one_group_and_one_entry() {
        let image = UpstreamName::parse("alpine").unwrap();
        let tag = CachedRef::tag(&ImageTagName::parse("latest").unwrap());
        let fresh = Fresh::new(Duration::from_secs(3600));
        fresh.note(GroupId(1), &image, &tag, CachedId(5));
        let is_fresh = |group, id| fresh.is_fresh(GroupId(group), &image, &tag, CachedId(id));
        assert_eq!([is_fresh(1, 5), is_fresh(1, 6), is_fresh(2, 5)], [true, false, false]);
        let never = Fresh::new(Duration::ZERO);
        never.note(GroupId(1), &image, &tag, CachedId(5));
        assert!(!never.is_fresh(GroupId(1), &image, &tag, CachedId(5)));
    }
}
