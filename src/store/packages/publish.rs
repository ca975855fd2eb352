//! Publishing: one transaction finds or makes the package and puts file, facts and names of it.
//!
//! The bytes are placed and summed before (I1, I4); everything that may be refused is looked at
//! before anything is changed, in the same transaction: of two publishers the second is refused.

use std::ops::ControlFlow;

use crate::db::schema::{
    Meta, PACKAGE_FILE_NAMES, PACKAGE_FILES, PACKAGE_FILES_IN, PACKAGE_METAS, PACKAGE_NAMES,
    PACKAGES_IN,
};
use crate::db::{Pending, Span};
use crate::model::{
    BlobId, Distribution, Package, PackageFile, PackageFileId, PackageFileName, PackageId,
    PackageKey, PackageKind, PackageMeta, PackageStatus, PackageTagName, ProjectId, Referrer,
    RuleRole, Sums, Usage,
};
use crate::store::blobs::{Arrival, Content};
use crate::store::tx::promised;
use crate::store::{Error, Store, Tx};

use super::series::Number;
use super::{at, describe, is_live, settings};

/// What somebody publishes.
#[derive(Clone, Debug)]
pub struct Publish {
    /// Where.
    pub project: ProjectId,
    /// Name and version as they are looked up. Of npm the name in lower case: two names that
    /// differ in their case only are refused.
    pub key: PackageKey,
    /// The name as it was written.
    pub title: String,
    /// The login of the publisher.
    pub by: String,
    /// What the publisher is in the project, for the rules that protect packages; `None`: a
    /// deploy token, which counts as a developer.
    pub may: Option<RuleRole>,
    /// A file of the package.
    pub file: Option<NewPackageFile>,
    /// What the format knows of the package, kept if nothing is known of it yet.
    pub meta: Option<PackageMeta>,
    /// What the package may be used for from now on; `None`: everything if it is new, and as
    /// before if it is not.
    pub status: Option<PackageStatus>,
    /// Moving names that name this version from now on.
    pub tags: Vec<PackageTagName>,
    /// What may be there already.
    pub again: Again,
}

/// A file that is published.
#[derive(Clone, Debug)]
pub struct NewPackageFile {
    /// Its name.
    pub name: PackageFileName,
    /// Its bytes.
    pub content: Content,
    /// What they add up to, computed here (I4).
    pub sums: Sums,
    /// The versions of Python that it is for.
    pub requires_python: Option<String>,
}

/// What may be there already when something is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// Anything: the file is the newest of its name.
    Append,
    /// Not the version.
    NewPackageOnly,
    /// Not a file of that name in the version, and of `PyPI` in no other spelling of it: whoever
    /// publishes has looked at all files below this number, which a view tells
    /// ([`crate::store::View::unseen_package_file`]).
    NewFileNameOnly(PackageFileId),
    /// What the settings of the group let be there that the project is in.
    Settings,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// The package.
    pub package: PackageId,
    /// The file, if there was one.
    pub file: Option<PackageFileId>,
    /// Whether the file's bytes are stored as they came; [`Arrival::Known`] without a file.
    pub arrival: Arrival,
}

impl Store {
    /// Publishes a version, or a file of one.
    ///
    /// # Errors
    /// [`Error::ProjectUnknown`], [`Error::PackageProtected`], [`Error::PackageNameTaken`]; when a
    /// right ended meanwhile [`Error::CredentialsEnded`] and [`Error::RoleEnded`]; by what may be
    /// there [`Error::PackageExists`], [`Error::PackageFileExists`] and
    /// [`Error::DuplicateNotAllowed`]; [`Error::PackageRule`] for a status that nobody can give
    /// and for more tags than a package may have; [`Error::BlobUnknown`], [`Error::Db`].
    pub fn publish(&self, new: Publish) -> Pending<Published, Error> {
        self.change(move |tx| tx.publish(&new))
    }
}

impl Tx<'_, '_> {
    fn publish(&self, new: &Publish) -> Result<Published, Error> {
        let found = self.check_publish(new)?;
        let known = new.file.as_ref().map(|file| self.known(&file.content)).transpose()?;
        let number = if found.is_some() { Number::Same } else { Number::OneMore };
        let (id, mut package) = match found {
            Some(found) => found,
            None => self.new_package(new)?,
        };
        if let Some(status) = new.status {
            (package.status, package.status_message) = (status, None);
        }
        let mut published = Published { package: id, file: None, arrival: Arrival::Known };
        if let Some(file) = &new.file {
            let (file, arrival) =
                self.add_file(id, &mut package, (file, &new.by), known.flatten())?;
            (published.file, published.arrival) = (Some(file), arrival);
        }
        if let Some(meta) = &new.meta
            && !PACKAGE_METAS.has(self.txn, &id)?
        {
            PACKAGE_METAS.put(self.txn, &id, meta)?;
        }
        for tag in &new.tags {
            self.point_tag(new.project, (&new.key.series.name, tag), id)?;
        }
        self.save_package(id, &mut package, number)?;
        Ok(published)
    }

