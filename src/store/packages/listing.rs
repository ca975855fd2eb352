//! Pages of packages, versions, names and files: each costs what it touches.
//!
//! What is on its way out is told where a page says so, and passed over elsewhere. That a project
//! is there is for the caller to know, who looked it up in the same view (I8).

use std::ops::ControlFlow;

use crate::db::schema::{
    PACKAGE_FILE_NAMES, PACKAGE_FILES, PACKAGE_FILES_IN, PACKAGE_NAMES, PACKAGES, PACKAGES_IN,
    SERIES, SERIES_AT, SERIES_CHANGES,
};
use crate::db::{Rows, Span};
use crate::model::{
    Package, PackageFile, PackageFileId, PackageFileName, PackageId, PackageKey, PackageKind,
    PackageName, ProjectId, Revision, Series, SeriesKey,
};
use crate::store::tx::promised;
use crate::store::{Error, Tx, View};

impl View {
    /// The packages of a project, those on their way out included, by id, behind `after`, at most
    /// `limit`.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn packages_in(
        &self,
        project: ProjectId,
        after: Option<PackageId>,
        limit: usize,
    ) -> Result<Vec<(PackageId, Package)>, Error> {
        let span = Span::under(&project);
        let span = match after {
            Some(after) => span.after(&(project, after)),
            None => span,
        };
        self.packages_of_page(&PACKAGES_IN.page(&self.snapshot, span, limit)?)
    }

    /// As [`Self::packages_in`], newest first, those before `before`.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn newest_packages_in(
        &self,
        project: ProjectId,
        before: Option<PackageId>,
        limit: usize,
    ) -> Result<Vec<(PackageId, Package)>, Error> {
        let span = Span::under(&project);
        let span = match before {
            Some(before) => span.before(&(project, before)),
            None => span,
        };
        self.packages_of_page(&PACKAGES_IN.page(&self.snapshot, span.descending(), limit)?)
    }

    fn packages_of_page(
        &self,
        page: &[((ProjectId, PackageId), ())],
    ) -> Result<Vec<(PackageId, Package)>, Error> {
        let package = |id| Ok((id, promised(&PACKAGES, &self.snapshot, &id)?));
        page.iter().map(|((_, id), ())| package(*id)).collect()
    }

    /// The versions of a name, whatever their status but none on its way out, by version as text,
    /// behind `after`, at most `limit`.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn packages_of_series(
        &self,
        project: ProjectId,
        series: &SeriesKey,
        after: Option<&PackageKey>,
        limit: usize,
    ) -> Result<Vec<(PackageKey, PackageId, Package)>, Error> {
        let span = Span::under(&(project, series.clone()));
        let span = match after {
            Some(after) => span.after(&(project, after.clone())),
            None => span,
        };
        let page = PACKAGE_NAMES.page(&self.snapshot, span, limit)?.into_iter();
        let page =
            page.map(|((_, key), id)| Ok((key, id, promised(&PACKAGES, &self.snapshot, &id)?)));
        page.collect()
    }

    /// The packages of a series that changed after a revision, those on their way out included,
    /// each at its last change, oldest change first, at most `limit`. It tells all changes only
    /// from [`Series::forgotten`] on.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn series_changes(
        &self,
        project: ProjectId,
        series: &SeriesKey,
        after: Revision,
        limit: usize,
    ) -> Result<Vec<(Revision, PackageId, Package)>, Error> {
        let last = PackageId(u64::MAX);
        let span = Span::under(&(project, series.clone()));
        let span = span.after(&(project, (series.clone(), (after, last))));
        let page = SERIES_CHANGES.page(&self.snapshot, span, limit)?.into_iter();
        let page = page.map(|((_, (_, (revision, id))), ())| {
            Ok((revision, id, promised(&PACKAGES, &self.snapshot, &id)?))
        });
        page.collect()
    }

    /// The names of a project's packages of a kind, behind `after`, at most `limit`; none whose
    /// packages are all on their way out.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn series_names(
        &self,
        project: ProjectId,
        kind: PackageKind,
        after: Option<&PackageName>,
        limit: usize,
    ) -> Result<Vec<(PackageName, Series)>, Error> {
        let span = Span::under(&(project, kind));
        let span = match after {
            Some(name) => span.after(&(project, SeriesKey { kind, name: name.clone() })),
            None => span,
        };
        let mut names = Vec::new();
        SERIES.each(&self.snapshot, span, |(_, key), series| {
            if series.packages > 0 {
                names.push((key.name, series));
            }
            Ok::<_, Error>(go_on(names.len() < limit))
        })?;
        Ok(names)
    }

    /// The projects that have packages of a name, behind `after`, at most `limit`. Some may be
    /// deleted, which the caller sees when it looks them up.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn projects_with(
        &self,
        series: &SeriesKey,
        after: Option<ProjectId>,
        limit: usize,
    ) -> Result<Vec<ProjectId>, Error> {
        let span = Span::under(series);
        let span = match after {
            Some(after) => span.after(&(series.clone(), after)),
            None => span,
        };
        let page = SERIES_AT.page(&self.snapshot, span, limit)?;
        Ok(page.into_iter().map(|((_, project), ())| project).collect())
    }

    /// The files of a package that are not marked, by id, behind `after`, at most `limit`.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn package_files(
        &self,
        package: PackageId,
        after: Option<PackageFileId>,
        limit: usize,
    ) -> Result<Vec<(PackageFileId, PackageFile)>, Error> {
        let span = Span::under(&package);
        let span = match after {
            Some(after) => span.after(&(package, after)),
            None => span,
        };
        let mut files = Vec::new();
        PACKAGE_FILES_IN.each(&self.snapshot, span, |(_, id), ()| {
            let file = promised(&PACKAGE_FILES, &self.snapshot, &id)?;
            if file.marked.is_none() {
                files.push((id, file));
            }
            Ok::<_, Error>(go_on(files.len() < limit))
        })?;
        Ok(files)
    }

    /// The names of a package's files that are not marked, each file by name and then by id,
    /// behind `after`, at most `limit`: of equal names the last one is served.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn package_file_names(
        &self,
        package: PackageId,
        after: Option<(PackageFileName, PackageFileId)>,
        limit: usize,
    ) -> Result<Vec<(PackageFileName, PackageFileId)>, Error> {
        let span = Span::under(&package);
        let span = match after {
            Some(after) => span.after(&(package, after)),
            None => span,
        };
        let page = PACKAGE_FILE_NAMES.page(&self.snapshot, span, limit)?;
        Ok(page.into_iter().map(|((_, named), ())| named).collect())
    }

    /// The file that is served of each name, by name, behind `after`, at most `limit`. The older
    /// ones of a name cost nothing.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn newest_files(
        &self,
        package: PackageId,
        after: Option<&PackageFileName>,
        limit: usize,
    ) -> Result<Vec<(PackageFileId, PackageFile)>, Error> {
        let (mut files, mut after) = (Vec::new(), after.cloned());
        while files.len() < limit {
            let span = Span::under(&package);
            let span = match &after {
                Some(name) => span.beyond(&(package, name.clone())),
                None => span,
            };
            let Some(((_, (name, _)), ())) = PACKAGE_FILE_NAMES.first(&self.snapshot, span)? else {
                break;
            };
            files.extend(self.newest_file(package, &name)?);
            after = Some(name);
        }
        Ok(files)
    }
}

impl Tx<'_, '_> {
    /// How the name of a series is written by those of its packages that are there.
    pub(super) fn title_of_series(
        &self,
        project: ProjectId,
        series: &SeriesKey,
    ) -> Result<Option<String>, Error> {
        title_of_series(self.txn, project, series)
    }
}

fn title_of_series(
    rows: &impl Rows,
    project: ProjectId,
    series: &SeriesKey,
) -> Result<Option<String>, Error> {
    let first = PACKAGE_NAMES.first(rows, Span::under(&(project, series.clone())))?;
    let Some((_, id)) = first else { return Ok(None) };
    Ok(Some(promised(&PACKAGES, rows, &id)?.title))
}

fn go_on(is_more_wanted: bool) -> ControlFlow<()> {
    if is_more_wanted { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}
