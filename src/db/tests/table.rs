//! Typed tables and their spans.

use super::disk::TestDisk;
use super::open;
use crate::db::keys::Key;
use crate::db::schema::{DIGESTS, FREE, INLINE, META, Meta, TAG_AGES, TOTALS};
use crate::db::{Db, Error, Span, WriteTxn};
use crate::model::{BlobId, BranchId, Digest, TagId, TagName, Timestamp, Totals, Usage};

type FreeKey = (Timestamp, BlobId);

fn write<T: Send + 'static>(
    db: &Db,
    change: impl Fn(&WriteTxn) -> Result<T, Error> + Send + 'static,
) -> T {
    db.write(change).wait().unwrap()
}

fn key(until: u64, id: u64) -> FreeKey {
    (Timestamp(until), BlobId(id))
}

/// Keys at both ends of what a number can be, among them.
const KEYS: [(u64, u64); 8] = [
    (0, 0),
    (0, u64::MAX),
    (1, 0),
    (1, 1),
    (255, 7),
    (256, 7),
    (u64::MAX, 3),
    (u64::MAX, u64::MAX),
];

fn filled() -> Db {
    let db = open(&TestDisk::default());
    write(&db, |txn| KEYS.iter().try_for_each(|(until, id)| FREE.put(txn, &key(*until, *id), &())));
    db
}

/// The places in `KEYS` of the rows of `span`, in a snapshot and in a write transaction.
fn places(db: &Db, span: fn() -> Span<FreeKey>) -> Vec<usize> {
    let rows = FREE.all(&db.snapshot().unwrap(), span()).unwrap();
    assert_eq!(rows, write(db, move |txn| FREE.all(txn, span())));
    let place = |(key, ()): (FreeKey, ())| {
        KEYS.iter().position(|known| *known == (key.0.0, key.1.0)).unwrap()
    };
    rows.into_iter().map(place).collect()
}

#[test]
fn rows_are_put_replaced_and_removed() {
    let db = open(&TestDisk::default());
    let digest = Digest([9; 32]);
    write(&db, move |txn| DIGESTS.put(txn, &digest, &BlobId(1)));
    write(&db, move |txn| DIGESTS.put(txn, &digest, &BlobId(2)));
    let snapshot = db.snapshot().unwrap();
    assert_eq!(DIGESTS.get(&snapshot, &digest).unwrap(), Some(BlobId(2)));
    assert!(DIGESTS.has(&snapshot, &digest).unwrap());
    assert!(!DIGESTS.has(&snapshot, &Digest([8; 32])).unwrap());
    assert!(write(&db, move |txn| DIGESTS.remove(txn, &digest)));
    assert!(!write(&db, move |txn| DIGESTS.remove(txn, &digest)));
    assert_eq!(DIGESTS.get(&db.snapshot().unwrap(), &digest).unwrap(), None);
    assert_eq!(DIGESTS.get(&snapshot, &digest).unwrap(), Some(BlobId(2)));
}

#[test]
fn a_row_is_removed_if_it_has_that_value_and_stays_with_another() {
    let db = open(&TestDisk::default());
    let digest = Digest([9; 32]);
    write(&db, move |txn| DIGESTS.put(txn, &digest, &BlobId(1)));
    assert!(!write(&db, move |txn| DIGESTS.remove_if(txn, &digest, &BlobId(2))));
    assert_eq!(DIGESTS.get(&db.snapshot().unwrap(), &digest).unwrap(), Some(BlobId(1)));
    assert!(write(&db, move |txn| DIGESTS.remove_if(txn, &digest, &BlobId(1))));
    assert!(!write(&db, move |txn| DIGESTS.remove_if(txn, &digest, &BlobId(1))));
    assert_eq!(DIGESTS.count(&db.snapshot().unwrap()).unwrap(), 0);
    // A table whose rows are kept in memory for a batch.
    write(&db, |txn| META.put(txn, &Meta::LAST_SEEN, &7));
    assert!(!write(&db, |txn| META.remove_if(txn, &Meta::LAST_SEEN, &8)));
    assert!(write(&db, |txn| META.remove_if(txn, &Meta::LAST_SEEN, &7)));
    assert_eq!(META.get(&db.snapshot().unwrap(), &Meta::LAST_SEEN).unwrap(), None);
}

#[test]
fn a_key_may_be_empty_and_a_value_too() {
    let db = open(&TestDisk::default());
    let totals = Totals { free: Usage::of(3), ..Totals::default() };
    write(&db, move |txn| TOTALS.put(txn, &(), &totals));
    write(&db, |txn| INLINE.put(txn, &BlobId(1), &bytes::Bytes::new()));
    let snapshot = db.snapshot().unwrap();
    assert_eq!(TOTALS.get(&snapshot, &()).unwrap(), Some(totals));
    assert_eq!(TOTALS.all(&snapshot, Span::all()).unwrap(), [((), totals)]);
    assert_eq!(INLINE.get(&snapshot, &BlobId(1)).unwrap(), Some(bytes::Bytes::new()));
}

