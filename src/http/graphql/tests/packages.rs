//! Packages by GraphQL: statements 19, 20, 21 and 25 of the spec's list (gitlab §13), errors in
//! their exact words, lists, and what a big deletion costs.

use super::*;
use crate::model::{
    PackageFileName, PackageId, PackageKey, PackageKind, PackageName, PackageStatus,
    PackageVersion, ProjectId, RuleRole, SeriesKey, Sums,
};
use crate::store::blobs::{Body, Content};
use crate::store::packages::NewProtectionRule;

use crate::store::packages::{Again, NewPackageFile, Publish};

const MANY: &str = "Cannot delete more than 20 packages";

impl Bench {
    async fn has_project(&self, group: GroupId, name: &str, visibility: Visibility) -> ProjectId {
        let new = governed::New { visibility, ..governed::New::of(group, name) };
        self.store().create_project(new).await.unwrap()
    }

    /// Publishes a file of a generic package.
    async fn publishes(&self, at: ProjectId, name: &str, version: &str, file: &str) -> PackageId {
        let mut hasher = crate::blobs::hash::Hasher::with_sums(None);
        hasher.update(file.as_bytes());
        let sums: Sums = hasher.finish().sums.unwrap();
        let body = Body::Inline(file.to_owned().into());
        let size = u64::try_from(file.len()).unwrap();
        let content = Content::Uploaded { digest: sums.sha256, size, body };
        let file = NewPackageFile {
            name: PackageFileName::parse(file).unwrap(),
            content,
            sums,
            requires_python: None,
        };
        let series =
            SeriesKey { kind: PackageKind::Generic, name: PackageName::parse(name).unwrap() };
        let version = Some(PackageVersion::parse(version).unwrap());
        let new = Publish {
            project: at,
            key: PackageKey { series, version },
            title: name.to_owned(),
            by: "owner".to_owned(),
            may: None,
            file: Some(file),
            meta: None,
            status: None,
            tags: Vec::new(),
            again: Again::Append,
        };
        self.store().publish(new).await.unwrap().package
    }

    fn package_status(&self, id: PackageId) -> PackageStatus {
        self.store().view().unwrap().package(id).unwrap().unwrap().status
    }

    async fn has_acme(&self) -> (GroupId, ProjectId) {
        let group = self.has_group("acme", Visibility::Private).await;
        self.has_members(group).await;
        (group, self.has_project(group, "app", Visibility::Private).await)
    }
}

fn gid(id: PackageId) -> String {
    format!("gid://gitlab/Packages::Package/{}", id.0)
}

fn destroy(ids: &[PackageId]) -> String {
    let ids: Vec<_> = ids.iter().map(|id| format!("\"{}\"", gid(*id))).collect();
    format!("mutation {{ destroyPackages(input: {{ids: [{}]}}) {{ errors }} }}", ids.join(","))
}

#[tokio::test]
async fn statement_19_twenty_ids_go_and_twenty_one_are_refused_whole() {
    let bench = Bench::new(&[]);
    let (_, app) = bench.has_acme().await;
    let mut ids = Vec::new();
    for number in 0..21 {
        ids.push(bench.publishes(app, "app", &format!("1.{number}"), "f").await);
    }
    let answer = bench.runs(&of("maintainer"), &destroy(&ids)).await;
    let wanted = json!({
        "data": { "destroyPackages": null },
        "errors": [{
            "message": MANY,
            "locations": [{ "line": 1, "column": 12 }],
            "path": ["destroyPackages"],
        }],
    });
    assert_eq!(answer, wanted);
    assert!(ids.iter().all(|id| bench.package_status(*id) == PackageStatus::Default));
    // They are counted before they are compared.
    let same = vec![ids[0]; 21];
    assert_eq!(error(&bench.runs(&of("maintainer"), &destroy(&same)).await), MANY);
    let found = bench.finds(&of("maintainer"), &destroy(&ids[..20])).await;
    assert_eq!(found, json!({ "destroyPackages": { "errors": [] } }));
    for id in &ids[..20] {
        assert_eq!(bench.package_status(*id), PackageStatus::PendingDestruction);
    }
    assert_eq!(bench.package_status(ids[20]), PackageStatus::Default);
}

