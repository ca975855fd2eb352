//! Who may do what, for every route: the table in `table.txt` is what the server does.
//! Write it anew with `LARDER_WRITE_TABLE=1 cargo test --lib guard`.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::*;
use crate::http::route::{
    ApiRoute, ListedRoute, OfPackage, PackagesRoute, PackagesThing, ProductRoute, RegistryRoute,
};

/// One name for each kind of route; a route that is missing here does not compile.
macro_rules! kinds {
    ($($pattern:pat => $name:literal,)*) => {
        fn kind(route: &Route) -> &'static str {
            match route { $($pattern => $name,)* }
        }
        const KINDS: &[&str] = &[$($name,)*];
    };
}

kinds! {
    Route::Home => "home",
    Route::UserHome(_) => "user home",
    Route::ClientScript => "client script",
    Route::Branches(_) => "branches",
    Route::Branch(_) => "branch",
    Route::Tag(_) => "tag",
    Route::Job(_) => "job",
    Route::Format(_) => "format",
    Route::FormatFolder(_) => "format folder",
    Route::Sums(_) => "sums",
    Route::JobArchive(_) => "job archive",
    Route::FormatArchive(_) => "format archive",
    Route::Product(ProductRoute::List(_)) => "products",
    Route::Product(ProductRoute::Product(_)) => "product",
    Route::Product(ProductRoute::Variant(_)) => "variant",
    Route::Product(ProductRoute::Branch(_)) => "product branch",
    Route::Product(ProductRoute::Version(_)) => "version",
    Route::Product(ProductRoute::Archive(_)) => "version archive",
    Route::Product(ProductRoute::Format(_)) => "format of a version",
    Route::Product(ProductRoute::FormatFolder(_)) => "format folder of a version",
    Route::Product(ProductRoute::FormatArchive(_)) => "format archive of a version",
    Route::Product(ProductRoute::Sums(_)) => "sums of a version",
    Route::Product(ProductRoute::Artifact(..)) => "artifact of a version",
    Route::Product(ProductRoute::Folder(..)) => "folder of a version",
    Route::Artifact(..) => "artifact",
    Route::Folder(..) => "folder",
    Route::Registry(RegistryRoute::Base) => "registry",
    Route::Registry(RegistryRoute::Catalog) => "catalog",
    Route::Registry(RegistryRoute::Tags(_)) => "tags of an image",
    Route::Registry(RegistryRoute::Manifest(..)) => "manifest",
    Route::Registry(RegistryRoute::Blob(..)) => "blob",
    Route::Registry(RegistryRoute::Uploads(_)) => "uploads",
    Route::Registry(RegistryRoute::Upload(..)) => "upload",
    Route::Registry(RegistryRoute::Referrers(..)) => "referrers",
    Route::Registry(RegistryRoute::Invalid(_)) => "nothing of the registry",
    Route::Api(ApiRoute::Version) => "version of the API",
    Route::Api(ApiRoute::Metadata) => "metadata of the API",
    Route::Api(ApiRoute::Me) => "who asks",
    Route::Api(ApiRoute::Users) => "users",
    Route::Api(ApiRoute::User(_)) => "user",
    Route::Api(ApiRoute::TokensOfUser(_)) => "tokens of a user",
    Route::Api(ApiRoute::MyTokens) => "own tokens",
    Route::Api(ApiRoute::Tokens) => "tokens",
    Route::Api(ApiRoute::OwnToken) => "the token that asks",
    Route::Api(ApiRoute::Token(_)) => "token",
    Route::Api(ApiRoute::Groups) => "groups",
    Route::Api(ApiRoute::Group(_)) => "group",
    Route::Api(ApiRoute::Subgroups(_)) => "subgroups",
    Route::Api(ApiRoute::Descendants(_)) => "groups below",
    Route::Api(ApiRoute::Members(_)) => "members",
    Route::Api(ApiRoute::AllMembers(_)) => "members with those above",
    Route::Api(ApiRoute::Member(..)) => "member",
    Route::Api(ApiRoute::AnyMember(..)) => "member here or above",
    Route::Api(ApiRoute::Teams(_)) => "teams",
    Route::Api(ApiRoute::Team(..)) => "team",
    Route::Api(ApiRoute::DeployTokens(_)) => "deploy tokens",
    Route::Api(ApiRoute::DeployToken(..)) => "deploy token",
    Route::Api(ApiRoute::AllDeployTokens) => "deploy tokens of all groups",
    Route::Api(ApiRoute::ProxyCache(_)) => "cache of a group",
    Route::Api(ApiRoute::ProjectsInGroup(_)) => "projects of a group",
    Route::Api(ApiRoute::ProjectsOfUser(_)) => "projects of a user",
    Route::Api(ApiRoute::Projects) => "projects",
    Route::Api(ApiRoute::Project(_)) => "project",
    Route::Api(ApiRoute::Settings) => "settings",
    Route::Api(ApiRoute::ProtectionRules(_)) => "rules that protect packages",
    Route::Api(ApiRoute::ProtectionRule(..)) => "rule that protects packages",
    Route::Api(ApiRoute::Packages(PackagesRoute { what: PackagesThing::Generic { .. }, .. })) =>
        "file of a generic package",
    Route::Api(ApiRoute::Packages(PackagesRoute { what: PackagesThing::Npm(_), .. })) =>
        "npm",
    Route::Api(ApiRoute::Packages(PackagesRoute { what: PackagesThing::Maven { .. }, .. })) =>
        "Maven",
    Route::Api(ApiRoute::Packages(PackagesRoute { what: PackagesThing::Pypi(_), .. })) =>
        "PyPI",
    Route::Api(ApiRoute::Listed(ListedRoute::OfGroup(_))) => "packages of a group",
    Route::Api(ApiRoute::Listed(ListedRoute::OfProject(_))) => "packages of a project",
    Route::Api(ApiRoute::Listed(ListedRoute::Package(_, _, OfPackage::Whole))) => "package",
    Route::Api(ApiRoute::Listed(ListedRoute::Package(_, _, OfPackage::Pipelines))) => "pipelines",
    Route::Api(ApiRoute::Listed(ListedRoute::Package(_, _, OfPackage::Files))) => "package files",
    Route::Api(ApiRoute::Listed(ListedRoute::Package(_, _, OfPackage::File(_)))) => "package file",
    Route::Api(ApiRoute::Listed(ListedRoute::Package(_, _, OfPackage::Download(_)))) => "download",
    Route::Api(ApiRoute::PackagePolicy(_)) => "policy of packages",
    Route::Api(ApiRoute::Nothing(_)) => "nothing of the API",
    Route::Proxy(_) => "proxy",
    Route::NoProxy(_) => "nothing of the proxy",
    Route::GraphQl => "GraphQL",
    Route::TokenService => "token service",
    Route::Health => "health",
    Route::Ready => "ready",
    Route::Stats => "stats",
    Route::Sweeps => "sweeps",
    Route::Publications => "publications",
    Route::PackagePage(..) => "page of a package",
}

