//! Deploy tokens: worth something while they and their group are there.

use super::*;
use crate::store::tokens::BATCH_MAX;

#[test]
fn a_deploy_token_has_a_login_and_belongs_to_a_group() {
    let house = House::new();
    let acme = house.make(TOP, "acme", None).unwrap();
    let other = house.make(TOP, "other", None).unwrap();
    let made = house.store.add_deploy_token(token(acme)).wait().unwrap();
    assert_eq!(made, (DeployTokenId(1), "gitlab+deploy-token-1".into()));
    let named = NewDeployToken { username: Some("ci_1.x+y-Z".into()), ..token(acme) };
    let named = house.check(house.store.add_deploy_token(named).wait()).unwrap();
    assert_eq!(named, (DeployTokenId(2), "ci_1.x+y-Z".into()));
    let found = house.view().deploy_token(DeployTokenId(2)).unwrap().unwrap();
    assert_eq!((found.group, found.username.as_str()), (acme, "ci_1.x+y-Z"));
    assert_eq!((found.created, found.last_used), (house.now(), None));
    house.add_token(other).unwrap();
    let ids = |after: Option<u64>, limit| {
        let found = house.view().deploy_tokens(acme, after.map(DeployTokenId), limit).unwrap();
        found.into_iter().map(|(id, _)| id.0).collect::<Vec<_>>()
    };
    assert_eq!((ids(None, 9), ids(None, 1), ids(Some(1), 9)), (vec![1, 2], vec![1], vec![2]));
    let revoke =
        |group, id| house.check(house.store.revoke_deploy_token(group, DeployTokenId(id)).wait());
    assert!(matches!(revoke(acme, 3), Err(Error::NotFound(_))), "that is another group's");
    revoke(acme, 1).unwrap();
    assert!(matches!(revoke(acme, 1), Err(Error::NotFound(_))));
    assert_eq!(house.view().deploy_token(DeployTokenId(1)).unwrap(), None);
    assert_eq!(house.add_token(acme).unwrap(), DeployTokenId(4), "no id is given twice");
}

#[test]
fn texts_of_deploy_tokens_are_checked() {
    let house = House::new();
    let acme = house.make(TOP, "acme", None).unwrap();
    let long = "x".repeat(256);
    let bad = [
        NewDeployToken { name: String::new(), ..token(acme) },
        NewDeployToken { name: long.clone(), ..token(acme) },
        NewDeployToken { username: Some(String::new()), ..token(acme) },
        NewDeployToken { username: Some(long), ..token(acme) },
        NewDeployToken { username: Some("a:b".into()), ..token(acme) },
        NewDeployToken { scopes: Vec::new(), ..token(acme) },
    ];
    for new in bad {
        let refused = house.store.add_deploy_token(new.clone()).wait();
        assert!(matches!(refused, Err(Error::DeployTokenText)), "{new:?}");
    }
    assert!(matches!(house.add_token(GroupId(9)), Err(Error::GroupUnknown(_))));
}

#[test]
fn uses_of_deploy_tokens_are_noted_and_never_go_back() {
    let house = House::new();
    let acme = house.make(TOP, "acme", None).unwrap();
    let id = house.add_token(acme).unwrap();
    let note = |uses: Vec<(u64, u64)>| {
        let uses = uses.into_iter().map(|(id, at)| (DeployTokenId(id), Timestamp(at))).collect();
        house.check(house.store.note_deploy_token_uses(uses).wait()).unwrap();
        house.view().deploy_token(id).unwrap().unwrap().last_used
    };
    assert_eq!(note(vec![(1, 50), (9, 50)]), Some(Timestamp(50)));
    assert_eq!(note(vec![(1, 40)]), Some(Timestamp(50)));
    let mut uses = vec![(9, 1); BATCH_MAX];
    uses.push((1, 60));
    assert_eq!(note(uses), Some(Timestamp(50)), "that is beyond the batch");
    assert_eq!(house.view().deploy_token(DeployTokenId(9)).unwrap(), None);
}
