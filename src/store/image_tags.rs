//! Tags of the registry, and the rows that give a tag its place in the artifact tree.
//!
//! A tag holds its manifest (I2). One that appears in the tree counts only while names lead to
//! its format, so taking away the tree's tag, job, branch or format takes the registry's tag with
//! it at once and at no cost (I7); destroying the format removes the row. There are no two
//! notions of what is deleted.
//! Deliberately absent: manifests themselves (`super::manifests`), and the files that a format
//! shows.

mod listing;

use super::artifacts::Locks;
use super::charges::login_of;
use super::detached::Cause;
use super::tree::{self, Chain, Delta};
use super::tx::promised;
use super::{Budget, Error, Store, Tx, links, products};
use crate::db::schema::{
    CONTAINER_AGES, CONTAINERS, FORMATS, IMAGE_NAMES, IMAGE_TAGS, IMAGES, MANIFESTS, TAGS_OF,
};
use crate::db::{Pending, Rows};
use crate::model::standing::LetGo;
use crate::model::{
    Container, Format, FormatId, FormatPath, ImageId, ImageName, ImageTag, ImageTagName,
    ManifestId, Node, Repo, TagId, Timestamp, Usage, UserName,
};

pub(super) use listing::has_live_content;
pub use listing::{TagPage, TagsMax};

impl Store {
    /// Takes a tag away: at once where it has no place in the artifact tree, and otherwise with
    /// its format, as [`Self::delete_format`] does. The answer may be [`Error::NotFound`] or
    /// [`Error::FormatOfLockedJob`].
    pub fn delete_image_tag(
        &self,
        image: ImageName,
        tag: ImageTagName,
        cause: Cause,
    ) -> Pending<(), Error> {
        let locks = image.format_of(&tag).map_or(Locks::Kept, |path| self.locks(&path));
        self.change(move |tx| {
            let missing = || Error::NotFound(format!("/v2/{image}/manifests/{tag}"));
            let record = IMAGES.get(tx.txn, &image)?.ok_or_else(missing)?;
            let found = live(tx.txn, record.id, &tag)?.ok_or_else(missing)?;
            match image.format_of(&tag) {
                Some(path) => tx.delete_format(&path, locks, &cause),
                None => tx.drop_plain_tag(record.id, &tag, &found),
            }
        })
    }
}

/// A tag that counts: it has no place in the tree, or names lead there.
pub(super) fn live(
    rows: &impl Rows,
    image: ImageId,
    tag: &ImageTagName,
) -> Result<Option<ImageTag>, Error> {
    let Some(found) = IMAGE_TAGS.get(rows, &(image, tag.clone()))? else { return Ok(None) };
    Ok(counts(rows, &found)?.then_some(found))
}

/// Whether a tag counts.
pub(super) fn counts(rows: &impl Rows, tag: &ImageTag) -> Result<bool, Error> {
    match tag.format {
        Some(format) => Ok(links::unnamed(rows, Node::Format(format))?.is_none()),
        None => Ok(true),
    }
}

/// Where a tag that is pushed goes, and what is there.
pub(super) struct TagPlan {
    name: ImageTagName,
    old: Option<ImageTag>,
    place: Place,
}

enum Place {
    /// Only in the registry, where the tags of a user's repository are charged to the user.
    Plain(Repo),
    /// A format of the artifact tree too.
    Tree(FormatPath, There),
}

/// What a tag's format is before the push.
enum There {
    Nothing,
    /// Files of its own, which the image replaces.
    Files(Format),
    /// The same tag.
    Image(Format),
}

impl TagPlan {
    /// Whether the tag's row names this manifest already, and so holds it.
    pub(super) fn names(&self, id: ManifestId) -> bool {
        self.old.as_ref().is_some_and(|old| old.manifest == id)
    }
}

impl Tx<'_, '_> {
    /// Looks at where a tag goes: for a push, before it changes anything.
    pub(super) fn plan_tag(
        &self,
        image: &ImageName,
        id: Option<ImageId>,
        tag: &ImageTagName,
        locks: Locks,
    ) -> Result<TagPlan, Error> {
        let old = match id {
            Some(id) => IMAGE_TAGS.get(self.txn, &(id, tag.clone()))?,
            None => None,
        };
        let place = match image.format_of(tag) {
            Some(path) => {
                let there = self.look_there(&path, tag, locks)?;
                Place::Tree(path, there)
            }
            None => Place::Plain(image.repo()),
        };
        Ok(TagPlan { name: tag.clone(), old, place })
    }

