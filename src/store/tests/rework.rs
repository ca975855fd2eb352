//! Reworks: a format's files are replaced at once or not at all (I2, I5, I7).

use std::io::ErrorKind;
use std::time::Duration;

use super::{House, LEASE_OVER, ROWS, WORK, assert_consistent, cause, file, format, job, uploaded};
use crate::db::tests::disk::{Lasts, On};
use crate::db::tests::random::Random;
use crate::model::{ArtifactPath, Format, Timestamp};
use crate::store::blobs::Content;
use crate::store::rework::{Rework, Reworked};
use crate::store::{Error, Store};

const F: &str = "b/t/j/f";
const LONG: &str = "a text that is long enough to be a file";
/// Longer than a rework waits.
const ABANDONED: Duration = Duration::from_secs(16 * 60);

fn base(store: &Store) -> Format {
    store.view().unwrap().format(&format(F)).unwrap()
}

fn begin(store: &Store) -> Result<Rework, Error> {
    store.begin_rework(format(F), base(store), cause())
}

/// Takes files in, `rows_max` in each slice.
fn fill(
    store: &Store,
    rework: &mut Rework,
    files: &[(&str, &str)],
    rows_max: u32,
) -> Result<(), Error> {
    let file = |(path, text): &(&str, &str)| {
        let path = ArtifactPath::parse(path).unwrap();
        Reworked { path, content: uploaded(text), uploaded: None }
    };
    let files: std::sync::Arc<[_]> = files.iter().map(file).collect();
    let mut from = 0;
    while from < files.len() {
        let files = std::sync::Arc::clone(&files);
        from += store.rework_slice(rework, files, from, WORK, rows_max)?.0.len();
        assert_consistent(store);
    }
    Ok(())
}

fn files(store: &Store) -> Vec<String> {
    let view = store.view().unwrap();
    let paths = view.paths_after(base(store).id, None, 99).unwrap();
    paths.into_iter().map(|path| path.to_string()).collect()
}

#[test]
fn the_new_files_take_the_place_of_the_old_at_once() {
    let house = House::new();
    let store = &house.store;
    house.put("b/t/j/f/x", "1").unwrap();
    house.put("b/t/j/f/y", LONG).unwrap();
    let old = base(store);
    let mut rework = begin(store).unwrap();
    fill(store, &mut rework, &[("d/z", "2"), ("y", LONG), ("w", "3")], 1).unwrap();
    assert_eq!(files(store), ["x", "y"], "nobody sees it");
    let totals = store.view().unwrap().totals().unwrap();
    assert_eq!((totals.queue, totals.detached.files), (1, 3));
    house.check(store.swap_rework(rework).wait()).unwrap();
    assert_eq!(files(store), ["d/z", "w", "y"]);
    let new = base(store);
    assert_ne!(new.id, old.id);
    assert!(!new.dirty && new.nested && new.changed > old.changed);
    assert_eq!((new.created, new.usage.files), (old.created, 3));
    let job = store.view().unwrap().job(&job("b/t/j")).unwrap();
    assert_eq!((job.dirty_formats, job.usage.files), (0, 3));
    house.clock.advance(ABANDONED);
    house.destroy(ROWS);
    assert_eq!(files(store), ["d/z", "w", "y"], "it waits no more");
    assert_eq!(store.view().unwrap().totals().unwrap().queue, 0);
    // Paths that are folders now cannot be files.
    assert!(matches!(house.put("b/t/j/f/d", "4"), Err(Error::IsFolder(_))));
    assert!(house.find("1").is_some_and(|(_, blob)| blob.refs.count() == 0));
}

#[test]
fn what_was_changed_meanwhile_stays_as_it_is() {
    type Change = fn(&House);
    let changes: [(Change, &str); 7] = [
        (|house| drop(house.put("b/t/j/f/x", "1")), "equal content"),
        (|house| drop(house.put("b/t/j/f/new", "2")), "another file"),
        (|house| house.delete_format(F).unwrap(), "deleted"),
        (
            |house| {
                house.delete_tag("b/t").unwrap();
                house.put("b/t/j/f/x", "1").unwrap();
            },
            "another of the same name",
        ),
        (
            |house| {
                house.store.finish_format(format(F)).wait().unwrap();
                let revision = house.store.view().unwrap().job(&job("b/t/j")).unwrap().revision;
                let digest = super::digest("job");
                house.store.lock_job(job("b/t/j"), revision, digest).wait().unwrap();
            },
            "locked",
        ),
        (
            |house| {
                house.clock.advance(ABANDONED);
                house.destroy(ROWS);
            },
            "too late",
        ),
        (
            |house| {
                house.clock.advance(ABANDONED);
                house.store.destroy_slice(WORK, 1).unwrap();
            },
            "partly destroyed",
        ),
    ];
    for (change, what) in changes {
        let house = House::new();
        let store = &house.store;
        house.put("b/t/j/f/x", "1").unwrap();
        let mut rework = begin(store).unwrap();
        fill(store, &mut rework, &[("y", "9")], ROWS).unwrap();
        change(&house);
        let refused = house.check(store.swap_rework(rework.clone()).wait()).unwrap_err();
        let refused = refused.to_string();
        let words = match what {
            "deleted" => "does not exist",
            "locked" => "Job is locked",
            _ => "was changed at the same time",
        };
        assert!(refused.contains(words), "{what}: {refused}");
        assert!(!house.has_file("b/t/j/f/y"), "{what}");
        let dropped = house.check(store.drop_rework(rework).wait());
        assert_eq!(dropped.is_ok(), what != "too late", "{what}: {dropped:?}");
        house.destroy(1);
        assert_eq!(store.view().unwrap().totals().unwrap().queue, 0, "{what}");
        assert!(house.find("9").is_some_and(|(_, blob)| blob.refs.count() == 0), "{what}");
    }
}

