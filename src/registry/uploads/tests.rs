//! Tests of uploads over disks that stop and forget: what was acknowledged is there (I5), what
//! was not leaves nothing (I1), and quotas hold to the byte.

mod crash;

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::blobs::hash::hash_bytes;
use crate::blobs::tests::double::TestDisk as FileDisk;
use crate::blobs::{self, BlobFiles, Pins, Space};
use crate::clock::{Clock, ManualClock};
use crate::db::tests::disk::{TestDisk as RowDisk, Unsynced};
use crate::db::{self, Db};
use crate::model::{Checksum, Place, Reference};
use crate::registry::{Limits, manifests};
use crate::store::detached::Cause;
use crate::store::tests::audit::assert_consistent;
use crate::store::tests::rules;
use crate::store::{Rules, Store};

/// Longer blobs are files.
const INLINE_MAX: usize = 16;
const QUOTA: u64 = 1000;
const UPLOAD_MAX: u64 = 2000;

/// A registry, and the machine below it.
struct House {
    folder: TempDir,
    files_disk: Arc<FileDisk>,
    rows_disk: RowDisk,
    clock: Arc<ManualClock>,
    registry: Option<Registry>,
}

impl House {
    fn new() -> Self {
        let mut house = Self {
            folder: tempfile::tempdir().unwrap(),
            files_disk: Arc::default(),
            rows_disk: RowDisk::default(),
            clock: Arc::new(ManualClock::at(Timestamp(1_700_000_000_000_000))),
            registry: None,
        };
        house.start();
        house.files_disk.restart();
        house
    }

    fn start(&mut self) {
        let disk: Arc<FileDisk> = Arc::clone(&self.files_disk);
        let files = BlobFiles::open(self.folder.path(), Arc::<FileDisk>::clone(&disk)).unwrap();
        let space = Arc::new(Space::open(self.folder.path(), disk, 0, 0).unwrap());
        let db = Db::open_with(self.rows_disk.opener(), db::tests::options()).unwrap();
        let rules = Rules { user_quota: Some(QUOTA), ..rules(Duration::from_secs(600)) };
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&self.clock);
        let store = Store::new(db, Pins::new(), clock, rules);
        let drafts = store.view().unwrap().upload_drafts().unwrap().0;
        let names = |digest, suffix| Ok::<_, Error>(store.view()?.names_file(digest, suffix)?);
        files.recover(names, |suffix| Ok(drafts.contains(&suffix))).unwrap();
        let inline_bytes_max = u64::try_from(INLINE_MAX).unwrap();
        let limits = Limits { inline_bytes_max, upload_bytes_max: Some(UPLOAD_MAX) };
        self.registry = Some(Registry::new(store, files, space, limits));
    }

    /// The process is killed, or the power goes, which takes what was not synced.
    fn crash(&mut self, power_goes: bool) {
        self.files_disk.stop_before(0);
        self.registry = None;
        if power_goes {
            self.rows_disk.power_loss(Unsynced::Dropped);
            self.files_disk.lose_power(|_| true);
        }
        self.files_disk.restart();
        self.start();
    }

    fn registry(&self) -> &Registry {
        self.registry.as_ref().unwrap()
    }

    fn begin(&self, by: Option<&str>) -> UploadAt {
        let (image, by) = (image("main/app"), by.map(user));
        let (id, begun) = self.registry().begin_upload(&image, by.as_ref()).unwrap();
        begun.wait().unwrap();
        UploadAt { image, id, by }
    }

    fn send(&self, at: &UploadAt, bytes: &[u8]) -> Result<u64, Error> {
        let mut session = self.registry().open_upload(at, None)?;
        session.write(bytes)?;
        session.save()
    }

    fn finish(&self, at: &UploadAt, last: &[u8], digest: &OciDigest) -> Result<(), Error> {
        let mut session = self.registry().open_upload(at, Some(digest))?;
        session.write(last)?;
        session.finish(digest)
    }

    /// The bytes of a blob of the repository, read where they are.
    fn blob(&self, digest: &OciDigest) -> Option<Vec<u8>> {
        let view = self.registry().store.view().unwrap();
        let found = view.image_blob(&image("main/app"), digest).unwrap()?;
        Some(match found.blob.place {
            Place::Inline => view.inline(found.id).unwrap().to_vec(),
            Place::File(suffix) => {
                fs::read(self.registry().files.path_of(found.blob.digest, suffix)).unwrap()
            }
        })
    }

    fn staged(&self) -> usize {
        fs::read_dir(self.folder.path().join("staging")).unwrap().count()
    }

    /// Nothing is left of any upload but blobs.
    fn assert_settled(&self, when: &str) {
        assert_eq!(self.staged(), 0, "{when}");
        let view = self.registry().store.view().unwrap();
        assert_eq!(view.oldest_upload().unwrap(), None, "{when}");
        assert_consistent(&self.registry().store);
    }
}

