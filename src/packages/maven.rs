//! Maven: what its paths lead to, and what is made of what is there (spec gitlab §6).
//!
//! Metadata is made here and never stored, so it names exactly what can be downloaded from the same
//! snapshot (I8): an artifact's versions are kept with the revision of its series (`versions`, on
//! [`super::pages`]), what is newest in a snapshot with that of its package (`snapshots`). Every
//! file has four checksums, which are no files: a checksum of metadata is one of these very bytes.
//! What clients send of metadata and checksums is compared and forgotten, but for the last few
//! (`sent`): a client that sends metadata sends its checksums next. Only the prefixes of plugins
//! are kept, as facts of a package without a version: nothing else here tells them.
//! Deliberately absent: HTTP, and who may read or publish what.

mod sent;
mod snapshots;
mod versions;

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use super::pages::{PageKey, Pages, Standing};
use super::{Opened, Packages};
use crate::blobs::hash::all_sums;
use crate::model::digest::{hex, unhex};
use crate::model::maven_metadata::MavenSnapshot;
use crate::model::maven_package::{MavenSum, series_of};
use crate::model::{
    MavenPath, MavenPlace, MavenPlugin, MavenXmlError, PackageFile, PackageFileId, PackageFileName,
    PackageKey, PackageMeta, PackageName, PackageVersion, ProjectId, RuleRole, Sums,
};
use crate::store::packages::{Again, Publish};
use crate::store::{self, View};
use sent::Sent;
use snapshots::Snapshots;
use versions::Versions;

/// Longest text of a checksum that is read, in bytes: some write the name of a file beside it.
pub const CHECKSUM_BYTES_MAX: usize = 4 << 10;

/// What cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was sent is no metadata.
    #[error(transparent)]
    Metadata(#[from] MavenXmlError),
    /// What the store says.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// What a path leads to.
#[derive(Clone, Debug)]
pub enum Found {
    /// A file; the newest of its name.
    File(PackageFileId, Box<PackageFile>),
    /// What is made of what is there: metadata.
    Metadata(Bytes),
    /// What is made of what is there: a checksum, as hex digits.
    Checksum(String),
}

/// What became of a checksum that a client sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    /// It is that of the file.
    Same,
    /// It is not.
    Different,
    /// There is no such file.
    Missing,
}

/// Who publishes.
#[derive(Clone, Debug)]
pub struct Publisher {
    /// Where.
    pub project: ProjectId,
    /// Their login.
    pub by: String,
    /// What they are there, as for [`Publish::may`].
    pub may: Option<RuleRole>,
}

/// What is remembered for Maven's clients.
#[derive(Default)]
pub struct Maven {
    sent: Sent,
    snapshots: Snapshots,
    /// Held while the plugins of a group change: they are read, and written with one more.
    plugins: Mutex<()>,
}

impl Found {
    /// What it adds up to.
    #[must_use]
    pub fn sums(&self) -> Sums {
        match self {
            Self::File(_, file) => file.sums,
            Self::Metadata(bytes) => all_sums(bytes),
            Self::Checksum(text) => all_sums(text.as_bytes()),
        }
    }
}

impl MavenSum {
    /// This one of them.
    fn of(self, sums: &Sums) -> Vec<u8> {
        match self {
            Self::Md5 => sums.md5.to_vec(),
            Self::Sha1 => sums.sha1.to_vec(),
            Self::Sha256 => sums.sha256.0.to_vec(),
            Self::Sha512 => sums.sha512().0.to_vec(),
        }
    }
}

impl Packages {
    /// What a path leads to in these projects, of which the newest counts, or all of them for
    /// metadata. Blocks.
    ///
    /// # Errors
    /// Those of the store.
    pub fn maven(
        &self,
        view: &View,
        projects: &[ProjectId],
        path: &MavenPath,
    ) -> Result<Option<Found>, store::Error> {
        if let Some((of, sum)) = path.sum_of() {
            let found = self.maven(view, projects, &of)?;
            let text = |found: Found| hex(&sum.of(&found.sums()));
            return Ok(found.map(|found| Found::Checksum(text(found))));
        }
        match path.place() {
            MavenPlace::Metadata(name) => self.metadata(view, projects, name),
            MavenPlace::SnapshotMetadata(name, version) => {
                self.snapshot(view, projects, name, version)
            }
            MavenPlace::File(key) => {
                let newest = newest(view, projects, key, path.file())?;
                Ok(newest.map(|(id, file)| Found::File(id, Box::new(file))))
            }
        }
    }

