//! Pulling through a group's cache (spec gitlab §1.3-1.5); the statements of its §13 by number.

use serde_json::json;

use larder::store::proxy_groups::ProxyChange;

use super::harness::bad_upstream::{BadUpstream, Fault, On};
use super::harness::image_layout::{Blob, Image, Layer, MANIFEST};
use super::harness::people::password_of;
use super::harness::pulling::{IMAGE, Pulling, group_id, image, large};
use super::harness::{TestServer, digest_of};

/// Statement 3.
#[test]
fn statement_3_guests_pull_others_get_404_and_nobody_401() {
    let upstream = BadUpstream::start();
    upstream.holds(IMAGE, "latest", &image());
    let server = TestServer::with_people()
        .with("proxy-upstream", &upstream.url())
        .with("proxy-allow", "127.0.0.0/8")
        .start();
    for user in ["guest", "stranger"] {
        server.has_user(user, &["people"]);
    }
    let root = server.token_of("admin", "api");
    let api = |path: &str, body| {
        server.post(path).header("PRIVATE-TOKEN", &root).json(&body).expect(201);
    };
    api("/api/v4/groups", json!({"name": "acme", "path": "acme"}));
    api("/api/v4/groups/acme/members", json!({"username": "guest", "access_level": 10}));
    let at = Pulling::at("acme", "manifests/latest");
    let as_user = |user: &str| {
        let login = server.get("/jwt/auth?service=dependency_proxy").by(user, &password_of(user));
        let token = login.expect(200).json()["token"].as_str().unwrap().to_owned();
        server.get(&at).header("Authorization", &format!("Bearer {token}")).send()
    };
    as_user("guest").with_status(200).body_is(image().manifest.bytes.as_slice());
    let hidden = as_user("stranger").with_status(404);
    assert_eq!(hidden.json()["errors"][0]["code"], "DENIED");
    let challenge = server.get(&at).expect(401);
    let challenge = challenge.header("www-authenticate").unwrap();
    assert!(challenge.contains("service=\"dependency_proxy\""), "{challenge}");
    assert_eq!(upstream.count("GET", &format!("/v2/{IMAGE}/manifests/latest")), 1);
}

/// Statement 4.
#[test]
fn statement_4_what_was_pulled_once_needs_no_upstream() {
    let mut it = Pulling::start();
    it.upstream.wants_tokens(None);
    let image = image();
    assert_eq!(it.pull_all("acme", &image), ["MISS"; 4]);
    assert_eq!(it.pull_all("acme", &image), ["REVALIDATED", "HIT", "HIT", "HIT"]);
    it.upstream.revokes_tokens();
    it.upstream.fails(On::Tokens, Fault::Status(503));
    assert_eq!(it.pull_all("acme", &image), ["STALE", "HIT", "HIT", "HIT"]);
    it.upstream.stop();
    assert_eq!(it.pull_all("acme", &image), ["STALE", "HIT", "HIT", "HIT"]);
    let digest = &image.manifest.digest;
    it.pull("acme", &format!("manifests/{digest}"))
        .with_status(200)
        .has("x-cache", "HIT")
        .has("docker-content-digest", digest)
        .has("etag", &format!("\"{digest}\""))
        .has("content-type", MANIFEST)
        .has("docker-distribution-api-version", "registry/2.0")
        .body_is(image.manifest.bytes.as_slice());
    let known = it.server.get(&Pulling::at("acme", &format!("manifests/{digest}")));
    known.header("If-None-Match", &format!("\"{digest}\"")).expect(304);
    let counters = &it.stats()["groups"]["acme"];
    assert_eq!(counters["pull_manifest"], 1);
    assert_eq!(counters["pull_blob"], 3);
    assert_eq!(counters["pull_blob_from_cache"], 9);
    // What is known survives a restart.
    it.server.restart();
    assert_eq!(it.pull_all("acme", &image), ["STALE", "HIT", "HIT", "HIT"]);
}

