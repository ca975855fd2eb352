//! What the records and keys of groups, their people and tokens look like in bytes.

use super::{Sample, TIME, check_key, sample};
use crate::db::codec::Value;
use crate::model::{
    DeployScope, DeployToken, DeployTokenId, Group, GroupId, GroupName, Member, MemberName, Node,
    Role, UserName, UserNumber, Visibility,
};

fn group(visibility: Visibility) -> Group {
    Group {
        parent: GroupId(258),
        path: "a.b".into(),
        name: "Ä".into(),
        description: "d".into(),
        visibility,
        created: TIME,
    }
}

fn member() -> Member {
    let (expires, account) = (Some(TIME), None);
    Member { role: Role::Maintainer, since: TIME, by: "zoë".into(), expires, account }
}

fn token() -> DeployToken {
    DeployToken {
        group: GroupId(258),
        name: "ci".into(),
        username: "gitlab+deploy-token-1".into(),
        scopes: DeployScope::ALL.into(),
        by: "zoë".into(),
        created: TIME,
        expires: Some(TIME),
        hash: [0xee; 32],
        last_used: None,
    }
}

pub(super) fn samples() -> Vec<Sample> {
    vec![
        sample("group id", &GroupId(513)),
        sample("user number", &UserNumber(513)),
        sample("group", &group(Visibility::Internal)),
        sample("member", &member()),
        sample("member, account", &Member { account: Some(TIME), expires: None, ..member() }),
        sample("deploy token", &token()),
    ]
}

#[test]
fn roles_and_visibilities_keep_their_numbers() {
    for (number, role) in (0..).zip(Role::ALL) {
        assert_eq!(Member { role, ..member() }.encode().unwrap()[..2], [1, number]);
    }
    let kinds = [Visibility::Private, Visibility::Internal, Visibility::Public];
    let bytes = kinds.map(|kind| group(kind).encode().unwrap());
    let differs = (0..bytes[0].len()).find(|at| bytes[0][*at] != bytes[1][*at]).unwrap();
    assert_eq!([0, 1, 2].map(|kind| bytes[kind][differs]), [0, 1, 2]);
}

#[test]
fn keys_of_groups_look_as_they_did() {
    let id = "0000000000000102";
    let name = GroupName::parse("a.b").unwrap();
    check_key(&(GroupId(258), name), &format!("{id}612e6200"));
    let user = MemberName::User(UserName::parse("zoë").unwrap());
    let team = MemberName::Team("Team é".into());
    check_key(&(GroupId(258), user.clone()), &format!("{id}017a6fc3ab00"));
    check_key(&(user, GroupId(258)), &format!("017a6fc3ab00{id}"));
    check_key(&(GroupId(258), team.clone()), &format!("{id}025465616d20c3a900"));
    check_key(&(team, GroupId(258)), &format!("025465616d20c3a900{id}"));
    check_key(&UserNumber(258), id);
    check_key(&(GroupId(258), DeployTokenId(258)), &id.repeat(2));
    check_key(&Node::Group(GroupId(258)), &format!("06{id}"));
}
