//! Logging in at the dependency proxy, on the real binary: challenges, tokens of all kinds of
//! credentials, and what they are worth there and at the registry beside it. Statements 1 to 3 of
//! spec gitlab §13.
//!
//! The upstream is one that is never reached, so whoever is let in learns that, and nobody else.

use serde_json::{Value, json};

use super::harness::client::Request;
use super::harness::people::password_of;
use super::harness::{Response, TestServer};

const PROXY: &str = "service=dependency_proxy";
/// As clients ask for it.
const PULL: &str = "scope=repository:acme/dependency_proxy/containers/alpine:pull";

/// A server with the groups `acme`, `acme/tools` and `other`; gus is a guest of `acme`, eve of
/// none.
struct House {
    server: TestServer,
    _rules: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        let rules = tempfile::tempdir().unwrap();
        for (group, text) in [("people", "rw /v2/main/**\n"), ("ANONYMOUS", "r /v2/open/**\n")] {
            std::fs::write(rules.path().join(group), text).unwrap();
        }
        let server = TestServer::with_people()
            .with("acls-dir", rules.path().to_str().unwrap())
            .with("proxy-upstream", "http://127.0.0.1:9")
            .start();
        for user in ["gus", "eve"] {
            server.has_user(user, &["people"]);
        }
        let house = Self { server, _rules: rules };
        for line in [
            "group create acme --visibility public",
            "group create acme/tools",
            "group create other --visibility public",
            "member add acme gus --role guest",
        ] {
            house.run(line);
        }
        house
    }

    #[track_caller]
    fn run(&self, line: &str) -> String {
        let words: Vec<_> = line.split_whitespace().collect();
        self.server.command(&words).succeeds().out
    }

    /// The login and the text of a deploy token.
    #[track_caller]
    fn deploy_token(&self, group: &str, scopes: &[&str]) -> (String, String) {
        let scopes: String = scopes.iter().map(|scope| format!(" --scope {scope}")).collect();
        let printed = self.run(&format!("deploy-token create {group} --name ci{scopes}"));
        let (login, text) = printed.trim_end().split_once(' ').unwrap();
        (login.to_owned(), text.to_owned())
    }

    fn asks(&self, parameters: &str) -> Request {
        self.server.get(&format!("/jwt/auth?{parameters}"))
    }

    /// A token of `/jwt/auth`.
    #[track_caller]
    fn token(&self, parameters: &str, login: &str, password: &str) -> String {
        let answer = self.asks(parameters).by(login, password).expect(200).json();
        answer["token"].as_str().unwrap().to_owned()
    }

    fn with_token(&self, line: &str, token: &str) -> Response {
        let (method, target) = line.split_once(' ').unwrap();
        self.server.ask(method, target).header("Authorization", &format!("Bearer {token}")).send()
    }

    fn manifest(&self, group: &str) -> Request {
        let target = format!("/v2/{group}/dependency_proxy/containers/alpine/manifests/latest");
        self.server.get(&target)
    }

    /// What somebody with a token is told at the proxy of a group.
    #[track_caller]
    fn pull(&self, group: &str, token: &str) -> Told {
        let ask = self.manifest(group).header("Authorization", &format!("Bearer {token}"));
        self.told(&ask.send())
    }

    #[track_caller]
    fn told(&self, answer: &Response) -> Told {
        let code = answer.json()["errors"][0]["code"].clone();
        match answer.status {
            401 => {
                assert_eq!(answer.header("www-authenticate"), Some(self.challenge().as_str()));
                assert_eq!(code, "UNAUTHORIZED");
                Told::LogIn
            }
            404 if code == "DENIED" => Told::NotThere,
            _ => Told::LetIn,
        }
    }

    fn challenge(&self) -> String {
        format!("Bearer realm=\"{}\",service=\"dependency_proxy\"", self.server.url("/jwt/auth"))
    }
}

#[derive(Debug, PartialEq)]
enum Told {
    LogIn,
    NotThere,
    LetIn,
}

