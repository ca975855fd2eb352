//! [`Gate`]: every effect on rows and on files passes through one gate and is counted there, so
//! that a test can stop the machine before effect *n* of the whole house, or let it fail.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::blobs::Disk;
use crate::blobs::tests::double::TestDisk;
use crate::db::{OpenDisk, StorageBackend};

/// What happens at one effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does not happen, nor does any after it.
    Stop,
    /// It does not happen; later ones do.
    Once(ErrorKind),
    /// It happens, but is told as failed; later ones are well.
    Late(ErrorKind),
}

type Hook = Box<dyn FnOnce() + Send>;

/// Clones are the same gate.
#[derive(Clone, Default)]
pub struct Gate(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    passed: u64,
    fault: Option<(u64, Fault)>,
    hook: Option<(u64, Hook)>,
}

impl Gate {
    /// Lets `count` more effects happen before the fault.
    pub fn set(&self, count: u64, fault: Fault) {
        let mut state = self.state();
        state.fault = Some((state.passed + count, fault));
    }

    /// Calls `hook` just before the effect that comes after `count` more.
    pub fn at(&self, count: u64, hook: impl FnOnce() + Send + 'static) {
        let mut state = self.state();
        state.hook = Some((state.passed + count, Box::new(hook)));
    }

    /// All is well again.
    pub fn open(&self) {
        let mut state = self.state();
        state.fault = None;
        state.hook = None;
    }

    /// Whether the fault has come.
    pub fn has_failed(&self) -> bool {
        let state = self.state();
        state.fault.is_some_and(|(at, _)| state.passed > at)
    }

    /// Whether the machine has stopped.
    pub fn has_stopped(&self) -> bool {
        let state = self.state();
        matches!(state.fault, Some((at, Fault::Stop)) if state.passed > at)
    }

    /// Effects so far.
    pub fn passed(&self) -> u64 {
        self.state().passed
    }

    /// The same disk behind this gate.
    pub fn files(&self, disk: Arc<TestDisk>) -> Arc<dyn Disk> {
        Arc::new(GatedFiles { gate: self.clone(), disk })
    }

    /// The same storage behind this gate.
    pub fn rows(&self, open: OpenDisk) -> OpenDisk {
        let gate = self.clone();
        Arc::new(move || Ok(Box::new(GatedRows { gate: gate.clone(), storage: open()? })))
    }

    fn pass<T>(&self, effect: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let (fault, hook) = self.count();
        if let Some(hook) = hook {
            hook();
        }
        match fault {
            None => effect(),
            Some(Fault::Stop) => Err(io::Error::other("the machine stopped")),
            Some(Fault::Once(kind)) => Err(kind.into()),
            Some(Fault::Late(kind)) => {
                effect()?;
                Err(kind.into())
            }
        }
    }

    fn count(&self) -> (Option<Fault>, Option<Hook>) {
        let mut state = self.state();
        let at = state.passed;
        state.passed += 1;
        let fault = state.fault.filter(|(due, fault)| match fault {
            Fault::Stop => at >= *due,
            Fault::Once(_) | Fault::Late(_) => at == *due,
        });
        let hook = state.hook.take_if(|(due, _)| at >= *due);
        (fault.map(|(_, fault)| fault), hook.map(|(_, hook)| hook))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

struct GatedFiles {
    gate: Gate,
    disk: Arc<TestDisk>,
}

impl Disk for GatedFiles {
    fn create(&self, path: &Path) -> io::Result<File> {
        self.gate.pass(|| self.disk.create(path))
    }

    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<()> {
        self.gate.pass(|| self.disk.write(file, bytes))
    }

    fn cut(&self, file: &File, bytes: u64) -> io::Result<()> {
        self.gate.pass(|| self.disk.cut(file, bytes))
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.gate.pass(|| self.disk.sync(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.gate.pass(|| self.disk.rename(from, to))
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.gate.pass(|| self.disk.link(from, to))
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.gate.pass(|| self.disk.unlink(path))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.gate.pass(|| self.disk.create_dir(path))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.gate.pass(|| self.disk.sync_dir(path))
    }

    fn allocate(&self, file: &File, bytes: u64) -> io::Result<()> {
        self.gate.pass(|| self.disk.allocate(file, bytes))
    }

    /// Not an effect.
    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        self.disk.free_bytes(path)
    }
}

struct GatedRows {
    gate: Gate,
    storage: Box<dyn StorageBackend>,
}

impl fmt::Debug for GatedRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.storage.fmt(f)
    }
}

impl StorageBackend for GatedRows {
    fn len(&self) -> io::Result<u64> {
        self.storage.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.storage.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.gate.pass(|| self.storage.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.gate.pass(|| self.storage.sync_data())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.gate.pass(|| self.storage.write(offset, data))
    }

    fn close(&self) -> io::Result<()> {
        self.storage.close()
    }
}
