//! Clients that push, pull, tag again, attach, mount and delete for minutes, while a sweep runs
//! every second, tags expire after 20 seconds and no lease protects anything but an upload link:
//! nobody meets an error, and memory and database stop growing (I1, I2, I3, I5).
//!
//! `LARDER_TEST_SOAK=1800` makes it last that many seconds instead of three minutes.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use super::harness::TestServer;
use super::harness::image_layout::{Image, Layer};
use super::harness::pusher::{Pusher, Refused};
use super::harness::server::Builder;

const CLIENTS: u64 = 4;
const SECONDS: u64 = 180;
/// The least time between two things that one client does.
const STEP: Duration = Duration::from_millis(100);
/// How long a tag stays at least, and below which age it is asked for.
const TAG_LIFE: Duration = Duration::from_secs(20);
const YOUNG: Duration = Duration::from_secs(15);
/// More tags than one client can push while a policy is on its way.
const SLACK: usize = 30;
/// When everything that the first seconds brought is gone again: a tag, the link of its manifest
/// and then the links of its blobs.
const STEADY: Duration = Duration::from_secs(150);
/// How long the test without upload links pushes.
const WITHOUT_LINKS: Duration = Duration::from_secs(15);
/// The least time that a peak is looked for in.
const WINDOW: Duration = Duration::from_secs(10);
/// How much more than at first there may be in the end.
const GROWTH_MAX_PERCENT: u64 = 15;
const GROWTH_MAX_BYTES: u64 = 8 << 20;
/// How many times the used pages the database's file may have.
const FILE_MAX_TIMES: u64 = 4;

/// How long it takes.
fn length() -> Duration {
    let seconds = std::env::var("LARDER_TEST_SOAK");
    Duration::from_secs(seconds.map_or(SECONDS, |text| text.parse().expect("seconds")))
}

fn swept_every_second(link: &str) -> Builder {
    let quick = TestServer::with("lease", "0").with("lease-grouping", "0");
    let quick = quick.with("sweep-period", "1s").with("registry-untagged", "**=20s");
    // A cache that is full from the start: what grows is something else.
    let quick = quick.with("cache", "8MiB");
    quick.with("registry-upload-link", link)
}

/// What a client has pushed, so long as it may ask for it.
struct Pushed {
    repository: String,
    tag: String,
    image: Image,
    when: Instant,
}

/// One client and its branch.
struct Client<'a> {
    server: &'a TestServer,
    pusher: Pusher,
    number: u64,
    random: u64,
    count: u64,
    live: VecDeque<Pushed>,
    /// When each tag of the last seconds was made.
    made: VecDeque<Instant>,
    done: BTreeMap<&'static str, u64>,
    errors: Vec<String>,
}

impl<'a> Client<'a> {
    fn new(server: &'a TestServer, number: u64) -> Self {
        Self {
            server,
            pusher: Pusher::new(server.address()),
            number,
            random: number,
            count: 0,
            live: VecDeque::new(),
            made: VecDeque::new(),
            done: BTreeMap::new(),
            errors: Vec::new(),
        }
    }

    fn work(&mut self, is_over: &AtomicBool) {
        let mut next_policy = Instant::now();
        while !is_over.load(Ordering::Relaxed) {
            let begun = Instant::now();
            let (name, outcome) = self.act();
            *self.done.entry(name).or_default() += 1;
            if let Err(error) = outcome {
                self.errors.push(format!("{name}: {error}"));
            }
            self.forget();
            if begun >= next_policy {
                next_policy = begun + Duration::from_secs(1);
                self.set_policy();
            }
            std::thread::sleep(STEP.saturating_sub(begun.elapsed()));
        }
    }

    fn act(&mut self) -> (&'static str, Result<(), Refused>) {
        match self.below(20) {
            0..8 => ("push", self.push_new()),
            8..12 => ("pull", self.pull()),
            12..14 => ("tag again", self.tag_again()),
            14..16 => ("attach", self.attach()),
            16 => ("mount", self.mount()),
            17 => ("delete", self.delete()),
            18 => ("push over", self.push_over()),
            _ => ("push by digest", self.push_by_digest()),
        }
    }

