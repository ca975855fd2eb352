//! The place of a tag in the artifact tree: one thing, seen in two views.

use super::manifests::{LINK_OVER, image, image_tag, manifest, oci};
use super::{House, cause, digest, file, format, job};
use crate::model::{Format, Standing, Usage};
use crate::store::Error;
use crate::store::manifests::{Adoption, ManifestPush};

fn shown(house: &House, path: &str) -> Option<Format> {
    house.store.view().unwrap().format(&format(path)).ok()
}

fn lock(house: &House, path: &str) {
    let revision = house.store.view().unwrap().job(&job(path)).unwrap().revision;
    house.store.lock_job(job(path), revision, digest("job")).wait().unwrap();
}

#[test]
fn a_push_appears_in_the_tree_in_the_same_transaction() {
    let house = House::new();
    house.push_image("main/job", "V1.0", "m");
    let found = shown(&house, "main/v1.0/job/container").unwrap();
    assert_eq!((found.dirty, found.usage), (false, Usage { files: 2, bytes: 11 }));
    house.push_image("main/job", "V1.0", "longer manifest");
    let again = shown(&house, "main/v1.0/job/container").unwrap();
    assert_eq!((again.id, again.usage.bytes), (found.id, 15 + 24));
    assert!(again.changed > found.changed);
    // There it is a file that was overwritten.
    assert!(matches!(house.standing("main/job", "m"), Standing::Doomed { .. }));
    let elsewhere = format!("sha256-{}.sig", digest("m"));
    for name in ["latest", "Stable", &elsewhere] {
        house.push(manifest("main/job", name, "m")).unwrap();
        assert!(house.tagged("main/job", name).is_some());
    }
    let view = house.store.view().unwrap();
    let branch = view.branch(&super::branch("main")).unwrap();
    assert_eq!(branch.tags.all, 1, "what is no version has no place there");
}

#[test]
fn a_tag_of_another_case_is_refused_while_the_first_one_counts() {
    let house = House::new();
    house.push_image("main/job", "V1", "m");
    let refused = house.push(manifest("main/job", "v1", "m"));
    let Err(Error::TagTaken { tag, other }) = refused else { panic!("{refused:?}") };
    assert_eq!((tag.as_str(), other.as_str()), ("v1", "V1"));
    house.push(manifest("main/other", "v1", "m")).unwrap();
    house.delete_tag("main/v1").unwrap();
    house.push(manifest("main/job", "v1", "m")).unwrap();
    assert!(house.tagged("main/job", "V1").is_none());
    house.destroy(1);
    assert!(house.tagged("main/job", "v1").is_some());
}

#[test]
fn what_takes_the_format_away_takes_the_tag_away_at_once() {
    for delete in [
        |house: &House| house.delete_format("main/v1/job/container"),
        |house: &House| house.delete_job("main/v1/job"),
        |house: &House| house.delete_tag("main/v1"),
        |house: &House| house.delete_branch("main"),
        |house: &House| house.delete_image_tag("main/job", "v1"),
    ] {
        let house = House::new();
        house.push_image("main/job", "v1", "m");
        delete(&house).unwrap();
        assert!(house.tagged("main/job", "v1").is_none());
        assert!(shown(&house, "main/v1/job/container").is_none());
        assert!(house.manifest("main/job", "m").is_some(), "its link begins when it is destroyed");
        house.destroy(1);
        assert!(matches!(house.standing("main/job", "m"), Standing::Doomed { .. }));
        house.clock.advance(LINK_OVER);
        house.sweep_registry();
        house.clock.advance(LINK_OVER);
        house.sweep_registry();
        assert_eq!(house.images(), 0);
    }
}

#[test]
fn a_tag_that_is_pushed_again_does_not_go_with_its_old_place() {
    let house = House::new();
    house.push_image("main/job", "v1", "m");
    let first = shown(&house, "main/v1/job/container").unwrap();
    house.delete_format("main/v1/job/container").unwrap();
    house.push_image("main/job", "v1", "m");
    let second = shown(&house, "main/v1/job/container").unwrap();
    assert_ne!(first.id, second.id);
    assert_eq!(house.standing("main/job", "m"), Standing::Held { count: 1 });
    house.destroy(1);
    assert!(house.tagged("main/job", "v1").is_some());
    house.delete_tag("main/v1").unwrap();
    house.push_image("main/job", "v1", "other");
    assert!(matches!(house.standing("main/job", "m"), Standing::Doomed { .. }));
    house.destroy(1);
    assert_eq!(house.standing("main/job", "other"), Standing::Held { count: 1 });
}

