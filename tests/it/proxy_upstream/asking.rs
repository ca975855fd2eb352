//! What is asked, with which headers, and what comes back.

use futures_util::StreamExt;
use larder::model::{ProxyGroup, Reference};
use larder::proxy::Patience;
use serde_json::Value;

use super::super::harness::bad_upstream::{BadUpstream, Fault, On};
use super::super::harness::image_layout::Image;
use super::{GROUP, House, Scene, digest, image, name, tag, upstream};

#[test]
fn manifests_blobs_and_referrers() {
    let peer = BadUpstream::start();
    let (house, image) = (House::of(&peer), image(1));
    peer.holds("org/app", "v1", &image);
    let signature = Image::about(&image.manifest, "application/x", b"signed");
    peer.holds("org/app", "sig", &signature);
    let (source, app) = (house.source(), name("org/app"));
    let head = house.run(source.head_manifest(&app, &tag("v1"), Patience::Short)).unwrap();
    assert_eq!((head.status.as_u16(), head.content_digest()), (200, Some(&*image.manifest.digest)));
    assert_eq!(head.media_type(), Some(&*image.manifest.media_type));
    let length = u64::try_from(image.manifest.bytes.len()).unwrap();
    assert_eq!(head.content_length(), Some(length));
    let by_digest = Reference::Digest(digest(&image.manifest.digest));
    let body = house.body(source.get_manifest(&app, &by_digest, Patience::Long));
    assert_eq!(body, *image.manifest.bytes);
    let layer = &image.blobs[1];
    let blob = digest(&layer.digest);
    assert_eq!(house.body(source.get_blob(&app, &blob, 0)), *layer.bytes);
    let rest = house.run(source.get_blob(&app, &blob, 4000)).unwrap();
    assert_eq!(rest.status.as_u16(), 206);
    assert_eq!(house.body(source.get_blob(&app, &blob, 4000)), layer.bytes[4000..]);
    let head = house.run(source.head_blob(&app, &blob, Patience::Short)).unwrap();
    assert_eq!(head.status.as_u16(), 200);
    let of = digest(&image.manifest.digest);
    let list = house.body(source.referrers(&app, &of, None, Patience::Short));
    let list: Value = serde_json::from_slice(&list).unwrap();
    assert_eq!(list["manifests"][0]["digest"], signature.manifest.digest);
    peer.forgets("org/app", "v1");
    let gone = house.run(source.head_manifest(&app, &tag("v1"), Patience::Short)).unwrap();
    assert_eq!(gone.status.as_u16(), 404);
}

#[test]
fn all_kinds_of_manifests_are_asked_for() {
    let peer = BadUpstream::start();
    let house = House::of(&peer);
    let (arm, amd) = (image(1), image(2));
    let index = peer.holds_index("org/app", "v1", &[("arm64", &arm), ("amd64", &amd)]);
    let body =
        house.body(house.source().get_manifest(&name("org/app"), &tag("v1"), Patience::Long));
    assert_eq!(body, *index.bytes);
    let asked = peer.asked();
    assert_eq!(asked.len(), 1);
    for kind in [
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    ] {
        assert!(asked[0].headers["accept"].contains(kind), "{asked:?}");
    }
    assert!(asked[0].headers["user-agent"].starts_with("larder/"));
    assert!(!asked[0].headers.contains_key("authorization"));
    peer.forgets_requests();
    assert_eq!((peer.asked().len(), peer.sent("/")), (0, 0));
}

