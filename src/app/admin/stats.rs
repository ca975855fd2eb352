//! `stats`: how much there is of everything, for people and for machines.

use std::fmt;

use serde::Serialize;

use super::text::{bytes, count, table};
use super::{Answer, Desk, Verdict};
use crate::app::Error;
use crate::cleanup::{self, Stats};
use crate::model::Usage;

impl Desk<'_> {
    pub(super) fn stats(&mut self) -> Result<Answer, Error> {
        self.tell("measuring the database", 0, None);
        self.house.store().db().measure()?;
        let stats = cleanup::stats(self.house.store(), self.house.space())?;
        Answer::new(Verdict::Fine, &Shown(stats))
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Shown(Stats);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stats = &self.0;
        let number = [
            count(stats.numbers.branches, "branch"),
            count(stats.numbers.tags, "tag"),
            count(stats.numbers.jobs, "job"),
            count(stats.numbers.formats, "format"),
            count(stats.numbers.artifacts, "file"),
        ];
        let registry = [
            count(stats.numbers.images, "repository"),
            count(stats.numbers.image_tags, "tag"),
            count(stats.numbers.manifests, "manifest"),
        ];
        let loose = format!(
            "of which {} untagged and {} to go",
            stats.numbers.untagged, stats.numbers.doomed
        );
        let arriving = [
            count(stats.numbers.uploads, "unfinished upload"),
            count(stats.numbers.upload_links, "upload link"),
        ];
        let held = &stats.packages;
        let packages = [
            count(held.projects, "project"),
            count(held.live, "package"),
            amount(held.live_files, "file"),
        ];
        let leaving = format!(
            "{} to go, {}",
            count(held.pending, "package"),
            amount(held.pending_files, "file")
        );
        let backlog = &stats.backlog;
        let pinned = u64::try_from(stats.pinned).unwrap_or(u64::MAX);
        let entries = count(backlog.destroy_entries, "deleted thing");
        let rows = [
            ("names", number.join(", ")),
            ("users", count(stats.numbers.repositories, "repository")),
            ("registry", registry.join(", ")),
            ("", loose),
            ("", arriving.join(", ")),
            ("packages", packages.join(", ")),
            ("", leaving),
            ("logical", amount(stats.logical, "reference")),
            ("stored", amount(stats.held, "blob")),
            ("", format!("{:.3} logical bytes for each stored one", stats.deduplication)),
            ("free", amount(stats.free, "blob")),
            ("in files", amount(stats.files, "blob")),
            ("in rows", amount(stats.inline, "blob")),
            ("to destroy", format!("{entries} with {}", amount(backlog.destroy, "reference"))),
            ("to collect", amount(backlog.collect, "blob")),
            ("to unlink", amount(backlog.unlink, "file")),
            ("to erase", amount(backlog.unlink_inline, "row")),
            ("came back", amount(stats.reclaimed, "blob")),
            ("being read", count(pinned, "blob")),
            ("database", bytes(stats.database_bytes)),
            ("", measured(stats.database_used_bytes, "hold rows")),
            ("", measured(stats.database_free_bytes, "are used next")),
            ("disk", format!("{} free", bytes(stats.disk_free_bytes))),
        ];
        let lines = table(rows.into_iter().map(|(name, what)| [name.to_owned(), what]).collect());
        f.write_str(lines.trim_end())
    }
}

fn measured(size: Option<u64>, what: &str) -> String {
    size.map_or_else(
        || format!("how many {what} was not measured"),
        |size| format!("{} {what}", bytes(size)),
    )
}

fn amount(amount: Usage, thing: &str) -> String {
    format!("{} of {}", count(amount.files, thing), bytes(amount.bytes))
}
