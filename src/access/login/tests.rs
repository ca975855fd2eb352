//! Who is who, with a store in memory and a clock that stands still.

mod deploy;
mod registry;

use super::*;
use crate::blobs::Pins;
use crate::clock::{Clock, ManualClock};
use crate::db::Db;
use crate::db::tests::disk::TestDisk;
use crate::db::tests::options;
use crate::model::{Caller, Timestamp, TokenId, TokenScope};
use crate::store::accounts::NewAccount;
use crate::store::tests::rules;
use crate::store::tokens::NewToken;

const PASSWORD: &str = "eve's password";

/// Hashing takes long in a test, so one hash serves all.
fn hash() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| password::hash(PASSWORD).unwrap())
}

struct House {
    store: Store,
    clock: Arc<ManualClock>,
    folder: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp(1_700_000_000_000_000)));
        let db = Db::open_with(TestDisk::default().opener(), options()).unwrap();
        let rules = rules(Duration::ZERO);
        let shared: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        let store = Store::new(db, Pins::new(), shared, rules);
        Self { store, clock, folder: tempfile::tempdir().unwrap() }
    }

    fn with_eve(self, rank: Rank, groups: &[&str]) -> Self {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        let new = NewAccount { login: login("eve"), hash: hash().into(), groups, rank };
        self.store.add_account(new).wait().unwrap();
        self
    }

    fn logins(&self, sources: Sources) -> Logins {
        let options = Options { sources, cache_size: 10, cache_time: MINUTE, ..Options::default() };
        Logins::open(self.store.clone(), Arc::default(), options).unwrap()
    }

    fn file(&self, text: &str) -> Sources {
        let path = self.folder.path().join("people");
        std::fs::write(&path, text).unwrap();
        Sources { file: Some(path), ..Sources::default() }
    }

    fn token(&self, user: &str, groups: &[&str], scopes: &[TokenScope]) -> String {
        let text = TokenText::generate();
        let new = NewToken {
            id: text.id,
            user: login(user),
            name: "n".into(),
            scopes: scopes.to_vec(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            expires: Some(self.clock.now().after(MINUTE)),
            hash: text.hash(),
        };
        self.store.add_token(new).wait().unwrap();
        text.to_string()
    }
}

const MINUTE: Duration = Duration::from_secs(60);

fn login(text: &str) -> UserName {
    UserName::parse(text).unwrap()
}

fn basic(login: &str, password: &str) -> Credentials {
    Credentials::Basic { login: login.into(), password: password.into() }
}

fn here() -> Origin {
    Origin::of(Some("192.0.2.1".parse().unwrap()))
}

fn user(logins: &Logins, credentials: &Credentials) -> Option<(String, String, Rank)> {
    match logins.identify(credentials, here()) {
        Ok(Identity { caller: Caller::User(user), .. }) => {
            Some((user.login.to_string(), user.groups.join(" "), user.rank))
        }
        Ok(anonymous) => panic!("{anonymous:?}"),
        Err(LoginError::Refused) => None,
        Err(error) => panic!("{error}"),
    }
}

fn known(login: &str, groups: &str, rank: Rank) -> (String, String, Rank) {
    (login.to_owned(), groups.to_owned(), rank)
}

#[test]
fn nothing_said_is_nobody() {
    let logins = House::new().logins(Sources::default());
    let nobody = Identity::anonymous();
    assert_eq!(logins.glance(&Credentials::None, here()), Ok(Glance::Known(nobody)));
}

#[test]
fn a_password_is_hashed_once_and_a_change_counts_at_once() {
    let house = House::new().with_eve(Rank::Ordinary, &["a", "b"]);
    let logins = house.logins(Sources::default());
    let eve = basic("EVE", PASSWORD);
    let hashing = Glance::Check { lane: Lane::Hash, wait: Duration::ZERO };
    assert_eq!(logins.glance(&eve, here()), Ok(hashing));
    assert_eq!(user(&logins, &eve), Some(known("eve", "a b", Rank::Ordinary)));
    let glance = || matches!(logins.glance(&eve, here()), Ok(Glance::Known(_)));
    assert!(glance());
    house.clock.advance(MINUTE);
    assert!(!glance(), "its time is over");
    assert!(user(&logins, &eve).is_some() && glance());
    house.store.set_password(login("eve"), "another".into()).wait().unwrap();
    assert!(!glance(), "the password is another one");
    house.store.set_password(login("eve"), hash().into()).wait().unwrap();
    assert!(glance());
    house.store.delete_account(login("eve")).wait().unwrap();
    assert!(!glance() && user(&logins, &eve).is_none(), "the account is gone");
}

