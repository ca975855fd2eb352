//! Tables of the registry's URLs and what they mean.

use super::super::{Routed, Spelling, render_allow, route};
use super::*;
use crate::http::route::Route;

const METHODS: [&str; 6] = ["GET", "HEAD", "PUT", "PATCH", "POST", "DELETE"];

fn sum() -> String {
    format!("sha256:{}", "a5".repeat(32))
}

fn found(method: &str, path: &str) -> RegistryRoute {
    match route(&method.parse().unwrap(), path) {
        Routed::Found(Route::Registry(route), Spelling::Canonical) => route,
        other => panic!("{method} {path}: {other:?}"),
    }
}

fn refusal(method: &str, path: &str) -> (u16, String) {
    let RegistryRoute::Invalid(invalid) = found(method, path) else { panic!("{path} is valid") };
    let error = invalid.refusal(&method.parse().unwrap());
    (error.status().as_u16(), error.code().as_str().to_owned())
}

#[test]
fn every_url_has_one_canonical_path() {
    let (sum, id) = (sum(), "0a".repeat(16));
    let sum512 = format!("sha512:{}", "0f".repeat(64));
    for (path, canonical) in [
        ("/v2", "/v2/"),
        ("/v2/", "/v2/"),
        ("/%762/", "/v2/"),
        ("/v2/_catalog", "/v2/_catalog"),
        ("/v2/a/tags/list", "/v2/a/tags/list"),
        ("/v2/a/b/c/d/tags/list", "/v2/a/b/c/d/tags/list"),
        ("/v2/u/alice/a/b/manifests/V1", "/v2/u/alice/a/b/manifests/V1"),
        ("/v2/a/manifests/latest", "/v2/a/manifests/latest"),
        (&format!("/v2/a/manifests/{sum}"), &format!("/v2/a/manifests/{sum}")),
        (
            &format!("/v2/%61/manifests/{}", sum.replace(':', "%3a")),
            &format!("/v2/a/manifests/{sum}"),
        ),
        (&format!("/v2/a/manifests/{sum512}"), &format!("/v2/a/manifests/{sum512}")),
        (&format!("/v2/a/b/blobs/{sum}"), &format!("/v2/a/b/blobs/{sum}")),
        ("/v2/a/blobs/uploads", "/v2/a/blobs/uploads/"),
        ("/v2/a/blobs/uploads/", "/v2/a/blobs/uploads/"),
        (&format!("/v2/a/blobs/uploads/{id}"), &format!("/v2/a/blobs/uploads/{id}")),
        (&format!("/v2/a/referrers/{sum512}"), &format!("/v2/a/referrers/{sum512}")),
        // The words of the protocol may be parts of a name.
        ("/v2/blobs/uploads/manifests/tags", "/v2/blobs/uploads/manifests/tags"),
        ("/v2/tags/list/tags/list", "/v2/tags/list/tags/list"),
        ("/v2/manifests/blobs/uploads/", "/v2/manifests/blobs/uploads/"),
        (&format!("/v2/a/blobs/uploads/blobs/{sum}"), &format!("/v2/a/blobs/uploads/blobs/{sum}")),
    ] {
        let method = if canonical.ends_with("uploads/") { "POST" } else { "GET" };
        let route = found(method, path);
        assert!(!matches!(route, RegistryRoute::Invalid(_)), "{path}");
        assert_eq!(route.canonical_path(), canonical, "{path}");
        assert_eq!(found(method, canonical), route, "{path}");
    }
}

#[test]
fn each_form_takes_its_methods() {
    let (sum, id) = (sum(), "0a".repeat(16));
    for (path, methods) in [
        ("/v2/", "GET,HEAD"),
        ("/v2/_catalog", "GET,HEAD"),
        ("/v2/a/tags/list", "GET,HEAD"),
        ("/v2/a/manifests/t", "DELETE,GET,HEAD,PUT"),
        (&format!("/v2/a/blobs/{sum}"), "DELETE,GET,HEAD"),
        ("/v2/a/blobs/uploads/", "POST"),
        (&format!("/v2/a/blobs/uploads/{id}"), "DELETE,GET,HEAD,PATCH,PUT"),
        (&format!("/v2/a/referrers/{sum}"), "GET,HEAD"),
        ("/v2/A/blobs/uploads/", "POST"),
        ("/v2/A/manifests/t", "DELETE,GET,HEAD,PUT"),
    ] {
        for method in METHODS {
            match route(&method.parse().unwrap(), path) {
                Routed::Found(..) => assert!(methods.split(',').any(|one| one == method), "{path}"),
                Routed::MethodNotAllowed(allow) => {
                    assert_eq!(render_allow(allow), methods, "{method} {path}");
                    assert!(methods.split(',').all(|one| one != method), "{method} {path}");
                }
                other => panic!("{method} {path}: {other:?}"),
            }
        }
    }
}

