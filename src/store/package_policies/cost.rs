//! What plans give back, exactly: over the union of the blobs that only the doomed files hold.

use std::collections::HashMap;

use crate::db::schema::BLOBS;
use crate::model::package_plan::PackagePlan;
use crate::model::{BlobId, Place, Usage};
use crate::store::tx::promised;
use crate::store::{Error, View};

/// References to blobs that would go, as plan after plan is added.
#[derive(Clone, Debug, Default)]
pub struct Toll {
    blobs: HashMap<BlobId, u64>,
    named: Usage,
}

/// What would become free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct PackageCost {
    /// Files of packages that would go, and their logical bytes.
    pub named: Usage,
    /// Files of the disk that nothing would need any more.
    pub files: Usage,
    /// Rows of the database that nothing would need any more.
    pub inline: Usage,
}

impl Toll {
    /// Adds what a plan removes.
    pub fn add(&mut self, plan: &PackagePlan) {
        for file in &plan.doomed {
            *self.blobs.entry(file.blob).or_default() += 1;
        }
        self.named = self.named.plus(plan.usage());
    }

    /// Files that were added.
    #[must_use]
    pub fn files(&self) -> u64 {
        self.named.files
    }
}

impl View {
    /// What would become free if all that was added went, and nothing else.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn package_cost(&self, toll: &Toll) -> Result<PackageCost, Error> {
        let mut cost = PackageCost { named: toll.named, ..PackageCost::default() };
        for (id, count) in &toll.blobs {
            let blob = promised(&BLOBS, &self.snapshot, id)?;
            if blob.refs.count() == *count {
                let freed = match blob.place {
                    Place::Inline => &mut cost.inline,
                    Place::File(_) => &mut cost.files,
                };
                *freed = freed.plus(Usage::of(blob.size));
            }
        }
        Ok(cost)
    }
}
