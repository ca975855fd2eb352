//! Floor 2: what the rows mean. One public function is one transaction is one decision.
//!
//! Names, reference counts, flags and counters change together here, so collecting is a scan of
//! the free ones (I2, I3). A name is resolved in the transaction that writes (I6, I9).
//! Deliberately absent: files (a caller places bytes before it tells the store, I1), HTTP, and
//! anything that takes more than one transaction.

pub mod accounts;
pub mod artifacts;
pub mod behalf;
pub mod blobs;
pub mod branches;
pub mod cached;
mod cached_shown;
mod charges;
pub mod check;
pub mod containers;
pub mod contents;
pub mod deploy_tokens;
pub mod detached;
mod files;
pub mod formats;
pub mod garbage;
pub mod governed;
pub mod groups;
pub mod image_blobs;
pub mod image_links;
pub mod image_tags;
pub mod images;
pub mod jobs;
pub mod lapsed;
mod links;
pub mod listed;
mod loss;
pub mod manifests;
pub mod members;
pub mod package_lists;
pub mod package_policies;
pub mod packages;
pub mod policies;
pub mod possessions;
pub mod products;
pub mod projects;
pub mod proxy_groups;
pub mod publications;
mod pulls;
pub mod quota;
pub mod reading;
mod referrers;
pub mod repos;
pub mod rework;
pub mod runs;
pub mod signing_keys;
pub mod tags;
pub mod tokens;
mod tree;
mod tx;
pub mod uploads;
pub mod user_numbers;
pub mod view;
pub mod why;

#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;
use std::time::Duration;

use crate::blobs::Pins;
use crate::clock::Clock;
use crate::db::{self, Db, Pending};
use crate::model::UserName;
use crate::model::human::human;
use crate::model::token::TOKEN_NAME_LENGTH_MAX;

pub use tx::Budget;
pub(crate) use tx::Tx;
pub use view::View;

/// A promise made from a snapshot is kept although a release was queued a moment earlier: leases
/// above zero are this much longer than they say.
const LEASE_SLACK: Duration = Duration::from_secs(1);