#[test]
fn what_cannot_be_is_refused_in_the_words_of_the_specification() {
    let sum = sum();
    let long = format!("/v2/{}/manifests/t", "a".repeat(256));
    for (line, status, code) in [
        ("GET /v2/A/b/manifests/t", 400, "NAME_INVALID"),
        ("PUT /v2/a/B/manifests/t", 400, "NAME_INVALID"),
        ("GET /v2//tags/list", 400, "NAME_INVALID"),
        ("GET /v2/tags/list", 400, "NAME_INVALID"),
        ("GET /v2/a//b/tags/list", 400, "NAME_INVALID"),
        ("GET /v2/a%2Fb/tags/list", 400, "NAME_INVALID"),
        ("GET /v2/a/..%2fb/tags/list", 400, "NAME_INVALID"),
        ("GET /v2/a/../b/tags/list", 400, "NAME_INVALID"),
        ("GET /v2/a%00/tags/list", 400, "NAME_INVALID"),
        ("POST /v2/u/alice/blobs/uploads/", 400, "NAME_INVALID"),
        (&format!("GET {long}"), 400, "NAME_INVALID"),
        ("HEAD /v2/u/alice/blobs/sha256:bad", 404, "NAME_INVALID"),
        ("HEAD /v2/A/manifests/t", 404, "NAME_INVALID"),
        ("GET /v2/a/manifests/.INVALID", 404, "MANIFEST_UNKNOWN"),
        ("HEAD /v2/a/manifests/", 404, "MANIFEST_UNKNOWN"),
        ("GET /v2/a/manifests/sha256:bad", 404, "MANIFEST_UNKNOWN"),
        ("PUT /v2/a/manifests/sha256:bad", 400, "DIGEST_INVALID"),
        ("PUT /v2/a/manifests/-x", 400, "MANIFEST_INVALID"),
        ("PUT /v2/a/manifests/b%2Fc", 400, "MANIFEST_INVALID"),
        ("DELETE /v2/a/manifests/sha256:bad", 400, "DIGEST_INVALID"),
        (&format!("GET /v2/a/blobs/{}", sum.to_uppercase()), 404, "BLOB_UNKNOWN"),
        ("HEAD /v2/a/blobs/md5:d41d8cd98f00b204e9800998ecf8427e", 404, "BLOB_UNKNOWN"),
        ("DELETE /v2/a/blobs/x", 400, "DIGEST_INVALID"),
        ("GET /v2/a/referrers/sha256:bad", 400, "DIGEST_INVALID"),
        ("PATCH /v2/a/blobs/uploads/xyz", 404, "BLOB_UPLOAD_UNKNOWN"),
        ("GET /v2/a/blobs/uploads/xyz", 404, "BLOB_UPLOAD_UNKNOWN"),
    ] {
        let (method, path) = line.split_once(' ').unwrap();
        assert_eq!(refusal(method, path), (status, code.to_owned()), "{line}");
        // Nothing else is said by a path that has another spelling.
        assert!(found(method, path).canonical_path().starts_with("/v2/"), "{line}");
    }
}

#[test]
fn what_has_no_form_is_not_there() {
    for path in
        ["/v2/a", "/v2/a/", "/v2/_catalog/", "/v2/a/tags", "/v2/a/tags/list/", "/V2/", "/v1/_ping"]
    {
        for method in ["GET", "PUT", "POST"] {
            let routed = route(&method.parse().unwrap(), path);
            assert!(matches!(routed, Routed::NotFound(_)), "{method} {path}: {routed:?}");
        }
    }
    for (path, is) in [
        ("/v2", true),
        ("/v2/x", true),
        ("/%762/x", true),
        ("/v2%2fx", false),
        ("/v22/", false),
        ("/V2/", false),
        ("v2/", false),
        ("/%", false),
    ] {
        assert_eq!(is_registry(path), is, "{path}");
    }
}

#[test]
fn whoever_may_push_may_begin_an_upload_and_give_it_up() {
    let (sum, id) = (sum(), "0a".repeat(16));
    for (line, right) in [
        ("POST /v2/a/blobs/uploads/", Right::Add),
        (&format!("DELETE /v2/a/blobs/uploads/{id}"), Right::Add),
        (&format!("GET /v2/a/blobs/uploads/{id}"), Right::Read),
        (&format!("DELETE /v2/a/blobs/{sum}"), Right::Delete),
        ("DELETE /v2/a/manifests/t", Right::Delete),
        ("PUT /v2/a/manifests/t", Right::Add),
        ("HEAD /v2/a/manifests/t", Right::Read),
    ] {
        let (method, path) = line.split_once(' ').unwrap();
        assert_eq!(found(method, path).right(&method.parse().unwrap()), right, "{line}");
    }
}
