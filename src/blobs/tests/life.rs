//! One upload: its order of effects, its ends, and what errors leave.

use std::io::{ErrorKind, Read};

use rustix::io::Errno;

use super::*;
use crate::blobs::hash::hash_bytes;

#[test]
fn an_upload_is_synced_named_and_linked_in_this_order() {
    let fixture = Fixture::new();
    let placed = fixture.place(BODY).unwrap();
    let (digest, suffix) = (placed.digest, placed.suffix);
    assert_eq!((digest, placed.size), (hash_bytes(BODY, None).digest, 10));
    assert!(fixture.files.is_staged(digest, suffix).unwrap());
    assert!(fixture.files.target_exists(digest, suffix).unwrap());
    placed.keep();
    assert!(!fixture.files.is_staged(digest, suffix).unwrap());
    let expected = [
        format!("create up.{suffix}"),
        "write".to_owned(),
        "sync".to_owned(),
        format!("rename up.{suffix}"),
        "sync_dir staging".to_owned(),
        format!("link {digest}.{suffix}"),
        format!("sync_dir {:02x}", digest.0[0]),
        format!("unlink {digest}.{suffix}"),
    ];
    assert_eq!(fixture.disk.effects(), expected);
    assert_eq!(fixture.staging(), [""; 0]);
    let mut read = Vec::new();
    fixture.files.open_blob(digest, suffix).unwrap().read_to_end(&mut read).unwrap();
    assert_eq!(read, BODY);
}

#[test]
fn a_discarded_upload_and_one_that_is_given_up_leave_nothing() {
    let fixture = Fixture::new();
    let mut draft = fixture.files.begin(None).unwrap();
    draft.write(BODY).unwrap();
    drop(draft);
    fixture.assert_empty("after a dropped draft");
    drop(fixture.files.begin(None).unwrap().finish().unwrap());
    fixture.assert_empty("after a dropped staged file");
    fixture.place(BODY).unwrap().discard();
    fixture.assert_empty("after a discarded file");
}

#[test]
fn equal_bytes_never_meet() {
    let fixture = Fixture::new();
    let first = fixture.stored(BODY);
    let second = fixture.place(BODY).unwrap();
    assert_eq!(first.0, second.digest);
    second.discard();
    assert_eq!(fixture.targets(), [first]);
}

#[test]
fn an_unknown_outcome_leaves_both_names() {
    let fixture = Fixture::new();
    drop(fixture.place(BODY).unwrap());
    assert_eq!((fixture.staging().len(), fixture.targets().len()), (1, 1));
}

#[test]
fn pieces_of_any_length_arrive_whole() {
    let fixture = Fixture::new();
    let claim = Checksum::parse("md5:d41d8cd98f00b204e9800998ecf8427e").unwrap();
    let mut draft = fixture.files.begin(Some(&claim)).unwrap();
    let mut expected = Vec::new();
    for length in [1, 70_000, 70_000, 0, 131_072, 5, 9 << 20, 131_071, 2] {
        let piece = vec![u8::try_from(expected.len() % 251).unwrap(); length];
        draft.write(&piece).unwrap();
        expected.extend(piece);
    }
    assert_eq!(draft.size(), u64::try_from(expected.len()).unwrap());
    let staged = draft.finish().unwrap();
    assert_eq!(staged.hashed(), hash_bytes(&expected, Some(&claim)));
    assert_eq!(staged.hashed().claim, Claim::Differs);
    let placed = staged.place().unwrap();
    let path = fixture.files.path_of(placed.digest, placed.suffix);
    assert!(fs::read(path).unwrap() == expected);
    placed.discard();
}

#[test]
fn an_error_anywhere_leaves_nothing() {
    let fixture = Fixture::new();
    for effect in ["create", "write", "sync", "rename", "sync_dir staging", "link", "sync_dir"] {
        for errno in [Errno::NOSPC, Errno::DQUOT, Errno::FBIG, Errno::IO] {
            fixture.disk.restart();
            fixture.disk.fail(effect, errno);
            let error = fixture.place(BODY).err().unwrap();
            assert_eq!(error.is_full(), errno != Errno::IO, "{error}");
            // A folder that cannot be synced keeps the note that a target may come back.
            if effect == "sync_dir" {
                fixture.disk.restart();
                fixture.files.recover(|_, _| Ok::<_, Error>(false), |_| Ok(false)).unwrap();
            }
            fixture.assert_empty(&format!("after {error}"));
        }
    }
}

#[test]
fn an_upload_whose_target_folder_fails_keeps_its_note() {
    let fixture = Fixture::new();
    let shard = hash_bytes(BODY, None).digest.0[0];
    fixture.disk.fail(format!("sync_dir {shard:02x}").leak(), Errno::IO);
    assert!(fixture.place(BODY).is_err());
    assert_eq!((fixture.staging().len(), fixture.targets().len()), (1, 0));
}

#[test]
fn a_write_that_failed_cannot_be_glossed_over() {
    let fixture = Fixture::new();
    let mut draft = fixture.files.begin(None).unwrap();
    fixture.disk.fail("write", Errno::NOSPC);
    assert!(draft.write(&vec![1; 200_000]).is_err());
    fixture.disk.restart();
    draft.write(&vec![2; 200_000]).unwrap();
    assert!(draft.finish().is_err());
    fixture.assert_empty("after the error");
}

#[test]
fn a_name_that_is_taken_is_not_written_over() {
    let fixture = Fixture::new();
    let mut draft = fixture.files.begin(None).unwrap();
    draft.write(BODY).unwrap();
    let staged = draft.finish().unwrap();
    let target = fixture.files.path_of(staged.hashed.digest, staged.suffix);
    fs::write(&target, "another's").unwrap();
    let error = staged.place().err().unwrap();
    assert!(
        matches!(&error, Error::Io { source, .. } if source.kind() == ErrorKind::AlreadyExists)
    );
    assert_eq!(fs::read(target).unwrap(), b"another's");
    assert_eq!(fixture.staging(), [""; 0]);
}

#[test]
fn an_absent_file_is_loud() {
    let fixture = Fixture::new();
    let error = fixture.files.open_blob(Digest([7; 32]), Suffix(1)).unwrap_err();
    assert!(matches!(error, Error::Missing { .. }));
    assert!(error.to_string().contains("larder check"), "{error}");
}

#[test]
fn opening_again_makes_only_what_is_missing() {
    let fixture = Fixture::new();
    let file = fixture.stored(BODY);
    fs::remove_dir(fixture.root.path().join("blobs/00")).unwrap();
    fixture.disk.restart();
    BlobFiles::open(fixture.root.path(), Arc::<TestDisk>::clone(&fixture.disk)).unwrap();
    let root = fixture.root.path().file_name().unwrap().to_str().unwrap();
    let expected = ["create_dir 00", "sync_dir blobs", &format!("sync_dir {root}")];
    assert_eq!(fixture.disk.effects(), expected);
    assert_eq!(fixture.targets(), [file]);
}
