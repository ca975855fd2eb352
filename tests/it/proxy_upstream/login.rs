//! Tokens and logins: asked for when needed, kept, refreshed, and told to nobody else.

use std::sync::Arc;
use std::time::Duration;

use larder::model::ProxyGroup;
use larder::proxy::{Answer, Patience, Source, Unanswered};

use super::super::harness::bad_upstream::{BadUpstream, Fault, On};
use super::{GROUP, House, image, manual, name, tag, upstream};

fn peer() -> BadUpstream {
    let peer = BadUpstream::start();
    for image_name in ["org/a", "org/b"] {
        peer.holds(image_name, "v1", &image(1));
    }
    peer
}

fn ask(house: &House, source: &Source, image: &str) -> Result<Answer, Unanswered> {
    house.run(source.head_manifest(&name(image), &tag("v1"), Patience::Short))
}

/// The status of a head of a manifest.
fn head(house: &House, source: &Source, image: &str) -> u16 {
    ask(house, source, image).unwrap().status.as_u16()
}

fn tokens(peer: &BadUpstream) -> usize {
    peer.count("GET", "/token")
}

#[test]
fn a_token_is_asked_for_once_for_each_repository() {
    let peer = peer();
    peer.wants_tokens(None);
    let house = House::of(&peer);
    let source = house.source();
    for _ in 0..3 {
        assert_eq!(head(&house, &source, "org/a"), 200);
    }
    assert_eq!((tokens(&peer), peer.count("HEAD", "/v2/org/a/")), (1, 4));
    assert_eq!(head(&house, &source, "org/b"), 200);
    assert_eq!((tokens(&peer), peer.count("HEAD", "/v2/org/b/")), (2, 1), "it is known by now");
    let asked = peer.asked();
    let asked = asked.iter().find(|asked| asked.path.starts_with("/token")).unwrap();
    assert_eq!(asked.path, "/token?service=peer&scope=repository%3Aorg%2Fa%3Apull");
    assert!(!asked.headers.contains_key("authorization"));
}

#[test]
fn many_questions_at_once_ask_for_one_token() {
    let peer = peer();
    peer.wants_tokens(None);
    let house = House::of(&peer);
    let source = house.source();
    house.run(async {
        let ask = || {
            let source = Arc::clone(&source);
            tokio::spawn(async move {
                source.head_manifest(&name("org/a"), &tag("v1"), Patience::Long).await
            })
        };
        let asking: Vec<_> = std::iter::repeat_with(ask).take(20).collect();
        for asked in asking {
            assert_eq!(asked.await.unwrap().unwrap().status.as_u16(), 200);
        }
    });
    assert_eq!(tokens(&peer), 1);
}

#[test]
fn a_token_is_kept_until_it_ends() {
    let peer = peer();
    peer.wants_tokens(None);
    let clock = manual();
    let house = House::with(&peer, "127.0.0.1", clock.clone());
    let source = house.source();
    for (lasts, kept) in [(Some(300), 294), (None, 54)] {
        peer.tokens_last(lasts);
        peer.revokes_tokens();
        head(&house, &source, "org/a");
        peer.forgets_requests();
        clock.advance(Duration::from_secs(kept));
        assert_eq!((head(&house, &source, "org/a"), tokens(&peer)), (200, 0), "{lasts:?}");
        clock.advance(Duration::from_secs(2));
        assert_eq!((head(&house, &source, "org/a"), tokens(&peer)), (200, 1), "{lasts:?}");
        assert_eq!(peer.count("HEAD", "/"), 2, "it is not sent when it has ended");
    }
}

#[test]
fn a_token_that_is_refused_is_refreshed_once() {
    let peer = peer();
    peer.wants_tokens(None);
    peer.tokens_in("access_token");
    let house = House::of(&peer);
    let source = house.source();
    assert_eq!((head(&house, &source, "org/a"), tokens(&peer)), (200, 1));
    peer.revokes_tokens();
    assert_eq!((head(&house, &source, "org/a"), tokens(&peer)), (200, 2));
    // Tokens that are worth nothing: no loop, the refusal passes through.
    peer.tokens_in("nothing");
    peer.revokes_tokens();
    let told = ask(&house, &source, "org/a");
    assert!(matches!(told, Err(Unanswered::Token { .. })));
    peer.tokens_in("token");
    peer.fails(On::Tokens, Fault::Says("{\"token\":\"worthless\"}".to_owned()));
    peer.forgets_requests();
    assert_eq!((head(&house, &source, "org/a"), tokens(&peer)), (401, 2), "one, and one more");
    assert_eq!((head(&house, &source, "org/a"), tokens(&peer)), (401, 3), "the held, and one more");
}

