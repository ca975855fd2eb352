//! Tests of the life of a blob's file. Each defends I1 (no row without bytes, no stray that
//! nobody knows of) and I5 (what is acknowledged survives).

mod crash;
pub(crate) mod double;
mod life;
mod recover;
mod resume;
mod room;
mod unlink;

use std::fs;
use std::num::NonZero;
use std::sync::Arc;

use double::TestDisk;
use tempfile::TempDir;

use super::*;

const BODY: &[u8] = b"some bytes";

/// A data folder and the disk that it lies on.
struct Fixture {
    root: TempDir,
    disk: Arc<TestDisk>,
    files: BlobFiles,
}

impl Fixture {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let disk = Arc::new(TestDisk::default());
        let files = BlobFiles::open(root.path(), Arc::<TestDisk>::clone(&disk)).unwrap();
        disk.restart();
        Self { root, disk, files }
    }

    fn place(&self, bytes: &[u8]) -> Result<Placed, Error> {
        let mut draft = self.files.begin(None)?;
        draft.write(bytes)?;
        draft.finish()?.place()
    }

    /// A blob file whose row is committed.
    fn stored(&self, bytes: &[u8]) -> (Digest, Suffix) {
        let placed = self.place(bytes).unwrap();
        let file = (placed.digest, placed.suffix);
        placed.keep();
        file
    }

    /// The names in the staging folder.
    fn staging(&self) -> Vec<String> {
        let entries = fs::read_dir(self.files.layout.staging()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// All blob files; everything that lies there is one.
    fn targets(&self) -> Vec<(Digest, Suffix)> {
        let shards: Vec<Shard> = self.files.shards().collect::<Result<_, _>>().unwrap();
        assert!(shards.iter().all(|shard| shard.unknown.is_empty()));
        shards.into_iter().flat_map(|shard| shard.files).collect()
    }

    fn assert_empty(&self, when: &str) {
        assert_eq!(self.staging(), [""; 0], "staging {when}");
        assert_eq!(self.targets(), [], "targets {when}");
    }
}

fn workers(count: usize) -> NonZero<usize> {
    NonZero::new(count).unwrap()
}