/// Statement 5.
#[test]
fn statement_5_a_tag_follows_its_upstream_and_what_it_named_stays() {
    let it = Pulling::start();
    let (old, new) = (image(), Image::new(&[Layer::noise(3, 50_000)]));
    it.pull_all("acme", &old);
    for _ in 0..3 {
        it.pull("acme", "manifests/latest").has("x-cache", "REVALIDATED");
    }
    assert_eq!(it.asked("GET", "manifests/"), 1, "an unchanged tag is not fetched");
    it.upstream.holds(IMAGE, "latest", &new);
    let moved = it.pull("acme", "manifests/latest").has("x-cache", "MISS");
    moved.body_is(new.manifest.bytes.as_slice());
    assert_eq!(it.asked("GET", "manifests/"), 2);
    let by_digest = it.pull("acme", &format!("manifests/{}", old.manifest.digest));
    by_digest.has("x-cache", "HIT").body_is(old.manifest.bytes.as_slice());
    // Back to what is here already: nothing is fetched.
    it.upstream.holds(IMAGE, "latest", &old);
    let back = it.pull("acme", "manifests/latest").has("x-cache", "REVALIDATED");
    back.body_is(old.manifest.bytes.as_slice());
    assert_eq!(it.asked("GET", "manifests/"), 2);
    // A tag that is gone there is served, and it is said so.
    it.upstream.forgets(IMAGE, "latest");
    it.pull("acme", "manifests/latest").with_status(200).has("x-cache", "STALE");
}

/// Statement 6.
#[test]
fn statement_6_a_limit_is_told_only_where_nothing_is_cached() {
    let it = Pulling::start();
    it.upstream.fails(On::Everything, Fault::Status(429));
    let refused = it.pull("acme", "manifests/latest").with_status(429).has("x-cache", "MISS");
    let refused = refused.has("retry-after", "60").has("ratelimit-remaining", "0;w=21600");
    assert!(refused.text().contains("TOOMANYREQUESTS"), "{}", refused.text());
    let blob = format!("blobs/{}", large(&image()).digest);
    it.pull("acme", &blob).with_status(429);
    it.upstream.heals();
    it.pull_all("acme", &image());
    it.upstream.fails(On::Everything, Fault::Status(429));
    it.pull("acme", "manifests/latest").with_status(200).has("x-cache", "STALE");
    it.pull("acme", &blob).with_status(200).has("x-cache", "HIT");
}

/// Statement 7.
#[test]
fn statement_7_nothing_cached_and_no_upstream_is_503() {
    let mut it = Pulling::start();
    it.upstream.stop();
    let blob = format!("blobs/{}", large(&image()).digest);
    for what in ["manifests/latest", &blob, &format!("referrers/{}", image().manifest.digest)] {
        let answer = it.pull("acme", what).with_status(503);
        assert_eq!(answer.json()["errors"][0]["code"], "UNAVAILABLE", "{what}");
        assert!(!answer.text().contains("127.0.0.1"), "addresses are for the log");
        it.server.head(&Pulling::at("acme", what)).expect(503);
    }
}

/// Statement 9, as far as pulling goes.
#[test]
fn statement_9_what_was_purged_is_fetched_anew() {
    let mut it = Pulling::start();
    let image = image();
    it.pull_all("acme", &image);
    it.offline(|store| store.purge_cached(group_id(store, "acme")).wait().unwrap());
    it.upstream.forgets_requests();
    assert_eq!(it.pull_all("acme", &image), ["MISS"; 4]);
    assert_eq!(it.asked("GET", "blobs/"), 3);
    assert_eq!(it.pull_all("acme", &image)[1..], ["HIT"; 3]);
    it.offline(|store| store.purge_cached(group_id(store, "acme")).wait().unwrap());
    it.upstream.stop();
    it.pull("acme", "manifests/latest").with_status(503);
    it.pull("acme", &format!("blobs/{}", large(&image).digest)).with_status(503);
}

