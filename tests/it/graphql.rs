//! GraphQL with real credentials: which tokens ask and which change, and errors in its form (spec
//! gitlab §9.1, §10). What documents come to is tested beside the code.

use serde_json::{Value, json};

use super::harness::people::password_of;
use super::harness::{Response, TestServer};

const PLACE: &str = "/api/graphql";

const POLICY: &str = "mutation { updateDependencyProxyImageTtlGroupPolicy(input: \
                      {groupPath: \"acme\", enabled: true, ttl: 90}) \
                      { dependencyProxyImageTtlPolicy { enabled ttl } errors } }";

const SETTINGS: &str = "mutation { updateDependencyProxySettings(input: {groupPath: \"acme\", \
                        identity: \"robot\", secret: \"s3cret-word\"}) \
                        { dependencyProxySetting { enabled identity } errors } }";

const GROUP: &str = "{ currentUser { username } group(fullPath: \"acme\") { fullPath \
                     dependencyProxySetting { enabled identity } dependencyProxyImagePrefix } }";

const UNAVAILABLE: &str = "The resource that you are attempting to access does not exist or you \
                           don't have permission to perform this action";

/// A server where alice owns the group acme.
fn acme(visibility: &str) -> TestServer {
    let server = TestServer::with_people().start();
    server.has_user("alice", &["people"]);
    server.has_user("bob", &["people"]);
    let create = ["group", "create", "acme", "--owner", "alice", "--visibility", visibility];
    server.command(&create).succeeds();
    server
}

fn asked(server: &TestServer, token: &str, query: &str) -> Response {
    let request = server.post(PLACE).json(&json!({ "query": query }));
    request.header("Authorization", &format!("Bearer {token}")).send()
}

#[test]
fn tokens_ask_and_change_as_far_as_their_scopes_go() {
    let server = acme("private");
    let token = |scope: &str| server.token_of("alice", scope);
    let (api, reader) = (token("api"), token("read_api"));
    for token in [&api, &reader] {
        let found = asked(&server, token, GROUP).with_status(200).json();
        assert_eq!(found["data"]["currentUser"]["username"], "alice");
        let prefix = format!("{}/acme/dependency_proxy/containers", server.address());
        assert_eq!(found["data"]["group"]["dependencyProxyImagePrefix"], prefix);
    }
    let refused = asked(&server, &reader, POLICY).with_status(200).json();
    assert_eq!(refused["errors"][0]["message"], UNAVAILABLE);
    assert_eq!(refused["data"]["updateDependencyProxyImageTtlGroupPolicy"], Value::Null);
    let changed = asked(&server, &api, POLICY).with_status(200).json();
    let payload = &changed["data"]["updateDependencyProxyImageTtlGroupPolicy"];
    let policy = json!({ "enabled": true, "ttl": 90 });
    assert_eq!(*payload, json!({ "dependencyProxyImageTtlPolicy": policy, "errors": [] }));
    let other = asked(&server, &token("read_registry"), GROUP).with_status(403).json();
    assert!(other["errors"][0]["message"].as_str().unwrap().contains("read_api"), "{other}");
    let strange = asked(&server, &server.token_of("bob", "api"), GROUP).json();
    assert_eq!(strange["data"]["group"], Value::Null);
}

#[test]
fn all_ways_to_say_who_asks_lead_in() {
    let server = acme("private");
    let token = server.token_of("alice", "api");
    let ask = |place: &str| server.post(place).json(&json!({ "query": GROUP }));
    for request in [
        ask(PLACE).header("PRIVATE-TOKEN", &token),
        ask("/api/graphql/").header("authorization", &format!("bearer {token}")),
        ask(PLACE).by("alice", &password_of("alice")),
    ] {
        let found = request.expect(200).has("content-type", "application/json").json();
        assert_eq!(found["data"]["group"]["fullPath"], "acme");
    }
    let wrong = json!({ "errors": [{ "message": "Invalid token" }] });
    for token in ["glpat-nonsense", "larder_nonsense"] {
        asked(&server, token, GROUP).with_status(401).json_is(&wrong);
    }
    let deploy = ["deploy-token", "create", "acme", "--name", "ci", "--scope", "read_registry"];
    let made = server.command(&deploy).succeeds().out;
    let secret = made.split_whitespace().last().unwrap();
    let refused = asked(&server, secret, GROUP);
    assert!(matches!(refused.status, 401 | 403), "{refused:?}");
    assert!(refused.json()["errors"][0]["message"].is_string());
}

#[test]
fn nobody_in_particular_sees_what_is_public() {
    let server = acme("public");
    let ask = |query: &str| server.post(PLACE).json(&json!({ "query": query })).expect(200).json();
    let found = ask(GROUP);
    assert_eq!(found["data"]["currentUser"], Value::Null);
    assert_eq!(found["data"]["group"]["fullPath"], "acme");
    assert_eq!(found["data"]["group"]["dependencyProxySetting"], Value::Null);
    assert_eq!(ask(POLICY)["errors"][0]["message"], UNAVAILABLE);
    server.command(&["group", "change", "acme", "--visibility", "internal"]).succeeds();
    assert_eq!(ask(GROUP)["data"]["group"], Value::Null);
}

#[test]
fn a_secret_is_sealed_and_survives_a_restart() {
    let mut server = acme("private");
    let token = server.token_of("alice", "api");
    let set = asked(&server, &token, SETTINGS).with_status(200).json();
    let setting = json!({ "enabled": true, "identity": "robot" });
    let payload = json!({ "dependencyProxySetting": setting, "errors": [] });
    assert_eq!(set["data"]["updateDependencyProxySettings"], payload);
    assert!(server.data().join("proxy.key").is_file());
    server.restart();
    let found = asked(&server, &token, GROUP).with_status(200).json();
    assert_eq!(found["data"]["group"]["dependencyProxySetting"], setting);
    assert!(!server.log().contains("s3cret-word"));
}

#[test]
fn what_is_no_request_gets_a_document_too() {
    let server = TestServer::start();
    let told = |response: Response, status: u16, why: &str| {
        let found = response.with_status(status).has("content-type", "application/json").json();
        let message = found["errors"][0]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(why), "{message}");
    };
    told(server.get("/api/graphql?query=%7Ba%7D").send(), 405, "POST");
    told(server.post(PLACE).body("{").send(), 400, "JSON");
    let large = "x".repeat((1 << 20) + 1);
    told(server.post(PLACE).chunked(large).send(), 413, "1048576");
    let long = json!({ "query": format!("{{ a }} # {}", "x".repeat(10_000)) });
    told(server.post(PLACE).json(&long).send(), 422, "Query too large");
    let many = json!(vec![json!({ "query": "{ __typename }" }); 21]);
    told(server.post(PLACE).json(&many).send(), 422, "20");
}
