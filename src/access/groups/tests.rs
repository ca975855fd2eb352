//! Who may do what in a group, with a store in memory.

use super::*;
use crate::model::{DeployTokenId, MemberName, Rank, Role, User, UserName, Visibility};
use crate::store::Store;
use crate::store::detached::Cause;
use crate::store::governed;
use crate::store::members::{MemberPut, PutMode};
use crate::store::tests::in_memory;

const ABILITIES: [Ability; 5] = [
    Ability::ReadGroup,
    Ability::ReadDependencyProxy,
    Ability::AdminDependencyProxy,
    Ability::AdminGroup,
    Ability::CreateSubgroup,
];

/// `top`, with `below` in it, and beside them `other`; all are public, which opens no proxy.
struct House {
    store: Store,
    top: GroupId,
    below: GroupId,
    other: GroupId,
}

impl House {
    fn new() -> Self {
        let store = in_memory();
        let group = |parent, name: &str| {
            let new =
                governed::New { visibility: Visibility::Public, ..governed::New::of(parent, name) };
            store.create_group(new).wait().unwrap()
        };
        let top = group(GroupId::TOP, "top");
        let (below, other) = (group(top, "below"), group(GroupId::TOP, "other"));
        Self { store, top, below, other }
    }

    fn put(&self, group: GroupId, name: MemberName, role: Role) {
        let (expires, by, mode) = (None, String::new(), PutMode::Add);
        let put = MemberPut { group, name, role, expires, by, mode };
        self.store.put_member(put).wait().unwrap();
    }

    /// What of all there is.
    fn may(&self, access: &Access, caller: &Caller, group: GroupId) -> Vec<Ability> {
        let view = self.store.view().unwrap();
        let may = |ability: &Ability| access.may_in_group(&view, caller, group, *ability).unwrap();
        ABILITIES.into_iter().filter(may).collect()
    }
}

fn user(login: &str, team: &str, rank: Rank) -> Caller {
    let groups = vec![team.to_owned()];
    Caller::User(User { login: UserName::parse(login).unwrap(), groups, rank })
}

#[test]
fn roles_are_enough_for_what_they_are_and_count_below() {
    use Ability::{CreateSubgroup, ReadDependencyProxy, ReadGroup};
    let house = House::new();
    let access = Access::built_in();
    house.put(house.top, MemberName::User(UserName::parse("gus").unwrap()), Role::Guest);
    house.put(house.top, MemberName::Team("crew".to_owned()), Role::Maintainer);
    house.put(house.below, MemberName::Team("heads".to_owned()), Role::Owner);
    for (login, team, at_top, below) in [
        ("gus", "x", &[ReadGroup, ReadDependencyProxy][..], &[ReadGroup, ReadDependencyProxy][..]),
        (
            "eve",
            "crew",
            &[ReadGroup, ReadDependencyProxy, CreateSubgroup],
            &[ReadGroup, ReadDependencyProxy, CreateSubgroup],
        ),
        ("ann", "heads", &[], &ABILITIES),
        ("top", "other", &[], &[]),
    ] {
        let caller = user(login, team, Rank::Ordinary);
        assert_eq!(house.may(&access, &caller, house.top), at_top, "{login}");
        assert_eq!(house.may(&access, &caller, house.below), below, "{login}");
        assert_eq!(house.may(&access, &caller, house.other), [], "{login}");
    }
    let root = user("root", "x", Rank::Admin);
    assert_eq!(house.may(&access, &root, house.other), ABILITIES);
}

#[test]
fn nobody_in_particular_may_nothing_unless_nobody_logs_in() {
    let house = House::new();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ANONYMOUS"), "rw **\n").unwrap();
    let ruled = Access::with_rules(folder.path()).unwrap();
    for access in [Access::built_in(), ruled] {
        assert_eq!(house.may(&access, &Caller::Anonymous, house.top), []);
        assert_eq!(house.may(&access, &user("eve", "x", Rank::Ordinary), house.top), []);
    }
    assert_eq!(house.may(&Access::open(), &Caller::Anonymous, house.top), ABILITIES);
}

#[test]
fn a_deploy_token_pulls_in_its_group_and_below_and_does_nothing_else() {
    use DeployScope::{ReadPackageRegistry, ReadRegistry, WriteRegistry};
    let house = House::new();
    let access = Access::built_in();
    let machine = |group, scopes: &[DeployScope]| {
        let (username, scopes) = ("ci".to_owned(), scopes.to_vec());
        Caller::Deploy(DeployCaller { id: DeployTokenId(1), username, group, scopes })
    };
    let pulls = [Ability::ReadDependencyProxy];
    let both = [ReadRegistry, WriteRegistry];
    let at_top = machine(house.top, &both);
    assert_eq!(house.may(&access, &at_top, house.top), pulls);
    assert_eq!(house.may(&access, &at_top, house.below), pulls);
    assert_eq!(house.may(&access, &at_top, house.other), []);
    let below = machine(house.below, &both);
    assert_eq!(house.may(&access, &below, house.below), pulls);
    assert_eq!(house.may(&access, &below, house.top), [], "not upwards");
    for few in [&[][..], &[ReadRegistry], &[WriteRegistry], &[ReadPackageRegistry, ReadRegistry]] {
        assert_eq!(house.may(&access, &machine(house.top, few), house.top), [], "{few:?}");
    }
    // Rules of paths grant it nothing, not even what is everybody's.
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ANONYMOUS"), "r **\n").unwrap();
    for access in [Access::with_rules(folder.path()).unwrap(), access] {
        for path in ["/v2/a/manifests/t", "/branches/", "/"] {
            assert!(!access.allows(&at_top, crate::model::Right::Read, path), "{path}");
            assert!(!access.explain(&at_top, crate::model::Right::Read, path).allowed, "{path}");
        }
    }
}

#[test]
fn a_deleted_group_is_nobodys() {
    let house = House::new();
    let access = Access::built_in();
    let gus = UserName::parse("gus").unwrap();
    house.put(house.top, MemberName::User(gus), Role::Guest);
    let gus = user("gus", "x", Rank::Ordinary);
    assert_eq!(house.may(&access, &gus, house.below).len(), 2);
    house.store.delete_group(house.top, Cause::request("")).wait().unwrap();
    assert_eq!(house.may(&access, &gus, house.below), []);
    assert_eq!(house.may(&access, &gus, house.top), []);
}

#[test]
fn a_token_names_the_groups_that_say_something() {
    let house = House::new();
    house.put(house.below, MemberName::Team("crew".to_owned()), Role::Guest);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("dev"), "r /x\n").unwrap();
    let ruled = Access::with_rules(folder.path()).unwrap();
    let view = house.store.view().unwrap();
    let told = |access: &Access, groups: &[&str]| {
        let groups: Vec<_> = groups.iter().map(|group| (*group).to_owned()).collect();
        access.telling_groups(&view, &groups).unwrap()
    };
    assert_eq!(told(&ruled, &["a", "crew", "dev", "crews", "cre"]), ["crew", "dev"]);
    assert_eq!(told(&Access::built_in(), &["a", "b", "crew"]), ["a", "crew"]);
    assert_eq!(told(&ruled, &["a", "b"]), ["a"]);
}
