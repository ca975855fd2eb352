//! Documents of known callers, answered by the whole server without a listener: the form of what
//! comes back, the types that there are, and what is too much.
//!
//! Deliberately absent: tokens, which are tried on the real binary.

mod dependency_proxy;
mod group;
mod packages;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::*;
use crate::http::guard::tests::{Answer, Bench, admin, user};
use crate::model::{Caller, GroupId, GroupName, GroupPath, MemberName, Role, UserName, Visibility};
use crate::store::Store;
use crate::store::governed;
use crate::store::members::{MemberPut, PutMode};

const LINE: &str = "POST /api/graphql";

/// The text for what is not there, or not to be changed.
const UNAVAILABLE: &str = "The resource that you are attempting to access does not exist or you \
                           don't have permission to perform this action";

impl Bench {
    fn store(&self) -> &Store {
        self.server.tree.store()
    }

    /// Makes a group, which `owner` owns.
    async fn has_group(&self, path: &str, visibility: Visibility) -> GroupId {
        let (parent, name) = match path.rsplit_once('/') {
            Some((parent, name)) => (self.group(parent), name),
            None => (GroupId::TOP, path),
        };
        let new = governed::New {
            parent,
            name: GroupName::parse(name).unwrap(),
            title: name.to_uppercase(),
            description: format!("all about {name}"),
            visibility,
            owner: Some(UserName::parse("owner").unwrap()),
        };
        self.store().create_group(new).await.unwrap()
    }

    fn group(&self, path: &str) -> GroupId {
        let path = GroupPath::parse(path).unwrap();
        self.store().view().unwrap().group_at(&path).unwrap().unwrap().0
    }

    /// Makes a member of each role, whose login is its name.
    async fn has_members(&self, group: GroupId) {
        for role in Role::ALL.into_iter().filter(|role| *role != Role::Owner) {
            let name = MemberName::User(UserName::parse(role.as_str()).unwrap());
            let (by, mode) = ("test".to_owned(), PutMode::Add);
            let put = MemberPut { group, name, role, expires: None, by, mode };
            self.store().put_member(put).await.unwrap();
        }
    }

    async fn posts(&self, caller: &Caller, body: &Value) -> Answer {
        self.send(caller, LINE, &[], &body.to_string()).await
    }

    /// What a document comes to.
    async fn runs(&self, caller: &Caller, query: &str) -> Value {
        let answer = self.posts(caller, &json!({ "query": query })).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.body);
        assert_eq!(answer.header("content-type"), "application/json");
        answer.json()
    }

    /// What a document without errors comes to.
    async fn finds(&self, caller: &Caller, query: &str) -> Value {
        let mut answer = self.runs(caller, query).await;
        assert_eq!(answer.get("errors"), None, "{query}: {answer}");
        answer["data"].take()
    }
}

fn of(role: &str) -> Caller {
    user(role, &[])
}

/// The one error of an answer.
#[track_caller]
fn error(answer: &Value) -> &str {
    assert_eq!(answer["errors"].as_array().map(Vec::len), Some(1), "{answer}");
    answer["errors"][0]["message"].as_str().unwrap()
}

/// What is told of one change that is not the caller's to make.
fn unavailable(field: &str) -> Value {
    json!({
        "data": { field: null },
        "errors": [{
            "message": UNAVAILABLE,
            "locations": [{ "line": 1, "column": 12 }],
            "path": [field],
        }],
    })
}

#[test]
fn a_slash_at_the_end_is_the_same_place() {
    assert!(is_graphql("/api/graphql") && is_graphql("/api/graphql/"));
    for other in ["/api/graphql//", "/api/graphql/x", "/api/graphq", "/API/graphql", "/"] {
        assert!(!is_graphql(other), "{other}");
    }
}

#[tokio::test]
async fn it_is_told_which_server_this_is_and_who_asks() {
    let bench = Bench::new(&[]);
    let query = "{ metadata { version } currentUser { id username } }";
    let version = crate::http::api::VERSION;
    let found = bench.finds(&of("eve"), query).await;
    let eve = json!({ "id": "gid://gitlab/User/1", "username": "eve" });
    assert_eq!(found, json!({ "metadata": { "version": version }, "currentUser": eve }));
    assert_eq!(bench.finds(&of("bob"), query).await["currentUser"]["id"], "gid://gitlab/User/2");
    assert_eq!(bench.finds(&of("eve"), query).await["currentUser"]["id"], "gid://gitlab/User/1");
    assert_eq!(bench.finds(&Caller::Anonymous, query).await["currentUser"], Value::Null);
}

#[tokio::test]
async fn an_array_gets_an_array_and_sees_its_own_changes() {
    let bench = Bench::new(&[]);
    bench.has_group("g", Visibility::Private).await;
    let policy = "{ group(fullPath: \"g\") { dependencyProxyImageTtlPolicy { ttl } } }";
    let change = "mutation { updateDependencyProxyImageTtlGroupPolicy(\
                  input: {groupPath: \"g\", ttl: 7}) { errors } }";
    let queries = [policy, change, policy, "{ nothing }"].map(|query| json!({ "query": query }));
    let answers = bench.posts(&of("owner"), &json!(queries)).await.json();
    let ttl = |at: usize| &answers[at]["data"]["group"]["dependencyProxyImageTtlPolicy"]["ttl"];
    assert_eq!((ttl(0), ttl(2)), (&json!(90), &json!(7)), "{answers}");
    assert!(error(&answers[3]).contains("nothing"), "{answers}");
    assert_eq!(bench.posts(&admin(), &json!([])).await.json(), json!([]));
}

