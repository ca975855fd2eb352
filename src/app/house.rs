//! [`House`]: one data folder, opened by one process.
//!
//! ```text
//! DIR/lock           held while a process has the folder open
//! DIR/larder.redb    the database
//! DIR/larder.journal its last commits, until they are in place; belongs to it
//! DIR/blobs/         files of blobs, in 256 folders
//! DIR/staging/       uploads that are not committed
//! DIR/work/          where post-processes work
//! DIR/ballast        space that is given up when the disk is full
//! DIR/filter/        where the filter command of publications runs
//! DIR/admin-password the password that the first start made, for its owner
//! DIR/control.sock   where the administration commands reach a running server
//! ```

mod served;

use std::fs::{self, File, Permissions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::access::tokens::TokenUses;
use crate::access::{Access, AclError, backend, password};
use crate::blobs;
use crate::blobs::{BlobFiles, Disk, OsDisk, Pins, Space};
use crate::cleanup;
use crate::clock::SystemClock;
use crate::config::{AuthMode, Settings};
use crate::db::{self, Db, Pressure};
use crate::model::{NameError, UserName};
use crate::proxy::{self, Upstreams};
use crate::publish::{self, Publisher};
use crate::stop::Stop;
use crate::store::contents::Sure;
use crate::store::{self, Rules, Store};
use crate::sweeper::{self, Sweeper};
use crate::tree::post_process;

const DATABASE: &str = "larder.redb";
const LOCK: &str = "lock";
const FILTER: &str = "filter";
/// A batch is not begun with less than this free while there is ballast to let go.
const WRITE_ROOM: u64 = 1 << 20;

/// What requests to other servers get to end when ours stops: they are made again later.
const PUBLISHER_END_MAX: Duration = Duration::from_secs(3);

/// Why the house could not be opened or served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder cannot be made or looked at.
    #[error("the data folder {} cannot be used: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something else lives there.
    #[error(
        "{} is not empty and holds no Larder data (there is {found:?}); \
         give an empty folder with --data",
        path.display()
    )]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// One thing in it.
        found: String,
    },
    /// No server ever worked there.
    #[error("{} holds no Larder data; give the folder of a server with --data", path.display())]
    NoData {
        /// The folder.
        path: PathBuf,
    },
    /// Another process has it open.
    #[error("the data folder {} is in use{by}; one process at a time may open it", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
        /// The process, if it is known.
        by: String,
    },
    /// The files of blobs.
    #[error(transparent)]
    Files(#[from] blobs::Error),
    /// The rows.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Who brings releases to other servers.
    #[error(transparent)]
    Publish(#[from] publish::Error),
    /// The address is taken, or not ours.
    #[error("cannot listen on {address}: {source}; choose another address with --listen")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A thread or a handler could not be started.
    #[error("cannot start {what}: {source}")]
    Start {
        /// What.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The auth file.
    #[error(transparent)]
    People(#[from] backend::Error),
    /// A password that cannot be taken.
    #[error(transparent)]
    Password(password::Error),
    /// A login that nobody can have.
    #[error("{0}")]
    Login(NameError),
    /// The first password has to be kept somewhere.
    #[error("the first password cannot be written to {}: {source}", path.display())]
    PasswordFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A token of somebody whose groups are not known here.
    #[error(
        "there is no account {0} here: make one with `larder user add`, or, when another back end \
         knows {0}, tell the groups with --group"
    )]
    TokenOfNobody(UserName),
    /// A number that no token has.
    #[error("there is no token {0}; `larder token list` shows those there are")]
    TokenUnknown(u64),
    /// A number that no deploy token has.
    #[error("there is no deploy token {0}; `larder deploy-token list` shows those there are")]
    DeployTokenUnknown(u64),
    /// Whoever worked on it was asked to stop.
    #[error("stopped before {0} was done; ask again")]
    Stopped(&'static str),
    /// Registries that groups cache images of.
    #[error(transparent)]
    Proxy(#[from] proxy::Error),
    /// What a group's proxy cannot be set to.
    #[error(transparent)]
    ProxySettings(#[from] super::admin::proxy::Refused),
    /// No packages can be meant.
    #[error(transparent)]
    Packages(#[from] super::admin::packages::Refused),
    /// The rules cannot be used.
    #[error(transparent)]
    Rules(#[from] AclError),
    /// A programming error.
    #[error("{0} broke off; see the log for why, and tell us")]
    Broken(&'static str),
}

impl From<cleanup::Error> for Error {
    fn from(error: cleanup::Error) -> Self {
        match error {
            cleanup::Error::Store(error) => error.into(),
            cleanup::Error::Files(error) => error.into(),
        }
    }
}

impl From<db::Error> for Error {
    fn from(error: db::Error) -> Self {
        Self::Store(error.into())
    }
}

/// An open data folder. Dropping it closes the database and lets the folder go.
pub struct House {
    root: PathBuf,
    store: Store,
    files: BlobFiles,
    space: Arc<Space>,
    publisher: publish::Handle,
    uses: Arc<TokenUses>,
    upstreams: Arc<Upstreams>,
    // The last to go.
    _lock: File,
}

impl House {
    /// Opens or makes the data folder, and removes what a crash may have left (I1).
    ///
    /// # Errors
    /// [`Error::InUse`], [`Error::Foreign`], or whatever the disk says.
    pub fn open(settings: &Settings) -> Result<Self, Error> {
        let root = &settings.server.data;
        let lock = lock(root)?;
        let disk: Arc<dyn Disk> = Arc::new(OsDisk);
        let files = BlobFiles::open(root, Arc::clone(&disk))?;
        let space = &settings.space;
        let space = Arc::new(Space::open(root, disk, space.reserve, space.ballast)?);
        let db = open_database(&root.join(DATABASE), options(settings, &space))?;
        let rules = Rules {
            lease: settings.store.lease,
            internal_formats: settings.tree.internal_format_filter.clone(),
            user_quota: (settings.users.quota > 0).then_some(settings.users.quota),
            upload_link: settings.registry.upload_link,
        };
        let store = Store::new(db, Pins::new(), Arc::new(SystemClock::new()), rules);
        let publisher = publish::Handle::new(&settings.publish.url);
        let uses = Arc::default();
        let told = settings.proxy.upstreams(root);
        let upstreams = Arc::new(Upstreams::new(told, Arc::clone(store.clock()))?);
        let root = root.clone();
        let house = Self { root, store, files, space, publisher, uses, upstreams, _lock: lock };
        house.recover()?;
        house.restore_ballast();
        Ok(house)
    }

    /// Opens the data folder of a server that is not running.
    ///
    /// # Errors
    /// [`Error::NoData`] where there is none yet, and as [`Self::open`].
    pub fn open_existing(settings: &Settings) -> Result<Self, Error> {
        let path = &settings.server.data;
        if !path.join(DATABASE).exists() {
            return Err(Error::NoData { path: path.clone() });
        }
        Self::open(settings)
    }

    /// The data folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The files of blobs.
    #[must_use]
    pub fn files(&self) -> &BlobFiles {
        &self.files
    }

    /// The room on the disk.
    #[must_use]
    pub fn space(&self) -> &Arc<Space> {
        &self.space
    }

    /// When tokens were used last, as far as it is not written down.
    #[must_use]
    pub fn uses(&self) -> &Arc<TokenUses> {
        &self.uses
    }

    /// The registries that groups cache images of.
    #[must_use]
    pub fn upstreams(&self) -> &Arc<Upstreams> {
        &self.upstreams
    }

    /// The sweeper of this house, not started.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn sweeper(&self, settings: &Settings, stop: Stop) -> Result<Sweeper, Error> {
        let unlink_workers = settings.sweeper.unlink_capacity;
        let period = settings.sweeper.sweep_period;
        let untagged = settings.registry.untagged.clone();
        let settings = sweeper::Settings {
            period: (!period.is_zero()).then_some(period),
            unlink_workers: usize::try_from(unlink_workers).unwrap_or(usize::MAX),
            work_bound: settings.store.slice,
            spacing: settings.sweeper.lease_grouping,
            ..sweeper::Settings::default()
        };
        let sweeper = Sweeper::new(self.store.clone(), self.files.clone(), settings, stop)?;
        Ok(sweeper.with_publisher(self.publisher.clone()).with_untagged(untagged))
    }

    /// Who brings released tags to other servers, not started; `reclaim` asks for a sweep.
    ///
    /// # Errors
    /// [`Error::Publish`].
    pub fn publisher(
        &self,
        settings: &Settings,
        stop: Stop,
        reclaim: impl Fn() + Send + Sync + 'static,
    ) -> Result<Publisher, Error> {
        let given = &settings.publish;
        let settings = publish::Settings {
            urls: given.url.iter().map(ToString::to_string).collect(),
            auth_file: given.auth.clone(),
            filter_command: given.filter_cmd.clone(),
            timeout: given.timeout,
            requests_max: usize::try_from(given.max_requests).unwrap_or(usize::MAX),
            ca_file: given.ca.clone(),
            retry_first: given.retry,
            folder: self.root.join(FILTER),
            stop_time_max: settings.server.stop_deadline.min(PUBLISHER_END_MAX),
        };
        let ground = (self.store.clone(), self.files.clone());
        let door = (self.publisher.clone(), stop);
        Ok(Publisher::new(ground, settings, door, Box::new(reclaim))?)
    }

    /// Looks after the ballast from time to time, on the runtime that this is called in.
    #[must_use]
    pub fn keep_ballast(&self, period: Duration) -> JoinHandle<()> {
        let space = Arc::clone(&self.space);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(period).await;
                let space = Arc::clone(&space);
                // A panic there is not the end of looking after it.
                let _ = tokio::task::spawn_blocking(move || restore(&space)).await;
            }
        })
    }

    fn restore_ballast(&self) {
        restore(&self.space);
    }

    fn recover(&self) -> Result<(), Error> {
        let (drafts, all_known) = self.store.view()?.upload_drafts()?;
        let recovered = self.files.recover(
            |digest, suffix| Ok::<_, Error>(self.store.view()?.names_file(digest, suffix)?),
            |suffix| Ok(drafts.contains(&suffix) || all_known == Sure::No),
        )?;
        log::debug!("after the start: {recovered:?}");
        post_process::clear(&self.root);
        Ok(())
    }
}

/// The rules that the settings ask for.
///
/// # Errors
/// [`AclError`], with file, line and reason.
pub fn access(settings: &Settings) -> Result<Access, AclError> {
    match &settings.access.acls_dir {
        Some(folder) if settings.auth.auth == AuthMode::None => {
            log::warn!(
                "the rules in {} do not hold: nobody is asked who they are, and everybody may do \
                 everything; --auth on puts them in force",
                folder.display()
            );
            Ok(Access::open())
        }
        None if settings.auth.auth == AuthMode::None => Ok(Access::open()),
        Some(folder) => Access::with_rules(folder),
        None => Ok(Access::built_in()),
    }
}

/// A new database is for its owner only: it has hashes of passwords.
fn open_database(path: &Path, options: db::Options) -> Result<Db, Error> {
    let is_new = !path.exists();
    let db = Db::open(path, options)?;
    if is_new {
        let unusable = |source| Error::Folder { path: path.to_owned(), source };
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(unusable)?;
    }
    Ok(db)
}

fn restore(space: &Space) {
    if let Err(error) = space.restore_ballast() {
        log::warn!("the ballast could not be made: {error}");
    }
}

fn options(settings: &Settings, space: &Arc<Space>) -> db::Options {
    let space = Arc::clone(space);
    let make_room = move |pressure| {
        let is_scarce = match pressure {
            Pressure::Full => true,
            Pressure::Ordinary => space.free_bytes().is_ok_and(|free| free < WRITE_ROOM),
        };
        is_scarce && release(&space)
    };
    db::Options {
        cache_bytes: usize::try_from(settings.store.cache).unwrap_or(usize::MAX),
        work_bound: settings.store.slice,
        make_room: Arc::new(make_room),
        ..db::Options::default()
    }
}

fn release(space: &Space) -> bool {
    match space.release_ballast() {
        Ok(released) => {
            if released {
                log::warn!("the disk is full: the ballast is given up so that deleting can work");
            }
            released
        }
        Err(error) => {
            log::error!("the ballast could not be given up: {error}");
            false
        }
    }
}

/// Makes the folder if need be and locks it for this process.
fn lock(root: &Path) -> Result<File, Error> {
    let unusable = |source| Error::Folder { path: root.to_owned(), source };
    fs::create_dir_all(root).map_err(unusable)?;
    refuse_foreign(root)?;
    let path = root.join(LOCK);
    let mut options = File::options();
    let options = options.read(true).write(true).create(true).truncate(false);
    let mut file = options.open(&path).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(Error::InUse { path: root.to_owned(), by: owner(&mut file) });
        }
        Err(TryLockError::Error(source)) => return Err(unusable(source)),
    }
    // For people only: on a full disk the number is missing, and that is all.
    let noted = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
    if let Err(error) = noted {
        log::debug!("the process number could not be noted: {error}");
    }
    Ok(file)
}

fn owner(file: &mut File) -> String {
    let mut pid = String::new();
    let read = file.rewind().and_then(|()| file.read_to_string(&mut pid));
    if read.is_ok() && !pid.is_empty() { format!(" by process {pid}") } else { String::new() }
}

/// Refuses a folder with other people's things in it: an existing dlrepo tree, say.
fn refuse_foreign(root: &Path) -> Result<(), Error> {
    let unusable = |source| Error::Folder { path: root.to_owned(), source };
    let known = [LOCK, "larder.toml", "lost+found", "blobs", "staging", "work", "ballast"];
    if root.join(DATABASE).exists() {
        return Ok(());
    }
    for entry in fs::read_dir(root).map_err(unusable)? {
        let found = entry.map_err(unusable)?.file_name().to_string_lossy().into_owned();
        // What a first start left that was killed before there was a database.
        let is_ours = found.starts_with("larder.") || known.contains(&found.as_str());
        if !is_ours {
            return Err(Error::Foreign { path: root.to_owned(), found });
        }
    }
    Ok(())
}