/// At least one of each kind. What does not exist does as well: the guard comes first.
const EXAMPLES: &[&str] = &[
    "/",
    "/-/health",
    "/-/ready",
    "/-/stats",
    "/-/sweeps",
    "/-/publications",
    "/g/p/-/packages/2",
    "/branches/",
    "/branches/b/",
    "/branches/b/t/",
    "/branches/b/latest/",
    "/branches/b/t/j/",
    "/branches/b/t/j/f",
    "/branches/b/t/j/f/",
    "/branches/b/t/j/f.sha256",
    "/branches/b/t/j/f/d/",
    "/branches/b/t/j/f/x",
    "/branches/b/t/j.tar",
    "/branches/b/t/j/f.tar",
    "/products/",
    "/products/p/",
    "/products/p/v/",
    "/products/p/v/b/",
    "/products/p/v/b/1/",
    "/products/p/v/b/latest/",
    "/products/p/v/b/1.tar",
    "/products/p/v/b/1/f",
    "/products/p/v/b/1/f/",
    "/products/p/v/b/1/f.tar",
    "/products/p/v/b/1/f.sha256",
    "/products/p/v/b/1/f/d/",
    "/products/p/v/b/1/f/x",
    "/cli",
    "/jwt/auth",
    "/~owner/",
    "/~owner/branches/",
    "/~owner/branches/b/",
    "/~owner/branches/b/t/",
    "/~owner/branches/b/stable/",
    "/~owner/branches/b/t/j/",
    "/~owner/branches/b/t/j/f",
    "/~owner/branches/b/t/j/f/",
    "/~owner/branches/b/t/j/f.sha256",
    "/~owner/branches/b/t/j/f/d/",
    "/~owner/branches/b/t/j/f/x",
    "/~owner/branches/b/t/j.tar",
    "/~owner/branches/b/t/j/f.tar",
    "/~owner/products/",
    "/~owner/products/p/v/b/1/",
    "/~owner/products/p/v/b/1.tar",
    "/~owner/products/p/v/b/1/f/x",
    "/v2/g/dependency_proxy/containers/x/manifests/t",
    "/v2/g/dependency_proxy/containers/x/tags/list",
    "/v2/",
    "/v2/_catalog",
    "/v2/b/j/tags/list",
    "/v2/b/j/manifests/t",
    "/v2/b/j/manifests/sha256:abababababababababababababababababababababababababababababababab",
    "/v2/b/j/blobs/sha256:abababababababababababababababababababababababababababababababab",
    "/v2/b/j/blobs/uploads/",
    "/v2/b/j/blobs/uploads/abababababababababababababababab",
    "/v2/b/j/referrers/sha256:abababababababababababababababababababababababababababababababab",
    "/v2/B/j/manifests/t",
    "/v2/u/owner/b/j/manifests/t",
    "/v2/u/owner/b/j/blobs/uploads/",
    "/v2/u/owner/b/j/blobs/uploads/abababababababababababababababab",
    "/api/graphql",
    "/api/v4/version",
    "/api/v4/metadata",
    "/api/v4/user",
    "/api/v4/users",
    "/api/v4/users/1",
    "/api/v4/users/1/personal_access_tokens",
    "/api/v4/user/personal_access_tokens",
    "/api/v4/personal_access_tokens",
    "/api/v4/personal_access_tokens/self",
    "/api/v4/personal_access_tokens/1",
    "/api/v4/groups",
    "/api/v4/groups/1",
    "/api/v4/groups/a%2Fb",
    "/api/v4/groups/1/subgroups",
    "/api/v4/groups/1/descendant_groups",
    "/api/v4/groups/1/members",
    "/api/v4/groups/1/members/all",
    "/api/v4/groups/1/members/1",
    "/api/v4/groups/1/members/all/1",
    "/api/v4/groups/1/ldap_group_links",
    "/api/v4/groups/1/ldap_group_links/t",
    "/api/v4/groups/1/deploy_tokens",
    "/api/v4/groups/1/deploy_tokens/1",
    "/api/v4/deploy_tokens",
    "/api/v4/groups/1/dependency_proxy/cache",
    "/api/v4/application/settings",
    "/api/v4/projects/1/packages/protection/rules",
    "/api/v4/projects/1/packages/protection/rules/1",
    "/api/v4/projects/1/packages/generic/n/1/f",
    "/api/v4/packages/npm/@g%2Fn",
    "/api/v4/groups/1/-/packages/npm/@g%2Fn",
    "/api/v4/groups/1/-/packages/npm/@g/n/-/@g/n-1.0.0.tgz",
    "/api/v4/projects/1/packages/npm/@g%2Fn",
    "/api/v4/projects/1/packages/npm/@g/n/-/@g/n-1.0.0.tgz",
    "/api/v4/projects/1/packages/npm/-/package/n/dist-tags",
    "/api/v4/projects/1/packages/npm/-/package/n/dist-tags/t",
    "/api/v4/projects/1/packages/npm/-/whoami",
    "/api/v4/packages/maven/g/a/1/a-1.jar",
    "/api/v4/groups/1/-/packages/maven/g/a/1/a-1.jar",
    "/api/v4/projects/1/packages/maven/g/a/1/a-1.jar",
    "/api/v4/projects/1/packages/pypi",
    "/api/v4/projects/1/packages/pypi/simple",
    "/api/v4/groups/1/-/packages/pypi/simple/n",
    "/api/v4/groups/1/-/packages/pypi/files/ab/f",
    "/api/v4/groups/1/projects",
    "/api/v4/users/1/projects",
    "/api/v4/projects",
    "/api/v4/projects/1",
    "/api/v4/projects/a%2Fb",
    "/api/v4/projects/1/members",
    "/api/v4/projects/1/members/all",
    "/api/v4/projects/1/members/1",
    "/api/v4/projects/1/members/all/1",
    "/api/v4/projects/1/deploy_tokens",
    "/api/v4/projects/1/deploy_tokens/1",
    "/api/v4/projects/1/issues",
    "/api/v4/groups/1/packages",
    "/api/v4/projects/1/packages",
    "/api/v4/projects/1/packages/2",
    "/api/v4/projects/1/packages/2/pipelines",
    "/api/v4/projects/1/packages/2/package_files",
    "/api/v4/projects/1/packages/2/package_files/3",
    "/api/v4/projects/1/packages/2/package_files/3/download",
    "/api/v4/projects/1/packages/cleanup_policy",
    "/api/v4/projects/1/packages/cleanup_policy/plan",
    "/api/v4/projects/1/packages/cleanup_policy/run",
];

