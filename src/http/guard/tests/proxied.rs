//! Who gets through the door of the dependency proxy, with what, and what everybody else is told:
//! tokens and their issue included. The numbers are those of spec gitlab §13.

mod house;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::json;

use super::*;
use crate::model::{DeployScope, GroupId, MemberName, TokenScope};
use crate::store::detached::Cause;
use house::*;

#[tokio::test]
async fn gitlab_13_1_the_base_asks_for_a_token_and_is_silent_with_one() {
    let house = House::new().await;
    let told = house.ask("GET /v2/", &none()).await;
    assert_eq!((told.status.as_u16(), told.header("www-authenticate")), (401, CHALLENGE));
    for dead in [bearer("eyJhbGciOiJIUzI1NiJ9.e30.x"), bearer("guess"), basic("gus", "guess")] {
        let told = house.ask("GET /v2/", &dead).await;
        assert_eq!((told.status.as_u16(), told.header("www-authenticate")), (401, CHALLENGE));
        assert_eq!(house.refusal("top", &dead).await, unauthorized());
    }
    let token = house.issued(PROXY, &gus()).await;
    let known = house.ask("GET /v2/", &token).await;
    assert_eq!((known.status.as_u16(), known.body.as_str()), (200, ""));
    assert!(known.header("content-type").starts_with("text/plain"), "{known:?}");
    house.bench.clock.advance(house.bench.server.token_lifetime);
    let over = house.ask("GET /v2/", &token).await;
    assert_eq!((over.status.as_u16(), over.header("www-authenticate")), (401, CHALLENGE));
    assert_eq!(house.refusal("top", &token).await, unauthorized());
}

#[tokio::test]
async fn the_token_service_refuses_as_dependency_proxies_do() {
    let house = House::new().await;
    let unknown = house.issues("service=registry.docker.io", &gus()).await;
    assert_eq!((unknown.status.as_u16(), unknown.body.as_str()), (404, ""));
    let wrong = house.issues(PROXY, &basic("gus", "guess")).await;
    assert_eq!(wrong.status, 401);
    let error = &wrong.json()["errors"][0];
    assert_eq!(error["code"], "UNAUTHORIZED");
    assert!(error["message"].as_str().unwrap().starts_with("HTTP Basic: Access denied. "));
    for parameters in [
        PROXY.to_owned(),
        format!("{PROXY}&scope={PULL}"),
        format!("service=larder&scope={PULL}"),
        format!("{PROXY}&scope=repository:open/x:pull+{PULL}"),
        format!("{PROXY}&scope=repository:open/x:pull+nonsense"),
    ] {
        let told = house.issues(&parameters, &none()).await;
        let fields = told.json();
        let wanted = (json!("access forbidden"), json!("error"), json!(403));
        let found = (&fields["message"], &fields["status"], &fields["http_status"]);
        assert_eq!((found.0.clone(), found.1.clone(), found.2.clone()), wanted, "{parameters}");
        assert_eq!((told.status.as_u16(), fields["token"].is_null()), (403, true));
        assert_eq!(fields["errors"][0]["code"], "DENIED", "docker looks for this");
    }
    // What everybody may read of the registry needs no login, whatever service clients name.
    let open = format!("{PROXY}&scope=repository:open/x:pull");
    let nobody = house.issued(&open, &none()).await;
    assert_eq!(house.ask("GET /v2/open/x/manifests/t", &nobody).await.status, 404);
    assert_eq!(house.ask("GET /v2/", &nobody).await.status, 200);
    assert_eq!(house.refusal("top", &nobody).await, unauthorized(), "anonymous never");
}

#[tokio::test]
async fn gitlab_13_2_access_tokens_need_api_or_both_scopes_of_the_registry() {
    use TokenScope::{Api, ReadApi, ReadRegistry, WriteRegistry};
    let house = House::new().await;
    for (scopes, is_enough) in [
        (&[ReadApi][..], false),
        (&[ReadRegistry], false),
        (&[WriteRegistry], false),
        (&[ReadApi, ReadRegistry], false),
        (&[ReadRegistry, WriteRegistry], true),
        (&[Api], true),
    ] {
        let (_, text) = house.token("gus", scopes).await;
        let login = basic("gus", &text);
        let wanted = if is_enough { None } else { denied() };
        for headers in [login.clone(), bearer(&text), vec![("private-token", text.clone())]] {
            assert_eq!(house.refusal("top", &headers).await, wanted, "{scopes:?} {headers:?}");
        }
        for service in ["larder", "dependency_proxy"] {
            let asked = format!("service={service}&scope={PULL}");
            let issued = house.issues(&asked, &login).await;
            assert_eq!(issued.status, if is_enough { 200 } else { 403 }, "{scopes:?}");
        }
        // A login alone may be for the registry; that token opens nothing here either.
        let token = house.issued(PROXY, &login).await;
        assert_eq!(house.refusal("top", &token).await, wanted, "{scopes:?}");
    }
}

