//! The database as a file of a folder.

use super::{COUNTER, add_one, options, read};
use crate::db::{Db, Error};

#[test]
fn a_file_is_made_once_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("larder.redb");
    for value in 1..=2 {
        let db = Db::open(&path, options()).unwrap();
        assert_eq!(db.write(add_one).wait().unwrap(), value);
        let stats = db.measure().unwrap();
        let length = std::fs::metadata(&path).unwrap().len();
        assert_eq!(stats.used_bytes + stats.free_bytes, length);
    }
    let names = std::fs::read_dir(folder.path()).unwrap();
    let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["larder.journal", "larder.redb"]);
}

#[test]
fn the_journal_of_a_database_that_is_gone_is_not_that_of_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("larder.redb");
    let db = Db::open(&path, options()).unwrap();
    db.write(add_one).wait().unwrap();
    let journal = folder.path().join("larder.journal");
    // As it is while the server runs: with records.
    let old = std::fs::read(&journal).unwrap();
    drop(db);
    std::fs::write(&journal, old).unwrap();
    std::fs::remove_file(&path).unwrap();
    let db = Db::open(&path, options()).unwrap();
    assert_eq!(read(&db, COUNTER).unwrap(), None);
}

#[test]
fn what_a_crash_left_of_a_file_that_was_not_written_is_in_its_journal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("larder.redb");
    drop(Db::open(&path, options()).unwrap());
    let db = Db::open(&path, options()).unwrap();
    let before = std::fs::read(&path).unwrap();
    assert_eq!(db.write(add_one).wait().unwrap(), 1);
    let (after, journal) =
        (std::fs::read(&path).unwrap(), std::fs::read(path.with_extension("journal")).unwrap());
    assert_eq!(before.len(), after.len());
    drop(db);
    // Nothing of what the file was told reached the disk.
    std::fs::write(&path, before).unwrap();
    std::fs::write(path.with_extension("journal"), journal).unwrap();
    assert_eq!(read(&Db::open(&path, options()).unwrap(), COUNTER).unwrap(), Some(1));
}

#[test]
fn a_crash_while_the_file_was_made_leaves_nothing_in_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("larder.redb");
    std::fs::write(folder.path().join("larder.part"), [0; 8192]).unwrap();
    let db = Db::open(&path, options()).unwrap();
    assert_eq!(db.write(add_one).wait().unwrap(), 1);
    assert!(!folder.path().join("larder.part").exists());
}

#[test]
fn a_file_that_is_no_database_is_refused_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("larder.redb");
    std::fs::write(&path, [0; 8192]).unwrap();
    assert!(matches!(Db::open(&path, options()), Err(Error::Storage { full: false, .. })));
    assert_eq!(std::fs::read(&path).unwrap(), [0; 8192]);
}

#[test]
fn a_file_that_vanished_is_not_made_anew_in_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("larder.redb");
    let db = Db::open(&path, options()).unwrap();
    db.write(add_one).wait().unwrap();
    std::fs::rename(&path, folder.path().join("elsewhere")).unwrap();
    assert!((db.shared.open_disk)().is_err());
    assert!(!path.exists());
    assert_eq!(read(&db, COUNTER).unwrap(), Some(1));
}
