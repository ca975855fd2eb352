//! Tables of request lines and what they mean.

use super::*;

fn found(method: &str, path: &str) -> (Route, Spelling) {
    match route(&method.parse().unwrap(), path) {
        Routed::Found(route, spelling) => (route, spelling),
        other => panic!("{method} {path}: {other:?}"),
    }
}

fn allowed(method: &str, path: &str) -> String {
    match route(&method.parse().unwrap(), path) {
        Routed::MethodNotAllowed(allow) => render_allow(allow),
        other => panic!("{method} {path}: {other:?}"),
    }
}

#[test]
fn every_url_has_one_canonical_path_and_get_redirects_to_it() {
    use Spelling::{Canonical, Variant};
    for (path, canonical, spelling) in [
        ("/", "/", Canonical),
        ("/branches", "/branches/", Variant),
        ("/branches/", "/branches/", Canonical),
        ("/branches/Main", "/branches/main/", Variant),
        ("/branches/Main/", "/branches/main/", Canonical),
        ("/branches/b/t", "/branches/b/t/", Variant),
        ("/branches/b/T/", "/branches/b/t/", Variant),
        ("/branches/b/LATEST/", "/branches/b/latest/", Variant),
        ("/branches/b/t/", "/branches/b/t/", Canonical),
        ("/branches/b/t/j", "/branches/b/t/j/", Variant),
        ("/branches/b/t/J/", "/branches/b/t/j/", Variant),
        ("/branches/b/t/x.tar/", "/branches/b/t/x.tar/", Canonical),
        ("/branches/b/t/x.tar.tar", "/branches/b/t/x.tar.tar", Canonical),
        ("/branches/b/T/j.tar", "/branches/b/t/j.tar", Variant),
        ("/branches/b/stable/j/f.tar", "/branches/b/stable/j/f.tar", Canonical),
        ("/branches/b/t/j/F.tar", "/branches/b/t/j/f.tar", Variant),
        ("/products", "/products/", Variant),
        ("/products/", "/products/", Canonical),
        ("/products/P/", "/products/p/", Canonical),
        ("/products/p", "/products/p/", Variant),
        ("/products/p/V/", "/products/p/v/", Canonical),
        ("/products/p/v/B/", "/products/p/v/b/", Canonical),
        ("/products/p/v/b", "/products/p/v/b/", Variant),
        ("/products/p/v/b/X/", "/products/p/v/b/x/", Variant),
        ("/products/p/v/b/x", "/products/p/v/b/x/", Variant),
        ("/products/p/v/b/latest/", "/products/p/v/b/latest/", Canonical),
        ("/products/p/v/b/x.tar", "/products/p/v/b/x.tar", Canonical),
        ("/products/p/v/b/x.tar/", "/products/p/v/b/x.tar/", Canonical),
        ("/products/p/v/b/OldStable.tar", "/products/p/v/b/oldstable.tar", Variant),
        ("/products/p/v/b/x/f", "/products/p/v/b/x/f", Canonical),
        ("/products/p/v/b/x/F/", "/products/p/v/b/x/f/", Variant),
        ("/products/p/v/b/x/f.tar", "/products/p/v/b/x/f.tar", Canonical),
        ("/products/p/v/b/x/f.sha256", "/products/p/v/b/x/f.sha256", Canonical),
        ("/products/p/v/b/x/f/A/B", "/products/p/v/b/x/f/A/B", Canonical),
        ("/products/p/v/b/x/f/A/", "/products/p/v/b/x/f/A/", Canonical),
        ("/~U/products/%C3%84/v/b/1%232/", "/~u/products/%C3%A4/v/b/1%232/", Variant),
        ("/branches/b/t/j/f", "/branches/b/t/j/f", Canonical),
        ("/branches/b/t/j/F", "/branches/b/t/j/f", Variant),
        ("/branches/b/t/j/f/", "/branches/b/t/j/f/", Canonical),
        ("/branches/B/t/j/f.sha256", "/branches/b/t/j/f.sha256", Variant),
        ("/branches/b/t/j/f/Dir/App.TGZ", "/branches/b/t/j/f/Dir/App.TGZ", Canonical),
        ("/branches/b/t/j/F/Dir/App.TGZ", "/branches/b/t/j/f/Dir/App.TGZ", Variant),
        ("/branches/b/t/j/f/Dir/", "/branches/b/t/j/f/Dir/", Canonical),
        ("/branches/b/t/j/f/a%2Fb", "/branches/b/t/j/f/a/b", Canonical),
        ("/~Zoë/branches", "/~zo%C3%AB/branches/", Variant),
        ("/~u/branches/b/", "/~u/branches/b/", Canonical),
        ("/%7eu/branches/b/t/j/f/x", "/~u/branches/b/t/j/f/x", Canonical),
        ("/~U/branches/b/t/j/f.sha256", "/~u/branches/b/t/j/f.sha256", Variant),
        ("/~u", "/~u/", Variant),
        ("/~u/", "/~u/", Canonical),
        ("/~Zoë/", "/~zo%C3%AB/", Variant),
        ("/-/health", "/-/health", Canonical),
        ("/-/ready", "/-/ready", Canonical),
        ("/-/stats", "/-/stats", Canonical),
        ("/-/sweeps", "/-/sweeps", Canonical),
    ] {
        for method in ["GET", "HEAD"] {
            let (route, how) = found(method, path);
            assert_eq!((route.canonical_path().as_str(), how), (canonical, spelling), "{path}");
            assert_eq!(found("GET", canonical), (route, Canonical), "{path}");
        }
    }
}