#[test]
fn a_login_gets_tokens_and_goes_nowhere_else() {
    let peer = peer();
    peer.wants_tokens(Some(("ann", "s3cret")));
    let house = House::of(&peer);
    assert_eq!(head(&house, &house.source_as("ann", "s3cret"), "org/a"), 200);
    for asked in peer.asked() {
        let sent = asked.headers.get("authorization").map_or("", String::as_str);
        assert_eq!(sent.starts_with("Basic "), asked.path.starts_with("/token"), "{asked:?}");
    }
    // Who gives no tokens speaks for the upstream.
    let wrong = house.source_as("ann", "wrong");
    let told = ask(&house, &wrong, "org/a").unwrap();
    assert_eq!(told.status.as_u16(), 401);
    assert!(!told.headers.contains_key("www-authenticate"));
    let body = house.run(told.body.whole(1000)).unwrap();
    assert!(body.starts_with(b"{\"details\""), "{body:?}");
    assert_eq!(head(&house, &house.source(), "org/a"), 401);
    assert_ne!(wrong.key(), house.source().key());
    assert_eq!(wrong.origin(), house.source().origin());
}

#[test]
fn a_login_is_sent_where_tokens_are_not_known() {
    let peer = peer();
    peer.wants_login("ann", "s3cret");
    let house = House::of(&peer);
    let source = house.source_as("ann", "s3cret");
    for _ in 0..2 {
        assert_eq!(head(&house, &source, "org/a"), 200);
    }
    assert_eq!(peer.count("HEAD", "/"), 3, "the second time it is known");
    assert_eq!(head(&house, &house.source_as("ann", "wrong"), "org/a"), 401);
    assert_eq!(head(&house, &house.source(), "org/a"), 401);
    assert_eq!(source.identity(), Some("ann"));
    assert!(!format!("{source:?}").contains("s3cret"));
}

#[test]
fn a_token_service_that_fails() {
    let peer = peer();
    peer.wants_tokens(None);
    let house = House::of(&peer);
    let source = house.source();
    for status in [403, 429, 500] {
        peer.heals();
        peer.fails(On::Tokens, Fault::Status(status));
        assert_eq!(head(&house, &source, "org/a"), status);
    }
    for garbage in ["", "<html>", "{}", "{\"token\":\"a\\nb\"}"] {
        peer.heals();
        peer.fails(On::Tokens, Fault::Says(garbage.to_owned()));
        let told = ask(&house, &source, "org/a");
        assert!(matches!(told, Err(Unanswered::Token { .. })), "{garbage}");
    }
    peer.heals();
    peer.fails(On::Tokens, Fault::Huge(1 << 20));
    let told = ask(&house, &source, "org/a");
    assert!(matches!(told, Err(Unanswered::TooLarge { .. })), "{told:?}");
    peer.heals();
    peer.fails(On::Tokens, Fault::Hang);
    let told = ask(&house, &source, "org/a");
    assert!(matches!(told, Err(Unanswered::Slow { .. })), "{told:?}");
    assert!(source.outage().is_some());
    peer.heals();
    let healed = house.run(source.head_manifest(&name("org/a"), &tag("v1"), Patience::Long));
    assert_eq!(healed.unwrap().status.as_u16(), 200);
}

#[test]
fn those_who_wait_for_a_token_are_told_what_the_one_who_asks_is() {
    let peer = peer();
    peer.wants_tokens(None);
    peer.fails(On::Tokens, Fault::Hang);
    let mut house = House::of(&peer);
    house.settings.requests_max = 40;
    let source = house.source();
    let began = std::time::Instant::now();
    house.run(async {
        let ask = || {
            let source = Arc::clone(&source);
            tokio::spawn(async move {
                source.head_manifest(&name("org/a"), &tag("v1"), Patience::Long).await
            })
        };
        for asked in std::iter::repeat_with(ask).take(20).collect::<Vec<_>>() {
            assert!(matches!(asked.await.unwrap(), Err(Unanswered::Slow { .. })));
        }
    });
    assert!(began.elapsed() < 4 * super::SILENCE, "not one after the other");
    assert!(tokens(&peer) <= 2, "{}", tokens(&peer));
}

#[test]
fn credentials_of_another_group_or_upstream_are_not_used() {
    let (peer, other) = (peer(), peer());
    let house = House::of(&peer);
    let upstreams = house.upstreams();
    let credentials = upstreams.seal(GROUP, None, "ann", "s3cret").unwrap();
    let of = |group: ProxyGroup| upstreams.of(GROUP, &group).map(|source| source.url());
    let group = ProxyGroup { credentials: Some(credentials), ..ProxyGroup::default() };
    assert_eq!(of(group.clone()).unwrap(), peer.url());
    let same =
        ProxyGroup { upstream: Some(upstream(&format!("{}/v2/", peer.url()))), ..group.clone() };
    assert_eq!(of(same).unwrap(), peer.url());
    let moved = ProxyGroup { upstream: Some(upstream(&other.url())), ..group.clone() };
    let told = of(moved).unwrap_err().to_string();
    assert!(told.contains(&peer.url()) && told.contains(&other.url()), "{told}");
    let told = upstreams.of(larder::model::GroupId(8), &group).unwrap_err();
    assert!(told.to_string().contains("set them again"), "{told}");
}