fn image(name: &str) -> ImageName {
    ImageName::parse(name).unwrap()
}

fn user(login: &str) -> UserName {
    UserName::parse(login).unwrap()
}

fn digest(bytes: &[u8]) -> OciDigest {
    hash_bytes(bytes, None).digest.into()
}

fn sha512(bytes: &[u8]) -> OciDigest {
    let zeros = Checksum::parse(&format!("sha512:{}", "0".repeat(128))).unwrap();
    OciDigest::Sha512(hash_bytes(bytes, Some(&zeros)).sha512.unwrap())
}

/// What a thread that serves awaits.
fn now<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

fn noise(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

#[test]
fn few_bytes_touch_no_file_and_survive_a_crash() {
    for power_goes in [false, true] {
        let mut house = House::new();
        let at = house.begin(None);
        assert_eq!(house.registry().upload_received(&at).unwrap(), 0);
        assert_eq!(house.send(&at, b"12345").unwrap(), 5);
        let effects = house.files_disk.effects();
        assert!(effects.iter().all(|effect| effect.starts_with("free_bytes")), "{effects:?}");
        house.crash(power_goes);
        assert_eq!(house.registry().upload_received(&at).unwrap(), 5);
        house.finish(&at, b"678", &digest(b"12345678")).unwrap();
        assert_eq!(house.blob(&digest(b"12345678")).unwrap(), b"12345678");
        house.assert_settled("at the end");
    }
}

#[test]
fn few_bytes_need_no_thread_that_waits() {
    let house = House::new();
    let at = house.begin(None);
    let mut session = house.registry().open_upload(&at, None).unwrap();
    session.write(b"12345").unwrap();
    assert_eq!(now(session.save_small()).unwrap(), 5);
    let session = house.registry().open_upload(&at, None).unwrap();
    now(session.finish_small(&digest(b"12345"))).unwrap();
    assert_eq!(house.blob(&digest(b"12345")).unwrap(), b"12345");
    let whole = sha512(b"at once");
    let mut session = house.registry().take_whole(&at.image, None, &whole).unwrap();
    session.write(b"at once").unwrap();
    now(session.finish_small(&whole)).unwrap();
    assert_eq!(house.blob(&whole).unwrap(), b"at once");
    let at = house.begin(None);
    let session = house.registry().open_upload(&at, None).unwrap();
    let refused = now(session.finish_small(&whole));
    assert!(matches!(refused, Err(Error::Mismatch { .. })), "{refused:?}");
    house.assert_settled("at the end");
}

#[test]
fn many_bytes_are_gone_on_with_after_a_crash() {
    let whole = noise(900);
    for (power_goes, digest) in
        [(false, digest(&whole)), (true, digest(&whole)), (true, sha512(&whole))]
    {
        let mut house = House::new();
        let at = house.begin(None);
        assert_eq!(house.send(&at, &whole[..10]).unwrap(), 10);
        assert_eq!(house.send(&at, &whole[10..300]).unwrap(), 300);
        assert_eq!(house.send(&at, &whole[300..310]).unwrap(), 310);
        house.crash(power_goes);
        assert_eq!(house.registry().upload_received(&at).unwrap(), 310);
        assert_eq!(house.send(&at, &whole[310..]).unwrap(), 900);
        house.finish(&at, b"", &digest).unwrap();
        assert_eq!(house.blob(&digest).unwrap(), whole);
        house.assert_settled("at the end");
    }
}

#[test]
fn a_piece_that_breaks_off_is_kept_as_far_as_it_came() {
    let mut house = House::new();
    let whole = noise(500);
    let at = house.begin(None);
    let mut session = house.registry().open_upload(&at, None).unwrap();
    session.announce(0, 400).unwrap();
    session.write(&whole[..123]).unwrap();
    assert_eq!(session.broken_off().save().unwrap(), 123);
    // Of one that is refused nothing is.
    let mut session = house.registry().open_upload(&at, None).unwrap();
    session.announce(123, 7).unwrap();
    session.write(&whole[123..200]).unwrap();
    let refused = session.save();
    assert!(matches!(refused, Err(Error::UploadLength { announced: 7, came: 77 })), "{refused:?}");
    let mut session = house.registry().open_upload(&at, None).unwrap();
    session.write(b"never acknowledged").unwrap();
    drop(session);
    house.crash(false);
    assert_eq!(house.registry().upload_received(&at).unwrap(), 123);
    house.finish(&at, &whole[123..], &digest(&whole)).unwrap();
    assert_eq!(house.blob(&digest(&whole)).unwrap(), whole);
    house.assert_settled("at the end");
}

#[test]
fn pieces_come_in_order() {
    let house = House::new();
    let at = house.begin(None);
    house.send(&at, &noise(100)).unwrap();
    for first in [0, 99, 101] {
        let mut session = house.registry().open_upload(&at, None).unwrap();
        let refused = session.announce(first, 5);
        assert!(matches!(refused, Err(Error::UploadDisorder { received: 100, .. })), "{first}");
    }
    house.registry().cancel_upload(&at).unwrap();
    house.assert_settled("after it was cancelled");
}

#[test]
fn one_at_a_time_writes_and_only_whoever_began() {
    let house = House::new();
    let at = house.begin(Some("alice"));
    let session = house.registry().open_upload(&at, None).unwrap();
    assert!(matches!(house.send(&at, b"x"), Err(Error::UploadBusy(_))));
    assert!(matches!(house.registry().cancel_upload(&at), Err(Error::UploadBusy(_))));
    for other in [
        UploadAt { by: Some(user("bob")), ..at.clone() },
        UploadAt { by: None, ..at.clone() },
        UploadAt { image: image("main/other"), ..at.clone() },
        UploadAt { id: UploadId([7; 16]), ..at.clone() },
    ] {
        assert!(matches!(house.send(&other, b"x"), Err(Error::UploadUnknown(_))), "{other:?}");
        let status = house.registry().upload_received(&other);
        assert!(matches!(status, Err(Error::UploadUnknown(_))), "{other:?}");
        let cancelled = house.registry().cancel_upload(&other);
        assert!(matches!(cancelled, Err(Error::UploadUnknown(_))), "{other:?}");
    }
    drop(session);
    assert_eq!(house.send(&at, b"x").unwrap(), 1);
    house.registry().cancel_upload(&at).unwrap();
    assert!(matches!(house.send(&at, b"x"), Err(Error::UploadUnknown(_))));
    house.assert_settled("at the end");
}

#[test]
fn bytes_that_are_others_end_the_upload() {
    let house = House::new();
    let whole = noise(200);
    for expected in [digest(b"other"), sha512(b"other")] {
        for length in [5, 200] {
            let at = house.begin(None);
            house.send(&at, &whole[..length / 2]).unwrap();
            let refused = house.finish(&at, &whole[length / 2..length], &expected);
            assert!(matches!(refused, Err(Error::Mismatch { .. })), "{refused:?}");
            let gone = house.registry().upload_received(&at);
            assert!(matches!(gone, Err(Error::UploadUnknown(_))));
            house.assert_settled("after a mismatch");
        }
    }
}

#[test]
fn quotas_hold_to_the_byte() {
    let house = House::new();
    let (whole, quota) = (noise(1001), usize::try_from(QUOTA).unwrap());
    let at = house.begin(Some("alice"));
    house.send(&at, &whole[..600]).unwrap();
    // What the acknowledged bytes took is taken, for this upload and others.
    let mut session = house.registry().open_upload(&at, None).unwrap();
    session.reserve(400).unwrap();
    let refused = session.reserve(401);
    assert!(matches!(refused, Err(Error::Store(store::Error::QuotaExceeded { .. }))));
    let other = house.begin(Some("alice"));
    assert!(house.send(&other, b"x").is_err(), "400 bytes are reserved");
    drop(session);
    let refused = house.send(&at, &whole[600..]);
    assert!(matches!(refused, Err(Error::Store(store::Error::QuotaExceeded { .. }))));
    assert_eq!(house.registry().upload_received(&at).unwrap(), 600);
    let exact = &whole[..quota];
    house.finish(&at, &exact[600..], &digest(exact)).unwrap();
    assert!(house.send(&other, b"x").is_err());
    house.send(&house.begin(Some("bob")), b"x").unwrap();
    let charges = house.registry().store.view().unwrap().charges(&user("alice")).unwrap();
    assert_eq!(charges.bytes, QUOTA);
    assert_consistent(&house.registry().store);
}

#[test]
fn an_upload_has_a_largest_size() {
    let house = House::new();
    let at = house.begin(None);
    let whole = noise(2001);
    house.send(&at, &whole[..1500]).unwrap();
    let refused = house.send(&at, &whole[1500..]);
    assert!(matches!(refused, Err(Error::UploadTooLarge { bytes_max: 2000, bytes: 2001 })));
    house.finish(&at, &whole[1500..2000], &digest(&whole[..2000])).unwrap();
    house.assert_settled("at the end");
}

#[test]
fn bytes_that_are_known_cost_no_sync_and_no_file() {
    let house = House::new();
    let whole = noise(100);
    for round in 0..2 {
        let mut session =
            house.registry().take_whole(&image("main/app"), None, &digest(&whole)).unwrap();
        house.files_disk.restart();
        session.write(&whole).unwrap();
        session.finish(&digest(&whole)).unwrap();
        let effects = house.files_disk.effects();
        let is_placed = effects.iter().any(|effect| effect == "sync");
        assert_eq!(is_placed, round == 0, "{effects:?}");
        house.assert_settled("after a round");
    }
}

#[test]
fn an_upload_that_was_given_up_is_not_there_any_more() {
    let house = House::new();
    let at = house.begin(None);
    house.send(&at, &noise(100)).unwrap();
    let mut session = house.registry().open_upload(&at, None).unwrap();
    session.write(b"more").unwrap();
    give_up(&house);
    assert!(matches!(session.save(), Err(Error::UploadUnknown(_))));
    assert!(matches!(house.send(&at, b"x"), Err(Error::UploadUnknown(_))));
    house.assert_settled("after both");
    let at = house.begin(None);
    house.send(&at, &noise(100)).unwrap();
    let session = house.registry().open_upload(&at, None).unwrap();
    give_up(&house);
    let refused = session.finish(&digest(&noise(100)));
    assert!(refused.is_err(), "its file is gone");
    house.assert_settled("at the end");
}

/// What the sweeper does about uploads that rest.
fn give_up(house: &House) {
    house.clock.advance(Duration::from_secs(3600));
    let (store, now) = (&house.registry().store, house.clock.now());
    let stale = store.view().unwrap().stale_uploads(None, now, 10).unwrap();
    let (done, _) =
        store.give_up_slice(stale.into(), 0, now, Duration::from_secs(60), 1000).unwrap();
    assert_eq!(done.seen, 1);
    done.drafts.into_iter().for_each(|suffix| {
        house.registry().files.remove_draft(suffix).unwrap();
    });
}

#[test]
fn a_piece_that_takes_long_does_not_look_forgotten() {
    let house = House::new();
    let at = house.begin(None);
    house.send(&at, &noise(100)).unwrap();
    let mut session = house.registry().open_upload(&at, None).unwrap();
    for _ in 0..30 {
        session.write(b"x").unwrap();
        house.clock.advance(Duration::from_secs(300));
    }
    let rested_since = house.registry().store.view().unwrap().oldest_upload().unwrap().unwrap();
    let rest = Duration::from_secs(900);
    assert!(rested_since.after(rest) >= house.clock.now(), "touched {rested_since:?}");
    assert_eq!(house.registry().upload_received(&at).unwrap(), 100, "nothing more counts yet");
    assert_eq!(session.save().unwrap(), 130);
    house.registry().cancel_upload(&at).unwrap();
    house.assert_settled("at the end");
}

#[test]
fn below_the_reserve_nothing_begins() {
    let house = House::new();
    let at = house.begin(None);
    let disk: Arc<dyn blobs::Disk> = house.files_disk.clone();
    let space = Space::open(house.folder.path(), disk, u64::MAX, 0).unwrap();
    let full = Registry { space: Arc::new(space), ..house.registry().clone() };
    let is_full =
        |error: Option<Error>| matches!(error, Some(Error::Files(blobs::Error::NoRoom { .. })));
    assert!(is_full(full.begin_upload(&at.image, None).err()));
    assert!(is_full(full.open_upload(&at, None).err()));
    assert!(is_full(full.take_whole(&at.image, None, &digest(b"x")).err()));
    // Small manifests are rows, which need room too.
    let limits = Limits { inline_bytes_max: 1000, ..full.limits };
    let full = Registry { limits, ..full };
    assert!(is_full(push_index(&full).err()));
    full.cancel_upload(&at).unwrap();
    house.assert_settled("at the end");
}

/// Pushes an index of nothing by its digest.
fn push_index(registry: &Registry) -> Result<OciDigest, Error> {
    let media_type = "application/vnd.oci.image.index.v1+json";
    let text = format!(r#"{{"schemaVersion":2,"mediaType":"{media_type}","manifests":[]}}"#);
    let upload = manifests::Upload {
        image: image("main/app"),
        reference: Reference::Digest(digest(text.as_bytes())),
        tags: Vec::new(),
        bytes: text.into_bytes().into(),
        media_type: Some(media_type.to_owned()),
        by: None,
    };
    Ok(registry.push_manifest(&upload)?.digest)
}

#[test]
fn trap_8_3_a_manifest_that_went_since_it_was_looked_at_is_not_promised() {
    let house = House::new();
    let (at, digest) = (image("main/app"), push_index(house.registry()).unwrap());
    let seen = house.registry().store.view().unwrap().manifest(&at, &digest).unwrap().unwrap().1;
    house.clock.advance(Duration::from_secs(3600));
    assert!(now(house.registry().keep_manifest(&at, &seen)));
    let cause = Cause::request("eve");
    house.registry().delete_manifest(&at, &Reference::Digest(digest), cause).unwrap();
    assert!(!now(house.registry().keep_manifest(&at, &seen)));
}