    /// Finds the package, and whatever is in the way.
    fn check_publish(&self, new: &Publish) -> Result<Option<(PackageId, Package)>, Error> {
        if !is_live(self.txn, new.project)? {
            return Err(Error::ProjectUnknown(new.project.0.to_string()));
        }
        new.status.map_or(Ok(()), settings::check_status)?;
        if let Some(NewPackageFile { content, sums, .. }) = &new.file
            && *content.digest() != sums.sha256
        {
            return Err(Error::BlobUnknown(sums.sha256));
        }
        let found = at(self.txn, new.project, &new.key)?;
        let may = self.publishes_as(new.project, new.may)?;
        self.check_push(new, may)?;
        if new.key.series.kind == PackageKind::Npm {
            self.check_case(new)?;
        }
        self.check_again(new, found.as_ref().map(|(id, _)| *id))?;
        self.check_tags(new.project, &new.key.series.name, &new.tags)?;
        Ok(found)
    }

    /// Of npm there is one way to write a name.
    fn check_case(&self, new: &Publish) -> Result<(), Error> {
        match self.title_of_series(new.project, &new.key.series)? {
            Some(other) if other != new.title => {
                Err(Error::PackageNameTaken { name: new.title.clone(), other })
            }
            _ => Ok(()),
        }
    }

    fn check_again(&self, new: &Publish, found: Option<PackageId>) -> Result<(), Error> {
        let Some(id) = found else { return Ok(()) };
        if new.again == Again::NewPackageOnly {
            return Err(Error::PackageExists(describe(&new.key)));
        }
        let Some(file) = &new.file else { return Ok(()) };
        let what = || format!("{} of {}", file.name, describe(&new.key));
        let is_there = || PACKAGE_FILE_NAMES.has_any(self.txn, named(id, &file.name));
        match new.again {
            Again::NewFileNameOnly(unseen)
                if is_there()? || self.came_meanwhile(id, unseen, (&new.key, &file.name))? =>
            {
                Err(Error::PackageFileExists(what()))
            }
            Again::Settings if is_there()? && !self.may_duplicate(new.project, &new.key)? => {
                Err(Error::DuplicateNotAllowed(what()))
            }
            _ => Ok(()),
        }
    }

    /// Whether a file from this number on has the name in whatever spelling: what other publishers
    /// sent since somebody looked, so this reads little.
    fn came_meanwhile(
        &self,
        at: PackageId,
        unseen: PackageFileId,
        (key, name): (&PackageKey, &PackageFileName),
    ) -> Result<bool, Error> {
        let Some(wanted) = Distribution::within(name.as_str(), key) else { return Ok(false) };
        let mut came = false;
        let since = Span::under(&at).from(&(at, unseen));
        PACKAGE_FILES_IN.each(self.txn, since, |(_, id), ()| {
            let file = promised(&PACKAGE_FILES, self.txn, &id)?;
            let known = Distribution::within(&file.name, key).filter(|_| file.marked.is_none());
            came = known.is_some_and(|known| known.identity() == wanted.identity());
            Ok::<_, Error>(if came { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(came)
    }

    fn new_package(&self, new: &Publish) -> Result<(PackageId, Package), Error> {
        let id = PackageId(self.next(Meta::NEXT_PACKAGE)?);
        PACKAGE_NAMES.put(self.txn, &(new.project, new.key.clone()), &id)?;
        PACKAGES_IN.put(self.txn, &(new.project, id), &())?;
        let PackageKey { series, version } = &new.key;
        let package = Package {
            project: new.project,
            kind: series.kind,
            name: series.name.to_string(),
            title: new.title.clone(),
            version: version.as_ref().map(ToString::to_string),
            status: PackageStatus::Default,
            status_message: None,
            creator: new.by.clone(),
            created: self.now,
            updated: self.now,
            revision: 0,
            usage: Usage::default(),
        };
        Ok((id, package))
    }

    fn add_file(
        &self,
        at: PackageId,
        package: &mut Package,
        (new, by): (&NewPackageFile, &str),
        known: Option<BlobId>,
    ) -> Result<(PackageFileId, Arrival), Error> {
        let id = PackageFileId(self.next(Meta::NEXT_PACKAGE)?);
        let (blob, size, arrival) = self.take_in(&new.content, known, Referrer::PackageFile(id))?;
        let file = PackageFile {
            package: at,
            name: new.name.to_string(),
            blob,
            size,
            sums: new.sums,
            marked: None,
            by: by.to_owned(),
            created: self.now,
            requires_python: new.requires_python.clone(),
        };
        PACKAGE_FILES.put(self.txn, &id, &file)?;
        PACKAGE_FILES_IN.put(self.txn, &(at, id), &())?;
        PACKAGE_FILE_NAMES.put(self.txn, &(at, (new.name.clone(), id)), &())?;
        let more = Usage::of(size);
        package.usage = package.usage.plus(more);
        self.count_project(package.project, |usage| usage.live = usage.live.plus(more))?;
        self.count(|totals| totals.named = totals.named.plus(more))?;
        Ok((id, arrival))
    }
}

/// The rows of a package's files of one name.
fn named(
    package: PackageId,
    name: &PackageFileName,
) -> crate::db::Span<(PackageId, (PackageFileName, PackageFileId))> {
    crate::db::Span::under(&(package, name.clone()))
}
