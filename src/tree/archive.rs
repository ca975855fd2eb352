//! Archives: the files of formats as one tar whose size is known before its first byte is sent
//! (spec dlrepo §8).
//!
//! The list of members is fixed in one snapshot (I8), with what each of them needs of the
//! archive, so that any byte of it can be made without those before. A long list lies in a file
//! without a name: memory does not grow with it. While the archive is sent no snapshot is open;
//! each blob is pinned as its turn comes, and one that is gone or damaged breaks the answer off.
//! Deliberately absent: compression, folders and links as members, which formats and files may be
//! read (the caller says), HTTP.

mod header;
mod list;
mod reader;

#[cfg(test)]
mod tests;

use std::ops::{ControlFlow, Range};

use super::{Error, Tree};
use crate::model::{ArtifactPath, FormatId, Timestamp};
use crate::store::View;
use list::{List, Lister, Member};

pub use reader::Reader;

/// Raised with every change of the bytes that are made of the same list.
const FORMAT_VERSION: &[u8] = b"larder archive 1";
/// The member that tells the checksums of the others.
const SUMS: &str = "SHA256SUMS.txt";

/// What an archive is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Its name without `.tar`, and the folder that all its members are in.
    pub name: String,
    /// Formats, each with what comes before the paths of its files: nothing, or its name and a
    /// slash.
    pub folders: Vec<(String, FormatId)>,
    /// The time of the list of checksums.
    pub made: Timestamp,
}

/// An archive that is ready to be sent.
pub struct Archive {
    tree: Tree,
    list: List,
}

impl Tree {
    /// Lists what an archive holds, in the order of the paths: of each format the files that
    /// `is_shown` lets in. Reads all their rows, so it is for a thread that may wait. Drop the
    /// view before sending.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::List`].
    pub fn archive(
        &self,
        view: &View,
        mut contents: Contents,
        is_shown: impl Fn(FormatId, &ArtifactPath) -> bool,
    ) -> Result<Archive, Error> {
        contents.folders.sort();
        let dir = self.files.scratch_dir();
        let kept = |source| Error::List { path: dir.to_owned(), source };
        let mut lister = Lister::new(contents.name, dir);
        for (folder, format) in &contents.folders {
            let mut failed = None;
            view.each_file(*format, |path, file| {
                if !is_shown(*format, &path) {
                    return Ok(ControlFlow::Continue(()));
                }
                let member = Member {
                    path: format!("{folder}{path}"),
                    blob: file.blob,
                    size: file.size,
                    digest: view.blob_of(&file)?.digest,
                    modified: file.uploaded,
                };
                Ok(match lister.add(&member) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(error) => {
                        failed = Some(error);
                        ControlFlow::Break(())
                    }
                })
            })?;
            failed.map_or(Ok(()), Err).map_err(kept)?;
        }
        let list = lister.finish(contents.made).map_err(kept)?;
        Ok(Archive { tree: self.clone(), list })
    }
}

impl Archive {
    /// Its name, without `.tar`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.list.name
    }

    /// Bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.list.size
    }

    /// Hex digits that are others for any other bytes.
    #[must_use]
    pub fn version(&self) -> String {
        self.list.version.to_string()
    }

    /// The bytes of that range. What lies before it is not read.
    #[must_use]
    pub fn into_reader(self, range: Range<u64>) -> Reader {
        Reader::new(self.tree, self.list, range)
    }
}