#[test]
fn a_locked_job_keeps_what_its_index_names() {
    let house = House::new();
    for name in ["main/job", "main/other"] {
        house.push_image(name, "", "child");
        house.push(manifest(name, "", "inner").children(&["child"])).unwrap();
        house.push(manifest(name, "v1", "index").children(&["inner"])).unwrap();
        house.push_image(name, "", "loose");
        house.push(manifest(name, "latest", "elsewhere").children(&["loose"])).unwrap();
    }
    lock(&house, "main/v1/job");
    for text in ["child", "inner", "index"] {
        let refused = house.delete_manifest("main/job", text);
        assert!(matches!(refused, Err(Error::FormatOfLockedJob)), "{text}");
        house.delete_manifest("main/other", text).unwrap();
    }
    house.delete_manifest("main/job", "loose").unwrap();
    house.store.unlock_job(job("main/v1/job")).wait().unwrap();
    house.delete_manifest("main/job", "child").unwrap();
    house.destroy(1);
}

#[test]
fn a_locked_job_keeps_its_image_in_both_views() {
    let house = House::new();
    let pushed = house.push_image("main/job", "v1", "m");
    house.push(manifest("main/job", "latest", "m")).unwrap();
    lock(&house, "main/v1/job");
    let refused = house.push(manifest("main/job", "v1", "other"));
    assert!(matches!(refused, Err(Error::UploadToLockedJob)));
    assert!(house.manifest("main/job", "other").is_none());
    for refused in [
        house.delete_image_tag("main/job", "v1"),
        house.delete_manifest("main/job", "m"),
        house.delete_format("main/v1/job/container"),
    ] {
        assert!(matches!(refused, Err(Error::FormatOfLockedJob)));
    }
    assert_eq!(house.tagged("main/job", "v1"), Some(pushed.id));
    assert_eq!(house.tagged("main/job", "latest"), Some(pushed.id), "nothing was changed");
    // What has no place in the tree is not the job's.
    house.push(manifest("main/job", "", "other")).unwrap();
}

#[test]
fn a_manifest_goes_from_the_tree_with_its_tags() {
    let house = House::new();
    house.push_image("main/job", "v1", "m");
    house.push(manifest("main/job", "v2", "m")).unwrap();
    house.delete_manifest("main/job", "m").unwrap();
    for path in ["main/v1/job/container", "main/v2/job/container"] {
        assert!(shown(&house, path).is_none());
    }
    assert_eq!(house.store.view().unwrap().totals().unwrap().named, Usage::default());
    house.push_image("main/job", "v1", "m");
    house.destroy(1);
    assert!(house.tagged("main/job", "v1").is_some());
}

#[test]
fn a_push_replaces_files_that_lie_there() {
    let house = House::new();
    house.put("main/v1/job/container/blobs/x", "a file").unwrap();
    house.put("main/v1/job/f/x", "another").unwrap();
    let before = shown(&house, "main/v1/job/container").unwrap();
    house.push_image("main/job", "v1", "m");
    let after = shown(&house, "main/v1/job/container").unwrap();
    assert!(before.id != after.id && after.changed > before.changed && !after.dirty);
    let view = house.store.view().unwrap();
    assert_eq!(view.job(&job("main/v1/job")).unwrap().dirty_formats, 1);
    house.destroy(1);
    assert_eq!(house.tagged("main/job", "v1").map(|id| id.0 > 0), Some(true));
}

#[test]
fn a_version_has_its_container_from_one_job() {
    let house = House::new();
    let names = ["product", "product_branch", "product_variant", "version"];
    let feed: Vec<_> = names.iter().map(|key| ((*key).to_owned(), Some("v".to_owned()))).collect();
    for path in ["main/v1/one", "main/v1/two"] {
        house.store.merge_metadata(job(path), feed.clone()).wait().unwrap();
    }
    house.push(manifest("main/one", "v1", "m")).unwrap();
    let refused = house.push(manifest("main/two", "v1", "m"));
    assert!(matches!(refused, Err(Error::FormatConflict { .. })));
    let refused = house.push(manifest("v/v/v", "x", "m"));
    assert!(matches!(refused, Err(Error::ProductTaken(_))));
    house.push(manifest("v/v/other", "x", "m")).unwrap();
}

#[test]
fn a_name_that_was_pushed_to_before_there_was_such_a_product_stays() {
    let house = House::new();
    house.push(manifest("v/v/v", "x", "m")).unwrap();
    let names = ["product", "product_branch", "product_variant", "version"];
    let feed: Vec<_> = names.iter().map(|key| ((*key).to_owned(), Some("v".to_owned()))).collect();
    house.store.merge_metadata(job("main/v1/one"), feed).wait().unwrap();
    house.push(manifest("v/v/v", "y", "m")).unwrap();
}

