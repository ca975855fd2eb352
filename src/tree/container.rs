//! The upload of an image by a publishing server is declared finished: its files become a tag of
//! the registry (spec dlrepo §11, §12).
//!
//! The files are read first, with no transaction open (I7); what they name is brought in bounded
//! steps, and one transaction lets the format show the image, if the files are still those (I2).
//! Where the names of branch, job and tag are none that the registry can have, the files stay what
//! they are.

use std::io::Read;
use std::ops::ControlFlow;

use super::staged::{Ready, Staged};

use super::{Error, Source, Tree};
use crate::blobs;
use crate::model::manifest::MANIFEST_BYTES_MAX;
use crate::model::oci_manifest::OciManifestError;
use crate::model::{
    Digest, FilePath, Format, FormatPath, ImageName, ImageTagName, JobPath, Repo, Sha512, UserName,
};
use crate::store;
use crate::store::blobs::Content;
use crate::store::containers::Part;
use crate::store::image_blobs::BlobPush;
use crate::store::manifests::{Adoption, ManifestPush, Needed, STAGED_BLOBS_MAX, Wanted};

/// How often files that keep changing are looked at again.
const TRIES: u32 = 5;
/// Bytes that are read at once.
const CHUNK_BYTES: usize = 128 << 10;

/// What became of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adopted {
    /// They are an image of the registry now, and go.
    Image,
    /// They stay.
    Files,
}

impl Tree {
    /// Declares the upload of an image finished. Reads all its manifests, so it is for a thread
    /// that may wait.
    ///
    /// # Errors
    /// [`Error::NoImage`], [`Error::Store`] with the refusal, [`Error::Files`]; then the format
    /// is what it was.
    pub fn finish_container(
        &self,
        path: &FormatPath,
        by: Option<&UserName>,
    ) -> Result<Adopted, Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            let view = self.store.view()?;
            let format = view.format(path)?;
            let is_image = view.container(format.id)?.is_some();
            let is_locked = view.job(&path.job)?.locked;
            drop(view);
            let name = image_of(path).filter(|_| !is_image && !is_locked);
            let done = match name {
                Some(name) => self.adopt(path, format, name, by),
                None => self
                    .store
                    .finish_unchanged_format(path.clone(), format)
                    .wait()
                    .map_or_else(|error| Err(error.into()), |()| Ok(Adopted::Files)),
            };
            match done {
                Err(Error::Store(store::Error::Changed(_))) if tries < TRIES => {}
                done => return done,
            }
        }
    }

    fn adopt(
        &self,
        path: &FormatPath,
        base: Format,
        (image, tag): (ImageName, ImageTagName),
        by: Option<&UserName>,
    ) -> Result<Adopted, Error> {
        let staged = self.staged(path, &base)?;
        let blobs = staged.blobs();
        let sums = staged.sums();
        let no_image = |why| Error::NoImage { path: path.to_string(), why: Box::new(why) };
        let parts = staged.into_image().map_err(no_image)?;
        for (digest, sum) in sums {
            let content = Content::Stored(digest);
            // The format's files are charged for already.
            let (sha512, by) = (Some(sum), None);
            let push = BlobPush { image: image.clone(), content, sha512, by, upload: None };
            self.store.put_image_blob(push).wait()?;
        }
        for some in blobs.chunks(STAGED_BLOBS_MAX) {
            self.store.stage_blobs(image.clone(), some.to_vec()).wait()?;
        }
        let mut parts = parts.into_iter().map(|part| push_of(part, &image, by));
        let root = parts.next_back().ok_or_else(|| store::Error::Changed(path.to_string()))?;
        for part in parts {
            self.store.stage_manifest(part).wait()?;
        }
        let root = ManifestPush { tag: Some(tag), ..root };
        let adoption = Adoption { path: path.clone(), base, root };
        self.store.adopt_container(adoption).wait()?;
        Ok(Adopted::Image)
    }

    /// What was sent, read.
    fn staged(&self, path: &FormatPath, base: &Format) -> Result<Staged, Error> {
        let view = self.store.view()?;
        let mut files = Vec::new();
        view.each_file(base.id, |file, artifact| {
            files.push((file, view.blob_of(&artifact)?.digest));
            Ok(ControlFlow::Continue(()))
        })?;
        drop(view);
        let no_image = |why| Error::NoImage { path: path.to_string(), why: Box::new(why) };
        let mut staged = Staged::default();
        for (file, digest) in &files {
            match Part::of(file) {
                Some(Part::Manifest(_)) => {
                    let bytes = self.read_manifest(&path.clone().file(file.clone()), *digest)?;
                    staged.add_manifest(file, *digest, &bytes).map_err(no_image)?;
                }
                _ => staged.add_blob(file, *digest).map_err(no_image)?,
            }
        }
        if staged.needs_sums() {
            for (file, digest) in files {
                let sum = self.sha512_of(&path.clone().file(file))?;
                staged.add_sum(digest, sum);
            }
        }
        Ok(staged)
    }

    fn read_manifest(&self, path: &FilePath, digest: Digest) -> Result<Vec<u8>, Error> {
        let opened = self.open(path)?;
        if opened.file.blob.digest != digest {
            return Err(store::Error::Changed(path.to_string()).into());
        }
        let actual = usize::try_from(opened.file.blob.size).unwrap_or(usize::MAX);
        if actual > MANIFEST_BYTES_MAX {
            let source = OciManifestError::TooLarge { actual };
            let why = Box::new(super::NoImage::Manifest { digest, source });
            return Err(Error::NoImage { path: path.format.to_string(), why });
        }
        let mut bytes = Vec::new();
        each_chunk(path, opened.source, |chunk| bytes.extend_from_slice(chunk))?;
        Ok(bytes)
    }

    fn sha512_of(&self, path: &FilePath) -> Result<Sha512, Error> {
        use sha2::Digest as _;
        let mut hash = sha2::Sha512::new();
        each_chunk(path, self.open(path)?.source, |chunk| hash.update(chunk))?;
        Ok(Sha512(hash.finalize().into()))
    }
}

