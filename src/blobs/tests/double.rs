//! A disk that stops, fails and forgets when told; it works on real files and never syncs them.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use rustix::io::Errno;

use crate::blobs::{Disk, OsDisk};

#[derive(Default)]
pub(crate) struct TestDisk {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    effects: Vec<String>,
    stop_before: Option<usize>,
    failing: Vec<(&'static str, Errno)>,
    free_bytes: Option<u64>,
    names: Vec<Change>,
    /// Files that were written to since they were synced, and how long they were then.
    bytes: Vec<(File, u64)>,
}

/// A change of a name that no sync of its folder made durable.
enum Change {
    Made(PathBuf),
    Renamed(PathBuf, PathBuf),
    /// The second path keeps the file alive.
    Removed(PathBuf, PathBuf),
}

impl TestDisk {
    /// Lets `count` more effects happen; then every call fails.
    pub fn stop_before(&self, count: usize) {
        let mut state = self.state();
        state.stop_before = Some(state.effects.len() + count);
    }

    /// Fails every effect whose description begins with `effect`.
    pub fn fail(&self, effect: &'static str, errno: Errno) {
        self.state().failing.push((effect, errno));
    }

    pub fn set_free(&self, bytes: u64) {
        self.state().free_bytes = Some(bytes);
    }

    /// Whether an effect was refused because the disk had stopped.
    pub fn has_stopped(&self) -> bool {
        let state = self.state();
        state.stop_before.is_some_and(|stop| state.effects.len() >= stop)
    }

    /// What happened since the start, in order: `<effect> <last part of the path>`.
    pub fn effects(&self) -> Vec<String> {
        self.state().effects.clone()
    }

    /// Power loss: bytes that were not synced go, and so do the changes of names in each folder
    /// that `forgets`, as far as it was not synced after them.
    pub fn lose_power(&self, forgets: impl Fn(&Path) -> bool) {
        let mut state = self.state();
        state.bytes.drain(..).for_each(|(file, synced)| file.set_len(synced).unwrap());
        for change in state.names.drain(..).rev().filter(|change| forgets(change.folder())) {
            change.undo();
        }
    }

    /// All is well again; what was written so far is durable.
    pub fn restart(&self) {
        *self.state() = State::default();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn effect(&self, effect: &str, path: &Path) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        if state.stop_before.is_some_and(|stop| state.effects.len() >= stop) {
            return Err(io::Error::other("the machine stopped"));
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let text = format!("{effect} {name}").trim_end().to_owned();
        let failing = state.failing.iter().find(|(start, _)| text.starts_with(start)).copied();
        state.effects.push(text);
        failing.map_or(Ok(state), |(_, errno)| Err(errno.into()))
    }
}

impl Change {
    fn folder(&self) -> &Path {
        let (Self::Made(path) | Self::Renamed(path, _) | Self::Removed(path, _)) = self;
        path.parent().unwrap()
    }

    fn undo(&self) {
        match self {
            Self::Made(path) => fs::remove_file(path),
            Self::Renamed(from, to) => fs::rename(to, from),
            Self::Removed(path, kept) => fs::hard_link(kept, path),
        }
        .unwrap();
    }
}

impl Disk for TestDisk {
    fn create(&self, path: &Path) -> io::Result<File> {
        let mut state = self.effect("create", path)?;
        let file = OsDisk.create(path)?;
        state.names.push(Change::Made(path.to_owned()));
        Ok(file)
    }

    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.effect("write", Path::new(""))?;
        let written = file.metadata()?;
        if !state.bytes.iter().any(|(file, _)| file.metadata().unwrap().ino() == written.ino()) {
            state.bytes.push((file.try_clone()?, written.len()));
        }
        OsDisk.write(file, bytes)
    }

    fn cut(&self, file: &File, bytes: u64) -> io::Result<()> {
        let _state = self.effect("cut", Path::new(""))?;
        OsDisk.cut(file, bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        let mut state = self.effect("sync", Path::new(""))?;
        let synced = file.metadata()?.ino();
        state.bytes.retain(|(file, _)| file.metadata().unwrap().ino() != synced);
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.effect("rename", from)?;
        OsDisk.rename(from, to)?;
        state.names.push(Change::Renamed(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.effect("link", to)?;
        OsDisk.link(from, to)?;
        state.names.push(Change::Made(to.to_owned()));
        Ok(())
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        let mut state = self.effect("unlink", path)?;
        // Beside the data folder, so that nobody who lists it sees the file.
        let kept = std::env::temp_dir().join(format!("larder.{:016x}", rand::random::<u64>()));
        fs::rename(path, &kept)?;
        state.names.push(Change::Removed(path.to_owned(), kept));
        Ok(())
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let _state = self.effect("create_dir", path)?;
        OsDisk.create_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.effect("sync_dir", path)?.names.retain(|change| change.folder() != path);
        Ok(())
    }

    fn allocate(&self, file: &File, bytes: u64) -> io::Result<()> {
        let _state = self.effect("allocate", Path::new(""))?;
        OsDisk.allocate(file, bytes)
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        let state = self.effect("free_bytes", path)?;
        state.free_bytes.map_or_else(|| OsDisk.free_bytes(path), Ok)
    }
}

impl Drop for Change {
    fn drop(&mut self) {
        if let Self::Removed(_, kept) = self {
            let _ = fs::remove_file(kept);
        }
    }
}
