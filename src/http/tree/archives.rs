//! Archives over HTTP: `F.tar`, `J.tar` and a version's `X.tar` (spec dlrepo §8).
//!
//! An archive shows the files that its reader may read one by one, as the list of a format does.
//! Unlike a file's, an archive's entity tag is that of its list and form, and there is no time
//! of its last change: what was deleted leaves none.

use std::collections::HashMap;
use std::sync::Arc;

use http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, ETAG, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE, X_CONTENT_TYPE_OPTIONS,
};
use http::{Method, StatusCode};
use warp::Reply;
use warp::reply::Response;

use super::super::archive_body::ArchiveBody;
use super::super::conditional::{self, Validators, Verdict};
use super::super::failure::Failure;
use super::super::range::{self, Part};
use super::super::reply::with;
use super::super::{Request, Server, blocking, reply};
use super::formats::{attachment, clean};
use crate::model::{
    ArtifactPath, FormatId, FormatPath, Job, JobPath, ProductName, Timestamp, VariantName,
    VersionFormatPath, VersionName, VersionPath,
};
use crate::store::{self, View};
use crate::tree::archive::{Archive, Contents};

/// What an archive is made of, and by which path each of its formats was asked for.
struct Asked {
    contents: Contents,
    shown: HashMap<FormatId, String>,
}

impl Server {
    pub(super) async fn job_archive(
        self: &Arc<Self>,
        request: Request,
        path: JobPath,
    ) -> Result<Response, Failure> {
        self.archive(request, move |server, request, view| {
            let job = view.job(&path)?;
            let mut asked = Asked::nothing(job_name(&path, &job), job.created);
            for (name, format) in view.formats(job.id)? {
                let shown = path.clone().format(name.clone()).to_string();
                if server.may_read(&request.caller, &shown) {
                    asked.add(format!("{name}/"), format.id, shown);
                }
            }
            Ok(asked)
        })
        .await
    }

    pub(super) async fn format_archive(
        self: &Arc<Self>,
        request: Request,
        path: FormatPath,
    ) -> Result<Response, Failure> {
        self.archive(request, move |server, request, view| {
            let shown = path.to_string();
            server.check_readable(request, &shown)?;
            let parent = job_name(&path.job, &view.job(&path.job)?);
            format_contents(request, view, &path, &parent, shown)
        })
        .await
    }

    pub(super) async fn version_archive(
        self: &Arc<Self>,
        request: Request,
        path: VersionPath,
    ) -> Result<Response, Failure> {
        self.archive(request, move |server, request, view| {
            let state = view.version(&path)?;
            let mut asked = Asked::nothing(version_name(&path), state.created);
            for (name, real) in view.version_formats(&path)? {
                let shown = path.clone().format(name.clone()).to_string();
                if server.may_read(&request.caller, &shown) {
                    asked.add(format!("{name}/"), view.format(&real)?.id, shown);
                }
            }
            Ok(asked)
        })
        .await
    }

    pub(super) async fn version_format_archive(
        self: &Arc<Self>,
        request: Request,
        path: VersionFormatPath,
    ) -> Result<Response, Failure> {
        self.archive(request, move |server, request, view| {
            let shown = path.to_string();
            server.check_readable(request, &shown)?;
            let real = view.version_format(&path)?;
            format_contents(request, view, &real, &version_name(&path.version), shown)
        })
        .await
    }

    /// Whoever may not read a format's folder is told nothing of it.
    fn check_readable(&self, request: &Request, folder: &str) -> Result<(), Failure> {
        if self.may_read(&request.caller, folder) {
            return Ok(());
        }
        Err(store::Error::NotFound(folder.to_owned()).into())
    }

    /// Lists what `asked` says, all from one snapshot, and answers with what of it the caller may
    /// read.
    async fn archive(
        self: &Arc<Self>,
        request: Request,
        asked: impl FnOnce(&Self, &Request, &View) -> Result<Asked, Failure> + Send + 'static,
    ) -> Result<Response, Failure> {
        let server = Arc::clone(self);
        blocking(move || {
            let view = server.tree.store().view()?;
            let Asked { contents, shown } = asked(&server, &request, &view)?;
            let is_shown = |format, file: &ArtifactPath| {
                let readable =
                    |folder| server.may_read(&request.caller, &format!("{folder}{file}"));
                shown.get(&format).is_some_and(readable)
            };
            let archive = server.tree.archive(&view, contents, is_shown)?;
            drop(view);
            Ok(answer(&request, archive))
        })
        .await
    }
}

