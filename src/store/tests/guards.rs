//! Refusals: who protects what, and that a refused change makes nothing.

use super::{House, branch, digest, file, format, job, tag, uploaded};
use crate::db::Pending;
use crate::db::Span;
use crate::db::schema::{
    ARTIFACTS, BLOBS, BRANCHES, DETACHED, DIGESTS, FORMATS, INLINE, JOBS, NODES, REFS, TAGS,
};
use crate::model::tag::TagChange;
use crate::store::Error;
use crate::store::branches::PolicyChange;

/// Row counts of all tables that a request writes to.
fn row_counts(house: &House) -> [usize; 11] {
    let rows = &house.store.view().unwrap().snapshot;
    [
        BRANCHES.all(rows, Span::all()).unwrap().len(),
        TAGS.all(rows, Span::all()).unwrap().len(),
        JOBS.all(rows, Span::all()).unwrap().len(),
        FORMATS.all(rows, Span::all()).unwrap().len(),
        ARTIFACTS.all(rows, Span::all()).unwrap().len(),
        NODES.all(rows, Span::all()).unwrap().len(),
        BLOBS.all(rows, Span::all()).unwrap().len(),
        DIGESTS.all(rows, Span::all()).unwrap().len(),
        INLINE.all(rows, Span::all()).unwrap().len(),
        REFS.all(rows, Span::all()).unwrap().len(),
        DETACHED.all(rows, Span::all()).unwrap().len(),
    ]
}

/// Makes a change that has to be refused, and checks that it made nothing.
#[track_caller]
fn refusal<T: std::fmt::Debug>(
    house: &House,
    change: impl FnOnce(&crate::store::Store) -> Pending<T, Error>,
) -> String {
    let (before, counts) = (row_counts(house), house.store.view().unwrap().totals().unwrap());
    let error = house.check(change(&house.store).wait()).unwrap_err();
    assert_eq!(row_counts(house), before);
    assert_eq!(house.store.view().unwrap().totals().unwrap(), counts);
    error.to_string()
}

fn lock(house: &House, path: &str) -> Result<(), Error> {
    let revision = house.store.view().unwrap().job(&job(path)).unwrap().revision;
    house.check(house.store.lock_job(job(path), revision, digest("job")).wait())
}

fn finish(house: &House, path: &str) {
    house.check(house.store.finish_format(format(path)).wait()).unwrap();
}

fn change(house: &House, path: &str, change: TagChange) {
    house.check(house.store.change_tag(tag(path), change).wait()).unwrap();
}

#[test]
fn what_does_not_exist_is_not_found_and_not_made() {
    let house = House::new();
    house.put("b/t/j/f/x", "1").unwrap();
    let cause = super::cause;
    for (path, missing) in [("no/t/j/f", "no/"), ("b/no/j/f", "b/no/"), ("b/t/no/f", "b/t/no/")] {
        let missing = format!("/branches/{missing} does not exist");
        assert_eq!(refusal(&house, |s| s.finish_format(format(path))), missing);
        assert_eq!(refusal(&house, |s| s.delete_format(format(path), cause())), missing);
        let (path, _) = path.rsplit_once('/').unwrap();
        assert_eq!(refusal(&house, |s| s.delete_job(job(path), cause())), missing);
        assert_eq!(refusal(&house, |s| s.unlock_job(job(path))), missing);
        assert_eq!(refusal(&house, |s| s.set_job_internal(job(path), true)), missing);
    }
    let none = PolicyChange::default();
    assert!(refusal(&house, |s| s.set_policy(branch("no"), none)).contains("/no/"));
    assert!(refusal(&house, |s| s.delete_branch(branch("no"), cause())).contains("/no/"));
    assert!(refusal(&house, |s| s.delete_tag(tag("b/no"), cause())).contains("/b/no/"));
    assert!(refusal(&house, |s| s.change_tag(tag("b/no"), TagChange::default())).contains("no"));
    assert!(refusal(&house, |s| s.finish_format(format("b/t/j/no"))).contains("/j/no/"));
}

