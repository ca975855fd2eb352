//! No group learns what another one has cached: what is shared was granted to one's own
//! credentials by one's own upstream a moment ago.

use larder::model::Upstream;
use larder::store::proxy_groups::{ProxyChange, Wish};

use super::harness::bad_upstream::{BadUpstream, Fault, On};
use super::harness::image_layout::Blob;
use super::harness::noise;
use super::harness::pulling::{IMAGE, Pulling, group_id, image, large};

fn upstream(url: &str) -> Upstream {
    Upstream {
        url: url.to_owned(),
        has_library: false,
        certificates: None,
        patience_ms: None,
        requests_max: None,
    }
}

/// With a second group, which has an upstream of its own.
fn with_other(evil: &BadUpstream) -> Pulling {
    let mut it = Pulling::start();
    it.has_group("evil");
    it.offline(|store| {
        let upstream = Wish::Set(upstream(&evil.url()));
        let change = ProxyChange { upstream, ..ProxyChange::default() };
        store.change_proxy(group_id(store, "evil"), change).wait().unwrap()
    });
    it
}

#[test]
fn an_upstream_that_claims_any_digest_gets_nothing_of_others() {
    let evil = BadUpstream::start();
    let it = with_other(&evil);
    let image = image();
    it.pull_all("acme", &image);
    // It says yes to everything and has other bytes.
    let lie = Blob { bytes: noise(77, 300_000).into(), ..large(&image).clone() };
    evil.holds_blob(IMAGE, &lie);
    let manifest = Blob { bytes: noise(78, 500).into(), ..image.manifest.clone() };
    evil.holds_manifest(IMAGE, "latest", &manifest);
    let blob = format!("blobs/{}", lie.digest);
    assert_ne!(it.try_pull("evil", &blob), (200, true), "it breaks off");
    let by_digest = format!("manifests/{}", manifest.digest);
    for what in ["manifests/latest", &by_digest] {
        it.pull("evil", what).with_status(502);
    }
    // Nor does one that has nothing.
    evil.fails(On::Everything, Fault::Status(404));
    it.pull("evil", &blob).with_status(404);
    it.pull("evil", &by_digest).with_status(404);
    it.is_settled();
    // And nobody else is harmed.
    it.pull("acme", &blob).with_status(200).has("x-cache", "HIT");
}

#[test]
fn what_was_pushed_here_is_not_served_as_cached() {
    let evil = BadUpstream::start();
    let it = with_other(&evil);
    let pushed = noise(5, 50_000);
    let digest = super::harness::digest_of(&pushed);
    let at = format!("/v2/hosted/app/blobs/uploads/?digest={digest}");
    it.server.post(&at).body(pushed.clone()).expect(201);
    let what = format!("blobs/{digest}");
    it.pull("acme", &what).with_status(404);
    it.pull("evil", &what).with_status(404);
    it.server.head(&Pulling::at("acme", &what)).expect(404);
    // What was pulled is not the hosted registry's either.
    it.pull_all("acme", &image());
    let own = format!("/v2/hosted/app/blobs/{}", large(&image()).digest);
    it.server.get(&own).expect(404);
}

#[test]
fn a_group_of_the_same_upstream_shares_what_it_is_granted() {
    let it = Pulling::start();
    it.has_group("friend");
    let image = image();
    it.pull_all("acme", &image);
    it.upstream.forgets_requests();
    assert_eq!(it.pull_all("friend", &image), ["REVALIDATED"; 4]);
    assert_eq!(it.asked("GET", ""), 0, "nothing is fetched again: {:?}", it.upstream.asked());
    assert_eq!(it.pull_all("friend", &image)[1..], ["HIT"; 3]);
    // What it is not granted, it does not get.
    it.has_group("denied");
    it.upstream.fails(On::Everything, Fault::Status(403));
    it.pull("denied", "manifests/latest").with_status(403);
    it.pull("denied", &format!("blobs/{}", large(&image).digest)).with_status(403);
    it.pull("denied", &format!("manifests/{}", image.manifest.digest)).with_status(403);
}

#[test]
fn another_upstream_is_another_world() {
    let other = BadUpstream::start();
    let mut it = Pulling::start();
    it.pull_all("acme", &image());
    it.offline(|store| {
        let upstream = Wish::Set(upstream(&other.url()));
        let change = ProxyChange { upstream, ..ProxyChange::default() };
        store.change_proxy(group_id(store, "acme"), change).wait().unwrap()
    });
    it.pull("acme", "manifests/latest").with_status(404);
    it.pull("acme", &format!("blobs/{}", large(&image()).digest)).with_status(404);
}

/// The default of all groups can change too.
#[test]
fn another_default_upstream_is_another_world_too() {
    let other = BadUpstream::start();
    let mut it = Pulling::start();
    it.pull_all("acme", &image());
    it.server.stop();
    it.server.change("proxy-upstream", &other.url());
    it.server.start_again();
    it.pull("acme", "manifests/latest").with_status(404);
    it.pull("acme", &format!("blobs/{}", large(&image()).digest)).with_status(404);
}