#[test]
fn gitlab_13_1_the_base_asks_for_a_token_and_is_silent_with_one() {
    let house = House::new();
    let asked = house.server.get("/v2/").expect(401);
    assert_eq!(asked.header("www-authenticate"), Some(house.challenge().as_str()));
    let token = house.token(PROXY, "gus", &password_of("gus"));
    house.with_token("GET /v2/", &token).with_status(200).body_is("");
    house.with_token("HEAD /v2/", &token).with_status(200).body_is("");
    let dead = house.with_token("GET /v2/", &format!("{token}x")).with_status(401);
    assert_eq!(dead.header("www-authenticate"), Some(house.challenge().as_str()));
    house.asks("service=registry.docker.io").by("gus", &password_of("gus")).expect(404).body_is("");
    let wrong = house.asks(PROXY).by("gus", "guess").expect(401).json();
    assert!(wrong["errors"][0]["message"].as_str().unwrap().starts_with("HTTP Basic: Access den"));
    let nobody: Value = house.asks(PROXY).expect(403).json();
    let fields = (&nobody["message"], &nobody["status"], &nobody["http_status"]);
    assert_eq!(fields, (&json!("access forbidden"), &json!("error"), &json!(403)));
}

#[test]
fn gitlab_13_2_which_scopes_of_tokens_are_enough() {
    let house = House::new();
    for (scopes, is_enough) in [
        (&["read_api"][..], false),
        (&["read_registry"], false),
        (&["write_registry"], false),
        (&["read_registry", "write_registry"], true),
        (&["api"], true),
    ] {
        let scopes: String = scopes.iter().map(|scope| format!(" --scope {scope}")).collect();
        let created = house.run(&format!("token create --user gus --name t{scopes}"));
        let text = created.trim_end();
        let issued = house.asks(&format!("{PROXY}&{PULL}")).by("gus", text).send();
        assert_eq!(issued.status, if is_enough { 200 } else { 403 }, "{scopes}");
        let wanted = || if is_enough { Told::LetIn } else { Told::NotThere };
        // Refused at the pull as well, however it gets there.
        assert_eq!(house.told(&house.manifest("acme").by("gus", text).send()), wanted());
        let token = house.token(PROXY, "gus", text);
        assert_eq!(house.pull("acme", &token), wanted(), "{scopes}");
    }
    for scopes in [&["read_registry"][..], &["write_registry"], &["read_package_registry"]] {
        let (login, text) = house.deploy_token("acme", scopes);
        house.asks(PROXY).by(&login, &text).expect(403);
        assert_eq!(house.told(&house.manifest("acme").by(&login, &text).send()), Told::NotThere);
    }
    let (login, text) = house.deploy_token("acme", &["read_registry", "write_registry"]);
    let token = house.token(PROXY, &login, &text);
    assert_eq!(house.pull("acme", &token), Told::LetIn);
    house.asks(PROXY).by("gus", &text).expect(401);
    for (header, value) in
        [("Deploy-Token", text.clone()), ("Authorization", format!("Bearer {text}"))]
    {
        let answer = house.manifest("acme").header(header, &value).send();
        assert_eq!(house.told(&answer), Told::LetIn, "{header}");
    }
    let private = house.manifest("acme").header("PRIVATE-TOKEN", &text).send();
    assert_eq!(house.told(&private), Told::LogIn);
}