#[test]
fn a_locked_job_keeps_its_files_formats_and_metadata() {
    let house = House::new();
    house.put("b/t/j/f/x", "1").unwrap();
    assert!(matches!(lock(&house, "b/t/j"), Err(Error::DirtyFormats)));
    finish(&house, "b/t/j/f");
    lock(&house, "b/t/j").unwrap();
    for path in ["b/t/j/f/x", "b/t/j/f/new", "b/t/j/new/x"] {
        let put = |s: &crate::store::Store| s.put_artifact(file(path), uploaded("2"));
        assert_eq!(refusal(&house, put), "Cannot upload files in locked jobs");
    }
    let metadata = vec![("k".to_owned(), Some("v".to_owned()))];
    assert_eq!(refusal(&house, |s| s.merge_metadata(job("b/t/j"), metadata)), "Job is locked");
    assert_eq!(refusal(&house, |s| s.set_job_internal(job("b/t/j"), true)), "Job is locked");
    let delete = |s: &crate::store::Store| s.delete_format(format("b/t/j/f"), super::cause());
    assert_eq!(refusal(&house, delete), "Cannot delete format: job is locked");
    let locked = house.store.view().unwrap().job(&job("b/t/j")).unwrap();
    assert!(locked.locked && locked.digest == Some(digest("job")));
    house.check(house.store.unlock_job(job("b/t/j")).wait()).unwrap();
    house.put("b/t/j/f/x", "2").unwrap();
    let unlocked = house.store.view().unwrap().job(&job("b/t/j")).unwrap();
    assert!(!unlocked.locked && unlocked.digest == Some(digest("job")));
}

#[test]
fn internal_formats_of_a_locked_job_stay_open() {
    let house = House::new();
    house.put("b/t/j/f/x", "1").unwrap();
    finish(&house, "b/t/j/f");
    lock(&house, "b/t/j").unwrap();
    house.put("b/t/j/int-logs/x", "2").unwrap();
    house.put("b/t/j/int-logs/x", "3").unwrap();
    house.delete_format("b/t/j/int-logs").unwrap();
    let inner = |s: &crate::store::Store| s.put_artifact(file("b/t/j/print-x/x"), uploaded("2"));
    assert_eq!(refusal(&house, inner), "Cannot upload files in locked jobs");
    // A locked job goes with all of it, as publication needs.
    house.delete_job("b/t/j").unwrap();
}

#[test]
fn a_job_is_locked_on_the_revision_that_was_looked_at() {
    let house = House::new();
    house.put("b/t/j/f/x", "1").unwrap();
    finish(&house, "b/t/j/f");
    let old = house.store.view().unwrap().job(&job("b/t/j")).unwrap().revision;
    for step in 0..3 {
        match step {
            0 => assert!(house.put("b/t/j/f/x", "2").is_ok()),
            1 => house.store.merge_metadata(job("b/t/j"), Vec::new()).wait().unwrap(),
            _ => house.delete_format("b/t/j/f").unwrap(),
        }
        if step == 0 {
            finish(&house, "b/t/j/f");
        }
        let lock = |s: &crate::store::Store| s.lock_job(job("b/t/j"), old, digest("job"));
        assert!(refusal(&house, lock).contains("was changed at the same time"));
    }
    lock(&house, "b/t/j").unwrap();
    // Locking again, with whatever revision, is no error.
    house.store.lock_job(job("b/t/j"), 0, digest("other")).wait().unwrap();
    let locked = house.store.view().unwrap().job(&job("b/t/j")).unwrap();
    assert_eq!(locked.digest, Some(digest("job")));
}

#[test]
fn a_path_is_a_file_or_a_folder_and_never_both() {
    let house = House::new();
    house.put("b/t/j/f/dir/x", "1").unwrap();
    house.put("b/t/j/f/dir.txt", "1").unwrap();
    house.put("b/t/j/f/dir0", "1").unwrap();
    let put = |path: &str, text: &str| {
        let (path, content) = (file(path), uploaded(text));
        refusal(&house, move |s| s.put_artifact(path, content))
    };
    let folder = "/branches/b/t/j/f/dir is a folder: files lie below it";
    assert_eq!(put("b/t/j/f/dir", "2"), folder);
    for below in ["b/t/j/f/dir/x/y", "b/t/j/f/dir/x/y/z"] {
        assert_eq!(put(below, "2"), "/branches/b/t/j/f/dir/x is a file, nothing can lie below it");
    }
    house.put("b/t/j/f/dir/\u{1}", "1").unwrap();
    house.put("b/t/j/f/di", "1").unwrap();
    house.put("b/t/j/g/dir", "1").unwrap();
    let view = house.store.view().unwrap();
    assert!(view.is_folder(&file("b/t/j/f/dir")).unwrap());
    for path in ["b/t/j/f/di", "b/t/j/f/dir.txt", "b/t/j/f/dir/x", "b/t/j/g/dir", "b/t/j/f/no"] {
        assert!(!view.is_folder(&file(path)).unwrap(), "{path}");
    }
}

