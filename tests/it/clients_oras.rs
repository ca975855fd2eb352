//! oras against the registry: artifacts of any kind, what is attached to them, and copying the
//! whole of it.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use super::harness::needs_client;
use super::harness::registry::{ALIAS, Registry, Tool};

fn oras(registry: &Registry) -> Option<Tool<'_>> {
    let oras = registry.tool(&needs_client("oras")?);
    Some(oras.logged_in("login --plain-http --username alice --password-stdin $R"))
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The artifact types of what is attached, sorted, with how many each has attached in turn.
fn attached(oras: &Tool, reference: &str, more: &str) -> Vec<(String, usize)> {
    let line = format!("discover --plain-http --format json {more} {reference}");
    let found = json(&oras.run(&line));
    let referrers = found["referrers"].as_array().cloned().unwrap_or_default();
    let kind = |entry: &Value| entry["artifactType"].as_str().unwrap().to_owned();
    let below = |entry: &Value| entry["referrers"].as_array().map_or(0, Vec::len);
    let mut kinds: Vec<_> = referrers.iter().map(|entry| (kind(entry), below(entry))).collect();
    kinds.sort_unstable();
    kinds
}

#[test]
fn oras_pushes_attaches_discovers_and_copies_all_of_it() {
    let Some(_) = needs_client("oras") else { return };
    Registry::each(|registry| {
        let Some(oras) = oras(registry) else { return };
        for name in ["app.txt", "sbom.txt", "note.txt", "signature.txt"] {
            fs::write(registry.path(name), name.repeat(1000)).unwrap();
        }
        let push = "push --plain-http --artifact-type test/app --format json";
        let pushed = json(&oras.run(&format!("{push} $R/main/app:1 app.txt:text/plain")));
        let digest = pushed["digest"].as_str().unwrap();
        let attach = |kind: &str, reference: &str, file: &str| {
            let line = format!("attach --plain-http --format json --artifact-type {kind}");
            let attached = json(&oras.run(&format!("{line} {reference} {file}:text/plain")));
            attached["digest"].as_str().unwrap().to_owned()
        };
        let sbom = attach("test/sbom", "$R/main/app:1", "sbom.txt");
        attach("test/note", &format!("$R/main/app@{digest}"), "note.txt");
        attach("test/signature", &format!("$R/main/app@{sbom}"), "signature.txt");
        let all = [("test/note".to_owned(), 0), ("test/sbom".to_owned(), 1)];
        assert_eq!(attached(&oras, "$R/main/app:1", ""), all);
        let filtered = attached(&oras, "$R/main/app:1", "--artifact-type test/sbom");
        assert_eq!(filtered, [("test/sbom".to_owned(), 0)]);

        let copy = "cp -r --from-plain-http --to-plain-http $R/main/app:1";
        oras.run(&format!("{copy} $R/release/copy:1"));
        assert_eq!(attached(&oras, "$R/release/copy:1", ""), all);
        let tags = oras.run("repo tags --plain-http $R/release/copy");
        assert!(tags.lines().any(|tag| tag == "1"), "{tags}");
        oras.run("pull --plain-http --output back $R/release/copy:1");
        let back = fs::read(registry.path("back/app.txt")).unwrap();
        assert!(back == fs::read(registry.path("app.txt")).unwrap());
        // There and back through a layout.
        oras.run("cp -r --from-plain-http --to-oci-layout $R/main/app:1 lay:1");
        oras.run("cp -r --from-oci-layout --to-plain-http lay:1 $R/third/app:1");
        assert_eq!(attached(&oras, "$R/third/app:1", ""), all);
    });
}

#[test]
fn oras_tags_lists_and_deletes() {
    let Some(_) = needs_client("oras") else { return };
    Registry::each(|registry| {
        let Some(oras) = oras(registry) else { return };
        fs::write(registry.path("app.txt"), "app").unwrap();
        oras.run("push --plain-http $R/main/app:1,2 app.txt");
        oras.run("tag --plain-http $R/main/app:1 3");
        let tags = oras.run("repo tags --plain-http $R/main/app");
        let tags: BTreeSet<_> = tags.lines().filter(|tag| *tag != ALIAS).collect();
        assert_eq!(tags, BTreeSet::from(["1", "2", "3"]));
        assert_eq!(oras.run("repo ls --plain-http $R"), "main/app");
        let fetch = "manifest fetch --plain-http --descriptor";
        let first = json(&oras.run(&format!("{fetch} $R/main/app:1")));
        assert_eq!(json(&oras.run(&format!("{fetch} $R/main/app:3"))), first);
        let resolved = oras.run("resolve --plain-http $R/main/app:3");
        assert_eq!(first["digest"], resolved);
        oras.run("manifest delete --plain-http --force $R/main/app:1");
        // The digest goes, and its tags with it.
        assert_eq!(oras.attempt(&format!("{fetch} $R/main/app:3")).code, Some(1));
        fs::write(registry.path("blob"), "a blob alone").unwrap();
        let blob = json(&oras.run("blob push --plain-http --descriptor $R/main/app blob"));
        let blob = blob["digest"].as_str().unwrap();
        let got = oras.run(&format!("blob fetch --plain-http --output - $R/main/app@{blob}"));
        assert_eq!(got, "a blob alone");
        oras.run(&format!("blob delete --plain-http --force $R/main/app@{blob}"));
        let gone = format!("blob fetch --plain-http --output - $R/main/app@{blob}");
        assert_eq!(oras.attempt(&gone).code, Some(1));
    });
}

#[test]
fn oras_pushes_an_index() {
    let Some(_) = needs_client("oras") else { return };
    Registry::each(|registry| {
        let Some(oras) = oras(registry) else { return };
        for number in ["1", "2"] {
            fs::write(registry.path(number), number).unwrap();
            let push = "push --plain-http --artifact-platform linux/amd64";
            oras.run(&format!("{push} $R/main/app:{number} {number}"));
        }
        oras.run("manifest index create --plain-http $R/main/app:both 1 2");
        let index = json(&oras.run("manifest fetch --plain-http $R/main/app:both"));
        assert_eq!(index["manifests"].as_array().map(Vec::len), Some(2));
        let second = index["manifests"][1]["digest"].as_str().unwrap();
        let update = "manifest index update --plain-http $R/main/app:both --remove";
        oras.run(&format!("{update} {second}"));
        let index = json(&oras.run("manifest fetch --plain-http $R/main/app:both"));
        assert_eq!(index["manifests"].as_array().map(Vec::len), Some(1));
    });
}
