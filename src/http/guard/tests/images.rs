//! Requests for the registry: who gets through to what, and what a request for a blob does to
//! its upload link.

use super::*;
use crate::model::{Digest, ImageName, OciDigest, Refs};
use crate::store::blobs::{Body, Content};
use crate::store::image_blobs::{BlobPush, ImageBlobInfo};
use crate::store::manifests::{ManifestPush, Needed, Wanted};

fn sum(text: &str) -> Digest {
    let digest: [u8; 32] = <sha2::Sha256 as sha2::Digest>::digest(text.as_bytes()).into();
    Digest(digest)
}

fn content(text: &str) -> Content {
    let body = Body::Inline(Bytes::from(text.to_owned()));
    Content::Uploaded { digest: sum(text), size: text.len().try_into().unwrap(), body }
}

fn image(name: &str) -> ImageName {
    ImageName::parse(name).unwrap()
}

fn url(name: &str, text: &str) -> String {
    format!("/v2/{name}/blobs/{}", OciDigest::from(sum(text)))
}

impl Bench {
    async fn has_blob(&self, name: &str, text: &str) {
        let (image, content) = (image(name), content(text));
        let push = BlobPush { image, content, sha512: None, by: None, upload: None };
        self.server.registry.store().put_image_blob(push).await.unwrap();
    }

    /// The repository has a manifest that names the blob of `text`.
    async fn names(&self, name: &str, text: &str) {
        let blobs = vec![Wanted { digest: sum(text).into(), needed: Needed::Yes }];
        let push = ManifestPush {
            image: image(name),
            tag: None,
            content: content(&format!("a manifest of {text}")),
            sha512: None,
            media_type: "application/vnd.oci.image.manifest.v1+json".to_owned(),
            artifact_type: None,
            subject: None,
            blobs,
            children: Vec::new(),
            by: None,
        };
        self.server.registry.store().push_manifest(push).await.unwrap();
    }

    /// When the link ends; `None`: there is no link.
    fn link_end(&self, name: &str, text: &str) -> Option<Timestamp> {
        let view = self.server.registry.store().view().unwrap();
        let found = view.image_blob(&image(name), &sum(text).into()).unwrap();
        match found {
            Some(ImageBlobInfo { row, .. }) => match row.refs {
                Refs::Free { until } => Some(until),
                Refs::Held { .. } => None,
            },
            None => None,
        }
    }

    /// The one error in the answer to a request.
    async fn error(&self, caller: &Caller, line: &str) -> (u16, String) {
        let answer = self.ask(caller, line).await;
        assert_eq!(answer.header("docker-distribution-api-version"), "registry/2.0", "{line}");
        assert_eq!(answer.header("content-type"), "application/json", "{line}");
        let code = answer.json()["errors"][0]["code"].as_str().unwrap().to_owned();
        (answer.status.as_u16(), code)
    }
}

#[tokio::test]
async fn being_told_of_a_blob_or_getting_it_renews_its_link() {
    let bench = Bench::new(&[]);
    bench.has_blob("a", "one").await;
    let first = bench.link_end("a", "one").unwrap();
    bench.clock.advance(crate::store::UPLOAD_LINK / 2);
    assert_eq!(bench.ask(&admin(), &format!("HEAD {}", url("a", "one"))).await.status, 200);
    let second = bench.link_end("a", "one").unwrap();
    assert_eq!(second, first.after(crate::store::UPLOAD_LINK / 2));
    bench.clock.advance(crate::store::UPLOAD_LINK / 2);
    let got = bench.ask(&admin(), &format!("GET {}", url("a", "one"))).await;
    assert_eq!((got.status.as_u16(), got.body.as_str()), (200, "one"));
    assert!(bench.link_end("a", "one").unwrap() > second);
    // What a manifest names needs no promise.
    bench.names("a", "one").await;
    assert_eq!(bench.ask(&admin(), &format!("HEAD {}", url("a", "one"))).await.status, 200);
    assert_eq!(bench.link_end("a", "one"), None);
}

