//! Tables of the proxy's URLs and what they mean.

use super::super::{Routed, Spelling, route};
use super::*;

fn found(method: &str, path: &str) -> Route {
    match route(&method.parse().unwrap(), path) {
        Routed::Found(route, Spelling::Canonical) => route,
        other => panic!("{method} {path}: {other:?}"),
    }
}

fn sum() -> String {
    format!("sha256:{}", "a5".repeat(32))
}

#[test]
fn every_url_is_taken_apart_at_the_first_pair_of_words() {
    let sum = sum();
    for (path, group, image, canonical) in [
        ("/v2/g/dependency_proxy/containers/alpine/manifests/latest", "g", "alpine", ""),
        (
            "/v2/a/b.c/D/dependency_proxy/containers/library/x/manifests/V1",
            "a/b.c/d",
            "library/x",
            "/v2/a/b.c/d/dependency_proxy/containers/library/x/manifests/V1",
        ),
        (
            &format!("/v2/g/dependency_proxy/containers/a/b/c/d/e/f/blobs/{sum}"),
            "g",
            "a/b/c/d/e/f",
            "",
        ),
        (&format!("/v2/g/dependency_proxy/containers/x/manifests/{sum}"), "g", "x", ""),
        (&format!("/v2/g/dependency_proxy/containers/x/referrers/{sum}"), "g", "x", ""),
        (
            "/v2/%67/dependency%5Fproxy/containers/%61/manifests/t",
            "g",
            "a",
            "/v2/g/dependency_proxy/containers/a/manifests/t",
        ),
        // The words of the protocol, and of the proxy, may be parts of an image's name.
        (
            "/v2/g/dependency_proxy/containers/h/dependency_proxy/containers/x/manifests/t",
            "g",
            "h/dependency_proxy/containers/x",
            "",
        ),
        (
            "/v2/g/dependency_proxy/containers/manifests/blobs/manifests/t",
            "g",
            "manifests/blobs",
            "",
        ),
        ("/v2/manifests/dependency_proxy/containers/x/manifests/t", "manifests", "x", ""),
    ] {
        let canonical = if canonical.is_empty() { path } else { canonical };
        for method in ["GET", "HEAD"] {
            let route = found(method, path);
            let Route::Proxy(proxy) = &route else { panic!("{path}: {route:?}") };
            assert_eq!((proxy.group.to_string().as_str(), proxy.image.as_str()), (group, image));
            assert_eq!(route.canonical_path(), canonical);
            assert_eq!(found(method, canonical), route, "{path}");
            assert_eq!(route.right(&Method::GET), None, "{path}: roles decide, and not the rules");
        }
        assert!(is_proxy(path) && is_proxy(canonical), "{path}");
    }
}

