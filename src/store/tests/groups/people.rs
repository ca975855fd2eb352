//! Members: roles that are inherited, end, and belong to one account only.

use std::time::Duration;

use super::*;
use crate::store::accounts::NewAccount;

/// The groups `a`, `a/b` and `a/b/c`.
fn nested() -> (House, [GroupId; 3]) {
    let house = House::new();
    let a = house.make(TOP, "a", Some("anna")).unwrap();
    let b = house.make(a, "b", None).unwrap();
    let c = house.make(b, "c", None).unwrap();
    (house, [a, b, c])
}

fn account(house: &House, text: &str) {
    let (login, hash, groups) = (login(text), String::new(), Vec::new());
    let new = NewAccount { login, hash, groups, rank: Rank::Ordinary };
    house.store.add_account(new).wait().unwrap();
}

fn names(members: Vec<(MemberName, crate::model::Member)>) -> Vec<String> {
    members.into_iter().map(|(name, member)| format!("{name} {}", member.role)).collect()
}

#[test]
fn roles_are_inherited_downwards_and_the_highest_counts() {
    let (house, [a, b, c]) = nested();
    house.admit(b, user("bob"), Role::Developer).unwrap();
    house.admit(c, user("bob"), Role::Guest).unwrap();
    house.admit(b, team("dev"), Role::Reporter).unwrap();
    house.admit(c, team("ops"), Role::Maintainer).unwrap();
    let roles = |user: User| [a, b, c].map(|group| house.role(&user, group));
    assert_eq!(roles(who("bob", &[])), [None, Some(Role::Developer), Some(Role::Developer)]);
    assert_eq!(roles(who("x", &["dev"])), [None, Some(Role::Reporter), Some(Role::Reporter)]);
    assert_eq!(roles(who("x", &["Dev", "", "x\0"])), [None; 3], "teams are told apart by case");
    let both = who("bob", &["ops", "dev", "ops"]);
    assert_eq!(roles(both), [None, Some(Role::Developer), Some(Role::Maintainer)]);
    assert_eq!(roles(who("anna", &[])), [Some(Role::Owner); 3]);
    // A team is no user of the same name, nor the other way round.
    assert_eq!(roles(who("dev", &["bob"])), [None; 3]);
}

#[test]
fn members_are_added_once_changed_and_removed() {
    let (house, [a, b, _]) = nested();
    house.admit(b, user("bob"), Role::Guest).unwrap();
    let twice = house.admit(b, user("bob"), Role::Owner);
    assert!(matches!(&twice, Err(Error::MemberExists(name)) if *name == user("bob")), "{twice:?}");
    let since = house.now();
    house.clock.advance(Duration::from_secs(5));
    house.set(b, user("bob"), Role::Maintainer).unwrap();
    let member = house.view().member(b, &user("bob")).unwrap().unwrap();
    assert_eq!((member.role, member.since, member.by.as_str()), (Role::Maintainer, since, "eve"));
    for unknown in [
        house.set(b, user("anna"), Role::Guest),
        house.remove(b, user("anna")),
        house.remove(b, team("bob")),
    ] {
        assert!(matches!(unknown, Err(Error::MemberUnknown(_))), "inherited is not direct");
    }
    house.remove(b, user("bob")).unwrap();
    assert_eq!(house.role(&who("bob", &[]), b), None);
    for bad in ["", "a\0b", "a\nb", &"x".repeat(256)] {
        assert!(matches!(house.admit(a, team(bad), Role::Guest), Err(Error::TeamName)), "{bad:?}");
    }
    house.admit(a, team("Ärzte, CN=x"), Role::Guest).unwrap();
}

#[test]
fn a_role_ends_when_it_says_and_can_be_given_again() {
    let (house, [_, b, c]) = nested();
    let end = house.now().after(Duration::from_secs(60));
    house.put_in(b, user("bob"), Role::Guest, PutMode::Add).until(end).done().unwrap();
    house.put_in(b, team("dev"), Role::Guest, PutMode::Add).until(end).done().unwrap();
    house.clock.advance(Duration::from_micros(59_999_999));
    let earlier = house.view();
    assert_eq!(house.role(&who("bob", &[]), c), Some(Role::Guest));
    house.clock.advance(Duration::from_micros(1));
    assert_eq!(house.role(&who("bob", &[]), c), None);
    assert_eq!(house.role(&who("x", &["dev"]), c), None);
    assert_eq!(earlier.role(&who("bob", &[]), c).unwrap(), Some(Role::Guest), "of its moment");
    assert!(house.view().members(b, None, 9).unwrap().is_empty());
    assert!(house.view().groups_of(&who("bob", &["dev"]), None, 9).unwrap().found.is_empty());
    assert!(matches!(house.set(b, user("bob"), Role::Guest), Err(Error::MemberUnknown(_))));
    house.admit(b, user("bob"), Role::Reporter).unwrap();
    assert_eq!(house.role(&who("bob", &[]), c), Some(Role::Reporter));
    house.remove(b, team("dev")).unwrap();
}

#[test]
fn another_account_of_the_same_login_has_no_role() {
    let (house, [_, b, _]) = nested();
    let bob = who("bob", &[]);
    house.admit(b, user("bob"), Role::Developer).unwrap();
    assert_eq!(house.role(&bob, b), Some(Role::Developer), "somebody whom another back end knows");
    account(&house, "bob");
    assert_eq!(house.role(&bob, b), None, "a local account is somebody else");
    house.admit(b, user("bob"), Role::Guest).unwrap();
    assert_eq!(house.role(&bob, b), Some(Role::Guest));
    house.store.set_password(login("bob"), "new".into()).wait().unwrap();
    assert_eq!(house.role(&bob, b), Some(Role::Guest), "the same account still");
    house.store.delete_account(login("bob")).wait().unwrap();
    assert_eq!(house.role(&bob, b), None);
    house.clock.advance(Duration::from_secs(1));
    account(&house, "bob");
    assert_eq!(house.role(&bob, b), None, "and another one is nobody here");
    assert!(house.view().members(b, None, 9).unwrap().is_empty());
    house.remove(b, user("bob")).unwrap();
    assert!(matches!(house.remove(b, user("bob")), Err(Error::MemberUnknown(_))));
}

