//! What is sealed opens where it belongs and nowhere else; a key that is not right is told of.

use std::os::unix::fs::PermissionsExt;

use super::*;

const URL: &str = "https://r.example";

fn vault(folder: &tempfile::TempDir) -> Vault {
    Vault::new(folder.path().join(KEY_FILE))
}

#[test]
fn it_opens_for_its_group_and_its_upstream_only() {
    let folder = tempfile::tempdir().unwrap();
    let sealed = vault(&folder).seal(GroupId(7), URL, "ann", "s3cret").unwrap();
    assert_eq!(sealed.identity, "ann");
    assert!(!sealed.sealed.windows(6).any(|part| part == b"s3cret"));
    let vault = vault(&folder);
    assert_eq!(vault.open(GroupId(7), URL, &sealed).unwrap(), "s3cret");
    assert!(matches!(vault.open(GroupId(8), URL, &sealed), Err(Error::Sealed)));
    let told = vault.open(GroupId(7), "https://evil.example", &sealed).unwrap_err().to_string();
    assert!(told.contains(URL) && told.contains("https://evil.example"), "{told}");
    let again = vault.seal(GroupId(7), URL, "ann", "s3cret").unwrap();
    assert_ne!(again.sealed, sealed.sealed);
}

#[test]
fn what_was_changed_does_not_open() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(&folder);
    let good = vault.seal(GroupId(7), URL, "ann", "s3cret").unwrap();
    for at in 0..good.sealed.len() {
        let mut bad = good.clone();
        bad.sealed[at] ^= 1;
        assert!(vault.open(GroupId(7), URL, &bad).is_err(), "{at}");
        bad.sealed.truncate(at);
        assert!(vault.open(GroupId(7), URL, &bad).is_err(), "{at}");
    }
}

#[test]
fn the_key_file_is_for_its_owner_and_is_missed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(KEY_FILE);
    let sealed = vault(&folder).seal(GroupId(1), URL, "a", "b").unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let open = || vault(&folder).open(GroupId(1), URL, &sealed);
    let kept = fs::read(&path).unwrap();
    for bad in [&b"zz"[..], b"", &[0xff; 40], &kept[..32]] {
        fs::write(&path, bad).unwrap();
        assert!(matches!(open(), Err(Error::KeyDamaged { .. })));
    }
    fs::remove_file(&path).unwrap();
    assert!(matches!(open(), Err(Error::KeyLost { .. })));
    assert!(!path.exists(), "opening makes no key");
    vault(&folder).seal(GroupId(1), URL, "a", "b").unwrap();
    assert!(matches!(open(), Err(Error::KeyOther { .. })));
    fs::write(&path, kept).unwrap();
    assert_eq!(open().unwrap(), "b");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(open(), Err(Error::KeyFile { .. })));
}

#[test]
fn credentials_that_cannot_be_sent_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let long = "a".repeat(256);
    for (identity, secret) in
        [("", "b"), ("a", ""), ("a:b", "c"), ("a\n", "b"), ("a", "b\r"), (&*long, "b")]
    {
        let told = vault(&folder).seal(GroupId(1), URL, identity, secret);
        assert!(matches!(told, Err(Error::Login(_))), "{identity:?} {secret:?}");
    }
}
