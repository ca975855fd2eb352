//! Logging in at the registry as docker and containerd do: challenges, tokens and what they are
//! worth, by hand and on the real binary.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::harness::client::Request;
use super::harness::people::password_of;
use super::harness::server::Builder;
use super::harness::slapd::{ALICE, Slapd};
use super::harness::{Response, TestServer, digest_of};

const RULES: &[(&str, &str)] = &[
    ("ANONYMOUS", "r /v2/open/**\nr /-/sweeps\n"),
    ("dev", "rw /v2/main/**\nr /v2/open/**\nr /v2/_catalog\n"),
    ("developers", "rw /v2/main/**\n"),
    ("readers", "r /v2/main/**\n"),
];

/// The digest of nothing that is there.
macro_rules! digest {
    () => {
        "0000000000000000000000000000000000000000000000000000000000000000"
    };
}

/// A server with rules for the registry.
struct Ruled {
    server: TestServer,
    folder: tempfile::TempDir,
}

impl Ruled {
    fn new() -> Self {
        Self::with(TestServer::with_people())
    }

    fn with(builder: Builder) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let this = |folder: &tempfile::TempDir| folder.path().to_str().unwrap().to_owned();
        for (group, text) in RULES {
            fs::write(folder.path().join(group), text).unwrap();
        }
        let server = builder.with("acls-dir", &this(&folder)).start();
        Self { server, folder }
    }

    /// What `/jwt/auth` says to these parameters.
    fn asks(&self, parameters: &str) -> Request {
        self.server.get(&format!("/jwt/auth?{parameters}"))
    }

    /// A token of a user for these scopes.
    #[track_caller]
    fn token(&self, login: &str, scopes: &str) -> String {
        let asked = self.asks(&format!("service=larder&account={login}&{scopes}"));
        text_of(&asked.by(login, &password_of(login)).expect(200))
    }

    #[track_caller]
    fn anonymous(&self, scopes: &str) -> String {
        text_of(&self.asks(&format!("service=larder&{scopes}")).expect(200))
    }

    fn with_token(&self, line: &str, token: &str) -> Response {
        let (method, target) = line.split_once(' ').unwrap();
        let ask = self.server.ask(method, target);
        ask.header("Authorization", &format!("Bearer {token}")).send()
    }
}

#[track_caller]
fn text_of(response: &Response) -> String {
    response.json()["token"].as_str().unwrap().to_owned()
}

/// What a token says.
fn claims(token: &str) -> Value {
    let claims = BASE64.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&claims).unwrap()
}

fn code(response: &Response) -> Value {
    response.json()["errors"][0]["code"].clone()
}

/// The challenge of an answer, without its address.
#[track_caller]
fn challenge(server: &TestServer, response: &Response) -> String {
    assert_eq!(response.status, 401, "{response:?}");
    assert_eq!(code(response), "UNAUTHORIZED");
    let challenge = response.header("www-authenticate").unwrap();
    let start = format!("Bearer realm=\"{}\",service=\"larder\"", server.url("/jwt/auth"));
    challenge.strip_prefix(&start).expect(challenge).to_owned()
}

/// What the base says, always the same: clients of the registry and of dependency proxies begin
/// there.
#[track_caller]
fn asks_for_a_token(server: &TestServer, response: &Response) {
    assert_eq!((response.status, code(response)), (401, json!("UNAUTHORIZED")));
    let realm = server.url("/jwt/auth");
    let wanted = format!("Bearer realm=\"{realm}\",service=\"dependency_proxy\"");
    assert_eq!(response.header("www-authenticate"), Some(wanted.as_str()));
}

const PULL: &str = concat!("GET /v2/main/build/blobs/sha256:", digest!());
const PUSH: &str = "POST /v2/main/build/blobs/uploads/";