    /// Opens the file that a path leads to; `None`: it leads to none. Blocks.
    ///
    /// # Errors
    /// As [`Packages::open`].
    pub fn open_maven(
        &self,
        projects: &[ProjectId],
        path: &MavenPath,
    ) -> Result<Option<Opened>, super::Error> {
        let MavenPlace::File(key) = path.place() else { return Ok(None) };
        self.open(|view| newest(view, projects, key, path.file()))
    }

    /// Compares the text of a checksum with what it is to be of; `None`: the path is that of no
    /// checksum. Blocks.
    ///
    /// # Errors
    /// Those of the store.
    pub fn compare_maven(
        &self,
        view: &View,
        project: ProjectId,
        path: &MavenPath,
        text: &[u8],
    ) -> Result<Option<Compared>, store::Error> {
        let Some((of, sum)) = path.sum_of() else { return Ok(None) };
        let mut known = self.maven.sent.of(project, &of);
        known.extend(self.maven(view, &[project], &of)?.map(|found| found.sums()));
        if known.is_empty() {
            return Ok(Some(Compared::Missing));
        }
        let claimed = claimed(text);
        let is_same = |sums: &Sums| claimed.as_ref() == Some(&sum.of(sums));
        if !known.iter().any(is_same) {
            return Ok(Some(Compared::Different));
        }
        self.maven.sent.note(project, path, all_sums(text));
        Ok(Some(Compared::Same))
    }

    /// Takes notice of metadata that a client sends: of its checksums for a while, of the plugins
    /// that it names for good. Blocks.
    ///
    /// # Errors
    /// [`Error::Metadata`]; what the store says of a package that is protected.
    pub fn take_maven_metadata(
        &self,
        publisher: &Publisher,
        path: &MavenPath,
        text: &[u8],
    ) -> Result<(), Error> {
        let plugins = MavenPlugin::read_all(text)?;
        if let MavenPlace::Metadata(group) = path.place()
            && !plugins.is_empty()
        {
            self.keep_plugins(publisher, group, plugins)?;
        }
        self.maven.sent.note(publisher.project, path, all_sums(text));
        Ok(())
    }

    /// One after the other, so that of two clients none forgets what the other one adds.
    fn keep_plugins(
        &self,
        publisher: &Publisher,
        group: &PackageName,
        plugins: Vec<MavenPlugin>,
    ) -> Result<(), store::Error> {
        let _turn = self.maven.plugins.lock().unwrap_or_else(PoisonError::into_inner);
        let key = PackageKey { series: series_of(group.clone()), version: None };
        let view = self.store.view()?;
        let found = view.package_at(publisher.project, &key)?.map(|(id, _)| id);
        let known = found.map(|id| view.package_meta(id)).transpose()?.flatten();
        drop(view);
        let known = known.map(plugins_in).unwrap_or_default();
        let all = MavenPlugin::merge(known.clone(), plugins);
        if all == known {
            return Ok(());
        }
        let tuple = |plugin: MavenPlugin| (plugin.artifact, plugin.prefix, plugin.name);
        let meta = PackageMeta::Maven { plugins: all.into_iter().map(tuple).collect() };
        // Whoever may not publish the package may not change what is known of it either.
        let outcome = self.store.publish(Publish {
            project: publisher.project,
            key,
            title: group.to_string(),
            by: publisher.by.clone(),
            may: publisher.may,
            file: None,
            meta: Some(meta.clone()),
            status: None,
            tags: Vec::new(),
            again: Again::Append,
        });
        let package = outcome.wait()?.package;
        match found {
            Some(_) => self.store.set_package_meta(package, meta).wait(),
            None => Ok(()),
        }
    }

