//! [`Packages::page`]: the page of a series as one snapshot has it.

use std::sync::Arc;

use super::{Draw, Format, Line, Lines, Page, PageKey, Pages, Standing};
use crate::model::{PackageId, ProjectId, Revision, SeriesKey};
use crate::packages::Packages;
use crate::store::{self, View};

/// How many changes are read at once.
const CHANGES_MAX: usize = 512;

/// Which page is asked for, and its tag, which is known before the page is drawn.
pub struct PageAsk {
    key: PageKey,
    standings: Vec<Standing>,
    /// The tag of what this snapshot has.
    pub etag: String,
}

struct Drawing<'a, F> {
    view: &'a View,
    key: &'a PageKey,
    format: &'a F,
}

impl Packages {
    /// What is to be known before a page is drawn: `None` where no project of `projects` has live
    /// packages of that name.
    ///
    /// # Errors
    /// Those of the store.
    pub fn ask<F: Format>(
        view: &View,
        projects: &[ProjectId],
        series: &SeriesKey,
        format: &F,
    ) -> Result<Option<PageAsk>, store::Error> {
        let mut found = Vec::new();
        for project in projects {
            if let Some(now) = view.series(*project, series)?.filter(|now| now.packages > 0) {
                let standing = Standing { revision: now.revision, forgotten: now.forgotten };
                found.push((*project, standing));
            }
        }
        if found.is_empty() {
            return Ok(None);
        }
        found.sort_unstable_by_key(|(project, _)| *project);
        found.dedup_by_key(|(project, _)| *project);
        let (projects, standings): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        let key = PageKey { projects, series: series.clone(), flavour: format.flavour() };
        let etag = Pages::etag(&key, &standings);
        Ok(Some(PageAsk { key, standings, etag }))
    }

    /// The page, as new as `view` or newer. Blocks.
    ///
    /// # Errors
    /// Those of the store.
    pub fn page<F: Format>(
        &self,
        view: &View,
        ask: &PageAsk,
        format: &F,
    ) -> Result<Arc<Page>, store::Error> {
        let drawing = Drawing { view, key: &ask.key, format };
        self.pages().page(&ask.key, &ask.standings, &drawing)
    }
}

impl<F: Format> Draw for Drawing<'_, F> {
    type Error = store::Error;

    fn changed(
        &self,
        project: ProjectId,
        after: Option<u64>,
    ) -> Result<Vec<PackageId>, store::Error> {
        let (mut after, mut all) = (Revision(after.unwrap_or(0)), Vec::new());
        loop {
            let some = self.view.series_changes(project, &self.key.series, after, CHANGES_MAX)?;
            let is_last = some.len() < CHANGES_MAX;
            after = some.last().map_or(after, |(revision, _, _)| *revision);
            all.extend(some.into_iter().map(|(_, package, _)| package));
            if is_last {
                return Ok(all);
            }
        }
    }

    fn lines(&self, id: PackageId) -> Result<Vec<Line>, store::Error> {
        match self.view.package(id)? {
            Some(package) if package.status.is_installable() => {
                self.format.lines(self.view, id, &package)
            }
            _ => Ok(Vec::new()),
        }
    }

    fn frame(&self, lines: &Lines<'_>) -> Result<Vec<u8>, store::Error> {
        self.format.frame(self.view, self.key, lines)
    }
}

#[cfg(test)]
mod tests;
