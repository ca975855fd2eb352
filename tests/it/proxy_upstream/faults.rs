//! An upstream that is away, hangs, breaks off, or is busy.

use std::sync::Arc;
use std::time::{Duration, Instant};

use larder::proxy::{Patience, Unanswered};

use super::super::harness::bad_upstream::{BadUpstream, Fault, On};
use super::{House, PATIENCE, SILENCE, Scene, image, manual, name, tag};

#[test]
fn a_hanging_upstream_costs_one_budget_and_is_remembered() {
    let peer = BadUpstream::start();
    let clock = manual();
    let house = House::with(&peer, "127.0.0.1", clock.clone());
    peer.holds("org/app", "v1", &image(1));
    let (source, app) = (house.source(), name("org/app"));
    let ask = |patience| {
        let began = Instant::now();
        let told = house.run(source.head_manifest(&app, &tag("v1"), patience));
        (told.map(|answer| answer.status.as_u16()), began.elapsed())
    };
    peer.fails(On::Everything, Fault::Hang);
    let (told, took) = ask(Patience::Short);
    assert!(matches!(told, Err(Unanswered::Slow { .. })), "{told:?}");
    assert!(took >= PATIENCE && took < SILENCE, "{took:?}");
    for patience in [Patience::Short, source.budget()] {
        let (told, took) = ask(patience);
        assert!(matches!(told, Err(Unanswered::Down { .. })), "{told:?}");
        assert!(took < PATIENCE, "{took:?}");
    }
    assert_eq!(peer.asked().len(), 1, "it is not asked");
    // Who has time still tries, and finds out that it is back.
    let (told, took) = ask(Patience::Long);
    assert!(matches!(told, Err(Unanswered::Slow { .. })) && took >= SILENCE, "{told:?} {took:?}");
    peer.heals();
    assert!(matches!(ask(Patience::Short).0, Err(Unanswered::Down { .. })));
    assert_eq!(ask(Patience::Long).0, Ok(200));
    assert_eq!(ask(Patience::Short).0, Ok(200));
    // By itself it is forgotten after a while.
    peer.fails(On::Everything, Fault::Hang);
    assert!(ask(Patience::Short).0.is_err());
    peer.heals();
    clock.advance(Duration::from_secs(29));
    assert!(matches!(ask(Patience::Short).0, Err(Unanswered::Down { .. })));
    clock.advance(Duration::from_secs(1));
    assert_eq!(ask(Patience::Short).0, Ok(200));
}

#[test]
fn an_upstream_that_is_gone_comes_back_on_its_port() {
    let mut peer = BadUpstream::start();
    let clock = manual();
    let house = House::with(&peer, "127.0.0.1", clock.clone());
    peer.holds("org/app", "v1", &image(1));
    let (source, app) = (house.source(), name("org/app"));
    let ask = || house.run(source.head_manifest(&app, &tag("v1"), Patience::Short));
    assert_eq!(ask().unwrap().status.as_u16(), 200);
    peer.stop();
    let told = ask().unwrap_err();
    assert!(matches!(told, Unanswered::Unreachable { .. }), "{told}");
    assert!(matches!(ask(), Err(Unanswered::Down { .. })));
    peer.start_again();
    clock.advance(Duration::from_secs(30));
    assert_eq!(ask().unwrap().status.as_u16(), 200);
}

#[test]
fn one_budget_is_for_several_questions() {
    let Scene { peer, house, source, app, .. } = Scene::start();
    let began = Instant::now();
    let budget = source.budget();
    let head = house.run(source.head_manifest(&app, &tag("v1"), budget)).unwrap();
    assert_eq!(head.status.as_u16(), 200);
    std::thread::sleep(PATIENCE / 2);
    // Also when it hangs in the body.
    peer.fails(On::Manifests, Fault::HangAfter(5));
    let told = house.run(async {
        let answer = source.get_manifest(&app, &tag("v1"), budget).await.unwrap();
        answer.body.whole(1 << 20).await.unwrap_err()
    });
    assert!(matches!(told, Unanswered::Broken { .. }), "{told}");
    let took = began.elapsed();
    assert!(took >= PATIENCE && took < SILENCE, "{took:?}");
    let told = house.run(source.head_manifest(&app, &tag("v1"), Patience::Short));
    assert!(matches!(told, Err(Unanswered::Down { .. })), "{told:?}");
}

#[test]
fn a_body_that_breaks_off_or_stalls_ends_with_an_error() {
    let Scene { peer, house, image, source, app, blob } = Scene::start();
    for fault in [
        Fault::ResetAfter(0),
        Fault::ResetAfter(50_000),
        Fault::HangAfter(0),
        Fault::HangAfter(50_000),
        Fault::Trickle(1, Duration::from_millis(20)),
    ] {
        peer.fails(On::Blobs, fault.clone());
        let began = Instant::now();
        let told = house.run(async {
            let answer = source.get_blob(&app, &blob, 0).await.unwrap();
            answer.body.whole(1 << 20).await
        });
        assert!(matches!(told, Err(Unanswered::Broken { .. })), "{fault:?}: {told:?}");
        assert!(began.elapsed() < 3 * SILENCE, "{fault:?}: {:?}", began.elapsed());
    }
    // Slow is not silent.
    peer.fails(On::Blobs, Fault::Trickle(8 << 10, Duration::from_millis(100)));
    assert_eq!(house.body(source.get_blob(&app, &blob, 0)), *image.blobs[1].bytes);
}

#[test]
fn downloads_that_hang_do_not_starve_short_questions() {
    let Scene { peer, house, source, app, blob, .. } = Scene::start();
    peer.fails(On::Blobs, Fault::HangAfter(10));
    let download = || {
        let (source, app, blob) = (Arc::clone(&source), app.clone(), blob);
        house.runtime.spawn(async move { source.get_blob(&app, &blob, 0).await })
    };
    let downloads: Vec<_> = std::iter::repeat_with(download).take(10).collect();
    super::super::harness::eventually("three downloads", || {
        (peer.count("GET", "/v2/org/app/blobs/") == 3).then_some(())
    });
    for _ in 0..3 {
        let head = house.run(source.head_manifest(&app, &tag("v1"), Patience::Short)).unwrap();
        assert_eq!(head.status.as_u16(), 200);
    }
    assert_eq!(peer.count("GET", "/v2/org/app/blobs/"), 3, "four requests at once, one is short");
    // A reader who leaves makes room.
    for download in downloads {
        drop(house.run(download).unwrap().unwrap());
    }
    assert_eq!(peer.count("GET", "/v2/org/app/blobs/"), 10);
    assert!(house.source().outage().is_none());
}