    fn look_there(
        &self,
        path: &FormatPath,
        tag: &ImageTagName,
        locks: Locks,
    ) -> Result<There, Error> {
        let job = tree::optional(tree::job(self.txn, &path.job))?;
        let Some((_, _, job)) = job else { return Ok(There::Nothing) };
        locks.check(job.locked)?;
        let Some(format) = FORMATS.get(self.txn, &(job.id, path.format.clone()))? else {
            products::check_new_format(self.txn, job.id, &path.format)?;
            return Ok(There::Nothing);
        };
        match CONTAINERS.get(self.txn, &format.id)? {
            None => Ok(There::Files(format)),
            Some(shown) if shown.tag == tag.as_str() => Ok(There::Image(format)),
            Some(shown) => Err(Error::TagTaken { tag: tag.clone(), other: shown.tag }),
        }
    }

    /// What the tag, or what is replaced in the tree, is charged for before a push.
    pub(super) fn usage_before(&self, plan: &TagPlan) -> Result<Usage, Error> {
        match (&plan.place, &plan.old) {
            (Place::Tree(_, There::Files(format) | There::Image(format)), _) => Ok(format.usage),
            (Place::Plain(_), Some(old)) => self.manifest_total(old.manifest),
            _ => Ok(Usage::default()),
        }
    }

    fn manifest_total(&self, id: ManifestId) -> Result<Usage, Error> {
        Ok(promised(&MANIFESTS, self.txn, &id)?.total)
    }

    /// Lets a tag name a manifest, which it holds already, and releases the one before.
    pub(super) fn set_tag(
        &self,
        image: ImageId,
        plan: TagPlan,
        id: ManifestId,
        total: Usage,
        by: Option<&UserName>,
    ) -> Result<(), Error> {
        let TagPlan { name, old, place } = plan;
        let (format, why) = match place {
            Place::Plain(Repo::Shared) => (None, LetGo::Displaced),
            Place::Plain(Repo::User(user)) => {
                let before = old.as_ref().map(|old| self.manifest_total(old.manifest));
                let minus = before.transpose()?.unwrap_or_default();
                self.recharge_user(user.as_str(), Delta { minus, plus: total })?;
                (None, LetGo::Displaced)
            }
            Place::Tree(path, there) => {
                let format = self.show(image, &name, &path, &there, total, by)?;
                (Some(format), LetGo::Deleted)
            }
        };
        let row = ImageTag { manifest: id, pushed: self.now, by: login_of(by), format };
        IMAGE_TAGS.put(self.txn, &(image, name.clone()), &row)?;
        TAGS_OF.put(self.txn, &(id, name.clone()), &())?;
        if let Some(old) = old.filter(|old| old.manifest != id) {
            TAGS_OF.remove(self.txn, &(old.manifest, name))?;
            self.release_manifest(old.manifest, 1, why)?;
        }
        Ok(())
    }

    /// Lets a format of the tree show the tag; tells which one.
    fn show(
        &self,
        image: ImageId,
        tag: &ImageTagName,
        path: &FormatPath,
        there: &There,
        total: Usage,
        by: Option<&UserName>,
    ) -> Result<FormatId, Error> {
        let mut chain = match there {
            There::Nothing | There::Image(_) => self.chain_or_new(path)?,
            There::Files(_) => self.chain_without_files(path, by)?,
        };
        let minus = chain.format.usage;
        let format = &mut chain.format;
        format.changed = format.next_change(self.now);
        (format.nested, format.usage) = (true, total);
        let id = format.id;
        let (tree_tag, tagged) = (chain.tag.id, chain.tag.created);
        let shown =
            Container { image, tag: tag.as_str().to_owned(), usage: total, tree_tag, tagged };
        CONTAINERS.put(self.txn, &id, &shown)?;
        CONTAINER_AGES.put(self.txn, &(image, (tagged, tree_tag)), tag)?;
        chain.job.revision += 1;
        self.save_format(path, chain.job.id, &chain.format)?;
        self.save_above_format(path, chain, Delta { minus, plus: total })?;
        Ok(id)
    }

