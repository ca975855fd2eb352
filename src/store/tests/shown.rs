//! What readers see of images: the files of a format that shows one, who may know a content by
//! it, why a blob is kept, and the exact cost of a policy that takes images along (I6).

use std::ops::ControlFlow;
use std::time::Duration;

use super::manifests::{LINK_OVER, manifest, oci};
use super::{House, ROWS, WORK, branch, cause, digest, file, format, tag};
use crate::db::Span;
use crate::db::schema::BLOBS;
use crate::db::tests::random::{Random, for_seeds};
use crate::model::{Artifact, ArtifactPath, FormatId, Place, Refs, Usage};
use crate::store::branches::PolicyChange;
use crate::store::policies::Cost;
use crate::store::why::{Owner, Why};
use crate::store::{Error, View};

const FORMAT: &str = "main/1/build/container";

/// An index of two images that share a layer, under the tag 1.
fn with_index() -> House {
    let house = House::new();
    for blob in ["shared layer", "first", "second"] {
        house.blob("main/build", blob).unwrap();
    }
    house.push(manifest("main/build", "", "one").blobs(&["shared layer", "first"])).unwrap();
    house.push(manifest("main/build", "", "two").blobs(&["shared layer", "second"])).unwrap();
    house.push(manifest("main/build", "1", "index").children(&["one", "two"])).unwrap();
    house
}

fn path(kind: &str, text: &str) -> String {
    let hex = digest(text).to_string();
    format!("{kind}/sha256/{}/{hex}", &hex[..2])
}

fn files(view: &View, format: FormatId) -> Vec<(ArtifactPath, Artifact)> {
    let mut files = Vec::new();
    view.each_file(format, |path, file| {
        files.push((path, file));
        Ok(ControlFlow::Continue(()))
    })
    .unwrap();
    files
}

#[test]
fn every_reader_of_files_sees_those_of_an_image_each_once() {
    let house = with_index();
    let view = house.store.view().unwrap();
    let id = view.format(&format(FORMAT)).unwrap().id;
    let mut wanted: Vec<_> = ["shared layer", "first", "second"].map(|t| path("blobs", t)).into();
    wanted.extend(["one", "two", "index"].map(|text| path("manifests", text)));
    wanted.sort();
    let files = files(&view, id);
    assert_eq!(files.iter().map(|(path, _)| path.to_string()).collect::<Vec<_>>(), wanted);
    let image = view.container(id).unwrap().unwrap();
    assert_eq!((image.image.as_str(), image.tag.as_str()), ("main/build", "1"));
    assert_eq!(view.container_files(&image.manifest).unwrap(), files);
    for limit in [1, 2, 5, 6, 100] {
        let (mut paths, mut listed, mut after) = (Vec::new(), Vec::new(), None);
        loop {
            let page = view.paths_after(id, after.as_ref(), limit).unwrap();
            listed.extend(view.files_after(id, after.as_ref(), limit).unwrap());
            let Some(last) = page.last() else { break };
            after = Some(last.clone());
            paths.extend(page);
        }
        assert_eq!(paths, files.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>());
        assert_eq!(listed.iter().map(|file| file.path.clone()).collect::<Vec<_>>(), paths);
    }
    for (path, artifact) in files {
        assert_eq!(view.file_of(id, &path).unwrap().unwrap().artifact, artifact);
        let at = format(FORMAT).file(path);
        let found = view.file(&at).unwrap();
        assert_eq!((found.artifact, found.blob.size), (artifact, artifact.size));
        assert!(!view.is_folder(&at).unwrap());
    }
    for folder in ["blobs", "manifests/sha256"] {
        assert!(view.is_folder(&file(&format!("{FORMAT}/{folder}"))).unwrap());
    }
    // A blob is not a manifest, nor what another repository has.
    house.push_image("main/other", "1", "stranger");
    let view = house.store.view().unwrap();
    for absent in [path("manifests", "first"), path("blobs", "one"), path("manifests", "stranger")]
    {
        assert!(matches!(view.file(&file(&format!("{FORMAT}/{absent}"))), Err(Error::NotFound(_))));
    }
}

