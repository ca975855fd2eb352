//! Damage to users' repositories: usage that quotas rest on, ways back, records.

use super::*;
use crate::db::schema::{BRANCHES, OWNERS, REPOS};
use crate::model::{Quota, Repo, RepoId, Repository, Usage, UserName};
use crate::store::check::Position;

type Damage = fn(&Tx, Repository) -> Result<(), Error>;

fn user(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

fn of(name: &str, file: &str) -> FilePath {
    let mut path = path(file);
    path.format.job.tag.branch.repo = Repo::User(user(name));
    path
}

fn put(it: &Fixture, path: FilePath, text: &'static str) {
    let hashed = hash_bytes(text.as_bytes(), None);
    let body = Body::Inline(Bytes::from_static(text.as_bytes()));
    let content = Content::Uploaded { digest: hashed.digest, size: hashed.size, body };
    it.store.put_artifact(path, content).wait().unwrap();
}

/// `~u` has two branches with 8 bytes, `~v` one, and `~w` an empty repository.
fn fixture() -> Fixture {
    let it = Fixture::new();
    put(&it, of("u", "b/t/j/f/a"), "five5");
    put(&it, of("u", "c/t/j/f/a"), "3's");
    put(&it, of("v", "b/t/j/f/a"), "five5");
    it.store.set_quota(user("w"), Quota::Bytes(7)).wait().unwrap();
    it.verify();
    it
}

fn repository(it: &Fixture, name: &str) -> Repository {
    it.store.view().unwrap().repository(&user(name)).unwrap()
}

/// What the report says, and the damage that it says it of.
const DAMAGES: &[(&str, Damage)] = &[
    ("the usage of /~u/ is kept as 9 with 1 bytes, but 2 with 8 bytes", |tx, mut record| {
        record.usage = Usage { files: 9, bytes: 1 };
        Ok(REPOS.put(tx.txn, &user("u"), &record)?)
    }),
    ("/~u/ cannot be found by its id: found None", |tx, record| {
        OWNERS.remove(tx.txn, &record.id).map(drop).map_err(Error::from)
    }),
    ("/~u/ cannot be found by its id: found None", |tx, record| {
        use crate::db::keys::Key;
        Ok(OWNERS.put_bytes(tx.txn, &record.id.to_bytes(), b"UPPER")?)
    }),
    ("/~u/ cannot be found by its id: found Some(UserName(\"nobody\"))", |tx, record| {
        Ok(OWNERS.put(tx.txn, &record.id, &user("nobody"))?)
    }),
    ("/~u/ cannot be found by its id: found Some(UserName(\"v\"))", |tx, record| {
        Ok(OWNERS.put(tx.txn, &record.id, &user("v"))?)
    }),
    ("repository 999 leads to u, whose it is not", |tx, _| {
        Ok(OWNERS.put(tx.txn, &RepoId(999), &user("u"))?)
    }),
    ("repository 999 leads to nobody, whose it is not", |tx, _| {
        Ok(OWNERS.put(tx.txn, &RepoId(999), &user("nobody"))?)
    }),
    ("table owners.1 holds a row that cannot be read", |tx, _| {
        Ok(OWNERS.put_bytes(tx.txn, &[1, 2], b"u")?)
    }),
    ("/~u/ has branches and no record", |tx, _| {
        REPOS.remove(tx.txn, &user("u")).map(drop).map_err(Error::from)
    }),
];

#[test]
fn damage_to_a_repository_is_found_told_and_repaired() {
    for (expected, damage) in DAMAGES {
        let it = fixture();
        let before = repository(&it, "u");
        let record = before.clone();
        it.damage(move |tx| damage(tx, record.clone()));
        let found = it.check();
        assert!(found.to_string().contains(expected), "{expected}: {found}");
        assert_eq!(found.count, 1, "{expected}: {found}");
        let repaired = it.repair();
        assert_eq!((repaired.left(), repaired.repaired), (0, 1), "{expected}: {repaired}");
        it.verify();
        assert_eq!(repository(&it, "u"), before, "{expected}");
    }
}

#[test]
fn branches_that_nobody_owns_are_told_and_left_alone() {
    let it = fixture();
    let id = repository(&it, "u").id;
    it.damage(move |tx| {
        OWNERS.remove(tx.txn, &id)?;
        REPOS.remove(tx.txn, &user("u")).map(drop).map_err(Error::from)
    });
    let expected = format!("holds branches of repository {}, which nobody owns", id.0);
    let found = it.check();
    assert!(found.to_string().contains(&expected), "{found}");
    assert_eq!((found.count, it.repair().left()), (1, 1), "{found}");
    it.damage(move |tx| {
        assert_eq!(BRANCHES.all(tx.txn, Span::under(&id))?.len(), 2);
        Ok(())
    });
}

#[test]
fn two_records_with_one_id_are_told() {
    let it = fixture();
    let record = repository(&it, "u");
    it.damage(move |tx| {
        REPOS.put(tx.txn, &user("x"), &record)?;
        let shared = Repository { id: RepoId::SHARED, ..record.clone() };
        Ok(REPOS.put(tx.txn, &user("y"), &shared)?)
    });
    let found = it.check().to_string();
    for name in ["x", "y"] {
        assert!(found.contains(&format!("/~{name}/ has the id")), "{found}");
    }
    assert!(found.contains("\n2 differences"), "{found}");
    assert_eq!(it.repair().left(), 2);
}

#[test]
fn a_record_that_cannot_be_read_keeps_its_branches() {
    let it = fixture();
    let id = repository(&it, "u").id;
    it.damage(|tx| Ok(REPOS.put_bytes(tx.txn, b"u\0", &[1])?));
    let found = it.check();
    assert!(found.to_string().contains("table repos.1 holds a row that cannot be read"));
    assert_eq!((found.count, it.repair().left()), (1, 1), "{found}");
    it.damage(move |tx| {
        assert!(OWNERS.has(tx.txn, &id)?);
        Ok(())
    });
}

#[test]
fn shares_of_a_recount_come_to_the_repositories_too() {
    for rows_max in [1, 12, 100_000] {
        let it = fixture();
        it.damage(|tx| {
            let mut record = REPOS.get(tx.txn, &user("u"))?.unwrap();
            record.usage.bytes += 1000;
            Ok(REPOS.put(tx.txn, &user("u"), &record)?)
        });
        let mut position = Position::default();
        let mut corrected = Vec::new();
        for _ in 0..50 {
            let share = it.store.recount_share(&mut position, rows_max, &Stop::new()).unwrap();
            corrected.extend(share.recount.differences);
        }
        // A share of one row is too small for anything: then it is for `larder check`.
        if rows_max > 1 {
            assert_eq!(corrected.len(), 1, "{rows_max}: {corrected:?}");
            assert!(corrected[0].what.starts_with("the usage of /~u/ is kept"), "{corrected:?}");
            assert_eq!(corrected[0].outcome, Outcome::Repaired);
            it.verify();
        }
    }
}
