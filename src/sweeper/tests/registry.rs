//! What the sweeper does for the registry: when it wakes, what goes in which run, and a day with
//! a stop at each of its effects (I1-I3, I5).

use std::time::Duration;

use super::gate::Fault;
use super::house::{HOUR, House, Loss};
use crate::blobs::hash::hash_bytes;
use crate::model::untagged::{ImagePattern, Lifetime};
use crate::model::{
    ImageName, ImageTagName, ImageUpload, OciDigest, Scope, Timestamp, Trigger, UntaggedRules,
    UploadBytes, UploadId,
};
use crate::store::blobs::{Body, Content};
use crate::store::detached::Cause;
use crate::store::image_blobs::BlobPush;
use crate::store::manifests::{Done, ManifestPush, Needed, Wanted};
use crate::store::tests::audit::assert_consistent;
use crate::store::{Error, UPLOAD_LINK};

/// An upload link and its slack.
const LINK_OVER: Duration = Duration::from_secs(24 * 3600 + 2);

fn image(name: &str) -> ImageName {
    ImageName::parse(name).unwrap()
}

fn oci(text: &str) -> OciDigest {
    hash_bytes(text.as_bytes(), None).digest.into()
}

fn content(text: &str) -> Content {
    let bytes = text.as_bytes().to_vec();
    let (size, digest) = (u64::try_from(bytes.len()).unwrap(), hash_bytes(&bytes, None).digest);
    Content::Uploaded { digest, size, body: Body::Inline(bytes.into()) }
}

fn blob(house: &House, name: &str, text: &str) -> Result<(), Error> {
    let (image, content) = (image(name), content(text));
    let push = BlobPush { image, content, sha512: None, by: None, upload: None };
    house.store().put_image_blob(push).wait().map(drop)
}

/// A manifest that names a blob, children and a subject by their texts.
fn push(house: &House, at: (&str, &str), text: &str, names: [&[&str]; 3]) -> Result<(), Error> {
    let [blobs, children, subject] = names;
    let wanted = |text: &&str| Wanted { digest: oci(text), needed: Needed::Yes };
    let push = ManifestPush {
        image: image(at.0),
        tag: ImageTagName::parse(at.1).ok(),
        content: content(text),
        sha512: None,
        media_type: "m/t".into(),
        artifact_type: None,
        subject: subject.first().map(|text| oci(text)),
        blobs: blobs.iter().map(wanted).collect(),
        children: children.iter().map(|text| oci(text)).collect(),
        by: None,
    };
    house.store().push_manifest(push).wait().map(drop)
}

fn has(house: &House, name: &str, text: &str) -> bool {
    house.store().view().unwrap().manifest(&image(name), &oci(text)).unwrap().is_some()
}

/// Of one with few tags.
fn delete_manifest(house: &House, name: &str, text: &str) -> Result<(), Error> {
    let cause = Cause::request("eve");
    let done = house.store().delete_manifest_slice(image(name), oci(text), cause).wait()?;
    assert_eq!(done, Done::Yes);
    Ok(())
}

fn delete_tag(house: &House, name: &str, tag: &str) -> Result<(), Error> {
    let tag = ImageTagName::parse(tag).unwrap();
    house.store().delete_image_tag(image(name), tag, Cause::request("eve")).wait()
}

fn images(house: &House) -> usize {
    house.store().view().unwrap().images(None, 99).unwrap().len()
}

#[test]
fn links_and_what_a_deletion_left_wake_the_sweeper_until_nothing_is_left() {
    let mut house = House::new();
    blob(&house, "a", "layer").unwrap();
    push(&house, ("a", "v1"), "m", [&["layer"], &[], &[]]).unwrap();
    assert_eq!(house.sweeper().next_wake(), None, "what a tag holds stays");
    delete_tag(&house, "a", "v1").unwrap();
    let (begin, mut wakes) = (house.store().clock().now(), 0);
    while let Some(wake) = house.sweeper().next_wake() {
        let now = house.store().clock().now();
        house.clock.advance(wake.at.since(now));
        let run = house.sweeper().turn(None).expect("something is due");
        assert_eq!((run.scope, run.errors.len()), (Scope::Reclaim, 0));
        wakes += 1;
        assert!(wakes < 9, "{:?}", house.totals());
    }
    // Its own link, then the one that it left of its layer, then the layer's lease.
    let passed = house.store().clock().now().since(begin);
    assert!(wakes >= 3 && passed >= UPLOAD_LINK * 2, "{wakes} in {passed:?}");
    assert_eq!((images(&house), house.totals().reclaimed.files), (0, 2));
}

#[test]
fn untagged_manifests_go_in_full_runs_by_their_rule_and_not_when_they_are_pulled() {
    let mut house = House::new();
    let day = Duration::from_secs(86_400);
    let rules = [(ImagePattern::parse("a").unwrap(), Lifetime::For(day))];
    house.sweeper().untagged = UntaggedRules(rules.into());
    for name in ["a", "b"] {
        for text in ["unused", "pulled"] {
            push(&house, (name, ""), text, [&[], &[], &[]]).unwrap();
        }
    }
    house.clock.advance(day / 2);
    let (id, _) =
        house.store().view().unwrap().manifest(&image("a"), &oci("pulled")).unwrap().unwrap();
    house.store().note_pull(id);
    house.clock.advance(day / 2);
    house.sweeper().run(Scope::Reclaim, Trigger::Delete);
    assert!(has(&house, "a", "unused"));
    let run = house.sweep();
    assert_eq!(run.errors, Vec::<String>::new());
    assert!(
        !has(&house, "a", "unused") && has(&house, "a", "pulled") && has(&house, "b", "unused")
    );
    house.clock.advance(day);
    house.sweep();
    assert!(!has(&house, "a", "pulled") && has(&house, "b", "pulled"));
}

