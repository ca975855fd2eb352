//! Recounts the registry's links, ids, uploads and sums from the truth.

use super::{Audit, map, number};
use crate::db::schema::{
    BLOBS, IMAGE_BLOBS, IMAGE_LINKS, IMAGES, MANIFESTS, META, Meta, SHA512_OF, SHA512S,
    UPLOAD_AGES, UPLOADS,
};
use crate::model::Refs;

impl Audit {
    pub(super) fn image_links(&mut self) {
        self.links_of_blobs();
        self.image_ids();
        self.uploads();
        self.sha512();
    }

    /// What no manifest holds has its link in the index; what one holds is charged to nobody.
    fn links_of_blobs(&mut self) {
        let mut links = Vec::new();
        for (key, row) in self.rows(&IMAGE_BLOBS) {
            let blob = BLOBS.get(&self.snapshot, &key.1).unwrap();
            self.same(&format!("size of {key:?}"), Some(row.size), blob.map(|blob| blob.size));
            match row.refs {
                Refs::Held { .. } => {
                    self.same(&format!("charge of held {key:?}"), row.charged, String::new());
                }
                Refs::Free { until } => links.push(((until, key), ())),
            }
        }
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
}
