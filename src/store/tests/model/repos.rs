//! The model's user: whose branches they are, and what fits into the repository.

use super::World;
use crate::model::{Branch, BranchPath, Repo, UserName};
use crate::store::View;
use crate::store::tests::USER_QUOTA;

fn size(text: &str) -> u64 {
    u64::try_from(text.len()).unwrap()
}

/// The key of a branch in the maps.
pub(super) fn key(path: &BranchPath) -> String {
    match &path.repo {
        Repo::Shared => path.branch.to_string(),
        Repo::User(user) => format!("~{user}:{}", path.branch),
    }
}

impl World {
    /// Bytes of all files of the user.
    fn used(&self) -> u64 {
        let branches = self.branches.iter().filter(|(b, _)| b.starts_with('~'));
        let jobs = branches.flat_map(|(_, b)| b.tags.values()).flat_map(|t| t.jobs.values());
        let files = jobs.flat_map(|j| j.formats.values()).flat_map(|f| f.files.values());
        files.map(|text| size(text)).sum()
    }

    pub(super) fn fits(&mut self, names: &[String; 4], path: &str, text: &str) -> bool {
        let used = self.used();
        let format = self.job(names).and_then(|job| job.formats.get(&names[3]));
        let old = format.and_then(|format| format.files.get(path)).map_or(0, |old| size(old));
        let is_growth = size(text) > old;
        !names[0].starts_with('~') || !is_growth || used - old + size(text) <= USER_QUOTA
    }

    /// The branches of all repositories, by their keys in the maps.
    pub(super) fn listed_branches(&self, view: &View) -> Vec<(String, Branch)> {
        let user = UserName::parse("u").unwrap();
        let repository = view.repository(&user);
        assert_eq!(repository.map_or(0, |repo| repo.usage.bytes), self.used());
        let repos = [Repo::Shared, Repo::User(user)].into_iter();
        let branches = repos.flat_map(|repo| {
            let branches = view.branches(&repo).unwrap().into_iter();
            branches.map(move |(name, branch)| (key(&repo.clone().branch(name)), branch))
        });
        branches.collect()
    }
}
