//! Names, files and what keeps detaching O(1): usage, counts, ways back (I2, I5).

use super::{Arrival, House, assert_consistent, branch, digest, file, format, job, tag, uploaded};
use crate::db::Span;
use crate::db::schema::{DETACHED, FORMATS};
use crate::model::tag::TagChange;
use crate::model::{Node, Place, Refs, TagRef, Usage};
use crate::store::Error;
use std::time::Duration;

const LONG: &str = "a text that is long enough to be a file";

#[test]
fn an_upload_makes_all_levels_and_counts_at_each() {
    let house = House::new();
    assert_eq!(house.put("b/t/j/f/x", "12345").unwrap(), Arrival::Kept);
    assert_eq!(house.put("b/t/j/f/dir/y", LONG).unwrap(), Arrival::Kept);
    let view = house.store.view().unwrap();
    let usage = Usage { files: 2, bytes: 5 + u64::try_from(LONG.len()).unwrap() };
    assert_eq!(view.branch(&branch("b")).unwrap().usage, usage);
    assert_eq!(view.tag(&tag("b/t")).unwrap().usage, usage);
    assert_eq!(view.job(&job("b/t/j")).unwrap().usage, usage);
    assert_eq!(view.format(&format("b/t/j/f")).unwrap().usage, usage);
    let found = view.file(&file("b/t/j/f/x")).unwrap();
    assert_eq!((found.blob.place, found.blob.refs), (Place::Inline, Refs::Held { count: 1 }));
    assert_eq!(view.inline(found.artifact.blob).unwrap(), "12345");
    let node = Node::Format(view.format(&format("b/t/j/f")).unwrap().id);
    assert_eq!(view.path_of(node).unwrap(), "/branches/b/t/j/f/");
    assert_eq!(view.totals().unwrap().named, usage);
}

#[test]
fn overwriting_holds_the_new_and_frees_the_old() {
    let house = House::new();
    house.put("b/t/j/f/x", "one").unwrap();
    house.put("b/t/j/f/x", LONG).unwrap();
    let (_, old) = house.find("one").unwrap();
    assert!(matches!(old.refs, Refs::Free { until } if until > house.now()));
    assert_eq!(house.find(LONG).unwrap().1.refs.count(), 1);
}

#[test]
fn overwriting_with_equal_content_never_lets_go() {
    let house = House::new();
    house.put("b/t/j/f/x", "one").unwrap();
    let before = house.find("one").unwrap();
    assert_eq!(house.put("b/t/j/f/x", "one").unwrap(), Arrival::Known);
    assert_eq!(house.link("b/t/j/f/x", "one").unwrap(), Arrival::Known);
    assert_eq!(house.find("one").unwrap(), before);
}

#[test]
fn two_names_share_a_blob_and_each_counts() {
    let house = House::new();
    house.put("b/t/j/f/x", LONG).unwrap();
    assert_eq!(house.put("b/t/j/g/x", LONG).unwrap(), Arrival::Known);
    assert_eq!(house.link("b/u/j/f/z", LONG).unwrap(), Arrival::Known);
    let (id, blob) = house.find(LONG).unwrap();
    assert_eq!(blob.refs.count(), 3);
    let view = house.store.view().unwrap();
    assert_eq!(view.referrers(id, 9).unwrap().len(), 3);
    assert_eq!(view.totals().unwrap().named.files, 3);
    assert_eq!(view.totals().unwrap().files.files, 1);
}

#[test]
fn a_link_to_what_is_not_stored_makes_nothing() {
    let house = House::new();
    let refused = house.link("b/t/j/f/x", "nowhere");
    assert!(matches!(refused, Err(Error::BlobUnknown(unknown)) if unknown == digest("nowhere")));
    assert!(matches!(house.store.view().unwrap().branch(&branch("b")), Err(Error::NotFound(_))));
}

#[test]
fn each_level_is_deleted_with_what_lies_below() {
    for level in 0..4 {
        let house = House::new();
        for path in ["b/t/j/f/x", "b/t/j/g/y", "b/t/k/f/x", "b/u/j/f/x", "c/t/j/f/x"] {
            house.put(path, path).unwrap();
        }
        let left = match level {
            0 => house.delete_format("b/t/j/f").map(|()| 4),
            1 => house.delete_job("b/t/j").map(|()| 3),
            2 => house.delete_tag("b/t").map(|()| 2),
            _ => house.delete_branch("b").map(|()| 1),
        };
        let left = left.unwrap();
        let totals = house.store.view().unwrap().totals().unwrap();
        assert_eq!((totals.named.files, totals.detached.files, totals.queue), (left, 5 - left, 1));
        assert!(!house.has_file("b/t/j/f/x") && house.has_file("c/t/j/f/x"));
        house.destroy(super::ROWS);
        let totals = house.store.view().unwrap().totals().unwrap();
        assert_eq!((totals.detached, totals.queue), (Usage::default(), 0));
        assert_eq!(totals.free.files, 5 - left);
    }
}

#[test]
fn a_deleted_name_is_free_at_once_and_never_shows_the_old_files() {
    let house = House::new();
    house.put("b/t/j/f/old", "old").unwrap();
    let old = house.store.view().unwrap().tag(&tag("b/t")).unwrap().id;
    house.delete_tag("b/t").unwrap();
    house.put("b/t/j/f/new", "new").unwrap();
    assert_ne!(house.store.view().unwrap().tag(&tag("b/t")).unwrap().id, old);
    for _ in 0..2 {
        assert!(house.has_file("b/t/j/f/new") && !house.has_file("b/t/j/f/old"));
        house.store.destroy_slice(super::WORK, 1).unwrap();
        assert_consistent(&house.store);
    }
    house.destroy(1);
    assert!(house.has_file("b/t/j/f/new"));
    house.delete_branch("b").unwrap();
    house.put("b/t/j/f/old", "old").unwrap();
    house.destroy(1);
    assert!(house.has_file("b/t/j/f/old"));
}

