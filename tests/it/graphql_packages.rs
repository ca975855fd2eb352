//! Packages by GraphQL over HTTP: what a bulk deletion takes, and who may (spec gitlab §8.1;
//! statements 19 to 21 and 25 are tried beside the code as well).

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::api_packages::Setting;

impl Setting {
    fn runs(&self, token: &str, query: &str) -> Value {
        // With a slash, as glab asks.
        let request = self.server.post("/api/graphql/").json(&json!({ "query": query }));
        request.header("Authorization", &format!("Bearer {token}")).expect(200).json()
    }
}

fn destroy(ids: &[u64]) -> String {
    let ids: Vec<_> =
        ids.iter().map(|id| format!("\"gid://gitlab/Packages::Package/{id}\"")).collect();
    format!("mutation {{ destroyPackages(input: {{ids: [{}]}}) {{ errors }} }}", ids.join(","))
}

/// Figure 4 of the issue, with fewer files: the request does nothing for each file.
#[test]
fn a_bulk_deletion_answers_at_once() {
    let setting = Setting::new("private");
    for number in 0..20 {
        for file in 0..10 {
            let (version, name) = (format!("1.{number}"), format!("f{file}.txt"));
            setting.publishes(setting.app, "big", &version, &name, &format!("{number} {file}"));
        }
    }
    let path = format!("projects/{}/packages", setting.app);
    let list = setting.get(&setting.root, &path).json();
    let ids: Vec<_> =
        list.as_array().unwrap().iter().map(|line| line["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), 20);
    let token = setting.token("maintainer");
    let started = Instant::now();
    let found = setting.runs(&token, &destroy(&ids));
    assert_eq!(found, json!({ "data": { "destroyPackages": { "errors": [] } } }));
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!(setting.get(&setting.root, &path).json(), json!([]));
}

#[test]
fn a_token_that_reads_changes_nothing() {
    let setting = Setting::new("private");
    setting.publishes(setting.app, "lib", "1", "f", "x");
    let id = setting.id("lib");
    let reader = setting.server.token_of("maintainer", "read_api");
    let told = setting.runs(&reader, &destroy(&[id]));
    assert_eq!(told["data"], json!({ "destroyPackages": null }));
    assert_eq!(setting.id("lib"), id);
    let query = format!("{{ package(id: \"gid://gitlab/Packages::Package/{id}\") {{ name }} }}");
    assert_eq!(setting.runs(&reader, &query)["data"]["package"]["name"], "lib");
}
