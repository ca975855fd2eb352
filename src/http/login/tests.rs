//! What headers and queries say of who asks, and what it is worth where.

use super::*;

fn read(name: &str, value: &str) -> Credentials {
    let name: HeaderName = name.parse().unwrap();
    credentials("/", &[(name, value.parse().unwrap())].into_iter().collect())
}

fn basic(text: &[u8]) -> Credentials {
    read("Authorization", &format!("Basic {}", BASE64.encode(text)))
}

#[test]
fn what_is_not_well_formed_is_nobody() {
    assert!(credentials("/", &HeaderMap::new()) == Credentials::None);
    for value in ["", "Basic", "Basic !!", "Digest x=y", "Bearer ", "Negotiate abc"] {
        assert!(read("Authorization", value) == Credentials::None, "{value}");
    }
    for text in [&b"nocolon"[..], b"", b":password", b":", b"\xff:x"] {
        assert!(basic(text) == Credentials::None, "{text:?}");
    }
    assert!(read("PRIVATE-TOKEN", "") == Credentials::None);
}

#[test]
fn what_is_well_formed_is_read() {
    let known = |login: &str, password: &str| Credentials::Basic {
        login: login.into(),
        password: password.into(),
    };
    assert!(basic(b"eve:a:b") == known("eve", "a:b"));
    assert!(basic("zoë:".as_bytes()) == known("zoë", ""));
    assert!(read("Authorization", "bAsIc  ZXZlOmE") == known("eve", "a"));
    for (name, value) in
        [("Authorization", "Bearer t"), ("authorization", "bearer   t"), ("Private-Token", "t")]
    {
        assert!(read(name, value) == Credentials::Token("t".into()), "{value}");
    }
}

#[test]
fn a_deploy_token_comes_in_its_header_or_as_a_bearer() {
    let text = format!("larder_deploy_7_{}", "ab".repeat(32));
    assert!(read("Deploy-Token", &text) == Credentials::Deploy(text.clone()));
    assert!(read("deploy-token", "guess") == Credentials::Deploy("guess".into()));
    assert!(read("Deploy-Token", "") == Credentials::None);
    let bearer = read("Authorization", &format!("Bearer {text}"));
    assert!(bearer == Credentials::Deploy(text.clone()));
    assert!(read("PRIVATE-TOKEN", &text) == Credentials::Token(text));
}

#[test]
fn what_credentials_are_worth_hangs_on_the_path() {
    use Extent::{Everything, Nothing, Reading};
    let nothing = Reach { elsewhere: Nothing, registry: Nothing, packages: Nothing, ..Reach::FULL };
    let deploy = |proxy| Reach { proxy, ..nothing.clone() };
    let reader = Reach { registry: Reading, ..deploy(Pulls::Never) };
    for (path, machine, powerless, reads) in [
        ("/v2/", Everything, Nothing, Reading),
        ("/jwt/auth", Everything, Everything, Everything),
        ("/v2/g/dependency_proxy/containers/x/manifests/t", Everything, Everything, Everything),
        ("/v2/a/manifests/t", Nothing, Nothing, Reading),
        ("/v2/_catalog", Nothing, Nothing, Reading),
        ("/v2", Nothing, Nothing, Nothing),
        ("/%76%32/g/dependency_proxy/containers/x/manifests/t", Nothing, Nothing, Nothing),
        ("/jwt/auth/", Nothing, Nothing, Nothing),
        ("/", Nothing, Nothing, Nothing),
        ("/api/v4/groups", Nothing, Nothing, Nothing),
    ] {
        assert_eq!(extent(&deploy(Pulls::Yes), path), machine, "{path}");
        assert_eq!(extent(&deploy(Pulls::Never), path), powerless, "{path}");
        assert_eq!(extent(&reader, path), reads, "{path}");
    }
}

#[test]
fn a_token_in_the_query_counts_below_the_api_alone() {
    let query = "page=2&private_token=a%2Bb";
    assert!(in_query("/api/v4/groups", query) == Credentials::Token("a+b".into()));
    for (path, query) in
        [("/", query), ("/apis/x", query), ("/v2/", query), ("/api/v4/x", "private_token=")]
    {
        assert!(in_query(path, query) == Credentials::None, "{path}");
    }
}

#[test]
fn a_few_pages_are_for_everybody() {
    let is_public = |method: Method, path: &str| {
        let headers = &HeaderMap::new();
        is_public(&Head { method: &method, path, query: "", headers, peer: None })
    };
    for path in ["/favicon.ico", "/static/x.css", "/-/health", "/-/ready"] {
        assert!(is_public(Method::GET, path) && is_public(Method::HEAD, path), "{path}");
        assert!(!is_public(Method::POST, path), "{path}");
    }
    for path in ["/", "/static", "/static/../branches/", "/static/%2e%2e/b", "/-/stats"] {
        assert!(!is_public(Method::GET, path), "{path}");
    }
}

#[test]
fn clients_of_packages_send_tokens_as_each_of_them_does() {
    const PACKAGES: &str = "/api/v4/projects/1/packages/npm/x";
    let machine = format!("larder_deploy_7_{}", "ab".repeat(32));
    let token = format!("larder_7_{}", "ab".repeat(32));
    let read = |path: &str, name: &str, value: &str| {
        let name: HeaderName = name.parse().unwrap();
        credentials(path, &[(name, value.parse().unwrap())].into_iter().collect())
    };
    let basic = |path: &str, text: &str| {
        read(path, "authorization", &format!("Basic {}", BASE64.encode(text)))
    };
    for text in [&token, &machine] {
        let known = Credentials::of_bearer(text.clone());
        assert!(read(PACKAGES, "job-token", text) == known);
        assert!(read(PACKAGES, "authorization", &format!("Bearer {text}")) == known);
        for login in ["__token__", "gitlab-ci-token", "eve", ""] {
            assert!(basic(PACKAGES, &format!("{login}:{text}")) == known, "{login}");
        }
        assert!(in_query(PACKAGES, &format!("job_token={text}")) == known);
        // Elsewhere a login counts, and a job's token does not.
        assert!(matches!(basic("/v2/", &format!("eve:{text}")), Credentials::Basic { .. }));
        assert!(read("/branches/", "job-token", text) == Credentials::None);
        assert!(in_query("/branches/", &format!("job_token={text}")) == Credentials::None);
    }
    let password = Credentials::Basic { login: "eve".into(), password: "secret".into() };
    assert!(basic(PACKAGES, "eve:secret") == password);
    assert!(basic(PACKAGES, ":secret") == Credentials::None);
}

#[test]
fn what_only_packages_are_for_counts_there_alone() {
    let reach = Reach {
        elsewhere: Extent::Nothing,
        registry: Extent::Nothing,
        packages: Extent::Reading,
        proxy: Pulls::Never,
        grants: None,
    };
    for (path, worth) in [
        ("/api/v4/projects/1/packages/npm/x", Extent::Reading),
        ("/api/v4/groups/1/-/packages/pypi/simple", Extent::Reading),
        ("/api/v4/packages/maven/a/b", Extent::Reading),
        ("/api/v4/projects/1/packages", Extent::Nothing),
        ("/api/v4/projects/1/packages/7", Extent::Nothing),
        ("/api/v4/projects/1", Extent::Nothing),
        ("/api/graphql", Extent::Nothing),
        ("/branches/", Extent::Nothing),
    ] {
        assert_eq!(extent(&reach, path), worth, "{path}");
    }
}
