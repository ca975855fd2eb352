//! Flights against an upstream whose every body the test feeds: who gets what, and what stays.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use http::{HeaderMap, StatusCode};
use tokio::sync::mpsc;

use super::*;
use crate::blobs::hash::hash_bytes;
use crate::blobs::{BlobFiles, OsDisk, Space};
use crate::model::{GroupId, UpstreamName};
use crate::proxy::fetch;

type Piece = Result<Bytes, String>;

/// An upstream whose every body is fed by the test.
#[derive(Default)]
struct Scripted {
    bodies: Mutex<VecDeque<(Option<u64>, mpsc::UnboundedReceiver<Piece>)>>,
    asked: Mutex<Vec<u64>>,
}

impl Scripted {
    /// The next request is answered with a body; what it sends comes from here.
    fn body(&self, total: Option<u64>) -> mpsc::UnboundedSender<Piece> {
        let (sender, receiver) = mpsc::unbounded_channel();
        lock(&self.bodies).push_back((total, receiver));
        sender
    }

    /// The next request is answered with these pieces.
    fn pieces(&self, total: Option<u64>, pieces: impl IntoIterator<Item = Piece>) {
        let sender = self.body(total);
        pieces.into_iter().for_each(|piece| sender.send(piece).unwrap());
    }

    fn asked(&self) -> Vec<u64> {
        lock(&self.asked).clone()
    }
}

impl Remote for Scripted {
    fn open(&self, from: u64) -> BoxFuture<'static, Result<fetch::Opened, Refused>> {
        lock(&self.asked).push(from);
        let next = lock(&self.bodies).pop_front();
        Box::pin(async move {
            let Some((total, receiver)) = next else {
                let (status, body) = (StatusCode::TOO_MANY_REQUESTS, Bytes::from("slow down"));
                return Err(Refused::Answer { status, headers: Box::default(), body });
            };
            let body = futures_util::stream::unfold(receiver, async |mut receiver| {
                Some((receiver.recv().await?, receiver))
            });
            let headers = HeaderMap::new();
            Ok(fetch::Opened { from, total, headers, body: body.boxed() })
        })
    }
}

/// What landed, and for whom.
type Landed = Arc<Mutex<Vec<(Bytes, Vec<Wish>)>>>;

struct House {
    folder: tempfile::TempDir,
    flights: Arc<Flights>,
    landed: Landed,
    /// Flights that are landing: they leave the table before the last of it.
    landing: Arc<AtomicUsize>,
    upstream: Arc<Scripted>,
}

impl House {
    fn new(bytes_max: u64) -> Self {
        Self::with_reserve(bytes_max, 0)
    }

    fn with_reserve(bytes_max: u64, reserve: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let disk = Arc::new(OsDisk);
        let files = BlobFiles::open(folder.path(), disk.clone()).unwrap();
        let space = Arc::new(Space::open(folder.path(), disk, reserve, 0).unwrap());
        let ground = Ground { files, space, inline_bytes_max: 16, bytes_max };
        let landed = Landed::default();
        let shelf = Arc::clone(&landed);
        let path = folder.path().to_owned();
        let landing = Arc::<AtomicUsize>::default();
        let under_way = Arc::clone(&landing);
        let land = move |arrived: Arrived, wishes: &mut dyn FnMut() -> Option<Wish>| {
            under_way.fetch_add(1, Ordering::SeqCst);
            let bytes = bytes_of(arrived, &path);
            let wishes = std::iter::from_fn(wishes).collect();
            lock(&shelf).push((bytes, wishes));
            under_way.fetch_sub(1, Ordering::SeqCst);
        };
        let flights = Arc::new(Flights::new(ground, Box::new(land)));
        Self { folder, flights, landed, landing, upstream: Arc::default() }
    }

    fn join(&self, content: &[u8], group: u64) -> Follower {
        self.join_by("alpine", content, group)
    }

    fn join_by(&self, image: &str, content: &[u8], group: u64) -> Follower {
        let digest = hash_bytes(content, None).digest;
        let image = UpstreamName::parse(image).unwrap();
        let wish = Wish { group: GroupId(group), image, upstream: None, origin: [0; 32] };
        let upstream = Arc::clone(&self.upstream);
        self.flights.join(Key { source: [0; 32], digest }, wish, || upstream)
    }