#[test]
fn the_last_owner_of_a_group_at_the_top_stays() {
    let (house, [a, b, _]) = nested();
    let last = |result: Result<(), Error>| {
        assert!(
            matches!(&result, Err(Error::LastOwner(who)) if *who == login("anna")),
            "{result:?}"
        );
    };
    house.admit(a, user("zoe"), Role::Maintainer).unwrap();
    last(house.remove(a, user("anna")));
    last(house.set(a, user("anna"), Role::Maintainer));
    let now = house.now();
    last(house.put_in(a, user("anna"), Role::Owner, PutMode::Change).until(now).done());
    // Others who do not count do not help.
    let soon = now.after(Duration::from_secs(1));
    house.put_in(a, user("bob"), Role::Owner, PutMode::Add).until(soon).done().unwrap();
    house.set(a, user("anna"), Role::Owner).unwrap();
    house.clock.advance(Duration::from_secs(1));
    last(house.remove(a, user("anna")));
    house.admit(a, team("admins"), Role::Owner).unwrap();
    house.remove(a, user("anna")).unwrap();
    assert_eq!(house.role(&who("anna", &[]), a), None);
    house.admit(a, user("anna"), Role::Owner).unwrap();
    house.remove(a, team("admins")).unwrap();
    house.set(a, user("zoe"), Role::Owner).unwrap();
    house.set(a, user("anna"), Role::Guest).unwrap();
    // Below the top there are owners above.
    house.admit(b, user("bob"), Role::Owner).unwrap();
    house.remove(b, user("bob")).unwrap();
}

#[test]
fn members_are_listed_in_pages_with_those_above() {
    let (house, [a, b, c]) = nested();
    for (group, name, role) in [
        (b, user("bob"), Role::Guest),
        (c, user("bob"), Role::Developer),
        (c, user("anna"), Role::Guest),
        (c, team("dev"), Role::Guest),
        (b, team("bob"), Role::Reporter),
    ] {
        house.admit(group, name, role).unwrap();
    }
    let view = house.view();
    let direct = |after: Option<&MemberName>, limit| names(view.members(c, after, limit).unwrap());
    assert_eq!(direct(None, 9), ["anna guest", "bob developer", "team dev guest"]);
    assert_eq!(direct(None, 2), ["anna guest", "bob developer"]);
    assert_eq!(direct(Some(&user("bob")), 2), ["team dev guest"]);
    assert!(direct(None, 0).is_empty());
    let all = |after: Option<&MemberName>, limit| {
        let found = view.members_with_inherited(c, after, limit).unwrap().into_iter();
        found.map(|(name, member, at)| (name.to_string(), member.role, at)).collect::<Vec<_>>()
    };
    let expected = [
        ("anna".to_owned(), Role::Owner, a),
        ("bob".to_owned(), Role::Developer, c),
        ("team bob".to_owned(), Role::Reporter, b),
        ("team dev".to_owned(), Role::Guest, c),
    ];
    assert_eq!(all(None, 9), expected);
    let mut paged = Vec::new();
    let mut after = None;
    for _ in 0..4 {
        paged.extend(all(after.as_ref(), 1));
        let last = view.members_with_inherited(c, after.as_ref(), 1).unwrap().pop();
        after = last.map(|(name, ..)| name);
    }
    assert_eq!(paged, expected);
    assert!(all(after.as_ref(), 9).is_empty());
}

#[test]
fn the_groups_of_a_user_are_listed_in_pages() {
    let house = House::new();
    let ids: Vec<_> =
        ["a", "b", "c", "d", "e"].map(|text| house.make(TOP, text, None).unwrap()).into();
    house.admit(ids[0], user("bob"), Role::Guest).unwrap();
    house.admit(ids[1], team("dev"), Role::Guest).unwrap();
    house.admit(ids[2], user("bob"), Role::Guest).unwrap();
    house.admit(ids[2], team("dev"), Role::Guest).unwrap();
    house.admit(ids[3], team("ops"), Role::Guest).unwrap();
    house.admit(ids[4], team("dev"), Role::Guest).unwrap();
    let view = house.view();
    for limit in 1..6 {
        let (mut after, mut found) = (None, Vec::new());
        loop {
            let page = view.groups_of(&who("bob", &["dev"]), after, limit).unwrap();
            found.extend(page.found.into_iter().map(|(id, ..)| id));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, [ids[0], ids[1], ids[2], ids[4]], "{limit} at once");
    }
}

#[test]
fn users_have_numbers_that_are_never_given_twice() {
    let house = House::new();
    let number = |text| house.check(house.store.number_user(login(text)).wait()).unwrap().0;
    assert_eq!(house.view().user_number(&login("anna")).unwrap(), None);
    assert_eq!([number("anna"), number("bob"), number("anna")], [1, 2, 1]);
    let house = house.reopen();
    assert_eq!(house.store.number_user(login("eve")).wait().unwrap().0, 3);
    let view = house.view();
    assert_eq!(view.user_number(&login("bob")).unwrap(), Some(crate::model::UserNumber(2)));
    assert_eq!(view.user_of(crate::model::UserNumber(2)).unwrap(), Some(login("bob")));
    assert_eq!(view.user_of(crate::model::UserNumber(9)).unwrap(), None);
}