/// Why the store did not do what it was asked for.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The database failed, or holds a row that cannot be.
    #[error(transparent)]
    Db(#[from] db::Error),
    /// There is no such thing; the text is its path.
    #[error("{0} does not exist")]
    NotFound(String),
    /// No blob has this digest; send the bytes.
    #[error("no content with digest {0} is stored here, upload it")]
    BlobUnknown(crate::model::Digest),
    /// The path is a folder of other files.
    #[error("{0} is a folder: files lie below it")]
    IsFolder(String),
    /// A part of the path is a file.
    #[error("{0} is a file, nothing can lie below it")]
    IsFile(String),
    /// The tag may not be deleted.
    #[error("Tag {0} is locked")]
    TagLocked(String),
    /// The tag may not be deleted.
    #[error("Tag {0} is released, unrelease it first")]
    TagReleased(String),
    /// The branch has locked or released tags, see its tags for which.
    #[error("{0} has locked or released tags")]
    BranchProtected(String),
    /// Metadata and flags of a locked job stay.
    #[error("Job is locked")]
    JobLocked,
    /// Files of a locked job stay.
    #[error("Cannot upload files in locked jobs")]
    UploadToLockedJob,
    /// Formats of a locked job stay.
    #[error("Cannot delete format: job is locked")]
    FormatOfLockedJob,
    /// A job's keys and values are bounded; nothing was changed.
    #[error(
        "the metadata would have {keys} keys and {bytes} bytes, a job may have {} and {}: keep \
         large texts in a file",
        jobs::METADATA_KEYS_MAX,
        jobs::METADATA_BYTES_MAX
    )]
    MetadataTooLarge {
        /// How many keys it came to.
        keys: usize,
        /// Bytes of all keys and values.
        bytes: usize,
    },
    /// A job with formats that are being uploaded cannot be locked.
    #[error("Job has dirty formats")]
    DirtyFormats,
    /// The file does not fit into the user's repository. The words are dlrepo's (spec §13).
    #[error(
        "User {user} quota exceeded ({}/{}). Please make some ménage.",
        human(*used_bytes),
        human(*quota_bytes)
    )]
    QuotaExceeded {
        /// Whose repository it is.
        user: crate::model::UserName,
        /// Logical bytes in it, and those that are being uploaded beside.
        used_bytes: u64,
        /// What it may hold.
        quota_bytes: u64,
    },
    /// The metadata asks for a version that no job can feed.
    #[error(transparent)]
    Version(#[from] crate::model::VersionError),
    /// A version has each format from one job only.
    #[error("format {format} of {version} comes from {job} already: use another name for it")]
    FormatConflict {
        /// The format's name.
        format: crate::model::FormatName,
        /// The path of the version.
        version: String,
        /// The path of the job that has it.
        job: String,
    },
    /// A manifest names a config or a layer that its repository does not have.
    #[error("{0} is not in this repository, upload or mount it first")]
    ManifestBlobUnknown(crate::model::OciDigest),
    /// A manifest names another that its repository does not have.
    #[error("manifest {0} is not in this repository, push it first")]
    ManifestUnknown(crate::model::OciDigest),
    /// A manifest names too much.
    #[error("the manifest comes to {found} {what}, {most} are possible")]
    ManifestTooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much.
        found: u64,
        /// How much may be.
        most: u64,
    },
    /// The artifact tree has lower-case tags only, and shows another tag under this name.
    #[error("tag {tag} is {other} in the artifact tree, which is taken: use that or another name")]
    TagTaken {
        /// The tag.
        tag: crate::model::ImageTagName,
        /// The one that has its place in the tree.
        other: String,
    },
    /// The repository's name is that of a product's branch.
    #[error("{0} is a product, which is pulled by this name: push to another repository")]
    ProductTaken(String),
    /// The format shows an image of the registry. The words are dlrepo's (spec §9).
    #[error("Uploading container images must be done with docker push")]
    IsImage,
    /// Something changed since it was looked at; look again.
    #[error("{0} was changed at the same time, try again")]
    Changed(String),
    /// The login is taken.
    #[error("there is an account {0} already; `larder user passwd` gives it another password")]
    AccountExists(UserName),
    /// There is no such local account.
    #[error("there is no account {0} here; `larder user list` shows those there are")]
    AccountUnknown(UserName),
    /// Somebody must be able to do everything.
    #[error("{0} is the only administrator; make another with `larder user add --admin` first")]
    LastAdmin(UserName),
    /// A manifest of the repository names the blob.
    #[error("{0} is a part of an image in this repository, delete the image first")]
    BlobInUse(crate::model::OciDigest),
    /// Too short or too long.
    #[error("the name of a token has 1 to {TOKEN_NAME_LENGTH_MAX} bytes")]
    TokenName,
    /// The name is taken; the text is the full path.
    #[error("there is a group {0} already, use another path")]
    GroupExists(String),
    /// There is no such group, or no more; the text is its full path or its number.
    #[error("there is no group {0}; `larder group list` shows those there are")]
    GroupUnknown(String),
    /// More would have to be looked at than one answer may.
    #[error(
        "the list is too long to be put into this order or looked through: ask for one project, \
         for one kind or name, or in the order of created_at"
    )]
    ListTooLong,
    /// A group cannot have this path.
    #[error(transparent)]
    GroupName(#[from] crate::model::GroupNameError),
    /// Too short or too long.
    #[error(
        "the name of a group or a project has 1 to {} bytes, its description up to {}",
        governed::TITLE_LENGTH_MAX,
        governed::DESCRIPTION_LENGTH_MAX
    )]
    GovernedText,
    /// The name is taken by a project or a group; the text is the full path.
    #[error("there is a project or a group {0} already, use another path")]
    ProjectExists(String),
    /// There is no such project, or no more; the text is its full path or its number.
    #[error("there is no project {0}; `larder project list` shows those there are")]
    ProjectUnknown(String),
    /// More people would see the project than the group that it is in.
    #[error("{visibility} is not allowed in a {group} group, make the group {visibility} first")]
    ProjectTooVisible {
        /// What the project is to be.
        visibility: crate::model::Visibility,
        /// What its group is, together with those above.
        group: crate::model::Visibility,
    },
    /// Somebody is a member already.
    #[error("{0} is a member of this group already, change that instead")]
    MemberExists(crate::model::MemberName),
    /// Somebody is no member of the group itself.
    #[error("{0} is not a direct member of this group, add them first")]
    MemberUnknown(crate::model::MemberName),
    /// Somebody must be able to do everything.
    #[error("{0} is the only owner here, make somebody else an owner first")]
    LastOwner(UserName),
    /// No group of a directory or an account has this name.
    #[error(
        "the name of a team has 1 to {} bytes, none of them a control character",
        members::TEAM_NAME_LENGTH_MAX
    )]
    TeamName,
    /// Something about a deploy token is empty, too long or not in the grammar.
    #[error(
        "a deploy token has a name and a login of 1 to {} bytes (a login of A-Z, a-z, 0-9, _ . + \
         and -) and one scope at least",
        crate::model::deploy_token::DEPLOY_TOKEN_NAME_LENGTH_MAX
    )]
    DeployTokenText,
    /// There is no such package, or it is on its way out; the text is its number.
    #[error("there is no package {0}, it may have been deleted meanwhile")]
    PackageUnknown(String),
    /// The version is published, and its format lets nobody publish it again.
    #[error("{0} was published already: raise the version")]
    PackageExists(String),
    /// The file is published, and its format lets nobody publish it again.
    #[error("{0} was published already: raise the version")]
    PackageFileExists(String),
    /// The file is published, and the group's settings let nobody publish it again.
    #[error(
        "{0} was published already, and the group allows no duplicates: raise the version, or \
         change the group's package settings"
    )]
    DuplicateNotAllowed(String),
    /// A rule of the project lets only higher roles do that.
    #[error("package {0} is protected: ask somebody with a higher role in the project")]
    PackageProtected(String),
    /// The name is that of another package but for its case.
    #[error("there is a package {other} already, {name} differs from it in its case only")]
    PackageNameTaken {
        /// What was to be published.
        name: String,
        /// What there is.
        other: String,
    },
    /// What whoever asked came in with is worth nothing any more.
    #[error(
        "the token or the account that this was begun with was revoked, changed or has expired \
         meanwhile, so nothing was changed: log in again"
    )]
    CredentialsEnded,
    /// Whoever asked may not any more.
    #[error(
        "your role in the project was taken meanwhile, so nothing was changed: ask for one that \
         may publish"
    )]
    RoleEnded,
    /// Settings or a rule that cannot be kept.
    #[error(transparent)]
    PackageRule(#[from] packages::RuleError),
}

