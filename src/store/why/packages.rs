//! What of a package holds a blob: the status of the package, and what was taken away, the file
//! by itself, its package, or the project with all of them.

use super::super::{Error, View, groups, projects};
use super::Held;
use crate::db::schema::{PACKAGE_FILES, PACKAGES, PROJECT_NAMES, PROJECTS};
use crate::model::{GroupId, Node, PackageFileId, PackageStatus, ProjectId};

impl View {
    /// Why a package has a blob, and what of it was deleted.
    pub(super) fn held_by_file(&self, id: PackageFileId) -> Result<(Held, Option<Node>), Error> {
        let rows = &self.snapshot;
        let Some(file) = PACKAGE_FILES.get(rows, &id)? else { return Ok((Held::default(), None)) };
        let Some(package) = PACKAGES.get(rows, &file.package)? else {
            return Ok((Held::default(), None));
        };
        let is_marked = file.marked.is_some();
        let status = if is_marked { PackageStatus::PendingDestruction } else { package.status };
        let root = match self.unnamed_project(package.project)? {
            Some(root) => Some(root),
            None if package.status == PackageStatus::PendingDestruction => {
                Some(Node::Package(file.package))
            }
            None => is_marked.then_some(Node::PackageFile(id)),
        };
        Ok((Held { state: Some(status.as_str()), ..Held::default() }, root))
    }

    /// The project, or the group above it, that no name leads to.
    fn unnamed_project(&self, id: ProjectId) -> Result<Option<Node>, Error> {
        let rows = &self.snapshot;
        let Some(project) = PROJECTS.get(rows, &id)? else { return Ok(None) };
        let name = projects::name_of(&project)?;
        if PROJECT_NAMES.get(rows, &(project.parent, name))? != Some(id) {
            return Ok(Some(Node::Project(id)));
        }
        match project.parent {
            GroupId::TOP => Ok(None),
            parent => Ok(groups::unnamed(rows, parent)?.map(Node::Group)),
        }
    }
}