#[test]
fn gitlab_13_3_guests_pull_others_are_not_told_and_nobody_is_asked_to_log_in() {
    let house = House::new();
    let gus = house.token(&format!("{PROXY}&{PULL}"), "gus", &password_of("gus"));
    let eve = house.token(&format!("{PROXY}&{PULL}"), "eve", &password_of("eve"));
    assert_eq!(house.pull("acme", &gus), Told::LetIn);
    assert_eq!(house.pull("acme/tools", &gus), Told::LetIn);
    assert_eq!(house.pull("other", &gus), Told::NotThere);
    for group in ["acme", "acme/tools", "other", "absent"] {
        assert_eq!(house.pull(group, &eve), Told::NotThere, "{group}");
        assert_eq!(house.told(&house.manifest(group).send()), Told::LogIn, "{group}");
    }
    let text = |group: &str| {
        let ask = house.manifest(group).header("Authorization", &format!("Bearer {eve}"));
        ask.expect(404).text().replace(group, "G")
    };
    assert_eq!(text("acme"), text("absent"));
    assert!(text("acme").contains("ask its owner"), "{}", text("acme"));
    let open = format!("{PROXY}&scope=repository:open/x:pull");
    let nobody = house.asks(&open).expect(200).json()["token"].as_str().unwrap().to_owned();
    assert_eq!(house.pull("acme", &nobody), Told::LogIn);
    // What somebody is, is asked at each use.
    house.run("member remove acme gus");
    assert_eq!(house.pull("acme", &gus), Told::NotThere);
    house.run("member add other gus --role guest");
    assert_eq!(house.pull("other", &gus), Told::LetIn);
}

#[test]
fn a_token_ends_with_what_it_was_issued_for() {
    let house = House::new();
    let both = ["read_registry", "write_registry"];
    let (login, text) = house.deploy_token("acme", &both);
    let (other_login, other) = house.deploy_token("other", &both);
    let machine = house.token(PROXY, &login, &text);
    let elsewhere = house.token(PROXY, &other_login, &other);
    assert_eq!(house.pull("acme/tools", &machine), Told::LetIn);
    assert_eq!(house.pull("acme", &elsewhere), Told::NotThere);
    let access = house.server.token_of("gus", "api");
    let gus = house.token(PROXY, "gus", &access);
    assert_eq!(house.pull("acme", &gus), Told::LetIn);
    house.run(&format!("token revoke {}", access.split('_').nth(1).unwrap()));
    assert_eq!(house.pull("acme", &gus), Told::LogIn);
    house.run(&format!("deploy-token revoke {}", text.split('_').nth(2).unwrap()));
    assert_eq!(house.pull("acme", &machine), Told::LogIn);
    house.run("group delete other");
    assert_eq!(house.pull("other", &elsewhere), Told::LogIn);
    let gus = house.token(PROXY, "gus", &password_of("gus"));
    house.run("user passwd gus");
    assert_eq!(house.pull("acme", &gus), Told::LogIn);
}

#[test]
fn what_is_pulled_and_what_is_hosted_are_apart() {
    let house = House::new();
    let hosted = "scope=repository:main/x:pull,push";
    let list = "GET /v2/main/x/tags/list";
    let password = password_of("gus");
    let registry = house.token(&format!("service=larder&{hosted}"), "gus", &password);
    assert_eq!(house.pull("acme", &registry), Told::LogIn);
    house.with_token(list, &registry).with_status(404);
    // Clients ask at the service that the base names, whatever they want.
    let both = house.token(&format!("{PROXY}&{hosted}"), "gus", &password);
    assert_eq!(house.pull("acme", &both), Told::LetIn);
    house.with_token(list, &both).with_status(404);
    let proxy = house.token(&format!("{PROXY}&{PULL}"), "gus", &password);
    for line in [list, "POST /v2/main/x/blobs/uploads/", "GET /branches/"] {
        house.with_token(line, &proxy).with_status(401);
    }
    let (login, text) = house.deploy_token("acme", &["read_registry", "write_registry"]);
    for target in ["/v2/main/x/tags/list", "/v2/open/x/tags/list", "/v2/_catalog", "/", "/-/stats"]
    {
        house.server.get(target).by(&login, &text).expect(403);
    }
    let api = house.server.get("/api/v4/groups").by(&login, &text).send();
    assert!([401, 403].contains(&api.status), "{api:?}");
    // Names that cannot be, and what is not done there, are told to everybody.
    let bad = "/v2/acme/dependency_proxy/containers/a%2Fb/manifests/t";
    assert_eq!(house.server.get(bad).expect(400).json()["errors"][0]["code"], "NAME_INVALID");
    let push = "/v2/acme/dependency_proxy/containers/x/blobs/uploads/";
    assert_eq!(house.server.post(push).expect(404).json()["errors"][0]["code"], "UNSUPPORTED");
}
