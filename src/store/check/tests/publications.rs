//! Publications: a wrong index is found and corrected, one without a tag is told and stays.

use super::*;
use crate::db::keys::Key;
use crate::db::schema::{PUBLICATIONS, PUBLICATIONS_DUE};
use crate::model::tag::TagChange;
use crate::model::{BranchId, PublicationKey, TagId, Wish};

/// A store with one tag that is being released, and its key.
fn releasing() -> (Fixture, PublicationKey, Timestamp) {
    let it = Fixture::new();
    let tag = path("b/t1/j/f/x").format.job.tag;
    let wished = it.store.wish(tag, TagChange::default(), Wish::Released, String::new());
    wished.wait().unwrap();
    it.verify();
    let (due, key) = it.store.view().unwrap().publications_due(9).unwrap()[0];
    (it, key, due)
}

#[test]
fn a_wrong_index_of_what_is_due_is_corrected() {
    let (it, key, due) = releasing();
    it.damage(move |tx| Ok(PUBLICATIONS_DUE.remove(tx.txn, &(due, key)).map(drop)?));
    assert!(it.check().to_string().contains("is due and not listed as such"), "{}", it.check());
    assert_eq!(it.repair().left(), 0);
    it.verify();
    it.damage(move |tx| {
        PUBLICATIONS_DUE.put(tx.txn, &(Timestamp(1), key), &())?;
        PUBLICATIONS_DUE.put(tx.txn, &(due, (key.0, TagId(999))), &())?;
        Ok(PUBLICATIONS_DUE.put_bytes(tx.txn, &[1, 2, 3], &[])?)
    });
    let found = it.check();
    assert_eq!(found.count, 3, "{found}");
    assert!(found.to_string().contains("/branches/b/t1/ is listed at a wrong time"), "{found}");
    assert_eq!(it.repair().left(), 0);
    it.verify();
    let listed = it.store.view().unwrap().publications_due(9).unwrap();
    assert_eq!(listed, [(due, key)]);
}

#[test]
fn a_publication_that_cannot_be_read_or_has_no_tag_is_told_and_stays() {
    let (it, key, due) = releasing();
    it.damage(move |tx| {
        let row = PUBLICATIONS.get(tx.txn, &key)?.unwrap();
        let stray = (BranchId(999), TagId(999));
        PUBLICATIONS_DUE.put(tx.txn, &(due, stray), &())?;
        PUBLICATIONS.put(tx.txn, &stray, &row)?;
        Ok(PUBLICATIONS.put_bytes(tx.txn, &key.to_bytes(), &[77])?)
    });
    for words in ["and no such tag", "table publications.1 holds a row that cannot be read"] {
        assert!(it.check().to_string().contains(words), "{}", it.check());
    }
    assert_eq!(it.repair().left(), 2);
    let listed = it.store.view().unwrap().publications_due(9).unwrap();
    assert_eq!(listed.len(), 2, "nothing that may be right is taken away");
}
