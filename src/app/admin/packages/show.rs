//! `package show`: one package with its files.

use std::fmt;

use serde::Serialize;

use super::super::text::{bytes, count, moment, table};
use super::super::{Answer, Desk, Verdict};
use super::Line;
use crate::app::Error;
use crate::model::{PackageId, Timestamp};
use crate::store;
use crate::store::package_lists::{FilePart, Listed, Rank};

/// Files that are told one by one.
const FILES_MAX: usize = 10_000;

impl Desk<'_> {
    pub(super) fn show_package(&mut self, id: PackageId) -> Result<Answer, Error> {
        let view = self.house.store().view()?;
        let unknown = || store::Error::NotFound(format!("package {}", id.0));
        let package = view.package(id)?.ok_or_else(unknown)?;
        let (path, _) = view.project(package.project)?.ok_or_else(unknown)?;
        let part = FilePart { take: FILES_MAX, ..FilePart::default() };
        let files = view.list_package_files(id, &part)?.into_iter();
        let files = files.map(|(id, file)| FileLine {
            id: id.0,
            name: file.name,
            bytes: file.size,
            sha256: file.sums.sha256.to_string(),
            created: file.created,
        });
        let tags = view.tags_of_package(id)?.into_iter();
        let shown = Shown {
            path: path.to_string(),
            creator: package.creator.clone(),
            created: package.created,
            updated: package.updated,
            downloaded: view.package_downloaded(id)?,
            message: package.status_message.clone(),
            tags: tags.map(|(name, _)| name.to_string()).collect(),
            files: files.collect(),
            line: Line::from(&Listed { rank: Rank::default(), id, package }),
            now: self.house.store().clock().now(),
        };
        Answer::new(Verdict::Fine, &shown)
    }
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    line: Line,
    path: String,
    creator: String,
    created: Timestamp,
    updated: Timestamp,
    downloaded: Option<Timestamp>,
    message: Option<String>,
    tags: Vec<String>,
    #[serde(rename = "package_files")]
    files: Vec<FileLine>,
    #[serde(skip)]
    now: Timestamp,
}

#[derive(Serialize)]
struct FileLine {
    id: u64,
    name: String,
    bytes: u64,
    sha256: String,
    created: Timestamp,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Line { id, kind, name, version, status, files, bytes: size, .. } = &self.line;
        let version = version.as_deref().unwrap_or("-");
        writeln!(f, "Package {id}: {name} {version} ({kind}), in {}.", self.path)?;
        let when = |at: Option<Timestamp>| {
            at.map_or_else(|| "never".to_owned(), |at| moment(at, self.now))
        };
        let status = match &self.message {
            Some(message) => format!("{status}: {message}", status = status.as_str()),
            None => status.as_str().to_owned(),
        };
        let rows = [
            ("status", status),
            ("published", format!("{} by {}", moment(self.created, self.now), self.creator)),
            ("changed", moment(self.updated, self.now)),
            ("downloaded", when(self.downloaded)),
            ("tags", if self.tags.is_empty() { "none".to_owned() } else { self.tags.join(", ") }),
            ("holds", format!("{} of {}", count(*files, "file"), bytes(*size))),
        ];
        let rows = rows.into_iter().map(|(name, what)| [name.to_owned(), what]).collect();
        write!(f, "{}", table(rows))?;
        let rows = self.files.iter().map(|file| {
            [file.id.to_string(), file.name.clone(), bytes(file.bytes), file.sha256.clone()]
        });
        let lines = table(rows.collect());
        write!(f, "{}", lines.trim_end())
    }
}