#[test]
fn files_that_make_an_image_become_one() {
    let house = House::new();
    let texts = ["layer", "child", "index"];
    for text in texts {
        house.put(&format!("main/v1/job/container/{text}"), text).unwrap();
    }
    let path = format("main/v1/job/container");
    let base = shown(&house, "main/v1/job/container").unwrap();
    let stored = |tag, text: &str| {
        let content = crate::store::blobs::Content::Stored(digest(text));
        crate::store::manifests::ManifestPush { content, ..manifest("main/job", tag, text) }
    };
    let child = stored("", "child").blobs(&["layer"]);
    let root = stored("v1", "index").children(&["child"]);
    let adoption = Adoption { path: path.clone(), base: base.clone(), root };
    let early = house.check(house.store.adopt_container(adoption.clone()).wait());
    assert!(matches!(early, Err(Error::ManifestUnknown(_))));
    stage(&house, "main/job", "layer", child);
    let elsewhere = Adoption { path: super::format("main/v2/job/container"), ..adoption.clone() };
    assert!(house.check(house.store.adopt_container(elsewhere).wait()).is_err());
    let pushed = house.check(house.store.adopt_container(adoption.clone()).wait()).unwrap();
    assert_eq!(house.tagged("main/job", "v1"), Some(pushed.id));
    let after = shown(&house, "main/v1/job/container").unwrap();
    assert_eq!((after.usage, after.dirty), (Usage { files: 3, bytes: 15 }, false));
    assert_ne!(after.id, base.id);
    let again = house.store.adopt_container(adoption).wait();
    assert!(matches!(again, Err(Error::Changed(_))));
    house.destroy(1);
    assert_eq!(house.standing("main/job", "child"), Standing::Held { count: 1 });
    let view = house.store.view().unwrap();
    assert!(view.image_blob(&image("main/job"), &oci("layer")).unwrap().is_some());
    assert!(view.file(&file("main/v1/job/container/layer")).is_err());
    let gone = house.store.delete_image_tag(image("main/job"), image_tag("v1"), cause());
    house.check(gone.wait()).unwrap();
    house.destroy(1);
}

/// Brings what an image consists of, as its adoption does.
fn stage(house: &House, repository: &str, layer: &str, child: ManifestPush) {
    let staged = house.store.stage_blobs(image(repository), vec![digest(layer)]);
    house.check(staged.wait()).unwrap();
    house.check(house.store.stage_manifest(child).wait()).unwrap();
}

#[test]
fn what_is_brought_for_an_image_that_nobody_adopts_goes_by_itself() {
    let house = House::new();
    house.put("main/v1/job/container/layer", "layer").unwrap();
    house.put("main/v1/job/container/child", "child").unwrap();
    let content = crate::store::blobs::Content::Stored(digest("child"));
    let child = || ManifestPush { content: content.clone(), ..manifest("main/job", "", "child") };
    let child = || child().blobs(&["layer"]);
    stage(&house, "main/job", "layer", child());
    assert!(matches!(house.standing("main/job", "child"), Standing::Doomed { .. }));
    // Once more, as after a crash: it is brought anew and not kept for ever.
    stage(&house, "main/job", "layer", child());
    assert!(matches!(house.standing("main/job", "child"), Standing::Doomed { .. }));
    house.clock.advance(house.store.rules().upload_link + std::time::Duration::from_secs(1));
    house.sweep_registry();
    assert!(house.manifest("main/job", "child").is_none());
    // What was pushed before stays what it is.
    house.push(manifest("main/job", "", "other")).unwrap();
    let content = crate::store::blobs::Content::Stored(digest("other"));
    let other = ManifestPush { content, ..manifest("main/job", "", "other") };
    house.check(house.store.stage_manifest(other).wait()).unwrap();
    assert!(matches!(house.standing("main/job", "other"), Standing::Untagged { .. }));
}

#[test]
fn nobody_needs_room_for_an_image_twice_while_its_files_are_adopted() {
    let house = House::new();
    let layer = "x".repeat(100);
    for (at, repository) in [("main", "main/job"), ("~u:main", "u/u/main/job")] {
        let (path, texts) = (format!("{at}/v1/job/container"), [layer.as_str(), "child", "index"]);
        for text in texts {
            house.put(&format!("{path}/{}", &text[..5]), text).unwrap();
        }
        let stored = |tag: &str, text: &str| {
            let content = crate::store::blobs::Content::Stored(digest(text));
            ManifestPush { content, ..manifest(repository, tag, text).by("u") }
        };
        let base = shown(&house, &path).unwrap();
        stage(&house, repository, &layer, stored("", "child").blobs(&[&layer]));
        let root = stored("v1", "index").children(&["child"]);
        let adoption = Adoption { path: format(&path), base, root };
        let adopted = house.check(house.store.adopt_container(adoption).wait()).unwrap();
        assert_eq!(house.tagged(repository, "v1"), Some(adopted.id));
        assert_eq!(house.manifest(repository, "child").unwrap().1.by, "u");
    }
    let charged = house.store.view().unwrap().charges(&crate::model::UserName::parse("u").unwrap());
    assert_eq!(charged.unwrap(), Usage::default());
}
