//! What readers see of tags: only those that count, each from one snapshot (I8). What was deleted
//! and waits to be destroyed may be much: an answer looks at a bounded number of rows, or only at
//! what tells quickly that a row does not count.

use std::ops::ControlFlow;

use super::{counts, live};
use crate::db::schema::{CONTAINER_AGES, IMAGE_TAGS, IMAGES, NODES, TAGS, UNTAGGED};
use crate::db::{Rows, Span};
use crate::model::{
    BranchId, BranchPath, ImageId, ImageName, ImagePlace, ImageTag, ImageTagName, Node, Tag, TagId,
    TagName, TagRef,
};
use crate::store::{Error, View, tree};

/// Tags that do not count, after which a repository is taken for one that has others.
const DEAD_MAX: usize = 100;

/// How much a part of a list of tags may come to.
#[derive(Clone, Copy, Debug)]
pub struct TagsMax {
    /// Most tags.
    pub tags: usize,
    /// Most rows that are looked at, those that `keep` leaves out not counted.
    pub looks: usize,
}

/// A part of a list of tags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagPage {
    /// The tags, by name.
    pub tags: Vec<ImageTagName>,
    /// The last one that was looked at, when there may be more behind it.
    pub stopped: Option<ImageTagName>,
}

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

    /// The tags of a repository by name, those behind `after` that `keep` lets count. What it
    /// leaves out is not told either as the place where a part ends.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn image_tags(
        &self,
        image: &ImageName,
        after: Option<&ImageTagName>,
        max: TagsMax,
        keep: impl Fn(&ImageTagName) -> bool,
    ) -> Result<TagPage, Error> {
        let mut page = TagPage::default();
        let Some(image) = IMAGES.get(&self.snapshot, image)? else { return Ok(page) };
        let mut span = Span::under(&image.id);
        if let Some(after) = after {
            span = span.after(&(image.id, after.clone()));
        }
        let mut looks = 0;
        IMAGE_TAGS.each(&self.snapshot, span, |(_, tag), row| {
            if !keep(&tag) {
                return Ok(ControlFlow::Continue(()));
            }
            looks += 1;
            if counts(&self.snapshot, &row)? {
                page.tags.push(tag.clone());
            }
            if page.tags.len() < max.tags && looks < max.looks {
                return Ok(ControlFlow::Continue(()));
            }
            page.stopped = Some(tag);
            Ok::<_, Error>(ControlFlow::Break(()))
        })?;
        Ok(page)
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
        let ImagePlace::Job { repo, branch, .. } = image.place() else { return Ok(None) };
        let branch = tree::branch(&self.snapshot, &BranchPath { repo, branch });
        // Where that is gone, so is all that it showed.
        let Some(branch) = tree::optional(branch)? else { return Ok(None) };
        let Some(image) = IMAGES.get(&self.snapshot, image)? else { return Ok(None) };
        let mut found = None;
        let newest_first = Span::under(&image.id).descending();
        CONTAINER_AGES.each(&self.snapshot, newest_first, |(_, (_, tree_tag)), tag| {
            let shown_by = self.tag_of_branch(branch.id, tree_tag)?;
            let is_one = shown_by.is_some_and(|shown_by| !stable_only || shown_by.stable)
                && keep(&tag)
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

    /// The tag of a branch with this id; `None`: it is gone, or another branch's.
    fn tag_of_branch(&self, branch: BranchId, id: TagId) -> Result<Option<Tag>, Error> {
        let Some(entry) = NODES.get(&self.snapshot, &Node::Tag(id))? else { return Ok(None) };
        let Ok(name) = TagName::parse(&entry.name) else { return Ok(None) };
        if entry.parent != branch.0 {
            return Ok(None);
        }
        let record = TAGS.get(&self.snapshot, &(branch, name))?;
        Ok(record.filter(|record| record.id == id))
    }

    /// Whether there is anything in a repository that people look for: a tag that counts, or a
    /// manifest that was pushed by digest. One with very many tags that wait to be destroyed is
    /// taken for such a repository until they are.
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
    let (mut found, mut dead) = (false, 0);
    IMAGE_TAGS.each(rows, Span::under(&image), |_, row| {
        found = counts(rows, &row)? || dead >= DEAD_MAX;
        dead += 1;
        Ok::<_, Error>(if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(found)
}
