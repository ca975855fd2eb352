//! What is signed is read again, and nothing else is.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::errors::ErrorKind;
use serde_json::{Value, json};

use super::*;
use crate::model::{Rank, User};

const NOW: Timestamp = Timestamp(1_700_000_000_000_000);
const LIFETIME: Duration = Duration::from_secs(300);

fn key(secret: u8) -> NamedKey {
    (Timestamp(77), SigningKey { secret: vec![secret; 32] })
}

fn eve() -> Caller {
    let (login, groups) = (UserName::parse("eve").unwrap(), vec!["dev".to_owned()]);
    Caller::User(User { login, groups, rank: Rank::Ordinary })
}

fn account() -> Basis {
    Basis::Account { created: Timestamp(5), password: [7; 32] }
}

fn sign(caller: &Caller, basis: &Basis) -> String {
    let grants = &Grants::parse(["repository:a:pull"]).unwrap();
    let (service, proxy) = (Service::Larder, Pulls::WithAnotherToken);
    let draft = Draft { service, caller, basis, grants, proxy, now: NOW, lifetime: LIFETIME };
    draft.sign(&key(1)).unwrap()
}

fn opens(text: &str, secret: u8, now: Timestamp) -> Option<Opened> {
    open(text, key(secret).1, now)
}

/// The claims of a token, changed and signed again with `secret` as `algorithm`.
fn forged(text: &str, secret: u8, header: &Value, change: impl Fn(&mut Value)) -> String {
    let part = |at: usize| BASE64.decode(text.split('.').nth(at).unwrap()).unwrap();
    let mut claims: Value = serde_json::from_slice(&part(1)).unwrap();
    change(&mut claims);
    let body = [header, &claims].map(|value| BASE64.encode(value.to_string())).join(".");
    let code = hs256::code(&[secret; 32], body.as_bytes()).unwrap();
    format!("{body}.{}", BASE64.encode(code))
}

fn header() -> Value {
    json!({ "typ": "JWT", "alg": "HS256", "kid": "77" })
}

#[test]
fn a_token_says_whose_it_is_and_what_for() {
    let text = sign(&eve(), &account());
    assert!(is_registry_token(&text) && !is_registry_token("larder_1_ab"));
    assert_eq!(key_of(&text), Some(Timestamp(77)));
    let token = opens(&text, 1, NOW).unwrap();
    assert_eq!(token.subject, Subject::Account(UserName::parse("eve").unwrap()));
    assert_eq!(token.grants().to_string(), "repository:a:pull");
    assert_ne!(sign(&eve(), &account()), text, "no two are alike");
    let nobody = opens(&sign(&Caller::Anonymous, &Basis::Nobody), 1, NOW).unwrap();
    assert_eq!(nobody.subject, Subject::Nobody);
    let untouched = forged(&text, 1, &header(), |_| {});
    assert!(opens(&untouched, 1, NOW).is_some(), "what is forged below is forged well");
}

#[test]
fn a_token_ends_with_its_time() {
    let text = sign(&eve(), &account());
    assert!(opens(&text, 1, NOW.after(LIFETIME.saturating_sub(Duration::from_secs(1)))).is_some());
    assert!(opens(&text, 1, NOW.after(LIFETIME)).is_none());
    for exp in [json!(null), json!("never"), json!(-1), json!(1e300)] {
        let endless = forged(&text, 1, &header(), |claims| claims["exp"] = exp.clone());
        assert!(opens(&endless, 1, NOW).is_none(), "{exp}");
    }
}

#[test]
fn nobody_else_can_make_one() {
    let text = sign(&eve(), &account());
    assert!(opens(&text, 2, NOW).is_none(), "another key");
    let (head, code) = text.rsplit_once('.').unwrap();
    let (first, claims) = head.split_once('.').unwrap();
    for bad in [format!("{head}."), format!("{head}.{}", &code[1..]), head.to_owned()] {
        assert!(opens(&bad, 1, NOW).is_none(), "{bad}");
    }
    for alg in ["none", "None", "HS384", "HS512", "RS256", "ES256", ""] {
        let header = json!({ "typ": "JWT", "alg": alg, "kid": "77" });
        assert!(opens(&forged(&text, 1, &header, |_| {}), 1, NOW).is_none(), "{alg}");
        let unsigned = format!("{}.{claims}.", BASE64.encode(header.to_string()));
        assert!(opens(&unsigned, 1, NOW).is_none(), "{alg}");
    }
    let other = |name: &str, value: Value| {
        forged(&text, 1, &header(), |claims| claims[name] = value.clone())
    };
    for name in ["aud", "iss"] {
        for value in [json!("other"), json!(null), json!([]), json!(["other"]), json!(7)] {
            assert!(opens(&other(name, value.clone()), 1, NOW).is_none(), "{name} {value}");
        }
    }
    for login in [json!(null), json!(""), json!("a/b"), json!(7)] {
        assert!(opens(&other("sub", login.clone()), 1, NOW).is_none(), "{login}");
    }
    let swapped = text.replace(claims, first);
    assert!(opens(&swapped, 1, NOW).is_none());
}