    async fn settled(&self) {
        while self.flights.count() > 0 || self.landing.load(Ordering::SeqCst) > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// What is given up leaves its draft behind for a moment only.
    async fn nothing_is_staged(&self) {
        let begin = Instant::now();
        while self.staged() > 0 {
            assert!(begin.elapsed() < Duration::from_secs(10), "{} are staged", self.staged());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn staged(&self) -> usize {
        std::fs::read_dir(self.folder.path().join("staging")).unwrap().count()
    }
}

fn bytes_of(arrived: Arrived, folder: &Path) -> Bytes {
    match arrived {
        Arrived::Memory(bytes, _) => bytes,
        Arrived::File(staged) => {
            let placed = staged.place().unwrap();
            let files = BlobFiles::open(folder, Arc::new(OsDisk)).unwrap();
            let bytes = std::fs::read(files.path_of(placed.digest, placed.suffix)).unwrap();
            placed.keep();
            bytes.into()
        }
    }
}

async fn read(mut follower: Follower) -> Result<Vec<u8>, String> {
    let mut all = Vec::new();
    while let Some(bytes) = follower.next().await {
        all.extend_from_slice(&bytes.map_err(|error| error.to_string())?);
    }
    Ok(all)
}

fn content(size: usize) -> Vec<u8> {
    (0..=250u8).cycle().take(size).collect()
}

fn pieces(content: &[u8], size: usize) -> Vec<Piece> {
    content.chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect()
}

fn bytes_in(content: &[u8]) -> u64 {
    fetch::length(content.len())
}

#[tokio::test]
async fn fifty_who_wait_get_all_of_it_by_one_request() {
    let house = House::new(u64::MAX);
    for size in [0, 1, 16, 17, 5_000_000] {
        let content = content(size);
        house.upstream.pieces(Some(bytes_in(&content)), pieces(&content, 70_000));
        let all: Vec<_> =
            (0..50).map(|n| tokio::spawn(read(house.join(&content, n % 2)))).collect();
        for one in all {
            assert!(one.await.unwrap().unwrap() == content, "{size}");
        }
        house.settled().await;
        let (bytes, wishes) = lock(&house.landed).pop().unwrap();
        assert!(bytes == content);
        let groups: Vec<_> = wishes.iter().map(|wish| wish.group.0).collect();
        assert_eq!(groups, [0, 1]);
    }
    assert_eq!(house.upstream.asked(), [0; 5]);
    house.nothing_is_staged().await;
}

#[tokio::test]
async fn first_bytes_come_at_once_and_the_last_one_at_the_end() {
    let house = House::new(u64::MAX);
    let content = content(40);
    let upstream = house.upstream.body(None);
    let mut follower = house.join(&content, 1);
    upstream.send(Ok(Bytes::copy_from_slice(&content[..30]))).unwrap();
    assert_eq!(follower.opened().await.unwrap().total, None);
    assert_eq!(follower.next().await.unwrap().unwrap(), content[..29]);
    upstream.send(Ok(Bytes::copy_from_slice(&content[30..]))).unwrap();
    let mut rest = follower.next().await.unwrap().unwrap().to_vec();
    if rest.len() == 1 {
        rest.extend(follower.next().await.unwrap().unwrap());
    }
    assert_eq!(rest, content[29..39]);
    let waits = tokio::time::timeout(Duration::from_millis(50), follower.next()).await;
    assert!(waits.is_err(), "the last byte came before the end");
    drop(upstream);
    assert_eq!(follower.next().await.unwrap().unwrap(), content[39..]);
    assert!(follower.next().await.is_none());
}

#[tokio::test]
async fn one_who_does_not_read_holds_nobody_up() {
    let house = House::new(u64::MAX);
    let content = content(6_000_000);
    house.upstream.pieces(Some(bytes_in(&content)), pieces(&content, 64 << 10));
    let mut slow = house.join(&content, 1);
    let first = slow.next().await.unwrap().unwrap();
    assert!(read(house.join(&content, 2)).await.unwrap() == content);
    house.settled().await;
    assert_eq!(lock(&house.landed).len(), 1);
    // What it has not read yet is in the file, whatever its name is by now.
    let rest = read(slow).await.unwrap();
    assert!([&first[..], &rest].concat() == content);
}

#[tokio::test]
async fn it_goes_on_when_everybody_leaves() {
    let house = House::new(u64::MAX);
    let content = content(200_000);
    let upstream = house.upstream.body(Some(bytes_in(&content)));
    let mut follower = house.join(&content, 1);
    upstream.send(Ok(Bytes::copy_from_slice(&content[..10]))).unwrap();
    follower.next().await.unwrap().unwrap();
    drop(follower);
    upstream.send(Ok(Bytes::copy_from_slice(&content[10..]))).unwrap();
    drop(upstream);
    house.settled().await;
    let landed = lock(&house.landed).pop().unwrap();
    assert!(landed.0 == content);
}

#[tokio::test]
async fn only_so_many_go_on_without_anybody() {
    let house = House::new(u64::MAX);
    let mut feeds = Vec::new();
    for number in 0..20u8 {
        let content = vec![number; 100];
        let upstream = house.upstream.body(Some(bytes_in(&content)));
        let mut follower = house.join(&content, 1);
        upstream.send(Ok(Bytes::copy_from_slice(&content[..50]))).unwrap();
        follower.next().await.unwrap().unwrap();
        feeds.push((upstream, content));
    }
    for (upstream, content) in &feeds {
        upstream.send(Ok(Bytes::copy_from_slice(&content[50..80]))).unwrap();
    }
    while house.flights.count() > 16 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for (upstream, content) in feeds {
        let _ = upstream.send(Ok(Bytes::copy_from_slice(&content[80..])));
    }
    house.settled().await;
    assert_eq!(lock(&house.landed).len(), 16);
    house.nothing_is_staged().await;
}

#[tokio::test]
async fn what_broke_off_is_asked_for_from_there() {
    let house = House::new(u64::MAX);
    let content = content(100_000);
    house.upstream.pieces(
        Some(bytes_in(&content)),
        [Ok(Bytes::copy_from_slice(&content[..40_000])), Err("reset".to_owned())],
    );
    // Ends early.
    house.upstream.pieces(Some(bytes_in(&content)), pieces(&content[40_000..70_000], 10_000));
    house.upstream.pieces(Some(bytes_in(&content)), pieces(&content[70_000..], 10_000));
    assert!(read(house.join(&content, 1)).await.unwrap() == content);
    assert_eq!(house.upstream.asked(), [0, 40_000, 70_000]);
    house.settled().await;
    assert_eq!(lock(&house.landed).len(), 1);
}

#[tokio::test]
async fn a_wrong_or_broken_body_never_looks_complete_and_is_not_kept() {
    let content = content(100_000);
    let mut other = content.clone();
    other[99_999] ^= 1;
    let cut = || Ok(Bytes::copy_from_slice(&content[..50_000]));
    let lies: [(Option<u64>, Vec<Piece>); 5] = [
        (Some(bytes_in(&other)), pieces(&other, 9_000)),
        (None, pieces(&content[..99_999], 9_000)),
        (Some(bytes_in(&content)), [pieces(&content, 9_000), pieces(b"more", 9)].concat()),
        (Some(bytes_in(&content)), vec![cut()]),
        (None, vec![cut(), Err("reset".to_owned())]),
    ];
    for (index, (total, pieces)) in lies.into_iter().enumerate() {
        let house = House::new(u64::MAX);
        house.upstream.pieces(total, pieces);
        let (first, second) = (house.join(&content, 1), house.join(&content, 2));
        let whole = |read: Result<Vec<u8>, String>| read.is_ok();
        assert!(!whole(read(first).await) && !whole(read(second).await), "{index}");
        house.settled().await;
        assert!(lock(&house.landed).is_empty(), "{index}");
        assert_eq!(house.staged(), 0, "{index}");
    }
}

#[tokio::test]
async fn a_refusal_is_told_to_all_and_kept_for_nobody() {
    let house = House::new(u64::MAX);
    let (mut first, mut second) = (house.join(b"x", 1), house.join(b"x", 2));
    for follower in [&mut first, &mut second] {
        let refused = follower.opened().await.unwrap_err();
        assert!(matches!(refused, Refused::Answer { status, .. } if status == 429));
    }
    assert_eq!(house.upstream.asked(), [0]);
    house.upstream.pieces(None, [Ok(Bytes::from_static(b"x"))]);
    assert_eq!(read(house.join(b"x", 1)).await.unwrap(), b"x");
}

#[tokio::test]
async fn what_is_too_long_or_has_no_room_passes_through() {
    let content = content(300_000);
    for (total, bytes_max, reserve) in [
        (Some(bytes_in(&content)), 299_999, 0),
        (None, 150_000, 0),
        (Some(bytes_in(&content)), u64::MAX, 1 << 60),
    ] {
        let house = House::with_reserve(bytes_max, reserve);
        // One begins the flight and the other goes on by itself.
        for _ in 0..2 {
            house.upstream.pieces(total, pieces(&content, 40_000));
        }
        let (first, second) = (house.join(&content, 1), house.join(&content, 2));
        let (first, second) = tokio::join!(read(first), read(second));
        let asked = house.upstream.asked();
        assert!(asked.len() == 2 && asked[0] == 0, "{asked:?}");
        // The test's upstream begins at 0 again, so only what began there can be right.
        let right = [first, second].into_iter().filter(|read| read.as_ref() == Ok(&content));
        assert_eq!(right.count(), if asked[1] == 0 { 2 } else { 1 });
        house.settled().await;
        assert!(lock(&house.landed).is_empty());
        house.nothing_is_staged().await;
    }
}

#[tokio::test]
async fn a_part_waits_for_the_whole() {
    let house = House::new(u64::MAX);
    let content = content(1000);
    let upstream = house.upstream.body(Some(bytes_in(&content)));
    let mut follower = house.join(&content, 1).range(100, 200);
    upstream.send(Ok(Bytes::copy_from_slice(&content[..500]))).unwrap();
    assert_eq!(follower.next().await.unwrap().unwrap(), content[100..199]);
    let waits = tokio::time::timeout(Duration::from_millis(50), follower.next()).await;
    assert!(waits.is_err(), "the last byte came before all were verified");
    upstream.send(Ok(Bytes::copy_from_slice(&content[500..]))).unwrap();
    drop(upstream);
    assert_eq!(read(follower).await.unwrap(), content[199..200]);
}

#[test]
fn upstreams_that_are_slow_keep_no_thread_from_others() {
    let mut few = tokio::runtime::Builder::new_multi_thread();
    let few = few.max_blocking_threads(2).enable_all().build().unwrap();
    few.block_on(async {
        let house = House::new(u64::MAX);
        let contents: Vec<_> = (0..20).map(|number| vec![number; 1000]).collect();
        let mut upstreams = Vec::new();
        let mut followers = Vec::new();
        for content in &contents {
            let upstream = house.upstream.body(Some(1000));
            upstream.send(Ok(Bytes::copy_from_slice(&content[..500]))).unwrap();
            let mut follower = house.join(content, 1);
            assert_eq!(follower.opened().await.unwrap().total, Some(1000));
            upstreams.push(upstream);
            followers.push(follower);
        }
        let other = tokio::task::spawn_blocking(|| 7);
        let other = tokio::time::timeout(Duration::from_secs(10), other).await;
        assert_eq!(other.expect("no thread is left").unwrap(), 7);
        for ((upstream, content), follower) in upstreams.into_iter().zip(&contents).zip(followers) {
            upstream.send(Ok(Bytes::copy_from_slice(&content[500..]))).unwrap();
            drop(upstream);
            assert_eq!(read(follower).await.unwrap(), *content);
        }
        house.settled().await;
        assert_eq!((lock(&house.landed).len(), house.staged()), (20, 0));
    });
}

/// Somebody asks for it by an image that does not have it, and is refused: so are those of that
/// image alone, and the others know.
#[tokio::test]
async fn a_refusal_is_known_to_be_of_another_image() {
    let house = House::new(1 << 20);
    let mut wrong = house.join_by("none/such", b"x", 1);
    let (mut same, mut right) = (house.join_by("none/such", b"x", 2), house.join(b"x", 2));
    assert!(!wrong.is_of_another_image() && !same.is_of_another_image());
    assert!(right.is_of_another_image());
    for follower in [&mut wrong, &mut same, &mut right] {
        assert!(matches!(follower.opened().await, Err(Refused::Answer { .. })));
    }
    assert!(!house.join(b"x", 2).is_of_another_image());
}
