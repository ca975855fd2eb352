//! The walk over the repositories: whose branches are whose, and the usage that quotas rest on
//! (I2). Branches of a repository that no record leads to are walked over too, so that nothing
//! below them is taken for a stray.

use super::fix::{Erase, Fix};
use super::shift::{Holder, Shift};
use super::{Halt, Pass};
use crate::db::keys::Key;
use crate::db::schema::{BRANCHES, OWNERS, REPOS};
use crate::db::{self, Found, Span};
use crate::model::{Branch, BranchName, Repo, RepoId, Repository, Usage, UserName};

/// What leads from an id to its repository.
enum Owner {
    /// This user's record, which says so too.
    Known,
    /// This user, who has no record.
    WithoutRecord(UserName),
    /// A user whose record cannot be read: that is told already.
    InDoubt(UserName),
    /// Nobody.
    Nobody,
}

impl Pass<'_, '_, '_> {
    /// Recounts the branches of all repositories, and compares what these keep.
    pub(super) fn check_repositories(&mut self) -> Result<(), Halt> {
        self.branches(RepoId::SHARED, &Repo::Shared)?;
        for row in REPOS.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row(user, record) => self.check_repository(user, &record)?,
                Found::Unreadable { key, what } => {
                    self.found.unreadable(REPOS.name(), &key, &what);
                }
            }
        }
        if BRANCHES.count(self.rows)? != self.met.branches {
            self.lost_branches()?;
        }
        if OWNERS.count(self.rows)? != self.met.owners {
            self.stray_owners()?;
        }
        Ok(())
    }

    fn check_repository(&mut self, user: UserName, record: &Repository) -> Result<(), Halt> {
        self.found.recount.checked.repositories += 1;
        let repo = Repo::User(user.clone());
        let owner = self.owner_of(record.id)?;
        if record.id == RepoId::SHARED || owner.as_ref().is_some_and(|owner| *owner != user) {
            let id = record.id.0;
            if record.id == RepoId::SHARED || matches!(self.known(record.id)?, Owner::Known) {
                let what = format!("{repo}/ has the id {id}, which is another repository's");
                self.found.in_doubt = true;
                self.found.damage(what);
                return Ok(());
            }
        }
        if owner.as_ref() == Some(&user) {
            self.met.owners += 1;
        } else {
            self.unowned.insert(record.id);
            let what = format!("{repo}/ cannot be found by its id: found {owner:?}");
            self.found.differ(what, Fix::Owner(user.clone(), record.id));
        }
        let counted = self.branches(record.id, &repo)?;
        let shift = Shift { found: record.usage, counted };
        let holder = Holder::Repository(user, record.id);
        self.compare(&format!("the usage of {repo}/"), shift, holder);
        Ok(())
    }

    /// Recounts the branches with this id in their keys; returns the counted usage.
    fn branches(&mut self, id: RepoId, repo: &Repo) -> Result<Usage, Halt> {
        let mut usage = Usage::default();
        for row in BRANCHES.cursor(self.rows, Span::under(&id)) {
            self.walk.step()?;
            self.met.branches += 1;
            match row? {
                Found::Row(key, branch) => {
                    usage = usage.plus(self.named_branch(&repo.to_string(), key, &branch)?);
                }
                Found::Unreadable { key, what } => {
                    self.found.unreadable(BRANCHES.name(), &key, &what);
                }
            }
        }
        Ok(usage)
    }

    fn named_branch(
        &mut self,
        repo: &str,
        key: (RepoId, BranchName),
        branch: &Branch,
    ) -> Result<Usage, Halt> {
        self.found.recount.checked.branches += 1;
        self.path = format!("{repo}/branches/{}/", key.1);
        self.check_branch(key, branch)
    }

    /// Branches that the walk from the repositories has not met.
    fn lost_branches(&mut self) -> Result<(), Halt> {
        let mut last = None;
        for row in BRANCHES.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            let (key, branch) = match row? {
                Found::Row(key, branch) => (key, branch),
                Found::Unreadable { key, what } => {
                    let id = RepoId::read(&mut key.as_slice());
                    let is_met = match id {
                        Some(id) => self.is_met(id)?,
                        None => false,
                    };
                    if !is_met {
                        self.found.unreadable(BRANCHES.name(), &key, &what);
                    }
                    continue;
                }
            };
            if self.is_met(key.0)? {
                continue;
            }
            let owner = self.known(key.0)?;
            if last.replace(key.0) != Some(key.0) {
                self.tell_lost(key.0, &owner);
            }
            let repo = match owner {
                Owner::WithoutRecord(user) | Owner::InDoubt(user) => Repo::User(user).to_string(),
                Owner::Known | Owner::Nobody => "/~…".to_owned(),
            };
            self.named_branch(&repo, key, &branch)?;
        }
        Ok(())
    }

    fn tell_lost(&mut self, id: RepoId, owner: &Owner) {
        match owner {
            Owner::WithoutRecord(user) => {
                let what = format!(
                    "/~{user}/ has branches and no record; a repair makes it again, with the \
                     quota that everybody has"
                );
                self.found.differ(what, Fix::Repository(user.clone(), id));
            }
            Owner::Nobody => {
                self.found.in_doubt = true;
                let (table, id) = (BRANCHES.name(), id.0);
                self.found.damage(format!(
                    "table {table} holds branches of repository {id}, which nobody owns; nothing \
                     was removed"
                ));
            }
            Owner::InDoubt(_) | Owner::Known => {}
        }
    }

    /// Ways from an id to a user who has no such repository.
    fn stray_owners(&mut self) -> Result<(), Halt> {
        for row in OWNERS.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row(id, user) => {
                    let is_needed = self.unowned.contains(&id) || self.has_branches(id)?;
                    if !is_needed && !matches!(self.known(id)?, Owner::Known | Owner::InDoubt(_)) {
                        let id_text = id.0;
                        let what = format!("repository {id_text} leads to {user}, whose it is not");
                        self.found.differ(what, Fix::StrayOwner(id));
                    }
                }
                Found::Unreadable { key, what } => {
                    let id = RepoId::read(&mut key.as_slice());
                    if id.is_none_or(|id| !self.unowned.contains(&id)) {
                        let erase: Erase = |txn, key| OWNERS.remove_unreadable(txn, key);
                        self.broken(OWNERS.name(), key, &what, erase);
                    }
                }
            }
        }
        Ok(())
    }

    fn has_branches(&self, id: RepoId) -> Result<bool, Halt> {
        let first = BRANCHES.cursor(self.rows, Span::under(&id)).next();
        Ok(first.transpose()?.is_some())
    }

    /// Whether the walk from the repositories came to the branches of this one.
    fn is_met(&self, id: RepoId) -> Result<bool, Halt> {
        Ok(id == RepoId::SHARED
            || self.unowned.contains(&id)
            || matches!(self.known(id)?, Owner::Known))
    }

    fn owner_of(&self, id: RepoId) -> Result<Option<UserName>, Halt> {
        match OWNERS.get(self.rows, &id) {
            Err(db::Error::Corrupt { .. }) => Ok(None),
            owner => Ok(owner?),
        }
    }

    fn known(&self, id: RepoId) -> Result<Owner, Halt> {
        let Some(user) = self.owner_of(id)? else { return Ok(Owner::Nobody) };
        Ok(match REPOS.get(self.rows, &user) {
            Err(db::Error::Corrupt { .. }) => Owner::InDoubt(user),
            record => match record? {
                Some(record) if record.id == id => Owner::Known,
                Some(_) => Owner::Nobody,
                None => Owner::WithoutRecord(user),
            },
        })
    }

    /// Compares repositories with the records of their branches, which were recounted before.
    pub(super) fn sum_repositories(&mut self) -> Result<(), Halt> {
        for row in REPOS.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            let Found::Row(user, record) = row? else { continue };
            let mut counted = Usage::default();
            let mut is_sure = true;
            for row in BRANCHES.cursor(self.rows, Span::under(&record.id)) {
                self.walk.step()?;
                match row? {
                    Found::Row(_, branch) => counted = counted.plus(branch.usage),
                    Found::Unreadable { .. } => is_sure = false,
                }
            }
            if is_sure {
                let whose = format!("the usage of {}/", Repo::User(user.clone()));
                let shift = Shift { found: record.usage, counted };
                self.compare(&whose, shift, Holder::Repository(user, record.id));
            }
        }
        Ok(())
    }
}