#[test]
fn what_is_no_token_is_none() {
    let long = "ey".repeat(TEXT_LENGTH_MAX);
    for text in ["", "..", "ey..", "a.b.c", "eyJ.eyJ.x", "\u{e9}.\u{e9}.\u{e9}", &long] {
        assert_eq!(key_of(text), None);
        assert!(opens(text, 1, NOW).is_none());
    }
    for kid in [json!(null), json!(""), json!("-1"), json!("x"), json!("99999999999999999999")] {
        let header = json!({ "alg": "HS256", "kid": kid });
        assert_eq!(key_of(&format!("{}.e30.", BASE64.encode(header.to_string()))), None, "{kid}");
    }
}

#[test]
fn a_token_rests_on_what_it_was_issued_for() {
    let token = |id, created| Basis::Token { id: TokenId(id), created: Timestamp(created) };
    let deploy = |id, created| Basis::Deploy { id: DeployTokenId(id), created: Timestamp(created) };
    let elsewhere =
        |group: &str, password| Basis::Elsewhere { groups: vec![group.to_owned()], password };
    let kinds = [
        Basis::Nobody,
        account(),
        Basis::Account { created: Timestamp(6), password: [7; 32] },
        Basis::Account { created: Timestamp(5), password: [8; 32] },
        token(1, 5),
        token(2, 5),
        token(1, 6),
        deploy(1, 5),
        deploy(2, 5),
        deploy(1, 6),
        elsewhere("g", None),
        elsewhere("g", Some([7; 32])),
        elsewhere("g", Some([8; 32])),
    ];
    for (at, issued) in kinds.iter().enumerate() {
        let opened = opens(&sign(&eve(), issued), 1, NOW).unwrap();
        for (other, now) in kinds.iter().enumerate() {
            assert_eq!(opened.rests_on(now), at == other, "{at} {other}");
        }
    }
    let opened = opens(&sign(&eve(), &elsewhere("g", None)), 1, NOW).unwrap();
    assert!(opened.rests_on(&elsewhere("h", None)), "groups may change");
}

#[test]
fn a_token_is_for_the_proxy_only_when_it_says_so() {
    let grants = &Grants::default();
    let basis = &Basis::Deploy { id: DeployTokenId(9), created: Timestamp(5) };
    for service in [Service::Larder, Service::DependencyProxy] {
        for (proxy, wanted) in [
            (Pulls::Yes, Pulls::Yes),
            (Pulls::WithAnotherToken, Pulls::WithAnotherToken),
            (Pulls::Never, Pulls::WithAnotherToken),
        ] {
            let caller = &Caller::Anonymous;
            let draft =
                Draft { service, caller, basis, grants, proxy, now: NOW, lifetime: LIFETIME };
            let opened = opens(&draft.sign(&key(1)).unwrap(), 1, NOW).unwrap();
            assert_eq!((opened.pulls(), opened.claims.aud.as_str()), (wanted, service.as_str()));
            assert_eq!(opened.subject, Subject::Deploy(DeployTokenId(9)));
        }
        assert_eq!(Service::parse(service.as_str()), Some(service));
    }
    let text = sign(&eve(), &account());
    let old = forged(&text, 1, &header(), |claims| {
        claims.as_object_mut().unwrap().remove("proxy").unwrap();
    });
    assert_eq!(opens(&old, 1, NOW).unwrap().pulls(), Pulls::WithAnotherToken, "of an older server");
    assert_eq!(Service::parse("registry.docker.io"), None);
}

#[test]
fn what_is_stored_of_a_password_cannot_be_read_in_it() {
    let text = sign(&eve(), &account());
    let claims = BASE64.decode(text.split('.').nth(1).unwrap()).unwrap();
    let claims = String::from_utf8(claims).unwrap();
    assert!(!claims.contains(&hex(&[7; 32])) && claims.contains("\"password\""), "{claims}");
}

#[test]
fn no_other_algorithm_signs_either() {
    hs256::install();
    let secret = EncodingKey::from_secret(&[1; 32]);
    let signed = jsonwebtoken::encode(&Header::new(Algorithm::HS512), &json!({}), &secret);
    assert!(matches!(signed.unwrap_err().kind(), ErrorKind::InvalidAlgorithm));
}
