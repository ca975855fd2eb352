//! The socket's file: made so that nobody else can open it at any moment, and reached also where
//! its path is longer than a socket's address may be.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

const NAME: &str = "control.sock";
/// A folder that only its owner may enter, where the socket is made before it gets its place.
const NURSERY: &str = "control.new";
/// Bytes of a socket's address, less than any system allows.
const ADDRESS_BYTES_MAX: usize = 100;

/// Where the socket of the data folder `root` is.
pub(super) fn path(root: &Path) -> PathBuf {
    root.join(NAME)
}

/// Makes the socket and listens on it. One that a crash has left is replaced: whoever holds the
/// lock of the folder is the only server here.
pub(super) fn listen(root: &Path) -> io::Result<UnixListener> {
    let nursery = root.join(NURSERY);
    if nursery.exists() {
        fs::remove_dir_all(&nursery)?;
    }
    DirBuilder::new().mode(0o700).create(&nursery)?;
    let made = bind(&nursery, &path(root));
    if let Err(error) = fs::remove_dir_all(&nursery) {
        log::debug!("{} could not be removed: {error}", nursery.display());
    }
    made
}

fn bind(nursery: &Path, path: &Path) -> io::Result<UnixListener> {
    let made = nursery.join(NAME);
    let listener = with_address(&made, |address| UnixListener::bind(address))?;
    fs::set_permissions(&made, Permissions::from_mode(0o600))?;
    fs::rename(&made, path)?;
    Ok(listener)
}

/// Connects to the server of the data folder `root`.
pub(super) fn connect(root: &Path) -> io::Result<UnixStream> {
    with_address(&path(root), |address| UnixStream::connect(address))
}

/// Calls `use_it` with a name of `path` that is short enough for the address of a socket.
fn with_address<T>(path: &Path, use_it: impl Fn(&Path) -> io::Result<T>) -> io::Result<T> {
    if path.as_os_str().len() <= ADDRESS_BYTES_MAX {
        return use_it(path);
    }
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return use_it(path);
    };
    let folder = File::open(folder)?;
    use_it(&Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name))
}