/// Statement 12; the limit of blobs is tried where a test can lower it, with the flights.
#[test]
fn statement_12_large_manifests_pass_through_and_wrong_ones_are_never_kept() {
    let mut it = Pulling::start();
    let note = "x".repeat(11 << 20);
    let small = image();
    let document = json!({"schemaVersion": 2, "mediaType": MANIFEST, "layers": [],
        "config": small.blobs[0].descriptor(), "annotations": {"note": note}});
    let huge = Blob::new(MANIFEST, document.to_string().into_bytes());
    it.upstream.holds_manifest(IMAGE, "huge", &huge);
    for what in ["manifests/huge", &format!("manifests/{}", huge.digest)] {
        let answer = it.pull("acme", what).with_status(200).has("x-cache", "MISS");
        answer.has("content-type", MANIFEST).body_is(huge.bytes.as_slice());
    }
    it.upstream.fails_times(2, On::Manifests, Fault::WrongBytes);
    it.pull("acme", "manifests/latest").with_status(502);
    it.upstream.heals();
    it.upstream.stop();
    it.pull("acme", "manifests/huge").with_status(503);
    it.pull("acme", "manifests/latest").with_status(503);
}

#[test]
fn a_group_that_is_switched_off_serves_nothing() {
    let mut it = Pulling::start();
    it.pull_all("acme", &image());
    it.offline(|store| {
        let off = ProxyChange { enabled: Some(false), ..ProxyChange::default() };
        store.change_proxy(group_id(store, "acme"), off).wait().unwrap()
    });
    for what in ["manifests/latest", &format!("blobs/{}", large(&image()).digest)] {
        let answer = it.pull("acme", what).with_status(404);
        assert_eq!(answer.json()["errors"][0]["code"], "NAME_UNKNOWN", "{what}");
    }
}

#[test]
fn a_fresh_tag_is_served_without_asking() {
    let it = Pulling::with(|builder| builder.with("proxy-fresh", "1h"));
    it.pull("acme", "manifests/latest").has("x-cache", "MISS");
    it.upstream.forgets_requests();
    it.pull("acme", "manifests/latest").has("x-cache", "HIT");
    assert!(it.upstream.asked().is_empty());
}

#[test]
fn heads_tell_what_gets_would() {
    let mut it = Pulling::start();
    let image = image();
    let blob = large(&image);
    let length = blob.bytes.len().to_string();
    let at = Pulling::at("acme", &format!("blobs/{}", blob.digest));
    it.server.head(&at).expect(200).has("content-length", &length).has("x-cache", "MISS");
    assert_eq!(it.asked("GET", "blobs/"), 0, "a head fetches no blob");
    // A manifest is fetched, since whoever asks will want it.
    let manifest = Pulling::at("acme", "manifests/latest");
    let head = it.server.head(&manifest).expect(200).has("x-cache", "MISS");
    head.has("docker-content-digest", &image.manifest.digest);
    it.pull_all("acme", &image);
    it.upstream.stop();
    it.server.head(&at).expect(200).has("content-length", &length).has("x-cache", "HIT");
    it.server.head(&manifest).expect(200).has("x-cache", "STALE");
}

#[test]
fn indexes_and_referrers_are_cached_like_the_rest() {
    let mut it = Pulling::start();
    let (amd, arm) = (image(), Image::for_machine("arm64", &[Layer::noise(4, 9000)]));
    let index = it.upstream.holds_index(IMAGE, "multi", &[("amd64", &amd), ("arm64", &arm)]);
    let sbom = Image::about(&index, "application/vnd.example.sbom", b"all of it");
    it.upstream.holds(IMAGE, &sbom.manifest.digest, &sbom);
    let list = format!("referrers/{}", index.digest);
    let pulled = ["manifests/multi", &format!("manifests/{}", arm.manifest.digest), &list];
    for what in pulled {
        it.pull("acme", what).with_status(200).has("x-cache", "MISS");
    }
    it.pull("acme", &list).with_status(200).has("x-cache", "REVALIDATED");
    it.upstream.stop();
    let expected = ["STALE", "HIT", "STALE"];
    for (what, how) in pulled.into_iter().zip(expected) {
        it.pull("acme", what).with_status(200).has("x-cache", how);
    }
    let filtered = |kind: &str| {
        let answer = it.pull("acme", &format!("{list}?artifactType={kind}")).with_status(200);
        let answer = answer.has("oci-filters-applied", "artifactType");
        answer.json()["manifests"].as_array().unwrap().len()
    };
    assert_eq!(filtered("application/vnd.example.sbom"), 1);
    assert_eq!(filtered("application/vnd.example.other"), 0);
}

