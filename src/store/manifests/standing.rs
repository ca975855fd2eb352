//! Changing why a manifest is there ([`Standing`]), with the indexes that follow from it and
//! with what its pusher is charged for (I2).

use super::has_subject;
use crate::db::schema::{DOOMED, MANIFESTS, UNTAGGED};
use crate::model::standing::LetGo;
use crate::model::{Manifest, ManifestId, Standing, UserName};
use crate::store::tx::promised;
use crate::store::{Error, Tx};

impl Tx<'_, '_> {
    /// One more tag or index names it.
    pub(in crate::store) fn hold_manifest(&self, id: ManifestId) -> Result<(), Error> {
        let mut manifest = promised(&MANIFESTS, self.txn, &id)?;
        let held = manifest.standing.hold();
        self.stand(id, &mut manifest, held)?;
        Ok(MANIFESTS.put(self.txn, &id, &manifest)?)
    }

    /// `times` tags or indexes less name it. The last one leaves what it is alone: it follows its
    /// subject if that is there.
    pub(in crate::store) fn release_manifest(
        &self,
        id: ManifestId,
        times: u64,
        why: LetGo,
    ) -> Result<(), Error> {
        let mut manifest = promised(&MANIFESTS, self.txn, &id)?;
        let after = if has_subject(self.txn, &manifest)? {
            Standing::Follows
        } else {
            Standing::alone(why, self.now, self.link_end)
        };
        let mut left = (0..times).fold(manifest.standing, |standing, _| standing.release(after));
        let stays = matches!(left, Standing::Untagged { .. } | Standing::Follows);
        if stays && !self.charge_owner(&mut manifest)? {
            left = Standing::Doomed { until: self.link_end };
        }
        self.stand(id, &mut manifest, left)?;
        Ok(MANIFESTS.put(self.txn, &id, &manifest)?)
    }

    /// What was pushed by digest, and what it is now that nothing names it: `payer` is charged
    /// for it, unless somebody is already.
    pub(super) fn stand_alone(
        &self,
        id: ManifestId,
        manifest: &mut Manifest,
        payer: Option<&UserName>,
    ) -> Result<(), Error> {
        let alone = if has_subject(self.txn, manifest)? {
            Standing::Follows
        } else {
            Standing::Untagged { since: self.now }
        };
        self.stand(id, manifest, alone)?;
        if let Some(payer) = payer.filter(|_| manifest.charged.is_empty()) {
            self.charge_user(payer.as_str(), manifest.total)?;
            payer.as_str().clone_into(&mut manifest.charged);
        }
        Ok(())
    }

    /// Lets a manifest stand so; whoever calls writes the record. What is held is charged to
    /// nobody.
    pub(in crate::store) fn stand(
        &self,
        id: ManifestId,
        manifest: &mut Manifest,
        standing: Standing,
    ) -> Result<(), Error> {
        self.unindex_standing(id, manifest)?;
        manifest.standing = standing;
        match standing {
            Standing::Untagged { since } => {
                UNTAGGED.put(self.txn, &(manifest.image, (since, id)), &())?;
            }
            Standing::Doomed { until } => DOOMED.put(self.txn, &(until, id), &())?,
            Standing::Held { .. } | Standing::Follows => {}
        }
        if standing.is_charged() { Ok(()) } else { self.uncharge_manifest(manifest) }
    }

    /// Takes a manifest out of the indexes of what nothing names.
    pub(super) fn unindex_standing(
        &self,
        id: ManifestId,
        manifest: &Manifest,
    ) -> Result<(), Error> {
        match manifest.standing {
            Standing::Untagged { since } => {
                UNTAGGED.remove(self.txn, &(manifest.image, (since, id)))?;
            }
            Standing::Doomed { until } => {
                DOOMED.remove(self.txn, &(until, id))?;
            }
            Standing::Held { .. } | Standing::Follows => {}
        }
        Ok(())
    }

    /// What nothing names and nobody is charged for is charged to the owner of the repository, if
    /// it is to stay: else any number of images could be pushed over one another. `false`: there
    /// is no room, so it is to go.
    pub(super) fn charge_owner(&self, manifest: &mut Manifest) -> Result<bool, Error> {
        if !manifest.charged.is_empty() {
            return Ok(true);
        }
        let Some(owner) = self.owner_of_image(manifest.image)? else { return Ok(true) };
        match self.charge_user(owner.as_str(), manifest.total) {
            Ok(()) => {}
            Err(Error::QuotaExceeded { .. }) => return Ok(false),
            Err(error) => return Err(error),
        }
        owner.as_str().clone_into(&mut manifest.charged);
        Ok(true)
    }

    /// Nobody is charged for it any more.
    pub(in crate::store) fn uncharge_manifest(&self, manifest: &mut Manifest) -> Result<(), Error> {
        let login = std::mem::take(&mut manifest.charged);
        self.uncharge_user(&login, manifest.total)
    }
}
