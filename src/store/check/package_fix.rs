//! [`PackageFix`]: how one difference of packages is corrected, in a small transaction that tests
//! the facts again (I2).

use super::fix::Phase;
use super::package_rows::PackageRow;
use super::shift::Shift;
use crate::db::Span;
use crate::db::schema::{
    DETACHED, META, Meta, PACKAGE_DOWNLOADS, PACKAGE_FILES, PACKAGE_METAS, PACKAGE_TAGS,
    PACKAGE_TAGS_OF, PACKAGES, PROJECT_USAGE, SERIES, SERIES_CHANGES,
};
use crate::model::{
    Node, PackageId, PackageName, PackageStatus, PackageTagName, ProjectId, Series, SeriesKey,
    Usage,
};
use crate::store::detached::Cause;
use crate::store::{Error, Tx, packages, projects};

/// Entries of the queue that a fix looks through: with more of them it waits for another time.
const QUEUE_MAX: usize = 1000;

/// A correction of something of packages.
#[derive(Clone, Debug)]
pub(super) enum PackageFix {
    /// Makes a row of an index.
    Make(PackageRow),
    /// Drops a row of an index.
    Drop(PackageRow),
    /// Moves the number of a series' packages, or makes its record.
    Series(ProjectId, SeriesKey, Shift<u64>),
    /// Drops a series that no package is of.
    StraySeries(ProjectId, SeriesKey),
    /// Raises the last revision, of a series or of all.
    Revision(ProjectId, SeriesKey, u64),
    /// Moves the number of a project's packages.
    Packages(ProjectId, Shift<u64>),
    /// A project that names lead to keeps its packages.
    Stay(ProjectId),
    /// Lets the sweeper destroy what is on its way out.
    Queue(Node),
    /// Drops a moving name of what is not there.
    StrayTag(ProjectId, (PackageName, PackageTagName)),
    /// Forgets what was known of a package that is not there.
    StrayFacts(PackageId),
}

impl PackageFix {
    pub(super) fn phase(&self) -> Phase {
        match self {
            Self::Make(_) | Self::Revision(..) | Self::Queue(_) => Phase::Adding,
            Self::Series(..) | Self::Packages(..) | Self::Stay(_) => Phase::Counter,
            Self::Drop(_) | Self::StraySeries(..) | Self::StrayTag(..) | Self::StrayFacts(_) => {
                Phase::Lowering
            }
        }
    }

    pub(super) fn apply(&self, tx: &Tx) -> Result<bool, Error> {
        match self {
            Self::Make(row) => {
                let is_missing = row.is_right(tx.txn)? && !row.is_there(tx.txn)?;
                if is_missing {
                    row.put(tx.txn)?;
                }
                Ok(is_missing)
            }
            Self::Drop(row) => {
                let is_stray = !row.is_right(tx.txn)? && row.is_there(tx.txn)?;
                Ok(is_stray && row.remove(tx.txn)?)
            }
            Self::Series(project, key, shift) => tx.fix_series(*project, key, *shift),
            Self::StraySeries(project, key) => {
                let at = (*project, key.clone());
                let is_empty = !SERIES_CHANGES.has_any(tx.txn, Span::under(&at))?;
                Ok(is_empty && SERIES.remove(tx.txn, &at)?)
            }
            Self::Revision(project, key, least) => tx.fix_revision(*project, key, *least),
            Self::Packages(project, shift) => {
                tx.count_project(*project, |usage| shift.move_number(&mut usage.packages))?;
                Ok(true)
            }
            Self::Stay(project) => tx.fix_leaving(*project),
            Self::Queue(node) => tx.fix_queue(*node),
            Self::StrayTag(project, tag) => tx.drop_stray_tag(*project, tag),
            Self::StrayFacts(id) => {
                let is_gone = !PACKAGES.has(tx.txn, id)?;
                Ok(is_gone
                    && (PACKAGE_METAS.remove(tx.txn, id)?
                        | PACKAGE_DOWNLOADS.remove(tx.txn, id)?))
            }
        }
    }
}

impl Tx<'_, '_> {
    /// What was built of the series has to be built again.
    fn fix_series(
        &self,
        project: ProjectId,
        key: &SeriesKey,
        shift: Shift<u64>,
    ) -> Result<bool, Error> {
        let (at, revision) = ((project, key.clone()), self.next_revision()?);
        let mut series = SERIES.get(self.txn, &at)?.unwrap_or_default();
        shift.move_number(&mut series.packages);
        series = Series { revision, forgotten: revision, ..series };
        SERIES.put(self.txn, &at, &series)?;
        Ok(true)
    }

    fn fix_revision(
        &self,
        project: ProjectId,
        key: &SeriesKey,
        wanted: u64,
    ) -> Result<bool, Error> {
        let last = META.get(self.txn, &Meta::LAST_REVISION)?.unwrap_or(0);
        if last < wanted {
            META.put(self.txn, &Meta::LAST_REVISION, &wanted)?;
        }
        let at = (project, key.clone());
        let series = SERIES.get(self.txn, &at)?.filter(|series| series.revision < wanted);
        let Some(series) = series else { return Ok(last < wanted) };
        SERIES.put(self.txn, &at, &Series { revision: wanted, ..series })?;
        Ok(true)
    }

    fn fix_leaving(&self, project: ProjectId) -> Result<bool, Error> {
        let usage = PROJECT_USAGE.get(self.txn, &project)?.filter(|usage| usage.leaving);
        let Some(mut usage) = usage else { return Ok(false) };
        if projects::way_up(self.txn, project)?.is_none() {
            return Ok(false);
        }
        usage.leaving = false;
        PROJECT_USAGE.put(self.txn, &project, &usage)?;
        Ok(true)
    }

    fn fix_queue(&self, node: Node) -> Result<bool, Error> {
        let queue = DETACHED.page(self.txn, Span::all(), QUEUE_MAX)?;
        if queue.len() >= QUEUE_MAX || queue.iter().any(|(_, entry)| entry.node == node) {
            return Ok(false);
        }
        let Some(path) = self.path_of_waiting(node)? else { return Ok(false) };
        let cause = Cause::policy("a check found that it was not queued".to_owned());
        // It was counted as detached when it was marked.
        self.detach(node, path, &cause, Usage::default())?;
        Ok(true)
    }

    /// What it is called, if it is on its way out.
    fn path_of_waiting(&self, node: Node) -> Result<Option<String>, Error> {
        match node {
            Node::Package(id) => {
                let package = PACKAGES.get(self.txn, &id)?;
                let package =
                    package.filter(|package| package.status == PackageStatus::PendingDestruction);
                package.map(|package| packages::path(self.txn, &package)).transpose()
            }
            Node::PackageFile(id) => {
                let file = PACKAGE_FILES.get(self.txn, &id)?;
                Ok(file.filter(|file| file.marked.is_some()).map(|file| file.name))
            }
            _ => Ok(None),
        }
    }

    fn drop_stray_tag(
        &self,
        project: ProjectId,
        tag: &(PackageName, PackageTagName),
    ) -> Result<bool, Error> {
        let row = (project, tag.clone());
        let Some(found) = PACKAGE_TAGS.get(self.txn, &row)? else { return Ok(false) };
        let package = PACKAGES.get(self.txn, &found.package)?;
        let is_its = |package: &crate::model::Package| {
            package.project == project && package.name == tag.0.as_str()
        };
        if package.as_ref().is_some_and(is_its) {
            return Ok(false);
        }
        PACKAGE_TAGS_OF.remove(self.txn, &(found.package, tag.1.clone()))?;
        Ok(PACKAGE_TAGS.remove(self.txn, &row)?)
    }
}
