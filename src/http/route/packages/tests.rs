//! Tables of the URLs that clients of packages use.

use http::Method;

use super::*;
use crate::http::route::{ApiRoute, Route, Routed, render_allow, route};
use crate::model::{GroupId, GroupPath, ProjectId};

fn found(line: &str) -> PackagesRoute {
    let (method, path) = line.split_once(' ').unwrap();
    match route(&method.parse().unwrap(), path) {
        Routed::Found(Route::Api(ApiRoute::Packages(route)), _) => route,
        other => panic!("{line}: {other:?}"),
    }
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn of_project(line: &str) -> PackagesThing {
    let (method, path) = line.split_once(' ').unwrap();
    let route = found(&format!("{method} /api/v4/projects/7/packages/{path}"));
    assert_eq!(route.at, PackagesAt::Project(ProjectAt::Id(ProjectId(7))));
    route.what
}

#[test]
fn every_level_is_told_apart() {
    let path = |text: &str| GroupPath::parse(text).unwrap();
    for (url, at) in [
        ("packages", PackagesAt::Instance),
        ("groups/3/-/packages", PackagesAt::Group(GroupAt::Id(GroupId(3)))),
        ("groups/acme%2Fsub/-/packages", PackagesAt::Group(GroupAt::Path(path("acme/sub")))),
        ("groups/a%20b/-/packages", PackagesAt::Group(GroupAt::Impossible)),
        ("projects/7/packages", PackagesAt::Project(ProjectAt::Id(ProjectId(7)))),
        ("projects/acme%2Fapp/packages", PackagesAt::Project(ProjectAt::Path(path("acme/app")))),
        ("projects/..%2Fapp/packages", PackagesAt::Project(ProjectAt::Impossible)),
    ] {
        let npm = found(&format!("GET /api/v4/{url}/npm/left-pad"));
        assert_eq!(
            (npm.at, npm.what),
            (at, PackagesThing::Npm(NpmThing::Package(text("left-pad"))))
        );
    }
}

#[test]
fn generic_files_may_lie_in_folders() {
    let generic = |path: &[&str]| PackagesThing::Generic {
        name: text("tool"),
        version: text("1.0+x"),
        path: texts(path),
        file: text("a b.tgz"),
    };
    assert_eq!(of_project("PUT generic/tool/1.0+x/a%20b.tgz"), generic(&[]));
    assert_eq!(
        of_project("GET generic/tool/1.0%2Bx/linux/x64/a%20b.tgz"),
        generic(&["linux", "x64"])
    );
}

#[test]
fn a_scope_may_be_encoded_or_not() {
    let name = || text("@acme/app");
    for spelled in ["@acme/app", "@acme%2Fapp", "%40acme%2fapp"] {
        let package = of_project(&format!("PUT npm/{spelled}"));
        assert_eq!(package, PackagesThing::Npm(NpmThing::Package(name())));
        let file = of_project(&format!("GET npm/{spelled}/-/@acme/app-1.0.0.tgz"));
        let file_name = text("@acme/app-1.0.0.tgz");
        assert_eq!(file, PackagesThing::Npm(NpmThing::Tarball { name: name(), file: file_name }));
        let tags = of_project(&format!("GET npm/-/package/{spelled}/dist-tags"));
        assert_eq!(tags, PackagesThing::Npm(NpmThing::Tags(name())));
        let tag = of_project(&format!("DELETE npm/-/package/{spelled}/dist-tags/next"));
        assert_eq!(tag, PackagesThing::Npm(NpmThing::Tag { name: name(), tag: text("next") }));
    }
}

#[test]
fn clients_of_npm_ask_for_more_than_packages() {
    for (line, thing) in [
        ("GET npm/-/ping", NpmThing::Ping),
        ("GET npm/-/whoami", NpmThing::Whoami),
        ("PUT npm/-/user/org.couchdb.user:eve", NpmThing::Login(text("org.couchdb.user:eve"))),
        ("DELETE npm/-/user/token/x", NpmThing::Logout(text("x"))),
        ("POST npm/-/npm/v1/security/advisories/bulk", NpmThing::BulkAudit),
        ("POST npm/-/npm/v1/security/audits/quick", NpmThing::Audit),
        ("POST npm/-/npm/v1/security/audits", NpmThing::Audit),
    ] {
        assert_eq!(of_project(line), PackagesThing::Npm(thing), "{line}");
    }
}

#[test]
fn maven_and_pypi_have_folders_and_an_index() {
    let jar = PackagesThing::Maven { path: texts(&["com", "acme", "1.0"]), file: text("a.jar") };
    assert_eq!(of_project("PUT maven/com/acme/1.0/a.jar"), jar);
    for (line, thing) in [
        ("POST pypi", PypiThing::Upload),
        ("POST pypi/", PypiThing::Upload),
        ("GET pypi/simple", PypiThing::Index),
        ("GET pypi/simple/", PypiThing::Index),
        ("GET pypi/simple/My.Lib/", PypiThing::Project(text("My.Lib"))),
        (
            "GET pypi/files/ab12/x.whl",
            PypiThing::File { sha256: text("ab12"), file: text("x.whl") },
        ),
    ] {
        assert_eq!(of_project(line), PackagesThing::Pypi(thing), "{line}");
    }
}

const URLS: &[(&str, &str)] = &[
    ("projects/7/packages/generic/tool/1.0/a%20b/f.tgz", "GET,HEAD,PUT"),
    ("projects/a%2Fb/packages/npm/@acme/app", "GET,HEAD,PUT"),
    ("groups/a%2Fb/-/packages/npm/@acme/app", "GET,HEAD"),
    ("packages/npm/app", "GET,HEAD"),
    ("projects/7/packages/npm/app/-/app-1.0.0.tgz", "GET,HEAD"),
    ("groups/7/-/packages/npm/app/-/app-1.0.0.tgz", "GET,HEAD"),
    ("packages/npm/@acme/app/-/@acme/app-1.0.0.tgz", "GET,HEAD"),
    ("packages/npm/-/package/@acme/app/dist-tags", "GET,HEAD"),
    ("packages/npm/-/package/@acme/app/dist-tags/latest", "DELETE,PUT"),
    ("groups/7/-/packages/npm/-/ping", "GET,HEAD"),
    ("packages/npm/-/whoami", "GET,HEAD"),
    ("projects/7/packages/npm/-/user/org.couchdb.user:eve", "PUT"),
    ("projects/7/packages/npm/-/user/token/x", "DELETE"),
    ("packages/npm/-/npm/v1/security/advisories/bulk", "POST"),
    ("packages/npm/-/npm/v1/security/audits/quick", "POST"),
    ("projects/7/packages/maven/com/acme/1.0/a.jar", "GET,HEAD,PUT"),
    ("groups/7/-/packages/maven/com/acme/1.0/a.jar", "GET,HEAD"),
    ("packages/maven/com/acme/maven-metadata.xml.sha512", "GET,HEAD"),
    ("projects/7/packages/pypi", "POST"),
    ("projects/7/packages/pypi/simple", "GET,HEAD"),
    ("groups/7/-/packages/pypi/simple/my-lib", "GET,HEAD"),
    ("groups/7/-/packages/pypi/files/ab12/x.whl", "GET,HEAD"),
];

#[test]
fn canonical_paths_lead_back_and_methods_are_told() {
    for (url, methods) in URLS {
        let path = format!("/api/v4/{url}");
        assert!(is_packages(&path), "{path}");
        let route_of = |method: &str| match route(&method.parse().unwrap(), &path) {
            Routed::Found(route, _) => Some(route),
            Routed::MethodNotAllowed(allow) => {
                assert_eq!(render_allow(allow), *methods, "{path}");
                None
            }
            other => panic!("{method} {path}: {other:?}"),
        };
        for method in ["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"] {
            let found = route_of(method);
            assert_eq!(found.is_some(), methods.split(',').any(|one| one == method), "{path}");
            assert!(found.is_none_or(|route| route.canonical_path() == path), "{path}");
        }
    }
}

#[test]
fn nothing_leads_elsewhere() {
    for part in [
        "..",
        ".",
        "%2e%2e",
        "%2E%2e%2Fx",
        "a%2F..%2Fb",
        "a%2F%2Fb",
        "%2F",
        "a%5Cb",
        "..%5C..",
        "a%00",
        "a%0Ab",
        "%7F",
        "%C2%85",
        "",
    ] {
        for url in [
            format!("PUT /api/v4/projects/7/packages/generic/{part}/1.0/f"),
            format!("PUT /api/v4/projects/7/packages/generic/n/{part}/f"),
            format!("PUT /api/v4/projects/7/packages/generic/n/1.0/{part}/f"),
            format!("GET /api/v4/projects/7/packages/generic/n/1.0/{part}/x"),
            format!("PUT /api/v4/projects/7/packages/maven/com/{part}/f.jar"),
            format!("GET /api/v4/groups/7/-/packages/maven/com/{part}/f.jar"),
            format!("GET /api/v4/packages/npm/@a/{part}/-/x.tgz"),
            format!("GET /api/v4/projects/7/packages/npm/@a/b/-/{part}/x.tgz"),
            format!("GET /api/v4/groups/7/-/packages/pypi/simple/{part}/x"),
            format!("GET /api/v4/projects/7/packages/pypi/files/ab/{part}/x"),
        ] {
            let (method, path) = url.split_once(' ').unwrap();
            let routed = route(&method.parse().unwrap(), path);
            assert!(matches!(routed, Routed::BadRequest(_)), "{url}: {routed:?}");
        }
    }
    for bad in ["%ff", "%", "%zz"] {
        let path = format!("/api/v4/projects/7/packages/generic/n/1.0/{bad}");
        assert!(matches!(route(&Method::GET, &path), Routed::BadRequest(_)), "{bad}");
    }
}

#[test]
fn what_is_no_url_of_theirs_is_nothing_of_the_api() {
    for path in [
        "packages/pypi/simple",
        "packages/generic/n/1.0/f",
        "groups/7/-/packages/generic/n/1.0/f",
        "groups/7/-/packages/pypi",
        "groups/7/packages/npm/x",
        "projects/7/packages/generic/n/1.0",
        "projects/7/packages/maven/f.jar",
        "projects/7/packages/npm",
        "projects/7/packages/npm/-/v1/search",
        "projects/7/packages/npm/x/-",
        "projects/7/packages/pypi/simples",
        "projects/7/packages/conan/x",
    ] {
        let path = format!("/api/v4/{path}");
        let routed = route(&Method::GET, &path);
        let Routed::Found(Route::Api(ApiRoute::Packages(route)), _) = &routed else { continue };
        panic!("{path}: {route:?}");
    }
    for path in ["/api/v4/projects/7/packages", "/api/v4/packages", "/v2/packages/npm/x", "/api/v4"]
    {
        assert!(!is_packages(path), "{path}");
    }
}

#[test]
fn a_question_is_no_change() {
    for yes in ["packages", "groups/7/-/packages", "projects/7/packages"] {
        for audit in ["advisories/bulk", "audits/quick"] {
            let path = format!("/api/v4/{yes}/npm/-/npm/v1/security/{audit}");
            assert!(asks_of_packages(&path), "{path}");
        }
    }
    for no in ["/api/v4/projects/7/packages/npm/x", "/x/packages/npm/-/npm/v1/security/audits"] {
        assert!(!asks_of_packages(no), "{no}");
    }
}