#[test]
fn a_login_a_push_and_a_pull_go_as_clients_do_them() {
    let ruled = Ruled::new();
    let server = &ruled.server;
    server.has_user("eve", &["dev"]);
    // Login: the ping is refused with a challenge, a token is fetched, the ping is made again.
    asks_for_a_token(server, &server.get("/v2/").send());
    asks_for_a_token(server, &ruled.with_token("GET /v2/", "eyJ.eyJ.e30"));
    let token = ruled.token("eve", "client_id=docker&offline_token=true");
    let ping = ruled.with_token("GET /v2/", &token).with_status(200).body_is("");
    assert_eq!(ping.header("docker-distribution-api-version"), Some("registry/2.0"));
    // Push: the challenge says which scope.
    let refused = server.post("/v2/main/build/blobs/uploads/").send();
    let wanted = ",scope=\"repository:main/build:pull,push\"";
    assert_eq!(challenge(server, &refused), wanted);
    let token = ruled.token("eve", "scope=repository%3Amain%2Fbuild%3Apull%2Cpush");
    assert_eq!(ruled.with_token(PULL, &token).status, 404, "it is allowed and not there");
    let (bearer, layer) = (format!("Bearer {token}"), digest_of("a layer"));
    let begun = ruled.with_token(PUSH, &token).with_status(202);
    let at = begun.header("location").unwrap().to_owned();
    let end = format!("{at}{}digest={layer}", if at.contains('?') { '&' } else { '?' });
    let path = end.strip_prefix(&server.url("")).unwrap_or(&end).to_owned();
    server.put(&path).body("a layer").header("Authorization", &bearer).expect(201);
    // Pull, with a token for that alone.
    let token = ruled.token("eve", "scope=repository:main/build:pull");
    let pulled = ruled.with_token(&format!("GET /v2/main/build/blobs/{layer}"), &token);
    pulled.with_status(200).body_is("a layer");
    // A mount needs a token for both, and is told so; without a source it becomes an upload.
    let mount = |token: &str, from: &str| {
        let line = format!("POST /v2/main/other/blobs/uploads/?mount={layer}{from}");
        ruled.with_token(&line, token).status
    };
    let other = ruled.token("eve", "scope=repository:main/other:pull,push");
    assert_eq!((mount(&other, "&from=main/build"), mount(&other, "")), (401, 202));
    let both = "scope=repository:main/other:pull,push&scope=repository:main/build:pull";
    let both = ruled.token("eve", both);
    assert_eq!(mount(&both, "&from=main/build"), 201);
    // Basic works just as well, and for all at once.
    server.get("/v2/").by("eve", &password_of("eve")).expect(200);
    server.get(PULL.trim_start_matches("GET ")).by("eve", &password_of("eve")).expect(404);
    let line = server.logs(&["larder::access] POST /v2/main/build/blobs/uploads/ 202 "]);
    assert!(line.ends_with(" eve"), "{line}");
}

#[test]
fn the_answer_has_what_clients_look_for() {
    let ruled = Ruled::new();
    ruled.server.has_user("eve", &["dev"]);
    let scopes = "scope=repository:main/build:pull,push&scope=repository:open/x:pull,push \
                  repository:none:pull registry:catalog:*&scope=nonsense";
    let asked = ruled.asks(&format!("service=larder&{}", scopes.replace(' ', "+")));
    let answer = asked.by("eve", &password_of("eve")).expect(200).has("cache-control", "no-store");
    let fields = answer.json();
    assert_eq!((&fields["token"], &fields["expires_in"]), (&fields["access_token"], &json!(300)));
    assert!(fields["issued_at"].as_str().unwrap().ends_with('Z'), "{fields}");
    let claims = claims(&text_of(&answer));
    let granted = json!([
        { "type": "registry", "name": "catalog", "actions": ["*"] },
        { "type": "repository", "name": "main/build", "actions": ["pull", "push"] },
        { "type": "repository", "name": "open/x", "actions": ["pull"] },
    ]);
    assert_eq!((&claims["access"], &claims["sub"]), (&granted, &json!("eve")));
    assert_eq!((&claims["aud"], &claims["iss"]), (&json!("larder"), &json!("larder")));
    let many = vec!["scope=repository:a:pull"; 1000].join("&");
    ruled.asks(&many).expect(400);
    ruled.asks("service=elsewhere").expect(404).body_is("");
    for bad in ["scope=", "scope=:::", "scope=repository:A:pull", "scope=%22", "scope=%ff"] {
        let token = ruled.anonymous(bad);
        assert_eq!(self::claims(&token)["access"], json!([]), "{bad}");
    }
}

