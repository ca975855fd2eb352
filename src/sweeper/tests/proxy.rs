//! What the sweeper does for the dependency proxy, by the numbers of the checklist (spec gitlab
//! §13.8-11): what goes by its age, what a purge leaves, and how deleting fails and goes on.

mod crash;
mod daily;
mod many;

use std::time::Duration;

use super::house::{HOUR, House, LEASE_OVER};
use crate::blobs::hash::hash_bytes;
use crate::db::schema::{BLOBS, REFS};
use crate::model::{
    BlobId, Cached, CachedId, CachedKind, CachedRef, CachedState, CachedWhat, Digest, GroupId,
    ImageTagName, ProxyUsage, Referrer, Run, Scope, StageReport, Timestamp, Trigger, UpstreamName,
};
use crate::store::blobs::{Body, Content};
use crate::store::cached::{NewCached, Waiting};
use crate::store::governed;
use crate::store::proxy_groups::{ProxyChange, Wish};
use crate::store::tests::audit::assert_consistent;
use crate::store::{Error, Store};
use crate::sweeper::proxy::{DELETE, EXPIRE, MARK};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn group(house: &House, name: &str) -> GroupId {
    group_in(house.store(), name)
}

fn group_in(store: &Store, name: &str) -> GroupId {
    store.create_group(governed::New::of(GroupId::TOP, name)).wait().unwrap()
}

fn digest(text: &str) -> Digest {
    hash_bytes(text.as_bytes(), None).digest
}

fn put(
    store: &Store,
    group: GroupId,
    text: &str,
    what: CachedWhat,
    tag: Option<&str>,
) -> Result<CachedId, Error> {
    let bytes = text.as_bytes().to_vec();
    let size = u64::try_from(bytes.len()).unwrap();
    let content =
        Content::Uploaded { digest: digest(text), size, body: Body::Inline(bytes.into()) };
    let tag = tag.map(|tag| {
        let tag = CachedRef::tag(&ImageTagName::parse(tag).unwrap());
        (UpstreamName::parse("alpine").unwrap(), tag)
    });
    let new = NewCached { group, upstream: None, what, content, origin: [7; 32], tag };
    store.put_cached(new).wait().map(|(id, _)| id)
}

/// A blob of alpine.
fn blob(store: &Store, group: GroupId, text: &str) -> Result<CachedId, Error> {
    let what = CachedWhat::Blob { digest: digest(text), image: "alpine".to_owned() };
    put(store, group, text, what, None)
}

/// A manifest of alpine that names blobs by their texts, and has the tag `latest`.
fn manifest(store: &Store, group: GroupId, text: &str, parts: &[&str]) -> Result<CachedId, Error> {
    let what = CachedWhat::Manifest {
        digest: digest(text),
        image: "alpine".to_owned(),
        reference: "latest".to_owned(),
        media_type: "m/t".to_owned(),
        parts: parts.iter().map(|text| digest(text)).collect(),
    };
    put(store, group, text, what, Some("latest"))
}

/// What a client does that pulls an image of one layer.
fn pull(house: &House, group: GroupId) -> Result<(), Error> {
    let store = house.store();
    blob(store, group, "layer")?;
    manifest(store, group, "manifest", &["layer"]).map(drop)
}

fn blobs(house: &House, group: GroupId, count: usize) {
    let pending: Vec<_> = (0..count)
        .map(|number| {
            let text = format!("blob {number}");
            let bytes = text.as_bytes().to_vec();
            let size = u64::try_from(bytes.len()).unwrap();
            let digest = digest(&text);
            let content = Content::Uploaded { digest, size, body: Body::Inline(bytes.into()) };
            let what = CachedWhat::Blob { digest, image: "alpine".to_owned() };
            let new =
                NewCached { group, upstream: None, what, content, origin: [7; 32], tag: None };
            house.store().put_cached(new)
        })
        .collect();
    for pending in pending {
        pending.wait().unwrap();
    }
}

/// Whether what `pull` pulled is served.
fn serves(house: &House, group: GroupId) -> bool {
    let view = house.store().view().unwrap();
    let latest = CachedRef::tag(&ImageTagName::parse("latest").unwrap());
    let image = UpstreamName::parse("alpine").unwrap();
    let manifest = view.cached_tag(group, &image, &latest).unwrap();
    let layer = view.cached(group, CachedKind::Blob, digest("layer")).unwrap();
    assert_eq!(manifest.is_some(), layer.is_some(), "half an image is served");
    manifest.is_some()
}

fn entry(house: &House, id: CachedId) -> Option<Cached> {
    house.store().view().unwrap().cached_entry(id).unwrap()
}

fn usage(house: &House, group: GroupId) -> u64 {
    let ProxyUsage { manifests, blobs } = house.store().view().unwrap().proxy_usage(group).unwrap();
    manifests.files + blobs.files
}

