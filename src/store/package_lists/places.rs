//! The projects of a group, as places of a list.

use super::Place;
use crate::model::{GroupId, GroupName, GroupPath, Project, ProjectId};
use crate::store::{Error, View};

/// Rows that are read at a time.
const BATCH: usize = 256;

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
            self.places_in(group, &path, &mut counts, &mut places)?;
            if depth == Depth::All {
                self.groups_in(group, &path, &mut groups)?;
            }
        }
        Ok(places)
    }

    fn places_in(
        &self,
        group: GroupId,
        path: &GroupPath,
        counts: &mut impl FnMut(ProjectId, &Project) -> Result<bool, Error>,
        places: &mut Vec<Place>,
    ) -> Result<(), Error> {
        let mut after: Option<GroupName> = None;
        loop {
            let found = self.projects_in_group(group, after.as_ref(), BATCH)?;
            let is_last = found.len() < BATCH;
            for (name, project, record) in found {
                if counts(project, &record)? {
                    let path = GroupPath::join(Some(path), name.clone()).to_string();
                    places.push(Place { project, path });
                }
                after = Some(name);
            }
            if is_last {
                return Ok(());
            }
        }
    }

    fn groups_in(
        &self,
        group: GroupId,
        path: &GroupPath,
        groups: &mut Vec<(GroupId, GroupPath)>,
    ) -> Result<(), Error> {
        let mut after: Option<GroupName> = None;
        loop {
            let found = self.subgroups(group, after.as_ref(), BATCH)?;
            let is_last = found.len() < BATCH;
            for (name, id, _) in found {
                groups.push((id, GroupPath::join(Some(path), name.clone())));
                after = Some(name);
            }
            if is_last {
                return Ok(());
            }
        }
    }
}
