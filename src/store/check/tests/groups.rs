//! Groups: wrong indexes are found and corrected; names and records that disagree, and what
//! belongs to no group, are told and stay.

use super::*;
use crate::db::keys::Key;
use crate::db::schema::{
    DEPLOY_TOKENS, DEPLOY_TOKENS_OF, GROUP_NAMES, GROUPS, MEMBERS, MEMBERSHIPS, NUMBERED_USERS,
    USER_NUMBERS,
};
use crate::model::{DeployScope, DeployTokenId, Group, GroupId, GroupName, MemberName, UserNumber};
use crate::store::deploy_tokens::NewDeployToken;
use crate::store::governed;

fn user(login: &str) -> UserName {
    UserName::parse(login).unwrap()
}

fn name(text: &str) -> GroupName {
    GroupName::parse(text).unwrap()
}

fn anna() -> MemberName {
    MemberName::User(user("anna"))
}

/// Group 1 is `a`, group 2 `a/b` with anna, both with a token; group 3 is being destroyed.
fn grouped() -> Fixture {
    let it = Fixture::new();
    for (parent, text) in [(0, "a"), (1, "b"), (0, "gone")] {
        let new =
            governed::New { owner: Some(user("anna")), ..governed::New::of(GroupId(parent), text) };
        let group = it.store.create_group(new).wait().unwrap();
        let new = NewDeployToken {
            group,
            name: text.into(),
            username: None,
            scopes: vec![DeployScope::ReadRegistry],
            expires: None,
            hash: [7; 32],
            by: "anna".into(),
        };
        it.store.add_deploy_token(new).wait().unwrap();
    }
    it.store.number_user(user("anna")).wait().unwrap();
    it.store.number_user(user("bob")).wait().unwrap();
    it.store.delete_group(GroupId(3), Cause::request("anna")).wait().unwrap();
    it.verify();
    assert_eq!(it.check().checked.groups, 3);
    it
}

mod projects;

/// The check says each of `expected` and nothing else, and a repair corrects all of it.
fn is_mended(it: &Fixture, expected: &[&str]) {
    let found = it.check();
    assert_eq!(found.count, number(expected.len()), "{found}");
    for words in expected {
        assert!(found.to_string().contains(words), "{words}: {found}");
    }
    let repaired = it.repair();
    assert_eq!(repaired.left(), 0, "{repaired}");
    it.verify();
}

/// The check says each of `expected` and nothing else, and a repair leaves it.
fn is_told(it: &Fixture, expected: &[&str]) {
    for found in [it.check(), it.repair(), it.check()] {
        assert_eq!(found.left(), number(expected.len()), "{found}");
        for words in expected {
            assert!(found.to_string().contains(words), "{words}: {found}");
        }
    }
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap()
}

#[test]
fn indexes_that_lack_a_row_get_it() {
    let it = grouped();
    it.damage(|tx| {
        MEMBERSHIPS.remove(tx.txn, &(anna(), GroupId(2)))?;
        NUMBERED_USERS.remove(tx.txn, &UserNumber(1))?;
        DEPLOY_TOKENS_OF.remove(tx.txn, &(GroupId(2), DeployTokenId(2)))?;
        Ok(())
    });
    let expected = [
        "does not list anna as a member of group 2",
        "does not list number 1 as that of anna",
        "does not list deploy token 2 as one of group 2",
    ];
    is_mended(&it, &expected);
    assert_eq!(it.store.view().unwrap().user_of(UserNumber(1)).unwrap(), Some(user("anna")));
    it.damage(|tx| Ok(NUMBERED_USERS.put_bytes(tx.txn, &UserNumber(2).to_bytes(), &[0xff])?));
    assert_eq!(it.repair().left(), 0);
    it.verify();
    assert_eq!(it.store.view().unwrap().user_of(UserNumber(2)).unwrap(), Some(user("bob")));
}

#[test]
fn rows_of_indexes_that_nothing_wants_go() {
    let it = grouped();
    it.damage(|tx| {
        MEMBERSHIPS.put(tx.txn, &(MemberName::Team("x".into()), GroupId(2)), &())?;
        MEMBERSHIPS.put_bytes(tx.txn, &[9], &[])?;
        NUMBERED_USERS.put(tx.txn, &UserNumber(9), &user("bob"))?;
        DEPLOY_TOKENS_OF.put(tx.txn, &(GroupId(1), DeployTokenId(2)), &())?;
        Ok(DEPLOY_TOKENS_OF.put(tx.txn, &(GroupId(1), DeployTokenId(9)), &())?)
    });
    let expected = [
        "lists team x as a member of group 2, in vain",
        "table memberships.1 holds a row that cannot be read",
        "lists number 9 as that of bob, in vain",
        "lists deploy token 2 as one of group 1, in vain",
        "lists deploy token 9 as one of group 1, in vain",
    ];
    is_mended(&it, &expected);
}

