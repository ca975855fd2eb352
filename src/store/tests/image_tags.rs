//! Tags of the registry: which ones count, and what an alias stands for.

use std::time::Duration;

use super::manifests::{image, image_tag, manifest, oci};
use super::{House, tag};
use crate::model::tag::TagChange;
use crate::model::{ImageTagName, TagRef};
use crate::store::Error;
use crate::store::image_tags::{TagPage, TagsMax};

fn page(house: &House, name: &str, after: Option<&str>, tags: usize, looks: usize) -> TagPage {
    let view = house.store.view().unwrap();
    let (after, max) = (after.map(image_tag), TagsMax { tags, looks });
    let keep = |tag: &ImageTagName| tag.as_str() != "no";
    view.image_tags(&image(name), after.as_ref(), max, keep).unwrap()
}

fn listed(house: &House, name: &str, after: Option<&str>, limit: usize) -> Vec<String> {
    let page = page(house, name, after, limit, 99);
    page.tags.iter().map(ToString::to_string).collect()
}

fn alias(house: &House, name: &str, alias: &TagRef) -> Option<String> {
    let view = house.store.view().unwrap();
    let keep = |tag: &ImageTagName| tag.as_str() != "no";
    view.image_alias(&image(name), alias, keep).unwrap().map(|tag| tag.to_string())
}

#[test]
fn tags_are_listed_by_name_in_pages_of_those_that_count() {
    let house = House::new();
    for name in ["b", "V1", "no", "a", "c"] {
        house.push(manifest("main/job", name, "m")).unwrap();
    }
    assert_eq!(listed(&house, "main/job", None, 9), ["V1", "a", "b", "c"]);
    assert_eq!(listed(&house, "main/job", None, 2), ["V1", "a"]);
    assert_eq!(listed(&house, "main/job", Some("a"), 2), ["b", "c"]);
    house.delete_tag("main/b").unwrap();
    assert_eq!(listed(&house, "main/job", Some("V1"), 2), ["a", "c"]);
    assert_eq!(listed(&house, "none", None, 2), [""; 0]);
}

#[test]
fn a_part_of_the_list_looks_at_so_many_rows_and_ends_at_none_that_is_kept_secret() {
    let house = House::new();
    for name in ["a", "b", "c", "no", "z"] {
        house.push(manifest("main/job", name, "m")).unwrap();
    }
    for name in ["main/a", "main/b", "main/c"] {
        house.delete_tag(name).unwrap();
    }
    let (mut after, mut found, mut parts) = (None::<String>, Vec::new(), 0);
    loop {
        let page = page(&house, "main/job", after.as_deref(), 9, 2);
        found.extend(page.tags);
        parts += 1;
        let Some(stopped) = page.stopped else { break };
        assert_ne!(stopped.as_str(), "no");
        after = Some(stopped.to_string());
    }
    assert_eq!((found, parts), (vec![image_tag("z")], 3));
}

#[test]
fn aliases_stand_for_the_newest_tags_of_the_tree() {
    let house = House::new();
    let second = Duration::from_secs(1);
    for name in ["z", "a", "B", "no"] {
        house.push(manifest("main/job", name, "m")).unwrap();
        house.push(manifest("main/other", name, "m")).unwrap();
        house.clock.advance(second);
    }
    let (latest, stable, old) = (TagRef::Latest, TagRef::Stable, TagRef::OldStable);
    // Pushed again and pushed under an alias' name: neither is newer in the tree.
    house.push(manifest("main/job", "z", "again")).unwrap();
    house.push(manifest("main/job", "latest", "m")).unwrap();
    assert_eq!(alias(&house, "main/job", &latest).as_deref(), Some("B"));
    assert_eq!(alias(&house, "main/job", &stable), None);
    for name in ["main/z", "main/a"] {
        let change = TagChange { stable: Some(true), ..TagChange::default() };
        house.store.change_tag(tag(name), change).wait().unwrap();
    }
    assert_eq!(alias(&house, "main/job", &stable).as_deref(), Some("a"));
    assert_eq!(alias(&house, "main/job", &old).as_deref(), Some("z"));
    house.delete_format("main/b/job/container").unwrap();
    assert_eq!(alias(&house, "main/job", &latest).as_deref(), Some("a"));
    assert_eq!(alias(&house, "main/other", &latest).as_deref(), Some("B"));
    house.push(manifest("main/job", "B", "m")).unwrap();
    house.destroy(1);
    assert_eq!(alias(&house, "main/job", &latest).as_deref(), Some("B"));
}

#[test]
fn a_repository_has_live_content_while_people_find_something_in_it() {
    let house = House::new();
    let is_live = |name: &str| {
        let view = house.store.view().unwrap();
        let found = view.image(&image(name)).unwrap();
        found.is_some_and(|found| view.has_live_content(found.id).unwrap())
    };
    house.blob("main/job", "only a blob").unwrap();
    assert!(!is_live("main/job"));
    house.push(manifest("main/job", "v1", "m")).unwrap();
    assert!(is_live("main/job"));
    house.delete_branch("main").unwrap();
    assert!(!is_live("main/job"));
    house.push(manifest("main/job", "", "by digest")).unwrap();
    assert!(is_live("main/job"));
    // Nobody waits until all that is left of very many tags was looked at.
    for number in 0..=100 {
        let push = manifest("other/job", &format!("v{number}"), "m");
        house.store.push_manifest(push).wait().unwrap();
    }
    house.delete_branch("other").unwrap();
    assert!(is_live("other/job"));
    house.destroy(1000);
    assert!(!is_live("other/job"));
}

#[test]
fn no_alias_is_left_where_the_branch_or_its_tags_are_gone() {
    let house = House::new();
    for name in ["v1", "v2"] {
        house.push(manifest("main/job", name, "m")).unwrap();
        house.clock.advance(Duration::from_secs(1));
    }
    house.delete_tag("main/v2").unwrap();
    assert_eq!(alias(&house, "main/job", &TagRef::Latest).as_deref(), Some("v1"));
    house.delete_branch("main").unwrap();
    assert_eq!(alias(&house, "main/job", &TagRef::Latest), None);
    house.push(manifest("main/other", "v1", "m")).unwrap();
    assert_eq!(alias(&house, "main/job", &TagRef::Latest), None);
    house.push(manifest("main/job", "v0", "m")).unwrap();
    assert_eq!(alias(&house, "main/job", &TagRef::Latest).as_deref(), Some("v0"));
}

#[test]
fn a_tag_goes_once() {
    let house = House::new();
    for name in ["plain", "main/job"] {
        house.push_image(name, "v1", "m");
        house.delete_image_tag(name, "v1").unwrap();
        assert!(house.tagged(name, "v1").is_none());
        let again = house.delete_image_tag(name, "v1");
        assert!(matches!(again, Err(Error::NotFound(_))));
        house.destroy(1);
        assert!(matches!(house.standing(name, "m"), crate::model::Standing::Doomed { .. }));
    }
    let view = house.store.view().unwrap();
    assert!(view.manifest(&image("none"), &oci("m")).unwrap().is_none());
}