#[test]
fn a_child_that_was_deleted_is_not_shown_from_that_moment_on() {
    let house = with_index();
    house.delete_manifest("main/build", "two").unwrap();
    let view = house.store.view().unwrap();
    let id = view.format(&format(FORMAT)).unwrap().id;
    let paths: Vec<_> = files(&view, id).into_iter().map(|(path, _)| path.to_string()).collect();
    assert_eq!(paths.len(), 4, "{paths:?}");
    assert!(
        !paths.contains(&path("manifests", "two")) && !paths.contains(&path("blobs", "second"))
    );
    let gone = file(&format!("{FORMAT}/{}", path("blobs", "second")));
    assert!(matches!(view.file(&gone), Err(Error::NotFound(_))));
}

fn live_paths(house: &House, text: &str) -> Vec<String> {
    let view = house.store.view().unwrap();
    let (id, _) = view.find_blob(&digest(text)).unwrap().unwrap();
    view.live_paths(id, 64).unwrap()
}

#[test]
fn a_content_is_known_where_the_registry_and_the_tree_show_it_and_nowhere_else() {
    let house = with_index();
    let tree =
        |kind: &str, text: &str| format!("/branches/main/1/build/container/{}", path(kind, text));
    let blob = format!("/v2/main/build/blobs/{}", oci("first"));
    let own = format!("/v2/main/build/manifests/{}", oci("one"));
    assert_eq!(live_paths(&house, "first"), [blob.clone(), tree("blobs", "first")]);
    assert_eq!(live_paths(&house, "one"), [own, tree("manifests", "one")]);
    house.delete_tag("main/1").unwrap();
    assert_eq!(live_paths(&house, "first"), [blob]);
    house.delete_manifest("main/build", "index").unwrap();
    assert_eq!(live_paths(&house, "index"), [""; 0]);
}

fn owners(house: &House, text: &str) -> Vec<Owner> {
    match house.store.view().unwrap().why(&digest(text), 10).unwrap() {
        Why::Held { owners, .. } => owners,
        other => panic!("{other:?}"),
    }
}

#[test]
fn why_says_which_tags_manifests_and_links_hold_a_blob() {
    let house = with_index();
    house.push(manifest("main/build", "v1", "one").blobs(&["shared layer", "first"])).unwrap();
    house.blob("main/build", "not named yet").unwrap();
    let [first] = &owners(&house, "first")[..] else { panic!("one repository") };
    assert_eq!(first.path, format!("/v2/main/build/blobs/{}", oci("first")));
    assert_eq!(first.held.names, ["/v2/main/build/manifests/v1"]);
    let [second] = &owners(&house, "second")[..] else { panic!("one repository") };
    assert_eq!(second.held.names, [format!("/v2/main/build/manifests/{}", oci("two"))]);
    let [link] = &owners(&house, "not named yet")[..] else { panic!("one repository") };
    let until = house.now().after(crate::store::UPLOAD_LINK).after(Duration::from_secs(1));
    assert_eq!((link.held.until, link.held.names.len()), (Some(until), 0));
    let [index] = &owners(&house, "index")[..] else { panic!("one manifest") };
    assert_eq!(index.held.names, ["/v2/main/build/manifests/1"]);
    house.delete_manifest("main/build", "index").unwrap();
    let [index] = &owners(&house, "index")[..] else { panic!("one manifest") };
    let gone = index.detached.as_ref().unwrap();
    assert_eq!((gone.by.as_str(), index.held.names.len()), ("user eve", 0));
}

/// What is stored and held, on disk and in rows.
fn stored(house: &House) -> (Usage, Usage) {
    let view = house.store.view().unwrap();
    let (mut files, mut inline) = (Usage::default(), Usage::default());
    for (_, blob) in BLOBS.all(&view.snapshot, Span::all()).unwrap() {
        assert!(matches!(blob.refs, Refs::Held { .. }), "all that is free was collected");
        let usage = match blob.place {
            Place::Inline => &mut inline,
            Place::File(_) => &mut files,
        };
        *usage = usage.plus(Usage::of(blob.size));
    }
    (files, inline)
}

/// Lets all links and leases end: one after the other for each level of an index.
fn settle(house: &House) {
    for _ in 0..24 {
        house.clock.advance(LINK_OVER);
        house.store.expire_links_slice(None, WORK, ROWS).unwrap();
        house.expire_manifests();
        house.destroy(ROWS);
        house.collect();
        house.forget();
    }
}

fn cost(house: &House) -> Cost {
    let view = house.store.view().unwrap();
    let plan = view.plan(&branch("main")).unwrap();
    view.cost(&[plan], |_| Ok::<_, Error>(())).unwrap()
}

