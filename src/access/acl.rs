//! [`Rules`]: the rights of all groups, ready to be asked fast.
//!
//! The lines of a group that say the same to everybody are made ready once. Those that speak of
//! `$user` are made for each user who comes; a bounded number of these is kept. What was
//! decided for a path is kept as well, bounded too, and all of it goes with the rules themselves
//! at a reload.
//! A user's lines that cannot be made grant nothing.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::Equivalent;
use quick_cache::sync::Cache;

use super::folder::{ANONYMOUS, Group};
use crate::model::acl::{Matcher, Rule};
use crate::model::{Caller, Rights, User};

/// Users whose own lines are kept ready.
const USERS_MAX: usize = 1024;
/// Decisions that are kept; with the longest paths they take some ten MiB.
const DECISIONS_MAX: usize = 16 * 1024;
/// Longer paths are decided anew each time, in bytes.
const KEPT_PATH_MAX: usize = 512;

/// The rights of all groups.
pub(super) struct Rules {
    groups: HashMap<String, Ready>,
    anonymous: Arc<Lens>,
    lenses: Cache<User, Arc<Lens>>,
    decisions: Cache<Asked, Rights>,
    next: AtomicU64,
}

/// A group, taken apart.
struct Ready {
    path: PathBuf,
    common: Arc<Matcher>,
    personal: Vec<Arc<Rule>>,
}

/// All lines that speak to one caller.
pub(super) struct Lens {
    /// Tells lenses apart in the decisions.
    id: u64,
    pub(super) parts: Vec<Part>,
}

/// Lines of one group.
pub(super) struct Part {
    pub(super) file: PathBuf,
    pub(super) lines: Arc<Matcher>,
}

impl Rules {
    /// Makes the rights of groups ready.
    pub(super) fn new(groups: Vec<Group>) -> Self {
        let groups = groups.into_iter().map(|group| (group.name.clone(), Ready::new(group)));
        let mut rules = Self {
            groups: groups.collect(),
            anonymous: Arc::new(Lens { id: 0, parts: Vec::new() }),
            lenses: Cache::new(USERS_MAX),
            decisions: Cache::new(DECISIONS_MAX),
            next: AtomicU64::new(1),
        };
        rules.anonymous = Arc::new(rules.lens_of(None, &[ANONYMOUS.to_owned()]));
        rules
    }

    /// What `caller` may do at `path`.
    pub(super) fn rights(&self, caller: &Caller, path: &str) -> Rights {
        let lens = self.lens(caller);
        if path.len() > KEPT_PATH_MAX {
            return lens.rights(path);
        }
        if let Some(known) = self.decisions.get(&Asking { lens: lens.id, path }) {
            return known;
        }
        let rights = lens.rights(path);
        self.decisions.insert(Asked { lens: lens.id, path: path.into() }, rights);
        rights
    }

    /// Whether there are lines for a group.
    pub(super) fn knows(&self, group: &str) -> bool {
        self.groups.contains_key(group)
    }

    /// All lines that speak to `caller`.
    pub(super) fn lens(&self, caller: &Caller) -> Arc<Lens> {
        let Caller::User(user) = caller else { return Arc::clone(&self.anonymous) };
        if let Some(known) = self.lenses.get(user) {
            return known;
        }
        let lens = Arc::new(self.lens_of(Some(user.login.as_str()), &user.groups));
        self.lenses.insert(user.clone(), Arc::clone(&lens));
        lens
    }

    /// Numbers of lenses and of decisions that are kept.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> (usize, usize) {
        (self.lenses.len(), self.decisions.len())
    }

    fn lens_of(&self, login: Option<&str>, groups: &[String]) -> Lens {
        let ready = groups.iter().filter_map(|group| self.groups.get(group));
        let parts = ready.flat_map(|group| group.parts(login)).collect();
        Lens { id: self.next.fetch_add(1, Ordering::Relaxed), parts }
    }
}

impl Ready {
    fn new(group: Group) -> Self {
        let personal = group.acl.rules.into_iter().filter(|rule| rule.is_personal()).collect();
        Self { path: group.path, common: Arc::new(group.common), personal }
    }

    fn parts(&self, login: Option<&str>) -> Vec<Part> {
        let mut parts = vec![Part { file: self.path.clone(), lines: Arc::clone(&self.common) }];
        if !self.personal.is_empty() {
            match Matcher::new(self.personal.clone(), login) {
                Ok(lines) => parts.push(Part { file: self.path.clone(), lines: Arc::new(lines) }),
                Err(bad) => log::error!(
                    "the lines of {} with $user grant nothing to {login:?}: {bad}",
                    self.path.display()
                ),
            }
        }
        parts
    }
}

impl Lens {
    fn rights(&self, path: &str) -> Rights {
        let parts = self.parts.iter().map(|part| part.lines.rights(path));
        parts.fold(Rights::NONE, Rights::and)
    }
}

/// Whose lines were asked about what.
#[derive(PartialEq, Eq)]
struct Asked {
    lens: u64,
    path: Box<str>,
}

/// The same without a copy of the path.
struct Asking<'p> {
    lens: u64,
    path: &'p str,
}

impl Hash for Asked {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Asking { lens: self.lens, path: &self.path }.hash(state);
    }
}

impl Hash for Asking<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.lens.hash(state);
        self.path.hash(state);
    }
}

impl Equivalent<Asked> for Asking<'_> {
    fn equivalent(&self, asked: &Asked) -> bool {
        self.lens == asked.lens && *self.path == *asked.path
    }
}
