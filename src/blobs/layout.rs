//! [`Layout`]: the one map of the data folder's files. Pure; it touches no disk.
//!
//! ```text
//! DIR/blobs/<2 hex>/<digest>.<16 hex>   the bytes of a blob; the blob's row says which suffix
//! DIR/staging/up.<16 hex>               bytes that are arriving
//! DIR/staging/<digest>.<16 hex>         a second name of a blob file whose row is not sure yet
//! DIR/ballast                           room for deleting on a full disk
//! ```
//!
//! A name counts only when it is exactly what this file would write; anything else is unknown
//! and nobody touches it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::model::{Digest, Suffix};

/// Where files lie below the data folder.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    blobs: PathBuf,
    staging: PathBuf,
}

/// What a name in the staging folder means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum StagingName {
    /// Bytes that were arriving.
    Draft(Suffix),
    /// The second name of this blob file.
    Target(Digest, Suffix),
    /// Not ours.
    Unknown,
}

impl Layout {
    pub(super) fn new(root: &Path) -> Self {
        Self { blobs: root.join("blobs"), staging: root.join("staging") }
    }

    pub(super) fn blobs(&self) -> &Path {
        &self.blobs
    }

    pub(super) fn staging(&self) -> &Path {
        &self.staging
    }

    /// The folder of all digests that begin with the byte `shard`.
    pub(super) fn shard(&self, shard: u8) -> PathBuf {
        self.blobs.join(format!("{shard:02x}"))
    }

    pub(super) fn target(&self, digest: Digest, suffix: Suffix) -> PathBuf {
        self.shard(shard_of(digest)).join(name(digest, suffix))
    }

    pub(super) fn draft(&self, suffix: Suffix) -> PathBuf {
        self.staging.join(format!("up.{suffix}"))
    }

    pub(super) fn staged(&self, digest: Digest, suffix: Suffix) -> PathBuf {
        self.staging.join(name(digest, suffix))
    }
}

/// The file that keeps room for deleting.
pub(super) fn ballast(root: &Path) -> PathBuf {
    root.join("ballast")
}

/// The byte that decides in which folder a digest lies.
pub(super) fn shard_of(digest: Digest) -> u8 {
    digest.0[0]
}

/// Reads the name of a blob file in the folder `shard`.
pub(super) fn parse_target(shard: u8, file_name: &OsStr) -> Option<(Digest, Suffix)> {
    parse_name(file_name.to_str()?).filter(|(digest, _)| shard_of(*digest) == shard)
}

/// Reads a name in the staging folder.
pub(super) fn parse_staging(file_name: &OsStr) -> StagingName {
    let Some(text) = file_name.to_str() else { return StagingName::Unknown };
    match (text.strip_prefix("up.").and_then(parse_suffix), parse_name(text)) {
        (Some(suffix), _) => StagingName::Draft(suffix),
        (_, Some((digest, suffix))) => StagingName::Target(digest, suffix),
        _ => StagingName::Unknown,
    }
}

fn name(digest: Digest, suffix: Suffix) -> String {
    format!("{digest}.{suffix}")
}

fn parse_name(text: &str) -> Option<(Digest, Suffix)> {
    let (digest, suffix) = text.split_once('.')?;
    let (digest, suffix) = (Digest::parse(digest)?, parse_suffix(suffix)?);
    (name(digest, suffix) == text).then_some((digest, suffix))
}

fn parse_suffix(text: &str) -> Option<Suffix> {
    let suffix = Suffix(u64::from_str_radix(text, 16).ok()?);
    (suffix.to_string() == text).then_some(suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_as_they_were_written() {
        let layout = Layout::new(Path::new("/d"));
        let (digest, suffix) = (Digest([0xa5; 32]), Suffix(0xbeef));
        let target = layout.target(digest, suffix);
        let hex = "a5".repeat(32);
        assert_eq!(target, Path::new(&format!("/d/blobs/a5/{hex}.000000000000beef")));
        let file_name = target.file_name().unwrap();
        assert_eq!(parse_target(0xa5, file_name), Some((digest, suffix)));
        assert_eq!(parse_target(0xa6, file_name), None, "in another's folder");
        assert_eq!(parse_staging(file_name), StagingName::Target(digest, suffix));
        let draft = layout.draft(suffix);
        assert_eq!(parse_staging(draft.file_name().unwrap()), StagingName::Draft(suffix));
    }

    #[test]
    fn other_names_are_unknown() {
        let hex = "a5".repeat(32);
        for bad in [
            "up.".to_owned(),
            "up.beef".to_owned(),
            "up.00000000000000zz".to_owned(),
            "lost+found".to_owned(),
            hex.clone(),
            format!("{hex}.beef"),
            format!("{hex}.000000000000BEEF"),
            format!("{hex}.+00000000000beef"),
            format!("sha256:{hex}.000000000000beef"),
            format!("{}.000000000000beef", hex.to_uppercase()),
        ] {
            assert_eq!(parse_staging(OsStr::new(&bad)), StagingName::Unknown, "{bad}");
        }
    }
}