impl Asked {
    fn nothing(name: String, made: Timestamp) -> Self {
        let contents = Contents { name, folders: Vec::new(), made };
        Self { contents, shown: HashMap::new() }
    }

    /// `shown` is the canonical path that the format was asked for by: rights are granted there.
    fn add(&mut self, folder: String, format: FormatId, shown: String) {
        self.contents.folders.push((folder, format));
        self.shown.insert(format, shown);
    }
}

/// HEAD tells that a format is being uploaded, GET serves what is there (spec §8).
fn format_contents(
    request: &Request,
    view: &View,
    path: &FormatPath,
    parent: &str,
    shown: String,
) -> Result<Asked, Failure> {
    let mut format = view.format(path)?;
    if request.method == Method::HEAD {
        format = clean(format, path)?;
    }
    let mut asked = Asked::nothing(format!("{parent}-{}", path.format), format.changed);
    asked.add(String::new(), format.id, shown);
    Ok(asked)
}

/// What a job's archive is called: as its version, or with its tag. Metadata can be any text, so
/// only what could be names is used: where it is unpacked, this becomes a folder.
fn job_name(path: &JobPath, job: &Job) -> String {
    let value = |key: &str| {
        let (_, value) = job.metadata.iter().find(|(known, _)| known == key)?;
        Some(value.as_str())
    };
    let product = value("product").and_then(|value| ProductName::parse(value).ok());
    let variant = value("product_variant").and_then(|value| VariantName::parse(value).ok());
    let version = value("version").and_then(|value| VersionName::parse(value).ok());
    match (product, variant, version) {
        (Some(product), Some(variant), Some(version)) => format!("{product}-{variant}-v{version}"),
        _ => format!("{}-{}", path.job, path.tag.tag),
    }
}

fn version_name(path: &VersionPath) -> String {
    let variant = &path.branch.variant;
    format!("{}-{}-v{}", variant.product.product, variant.variant, path.version)
}

fn answer(request: &Request, archive: Archive) -> Response {
    let current = Validators {
        etag: format!("\"{}\"", archive.version()),
        // No date that a client could know.
        modified: Timestamp::MAX,
    };
    let (size, name) = (archive.size(), archive.name().to_owned());
    let facts = |response| with_facts(response, &current.etag, &name);
    let mut headers = request.headers.clone();
    headers.remove(IF_MODIFIED_SINCE);
    headers.remove(IF_UNMODIFIED_SINCE);
    match conditional::evaluate(&request.method, &headers, Some(&current)) {
        Verdict::NotModified => return facts(bare(StatusCode::NOT_MODIFIED)),
        Verdict::PreconditionFailed => {
            return facts(reply::text(StatusCode::PRECONDITION_FAILED, "Precondition Failed"));
        }
        Verdict::Proceed => {}
    }
    let (range, status) = match range::evaluate(&request.method, &headers, size, &current) {
        Part::Whole => (0..size, StatusCode::OK),
        Part::Bytes(range) => (range, StatusCode::PARTIAL_CONTENT),
        Part::Unsatisfiable => {
            let status = StatusCode::RANGE_NOT_SATISFIABLE;
            let response = facts(reply::text(status, "Range Not Satisfiable"));
            return with(response, CONTENT_RANGE, &format!("bytes */{size}"));
        }
    };
    let length = (range.end - range.start).to_string();
    let part = format!("bytes {}-{}/{size}", range.start, range.end.saturating_sub(1));
    let mut response = if request.method == Method::HEAD {
        Response::default()
    } else {
        warp::reply::stream(ArchiveBody::new(archive.into_reader(range))).into_response()
    };
    *response.status_mut() = status;
    response = with(facts(response), CONTENT_TYPE, "application/x-tar");
    response = with(response, CONTENT_LENGTH, &length);
    response = with(response, CONTENT_SECURITY_POLICY, "sandbox");
    match status {
        StatusCode::PARTIAL_CONTENT => with(response, CONTENT_RANGE, &part),
        _ => response,
    }
}

fn bare(status: StatusCode) -> Response {
    let mut response = Response::default();
    *response.status_mut() = status;
    response
}

fn with_facts(response: Response, etag: &str, name: &str) -> Response {
    let response = with(response, ETAG, etag);
    let response = with(response, ACCEPT_RANGES, "bytes");
    let response = with(response, X_CONTENT_TYPE_OPTIONS, "nosniff");
    with(response, CONTENT_DISPOSITION, &attachment(&format!("{name}.tar")))
}