    /// An image whose first layer is that of many others.
    fn image(&mut self) -> Image {
        self.count += 1;
        let own = 1_000_000 * (self.number + 1) + self.count;
        let shared = Layer::noise(self.count / 50, 60_000);
        // As a row and as a file.
        let length = if self.count.is_multiple_of(2) { 3_000 } else { 40_000 };
        Image::new(&[shared, Layer::noise(own, length)])
    }

    fn push_new(&mut self) -> Result<(), Refused> {
        let (image, repository) = (self.image(), self.repository());
        let tag = format!("t{}", self.count);
        self.pusher.push(&repository, &tag, &image)?;
        self.note(repository, tag, image);
        Ok(())
    }

    fn pull(&mut self) -> Result<(), Refused> {
        let Some(at) = self.young() else { return Ok(()) };
        let Pushed { repository, tag, image, .. } = &self.live[at];
        let by_tag = self.pusher.pull(repository, tag)?;
        assert!(by_tag == **image.manifest.bytes, "{repository}:{tag}");
        self.pusher.pull(repository, &image.manifest.digest).map(drop)
    }

    fn tag_again(&mut self) -> Result<(), Refused> {
        let Some(at) = self.young() else { return Ok(()) };
        let Pushed { repository, image, .. } = &self.live[at];
        let (repository, image) = (repository.clone(), image.clone());
        self.count += 1;
        let tag = format!("again{}", self.count);
        self.pusher.push_manifest(&repository, &tag, &image.manifest)?;
        self.note(repository, tag, image);
        Ok(())
    }

    fn attach(&mut self) -> Result<(), Refused> {
        let Some(at) = self.young() else { return Ok(()) };
        self.count += 1;
        let Pushed { repository, image, .. } = &self.live[at];
        let said = format!("{} {}", self.number, self.count);
        let about = Image::about(&image.manifest, "test/note", said.as_bytes());
        self.pusher.push(repository, &about.manifest.digest, &about)?;
        let found = self.pusher.referrers(repository, &image.manifest.digest)?;
        assert!(found.contains(&about.manifest.digest), "{repository}: {found:?}");
        Ok(())
    }

    /// From one repository of the branch to another.
    fn mount(&mut self) -> Result<(), Refused> {
        let Some(at) = self.young() else { return Ok(()) };
        let Pushed { repository, image, .. } = &self.live[at];
        let (from, image) = (repository.clone(), image.clone());
        let to = format!("s{}/mounted", self.number);
        for blob in &image.blobs {
            if !self.pusher.mount(&to, &from, blob)? {
                self.errors.push(format!("{from} has {}, and it is not mounted", blob.digest));
            }
        }
        self.count += 1;
        let tag = format!("m{}", self.count);
        self.pusher.push_manifest(&to, &tag, &image.manifest)?;
        self.note(to, tag, image);
        Ok(())
    }

    fn delete(&mut self) -> Result<(), Refused> {
        let Some(at) = self.young() else { return Ok(()) };
        let Pushed { repository, tag, .. } = self.live.remove(at).unwrap();
        self.pusher.delete_manifest(&repository, &tag)?;
        match self.pusher.pull(&repository, &tag) {
            Err(Refused { status: 404, code, .. }) if code == "MANIFEST_UNKNOWN" => Ok(()),
            Err(other) => Err(other),
            Ok(_) => panic!("{repository}:{tag} is deleted and can be pulled"),
        }
    }

    /// The same tag with another image each time: in the tree and in a plain repository.
    fn push_over(&mut self) -> Result<(), Refused> {
        let image = self.image();
        self.pusher.push(&format!("s{}/app0", self.number), "moving", &image)?;
        let plain = format!("plain{}", self.number);
        self.pusher.push(&plain, "latest", &image)?;
        self.pusher.pull(&plain, "latest").map(drop)
    }

    /// Nothing names it until a rule for the repository says that it goes.
    fn push_by_digest(&mut self) -> Result<(), Refused> {
        let (image, plain) = (self.image(), format!("plain{}", self.number));
        self.pusher.push(&plain, &image.manifest.digest, &image)?;
        self.pusher.pull(&plain, &image.manifest.digest).map(drop)
    }

