//! The schema's number and the rows it describes change together (I10).

use std::io::ErrorKind;

use super::disk::{Lasts, On, TestDisk, Unsynced};
use super::{COUNTER, add_one, open, options, read};
use crate::db::keys::Key;
use crate::db::migrate::{Step, run};
use crate::db::schema::{
    GROUPS, INLINE, LISTED, META, Meta, PROJECTS, PROXY_GROUPS, SCHEMA, TTL_GROUPS,
};
use crate::db::{Db, Error, Span, WriteTxn, writer};
use crate::model::{
    BlobId, Group, GroupId, ListedBy, Project, ProjectId, ProxyGroup, Timestamp, Visibility,
};

fn raw(disk: &TestDisk) -> Result<redb::Database, Error> {
    writer::open(&disk.opener(), &options(), &super::super::disk::Length::default())
}

fn set_schema(disk: &TestDisk, number: u64) {
    let db = open(disk);
    db.write(move |txn| META.put(txn, &Meta::SCHEMA, &number)).wait().unwrap();
}

/// Every step adds one to the counter, and a row that names it.
fn step(txn: &WriteTxn) -> Result<(), Error> {
    let value = add_one(txn)?;
    INLINE.put(txn, &BlobId(value), &vec![1; 5000].into())
}

const STEPS: &[Step] = &[Step { to: SCHEMA + 1, run: step }, Step { to: SCHEMA + 2, run: step }];

#[test]
fn a_new_file_gets_the_newest_schema() {
    let disk = TestDisk::default();
    assert_eq!(read(&open(&disk), Meta::SCHEMA).unwrap(), Some(SCHEMA));
    assert_eq!(read(&open(&disk), Meta::SCHEMA).unwrap(), Some(SCHEMA));
}

#[test]
fn a_newer_file_is_refused_with_both_numbers_and_stays_as_it_is() {
    let disk = TestDisk::default();
    set_schema(&disk, SCHEMA + 41);
    let refused = Db::open_with(disk.opener(), options()).err().unwrap();
    assert!(matches!(refused, Error::Newer { found, known } if found == known + 41));
    let text = refused.to_string();
    assert!(text.contains(&format!("schema {}", SCHEMA + 41)), "{text}");
    assert!(text.contains(&format!("up to {SCHEMA}")), "{text}");
    let database = raw(&disk).unwrap();
    run(&database, &[Step { to: SCHEMA + 41, run: |_| Ok(()) }]).unwrap();
}

#[test]
fn a_newer_file_gets_no_tables_of_ours() {
    let disk = TestDisk::default();
    let database = raw(&disk).unwrap();
    let txn = database.begin_write().unwrap();
    {
        let txn = WriteTxn::new(&txn);
        META.put(&txn, &Meta::SCHEMA, &(SCHEMA + 1)).unwrap();
        txn.flush().unwrap();
    }
    txn.commit().unwrap();
    assert!(matches!(run(&database, &[]), Err(Error::Newer { .. })));
    let txn = database.begin_write().unwrap();
    assert_eq!(txn.list_tables().unwrap().count(), 1);
}

#[test]
fn steps_run_once_each_in_order() {
    let disk = TestDisk::default();
    drop(open(&disk));
    for _ in 0..2 {
        run(&raw(&disk).unwrap(), STEPS).unwrap();
    }
    set_schema_back_and_count(&disk, 2);
}

/// Opens a file of the fake schema with this program.
fn set_schema_back_and_count(disk: &TestDisk, steps: u64) {
    let database = raw(disk).unwrap();
    let txn = database.begin_write().unwrap();
    {
        let txn = WriteTxn::new(&txn);
        assert_eq!(META.get(&txn, &Meta::SCHEMA).unwrap(), Some(SCHEMA + 2));
        META.put(&txn, &Meta::SCHEMA, &SCHEMA).unwrap();
        txn.flush().unwrap();
    }
    txn.commit().unwrap();
    drop(database);
    let db = open(disk);
    assert_eq!(read(&db, COUNTER).unwrap(), Some(steps));
    let rows = INLINE.all(&db.snapshot().unwrap(), Span::all()).unwrap();
    assert!(rows.iter().map(|(id, _)| id.0).eq(1..=steps));
}

