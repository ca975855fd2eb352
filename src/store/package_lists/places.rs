//! The projects of a group, as places of a list.

use super::Place;
use crate::model::{GroupId, GroupPath, Project, ProjectId};
use crate::store::{Error, View};

/// How deep to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// In all groups below too.
    #[default]
    All,
    /// In the group itself.
    Direct,
}

impl View {
    /// The projects in a group that `counts` lets count.
    ///
    /// # Errors
    /// [`Error::Db`], and what `counts` returns.
    pub fn package_places(
        &self,
        group: GroupId,
        depth: Depth,
        mut counts: impl FnMut(ProjectId, &Project) -> Result<bool, Error>,
    ) -> Result<Vec<Place>, Error> {
        let Some((path, _)) = self.group(group)? else { return Ok(Vec::new()) };
        let mut places = Vec::new();
        let mut groups = vec![(group, path)];
        while let Some((group, path)) = groups.pop() {
            for found in self.all_projects_in(group) {
                let (name, project, record) = found?;
                if counts(project, &record)? {
                    let path = GroupPath::join(Some(&path), name).to_string();
                    places.push(Place { project, path });
                }
            }
            if depth == Depth::Direct {
                break;
            }
            for found in self.all_subgroups(group) {
                let (name, id, _) = found?;
                groups.push((id, GroupPath::join(Some(&path), name)));
            }
        }
        Ok(places)
    }
}
