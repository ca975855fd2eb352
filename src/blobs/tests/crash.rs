//! Crash points: stop before effect *n*, lose what was not synced or not, recover, for every *n*.

use super::*;

/// What the rows say, and what the process does about it, once the file is placed.
#[derive(Clone, Copy, Debug)]
enum Ending {
    CommittedAndKept,
    RefusedAndDiscarded,
    CommittedUnknowingly,
    FailedUnknowingly,
}

const ENDINGS: [Ending; 4] = [
    Ending::CommittedAndKept,
    Ending::RefusedAndDiscarded,
    Ending::CommittedUnknowingly,
    Ending::FailedUnknowingly,
];

/// Which folders forget what was not synced.
const FORGETS: [fn(&Path) -> bool; 4] = [
    |_| false,
    |folder| folder.ends_with("staging"),
    |folder| !folder.ends_with("staging"),
    |_| true,
];

/// Uploads until the disk stops. Returns the file that a row names after it.
fn upload(fixture: &Fixture, ending: Ending) -> Vec<(Digest, Suffix)> {
    let Ok(placed) = fixture.place(BODY) else { return Vec::new() };
    let file = (placed.digest, placed.suffix);
    match ending {
        Ending::CommittedAndKept => placed.keep(),
        Ending::RefusedAndDiscarded => placed.discard(),
        Ending::CommittedUnknowingly | Ending::FailedUnknowingly => drop(placed),
    }
    match ending {
        Ending::CommittedAndKept | Ending::CommittedUnknowingly => vec![file],
        Ending::RefusedAndDiscarded | Ending::FailedUnknowingly => Vec::new(),
    }
}

fn recover(fixture: &Fixture, rows: &[(Digest, Suffix)]) -> Result<Recovered, Error> {
    fixture.files.recover(|digest, suffix| Ok(rows.contains(&(digest, suffix))), |_| Ok(false))
}

/// No stray, nothing lost; then makes room for the next round.
fn assert_clean(fixture: &Fixture, rows: &[(Digest, Suffix)], when: &str) {
    assert_eq!(fixture.staging(), [""; 0], "{when}");
    assert_eq!(fixture.targets(), rows, "{when}");
    for (digest, suffix) in rows {
        let path = fixture.files.path_of(*digest, *suffix);
        assert_eq!(fs::read(&path).unwrap(), BODY, "{when}");
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn an_upload_can_stop_anywhere() {
    let fixture = Fixture::new();
    for ending in ENDINGS {
        for (loss, forgets) in FORGETS.iter().enumerate() {
            for n in 0.. {
                fixture.disk.restart();
                fixture.disk.stop_before(n);
                let rows = upload(&fixture, ending);
                let stopped = fixture.disk.has_stopped();
                fixture.disk.lose_power(forgets);
                fixture.disk.restart();
                recover(&fixture, &rows).unwrap();
                assert_clean(&fixture, &rows, &format!("{ending:?}, loss {loss}, before {n}"));
                if !stopped {
                    assert!(n > 7, "{ending:?} has more effects than {n}");
                    break;
                }
            }
        }
    }
}

#[test]
fn a_recovery_can_stop_anywhere() {
    let fixture = Fixture::new();
    for (loss, forgets) in FORGETS.iter().enumerate() {
        for n in 0.. {
            fixture.disk.restart();
            let rows = upload(&fixture, Ending::CommittedUnknowingly);
            upload(&fixture, Ending::FailedUnknowingly);
            fs::write(fixture.files.layout.draft(Suffix(9)), BODY).unwrap();
            fixture.disk.restart();
            fixture.disk.stop_before(n);
            let first = recover(&fixture, &rows);
            fixture.disk.lose_power(forgets);
            fixture.disk.restart();
            recover(&fixture, &rows).unwrap();
            assert_clean(&fixture, &rows, &format!("loss {loss}, before {n}"));
            if first.is_ok() {
                assert_eq!(n, 6);
                break;
            }
        }
    }
}

#[test]
fn unlinking_can_stop_anywhere_and_what_it_called_done_stays_done() {
    let fixture = Fixture::new();
    for count in [1, 2] {
        for forgets in FORGETS {
            for n in 0.. {
                fixture.disk.restart();
                let files: Vec<_> = (0..5_u8).map(|byte| fixture.stored(&[byte])).collect();
                fixture.disk.restart();
                fixture.disk.stop_before(n);
                let results = fixture.files.unlink(&files, workers(count));
                fixture.disk.lose_power(forgets);
                fixture.disk.restart();
                for ((digest, suffix), result) in files.iter().zip(&results) {
                    let there = fixture.files.target_exists(*digest, *suffix).unwrap();
                    assert!(!there || result.is_err(), "before {n}: {digest} came back");
                }
                let again = fixture.files.unlink(&files, workers(count));
                assert!(again.iter().all(Result::is_ok));
                fixture.assert_empty(&format!("before {n}"));
                if results.iter().all(Result::is_ok) {
                    assert_eq!(n, 10, "five files in five folders");
                    break;
                }
            }
        }
    }
}

#[test]
fn making_the_folders_can_stop_anywhere() {
    for n in [0, 1, 2, 100, 256, 257, 258, 259] {
        let root = tempfile::tempdir().unwrap();
        let disk = Arc::new(TestDisk::default());
        disk.stop_before(n);
        assert!(BlobFiles::open(root.path(), Arc::<TestDisk>::clone(&disk)).is_err(), "{n}");
        disk.restart();
        let files = BlobFiles::open(root.path(), disk).unwrap();
        assert_eq!(files.shards().map(Result::unwrap).count(), 256);
    }
}