#[test]
fn a_dirty_format_counts_once_until_it_is_finished_or_deleted() {
    let house = House::new();
    let dirty = || house.store.view().unwrap().job(&job("b/t/j")).unwrap().dirty_formats;
    house.put("b/t/j/f/x", "1").unwrap();
    house.put("b/t/j/f/y", "2").unwrap();
    house.put("b/t/j/g/x", "3").unwrap();
    assert_eq!(dirty(), 2);
    for _ in 0..2 {
        house.check(house.store.finish_format(format("b/t/j/f")).wait()).unwrap();
        assert_eq!(dirty(), 1);
    }
    house.delete_format("b/t/j/f").unwrap();
    assert_eq!(dirty(), 1);
    house.delete_format("b/t/j/g").unwrap();
    assert_eq!(dirty(), 0);
}

#[test]
fn aliases_follow_creation_and_ties_follow_arrival() {
    let house = House::new();
    let resolve = |alias| {
        let name = house.store.view().unwrap().resolve(&branch("b"), &alias);
        name.map_or_else(|error| error.to_string(), |name| name.to_string())
    };
    let stable = |name: &str, stable| {
        let change = TagChange { stable: Some(stable), ..TagChange::default() };
        house.check(house.store.change_tag(tag(name), change).wait()).unwrap();
    };
    assert_eq!(resolve(TagRef::Latest), "/branches/b/ does not exist");
    // Three at the same moment, the names against the order of arrival.
    for name in ["b/z", "b/m", "b/a"] {
        house.put(&format!("{name}/j/f/x"), "1").unwrap();
    }
    assert_eq!(resolve(TagRef::Latest), "a");
    assert_eq!(resolve(TagRef::Stable), "/branches/b/stable/ does not exist");
    stable("b/z", true);
    assert_eq!((resolve(TagRef::Stable), resolve(TagRef::Latest)), ("z".into(), "a".into()));
    assert_eq!(resolve(TagRef::OldStable), "/branches/b/oldstable/ does not exist");
    stable("b/a", true);
    assert_eq!((resolve(TagRef::Stable), resolve(TagRef::OldStable)), ("a".into(), "z".into()));
    house.clock.advance(Duration::from_secs(1));
    house.put("b/b/j/f/x", "1").unwrap();
    // A later upload makes no tag newer.
    house.put("b/z/j/f/y", "1").unwrap();
    assert_eq!(resolve(TagRef::Latest), "b");
    house.delete_tag("b/b").unwrap();
    house.delete_tag("b/a").unwrap();
    assert_eq!((resolve(TagRef::Latest), resolve(TagRef::Stable)), ("m".into(), "z".into()));
    stable("b/z", false);
    assert_eq!(resolve(TagRef::Stable), "/branches/b/stable/ does not exist");
}

#[test]
fn the_way_back_of_a_detached_thing_survives_its_parents() {
    let house = House::new();
    house.put("b/t/j/f/x", "1").unwrap();
    let node = Node::Format(house.store.view().unwrap().format(&format("b/t/j/f")).unwrap().id);
    let later = crate::store::detached::Cause { wait: Duration::from_secs(60), ..super::cause() };
    house.store.delete_format(format("b/t/j/f"), later).wait().unwrap();
    house.delete_branch("b").unwrap();
    let path = |house: &House| house.store.view().unwrap().path_of(node).unwrap();
    assert_eq!(path(&house), "/branches/b/t/j/f/");
    house.destroy(super::ROWS);
    assert_eq!(path(&house), "/branches/…/f/");
    house.clock.advance(Duration::from_secs(60));
    house.destroy(super::ROWS);
    let snapshot = house.store.view().unwrap().snapshot;
    assert_eq!(DETACHED.all(&snapshot, Span::all()).unwrap(), []);
    assert_eq!(FORMATS.all(&snapshot, Span::all()).unwrap(), []);
}

#[test]
fn everything_is_there_after_a_restart() {
    let house = House::new();
    house.put("b/t/j/f/x", "1").unwrap();
    house.put("b/t/j/f/y", LONG).unwrap();
    house.delete_job("b/t/j").unwrap();
    house.put("b/t/k/f/y", LONG).unwrap();
    let house = house.reopen();
    assert_consistent(&house.store);
    assert!(house.has_file("b/t/k/f/y") && !house.has_file("b/t/j/f/x"));
    house.destroy(2);
    assert_eq!(house.find(LONG).unwrap().1.refs.count(), 1);
}

#[test]
fn uploads_at_once_keep_every_count() {
    let house = House::new();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let store = &house.store;
            scope.spawn(move || {
                for round in 0..10 {
                    let path = file(&format!("b/t{}/j/f/{thread}-{round}", round % 3));
                    let text = format!("text {}", round % 4);
                    store.put_artifact(path, uploaded(&text)).wait().unwrap();
                }
            });
        }
    });
    assert_consistent(&house.store);
    assert_eq!(house.store.view().unwrap().totals().unwrap().named.files, 80);
    assert_eq!(house.blobs(), 4);
}
