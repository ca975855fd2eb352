//! Removing manifests that nothing names, when their time has come: those that a deletion left
//! alone, and untagged ones where a rule of the operator says so.
//!
//! Each is looked at again in the transaction that takes it away (I3, I6): a pull counts like a
//! push, and what its subject came for meanwhile follows that. A row that cannot be is told and
//! left, and holds nobody up.

use std::time::Duration;

use super::has_subject;
use crate::db::schema::{DOOMED, IMAGES, MANIFESTS, PULLS, UNTAGGED};
use crate::db::{SliceTimes, Span};
use crate::model::untagged::UntaggedRules;
use crate::model::{ImageId, ImageName, Manifest, ManifestId, Standing, Timestamp};
use crate::store::detached::Cause;
use crate::store::{Budget, Error, Store, Tx, View};

/// Where a scan of doomed or untagged manifests stands.
pub type UntaggedKey = (Timestamp, ManifestId);

/// What one slice of expiring did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Manifests that were taken away.
    pub manifests: u64,
    /// Rows that cannot be, as sentences; they stay.
    pub errors: Vec<String>,
    /// Where to go on; `None` when nothing that may go is left.
    pub next: Option<UntaggedKey>,
}

/// Repositories with what a rule may take away, each with its lifetime, and the name of the last
/// one that was looked at.
pub type UntaggedPage = (Vec<(ImageId, Duration)>, Option<ImageName>);

/// A manifest whose moment came, and when it was last of use.
struct Candidate {
    id: ManifestId,
    since: Timestamp,
}

impl Store {
    /// One slice of taking away manifests that lost what named them by a deletion, and whose
    /// upload link is over. `after` is where the slice before ended.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn expire_manifests_slice(
        &self,
        after: Option<UntaggedKey>,
        work: Duration,
        rows_max: u32,
    ) -> Result<(Expired, SliceTimes), Error> {
        self.slice(move |tx| {
            let span = after.map_or_else(Span::all, |after| Span::all().after(&after));
            let page = DOOMED.page(tx.txn, span, page_size(rows_max))?;
            let keys = page.into_iter().map(|(key, ())| key).collect();
            let link = tx.link_end.since(tx.now);
            let cause = Cause::policy("what named it was deleted".to_owned());
            expire(keys, tx.now, &Budget::new(work, rows_max), &|id, moment| {
                tx.expire_doomed(id, moment, link, &cause)
            })
        })
    }

    /// One slice of taking away untagged manifests of a repository that were of no use for
    /// `lifetime`, and at least for an upload link: that long, whoever was told of one may rely
    /// on it. `after` is where the slice before ended. Flush pulls before.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn expire_untagged_slice(
        &self,
        image: ImageId,
        lifetime: Duration,
        after: Option<UntaggedKey>,
        work: Duration,
        rows_max: u32,
    ) -> Result<(Expired, SliceTimes), Error> {
        let lifetime = lifetime.max(self.rules().upload_link);
        self.slice(move |tx| {
            let under = Span::under(&image);
            let span = match after {
                Some(after) => under.after(&(image, after)),
                None => under,
            };
            let page = UNTAGGED.page(tx.txn, span, page_size(rows_max))?;
            let keys = page.into_iter().map(|((_, key), ())| key).collect();
            let rule = format!("untagged for {} s", lifetime.as_secs());
            let cause = Cause::policy(rule);
            let over = tx.now.before(lifetime);
            expire(keys, over, &Budget::new(work, rows_max), &|id, since| {
                tx.expire_untagged(&Candidate { id, since }, over, &cause)
            })
        })
    }
}

/// One more than may be taken, which tells whether there is a next slice.
fn page_size(rows_max: u32) -> usize {
    usize::try_from(rows_max.max(1)).unwrap_or(usize::MAX).saturating_add(1)
}

