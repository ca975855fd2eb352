//! What projects keep of their packages, as clients and administrators meet it (spec gitlab
//! §8.4-8.7, statements 13, 22-25): GraphQL, our JSON and the command line on one policy.

use serde_json::{Value, json};

use super::harness::maven::Maven;
use super::harness::sweeps::done;
const GRAPHQL: &str = "/api/graphql";
const POLICY: &str = "projects/acme%2Flib/packages/cleanup_policy";

fn graphql(maven: &Maven, token: &str, query: &str) -> Value {
    let request = maven.server.post(GRAPHQL).header("authorization", &format!("Bearer {token}"));
    request.json(&json!({ "query": query })).expect(200).json()
}

fn query(project: &str) -> String {
    format!(
        "{{ project(fullPath: \"{project}\") {{ packagesCleanupPolicy {{ \
         keepNDuplicatedPackageFiles nextRunAt }} }} }}"
    )
}

/// As in the examples of GitLab: the field begins on the second line, in the third column.
fn update(project: &str, keep: &str) -> String {
    format!(
        "mutation {{\n  updatePackagesCleanupPolicy(input: {{projectPath: \"{project}\", \
         clientMutationId: \"m\"{keep}}}) {{ packagesCleanupPolicy {{ \
         keepNDuplicatedPackageFiles nextRunAt }} errors clientMutationId }}\n}}"
    )
}

fn keeping(word: &str) -> String {
    format!(", keepNDuplicatedPackageFiles: {word}")
}

fn policy(maven: &Maven) -> Value {
    maven.ask(&maven.root, &format!("GET {POLICY}")).expect(200).json()
}

fn plan(maven: &Maven, query: &str) -> Value {
    maven.ask(&maven.root, &format!("GET {POLICY}/plan{query}")).expect(200).json()
}

fn stats(maven: &Maven) -> Value {
    let stats = maven.server.command(&["stats", "--json"]).succeeds().out;
    serde_json::from_str(&stats).unwrap()
}

/// Runs the policy, and waits until what it marked is unlinked.
fn run(maven: &Maven) -> Value {
    maven.ask(&maven.root, &format!("POST {POLICY}/run")).expect(202);
    maven.server.sweep_and_wait();
    maven.server.sweep_and_wait();
    policy(maven)["runs"][0].clone()
}

#[test]
fn statement_22_a_developer_reads_null_and_a_change_is_refused_in_gitlabs_words() {
    let maven = Maven::start();
    let developer = maven.has_member("acme", "dora", 30);
    let maintainer = maven.has_member("acme", "mary", 40);
    let stranger = {
        maven.server.has_user("sam", &["people"]);
        maven.server.token_of("sam", "api")
    };
    let asked = graphql(&maven, &developer, &query("acme/lib"));
    assert_eq!(asked, json!({"data": {"project": {"packagesCleanupPolicy": null}}}));
    let asked = graphql(&maven, &stranger, &query("acme/lib"));
    assert_eq!(asked, json!({"data": {"project": null}}));
    let refused = json!({
        "data": {"updatePackagesCleanupPolicy": null},
        "errors": [{
            "message": "The resource that you are attempting to access does not exist or you \
                        don't have permission to perform this action",
            "locations": [{"line": 2, "column": 3}],
            "path": ["updatePackagesCleanupPolicy"],
        }],
    });
    for (who, project) in
        [(&developer, "acme/lib"), (&stranger, "acme/lib"), (&maintainer, "acme/none")]
    {
        let told = graphql(&maven, who, &update(project, &keeping("ONE_PACKAGE_FILE")));
        assert_eq!(told, refused, "{project}");
    }
    let reader = maven.server.token_of("mary", "read_api");
    let told = graphql(&maven, &reader, &update("acme/lib", &keeping("ONE_PACKAGE_FILE")));
    assert_eq!(told, refused);
    for (who, status) in [(&developer, 403), (&stranger, 404)] {
        maven.ask(who, &format!("GET {POLICY}")).expect(status);
        maven.ask(who, &format!("GET {POLICY}/plan")).expect(status);
        maven.ask(who, &format!("PUT {POLICY}")).json(&json!({})).expect(status);
        maven.ask(who, &format!("POST {POLICY}/run")).expect(status);
    }
    maven.ask("", &format!("GET {POLICY}")).expect(401);
    let told = graphql(&maven, &maintainer, &update("acme/lib", &keeping("ONE_PACKAGE_FILE")));
    let payload = &told["data"]["updatePackagesCleanupPolicy"];
    assert_eq!((&payload["errors"], &payload["clientMutationId"]), (&json!([]), &json!("m")));
}

