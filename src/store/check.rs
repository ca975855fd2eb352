//! The check: recounts what is derived from what is truth, over one snapshot, and repairs it.
//!
//! Defends I2 by looking. Truth is the names, the files, the blobs and their bytes; derived are
//! references and their counts, indexes, ways back, usage at every level and the totals. It
//! walks tables side by side and looks single rows up, so its memory does not grow with the
//! store (but for the lists of detached things and of users with charges); what no table is sorted
//! by is counted in rounds of bounded size. A repair corrects each difference in a
//! transaction of its own, while the store goes on serving, and then checks again.
//!
//! Where something that is truth cannot be read, nothing is taken away: any doubt keeps the data.
//! Deliberately absent: files on the disk (`crate::cleanup` adds them) and guesses at lost truth.

mod blobs;
mod cached;
mod cached_rows;
mod charges;
mod findings;
mod fix;
mod groups;
mod holders;
mod image_blobs;
mod image_fix;
mod image_tags;
mod images;
mod index;
mod manifests;
mod package_fix;
mod package_rows;
mod packages;
mod products;
mod projects;
mod publications;
mod repos;
mod share;
mod shift;
mod strays;
mod tree;
mod watch;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

pub use findings::{Checked, Difference, Outcome, Recount};
pub use share::{Position, Share};
pub use watch::{AGE_MAX, Progress, Watch};

use findings::{Findings, Planned};
use fix::{Erase, Fix};
use shift::{Counter, Holder, Shift, Total};
use watch::{Halt, Walk};

use super::{Error, Store, tree as names};
use crate::db::schema::{ARTIFACTS, BLOBS, DETACHED, REFS, TOTALS};
use crate::db::{self, Found, Snapshot, Span};
use crate::model::{
    FormatId, ImageId, ImageName, ManifestId, Node, OciDigest, RepoId, TagId, Timestamp, Totals,
    Usage, UserName,
};
use crate::stop::Stop;

/// Passes of a repair: what one pass could not keep in mind, the next one finds again.
const PASSES_MAX: u32 = 100;

/// Counters are moved by what a snapshot showed, so only one may do that at a time.
#[derive(Default)]
pub(super) struct RepairLock(Mutex<()>);

impl RepairLock {
    /// The lock guards no data, so a panic of another holder spoils nothing.
    fn lock(&self) -> MutexGuard<'_, ()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` while somebody else holds it.
    fn try_lock(&self) -> Option<MutexGuard<'_, ()>> {
        match self.0.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

impl Store {
    /// Recounts everything on one snapshot.
    ///
    /// # Errors
    /// [`Error::Db`] when the database fails; a row that cannot be read is a difference instead.
    pub fn check(&self, watch: &mut Watch) -> Result<Recount, Error> {
        Ok(self.pass(watch)?.recount)
    }

    /// Checks, repairs what can be repaired, and checks again until nothing more can be. The
    /// store may serve meanwhile. The answer tells what was repaired and what is left.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn repair(&self, watch: &mut Watch) -> Result<Recount, Error> {
        let _only_one = self.shared.repairing.lock();
        let mut pass = self.pass(watch)?;
        for _ in 0..PASSES_MAX {
            if pass.recount.aborted.is_some() || !self.apply_all(&mut pass, watch)? {
                break;
            }
            let earlier = std::mem::take(&mut pass.recount);
            pass = self.pass(watch)?;
            pass.recount.follow(earlier);
        }
        Ok(pass.recount)
    }

    /// For tests: nothing when the rows are as they must be, otherwise what is not.
    ///
    /// # Errors
    /// The differences, or why there is no answer, as text.
    pub fn verify(&self) -> Result<(), String> {
        let (stop, progress) = (Stop::new(), &mut |_| ());
        let mut watch = Watch { stop: &stop, age_max: Duration::MAX, progress };
        let found = self.check(&mut watch).map_err(|error| error.to_string())?;
        if found.is_clean() { Ok(()) } else { Err(found.to_string()) }
    }