    fn note(&mut self, repository: String, tag: String, image: Image) {
        let when = Instant::now();
        self.made.push_back(when);
        self.live.push_back(Pushed { repository, tag, image, when });
    }

    fn forget(&mut self) {
        while self.made.front().is_some_and(|when| when.elapsed() > TAG_LIFE) {
            self.made.pop_front();
        }
        while self.live.front().is_some_and(|pushed| pushed.when.elapsed() > YOUNG) {
            self.live.pop_front();
        }
    }

    /// Keeps as many tags of the branch as the last seconds brought.
    fn set_policy(&mut self) {
        let keep = self.made.len() + SLACK;
        let policy = json!({"branch": {"max_daily_tags": keep}});
        let answer = self.server.post(&format!("/branches/s{}/", self.number)).json(&policy).send();
        // Before the first push there is no branch.
        if answer.status != 200 && !self.made.is_empty() {
            self.errors.push(format!("policy: {}", answer.text()));
        }
    }

    fn repository(&mut self) -> String {
        let app = self.below(3);
        format!("s{}/app{app}", self.number)
    }

    fn young(&mut self) -> Option<usize> {
        self.forget();
        let count = u64::try_from(self.live.len()).unwrap();
        let at = (count > 0).then(|| self.below(count))?;
        Some(usize::try_from(at).unwrap())
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        (self.random >> 33) % bound
    }
}

/// What the server takes at one moment, in bytes.
struct Sample {
    at: Duration,
    memory: u64,
    /// Used pages of the database.
    used: u64,
    /// The database's file, with the pages that are free: it grows while those are in pieces too
    /// small for a row, up to a few times what is used.
    database: u64,
    files: u64,
}

impl Sample {
    fn of(server: &TestServer, at: Duration) -> Self {
        let process = format!("/proc/{}/status", server.process_id());
        let process = std::fs::read_to_string(process).unwrap();
        let line = process.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        // Only the command counts pages.
        let stats = server.command(&["stats", "--json"]).succeeds().out;
        let stats: serde_json::Value = serde_json::from_str(&stats).expect("JSON");
        let [database, used] = ["database_bytes", "database_used_bytes"]
            .map(|name| stats[name].as_u64().expect("a number of bytes"));
        Self { at, memory: kib << 10, used, database, files: server.blob_files().1 }
    }
}

type Figure = fn(&Sample) -> u64;

/// Looks every second until the time is over.
fn watch(server: &TestServer, length: Duration) -> Vec<Sample> {
    let started = Instant::now();
    let mut samples = Vec::new();
    while started.elapsed() < length {
        samples.push(Sample::of(server, started.elapsed()));
        std::thread::sleep(Duration::from_secs(1));
    }
    samples
}

/// The largest of a figure within a time.
fn largest(samples: &[Sample], within: std::ops::Range<Duration>, figure: Figure) -> u64 {
    samples.iter().filter(|sample| within.contains(&sample.at)).map(figure).max().unwrap_or(0)
}

/// What it takes goes up and down with what the machine does besides, so the peaks of two halves
/// are held against each other.
fn is_flat(samples: &[Sample], length: Duration) {
    for sample in samples.iter().step_by(60) {
        let Sample { at, memory, used, database, files } = sample;
        let [memory, used, database, files] = [memory, used, database, files].map(|b| b >> 10);
        println!("{at:.0?}: memory {memory}, database {used} of {database}, files {files} KiB");
    }
    let all = Duration::ZERO..length;
    let file = largest(samples, all.clone(), |at| at.database);
    let most = largest(samples, all, |at| at.used) * FILE_MAX_TIMES + GROWTH_MAX_BYTES;
    assert!(file <= most, "the database's file has {file} bytes, {most} at most are expected");
    let figures: [Figure; 3] = [|at| at.memory, |at| at.used, |at| at.files];
    for (name, figure) in ["memory", "database", "files"].into_iter().zip(figures) {
        let half = STEADY + length.saturating_sub(STEADY) / 2;
        let first = largest(samples, STEADY..half, figure);
        let last = largest(samples, half..length, figure);
        println!("{name}: {} KiB, then {} KiB", first >> 10, last >> 10);
        let most = first + first * GROWTH_MAX_PERCENT / 100 + GROWTH_MAX_BYTES;
        let is_short = length < STEADY + 2 * WINDOW;
        assert!(is_short || last <= most, "{name} grew from {first} to {last} bytes");
    }
}