#[test]
fn statement_23_the_dummy_is_not_stored_and_an_update_sets_the_next_run_half_a_day_ahead() {
    let maven = Maven::start();
    let asked = |maven: &Maven| {
        let told = graphql(maven, &maven.root, &query("acme/lib"));
        told["data"]["project"]["packagesCleanupPolicy"].clone()
    };
    let dummy = json!({"keepNDuplicatedPackageFiles": "ALL_PACKAGE_FILES", "nextRunAt": null});
    assert_eq!(asked(&maven), dummy);
    assert_eq!(asked(&maven), dummy);
    assert_eq!(policy(&maven)["created_at"], Value::Null);
    let before = jiff::Timestamp::now().as_second();
    for (word, number) in [
        ("ONE_PACKAGE_FILE", "1"),
        ("TEN_PACKAGE_FILES", "10"),
        ("TWENTY_PACKAGE_FILES", "20"),
        ("THIRTY_PACKAGE_FILES", "30"),
        ("FORTY_PACKAGE_FILES", "40"),
        ("FIFTY_PACKAGE_FILES", "50"),
        ("ALL_PACKAGE_FILES", "all"),
    ] {
        let told = graphql(&maven, &maven.root, &update("acme/lib", &keeping(word)));
        let payload = &told["data"]["updatePackagesCleanupPolicy"];
        assert_eq!(payload["packagesCleanupPolicy"]["keepNDuplicatedPackageFiles"], word, "{told}");
        assert_eq!(policy(&maven)["keep_n_duplicated_package_files"], number);
        let next = asked(&maven)["nextRunAt"].as_str().unwrap().to_owned();
        assert!(next.ends_with('Z') && next.len() == "2022-05-18T03:04:43Z".len(), "{next}");
        let ahead = next.parse::<jiff::Timestamp>().unwrap().as_second() - before;
        assert!((12 * 3600 - 1..12 * 3600 + 300).contains(&ahead), "{ahead}");
    }
    // What is left out stays as it is.
    graphql(&maven, &maven.root, &update("acme/lib", &keeping("TEN_PACKAGE_FILES")));
    let told = graphql(&maven, &maven.root, &update("acme/lib", ""));
    let payload = &told["data"]["updatePackagesCleanupPolicy"]["packagesCleanupPolicy"];
    assert_eq!(payload["keepNDuplicatedPackageFiles"], "TEN_PACKAGE_FILES");
    let told = graphql(&maven, &maven.root, &update("acme/lib", &keeping("TWO_PACKAGE_FILES")));
    assert!(told["errors"][0]["message"].as_str().unwrap().contains("TWO_PACKAGE_FILES"), "{told}");
}