    fn pass(&self, watch: &mut Watch) -> Result<Findings, Error> {
        let snapshot = self.shared.db.snapshot()?;
        let clock = std::sync::Arc::clone(&self.shared.clock);
        let mut pass = Pass::new(&snapshot, Walk::new(watch, clock, u64::MAX));
        match pass.run() {
            Ok(()) => {}
            Err(Halt::Ended(why)) => pass.found.recount.aborted = Some(why),
            Err(Halt::Db(error)) => return Err(error.into()),
        }
        Ok(pass.found)
    }

    /// Makes the fixes of a pass, each in its own slice; tells whether any changed anything.
    fn apply_all(&self, pass: &mut Findings, watch: &mut Watch) -> Result<bool, Error> {
        let mut fixes = std::mem::take(&mut pass.adding);
        let adding = fixes.len();
        fixes.append(&mut pass.counters);
        if !pass.in_doubt {
            fixes.append(&mut pass.lowering);
        }
        let of = u64::try_from(fixes.len()).unwrap_or(u64::MAX);
        let mut changed = false;
        for (done, (index, planned)) in (0..).zip(fixes.into_iter().enumerate()) {
            (watch.progress)(Progress { stage: "repair", done, of });
            if watch.stop.is_requested() {
                pass.recount.aborted = Some("it was asked to stop".into());
                break;
            }
            let lowers = matches!(planned.1.phase(), fix::Phase::Lowering);
            if lowers && pass.in_doubt {
                break;
            }
            let corrected = self.apply(&mut pass.recount, planned)?;
            changed |= corrected;
            pass.in_doubt |= index < adding && !corrected;
        }
        Ok(changed)
    }

