//! Settings of caches, why a blob is kept, and what the check mends.

use super::{LONG, ORIGIN, blob, group, manifest};
use crate::db::Span;
use crate::db::schema::{
    CACHED, CACHED_AGES, CACHED_DIGESTS, CACHED_DUE, CACHED_OF, CACHED_PURGES, CACHED_TAGS_OF,
    PROXY_USAGE, REFS,
};
use crate::model::{Cached, CachedId, CachedKind, ProxyUsage, Referrer, Timestamp, Upstream};
use crate::store::check::Watch;
use crate::store::proxy_groups::{PROXY_CAPACITY, ProxyChange, Wish};
use crate::store::tests::{House, ROWS, assert_consistent, digest};
use crate::store::why::Why;
use crate::store::{Error, Tx};

fn upstream(url: &str) -> Upstream {
    Upstream {
        url: url.to_owned(),
        has_library: false,
        certificates: None,
        patience_ms: None,
        requests_max: None,
    }
}

fn change(upstream: Upstream) -> ProxyChange {
    ProxyChange { upstream: Wish::Set(upstream), ..ProxyChange::default() }
}

#[test]
fn another_upstream_is_another_world() {
    let house = House::new();
    let one = group(&house.store, "one");
    house.cache(blob(one, LONG)).unwrap();
    let proxy = house.store.change_proxy(one, change(upstream("http://a"))).wait().unwrap();
    assert_consistent(&house.store);
    assert_eq!((proxy.purged, house.blob_of(one, LONG)), (CachedId(1), None));
    // What was asked of the one before comes too late.
    assert!(matches!(house.cache(blob(one, LONG)), Err(Error::Changed(_))));
    let mut new = blob(one, LONG);
    new.upstream = Some(upstream("http://a"));
    house.cache(new).unwrap();
    let patient = Upstream { patience_ms: Some(9), ..upstream("http://a") };
    house.store.change_proxy(one, change(patient)).wait().unwrap();
    assert!(house.blob_of(one, LONG).is_some());
}

#[test]
fn settings_are_what_was_set() {
    let house = House::new();
    let one = group(&house.store, "one");
    let change = |change| house.store.change_proxy(one, change).wait().unwrap();
    assert!(house.store.view().unwrap().proxy_group(one).unwrap().enabled);
    let ttl = ProxyChange { ttl_enabled: Some(true), ..ProxyChange::default() };
    let proxy = change(ttl);
    assert_eq!((proxy.ttl.enabled, proxy.ttl.days), (true, None));
    assert_eq!((proxy.ttl.created, proxy.ttl.updated), (Some(house.now()), Some(house.now())));
    let off = ProxyChange { enabled: Some(false), ..ProxyChange::default() };
    assert_eq!(change(off).ttl, proxy.ttl);
    let page = house.store.view().unwrap().ttl_groups(None, 9).unwrap();
    assert_eq!(page, (vec![(one, proxy.ttl)], Some(one)));
    let capacity = || house.store.view().unwrap().proxy_capacity().unwrap();
    assert_eq!(capacity(), PROXY_CAPACITY);
    house.store.set_proxy_capacity(0).wait().unwrap();
    assert_eq!(capacity(), 0);
    house.store.note_ttl_run().unwrap();
    let view = house.store.view().unwrap();
    assert_eq!(view.last_ttl_run().unwrap(), Some(house.now()));
    assert_eq!(view.last_proxy_start().unwrap(), None);
}

#[test]
fn why_names_the_group_the_image_and_the_state() {
    let house = House::new();
    let one = group(&house.store, "one");
    house.cache(manifest(one, "m", "v1", &[LONG])).unwrap();
    house.cache(blob(one, LONG)).unwrap();
    let owner = |text| match house.store.view().unwrap().why(&digest(text), 9).unwrap() {
        Why::Held { mut owners, .. } => owners.remove(0),
        other => panic!("{other:?}"),
    };
    let at = "/v2/one/dependency_proxy/containers/";
    let layer = owner(LONG);
    assert_eq!(layer.path, format!("{at}{}.gz", digest(LONG)));
    assert_eq!(layer.held.names, [format!("{at}library/alpine:v1")]);
    assert_eq!(layer.held.state, Some("default"));
    assert_eq!(owner("m").held.names, [format!("{at}library/alpine:v1")]);
    house.purge(one);
    assert_eq!(owner(LONG).held.state, Some("pending_destruction"));
    house.store.delete_group(one, crate::store::tests::cause()).wait().unwrap();
    assert!(owner(LONG).detached.is_some());
}

