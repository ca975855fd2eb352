//! Drafts that outlive the process: what was acknowledged is there, what was not does not count.

use rustix::io::Errno;

use super::*;
use crate::blobs::hash::hash_bytes;

const FIRST: &[u8] = b"acknowledged, ";
const SECOND: &[u8] = b"and gone on with";

/// What the row of an unfinished upload says: which draft, and how many bytes of it count.
type Row = Option<(Suffix, u64)>;

/// A draft whose row is committed.
fn acknowledged(fixture: &Fixture, bytes: &[u8]) -> Result<(Draft, Row), Error> {
    let mut draft = fixture.files.begin(None)?;
    draft.write(bytes)?;
    draft.sync()?;
    let row = Some((draft.suffix(), draft.size()));
    Ok((draft, row))
}

fn recover(fixture: &Fixture, blobs: &[(Digest, Suffix)], row: Row) -> Result<Recovered, Error> {
    let names = |suffix| Ok(row.is_some_and(|(named, _)| named == suffix));
    fixture.files.recover(|digest, suffix| Ok(blobs.contains(&(digest, suffix))), names)
}

fn whole() -> Vec<u8> {
    [FIRST, SECOND].concat()
}

/// Writes the rest and makes a blob of it.
fn go_on(fixture: &Fixture, row: Row, known: Option<hash::Hasher>) -> Result<Placed, Error> {
    let (suffix, bytes) = row.unwrap();
    let mut draft = fixture.files.resume(suffix, bytes, known)?;
    draft.write(&whole()[usize::try_from(bytes).unwrap()..])?;
    draft.finish()?.place()
}

#[test]
fn a_draft_is_gone_on_with_after_a_restart() {
    let fixture = Fixture::new();
    let (mut draft, row) = acknowledged(&fixture, FIRST).unwrap();
    // More arrived, and reached the disk, but nobody was told so.
    draft.write(&vec![b'?'; 200_000]).unwrap();
    drop(draft);
    let recovered = recover(&fixture, &[], row).unwrap();
    assert_eq!((recovered.waiting, recovered.drafts), (1, 0));
    let placed = go_on(&fixture, row, None).unwrap();
    assert_eq!((placed.digest, placed.suffix), (hash_bytes(&whole(), None).digest, row.unwrap().0));
    let path = fixture.files.path_of(placed.digest, placed.suffix);
    placed.keep();
    assert_eq!(fs::read(path).unwrap(), whole());
    assert_eq!(fixture.staging(), [""; 0]);
}

#[test]
fn what_was_hashed_is_not_hashed_again_unless_it_is_of_other_bytes() {
    let fixture = Fixture::new();
    let (draft, row) = acknowledged(&fixture, FIRST).unwrap();
    let known = draft.leave();
    // That the bytes are read would be seen by them.
    let path = fixture.files.layout.draft(row.unwrap().0);
    fs::write(&path, vec![b'x'; FIRST.len()]).unwrap();
    let placed = go_on(&fixture, row, Some(known)).unwrap();
    assert_eq!(placed.digest, hash_bytes(&whole(), None).digest);
    placed.discard();
    let (draft, row) = acknowledged(&fixture, FIRST).unwrap();
    drop(draft);
    let mut other = hash::Hasher::new(None);
    other.update(b"shorter");
    let placed = go_on(&fixture, row, Some(other)).unwrap();
    assert_eq!(placed.digest, hash_bytes(&whole(), None).digest);
    placed.discard();
    fixture.assert_empty("after both");
}

#[test]
fn a_draft_that_is_gone_or_too_short_is_loud_and_stays() {
    let fixture = Fixture::new();
    let (draft, row) = acknowledged(&fixture, FIRST).unwrap();
    let suffix = row.unwrap().0;
    drop(draft);
    let longer = u64::try_from(FIRST.len()).unwrap() + 1;
    let error = fixture.files.resume(suffix, longer, None).err().unwrap();
    assert!(error.to_string().contains("15 bytes were acknowledged and 14 are there"), "{error}");
    assert_eq!(fixture.staging().len(), 1);
    fixture.files.remove_draft(suffix).unwrap();
    fixture.files.remove_draft(suffix).unwrap();
    assert!(fixture.files.resume(suffix, 1, None).is_err());
    fixture.assert_empty("after the removal");
}

#[test]
fn a_draft_goes_when_it_is_told_to_or_was_never_synced() {
    let fixture = Fixture::new();
    drop(acknowledged(&fixture, FIRST).unwrap());
    assert_eq!(fixture.staging().len(), 1);
    recover(&fixture, &[], None).unwrap();
    fixture.assert_empty("after a start without a row");
    acknowledged(&fixture, FIRST).unwrap().0.discard();
    fixture.assert_empty("after discarding a draft");
    acknowledged(&fixture, FIRST).unwrap().0.finish().unwrap().discard();
    fixture.assert_empty("after discarding all of it");
    for effect in ["sync", "sync_dir staging"] {
        fixture.disk.restart();
        fixture.disk.fail(effect, Errno::IO);
        assert!(acknowledged(&fixture, FIRST).is_err());
        fixture.assert_empty("after a sync that failed");
    }
}