impl View {
    /// The earliest moment at which a manifest may go that lost what named it.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn next_doomed(&self) -> Result<Option<Timestamp>, Error> {
        Ok(DOOMED.first(&self.snapshot, Span::all())?.map(|((until, _), ())| until))
    }

    /// The repositories behind `after` that have manifests which a rule may take away at `now`,
    /// with its lifetime; looks at no more than `limit`. The name is that of the last one looked
    /// at, for the next page.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn untagged_over(
        &self,
        rules: &UntaggedRules,
        now: Timestamp,
        after: Option<&ImageName>,
        limit: usize,
    ) -> Result<UntaggedPage, Error> {
        let span = after.map_or_else(Span::all, |after| Span::all().after(after));
        let page = IMAGES.page(&self.snapshot, span, limit)?;
        let last = page.last().map(|(name, _)| name.clone());
        let mut found = Vec::new();
        for (name, image) in page {
            let Some(lifetime) = rules.lifetime(&name) else { continue };
            let oldest = UNTAGGED.first(&self.snapshot, Span::under(&image.id))?;
            if oldest.is_some_and(|((_, (since, _)), ())| since <= now.before(lifetime)) {
                found.push((image.id, lifetime));
            }
        }
        Ok((found, last))
    }
}

type Remove<'a> = dyn Fn(ManifestId, Timestamp) -> Result<bool, Error> + 'a;

/// Takes those away of `keys`, in order of their moments, whose moment is not behind `over`.
fn expire(
    keys: Vec<UntaggedKey>,
    over: Timestamp,
    budget: &Budget,
    remove: &Remove,
) -> Result<Expired, Error> {
    let mut done = Expired::default();
    let mut last = None;
    for key in keys {
        if key.0 > over {
            return Ok(done);
        }
        if !budget.take() {
            done.next = last;
            return Ok(done);
        }
        last = Some(key);
        match remove(key.1, key.0) {
            Ok(is_gone) => done.manifests += u64::from(is_gone),
            Err(Error::Db(error @ crate::db::Error::Corrupt { .. })) => {
                done.errors.push(error.to_string());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// An index that is wrong about a manifest is no reason to take it away.
fn check_standing(
    table: &'static str,
    id: ManifestId,
    manifest: &Manifest,
    expected: Standing,
) -> Result<(), Error> {
    if manifest.standing == expected {
        return Ok(());
    }
    let what = format!("manifest {} is {:?} and not {expected:?}", id.0, manifest.standing);
    Err(crate::db::Error::Corrupt { table, what }.into())
}

impl Tx<'_, '_> {
    fn expire_doomed(
        &self,
        id: ManifestId,
        until: Timestamp,
        link: Duration,
        cause: &Cause,
    ) -> Result<bool, Error> {
        let Some(mut manifest) = MANIFESTS.get(self.txn, &id)? else {
            DOOMED.remove(self.txn, &(until, id))?;
            return Ok(false);
        };
        check_standing(DOOMED.name(), id, &manifest, Standing::Doomed { until })?;
        let pulled = self.pulled(id)?.after(link);
        let stays = if has_subject(self.txn, &manifest)? {
            Standing::Follows
        } else if pulled > self.now && pulled > until {
            Standing::Doomed { until: pulled }
        } else {
            return self.detach_manifest(id, cause).map(|()| true);
        };
        if !self.charge_owner(&mut manifest)? {
            return self.detach_manifest(id, cause).map(|()| true);
        }
        self.stand(id, &mut manifest, stays)?;
        MANIFESTS.put(self.txn, &id, &manifest)?;
        Ok(false)
    }

    fn expire_untagged(
        &self,
        Candidate { id, since }: &Candidate,
        over: Timestamp,
        cause: &Cause,
    ) -> Result<bool, Error> {
        let mut manifest = crate::store::tx::promised(&MANIFESTS, self.txn, id)?;
        check_standing(UNTAGGED.name(), *id, &manifest, Standing::Untagged { since: *since })?;
        let pulled = self.pulled(*id)?;
        let stays = if has_subject(self.txn, &manifest)? {
            Standing::Follows
        } else if pulled > over && pulled > *since {
            Standing::Untagged { since: pulled }
        } else {
            return self.detach_manifest(*id, cause).map(|()| true);
        };
        self.stand(*id, &mut manifest, stays)?;
        MANIFESTS.put(self.txn, id, &manifest)?;
        Ok(false)
    }

    /// When a manifest was last pulled, as far as it is noted.
    fn pulled(&self, id: ManifestId) -> Result<Timestamp, Error> {
        Ok(Timestamp(PULLS.get(self.txn, &id)?.unwrap_or_default()))
    }
}