const METHODS: [&str; 6] = ["GET", "HEAD", "PUT", "PATCH", "POST", "DELETE"];

/// As an operator would write them.
const FILES: &[(&str, &str)] = &[
    ("ANONYMOUS", "r /\nr /cli\nr /v2/\n"),
    ("readers", "r /\nr /branches/**\nr /products/**\nr /v2/**\n"),
    ("writers", "r /\nrw /branches/**\nrw /products/**\nrw /v2/b/**\n"),
    ("users", "r /\nrw /~$user/**\nr /v2/\nrw /v2/u/$user/**\n"),
];

fn callers() -> [(&'static str, Caller); 5] {
    [
        ("anonymous", Caller::Anonymous),
        ("reader", user("reader", &["readers"])),
        ("writer", user("writer", &["writers"])),
        ("owner", user("owner", &["users"])),
        ("admin", admin()),
    ]
}

fn found(method: &str, path: &str) -> Option<Route> {
    match crate::http::route::route(&method.parse().unwrap(), path) {
        Routed::Found(route, _) => Some(route),
        _ => None,
    }
}

async fn line(bench: &Bench, method: &str, path: &str) -> String {
    let mut line = format!("{method:6} {path:33}");
    for (_, caller) in callers() {
        let answer = bench.ask(&caller, &format!("{method} {path}")).await;
        let shown = if answer.passed() { "yes" } else { answer.status.as_str() };
        write!(line, " {shown:9}").unwrap();
    }
    line.trim_end().to_owned() + "\n"
}

async fn table() -> String {
    let names = callers().map(|(name, _)| format!("{name:9}")).join(" ");
    let mut table = String::new();
    for (title, files) in [("rules of files", FILES), ("built-in rules", &[])] {
        writeln!(table, "{title:40} {}", names.trim_end()).unwrap();
        let bench = Bench::new(files);
        for path in EXAMPLES {
            for method in METHODS {
                if found(method, path).is_some() {
                    table += &line(&bench, method, path).await;
                }
            }
        }
        table += "\n";
    }
    table
}

#[test]
fn no_kind_of_route_is_missing() {
    let methods = || METHODS.into_iter();
    let shown = EXAMPLES.iter().flat_map(|path| methods().filter_map(|m| found(m, path)));
    let shown: BTreeSet<_> = shown.map(|route| kind(&route)).collect();
    assert_eq!(shown, KINDS.iter().copied().collect());
}

#[tokio::test]
async fn the_table_is_what_the_server_does() {
    let table = table().await;
    if std::env::var_os("LARDER_WRITE_TABLE").is_some() {
        std::fs::write("src/http/guard/tests/table.txt", &table).unwrap();
    }
    assert_eq!(table, include_str!("table.txt"), "who may do what has changed");
}
