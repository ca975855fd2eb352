//! The files of a package that can be downloaded, a part at a time.

use std::ops::ControlFlow;

use super::Direction;
use crate::db::Span;
use crate::db::schema::{PACKAGE_FILE_NAMES, PACKAGE_FILES, PACKAGE_FILES_IN};
use crate::model::{PackageFile, PackageFileId, PackageId};
use crate::store::tx::promised;
use crate::store::{Error, View};

/// In which order files are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FileOrder {
    /// By when they were published, which is by id.
    #[default]
    Id,
    /// By name, then by id.
    Name,
}

/// A part of a package's files.
#[derive(Clone, Copy, Debug, Default)]
pub struct FilePart {
    /// Only ids above this one.
    pub newer_than: Option<PackageFileId>,
    /// Only ids below this one.
    pub older_than: Option<PackageFileId>,
    /// In which order.
    pub order: FileOrder,
    /// From which end.
    pub direction: Direction,
    /// Without the first so many.
    pub skip: usize,
    /// At most so many.
    pub take: usize,
}

impl View {
    /// Files of a package that can be downloaded.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn list_package_files(
        &self,
        package: PackageId,
        part: &FilePart,
    ) -> Result<Vec<(PackageFileId, PackageFile)>, Error> {
        match part.order {
            FileOrder::Id => self.files_by_id(package, part),
            FileOrder::Name => self.files_by_name(package, part),
        }
    }

    fn files_by_id(
        &self,
        package: PackageId,
        part: &FilePart,
    ) -> Result<Vec<(PackageFileId, PackageFile)>, Error> {
        let span = Span::under(&package);
        let span = match part.newer_than {
            Some(id) => span.after(&(package, id)),
            None => span,
        };
        let span = match part.older_than {
            Some(id) => span.before(&(package, id)),
            None => span,
        };
        let mut taking = Taking::new(part);
        PACKAGE_FILES_IN.each(&self.snapshot, directed(span, part.direction), |(_, id), ()| {
            let file = promised(&PACKAGE_FILES, &self.snapshot, &id)?;
            Ok::<_, Error>(if file.marked.is_some() {
                ControlFlow::Continue(())
            } else {
                taking.meets(id, file)
            })
        })?;
        Ok(taking.found)
    }

    fn files_by_name(
        &self,
        package: PackageId,
        part: &FilePart,
    ) -> Result<Vec<(PackageFileId, PackageFile)>, Error> {
        let mut ids = Vec::new();
        let mut skipped = part.skip;
        let span = directed(Span::under(&package), part.direction);
        PACKAGE_FILE_NAMES.each(&self.snapshot, span, |(_, (_, id)), ()| {
            if ids.len() >= part.take {
                return Ok(ControlFlow::Break(()));
            }
            let is_in = part.newer_than.is_none_or(|bound| id > bound)
                && part.older_than.is_none_or(|bound| id < bound);
            if is_in && skipped == 0 {
                ids.push(id);
            } else if is_in {
                skipped -= 1;
            }
            Ok::<_, Error>(ControlFlow::Continue(()))
        })?;
        let read = |id| Ok((id, promised(&PACKAGE_FILES, &self.snapshot, &id)?));
        ids.into_iter().map(read).collect()
    }
}

fn directed<K: crate::db::keys::Key>(span: Span<K>, direction: Direction) -> Span<K> {
    match direction {
        Direction::Ascending => span,
        Direction::Descending => span.descending(),
    }
}

/// On the way through a list.
struct Taking {
    skip: usize,
    take: usize,
    found: Vec<(PackageFileId, PackageFile)>,
}

impl Taking {
    fn new(part: &FilePart) -> Self {
        Self { skip: part.skip, take: part.take, found: Vec::new() }
    }

    fn meets(&mut self, id: PackageFileId, file: PackageFile) -> ControlFlow<()> {
        if self.found.len() >= self.take {
            return ControlFlow::Break(());
        }
        if self.skip == 0 {
            self.found.push((id, file));
        } else {
            self.skip -= 1;
        }
        ControlFlow::Continue(())
    }
}
