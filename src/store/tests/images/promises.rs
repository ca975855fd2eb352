//! Promises against the end of links, all at once (I3): whoever was told that a blob is there
//! finds it there until the link that this gave is over.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use super::{House, ROWS, UPLOAD_LINK, WORK, image, oci, push};
use crate::clock::Clock;
use crate::db::tests::random::Random;
use crate::store::image_blobs::BlobPush;
use crate::store::tests::assert_consistent;

const TIME: Duration = Duration::from_secs(2);
const IMAGES: [&str; 2] = ["a", "b"];
const TEXTS: [&str; 3] = ["one", "two", super::LONG];

#[derive(Default)]
struct Counts {
    kept: AtomicU64,
    gone: AtomicU64,
    ended: AtomicU64,
}

/// Asks for blobs, and looks again and again whether what was promised is there.
fn client(house: &House, stop: &AtomicBool, seed: u64, counts: &Counts) {
    let mut random = Random(seed);
    while !stop.load(SeqCst) {
        let (name, text) = (IMAGES[random.below(2)], TEXTS[random.below(3)]);
        let end = house.clock.now().after(UPLOAD_LINK);
        if house.store.renew_image_blob(image(name), oci(text)).wait().unwrap().is_none() {
            counts.gone.fetch_add(1, SeqCst);
            let pushed = BlobPush { by: None, ..push(name, text) };
            house.store.put_image_blob(pushed).wait().unwrap();
        }
        for _ in 0..random.below(20) {
            let found = house.has(name, text);
            if house.clock.now() >= end {
                break;
            }
            assert!(found.is_some(), "{text} of {name} was promised");
            counts.kept.fetch_add(1, SeqCst);
        }
    }
}

/// Lets time pass in steps shorter and longer than a link, and removes all that may go.
fn sweep(house: &House, counts: &Counts) {
    let mut random = Random(99);
    let started = Instant::now();
    while started.elapsed() < TIME {
        let step = u32::try_from(random.below(5)).unwrap();
        house.clock.advance(UPLOAD_LINK * step / 3);
        let (done, _) = house.store.expire_links_slice(None, WORK, ROWS).unwrap();
        assert_eq!(done.errors, Vec::<String>::new());
        counts.ended.fetch_add(done.usage.files, SeqCst);
        house.store.collect_slice(None, WORK, ROWS).unwrap();
    }
}

#[test]
fn what_was_promised_is_there_until_its_link_is_over() {
    let (house, stop, counts) = (House::new(), AtomicBool::new(false), Counts::default());
    std::thread::scope(|scope| {
        for seed in 0..3 {
            let (house, stop, counts) = (&house, &stop, &counts);
            scope.spawn(move || client(house, stop, seed, counts));
        }
        sweep(&house, &counts);
        stop.store(true, SeqCst);
    });
    let Counts { kept, gone, ended } = counts;
    let counts = [kept, gone, ended].map(AtomicU64::into_inner);
    assert!(counts.iter().all(|count| *count > 10), "{counts:?}");
    assert_consistent(&house.store);
}