/// What is left of the cost when all tags of the branch go.
fn assert_cost_is_exact(house: &House) {
    settle(house);
    let change = PolicyChange { max_daily_tags: Some(1), max_released_tags: None };
    house.store.set_policy(branch("main"), change).wait().unwrap();
    let cost = cost(house);
    let before = stored(house);
    let plan = house.store.view().unwrap().plan(&branch("main")).unwrap();
    for doomed in &plan.doomed {
        house.store.delete_tag(tag(&format!("main/{}", doomed.tag)), cause()).wait().unwrap();
    }
    settle(house);
    let after = stored(house);
    assert_eq!(cost.files, before.0.minus(after.0), "of {plan:?}");
    assert_eq!(cost.inline, before.1.minus(after.1));
}

#[test]
fn a_policy_costs_what_no_other_tag_index_or_repository_has() {
    let house = with_index();
    // By another tag, another repository, the tree itself.
    house
        .push(manifest("main/build", "plain-v1", "one").blobs(&["shared layer", "first"]))
        .unwrap();
    house.push_image("main/build", "2", "another image");
    house.blob("other/build", "second").unwrap();
    house.push(manifest("other/build", "1", "elsewhere").blobs(&["second"])).unwrap();
    house.put("main/1/build/f/x", "layer of another image").unwrap();
    house.clock.advance(Duration::from_secs(10));
    house.push_image("main/build", "3", "the newest stays");
    assert_cost_is_exact(&house);
}

#[test]
fn a_policy_costs_signatures_and_attached_tags_too() {
    let house = House::new();
    house.push_image("main/build", "1", "an image that is signed");
    let subject = "an image that is signed";
    house.blob("main/build", "bytes of a signature").unwrap();
    let signature = manifest("main/build", "", "a manifest of a signature").about(subject);
    house.push(signature.blobs(&["bytes of a signature"])).unwrap();
    let of = format!("sha256-{}.sig", digest(subject));
    house.push_image("main/build", &of, "an older kind of signature");
    house.clock.advance(Duration::from_secs(10));
    house.push_image("main/build", "2", "the newest stays");
    settle(&house);
    let all = stored(&house).0.files;
    assert_cost_is_exact(&house);
    assert_eq!(all - stored(&house).0.files, 6, "two of each");
}

/// Texts of one length, so that the bytes tell nothing that the numbers do not; files and rows.
fn text(kind: &str, number: usize) -> String {
    if number.is_multiple_of(2) {
        format!("{kind}{number}")
    } else {
        format!("{kind}{number} as a file")
    }
}

fn pushed_at_random(house: &House, random: &mut Random) {
    let mut manifests: Vec<(&str, String)> = Vec::new();
    for number in 0..12 {
        house.clock.advance(Duration::from_secs(1));
        let image = *random.pick(&["main/a", "main/b", "plain"]);
        let there: Vec<_> =
            manifests.iter().filter(|(at, _)| *at == image).map(|(_, text)| text.clone()).collect();
        let own = text("manifest", number);
        let tag = ["", "1", "2", "3", "latest"][random.below(5)];
        let mut push = manifest(image, tag, &own);
        let mut blobs: Vec<_> =
            (0..random.below(3)).map(|_| text("blob", random.below(5))).collect();
        blobs.sort();
        blobs.dedup();
        for blob in &blobs {
            house.blob(image, blob).unwrap();
        }
        push = push.blobs(&blobs.iter().map(String::as_str).collect::<Vec<_>>());
        if !there.is_empty() && random.one_in(2) {
            push = push.children(&[random.pick(&there).as_str()]);
        }
        if !there.is_empty() && random.one_in(3) {
            push = push.about(random.pick(&there).as_str());
        }
        // Too deep, or a tag of another case: then nothing was pushed.
        if house.store.push_manifest(push).wait().is_ok() {
            manifests.push((image, own));
        }
    }
}

#[test]
fn the_cost_of_a_policy_is_exact_whatever_was_pushed() {
    for_seeds(0..6, |random| {
        let house = House::new();
        house.put("main/1/f/f/x", "blob1 as a file").unwrap();
        pushed_at_random(&house, random);
        assert_cost_is_exact(&house);
        let (work, rows) = (WORK, ROWS);
        assert!(house.store.destroy_slice(work, rows).unwrap().0.done);
    });
}
