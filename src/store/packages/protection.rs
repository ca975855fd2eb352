//! Rules that keep people from publishing or deleting packages (spec gitlab §8.7).
//!
//! They are tested in the transaction that publishes or marks (I9). Of several rules that speak of
//! a package the strictest counts. A rule speaks of a name as it is looked up and as it was
//! written. Deliberately absent: who has which role.

use crate::db::schema::{Meta, PROTECTION_RULES};
use crate::db::{Pending, Rows, Span};
use crate::model::{
    Package, PackageKind, PackageName, ProjectId, ProtectionRule, ProtectionRuleId, Role, RuleRole,
};
use crate::store::{Error, Store, Tx, View};

use super::publish::Publish;
use super::{RuleError, describe};

/// Most rules of a project: each publication tests all of them.
pub const PROTECTION_RULES_MAX: usize = 100;

/// A rule that is to be made, or what one is to say from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewProtectionRule {
    /// The names that it speaks of; `*` stands for any characters.
    pub pattern: String,
    /// Of which kind.
    pub kind: PackageKind,
    /// The lowest role that may publish; `None`: whoever may anyway.
    pub push: Option<RuleRole>,
    /// The lowest role that may delete; `None`: whoever may anyway.
    pub delete: Option<RuleRole>,
}

/// What all rules say of a package.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Protection {
    /// The lowest role that may publish it again; `None`: whoever may anyway.
    pub push: Option<RuleRole>,
    /// The lowest role that may delete it; `None`: whoever may anyway. A cleanup may not then.
    pub delete: Option<RuleRole>,
}

impl Protection {
    /// Whether somebody of this role may publish; `None`: a deploy token.
    #[must_use]
    pub fn may_push(self, role: Option<RuleRole>) -> bool {
        let role = role.unwrap_or(RuleRole::Role(Role::Developer));
        self.push.is_none_or(|least| role >= least)
    }

    /// Whether somebody of this role may delete; `None`: a deploy token.
    #[must_use]
    pub fn may_delete(self, role: Option<RuleRole>) -> bool {
        let role = role.unwrap_or(RuleRole::Role(Role::Maintainer));
        self.delete.is_none_or(|least| role >= least)
    }
}

impl Store {
    /// Adds a rule; tells its number.
    ///
    /// # Errors
    /// [`Error::ProjectUnknown`]; [`Error::PackageRule`] for a pattern that cannot be, a rule that
    /// protects nothing, one that is there already, and one too many; [`Error::Db`].
    pub fn add_protection_rule(
        &self,
        project: ProjectId,
        new: NewProtectionRule,
    ) -> Pending<ProtectionRuleId, Error> {
        self.change(move |tx| {
            let known = tx.check_rule(project, &new, None)?;
            if known >= PROTECTION_RULES_MAX {
                return Err(RuleError::TooManyRules.into());
            }
            let id = ProtectionRuleId(tx.next(Meta::NEXT_PACKAGE)?);
            PROTECTION_RULES.put(tx.txn, &(project, id), &tx.rule(&new, tx.now))?;
            Ok(id)
        })
    }

    /// Replaces what a rule says.
    ///
    /// # Errors
    /// As [`Self::add_protection_rule`].
    pub fn change_protection_rule(
        &self,
        project: ProjectId,
        id: ProtectionRuleId,
        new: NewProtectionRule,
    ) -> Pending<(), Error> {
        self.change(move |tx| {
            tx.check_rule(project, &new, Some(id))?;
            let known = PROTECTION_RULES.get(tx.txn, &(project, id))?;
            let known = known.ok_or(RuleError::RuleUnknown(id.0))?;
            Ok(PROTECTION_RULES.put(tx.txn, &(project, id), &tx.rule(&new, known.created))?)
        })
    }

    /// Removes a rule; tells whether it was there.
    ///
    /// # Errors
    /// [`Error::ProjectUnknown`], [`Error::Db`].
    pub fn remove_protection_rule(
        &self,
        project: ProjectId,
        id: ProtectionRuleId,
    ) -> Pending<bool, Error> {
        self.change(move |tx| {
            tx.check_project(project)?;
            Ok(PROTECTION_RULES.remove(tx.txn, &(project, id))?)
        })
    }
}

impl View {
    /// The rules of a project, by number; there are few.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn protection_rules(
        &self,
        project: ProjectId,
    ) -> Result<Vec<(ProtectionRuleId, ProtectionRule)>, Error> {
        let rows = PROTECTION_RULES.all(&self.snapshot, Span::under(&project))?;
        Ok(rows.into_iter().map(|((_, id), rule)| (id, rule)).collect())
    }

    /// What the rules of its project say of a package.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn protection(&self, package: &Package) -> Result<Protection, Error> {
        Ok(of_package(&rules(&self.snapshot, package.project)?, package))
    }

    /// What the rules of a project say of a name that may have no package yet.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn protection_of(
        &self,
        project: ProjectId,
        kind: PackageKind,
        name: &PackageName,
    ) -> Result<Protection, Error> {
        let rules = rules(&self.snapshot, project)?;
        Ok(of_names(&rules, kind, [name.as_str(), name.as_str()]))
    }
}