#[test]
fn what_cannot_be_is_refused_in_the_words_of_the_specification() {
    let sum = sum();
    let long = format!("/v2/g/dependency_proxy/containers/{}/manifests/t", "a".repeat(256));
    for (line, status, code) in [
        ("GET /v2/dependency_proxy/containers/x/manifests/t", 400, "NAME_INVALID"),
        ("GET /v2//dependency_proxy/containers/x/manifests/t", 400, "NAME_INVALID"),
        ("GET /v2/a/../g/dependency_proxy/containers/x/manifests/t", 400, "NAME_INVALID"),
        ("GET /v2/a%2Fg/dependency_proxy/containers/x/manifests/t", 400, "NAME_INVALID"),
        ("GET /v2/u/dependency_proxy/containers/x/manifests/t", 400, "NAME_INVALID"),
        ("GET /v2/-g/dependency_proxy/containers/x/manifests/t", 400, "NAME_INVALID"),
        ("GET /v2/g/dependency_proxy/containers/manifests/t", 400, "NAME_INVALID"),
        ("GET /v2/g/dependency_proxy/containers//manifests/t", 400, "NAME_INVALID"),
        ("GET /v2/g/dependency_proxy/containers/a//b/manifests/t", 400, "NAME_INVALID"),
        ("HEAD /v2/g/dependency_proxy/containers/../x/manifests/t", 400, "NAME_INVALID"),
        ("GET /v2/g/dependency_proxy/containers/%2e%2e/x/manifests/t", 400, "NAME_INVALID"),
        ("GET /v2/g/dependency_proxy/containers/a%2Fb/manifests/t", 400, "NAME_INVALID"),
        ("GET /v2/g/dependency_proxy/containers/a/..%2fb/manifests/t", 400, "NAME_INVALID"),
        ("GET /v2/g/dependency_proxy/containers/a%00/manifests/t", 400, "NAME_INVALID"),
        ("GET /v2/g/dependency_proxy/containers/a%3Fb/manifests/t", 400, "NAME_INVALID"),
        (&format!("GET {long}"), 400, "NAME_INVALID"),
        ("GET /v2/g/dependency_proxy/containers/x/manifests/..", 400, "TAG_INVALID"),
        ("GET /v2/g/dependency_proxy/containers/x/manifests/a%2Fb", 400, "TAG_INVALID"),
        ("GET /v2/g/dependency_proxy/containers/x/manifests/%2e%2e%2fb", 400, "TAG_INVALID"),
        ("GET /v2/g/dependency_proxy/containers/x/manifests/", 400, "TAG_INVALID"),
        ("GET /v2/g/dependency_proxy/containers/x/manifests/sha256:bad", 400, "DIGEST_INVALID"),
        ("HEAD /v2/g/dependency_proxy/containers/x/blobs/x", 400, "DIGEST_INVALID"),
        ("GET /v2/g/dependency_proxy/containers/x/referrers/t", 400, "DIGEST_INVALID"),
        (&format!("PUT /v2/g/dependency_proxy/containers/x/manifests/{sum}"), 404, "UNSUPPORTED"),
        ("PATCH /v2/g/dependency_proxy/containers/x/manifests/..", 404, "UNSUPPORTED"),
        ("DELETE /v2/g/dependency_proxy/containers/x/manifests/t", 404, "UNSUPPORTED"),
        ("OPTIONS /v2/g/dependency_proxy/containers/x/manifests/t", 404, "UNSUPPORTED"),
        ("POST /v2/g/dependency_proxy/containers/x/blobs/uploads/", 404, "UNSUPPORTED"),
        ("GET /v2/g/dependency_proxy/containers/x/blobs/uploads", 404, "UNSUPPORTED"),
        ("GET /v2/g/dependency_proxy/containers/x/blobs/uploads/", 404, "UNSUPPORTED"),
        ("PUT /v2/g/dependency_proxy/containers/x/blobs/uploads/7", 404, "UNSUPPORTED"),
        ("GET /v2/g/dependency_proxy/containers/x/tags/list", 404, "UNSUPPORTED"),
        ("GET /v2/g/dependency_proxy/containers/", 404, "UNSUPPORTED"),
        ("GET /v2/g/dependency_proxy/containers", 404, "UNSUPPORTED"),
    ] {
        let (method, path) = line.split_once(' ').unwrap();
        let Route::NoProxy(no) = found(method, path) else { panic!("{line} is valid") };
        let error = no.refusal();
        assert_eq!((error.status().as_u16(), error.code().as_str()), (status, code), "{line}");
        assert!(is_proxy(path), "{line}");
    }
}

#[test]
fn what_only_looks_alike_is_not_the_proxys() {
    for path in [
        "/v2/",
        "/v2/g/dependency_proxy/manifests/t",
        "/v2/dependency_proxy/x/containers/manifests/t",
        "/v2/g/dependency_proxy%2Fcontainers/x/manifests/t",
        "/v2/g/Dependency_Proxy/containers/x/manifests/t",
        "/g/dependency_proxy/containers/x/manifests/t",
    ] {
        let routed = route(&Method::GET, path);
        let is = matches!(routed, Routed::Found(Route::Proxy(_) | Route::NoProxy(_), _));
        assert!(!is && !is_proxy(path), "{path}");
    }
}
