//! Duplicates and protection are decided in the transaction that publishes or marks (I9).

use super::*;
use crate::model::{PackageSettings, ProtectionRule, Role, RuleRole};
use crate::store::detached::Cause;
use crate::store::packages::{
    NewProtectionRule, PACKAGE_TAGS_MAX, PROTECTION_RULES_MAX, RuleError,
};

fn strict() -> PackageSettings {
    PackageSettings {
        maven_duplicates: false,
        generic_duplicates: false,
        ..PackageSettings::default()
    }
}

impl House {
    fn set_duplicates(&self, group: GroupId, settings: PackageSettings) -> Result<(), Error> {
        self.check(self.store.set_package_settings(group, settings).wait())
    }

    fn put_again(&self, key: &PackageKey, file: &str) -> Result<Published, Error> {
        self.publish(publish(key.clone()).file(file, "x").again(Again::Settings))
    }

    fn rule(
        &self,
        pattern: &str,
        push: Option<Role>,
        delete: Option<Role>,
    ) -> Result<crate::model::ProtectionRuleId, Error> {
        let new = NewProtectionRule {
            pattern: pattern.into(),
            kind: PackageKind::Generic,
            push: push.map(RuleRole::Role),
            delete: delete.map(RuleRole::Role),
        };
        self.check(self.store.add_protection_rule(APP, new).wait())
    }
}

#[test]
fn the_settings_of_the_group_say_what_is_published_again() {
    let house = House::with_project();
    let generic = key(PackageKind::Generic, "app", Some("1.0"));
    let maven = key(PackageKind::Maven, "com/acme/app", Some("1.0"));
    let snapshot = key(PackageKind::Maven, "com/acme/app", Some("1.0-SNAPSHOT"));
    let notes = key(PackageKind::Maven, "com/acme/app", None);
    for key in [&generic, &maven, &notes] {
        house.put_again(key, "f").unwrap();
        house.put_again(key, "f").unwrap();
    }
    house.set_duplicates(GroupId(1), strict()).unwrap();
    assert_eq!(house.view_of_packages().package_settings_of(APP).unwrap(), strict());
    for key in [&generic, &maven] {
        assert!(matches!(house.put_again(key, "f"), Err(Error::DuplicateNotAllowed(_))));
        house.put_again(key, "g").unwrap();
    }
    house.put_again(&notes, "f").unwrap();
    // Builds of a snapshot have names of their own.
    house.put_again(&snapshot, "app-1.0-20260101.101010-1.jar").unwrap();
    house.put_again(&snapshot, "app-1.0-20260101.111111-2.jar").unwrap();
    let same = house.put_again(&snapshot, "app-1.0-20260101.111111-2.jar");
    assert!(matches!(same, Err(Error::DuplicateNotAllowed(_))));
    // Where the file was marked, none is there.
    let id = house.package_at(&generic).unwrap();
    let files = house.view_of_packages().package_files(id, None, 9).unwrap();
    let ids: Vec<_> = files.iter().map(|(id, _)| *id).collect();
    house.mark_files(&ids);
    house.put_again(&generic, "f").unwrap();
}

#[test]
fn an_exception_lets_a_name_or_a_version_be_published_again() {
    let house = House::with_project();
    let key = key(PackageKind::Generic, "app", Some("1.0-dev"));
    house.put_again(&key, "f").unwrap();
    let with = |exception: &str| PackageSettings {
        generic_exception: exception.into(),
        maven_exception: exception.into(),
        ..strict()
    };
    for (exception, may) in [("", false), (".*-dev", true), ("ap", false), ("app", true)] {
        house.set_duplicates(GroupId(1), with(exception)).unwrap();
        assert_eq!(house.put_again(&key, "f").is_ok(), may, "{exception}");
    }
    for bad in ["(", "a)(b", "(?=x)", &"x".repeat(256)] {
        let refused = house.set_duplicates(GroupId(1), with(bad));
        assert!(matches!(refused, Err(Error::PackageRule(RuleError::Exception(_)))), "{bad}");
    }
    assert_eq!(house.view_of_packages().package_settings(GroupId(1)).unwrap(), with("app"));
}

#[test]
fn settings_are_of_groups_and_of_projects_at_the_top() {
    let house = House::with_project();
    let alone = house.project(TOP, "alone");
    house.set_duplicates(alone.governed(), strict()).unwrap();
    assert_eq!(house.view_of_packages().package_settings_of(alone).unwrap(), strict());
    let default = PackageSettings::default();
    assert_eq!(house.view_of_packages().package_settings_of(APP).unwrap(), default);
    for group in [APP.governed(), GroupId(99), TOP] {
        assert!(
            matches!(house.set_duplicates(group, strict()), Err(Error::GroupUnknown(_))),
            "{group:?}"
        );
    }
    let unknown = house.view_of_packages().package_settings_of(ProjectId(99));
    assert!(matches!(unknown, Err(Error::ProjectUnknown(_))));
}