#[test]
fn nobody_in_particular_pulls_what_is_open() {
    let ruled = Ruled::new();
    let server = &ruled.server;
    let open = concat!("GET /v2/open/x/blobs/sha256:", digest!());
    asks_for_a_token(server, &server.get("/v2/").send());
    server.get(open.trim_start_matches("GET ")).expect(404);
    let token = ruled.anonymous("scope=repository:open/x:pull,push+repository:main/build:pull");
    assert_eq!(claims(&token)["access"][0]["actions"], json!(["pull"]));
    assert_eq!(claims(&token)["access"][1], Value::Null);
    assert_eq!(ruled.with_token("GET /v2/", &token).status, 200);
    assert_eq!(ruled.with_token(open, &token).status, 404);
    let insufficient = |line: &str, scope: &str| {
        let told = challenge(server, &ruled.with_token(line, &token));
        assert_eq!(told, format!(",scope=\"{scope}\",error=\"insufficient_scope\""), "{line}");
    };
    insufficient(PULL, "repository:main/build:pull");
    insufficient("POST /v2/open/x/blobs/uploads/", "repository:open/x:pull,push");
    insufficient("GET /v2/open/y/manifests/v1", "repository:open/y:pull");
    insufficient("GET /v2/open/x/z/manifests/v1", "repository:open/x/z:pull");
}

#[test]
fn a_token_is_worth_no_more_than_its_scopes_and_the_rules() {
    let ruled = Ruled::new();
    let server = &ruled.server;
    server.has_user("eve", &["dev"]);
    server.has_user("ruth", &["readers"]);
    let pull = ruled.token("eve", "scope=repository:main/build:pull");
    assert_eq!(ruled.with_token(PULL, &pull).status, 404);
    let told = challenge(server, &ruled.with_token(PUSH, &pull));
    let wanted = ",scope=\"repository:main/build:pull,push\",error=\"insufficient_scope\"";
    assert_eq!(told, wanted);
    for line in
        ["DELETE /v2/main/build/manifests/v1", "GET /v2/_catalog", "GET /v2/main/b/tags/list"]
    {
        assert_eq!(ruled.with_token(line, &pull).status, 401, "{line}");
    }
    let push = ruled.token("eve", "scope=repository:main/build:push");
    assert_eq!(ruled.with_token(PULL, &push).status, 401);
    let ruth = ruled.token("ruth", "scope=repository:main/build:pull,push,*");
    assert_eq!(claims(&ruth)["access"][0]["actions"], json!(["pull"]));
    let denied = ruled.with_token(PUSH, &ruth).with_status(403);
    assert_eq!(code(&denied), "DENIED", "no other token would help");
    // What the rules take away is gone from tokens that are out already.
    fs::write(ruled.folder.path().join("dev"), "r /v2/open/**\n").unwrap();
    server.signal(Signal::HUP);
    server.logs(&["are in force"]);
    assert_eq!(ruled.with_token(PULL, &pull).status, 403);
    // Elsewhere it is worth nothing at all.
    for target in ["/", "/branches/", "/-/stats", "/jwt/auth", "/v2", "/%76%32/"] {
        let elsewhere = ruled.with_token(&format!("GET {target}"), &pull);
        assert_eq!(elsewhere.status, 401, "{target}");
    }
    let header = server.get("/v2/").header("PRIVATE-TOKEN", &pull);
    header.expect(401);
    server.get("/v2/").by("eve", &pull).expect(401);
}