#[test]
fn spans_hold_what_they_say_in_both_orders() {
    let db = filled();
    assert_eq!(places(&db, Span::all), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(places(&db, || Span::all().descending()), [7, 6, 5, 4, 3, 2, 1, 0]);
    assert_eq!(places(&db, || Span::under(&Timestamp(0))), [0, 1]);
    assert_eq!(places(&db, || Span::under(&Timestamp(1)).descending()), [3, 2]);
    assert!(places(&db, || Span::under(&Timestamp(2))).is_empty());
    assert_eq!(places(&db, || Span::under(&Timestamp(255))), [4]);
    assert_eq!(places(&db, || Span::under(&Timestamp(u64::MAX))), [6, 7]);
    assert_eq!(places(&db, || Span::under(&Timestamp(u64::MAX)).descending()), [7, 6]);
    assert_eq!(places(&db, || Span::all().from(&key(1, 1))), [3, 4, 5, 6, 7]);
    assert_eq!(places(&db, || Span::all().after(&key(1, 1))), [4, 5, 6, 7]);
    assert_eq!(places(&db, || Span::all().after(&key(1, 1)).descending()), [7, 6, 5, 4]);
    assert!(places(&db, || Span::all().after(&key(u64::MAX, u64::MAX))).is_empty());
    assert_eq!(places(&db, || Span::under(&Timestamp(0)).after(&key(0, 0))), [1]);
    assert!(places(&db, || Span::under(&Timestamp(0)).after(&key(0, u64::MAX))).is_empty());
    assert_eq!(places(&db, || Span::under(&Timestamp(0)).from(&key(0, u64::MAX))), [1]);
}

#[test]
fn a_span_under_a_prefix_stays_there_whatever_key_it_starts_from() {
    let db = filled();
    assert_eq!(places(&db, || Span::under(&Timestamp(1)).from(&key(0, 0))), [2, 3]);
    assert_eq!(places(&db, || Span::under(&Timestamp(1)).after(&key(0, 0))), [2, 3]);
    assert!(places(&db, || Span::under(&Timestamp(1)).from(&key(9, 0))).is_empty());
    assert!(places(&db, || Span::under(&Timestamp(1)).after(&key(9, 0))).is_empty());
}

#[test]
fn pages_end_where_they_are_told_to() {
    let db = filled();
    let snapshot = db.snapshot().unwrap();
    let page = |limit| FREE.page(&snapshot, Span::all(), limit).unwrap().len();
    assert_eq!([page(0), page(1), page(8), page(9)], [0, 1, 8, 8]);
    let first = |span| FREE.first(&snapshot, span).unwrap().map(|(key, ())| key);
    assert_eq!(first(Span::all()), Some(key(0, 0)));
    assert_eq!(first(Span::all().descending()), Some(key(u64::MAX, u64::MAX)));
    assert_eq!(first(Span::under(&Timestamp(77))), None);
}

#[test]
fn a_visitor_ends_the_visit_and_its_error_is_told() {
    let db = filled();
    let snapshot = db.snapshot().unwrap();
    let mut visited = 0;
    let result = FREE.each(&snapshot, Span::all(), |_, ()| {
        visited += 1;
        Err(Error::Broken("enough".into()))
    });
    assert!(matches!(result, Err(Error::Broken(_))));
    assert_eq!(visited, 1);
}

#[test]
fn a_row_that_is_none_is_corrupt_and_names_its_table() {
    let db = open(&TestDisk::default());
    // Written under the names of other tables.
    write(&db, |txn| {
        txn.insert(slot_of("totals.1"), b"", b"\x07nonsense")?;
        txn.insert(slot_of("free.1"), b"short", b"")?;
        txn.insert(slot_of("meta.1"), &[5], b"short")
    });
    let snapshot = db.snapshot().unwrap();
    let tables = [
        TOTALS.get(&snapshot, &()).err(),
        FREE.first(&snapshot, Span::all()).err(),
        META.get(&snapshot, &Meta::NEXT_RUN).err(),
    ]
    .map(|error| match error {
        Some(Error::Corrupt { table, .. }) => table,
        other => panic!("{other:?}"),
    });
    assert_eq!(tables, ["totals.1", "free.1", "meta.1"]);
}

fn slot_of(name: &str) -> usize {
    crate::db::schema::NAMES.iter().position(|known| *known == name).unwrap()
}

#[test]
fn names_of_tables_are_unlike_and_carry_a_generation() {
    let names = crate::db::schema::NAMES;
    let unlike: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(unlike.len(), names.len());
    assert!(names.iter().all(|name| name.ends_with(".1")));
    assert_eq!((META.name(), INLINE.name()), ("meta.1", "inline.1"));
}

#[test]
fn tags_of_a_branch_are_found_newest_first_and_no_other_branch_is_seen() {
    let db = open(&TestDisk::default());
    let name = |text: &str| TagName::parse(text).unwrap();
    write(&db, move |txn| {
        for (branch, age, id, text) in
            [(1, 5, 2, "b"), (1, 5, 1, "a"), (1, 9, 3, "c"), (2, 99, 4, "d"), (0, 99, 5, "e")]
        {
            let key = (BranchId(branch), (Timestamp(age), TagId(id)));
            TAG_AGES.put(txn, &key, &name(text))?;
        }
        Ok(())
    });
    let newest_first = Span::under(&BranchId(1)).descending();
    let rows = TAG_AGES.all(&db.snapshot().unwrap(), newest_first).unwrap();
    let names: Vec<_> = rows.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names, ["c", "b", "a"]);
}

#[test]
fn keys_in_another_spelling_than_the_canonical_one_are_none() {
    assert_eq!(TagName::from_bytes(b"v1\0"), Some(TagName::parse("v1").unwrap()));
    assert_eq!(TagName::from_bytes(b"V1\0"), None);
    assert!(<TagName as crate::db::codec::Value>::decode(b"V1").is_err());
}
