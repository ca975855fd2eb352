//! Crash points: the disk stops before effect *n*, the power goes or not, for every *n*.

use super::*;

/// What a client was told.
#[derive(Default)]
struct Told {
    at: Option<UploadAt>,
    received: u64,
    has_blob: bool,
}

/// A push in pieces: one that stays a row, two that go to a file, then the end.
fn push(house: &House, whole: &[u8], told: &mut Told) -> Result<(), Error> {
    let at = house.begin(None);
    told.at = Some(at.clone());
    for piece in [&whole[..9], &whole[9..200], &whole[200..300]] {
        told.received = house.send(&at, piece)?;
    }
    house.finish(&at, &whole[300..], &digest(whole))?;
    told.has_blob = true;
    Ok(())
}

/// I5 and I1: after any crash a client that asks goes on from what it was told, or from more, and
/// the blob is whole; nothing else is left.
#[test]
fn a_push_in_pieces_can_stop_anywhere() {
    let whole = noise(400);
    for power_goes in [false, true] {
        for n in 0.. {
            let when = format!("power goes {power_goes}, before {n}");
            let mut house = House::new();
            let mut told = Told::default();
            house.files_disk.stop_before(n);
            let result = push(&house, &whole, &mut told);
            let stopped = house.files_disk.has_stopped();
            assert!(stopped || result.is_ok(), "{when}: {result:?}");
            house.crash(power_goes);
            if told.has_blob {
                assert_eq!(house.blob(&digest(&whole)).unwrap(), whole, "{when}");
            } else if let Some(at) = &told.at {
                go_on(&house, at, &told, &whole, &when);
            }
            house.assert_settled(&when);
            if !stopped {
                assert!(n > 12, "there are more effects than {n}");
                break;
            }
        }
    }
}

/// The disk refused in the middle: an end that fails ends the upload, all else leaves it.
fn go_on(house: &House, at: &UploadAt, told: &Told, whole: &[u8], when: &str) {
    let at = match house.registry().upload_received(at) {
        Ok(received) => {
            assert!(received >= told.received, "{when}: {received} of {}", told.received);
            at.clone()
        }
        Err(Error::UploadUnknown(_)) => house.begin(None),
        Err(error) => panic!("{when}: {error}"),
    };
    let received = house.registry().upload_received(&at).unwrap();
    let rest = &whole[usize::try_from(received).unwrap()..];
    house.finish(&at, rest, &digest(whole)).unwrap();
    assert_eq!(house.blob(&digest(whole)).unwrap(), whole, "{when}");
}

/// As above, but the process ends in the middle of the end instead of being told of an error: a
/// draft that was placed already is put back.
#[test]
fn an_end_that_a_crash_breaks_off_leaves_what_was_acknowledged() {
    let whole = noise(400);
    for power_goes in [false, true] {
        let mut house = House::new();
        let at = house.begin(None);
        house.send(&at, &whole).unwrap();
        let mut session = house.registry().open_upload(&at, None).unwrap();
        session.write(b"").unwrap();
        // Rows cannot be written any more, and nobody knows what became of the last ones.
        house.rows_disk.fail(
            db::tests::disk::On::Sync,
            0,
            db::tests::disk::Lasts::Forever,
            std::io::ErrorKind::Other,
        );
        assert!(session.finish(&digest(&whole)).is_err());
        house.rows_disk.heal();
        house.crash(power_goes);
        if house.blob(&digest(&whole)).is_none() {
            assert_eq!(house.registry().upload_received(&at).unwrap(), 400);
            house.finish(&at, b"", &digest(&whole)).unwrap();
        }
        assert_eq!(house.blob(&digest(&whole)).unwrap(), whole);
        house.assert_settled("at the end");
    }
}