#[tokio::test]
async fn a_blob_that_a_manifest_names_is_not_deleted() {
    let bench = Bench::new(&[]);
    bench.has_blob("a", "one").await;
    bench.names("a", "one").await;
    let path = url("a", "one");
    let refused = bench.ask(&admin(), &format!("DELETE {path}")).await;
    assert_eq!((refused.status.as_u16(), refused.header("allow")), (405, "GET,HEAD"));
    let detail = &refused.json()["errors"][0]["detail"]["digest"];
    assert_eq!(detail.as_str().unwrap(), OciDigest::from(sum("one")).to_string());
    assert_eq!(bench.ask(&admin(), &format!("GET {path}")).await.body, "one");
}

#[tokio::test]
async fn whoever_is_known_may_log_in_whatever_the_rules_name() {
    let bench = Bench::new(&[("ANONYMOUS", "r /v2/**\n"), ("dev", "rw /v2/a/**\n")]);
    let dev = user("dev", &["dev"]);
    for base in ["GET /v2/", "HEAD /v2", "GET /%762/"] {
        assert_eq!(bench.ask(&dev, base).await.status, 200, "{base}");
        assert_eq!(bench.ask(&Caller::Anonymous, base).await.status, 401, "{base}");
    }
    assert_eq!(bench.error(&Caller::Anonymous, "GET /v2/").await, (401, "UNAUTHORIZED".to_owned()));
    assert_eq!(bench.ask(&user("stranger", &[]), "GET /v2/").await.status, 200);
}

#[tokio::test]
async fn each_repository_is_asked_about_by_its_own_url() {
    let bench = Bench::new(&[
        ("ANONYMOUS", "r /v2/open/**\n"),
        ("dev", "rw /v2/a/** !/v2/a/secret/**\nr /v2/b/**\n"),
    ]);
    let (dev, nobody) = (user("dev", &["dev"]), Caller::Anonymous);
    for name in ["a/x", "a/secret/x", "b/x", "open/x"] {
        bench.has_blob(name, "one").await;
    }
    let denied = || (403, "DENIED".to_owned());
    let get = |name| format!("GET {}", url(name, "one"));
    assert_eq!(bench.ask(&dev, &get("a/x")).await.body, "one");
    assert_eq!(bench.ask(&dev, &get("b/x")).await.body, "one");
    assert_eq!(bench.error(&dev, &get("a/secret/x")).await, denied());
    assert_eq!(bench.error(&dev, &get("open/x")).await, denied());
    assert_eq!(bench.ask(&nobody, &get("open/x")).await.body, "one");
    assert_eq!(bench.error(&nobody, &get("a/x")).await, (401, "UNAUTHORIZED".to_owned()));
    // No spelling evades a rule.
    for path in ["/v2/a%2Fsecret/x", "/v2/a/%73ecret/x", "/%762/a/secret/x", "/v2/a/SECRET/x"] {
        let digest = OciDigest::from(sum("one"));
        let answer = bench.ask(&dev, &format!("GET {path}/blobs/{digest}")).await;
        assert!([400, 403].contains(&answer.status.as_u16()), "{path}: {answer:?}");
        assert!(!answer.body.contains("one"), "{path}");
    }
    // The right comes first: what is there and what is not look alike.
    let absent = format!("GET {}", url("a/secret/x", "two"));
    assert_eq!(bench.error(&dev, &absent).await, denied());
    assert_eq!(bench.error(&dev, &format!("DELETE {}", url("b/x", "one"))).await, denied());
    assert_eq!(bench.error(&dev, "POST /v2/b/x/blobs/uploads/").await, denied());
    assert_eq!(bench.ask(&dev, &format!("DELETE {}", url("a/x", "one"))).await.status, 202);
}

#[tokio::test]
async fn an_answer_is_for_everybody_only_where_everybody_may_read() {
    let bench = Bench::new(&[("ANONYMOUS", "r /v2/open/**\n"), ("dev", "r /v2/**\n")]);
    for name in ["open/x", "shut/x"] {
        bench.has_blob(name, "one").await;
        let got = bench.ask(&user("dev", &["dev"]), &format!("GET {}", url(name, "one"))).await;
        assert_eq!(got.header("cache-control").starts_with("public"), name == "open/x", "{name}");
    }
}
