//! Projects: places in lists are put right; names and records that disagree are told and stay.

use super::*;
use crate::db::schema::{LISTED, PROJECT_NAMES, PROJECTS};
use crate::model::{ListedBy, ListedText, ProjectId};

/// As [`grouped`], with project 4 `a/app`, where anna has a role, and 5, which is being destroyed.
fn with_projects() -> Fixture {
    let it = grouped();
    for text in ["app", "old"] {
        let new =
            governed::New { owner: Some(user("anna")), ..governed::New::of(GroupId(1), text) };
        it.store.create_project(new).wait().unwrap();
    }
    it.store.delete_project(ProjectId(5), Cause::request("anna")).wait().unwrap();
    it.verify();
    assert_eq!((it.check().checked.groups, it.check().checked.projects), (3, 2));
    it
}

fn place(by: ListedBy, text: &str, id: u64) -> (ListedBy, (ListedText, GroupId)) {
    (by, (ListedText::of(text), GroupId(id)))
}

#[test]
fn places_in_lists_are_put_right() {
    let it = with_projects();
    it.damage(|tx| {
        LISTED.remove(tx.txn, &place(ListedBy::GroupTitle, "b", 2))?;
        LISTED.remove(tx.txn, &place(ListedBy::ProjectName, "app", 4))?;
        LISTED.put(tx.txn, &place(ListedBy::ProjectName, "x", 4), &())?;
        LISTED.put(tx.txn, &place(ListedBy::GroupName, "app", 4), &())?;
        Ok(LISTED.put(tx.txn, &place(ListedBy::GroupName, "y", 77), &())?)
    });
    let expected = [
        "does not list number 2 as \"b\" by GroupTitle",
        "does not list number 4 as \"app\" by ProjectName",
        "lists number 4 as \"x\" by ProjectName, in vain",
        "lists number 4 as \"app\" by GroupName, in vain",
        "lists number 77 as \"y\" by GroupName, in vain",
    ];
    is_mended(&it, &expected);
}

#[test]
fn names_and_records_of_projects_that_disagree_stay() {
    let it = with_projects();
    it.damage(|tx| Ok(PROJECT_NAMES.put(tx.txn, &(GroupId(1), name("z")), &ProjectId(4))?));
    is_told(&it, &["the name z in group 1 leads to project 4"]);
    let it = with_projects();
    it.damage(|tx| {
        PROJECT_NAMES.remove(tx.txn, &(GroupId(1), name("app")))?;
        Ok(())
    });
    is_told(&it, &["project 4 (\"app\") has no name and does not wait to be destroyed"]);
    let it = with_projects();
    it.damage(|tx| Ok(PROJECT_NAMES.put(tx.txn, &(GroupId(1), name("old")), &ProjectId(5))?));
    is_told(&it, &["project 5 (\"old\") waits to be destroyed, although its name is there"]);
    let it = with_projects();
    it.damage(|tx| {
        let project = PROJECTS.get(tx.txn, &ProjectId(4))?.unwrap();
        let project = crate::model::Project { path: "b".into(), ..project };
        PROJECT_NAMES.remove(tx.txn, &(GroupId(1), name("app")))?;
        PROJECT_NAMES.put(tx.txn, &(GroupId(1), name("b")), &ProjectId(4))?;
        LISTED.remove(tx.txn, &place(ListedBy::ProjectName, "app", 4))?;
        LISTED.put(tx.txn, &place(ListedBy::ProjectName, "b", 4), &())?;
        Ok(PROJECTS.put(tx.txn, &ProjectId(4), &project)?)
    });
    is_told(&it, &["project 4 and group 2 in group 1 are both called b"]);
}

#[test]
fn what_belongs_to_no_group_and_no_project_is_told() {
    let it = with_projects();
    it.damage(|tx| {
        let member = MEMBERS.get(tx.txn, &(GroupId(4), anna()))?.unwrap();
        MEMBERS.put(tx.txn, &(GroupId(88), anna()), &member)?;
        Ok(MEMBERSHIPS.put(tx.txn, &(anna(), GroupId(88)), &())?)
    });
    is_told(&it, &["table members.1 holds a row of group 88, which is not there"]);
}