impl Error {
    /// Whether it is known that nothing was changed. Otherwise files stay, and the next start
    /// decides by the rows (I1).
    #[must_use]
    pub fn is_outcome_known(&self) -> bool {
        !matches!(self, Self::Db(db::Error::OutcomeUnknown(_)))
    }
}

/// What the store is told once.
#[derive(Clone)]
pub struct Rules {
    /// How long a blob stays after its last reference went or somebody was promised it (I3).
    pub lease: Duration,
    /// Formats whose name this matches at its start are internal (spec dlrepo §8).
    pub internal_formats: Option<crate::model::NamePattern>,
    /// Logical bytes that a user's repository may hold unless its record says otherwise; `None`:
    /// no limit.
    pub user_quota: Option<u64>,
    /// How long the registry keeps for a repository what no manifest names yet, or any more.
    pub upload_link: Duration,
}

/// [`Rules::upload_link`] unless the operator says otherwise.
pub const UPLOAD_LINK: Duration = Duration::from_secs(24 * 3600);

/// The store. Clones share everything.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    /// For whom it changes anything; `None`: for the house.
    behalf: Option<Arc<behalf::Behalf>>,
}

struct Shared {
    db: Db,
    pins: Pins,
    clock: Arc<dyn Clock>,
    rules: Rules,
    repairing: check::RepairLock,
    reservations: quota::Reservations,
    pulls: pulls::Pulls,
    cached_reads: cached::reads::Reads,
    package_downloads: packages::Downloads,
}

impl Store {
    /// A store over an open database.
    #[must_use]
    pub fn new(db: Db, pins: Pins, clock: Arc<dyn Clock>, rules: Rules) -> Self {
        Self {
            behalf: None,
            shared: Arc::new(Shared {
                db,
                pins,
                clock,
                rules,
                repairing: check::RepairLock::default(),
                reservations: quota::Reservations::default(),
                pulls: pulls::Pulls::default(),
                cached_reads: cached::reads::Reads::default(),
                package_downloads: packages::Downloads::default(),
            }),
        }
    }

    /// Everything as of the last commit; never waits (I8).
    ///
    /// # Errors
    /// [`Error::Db`] while the database is not available.
    pub fn view(&self) -> Result<View, Error> {
        Ok(View::new(self.shared.db.snapshot()?, self.shared.clock.now()))
    }

    /// The database, for its own figures.
    #[must_use]
    pub fn db(&self) -> &Db {
        &self.shared.db
    }

    /// Which blobs are being read.
    #[must_use]
    pub fn pins(&self) -> &Pins {
        &self.shared.pins
    }

    /// The clock that leases are measured with.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.shared.clock
    }

    /// What the store was told.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.shared.rules
    }

    /// Whether a format of this name is internal: neither locked with its job nor published.
    #[must_use]
    pub fn is_internal(&self, format: &crate::model::FormatName) -> bool {
        let filter = self.shared.rules.internal_formats.as_ref();
        filter.is_some_and(|filter| filter.matches(format.as_str()))
    }

    /// One transaction for a request.
    fn change<T: Send + 'static>(
        &self,
        change: impl Fn(&Tx) -> Result<T, Error> + Send + 'static,
    ) -> Pending<T, Error> {
        let (moment, behalf) = (self.moment(), self.behalf.clone());
        self.shared.db.write(move |txn| Tx::run(txn, moment, behalf.as_deref(), &change))
    }

    /// The same store for the house itself.
    fn of_house(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), behalf: None }
    }

    /// One transaction for background work.
    fn slice<T: Send + 'static>(
        &self,
        change: impl Fn(&Tx) -> Result<T, Error> + Send + 'static,
    ) -> Result<(T, db::SliceTimes), Error> {
        let moment = self.moment();
        self.shared.db.slice(move |txn| Tx::run(txn, moment, None, &change))
    }

    fn moment(&self) -> tx::Moment {
        let now = self.shared.clock.now();
        let Rules { lease, upload_link, user_quota, .. } = self.shared.rules;
        let end = |time: Duration| {
            let slack = if time.is_zero() { time } else { LEASE_SLACK };
            now.after(time).after(slack)
        };
        tx::Moment { now, lease_end: end(lease), link_end: end(upload_link), user_quota }
    }
}