#[test]
fn a_rework_begins_and_ends_only_from_what_was_seen() {
    let house = House::new();
    let store = &house.store;
    house.put("b/t/j/f/x", "1").unwrap();
    let before = base(store);
    // The clock stands still: yet it is another content.
    house.put("b/t/j/f/x", "2").unwrap();
    let begun = store.begin_rework(format(F), before.clone(), cause());
    assert!(matches!(begun, Err(Error::Changed(_))));
    let finished = store.finish_unchanged_format(format(F), before).wait();
    assert!(matches!(finished, Err(Error::Changed(_))) && base(store).dirty);
    store.finish_unchanged_format(format(F), base(store)).wait().unwrap();
    assert!(!base(store).dirty);
    assert_consistent(store);
}

#[test]
fn each_slice_renews_the_lease_and_unknown_content_is_refused() {
    let house = House::new();
    let store = &house.store;
    house.put("b/t/j/f/x", "1").unwrap();
    let mut rework = begin(store).unwrap();
    for (n, path) in ["1", "2", "3"].into_iter().enumerate() {
        house.clock.advance(ABANDONED * 3 / 4);
        house.destroy(ROWS);
        fill(store, &mut rework, &[(path, &n.to_string())], ROWS).unwrap();
    }
    let content = Content::Stored(super::digest("unknown"));
    let path = ArtifactPath::parse("4").unwrap();
    let unknown = Reworked { path: path.clone(), content, uploaded: None };
    let refused = store.rework_slice(&mut rework, [unknown].into(), 0, WORK, ROWS);
    assert!(matches!(refused, Err(Error::BlobUnknown(_))));
    let known = Content::Stored(super::digest("1"));
    let known = Reworked { path, content: known, uploaded: Some(Timestamp(7)) };
    store.rework_slice(&mut rework, [known].into(), 0, WORK, ROWS).unwrap();
    store.swap_rework(rework).wait().unwrap();
    assert_consistent(store);
    let kept = store.view().unwrap().file(&file("b/t/j/f/4")).unwrap();
    assert_eq!(kept.artifact.uploaded, Timestamp(7));
    house.clock.advance(LEASE_OVER);
    house.destroy(ROWS);
    assert_eq!(files(store), ["1", "2", "3", "4"]);
}

/// One rework from its beginning to its end; stops at what fails, and tells whether it got to
/// its end.
fn rework(house: &House) -> Result<(), Error> {
    let store = &house.store;
    let mut rework = begin(store)?;
    let slice = |rework: &mut Rework, path, text| {
        let path = ArtifactPath::parse(path).unwrap();
        let file = Reworked { path, content: uploaded(text), uploaded: None };
        store.rework_slice(rework, [file].into(), 0, WORK, ROWS).map(drop)
    };
    slice(&mut rework, "y", "2")?;
    slice(&mut rework, "z", LONG)?;
    store.swap_rework(rework).wait()
}

#[test]
fn a_crash_at_any_write_leaves_the_old_files_or_the_new_and_nothing_else() {
    let prepared = || {
        let house = House::new();
        house.put("b/t/j/f/x", "1").unwrap();
        house
    };
    let house = prepared();
    let before = house.disk.ops();
    rework(&house).unwrap();
    let points = house.disk.ops() - before;
    let (mut old, mut new) = (0, 0);
    for point in 0..points {
        for random in [None, Some(Random(point))] {
            let house = prepared();
            house.disk.fail(On::Change, point, Lasts::Forever, ErrorKind::Other);
            let is_told = rework(&house).is_ok();
            let house = house.after_power_loss(random);
            assert_consistent(&house.store);
            match &files(&house.store)[..] {
                [x] if x == "x" && !is_told => old += 1,
                [y, z] if y == "y" && z == "z" => new += 1,
                found => panic!("at write {point}: {found:?}, told {is_told}"),
            }
            // Nobody goes on with it: it is destroyed by itself.
            house.clock.advance(ABANDONED);
            house.destroy(1);
            house.clock.advance(LEASE_OVER);
            house.collect();
            house.forget();
            let totals = house.store.view().unwrap().totals().unwrap();
            assert_eq!((totals.queue, totals.detached.files), (0, 0), "at write {point}");
            let left = totals.files.files + totals.inline.files;
            let wanted = u64::try_from(files(&house.store).len()).unwrap();
            assert_eq!(left, wanted, "blobs, at write {point}");
        }
    }
    assert!(old > 0 && points > 10, "{old} {new}");
}
