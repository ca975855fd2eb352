//! What a command left becomes the format's content: hashed, placed, and swapped in at once.
//!
//! A first walk looks for the first difference, for a command that only looks at its files
//! changes nothing. A second one takes every file in, batch by batch, into a rework that no name
//! leads to; known content is pinned until it is held, other content is placed as an upload is
//! (I1, I4). Memory does not grow with the format.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use rustix::fs::{Mode, OFlags};

use super::folder::Folder;
use super::{Failed, PostProcess, Problem};
use crate::blobs::hash::{Hasher, hash_bytes};
use crate::blobs::{Pin, Placed};
use crate::model::{ArtifactPath, BlobId, Digest, Format, FormatPath, Timestamp};
use crate::store;
use crate::store::blobs::{Arrival, Body, Content};
use crate::store::detached::Cause;
use crate::store::rework::{Rework, Reworked};
use crate::tree::Tree;

/// Files of one batch, and most bytes of theirs, but for the last one: what is small is in memory,
/// and what is large takes its time, in which the rework is not to be taken for abandoned.
const BATCH_FILES: usize = 500;
const BATCH_BYTES: u64 = 4 << 20;
/// Bytes that are read at once.
const CHUNK_BYTES: usize = 128 << 10;

impl Tree {
    /// Lets the files in `folder` be those of the format, which is `base`.
    pub(super) fn take_over(
        &self,
        post: &PostProcess,
        path: &FormatPath,
        base: Format,
        cause: Cause,
        folder: &Folder,
    ) -> Result<(), Problem> {
        if self.is_same(post, &base, folder)? {
            self.store.finish_unchanged_format(path.clone(), base).wait()?;
            return Ok(());
        }
        let id = base.id;
        let mut rework = self.store.begin_rework(path.clone(), base, cause)?;
        let result = self.gather(post, id, folder, &mut rework);
        if let Err(problem) = result {
            // If this fails too, its lease ends it.
            let _ = self.store.drop_rework(rework).wait();
            return Err(problem);
        }
        match self.store.swap_rework(rework.clone()).wait() {
            Err(error) if !matches!(error, store::Error::Db(_)) => {
                let _ = self.store.drop_rework(rework).wait();
                Err(error.into())
            }
            result => Ok(result?),
        }
    }

    /// Whether the folder holds exactly the files of the format.
    fn is_same(&self, post: &PostProcess, base: &Format, folder: &Folder) -> Result<bool, Problem> {
        let mut files = 0;
        for found in Walk::new(folder.path()) {
            let (path, at) = found?;
            let Some(old) = self.store.view()?.file_of(base.id, &path)? else { return Ok(false) };
            let mut file = open(&at)?;
            let metadata = file.metadata().map_err(Failed::io("look at", &at))?;
            if metadata.len() != old.blob.size
                || digest_of(post, &at, &mut file)? != old.blob.digest
            {
                return Ok(false);
            }
            files += 1;
        }
        Ok(files == base.usage.files)
    }

    fn gather(
        &self,
        post: &PostProcess,
        base: crate::model::FormatId,
        folder: &Folder,
        rework: &mut Rework,
    ) -> Result<(), Problem> {
        let mut batch = Batch::default();
        for found in Walk::new(folder.path()) {
            let (path, at) = found?;
            let bytes = self.bytes_of(post, &at)?;
            let old = self.store.view()?.file_of(base, &path)?;
            let uploaded = old.filter(|old| old.blob.digest == bytes.digest());
            batch.add(path, bytes, uploaded.map(|old| old.artifact.uploaded));
            if batch.is_full() {
                self.commit(post, rework, std::mem::take(&mut batch))?;
            }
        }
        self.commit(post, rework, batch)
    }

    /// The bytes of a file, ready to be referred to.
    fn bytes_of(&self, post: &PostProcess, at: &Path) -> Result<Taken, Problem> {
        let mut file = open(at)?;
        let small_max = self.limits.inline_bytes_max;
        let mut head = Vec::new();
        let read = (&mut file).take(small_max.saturating_add(1)).read_to_end(&mut head);
        read.map_err(Failed::io("read", at))?;
        if u64::try_from(head.len()).unwrap_or(u64::MAX) <= small_max {
            return Ok(Taken::Small(hash_bytes(&head, None).digest, head.into()));
        }
        let digest = digest_of(post, at, &mut open(at)?)?;
        if let Some(pin) = self.pin(digest)? {
            let size = file.metadata().map_err(Failed::io("look at", at))?.len();
            return Ok(Taken::Known { digest, size, _pin: pin });
        }
        let mut draft = self.files.begin(None)?;
        let mut file = open(at)?;
        each_chunk(post, at, &mut file, |chunk| {
            self.admit()?;
            Ok(draft.write(chunk)?)
        })?;
        Ok(Taken::Placed(draft.finish()?.place()?))
    }

