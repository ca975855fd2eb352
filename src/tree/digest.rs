//! The digest of a job, bit for bit as dlrepo computes it (spec §7): publication between servers
//! compares it.

use std::ops::ControlFlow;

use sha2::{Digest as _, Sha256};

use crate::model::image::CONTAINER;
use crate::model::{Digest, Format, FormatName, Job, json};
use crate::store::{Error, View};

/// SHA-256 of the JSON object `{"<format>": "sha256:<of its list>", ".metadata": …}` over the
/// formats that are not internal; a container image stands there with its manifest's digest.
///
/// # Errors
/// [`Error::NotFound`] for an image without a manifest, and [`Error::Db`].
pub(super) fn of_job(
    view: &View,
    job: &Job,
    is_internal: impl Fn(&FormatName) -> bool,
) -> Result<Digest, Error> {
    let mut parts = vec![(".metadata".to_owned(), format!("sha256:{}", of_metadata(job)))];
    for (name, format) in view.formats(job.id)? {
        if is_internal(&name) {
            continue;
        }
        let digest = match name.as_str() {
            CONTAINER => of_container(view, &format)?,
            _ => format!("sha256:{}", of_format(view, &format)?),
        };
        parts.push((name.to_string(), digest));
    }
    parts.sort();
    let mut object = Object::new();
    for (name, digest) in parts {
        object.add(&name, &digest);
    }
    Ok(object.finish())
}

/// The digest of what the image's tag names, or, of files that were sent one by one, what the
/// path of a manifest says: `manifests/<algorithm>/<2 hex>/<hex>`.
fn of_container(view: &View, format: &Format) -> Result<String, Error> {
    if let Some(image) = view.container(format.id)? {
        return Ok(format!("sha256:{}", image.manifest.digest));
    }
    let mut found = None;
    view.each_file(format.id, |path, _| {
        let parts: Vec<_> = path.as_str().split('/').collect();
        if let ["manifests", algorithm, _, hex] = parts[..] {
            found = Some(format!("{algorithm}:{hex}"));
            return Ok(ControlFlow::Break(()));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    found.ok_or_else(|| Error::NotFound(format!("the manifest of the format {CONTAINER}")))
}

/// SHA-256 of a format's list of files: `{"<path>": "sha256:<hex>", …}`, sorted by path.
fn of_format(view: &View, format: &Format) -> Result<Digest, Error> {
    let mut object = Object::new();
    view.each_file(format.id, |path, file| {
        let blob = view.blob_of(&file)?;
        object.add(path.as_str(), &format!("sha256:{}", blob.digest));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(object.finish())
}

fn of_metadata(job: &Job) -> Digest {
    let mut object = Object::new();
    for (key, value) in &job.metadata {
        object.add(key, value);
    }
    object.finish()
}

/// A JSON object of strings, hashed as it is written: the list of a million files is never in
/// memory.
struct Object {
    hash: Sha256,
    separator: &'static str,
}

impl Object {
    fn new() -> Self {
        Self { hash: Sha256::new_with_prefix("{"), separator: "" }
    }

    fn add(&mut self, key: &str, value: &str) {
        for part in [self.separator, &json::text(key), ": ", &json::text(value)] {
            self.hash.update(part);
        }
        self.separator = ", ";
    }

    fn finish(mut self) -> Digest {
        self.hash.update("}");
        Digest(self.hash.finalize().into())
    }
}