#[test]
fn what_the_bytes_are_to_be_may_be_said_at_the_end() {
    let fixture = Fixture::new();
    let sha512 = "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                  2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";
    let sha256 = format!("sha256:{}", hash_bytes(b"abc", None).digest);
    for (text, has_sha512) in [(sha512, true), (&sha256, false)] {
        let claim = Checksum::parse(text).unwrap();
        for (bytes, expected) in [(b"abc", Claim::Matches), (b"abd", Claim::Differs)] {
            let mut draft = fixture.files.begin(None).unwrap();
            draft.write(bytes).unwrap();
            draft.compare_with(&claim).unwrap();
            let hashed = draft.finish().unwrap().hashed();
            assert_eq!((hashed.claim, hashed.sha512.is_some()), (expected, has_sha512));
            assert_eq!(hashed.digest, hash_bytes(bytes, None).digest);
        }
    }
    fixture.assert_empty("after the drafts were dropped");
}

/// Two pieces, each acknowledged, then a blob: until the disk stops. Returns what the rows say
/// then, and whether all was done.
fn upload(
    fixture: &Fixture,
    row: &mut Row,
    blobs: &mut Vec<(Digest, Suffix)>,
) -> Result<(), Error> {
    let (draft, first) = acknowledged(fixture, FIRST)?;
    *row = first;
    let known = draft.leave();
    let (suffix, bytes) = first.unwrap();
    let mut draft = fixture.files.resume(suffix, bytes, Some(known))?;
    draft.write(SECOND)?;
    draft.sync()?;
    *row = Some((suffix, draft.size()));
    let placed = draft.finish()?.place()?;
    blobs.push((placed.digest, placed.suffix));
    *row = None;
    placed.keep();
    Ok(())
}

/// I5: wherever it stops, and whatever was not synced is lost, the upload can go on from what
/// was acknowledged.
#[test]
fn an_upload_in_pieces_can_stop_anywhere() {
    let fixture = Fixture::new();
    let forgets: [fn(&Path) -> bool; 3] =
        [|_| false, |folder| folder.ends_with("staging"), |_| true];
    for (loss, forgets) in forgets.iter().enumerate() {
        for n in 0.. {
            let when = format!("loss {loss}, before {n}");
            fixture.disk.restart();
            fixture.disk.stop_before(n);
            let (mut row, mut blobs) = (None, Vec::new());
            let done = upload(&fixture, &mut row, &mut blobs).is_ok();
            let stopped = fixture.disk.has_stopped();
            fixture.disk.lose_power(forgets);
            fixture.disk.restart();
            recover(&fixture, &blobs, row).unwrap();
            if row.is_some() {
                assert_eq!(fixture.targets(), [], "{when}");
                let placed = go_on(&fixture, row, None).unwrap();
                blobs.push((placed.digest, placed.suffix));
                placed.keep();
            }
            assert_eq!(fixture.staging(), [""; 0], "{when}");
            assert_eq!(fixture.targets(), blobs, "{when}");
            for (digest, suffix) in blobs {
                let path = fixture.files.path_of(digest, suffix);
                assert_eq!(fs::read(&path).unwrap(), whole(), "{when}");
                fs::remove_file(path).unwrap();
            }
            if done && !stopped {
                assert!(n > 12, "there are more effects than {n}");
                break;
            }
        }
    }
}

/// The start that puts a draft back can stop anywhere too.
#[test]
fn a_recovery_of_a_draft_can_stop_anywhere() {
    let fixture = Fixture::new();
    for n in 0.. {
        fixture.disk.restart();
        let (mut draft, row) = acknowledged(&fixture, FIRST).unwrap();
        draft.write(SECOND).unwrap();
        drop(draft.finish().unwrap().place().unwrap());
        fixture.disk.restart();
        fixture.disk.stop_before(n);
        let first = recover(&fixture, &[], row);
        fixture.disk.lose_power(|_| true);
        fixture.disk.restart();
        assert_eq!(recover(&fixture, &[], row).unwrap().waiting, 1, "before {n}");
        assert_eq!(fixture.targets(), [], "before {n}");
        let placed = go_on(&fixture, row, None).unwrap();
        assert_eq!(placed.digest, hash_bytes(&whole(), None).digest, "before {n}");
        placed.discard();
        fixture.assert_empty(&format!("before {n}"));
        if first.is_ok() {
            assert_eq!(n, 4);
            break;
        }
    }
}
