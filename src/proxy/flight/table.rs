//! [`Flights`]: those that are in the air, each once, and what carries them.
//!
//! Deliberately absent: what a landing does with the bytes; it is passed in.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::{JoinError, JoinHandle};

use super::taking::{Part, Taken, Taking};
use super::{Arrived, End, Flight, Follower, Ground, Rest, lock};
use crate::blobs::hash::Hasher;
use crate::model::{Digest, GroupId, Upstream, UpstreamName};
use crate::proxy::fetch::{Broken, Fetch, Refused, Remote};

/// Pieces between the network and the disk.
const PARTS_WAITING: usize = 8;
/// Those who wait are told when so many bytes have come, or this long after the last time. What
/// sending costs is wake-ups and writes: 50 who follow 96 MiB take a tenth longer than 50 who read
/// it from the cache, and with 1 MiB and 5 ms a third of a second more.
const TOLD_BYTES: u64 = 8 << 20;
const TOLD_WITHIN: Duration = Duration::from_millis(40);
/// Flights that go on at once although everybody left.
const ABANDONED_MAX: usize = 16;
/// How long such a one goes on.
const ABANDONED_TIME: Duration = Duration::from_secs(600);

/// Which flight: the same bytes by the same credentials of the same upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Stands for the upstream and the credentials.
    pub source: [u8; 32],
    /// What is fetched.
    pub digest: Digest,
}

/// A group that is to have what lands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Which; one wish of each counts.
    pub group: GroupId,
    /// The image by which it asked.
    pub image: UpstreamName,
    /// Its upstream as it was then.
    pub upstream: Option<Upstream>,
    /// What stands for its upstream.
    pub origin: [u8; 32],
}

/// Stores what landed, for each wish until there is none left; on a thread that may wait.
pub type Land = dyn Fn(Arrived, &mut dyn FnMut() -> Option<Wish>) + Send + Sync;

/// All flights. Share it.
pub struct Flights {
    table: Mutex<HashMap<Key, Known>>,
    ground: Ground,
    land: Box<Land>,
    abandoned: Arc<Semaphore>,
}

struct Known {
    flight: Arc<Flight>,
    wishes: Vec<Wish>,
    /// So many of them are being fulfilled, or are.
    fulfilled: usize,
}

/// What has seen all bytes, where they are not stored.
type Written = Result<Option<Hasher>, JoinError>;

enum Flown {
    All,
    Unstored,
    Broken(Broken),
}

impl Flights {
    /// No flights so far.
    #[must_use]
    pub fn new(ground: Ground, land: Box<Land>) -> Self {
        let abandoned = Arc::new(Semaphore::new(ABANDONED_MAX));
        Self { table: Mutex::default(), ground, land, abandoned }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        lock(&self.table).len()
    }

    /// Waits for the flight of this key, which begins if there is none.
    pub(in crate::proxy) fn join(
        self: &Arc<Self>,
        key: Key,
        wish: Wish,
        remote: impl FnOnce() -> Arc<dyn Remote>,
    ) -> Follower {
        let mut table = lock(&self.table);
        let known = match table.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let flight = Arc::new(Flight::new(key.digest));
                let landing = Landing { flights: Arc::clone(self), key, flight };
                let known =
                    Known { flight: Arc::clone(&landing.flight), wishes: Vec::new(), fulfilled: 0 };
                tokio::spawn(landing.fly(remote()));
                place.insert(known)
            }
        };
        let first = known.wishes.first().unwrap_or(&wish);
        let is_same = first.image == wish.image;
        let follower = if is_same {
            Follower::new(Arc::clone(&known.flight))
        } else {
            Follower::of_another(Arc::clone(&known.flight))
        };
        if known.wishes.iter().all(|known| known.group != wish.group) {
            known.wishes.push(wish);
        }
        follower
    }

    /// Stores what all came; for a thread that may wait.
    fn land(&self, key: Key, flight: &Flight, arrived: Arrived) {
        let found = arrived.hashed().digest;
        if found == key.digest {
            flight.end(End::Verified);
            (self.land)(arrived, &mut || self.next_wish(&key));
            return;
        }
        drop(arrived);
        lock(&self.table).remove(&key);
        let why = format!("sha256:{} came as sha256:{found}", key.digest);
        log::warn!("an upstream lies about a blob, which is not stored: {why}");
        flight.end(End::Broken(Broken(why)));
    }

    /// The next wish; where there is none the flight is over and leaves the table.
    fn next_wish(&self, key: &Key) -> Option<Wish> {
        let mut table = lock(&self.table);
        let known = table.get_mut(key)?;
        let wish = known.wishes.get(known.fulfilled).cloned();
        known.fulfilled += 1;
        if wish.is_none() {
            table.remove(key);
        }
        wish
    }
}

/// A flight from its begin to its end; dropped, it leaves nobody waiting.
struct Landing {
    flights: Arc<Flights>,
    key: Key,
    flight: Arc<Flight>,
}

impl Landing {
    async fn fly(self, remote: Arc<dyn Remote>) {
        match Fetch::begin(remote, 0).await {
            Ok(fetch) => self.take(fetch).await,
            Err(refused) => self.refuse(refused),
        }
    }

    fn refuse(&self, refused: Refused) {
        self.end(End::Refused(refused));
    }