#[test]
fn figure_3_of_100_publications_policy_one_keeps_the_newest_and_space_is_counted_to_the_byte() {
    let maven = Maven::start();
    let folder = "com/acme/app/1.0/app-1.0";
    // Every other jar is a file of the disk, the poms are rows; one jar is published twice.
    let jar = |round: usize| {
        format!("{round:03}").repeat(if round.is_multiple_of(2) { 10_000 } else { 9 })
    };
    let pom = |round: usize| format!("<project n='{round:02}'/>");
    for round in 0..100 {
        let round = if round == 50 { 48 } else { round };
        maven.on(&format!("PUT {folder}.jar")).body(jar(round)).expect(200);
        maven.on(&format!("PUT {folder}.pom")).body(pom(round)).expect(200);
    }
    maven.on(&format!("PUT {folder}.txt")).body("once").expect(200);
    maven
        .ask(&maven.root, &format!("PUT {POLICY}"))
        .json(&json!({"keep_n_duplicated_package_files": "1"}))
        .expect(200);
    let before = stats(&maven);
    let plan = plan(&maven, "");
    let cost = &plan["cost"];
    assert_eq!((&plan["packages"], &plan["names"]), (&json!(1), &json!(2)), "{plan}");
    assert_eq!(cost["named"]["files"], 198);
    assert_eq!(plan["files"][0]["rule"], "keep_n_duplicated_package_files");
    assert!(plan["files"][0]["reason"].as_str().unwrap().contains("number 2 of the files"));
    // The dry run changes nothing.
    let now = stats(&maven);
    for what in ["files", "inline", "backlog"] {
        assert_eq!(now[what], before[what], "{what}");
    }
    let ran = run(&maven);
    assert_eq!(ran["counts"]["marked_package_files_total_count"], 198, "{ran}");
    assert_eq!(ran["counts"]["unique_package_id_and_file_name_total_count"], 2);
    assert_eq!((&ran["bytes"], &ran["timeout"]), (&cost["named"]["bytes"], &json!(false)));
    assert_eq!(ran["sample"][0], "com/acme/app 1.0: app-1.0.pom");
    maven.get(&format!("{folder}.jar")).body_is(jar(99));
    maven.get(&format!("{folder}.pom")).body_is(pom(99));
    maven.get(&format!("{folder}.txt")).body_is("once");
    let after = stats(&maven);
    for kind in ["files", "inline"] {
        for what in ["files", "bytes"] {
            let [before, after] =
                [&before, &after].map(|stats| stats[kind][what].as_u64().unwrap());
            let promised = cost[kind][what].as_u64().unwrap();
            assert_eq!(before - after, promised, "{what} of {kind}: {before} to {after}");
        }
    }
    let kept = jar(99).len() + pom(99).len() + "once".len();
    let left = ["files", "inline"].map(|kind| after[kind]["bytes"].as_u64().unwrap());
    assert_eq!(left.iter().sum::<u64>(), u64::try_from(kept).unwrap());
    assert_eq!(maven.server.blob_files().1, after["files"]["bytes"].as_u64().unwrap());
    maven.server.command(&["check"]).succeeds();
}

#[test]
fn defect_j_the_newest_builds_of_a_snapshot_stay_and_resolve() {
    let maven = Maven::start();
    let folder = "com/acme/app/1.0-SNAPSHOT";
    let file =
        |build: usize, kind: &str| format!("{folder}/app-1.0-2026010{build}.120000-{build}{kind}");
    for build in 1..=4 {
        for kind in [".jar", ".pom", "-sources.jar"] {
            maven
                .on(&format!("PUT {}", file(build, kind)))
                .body(format!("{build}{kind}"))
                .expect(200);
        }
    }
    let keep = |value: Value| {
        let body = json!({ "keep_snapshots": value });
        maven.ask(&maven.root, &format!("PUT {POLICY}")).json(&body)
    };
    keep(json!(0)).expect(400);
    keep(json!(1001)).expect(400);
    assert_eq!(keep(json!(2)).expect(200).json()["keep_snapshots"], 2);
    assert_eq!(plan(&maven, "?keep_snapshots=3")["cost"]["named"]["files"], 3);
    assert_eq!(run(&maven)["counts"]["marked_package_files_total_count"], 6);
    for build in 1..=4 {
        for kind in [".jar", ".pom", "-sources.jar"] {
            let status = if build > 2 { 200 } else { 404 };
            maven.on(&format!("GET {}", file(build, kind))).expect(status);
        }
    }
    let metadata = maven.get(&format!("{folder}/maven-metadata.xml")).text();
    assert!(metadata.contains("20260104.120000") && !metadata.contains("20260102"), "{metadata}");
}