fn waiting(house: &House, kind: CachedKind) -> Waiting {
    house.store().view().unwrap().cached_counts(kind).unwrap()
}

fn keep_for(house: &House, group: GroupId, days: u32) {
    let change = ProxyChange {
        ttl_enabled: Some(true),
        ttl_days: Wish::Set(days),
        ..ProxyChange::default()
    };
    house.store().change_proxy(group, change).wait().unwrap();
}

fn purge(house: &House, group: GroupId) {
    house.store().purge_cached(group).wait().unwrap();
}

fn capacity(house: &House, batches: u64) {
    house.store().set_proxy_capacity(batches).wait().unwrap();
}

fn reclaim(house: &mut House) -> Run {
    house.sweeper().run(Scope::Reclaim, Trigger::Request)
}

fn stage<'r>(run: &'r Run, name: &str) -> Option<&'r StageReport> {
    run.stages.iter().find(|stage| stage.name == name)
}

fn items(run: &Run, name: &str) -> Option<u64> {
    stage(run, name).map(|stage| stage.items)
}

#[test]
fn statement_8_what_was_read_exactly_so_long_ago_goes_and_a_read_counts_for_both_kinds() {
    let mut house = House::new();
    let group = group(&house, "acme");
    keep_for(&house, group, 1);
    let old = blob(house.store(), group, "old").unwrap();
    let read = blob(house.store(), group, "read").unwrap();
    let part = blob(house.store(), group, "part").unwrap();
    let image = manifest(house.store(), group, "image", &["part"]).unwrap();
    house.clock.advance(DAY.saturating_sub(Duration::from_micros(1)));
    assert_eq!(house.sweep().errors, [""; 0]);
    assert_eq!(usage(&house, group), 4, "a microsecond too early");
    house.store().note_cached_read(read);
    house.store().note_cached_read(image);
    house.clock.advance(Duration::from_micros(1));
    let run = house.sweep();
    assert_eq!((items(&run, EXPIRE), items(&run, DELETE)), (Some(1), Some(1)));
    assert_eq!(entry(&house, old), None);
    for kept in [read, part, image] {
        assert_eq!(entry(&house, kept).unwrap().state, CachedState::Active);
    }
    assert_consistent(house.store());
}

#[test]
fn statement_9_what_is_too_old_is_not_served_and_its_end_does_not_touch_what_came_since() {
    let mut house = House::new();
    let group = group(&house, "acme");
    keep_for(&house, group, 1);
    capacity(&house, 0);
    pull(&house, group).unwrap();
    house.clock.advance(DAY);
    assert_eq!(items(&house.sweep(), EXPIRE), Some(2));
    assert!(!serves(&house, group));
    pull(&house, group).unwrap();
    assert!(serves(&house, group));
    assert_eq!(usage(&house, group), 4);
    capacity(&house, 2);
    assert_eq!(items(&reclaim(&mut house), DELETE), Some(2));
    assert!(serves(&house, group));
    assert_eq!(usage(&house, group), 2);
    house.clock.advance(LEASE_OVER);
    reclaim(&mut house);
    let view = house.store().view().unwrap();
    assert!(view.find_blob(&digest("layer")).unwrap().is_some(), "its bytes went");
    assert_consistent(house.store());
}

#[test]
fn statement_10_a_purge_takes_all_of_that_group_and_can_be_repeated_before_the_cleanup() {
    let mut house = House::new();
    let [one, other] = ["one", "other"].map(|name| group(&house, name));
    capacity(&house, 0);
    pull(&house, other).unwrap();
    for _ in 0..3 {
        pull(&house, one).unwrap();
        assert!(serves(&house, one));
        purge(&house, one);
        assert!(!serves(&house, one) && serves(&house, other));
        reclaim(&mut house);
        assert_consistent(house.store());
    }
    // Also twice without a sweep between.
    pull(&house, one).unwrap();
    purge(&house, one);
    pull(&house, one).unwrap();
    purge(&house, one);
    assert_eq!(usage(&house, one), 10);
    capacity(&house, 1);
    let run = reclaim(&mut house);
    assert_eq!((items(&run, MARK), items(&run, DELETE)), (Some(4), Some(10)));
    assert_eq!((usage(&house, one), usage(&house, other)), (0, 2));
    assert!(serves(&house, other) && !serves(&house, one));
    assert_consistent(house.store());
}

#[test]
fn statement_11_a_capacity_of_0_deletes_nothing_and_is_read_at_every_turn() {
    let mut house = House::new();
    let group = group(&house, "acme");
    blobs(&house, group, 250);
    capacity(&house, 0);
    purge(&house, group);
    let run = reclaim(&mut house);
    assert_eq!((items(&run, MARK), items(&run, DELETE)), (Some(250), None));
    assert_eq!(waiting(&house, CachedKind::Blob).pending, 250);
    house.clock.advance(DAY);
    assert_eq!(items(&house.sweep(), DELETE), None);
    assert_eq!(usage(&house, group), 250);
    capacity(&house, 1);
    assert_eq!(items(&reclaim(&mut house), DELETE), Some(250));
    assert_eq!((usage(&house, group), waiting(&house, CachedKind::Blob)), (0, Waiting::default()));
}

