//! Projects: named among groups, seen by no more people than their group, gone at once with it,
//! and destroyed in slices (I7).

mod crash;
mod model;

use super::*;
use crate::db::Order;
use crate::db::schema::{LISTED, PROJECT_NAMES, PROJECTS};
use crate::model::{ListedBy, ProjectId};

fn project(parent: GroupId, text: &str, visibility: Visibility) -> governed::New {
    governed::New { title: text.to_uppercase(), visibility, ..governed::New::of(parent, text) }
}

fn named(text: &str) -> governed::Change {
    governed::Change { name: Some(name(text)), ..governed::Change::default() }
}

fn seen(visibility: Visibility) -> governed::Change {
    governed::Change { visibility: Some(visibility), ..governed::Change::default() }
}

impl House {
    fn publish_in(&self, parent: GroupId, text: &str) -> Result<ProjectId, Error> {
        let new = project(parent, text, Visibility::Private);
        self.check(self.store.create_project(new).wait())
    }

    fn rename_project(&self, id: ProjectId, text: &str) -> Result<(), Error> {
        self.check(self.store.change_project(id, named(text)).wait())
    }

    fn delete_project(&self, id: ProjectId) -> Result<(), Error> {
        self.check(self.store.delete_project(id, super::super::cause()).wait())
    }

    fn project_path(&self, id: ProjectId) -> Option<String> {
        self.view().project(id).unwrap().map(|(path, _)| path.to_string())
    }

    fn project_at(&self, path: &str) -> Option<ProjectId> {
        let found = self.view().project_at(&GroupPath::parse(path).unwrap()).unwrap();
        found.map(|(id, _)| id)
    }

    /// How many rows tell of projects and of lists, whether names lead there or not.
    fn project_rows(&self) -> [u64; 3] {
        let rows = self.view().snapshot;
        [
            PROJECTS.count(&rows).unwrap(),
            PROJECT_NAMES.count(&rows).unwrap(),
            LISTED.count(&rows).unwrap(),
        ]
    }
}

#[test]
fn a_project_and_a_group_never_have_one_name_in_one_place() {
    let house = House::new();
    let acme = house.make(TOP, "acme", None).unwrap();
    house.make(acme, "tools", None).unwrap();
    let app = house.publish_in(acme, "app").unwrap();
    assert_eq!(app.0, 3, "groups and projects are numbered together");
    for text in ["app", "tools"] {
        let taken = house.publish_in(acme, text).unwrap_err();
        assert!(matches!(taken, Error::ProjectExists(path) if path == format!("acme/{text}")));
    }
    let taken = house.make(acme, "app", None).unwrap_err();
    assert!(matches!(taken, Error::GroupExists(path) if path == "acme/app"));
    let other = house.publish_in(acme, "other").unwrap();
    assert!(matches!(house.rename_project(other, "tools"), Err(Error::ProjectExists(_))));
    assert!(matches!(house.rename_project(other, "app"), Err(Error::ProjectExists(_))));
    assert!(matches!(house.rename(GroupId(2), "app"), Err(Error::GroupExists(_))));
    house.rename_project(other, "other").unwrap();
    // In another place the name is free, as it is once it has gone.
    house.publish_in(GroupId(2), "app").unwrap();
    house.delete_project(app).unwrap();
    house.make(acme, "app", None).unwrap();
    assert!(matches!(house.publish_in(GroupId(77), "x"), Err(Error::GroupUnknown(_))));
    assert!(matches!(house.publish_in(other.governed(), "x"), Err(Error::GroupUnknown(_))));
    assert!(house.make(other.governed(), "x", None).is_err(), "nothing lies in a project");
}

#[test]
fn a_project_is_found_by_path_and_follows_the_groups_above() {
    let house = House::new();
    let acme = house.make(TOP, "acme", None).unwrap();
    let tools = house.make(acme, "tools", None).unwrap();
    let app = house.publish_in(tools, "app").unwrap();
    assert_eq!(house.project_at("acme/tools/app"), Some(app));
    assert_eq!(house.at("acme/tools/app"), None);
    house.rename(acme, "zeta").unwrap();
    assert_eq!(house.project_path(app).as_deref(), Some("zeta/tools/app"));
    house.rename_project(app, "game").unwrap();
    let found = ["acme/tools/app", "zeta/tools/app", "game", "zeta/tools/game"];
    assert_eq!(found.map(|path| house.project_at(path)), [None, None, None, Some(app)]);
    let top = house.publish_in(TOP, "alone").unwrap();
    assert_eq!(house.project_at("alone"), Some(top));
    house.delete_group(acme).unwrap();
    assert_eq!((house.project_path(app), house.project_at("zeta/tools/game")), (None, None));
    assert!(matches!(house.rename_project(app, "x"), Err(Error::ProjectUnknown(_))));
    assert!(matches!(house.delete_project(app), Err(Error::ProjectUnknown(_))));
}

#[test]
fn a_project_is_never_seen_by_more_people_than_its_group() {
    use Visibility::{Internal, Private, Public};
    let house = House::new();
    let acme = house.make(TOP, "acme", None).unwrap();
    let make = |text, visibility| {
        house.check(house.store.create_project(project(acme, text, visibility)).wait())
    };
    let refused = make("app", Internal).unwrap_err();
    assert!(matches!(refused, Error::ProjectTooVisible { visibility: Internal, group: Private }));
    house.store.change_group(acme, seen(Public)).wait().unwrap();
    let app = make("app", Public).unwrap();
    let effective = |id| house.view().effective_visibility(id).unwrap();
    assert_eq!(effective(app), Public);
    // What the project says stays, and counts no more.
    house.store.change_group(acme, seen(Private)).wait().unwrap();
    assert_eq!(effective(app), Private);
    let change = governed::Change { title: Some("App".to_owned()), ..governed::Change::default() };
    house.store.change_project(app, change).wait().unwrap();
    let wider = governed::Change { visibility: Some(Internal), ..governed::Change::default() };
    assert!(house.store.change_project(app, wider).wait().is_err());
    house.store.change_group(acme, seen(Internal)).wait().unwrap();
    assert_eq!(effective(app), Internal);
    assert_eq!(effective(ProjectId(99)), Private, "nobody sees what is not there");
}