#[test]
fn a_step_that_fails_leaves_number_and_rows_as_they_were() {
    let fails = |txn: &WriteTxn| {
        step(txn)?;
        Err(Error::Broken("step".into()))
    };
    let steps = [Step { to: SCHEMA + 1, run: step }, Step { to: SCHEMA + 2, run: fails }];
    let disk = TestDisk::default();
    drop(open(&disk));
    assert!(matches!(run(&raw(&disk).unwrap(), &steps), Err(Error::Broken(_))));
    run(&raw(&disk).unwrap(), STEPS).unwrap();
    set_schema_back_and_count(&disk, 2);
}

#[test]
fn a_crash_between_or_within_steps_repeats_only_what_was_not_committed() {
    let mut point = 0;
    loop {
        let disk = TestDisk::default();
        drop(open(&disk));
        let before = disk.ops();
        disk.fail(On::Change, point, Lasts::Forever, ErrorKind::Other);
        drop(raw(&disk).and_then(|database| run(&database, STEPS)));
        let has_failed = disk.ops() - before > point;
        disk.power_loss(Unsynced::Dropped);
        run(&raw(&disk).unwrap(), STEPS).unwrap();
        set_schema_back_and_count(&disk, 2);
        if !has_failed {
            return;
        }
        point += 1;
    }
}

/// What schema 1 had: records of groups and projects and no lists; one record cannot be read.
fn old(txn: &WriteTxn) -> Result<(), Error> {
    let (visibility, created) = (Visibility::Private, Timestamp(1));
    let texts = |path: &str, name: &str| (path.to_owned(), name.to_owned(), String::new());
    for (id, path, title) in [(1, "acme", "Zoo Works"), (2, "zoo", "Acme")] {
        let (path, name, description) = texts(path, title);
        let group = Group { parent: GroupId::TOP, path, name, description, visibility, created };
        GROUPS.put(txn, &GroupId(id), &group)?;
    }
    GROUPS.put_bytes(txn, &GroupId(3).to_bytes(), &[])?;
    let (path, name, description) = texts("app", "The App");
    let project = Project { parent: GroupId(1), path, name, description, visibility, created };
    PROJECTS.put(txn, &ProjectId(4), &project)?;
    for (id, enabled) in [(1, true), (2, false)] {
        let mut proxy = ProxyGroup::default();
        proxy.ttl.enabled = enabled;
        PROXY_GROUPS.put(txn, &GroupId(id), &proxy)?;
    }
    META.put(txn, &Meta::SCHEMA, &1)
}

#[test]
fn a_file_of_schema_1_gets_its_groups_and_projects_into_the_lists() {
    let disk = TestDisk::default();
    open(&disk).write(old).wait().unwrap();
    for _ in 0..2 {
        let db = open(&disk);
        assert_eq!(read(&db, Meta::SCHEMA).unwrap(), Some(SCHEMA));
        let rows = LISTED.all(&db.snapshot().unwrap(), Span::all()).unwrap().into_iter();
        let rows: Vec<_> =
            rows.map(|((by, (text, id)), ())| (by, text.as_str().to_owned(), id.0)).collect();
        let expected = [
            (ListedBy::GroupTitle, "acme", 2),
            (ListedBy::GroupTitle, "zoo works", 1),
            (ListedBy::GroupName, "acme", 1),
            (ListedBy::GroupName, "zoo", 2),
            (ListedBy::ProjectTitle, "the app", 4),
            (ListedBy::ProjectName, "app", 4),
        ];
        assert_eq!(rows, expected.map(|(by, text, id)| (by, text.to_owned(), id)));
        let by_age = TTL_GROUPS.all(&db.snapshot().unwrap(), Span::all()).unwrap();
        assert_eq!(by_age, [(GroupId(1), ())]);
    }
}
