//! Tokens of the registry at the door: they are worth what their owner is at that moment.

use super::*;
use crate::access::registry_token::{Draft, Service};
use crate::model::Grants;

const LIFETIME: Duration = Duration::from_secs(30);

impl House {
    /// A token of the registry for whoever these credentials are of.
    pub(super) fn issue(&self, logins: &Logins, credentials: &Credentials) -> Credentials {
        let identity = logins.identify(credentials, here()).unwrap();
        let key = self.store.rotate_signing_key([9; 32]).wait().unwrap();
        let (caller, basis) = (&identity.caller, &identity.basis);
        let grants = &Grants::parse(["repository:a:pull,push"]).unwrap();
        let now = self.clock.now();
        let (service, proxy) = (Service::DependencyProxy, Pulls::Yes);
        let draft = Draft { service, caller, basis, grants, proxy, now, lifetime: LIFETIME };
        Credentials::Registry(draft.sign(&key).unwrap())
    }
}

fn reach(logins: &Logins, credentials: &Credentials) -> Reach {
    logins.identify(credentials, here()).unwrap().reach
}

#[test]
fn a_token_stands_for_its_owner_until_it_is_over() {
    let house = House::new().with_eve(Rank::Ordinary, &["dev"]);
    let logins = house.logins(Sources::default());
    let token = house.issue(&logins, &basic("eve", PASSWORD));
    assert_eq!(user(&logins, &token), Some(known("eve", "dev", Rank::Ordinary)));
    let reached = reach(&logins, &token);
    assert_eq!((reached.elsewhere, reached.registry), (Extent::Nothing, Extent::Everything));
    assert_eq!(reached.grants.unwrap().to_string(), "repository:a:pull,push");
    let nobody = house.issue(&logins, &Credentials::None);
    let nobody = logins.identify(&nobody, here()).unwrap();
    assert_eq!(nobody.caller, crate::model::Caller::Anonymous);
    assert!(nobody.reach.grants.is_some());
    house.clock.advance(LIFETIME);
    assert_eq!(user(&logins, &token), None);
}

#[test]
fn a_changed_password_or_account_ends_it() {
    let house = House::new().with_eve(Rank::Ordinary, &["dev"]);
    let logins = house.logins(Sources::default());
    let token = house.issue(&logins, &basic("eve", PASSWORD));
    house.store.set_password(login("eve"), "another hash".into()).wait().unwrap();
    assert_eq!(user(&logins, &token), None);
    house.store.set_password(login("eve"), hash().into()).wait().unwrap();
    assert!(user(&logins, &token).is_some(), "it is the same password again");
    house.store.delete_account(login("eve")).wait().unwrap();
    assert_eq!(user(&logins, &token), None);
    house.clock.advance(Duration::from_secs(1));
    let _house = house.with_eve(Rank::Admin, &["dev"]);
    assert_eq!(user(&logins, &token), None, "somebody else of that login");
}

#[test]
fn a_revoked_access_token_takes_its_tokens_along() {
    let house = House::new().with_eve(Rank::Ordinary, &["dev"]);
    let logins = house.logins(Sources::default());
    let text = house.token("eve", &[], &[TokenScope::ReadRegistry]);
    let token = house.issue(&logins, &Credentials::Token(text.clone()));
    assert_eq!(user(&logins, &token), Some(known("eve", "dev", Rank::Ordinary)));
    let reached = reach(&logins, &token);
    assert_eq!((reached.registry, reached.proxy), (Extent::Reading, Pulls::Never));
    let id = TokenText::parse(&text).unwrap().id;
    house.store.revoke_tokens(vec![id]).wait().unwrap();
    assert_eq!(user(&logins, &token), None);
}

#[test]
fn people_of_the_auth_file_are_what_the_file_says_now() {
    let house = House::new();
    let sources = house.file("bob:secret:dev\n");
    let logins = house.logins(sources);
    let token = house.issue(&logins, &basic("bob", "secret"));
    assert_eq!(user(&logins, &token), Some(known("bob", "dev", Rank::Ordinary)));
    for (text, groups) in [
        ("bob:secret:ops other\n", Some("ops other")),
        ("bob:changed:ops\n", None),
        ("alice:secret:dev\n", None),
        ("bob:secret:dev\n", Some("dev")),
    ] {
        house.file(text);
        logins.reload().unwrap();
        let wanted = groups.map(|groups| known("bob", groups, Rank::Ordinary));
        assert_eq!(user(&logins, &token), wanted, "{text}");
    }
    let new = NewAccount {
        login: login("bob"),
        hash: hash().into(),
        groups: vec!["g".into()],
        rank: Rank::Admin,
    };
    house.store.add_account(new).wait().unwrap();
    assert_eq!(user(&logins, &token), None, "a local account of that login is somebody else");
}

#[test]
fn a_key_that_is_gone_or_another_opens_nothing() {
    let house = House::new().with_eve(Rank::Ordinary, &["dev"]);
    let logins = house.logins(Sources::default());
    let token = house.issue(&logins, &basic("eve", PASSWORD));
    let elsewhere = House::new().with_eve(Rank::Ordinary, &["dev"]);
    let strange = elsewhere.logins(Sources::default());
    assert_eq!(user(&strange, &token), None, "there is no key yet");
    elsewhere.store.rotate_signing_key([8; 32]).wait().unwrap();
    assert_eq!(user(&strange, &token), None, "the key of that moment is another");
    for text in ["", "ey..", "eyJhbGciOiJub25lIn0.e30."] {
        assert_eq!(user(&logins, &Credentials::Registry(text.into())), None, "{text}");
    }
}