#[test]
fn when_manifests_were_pulled_is_written_about_once_a_minute_without_a_run() {
    let mut house = House::new();
    push(&house, ("a", "v1"), "m", [&[], &[], &[]]).unwrap();
    let (id, _) = house.store().view().unwrap().manifest(&image("a"), &oci("m")).unwrap().unwrap();
    let pulled = |house: &House| house.store().view().unwrap().pulled(id).unwrap();
    house.store().note_pull(id);
    assert_eq!(house.sweeper().turn(None), None);
    let first = pulled(&house);
    assert!(first.is_some());
    house.clock.advance(Duration::from_secs(30));
    house.store().note_pull(id);
    assert_eq!(house.sweeper().turn(None), None);
    assert_eq!(pulled(&house), first);
    house.clock.advance(Duration::from_secs(30));
    assert_eq!(house.sweeper().turn(None), None);
    assert!(pulled(&house) > first);
}

#[test]
fn uploads_that_rest_are_given_up_in_full_runs() {
    let mut house = House::new();
    let id = UploadId([7; 16]);
    let (image, by) = ("a".to_owned(), "eve".to_owned());
    let (touched, bytes) = (Timestamp(0), UploadBytes::Inline(vec![1, 2, 3]));
    let upload = ImageUpload { image, by, created: touched, touched, received: 3, bytes };
    house.store().begin_upload(id, upload).wait().unwrap();
    house.clock.advance(UPLOAD_LINK / 2);
    house.sweep();
    assert!(house.store().view().unwrap().upload(&id).unwrap().is_some());
    house.clock.advance(UPLOAD_LINK);
    house.sweeper().run(Scope::Reclaim, Trigger::Delete);
    assert!(house.store().view().unwrap().upload(&id).unwrap().is_some());
    assert_eq!(house.sweep().errors, Vec::<String>::new());
    assert!(house.store().view().unwrap().upload(&id).unwrap().is_none());
    assert_consistent(house.store());
}

type Step = fn(&mut House) -> Result<(), Error>;

const DAY: &[Step] = &[
    |house| blob(house, "main/job", "layer"),
    |house| blob(house, "main/job", "config"),
    |house| push(house, ("main/job", ""), "amd64", [&["layer", "config"], &[], &[]]),
    |house| push(house, ("main/job", ""), "arm64", [&["layer"], &[], &[]]),
    |house| push(house, ("main/job", "V1"), "index", [&[], &["amd64", "arm64"], &[]]),
    |house| push(house, ("main/job", ""), "signature", [&["config"], &[], &["index"]]),
    |house| push(house, ("main/job", "latest"), "amd64", [&["layer", "config"], &[], &[]]),
    |house| push(house, ("main/job", "V1"), "arm64", [&["layer"], &[], &[]]),
    |house| push(house, ("main/job", "V1"), "index", [&[], &["amd64", "arm64"], &[]]),
    |house| delete_tag(house, "main/job", "V1"),
    |house| {
        house.sweep();
        house.clock.advance(LINK_OVER);
        house.sweep();
        Ok(())
    },
    |house| delete_manifest(house, "main/job", "amd64"),
    |house| {
        house.clock.advance(LINK_OVER);
        house.sweep();
        Ok(())
    },
];

/// Does the day until the machine stops; what it cannot do then is the client's to bear.
fn day(house: &mut House) {
    for step in DAY {
        let _ = step(house);
        if house.gate.has_stopped() {
            return;
        }
    }
}

/// Removes every tag and every manifest, and lets all links end.
fn clear(house: &mut House, when: &str) {
    for text in ["index", "amd64", "arm64", "signature"] {
        match delete_manifest(house, "main/job", text) {
            Ok(()) | Err(Error::NotFound(_)) => {}
            Err(error) => panic!("{when}: {error}"),
        }
    }
    for _ in 0..3 {
        house.sweep();
        house.clock.advance(LINK_OVER);
    }
    house.clear(when);
    assert_eq!(images(house), 0, "{when}");
    assert_consistent(house.store());
}

#[test]
fn the_machine_may_stop_at_any_effect_of_a_day_of_the_registry() {
    let mut house = House::new();
    for step in DAY {
        step(&mut house).unwrap();
        assert_consistent(house.store());
    }
    clear(&mut house, "a day without a fault");
    for n in 0.. {
        let loss = if n % 2 == 0 { Loss::Everything } else { Loss::Nothing };
        house.gate.set(n, Fault::Stop);
        day(&mut house);
        if !house.gate.has_failed() {
            assert!(n > 50, "a day has more effects than {n}");
            return;
        }
        let when = format!("stop at effect {n}, {loss:?} lost");
        house.crash(loss);
        house.check(&when);
        house.clock.advance(HOUR);
        clear(&mut house, &when);
    }
}
