//! Every way in which an upstream fails, with something cached and with nothing: what is cached is
//! served, soon, and nothing that is wrong ever looks right.

use std::time::Duration;

use super::harness::bad_upstream::{Fault, On};
use super::harness::image_layout::{Image, Layer};
use super::harness::pulling::{IMAGE, Pulling, image, large, timed};

/// A warm pull takes no longer than the patience that the server is told, and a bit.
const BUDGET: Duration = Duration::from_millis(500 + 700);

fn faults() -> Vec<Fault> {
    let statuses = [400, 401, 403, 404, 418, 429, 500, 502, 503, 504].map(Fault::Status);
    let others = [
        Fault::ResetAfter(0),
        Fault::ResetAfter(10),
        Fault::CutAfter(10),
        Fault::WrongBytes,
        Fault::WrongDigest,
        Fault::Says("<html>log in to this network</html>".to_owned()),
        Fault::Location("http://127.0.0.1:1/".to_owned()),
        Fault::Location("http://169.254.169.254/".to_owned()),
        // The last ones, since a silence is remembered.
        Fault::HangAfter(10),
        Fault::Hang,
    ];
    statuses.into_iter().chain(others).collect()
}

#[test]
fn a_warm_pull_succeeds_whatever_the_upstream_does() {
    let it = Pulling::start();
    let image = image();
    it.pull_all("acme", &image);
    let blob = format!("blobs/{}", large(&image).digest);
    for fault in faults() {
        it.upstream.fails(On::Everything, fault.clone());
        let (answer, took) = timed(|| it.pull("acme", "manifests/latest"));
        let answer = answer.with_status(200).body_is(image.manifest.bytes.as_slice());
        let how = answer.header("x-cache").unwrap().to_owned();
        // What spoils only bodies does not show in a head.
        assert!(how == "STALE" || how == "REVALIDATED", "{fault:?}: {how}");
        assert!(took < BUDGET, "{fault:?}: {took:?}");
        it.pull("acme", &blob).with_status(200).has("x-cache", "HIT");
        it.upstream.heals();
        // What is remembered of a failure is over soon, or was none.
        let again = it.pull("acme", "manifests/latest").with_status(200);
        again.body_is(image.manifest.bytes.as_slice());
    }
}

#[test]
fn the_log_says_why_something_is_stale_or_refused() {
    let it = Pulling::start();
    it.pull_all("acme", &image());
    let says = |words: &[&str]| it.server.logs(&[&[" WARN ", IMAGE], words].concat());
    it.upstream.fails(On::Everything, Fault::Status(401));
    it.pull("acme", "manifests/latest").with_status(200).has("x-cache", "STALE");
    says(&["latest is served as it was cached", &it.upstream.url(), "it answers with 401"]);
    it.pull("acme", "manifests/other").with_status(401);
    says(&["acme: ", "is not cached, and its upstream answers 401"]);
    it.upstream.heals();
    it.upstream.fails(On::Everything, Fault::Hang);
    it.pull("acme", "manifests/latest").with_status(200).has("x-cache", "STALE");
    says(&["latest is served as it was cached", "did not answer within"]);
}

/// The tag has moved, so the upstream's body is needed.
#[test]
fn a_new_manifest_that_cannot_be_had_leaves_the_old_one() {
    for fault in [
        Fault::Status(500),
        Fault::HangAfter(10),
        Fault::ResetAfter(10),
        Fault::CutAfter(10),
        Fault::WrongBytes,
        Fault::WrongDigest,
        Fault::Says("<html>".to_owned()),
    ] {
        let it = Pulling::start();
        let (old, new) = (image(), Image::new(&[Layer::noise(9, 1000)]));
        it.pull_all("acme", &old);
        it.upstream.holds(IMAGE, "latest", &new);
        // The first question is a head, which these faults leave as it is, as far as they can.
        it.upstream.fails(On::Manifests, fault.clone());
        let (answer, took) = timed(|| it.pull("acme", "manifests/latest"));
        let answer = answer.with_status(200).has("x-cache", "STALE");
        answer.body_is(old.manifest.bytes.as_slice());
        assert!(took < BUDGET, "{fault:?}: {took:?}");
        it.upstream.heals();
    }
}

#[test]
fn a_hanging_upstream_is_waited_for_once() {
    let it = Pulling::start();
    it.pull_all("acme", &image());
    it.upstream.fails(On::Everything, Fault::Hang);
    let pull = || it.pull("acme", "manifests/latest").with_status(200).has("x-cache", "STALE");
    let (_, first) = timed(pull);
    assert!(first < BUDGET, "{first:?}");
    for _ in 0..5 {
        let (_, next) = timed(pull);
        assert!(next < Duration::from_millis(250), "it is remembered, and took {next:?}");
    }
}

#[test]
fn a_cold_pull_never_looks_right_when_it_is_not() {
    let it = Pulling::start();
    let image = image();
    let blob = format!("blobs/{}", large(&image).digest);
    for fault in faults() {
        it.upstream.fails(On::Everything, fault.clone());
        for what in ["manifests/latest", blob.as_str()] {
            // A blob is what its own digest says, whatever a header does.
            if what == blob && matches!(fault, Fault::WrongDigest) {
                continue;
            }
            let (status, is_whole) = it.try_pull("acme", what);
            assert!(status != 200 || !is_whole, "{what} {fault:?}");
            if let Fault::Status(told) = fault {
                assert_eq!(status, told, "{what} {fault:?}");
            }
        }
        it.is_settled();
        it.upstream.heals();
        let groups = &it.stats()["groups"];
        assert!(groups["acme"]["pull_blob_from_cache"].as_u64().unwrap_or(0) == 0, "{groups}");
    }
    it.server.has_nothing_staged();
    assert_eq!(it.server.blob_files(), (0, 0), "nothing wrong was stored");
}

#[test]
fn what_breaks_off_in_the_middle_goes_on_from_there() {
    let it = Pulling::start();
    let image = image();
    let blob = large(&image);
    let what = format!("blobs/{}", blob.digest);
    it.upstream.fails_times(2, On::Blobs, Fault::ResetAfter(100_000));
    let answer = it.pull("acme", &what).with_status(200).has("x-cache", "MISS");
    answer.body_is(blob.bytes.as_slice());
    it.is_settled();
    assert_eq!(it.asked("GET", &what), 3);
    let ranges = it.upstream.asked();
    let ranges: Vec<_> = ranges.iter().filter_map(|asked| asked.headers.get("range")).collect();
    assert_eq!(ranges, ["bytes=100000-", "bytes=200000-"]);
    it.pull("acme", &what).with_status(200).has("x-cache", "HIT");
}

#[test]
fn an_upstream_that_knows_no_ranges_sends_all_again() {
    let it = Pulling::start();
    let image = image();
    let blob = large(&image);
    let what = format!("blobs/{}", blob.digest);
    it.upstream.fails(On::Everything, Fault::NoRanges);
    it.upstream.fails_times(1, On::Blobs, Fault::ResetAfter(100_000));
    it.pull("acme", &what).with_status(200).body_is(blob.bytes.as_slice());
    assert_eq!(it.asked("GET", &what), 2);
}
