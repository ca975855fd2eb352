//! [`MavenMetadata`]: `maven-metadata.xml` as it is written here, and what is read of those that
//! clients send.
//!
//! It is made of what is there, so it is never stale; one list gives the same bytes each time, as
//! its checksums are asked for separately. Of a client's text only the prefixes of plugins are
//! kept, which nothing else tells. Hostile XML costs no more than its length: nothing is declared,
//! nothing expanded, and depth is bounded.
//! Deliberately absent: which packages are listed (the service decides).

use std::fmt::Write;

use quick_xml::Reader;
use quick_xml::escape::{escape, resolve_predefined_entity};
use quick_xml::events::{BytesRef, Event};

use super::maven_package::{MavenBuild, coordinates};
use super::{MavenFile, Timestamp, maven_package};

/// Longest metadata that is read from a client, in bytes: that of some 100,000 versions.
pub const METADATA_BYTES_MAX: usize = 8 << 20;
/// How many plugins a group has at most.
pub const PLUGINS_MAX: usize = 1_000;
/// How deep elements may lie within each other.
const DEPTH_MAX: usize = 32;
/// Longest text of a plugin, in bytes.
const PLUGIN_TEXT_LENGTH_MAX: usize = 255;

/// Why a text is no metadata.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MavenXmlError {
    /// It cannot be read.
    #[error("maven-metadata.xml cannot be read: {0}")]
    Syntax(String),
    /// It is something else.
    #[error("maven-metadata.xml is invalid: its root has to be <metadata>")]
    Root,
    /// It declares what is expanded, or needs such a declaration.
    #[error("maven-metadata.xml is invalid: leave out the DOCTYPE and references to entities")]
    Entities,
    /// Elements lie too deep.
    #[error("maven-metadata.xml is invalid: its elements lie more than {DEPTH_MAX} deep")]
    Depth,
    /// Too many plugins.
    #[error("maven-metadata.xml is invalid: it names more than {PLUGINS_MAX} plugins")]
    Plugins,
}

/// A plugin that can be called by its prefix: `mvn hello:say`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct MavenPlugin {
    /// Its artifact in the group; it has one entry.
    pub artifact: String,
    /// What it is called by.
    pub prefix: String,
    /// What people call it.
    pub name: String,
}

/// What there is of an artifact, and the plugins of a group of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MavenMetadata<'a> {
    /// The package: `com/acme/app`.
    pub name: &'a str,
    /// Its versions, the oldest first, as Maven compares them ([`super::MavenOrder`]).
    pub versions: &'a [String],
    /// When they last changed.
    pub updated: Timestamp,
    /// Sorted by their artifacts.
    pub plugins: &'a [MavenPlugin],
}

impl MavenMetadata<'_> {
    /// The text; `None`: there is nothing to tell.
    #[must_use]
    pub fn render(&self) -> Option<String> {
        if self.versions.is_empty() && self.plugins.is_empty() {
            return None;
        }
        let mut out = String::with_capacity(512 + self.versions.len() * 48);
        begin(&mut out);
        if !self.versions.is_empty() {
            coordinate(&mut out, self.name);
        }
        if !self.plugins.is_empty() {
            out.push_str("  <plugins>\n");
            self.plugins.iter().for_each(|plugin| plugin.render(&mut out));
            out.push_str("  </plugins>\n");
        }
        if !self.versions.is_empty() {
            self.render_versions(&mut out);
        }
        out.push_str("</metadata>\n");
        Some(out)
    }

    fn render_versions(&self, out: &mut String) {
        out.push_str("  <versioning>\n");
        let is_release = |version: &&String| !version.ends_with(maven_package::SNAPSHOT);
        element(out, 4, "latest", self.versions.last().map_or("", String::as_str));
        if let Some(release) = self.versions.iter().rfind(is_release) {
            element(out, 4, "release", release);
        }
        out.push_str("    <versions>\n");
        self.versions.iter().for_each(|version| element(out, 6, "version", version));
        out.push_str("    </versions>\n");
        element(out, 4, "lastUpdated", &digits(self.updated));
        out.push_str("  </versioning>\n");
    }
}

/// What is newest in a snapshot: gathered file by file, in the order of their publication.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MavenSnapshot {
    /// One for each classifier and extension, sorted by them.
    newest: Vec<(MavenFile, Timestamp)>,
}

