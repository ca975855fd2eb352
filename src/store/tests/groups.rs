//! Groups: what is below a deleted one is gone at once and destroyed in slices (I7), and roles
//! count downwards, while they have not ended, for whoever was meant.

mod crash;
mod model;
mod people;
mod projects;
mod tokens;

use super::{House, ROWS, WORK, assert_consistent};
use crate::db::schema::{DEPLOY_TOKENS, GROUP_NAMES, GROUPS, MEMBERS, MEMBERSHIPS};
use crate::db::tests::random::Random;
use crate::model::{
    DeployScope, DeployTokenId, GroupId, GroupName, GroupNameError, GroupPath, MemberName, Rank,
    Role, Timestamp, User, UserName, Visibility,
};
use crate::store::deploy_tokens::NewDeployToken;
use crate::store::detached::Cause;
use crate::store::governed::{self, DESCRIPTION_LENGTH_MAX, TITLE_LENGTH_MAX};
use crate::store::members::{MemberPut, PutMode};
use crate::store::{Error, View};

fn login(text: &str) -> UserName {
    UserName::parse(text).unwrap()
}

fn name(text: &str) -> GroupName {
    GroupName::parse(text).unwrap()
}

fn user(text: &str) -> MemberName {
    MemberName::User(login(text))
}

fn team(text: &str) -> MemberName {
    MemberName::Team(text.into())
}

/// A user in these teams.
fn who(text: &str, teams: &[&str]) -> User {
    let groups = teams.iter().map(|&team| team.to_owned()).collect();
    User { login: login(text), groups, rank: Rank::Ordinary }
}

const TOP: GroupId = GroupId::TOP;

impl House {
    fn view(&self) -> View {
        self.store.view().unwrap()
    }

    fn make(&self, parent: GroupId, text: &str, owner: Option<&str>) -> Result<GroupId, Error> {
        let new = governed::New { owner: owner.map(login), ..governed::New::of(parent, text) };
        self.check(self.store.create_group(new).wait())
    }

    fn rename(&self, id: GroupId, text: &str) -> Result<(), Error> {
        let change = governed::Change { name: Some(name(text)), ..governed::Change::default() };
        self.check(self.store.change_group(id, change).wait())
    }

    fn delete_group(&self, id: GroupId) -> Result<(), Error> {
        self.check(self.store.delete_group(id, super::cause()).wait())
    }

    fn put_in(&self, group: GroupId, name: MemberName, role: Role, mode: PutMode) -> Put<'_> {
        Put {
            house: self,
            put: MemberPut { group, name, role, expires: None, by: "eve".into(), mode },
        }
    }

    fn admit(&self, group: GroupId, name: MemberName, role: Role) -> Result<(), Error> {
        self.put_in(group, name, role, PutMode::Add).done()
    }

    fn set(&self, group: GroupId, name: MemberName, role: Role) -> Result<(), Error> {
        self.put_in(group, name, role, PutMode::Change).done()
    }

    fn remove(&self, group: GroupId, name: MemberName) -> Result<(), Error> {
        self.check(self.store.remove_member(group, name).wait())
    }

    fn role(&self, user: &User, group: GroupId) -> Option<Role> {
        self.view().role(user, group).unwrap()
    }

    fn add_token(&self, group: GroupId) -> Result<DeployTokenId, Error> {
        self.check(self.store.add_deploy_token(token(group)).wait()).map(|(id, _)| id)
    }

    fn path(&self, id: GroupId) -> Option<String> {
        self.view().group(id).unwrap().map(|(path, _)| path.to_string())
    }

    fn at(&self, path: &str) -> Option<GroupId> {
        let found = self.view().group_at(&GroupPath::parse(path).unwrap()).unwrap();
        found.map(|(id, _)| id)
    }

    /// How many rows tell of groups, whether names lead there or not.
    fn group_rows(&self) -> [u64; 5] {
        let rows = self.view().snapshot;
        [
            GROUPS.count(&rows).unwrap(),
            GROUP_NAMES.count(&rows).unwrap(),
            MEMBERS.count(&rows).unwrap(),
            MEMBERSHIPS.count(&rows).unwrap(),
            DEPLOY_TOKENS.count(&rows).unwrap(),
        ]
    }
}

