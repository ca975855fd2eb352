//! The walk over the manifests: their names, and the indexes that follow from what they are about
//! and from why they are there. What waits to be destroyed has no name and is in no index but
//! that of its subject.
//!
//! Deliberately absent: what an image comes to in all (`total`), which is what it was when it was
//! pushed, whatever was deleted from under it since.

use super::fix::Fix;
use super::image_fix::ImageFix;
use super::index::{IndexRow, sure};
use super::products::readable;
use super::{Halt, Pass};
use crate::db::schema::{MANIFEST_NAMES, MANIFESTS};
use crate::db::{Found, Span};
use crate::model::{ImageId, Manifest, ManifestId, Node, OciDigest, Standing};

impl Pass<'_, '_, '_> {
    pub(super) fn check_manifests(&mut self) -> Result<(), Halt> {
        for row in MANIFESTS.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row(id, manifest) => self.check_manifest(id, &manifest)?,
                Found::Unreadable { key, what } => {
                    self.found.unreadable(MANIFESTS.name(), &key, &what);
                }
            }
        }
        if MANIFEST_NAMES.count(self.rows)? != self.met.manifest_names {
            self.stray_names()?;
        }
        for (id, image, subject) in std::mem::take(&mut self.registry.alone) {
            if !self.registry.going.contains(&(image, subject)) {
                let path = self.name_of(Node::Manifest(id));
                let what = format!("{path} stays for {subject}, which is not there");
                self.found.differ(what, Fix::Image(ImageFix::Alone(id)));
            }
        }
        Ok(())
    }

    fn check_manifest(&mut self, id: ManifestId, manifest: &Manifest) -> Result<(), Halt> {
        self.found.recount.checked.manifests += 1;
        self.owe(&manifest.charged, manifest.total);
        let path = |it: &Self| it.name_of(Node::Manifest(id));
        let subject = manifest.subject();
        if let Some(of) = subject {
            let row = IndexRow::Referrer(manifest.image, of, id);
            self.want(row, |it| format!("{} is not listed as being about {of}", path(it)))?;
        }
        if !self.check_names(id, manifest)? {
            let names = manifest.names().map(|name| (manifest.image, name));
            self.registry.going.extend(names);
            return Ok(());
        }
        self.look_for_image(manifest.image)?;
        match manifest.standing {
            Standing::Untagged { since } => {
                let row = IndexRow::Untagged(manifest.image, since, id);
                self.want(row, |it| format!("{} is not listed as untagged", path(it)))?;
            }
            Standing::Doomed { until } => {
                let row = IndexRow::Doomed(until, id);
                self.want(row, |it| format!("{} is not listed as one that may go", path(it)))?;
            }
            Standing::Follows => self.check_follower(id, manifest.image, subject)?,
            Standing::Held { .. } => {}
        }
        if !manifest.charged.is_empty() && !manifest.standing.is_charged() {
            let (path, user) = (path(self), &manifest.charged);
            let what = format!("{path} is charged to {user}, although something names it");
            self.found.differ(what, Fix::Image(ImageFix::Uncharge(id)));
        }
        Ok(())
    }

    fn check_follower(
        &mut self,
        id: ManifestId,
        image: ImageId,
        subject: Option<OciDigest>,
    ) -> Result<(), Halt> {
        // What has no subject follows nothing; it is told with the digest that nothing has.
        let subject = subject.unwrap_or(OciDigest::Sha256(crate::model::Digest([0; 32])));
        if !MANIFEST_NAMES.has(self.rows, &(image, subject))? {
            self.registry.alone.push((id, image, subject));
        }
        Ok(())
    }

    /// Whether a manifest is in its repository, or should be.
    fn check_names(&mut self, id: ManifestId, manifest: &Manifest) -> Result<bool, Halt> {
        let is_waiting = self.waiting.contains(&Node::Manifest(id));
        let mut is_named = !is_waiting;
        for name in manifest.names() {
            let found = readable(MANIFEST_NAMES.get(self.rows, &(manifest.image, name)))?;
            match found {
                // It cannot be read, which is told behind this walk.
                None => {}
                Some(Some(found)) if found == id => {
                    self.met.manifest_names += 1;
                    if is_waiting {
                        let path = self.name_of(Node::Manifest(id));
                        self.found.damage(format!(
                            "{path} waits to be destroyed, although its name is there"
                        ));
                        is_named = true;
                    }
                }
                Some(_) if is_waiting => {}
                Some(None) => {
                    let path = self.name_of(Node::Manifest(id));
                    let what = format!("{path} cannot be found by its name {name}");
                    self.found.differ(what, Fix::Image(ImageFix::Name(id)));
                }
                Some(Some(other)) => {
                    let (path, other) = (self.name_of(Node::Manifest(id)), other.0);
                    let id = id.0;
                    self.found.damage(format!(
                        "manifest {id} and manifest {other} are both {path}; delete it and push \
                         it again"
                    ));
                }
            }
        }
        Ok(is_named)
    }

    /// Names that lead to nothing, or to something else.
    fn stray_names(&mut self) -> Result<(), Halt> {
        for row in MANIFEST_NAMES.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row((image, name), id) => {
                    let found = MANIFESTS.get(self.rows, &id).map(|found| {
                        found.is_some_and(|found| {
                            found.image == image && found.names().any(|own| own == name)
                        })
                    });
                    if !sure(found)? {
                        self.found.in_doubt = true;
                        let (path, id) = (self.path_of_image(image), id.0);
                        self.found.damage(format!(
                            "{path}manifests/{name} leads to manifest {id}, which is lost or \
                             another one; restore it from a backup"
                        ));
                    }
                }
                Found::Unreadable { key, what } => {
                    self.found.unreadable(MANIFEST_NAMES.name(), &key, &what);
                }
            }
        }
        Ok(())
    }

    /// `/v2/{name}/`
    pub(super) fn path_of_image(&self, image: ImageId) -> String {
        match self.image_name(image) {
            Ok(Some(name)) => format!("/v2/{name}/"),
            _ => "/v2/…/".to_owned(),
        }
    }
}