    /// Keeps the blob with this digest from being collected, if there is one.
    fn pin(&self, digest: Digest) -> Result<Option<Pin>, Problem> {
        let find = || Ok::<_, Problem>(self.store.view()?.find_blob(&digest)?.map(|(id, _)| id));
        let Some(id): Option<BlobId> = find()? else { return Ok(None) };
        let pin = self.store.pins().pin(id);
        // A fresh look: it may have been collected before it was pinned.
        Ok((find()? == Some(id)).then_some(pin))
    }

    /// Commits a batch, and settles what was placed for it.
    fn commit(&self, post: &PostProcess, rework: &mut Rework, batch: Batch) -> Result<(), Problem> {
        let files: Arc<[Reworked]> = batch.files.into();
        let mut taken = batch.taken.into_iter();
        let mut from = 0;
        while from < files.len() {
            let slice = post.settings.slice;
            let rows_max = u32::try_from(BATCH_FILES).unwrap_or(u32::MAX);
            let done = self.store.rework_slice(rework, Arc::clone(&files), from, slice, rows_max);
            match done {
                Ok((arrivals, _)) => {
                    from += arrivals.len();
                    arrivals.into_iter().zip(&mut taken).for_each(|(a, taken)| taken.keep(a));
                }
                Err(error) => {
                    let is_known = error.is_outcome_known();
                    taken.filter(|_| is_known).for_each(Taken::discard);
                    return Err(error.into());
                }
            }
        }
        Ok(())
    }
}

/// Files that are committed together.
#[derive(Default)]
struct Batch {
    files: Vec<Reworked>,
    taken: Vec<Taken>,
    bytes: u64,
}

impl Batch {
    fn add(&mut self, path: ArtifactPath, taken: Taken, uploaded: Option<Timestamp>) {
        let content = taken.content();
        self.bytes = self.bytes.saturating_add(taken.size());
        self.files.push(Reworked { path, content, uploaded });
        self.taken.push(taken);
    }

    fn is_full(&self) -> bool {
        self.files.len() >= BATCH_FILES || self.bytes >= BATCH_BYTES
    }
}

/// The bytes of a file.
enum Taken {
    /// In memory.
    Small(Digest, Bytes),
    /// Stored already.
    Known { digest: Digest, size: u64, _pin: Pin },
    /// In a blob file that has no row yet.
    Placed(Placed),
}

impl Taken {
    fn digest(&self) -> Digest {
        match self {
            Self::Small(digest, _) | Self::Known { digest, .. } => *digest,
            Self::Placed(placed) => placed.digest,
        }
    }

    fn size(&self) -> u64 {
        match self {
            Self::Small(_, bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Self::Known { size, .. } => *size,
            Self::Placed(placed) => placed.size,
        }
    }

    fn content(&self) -> Content {
        match self {
            Self::Small(digest, bytes) => {
                let body = Body::Inline(bytes.clone());
                Content::Uploaded { digest: *digest, size: self.size(), body }
            }
            Self::Known { digest, .. } => Content::Stored(*digest),
            Self::Placed(Placed { digest, size, suffix, .. }) => {
                let body = Body::File(*suffix);
                Content::Uploaded { digest: *digest, size: *size, body }
            }
        }
    }

    fn keep(self, arrival: Arrival) {
        match (self, arrival) {
            (Self::Placed(placed), Arrival::Kept) => placed.keep(),
            (Self::Placed(placed), Arrival::Known) => placed.discard(),
            _ => {}
        }
    }

    fn discard(self) {
        if let Self::Placed(placed) = self {
            placed.discard();
        }
    }
}

fn digest_of(post: &PostProcess, at: &Path, file: &mut File) -> Result<Digest, Problem> {
    let mut hasher = Hasher::new(None);
    each_chunk(post, at, file, |chunk| {
        hasher.update(chunk);
        Ok(())
    })?;
    Ok(hasher.finish().digest)
}

fn each_chunk(
    post: &PostProcess,
    at: &Path,
    file: &mut File,
    mut take: impl FnMut(&[u8]) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        post.is_stopping()?;
        match file.read(&mut buffer).map_err(Failed::io("read", at))? {
            0 => return Ok(()),
            length => take(buffer.get(..length).unwrap_or_default())?,
        }
    }
}