/// A membership in the making.
struct Put<'h> {
    house: &'h House,
    put: MemberPut,
}

impl Put<'_> {
    fn until(mut self, end: Timestamp) -> Self {
        self.put.expires = Some(end);
        self
    }

    fn done(self) -> Result<(), Error> {
        self.house.check(self.house.store.put_member(self.put).wait())
    }
}

fn token(group: GroupId) -> NewDeployToken {
    NewDeployToken {
        group,
        name: "ci".into(),
        username: None,
        scopes: vec![DeployScope::ReadRegistry],
        expires: None,
        hash: [7; 32],
        by: "eve".into(),
    }
}

#[test]
fn a_group_has_a_path_and_an_owner() {
    let house = House::new();
    let acme = house.make(TOP, "Acme", Some("anna")).unwrap();
    let web = house.make(acme, "web", None).unwrap();
    assert_eq!((acme, web), (GroupId(1), GroupId(2)));
    assert_eq!(house.path(web).unwrap(), "acme/web");
    assert_eq!(
        (house.at("ACME/web"), house.at("acme/x"), house.at("web")),
        (Some(web), None, None)
    );
    let (path, group) = house.view().group(acme).unwrap().unwrap();
    assert_eq!((path.to_string().as_str(), group.name.as_str()), ("acme", "Acme"));
    assert_eq!((group.parent, group.created), (TOP, house.now()));
    assert_eq!(house.role(&who("anna", &[]), web), Some(Role::Owner));
    assert!(house.view().members(web, None, 9).unwrap().is_empty());
    assert!(
        house.view().is_within(web, acme).unwrap() && house.view().is_within(web, web).unwrap()
    );
    assert!(!house.view().is_within(acme, web).unwrap());
    assert_eq!(house.view().group(GroupId(9)).unwrap(), None);
    assert_eq!(house.view().group(TOP).unwrap(), None, "the top is no group");
}

#[test]
fn names_are_taken_and_paths_are_short() {
    let house = House::new();
    let acme = house.make(TOP, "acme", None).unwrap();
    house.make(acme, "acme", None).unwrap();
    let taken = house.make(acme, "ACME", None);
    assert!(matches!(taken, Err(Error::GroupExists(path)) if path == "acme/acme"));
    assert!(matches!(house.make(GroupId(9), "x", None), Err(Error::GroupUnknown(id)) if id == "9"));
    let too_long = |result| matches!(result, Err(Error::GroupName(GroupNameError::TooLong)));
    assert!(too_long(house.make(acme, &"a".repeat(251), None).map(drop)));
    let long = house.make(acme, &"a".repeat(250), None).unwrap();
    assert_eq!(house.path(long).unwrap().len(), 255);
    let mut deep = acme;
    for _ in 1..crate::model::group::GROUP_DEPTH_MAX {
        deep = house.make(deep, "d", None).unwrap();
    }
    assert!(too_long(house.make(deep, "d", None).map(drop)));
    assert_eq!(house.path(deep).unwrap().len(), "acme".len() + 19 * "/d".len());
    assert_eq!(house.role(&who("x", &[]), deep), None);
}