#[test]
fn roles_and_tokens_of_a_group_count_in_its_projects_and_not_the_other_way() {
    let house = House::new();
    let acme = house.make(TOP, "acme", Some("olga")).unwrap();
    let app = house.publish_in(acme, "app").unwrap().governed();
    let other = house.publish_in(acme, "other").unwrap().governed();
    house.admit(acme, team("dev"), Role::Reporter).unwrap();
    house.admit(app, user("bob"), Role::Maintainer).unwrap();
    let roles =
        |text, teams: &[&str]| [acme, app, other].map(|at| house.role(&who(text, teams), at));
    assert_eq!(roles("olga", &[]), [Some(Role::Owner); 3]);
    assert_eq!(roles("eve", &["dev"]), [Some(Role::Reporter); 3]);
    assert_eq!(roles("bob", &[]), [None, Some(Role::Maintainer), None]);
    assert_eq!(roles("bob", &["dev"])[1..], [Some(Role::Maintainer), Some(Role::Reporter)]);
    let view = house.view();
    assert!(view.is_within(app, acme).unwrap() && !view.is_within(acme, app).unwrap());
    let inherited = view.members_with_inherited(app, None, 9).unwrap();
    let inherited: Vec<_> = inherited.into_iter().map(|(name, _, at)| (name, at)).collect();
    assert_eq!(inherited, [(user("bob"), app), (user("olga"), acme), (team("dev"), acme)]);
    let token = house.add_token(app).unwrap();
    assert_eq!(house.view().deploy_token(token).unwrap().unwrap().group, app);
    let bobs = house.view().projects_of(&who("bob", &[]), None, 9).unwrap();
    assert_eq!(bobs.found.len(), 1);
    assert_eq!(house.view().groups_of(&who("bob", &[]), None, 9).unwrap().found, []);
    // Nobody has to own a project in a group, but one at the top.
    house.set(app, user("bob"), Role::Guest).unwrap();
    house.remove(app, user("bob")).unwrap();
    let mut new = project(TOP, "alone", Visibility::Private);
    new.owner = Some(login("zoe"));
    let alone = house.store.create_project(new).wait().unwrap().governed();
    assert!(matches!(house.remove(alone, user("zoe")), Err(Error::LastOwner(_))));
    house.delete_project(ProjectId(app.0)).unwrap();
    assert!(house.view().deploy_token(token).unwrap().is_none());
}

#[test]
fn a_page_of_a_list_is_in_order_and_goes_on_behind_the_last() {
    let house = House::new();
    let acme = house.make(TOP, "acme", None).unwrap();
    let ids: Vec<_> =
        ["c", "a", "b"].map(|text| house.publish_in(acme, text).unwrap().governed()).into();
    let view = house.view();
    let list = |order| {
        let mut all = Vec::new();
        let mut after = None;
        while let Some(next) =
            view.listed(ListedBy::ProjectName, order, after.as_ref(), 1).unwrap().pop()
        {
            all.push(next.id);
            after = Some(next);
        }
        all
    };
    assert_eq!(list(Order::Ascending), [ids[1], ids[2], ids[0]]);
    assert_eq!(list(Order::Descending), [ids[0], ids[2], ids[1]]);
    let numbers = |order, after| view.project_numbers(order, after, 2).unwrap();
    assert_eq!(numbers(Order::Ascending, None), ids[..2]);
    assert_eq!(numbers(Order::Ascending, Some(ids[1])), ids[2..]);
    assert_eq!(numbers(Order::Descending, Some(ids[1])), ids[..1]);
    assert_eq!(view.group_numbers(Order::Ascending, None, 9).unwrap(), [acme]);
    let page = view.projects_in_group(acme, Some(&name("a")), 1).unwrap();
    assert_eq!(page[0].0, name("b"));
    assert_eq!(view.all_projects(None, 2).unwrap().found.len(), 2);
}

#[test]
fn what_was_in_a_deleted_group_is_destroyed_in_slices() {
    let house = House::new();
    let acme = house.make(TOP, "acme", Some("anna")).unwrap();
    let tools = house.make(acme, "tools", None).unwrap();
    for text in ["x", "y", "z"] {
        let project = house.publish_in(tools, text).unwrap().governed();
        house.admit(project, user("bob"), Role::Developer).unwrap();
        house.add_token(project).unwrap();
    }
    let alone = house.publish_in(TOP, "alone").unwrap();
    house.delete_group(acme).unwrap();
    assert_eq!(house.project_rows(), [4, 4, 12], "it takes as long as deleting an empty one");
    let mut slices = 0;
    while !house.store.destroy_slice(WORK, 2).map_err(|(_, error)| error).unwrap().0.done {
        assert_consistent(&house.store);
        slices += 1;
    }
    assert!(slices > 4, "{slices}");
    assert_eq!((house.project_rows(), house.group_rows()), ([1, 1, 2], [0, 0, 0, 0, 0]));
    house.delete_project(alone).unwrap();
    house.destroy(ROWS);
    assert_eq!(house.project_rows(), [0, 0, 0]);
}