#[test]
fn a_number_that_leads_to_somebody_else_is_put_right() {
    let it = grouped();
    it.damage(|tx| Ok(NUMBERED_USERS.put(tx.txn, &UserNumber(1), &user("eve"))?));
    assert_eq!(it.repair().left(), 0);
    it.verify();
    assert_eq!(it.store.view().unwrap().user_of(UserNumber(1)).unwrap(), Some(user("anna")));
    it.damage(|tx| Ok(USER_NUMBERS.put(tx.txn, &user("bob"), &UserNumber(1))?));
    let repaired = it.repair();
    assert!(repaired.to_string().contains("bob and anna have the same number 1"), "{repaired}");
    assert_eq!(it.store.view().unwrap().user_of(UserNumber(1)).unwrap(), Some(user("anna")));
}

#[test]
fn names_and_records_that_disagree_are_told() {
    let it = grouped();
    it.damage(|tx| Ok(GROUP_NAMES.put(tx.txn, &(GroupId::TOP, name("x")), &GroupId(2))?));
    is_told(&it, &["the name x in group 0 leads to group 2, whose record says Some((GroupId(1)"]);
    let it = grouped();
    it.damage(|tx| Ok(GROUP_NAMES.put(tx.txn, &(GroupId::TOP, name("x")), &GroupId(9))?));
    is_told(&it, &["the name x in group 0 leads to group 9, whose record says None"]);
    let it = grouped();
    it.damage(|tx| Ok(GROUP_NAMES.remove(tx.txn, &(GroupId(1), name("b"))).map(drop)?));
    is_told(&it, &["group 2 (\"b\") has no name and does not wait to be destroyed"]);
    assert_eq!(it.store.view().unwrap().group(GroupId(2)).unwrap(), None);
    let it = grouped();
    it.damage(|tx| Ok(GROUP_NAMES.put(tx.txn, &(GroupId::TOP, name("gone")), &GroupId(3))?));
    is_told(&it, &["group 3 (\"gone\") waits to be destroyed, although its name is there"]);
}

#[test]
fn groups_in_themselves_are_told_and_count_for_nobody() {
    let it = grouped();
    it.damage(|tx| {
        let group: Group = GROUPS.get(tx.txn, &GroupId(1))?.unwrap();
        GROUP_NAMES.remove(tx.txn, &(GroupId::TOP, name("a")))?;
        GROUP_NAMES.put(tx.txn, &(GroupId(2), name("a")), &GroupId(1))?;
        Ok(GROUPS.put(tx.txn, &GroupId(1), &Group { parent: GroupId(2), ..group })?)
    });
    let expected =
        ["group 1 (\"a\") lies too deep, or in itself", "group 2 (\"b\") lies too deep, or in"];
    is_told(&it, &expected);
    assert_eq!(it.store.view().unwrap().group(GroupId(2)).unwrap(), None);
}

#[test]
fn what_belongs_to_no_group_is_told_and_stays() {
    let it = grouped();
    it.damage(|tx| {
        GROUPS.remove(tx.txn, &GroupId(2))?;
        Ok(MEMBERSHIPS.put(tx.txn, &(MemberName::Team("x".into()), GroupId(2)), &())?)
    });
    let expected = [
        "the name b in group 1 leads to group 2, whose record says None",
        "table members.1 holds a row of group 2, which is not there",
        "table deploy-tokens.1 holds a row of group 2, which is not there",
        "lists team x as a member of group 2, in vain",
        "lists number 2 as \"b\" by GroupTitle, in vain",
        "lists number 2 as \"b\" by GroupName, in vain",
    ];
    is_told(&it, &expected);
}

#[test]
fn truth_that_cannot_be_read_is_told_and_what_follows_from_it_stays() {
    let it = grouped();
    it.damage(|tx| {
        let member = (GroupId(2), anna()).to_bytes();
        MEMBERS.put_bytes(tx.txn, &member, &[77])?;
        DEPLOY_TOKENS.put_bytes(tx.txn, &DeployTokenId(2).to_bytes(), &[77])?;
        USER_NUMBERS.put_bytes(tx.txn, &user("bob").to_bytes(), &[77, 1])?;
        GROUPS.put_bytes(tx.txn, &GroupId(1).to_bytes(), &[77])?;
        Ok(GROUP_NAMES.put_bytes(tx.txn, &(GroupId(1), name("b")).to_bytes(), &[77, 1])?)
    });
    let tables = ["members", "deploy-tokens", "user-numbers", "groups", "group-names"];
    let expected = tables.map(|table| format!("table {table}.1 holds a row that cannot be read"));
    is_told(&it, &expected.each_ref().map(String::as_str));
    it.damage(|tx| {
        assert!(MEMBERSHIPS.has(tx.txn, &(anna(), GroupId(2)))?);
        assert!(NUMBERED_USERS.has(tx.txn, &UserNumber(2))?);
        assert!(DEPLOY_TOKENS_OF.has(tx.txn, &(GroupId(2), DeployTokenId(2)))?);
        Ok(())
    });
}
