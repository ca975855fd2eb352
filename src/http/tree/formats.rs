//! Formats over HTTP (spec dlrepo §8).

use std::fmt::Write;
use std::ops::ControlFlow;
use std::sync::Arc;

use http::Method;
use http::header::{CONTENT_DISPOSITION, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use warp::reply::Response;

use super::super::failure::Failure;
use super::super::route::encode;
use super::super::{Request, Server, blocking, reply};
use crate::model::{Artifact, ArtifactPath, Caller, Format, FormatId, FormatPath};
use crate::store::detached::Cause;
use crate::store::{self, View};

#[derive(Serialize)]
struct FormatPage {
    artifact_format: FormatFields,
}

#[derive(Serialize)]
struct FormatFields {
    name: String,
    internal: bool,
    dirty: bool,
    files: Vec<String>,
}

impl Server {
    /// Without a slash: the only file, or the folder. Not while it is being uploaded.
    /// `shown` is the canonical path that it was asked for by, as in all of these: rights are
    /// granted there.
    pub(super) async fn format(
        self: &Arc<Self>,
        caller: Caller,
        path: FormatPath,
        shown: String,
    ) -> Result<Response, Failure> {
        let server = Arc::clone(self);
        blocking(move || {
            let view = server.tree.store().view()?;
            let format = clean(view.format(&path)?, &path)?;
            let folder = encode(&shown);
            let may_read =
                |only: &ArtifactPath| server.may_read(&caller, &format!("{shown}{only}"));
            let Some(only) = only_file(&view, &format)?.filter(may_read) else {
                return Ok(reply::found(&folder));
            };
            let mut response = reply::found(&format!("{folder}{}", encode(only.as_str())));
            if let Ok(attachment) = HeaderValue::from_str(&attachment(only.file_name())) {
                response.headers_mut().insert(CONTENT_DISPOSITION, attachment);
            }
            Ok(response)
        })
        .await
    }

    pub(super) async fn format_folder(
        self: &Arc<Self>,
        request: Request,
        path: FormatPath,
        shown: String,
    ) -> Result<Response, Failure> {
        let store = self.tree.store();
        match request.method {
            Method::PATCH => {
                self.finish_format(&request.headers, request.caller, path).await?;
            }
            Method::DELETE => {
                store.delete_format(path, Cause::request(request.caller.name())).await?;
                self.reclaim();
            }
            Method::HEAD => {
                clean(store.view()?.format(&path)?, &path)?;
            }
            _ => return self.show_format(request.caller, path, shown).await,
        }
        Ok(reply::empty())
    }

    pub(super) async fn show_format(
        self: &Arc<Self>,
        caller: Caller,
        path: FormatPath,
        shown: String,
    ) -> Result<Response, Failure> {
        let server = Arc::clone(self);
        blocking(move || {
            let view = server.tree.store().view()?;
            let format = view.format(&path)?;
            let mut files = Vec::new();
            server.each_readable(&view, format.id, (&caller, &shown), |file, _| {
                files.push(file.to_string());
                Ok(())
            })?;
            let artifact_format = FormatFields {
                name: path.format.to_string(),
                internal: server.tree.store().is_internal(&path.format),
                dirty: format.dirty,
                files,
            };
            Ok(reply::json(&FormatPage { artifact_format }))
        })
        .await
    }

    /// The checksums of a format's files, as `sha256sum` writes them.
    pub(super) async fn sums(
        self: &Arc<Self>,
        caller: Caller,
        path: FormatPath,
        shown: String,
    ) -> Result<Response, Failure> {
        let server = Arc::clone(self);
        blocking(move || {
            let view = server.tree.store().view()?;
            let format = view.format(&path)?;
            let mut sums = String::new();
            server.each_readable(&view, format.id, (&caller, &shown), |name, file| {
                let digest = view.blob_of(&file)?.digest;
                // Writing to a String cannot fail.
                let _ = writeln!(sums, "{digest}  {name}");
                Ok(())
            })?;
            Ok(reply::plain(sums))
        })
        .await
    }

    /// The files of a format that the caller may read.
    fn each_readable(
        &self,
        view: &View,
        format: FormatId,
        (caller, shown): (&Caller, &str),
        mut each: impl FnMut(ArtifactPath, Artifact) -> Result<(), store::Error>,
    ) -> Result<(), store::Error> {
        view.each_file(format, |path, file| {
            if self.may_read(caller, &format!("{shown}{path}")) {
                each(path, file)?;
            }
            Ok(ControlFlow::Continue(()))
        })
    }
}

/// The format, unless it is being uploaded.
pub(super) fn clean(format: Format, path: &FormatPath) -> Result<Format, Failure> {
    if format.dirty {
        return Err(Failure::NotFound(format!("{path} is still being uploaded")));
    }
    Ok(format)
}

/// The file of a format that has only one, and not an `index.html`.
fn only_file(view: &View, format: &Format) -> Result<Option<ArtifactPath>, Failure> {
    let mut only = None;
    if format.usage.files == 1 {
        view.each_file(format.id, |path, _| {
            only = Some(path);
            Ok(ControlFlow::Break(()))
        })?;
    }
    Ok(only.filter(|path| path.as_str() != "index.html"))
}

/// How a browser is to call what it saves: plain where the name may stand so, else as RFC 8187
/// has it, in which any name can.
pub(super) fn attachment(name: &str) -> String {
    /// Of its `attr-char`, those that a token may have everywhere.
    const KEPT: &AsciiSet =
        &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'+');
    let encoded = utf8_percent_encode(name, KEPT).to_string();
    if encoded == name {
        format!("attachment; filename={name}")
    } else {
        format!("attachment; filename*=UTF-8''{encoded}")
    }
}
