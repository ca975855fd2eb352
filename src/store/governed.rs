//! What groups and projects have alike: what is asked of a new one and of a change, the rules for
//! names and texts, pages of either, and the number that both share, which people and tokens
//! belong to.
//!
//! A name is a row in the group above, and a group and a project never have one name in one place:
//! whoever makes or renames either looks into both tables. Whoever has a role in a group has it in
//! the projects of that group too, so the way up from a project goes on as that of its group. It
//! counts only while names lead to all of it (I9). Lists come in pages: nothing here walks over
//! all groups or projects that there are.
//! Deliberately absent: what a group or a project is apart from that.

use super::groups::{self, Way, way_up};
use super::tx::promised;
use super::{Error, Tx, View, projects};
use crate::db::codec::Value;
use crate::db::keys::Key;
use crate::db::schema::{GROUP_NAMES, PROJECT_NAMES};
use crate::db::{Rows, Span, Table};
use crate::model::{
    Group, GroupId, GroupName, GroupPath, Project, ProjectId, UserName, Visibility,
};

/// Longest name that people call a group or a project by, in bytes.
pub const TITLE_LENGTH_MAX: usize = 255;
/// Longest description, in bytes.
pub const DESCRIPTION_LENGTH_MAX: usize = 500;

/// Records that a walk over all in a group reads at a time.
const BATCH: usize = 256;

/// A group or a project that is to be made.
#[derive(Clone, Debug)]
pub struct New {
    /// The group that it is in, or [`GroupId::TOP`].
    pub parent: GroupId,
    /// Its name in there.
    pub name: GroupName,
    /// What people call it.
    pub title: String,
    /// What it is for.
    pub description: String,
    /// Who may see that it is there, and read its packages.
    pub visibility: Visibility,
    /// Who becomes its first owner, beside those of the groups above.
    pub owner: Option<UserName>,
}

#[cfg(test)]
impl New {
    /// A private one that is called as it is named.
    pub(crate) fn of(parent: GroupId, name: &str) -> Self {
        let (title, description) = (name.to_owned(), String::new());
        let (name, visibility) = (GroupName::parse(name).unwrap(), Visibility::Private);
        Self { parent, name, title, description, visibility, owner: None }
    }
}

/// What is to be changed of a group or a project; `None` stays as it is.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Another name where it is.
    pub name: Option<GroupName>,
    /// What people call it.
    pub title: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Who may see that it is there, and read its packages.
    pub visibility: Option<Visibility>,
}

/// A part of a list of groups, or of projects.
#[derive(Clone, Debug)]
pub struct Page<I, R> {
    /// Those that are there, by id, with their full paths; there may be none although more follow.
    pub found: Vec<(I, GroupPath, R)>,
    /// Where to go on; `None`: nothing follows.
    pub next: Option<I>,
}

impl<I: Copy, R> Page<I, R> {
    /// Those of these ids that `find` says names lead to.
    pub(super) fn of(
        ids: impl IntoIterator<Item = I>,
        next: Option<I>,
        find: impl Fn(I) -> Result<Option<(GroupPath, R)>, Error>,
    ) -> Result<Self, Error> {
        let mut found = Vec::new();
        for id in ids {
            if let Some((path, record)) = find(id)? {
                found.push((id, path, record));
            }
        }
        Ok(Self { found, next })
    }
}

impl<I: Key + Copy, R: Value> Page<I, R> {
    /// Looks at `limit` records behind `after`, and tells those that `find` says names lead to.
    pub(super) fn of_table(
        rows: &impl Rows,
        records: &Table<I, R>,
        (after, limit): (Option<I>, usize),
        find: impl Fn(I) -> Result<Option<(GroupPath, R)>, Error>,
    ) -> Result<Self, Error> {
        let span = after.map_or_else(Span::all, |after| Span::all().after(&after));
        let ids = records.page(rows, span, limit)?.into_iter().map(|(id, _)| id);
        let ids: Vec<_> = ids.collect();
        let next = ids.last().copied().filter(|_| ids.len() >= limit);
        Self::of(ids, next, find)
    }
}

