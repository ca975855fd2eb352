//! What readers see of tags: only those that count, each from one snapshot (I8).

use std::ops::ControlFlow;

use super::{counts, live};
use crate::db::schema::{CONTAINER_AGES, IMAGE_TAGS, IMAGES, NODES, TAGS, UNTAGGED};
use crate::db::{Rows, Span};
use crate::model::{
    BranchId, ImageId, ImageName, ImageTag, ImageTagName, Node, TagId, TagName, TagRef,
};
use crate::store::{Error, View};

impl View {
    /// A tag, if it counts.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn image_tag(
        &self,
        image: &ImageName,
        tag: &ImageTagName,
    ) -> Result<Option<ImageTag>, Error> {
        match IMAGES.get(&self.snapshot, image)? {
            Some(image) => live(&self.snapshot, image.id, tag),
            None => Ok(None),
        }
    }

    /// The tags of a repository by name, those behind `after` that `keep` lets count: at most
    /// `limit` of them.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn image_tags(
        &self,
        image: &ImageName,
        after: Option<&ImageTagName>,
        limit: usize,
        keep: impl Fn(&ImageTagName) -> bool,
    ) -> Result<Vec<ImageTagName>, Error> {
        let Some(image) = IMAGES.get(&self.snapshot, image)? else { return Ok(Vec::new()) };
        let mut span = Span::under(&image.id);
        if let Some(after) = after {
            span = span.after(&(image.id, after.clone()));
        }
        let mut found = Vec::new();
        if limit == 0 {
            return Ok(found);
        }
        IMAGE_TAGS.each(&self.snapshot, span, |(_, tag), row| {
            if keep(&tag) && counts(&self.snapshot, &row)? {
                found.push(tag);
            }
            let is_full = found.len() >= limit;
            Ok::<_, Error>(if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(found)
    }

    /// The tag that an alias stands for: the newest by the age of the tree's tag, among those
    /// that appear in the tree and that `keep` lets count. `None`: there is none, or `alias` is
    /// no alias.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn image_alias(
        &self,
        image: &ImageName,
        alias: &TagRef,
        keep: impl Fn(&ImageTagName) -> bool,
    ) -> Result<Option<ImageTagName>, Error> {
        let (mut skipped, stable_only) = match alias {
            TagRef::Named(_) => return Ok(None),
            TagRef::Latest => (0, false),
            TagRef::Stable => (0, true),
            TagRef::OldStable => (1, true),
        };
        let Some(image) = IMAGES.get(&self.snapshot, image)? else { return Ok(None) };
        let mut found = None;
        let newest_first = Span::under(&image.id).descending();
        CONTAINER_AGES.each(&self.snapshot, newest_first, |(_, (_, tree_tag)), tag| {
            let is_one = keep(&tag)
                && (!stable_only || self.is_stable(tree_tag)?)
                && live(&self.snapshot, image.id, &tag)?.is_some();
            if !is_one {
                return Ok(ControlFlow::Continue(()));
            }
            if skipped > 0 {
                skipped -= 1;
                return Ok(ControlFlow::Continue(()));
            }
            found = Some(tag);
            Ok::<_, Error>(ControlFlow::Break(()))
        })?;
        Ok(found)
    }

    fn is_stable(&self, tag: TagId) -> Result<bool, Error> {
        let Some(entry) = NODES.get(&self.snapshot, &Node::Tag(tag))? else { return Ok(false) };
        let Ok(name) = TagName::parse(&entry.name) else { return Ok(false) };
        let record = TAGS.get(&self.snapshot, &(BranchId(entry.parent), name))?;
        Ok(record.is_some_and(|record| record.id == tag && record.stable))
    }

    /// Whether there is anything in a repository that people look for: a tag that counts, or a
    /// manifest that was pushed by digest.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn has_live_content(&self, image: ImageId) -> Result<bool, Error> {
        has_live_content(&self.snapshot, image)
    }
}

/// See [`View::has_live_content`].
pub(in crate::store) fn has_live_content(rows: &impl Rows, image: ImageId) -> Result<bool, Error> {
    if UNTAGGED.has_any(rows, Span::under(&image))? {
        return Ok(true);
    }
    let mut found = false;
    IMAGE_TAGS.each(rows, Span::under(&image), |_, row| {
        found = counts(rows, &row)?;
        Ok::<_, Error>(if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(found)
}
