//! Local accounts and tokens: there is always an administrator, and what is taken away is worth
//! nothing from the commit on, also when the same name comes back (I5: and after a restart).

use std::time::Duration;

use super::House;
use crate::model::{Rank, Timestamp, Token, TokenId, TokenOwner, TokenScope, UserName};
use crate::store::Error;
use crate::store::accounts::NewAccount;
use crate::store::tokens::{BATCH_MAX, NewToken};

fn login(text: &str) -> UserName {
    UserName::parse(text).unwrap()
}

fn account(text: &str, rank: Rank) -> NewAccount {
    let groups = vec!["g".to_owned()];
    NewAccount { login: login(text), hash: format!("hash of {text}"), groups, rank }
}

fn token(id: u64, user: &str) -> NewToken {
    NewToken {
        id: TokenId(id),
        user: login(user),
        name: "n".into(),
        scopes: vec![TokenScope::Api],
        groups: Vec::new(),
        expires: None,
        hash: [7; 32],
    }
}

impl House {
    fn add(&self, text: &str, rank: Rank) -> Result<(), Error> {
        self.store.add_account(account(text, rank)).wait()
    }

    fn token(&self, id: u64) -> Option<Token> {
        self.store.view().unwrap().token(TokenId(id)).unwrap()
    }

    fn logins(&self) -> Vec<String> {
        let accounts = self.store.view().unwrap().accounts().unwrap();
        accounts.into_iter().map(|(login, _)| login.to_string()).collect()
    }
}

#[test]
fn the_first_administrator_is_made_once() {
    let house = House::new();
    let first = |house: &House| {
        let made = house.store.add_first_admin(login("admin"), "first".into()).wait();
        made.unwrap()
    };
    assert!(!house.store.view().unwrap().has_admin().unwrap());
    assert!(first(&house) && !first(&house));
    let house = house.reopen();
    assert!(!first(&house));
    let admin = house.store.view().unwrap().account(&login("admin")).unwrap().unwrap();
    assert_eq!((admin.hash.as_str(), admin.rank), ("first", Rank::Admin));
}

#[test]
fn nobody_becomes_administrator_by_having_the_login() {
    let house = House::new();
    house.add("admin", Rank::Ordinary).unwrap();
    assert!(!house.store.add_first_admin(login("admin"), "x".into()).wait().unwrap());
    let account = house.store.view().unwrap().account(&login("admin")).unwrap().unwrap();
    assert_eq!((account.rank, account.hash.as_str()), (Rank::Ordinary, "hash of admin"));
}

#[test]
fn the_last_administrator_stays() {
    let house = House::new();
    for (text, rank) in [("a", Rank::Admin), ("b", Rank::Ordinary), ("c", Rank::Admin)] {
        house.add(text, rank).unwrap();
    }
    assert!(matches!(house.add("a", Rank::Admin), Err(Error::AccountExists(_))));
    let delete = |text: &str| house.store.delete_account(login(text)).wait();
    delete("a").unwrap();
    assert!(matches!(delete("a"), Err(Error::AccountUnknown(_))));
    assert!(matches!(delete("c"), Err(Error::LastAdmin(_))));
    delete("b").unwrap();
    assert_eq!(house.logins(), ["c"]);
}

#[test]
fn a_password_is_changed_and_nothing_else() {
    let house = House::new();
    house.add("eve", Rank::Ordinary).unwrap();
    let before = house.store.view().unwrap().account(&login("eve")).unwrap().unwrap();
    house.clock.advance(Duration::from_secs(5));
    house.store.set_password(login("eve"), "new".into()).wait().unwrap();
    let house = house.reopen();
    let after = house.store.view().unwrap().account(&login("eve")).unwrap().unwrap();
    assert_eq!(after, crate::model::Account { hash: "new".into(), ..before });
    let unknown = house.store.set_password(login("x"), "new".into()).wait();
    assert!(matches!(unknown, Err(Error::AccountUnknown(_))));
}

#[test]
fn a_token_belongs_to_the_account_that_there_was() {
    let house = House::new();
    house.add("eve", Rank::Ordinary).unwrap();
    let made = house.store.view().unwrap().account(&login("eve")).unwrap().unwrap().created;
    house.store.add_token(token(1, "eve")).wait().unwrap();
    let stranger = NewToken { groups: vec!["g".into()], ..token(2, "stranger") };
    house.store.add_token(stranger).wait().unwrap();
    assert_eq!(house.token(1).unwrap().owner, TokenOwner::Account { created: made });
    let elsewhere = TokenOwner::Elsewhere { groups: vec!["g".into()] };
    assert_eq!(house.token(2).unwrap().owner, elsewhere);
    house.store.delete_account(login("eve")).wait().unwrap();
    house.clock.advance(Duration::from_secs(1));
    house.add("eve", Rank::Admin).unwrap();
    let again = house.store.view().unwrap().account(&login("eve")).unwrap().unwrap();
    assert_ne!(house.token(1).unwrap().owner, TokenOwner::Account { created: again.created });
    let taken = house.store.add_token(token(2, "eve")).wait();
    assert!(matches!(taken, Err(Error::Changed(_))));
    let nameless = NewToken { name: String::new(), ..token(3, "eve") };
    assert!(matches!(house.store.add_token(nameless).wait(), Err(Error::TokenName)));
}

#[test]
fn uses_are_noted_and_never_go_back() {
    let house = House::new();
    house.store.add_token(token(1, "eve")).wait().unwrap();
    let note = |at: u64| {
        let uses = vec![(TokenId(1), Timestamp(at)), (TokenId(9), Timestamp(at))];
        house.store.note_token_uses(uses).wait().unwrap();
        house.token(1).unwrap().last_used
    };
    assert_eq!(note(50), Some(Timestamp(50)));
    assert_eq!(note(40), Some(Timestamp(50)));
    assert_eq!(house.token(9), None, "a use brings nothing back");
}

#[test]
fn tokens_are_listed_by_age_and_revoked_a_batch_at_a_time() {
    let house = House::new();
    for id in [9, 3, 5] {
        house.store.add_token(token(id, if id == 3 { "bob" } else { "eve" })).wait().unwrap();
        house.clock.advance(Duration::from_secs(1));
    }
    let ids = |of: Option<&UserName>| -> Vec<u64> {
        let tokens = house.store.view().unwrap().tokens(of).unwrap();
        tokens.into_iter().map(|(id, _)| id.0).collect()
    };
    assert_eq!((ids(None), ids(Some(&login("eve")))), (vec![9, 3, 5], vec![9, 5]));
    let revoke = |ids: Vec<u64>| {
        house.store.revoke_tokens(ids.into_iter().map(TokenId).collect()).wait().unwrap()
    };
    assert_eq!((revoke(vec![9, 77]), revoke(vec![9])), (1, 0));
    let last = u64::try_from(BATCH_MAX).unwrap();
    assert_eq!(revoke((100..100 + last).chain([3]).collect()), 0, "that is beyond the batch");
    assert_eq!(ids(None), [3, 5]);
}