#[test]
fn a_token_ends_with_its_time_and_with_its_owner() {
    let ruled = Ruled::with(TestServer::with_people().with("registry-token-lifetime", "2s"));
    let server = &ruled.server;
    server.has_user("eve", &["dev"]);
    let token = ruled.token("eve", "scope=repository:main/build:pull");
    let expired = (0..400).find_map(|_| {
        let answer = ruled.with_token(PULL, &token);
        sleep(Duration::from_millis(10));
        (answer.status != 404).then_some(answer)
    });
    let told = challenge(server, &expired.expect("it never ends"));
    assert_eq!(told, ",scope=\"repository:main/build:pull\",error=\"invalid_token\"");
    for change in [&["user", "passwd", "eve"][..], &["user", "del", "eve"]] {
        let ruled = Ruled::new();
        ruled.server.has_user("eve", &["dev"]);
        let token = ruled.token("eve", "scope=repository:main/build:pull");
        assert_eq!(ruled.with_token(PULL, &token).status, 404);
        ruled.server.command(change).succeeds();
        assert_eq!(ruled.with_token(PULL, &token).status, 401, "{change:?}");
    }
}

#[test]
fn tokens_survive_a_restart_and_are_not_to_be_forged() {
    let mut ruled = Ruled::new();
    ruled.server.has_user("eve", &["dev"]);
    let token = ruled.token("eve", "scope=repository:main/build:pull");
    ruled.server.restart();
    assert_eq!(ruled.with_token(PULL, &token).status, 404);
    let (head, code) = token.rsplit_once('.').unwrap();
    let (header, claims) = head.split_once('.').unwrap();
    let header: Value = serde_json::from_slice(&BASE64.decode(header).unwrap()).unwrap();
    let with = |name: &str, value: &str| {
        let mut header = header.clone();
        header[name] = json!(value);
        format!("{}.{claims}", BASE64.encode(header.to_string()))
    };
    let mut wider = self::claims(&token);
    wider["sub"] = json!("admin");
    let wider = BASE64.encode(wider.to_string());
    let header = BASE64.encode(header.to_string());
    for forged in [
        format!("{head}."),
        format!("{}.", with("alg", "none")),
        format!("{}.{code}", with("alg", "none")),
        format!("{}.{code}", with("alg", "HS512")),
        format!("{}.{code}", with("kid", "1")),
        format!("{header}.{wider}.{code}"),
        format!("{head}.{}", BASE64.encode([0; 32])),
        "eyJ.eyJ.e30".to_owned(),
    ] {
        let told = challenge(&ruled.server, &ruled.with_token(PULL, &forged));
        assert!(told.ends_with(",error=\"invalid_token\""), "{forged}: {told}");
    }
    let elsewhere = Ruled::new();
    elsewhere.server.has_user("eve", &["dev"]);
    elsewhere.anonymous("");
    assert_eq!(elsewhere.with_token(PULL, &token).status, 401, "the key is another");
}

/// docker takes the words that it has itself for a code without a message: it shows `denied` and
/// tries again for a minute.
#[test]
fn whoever_is_refused_is_told_why_in_words_that_docker_shows() {
    let ruled = Ruled::new();
    let server = &ruled.server;
    server.has_user("ruth", &["readers"]);
    let told = |answer: &Response| {
        answer.json()["errors"][0]["message"].as_str().expect("a message").to_owned()
    };
    let ruth = ruled.token("ruth", "scope=repository:main/build:pull,push");
    let denied = told(&ruled.with_token(PUSH, &ruth).with_status(403));
    assert!(denied.starts_with("ruth may not POST /v2/main/build/blobs/uploads/: "), "{denied}");
    let password = password_of("ruth");
    let denied = server.post("/v2/main/build/blobs/uploads/").by("ruth", &password).expect(403);
    assert!(told(&denied).contains("ask an administrator"), "{denied:?}");
    let pull = PULL.strip_prefix("GET ").unwrap();
    for wrong in [ruled.asks("service=larder"), server.get("/v2/"), server.get(pull)] {
        let wrong = told(&wrong.by("ruth", "guess").expect(401));
        assert_eq!(
            wrong,
            "The login or the password is wrong, or the token has ended: log in again"
        );
    }
    let anybody = told(&server.get(pull).expect(401));
    assert_eq!(anybody, "Authentication is required.");
    let nobody = ruled.anonymous("scope=repository:open/thing:pull,push");
    let nobody = ruled.with_token("POST /v2/open/thing/blobs/uploads/", &nobody);
    assert_eq!(told(&nobody.with_status(401)), "Authentication is required for this: log in");
}

