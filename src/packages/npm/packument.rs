//! [`Packument`]: all that clients are told of a package, in full or as much as installing needs
//! (spec gitlab §5.1; the RULE adds `integrity` and `time`).
//!
//! What is drawn of a version is its stored package.json, which knows nothing of where the tarball
//! is and what it adds up to: that comes from its file's record. A version without a file that can
//! be served is left out. At a group, of two versions the newer one counts, and of two tags the
//! one that moved last.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::model::digest::hex;
use crate::model::npm_package::npm_latest;
use crate::model::{Package, PackageFile, PackageId, PackageMeta, Timestamp};
use crate::packages::pages::{Format, Line, Lines, PageKey};
use crate::store::{self, View};

/// What installing needs of a version: the fields of npm's abbreviated form.
const ABBREVIATED: [&str; 19] = [
    "name",
    "version",
    "deprecated",
    "dependencies",
    "optionalDependencies",
    "devDependencies",
    "bundleDependencies",
    "bundledDependencies",
    "peerDependencies",
    "peerDependenciesMeta",
    "acceptDependencies",
    "bin",
    "directories",
    "dist",
    "engines",
    "cpu",
    "os",
    "libc",
    "funding",
];
/// The same, where they are set.
const ABBREVIATED_FLAGS: [&str; 2] = ["_hasShrinkwrap", "hasInstallScript"];

/// How much is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All that is kept.
    Full,
    /// What installing needs.
    Abbreviated,
}

/// The page of a package.
#[derive(Clone, Debug)]
pub struct Packument {
    /// How the package is written.
    pub title: String,
    /// The address that URLs begin with, without a slash at the end.
    pub address: String,
    /// How much is told.
    pub extent: Extent,
}

impl Packument {
    fn version(&self, meta: &Meta, package: &Package, file: &PackageFile) -> Value {
        let mut all = meta.manifest.clone();
        let mut dist = match all.remove("dist") {
            Some(Value::Object(dist)) => dist,
            _ => Map::new(),
        };
        let integrity = STANDARD.encode(file.sums.sha512().0);
        dist.insert("integrity".to_owned(), format!("sha512-{integrity}").into());
        dist.insert("shasum".to_owned(), hex(&file.sums.sha1).into());
        dist.insert("tarball".to_owned(), self.tarball(package, file).into());
        all.insert("dist".to_owned(), dist.into());
        if let Some(reason) = &meta.deprecated {
            all.insert("deprecated".to_owned(), reason.clone().into());
        }
        if self.extent == Extent::Abbreviated {
            all.retain(|key, _| {
                ABBREVIATED.contains(&key.as_str()) || ABBREVIATED_FLAGS.contains(&key.as_str())
            });
        } else {
            let id = format!("{}@{}", self.title, package.version.as_deref().unwrap_or_default());
            all.insert("_id".to_owned(), id.into());
        }
        all.into()
    }

    fn tarball(&self, package: &Package, file: &PackageFile) -> String {
        let Self { address, title, .. } = self;
        // All of these are letters, digits and marks that a URL may have.
        format!(
            "{address}/api/v4/projects/{}/packages/npm/{title}/-/{}",
            package.project.0,
            file.name.replace('+', "%2B")
        )
    }
}

/// What is stored of a version beside its file.
struct Meta {
    manifest: Map<String, Value>,
    deprecated: Option<String>,
}

fn meta(view: &View, id: PackageId) -> Result<Option<Meta>, store::Error> {
    Ok(match view.package_meta(id)? {
        Some(PackageMeta::Npm { manifest, deprecated }) => {
            let manifest = serde_json::from_str(&manifest).unwrap_or_else(|error| {
                log::error!("what is stored of package {} is damaged: {error}", id.0);
                Map::new()
            });
            Some(Meta { manifest, deprecated })
        }
        _ => None,
    })
}

impl Format for Packument {
    fn flavour(&self) -> String {
        format!("npm {:?} {} {}", self.extent, self.title, self.address)
    }

    fn lines(
        &self,
        view: &View,
        id: PackageId,
        package: &Package,
    ) -> Result<Vec<Line>, store::Error> {
        let (Some(version), Some(meta)) = (&package.version, meta(view, id)?) else {
            return Ok(Vec::new());
        };
        let Some((_, file)) = view.newest_files(id, None, 1)?.into_iter().next() else {
            return Ok(Vec::new());
        };
        let text = format!("{}:{}", json!(version), self.version(&meta, package, &file));
        let times = Times { created: package.created, updated: package.updated };
        let (text, beside) = (Bytes::from(text), times.to_bytes());
        Ok(vec![Line { name: version.clone(), text, beside }])
    }