#[tokio::test]
async fn gitlab_13_2_deploy_tokens_need_both_scopes_of_the_registry() {
    use DeployScope::{ReadPackageRegistry, ReadRegistry, WritePackageRegistry, WriteRegistry};
    let house = House::new().await;
    for scopes in [
        &[ReadRegistry][..],
        &[WriteRegistry],
        &[ReadPackageRegistry, WritePackageRegistry],
        &[ReadRegistry, ReadPackageRegistry, WritePackageRegistry],
    ] {
        let (_, login) = house.deploy_token(house.top, scopes).await;
        assert_eq!(house.refusal("top", &login).await, denied(), "{scopes:?}");
        for asked in [PROXY, &format!("{PROXY}&scope={PULL}"), "service=larder"] {
            assert_eq!(house.issues(asked, &login).await.status, 403, "{scopes:?} {asked}");
        }
        assert_eq!(house.ask("GET /v2/", &login).await.status, 403);
    }
    let (_, login) = house.deploy_token(house.top, &[WriteRegistry, ReadRegistry]).await;
    assert_eq!(house.refusal("top", &login).await, None);
    let token = house.issued(PROXY, &login).await;
    assert_eq!(house.refusal("top", &token).await, None);
    let known = house.ask("GET /v2/", &token).await;
    assert_eq!((known.status.as_u16(), known.body.as_str()), (200, ""));
    assert_eq!(known.header("cache-control"), "private");
}

#[tokio::test]
async fn gitlab_13_3_guests_pull_others_are_not_told_and_nobody_is_asked_to_log_in() {
    let house = House::new().await;
    let (gus, eve) = (house.issued(PROXY, &gus()).await, basic("eve", PASSWORD));
    let eve = house.issued(PROXY, &eve).await;
    assert_eq!(house.pulls("top", &gus).await.unwrap(), house.top);
    assert_eq!(house.pulls("TOP", &gus).await.unwrap(), house.top);
    assert_eq!(house.pulls("top/below", &gus).await.unwrap(), house.at("top/below"));
    assert_eq!(house.refusal("other", &gus).await, denied(), "public, but not his");
    for group in ["top", "top/below", "other", "absent", "top/absent"] {
        assert_eq!(house.refusal(group, &eve).await, denied(), "{group}");
        assert_eq!(house.refusal(group, &none()).await, unauthorized(), "{group}");
    }
    // Whether there is a group is not to be told from the answers.
    let told = |group: &'static str| {
        let (house, eve) = (&house, &eve);
        async move {
            let told = house.pulls(group, eve).await.unwrap_err();
            (told.status, told.body.replace(group, "G"), told.headers.len())
        }
    };
    assert_eq!(told("top").await, told("absent").await);
    let root = house.issued(PROXY, &basic("root", PASSWORD)).await;
    assert_eq!(house.pulls("other", &root).await.unwrap(), house.at("other"));
    assert_eq!(house.refusal("absent", &root).await, denied());
}

#[tokio::test]
async fn a_token_for_the_registry_opens_no_proxy_and_the_other_way_round() {
    let house = House::new().await;
    let hosted = "scope=repository:a/x:pull,push";
    let registry = house.issued(&format!("service=larder&{hosted}"), &gus()).await;
    assert_eq!(house.ask("GET /v2/a/x/manifests/t", &registry).await.status, 404);
    assert_eq!(house.refusal("top", &registry).await, unauthorized(), "another token would help");
    let (_, narrow) = house.token("gus", &[TokenScope::ReadRegistry]).await;
    let narrow = house.issued(&format!("{PROXY}&{hosted}"), &bearer(&narrow)).await;
    assert_eq!(house.refusal("top", &narrow).await, denied(), "none would help");
    assert_eq!(house.ask("GET /v2/a/x/manifests/t", &narrow).await.status, 404);
    assert_eq!(house.ask("POST /v2/a/x/blobs/uploads/", &narrow).await.status, 403);
    // A scope that names the proxy is enough, and is for all groups: roles decide.
    let named = house.issued(&format!("service=larder&scope={PULL}"), &gus()).await;
    assert_eq!(house.refusal("top/below", &named).await, None);
    assert_eq!(house.refusal("other", &named).await, denied());
    // For the registry the scopes and the rules count, whatever the service.
    let proxy = house.issued(PROXY, &gus()).await;
    let both = house.issued(&format!("{PROXY}&{hosted}+{PULL}"), &gus()).await;
    for (token, pull, push, list) in [(&proxy, 401, 401, 401), (&both, 404, 202, 401)] {
        assert_eq!(house.ask("GET /v2/a/x/manifests/t", token).await.status, pull);
        assert_eq!(house.ask("POST /v2/a/x/blobs/uploads/", token).await.status, push);
        assert_eq!(house.ask("GET /v2/_catalog", token).await.status, list);
        assert_eq!(house.ask("GET /v2/open/x/manifests/t", token).await.status, 401);
        for target in ["/", "/branches/", "/-/stats", "/jwt/auth", "/api/v4/groups"] {
            assert_eq!(house.ask(&format!("GET {target}"), token).await.status, 401, "{target}");
        }
    }
    let unread = house.issued(&format!("{PROXY}&scope=repository:c/x:pull"), &gus()).await;
    assert_eq!(house.ask("GET /v2/c/x/manifests/t", &unread).await.status, 403, "no rule");
}