#[test]
fn nobody_without_a_group_is_anybody_but_an_administrator() {
    let ordinary = House::new().with_eve(Rank::Ordinary, &[]).logins(Sources::default());
    assert_eq!(user(&ordinary, &basic("eve", PASSWORD)), None);
    let admin = House::new().with_eve(Rank::Admin, &[]).logins(Sources::default());
    assert_eq!(user(&admin, &basic("eve", PASSWORD)), Some(known("eve", "", Rank::Admin)));
}

#[test]
fn an_account_counts_before_the_file_and_the_file_for_others() {
    let house = House::new().with_eve(Rank::Admin, &["local"]);
    let sources = house.file("eve:of the file:other\nann:of ann:dev ops\n");
    let logins = house.logins(sources.clone());
    assert_eq!(user(&logins, &basic("eve", "of the file")), None);
    assert_eq!(user(&logins, &basic("eve", PASSWORD)), Some(known("eve", "local", Rank::Admin)));
    assert_eq!(
        user(&logins, &basic("Ann", "of ann")),
        Some(known("ann", "dev ops", Rank::Ordinary))
    );
    house.file("ann:of ann:dev\n");
    assert_eq!(
        user(&logins, &basic("ann", "of ann")),
        Some(known("ann", "dev ops", Rank::Ordinary))
    );
    logins.reload().unwrap();
    assert_eq!(user(&logins, &basic("ann", "of ann")), Some(known("ann", "dev", Rank::Ordinary)));
    let new = NewAccount {
        login: login("ann"),
        hash: hash().into(),
        groups: vec!["local".into()],
        rank: Rank::Ordinary,
    };
    house.store.add_account(new).wait().unwrap();
    assert_eq!(user(&logins, &basic("ann", "of ann")), None, "the file's is forgotten");
}

#[test]
fn a_reload_that_fails_leaves_everything_as_it_was() {
    let house = House::new();
    let sources = house.file("ann:of ann:dev\n");
    let logins = house.logins(sources.clone());
    std::fs::remove_file(sources.file.unwrap()).unwrap();
    assert!(logins.reload().is_err());
    assert!(user(&logins, &basic("ann", "of ann")).is_some());
}

#[test]
fn a_token_stands_for_its_owner_as_it_is_now() {
    let house = House::new().with_eve(Rank::Admin, &[]);
    let logins = house.logins(Sources::default());
    let text = house.token("eve", &[], &[TokenScope::Api]);
    let forms = [Credentials::Token(text.clone()), basic("eve", &text), basic("anybody", &text)];
    for form in &forms {
        assert_eq!(user(&logins, form), Some(known("eve", "", Rank::Admin)));
        assert!(matches!(logins.glance(form, here()), Ok(Glance::Known(_))), "it costs nothing");
    }
    house.clock.advance(MINUTE);
    assert_eq!(user(&logins, &forms[0]), None, "it has ended");
    let text = house.token("eve", &[], &[TokenScope::ReadApi]);
    let read = logins.identify(&Credentials::Token(text.clone()), here()).unwrap();
    assert_eq!(read.reach, Reach::of(&[TokenScope::ReadApi]));
    let (rest, last) = text.split_at(text.len() - 1);
    let wrong = format!("{rest}{}", if last == "0" { "1" } else { "0" });
    for wrong in [wrong.as_str(), "larder_1", ""] {
        assert_eq!(user(&logins, &Credentials::Token(wrong.into())), None);
    }
    let root =
        NewAccount { login: login("root"), hash: "x".into(), groups: vec![], rank: Rank::Admin };
    house.store.add_account(root).wait().unwrap();
    house.store.delete_account(login("eve")).wait().unwrap();
    assert_eq!(user(&logins, &Credentials::Token(text.clone())), None, "its owner is gone");
    house.clock.advance(Duration::from_secs(1));
    let house = house.with_eve(Rank::Ordinary, &["g"]);
    assert_eq!(user(&logins, &Credentials::Token(text)), None, "this is another eve");
    drop(house);
}

