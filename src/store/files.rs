//! The files of a format, whether they are rows of its own or what an image comes to. Every
//! reader of files asks here, so that both look the same everywhere (I8).

use std::ops::ControlFlow;

use super::{Error, artifacts, containers};
use crate::db::schema::ARTIFACTS;
use crate::db::{Rows, Span};
use crate::model::{Artifact, ArtifactPath, FormatId, Manifest};

/// Visits the files of a format by path, in code point order, until `visit` breaks off.
pub(super) fn each(
    rows: &impl Rows,
    format: FormatId,
    mut visit: impl FnMut(ArtifactPath, Artifact) -> Result<ControlFlow<()>, Error>,
) -> Result<(), Error> {
    let Some(image) = image_of(rows, format)? else {
        return ARTIFACTS.each(rows, Span::under(&format), |(_, path), file| visit(path, file));
    };
    for (path, file) in containers::files(rows, &image)? {
        if visit(path, file)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// The file at a path of a format.
pub(super) fn get(
    rows: &impl Rows,
    format: FormatId,
    path: &ArtifactPath,
) -> Result<Option<Artifact>, Error> {
    // Rows first: nearly every file is one.
    if let Some(file) = ARTIFACTS.get(rows, &(format, path.clone()))? {
        return Ok(Some(file));
    }
    match image_of(rows, format)? {
        Some(image) => containers::file(rows, &image, path),
        None => Ok(None),
    }
}

/// At most `limit` files of a format, those behind `after`, by path.
pub(super) fn page(
    rows: &impl Rows,
    format: FormatId,
    after: Option<&ArtifactPath>,
    limit: usize,
) -> Result<Vec<(ArtifactPath, Artifact)>, Error> {
    if let Some(image) = image_of(rows, format)? {
        let mut files = containers::files(rows, &image)?;
        let from = after.map_or(0, |after| files.partition_point(|(path, _)| path <= after));
        files.drain(..from);
        files.truncate(limit);
        return Ok(files);
    }
    let under = Span::under(&format);
    let span = match after {
        Some(after) => under.after(&(format, after.clone())),
        None => under,
    };
    let page = ARTIFACTS.page(rows, span, limit)?;
    Ok(page.into_iter().map(|((_, path), file)| (path, file)).collect())
}

/// Whether files lie below `path` of a format.
pub(super) fn is_folder(
    rows: &impl Rows,
    format: FormatId,
    path: &ArtifactPath,
) -> Result<bool, Error> {
    let Some(image) = image_of(rows, format)? else {
        return artifacts::is_folder(rows, format, path);
    };
    let is_below = |file: &ArtifactPath| file.folders().any(|folder| folder == *path);
    Ok(containers::files(rows, &image)?.iter().any(|(file, _)| is_below(file)))
}

fn image_of(rows: &impl Rows, format: FormatId) -> Result<Option<Manifest>, Error> {
    Ok(containers::manifest_of(rows, format)?.map(|(_, manifest)| manifest))
}