type Damage = fn(&Tx, CachedId, &Cached);

/// Each kind of derived row, missing or wrong.
const DAMAGE: [Damage; 9] = [
    |tx, id, entry| drop(CACHED_OF.remove(tx.txn, &(entry.group, (entry.kind(), id))).unwrap()),
    |tx, _, entry| {
        let key = (entry.group, (entry.kind(), entry.digest()));
        CACHED_DIGESTS.put(tx.txn, &key, &CachedId(77)).unwrap();
    },
    |tx, id, entry| drop(CACHED_AGES.remove(tx.txn, &(entry.group, (entry.read, id))).unwrap()),
    |tx, id, entry| CACHED_AGES.put(tx.txn, &(entry.group, (Timestamp(7), id)), &()).unwrap(),
    |tx, id, entry| CACHED_DUE.put(tx.txn, &(entry.kind(), (Timestamp(7), id)), &1).unwrap(),
    |tx, id, _| {
        let (key, ()) = CACHED_TAGS_OF.first(tx.txn, Span::under(&id)).unwrap().unwrap();
        CACHED_TAGS_OF.remove(tx.txn, &key).unwrap();
    },
    |tx, _, entry| PROXY_USAGE.put(tx.txn, &entry.group, &ProxyUsage::default()).unwrap(),
    |tx, id, entry| drop(REFS.remove(tx.txn, &(entry.blob, Referrer::Cached(id))).unwrap()),
    |tx, _, entry| drop(CACHED_PURGES.remove(tx.txn, &entry.group).unwrap()),
];

fn repair(house: &House) {
    let (stop, progress) = (crate::stop::Stop::new(), &mut |_| ());
    let mut watch = Watch { stop: &stop, age_max: std::time::Duration::MAX, progress };
    let found = house.store.repair(&mut watch).unwrap();
    assert!(found.count > 0 && found.left() == 0, "{found}");
    assert_consistent(&house.store);
}

#[test]
fn the_check_mends_what_is_derived() {
    for (number, damage) in DAMAGE.into_iter().enumerate() {
        let house = House::new();
        let one = group(&house.store, "one");
        let (id, _) = house.cache(manifest(one, "m", "v1", &[])).unwrap();
        if number == DAMAGE.len() - 1 {
            house.purge(one);
        }
        let slice = house.store.slice(move |tx| {
            let entry = CACHED.get(tx.txn, &id)?.unwrap();
            damage(tx, id, &entry);
            Ok(())
        });
        slice.unwrap();
        assert!(house.store.verify().is_err(), "damage {number} is not seen");
        repair(&house);
        if number < DAMAGE.len() - 1 {
            assert_eq!(house.cached_tag(one, "v1"), Some(id), "damage {number}");
        }
        house.purge(one);
        house.mark(ROWS);
        assert_eq!(house.delete_waiting(ROWS), 1, "damage {number}");
    }
}

#[test]
fn a_row_that_cannot_be_deleted_holds_up_nobody_else() {
    let house = House::new();
    let one = group(&house.store, "one");
    let (bad, _) = house.cache(blob(one, "bad")).unwrap();
    let (good, _) = house.cache(blob(one, "good")).unwrap();
    house.purge(one);
    house.mark(ROWS);
    let blob = house.find("bad").unwrap().0;
    let slice = house
        .store
        .slice(move |tx| Ok(REFS.remove(tx.txn, &(blob, Referrer::Cached(bad))).map(drop)?));
    slice.unwrap();
    let entries: std::sync::Arc<[_]> =
        house.store.claim_cached(CachedKind::Blob, 9, super::LEASE_OF_CLAIM).wait().unwrap().into();
    let work = std::time::Duration::from_secs(9);
    let destroy =
        |from| house.store.destroy_cached_slice(std::sync::Arc::clone(&entries), from, work, ROWS);
    let (at, error) = destroy(0).unwrap_err();
    assert_eq!(at, Some(bad));
    house.store.fail_cached(bad, error.to_string()).unwrap();
    assert_eq!(destroy(0).unwrap().0, 2);
    let view = house.store.view().unwrap();
    assert_eq!(view.cached_entry(good).unwrap(), None);
    assert_eq!(view.cached_entry(bad).unwrap().unwrap().state.name(), "error");
    repair(&house);
    house.clock.advance(std::time::Duration::from_secs(10));
    assert_eq!(house.delete_waiting(ROWS), 1);
    let view = house.store.view().unwrap();
    let shared = view.cached_elsewhere(CachedKind::Blob, digest("bad"), &ORIGIN).unwrap();
    assert_eq!(shared, None);
}