#[test]
fn an_image_without_a_slash_is_found_in_both_places() {
    let peer = BadUpstream::start();
    let house = House::of(&peer);
    peer.holds("plain", "v1", &image(1));
    peer.holds("library/hub", "v1", &image(2));
    let source = house.source();
    let head = |image: &str| {
        let head = house.run(source.head_manifest(&name(image), &tag("v1"), Patience::Short));
        head.unwrap().status.as_u16()
    };
    for _ in 0..2 {
        assert_eq!((head("plain"), head("hub"), head("none")), (200, 200, 404));
    }
    assert_eq!(source.path(&name("plain")), "plain");
    assert_eq!(source.path(&name("hub")), "library/hub");
    let asked = |path: &str| peer.count("HEAD", &format!("/v2/{path}/manifests/v1"));
    assert_eq!((asked("plain"), asked("library/plain")), (2, 1));
    assert_eq!((asked("hub"), asked("library/hub")), (0, 2));
    assert_eq!((asked("none"), asked("library/none")), (2, 2));
    // A group says where they are.
    let with = |has_library| {
        let upstream = Some(super::Upstream { has_library, ..upstream(&peer.url()) });
        let group = ProxyGroup { upstream, ..ProxyGroup::default() };
        house.upstreams().of(GROUP, &group).unwrap().path(&name("plain"))
    };
    assert_eq!((with(false), with(true)), ("plain".to_owned(), "library/plain".to_owned()));
}

#[test]
fn what_an_upstream_refuses_passes_through() {
    let Scene { peer, house, source, app, .. } = Scene::start();
    peer.tells_limits("100;w=21600", "76;w=21600");
    let head = house.run(source.head_manifest(&app, &tag("v1"), Patience::Short)).unwrap();
    assert_eq!(head.headers["ratelimit-remaining"], "76;w=21600");
    let rate = source.rate_limit().unwrap();
    assert_eq!((rate.limit, rate.remaining), (100, 76));
    for status in [401, 403, 404, 429, 500, 503] {
        peer.heals();
        peer.fails(On::Manifests, Fault::Status(status));
        let answer = house.run(source.get_manifest(&app, &tag("v1"), Patience::Short)).unwrap();
        assert_eq!(answer.status.as_u16(), status);
        let body = house.run(answer.body.whole(10_000)).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert!(body["errors"][0]["code"].is_string(), "{body}");
    }
    peer.heals();
    peer.fails(On::Manifests, Fault::Status(429));
    let answer = house.run(source.get_manifest(&app, &tag("v1"), Patience::Short)).unwrap();
    assert_eq!(answer.headers["retry-after"], "60");
    assert_eq!(source.rate_limit().unwrap().remaining, 0);
    assert!(source.outage().is_none(), "it answers");
}

#[test]
fn lies_and_changed_answers_arrive_as_they_are() {
    let Scene { peer, house, image, source, app, blob } = Scene::start();
    peer.fails_times(1, On::Blobs, Fault::WrongBytes);
    assert_ne!(house.body(source.get_blob(&app, &blob, 0)), *image.blobs[1].bytes);
    peer.fails_times(1, On::Blobs, Fault::CutAfter(10));
    assert_eq!(house.body(source.get_blob(&app, &blob, 0)), image.blobs[1].bytes[..10]);
    peer.fails_times(1, On::Blobs, Fault::NoRanges);
    let whole = house.run(source.get_blob(&app, &blob, 10)).unwrap();
    assert_eq!(whole.status.as_u16(), 200);
    peer.heals();
    peer.fails(On::Manifests, Fault::WrongDigest);
    let head = house.run(source.head_manifest(&app, &tag("v1"), Patience::Short)).unwrap();
    assert_ne!(head.content_digest(), Some(&*image.manifest.digest));
    peer.fails(On::Manifests, Fault::Huge(50 << 20));
    let bytes = house.run(async {
        let answer = source.get_manifest(&app, &tag("v1"), Patience::Long).await.unwrap();
        let pieces = answer.body.map(|piece| u64::try_from(piece.unwrap().len()).unwrap());
        pieces.fold(0, |sum, piece| async move { sum + piece }).await
    });
    assert_eq!((bytes, peer.sent("/v2/org/app/manifests/v1")), (50 << 20, 50 << 20));
    let refused = house.run(async {
        let answer = source.get_manifest(&app, &tag("v1"), Patience::Long).await.unwrap();
        answer.body.whole(10 << 20).await.unwrap_err()
    });
    assert!(matches!(refused, larder::proxy::Unanswered::TooLarge { .. }), "{refused}");
}