impl MavenSnapshot {
    /// Takes notice of a file that was published at `at`. Of one kind the later build counts; what
    /// has no build counts when it was published later.
    pub fn add(&mut self, file: MavenFile, at: Timestamp) {
        fn kind(file: &MavenFile) -> (&str, &str) {
            (file.classifier.as_deref().unwrap_or_default(), &file.extension)
        }
        match self.newest.binary_search_by(|(other, _)| kind(other).cmp(&kind(&file))) {
            Err(place) => self.newest.insert(place, (file, at)),
            Ok(place) => {
                let (other, then) = &mut self.newest[place];
                let is_later = match (&file.build, &other.build) {
                    (Some(new), Some(old)) => new >= old,
                    _ => at >= *then,
                };
                if is_later {
                    (*other, *then) = (file, at);
                }
            }
        }
    }

    /// How many classifiers and extensions there are.
    #[must_use]
    pub fn kinds(&self) -> usize {
        self.newest.len()
    }

    /// Takes notice of all that `other` has: what another project has of the same version.
    pub fn add_all(&mut self, other: &Self) {
        other.newest.iter().for_each(|(file, at)| self.add(file.clone(), *at));
    }

    /// The text for `version` of the package `name`; `None`: there is nothing to tell.
    #[must_use]
    pub fn render(&self, name: &str, version: &str) -> Option<String> {
        let updated = self.newest.iter().map(updated).max()?;
        let mut out = String::new();
        begin(&mut out);
        coordinate(&mut out, name);
        element(&mut out, 2, "version", version);
        out.push_str("  <versioning>\n");
        if let Some(build) = self.build() {
            out.push_str("    <snapshot>\n");
            element(&mut out, 6, "timestamp", &build.timestamp);
            element(&mut out, 6, "buildNumber", &build.number.to_string());
            out.push_str("    </snapshot>\n");
        }
        element(&mut out, 4, "lastUpdated", &updated);
        out.push_str("    <snapshotVersions>\n");
        self.newest.iter().for_each(|newest| render_file(&mut out, newest));
        out.push_str("    </snapshotVersions>\n  </versioning>\n</metadata>\n");
        Some(out)
    }

    /// The last build of any kind, unless what has no build is later than all of them.
    fn build(&self) -> Option<&MavenBuild> {
        let (last, at) =
            self.newest.iter().filter_map(|(file, at)| Some((file.build.as_ref()?, *at))).max()?;
        let is_over = self.newest.iter().all(|(file, then)| file.build.is_some() || *then <= at);
        is_over.then_some(last)
    }
}

fn render_file(out: &mut String, newest: &(MavenFile, Timestamp)) {
    let (file, _) = newest;
    out.push_str("      <snapshotVersion>\n");
    if let Some(classifier) = &file.classifier {
        element(out, 8, "classifier", classifier);
    }
    element(out, 8, "extension", &file.extension);
    element(out, 8, "value", &file.value);
    element(out, 8, "updated", &updated(newest));
    out.push_str("      </snapshotVersion>\n");
}

/// When a build was made by its own account, as the client writes it; else when it was published.
fn updated((file, at): &(MavenFile, Timestamp)) -> String {
    match &file.build {
        Some(build) => build.timestamp.replace('.', ""),
        None => digits(*at),
    }
}

fn begin(out: &mut String) {
    out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<metadata modelVersion=\"1.1.0\">\n");
}

fn coordinate(out: &mut String, name: &str) {
    let (group, artifact) = coordinates(name);
    element(out, 2, "groupId", &group);
    element(out, 2, "artifactId", artifact);
}

fn element(out: &mut String, indent: usize, name: &str, text: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{:indent$}<{name}>{}</{name}>", "", escape(text));
}

/// `20181107152550`, in UTC.
fn digits(at: Timestamp) -> String {
    let seconds = i64::try_from(at.seconds()).unwrap_or(i64::MAX);
    let at = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX);
    at.strftime("%Y%m%d%H%M%S").to_string()
}

impl MavenPlugin {
    fn render(&self, out: &mut String) {
        out.push_str("    <plugin>\n");
        element(out, 6, "name", &self.name);
        element(out, 6, "prefix", &self.prefix);
        element(out, 6, "artifactId", &self.artifact);
        out.push_str("    </plugin>\n");
    }

    fn trimmed(self) -> Self {
        let trim = |text: String| text.trim().to_owned();
        Self { artifact: trim(self.artifact), prefix: trim(self.prefix), name: trim(self.name) }
    }

    /// One that can be called: its artifact and its prefix are words.
    fn is_good(&self) -> bool {
        let is_word = |text: &str| {
            let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            !text.is_empty() && text.len() <= PLUGIN_TEXT_LENGTH_MAX && text.bytes().all(is_part)
        };
        is_word(&self.artifact) && is_word(&self.prefix)
    }

