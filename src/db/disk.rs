//! What redb writes to: a file, fenced so that a snapshot of a database that was closed after a
//! failure can never see pages of the one that was opened in its place.
//!
//! The folder's lock is not taken here but once for the whole folder (`app` does).

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use redb::StorageBackend;
use rustix::fs::{FallocateFlags, fallocate, statvfs};

use super::journal::Journaled;
use super::txn::is_full;
use super::writer::failed_io;

/// Length of the journal in bytes. While 64 connections upload small files, a half of it fills in
/// about a fifth of a second; with a half of that they upload a sixth less, with twice as much no
/// more (`cargo bench --bench http_put`).
const JOURNAL_BYTES: u64 = 32 << 20;
/// A shorter one is of no use.
const JOURNAL_BYTES_MIN: u64 = 1 << 20;
/// It takes no more than this part of the room on a small disk.
const JOURNAL_PART: u64 = 16;

/// The file at `path`, with a journal beside it. One that is absent is not made: a folder that
/// was unmounted must not look like a new database.
///
/// # Errors
/// What the file system says, and [`io::ErrorKind::InvalidData`] for a journal that is damaged.
pub fn file(path: &Path) -> io::Result<Box<dyn StorageBackend>> {
    let main = plain(path)?;
    match journal(&path.with_extension("journal")) {
        Ok(journal) => Ok(Box::new(Journaled::open(main.into(), journal)?)),
        // There is none yet, and deleting must be possible on a disk that is full.
        Err(error) if is_full(&error) => {
            log::warn!("no room for the database's journal, so writes take longer: {error}");
            Ok(main)
        }
        Err(error) => Err(error),
    }
}

/// The file at `path`, without a journal.
pub(super) fn plain(path: &Path) -> io::Result<Box<dyn StorageBackend>> {
    Ok(Box::new(DiskFile(OpenOptions::new().read(true).write(true).open(path)?)))
}

/// Opens the journal at `path`, or makes one. It is filled, because the first write to a part of a
/// file that was only reserved takes a sync longer.
fn journal(path: &Path) -> io::Result<Box<dyn StorageBackend>> {
    if !path.try_exists()? {
        let part = path.with_extension("journal.part");
        if let Err(error) = fill(&part, journal_bytes(folder(path))?) {
            let _ = fs::remove_file(&part);
            return Err(error);
        }
        fs::rename(&part, path)?;
        sync_folder(path)?;
    }
    plain(path)
}

fn journal_bytes(folder: &Path) -> io::Result<u64> {
    let disk = statvfs(folder)?;
    let bytes = disk.f_bavail.saturating_mul(disk.f_frsize) / JOURNAL_PART;
    if bytes < JOURNAL_BYTES_MIN {
        return Err(ErrorKind::StorageFull.into());
    }
    Ok(bytes.min(JOURNAL_BYTES))
}

/// Makes a durable file of zeros that is for its owner only, as it will hold what the database
/// does.
fn fill(path: &Path, bytes: u64) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(path)?;
    io::copy(&mut io::repeat(0).take(bytes), &mut file)?;
    file.sync_all()
}

/// Makes the file at `path` if it is absent: `fill` makes a database of an empty file beside it,
/// which then gets the name. So a crash leaves no file that is a database in part.
///
/// # Errors
/// What the file system or `fill` says.
pub(super) fn make(
    path: &Path,
    fill: impl FnOnce(&Path) -> Result<(), super::Error>,
) -> Result<(), super::Error> {
    if path.try_exists().map_err(failed_io)? {
        return Ok(());
    }
    let part = path.with_extension("part");
    File::create(&part).and_then(|file| file.sync_all()).map_err(failed_io)?;
    fill(&part)?;
    remove_journal(path).map_err(failed_io)?;
    fs::rename(&part, path).map_err(failed_io)?;
    sync_folder(path).map_err(failed_io)
}

/// That of another database, which is gone.
fn remove_journal(path: &Path) -> io::Result<()> {
    match fs::remove_file(path.with_extension("journal")) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => sync_folder(path),
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder(path))?.sync_all()
}

fn folder(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// A growth of up to this many bytes is really allocated, not left as a hole: pages that are free
/// in the file can then be written on a disk with no room at all, so deleting works there.
const ALLOCATED_MAX: u64 = 64 << 20;

#[derive(Debug)]
struct DiskFile(File);

impl StorageBackend for DiskFile {
    fn len(&self) -> io::Result<u64> {
        self.0.metadata().map(|data| data.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let old = self.0.metadata()?.len();
        if let Some(growth) = len.checked_sub(old).filter(|n| (1..=ALLOCATED_MAX).contains(n)) {
            // Where that cannot be done the file has holes, which is as good until the disk is
            // full.
            let allocated = fallocate(&self.0, FallocateFlags::empty(), old, growth);
            log::trace!("the database grows by {growth} bytes: {allocated:?}");
        }
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }
}

/// Storage that answers nothing any more once it was closed.
#[derive(Debug)]
pub(super) struct Fenced {
    inner: Box<dyn StorageBackend>,
    closed: AtomicBool,
    length: Length,
}

/// The length of the storage in bytes, known without asking it.
pub(super) type Length = Arc<AtomicU64>;

impl Fenced {
    pub(super) fn new(inner: Box<dyn StorageBackend>, length: &Length) -> io::Result<Self> {
        length.store(inner.len()?, Ordering::Relaxed);
        Ok(Self { inner, closed: AtomicBool::new(false), length: Arc::clone(length) })
    }

    fn check(&self) -> io::Result<()> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(io::Error::other("this view of the database was closed"));
        }
        Ok(())
    }
}

impl StorageBackend for Fenced {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.inner.read(offset, out)?;
        // Checked after the bytes came: had another database written them, the fence would have
        // been closed before.
        self.check()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check()?;
        self.inner.set_len(len)?;
        self.length.store(len, Ordering::Relaxed);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.check()?;
        self.inner.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check()?;
        self.inner.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.closed.store(true, Ordering::SeqCst);
        self.inner.close()
    }
}
