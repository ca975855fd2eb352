//! HEAD with `Digest` and links tell nothing of contents that the caller could not know.

use std::time::Duration;

use super::*;

const RULES: &[(&str, &str)] = &[
    ("dev", "rw /branches/dev/**\n"),
    ("ops", "rw /branches/**\n"),
    ("drop", "rw /branches/drop/**\n"),
];

/// SHA-256 of "the secret".
fn sum(text: &str) -> String {
    let digest: [u8; 32] = <sha2::Sha256 as sha2::Digest>::digest(text.as_bytes()).into();
    format!("sha256:{}", crate::model::Digest(digest))
}

/// A second less than a lease.
const ALMOST: Duration = Duration::from_secs(599);

async fn knows(bench: &Bench, caller: &Caller, path: &str, text: &str) -> bool {
    let sum = sum(text);
    let head = bench.send(caller, &format!("HEAD {path}"), &[("digest", &sum)], "").await;
    assert!([200, 404].contains(&head.status.as_u16()), "{head:?}");
    head.status == 200
}

async fn links(bench: &Bench, caller: &Caller, path: &str, text: &str) -> bool {
    let sum = sum(text);
    let headers = [("digest", sum.as_str()), ("x-dlrepo-link", sum.as_str())];
    let link = bench.send(caller, &format!("PUT {path}"), &headers, "").await;
    assert!([201, 404].contains(&link.status.as_u16()), "{link:?}");
    link.status == 201
}

#[tokio::test]
async fn a_content_is_known_by_a_path_that_may_be_read() {
    let bench = Bench::new(RULES);
    let (dev, ops) = (user("dev", &["dev"]), user("ops", &["ops"]));
    bench.holds("/branches/ops/t/j/f/x", "the secret").await;
    let own = "/branches/dev/t/j/f/x";
    assert!(!knows(&bench, &dev, own, "the secret").await);
    assert!(!links(&bench, &dev, own, "the secret").await);
    // The answer is the one about a content that nobody has.
    let unknown = |text| {
        let (bench, dev, sum) = (&bench, &dev, sum(text));
        async move {
            let headers = [("digest", sum.as_str()), ("x-dlrepo-link", sum.as_str())];
            let answer = bench.send(dev, "PUT /branches/dev/t/j/f/x", &headers, "").await;
            (answer.status, answer.body.replace(&sum[7..], ""))
        }
    };
    assert_eq!(unknown("the secret").await, unknown("something else").await);
    assert!(knows(&bench, &ops, own, "the secret").await);
    assert!(knows(&bench, &admin(), own, "the secret").await);
    assert!(links(&bench, &ops, own, "the secret").await);
    assert!(knows(&bench, &dev, own, "the secret").await);
    assert!(links(&bench, &dev, "/branches/dev/t/j/f/y", "the secret").await);
    // The path of the request is asked about as well.
    let foreign = bench.send(&dev, "HEAD /branches/ops/t/j/f/x", &[], "").await;
    assert_eq!(foreign.status, 403);
    let sum = sum("the secret");
    for path in ["/branches/ops/t/j/f/x", "/branches/ops/latest/j/f/x"] {
        let headers = [("digest", sum.as_str())];
        assert_eq!(bench.send(&dev, &format!("HEAD {path}"), &headers, "").await.status, 403);
    }
}

#[tokio::test]
async fn a_deleted_path_is_no_proof_but_what_was_told_holds() {
    let bench = Bench::new(RULES);
    let (told, late) = (user("told", &["dev"]), user("late", &["dev"]));
    bench.holds("/branches/dev/t/j/f/x", "the secret").await;
    bench.holds("/branches/ops/t/j/f/x", "the secret").await;
    assert!(knows(&bench, &told, "/branches/dev/u/j/f/x", "the secret").await);
    assert_eq!(bench.ask(&admin(), "DELETE /branches/dev/").await.status, 200);
    assert!(!links(&bench, &late, "/branches/dev/u/j/f/x", "the secret").await);
    assert!(links(&bench, &told, "/branches/dev/u/j/f/x", "the secret").await);
    assert_eq!(bench.ask(&admin(), "DELETE /branches/dev/").await.status, 200);
    bench.clock.advance(LEASE + Duration::from_secs(2));
    assert!(!links(&bench, &told, "/branches/dev/u/j/f/x", "the secret").await);
}

#[tokio::test]
async fn who_sent_a_content_may_send_it_elsewhere_for_a_lease() {
    for text in ["the secret", &"a long secret ".repeat(100)] {
        let bench = Bench::new(RULES);
        let (eve, bob) = (user("eve", &["drop"]), user("bob", &["drop"]));
        bench.holds("/branches/ops/t/j/f/x", text).await;
        let path = "/branches/drop/t/j/f/x";
        assert!(!knows(&bench, &eve, path, text).await);
        assert_eq!(bench.send(&eve, &format!("PUT {path}"), &[], text).await.status, 201);
        assert_eq!(bench.ask(&admin(), "DELETE /branches/drop/").await.status, 200);
        assert!(knows(&bench, &eve, path, text).await);
        assert!(!knows(&bench, &bob, path, text).await);
        bench.clock.advance(ALMOST);
        // Told again, so it holds for another lease.
        assert!(knows(&bench, &eve, path, text).await);
        bench.clock.advance(ALMOST);
        assert!(links(&bench, &eve, path, text).await);
        assert_eq!(bench.ask(&admin(), "DELETE /branches/drop/").await.status, 200);
        bench.clock.advance(LEASE + Duration::from_secs(2));
        assert!(!knows(&bench, &eve, path, text).await);
    }
}

#[tokio::test]
async fn no_more_than_64_references_are_tried_and_the_newest_first() {
    let bench = Bench::new(RULES);
    let dev = user("dev", &["dev"]);
    bench.holds("/branches/dev/t/j/f/x", "the secret").await;
    for number in 0..63 {
        bench.holds(&format!("/branches/ops/t/j/f{number}/x"), "the secret").await;
    }
    assert!(knows(&bench, &dev, "/branches/dev/t/j/f/y", "the secret").await);
    bench.holds("/branches/ops/t/j/f63/x", "the secret").await;
    let other = user("other", &["dev"]);
    assert!(!knows(&bench, &other, "/branches/dev/t/j/f/y", "the secret").await);
    bench.holds("/branches/dev/u/j/f/x", "the secret").await;
    assert!(knows(&bench, &other, "/branches/dev/t/j/f/y", "the secret").await);
}
