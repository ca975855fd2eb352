//! What a start does with each kind of name in the staging folder.

use super::*;

#[test]
fn each_kind_of_name_is_settled_by_the_rows() {
    let fixture = Fixture::new();
    let (kept, stray) = (fixture.place(b"kept").unwrap(), fixture.place(b"stray").unwrap());
    let row = (kept.digest, kept.suffix);
    drop((kept, stray));
    let staging = fixture.files.layout.staging();
    fs::write(fixture.files.layout.draft(Suffix(1)), BODY).unwrap();
    fs::write(staging.join("notes.txt"), "an operator's").unwrap();
    let recovered =
        fixture.files.recover(|d, s| Ok::<_, Error>((d, s) == row), |_| Ok(false)).unwrap();
    let unknown = vec![staging.join("notes.txt")];
    assert_eq!(recovered, Recovered { drafts: 1, waiting: 0, kept: 1, removed: 1, unknown });
    assert_eq!(fixture.staging(), ["notes.txt"]);
    assert_eq!(fixture.targets(), [row]);
}

#[test]
fn a_staging_name_without_a_target_goes_too() {
    let fixture = Fixture::new();
    let name = fixture.files.layout.staged(Digest([3; 32]), Suffix(1));
    fs::write(name, BODY).unwrap();
    let recovered = fixture.files.recover(|_, _| Ok::<_, Error>(false), |_| Ok(false)).unwrap();
    assert_eq!(recovered.removed, 1);
    fixture.assert_empty("after the recovery");
}

#[test]
fn bytes_that_a_row_names_are_not_given_up_while_they_have_a_name() {
    let fixture = Fixture::new();
    let placed = fixture.place(BODY).unwrap();
    let path = fixture.files.path_of(placed.digest, placed.suffix);
    drop(placed);
    fs::remove_file(&path).unwrap();
    fixture.files.recover(|_, _| Ok::<_, Error>(true), |_| Ok(false)).unwrap();
    assert_eq!(fs::read(path).unwrap(), BODY);
    assert_eq!(fixture.staging(), [""; 0]);
}

#[test]
fn rows_that_cannot_be_read_settle_nothing() {
    let fixture = Fixture::new();
    drop(fixture.place(BODY).unwrap());
    let broken = |_, _| Err(Error::io("read", Path::new("rows"))(io::Error::other("broken")));
    assert!(fixture.files.recover(broken, |_| Ok(false)).is_err());
    assert_eq!((fixture.staging().len(), fixture.targets().len()), (1, 1));
}
