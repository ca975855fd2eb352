//! [`Disk`]: every side effect that this module has on files, one method each.
//!
//! A test puts a double in its place that stops before effect *n*, or fails a particular call;
//! so every crash point of I1 and I5 can be visited. Deliberately absent: reading, which changes
//! nothing and uses `std::fs` where it is needed, and hints to the kernel.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

/// What can be done to files. Each method is one effect; it happened or it failed, and after a
/// failure it may have happened all the same.
pub trait Disk: Send + Sync {
    /// Makes a file for writing; fails when the name is taken.
    fn create(&self, path: &Path) -> io::Result<File>;

    /// Appends all `bytes`.
    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<()>;

    /// Cuts off what lies behind the first `bytes`; what is written next follows them.
    fn cut(&self, file: &File, bytes: u64) -> io::Result<()>;

    /// Makes the file's bytes and length durable. After a failure the bytes are to be given up:
    /// the kernel reports it once and may call the lost pages clean from then on.
    fn sync(&self, file: &File) -> io::Result<()>;

    /// Gives a file another name in place of the old one.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives a file a second name; fails when that is taken.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Takes a name away.
    fn unlink(&self, path: &Path) -> io::Result<()>;

    /// Makes a folder; fails when the name is taken.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes an empty file `bytes` long, with real room on the disk for all of them.
    fn allocate(&self, file: &File, bytes: u64) -> io::Result<()>;

    /// Bytes that this user may still write to the file system of `path`. No effect, but what a
    /// test of a full disk wants to decide.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;
}

/// The operating system's disk.
#[derive(Clone, Copy, Debug)]
pub struct OsDisk;

impl Disk for OsDisk {
    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create_new(true).open(path)
    }

    fn write(&self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn cut(&self, mut file: &File, bytes: u64) -> io::Result<()> {
        file.set_len(bytes)?;
        file.seek(SeekFrom::Start(bytes)).map(drop)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn allocate(&self, file: &File, bytes: u64) -> io::Result<()> {
        match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, bytes) {
            Err(Errno::NOTSUP | Errno::NOSYS) => write_zeros(file, bytes),
            result => Ok(result?),
        }
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// For file systems that cannot allocate without writing.
fn write_zeros(mut file: &File, bytes: u64) -> io::Result<()> {
    io::copy(&mut io::Read::take(io::repeat(0), bytes), &mut file)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn allocated_bytes_are_really_taken() {
        let dir = tempfile::tempdir().unwrap();
        let create = |name| OsDisk.create(&dir.path().join(name)).unwrap();
        let (allocated, written) = (create("allocated"), create("written"));
        OsDisk.allocate(&allocated, 100_000).unwrap();
        write_zeros(&written, 100_000).unwrap();
        for (name, file) in [("allocated", allocated), ("written", written)] {
            file.sync_all().unwrap();
            let meta = file.metadata().unwrap();
            assert_eq!(meta.len(), 100_000, "{name}");
            assert!(meta.blocks() * 512 >= 100_000, "{name}: {} blocks", meta.blocks());
        }
    }

    #[test]
    fn names_that_are_taken_stay_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (dir.path().join("old"), dir.path().join("new"));
        OsDisk.write(&OsDisk.create(&old).unwrap(), b"old").unwrap();
        OsDisk.create(&new).unwrap();
        let taken = io::ErrorKind::AlreadyExists;
        assert_eq!(OsDisk.create(&old).unwrap_err().kind(), taken);
        assert_eq!(OsDisk.link(&new, &old).unwrap_err().kind(), taken);
        assert_eq!(fs::read(&old).unwrap(), b"old");
        assert!(OsDisk.free_bytes(dir.path()).unwrap() > 0);
    }
}