    async fn take(&self, mut fetch: Fetch) {
        self.flight.open(fetch.total());
        let (parts, arriving) = mpsc::channel(PARTS_WAITING);
        let writing = self.begin_writing(arriving);
        let flown = if self.admits(fetch.total()) {
            self.carry(&mut fetch, &parts).await
        } else {
            Flown::Unstored
        };
        if matches!(flown, Flown::All) {
            // Whoever writes is gone only with an answer of its own.
            let _ = parts.send(Part::End).await;
        }
        drop(parts);
        let left = writing.await.and_then(|left| left);
        match (flown, left) {
            (Flown::Broken(broken), _) => self.end(End::Broken(broken)),
            (_, Ok(Some(hasher))) => self.end(End::Unstored(Arc::new(rest(hasher, fetch)))),
            // It said itself how it ended.
            (_, Ok(None)) => {}
            (_, Err(error)) => self.end(End::Broken(Broken(error.to_string()))),
        }
    }

    /// What is not stored comes back as what has seen it.
    fn begin_writing(&self, arriving: mpsc::Receiver<Part>) -> JoinHandle<Written> {
        let (flights, key) = (Arc::clone(&self.flights), self.key);
        let flight = Arc::clone(&self.flight);
        let taking = Taking::new(Arc::clone(&flight), flights.ground.clone());
        let land = move |taken| match taken {
            Taken::All(arrived) => {
                flights.land(key, &flight, arrived);
                None
            }
            Taken::Left(hasher) => Some(hasher),
        };
        tokio::spawn(taking.run(arriving, land))
    }

    fn admits(&self, total: Option<u64>) -> bool {
        let Ground { space, bytes_max, .. } = &self.flights.ground;
        if total.is_some_and(|total| total > *bytes_max) {
            log::info!("sha256:{} has more than {bytes_max} bytes: not cached", self.key.digest);
            return false;
        }
        match space.admit(total.unwrap_or(0)) {
            Ok(()) => true,
            Err(error) => {
                log::warn!("sha256:{} is not cached: {error}", self.key.digest);
                false
            }
        }
    }

    async fn carry(&self, fetch: &mut Fetch, parts: &mpsc::Sender<Part>) -> Flown {
        let (mut patience, mut crier) = (Patience::default(), Crier::of(&self.flight));
        loop {
            if !patience.lasts(self) {
                return Flown::Broken(Broken("everybody who waited for it is gone".to_owned()));
            }
            let bytes = match crier.during(fetch.next()).await {
                Ok(Some(bytes)) => bytes,
                Ok(None) => return Flown::All,
                Err(broken) => return Flown::Broken(broken),
            };
            let received = self.flight.push(bytes.clone());
            crier.come(received);
            let is_taken = crier.during(parts.send(Part::Chunk(bytes))).await.is_ok();
            let is_unstored = self.flight.is_unstored.load(Ordering::Relaxed);
            if !is_taken || is_unstored || received > self.flights.ground.bytes_max {
                return Flown::Unstored;
            }
        }
    }

    /// Whoever comes from now on begins anew.
    fn end(&self, end: End) {
        self.leave();
        self.flight.end(end);
    }

    fn leave(&self) {
        let mut table = lock(&self.flights.table);
        if table.get(&self.key).is_some_and(|known| Arc::ptr_eq(&known.flight, &self.flight)) {
            table.remove(&self.key);
        }
    }

    /// Leaves the table if nobody waits, so that nobody comes to wait any more.
    fn leave_if_abandoned(&self) -> bool {
        let mut table = lock(&self.flights.table);
        let is_abandoned = self.flight.followers() == 0;
        if is_abandoned {
            table.remove(&self.key);
        }
        is_abandoned
    }
}

/// Tells those who wait what came, neither for each piece nor late.
struct Crier<'a> {
    flight: &'a Flight,
    told: u64,
    /// When; `None`: never yet.
    at: Option<Instant>,
}

impl<'a> Crier<'a> {
    fn of(flight: &'a Flight) -> Self {
        Self { flight, told: 0, at: None }
    }

    /// So many bytes have come.
    fn come(&mut self, received: u64) {
        let is_due = self.at.is_none_or(|at| at.elapsed() >= TOLD_WITHIN);
        if is_due || received - self.told >= TOLD_BYTES {
            self.flight.tell();
            (self.told, self.at) = (received, Some(Instant::now()));
        }
    }

    /// What comes of `work`; what has come before is told meanwhile, when it is time.
    async fn during<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        if let Some(at) = self.at {
            let until = tokio::time::Instant::from_std(at + TOLD_WITHIN);
            if let Ok(come) = tokio::time::timeout_at(until, work.as_mut()).await {
                return come;
            }
        }
        self.flight.tell();
        work.await
    }
}

fn rest(hasher: Hasher, fetch: Fetch) -> Rest {
    let (at, remote) = (hasher.size(), Arc::clone(fetch.remote()));
    Rest { at, hasher: Mutex::new(hasher), fetch: Mutex::new(Some(fetch)), remote }
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.end(End::Broken(Broken("the server gave it up".to_owned())));
    }
}

/// How long a flight goes on although everybody left.
#[derive(Default)]
struct Patience {
    since: Option<Instant>,
    place: Option<OwnedSemaphorePermit>,
}

impl Patience {
    fn lasts(&mut self, landing: &Landing) -> bool {
        if landing.flight.followers() > 0 {
            *self = Self::default();
            return true;
        }
        let is_long = self.since.get_or_insert_with(Instant::now).elapsed() > ABANDONED_TIME;
        if self.place.is_none() {
            self.place = Arc::clone(&landing.flights.abandoned).try_acquire_owned().ok();
        }
        let is_over = is_long || self.place.is_none();
        !(is_over && landing.leave_if_abandoned())
    }
}