#[test]
fn wrong_credentials_get_no_token_and_are_slowed_down() {
    let ruled = Ruled::new();
    let server = &ruled.server;
    server.has_user("eve", &["dev"]);
    let refused = ruled.asks("service=larder").by("eve", "wrong").expect(401);
    assert_eq!(code(&refused), "UNAUTHORIZED");
    let basic = "Basic realm=\"Larder\", charset=\"UTF-8\"";
    assert_eq!(refused.header("www-authenticate"), Some(basic));
    let form = |text: &str| server.post("/jwt/auth").body(text);
    form("grant_type=password&username=eve&password=wrong").expect(401);
    for bad in ["", "grant_type=x", "grant_type=password&username=eve", "grant_type=refresh_token"]
    {
        form(bad).expect(400);
    }
    form("grant_type=refresh_token&refresh_token=x").expect(401);
    let guess = |at: usize| {
        let text = format!("grant_type=password&username=eve&password=guess{at}");
        form(&text).header("X-Forwarded-For", "198.51.100.9").send()
    };
    let slow = (0..9).map(guess).find(|answer| answer.status != 401).expect("a guess too many");
    assert!(slow.with_status(429).header("retry-after").is_some());
    let good = "&username=eve&service=larder&client_id=containerd&scope=repository:main/b:pull";
    let good = format!("grant_type=password&password={}{good}", password_of("eve"));
    let answer = form(&good.replace('\'', "%27").replace(' ', "+")).expect(200).json();
    assert_eq!(answer["scope"], "repository:main/b:pull");
    let token = answer["access_token"].as_str().unwrap();
    assert_eq!(
        ruled.with_token(concat!("GET /v2/main/b/blobs/sha256:", digest!()), token).status,
        404
    );
}

#[test]
fn access_tokens_are_passwords() {
    let ruled = Ruled::new();
    let server = &ruled.server;
    server.has_user("eve", &["dev"]);
    let ask = "service=larder&scope=repository:main/build:pull,push";
    let actions = |answer: Response| claims(&text_of(&answer))["access"][0]["actions"].clone();
    for (scope, granted) in [
        ("api", json!(["pull", "push"])),
        ("write_registry", json!(["pull", "push"])),
        ("read_api", json!(["pull"])),
        ("read_registry", json!(["pull"])),
    ] {
        let text = server.token_of("eve", scope);
        let basic = ruled.asks(ask).by("eve", &text).expect(200);
        assert_eq!(actions(basic.clone()), granted, "{scope}");
        let private = ruled.asks(ask).header("PRIVATE-TOKEN", &text);
        assert_eq!(actions(private.expect(200)), granted);
        let form = format!("grant_type=refresh_token&refresh_token={text}&{ask}");
        assert_eq!(actions(server.post("/jwt/auth").body(form).expect(200)), granted);
        let is_registry = scope.ends_with("registry");
        server.get("/v2/").by("eve", &text).expect(200);
        let elsewhere = if is_registry {
            403
        } else {
            server.get("/").by("eve", &password_of("eve")).send().status
        };
        server.get("/").by("eve", &text).expect(elsewhere);
        let direct = server.post("/v2/main/build/blobs/uploads/").by("eve", &text).send();
        assert_eq!(direct.status == 403, granted == json!(["pull"]), "{scope}");
        let token = text_of(&basic);
        let id = text.split('_').nth(1).unwrap();
        server.command(&["token", "revoke", id]).succeeds();
        assert_eq!(ruled.with_token(PULL, &token).status, 401, "{scope}");
    }
}

