//! Deploy tokens at the door: each is its group's, and worth what its row says at that moment.

use super::*;
use crate::access::tokens::DeploySecret;
use crate::model::{DeployScope, DeployTokenId, GroupId};
use crate::store::deploy_tokens::NewDeployToken;
use crate::store::detached::Cause;
use crate::store::governed;

const BOTH: [DeployScope; 2] = [DeployScope::ReadRegistry, DeployScope::WriteRegistry];

impl House {
    fn group(&self, parent: GroupId, name: &str) -> GroupId {
        self.store.create_group(governed::New::of(parent, name)).wait().unwrap()
    }

    /// A token of a group: its id, its login and its text.
    fn deploy_token(
        &self,
        group: GroupId,
        scopes: &[DeployScope],
    ) -> (DeployTokenId, String, String) {
        let secret = DeploySecret::generate();
        let new = NewDeployToken {
            group,
            name: "ci".to_owned(),
            username: None,
            scopes: scopes.to_vec(),
            expires: Some(self.clock.now().after(MINUTE)),
            hash: secret.hash(),
            by: String::new(),
        };
        let (id, username) = self.store.add_deploy_token(new).wait().unwrap();
        (id, username, secret.of(id).to_string())
    }
}

fn machine(logins: &Logins, credentials: &Credentials) -> Option<(String, GroupId)> {
    match logins.identify(credentials, here()) {
        Ok(Identity { caller: Caller::Deploy(machine), .. }) => {
            Some((machine.username, machine.group))
        }
        Ok(other) => panic!("{other:?}"),
        Err(error) => {
            assert_eq!(error, LoginError::Refused);
            None
        }
    }
}

#[test]
fn it_comes_with_its_login_or_with_none() {
    let house = House::new();
    let logins = house.logins(Sources::default());
    let group = house.group(GroupId::TOP, "g");
    let (id, username, text) = house.deploy_token(group, &BOTH);
    let known = Some((username.clone(), group));
    assert_eq!(machine(&logins, &basic(&username, &text)), known);
    assert_eq!(machine(&logins, &Credentials::of_bearer(text.clone())), known);
    let found = logins.identify(&Credentials::Deploy(text.clone()), here()).unwrap();
    assert_eq!(found.reach, Reach::of_deploy(&BOTH));
    for login in ["", "eve", "ci", &username.to_uppercase(), &format!("{username} ")] {
        assert_eq!(machine(&logins, &basic(login, &text)), None, "{login}");
    }
    let other = DeploySecret::generate();
    for wrong in [other.clone().of(id), other.of(DeployTokenId(id.0 + 1))] {
        assert_eq!(machine(&logins, &basic(&username, &wrong.to_string())), None);
        assert_eq!(machine(&logins, &Credentials::Deploy(wrong.to_string())), None);
    }
    assert_eq!(machine(&logins, &Credentials::Deploy("guess".to_owned())), None);
    assert_eq!(machine(&logins, &Credentials::Token(text)), None, "it is no access token");
}

#[test]
fn it_ends_with_its_time_its_row_and_its_group_and_takes_its_tokens_along() {
    for end in ["time", "row", "group", "group above"] {
        let house = House::new();
        let logins = house.logins(Sources::default());
        let top = house.group(GroupId::TOP, "top");
        let group = house.group(top, "g");
        let (id, username, text) = house.deploy_token(group, &BOTH);
        let login = basic(&username, &text);
        let token = house.issue(&logins, &login);
        let known = Some((username, group));
        assert_eq!((machine(&logins, &login), machine(&logins, &token)), (known.clone(), known));
        let reach = logins.identify(&token, here()).unwrap().reach;
        assert_eq!((reach.registry, reach.proxy), (Extent::Nothing, Pulls::Yes));
        match end {
            "time" => {
                house.clock.advance(LIFE_LEFT);
                let late = house.issue(&logins, &login);
                house.clock.advance(LAST_SECONDS);
                assert_eq!(machine(&logins, &late), None, "it outlives what it was issued for");
            }
            "row" => house.store.revoke_deploy_token(group, id).wait().unwrap(),
            "group" => house.store.delete_group(group, Cause::request("")).wait().unwrap(),
            _ => house.store.delete_group(top, Cause::request("")).wait().unwrap(),
        }
        assert_eq!((machine(&logins, &login), machine(&logins, &token)), (None, None), "{end}");
    }
}

/// Nearly all of a minute.
const LIFE_LEFT: Duration = Duration::from_secs(55);
/// The rest of it.
const LAST_SECONDS: Duration = Duration::from_secs(5);

#[test]
fn its_uses_are_noted() {
    let house = House::new();
    let uses = Arc::new(TokenUses::default());
    let logins = Logins::open(house.store.clone(), Arc::clone(&uses), Options::default()).unwrap();
    let (id, username, text) = house.deploy_token(house.group(GroupId::TOP, "g"), &BOTH);
    let last_used = || house.store.view().unwrap().deploy_token(id).unwrap().unwrap().last_used;
    assert_eq!(machine(&logins, &basic("wrong", &text)), None);
    uses.flush(&house.store).unwrap();
    assert_eq!(last_used(), None, "a refused login is no use");
    assert!(machine(&logins, &basic(&username, &text)).is_some());
    uses.flush(&house.store).unwrap();
    assert_eq!(last_used(), Some(house.clock.now()));
}
