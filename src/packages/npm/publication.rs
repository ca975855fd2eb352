//! [`Publication`]: a document all of whose parts fit each other (spec gitlab §5.2).
//!
//! Of a version its publisher's words are kept, without what no client reads, and with what was
//! found out here: sums are compared and never copied (I4).
//! Deliberately absent: whether the version is here already, which the publishing transaction
//! decides.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::tarball::{self, Contents, UnpackLimits};
use super::{Error, MANIFEST_MAX, Posted};
use crate::model::digest::{Algorithm, hex};
use crate::model::npm_package::{NpmName, NpmVersion, npm_tag};
use crate::model::{
    PackageFileName, PackageKey, PackageKind, PackageMeta, PackageTagName, ProjectId, RuleRole,
    SeriesKey, Sums,
};
use crate::packages::{Arrived, NamedFile};
use crate::store;
use crate::store::packages::{Again, PACKAGE_TAGS_MAX, Publish, RuleError};

/// What of package.json is not kept: texts for people that no client reads from here, and what a
/// publisher's machine notes for itself.
const DROPPED: [&str; 14] = [
    "readme",
    "readmeFilename",
    "licenseText",
    "contributors",
    "exports",
    "dist",
    "deprecated",
    "_attachments",
    "_from",
    "_resolved",
    "_integrity",
    "_where",
    "_rev",
    "_revisions",
];

/// A version that can be published.
pub struct Publication {
    /// Its name and version.
    pub key: PackageKey,
    name: NpmName,
    version: NpmVersion,
    tags: Vec<PackageTagName>,
    manifest: String,
    tarball: Arrived,
}

impl Posted {
    /// Whether something is published, and not said of what is here.
    #[must_use]
    pub fn publishes(&self) -> bool {
        self.document.has_attachments
    }

    /// Whether it says of versions that nobody should use them, or takes that back.
    #[must_use]
    pub fn speaks(&self) -> bool {
        self.document.versions.iter().any(|(_, reason)| reason.is_some())
    }

    /// What is published, under the name of the URL. Reads the tarball.
    ///
    /// # Errors
    /// All but [`Error::NothingToDeprecate`]; nothing is kept then.
    pub fn publication(self, url: &NpmName) -> Result<Publication, Error> {
        let Self { document, tarball } = self;
        let (version, mut manifest) = document.first.ok_or(Error::NoVersion)?;
        let version = NpmVersion::parse(&version)?;
        let tarball = tarball.ok_or(Error::NoAttachment)?;
        let name = url.as_str();
        check("name", document.name.as_deref(), name)?;
        check("the name of the version", text(&manifest, "name"), name)?;
        check("the version of the version", text(&manifest, "version"), &version.to_string())?;
        let file = format!("{url}-{version}.tgz");
        check("the attachment", document.attachment.as_deref(), &file)?;
        let tags = tags(document.tags, &version)?;
        check_sums(&manifest, &tarball.sums)?;
        let (found, limits) = ((url, &version), UnpackLimits::default());
        let contents = tarball::check(tarball.reader(), tarball.size, found, limits)?;
        complete(&mut manifest, &contents);
        let manifest = Value::Object(manifest).to_string();
        if manifest.len() > MANIFEST_MAX {
            return Err(Error::ManifestTooLarge(manifest.len()));
        }
        let series = SeriesKey { kind: PackageKind::Npm, name: url.key()? };
        let key = PackageKey { series, version: Some(version.key()?) };
        Ok(Publication { key, name: url.clone(), version, tags, manifest, tarball })
    }
}

impl Publication {
    /// What the store and the files need to publish it.
    ///
    /// # Errors
    /// [`Error::Name`], never.
    pub fn into_parts(
        self,
        project: ProjectId,
        by: String,
        may: Option<RuleRole>,
    ) -> Result<(Publish, NamedFile), Error> {
        let file = self.name.file(&self.version);
        let wrong = |_| crate::model::npm_package::NpmNameError::Name(self.name.to_string());
        let name = PackageFileName::parse(&file).map_err(wrong)?;
        let new = Publish {
            project,
            key: self.key,
            title: self.name.to_string(),
            by,
            may,
            file: None,
            meta: Some(PackageMeta::Npm { manifest: self.manifest, deprecated: None }),
            status: None,
            tags: self.tags,
            again: Again::NewPackageOnly,
        };
        Ok((new, NamedFile { name, requires_python: None, arrived: self.tarball }))
    }
}