#[test]
fn a_token_of_somebody_elsewhere_has_groups_of_its_own_or_those_of_the_file() {
    let house = House::new();
    let text = Credentials::Token(house.token("ann", &["given"], &[TokenScope::Api]));
    let alone = house.logins(Sources::default());
    assert_eq!(user(&alone, &text), Some(known("ann", "given", Rank::Ordinary)));
    let with_file = house.logins(house.file("ann:of ann:dev\n"));
    assert_eq!(user(&with_file, &text), Some(known("ann", "dev", Rank::Ordinary)));
    let without_ann = house.logins(house.file("bob:of bob:dev\n"));
    assert_eq!(user(&without_ann, &text), None);
    let new =
        NewAccount { login: login("ann"), hash: "x".into(), groups: vec![], rank: Rank::Admin };
    house.store.add_account(new).wait().unwrap();
    assert_eq!(user(&alone, &text), None, "it does not become an account's");
}

#[test]
fn uses_are_written_in_batches() {
    let house = House::new().with_eve(Rank::Admin, &[]);
    let logins = house.logins(Sources::default());
    let texts: Vec<_> = (0..300).map(|_| house.token("eve", &[], &[TokenScope::Api])).collect();
    for text in &texts {
        assert!(user(&logins, &Credentials::Token(text.clone())).is_some());
    }
    let used = || {
        let tokens = house.store.view().unwrap().tokens(None).unwrap();
        tokens.iter().filter(|(_, token)| token.last_used == Some(house.clock.now())).count()
    };
    assert_eq!(used(), 0);
    logins.uses.flush(&house.store).unwrap();
    assert_eq!(used(), texts.len());
    let id: TokenId = TokenText::parse(&texts[0]).unwrap().id;
    logins.uses.note(id, house.clock.now().after(MINUTE));
    logins.uses.flush(&house.store).unwrap();
    assert_eq!(used(), texts.len() - 1);
}

#[test]
fn a_proxy_is_taken_at_its_word() {
    let logins = House::new().logins(Sources::default());
    let proxy = |login: &str, groups: &str| Credentials::Proxy {
        login: login.into(),
        groups: groups.into(),
    };
    assert_eq!(
        user(&logins, &proxy("Eve", " a ,b,,c d")),
        Some(known("eve", "a b c d", Rank::Ordinary))
    );
    for (login, groups) in [("eve", ""), ("eve", " , "), ("a/b", "g"), ("..", "g")] {
        assert_eq!(user(&logins, &proxy(login, groups)), None, "{login} {groups}");
    }
}

#[test]
fn guesses_are_slowed_down_and_a_known_login_is_not() {
    let house = House::new().with_eve(Rank::Ordinary, &["g"]);
    let logins = house.logins(Sources::default());
    let eve = basic("eve", PASSWORD);
    assert!(user(&logins, &eve).is_some());
    for _ in 0..5 {
        assert_eq!(user(&logins, &basic("eve", "a guess")), None);
    }
    let slow = Err(LoginError::Slow { retry_after: Duration::from_secs(1) });
    assert_eq!(logins.identify(&basic("eve", "a guess"), here()), slow);
    assert!(user(&logins, &eve).is_some(), "it is in the cache");
    let elsewhere = Origin::of(Some("192.0.2.2".parse().unwrap()));
    assert_eq!(logins.identify(&basic("eve", "a guess"), elsewhere), Err(LoginError::Refused));
    house.clock.advance(Duration::from_secs(1));
    assert_eq!(user(&logins, &basic("eve", "a guess")), None);
}

#[test]
fn an_unknown_login_is_compared_with_a_hash_too() {
    assert!(matches!(decoy(), Secret::Argon2(_)) && decoy().flaw().is_none());
    let logins = House::new().logins(Sources::default());
    assert_eq!(user(&logins, &basic("nobody", "a guess")), None);
}

#[test]
fn a_refusal_takes_one_hash_whoever_it_is() {
    let bcrypt = bcrypt::hash(PASSWORD, 4).unwrap();
    let text = format!("ann:plain text:dev\nben:{}:dev\ncat:{bcrypt}:dev\n", hash());
    let house = House::new().with_eve(Rank::Ordinary, &["dev"]);
    let logins = house.logins(house.file(&text));
    for name in ["ann", "ben", "cat", "eve", "nobody"] {
        let refused = || {
            let said = logins.identify(&basic(name, "wrong"), Origin::of(None));
            assert_eq!(said, Err(LoginError::Refused), "{name}");
        };
        // The first one makes the decoy as well.
        refused();
        assert_eq!(password::tests::hashed(refused), 1, "{name}");
    }
}