    fn apply(&self, recount: &mut Recount, (at, fix): Planned) -> Result<bool, Error> {
        match self.slice(move |tx| fix.apply(tx)) {
            Ok((fixed, _)) => {
                if fixed {
                    recount.mark_repaired(at);
                }
                Ok(fixed)
            }
            // A row that this fix needs cannot be read, which is a difference of its own.
            Err(Error::Db(db::Error::Corrupt { .. })) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// One walk over one snapshot.
struct Pass<'a, 'w, 'p> {
    rows: &'a Snapshot,
    walk: Walk<'w, 'p>,
    found: Findings,
    /// The roots of what is detached.
    waiting: HashSet<Node>,
    /// Containers whose way back is missing or wrong; the walk from the names found them.
    misnamed: HashSet<Node>,
    /// Repositories whose way back to their user is missing or wrong.
    unowned: HashSet<RepoId>,
    /// Rows that were met on the way, to tell whether any were not.
    met: Met,
    /// What was met of the registry and matters later.
    registry: Registry,
    /// The totals as they are counted.
    counted: Totals,
    /// The path of where the walk is.
    path: String,
}

/// Rows of derived tables that have their counterpart: when there are as many in all, every row
/// has one.
#[derive(Default)]
struct Met {
    branches: u64,
    owners: u64,
    digests: u64,
    references: u64,
    ways: u64,
    ages: u64,
    image_references: u64,
    manifest_references: u64,
    manifest_names: u64,
    /// Packages that have a name.
    packages: u64,
    /// Rows of the registry's indexes, by the name of their table.
    index: HashMap<&'static str, u64>,
}

/// What the walks over the registry leave for one another.
#[derive(Default)]
struct Registry {
    /// Formats whose way to the tag that they show is missing or wrong, with their usage.
    unshown: HashMap<FormatId, Usage>,
    /// Whether those were looked for.
    has_unshown: bool,
    /// Repositories whose way back to their name is missing or wrong.
    unnamed: HashMap<ImageId, ImageName>,
    /// Repositories that were looked for in vain and told of.
    lost: HashSet<ImageId>,
    /// The repository that was looked for last.
    last: Option<ImageId>,
    /// Names of manifests that are being destroyed.
    going: HashSet<(ImageId, OciDigest)>,
    /// Manifests that follow something that has no name.
    alone: Vec<(ManifestId, ImageId, OciDigest)>,
    /// Places in the order of age of what is being destroyed.
    fading: HashSet<(ImageId, (Timestamp, TagId))>,
    /// What each user is charged for.
    charges: BTreeMap<UserName, Usage>,
}

impl<'a, 'w, 'p> Pass<'a, 'w, 'p> {
    fn new(rows: &'a Snapshot, walk: Walk<'w, 'p>) -> Self {
        Self {
            rows,
            walk,
            found: Findings::default(),
            waiting: HashSet::new(),
            misnamed: HashSet::new(),
            unowned: HashSet::new(),
            met: Met::default(),
            registry: Registry::default(),
            counted: Totals::default(),
            path: String::new(),
        }
    }

    fn run(&mut self) -> Result<(), Halt> {
        self.read_queue()?;
        self.find_unshown()?;
        self.walk.begin("files", ARTIFACTS.count(self.rows)?)?;
        self.check_tree()?;
        let of = BLOBS.count(self.rows)?.saturating_add(REFS.count(self.rows)?);
        self.walk.begin("blobs", of)?;
        self.check_blobs()?;
        self.walk.begin("indexes", 0)?;
        self.check_strays()?;
        self.check_publications()?;
        self.check_products()?;
        self.check_groups()?;
        self.check_projects()?;
        self.check_registry()?;
        self.check_cached()?;
        self.check_packages()?;
        self.check_totals()
    }

    fn read_queue(&mut self) -> Result<(), Halt> {
        for row in DETACHED.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            if let Found::Row((_, id), entry) = row?
                && !self.waiting.insert(entry.node)
            {
                let (path, id) = (entry.path, id.0);
                self.found.damage(format!("{path} waits twice to be destroyed (entry {id})"));
            }
        }
        Ok(())
    }

    fn check_totals(&mut self) -> Result<(), Halt> {
        let found = match TOTALS.get(self.rows, &()) {
            Err(db::Error::Corrupt { what, .. }) => {
                let erase: Erase = |txn, key| TOTALS.remove_unreadable(txn, key);
                self.broken(TOTALS.name(), Vec::new(), &what, erase);
                return Ok(());
            }
            found => found?.unwrap_or_default(),
        };
        for (total, name) in Total::ALL {
            let shift = Shift { found: total.get(&found), counted: total.get(&self.counted) };
            self.compare(&format!("the number of {name}"), shift, Holder::Total(total));
        }
        Ok(())
    }

    /// Compares a usage with what was counted.
    fn compare(&mut self, whose: &str, shift: Shift<Usage>, holder: Holder) {
        let Shift { found, counted } = shift;
        if found == counted {
            return;
        }
        let what = format!(
            "{whose} is kept as {} with {} bytes, but {} with {} bytes were counted",
            found.files, found.bytes, counted.files, counted.bytes
        );
        self.drift(what, holder, Counter::Usage(shift));
    }

    /// Notes a counter that is wrong; where a row could not be read, it may be right.
    fn drift(&mut self, what: String, holder: Holder, counter: Counter) {
        if self.found.in_doubt {
            return self.found.damage(what);
        }
        self.found.differ(what, Fix::Counter(holder, counter));
    }

    /// Notes a row of a derived table that cannot be read.
    fn broken(&mut self, table: &str, key: Vec<u8>, what: &str, erase: Erase) {
        let name = crate::model::digest::hex(&key);
        let what = format!("table {table} holds a row that cannot be read (key {name}: {what})");
        self.found.differ(what, Fix::Unreadable(erase, key));
    }

    /// The path of a container, or what is known of it.
    fn name_of(&self, node: Node) -> String {
        names::path_of(self.rows, node).unwrap_or_else(|_| format!("{node:?}, which has no path, "))
    }
}