/// Takes a reference away that a deletion relies on; [`mend`] gives it back.
fn damage(house: &House, id: CachedId) -> (BlobId, CachedId) {
    let blob = entry(house, id).unwrap().blob;
    let change = house.store().db().write(move |txn| {
        assert!(BLOBS.has(txn, &blob)?);
        assert!(REFS.remove(txn, &(blob, Referrer::Cached(id)))?);
        Ok::<_, crate::db::Error>(())
    });
    change.wait().unwrap();
    (blob, id)
}

fn mend(house: &House, (blob, id): (BlobId, CachedId)) {
    let change = house.store().db().write(move |txn| {
        REFS.put(txn, &(blob, Referrer::Cached(id)), &())?;
        Ok::<_, crate::db::Error>(())
    });
    change.wait().unwrap();
}

#[test]
fn statement_11_one_that_fails_is_shown_and_stops_no_other() {
    let mut house = House::new();
    let group = group(&house, "acme");
    blobs(&house, group, 150);
    let bad = blob(house.store(), group, "bad").unwrap();
    blobs(&house, group, 250);
    let lost = damage(&house, bad);
    purge(&house, group);
    let mut waits = Vec::new();
    for attempt in 1..=5 {
        let run = reclaim(&mut house);
        assert_eq!(run.error_count, 1, "{:?}", run.errors);
        assert!(run.errors[0].contains("lacks the reference"), "{:?}", run.errors);
        assert_eq!(usage(&house, group), 1, "the others went");
        let Some(CachedState::Failed { attempts, error, retry }) =
            entry(&house, bad).map(|entry| entry.state)
        else {
            panic!("it is not shown as failed")
        };
        assert_eq!(attempts, attempt);
        assert!(error.contains("lacks the reference"), "{error}");
        let now = house.store().clock().now();
        waits.push(retry.map(|retry| retry.since(now).as_secs()));
        if let Some(retry) = retry {
            // Until then it is left alone.
            assert_eq!(items(&reclaim(&mut house), DELETE), None);
            house.clock.advance(retry.since(now));
        }
    }
    assert_eq!(waits, [Some(10), Some(20), Some(40), Some(80), None]);
    house.clock.advance(DAY);
    assert_eq!(items(&house.sweep(), DELETE), None, "it waits for a person");
    assert_eq!(waiting(&house, CachedKind::Blob).parked, 1);
    mend(&house, lost);
    assert_eq!(house.store().retry_cached(Some(group)).unwrap(), 1);
    let run = reclaim(&mut house);
    assert_eq!((items(&run, DELETE), usage(&house, group)), (Some(1), 0));
    assert_consistent(house.store());
}

#[test]
fn a_claim_that_was_lost_comes_back_when_its_time_is_over_and_wakes_the_sweeper() {
    let mut house = House::new();
    let group = group(&house, "acme");
    blobs(&house, group, 3);
    purge(&house, group);
    capacity(&house, 0);
    reclaim(&mut house);
    capacity(&house, 2);
    let claimed = house.store().claim_cached(CachedKind::Blob, 100, HOUR).wait().unwrap();
    assert_eq!(claimed.len(), 3);
    assert_eq!(items(&reclaim(&mut house), DELETE), None, "somebody else works on them");
    let wake = house.sweeper().next_wake().unwrap();
    let now = house.store().clock().now();
    assert_eq!(wake.at.since(now), HOUR);
    house.clock.advance(HOUR);
    let run = house.sweeper().turn(None).unwrap();
    assert_eq!((items(&run, DELETE), usage(&house, group)), (Some(3), 0));
}

#[test]
fn ages_are_not_believed_while_the_clock_is_in_doubt() {
    let mut house = House::new();
    let group = group(&house, "acme");
    keep_for(&house, group, 1);
    pull(&house, group).unwrap();
    house.sweep();
    let now = house.store().clock().now();
    house.clock.jump(now.after(DAY * 30));
    assert_eq!(items(&house.sweep(), EXPIRE), None);
    assert!(serves(&house, group));
    // A purge has nothing to do with the time.
    purge(&house, group);
    assert_eq!(items(&house.sweep(), DELETE), Some(2));
    pull(&house, group).unwrap();
    house.clock.jump(now.after(DAY));
    house.sweep();
    house.sweeper().handle().accept_clock();
    assert_eq!(items(&house.sweep(), EXPIRE), Some(0));
    assert!(serves(&house, group));
}