#[tokio::test]
async fn a_deploy_token_opens_the_proxy_of_its_group_and_nothing_else() {
    let house = House::new().await;
    let both = [DeployScope::ReadRegistry, DeployScope::WriteRegistry];
    let (_, top) = house.deploy_token(house.top, &both).await;
    let (_, other) = house.deploy_token(house.at("other"), &both).await;
    let (_, below) = house.deploy_token(house.at("top/below"), &both).await;
    for login in [top, other, below] {
        let asked = format!("{PROXY}&scope={PULL}+repository:a/x:pull,push+repository:open/x:pull");
        let token = house.issued(&asked, &login).await;
        for (headers, status) in [(&login, 403), (&token, 401)] {
            for line in [
                "GET /v2/a/x/manifests/t",
                "GET /v2/open/x/manifests/t",
                "POST /v2/a/x/blobs/uploads/",
                "GET /v2/_catalog",
                "GET /",
                "GET /branches/",
                "PUT /branches/b/t/j/f/x",
                "GET /api/v4/groups",
            ] {
                let told = house.ask(line, headers).await;
                let is_hosted = line.contains("/v2/");
                let wanted = if is_hosted { [status, 403] } else { [status, status] };
                assert!(wanted.contains(&told.status.as_u16()), "{line}: {told:?}");
            }
        }
    }
    let pulls = async |group: &str, of: &str| {
        let (_, login) = house.deploy_token(house.at(of), &both).await;
        house.refusal(group, &house.issued(PROXY, &login).await).await
    };
    assert_eq!(pulls("top", "top").await, None);
    assert_eq!(pulls("top/below", "top").await, None, "of an ancestor");
    assert_eq!(pulls("top", "top/below").await, denied());
    assert_eq!(pulls("top", "other").await, denied());
    assert_eq!(pulls("absent", "top").await, denied());
}

#[tokio::test]
async fn what_a_token_rests_on_is_looked_at_each_time() {
    for end in ["access token", "account", "deploy token", "time", "group", "membership"] {
        let house = House::new().await;
        let both = [DeployScope::ReadRegistry, DeployScope::WriteRegistry];
        let (id, text) = house.token("gus", &[TokenScope::Api]).await;
        let (deploy, machine) = house.deploy_token(house.top, &both).await;
        house.bench.clock.advance(HOUR.saturating_sub(Duration::from_secs(1)));
        let password = house.issued(PROXY, &gus()).await;
        let access = house.issued(PROXY, &bearer(&text)).await;
        let token = house.issued(PROXY, &machine).await;
        for headers in [&password, &access, &token, &machine] {
            assert_eq!(house.refusal("top", headers).await, None, "{end}");
        }
        let (user, dead) = (UserName::parse("gus").unwrap(), unauthorized);
        let wanted = match end {
            "access token" => {
                house.store().revoke_tokens(vec![id]).await.unwrap();
                [None, dead(), None, None]
            }
            "account" => {
                house.store().delete_account(user).await.unwrap();
                house.bench.clock.advance(Duration::from_millis(1));
                house.account("gus", Rank::Ordinary).await;
                [dead(), dead(), None, None]
            }
            "deploy token" => {
                house.store().revoke_deploy_token(house.top, deploy).await.unwrap();
                [None, None, dead(), dead()]
            }
            "time" => {
                house.bench.clock.advance(Duration::from_secs(1));
                [None, None, dead(), dead()]
            }
            "group" => {
                house.store().delete_group(house.top, Cause::request("")).await.unwrap();
                house.group(GroupId::TOP, "top").await;
                [denied(), denied(), dead(), dead()]
            }
            _ => {
                let name = MemberName::User(user);
                house.store().remove_member(house.top, name).await.unwrap();
                [denied(), denied(), None, None]
            }
        };
        for (headers, wanted) in [&password, &access, &token, &machine].into_iter().zip(wanted) {
            assert_eq!(house.refusal("top", headers).await, wanted, "{end} {headers:?}");
        }
    }
}

#[tokio::test]
async fn no_secret_is_in_a_token() {
    let house = House::new().await;
    let both = [DeployScope::ReadRegistry, DeployScope::WriteRegistry];
    let (_, text) = house.token("gus", &[TokenScope::Api]).await;
    let (_, machine) = house.deploy_token(house.top, &both).await;
    let secret = BASE64_STANDARD.decode(&machine[0].1["Basic ".len()..]).unwrap();
    let secret = String::from_utf8(secret).unwrap();
    for (login, secret) in [(bearer(&text), text.as_str()), (machine, secret.as_str())] {
        let token = house.issued(PROXY, &login).await;
        let claims = token[0].1.split('.').nth(1).unwrap();
        let claims = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
        assert!(claims.contains("\"aud\":\"dependency_proxy\""), "{claims}");
        let secret = secret.rsplit('_').next().unwrap();
        assert!(secret.len() == 64 && !claims.contains(secret), "{claims}");
    }
}