#[tokio::test]
async fn statement_19_of_two_calls_in_one_request_the_first_counts() {
    let bench = Bench::new(&[]);
    let (_, app) = bench.has_acme().await;
    let one = bench.publishes(app, "one", "1", "f").await;
    let two = bench.publishes(app, "two", "1", "f").await;
    let call = |alias: &str, id| {
        format!("{alias}: destroyPackages(input: {{ids: [\"{}\"]}}) {{ errors }}", gid(id))
    };
    let query = format!("mutation {{ {} {} }}", call("a", one), call("b", two));
    let answer = bench.runs(&of("maintainer"), &query).await;
    let told = r#""destroyPackages" field can be requested only for 1 Mutation(s) at a time."#;
    assert_eq!(error(&answer), told);
    assert_eq!(answer["errors"][0]["path"], json!(["b"]));
    assert_eq!(answer["data"], json!({ "a": { "errors": [] }, "b": null }));
    assert_eq!(bench.package_status(one), PackageStatus::PendingDestruction);
    assert_eq!(bench.package_status(two), PackageStatus::Default);
    // Another document of the same request counts for itself.
    let queries = [destroy(&[two]), destroy(&[one])].map(|query| json!({ "query": query }));
    let answers = bench.posts(&of("maintainer"), &json!(queries)).await.json();
    assert!(answers[0].get("errors").is_none() && answers[1].get("errors").is_none());
    assert_eq!(bench.package_status(two), PackageStatus::PendingDestruction);
}

#[tokio::test]
async fn statement_20_one_foreign_package_keeps_all_and_tells_nothing() {
    let bench = Bench::new(&[]);
    let (_, app) = bench.has_acme().await;
    let other = bench.has_group("other", Visibility::Private).await;
    let secret = bench.has_project(other, "secret", Visibility::Private).await;
    let mine = bench.publishes(app, "mine", "1", "f").await;
    let foreign = bench.publishes(secret, "hidden-name", "1", "f").await;
    let rule = NewProtectionRule {
        pattern: "*".to_owned(),
        kind: PackageKind::Generic,
        push: None,
        delete: Some(RuleRole::Admin),
    };
    bench.store().add_protection_rule(secret, rule).await.unwrap();
    let answer = bench.runs(&of("maintainer"), &destroy(&[mine, foreign])).await;
    assert_eq!(answer, unavailable("destroyPackages"));
    assert!(!answer.to_string().contains("hidden-name"));
    assert_eq!(bench.package_status(mine), PackageStatus::Default);
    for role in ["guest", "reporter", "developer"] {
        let answer = bench.runs(&of(role), &destroy(&[mine])).await;
        assert_eq!(answer, unavailable("destroyPackages"), "{role}");
    }
    assert_eq!(bench.package_status(mine), PackageStatus::Default);
}

#[tokio::test]
async fn statement_21_hidden_and_unknown_ids_are_left_alone() {
    let bench = Bench::new(&[]);
    let (_, app) = bench.has_acme().await;
    let shown = bench.publishes(app, "shown", "1", "f").await;
    let hidden = bench.publishes(app, "hidden", "1", "f").await;
    let set = bench.store().set_package_status(hidden, PackageStatus::Hidden, None);
    set.await.unwrap();
    let ids = [hidden, PackageId(99_999), shown, shown];
    let found = bench.finds(&of("maintainer"), &destroy(&ids)).await;
    assert_eq!(found, json!({ "destroyPackages": { "errors": [] } }));
    assert_eq!(bench.package_status(hidden), PackageStatus::Hidden);
    assert_eq!(bench.package_status(shown), PackageStatus::PendingDestruction);
    // What is on its way out already is too, and so is nothing at all.
    for ids in [&[shown][..], &[]] {
        let found = bench.finds(&of("maintainer"), &destroy(ids)).await;
        assert_eq!(found, json!({ "destroyPackages": { "errors": [] } }));
    }
    let wrong = "mutation { destroyPackages(input: {ids: [\"gid://gitlab/Project/1\"]}) \
                 { errors } }";
    let told = error(&bench.runs(&of("maintainer"), wrong).await).to_owned();
    let wanted = "\"gid://gitlab/Project/1\" does not represent an instance of Packages::Package";
    assert!(told.contains(wanted), "{told}");
}

