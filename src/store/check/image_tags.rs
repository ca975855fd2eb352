//! The walk over the tags of the registry, and over what the artifact tree shows of them: the way
//! back from a format to its tag, its place in the order of age, what it comes to (I2).
//!
//! A tag counts only while names lead to its format. Of those that do not count any more the rows
//! go with the format, so there less must be there.

use super::fix::{Erase, Fix};
use super::image_fix::ImageFix;
use super::index::IndexRow;
use super::products::readable;
use super::shift::{Holder, Shift};
use super::{Halt, Pass};
use crate::db::schema::{ARTIFACTS, CONTAINERS, IMAGE_TAGS, MANIFESTS, NODES, TAGS};
use crate::db::{self, Found, Rows, Span};
use crate::model::image::CONTAINER;
use crate::model::{
    BranchId, Container, FormatId, ImageId, ImageTag, ImageTagName, JobId, Manifest, Node, Repo,
    TagId, TagName, Usage,
};
use crate::store::links;

/// What the format of a tag must show; `None`: it has none that names lead to.
pub(super) fn shown_as(
    rows: &impl Rows,
    image: ImageId,
    tag: &ImageTagName,
    row: &ImageTag,
) -> Result<Option<(FormatId, Container)>, db::Error> {
    let Some(format) = row.format else { return Ok(None) };
    if links::unnamed(rows, Node::Format(format))?.is_some() {
        return Ok(None);
    }
    let Some(above) = NODES.get(rows, &Node::Format(format))? else { return Ok(None) };
    let Some(above) = NODES.get(rows, &Node::Job(JobId(above.parent)))? else { return Ok(None) };
    let tree_tag = TagId(above.parent);
    let Some(entry) = NODES.get(rows, &Node::Tag(tree_tag))? else { return Ok(None) };
    let Ok(name) = TagName::parse(&entry.name) else { return Ok(None) };
    let found = TAGS.get(rows, &(BranchId(entry.parent), name))?;
    let manifest = MANIFESTS.get(rows, &row.manifest)?;
    let (Some(found), Some(Manifest { total: usage, .. })) = (found, manifest) else {
        return Ok(None);
    };
    let tag = tag.as_str().to_owned();
    Ok(Some((format, Container { image, tag, usage, tree_tag, tagged: found.created })))
}

/// The tag that a row says its format shows.
fn tag_of(
    rows: &impl Rows,
    shown: &Container,
) -> Result<Option<(ImageTagName, ImageTag)>, db::Error> {
    let Ok(tag) = ImageTagName::parse(&shown.tag) else { return Ok(None) };
    Ok(IMAGE_TAGS.get(rows, &(shown.image, tag.clone()))?.map(|row| (tag, row)))
}