    /// Reads those that a client's metadata names, sorted by their artifacts; what cannot be
    /// called is left out.
    ///
    /// # Errors
    /// [`MavenXmlError`]: it is no metadata, or hostile.
    pub fn read_all(metadata: &[u8]) -> Result<Vec<Self>, MavenXmlError> {
        let text = std::str::from_utf8(metadata).map_err(syntax)?;
        let mut reader = Reader::from_str(text);
        let mut found = Found::default();
        loop {
            match reader.read_event().map_err(syntax)? {
                Event::Start(tag) => found.open(tag.local_name().as_ref())?,
                Event::Empty(tag) => {
                    found.open(tag.local_name().as_ref())?;
                    found.close()?;
                }
                Event::End(_) => found.close()?,
                Event::Text(text) => found.text(&text)?,
                Event::CData(text) => found.text(&text)?,
                Event::GeneralRef(reference) => found.reference(&reference)?,
                Event::DocType(_) => return Err(MavenXmlError::Entities),
                Event::Eof => return found.end(),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            }
        }
    }

    /// Puts the plugins of `new` over those of `old`: one entry for each artifact.
    #[must_use]
    pub fn merge(old: Vec<Self>, new: Vec<Self>) -> Vec<Self> {
        let old = old.into_iter().filter(|old| new.iter().all(|new| new.artifact != old.artifact));
        let mut all: Vec<_> = old.collect();
        all.extend(new);
        all.sort();
        all.dedup_by(|next, first| next.artifact == first.artifact);
        all.truncate(PLUGINS_MAX);
        all
    }
}

fn syntax(error: impl std::fmt::Display) -> MavenXmlError {
    MavenXmlError::Syntax(error.to_string())
}

/// What was read so far.
#[derive(Default)]
struct Found {
    /// Names of the elements that are open.
    open: Vec<String>,
    is_root_seen: bool,
    plugin: MavenPlugin,
    plugins: Vec<MavenPlugin>,
}

impl Found {
    fn open(&mut self, name: &str) -> Result<(), MavenXmlError> {
        if self.open.is_empty() && (name != "metadata" || self.is_root_seen) {
            return Err(MavenXmlError::Root);
        }
        if self.open.len() >= DEPTH_MAX {
            return Err(MavenXmlError::Depth);
        }
        self.is_root_seen = true;
        self.open.push(name.to_owned());
        if self.path() == ["metadata", "plugins", "plugin"] {
            self.plugin = MavenPlugin::default();
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), MavenXmlError> {
        if self.path() == ["metadata", "plugins", "plugin"] {
            let plugin = std::mem::take(&mut self.plugin).trimmed();
            if plugin.is_good() {
                self.plugins.push(plugin);
            }
            if self.plugins.len() > PLUGINS_MAX {
                return Err(MavenXmlError::Plugins);
            }
        }
        self.open.pop();
        Ok(())
    }

    fn path(&self) -> Vec<&str> {
        self.open.iter().map(String::as_str).collect()
    }

    fn text(&mut self, text: &str) -> Result<(), MavenXmlError> {
        if self.open.is_empty() && !text.trim().is_empty() {
            return Err(MavenXmlError::Root);
        }
        let field = match self.open.as_slice() {
            [a, b, c, field] if a == "metadata" && b == "plugins" && c == "plugin" => {
                match field.as_str() {
                    "name" => &mut self.plugin.name,
                    "prefix" => &mut self.plugin.prefix,
                    "artifactId" => &mut self.plugin.artifact,
                    _ => return Ok(()),
                }
            }
            _ => return Ok(()),
        };
        // One more than is good tells that it is too long, and takes no more room.
        let room = (PLUGIN_TEXT_LENGTH_MAX + 1).saturating_sub(field.len());
        field.extend(text.chars().filter(|c| !c.is_control()).take(room));
        Ok(())
    }

    fn reference(&mut self, reference: &BytesRef<'_>) -> Result<(), MavenXmlError> {
        if let Some(c) = reference.resolve_char_ref().map_err(syntax)? {
            return self.text(c.encode_utf8(&mut [0; 4]));
        }
        let text = resolve_predefined_entity(reference).ok_or(MavenXmlError::Entities)?;
        self.text(text)
    }

    fn end(self) -> Result<Vec<MavenPlugin>, MavenXmlError> {
        if !self.is_root_seen {
            return Err(MavenXmlError::Root);
        }
        if let Some(open) = self.open.last() {
            return Err(MavenXmlError::Syntax(format!("<{open}> is not closed")));
        }
        Ok(MavenPlugin::merge(Vec::new(), self.plugins))
    }
}

#[cfg(test)]
mod tests;