/// Rows that lead to groups, or to projects.
type Names<I> = Table<(GroupId, GroupName), I>;
/// What is directly in a group: its name there, its id, its record.
type Within<I, R> = (GroupName, I, R);

/// What is directly in a group or at the top, by name, behind `after`, at most `limit`: groups or
/// projects, as these tables of names and records are.
pub(super) fn directly_in<I: Key + Value, R: Value>(
    rows: &impl Rows,
    (names, records): (&Names<I>, &Table<I, R>),
    parent: GroupId,
    after: Option<&GroupName>,
    limit: usize,
) -> Result<Vec<Within<I, R>>, Error> {
    if parent != GroupId::TOP && !groups::is_live(rows, parent)? {
        return Ok(Vec::new());
    }
    let span = Span::under(&parent);
    let span = match after {
        Some(after) => span.after(&(parent, after.clone())),
        None => span,
    };
    let found = names.page(rows, span, limit)?.into_iter();
    let found = found.map(|((_, name), id)| {
        let record = promised(records, rows, &id)?;
        Ok((name, id, record))
    });
    found.collect()
}

/// All that `page` tells, by name, a batch at a time; nothing follows an error.
fn walk<I, R>(
    page: impl Fn(Option<&GroupName>) -> Result<Vec<Within<I, R>>, Error>,
) -> impl Iterator<Item = Result<Within<I, R>, Error>> {
    let mut batch = Vec::new().into_iter();
    let (mut after, mut is_last) = (None, false);
    std::iter::from_fn(move || {
        if batch.len() == 0 && !is_last {
            match page(after.as_ref()) {
                Ok(found) => {
                    is_last = found.len() < BATCH;
                    after = found.last().map(|(name, ..)| name.clone());
                    batch = found.into_iter();
                }
                Err(error) => {
                    is_last = true;
                    return Some(Err(error));
                }
            }
        }
        batch.next().map(Ok)
    })
}

pub(super) fn check_texts(title: &str, description: &str) -> Result<(), Error> {
    let is_title = (1..=TITLE_LENGTH_MAX).contains(&title.len());
    if !is_title || description.len() > DESCRIPTION_LENGTH_MAX {
        return Err(Error::GovernedText);
    }
    Ok(())
}

impl Tx<'_, '_> {
    /// The way to the group that something is to be in; `None`: the top.
    pub(super) fn way_to(&self, parent: GroupId) -> Result<Option<Way>, Error> {
        match parent {
            GroupId::TOP => Ok(None),
            parent => groups::known(self.txn, parent).map(Some),
        }
    }

    /// Whether a group or a project may get this name, and so this path; `taken` says that one of
    /// either has it.
    pub(super) fn check_name(
        &self,
        (parent, name): (GroupId, &GroupName),
        path: &GroupPath,
        taken: fn(String) -> Error,
    ) -> Result<(), Error> {
        path.check_length()?;
        let key = (parent, name.clone());
        if GROUP_NAMES.has(self.txn, &key)? || PROJECT_NAMES.has(self.txn, &key)? {
            return Err(taken(path.to_string()));
        }
        Ok(())
    }
}

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
        return Ok(Some(Governed { steps, path: way.path(), visibility: way.visibility() }));
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
    /// All groups directly in another, by name; the last one may be [`Error::Db`].
    pub fn all_subgroups(
        &self,
        parent: GroupId,
    ) -> impl Iterator<Item = Result<(GroupName, GroupId, Group), Error>> {
        walk(move |after| self.subgroups(parent, after, BATCH))
    }

    /// All projects directly in a group, by name; the last one may be [`Error::Db`].
    pub fn all_projects_in(
        &self,
        group: GroupId,
    ) -> impl Iterator<Item = Result<(GroupName, ProjectId, Project), Error>> {
        walk(move |after| self.projects_in_group(group, after, BATCH))
    }

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
