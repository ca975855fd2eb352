//! What people and tokens belong to: a group, or a project, by the number that both share.
//!
//! Whoever has a role in a group has it in the projects of that group too, so the way up from a
//! project goes on as that of its group. It counts only while names lead to all of it (I9).
//! Deliberately absent: what a group or a project is apart from that.

use super::groups::way_up;
use super::{Error, View, projects};
use crate::db::Rows;
use crate::model::{GroupId, GroupPath, ProjectId, Visibility};

/// A group or a project that names lead to.
#[derive(Clone, Debug)]
pub(super) struct Governed {
    /// Itself, then the next one above, up to the top.
    pub(super) steps: Vec<GroupId>,
    path: GroupPath,
    /// The narrowest of all that they say.
    visibility: Visibility,
}

impl Governed {
    /// Whether nothing is above it.
    pub(super) fn is_at_top(&self) -> bool {
        self.steps.len() == 1
    }
}

/// The way from a group or a project to the top; `None`: no names lead to it.
pub(super) fn governed(rows: &impl Rows, id: GroupId) -> Result<Option<Governed>, Error> {
    if let Some(way) = way_up(rows, id)? {
        let steps = way.steps().map(|step| step.id).collect();
        let says = way.steps().map(|step| step.group.visibility).min();
        let visibility = says.unwrap_or(Visibility::Private);
        return Ok(Some(Governed { steps, path: way.path(), visibility }));
    }
    let Some(way) = projects::way_up(rows, ProjectId(id.0))? else { return Ok(None) };
    let steps = std::iter::once(id).chain(way.above()).collect();
    let (path, visibility) = (way.path(), way.visibility());
    Ok(Some(Governed { steps, path, visibility }))
}

/// As [`governed`] of what must be there.
pub(super) fn known(rows: &impl Rows, id: GroupId) -> Result<Governed, Error> {
    governed(rows, id)?.ok_or_else(|| Error::GroupUnknown(id.0.to_string()))
}

/// Whether names lead to a group or a project of that number.
pub(super) fn is_live(rows: &impl Rows, id: GroupId) -> Result<bool, Error> {
    Ok(governed(rows, id)?.is_some())
}

impl View {
    /// Whether a group or a project is `ancestor` or lies in it, however deep, and names lead to
    /// it.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn is_within(&self, id: GroupId, ancestor: GroupId) -> Result<bool, Error> {
        let way = governed(&self.snapshot, id)?;
        Ok(way.is_some_and(|way| way.steps.contains(&ancestor)))
    }

    /// Who may see a group or a project: of what it says and what the groups above say, the
    /// narrowest.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn visibility(&self, id: GroupId) -> Result<Option<Visibility>, Error> {
        Ok(governed(&self.snapshot, id)?.map(|way| way.visibility))
    }

    /// The full path of a group or a project.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn governed_path(&self, id: GroupId) -> Result<Option<GroupPath>, Error> {
        Ok(governed(&self.snapshot, id)?.map(|way| way.path))
    }
}
