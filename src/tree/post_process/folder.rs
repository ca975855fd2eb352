//! [`Folder`]: where a command works: `DIR/work/<16 hex>/`, with copies of a format's files.
//!
//! Only the server's user may enter. It goes when it is dropped; after a crash the next start
//! removes what is left ([`clear`]). Nothing in it is ever durable or referred to.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::{Failed, PostProcess, Problem};
use crate::model::{ArtifactPath, Format, FormatPath};
use crate::store;
use crate::tree::{Error, Source, Tree};

const WORK: &str = "work";
/// Paths that are read at once.
const PAGE: usize = 1000;

/// A folder that goes with this value.
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(super) fn make(data: &Path) -> Result<Self, Failed> {
        let work = std::path::absolute(data.join(WORK)).map_err(Failed::io("find", data))?;
        make_dir(&work, 0o700)?;
        let path = work.join(format!("{:016x}", rand::random::<u64>()));
        // From here on it goes when it is dropped.
        let folder = Self { path };
        DirBuilder::new()
            .mode(0o755)
            .create(&folder.path)
            .map_err(Failed::io("make", &folder.path))?;
        Ok(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a file for writing, and the folders that it needs.
    fn create(&self, path: &ArtifactPath) -> Result<File, Failed> {
        for folder in path.folders() {
            make_dir(&self.path.join(folder.as_str()), 0o755)?;
        }
        let path = self.path.join(path.as_str());
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o644);
        options.open(&path).map_err(Failed::io("make", path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.path) {
            let path = self.path.display();
            log::warn!("{path} cannot be removed: {error} (the next start tries again)");
        }
    }
}

fn make_dir(path: &Path, mode: u32) -> Result<(), Failed> {
    match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(Failed::io("make", path)(error))
        }
        _ => Ok(()),
    }
}

/// Removes the folders of runs that a crash interrupted. To be called while nobody else has the
/// data folder open. What cannot be removed is left for the next start.
pub fn clear(data: &Path) {
    let work = data.join(WORK);
    let Ok(entries) = fs::read_dir(&work) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let is_ours = name.len() == 16 && name.to_str().is_some_and(is_hex);
        if !is_ours {
            log::warn!("{} is not a folder of larder; move it away", path.display());
        } else if let Err(error) = remove(&path) {
            log::warn!("{} cannot be removed: {error}", path.display());
        }
    }
}

/// Removes a folder with all that is in it, also what a command made read-only.
fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(folder)?;
            fs::remove_dir_all(folder)
        }
        result => result,
    }
}

/// Lets the server's user change every folder below, never what a link leads to.
fn open_up(folder: &Path) -> io::Result<()> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        fs::set_permissions(&folder, Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    Ok(())
}

fn is_hex(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase())
}

impl Tree {
    /// Copies the files of a format into a folder. Each is opened as a download is, so what goes
    /// meanwhile is noticed.
    pub(super) fn copy_files(
        &self,
        post: &PostProcess,
        path: &FormatPath,
        base: &Format,
        folder: &Folder,
    ) -> Result<(), Problem> {
        let mut after = None;
        loop {
            let page = self.store.view()?.paths_after(base.id, after, PAGE)?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.clone());
            for file in page {
                post.is_stopping()?;
                self.copy_file(path, &file, folder)?;
            }
        }
    }

    fn copy_file(
        &self,
        path: &FormatPath,
        file: &ArtifactPath,
        folder: &Folder,
    ) -> Result<(), Problem> {
        let mut target = folder.create(file)?;
        let opened = self.open(&path.clone().file(file.clone())).map_err(|error| match error {
            Error::Store(store::Error::NotFound(what)) => store::Error::Changed(what).into(),
            error => error,
        })?;
        let failed = Failed::io("write", folder.path.join(file.as_str()));
        match opened.source {
            Source::Inline(bytes) => target.write_all(&bytes).map_err(failed)?,
            Source::File(mut source, _pin) => {
                // On file systems that can share blocks a copy costs nothing.
                if rustix::fs::ioctl_ficlone(&target, &source).is_err() {
                    self.space.admit(opened.file.blob.size)?;
                    io::copy(&mut source, &mut target).map_err(failed)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says something only where the tests do not run as root, who may remove anything.
    #[test]
    fn what_a_command_made_read_only_goes_as_well() {
        let data = tempfile::tempdir().unwrap();
        let folder = Folder::make(data.path()).unwrap();
        folder.create(&ArtifactPath::parse("a/b/c").unwrap()).unwrap();
        std::os::unix::fs::symlink("/", folder.path().join("a/root")).unwrap();
        for (name, mode) in [("a/b", 0o000), ("a", 0o555), ("", 0o555)] {
            let path = folder.path().join(name);
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        }
        drop(folder);
        assert_eq!(fs::read_dir(data.path().join(WORK)).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_goes_with_its_run_or_at_the_next_start() {
        let data = tempfile::tempdir().unwrap();
        let folder = Folder::make(data.path()).unwrap();
        let deep = ArtifactPath::parse("a/b/c").unwrap();
        folder.create(&deep).unwrap().write_all(b"x").unwrap();
        assert!(folder.create(&deep).is_err(), "it is there");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let work = data.path().join(WORK);
        assert_eq!(mode(&work), 0o700);
        assert_eq!(mode(&folder.path().join("a/b/c")), 0o644);
        drop(folder);
        let left = || fs::read_dir(&work).unwrap().count();
        assert_eq!(left(), 0);
        std::mem::forget(Folder::make(data.path()).unwrap());
        fs::write(work.join("notes"), "not ours").unwrap();
        assert_eq!(left(), 2);
        clear(data.path());
        assert_eq!(left(), 1, "only what is not ours");
    }
}
