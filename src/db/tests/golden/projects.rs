//! What the records and keys of projects, and of lists of groups and projects, look like in bytes.

use super::{Sample, TIME, USAGE, check_key, sample};
use crate::model::{
    GroupId, GroupName, ListedBy, ListedText, Node, Project, ProjectId, ProjectUsage, Usage,
    Visibility,
};

fn project() -> Project {
    Project {
        parent: GroupId(258),
        path: "a.b".into(),
        name: "Ä".into(),
        description: "d".into(),
        visibility: Visibility::Internal,
        created: TIME,
    }
}

pub(super) fn samples() -> Vec<Sample> {
    let pending = Usage { files: 2, bytes: 300 };
    let usage =
        ProjectUsage { packages: 5, live: USAGE, pending, leaving: true, names_revision: 258 };
    vec![
        sample("project id", &ProjectId(513)),
        sample("project", &project()),
        sample("project usage", &usage),
    ]
}

#[test]
fn keys_of_projects_look_as_they_did() {
    let id = "0000000000000102";
    let name = GroupName::parse("a.b").unwrap();
    check_key(&(GroupId(258), name), &format!("{id}612e6200"));
    check_key(&ProjectId(258), id);
    check_key(&Node::Project(ProjectId(258)), &format!("07{id}"));
    for (number, by) in (1..).zip(ListedBy::ALL) {
        let key = (by, (ListedText::of("Ab"), GroupId(258)));
        check_key(&key, &format!("0{number}616200{id}"));
    }
}
