//! What a name stands for: one table of precedence, first for pulls, then for pushes. Pulls are
//! resolved here; the transaction of a push ([`crate::store::manifests`]) refuses what is to be.
//!
//! | pulled | stands for |
//! |---|---|
//! | a tag that was pushed | that, also where it has the name of an alias |
//! | `latest`, `stable`, `oldstable` of a job | the newest such tag of the tree, if readable |
//! | a version of a product's branch | the `container` of a job that feeds it |
//! | `latest`, … there | the newest such version that is readable and has one |
//! | a digest | a manifest of the repository; of a product, of one of its versions |
//!
//! A repository with manifests of its own goes before a product of its name.
//!
//! | pushed | |
//! |---|---|
//! | a tag of a job's repository | is the format `container` of the tree's tag too |
//! | `latest`, `stable`, `oldstable`, `sha256-…` | a tag without a place in the tree |
//! | a tag that differs from a live one of the job in its case only | is refused |
//! | the name of a product, to which nothing was pushed before | is refused |
//! | `u/…` that is no user's, `…/dependency_proxy/containers/…` | is no name ([`ImageName`]) |
//!
//! Deliberately absent: the rights to what is asked for by name, which the guard asked about.

use super::{Error, Registry};
use crate::model::image::CONTAINER;
use crate::model::{
    FormatName, ImageName, ImagePlace, ImageTagName, Manifest, ManifestId, ProductBranchPath,
    Reference, VersionName, VersionPath, VersionRef,
};
use crate::store::containers::Shown;
use crate::store::{self, View};

/// A manifest that a reference names.
#[derive(Clone, Debug)]
pub struct Found {
    /// The repository that it is in: another one than was asked for behind a product.
    pub image: ImageName,
    /// Its id.
    pub id: ManifestId,
    /// Its record.
    pub manifest: Manifest,
}

impl Registry {
    /// The manifest that a reference names. `may_read` says of a tag behind an alias whether the
    /// caller may read it.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn resolve(
        &self,
        view: &View,
        name: &ImageName,
        reference: &Reference,
        may_read: impl Fn(&ImageTagName) -> bool,
    ) -> Result<Option<Found>, Error> {
        if let Some(product) = product_of(view, name)? {
            return self.in_product(view, name, &product, reference, &may_read);
        }
        let found = match reference {
            Reference::Digest(digest) => view.manifest(name, digest)?,
            Reference::Tag(tag) => behind_tag(view, name, tag, &may_read)?,
        };
        Ok(found.map(|(id, manifest)| Found { image: name.clone(), id, manifest }))
    }

    fn in_product(
        &self,
        view: &View,
        name: &ImageName,
        product: &ProductBranchPath,
        reference: &Reference,
        may_read: &dyn Fn(&ImageTagName) -> bool,
    ) -> Result<Option<Found>, Error> {
        let tag = match reference {
            Reference::Digest(digest) => {
                let now = self.store.clock().now();
                return self.products.manifest(view, (name, product), now, digest);
            }
            Reference::Tag(tag) => tag,
        };
        let Some(version) = version_of(view, product, tag, may_read)? else { return Ok(None) };
        let shown = container_of(view, product, &version)?;
        Ok(shown.map(|Shown { image, id, manifest, .. }| {
            self.products.note(name, &image, id, self.store.clock().now());
            Found { image, id, manifest }
        }))
    }
}

/// The product that is pulled by this name, if it is one's and nothing was pushed to it.
///
/// # Errors
/// [`Error::Store`].
pub fn product_of(view: &View, name: &ImageName) -> Result<Option<ProductBranchPath>, Error> {
    let ImagePlace::Product(path) = name.place() else { return Ok(None) };
    if let Some(image) = view.image(name)?
        && view.has_live_content(image.id)?
    {
        return Ok(None);
    }
    match view.check_product_branch(&path) {
        Ok(()) => Ok(Some(path)),
        Err(store::Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What the container of a version is, if it has one.
///
/// # Errors
/// [`Error::Store`].
pub fn container_of(
    view: &View,
    product: &ProductBranchPath,
    version: &VersionName,
) -> Result<Option<Shown>, Error> {
    let at = VersionPath { branch: product.clone(), version: version.clone() };
    // It is a name of a format.
    let Ok(format) = FormatName::parse(CONTAINER) else { return Ok(None) };
    let found = view.version_format(&at.format(format)).and_then(|path| view.format(&path));
    match found {
        Ok(format) => Ok(view.container(format.id)?),
        Err(store::Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn behind_tag(
    view: &View,
    name: &ImageName,
    tag: &ImageTagName,
    may_read: &dyn Fn(&ImageTagName) -> bool,
) -> Result<Option<(ManifestId, Manifest)>, Error> {
    let mut row = view.image_tag(name, tag)?;
    if row.is_none()
        && let Some(alias) = tag.tree_ref()
        && let Some(real) = view.image_alias(name, &alias, may_read)?
    {
        row = view.image_tag(name, &real)?;
    }
    let Some(row) = row else { return Ok(None) };
    Ok(view.manifest_by_id(row.manifest)?.map(|manifest| (row.manifest, manifest)))
}

/// A version by its name or by an alias. What has no container does not count behind one.
fn version_of(
    view: &View,
    product: &ProductBranchPath,
    tag: &ImageTagName,
    may_read: &dyn Fn(&ImageTagName) -> bool,
) -> Result<Option<VersionName>, Error> {
    let Ok(version) = VersionRef::parse(tag.as_str()) else { return Ok(None) };
    let counts = |at: &VersionPath| {
        ImageTagName::parse(at.version.as_str()).is_ok_and(|tag| may_read(&tag))
            && container_of(view, product, &at.version).is_ok_and(|found| found.is_some())
    };
    match view.resolve_version(product, &version, counts) {
        Ok(version) => Ok(Some(version)),
        Err(store::Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
