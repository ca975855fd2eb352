//! The peer that counts hard links: each blob is a file with a name of its own, and each artifact
//! is one more name. What has one name left is an orphan, and finding them is a walk over all.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use larder::blobs::hash::hash_bytes;

use crate::content::Content;
use crate::figures::Failure;

/// The peer's walk: every file below the folder is looked at twice, and an orphan unlinked. Before
/// each file its event loop has a turn, because it answers requests meanwhile.
/// Prints how many orphans there are and the seconds that it took.
const PEER: &str = r#"
import asyncio, os, pathlib, sys, time

async def sweep(folder, unlink):
    found = 0
    for root, _, names in os.walk(folder):
        for name in names:
            await asyncio.sleep(0)
            path = pathlib.Path(root, name)
            if path.is_file() and path.stat().st_nlink == 1:
                found += 1
                if unlink:
                    path.unlink()
    return found

begin = time.monotonic()
found = asyncio.run(sweep(sys.argv[1], sys.argv[2] == "unlink"))
print(found, time.monotonic() - begin)
"#;
const BODY_BYTES: usize = 64;
const TAG_ARTIFACTS: u64 = 1000;

/// What becomes of the orphans that were found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Orphans {
    /// They stay.
    Keep,
    /// They are unlinked.
    Unlink,
}

/// A repository of files.
pub struct Links {
    blobs: PathBuf,
    content: Content,
}

impl Links {
    /// Makes one with `live` artifacts.
    pub fn make(dir: &Path, live: u64) -> Result<Self, Failure> {
        let blobs = dir.join("blobs");
        for shard in 0..=u8::MAX {
            fs::create_dir_all(blobs.join(format!("{shard:02x}")))?;
        }
        let mut links = Self { blobs, content: Content::new(BODY_BYTES) };
        for number in 0..live {
            let tag = dir.join(format!("names/t{}", number / TAG_ARTIFACTS));
            if number % TAG_ARTIFACTS == 0 {
                fs::create_dir_all(&tag)?;
            }
            let blob = links.add()?;
            fs::hard_link(blob, tag.join(number.to_string()))?;
        }
        Ok(links)
    }

    /// Makes `count` blobs that nothing names.
    pub fn litter(&mut self, count: u64) -> Result<(), Failure> {
        for _ in 0..count {
            self.add()?;
        }
        Ok(())
    }

    /// Every blob with one name only.
    pub fn find(&self) -> io::Result<Vec<PathBuf>> {
        let mut orphans = Vec::new();
        for shard in fs::read_dir(&self.blobs)? {
            for entry in fs::read_dir(shard?.path())? {
                let entry = entry?;
                if entry.metadata()?.nlink() == 1 {
                    orphans.push(entry.path());
                }
            }
        }
        Ok(orphans)
    }

    /// How many blobs have one name only, and how long the peer's way takes to find them. Fails
    /// where there is no Python.
    pub fn find_as_peer(&self, orphans: Orphans) -> Result<(usize, Duration), Failure> {
        let what = if orphans == Orphans::Unlink { "unlink" } else { "keep" };
        let python =
            Command::new("python3").args(["-c", PEER]).arg(&self.blobs).arg(what).output()?;
        let text = String::from_utf8(python.stdout)?;
        let (found, seconds) =
            text.trim().split_once(' ').ok_or("Python printed something else")?;
        Ok((found.parse()?, Duration::from_secs_f64(seconds.parse()?)))
    }

    fn add(&mut self) -> Result<PathBuf, Failure> {
        let bytes = self.content.next();
        let name = hash_bytes(bytes, None).digest.to_string();
        let path = self.blobs.join(&name[..2]).join(&name);
        fs::write(&path, bytes)?;
        Ok(path)
    }
}

/// Takes names away.
pub fn unlink(paths: &[PathBuf]) -> io::Result<()> {
    paths.iter().try_for_each(fs::remove_file)
}
