//! [`Simple`]: the pages that pip and its like look files up in (spec gitlab §7.2, PEP 503, 592,
//! 629, 691 and 700), as HTML and as JSON.
//!
//! A link leads to the file in its project, also from a group's page: whoever may read the one may
//! read the other. It begins at the top of this server, so it holds under every spelling of the
//! page's own address, and one page serves all who ask.
//! Everything that a client ever said is escaped here.
//! Deliberately absent: which packages are shown, and the cache ([`super::super::pages`]).

use std::collections::HashSet;
use std::fmt::Write;

use serde_json::{Value, json};

use crate::model::digest::hex;
use crate::model::{Package, PackageFile, PackageId, PackageStatus, ProjectId, Timestamp};
use crate::packages::pages::{Format, Line, Lines, PageKey};
use crate::store::{self, View};

/// What is said about the form of the pages (PEP 629, PEP 700).
pub(super) const VERSION: &str = "1.1";
/// Files that are read at a time.
const FILES_AT_ONCE: usize = 500;

/// What a page is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Simple {
    /// HTML.
    Html,
    /// JSON.
    Json,
}

impl Format for Simple {
    fn flavour(&self) -> String {
        match self {
            Self::Html => "html".to_owned(),
            Self::Json => "json".to_owned(),
        }
    }

    fn lines(
        &self,
        view: &View,
        id: PackageId,
        package: &Package,
    ) -> Result<Vec<Line>, store::Error> {
        let (mut lines, mut after) = (Vec::new(), None);
        loop {
            let files = view.package_files(id, after, FILES_AT_ONCE)?;
            lines.extend(files.iter().map(|(_, file)| self.line(package, file)));
            match files.last() {
                Some((last, _)) if files.len() == FILES_AT_ONCE => after = Some(*last),
                _ => return Ok(lines),
            }
        }
    }

    fn frame(&self, _: &View, key: &PageKey, lines: &Lines<'_>) -> Result<Vec<u8>, store::Error> {
        Ok(match self {
            Self::Html => html_page(key.series.name.as_str(), lines),
            Self::Json => json_page(key.series.name.as_str(), lines),
        })
    }
}

impl Simple {
    /// What a file is in a page.
    #[must_use]
    pub fn line(self, package: &Package, file: &PackageFile) -> Line {
        let text = match self {
            Self::Html => html_line(package, file),
            Self::Json => json_line(package, file).to_string(),
        };
        // The frame of a JSON page tells the versions.
        let version = match self {
            Self::Html => String::new(),
            Self::Json => json!(package.version).to_string(),
        };
        Line { name: file.name.clone(), text: text.into(), beside: version.into() }
    }
}

/// Where a file of a project is.
fn href(project: ProjectId, file: &PackageFile) -> String {
    let sha256 = hex(&file.sums.sha256.0);
    // All that a file's name can hold is allowed in a path as it is.
    format!("/api/v4/projects/{}/packages/pypi/files/{sha256}/{}", project.0, file.name)
}

/// Why a publisher advises against a package; `None`: nobody does.
fn yanked(package: &Package) -> Option<&str> {
    let is_yanked = package.status == PackageStatus::Deprecated;
    is_yanked.then(|| package.status_message.as_deref().unwrap_or_default())
}

fn html_line(package: &Package, file: &PackageFile) -> String {
    let (at, sum) = (href(package.project, file), hex(&file.sums.sha256.0));
    let mut line = format!("<a href=\"{}#sha256={sum}\"", escape(&at));
    if let Some(python) = &file.requires_python {
        let _ = write!(line, " data-requires-python=\"{}\"", escape(python));
    }
    if let Some(why) = yanked(package) {
        let _ = write!(line, " data-yanked=\"{}\"", escape(why));
    }
    let _ = write!(line, ">{}</a><br>\n", escape(&file.name));
    line
}

fn json_line(package: &Package, file: &PackageFile) -> Value {
    let yanked = match yanked(package) {
        None => json!(false),
        Some("") => json!(true),
        Some(why) => json!(why),
    };
    let mut line = json!({
        "filename": file.name,
        "hashes": { "sha256": hex(&file.sums.sha256.0) },
        "size": file.size,
        "upload-time": time(file.created),
        "url": href(package.project, file),
        "yanked": yanked,
    });
    if let Some(python) = &file.requires_python {
        line["requires-python"] = json!(python);
    }
    line
}

fn html_page(name: &str, lines: &Lines<'_>) -> Vec<u8> {
    let mut page = html_head(name).into_bytes();
    page.reserve(lines.bytes() + HTML_END.len());
    for line in lines.iter() {
        page.extend_from_slice(&line.text);
    }
    page.extend_from_slice(HTML_END.as_bytes());
    page
}

fn json_page(name: &str, lines: &Lines<'_>) -> Vec<u8> {
    let meta = json!({ "api-version": VERSION });
    let mut page = Vec::with_capacity(lines.bytes() + 200);
    page.extend_from_slice(format!("{{\"meta\":{meta},\"name\":{},", json!(name)).as_bytes());
    let mut known = HashSet::new();
    let versions = lines.iter().map(|line| &line.beside[..]);
    list(&mut page, "versions", versions.filter(|version| known.insert(*version)));
    page.push(b',');
    list(&mut page, "files", lines.iter().map(|line| &line.text[..]));
    page.push(b'}');
    page
}

/// A member of an object whose value is a list of what is JSON already.
pub(super) fn list<'a>(page: &mut Vec<u8>, name: &str, items: impl Iterator<Item = &'a [u8]>) {
    page.extend_from_slice(format!("\"{name}\":[").as_bytes());
    for (at, item) in items.enumerate() {
        if at > 0 {
            page.push(b',');
        }
        page.extend_from_slice(item);
    }
    page.push(b']');
}

pub(super) fn html_head(title: &str) -> String {
    let title = escape(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"pypi:repository-version\" content=\"{VERSION}\">\n\
         <title>Links for {title}</title>\n</head>\n<body>\n<h1>Links for {title}</h1>\n"
    )
}

pub(super) const HTML_END: &str = "</body>\n</html>\n";

/// Text that cannot become markup, also between quotes of either kind.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#x27;"),
            c => safe.push(c),
        }
    }
    safe
}

/// As PEP 700 wants it: `2026-01-31T12:00:00.5Z`.
fn time(at: Timestamp) -> String {
    let at = i64::try_from(at.0).ok().and_then(|at| jiff::Timestamp::from_microsecond(at).ok());
    at.unwrap_or(jiff::Timestamp::MAX).to_string()
}

#[cfg(test)]
mod tests;
