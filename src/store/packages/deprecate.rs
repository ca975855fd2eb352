//! What a publisher of npm says against a version: it is served on, and says so.
//!
//! Deliberately absent: other formats, which have no such word.

use crate::db::Pending;
use crate::db::schema::{PACKAGE_METAS, PACKAGES};
use crate::model::{PackageId, PackageMeta, PackageStatus};
use crate::store::{Error, Store};

use super::RuleError;
use super::series::Number;

/// Most packages that are changed in one transaction (I7): what is known of each, some ten
/// kilobytes, is written again.
pub const DEPRECATIONS_MAX: usize = 50;

impl Store {
    /// Says why nobody should use packages of npm, or takes it back, and tells how many changed.
    /// Those that are gone or on their way out, and others than npm's, are passed over; one that
    /// is hidden stays so.
    ///
    /// # Errors
    /// [`Error::PackageRule`] for more than [`DEPRECATIONS_MAX`], [`Error::Db`].
    pub fn deprecate_packages(
        &self,
        packages: Vec<(PackageId, Option<String>)>,
    ) -> Pending<usize, Error> {
        self.change(move |tx| {
            if packages.len() > DEPRECATIONS_MAX {
                return Err(RuleError::TooManyMarks(packages.len(), DEPRECATIONS_MAX).into());
            }
            let mut changed = 0;
            for (id, reason) in &packages {
                let Some(mut package) = PACKAGES.get(tx.txn, id)? else { continue };
                let known = PACKAGE_METAS.get(tx.txn, id)?;
                let Some(PackageMeta::Npm { manifest, deprecated }) = known else { continue };
                let is_going = package.status == PackageStatus::PendingDestruction;
                if is_going || deprecated == *reason {
                    continue;
                }
                package.status = match (package.status, reason) {
                    (PackageStatus::Default, Some(_)) => PackageStatus::Deprecated,
                    (PackageStatus::Deprecated, None) => PackageStatus::Default,
                    (status, _) => status,
                };
                let meta = PackageMeta::Npm { manifest, deprecated: reason.clone() };
                PACKAGE_METAS.put(tx.txn, id, &meta)?;
                tx.save_package(*id, &mut package, Number::Same)?;
                changed += 1;
            }
            Ok(changed)
        })
    }
}