#[tokio::test]
async fn a_protected_package_stays_and_the_others_go() {
    let bench = Bench::new(&[]);
    let (_, app) = bench.has_acme().await;
    let kept = bench.publishes(app, "keep-me", "1", "f").await;
    let other = bench.publishes(app, "other", "1", "f").await;
    let rule = NewProtectionRule {
        pattern: "keep-*".to_owned(),
        kind: PackageKind::Generic,
        push: None,
        delete: Some(RuleRole::Role(Role::Owner)),
    };
    bench.store().add_protection_rule(app, rule).await.unwrap();
    let found = bench.finds(&of("maintainer"), &destroy(&[kept, other])).await;
    let told = json!(["Package 'keep-me' is deletion protected."]);
    assert_eq!(found["destroyPackages"]["errors"], told);
    assert_eq!(bench.package_status(kept), PackageStatus::Default);
    assert_eq!(bench.package_status(other), PackageStatus::PendingDestruction);
    let one =
        format!("mutation {{ destroyPackage(input: {{id: \"{}\"}}) {{ errors }} }}", gid(kept));
    let found = bench.finds(&of("maintainer"), &one).await;
    let told = json!(["Package is deletion protected."]);
    assert_eq!(found["destroyPackage"]["errors"], told);
    let found = bench.finds(&of("owner"), &one).await;
    assert_eq!(found["destroyPackage"]["errors"], json!([]));
    assert_eq!(bench.package_status(kept), PackageStatus::PendingDestruction);
    assert_eq!(bench.runs(&of("owner"), &one).await, unavailable("destroyPackage"));
}

#[tokio::test]
async fn files_go_by_number_within_one_project() {
    let bench = Bench::new(&[]);
    let (group, app) = bench.has_acme().await;
    let tool = bench.has_project(group, "tool", Visibility::Private).await;
    let package = bench.publishes(app, "app", "1", "a").await;
    bench.publishes(app, "app", "1", "b").await;
    let elsewhere = bench.publishes(tool, "tool", "1", "c").await;
    let files = |id| {
        let view = bench.store().view().unwrap();
        let found = view.package_files(id, None, 10).unwrap();
        found.into_iter().map(|(id, _)| id.0).collect::<Vec<_>>()
    };
    let call = |path: &str, ids: &[u64]| {
        let ids: Vec<_> =
            ids.iter().map(|id| format!("\"gid://gitlab/Packages::PackageFile/{id}\"")).collect();
        let ids = ids.join(",");
        format!(
            "mutation {{ destroyPackageFiles(input: {{projectPath: \"{path}\", ids: [{ids}]}}) \
             {{ errors }} }}"
        )
    };
    let (ours, theirs) = (files(package), files(elsewhere));
    let maintainer = of("maintainer");
    let both = [ours.clone(), theirs.clone()].concat();
    for (query, told) in [
        (call("acme/app", &both), "All files must be in the requested project"),
        (call("acme/app", &[9999]), "All files must be in the requested project"),
        (call("acme/app", &vec![ours[0]; 101]), "Cannot delete more than 100 files"),
        (call("acme/none", &ours), UNAVAILABLE),
    ] {
        assert_eq!(error(&bench.runs(&maintainer, &query).await), told, "{query}");
    }
    let refused = bench.runs(&of("developer"), &call("acme/app", &ours)).await;
    assert_eq!(refused, unavailable("destroyPackageFiles"));
    assert_eq!(files(package), ours);
    let found = bench.finds(&maintainer, &call("acme/app", &ours[..1])).await;
    assert_eq!(found, json!({ "destroyPackageFiles": { "errors": [] } }));
    assert_eq!(files(package), ours[1..]);
    let one = format!(
        "mutation {{ destroyPackageFile(input: {{id: \"gid://gitlab/Packages::PackageFile/{}\"}}) \
         {{ errors }} }}",
        theirs[0]
    );
    assert_eq!(bench.runs(&of("developer"), &one).await, unavailable("destroyPackageFile"));
    bench.finds(&maintainer, &one).await;
    assert!(files(elsewhere).is_empty());
}