/// The names in the registry of what a format is to show, if they can be.
fn image_of(path: &FormatPath) -> Option<(ImageName, ImageTagName)> {
    let JobPath { tag, job } = &path.job;
    let owner = match &tag.branch.repo {
        Repo::Shared => String::new(),
        Repo::User(user) => format!("u/{user}/"),
    };
    let image = ImageName::parse(&format!("{owner}{}/{job}", tag.branch.branch)).ok()?;
    let tag = ImageTagName::parse(tag.tag.as_str()).ok()?;
    (image.format_of(&tag).as_ref() == Some(path)).then_some((image, tag))
}

fn push_of(part: Ready, image: &ImageName, by: Option<&UserName>) -> ManifestPush {
    let Ready { digest, sha512, said, blobs, children } = part;
    let wanted = |digest: Digest| Wanted { digest: digest.into(), needed: Needed::Yes };
    ManifestPush {
        image: image.clone(),
        tag: None,
        content: Content::Stored(digest),
        sha512,
        media_type: said.media_type,
        artifact_type: said.artifact_type,
        subject: said.subject,
        blobs: blobs.into_iter().map(wanted).collect(),
        children: children.into_iter().map(Into::into).collect(),
        by: by.cloned(),
    }
}

fn each_chunk(path: &FilePath, source: Source, mut take: impl FnMut(&[u8])) -> Result<(), Error> {
    let (mut file, _pin) = match source {
        Source::Inline(bytes) => {
            take(&bytes);
            return Ok(());
        }
        Source::File(file, pin) => (file, pin),
    };
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let failed = |source| blobs::Error::Io {
            action: "read",
            path: std::path::PathBuf::from(path.to_string()),
            source,
        };
        match file.read(&mut buffer).map_err(failed)? {
            0 => return Ok(()),
            length => take(buffer.get(..length).unwrap_or_default()),
        }
    }
}
