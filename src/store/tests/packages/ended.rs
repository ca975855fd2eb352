//! What somebody came in with, and their role, are looked at in the transaction that publishes
//! (I9): whatever ended since the upload began, nothing comes of it.

use std::time::Duration;

use super::*;
use crate::model::{
    Basis, Caller, DeployCaller, DeployScope, MemberName, Rank, Role, TokenId, TokenScope, User,
    UserName,
};
use crate::store::accounts::NewAccount;
use crate::store::behalf::Behalf;
use crate::store::deploy_tokens::NewDeployToken;
use crate::store::members::{MemberPut, PutMode};
use crate::store::tokens::NewToken;

fn eve() -> UserName {
    UserName::parse("eve").unwrap()
}

/// A house where eve is a developer of [`APP`].
fn with_eve() -> House {
    let house = House::with_project();
    house.has_account();
    let (group, name) = (APP.governed(), MemberName::User(eve()));
    let (role, by, mode) = (Role::Developer, "anna".into(), PutMode::Add);
    let put = MemberPut { group, name, role, expires: None, by, mode };
    house.store.put_member(put).wait().unwrap();
    house
}

fn of_eve(basis: Basis) -> Behalf {
    let groups = vec!["people".into()];
    let user = User { login: eve(), groups, rank: Rank::Ordinary };
    Behalf { caller: Caller::User(user), basis }
}

impl House {
    fn has_account(&self) {
        let (hash, groups) = ("secret".into(), vec!["people".into()]);
        let new = NewAccount { login: eve(), hash, groups, rank: Rank::Ordinary };
        self.store.add_account(new).wait().unwrap();
    }

    fn by_password(&self) -> Behalf {
        let created = self.store.view().unwrap().account(&eve()).unwrap().unwrap().created;
        let password = crate::blobs::hash::hash_bytes(b"secret", None).digest.0;
        of_eve(Basis::Account { created, password })
    }

    /// With a token that ends in an hour.
    fn by_token(&self) -> Behalf {
        let (id, created) = (TokenId(7), self.store.clock().now());
        let new = NewToken {
            id,
            user: eve(),
            name: "laptop".into(),
            scopes: vec![TokenScope::Api],
            groups: Vec::new(),
            expires: Some(created.after(Duration::from_secs(3600))),
            hash: [0; 32],
        };
        self.store.add_token(new).wait().unwrap();
        of_eve(Basis::Token { id, created })
    }

    fn by_machine(&self) -> Behalf {
        let (group, scopes) = (APP.governed(), vec![DeployScope::WritePackageRegistry]);
        let new = NewDeployToken {
            group,
            name: "ci".into(),
            username: None,
            scopes: scopes.clone(),
            expires: Some(self.store.clock().now().after(Duration::from_secs(3600))),
            hash: [0; 32],
            by: "anna".into(),
        };
        let (id, username) = self.store.add_deploy_token(new).wait().unwrap();
        let basis = Basis::Deploy { id, created: self.store.clock().now() };
        Behalf { caller: Caller::Deploy(DeployCaller { id, username, group, scopes }), basis }
    }

    fn revoke(&self, behalf: &Behalf) {
        match &behalf.basis {
            Basis::Deploy { id, .. } => {
                self.store.revoke_deploy_token(APP.governed(), *id).wait().unwrap();
            }
            Basis::Token { id, .. } => {
                assert_eq!(self.store.revoke_tokens(vec![*id]).wait().unwrap(), 1);
            }
            _ => self.store.set_password(eve(), "another".into()).wait().unwrap(),
        }
    }

    /// Publishes a file of this name, and uploads one to the artifact tree.
    fn by(&self, behalf: &Behalf, name: &str) -> Result<(), Error> {
        let store = self.store.on_behalf(behalf.clone());
        let new = publish(key(PackageKind::Generic, name, Some("1"))).file("f", name);
        let published = self.check(store.publish(new).wait());
        let path = super::super::file(&format!("b/t/j/f/{name}"));
        let uploaded = self.check(store.put_artifact(path, uploaded(name)).wait());
        // Of the artifact tree roles know nothing.
        if !matches!(published, Err(Error::RoleEnded)) {
            assert_eq!(published.is_ok(), uploaded.is_ok(), "{published:?} {uploaded:?}");
        }
        assert_eq!(self.has_file(&format!("b/t/j/f/{name}")), uploaded.is_ok());
        published.map(drop)
    }
}

type Way = fn(&House) -> Behalf;
const WAYS: [Way; 3] = [House::by_password, House::by_token, House::by_machine];