#[tokio::test]
async fn a_package_tells_all_that_clients_ask_for() {
    let bench = Bench::new(&[]);
    let (_, app) = bench.has_acme().await;
    let first = bench.publishes(app, "app", "1.0", "a").await;
    let second = bench.publishes(app, "app", "2.0", "b").await;
    let query = format!(
        "{{ package(id: \"{}\") {{ id name version packageType status statusMessage \
         _links {{ webPath }} project {{ fullPath group {{ fullPath }} }} \
         tags {{ nodes {{ name }} }} metadata {{ __typename }} protectionRuleExists canDestroy \
         userPermissions {{ destroyPackage }} pipelines {{ nodes {{ id }} }} \
         versions {{ count nodes {{ id version }} }} npmUrl mavenUrl publicPackage \
         lastDownloadedAt packageFiles {{ nodes {{ fileName size downloadPath fileMd5 fileSha1 \
         fileSha256 }} }} }} }}",
        gid(first)
    );
    let found = bench.finds(&of("reporter"), &query).await["package"].take();
    let path = format!("/acme/app/-/packages/{}", first.0);
    for (at, wanted) in [
        ("/name", json!("app")),
        ("/packageType", json!("GENERIC")),
        ("/status", json!("DEFAULT")),
        ("/_links/webPath", json!(path)),
        ("/project/group/fullPath", json!("acme")),
        ("/userPermissions/destroyPackage", json!(false)),
        ("/versions/count", json!(1)),
        ("/versions/nodes/0/id", json!(gid(second))),
        ("/packageFiles/nodes/0/fileName", json!("a")),
        ("/packageFiles/nodes/0/fileMd5", json!("0cc175b9c0f1b6a831c399e269772661")),
        ("/packageFiles/nodes/0/size", json!("1")),
        ("/npmUrl", Value::Null),
        ("/publicPackage", json!(false)),
    ] {
        assert_eq!(found.pointer(at), Some(&wanted), "{at} of {found}");
    }
    for (caller, id) in [(of("guest"), first), (of("stranger"), first), (of("owner"), PackageId(0))]
    {
        let query = format!("{{ package(id: \"{}\") {{ id }} }}", gid(id));
        assert_eq!(bench.finds(&caller, &query).await["package"], Value::Null);
    }
}