impl Tx<'_, '_> {
    /// Whether the rules let somebody of this role publish.
    pub(super) fn check_push(&self, new: &Publish, may: Option<RuleRole>) -> Result<(), Error> {
        let rules = rules(self.txn, new.project)?;
        let names = [new.key.series.name.as_str(), &new.title];
        if of_names(&rules, new.key.series.kind, names).may_push(may) {
            return Ok(());
        }
        Err(Error::PackageProtected(describe(&new.key)))
    }

    /// Looks at what a rule is to say; tells how many there are.
    fn check_rule(
        &self,
        project: ProjectId,
        new: &NewProtectionRule,
        itself: Option<ProtectionRuleId>,
    ) -> Result<usize, Error> {
        self.check_project(project)?;
        if PackageName::parse(&new.pattern).is_err() {
            return Err(RuleError::Pattern(new.pattern.chars().take(255).collect()).into());
        }
        if new.push.is_none() && new.delete.is_none() {
            return Err(RuleError::NothingProtected.into());
        }
        let known = PROTECTION_RULES.all(self.txn, Span::under(&project))?;
        let is_same = |((_, id), rule): &((ProjectId, ProtectionRuleId), ProtectionRule)| {
            Some(*id) != itself && rule.kind == new.kind && rule.pattern == new.pattern
        };
        if known.iter().any(is_same) {
            return Err(RuleError::RuleExists(new.kind, new.pattern.clone()).into());
        }
        Ok(known.len())
    }

    fn rule(&self, new: &NewProtectionRule, created: crate::model::Timestamp) -> ProtectionRule {
        let NewProtectionRule { pattern, kind, push, delete } = new.clone();
        ProtectionRule { pattern, kind, push, delete, created, updated: self.now }
    }
}

pub(super) fn rules(rows: &impl Rows, project: ProjectId) -> Result<Vec<ProtectionRule>, Error> {
    let rows = PROTECTION_RULES.all(rows, Span::under(&project))?;
    Ok(rows.into_iter().map(|(_, rule)| rule).collect())
}

/// Whether any rule keeps people from deleting a package, so that no policy may.
pub(in crate::store) fn is_protected(rows: &impl Rows, package: &Package) -> Result<bool, Error> {
    Ok(!may_delete(&rules(rows, package.project)?, package, Remover::Policy))
}

/// Who removes a package.
#[derive(Clone, Copy)]
pub(super) enum Remover {
    /// Somebody of this role; `None`: a deploy token.
    Person(Option<RuleRole>),
    /// A policy.
    Policy,
}

/// Whether rules let a package go.
pub(super) fn may_delete(rules: &[ProtectionRule], package: &Package, who: Remover) -> bool {
    let protection = of_package(rules, package);
    match who {
        Remover::Person(role) => protection.may_delete(role),
        Remover::Policy => protection.delete.is_none(),
    }
}

fn of_package(rules: &[ProtectionRule], package: &Package) -> Protection {
    of_names(rules, package.kind, [&package.name, &package.title])
}

fn of_names(rules: &[ProtectionRule], kind: PackageKind, names: [&str; 2]) -> Protection {
    let speaks = |rule: &&ProtectionRule| {
        rule.kind == kind && names.iter().any(|name| matches(&rule.pattern, name))
    };
    rules.iter().filter(speaks).fold(Protection::default(), |all, rule| Protection {
        push: all.push.max(rule.push),
        delete: all.delete.max(rule.delete),
    })
}

/// Whether a name is of a pattern in which `*` stands for any characters, also for none.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    // The leftmost place of each part leaves most to those behind it.
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, name, is_match) in [
            ("@acme/app", "@acme/app", true),
            ("@acme/app", "@acme/apps", false),
            ("@acme/*", "@acme/app", true),
            ("@acme/*", "@acme/", true),
            ("*-internal", "app-internal", true),
            ("*-internal", "app-internals", false),
            ("a*b*c", "abbc", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("*ab*ab", "abab", true),
            ("*ab*ab", "ab", false),
            ("*", "", true),
            ("a.c", "abc", false),
        ] {
            assert_eq!(matches(pattern, name), is_match, "{pattern} of {name}");
        }
    }

    #[test]
    fn the_strictest_of_the_rules_that_speak_of_a_package_counts() {
        use crate::model::Timestamp;
        let rule = |pattern: &str, push, delete| ProtectionRule {
            pattern: pattern.into(),
            kind: PackageKind::Npm,
            push,
            delete,
            created: Timestamp(1),
            updated: Timestamp(1),
        };
        let least = |role| Some(RuleRole::Role(role));
        let rules = [
            rule("app", least(Role::Maintainer), None),
            rule("a*", least(Role::Owner), Some(RuleRole::Admin)),
            rule("b*", Some(RuleRole::Admin), None),
        ];
        let found = of_names(&rules, PackageKind::Npm, ["app", "app"]);
        let expected = Protection { push: least(Role::Owner), delete: Some(RuleRole::Admin) };
        assert_eq!(found, expected);
        assert!(found.may_push(least(Role::Owner)) && !found.may_push(least(Role::Maintainer)));
        assert!(!found.may_delete(least(Role::Owner)) && found.may_delete(Some(RuleRole::Admin)));
        assert!(!found.may_push(None) && !found.may_delete(None));
        let other_kind = of_names(&rules, PackageKind::Generic, ["app", "app"]);
        assert_eq!(other_kind, Protection::default());
        assert!(other_kind.may_push(None) && other_kind.may_delete(None));
    }
}
