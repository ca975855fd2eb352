//! Files that arrive, small and large, with a store in memory and bytes in a folder.

use tempfile::TempDir;

use super::*;
use crate::blobs::{BlobFiles, Disk, OsDisk, Space};
use crate::model::generic_package::GenericFile;
use crate::model::{GroupId, ProjectId};
use crate::packages::Settings;
use crate::store::governed;
use crate::store::packages::Again;
use crate::store::tests::in_memory;
use std::sync::Arc;

const SMALL: &[u8] = b"abc";

struct Bench {
    packages: Packages,
    project: ProjectId,
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let disk: Arc<dyn Disk> = Arc::new(OsDisk);
        let files = BlobFiles::open(folder.path(), Arc::clone(&disk)).unwrap();
        let space = Arc::new(Space::open(folder.path(), disk, 0, 0).unwrap());
        let store = in_memory();
        let project = store.create_project(governed::New::of(GroupId::TOP, "app")).wait().unwrap();
        let limits = FileLimits { generic: Some(1000), ..FileLimits::default() };
        let settings = Settings { pages_memory: 1 << 20, inline_bytes_max: 8, limits };
        let packages = Packages::new(store, files, space, settings);
        Self { packages, project, folder }
    }

    fn arrive(&self, pieces: &[&[u8]]) -> Result<Arrived, Error> {
        let mut incoming = self.packages.receive(PackageKind::Generic);
        pieces.iter().try_for_each(|piece| incoming.write(piece))?;
        incoming.finish()
    }

    fn publish(&self, version: &str, arrived: Arrived) -> Result<Published, Error> {
        let GenericFile { package, name } = place(version);
        let new = Publish {
            project: self.project,
            title: package.series.name.to_string(),
            key: package,
            by: "eve".to_owned(),
            may: None,
            file: None,
            meta: None,
            status: None,
            tags: Vec::new(),
            again: Again::Append,
        };
        self.packages.publish(new, Some(NamedFile { name, requires_python: None, arrived }))
    }

    /// Files in staging, and files of blobs.
    fn files(&self) -> (usize, usize) {
        let count = |folder: &std::path::Path| std::fs::read_dir(folder).unwrap().count();
        let blobs = std::fs::read_dir(self.folder.path().join("blobs")).unwrap();
        let blobs = blobs.map(|shard| count(&shard.unwrap().path())).sum();
        (count(&self.folder.path().join("staging")), blobs)
    }
}

fn place(version: &str) -> GenericFile {
    GenericFile::parse("tool", version, &[], "f").unwrap()
}

fn read(source: Source) -> Vec<u8> {
    let mut all = Vec::new();
    match source {
        Source::Inline(bytes) => all.extend_from_slice(&bytes),
        Source::File(mut file, _pin) => drop(file.read_to_end(&mut all).unwrap()),
    }
    all
}

#[test]
fn what_arrives_is_summed_read_and_served_small_or_large() {
    let bench = Bench::new();
    let large = [7; 900];
    for (version, pieces, whole) in [
        ("1", &[SMALL][..], SMALL.to_vec()),
        ("2", &[&large[..5], &large[5..9], &large[9..]], large.to_vec()),
        ("3", &[], Vec::new()),
    ] {
        let arrived = bench.arrive(pieces).unwrap();
        let hashed = crate::blobs::hash::hash_bytes_with_sums(&whole, None);
        assert_eq!((Some(arrived.sums), arrived.size), (hashed.sums, hashed.size));
        let mut again = Vec::new();
        arrived.reader().read_to_end(&mut again).unwrap();
        assert_eq!(again, whole);
        bench.publish(version, arrived).unwrap();
        let opened = bench.packages.open_generic(bench.project, &place(version)).unwrap().unwrap();
        assert_eq!(read(opened.source), whole, "{version}");
    }
    assert_eq!(bench.files(), (0, 1));
}

#[test]
fn bytes_that_are_known_are_kept_once() {
    let bench = Bench::new();
    for version in ["1", "2", "3"] {
        bench.publish(version, bench.arrive(&[&[7; 900]]).unwrap()).unwrap();
        assert_eq!(bench.files(), (0, 1), "{version}");
    }
}

#[test]
fn what_is_too_large_is_not_what_was_said_or_is_given_up_leaves_nothing() {
    let bench = Bench::new();
    let too_large = bench.arrive(&[&[7; 900], &[7; 101]]).err();
    assert!(matches!(too_large, Some(Error::TooLarge { bytes_max: 1000 })));
    let mut given_up = bench.packages.receive(PackageKind::Generic);
    given_up.write(&[7; 900]).unwrap();
    assert_eq!(bench.files(), (1, 0));
    drop(given_up);
    for claim in ["sha256:", "sha512:", "sha1:", "md5:"].map(|name| {
        let digits = if name == "md5:" {
            32
        } else if name == "sha1:" {
            40
        } else {
            64
        };
        let digits = if name == "sha512:" { 128 } else { digits };
        Checksum::parse(&format!("{name}{}", "0".repeat(digits))).unwrap()
    }) {
        let arrived = bench.arrive(&[&[7; 900]]).unwrap();
        assert!(matches!(arrived.check(&claim), Err(Error::Mismatch { .. })));
        let right = sum(&arrived.sums, claim.algorithm).unwrap().1;
        arrived.check(&Checksum { value: right, ..claim }).unwrap();
    }
    // What the store refuses goes as well.
    let arrived = bench.arrive(&[&[7; 900]]).unwrap();
    let elsewhere = Bench { project: ProjectId(99), ..bench };
    let refused = elsewhere.publish("1", arrived).unwrap_err();
    assert!(matches!(refused, Error::Store(store::Error::ProjectUnknown(_))));
    assert_eq!(elsewhere.files(), (0, 0));
}