    /// The chain down to a new format in the place of one with files of its own, which is
    /// detached. The new one still has the usage of the old one, as what lies above has.
    fn chain_without_files(
        &self,
        path: &FormatPath,
        by: Option<&UserName>,
    ) -> Result<Chain, Error> {
        let mut chain = tree::format(self.txn, path)?;
        let cause = Cause::request(&login_of(by));
        let fresh = self.new_format(path, &chain.job)?;
        let old = std::mem::replace(&mut chain.format, fresh);
        self.detach(Node::Format(old.id), path.to_string(), &cause, old.usage)?;
        if old.dirty {
            chain.job.dirty_formats = chain.job.dirty_formats.saturating_sub(1);
        }
        chain.format.created = old.created;
        chain.format.changed = old.changed;
        chain.format.usage = old.usage;
        Ok(chain)
    }

    /// Removes a tag that has no place in the tree.
    pub(super) fn drop_plain_tag(
        &self,
        image: ImageId,
        tag: &ImageTagName,
        row: &ImageTag,
    ) -> Result<(), Error> {
        self.remove_tag(image, tag, row)?;
        self.release_manifest(row.manifest, 1, LetGo::Deleted)
    }

    /// Removes a tag's row; its manifest is not released yet.
    pub(super) fn remove_tag(
        &self,
        image: ImageId,
        tag: &ImageTagName,
        row: &ImageTag,
    ) -> Result<(), Error> {
        self.uncharge_plain_tag(image, row)?;
        IMAGE_TAGS.remove(self.txn, &(image, tag.clone()))?;
        TAGS_OF.remove(self.txn, &(row.manifest, tag.clone()))?;
        Ok(())
    }

    /// The owner of a user's repository is charged for a tag less, if that has no place in the
    /// tree.
    fn uncharge_plain_tag(&self, image: ImageId, row: &ImageTag) -> Result<(), Error> {
        if row.format.is_some() {
            return Ok(());
        }
        match promised(&IMAGE_NAMES, self.txn, &image)?.repo() {
            Repo::User(user) => {
                self.uncharge_user(user.as_str(), self.manifest_total(row.manifest)?)
            }
            Repo::Shared => Ok(()),
        }
    }

    /// What a format that is being destroyed showed goes with it; `true` when nothing is left.
    pub(super) fn destroy_container(
        &self,
        id: FormatId,
        budget: &Budget,
        gone: &mut Usage,
    ) -> Result<bool, Error> {
        let Some(shown) = CONTAINERS.get(self.txn, &id)? else { return Ok(true) };
        if !budget.take() {
            return Ok(false);
        }
        let Container { image, tag, usage, tree_tag, tagged } = shown;
        if let Ok(tag) = ImageTagName::parse(&tag) {
            let row = IMAGE_TAGS.get(self.txn, &(image, tag.clone()))?;
            if let Some(row) = row.filter(|row| row.format == Some(id)) {
                self.remove_tag(image, &tag, &row)?;
                self.release_manifest(row.manifest, 1, LetGo::Deleted)?;
            }
        }
        CONTAINERS.remove(self.txn, &id)?;
        self.forget_age(image, (tagged, tree_tag))?;
        self.drop_image_if_empty(image)?;
        *gone = gone.plus(usage);
        Ok(true)
    }

    /// Unless a format that came later shows an image in the same tag of the tree.
    fn forget_age(&self, image: ImageId, age: (Timestamp, TagId)) -> Result<(), Error> {
        let Some(tag) = CONTAINER_AGES.get(self.txn, &(image, age))? else { return Ok(()) };
        let row = IMAGE_TAGS.get(self.txn, &(image, tag))?;
        let shown = match row.and_then(|row| row.format) {
            Some(format) => CONTAINERS.get(self.txn, &format)?,
            None => None,
        };
        if shown.is_none_or(|shown| shown.tree_tag != age.1) {
            CONTAINER_AGES.remove(self.txn, &(image, age))?;
        }
        Ok(())
    }
}
