//! Archives without a server: bounded memory, any range of the bytes, and what is gone.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::blobs::{BlobFiles, OsDisk, Pins, Space};
use crate::clock::ManualClock;
use crate::db::{Db, Options, Pending};
use crate::model::{
    ArtifactPath, BlobId, BranchName, BranchPath, Digest, FilePath, FormatName, FormatPath,
    JobName, TagName,
};
use crate::store::Store;
use crate::store::blobs::Arrival;
use crate::store::detached::Cause;
use crate::store::tests::rules;
use crate::tree::Limits;

const WORK: Duration = Duration::from_secs(60);
/// Bodies of up to so many bytes are rows.
const INLINE_MAX: usize = 100;

struct House {
    clock: Arc<ManualClock>,
    tree: Tree,
    dir: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let files = BlobFiles::open(dir.path(), Arc::new(OsDisk)).unwrap();
        let space = Arc::new(Space::open(dir.path(), Arc::new(OsDisk), 0, 0).unwrap());
        let db = Db::open(&dir.path().join("db"), Options::default()).unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp(1_700_000_000_123_456)));
        let rules = rules(Duration::ZERO);
        let store = Store::new(db, Pins::new(), Arc::<ManualClock>::clone(&clock), rules);
        let limits = Limits { inline_bytes_max: u64::try_from(INLINE_MAX).unwrap() };
        Self { clock, tree: Tree::new(store, files, space, limits), dir }
    }

    fn put(&self, path: &str, body: &[u8]) {
        if body.len() <= INLINE_MAX {
            self.begin(path, body).wait().unwrap();
        } else {
            let mut upload = self.tree.begin_upload(None).unwrap();
            upload.write(body).unwrap();
            upload.finish(file(path)).unwrap();
        }
    }

    /// Puts a small file without waiting for it.
    fn begin(&self, path: &str, body: &[u8]) -> Pending<Arrival, crate::store::Error> {
        self.tree.put_small(file(path), body.to_vec().into(), None).unwrap()
    }

    fn archive(&self) -> Archive {
        let view = self.tree.store().view().unwrap();
        let format = view.format(&format()).unwrap();
        let folders = vec![("f/".to_owned(), format.id)];
        let contents = Contents { name: "a".into(), folders, made: format.changed };
        self.tree.archive(&view, contents, |_, _| true).unwrap()
    }

    fn bytes(&self, range: Range<u64>) -> Vec<u8> {
        read(self.archive(), range).unwrap()
    }
}

