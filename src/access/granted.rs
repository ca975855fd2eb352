//! What the rules leave of the scopes that a token of the registry is asked for.
//!
//! A token is for whole repositories and the rules speak of paths, so a right is granted when it
//! holds at one of the paths that a client begins with, or when a line speaks of something in that
//! repository alone. That is generous on purpose: the guard asks the rules again about each path,
//! and a token narrows that down, never widens it.
//! Deliberately absent: what else narrows a token down (its credentials do).

use super::{Access, Current};
use crate::model::{Caller, Grants, Resource, Right};

/// A digest of nothing in particular.
const SOME_DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

impl Access {
    /// What of `asked` the caller may have.
    #[must_use]
    pub fn granted(&self, caller: &Caller, asked: &Grants) -> Grants {
        asked.filter(|resource, right| match resource {
            Resource::Catalog => self.allows(caller, right, "/v2/_catalog"),
            Resource::Repository(name) => self.may_hold(caller, right, name.as_str()),
        })
    }

    fn may_hold(&self, caller: &Caller, right: Right, name: &str) -> bool {
        let below = format!("/v2/{name}/");
        let beginnings = match right {
            Right::Read => &["", "tags/list", "manifests/latest", "blobs/"][..],
            Right::Add => &["", "blobs/uploads/", "manifests/latest"],
            Right::Update | Right::Delete => &["", "manifests/latest", "blobs/"],
        };
        let asks = |beginning: &&str| {
            let rest = if *beginning == "blobs/" { SOME_DIGEST } else { "" };
            self.allows(caller, right, &format!("{below}{beginning}{rest}"))
        };
        beginnings.iter().any(asks) || self.speaks_of(caller, right, &below)
    }

    /// Whether a line grants this somewhere below a path, and nowhere else.
    fn speaks_of(&self, caller: &Caller, right: Right, below: &str) -> bool {
        match (&*self.current(), caller) {
            (_, Caller::Deploy(_)) | (Current::Open | Current::BuiltIn, _) => false,
            (Current::Files(_), Caller::Anonymous) if right != Right::Read => false,
            (Current::Files(rules), caller) => {
                let lens = rules.lens(caller);
                lens.parts.iter().any(|part| part.lines.speak_of(right, below))
            }
        }
    }

    /// Those of a user's groups that the rules know, so that a token has no long list of others;
    /// one at least, since who is in none is nobody.
    #[must_use]
    pub fn known_groups(&self, groups: &[String]) -> Vec<String> {
        let current = self.current();
        let is_known = |group: &&String| match &*current {
            Current::Files(rules) => rules.knows(group),
            Current::Open | Current::BuiltIn => false,
        };
        let known: Vec<_> = groups.iter().filter(is_known).cloned().collect();
        if known.is_empty() { groups.iter().take(1).cloned().collect() } else { known }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Rank, User, UserName};

    fn user(login: &str, groups: &[&str]) -> Caller {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        Caller::User(User { login: UserName::parse(login).unwrap(), groups, rank: Rank::Ordinary })
    }

    fn with_rules(files: &[(&str, &str)]) -> Access {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Access::with_rules(folder.path()).unwrap()
    }

    #[track_caller]
    fn granted(access: &Access, caller: &Caller, asked: &str) -> String {
        access.granted(caller, &Grants::parse([asked]).unwrap()).to_string()
    }

    #[test]
    fn what_no_rule_grants_is_left_out() {
        let access = with_rules(&[
            ("ANONYMOUS", "r /v2/open/**\n"),
            ("dev", "rw /v2/main/**\nr /v2/other/**\nr /v2/_catalog\n"),
            ("narrow", "ra /v2/main/build/manifests/v1*\n"),
            ("secret", "r /v2/** !/v2/hidden/**\n"),
        ]);
        let all = "repository:main/build:pull,push,delete repository:other/x:pull,push \
                   registry:catalog:*";
        let dev = granted(&access, &user("eve", &["dev"]), all);
        assert_eq!(
            dev,
            "registry:catalog:* repository:main/build:pull,push,delete repository:other/x:pull"
        );
        let narrow = granted(&access, &user("eve", &["narrow"]), all);
        assert_eq!(narrow, "repository:main/build:pull,push");
        assert_eq!(granted(&access, &user("eve", &["none"]), all), "");
        let hidden = "repository:hidden/x:pull repository:seen:pull";
        assert_eq!(granted(&access, &user("e", &["secret"]), hidden), "repository:seen:pull");
        assert_eq!(granted(&access, &Caller::Anonymous, "repository:main/build:pull"), "");
        let open = granted(&access, &Caller::Anonymous, "repository:open/x:pull,push,delete");
        assert_eq!(open, "repository:open/x:pull");
    }

    #[test]
    fn a_line_of_a_name_that_only_begins_alike_grants_nothing() {
        let access = with_rules(&[("dev", "rw /v2/main/builder/**\nrw /v2/main/b\n")]);
        let eve = user("eve", &["dev"]);
        assert_eq!(granted(&access, &eve, "repository:main/build:pull,push"), "");
        assert_eq!(granted(&access, &eve, "repository:main/b:pull,push"), "");
    }

    #[test]
    fn an_administrator_gets_all_and_nobody_what_is_open() {
        let root = UserName::parse("root").unwrap();
        let root = Caller::User(User { login: root, groups: Vec::new(), rank: Rank::Admin });
        let all = "registry:catalog:* repository:a/b:pull,push,delete";
        assert_eq!(granted(&with_rules(&[("g", "r /x\n")]), &root, all), all);
        assert_eq!(granted(&Access::open(), &Caller::Anonymous, all), all);
        assert_eq!(granted(&Access::built_in(), &Caller::Anonymous, all), "");
    }

    #[test]
    fn groups_without_rules_stay_out_of_tokens() {
        let access = with_rules(&[("dev", "r /x\n"), ("ops", "r /x\n")]);
        let groups = ["a", "dev", "b", "ops"].map(str::to_owned);
        assert_eq!(access.known_groups(&groups), ["dev", "ops"]);
        assert_eq!(access.known_groups(&groups[..1]), ["a"]);
        assert_eq!(Access::built_in().known_groups(&groups), ["a"]);
    }
}
