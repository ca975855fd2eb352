//! [`Versions`]: draws an artifact's metadata, one line for each version.

use bytes::Bytes;

use crate::model::{
    MavenMetadata, MavenOrder, MavenPlugin, PackageId, PackageKey, PackageStatus, ProjectId,
    Revision, SeriesKey, Timestamp,
};
use crate::packages::pages::{Draw, Line, Lines};
use crate::store::{self, View};

/// Packages that are read at once.
const PAGE: usize = 1_000;

/// What is drawn, and from which snapshot.
pub struct Versions<'a> {
    /// The snapshot.
    pub view: &'a View,
    /// The artifact.
    pub series: &'a SeriesKey,
    /// The plugins of the group that is called like it.
    pub plugins: &'a [MavenPlugin],
}

impl Versions<'_> {
    fn all(&self, project: ProjectId) -> Result<Vec<PackageId>, store::Error> {
        let (mut all, mut after) = (Vec::new(), None::<PackageKey>);
        loop {
            let page = self.view.packages_of_series(project, self.series, after.as_ref(), PAGE)?;
            all.extend(page.iter().map(|(_, id, _)| *id));
            if page.len() < PAGE {
                return Ok(all);
            }
            after = page.into_iter().next_back().map(|(key, ..)| key);
        }
    }

    fn later(
        &self,
        project: ProjectId,
        mut after: Revision,
    ) -> Result<Vec<PackageId>, store::Error> {
        let mut later = Vec::new();
        loop {
            let page = self.view.series_changes(project, self.series, after, PAGE)?;
            later.extend(page.iter().map(|(_, id, _)| *id));
            match page.last() {
                Some((revision, ..)) if page.len() == PAGE => after = *revision,
                _ => return Ok(later),
            }
        }
    }
}

impl Draw for Versions<'_> {
    type Error = store::Error;

    fn changed(
        &self,
        project: ProjectId,
        after: Option<u64>,
    ) -> Result<Vec<PackageId>, store::Error> {
        after.map_or_else(|| self.all(project), |after| self.later(project, Revision(after)))
    }

    /// A version is listed while it has files, unless it is hidden.
    fn lines(&self, package: PackageId) -> Result<Vec<Line>, store::Error> {
        let Some(package) = self.view.package(package)? else { return Ok(Vec::new()) };
        let is_listed =
            matches!(package.status, PackageStatus::Default | PackageStatus::Deprecated);
        Ok(match package.version {
            Some(version) if is_listed && package.usage.files > 0 => vec![Line {
                name: version,
                text: Bytes::new(),
                beside: Bytes::copy_from_slice(&package.updated.0.to_be_bytes()),
            }],
            _ => Vec::new(),
        })
    }

    /// Nothing where there is nothing to tell.
    fn frame(&self, lines: &Lines<'_>) -> Result<Vec<u8>, store::Error> {
        let mut versions: Vec<_> = lines.iter().map(|line| line.name.clone()).collect();
        // Of those that Maven takes for the same one the text decides, so that the order is one.
        versions.sort_by_cached_key(|version| (MavenOrder::of(version), version.clone()));
        let updated = |line: &Line| <[u8; 8]>::try_from(line.beside.as_ref()).ok();
        let updated = lines.iter().filter_map(updated).map(u64::from_be_bytes).max();
        let metadata = MavenMetadata {
            name: self.series.name.as_str(),
            versions: &versions,
            updated: Timestamp(updated.unwrap_or_default()),
            plugins: self.plugins,
        };
        Ok(metadata.render().unwrap_or_default().into_bytes())
    }
}