#[test]
fn people_of_a_directory_log_in() {
    let Some(slapd) = Slapd::start() else { return };
    let settings = [
        ("ldap-url", format!("ldap://127.0.0.1:{}", slapd.ldap_port())),
        ("ldap-ca", slapd.file("ca.pem").to_str().unwrap().to_owned()),
        ("ldap-base-dn", "dc=acme,dc=test".to_owned()),
        ("ldap-user-filter", "(&(objectClass=inetOrgPerson)(uid={login}))".to_owned()),
        ("ldap-groups-filter", "(&(objectClass=groupOfNames)(member={dn}))".to_owned()),
    ];
    let builder = settings
        .iter()
        .fold(TestServer::with_people(), |builder, (flag, value)| builder.with(flag, value));
    let ruled = Ruled::with(builder);
    let ask = "service=larder&scope=repository:main/build:pull,push";
    ruled.asks(ask).by(ALICE.0, "wrong").expect(401);
    let token = text_of(&ruled.asks(ask).by(ALICE.0, ALICE.1).expect(200));
    assert_eq!(claims(&token)["access"][0]["actions"], json!(["pull", "push"]));
    let basis = &claims(&token)["basis"]["elsewhere"];
    assert_eq!(basis["groups"], json!(["developers"]), "those that have rules");
    assert_eq!(ruled.with_token(PULL, &token).status, 404);
    ruled.server.has_user(ALICE.0, &["dev"]);
    assert_eq!(ruled.with_token(PULL, &token).status, 401, "somebody else has the login now");
}

#[test]
fn the_realm_is_where_the_client_finds_it() {
    let ruled = Ruled::new();
    let server = &ruled.server;
    let told = |headers: &[(&str, &str)]| {
        let ask =
            headers.iter().fold(server.get("/v2/"), |ask, (name, value)| ask.header(name, value));
        ask.expect(401).header("www-authenticate").unwrap().to_owned()
    };
    let at =
        |address: &str| format!("Bearer realm=\"{address}/jwt/auth\",service=\"dependency_proxy\"");
    assert_eq!(told(&[("Host", "repo.example:80")]), at("http://repo.example:80"));
    let tls = [("Host", "repo.example"), ("X-Forwarded-Proto", "https")];
    assert_eq!(told(&tls), at("https://repo.example"));
    assert_eq!(told(&[("Host", "r"), ("X-Forwarded-Proto", "gopher")]), at("http://r"));
    for host in ["a\",service=\"b", "user@host", "a\\", "a/../b"] {
        let basic = told(&[("Host", host)]);
        assert_eq!(basic, "Basic realm=\"Larder\", charset=\"UTF-8\"", "{host}");
    }
    let public = Ruled::with(TestServer::with_people().with("public-url", "https://pub.example/"));
    let answer = public.server.get("/v2/").expect(401);
    assert_eq!(answer.header("www-authenticate"), Some(at("https://pub.example").as_str()));
    let strict = Ruled::with(TestServer::with_people().with("trusted-proxies", "192.0.2.1"));
    let answer = strict.server.get("/v2/").header("X-Forwarded-Proto", "https").expect(401);
    assert!(answer.header("www-authenticate").unwrap().contains("\"http://"), "{answer:?}");
}

#[test]
fn where_nobody_logs_in_nobody_is_asked() {
    let server = TestServer::start();
    server.get("/v2/").expect(200).lacks("www-authenticate");
    server.get("/v2/").header("Authorization", "Bearer eyJ.eyJ.e30").expect(200);
    server.get("/jwt/auth?service=larder").expect(404).lacks("www-authenticate");
}
