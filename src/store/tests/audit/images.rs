//! Recounts the registry's repositories, blobs, uploads and charges from the truth.

use std::collections::BTreeMap;

use super::{Audit, map, number};
use crate::db::Span;
use crate::db::schema::{
    BLOBS, CHARGES, IMAGE_BLOBS, IMAGE_LINKS, IMAGE_NAMES, IMAGE_TAGS, IMAGES, MANIFEST_NAMES,
    MANIFESTS, META, Meta, SHA512_OF, SHA512S, UPLOAD_AGES, UPLOADS,
};
use crate::model::{BlobId, ImageId, OciDigest, Referrer, Refs, Repo, Usage};

impl Audit {
    pub(super) fn images(&mut self) {
        self.image_names();
        self.image_blobs();
        self.image_ids();
        self.uploads();
        self.sha512();
        self.charges();
    }

    /// The registry's references: each repository's blobs, and each manifest's own bytes.
    pub(super) fn image_references(&self) -> Vec<(BlobId, Referrer)> {
        let blobs = self.rows(&IMAGE_BLOBS).into_iter();
        let manifests = self.rows(&MANIFESTS).into_iter();
        blobs
            .map(|((image, blob), _)| (blob, Referrer::Image(image)))
            .chain(manifests.map(|(id, manifest)| (manifest.blob, Referrer::Manifest(id))))
            .collect()
    }

    /// Each repository has a way back, something in it, and what is in it is in one.
    fn image_names(&mut self) {
        let images = self.rows(&IMAGES);
        let names = images.iter().map(|(name, image)| (image.id, name.clone())).collect();
        self.same("names of images", map(self.rows(&IMAGE_NAMES)), map(names));
        for (name, image) in &images {
            let rows = IMAGE_BLOBS.page(&self.snapshot, Span::under(&image.id), 1).unwrap().len()
                + MANIFEST_NAMES.page(&self.snapshot, Span::under(&image.id), 1).unwrap().len()
                + IMAGE_TAGS.page(&self.snapshot, Span::under(&image.id), 1).unwrap().len();
            self.same(&format!("something is in {name}"), rows > 0, true);
        }
        let within = self.rows(&IMAGE_BLOBS).into_iter().map(|((image, _), _)| image);
        let within = within.chain(self.rows(&IMAGE_TAGS).into_iter().map(|((at, _), _)| at));
        let pushed = self.rows(&MANIFEST_NAMES).into_iter().map(|((image, _), _)| image);
        for image in within.chain(pushed).collect::<Vec<_>>() {
            let is_there = IMAGE_NAMES.has(&self.snapshot, &image).unwrap();
            self.same(&format!("{image:?} is there"), is_there, true);
        }
    }

    /// Holds are the manifests of the repository, the others are links.
    fn image_blobs(&mut self) {
        let mut counts: BTreeMap<(ImageId, BlobId), u64> = BTreeMap::new();
        for (_, manifest) in self.rows(&MANIFESTS) {
            for blob in manifest.blobs {
                *counts.entry((manifest.image, blob)).or_default() += 1;
            }
        }
        let mut links = Vec::new();
        for (key, row) in self.rows(&IMAGE_BLOBS) {
            let counted = counts.remove(&key).unwrap_or_default();
            self.same(&format!("manifests that hold {key:?}"), row.refs.count(), counted);
            let blob = BLOBS.get(&self.snapshot, &key.1).unwrap();
            self.same(&format!("size of {key:?}"), Some(row.size), blob.map(|blob| blob.size));
            match row.refs {
                Refs::Held { count } => {
                    self.same(&format!("{key:?} is held by none"), count == 0, false);
                    self.same(&format!("charge of held {key:?}"), row.charged, String::new());
                }
                Refs::Free { until } => links.push(((until, key), ())),
            }
        }
        self.same("blobs that manifests lack", counts, BTreeMap::new());
        self.same("index of links", map(self.rows(&IMAGE_LINKS)), map(links));
    }

    fn image_ids(&mut self) {
        let next = META.get(&self.snapshot, &Meta::NEXT_IMAGE).unwrap().unwrap_or(1);
        let images = self.rows(&IMAGES).into_iter().map(|(_, image)| image.id.0);
        let manifests = self.rows(&MANIFESTS).into_iter().map(|(id, _)| id.0);
        let mut ids: Vec<_> = images.chain(manifests).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        self.same("ids of images and manifests", number(ids.len()), number(count));
        self.same("next image id", ids.last().is_some_and(|id| *id >= next), false);
    }

    fn uploads(&mut self) {
        let uploads = self.rows(&UPLOADS).into_iter();
        let ages = uploads.map(|(id, upload)| ((upload.touched, id), ())).collect();
        self.same("ages of uploads", map(self.rows(&UPLOAD_AGES)), map(ages));
    }

    fn sha512(&mut self) {
        let sums = self.rows(&SHA512S);
        for (_, blob) in &sums {
            let is_there = BLOBS.has(&self.snapshot, blob).unwrap();
            self.same(&format!("{blob:?}, which has a SHA-512, is there"), is_there, true);
        }
        let back = sums.into_iter().map(|(sum, blob)| (blob, sum)).collect();
        self.same("blobs with a SHA-512", map(self.rows(&SHA512_OF)), map(back));
    }

    /// Links, unfinished uploads, manifests that nothing holds, and tags without a place in the
    /// tree.
    fn charges(&mut self) {
        let mut charges = Charges::default();
        for (_, row) in self.rows(&IMAGE_BLOBS) {
            charges.add(&row.charged, Usage::of(row.size));
        }
        for (_, upload) in self.rows(&UPLOADS) {
            charges.add(&upload.by, Usage::of(upload.received));
        }
        for (id, manifest) in self.rows(&MANIFESTS) {
            let name = (manifest.image, OciDigest::from(manifest.digest));
            let is_named = MANIFEST_NAMES.get(&self.snapshot, &name).unwrap() == Some(id);
            if is_named && manifest.standing.is_charged() {
                charges.add(&manifest.charged, manifest.total);
            }
        }
        for ((image, _), tag) in self.rows(&IMAGE_TAGS) {
            let name = IMAGE_NAMES.get(&self.snapshot, &image).unwrap().unwrap();
            if let (None, Repo::User(user)) = (tag.format, name.repo()) {
                let manifest = MANIFESTS.get(&self.snapshot, &tag.manifest).unwrap().unwrap();
                charges.add(user.as_str(), manifest.total);
            }
        }
        let stored = self.rows(&CHARGES).into_iter();
        let stored = stored.map(|(user, usage)| (user.as_str().to_owned(), usage)).collect();
        self.same("charges", stored, charges.0);
    }
}

#[derive(Default)]
struct Charges(BTreeMap<String, Usage>);

impl Charges {
    fn add(&mut self, login: &str, usage: Usage) {
        if login.is_empty() || usage == Usage::default() {
            return;
        }
        let sum = self.0.entry(login.to_owned()).or_default();
        *sum = sum.plus(usage);
    }
}
