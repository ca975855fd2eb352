//! Unlinking in bulk, and what the online check sees.

use rustix::io::Errno;

use super::*;

#[test]
fn unlinking_keeps_the_order_and_takes_absent_files_as_done() {
    let fixture = Fixture::new();
    let mut files: Vec<_> = (0..20_u8).map(|byte| fixture.stored(&[byte])).collect();
    let kept = files.remove(3);
    let digest = files[0].0;
    files.extend([(Digest([0; 32]), Suffix(1)), files[0], (digest, Suffix(5))]);
    fixture.disk.restart();
    let results = fixture.files.unlink(&files, workers(4));
    assert_eq!(results.len(), files.len());
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(fixture.targets(), [kept]);
    let mut syncs = fixture.disk.effects();
    syncs.retain(|effect| effect.starts_with("sync_dir"));
    let all = syncs.len();
    syncs.sort();
    syncs.dedup();
    assert_eq!(syncs.len(), all, "each folder is synced once");
    assert!(fixture.files.unlink(&[], workers(4)).is_empty());
}

#[test]
fn a_failure_is_told_of_its_own_files_only() {
    let fixture = Fixture::new();
    let files: Vec<_> = (0..20_u8).map(|byte| fixture.stored(&[byte])).collect();
    let broken_file = format!("unlink {}", files[4].0).leak();
    let broken_dir = format!("sync_dir {:02x}", files[9].0.0[0]).leak();
    fixture.disk.fail(broken_file, Errno::IO);
    fixture.disk.fail(broken_dir, Errno::IO);
    let results = fixture.files.unlink(&files, workers(3));
    let failed: Vec<usize> = (0..20).filter(|index| results[*index].is_err()).collect();
    assert_eq!(failed, [4, 9]);
    let error = results[9].as_ref().unwrap_err().to_string();
    assert!(error.contains("sync the folder") && error.contains("os error 5"), "{error}");
}

#[test]
fn the_check_sees_every_file_and_touches_no_unknown_one() {
    let fixture = Fixture::new();
    let mut files: Vec<_> = (0..9_u8).map(|byte| fixture.stored(&[byte])).collect();
    let mut found = fixture.targets();
    let by_digest = |file: &(Digest, Suffix)| file.0;
    files.sort_by_key(by_digest);
    found.sort_by_key(by_digest);
    assert_eq!(found, files);
    let (digest, suffix) = (Digest([0xab; 32]), Suffix(1));
    let misplaced = fixture.root.path().join(format!("blobs/00/{digest}.{suffix}"));
    fs::write(&misplaced, BODY).unwrap();
    let shard = fixture.files.shards().next().unwrap().unwrap();
    assert_eq!(shard.unknown, [misplaced]);
    assert!(!fixture.files.target_exists(digest, suffix).unwrap());
}