    fn metadata(
        &self,
        view: &View,
        projects: &[ProjectId],
        name: &PackageName,
    ) -> Result<Option<Found>, store::Error> {
        let series = series_of(name.clone());
        let (mut standings, mut plugins, mut packages) = (Vec::new(), Vec::new(), 0);
        for project in projects {
            let row = view.series(*project, &series)?.unwrap_or_default();
            standings.push(Standing { revision: row.revision, forgotten: row.forgotten });
            packages += row.packages;
            plugins = MavenPlugin::merge(plugins, plugins_of(view, *project, name)?);
        }
        if packages == 0 {
            return Ok(None);
        }
        // A plugin goes with its artifact, which is another series: so they are part of the key.
        let flavour = format!("metadata {plugins:?}");
        let key = PageKey { projects: projects.to_vec(), series: series.clone(), flavour };
        let draw = Versions { view, series: &series, plugins: &plugins };
        let page = Pages::page(&self.pages, &key, &standings, &draw)?;
        Ok((!page.bytes.is_empty()).then(|| Found::Metadata(page.bytes.clone())))
    }

    fn snapshot(
        &self,
        view: &View,
        projects: &[ProjectId],
        name: &PackageName,
        version: &PackageVersion,
    ) -> Result<Option<Found>, store::Error> {
        let key = PackageKey { series: series_of(name.clone()), version: Some(version.clone()) };
        let mut all = MavenSnapshot::default();
        for project in projects {
            let package = view.package_at(*project, &key)?;
            let Some((id, package)) = package.filter(|(_, it)| it.status.is_installable()) else {
                continue;
            };
            all.add_all(&*self.maven.snapshots.of(view, id, &package)?);
        }
        Ok(all.render(name.as_str(), version.as_str()).map(|text| Found::Metadata(text.into())))
    }
}

/// Whether the settings of the project's group certainly let nobody publish this again: it can be
/// told before the bytes come. Publishing decides it anew.
///
/// # Errors
/// Those of the store.
pub fn is_refused_again(
    view: &View,
    project: ProjectId,
    key: &PackageKey,
    file: &str,
) -> Result<bool, store::Error> {
    let settings = view.package_settings_of(project)?;
    if settings.maven_duplicates || !settings.maven_exception.is_empty() || key.version.is_none() {
        return Ok(false);
    }
    Ok(newest(view, &[project], key, file)?.is_some())
}

/// The file of a name with the highest id.
fn newest(
    view: &View,
    projects: &[ProjectId],
    key: &PackageKey,
    file: &str,
) -> Result<Option<(PackageFileId, PackageFile)>, store::Error> {
    let Ok(file) = PackageFileName::parse(file) else { return Ok(None) };
    let mut newest = None;
    for project in projects {
        let Some((id, package)) = view.package_at(*project, key)? else { continue };
        if !package.status.is_installable() {
            continue;
        }
        let found = view.newest_file(id, &file)?;
        newest = found.into_iter().chain(newest).max_by_key(|(id, _)| *id);
    }
    Ok(newest)
}

/// The plugins of a group whose artifacts are there.
fn plugins_of(
    view: &View,
    project: ProjectId,
    group: &PackageName,
) -> Result<Vec<MavenPlugin>, store::Error> {
    let key = PackageKey { series: series_of(group.clone()), version: None };
    let found = view.package_at(project, &key)?;
    let Some((id, _)) = found.filter(|(_, package)| package.status.is_installable()) else {
        return Ok(Vec::new());
    };
    let mut plugins = view.package_meta(id)?.map(plugins_in).unwrap_or_default();
    let mut failed = Ok(());
    plugins.retain(|plugin| {
        let Ok(name) = PackageName::parse(&format!("{group}/{}", plugin.artifact)) else {
            return false;
        };
        match view.series(project, &series_of(name)) {
            Ok(series) => series.is_some_and(|series| series.packages > 0),
            Err(error) => {
                failed = Err(error);
                false
            }
        }
    });
    failed.map(|()| plugins)
}

fn plugins_in(meta: PackageMeta) -> Vec<MavenPlugin> {
    let PackageMeta::Maven { plugins } = meta else { return Vec::new() };
    let plugin = |(artifact, prefix, name)| MavenPlugin { artifact, prefix, name };
    plugins.into_iter().map(plugin).collect()
}

/// The value in a checksum's text: hex digits of any case, before or behind the name of a file
/// (`… name`, `SHA1 (name) = …`).
fn claimed(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let value = match text.rsplit_once("= ") {
        Some((_, value)) => value.trim(),
        None => text.split_whitespace().next()?,
    };
    unhex(value)
}

#[cfg(test)]
mod tests;
