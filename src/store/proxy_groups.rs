//! How groups cache images of other registries, and how much is done at once about what goes
//! (spec gitlab §1.9, §1.13).
//!
//! Another upstream is another world: what was cached of the one before is purged in the
//! transaction that changes it, and what is still on its way from there is not taken in.
//! Deliberately absent: entries (`super::cached`), secrets in the clear (`proxy`).

use super::cached::purge;
use super::groups::known;
use super::{Error, Store, Tx, View};
use crate::db::schema::{META, Meta, PROXY_GROUPS, TTL_GROUPS};
use crate::db::{Pending, Rows, Span};
use crate::model::{
    GroupId, ProxyGroup, Role, Timestamp, TtlPolicy, Upstream, UpstreamCredentials,
};

/// Batches of entries that may be in work at once for each kind, unless somebody says otherwise.
pub const PROXY_CAPACITY: u64 = 2;

/// What becomes of a setting that need not be there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Wish<T> {
    /// It stays as it is.
    #[default]
    Keep,
    /// There is none any more.
    Unset,
    /// It is this from now on.
    Set(T),
}

/// What to change of how a group caches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyChange {
    /// Whether anything is served.
    pub enabled: Option<bool>,
    /// Which registry.
    pub upstream: Wish<Upstream>,
    /// With which credentials.
    pub credentials: Wish<UpstreamCredentials>,
    /// The lowest role that may change all this.
    pub admins: Option<Role>,
    /// Whether anything goes by its age.
    pub ttl_enabled: Option<bool>,
    /// Days since it was last served.
    pub ttl_days: Wish<u32>,
}

/// Groups with a policy, and the last group that was looked at if there may be more.
pub type TtlPage = (Vec<(GroupId, TtlPolicy)>, Option<GroupId>);

impl<T: Clone> Wish<T> {
    pub(super) fn apply(&self, to: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Unset => *to = None,
            Self::Set(value) => *to = Some(value.clone()),
        }
    }
}

impl ProxyChange {
    fn touches_ttl(&self) -> bool {
        self.ttl_enabled.is_some() || self.ttl_days != Wish::Keep
    }

    fn apply(&self, proxy: &mut ProxyGroup, now: Timestamp) {
        proxy.enabled = self.enabled.unwrap_or(proxy.enabled);
        proxy.admins = self.admins.unwrap_or(proxy.admins);
        self.upstream.apply(&mut proxy.upstream);
        self.credentials.apply(&mut proxy.credentials);
        if self.touches_ttl() {
            proxy.ttl.enabled = self.ttl_enabled.unwrap_or(proxy.ttl.enabled);
            self.ttl_days.apply(&mut proxy.ttl.days);
            proxy.ttl.created.get_or_insert(now);
            proxy.ttl.updated = Some(now);
        }
    }
}

impl Store {
    /// Changes how a group caches; tells how that is afterwards. What was cached of another
    /// upstream is purged with it. The answer may be [`Error::GroupUnknown`].
    pub fn change_proxy(&self, group: GroupId, change: ProxyChange) -> Pending<ProxyGroup, Error> {
        self.change(move |tx| {
            known(tx.txn, group)?;
            let before = record(tx.txn, group)?;
            let mut proxy = before.clone();
            change.apply(&mut proxy, tx.now);
            if !is_same_world(before.upstream.as_ref(), proxy.upstream.as_ref()) {
                proxy.purged = tx.purge(group)?;
            }
            PROXY_GROUPS.put(tx.txn, &group, &proxy)?;
            if proxy.ttl.enabled {
                TTL_GROUPS.put(tx.txn, &group, &())?;
            } else {
                TTL_GROUPS.remove(tx.txn, &group)?;
            }
            Ok(proxy)
        })
    }

    /// Sets how many batches of entries may be in work at once for each kind; 0: none.
    pub fn set_proxy_capacity(&self, batches: u64) -> Pending<(), Error> {
        self.change(move |tx| Ok(META.put(tx.txn, &Meta::PROXY_CAPACITY, &batches)?))
    }

    /// Notes that caches were looked through for what is too old.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn note_ttl_run(&self) -> Result<(), Error> {
        self.note_moment(Meta::LAST_TTL_RUN)
    }

    /// Notes that deleting entries was started by the clock.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn note_proxy_start(&self) -> Result<(), Error> {
        self.note_moment(Meta::LAST_PROXY_START)
    }

    fn note_moment(&self, which: Meta) -> Result<(), Error> {
        self.slice(move |tx| Ok(META.put(tx.txn, &which, &tx.now.0)?)).map(|((), _)| ())
    }
}

impl View {
    /// How a group caches.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn proxy_group(&self, group: GroupId) -> Result<ProxyGroup, Error> {
        record(&self.snapshot, group)
    }

    /// The groups behind `after` whose entries go by their age, at most `limit` looked at.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn ttl_groups(&self, after: Option<GroupId>, limit: usize) -> Result<TtlPage, Error> {
        let span = after.map_or_else(Span::all, |after| Span::all().after(&after));
        let page = TTL_GROUPS.page(&self.snapshot, span, limit)?;
        let last = page.last().map(|(group, ())| *group);
        let mut policies = Vec::new();
        for (group, ()) in page {
            policies.push((group, record(&self.snapshot, group)?.ttl));
        }
        policies.retain(|(_, ttl)| ttl.enabled);
        Ok((policies, last))
    }

    /// Whether entries go by their age in any group; costs the same for any number of them.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn has_ttl_groups(&self) -> Result<bool, Error> {
        Ok(TTL_GROUPS.has_any(&self.snapshot, Span::all())?)
    }

    /// How many batches of entries may be in work at once for each kind.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn proxy_capacity(&self) -> Result<u64, Error> {
        Ok(META.get(&self.snapshot, &Meta::PROXY_CAPACITY)?.unwrap_or(PROXY_CAPACITY))
    }

    /// When caches were last looked through for what is too old.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn last_ttl_run(&self) -> Result<Option<Timestamp>, Error> {
        Ok(META.get(&self.snapshot, &Meta::LAST_TTL_RUN)?.map(Timestamp))
    }

    /// When deleting entries was last started by the clock.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn last_proxy_start(&self) -> Result<Option<Timestamp>, Error> {
        Ok(META.get(&self.snapshot, &Meta::LAST_PROXY_START)?.map(Timestamp))
    }
}

impl Tx<'_, '_> {
    /// Sends all entries of a group away that there are: a number in its record. Tells the mark.
    pub(super) fn purge(&self, group: GroupId) -> Result<crate::model::CachedId, Error> {
        let mark = purge::last_given(self.txn)?;
        let mut proxy = record(self.txn, group)?;
        proxy.purged = mark;
        PROXY_GROUPS.put(self.txn, &group, &proxy)?;
        self.leave_to_sweeper(group, mark)?;
        Ok(mark)
    }
}

/// How a group caches, as it is or as it is where nobody ever changed it.
pub(super) fn record(rows: &impl Rows, group: GroupId) -> Result<ProxyGroup, Error> {
    Ok(PROXY_GROUPS.get(rows, &group)?.unwrap_or_default())
}

/// Whether two upstreams are the same as far as what they answer goes.
pub(crate) fn is_same_world(one: Option<&Upstream>, other: Option<&Upstream>) -> bool {
    let world = |upstream: &Upstream| {
        (upstream.url.clone(), upstream.has_library, upstream.certificates.clone())
    };
    one.map(world) == other.map(world)
}