#[test]
fn odd_characters_survive_the_way_there_and_back() {
    let (route, spelling) = found("GET", "/branches/b/1%23%3F%25/%C3%84+%20'/f/%7e+x%20é");
    let canonical = "/branches/b/1%23%3F%25/%C3%A4+%20%27/f/~+x%20%C3%A9";
    assert_eq!((route.canonical_path().as_str(), spelling), (canonical, Spelling::Variant));
    assert_eq!(found("GET", canonical), (route, Spelling::Canonical));
}

#[test]
fn the_methods_are_those_of_appendix_a() {
    for (path, methods) in [
        ("/", "GET,HEAD"),
        ("/~u/", "GET,HEAD"),
        ("/-/health", "GET,HEAD"),
        ("/-/sweeps", "GET,HEAD,POST"),
        ("/branches", "GET"),
        ("/branches/", "GET"),
        ("/branches/b", "DELETE,GET,POST"),
        ("/branches/b/", "DELETE,GET,POST"),
        ("/branches/b/T", "DELETE,GET,POST"),
        ("/branches/b/stable/", "GET,HEAD"),
        ("/branches/b/t/j.tar", "GET"),
        ("/branches/b/t/j/f.tar", "GET,HEAD"),
        ("/products/", "GET"),
        ("/products/p/", "GET"),
        ("/products/p/v/", "GET"),
        ("/products/p/v/b/", "GET"),
        ("/products/p/v/b/x/", "GET"),
        ("/products/p/v/b/x.tar", "GET"),
        ("/products/p/v/b/latest/", "GET"),
        ("/products/p/v/b/x/f", "GET,HEAD"),
        ("/products/p/v/b/x/f.tar", "GET,HEAD"),
        ("/products/p/v/b/x/f.sha256", "GET"),
        ("/branches/b/t/j", "DELETE,GET,PATCH,POST,PUT"),
        ("/branches/b/t/j/", "DELETE,GET,PATCH,POST,PUT"),
        ("/branches/b/latest/j/", "GET"),
        ("/branches/b/t/j/f", "GET,HEAD"),
        ("/branches/b/t/j/f.sha256", "GET"),
        ("/branches/b/t/j/f/", "DELETE,GET,HEAD,PATCH"),
        ("/branches/b/OldStable/j/f/", "GET"),
        ("/branches/b/t/j/f/a/b", "GET,HEAD,PUT"),
        ("/branches/b/latest/j/f/a/b", "GET"),
    ] {
        assert_eq!(allowed("OPTIONS", path), methods, "{path}");
        for method in ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"] {
            if method == "HEAD" || methods.split(',').any(|allowed| allowed == method) {
                found(method, path);
            } else {
                assert_eq!(allowed(method, path), methods, "{method} {path}");
            }
        }
    }
}

#[test]
fn impossible_names_are_absent_for_every_method() {
    for path in [
        "",
        "*",
        "//",
        "/favicon.ico",
        "/nothing",
        "/-/",
        "/-/health/",
        "/Branches/",
        "/branches//",
        "/branches/.git/",
        "/branches/../",
        "/branches/a%2Fb/",
        "/~/branches/",
        "/~../branches/",
        "/~a%2f..%2fb/branches/",
        "/u/branches/",
        "/branches/a%00/",
        "/branches/b//j/",
        "/branches/b/t//f/x",
        "/branches/b/t/.tar",
        "/branches/b/t/j/.tar",
        "/products//",
        "/products/p/.v/",
        "/products/p/v/b/.tar",
        "/products/p/v/b/x/.tar",
        "/products/p/v/b/x//y",
        "/~../products/",
        "/branches/b/t/j/.sha256",
        "/branches/b/t/j//x",
    ] {
        for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
            let routed = route(&method.parse().unwrap(), path);
            assert!(matches!(routed, Routed::NotFound(_)), "{method} {path}: {routed:?}");
        }
    }
}

#[test]
fn what_cannot_be_read_or_stored_is_a_bad_request() {
    let long = format!("/branches/{}/", "x".repeat(256));
    for (method, path) in [
        ("GET", "/branches/%"),
        ("GET", "/branches/%4"),
        ("GET", "/branches/%zz/"),
        ("GET", "/branches/%ff/"),
        ("GET", "/branches/%%41/"),
        ("GET", long.as_str()),
        ("PUT", "/branches/b/t/j/f/.dirty"),
        ("PUT", "/branches/b/t/j/f/a/../b"),
        ("PUT", "/branches/b/t/j/f/a%2f..%2fb"),
        ("PUT", "/branches/b/t/j/f//a"),
        ("PUT", "/branches/b/t/j/f/a//b"),
        ("PUT", "/branches/b/t/j/f/d/"),
        ("GET", "/branches/b/t/j/f/a//"),
    ] {
        let routed = route(&method.parse().unwrap(), path);
        assert!(matches!(routed, Routed::BadRequest(_)), "{method} {path}: {routed:?}");
    }
}

#[test]
fn an_alias_gives_way_to_the_tag_it_stands_for() {
    let (route, _) = found("GET", "/branches/b/latest/j/f/x");
    assert_eq!(route.tag(), Some(&TagRef::Latest));
    let route = route.in_tag(TagName::parse("v#1").unwrap());
    assert_eq!(route.canonical_path(), "/branches/b/v%231/j/f/x");
    assert_eq!(Route::Home.in_tag(TagName::parse("v1").unwrap()), Route::Home);
}

#[test]
fn a_checksum_file_names_its_file() {
    let sums = |path| sums_of(&ArtifactPath::parse(path).unwrap());
    assert_eq!(sums("d/x.tgz.sha256").unwrap().as_str(), "d/x.tgz");
    for path in ["x.tgz", "d/.sha256", ".dirty.sha256", "x.SHA256"] {
        assert_eq!(sums(path), None, "{path}");
    }
}
