//! Blobs on their way: one request for all who wait, whoever is slow or leaves; nothing is left of
//! what a crash or a full disk interrupts.

use std::time::Duration;

use super::harness::bad_upstream::{Fault, On};
use super::harness::image_layout::{Blob, Image, Layer};
use super::harness::pulling::{IMAGE, Pulling, image, large};
use super::harness::{eventually, noise};

/// A blob of its own at the upstream.
fn blob(it: &Pulling, seed: u64, length: usize) -> (Blob, String) {
    let blob = Blob::new("application/octet-stream", noise(seed, length));
    it.upstream.holds_blob(IMAGE, &blob);
    let what = format!("blobs/{}", blob.digest);
    (blob, what)
}

#[test]
fn fifty_cold_pulls_are_one_request() {
    let it = Pulling::start();
    let (blob, what) = blob(&it, 5, 4_000_000);
    it.upstream.fails(On::Blobs, Fault::Trickle(400_000, Duration::from_millis(30)));
    std::thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| {
                let answer = it.pull("acme", &what).with_status(200);
                answer.body_is(blob.bytes.as_slice());
            });
        }
        for _ in 0..20 {
            scope.spawn(|| it.pull("acme", "manifests/latest").with_status(200));
        }
    });
    assert_eq!(it.asked("GET", &what), 1);
    assert_eq!(it.upstream.sent(&format!("/v2/{IMAGE}/blobs/")), 4_000_000);
    assert_eq!(it.asked("GET", "manifests/"), 1);
    it.is_settled();
    it.pull("acme", &what).with_status(200).has("x-cache", "HIT");
}

#[test]
fn first_bytes_come_before_the_upstream_has_sent_the_rest() {
    let it = Pulling::start();
    let (blob, what) = blob(&it, 6, 200_000);
    it.upstream.fails(On::Blobs, Fault::HangAfter(1000));
    let (mut connection, head) = it.begin("acme", &what);
    assert_eq!((head.status, head.header("content-length")), (200, Some("200000")));
    // All but the last byte of what came; then the upstream is silent for too long.
    let came = connection.rest();
    assert!((999..blob.bytes.len().try_into().unwrap()).contains(&came), "{came}");
    it.upstream.heals();
    it.is_settled();
}

#[test]
fn one_who_does_not_read_holds_nobody_up() {
    let it = Pulling::start();
    let (blob, what) = blob(&it, 7, 30_000_000);
    let (mut slow, head) = it.begin("acme", &what);
    assert_eq!(head.status, 200);
    for _ in 0..3 {
        it.pull("acme", &what).with_status(200).body_is(blob.bytes.as_slice());
    }
    it.is_settled();
    assert_eq!(it.asked("GET", &what), 1);
    assert_eq!(slow.rest(), 30_000_000);
}

#[test]
fn what_a_client_leaves_is_cached_all_the_same() {
    let it = Pulling::start();
    let (blob, what) = blob(&it, 8, 3_000_000);
    it.upstream.fails_times(1, On::Blobs, Fault::Trickle(100_000, Duration::from_millis(20)));
    let (connection, head) = it.begin("acme", &what);
    assert_eq!(head.status, 200);
    drop(connection);
    it.is_settled();
    let answer = it.pull("acme", &what).with_status(200).has("x-cache", "HIT");
    answer.body_is(blob.bytes.as_slice());
    assert_eq!(it.asked("GET", &what), 1);
}

#[test]
fn a_part_can_be_had_of_what_is_coming() {
    let it = Pulling::start();
    let (blob, what) = blob(&it, 9, 500_000);
    let part = it.server.get(&Pulling::at("acme", &what)).header("Range", "bytes=1000-1999");
    let part = part.expect(206).has("content-range", "bytes 1000-1999/500000");
    part.has("x-cache", "MISS").body_is(&blob.bytes[1000..2000]);
    it.is_settled();
    let part = it.server.get(&Pulling::at("acme", &what)).header("Range", "bytes=-10");
    part.expect(206).has("x-cache", "HIT").body_is(&blob.bytes[499_990..]);
}

#[test]
fn a_kill_in_mid_flight_leaves_nothing() {
    let mut it = Pulling::start();
    let (blob, what) = blob(&it, 10, 3_000_000);
    it.upstream.fails(On::Blobs, Fault::Trickle(100_000, Duration::from_millis(50)));
    let (connection, head) = it.begin("acme", &what);
    assert_eq!(head.status, 200);
    eventually("a draft", || (it.server.staged_files() > 0).then_some(()));
    it.server.kill9();
    drop(connection);
    it.server.start_again();
    assert_eq!(it.server.staged_files(), 0);
    it.upstream.heals();
    let answer = it.pull("acme", &what).with_status(200).has("x-cache", "MISS");
    answer.body_is(blob.bytes.as_slice());
    it.is_settled();
    it.pull("acme", &what).with_status(200).has("x-cache", "HIT");
}

#[test]
fn without_room_everything_goes_through_and_nothing_is_kept() {
    let mut it = Pulling::with(|builder| builder.with("reserve", "0"));
    it.server.stop();
    it.server.change("reserve", "1099511627776");
    it.server.start_again();
    let image = Image::new(&[Layer::noise(11, 3_000_000)]);
    it.upstream.holds(IMAGE, "latest", &image);
    for _ in 0..2 {
        assert_eq!(it.pull_all("acme", &image), ["MISS"; 3]);
    }
    assert_eq!(it.server.blob_files(), (0, 0));
    it.server.logs(&["not cached", "in reserve"]);
}

/// Two groups cache the same image: one copy of each blob, and a purge of one leaves the other.
#[test]
fn groups_keep_one_copy_and_lose_their_own() {
    let mut it = Pulling::start();
    it.has_group("other");
    let image = image();
    it.pull_all("acme", &image);
    let files = it.server.blob_files();
    it.pull_all("other", &image);
    assert_eq!(it.server.blob_files(), files);
    it.offline(|store| {
        store.purge_cached(super::harness::pulling::group_id(store, "acme")).wait().unwrap();
    });
    it.upstream.stop();
    assert_eq!(it.pull_all("other", &image), ["STALE", "HIT", "HIT", "HIT"]);
    it.pull("acme", &format!("blobs/{}", large(&image).digest)).with_status(503);
}