#[test]
fn a_group_is_changed_and_found_by_its_new_name_with_all_below() {
    let house = House::new();
    let acme = house.make(TOP, "acme", None).unwrap();
    let other = house.make(TOP, "other", None).unwrap();
    let web = house.make(acme, "web", None).unwrap();
    let change = governed::Change {
        title: Some("Acme Inc".into()),
        description: Some("all".into()),
        visibility: Some(Visibility::Public),
        ..governed::Change::default()
    };
    house.check(house.store.change_group(acme, change).wait()).unwrap();
    let group = house.view().group(acme).unwrap().unwrap().1;
    assert_eq!((group.name.as_str(), group.description.as_str()), ("Acme Inc", "all"));
    assert_eq!(house.view().visibility(acme).unwrap(), Some(Visibility::Public));
    assert!(
        matches!(house.rename(acme, "other"), Err(Error::GroupExists(path)) if path == "other")
    );
    house.rename(acme, "acme").unwrap();
    house.rename(acme, "inc").unwrap();
    assert_eq!((house.at("inc/web"), house.at("acme/web")), (Some(web), None));
    house.rename(web, "site").unwrap();
    assert_eq!(house.path(web).unwrap(), "inc/site");
    house.make(TOP, "acme", None).unwrap();
    assert!(matches!(house.rename(GroupId(99), "x"), Err(Error::GroupUnknown(_))));
    // A longer name above never makes what is below unreachable.
    let long = house.make(other, &"b".repeat(240), None).unwrap();
    house.rename(other, &"c".repeat(255)).unwrap();
    let path = house.path(long).unwrap();
    assert_eq!((path.len(), house.at(&path)), (496, Some(long)));
}

#[test]
fn texts_are_bounded() {
    let house = House::new();
    let acme = house.make(TOP, "acme", None).unwrap();
    let long = |bytes: usize| Some("x".repeat(bytes));
    let texts = [
        (long(0), None),
        (long(TITLE_LENGTH_MAX + 1), None),
        (None, long(DESCRIPTION_LENGTH_MAX + 1)),
    ];
    for (title, description) in texts {
        let change = governed::Change { title, description, ..governed::Change::default() };
        let changed = house.store.change_group(acme, change).wait();
        assert!(matches!(changed, Err(Error::GovernedText)));
    }
    let (title, description) = (long(TITLE_LENGTH_MAX), long(DESCRIPTION_LENGTH_MAX));
    let change = governed::Change { title, description, ..governed::Change::default() };
    house.store.change_group(acme, change).wait().unwrap();
}

#[test]
fn a_group_is_shown_as_narrowly_as_any_above_it() {
    let house = House::new();
    let above = house.make(TOP, "a", None).unwrap();
    let below = house.make(above, "b", None).unwrap();
    let show = |id, visibility| {
        let change =
            governed::Change { visibility: Some(visibility), ..governed::Change::default() };
        house.store.change_group(id, change).wait().unwrap();
    };
    show(below, Visibility::Public);
    assert_eq!(house.view().visibility(below).unwrap(), Some(Visibility::Private));
    show(above, Visibility::Internal);
    assert_eq!(house.view().visibility(below).unwrap(), Some(Visibility::Internal));
    assert_eq!(house.view().visibility(GroupId(9)).unwrap(), None);
}

#[test]
fn what_is_below_a_deleted_group_is_gone_at_once_and_its_name_is_free() {
    let house = House::new();
    let acme = house.make(TOP, "acme", Some("anna")).unwrap();
    let web = house.make(acme, "web", None).unwrap();
    let id = house.add_token(web).unwrap();
    let before = house.group_rows();
    house.delete_group(acme).unwrap();
    assert_eq!(house.group_rows()[0], before[0], "one small change deletes it");
    let anna = who("anna", &[]);
    assert_eq!((house.at("acme"), house.at("acme/web"), house.path(web)), (None, None, None));
    assert_eq!((house.role(&anna, acme), house.role(&anna, web)), (None, None));
    assert!(house.view().groups_of(&anna, None, 9).unwrap().found.is_empty());
    assert!(house.view().all_groups(None, 9).unwrap().found.is_empty());
    assert!(house.view().subgroups(acme, None, 9).unwrap().is_empty());
    assert!(house.view().members(acme, None, 9).unwrap().is_empty());
    assert!(house.view().deploy_tokens(web, None, 9).unwrap().is_empty());
    assert_eq!(house.view().deploy_token(id).unwrap(), None);
    assert!(!house.view().is_within(web, acme).unwrap());
    for refused in [
        house.make(acme, "x", None).map(drop),
        house.admit(web, user("eve"), Role::Owner),
        house.remove(acme, user("anna")),
        house.rename(web, "x"),
        house.delete_group(web),
        house.add_token(web).map(drop),
        house.check(house.store.revoke_deploy_token(web, id).wait()),
    ] {
        assert!(matches!(refused, Err(Error::GroupUnknown(_))), "{refused:?}");
    }
    let again = house.make(TOP, "acme", None).unwrap();
    assert_eq!((again, house.role(&anna, again)), (GroupId(3), None));
    house.destroy(ROWS);
    assert_eq!((house.group_rows(), house.at("acme")), ([1, 1, 0, 0, 0], Some(again)));
}