#[test]
fn rules_keep_lower_roles_from_publishing_and_deleting() {
    let house = House::with_project();
    let key = key(PackageKind::Generic, "app-core", Some("1"));
    let id = house.generic("app-core", "1", "f", "x").package;
    house.rule("app-*", Some(Role::Maintainer), Some(Role::Owner)).unwrap();
    let role = |role| Some(RuleRole::Role(role));
    let push = |may| house.publish(Publish { may, ..publish(key.clone()).file("f", "y") });
    for may in [role(Role::Developer), None] {
        assert!(matches!(push(may), Err(Error::PackageProtected(_))), "{may:?}");
    }
    let file = push(role(Role::Maintainer)).unwrap().file.unwrap();
    push(ADMIN).unwrap();
    let kept = Marked { marked: 0, protected: vec![id] };
    let mark = |may, cause| house.check(house.store.mark_packages(vec![(id, may)], cause).wait());
    let mark_file =
        |may| house.check(house.store.mark_package_files(vec![(file, may)], cause()).wait());
    for may in [role(Role::Maintainer), None] {
        assert_eq!(mark(may, cause()).unwrap(), kept);
        assert_eq!(mark_file(may).unwrap(), kept);
    }
    let policy = || Cause::policy("keep one".into());
    assert_eq!(mark(ADMIN, policy()).unwrap(), kept, "no policy deletes what is protected");
    let protection = house.view_of_packages().protection(&house.package(id)).unwrap();
    assert_eq!((protection.push, protection.delete), (role(Role::Maintainer), role(Role::Owner)));
    assert_eq!(mark_file(role(Role::Owner)).unwrap().marked, 1);
    assert_eq!(mark(role(Role::Owner), cause()).unwrap().marked, 1);
}

#[test]
fn rules_are_made_changed_and_removed() {
    let house = House::with_project();
    let id = house.rule("a*", Some(Role::Owner), None).unwrap();
    let error = |result: Result<_, Error>| match result {
        Err(Error::PackageRule(why)) => why,
        other => panic!("{other:?}"),
    };
    let same = error(house.rule("a*", None, Some(Role::Owner)));
    assert_eq!(same, RuleError::RuleExists(PackageKind::Generic, "a*".into()));
    assert!(matches!(error(house.rule("", Some(Role::Owner), None)), RuleError::Pattern(_)));
    assert_eq!(error(house.rule("b", None, None)), RuleError::NothingProtected);
    let change = |id, pattern: &str| {
        let new = NewProtectionRule {
            pattern: pattern.into(),
            kind: PackageKind::Npm,
            push: None,
            delete: Some(RuleRole::Admin),
        };
        house.check(house.store.change_protection_rule(APP, id, new).wait())
    };
    change(id, "b*").unwrap();
    change(id, "b*").unwrap();
    let unknown = crate::model::ProtectionRuleId(999);
    assert!(matches!(change(unknown, "c"), Err(Error::PackageRule(RuleError::RuleUnknown(999)))));
    let rules = house.view_of_packages().protection_rules(APP).unwrap();
    let ProtectionRule { pattern, kind, push, delete, .. } = rules[0].1.clone();
    assert_eq!((pattern.as_str(), kind), ("b*", PackageKind::Npm));
    assert_eq!((push, delete), (None, Some(RuleRole::Admin)));
    for number in 1..PROTECTION_RULES_MAX {
        house.rule(&format!("n{number}"), Some(Role::Owner), None).unwrap();
    }
    assert_eq!(error(house.rule("more", Some(Role::Owner), None)), RuleError::TooManyRules);
    let remove = |id| house.check(house.store.remove_protection_rule(APP, id).wait()).unwrap();
    assert!(remove(id) && !remove(id));
    house.check(house.store.delete_project(APP, cause()).wait()).unwrap();
    house.destroy(7);
    assert_eq!(house.view_of_packages().protection_rules(APP).unwrap(), []);
}

#[test]
fn a_package_has_a_bounded_number_of_tags() {
    let house = House::with_project();
    let key = key(PackageKind::Npm, "app", Some("1.0.0"));
    house.store.publish(publish(key.clone()).tagged("latest")).wait().unwrap();
    let set = |tag: &str| house.store.set_package_tag(APP, key.clone(), tag_name(tag)).wait();
    for number in 1..PACKAGE_TAGS_MAX {
        set(&format!("t{number}")).unwrap();
    }
    let next = PackageKey { version: Some(PackageVersion::parse("2.0.0").unwrap()), ..key.clone() };
    let tagged = |tag: &str| house.publish(publish(next.clone()).tagged(tag));
    for refused in [house.check(set("more")).map(drop), tagged("more").map(drop)] {
        let Err(Error::PackageRule(why)) = refused else { panic!("{refused:?}") };
        assert_eq!(why, RuleError::TooManyTags);
        assert!(why.to_string().contains("up to 1000 tags"), "{why}");
    }
    assert_eq!(house.package_at(&next), None, "nothing of it was published");
    // Those that are there move, and one that goes makes room.
    tagged("latest").unwrap();
    set("t1").unwrap();
    let name = key.series.name.clone();
    assert!(house.store.remove_package_tag(APP, name, tag_name("t1")).wait().unwrap());
    house.check(set("more")).unwrap();
    // Another package has its own.
    let other = self::key(PackageKind::Npm, "other", Some("1.0.0"));
    house.publish(publish(other).tagged("latest")).unwrap();
}