    fn frame(
        &self,
        view: &View,
        key: &PageKey,
        lines: &Lines<'_>,
    ) -> Result<Vec<u8>, store::Error> {
        let tags = json!(tags_among(view, key, lines)?);
        let mut page = Vec::with_capacity(lines.bytes() + lines.len() * 64 + 1024);
        let title = json!(self.title);
        page.extend_from_slice(format!("{{\"name\":{title},\"dist-tags\":{tags},").as_bytes());
        match self.extent {
            Extent::Abbreviated => {
                let modified = json!(moment(span(lines).updated));
                page.extend_from_slice(format!("\"modified\":{modified},").as_bytes());
            }
            Extent::Full => page.extend_from_slice(format!("\"_id\":{title},").as_bytes()),
        }
        page.extend_from_slice(b"\"versions\":{");
        for (at, line) in lines.iter().enumerate() {
            page.extend_from_slice(if at == 0 { b"" } else { b"," });
            page.extend_from_slice(&line.text);
        }
        page.push(b'}');
        if self.extent == Extent::Full {
            page.extend_from_slice(time(lines).as_bytes());
        }
        page.push(b'}');
        Ok(page)
    }
}

/// `,"time":{…}`
fn time(lines: &Lines<'_>) -> String {
    let Times { created, updated } = span(lines);
    let mut text = format!(
        ",\"time\":{{\"created\":{},\"modified\":{}",
        json!(moment(created)),
        json!(moment(updated))
    );
    for line in lines.iter() {
        let at = Times::of(line).created;
        // Writing to a text does not fail.
        let _ = write!(text, ",{}:{}", json!(line.name), json!(moment(at)));
    }
    text.push('}');
    text
}

/// The moving names of the versions that are shown, `latest` always among them if there is any.
fn tags_among(
    view: &View,
    key: &PageKey,
    lines: &Lines<'_>,
) -> Result<BTreeMap<String, String>, store::Error> {
    let shown: HashSet<&str> = lines.iter().map(|line| line.name.as_str()).collect();
    let mut tags: BTreeMap<String, (Timestamp, String)> = BTreeMap::new();
    for project in &key.projects {
        for (name, tag) in view.package_tags(*project, &key.series.name)? {
            let version = view.package(tag.package)?.and_then(|package| package.version);
            let Some(version) = version.filter(|version| shown.contains(version.as_str())) else {
                continue;
            };
            let known = tags.get(name.as_str()).is_some_and(|(moved, _)| *moved > tag.updated);
            if !known {
                tags.insert(name.to_string(), (tag.updated, version));
            }
        }
    }
    let mut tags: BTreeMap<_, _> =
        tags.into_iter().map(|(name, (_, version))| (name, version)).collect();
    if let Some(latest) = npm_latest(shown.into_iter()) {
        tags.entry("latest".to_owned()).or_insert_with(|| latest.to_owned());
    }
    Ok(tags)
}

/// The tags of a drawn page.
#[must_use]
pub fn tags(page: &[u8]) -> Value {
    #[derive(serde::Deserialize)]
    struct Tags {
        #[serde(rename = "dist-tags")]
        tags: Value,
    }
    serde_json::from_slice::<Tags>(page).map_or_else(|_| json!({}), |found| found.tags)
}

/// When a version was published and when it last changed.
#[derive(Clone, Copy)]
struct Times {
    created: Timestamp,
    updated: Timestamp,
}

impl Times {
    fn to_bytes(self) -> Bytes {
        [self.created.0.to_be_bytes(), self.updated.0.to_be_bytes()].concat().into()
    }

    fn of(line: &Line) -> Self {
        let (created, updated) = line.beside.split_at(line.beside.len() / 2);
        let moment = |bytes: &[u8]| Timestamp(bytes.try_into().map_or(0, u64::from_be_bytes));
        Self { created: moment(created), updated: moment(updated) }
    }
}

/// From the first publication to the last change.
fn span(lines: &Lines<'_>) -> Times {
    let mut times = Times { created: Timestamp(u64::MAX), updated: Timestamp(0) };
    for line in lines.iter().map(Times::of) {
        times.created = times.created.min(line.created);
        times.updated = times.updated.max(line.updated);
    }
    times.created = times.created.min(times.updated);
    times
}

/// As JavaScript writes it, to the millisecond.
fn moment(at: Timestamp) -> String {
    let millis = i64::try_from(at.0 / 1000).unwrap_or(i64::MAX);
    let at = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
    format!("{at:.3}")
}

#[cfg(test)]
mod tests;