#[test]
fn what_was_revoked_since_publishes_nothing() {
    for way in WAYS {
        let house = with_eve();
        let behalf = way(&house);
        house.by(&behalf, "before").unwrap();
        house.revoke(&behalf);
        let refused = house.by(&behalf, "after");
        assert!(matches!(refused, Err(Error::CredentialsEnded)), "{behalf:?}: {refused:?}");
        assert_eq!(house.package_at(&key(PackageKind::Generic, "after", Some("1"))), None);
    }
}

#[test]
fn what_has_expired_since_publishes_nothing() {
    for way in [House::by_token, House::by_machine] {
        let house = with_eve();
        let behalf = way(&house);
        house.clock.advance(Duration::from_secs(3599));
        house.by(&behalf, "before").unwrap();
        house.clock.advance(Duration::from_secs(1));
        assert!(matches!(house.by(&behalf, "after"), Err(Error::CredentialsEnded)), "{behalf:?}");
    }
}

#[test]
fn an_account_that_was_deleted_since_and_made_again_publishes_nothing() {
    for way in [House::by_password, House::by_token] {
        let house = with_eve();
        let behalf = way(&house);
        house.store.delete_account(eve()).wait().unwrap();
        assert!(matches!(house.by(&behalf, "after"), Err(Error::CredentialsEnded)), "{behalf:?}");
        house.clock.advance(Duration::from_secs(1));
        house.has_account();
        assert!(matches!(house.by(&behalf, "again"), Err(Error::CredentialsEnded)), "{behalf:?}");
    }
}

#[test]
fn a_token_of_the_same_number_is_another() {
    let house = with_eve();
    let behalf = house.by_token();
    house.revoke(&behalf);
    house.clock.advance(Duration::from_secs(1));
    house.by_token();
    assert!(matches!(house.by(&behalf, "after"), Err(Error::CredentialsEnded)));
}

#[test]
fn whose_role_was_taken_or_lowered_since_publishes_nothing() {
    for way in [House::by_password, House::by_token] {
        let house = with_eve();
        let behalf = way(&house);
        house.by(&behalf, "before").unwrap();
        let (group, name) = (APP.governed(), MemberName::User(eve()));
        let (by, mode) = ("anna".into(), PutMode::Change);
        let put =
            MemberPut { group, name: name.clone(), role: Role::Reporter, expires: None, by, mode };
        house.store.put_member(put).wait().unwrap();
        assert!(matches!(house.by(&behalf, "lowered"), Err(Error::RoleEnded)), "{behalf:?}");
        house.store.remove_member(group, name).wait().unwrap();
        assert!(matches!(house.by(&behalf, "taken"), Err(Error::RoleEnded)), "{behalf:?}");
    }
}

#[test]
fn rules_ask_for_the_role_of_now_and_not_for_that_of_the_beginning() {
    let house = with_eve();
    let behalf = house.by_token();
    let rule = crate::store::packages::NewProtectionRule {
        pattern: "app*".into(),
        kind: PackageKind::Generic,
        push: Some(crate::model::RuleRole::Role(Role::Maintainer)),
        delete: None,
    };
    house.store.add_protection_rule(APP, rule).wait().unwrap();
    let key = key(PackageKind::Generic, "app", Some("1"));
    let may = Some(crate::model::RuleRole::Role(Role::Owner));
    let new = Publish { may, ..publish(key).file("f", "x") };
    let refused = house.check(house.store.on_behalf(behalf).publish(new).wait());
    assert!(matches!(refused, Err(Error::PackageProtected(_))), "{refused:?}");
}

#[test]
fn an_upload_that_was_begun_is_given_up_whoever_asks() {
    let house = with_eve();
    let behalf = house.by_token();
    let (id, store) = (crate::model::UploadId([1; 16]), house.store.on_behalf(behalf.clone()));
    let now = house.store.clock().now();
    let upload = crate::model::ImageUpload {
        image: "b/j".into(),
        by: "eve".into(),
        created: now,
        touched: now,
        received: 1,
        bytes: crate::model::UploadBytes::Inline(vec![1]),
    };
    house.check(store.begin_upload(id, upload.clone()).wait()).unwrap();
    house.revoke(&behalf);
    let refused = house.check(store.save_upload(id, &upload).wait());
    assert!(matches!(refused, Err(Error::CredentialsEnded)), "{refused:?}");
    house.check(store.drop_upload(id).wait()).unwrap();
}