#[test]
fn a_group_is_destroyed_in_slices_of_any_size() {
    for rows in [1, 2, 3, 7] {
        let house = House::new();
        let acme = house.make(TOP, "acme", Some("anna")).unwrap();
        let mut at = acme;
        for depth in ["b", "c", "d"] {
            at = house.make(at, depth, Some("bob")).unwrap();
            house.make(at, "sibling", None).unwrap();
            house.admit(at, team("dev"), Role::Guest).unwrap();
            house.add_token(at).unwrap();
        }
        let detached_before = house.at("acme/b/c").unwrap();
        house.delete_group(detached_before).unwrap();
        house.delete_group(acme).unwrap();
        let entries = house.view().detached(9).unwrap();
        let paths: Vec<_> = entries.iter().map(|(_, entry)| entry.path.as_str()).collect();
        assert_eq!(paths, ["/groups/acme/b/c/", "/groups/acme/"]);
        let slices = house.destroy(rows);
        assert!(slices >= 19 / usize::try_from(rows).unwrap(), "{slices} slices of {rows}");
        assert_eq!(house.group_rows(), [0; 5]);
        assert_eq!(house.view().totals().unwrap().queue, 0);
    }
}

#[test]
fn a_deleted_group_waits_as_long_as_it_should() {
    let house = House::new();
    let acme = house.make(TOP, "acme", Some("anna")).unwrap();
    let cause = Cause { wait: std::time::Duration::from_secs(60), ..super::cause() };
    house.check(house.store.delete_group(acme, cause).wait()).unwrap();
    house.destroy(ROWS);
    assert_eq!((house.group_rows()[0], house.at("acme")), (1, None));
    house.clock.advance(std::time::Duration::from_secs(60));
    house.destroy(ROWS);
    assert_eq!(house.group_rows(), [0; 5]);
}

#[test]
fn lists_come_in_pages() {
    let house = House::new();
    let acme = house.make(TOP, "acme", None).unwrap();
    for text in ["d", "b", "c", "a"] {
        let id = house.make(acme, text, None).unwrap();
        house.make(id, "x", None).unwrap();
    }
    let names = |after: Option<&str>, limit| -> Vec<String> {
        let after = after.map(name);
        let found = house.view().subgroups(acme, after.as_ref(), limit).unwrap();
        found.into_iter().map(|(name, ..)| name.to_string()).collect()
    };
    assert_eq!(
        (names(None, 2), names(Some("b"), 9)),
        (vec!["a".into(), "b".into()], vec!["c".into(), "d".into()])
    );
    assert_eq!(house.view().subgroups(TOP, None, 9).unwrap().len(), 1);
    house.delete_group(house.at("acme/b").unwrap()).unwrap();
    let (mut after, mut paths, mut pages) = (None, Vec::new(), 0);
    loop {
        let page = house.view().all_groups(after, 2).unwrap();
        paths.extend(page.found.into_iter().map(|(_, path, _)| path.to_string()));
        pages += 1;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let expected = ["acme", "acme/d", "acme/d/x", "acme/c", "acme/c/x", "acme/a", "acme/a/x"];
    assert_eq!((paths, pages), (expected.map(str::to_owned).to_vec(), 5));
}