#[test]
fn the_command_line_shows_sets_plans_runs_and_remembers() {
    let maven = Maven::start();
    for text in ["1", "22"] {
        maven.on("PUT com/acme/app/1.0/app-1.0.jar").body(text).expect(200);
    }
    let policy = |arguments: &[&str]| {
        let all = [&["policy"], arguments, &["--project", "acme/lib"]].concat();
        maven.server.command(&all)
    };
    assert!(policy(&["show"]).succeeds().out.contains("keeps everything"));
    assert!(policy(&["history"]).succeeds().out.contains("has not run"));
    assert!(policy(&["plan"]).succeeds().out.contains("nothing of acme/lib would go"));
    policy(&["run"]).exits(1);
    policy(&["set", "--keep", "2"]).complains(&["1, 10, 20, 30, 40, 50 or all"]);
    policy(&["set"]).complains(&["--keep"]);
    let planned = policy(&["plan", "--keep", "1"]).succeeds().out;
    assert!(planned.contains("app-1.0.jar") && planned.contains("1 file of 1 byte"), "{planned}");
    let set = policy(&["set", "--keep", "1", "--keep-snapshots", "5"]).succeeds().out;
    assert!(set.contains("keep_n_duplicated_package_files = 1, keep_snapshots = 5"), "{set}");
    assert!(policy(&["run"]).succeeds().out.contains("It runs now"));
    maven.server.sweep_and_wait();
    let history = policy(&["history", "--json"]).succeeds().out;
    let history: Value = serde_json::from_str(&history).unwrap();
    assert_eq!(
        (&history["runs"][0]["files"], &history["runs"][0]["bytes"]),
        (&json!(1), &json!(1))
    );
    assert!(policy(&["history"]).succeeds().out.contains("app-1.0.jar"));
    let unknown = maven.server.command(&["policy", "show", "--project", "acme/none"]);
    unknown.complains(&["acme/none"]);
    let capacity = maven.server.command(&["policy", "capacity", "0"]).succeeds().out;
    assert!(capacity.contains("No policy of packages runs"), "{capacity}");
}

#[test]
fn the_capacity_is_a_setting_of_the_application_and_a_stage_tells_what_it_did() {
    let maven = Maven::start();
    let settings = |body: Value| {
        maven.ask(&maven.root, "PUT application/settings").json(&body).expect(200).json()
    };
    let name = "package_registry_cleanup_policies_worker_capacity";
    let told = settings(json!({ name: 0 }));
    assert_eq!(told[name], 0);
    assert_eq!(told["packages_cleanup_package_file_worker_capacity"], 0);
    for text in ["1", "22"] {
        maven.on("PUT com/acme/app/1.0/app-1.0.jar").body(text).expect(200);
    }
    let body = json!({"keep_n_duplicated_package_files": 1});
    maven.ask(&maven.root, &format!("PUT {POLICY}")).json(&body).expect(200);
    maven.ask(&maven.root, &format!("POST {POLICY}/run")).expect(202);
    maven.server.sweep_and_wait();
    assert_eq!(policy(&maven)["runs"], json!([]), "0 runs nothing");
    let before = maven.server.sweeps().len();
    settings(json!({ name: 2 }));
    maven.server.wait_for_sweep(before, "reclaim", "request");
    let all = maven.server.sweeps();
    let marked = all.iter().find(|run| {
        run["stages"].as_array().unwrap().iter().any(|stage| stage["name"] == "package-policies")
    });
    assert_eq!(done(marked.unwrap(), "package-policies"), (1, 1));
    assert_eq!(policy(&maven)["runs"].as_array().unwrap().len(), 1);
}