/// Opens a regular file; never what a link leads to, nor anything that could make it wait.
fn open(at: &Path) -> Result<File, Failed> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened: Result<OwnedFd, _> = rustix::fs::open(at, flags, Mode::empty());
    let file = File::from(opened.map_err(|error| Failed::io("open", at)(error.into()))?);
    if file.metadata().map_err(Failed::io("look at", at))?.is_file() {
        return Ok(file);
    }
    Err(Failed::Left { path: at.display().to_string(), what: "which is no file".to_owned() })
}

/// The files below a folder, in no particular order; anything else but folders is refused.
struct Walk {
    folders: Vec<(String, PathBuf)>,
    files: Vec<(ArtifactPath, PathBuf)>,
}

impl Walk {
    fn new(folder: &Path) -> Self {
        Self { folders: vec![(String::new(), folder.to_owned())], files: Vec::new() }
    }

    fn list(&mut self, prefix: &str, folder: &Path) -> Result<(), Failed> {
        for entry in fs::read_dir(folder).map_err(Failed::io("list", folder))? {
            let entry = entry.map_err(Failed::io("list", folder))?;
            let kind = entry.file_type().map_err(Failed::io("look at", entry.path()))?;
            let name = entry.file_name();
            let left = |what: String| {
                let path = format!("{prefix}{}", name.to_string_lossy());
                Failed::Left { path, what }
            };
            let Some(text) = name.to_str() else {
                return Err(left("whose name is not UTF-8".to_owned()));
            };
            if kind.is_dir() {
                self.folders.push((format!("{prefix}{text}/"), entry.path()));
            } else if kind.is_file() {
                let path = ArtifactPath::parse(&format!("{prefix}{text}"));
                let path = path.map_err(|error| left(format!("but {error}")))?;
                self.files.push((path, entry.path()));
            } else {
                let what = "which is neither a file nor a folder: links cannot be kept";
                return Err(left(what.to_owned()));
            }
        }
        Ok(())
    }
}

impl Iterator for Walk {
    type Item = Result<(ArtifactPath, PathBuf), Failed>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(file) = self.files.pop() {
                return Some(Ok(file));
            }
            let (prefix, folder) = self.folders.pop()?;
            if let Err(failed) = self.list(&prefix, &folder) {
                self.folders.clear();
                self.files.clear();
                return Some(Err(failed));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walked(folder: &Path) -> Result<Vec<String>, Failed> {
        let mut paths = Walk::new(folder)
            .map(|found| found.map(|(path, _)| path.to_string()))
            .collect::<Result<Vec<_>, _>>()?;
        paths.sort();
        Ok(paths)
    }

    #[test]
    fn a_few_large_files_make_a_batch() {
        let pins = crate::blobs::Pins::default();
        let mut batch = Batch::default();
        for (name, is_full) in [("a", false), ("b", false), ("c", true)] {
            let (digest, pin) = (Digest([0; 32]), pins.pin(BlobId(1)));
            let taken = Taken::Known { digest, size: BATCH_BYTES / 3 + 1, _pin: pin };
            batch.add(ArtifactPath::parse(name).unwrap(), taken, None);
            assert_eq!(batch.is_full(), is_full, "{name}");
        }
    }

    #[test]
    fn only_files_with_proper_names_are_taken() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("a/empty")).unwrap();
        fs::write(at("a/x"), "x").unwrap();
        fs::write(at("y"), "y").unwrap();
        assert_eq!(walked(folder.path()).unwrap(), ["a/x", "y"]);
        std::os::unix::fs::symlink("y", at("a/link")).unwrap();
        let said = walked(folder.path()).unwrap_err().to_string();
        assert!(said.contains("\"a/link\"") && said.contains("links"), "{said}");
        assert!(open(&at("a/link")).is_err(), "a link that came later");
        fs::remove_file(at("a/link")).unwrap();
        fs::write(at(".dirty"), "").unwrap();
        let said = walked(folder.path()).unwrap_err().to_string();
        assert!(said.contains("reserved"), "{said}");
    }
}
