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
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(names.len(), 1);
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