#[test]
fn nobody_meets_an_error_while_everything_goes_after_a_while() {
    let length = length();
    let server = swept_every_second("60s").start();
    let is_over = AtomicBool::new(false);
    let mut clients: Vec<_> = (0..CLIENTS).map(|number| Client::new(&server, number)).collect();
    let samples = std::thread::scope(|scope| {
        for client in &mut clients {
            let is_over = &is_over;
            scope.spawn(move || client.work(is_over));
        }
        let samples = watch(&server, length);
        is_over.store(true, Ordering::Relaxed);
        samples
    });
    let mut done = BTreeMap::new();
    for (name, count) in clients.iter().flat_map(|client| &client.done) {
        *done.entry(*name).or_insert(0) += count;
    }
    println!("in {} s: {done:?}", length.as_secs());
    let errors: Vec<_> = clients.iter().flat_map(|client| &client.errors).collect();
    assert!(errors.is_empty(), "{} errors, the first: {:#?}", errors.len(), &errors[..1]);
    let sweeps = server.sweeps().len();
    assert!(u64::try_from(sweeps).unwrap() >= length.as_secs().min(600) / 2, "{sweeps} sweeps");
    // Of all that went nothing young went along.
    for client in &mut clients {
        while client.young().is_some() {
            client.pull().unwrap_or_else(|why| panic!("{why}"));
            client.live.pop_front();
        }
    }
    assert!(samples.iter().any(|sample| sample.files > 0), "nothing was large enough for a file");
    is_flat(&samples, length);
}

/// The blobs, a pause in which a sweep may come, and the manifest.
fn push_slowly(client: &mut Pusher, tag: &str, image: &Image) -> Result<(), Refused> {
    for blob in &image.blobs {
        client.push_blob("main/app", blob)?;
    }
    std::thread::sleep(Duration::from_millis(50));
    client.push_manifest("main/app", tag, &image.manifest)
}

/// What became of the tags that one client pushed for some seconds.
fn push_for_a_while(address: SocketAddr, number: u64) -> Vec<(String, Image, Result<(), Refused>)> {
    let (mut client, shared) = (Pusher::new(address), Layer::noise(1, 60_000));
    let (mut outcomes, until) = (Vec::new(), Instant::now() + WITHOUT_LINKS);
    for count in 0.. {
        if Instant::now() > until {
            break;
        }
        let own = Layer::noise(1_000_000 * (number + 1) + count, 40_000);
        let image = Image::new(&[shared.clone(), own]);
        let tag = format!("c{number}-{count}");
        let outcome = push_slowly(&mut client, &tag, &image);
        outcomes.push((tag, image, outcome));
    }
    outcomes
}

#[test]
fn without_upload_links_a_push_may_be_refused_and_nothing_is_damaged() {
    let server = swept_every_second("0").start();
    let address = server.address();
    let outcomes = std::thread::scope(|scope| {
        let start = |number| scope.spawn(move || push_for_a_while(address, number));
        let clients: Vec<_> = (0..CLIENTS).map(start).collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect::<Vec<_>>()
    });
    let mut reader = Pusher::new(address);
    let (mut kept, mut refused) = (0, 0);
    for (tag, image, outcome) in outcomes {
        let Err(why) = outcome else {
            let pulled = reader.pull("main/app", &tag).unwrap_or_else(|why| panic!("{why}"));
            assert!(pulled == **image.manifest.bytes, "{tag}");
            kept += 1;
            continue;
        };
        assert_eq!(why.code, "MANIFEST_BLOB_UNKNOWN", "{why}");
        refused += 1;
    }
    println!("{kept} pushed, {refused} refused");
    assert!(refused > 0, "no sweep came between the blobs and the manifest");
}
