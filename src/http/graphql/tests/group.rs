//! What a group is, and who gets to see it.

use super::*;

const WHOLE: &str = "{ group(fullPath: \"a/b\") { id name fullName path fullPath description \
                     visibility webUrl dependencyProxyImagePrefix } }";

#[tokio::test]
async fn a_group_says_what_it_is() {
    let bench = Bench::new(&[]);
    bench.has_group("a", Visibility::Public).await;
    let id = bench.has_group("a/b", Visibility::Public).await;
    let found = bench.finds(&Caller::Anonymous, WHOLE).await;
    let wanted = json!({ "group": {
        "id": format!("gid://gitlab/Group/{}", id.0),
        "name": "B",
        "fullName": "A / B",
        "path": "b",
        "fullPath": "a/b",
        "description": "all about b",
        "visibility": "public",
        "webUrl": "http://localhost/groups/a/b",
        "dependencyProxyImagePrefix": "localhost/a/b/dependency_proxy/containers",
    } });
    assert_eq!(found, wanted);
    let upper = "{ group(fullPath: \"A/b\") { fullPath } }";
    let found = bench.finds(&Caller::Anonymous, upper).await;
    assert_eq!(found, json!({ "group": { "fullPath": "a/b" } }));
}

#[tokio::test]
async fn a_group_is_seen_by_whom_it_is_for() {
    let bench = Bench::new(&[]);
    for (name, visibility) in [
        ("private", Visibility::Private),
        ("internal", Visibility::Internal),
        ("public", Visibility::Public),
    ] {
        let group = bench.has_group(name, visibility).await;
        bench.has_members(group).await;
    }
    for (caller, seen) in [
        (Caller::Anonymous, vec!["public"]),
        (of("stranger"), vec!["internal", "public"]),
        (of("guest"), vec!["private", "internal", "public"]),
        (of("owner"), vec!["private", "internal", "public"]),
        (admin(), vec!["private", "internal", "public"]),
    ] {
        for name in ["private", "internal", "public", "absent", "no path", ""] {
            let query = format!("{{ group(fullPath: \"{name}\") {{ path }} }}");
            let found = bench.finds(&caller, &query).await["group"].take();
            let wanted = if seen.contains(&name) { json!({ "path": name }) } else { Value::Null };
            assert_eq!(found, wanted, "{caller:?}: {name}");
        }
    }
}

#[tokio::test]
async fn what_lies_in_a_private_group_is_not_seen_from_outside() {
    let bench = Bench::new(&[]);
    let above = bench.has_group("a", Visibility::Private).await;
    bench.has_group("a/b", Visibility::Public).await;
    bench.has_members(above).await;
    let query = "{ group(fullPath: \"a/b\") { fullName } }";
    assert_eq!(bench.finds(&Caller::Anonymous, query).await["group"], Value::Null);
    assert_eq!(bench.finds(&of("stranger"), query).await["group"], Value::Null);
    assert_eq!(bench.finds(&of("guest"), query).await["group"]["fullName"], "A / B");
}