#[test]
fn protected_tags_protect_themselves_and_their_branch() {
    let locked = TagChange { locked: Some(true), ..TagChange::default() };
    let released = TagChange { released: Some(true), ..TagChange::default() };
    let both = TagChange { locked: Some(true), ..released.clone() };
    let cases = [
        (locked, "Tag t is locked"),
        (released, "Tag t is released, unrelease it first"),
        (both, "Tag t is locked"),
    ];
    for (protection, told) in cases {
        let house = House::new();
        house.put("b/t/j/f/x", "1").unwrap();
        house.put("b/u/j/f/x", "1").unwrap();
        change(&house, "b/t", protection);
        assert_eq!(refusal(&house, |s| s.delete_tag(tag("b/t"), super::cause())), told);
        let told_for_branch = refusal(&house, |s| s.delete_branch(branch("b"), super::cause()));
        assert_eq!(told_for_branch, "/branches/b/ has locked or released tags");
        let view = house.store.view().unwrap();
        assert_eq!(view.check_unprotected(&branch("b")).unwrap_err().to_string(), told);
        let free = TagChange { locked: Some(false), released: Some(false), ..TagChange::default() };
        change(&house, "b/t", free);
        assert!(house.store.view().unwrap().check_unprotected(&branch("b")).is_ok());
        house.delete_branch("b").unwrap();
    }
}

#[test]
fn a_tag_says_what_it_was_told() {
    let house = House::new();
    house.put("b/t/j/f/x", "1").unwrap();
    let description = |text: &str| {
        let description = Some(text.to_owned());
        change(&house, "b/t", TagChange { description, ..TagChange::default() });
        house.store.view().unwrap().tag(&tag("b/t")).unwrap().description
    };
    assert_eq!(description("  a tag \n"), Some("a tag".into()));
    change(&house, "b/t", TagChange { stable: Some(true), ..TagChange::default() });
    let found = house.store.view().unwrap().tag(&tag("b/t")).unwrap();
    assert!(found.stable && found.description == Some("a tag".into()));
    assert_eq!(description("  "), None);
}

#[test]
fn metadata_is_merged_and_makes_what_is_missing() {
    let house = House::new();
    let merge = |changes: &[(&str, Option<&str>)]| {
        let own =
            |(key, value): &(&str, Option<&str>)| ((*key).to_owned(), value.map(str::to_owned));
        let changes = changes.iter().map(own).collect();
        house.check(house.store.merge_metadata(job("b/t/j"), changes).wait()).unwrap();
        house.store.view().unwrap().job(&job("b/t/j")).unwrap().metadata
    };
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let metadata = merge(&[("b", Some("1")), ("a", Some("2")), ("c", None)]);
    assert_eq!(metadata, [pair("a", "2"), pair("b", "1")]);
    assert_eq!(merge(&[("b", None), ("a", Some("3"))]), [pair("a", "3")]);
    assert_eq!(house.store.view().unwrap().branch(&branch("b")).unwrap().tags.all, 1);
}

#[test]
fn metadata_that_is_too_much_changes_nothing() {
    let house = House::new();
    let merge = |changes: Vec<(String, Option<String>)>| {
        house.check(house.store.merge_metadata(job("b/t/j"), changes).wait())
    };
    let large = |key: &str| vec![(key.to_owned(), Some("x".repeat(40 << 10)))];
    let many = |from: usize| (from..from + 600).map(|n| (n.to_string(), Some("v".into())));
    let refused = |result| matches!(result, Err(Error::MetadataTooLarge { .. }));
    assert!(refused(merge(vec![("k".into(), Some("x".repeat(65 << 10)))])));
    assert!(house.store.view().unwrap().job(&job("b/t/j")).is_err());
    merge(large("a")).unwrap();
    assert!(refused(merge(large("b"))));
    merge(many(0).collect()).unwrap();
    assert!(refused(merge(many(600).collect())));
    let metadata = house.store.view().unwrap().job(&job("b/t/j")).unwrap().metadata;
    assert_eq!(metadata.len(), 601);
}
