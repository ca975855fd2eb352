//! Repositories: whose tree a branch is in (spec dlrepo §13). The shared one is always there, a
//! user's is made by its first write.

use super::{Error, Tx, View};
use crate::db::Rows;
use crate::db::Span;
use crate::db::schema::{BRANCHES, Meta, OWNERS, REPOS};
use crate::model::{Branch, BranchName, BranchPath, Repo, RepoId, Repository, UserName};

/// What the branches of a repository are keyed by; `None`: nothing was ever written there.
pub(super) fn id(rows: &impl Rows, repo: &Repo) -> Result<Option<RepoId>, Error> {
    match repo {
        Repo::Shared => Ok(Some(RepoId::SHARED)),
        Repo::User(user) => Ok(REPOS.get(rows, user)?.map(|repo| repo.id)),
    }
}

/// The key of a branch, if its repository is there.
pub(super) fn branch_key(
    rows: &impl Rows,
    path: &BranchPath,
) -> Result<(RepoId, BranchName), Error> {
    let id = id(rows, &path.repo)?.ok_or_else(|| Error::NotFound(path.to_string()))?;
    Ok((id, path.branch.clone()))
}

/// The repository with this id, if its owner is known.
pub(super) fn of(rows: &impl Rows, id: RepoId) -> Result<Option<Repo>, Error> {
    if id == RepoId::SHARED {
        return Ok(Some(Repo::Shared));
    }
    Ok(OWNERS.get(rows, &id)?.map(Repo::User))
}

impl Tx<'_, '_> {
    /// The id of a repository, which is made if it is a user's first one.
    pub(super) fn repo_or_new(&self, repo: &Repo) -> Result<RepoId, Error> {
        if let Some(id) = id(self.txn, repo)? {
            return Ok(id);
        }
        let Repo::User(user) = repo else { return Ok(RepoId::SHARED) };
        Ok(self.new_repository(user)?.id)
    }

    /// Makes a user's repository, which is not there.
    pub(super) fn new_repository(&self, user: &UserName) -> Result<Repository, Error> {
        let record = Repository::new(RepoId(self.next(Meta::NEXT_NODE)?), self.now);
        REPOS.put(self.txn, user, &record)?;
        OWNERS.put(self.txn, &record.id, user)?;
        Ok(record)
    }
}

impl View {
    /// A user's repository.
    ///
    /// # Errors
    /// [`Error::NotFound`] when nothing was ever written there, [`Error::Db`].
    pub fn repository(&self, user: &UserName) -> Result<Repository, Error> {
        let found = REPOS.get(&self.snapshot, user)?;
        found.ok_or_else(|| Error::NotFound(format!("{}/", Repo::User(user.clone()))))
    }

    /// Users' repositories behind `after`, at most `limit` of them, by name.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn repositories(
        &self,
        after: Option<&UserName>,
        limit: usize,
    ) -> Result<Vec<(UserName, Repository)>, Error> {
        let span = after.map_or_else(Span::all, |after| Span::all().after(after));
        Ok(REPOS.page(&self.snapshot, span, limit)?)
    }

    /// All branches of a repository, by name; none of one that was never written to.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn branches(&self, repo: &Repo) -> Result<Vec<(BranchName, Branch)>, Error> {
        let Some(id) = id(&self.snapshot, repo)? else { return Ok(Vec::new()) };
        let rows = BRANCHES.all(&self.snapshot, Span::under(&id))?;
        Ok(rows.into_iter().map(|((_, name), branch)| (name, branch)).collect())
    }
}
