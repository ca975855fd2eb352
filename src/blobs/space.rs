//! [`Space`]: room on the disk. Uploads stop at a reserve; deleting goes on at zero bytes free.
//!
//! The reserve is what uploads leave free. The ballast is a file with real room on the disk; it
//! is let go when even a delete cannot be committed, and made again when there is plenty.
//! Deliberately absent: deciding when to do either (the sweeper does).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Disk, Error, layout};

/// For so long a measurement is good enough to be used again.
const FRESH: Duration = Duration::from_millis(100);

/// Watches the free space of the data folder's file system. One value serves all threads.
pub struct Space {
    disk: Arc<dyn Disk>,
    root: PathBuf,
    ballast: PathBuf,
    reserve_bytes: u64,
    ballast_bytes: u64,
    measured: Mutex<Measured>,
    /// The ballast was given up and is not there again: what it made room for is deleting.
    given_up: AtomicBool,
    /// Held while the ballast changes, which is rare and never on a request's way.
    changing: Mutex<()>,
}

#[derive(Clone, Copy)]
struct Measured {
    at: Instant,
    free_bytes: u64,
}

impl Space {
    /// Watches the data folder `root`. `reserve_bytes` are left free by uploads; the ballast is
    /// `ballast_bytes` long, 0 for none.
    pub fn open(
        root: &Path,
        disk: Arc<dyn Disk>,
        reserve_bytes: u64,
        ballast_bytes: u64,
    ) -> Result<Self, Error> {
        let measured = Mutex::new(measure(&*disk, root)?);
        let (root, ballast) = (root.to_owned(), layout::ballast(root));
        let changing = Mutex::new(());
        let given_up = AtomicBool::new(false);
        Ok(Self { disk, root, ballast, reserve_bytes, ballast_bytes, measured, given_up, changing })
    }

    /// Whether uploads may be taken. Cheap enough for every request and every piece of a body.
    pub fn has_room(&self) -> Result<bool, Error> {
        Ok(self.free_bytes()? >= self.needed_bytes())
    }

    /// Whether `bytes` of new content may come and leave the reserve free. That the free space
    /// cannot be measured refuses nobody.
    ///
    /// # Errors
    /// [`Error::NoRoom`].
    pub fn admit(&self, bytes: u64) -> Result<(), Error> {
        let free_bytes = match self.free_bytes() {
            Ok(free_bytes) => free_bytes,
            Err(error) => {
                log::warn!("how much space is free is not known: {error}");
                return Ok(());
            }
        };
        let reserve_bytes = self.needed_bytes();
        if free_bytes < reserve_bytes.saturating_add(bytes) {
            return Err(Error::NoRoom { free_bytes, reserve_bytes });
        }
        Ok(())
    }

    /// Bytes that must be free for uploads to be taken: the reserve, and once the ballast was
    /// given up its size too, or uploads would eat what was meant for deleting.
    #[must_use]
    pub fn needed_bytes(&self) -> u64 {
        let ballast = if self.given_up.load(Ordering::Relaxed) { self.ballast_bytes } else { 0 };
        self.reserve_bytes.saturating_add(ballast)
    }

    /// Bytes that may still be written, as of at most a tenth of a second ago.
    pub fn free_bytes(&self) -> Result<u64, Error> {
        let known = {
            let mut measured = self.measured();
            let known = *measured;
            if known.at.elapsed() >= FRESH {
                // This thread measures, and no lock is held meanwhile: the others go on with
                // what is known.
                measured.at = Instant::now();
            }
            known
        };
        if known.at.elapsed() < FRESH { Ok(known.free_bytes) } else { self.measure_now() }
    }

    /// Lets the ballast go, and returns once its room can really be used. Tells whether there
    /// was any.
    pub fn release_ballast(&self) -> Result<bool, Error> {
        let _changing = lock(&self.changing);
        match self.disk.unlink(&self.ballast) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            result => result.map_err(Error::io("remove", &self.ballast))?,
        }
        // Some file systems give blocks back only with the next commit of their journal.
        self.disk.sync_dir(&self.root).map_err(Error::io("sync the folder", &self.root))?;
        self.given_up.store(true, Ordering::Relaxed);
        self.measure_now()?;
        Ok(true)
    }

    /// Makes the ballast when it is not there and there is room for it above the reserve. Tells
    /// whether it is there now.
    pub fn restore_ballast(&self) -> Result<bool, Error> {
        let _changing = lock(&self.changing);
        if self.ballast_bytes == 0 {
            return Ok(false);
        }
        match self.ballast.metadata() {
            Ok(found) if found.len() == self.ballast_bytes => {
                self.given_up.store(false, Ordering::Relaxed);
                return Ok(true);
            }
            Ok(_) => self.remove_ballast()?, // half made, or of another size
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("look at", &self.ballast)(error)),
        }
        if self.measure_now()? <= self.reserve_bytes.saturating_add(self.ballast_bytes) {
            return Ok(false);
        }
        if let Err(error) = self.make_ballast() {
            // The first error counts; what stays behind is found to be half made next time.
            let _ = self.remove_ballast();
            return Err(Error::io("allocate", &self.ballast)(error));
        }
        self.given_up.store(false, Ordering::Relaxed);
        self.measure_now()?;
        Ok(true)
    }

    fn make_ballast(&self) -> io::Result<()> {
        let file = self.disk.create(&self.ballast)?;
        self.disk.allocate(&file, self.ballast_bytes)?;
        self.disk.sync(&file)
    }

    fn remove_ballast(&self) -> Result<(), Error> {
        self.disk.unlink(&self.ballast).map_err(Error::io("remove", &self.ballast))
    }

    fn measure_now(&self) -> Result<u64, Error> {
        let now = measure(&*self.disk, &self.root)?;
        *self.measured() = now;
        Ok(now.free_bytes)
    }

    fn measured(&self) -> MutexGuard<'_, Measured> {
        lock(&self.measured)
    }
}

fn measure(disk: &dyn Disk, root: &Path) -> Result<Measured, Error> {
    let free_bytes = disk.free_bytes(root).map_err(Error::io("measure the free space of", root))?;
    Ok(Measured { at: Instant::now(), free_bytes })
}

/// Neither lock guards anything that a panic could leave half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