impl Pass<'_, '_, '_> {
    /// Formats whose tag is known though they do not lead to it: their usage is known too, before
    /// the walk over the tree asks for it.
    pub(super) fn find_unshown(&mut self) -> Result<(), Halt> {
        for row in IMAGE_TAGS.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            let Found::Row((image, tag), row) = row? else { continue };
            let Some(format) = row.format else { continue };
            if self.leads_back(format, image, &tag)? {
                continue;
            }
            if let Some(Some(manifest)) = readable(MANIFESTS.get(self.rows, &row.manifest))? {
                self.registry.unshown.insert(format, manifest.total);
            }
        }
        self.registry.has_unshown = true;
        Ok(())
    }

    fn leads_back(
        &self,
        format: FormatId,
        image: ImageId,
        tag: &ImageTagName,
    ) -> Result<bool, Halt> {
        let shown = readable(CONTAINERS.get(self.rows, &format))?.flatten();
        Ok(shown.is_some_and(|shown| shown.image == image && shown.tag == tag.as_str()))
    }

    /// What a format that shows an image comes to, which has no rows of files.
    pub(super) fn image_usage(&mut self, at: FormatId) -> Result<Usage, Halt> {
        if let Some(usage) = self.registry.unshown.get(&at) {
            return Ok(*usage);
        }
        let Some(shown) = readable(CONTAINERS.get(self.rows, &at))? else {
            // Nobody knows what it shows, so nothing above it is sure.
            self.found.in_doubt = true;
            return Ok(Usage::default());
        };
        let Some(shown) = shown else {
            // Without a walk over the tags it may be one that lost its way back.
            let ends = format!("/{CONTAINER}/");
            self.found.in_doubt |= !self.registry.has_unshown
                && self.path.ends_with(&ends)
                && !ARTIFACTS.has_any(self.rows, Span::under(&at))?;
            return Ok(Usage::default());
        };
        let tag = readable(tag_of(self.rows, &shown))?.flatten();
        let tag = tag.filter(|(_, row)| row.format == Some(at));
        let Some((_, row)) = tag else { return Ok(shown.usage) };
        let Some(Some(manifest)) = readable(MANIFESTS.get(self.rows, &row.manifest))? else {
            return Ok(shown.usage);
        };
        let whose = format!("the image that {} shows", self.path);
        let shift = Shift { found: shown.usage, counted: manifest.total };
        self.compare(&whose, shift, Holder::Container(at));
        Ok(manifest.total)
    }

    pub(super) fn check_image_tags(&mut self) -> Result<(), Halt> {
        for row in IMAGE_TAGS.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row((image, tag), row) => self.check_image_tag(image, &tag, &row)?,
                Found::Unreadable { key, what } => {
                    self.found.unreadable(IMAGE_TAGS.name(), &key, &what);
                }
            }
        }
        Ok(())
    }

    fn check_image_tag(
        &mut self,
        image: ImageId,
        tag: &ImageTagName,
        row: &ImageTag,
    ) -> Result<(), Halt> {
        self.found.recount.checked.image_tags += 1;
        self.look_for_image(image)?;
        let path = |it: &Self| format!("{}manifests/{tag}", it.path_of_image(image));
        let index = IndexRow::TagOf(row.manifest, tag.clone());
        self.want(index, |it| format!("{} is not listed with what it names", path(it)))?;
        // What cannot be read is told elsewhere.
        let Some(manifest) = readable(MANIFESTS.get(self.rows, &row.manifest))? else {
            return Ok(());
        };
        let Some(manifest) = manifest.filter(|manifest| manifest.image == image) else {
            self.found.in_doubt = true;
            let (path, id) = (path(self), row.manifest.0);
            self.found.damage(format!(
                "{path} names manifest {id}, which is not in the repository; restore it from a \
                 backup"
            ));
            return Ok(());
        };
        if let Some(format) = row.format {
            return self.check_shown(image, tag, format);
        }
        if let Some(Repo::User(user)) = self.image_name(image)?.map(|name| name.repo()) {
            self.owe(user.as_str(), manifest.total);
        }
        Ok(())
    }

    /// Whether the format of a tag leads back to it.
    fn check_shown(
        &mut self,
        image: ImageId,
        tag: &ImageTagName,
        format: FormatId,
    ) -> Result<(), Halt> {
        if self.leads_back(format, image, tag)? {
            return Ok(());
        }
        let path = format!("{}manifests/{tag}", self.path_of_image(image));
        if self.is_dead(format)? {
            let what = format!("{path} is still there, although its place in the tree is not");
            self.found.differ(what, Fix::Image(ImageFix::DeadTag(image, tag.clone())));
        } else {
            let what = format!("{path} has a place in the tree that does not lead back to it");
            self.found.differ(what, Fix::Image(ImageFix::Container(image, tag.clone())));
        }
        Ok(())
    }

    /// Whether no name leads to a format, and that for sure.
    fn is_dead(&self, format: FormatId) -> Result<bool, Halt> {
        let Some(top) = readable(links::unnamed(self.rows, Node::Format(format)))?.flatten() else {
            return Ok(false);
        };
        let is_gone = self.waiting.contains(&top) || !NODES.has(self.rows, &top)?;
        Ok(is_gone && !self.misnamed.contains(&top))
    }

    pub(super) fn check_containers(&mut self) -> Result<(), Halt> {
        for row in CONTAINERS.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row(format, shown) => self.check_container(format, &shown)?,
                Found::Unreadable { key, what } => {
                    let erase: Erase = |txn, key| CONTAINERS.remove_unreadable(txn, key);
                    self.broken(CONTAINERS.name(), key, &what, erase);
                }
            }
        }
        Ok(())
    }

    fn check_container(&mut self, format: FormatId, shown: &Container) -> Result<(), Halt> {
        let node = Node::Format(format);
        if !NODES.has(self.rows, &node)? && !self.misnamed.contains(&node) {
            let what = format!("format {} shows an image, but it is not there", format.0);
            self.found.differ(what, Fix::Image(ImageFix::StrayContainer(format)));
            return Ok(());
        }
        if self.is_dead(format)? {
            let age = (shown.tagged, shown.tree_tag);
            self.registry.fading.insert((shown.image, age));
            return Ok(());
        }
        let Some(found) = readable(tag_of(self.rows, shown))? else { return Ok(()) };
        let found = found.filter(|(_, row)| row.format == Some(format));
        let Some((tag, row)) = found else {
            // A tag that leads here is told of itself.
            if !self.registry.unshown.contains_key(&format) {
                let (path, tag) = (self.name_of(node), &shown.tag);
                let image = self.path_of_image(shown.image);
                self.found.damage(format!(
                    "{path} shows {image}manifests/{tag}, which does not know of it; push the \
                     image again or delete the format"
                ));
            }
            return Ok(());
        };
        self.check_place(node, shown, tag, &row)
    }

    fn check_place(
        &mut self,
        node: Node,
        shown: &Container,
        tag: ImageTagName,
        row: &ImageTag,
    ) -> Result<(), Halt> {
        let wanted = readable(shown_as(self.rows, shown.image, &tag, row))?.flatten();
        let Some((_, wanted)) = wanted else { return Ok(()) };
        let path = self.name_of(node);
        let name = self.image_name(shown.image)?;
        let place = name.and_then(|name| name.format_of(&tag)).map(|place| place.to_string());
        if place.is_some_and(|place| place != path) {
            let image = self.path_of_image(shown.image);
            self.found.damage(format!(
                "{path} shows {image}manifests/{tag}, which belongs elsewhere; push the image \
                 again and delete the format"
            ));
        }
        if (wanted.tree_tag, wanted.tagged) != (shown.tree_tag, shown.tagged) {
            let what = format!("{path} shows an image under the age of another tag");
            self.found.differ(what, Fix::Image(ImageFix::Container(shown.image, tag)));
            return Ok(());
        }
        let row = IndexRow::Age(shown.image, (shown.tagged, shown.tree_tag), tag);
        self.want(row, |_| format!("{path} is not in the order of age of its repository"))
    }
}
