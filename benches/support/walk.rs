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

/// The peer's sweep: its own code where it is installed, else the same calls: every file below the
/// folder is looked at twice, and an orphan unlinked. Before each file its event loop has a turn,
/// because it answers requests meanwhile. What is younger than the lifetime stays.
/// Prints how many orphans there are, and the seconds that the sweep took.
const PEER: &str = r#"
import asyncio, os, pathlib, sys, time

root, unlink = pathlib.Path(sys.argv[1]), sys.argv[2] == "unlink"
os.environ["DLREPO_ORPHAN_BLOB_LIFETIME"] = "0" if unlink else "600"

async def same(folder):
    for top, _, names in os.walk(folder):
        for name in names:
            await asyncio.sleep(0)
            path = pathlib.Path(top, name)
            if path.is_file() and path.stat().st_nlink == 1 and unlink:
                path.unlink()

def orphans():
    walk = os.walk(root / ".blobs")
    paths = (pathlib.Path(top, name) for top, _, names in walk for name in names)
    return sum(path.stat().st_nlink == 1 for path in paths)

async def sweep():
    try:
        from dlrepo.fs import ArtifactRepository
        sweep = ArtifactRepository(str(root))._cleanup_orphan_blobs()
    except ImportError:
        sweep = same(root / ".blobs")
    begin = time.monotonic()
    await sweep
    return time.monotonic() - begin

found = orphans()
print(found, asyncio.run(sweep()))
"#;
/// Tells whose code [`PEER`] runs.
const WHOSE: &str = r#"
try:
    import dlrepo.fs, importlib.metadata
    print("dlrepo", importlib.metadata.version("dlrepo"))
except ImportError:
    print("the calls of dlrepo, which is not installed")
"#;
/// Names a Python other than `python3`.
const PYTHON: &str = "LARDER_BENCH_PYTHON";
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
    root: PathBuf,
    blobs: PathBuf,
    content: Content,
}

impl Links {
    /// Makes one with `live` artifacts.
    pub fn make(dir: &Path, live: u64) -> Result<Self, Failure> {
        // Called as the peer calls them.
        let blobs = dir.join(".blobs");
        fs::create_dir_all(dir.join(".uploads"))?;
        for shard in 0..=u8::MAX {
            fs::create_dir_all(blobs.join(format!("{shard:02x}")))?;
        }
        let mut links = Self { root: dir.to_owned(), blobs, content: Content::new(BODY_BYTES) };
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
        let python = python().args(["-c", PEER]).arg(&self.root).arg(what).output()?;
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

fn python() -> Command {
    Command::new(std::env::var_os(PYTHON).unwrap_or_else(|| "python3".into()))
}

/// Whose code the peer's sweep is.
pub fn whose() -> Result<String, Failure> {
    let told = python().args(["-c", WHOSE]).output()?;
    Ok(String::from_utf8(told.stdout)?.trim().to_owned())
}

/// Takes names away.
pub fn unlink(paths: &[PathBuf]) -> io::Result<()> {
    paths.iter().try_for_each(fs::remove_file)
}