fn check(what: &'static str, found: Option<&str>, expected: &str) -> Result<(), Error> {
    let found = found.unwrap_or_default();
    if found == expected {
        return Ok(());
    }
    let found = found.chars().take(256).collect();
    Err(Error::Differs { what, found, expected: expected.to_owned() })
}

fn text<'a>(manifest: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    manifest.get(key).and_then(Value::as_str)
}

/// The first tag counts, as one version is published under one.
fn tags(said: Vec<(String, String)>, version: &NpmVersion) -> Result<Vec<PackageTagName>, Error> {
    if said.len() > PACKAGE_TAGS_MAX {
        return Err(store::Error::from(RuleError::TooManyTags).into());
    }
    let Some((tag, named)) = said.into_iter().next() else { return Ok(Vec::new()) };
    let tag = npm_tag(&tag)?;
    check("the version of the tag", Some(&named), &version.to_string())?;
    Ok(vec![tag])
}

/// Compares what the publisher says that the tarball adds up to.
fn check_sums(manifest: &Map<String, Value>, sums: &Sums) -> Result<(), Error> {
    let Some(dist) = manifest.get("dist") else { return Ok(()) };
    if let Some(said) = dist.get("shasum").filter(|said| !said.is_null()) {
        let actual = hex(&sums.sha1);
        let said = said.as_str().unwrap_or_default();
        if !said.eq_ignore_ascii_case(&actual) {
            let (what, said) = ("dist.shasum", shown(said));
            return Err(Error::WrongSum { what, said, actual });
        }
    }
    match dist.get("integrity").filter(|said| !said.is_null()) {
        Some(said) => check_integrity(said.as_str().unwrap_or_default(), sums),
        None => Ok(()),
    }
}

/// As in subresource integrity: sums with spaces between, options behind a question mark. All of
/// those that are computed here have to be right.
fn check_integrity(said: &str, sums: &Sums) -> Result<(), Error> {
    let what = "dist.integrity";
    let no_sum = || Error::NoSum { what, found: shown(said) };
    let mut is_known = false;
    for item in said.split_ascii_whitespace() {
        let (algorithm, value) = item.split_once('-').ok_or_else(no_sum)?;
        let value = value.split('?').next().unwrap_or_default();
        let value = STANDARD.decode(value).map_err(|_| no_sum())?;
        let actual = match algorithm {
            "sha512" => crate::packages::files::sum(sums, Algorithm::Sha512),
            "sha256" => crate::packages::files::sum(sums, Algorithm::Sha256),
            "sha1" => crate::packages::files::sum(sums, Algorithm::Sha1),
            "md5" => crate::packages::files::sum(sums, Algorithm::Md5),
            _ => None,
        };
        let Some((_, actual)) = actual else { continue };
        is_known = true;
        if actual != value {
            let actual = format!("{algorithm}-{}", STANDARD.encode(actual));
            return Err(Error::WrongSum { what, said: shown(item), actual });
        }
    }
    if is_known { Ok(()) } else { Err(no_sum()) }
}

fn shown(text: &str) -> String {
    text.chars().take(256).collect()
}

/// Leaves out what is not kept and adds what was found.
fn complete(manifest: &mut Map<String, Value>, contents: &Contents) {
    for key in DROPPED {
        manifest.remove(key);
    }
    let runs = contents.has_install_script || tarball::has_install_script(manifest);
    for (key, is_so) in [("hasInstallScript", runs), ("_hasShrinkwrap", contents.has_shrinkwrap)] {
        manifest.remove(key);
        if is_so {
            manifest.insert(key.to_owned(), true.into());
        }
    }
    let Contents { files, unpacked_bytes, .. } = contents;
    let dist = json!({ "fileCount": files, "unpackedSize": unpacked_bytes });
    manifest.insert("dist".to_owned(), dist);
}

#[cfg(test)]
mod tests;