#[tokio::test]
async fn what_is_no_request_is_refused_with_a_document() {
    let bench = Bench::new(&[]);
    for (line, body, status, why) in [
        ("GET /api/graphql?query={a}", "", 405, "GraphQL takes POST"),
        ("PUT /api/graphql/", "{}", 405, "GraphQL takes POST"),
        (LINE, "", 400, "the body must be JSON"),
        (LINE, "{}", 400, "No query string was present"),
        (LINE, r#"{"query":"{","variables":1}"#, 400, "variables must be an object"),
    ] {
        let answer = bench.send(&Caller::Anonymous, line, &[], body).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (status, JSON));
        let told = answer.json()["errors"][0]["message"].as_str().unwrap().to_owned();
        assert!(told.contains(why), "{line}: {told}");
        assert_eq!(answer.header("allow"), if status == 405 { "POST" } else { "" });
    }
}

const JSON: &str = "application/json";

#[tokio::test]
async fn faults_of_a_document_say_where_they_are() {
    let bench = Bench::new(&[]);
    let answer = bench.runs(&admin(), "{ metadata { vers } }").await;
    assert!(error(&answer).contains("vers"), "{answer}");
    assert_eq!(answer["errors"][0]["locations"], json!([{ "line": 1, "column": 14 }]));
    for broken in ["{", "{ metadata { version }", "nonsense", "subscription { metadata }"] {
        let answer = bench.runs(&admin(), broken).await;
        assert!(answer["errors"][0]["message"].is_string(), "{answer}");
        assert_eq!(answer["data"], Value::Null);
    }
    let two = json!({ "query": "query a { __typename } query b { metadata { version } }",
                      "operationName": "a" });
    let answer = bench.posts(&admin(), &two).await.json();
    assert_eq!(answer, json!({ "data": { "__typename": "Query" } }));
}

/// All types, with what they have.
#[test]
fn the_schema_is_the_one_that_is_written_down() {
    let written = include_str!("tests/schema.graphql");
    let is = schema::sdl();
    if is != written {
        let place = std::env::temp_dir().join("schema.graphql");
        std::fs::write(&place, is).unwrap();
        panic!("the schema is another than tests/schema.graphql: compare {}", place.display());
    }
}

#[tokio::test]
async fn the_schema_can_be_asked_for_as_clients_do() {
    let bench = Bench::new(&[]);
    let found = bench.finds(&Caller::Anonymous, include_str!("tests/introspection.graphql")).await;
    let schema = &found["__schema"];
    assert_eq!(schema["subscriptionType"], Value::Null);
    assert_eq!(schema["mutationType"]["name"], "Mutation");
    let types = schema["types"].as_array().unwrap();
    let group = types.iter().find(|found| found["name"] == "Group").unwrap();
    let fields = group["fields"].as_array().unwrap();
    let size = fields.iter().find(|f| f["name"] == "dependencyProxyTotalSizeInBytes").unwrap();
    assert_eq!(size["isDeprecated"], true);
}

#[tokio::test]
async fn what_costs_too_much_is_refused_before_it_does() {
    let bench = Bench::new(&[]);
    bench.has_group("g", Visibility::Public).await;
    let started = Instant::now();
    let deep = format!("{{ __schema {} }}", "{ types { fields { type ".repeat(8) + &"}".repeat(24));
    assert!(error(&bench.runs(&admin(), &deep).await).contains("too deep"));
    let mut bomb = "{ ...f0 }".to_owned();
    for at in 0..12 {
        let next = at + 1;
        let _ = write!(bomb, " fragment f{at} on Query {{ ...f{next} ...f{next} }}");
    }
    bomb.push_str(" fragment f12 on Query { __typename }");
    assert!(error(&bench.runs(&admin(), &bomb).await).contains("too large"));
    let pages = |count: usize| {
        let pages = (0..count).map(|at| format!("p{at}: dependencyProxyBlobs {{ __typename }} "));
        format!("{{ group(fullPath: \"g\") {{ {} }} }}", pages.collect::<String>())
    };
    assert!(bench.runs(&admin(), &pages(30)).await.get("errors").is_none());
    assert!(error(&bench.runs(&admin(), &pages(60)).await).contains("too complex"));
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

/// Neither the stack nor the time of the server is a document's to use up.
#[tokio::test]
async fn values_within_values_do_no_harm() {
    let bench = Bench::new(&[]);
    let started = Instant::now();
    for (open, close) in [("[", "]"), ("{a:", "}"), ("{a:[", "]}")] {
        for depth in [100, 1500] {
            let value = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let query = format!("{{ group(fullPath: {value}) {{ id }} }}");
            assert!(!error(&bench.runs(&admin(), &query).await).is_empty());
        }
    }
    let types = format!("query($a: {}Int{}) {{ __typename }}", "[".repeat(4000), "]".repeat(4000));
    bench.runs(&admin(), &types).await;
    let sets = format!("{}{}", "{a".repeat(3000), "}".repeat(3000));
    bench.runs(&admin(), &sets).await;
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}