fn read(archive: Archive, range: Range<u64>) -> std::io::Result<Vec<u8>> {
    let mut reader = archive.into_reader(range);
    let mut bytes = Vec::new();
    while let Some(chunk) = reader.read()? {
        assert!(chunk.len() <= 256 << 10);
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn file(path: &str) -> FilePath {
    format().file(ArtifactPath::parse(path).unwrap())
}

fn format() -> FormatPath {
    let branch = BranchPath::shared(BranchName::parse("b").unwrap());
    let job = branch.tag(TagName::parse("t").unwrap()).job(JobName::parse("j").unwrap());
    job.format(FormatName::parse("f").unwrap())
}

fn body(number: usize, length: usize) -> Vec<u8> {
    let pattern = format!("{number} ");
    pattern.bytes().cycle().take(length).collect()
}

fn member(number: u64) -> Member {
    Member {
        path: format!("folder/{number:06}-é"),
        blob: BlobId(number),
        size: number * 37 % 2000,
        digest: Digest([7; 32]),
        modified: Timestamp(number),
    }
}

fn list(members: u64) -> (tempfile::TempDir, List) {
    let dir = tempfile::tempdir().unwrap();
    let mut lister = Lister::new("name".into(), dir.path());
    for number in 0..members {
        lister.add(&member(number)).unwrap();
    }
    (dir, lister.finish(Timestamp(5)).unwrap())
}

#[test]
fn a_long_list_takes_bounded_memory_and_is_read_from_any_mark() {
    let (dir, mut list) = list(100_000);
    assert!(list.memory() < 8 << 10, "{} bytes", list.memory());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "the file has no name");
    let mut offset = 0;
    for number in 0..100_000 {
        let Member { path, size, modified, .. } = member(number);
        let header = header::length(&format!("name/{path}"), size, modified);
        if number % 7_777 == 0 {
            let mark = list.mark(offset, |mark| mark.offset);
            assert!(mark.offset <= offset);
            list.seek(mark).unwrap();
            let next = std::iter::from_fn(|| list.next().unwrap()).take(1024);
            assert!(next.into_iter().any(|found| found == member(number)));
        }
        offset += header + size + header::padding(size);
    }
    assert_eq!(offset, list.end.offset);
    let (_dir, short) = self::list(10);
    assert!(short.memory() < 4 << 10);
}

#[test]
fn every_range_is_the_same_part_of_the_whole() {
    let house = House::new();
    let begun: Vec<_> = (0..1_200)
        .map(|number| {
            let path = format!("{}/{number}", number % 50);
            house.begin(&path, &body(number, number % INLINE_MAX))
        })
        .collect();
    for put in begun {
        put.wait().unwrap();
    }
    house.put("large", &body(7, 700_000));
    house.put(&format!("{}x", "long/".repeat(40)), b"");
    let whole = house.bytes(0..u64::MAX);
    let size = house.archive().size();
    assert_eq!(u64::try_from(whole.len()).unwrap(), size);
    assert_eq!(size % header::RECORD, 0);
    assert!(whole.ends_with(&[0; 1024]));
    let mut random = crate::db::tests::random::Random(1);
    for round in 0..30 {
        let start = random.below(whole.len());
        let length = if round % 3 == 0 { random.below(900_000) } else { random.below(3_000) };
        let end = (start + length).min(whole.len());
        let range = u64::try_from(start).unwrap()..u64::try_from(end).unwrap();
        assert!(house.bytes(range.clone()) == whole[start..end], "{range:?}");
    }
}

#[test]
fn an_archive_is_what_the_library_reads() {
    let house = House::new();
    let names = ["x", "dir/é", &"n".repeat(150)];
    for (number, name) in names.iter().enumerate() {
        house.put(name, &body(number, 1 + number * 300));
    }
    let bytes = house.bytes(0..u64::MAX);
    let mut found = Vec::new();
    for entry in tar::Archive::new(bytes.as_slice()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        found.push((entry.path().unwrap().to_str().unwrap().to_owned(), content));
    }
    let sums = found.pop().unwrap();
    let mut wanted: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(number, name)| (format!("a/f/{name}"), body(number, 1 + number * 300)))
        .collect();
    wanted.sort();
    assert_eq!(found, wanted);
    assert_eq!(sums.0, "a/SHA256SUMS.txt");
    assert_eq!(String::from_utf8(sums.1).unwrap().lines().count(), 3);
}

#[test]
fn the_version_tells_any_other_bytes() {
    let house = House::new();
    house.put("x", b"one");
    let first = house.archive().version();
    assert_eq!(house.archive().version(), first);
    house.put("y", b"one");
    let second = house.archive().version();
    house.clock.advance(Duration::from_secs(1));
    house.put("y", b"one");
    let third = house.archive().version();
    house.put("y", b"two");
    let fourth = house.archive().version();
    let mut versions = vec![first, second, third, fourth];
    versions.sort();
    versions.dedup();
    assert_eq!(versions.len(), 4);
}

#[test]
fn a_blob_that_is_gone_or_damaged_breaks_the_archive_off() {
    let house = House::new();
    house.put("a", &body(1, 100));
    house.put("b", &body(2, 3_000));
    let (gone, damaged, lost) = (house.archive(), house.archive(), house.archive());
    // Files whose length is another one.
    let shards = std::fs::read_dir(house.dir.path().join("blobs")).unwrap();
    let files = shards.flat_map(|shard| std::fs::read_dir(shard.unwrap().path()).unwrap());
    let files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 1);
    for file in &files {
        std::fs::File::options().write(true).open(file).unwrap().set_len(9).unwrap();
    }
    assert!(read(damaged, 0..u64::MAX).is_err());
    std::fs::remove_file(&files[0]).unwrap();
    assert!(read(lost, 0..u64::MAX).is_err());
    let store = house.tree.store();
    store.delete_format(format(), Cause::request("eve")).wait().unwrap();
    store.destroy_slice(WORK, 1000).unwrap();
    assert_eq!(store.collect_slice(None, WORK, 1000).unwrap().0.usage.files, 2);
    assert!(read(gone, 0..u64::MAX).is_err());
    assert_eq!(store.pins().count(), 0);
}