#[test]
fn referrers_that_come_in_pages_are_one_list_or_none() {
    let mut it = Pulling::start();
    let image = image();
    it.upstream.holds(IMAGE, "latest", &image);
    let mut about = Vec::new();
    for number in 0..5 {
        let text = format!("signature {number}");
        let sign = Image::about(&image.manifest, "application/vnd.example.sig", text.as_bytes());
        it.upstream.holds(IMAGE, &sign.manifest.digest, &sign);
        about.push(sign.manifest.digest.clone());
    }
    about.sort();
    let list = format!("referrers/{}", image.manifest.digest);
    // Pages without end.
    it.upstream.cuts_lists(0);
    it.pull("acme", &list).with_status(502);
    assert_eq!(it.asked("GET", "referrers/"), 100);
    it.upstream.forgets_requests();
    it.upstream.cuts_lists(2);
    let digests = |it: &Pulling, how: &str| {
        let answer = it.pull("acme", &list).with_status(200).has("x-cache", how).json();
        let lines = answer["manifests"].as_array().unwrap().iter();
        lines.map(|line| line["digest"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(digests(&it, "MISS"), about);
    assert_eq!(digests(&it, "REVALIDATED"), about);
    assert_eq!(it.asked("GET", "referrers/"), 6);
    // After two pages the upstream fails: a part of it is not taken for the whole.
    it.upstream.fails(On::Everything, Fault::Status(500));
    it.upstream.fails_times(2, On::Manifests, Fault::NoRanges);
    assert_eq!(digests(&it, "STALE"), about);
    it.upstream.stop();
    assert_eq!(digests(&it, "STALE"), about);
}

#[test]
fn an_upstream_that_leads_back_here_is_told_at_once() {
    let it = Pulling::start();
    let here = it.server.url(&Pulling::at("acme", "manifests/latest"));
    it.upstream.fails(On::Manifests, Fault::Location(here));
    let answer = it.pull("acme", "manifests/latest").with_status(508);
    let why = answer.json()["errors"][0]["message"].to_string();
    assert!(why.contains("leads back to this server"), "{why}");
}

#[test]
fn a_digest_that_is_not_kept_by_passes_through() {
    let it = Pulling::start();
    let image = image();
    let blob = large(&image);
    let sum = {
        use sha2::Digest;
        super::harness::hex(&sha2::Sha512::digest(blob.bytes.as_slice()))
    };
    let by = Blob { digest: format!("sha512:{sum}"), ..blob.clone() };
    it.upstream.holds_blob(IMAGE, &by);
    for _ in 0..2 {
        let answer = it.pull("acme", &format!("blobs/{}", by.digest)).with_status(200);
        answer.has("x-cache", "MISS").body_is(blob.bytes.as_slice());
    }
    it.upstream.fails(On::Blobs, Fault::WrongBytes);
    assert_eq!(it.try_pull("acme", &format!("blobs/{}", by.digest)), (200, false));
    assert_eq!(digest_of(blob.bytes.as_slice()), blob.digest);
}

#[test]
fn only_reading_is_possible_and_only_of_groups() {
    let it = Pulling::start();
    it.server.get(&Pulling::at("nobody", "manifests/latest")).expect(404);
    it.server.put(&Pulling::at("acme", "manifests/latest")).body("{}").expect(404);
    assert!(it.upstream.asked().is_empty());
}
