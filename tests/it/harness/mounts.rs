//! File systems of a test's own, which go when they are dropped.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::Outcome;
use super::needs::{cannot, needs};

/// Something mounted in a folder of its own.
pub struct Mount {
    folder: TempDir,
    /// A disk made of a file, and what unmounting it leaves.
    device: Option<String>,
}

impl Mount {
    /// A file system in memory of `mebibytes`; `None` when this machine mounts nothing for us.
    pub fn memory(mebibytes: u32) -> Option<Self> {
        needs("mount")?;
        let mount = Self { folder: TempDir::new().unwrap(), device: None };
        let options = format!("size={mebibytes}m");
        let place = mount.path();
        let args = ["-t", "tmpfs", "-o", options.as_str(), "none", place.to_str().unwrap()];
        possible(Command::new("mount").args(args)).then_some(mount)
    }

    /// A disk of its own with the file system `kind`, whose power can be cut.
    pub fn disk(kind: &str, mebibytes: u64) -> Option<Self> {
        let mkfs = format!("mkfs.{kind}");
        for command in ["mount", "losetup", "xfs_io", &mkfs] {
            needs(command)?;
        }
        let folder = TempDir::new().unwrap();
        let image = folder.path().join("image");
        std::fs::File::create(&image).unwrap().set_len(mebibytes << 20).unwrap();
        let losetup = Command::new("losetup").args(["-f", "--show"]).arg(&image).output().unwrap();
        if !losetup.status.success() {
            cannot(&format!("no disk of a file: {}", String::from_utf8_lossy(&losetup.stderr)));
            return None;
        }
        let device = String::from_utf8(losetup.stdout).unwrap().trim().to_owned();
        let mount = Self { folder, device: Some(device.clone()) };
        std::fs::create_dir(mount.path()).unwrap();
        Outcome::of(Command::new(mkfs).args(["-q", &device])).succeeds();
        possible(Command::new("mount").arg(&device).arg(mount.path())).then_some(mount)
    }

    pub fn path(&self) -> PathBuf {
        let folder = self.folder.path();
        if self.device.is_some() { folder.join("mounted") } else { folder.to_owned() }
    }

    /// Cuts the power: from now on nothing reaches the disk, and what was not synced is lost.
    pub fn cut_power(&self) {
        let shutdown = |arguments: &[&str]| {
            Outcome::of(Command::new("xfs_io").args(arguments).arg(self.path()))
        };
        if shutdown(&["-x", "-c", "shutdown"]).code != Some(0) {
            shutdown(&["-x", "-F", "-c", "shutdown"]).succeeds();
        }
    }

    /// The power is back.
    pub fn mount_again(&self) {
        let device = self.device.as_deref().expect("a disk");
        Outcome::of(Command::new("umount").arg(self.path())).succeeds();
        Outcome::of(Command::new("mount").arg(device).arg(self.path())).succeeds();
    }

    /// Writes a file that takes all the space there is, down to the last block.
    pub fn fill(&self) {
        use std::io::Write;
        let mut options = std::fs::File::options();
        let mut file = options.create(true).append(true).open(self.filler()).unwrap();
        for length in [1 << 20, 4096, 1] {
            while file.write_all(&vec![0; length]).is_ok() {}
        }
    }

    pub fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }

    pub fn free_bytes(&self) -> u64 {
        let found = rustix::fs::statvfs(self.path()).unwrap();
        found.f_bavail * found.f_frsize
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let run = |name: &str, argument: &Path| {
            let _ = Command::new(name).arg(argument).output();
        };
        run("umount", &self.path());
        if let Some(device) = &self.device {
            run("umount", &self.path());
            let _ = Command::new("losetup").args(["-d", device]).output();
        }
    }
}

/// Whether the machine lets us do this.
fn possible(command: &mut Command) -> bool {
    let outcome = Outcome::of(command);
    if outcome.code != Some(0) {
        cannot(&format!("this machine does not let us: {}", outcome.err.trim()));
    }
    outcome.code == Some(0)
}