#[tokio::test]
async fn lists_are_paged_in_their_order_for_whom_they_are() {
    let bench = Bench::new(&[]);
    let (_, app) = bench.has_acme().await;
    for (name, version) in [("b", "1"), ("a", "2"), ("a", "1"), ("c", "1")] {
        bench.publishes(app, name, version, "f").await;
    }
    let list = |place: &str, arguments: &str| {
        format!(
            "{{ {place} {{ packages({arguments}) {{ count nodes {{ name version }} \
             pageInfo {{ hasNextPage hasPreviousPage endCursor startCursor }} }} }} }}"
        )
    };
    let names = |found: &Value| {
        let nodes = found["nodes"].as_array().unwrap().iter();
        let text = |node: &Value| {
            format!("{}{}", node["name"].as_str().unwrap(), node["version"].as_str().unwrap())
        };
        nodes.map(text).collect::<Vec<_>>().join(" ")
    };
    let project = "project(fullPath: \"acme/app\")";
    for (arguments, wanted, count) in [
        ("first: 100", "c1 a1 a2 b1", 4),
        ("sort: NAME_ASC", "a2 a1 b1 c1", 4),
        ("sort: VERSION_DESC", "a2 c1 a1 b1", 4),
        ("packageName: \"A\", sort: CREATED_ASC", "a2 a1", 2),
        ("packageVersion: \"2\"", "a2", 1),
        ("packageType: NPM", "", 0),
        ("packageType: CONAN", "", 0),
        ("status: HIDDEN", "", 0),
        ("last: 2, sort: NAME_ASC", "b1 c1", 4),
    ] {
        let found = bench.finds(&of("reporter"), &list(project, arguments)).await;
        let found = &found["project"]["packages"];
        assert_eq!(
            (names(found).as_str(), &found["count"]),
            (wanted, &json!(count)),
            "{arguments}"
        );
    }
    let (mut after, mut all) = (String::new(), Vec::new());
    loop {
        let arguments = format!("sort: NAME_DESC, first: 1{after}");
        let found = bench.finds(&of("owner"), &list(project, &arguments)).await;
        let page = &found["project"]["packages"];
        all.push(names(page));
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
        after = format!(", after: {}", page["pageInfo"]["endCursor"]);
    }
    assert_eq!(all.join(" "), "c1 b1 a1 a2");
    let group = "group(fullPath: \"acme\")";
    let found = bench.finds(&of("reporter"), &list(group, "sort: PROJECT_PATH_DESC")).await;
    assert_eq!(names(&found["group"]["packages"]), "c1 a1 a2 b1");
    for place in [project, group] {
        let found = bench.finds(&of("guest"), &list(place, "first: 5")).await;
        let packages = found.pointer("/project/packages").or(found.pointer("/group/packages"));
        assert_eq!(names(packages.unwrap()), "", "{place}");
    }
}

#[tokio::test]
async fn lists_within_lists_come_to_an_end() {
    let bench = Bench::new(&[]);
    let (_, app) = bench.has_acme().await;
    for number in 0..100 {
        bench.publishes(app, "p", &number.to_string(), "f").await;
    }
    let started = Instant::now();
    let inner = "project { packages { nodes { project { packages { nodes { id } } } } } }";
    let query =
        format!("{{ project(fullPath: \"acme/app\") {{ packages {{ nodes {{ {inner} }} }} }} }}");
    let answer = bench.runs(&of("owner"), &query).await;
    let told = answer["errors"][0]["message"].as_str().unwrap();
    assert!(told.contains("lists within lists"), "{told}");
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

/// Figure 4 of the issue: nothing is done per file while somebody waits.
#[tokio::test]
async fn a_bulk_deletion_takes_as_long_whatever_is_in_the_packages() {
    let bench = Bench::new(&[]);
    let (_, app) = bench.has_acme().await;
    let mut ids = Vec::new();
    for number in 0..20 {
        let version = number.to_string();
        for _ in 0..50 {
            bench.publishes(app, "big", &version, "f").await;
        }
        ids.push(bench.publishes(app, "big", &version, "f").await);
    }
    let queued = bench.store().view().unwrap().totals().unwrap().queue;
    bench.finds(&of("maintainer"), &destroy(&ids)).await;
    let view = bench.store().view().unwrap();
    // One entry for each package, none for its files.
    assert_eq!(view.totals().unwrap().queue - queued, 20);
    let usage = view.project_usage(app).unwrap();
    assert_eq!((usage.packages, usage.live.files, usage.pending.files), (0, 0, 20 * 51));
}
