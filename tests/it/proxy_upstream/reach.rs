//! Whom the client connects to, and what it takes along when it is sent elsewhere.

use larder::model::ProxyGroup;
use larder::proxy::{Patience, Unanswered};

use super::super::harness::bad_upstream::{BadUpstream, Fault, On};
use super::super::harness::peer::Peer;
use super::{GROUP, House, Scene, SystemClock, digest, image, name, tag, upstream};

#[test]
fn no_address_is_asked_that_nobody_named() {
    let peer = BadUpstream::start();
    let port = peer.address().port();
    let house = House::with(&peer, "none", std::sync::Arc::new(SystemClock::new()));
    let hosts =
        ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "0177.0.0.1", "[::ffff:127.0.0.1]", "0"];
    for host in hosts {
        let upstream = Some(upstream(&format!("http://{host}:{port}")));
        let group = ProxyGroup { upstream, ..ProxyGroup::default() };
        let source = house.upstreams().of(GROUP, &group).unwrap();
        let told = house.run(source.head_manifest(&name("a/b"), &tag("v1"), Patience::Short));
        let told = told.unwrap_err();
        assert!(matches!(told, Unanswered::Forbidden { .. }), "{host}: {told}");
        assert!(told.to_string().contains("--proxy-allow"), "{told}");
        assert!(source.outage().is_none(), "another address of it may do");
    }
    assert!(peer.asked().is_empty());
}

#[test]
fn no_redirect_and_no_realm_leads_around_that() {
    let Scene { peer, house, source, app, blob, .. } = Scene::start();
    for to in
        ["http://127.0.0.2:1/", "http://[::1]:1/", "http://169.254.169.254/latest", "http://0/"]
    {
        peer.fails(On::Blobs, Fault::Location(to.to_owned()));
        let told = house.run(source.get_blob(&app, &blob, 0)).unwrap_err();
        assert!(matches!(told, Unanswered::Forbidden { .. }), "{to}: {told}");
    }
    for to in ["file:///etc/passwd", "ftp://h/", "//", "http://u:p@h/", "http://"] {
        peer.fails(On::Blobs, Fault::Location(to.to_owned()));
        let told = house.run(source.get_blob(&app, &blob, 0)).unwrap_err();
        assert!(matches!(told, Unanswered::Redirects { .. }), "{to}: {told}");
    }
    peer.wants_tokens(None);
    peer.names_realm("http://127.0.0.2:1/token");
    let told = house.run(source.head_manifest(&app, &tag("v1"), Patience::Short)).unwrap_err();
    assert!(matches!(told, Unanswered::Forbidden { .. }), "{told}");
}

#[test]
fn secrets_stay_with_their_host() {
    let (peer, cdn) = (BadUpstream::start(), BadUpstream::start());
    let house = House::of(&peer);
    let image = image(1);
    peer.holds("org/app", "v1", &image);
    cdn.holds("org/app", "v1", &image);
    peer.wants_tokens(None);
    let (source, app) = (house.source(), name("org/app"));
    let layer = &image.blobs[1];
    let blob = digest(&layer.digest);
    for status in [301, 302, 303, 307, 308] {
        peer.fails_times(1, On::Blobs, Fault::Redirect(status, cdn.url()));
        assert_eq!(house.body(source.get_blob(&app, &blob, 0)), *layer.bytes);
        assert_eq!(house.run(source.get_blob(&app, &blob, 9)).unwrap().status.as_u16(), 206);
    }
    let asked = cdn.asked();
    assert!(asked.len() >= 5);
    assert!(asked.iter().all(|asked| !asked.headers.contains_key("authorization")), "{asked:?}");
    // On the same host they go along.
    peer.heals();
    peer.fails_times(1, On::Blobs, Fault::Redirect(307, peer.url()));
    assert_eq!(house.body(source.get_blob(&app, &blob, 0)), *layer.bytes);
    // The challenge of another host gets nothing.
    cdn.wants_login("ann", "s3cret");
    cdn.forgets_requests();
    peer.wants_login("ann", "s3cret");
    let source = house.source_as("ann", "s3cret");
    peer.fails(On::Blobs, Fault::Redirect(307, cdn.url()));
    let told = house.run(source.get_blob(&app, &blob, 0)).unwrap();
    assert_eq!(told.status.as_u16(), 401);
    assert!(cdn.asked().iter().all(|asked| !asked.headers.contains_key("authorization")));
}

#[test]
fn a_login_goes_unencrypted_to_no_other_host() {
    let (peer, other) = (BadUpstream::start(), BadUpstream::start());
    let house = House::of(&peer);
    peer.holds("org/app", "v1", &image(1));
    peer.wants_tokens(Some(("ann", "s3cret")));
    let app = name("org/app");
    // An operator named this network.
    peer.names_realm(&format!("{}/token", other.url()));
    let source = house.source_as("ann", "s3cret");
    let head = house.run(source.head_manifest(&app, &tag("v1"), Patience::Short)).unwrap();
    assert_eq!(head.status.as_u16(), 401, "the token of another is not good");
    assert_eq!(other.count("GET", "/token"), 1);
    // Not this one, which is public.
    peer.names_realm("http://1.1.1.1/token");
    let source = house.source_as("ann", "s3cret");
    let told = house.run(source.head_manifest(&app, &tag("v1"), Patience::Short)).unwrap_err();
    assert!(matches!(told, Unanswered::Cleartext { .. }), "{told}");
}

#[test]
fn redirects_end() {
    let peer = BadUpstream::start();
    let house = House::of(&peer);
    let image = image(1);
    peer.holds("org/app", "v1", &image);
    let blob = digest(&image.blobs[1].digest);
    peer.fails(On::Blobs, Fault::Redirect(302, peer.url()));
    let told = house.run(house.source().get_blob(&name("org/app"), &blob, 0)).unwrap_err();
    assert!(matches!(told, Unanswered::Redirects { .. }), "{told}");
    assert_eq!(peer.count("GET", "/"), 6);
}

#[test]
fn where_it_is_sent_to_says_nothing_about_the_upstream() {
    let (peer, mut cdn) = (BadUpstream::start(), BadUpstream::start());
    let house = House::of(&peer);
    let image = image(1);
    peer.holds("org/app", "v1", &image);
    peer.fails(On::Blobs, Fault::Redirect(307, cdn.url()));
    cdn.stop();
    let source = house.source();
    let blob = digest(&image.blobs[1].digest);
    let told = house.run(source.get_blob(&name("org/app"), &blob, 0)).unwrap_err();
    assert!(matches!(told, Unanswered::Target { .. }), "{told}");
    assert!(source.outage().is_none());
}

#[test]
fn a_head_without_end_is_not_read() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(200_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: x\r\n".repeat(1000));
    let nonsense = "hello\r\n\r\n".to_owned();
    for answer in [long, many, nonsense] {
        let peer = Peer::start(&[answer]);
        let stand_in = BadUpstream::start();
        let house = House::of(&stand_in);
        let group = ProxyGroup { upstream: Some(upstream(&peer.url())), ..ProxyGroup::default() };
        let source = house.upstreams().of(GROUP, &group).unwrap();
        let told = house.run(source.head_manifest(&name("a/b"), &tag("v1"), Patience::Short));
        assert!(matches!(told, Err(Unanswered::Unreachable { .. })), "{told:?}");
    }
}
