//! The artifact tree's handlers (spec dlrepo §2-9): which of them answers, aliases and spellings
//! first.

mod archives;
mod artifacts;
mod branches;
mod fields;
mod formats;
mod jobs;
mod post_process;
mod products;
mod python;
mod tags;

use std::sync::Arc;

use http::Method;
use warp::reply::Response;

use super::failure::Failure;
use super::route::{FormatAt, JobAt, Route, Spelling, TagAt, sums_of};
use super::{Request, Server, reply};
use crate::model::{FilePath, FormatPath, JobPath, Scope, TagPath, TagRef, Trigger};
use crate::store::{self, View};

impl Server {
    pub(super) async fn tree(
        self: &Arc<Self>,
        request: Request,
        route: Route,
        spelling: Spelling,
    ) -> Result<Response, Failure> {
        if let Route::Product(route) = route {
            return self.products(request, route, spelling).await;
        }
        let reads = matches!(request.method, Method::GET | Method::HEAD);
        if request.method == Method::HEAD
            && matches!(route, Route::Artifact(..))
            && let Some(digest) = request.headers.get("digest")
        {
            return self.promise(digest).await;
        }
        if reads && let Some(elsewhere) = self.elsewhere(&route, spelling)? {
            return Ok(elsewhere);
        }
        match route {
            Route::Branches(repo) => self.branches(request, repo).await,
            Route::Branch(branch) => self.branch(request, branch).await,
            Route::Tag(at) => self.tag(request, tag_path(&at)?).await,
            Route::Job(at) => self.job(request, job_path(&at)?).await,
            Route::JobArchive(at) => self.job_archive(request, job_path(&at)?).await,
            Route::FormatArchive(at) => self.format_archive(request, format_path(&at)?).await,
            Route::Format(at) => {
                let path = format_path(&at)?;
                let url = formats::url(&path);
                self.format(path, url).await
            }
            Route::FormatFolder(at) => self.format_folder(request, format_path(&at)?).await,
            Route::Sums(at) => self.sums(format_path(&at)?).await,
            Route::Artifact(at, path) => self.artifact(request, format_path(&at)?.file(path)).await,
            Route::Folder(at, path) => Err(artifacts::folder(&format_path(&at)?.file(path))),
            other => Err(Failure::Internal(format!("no handler for {other:?}"))),
        }
    }

    /// Where a GET or HEAD is redirected to: the real URL behind an alias or another spelling,
    /// if there is such a thing.
    fn elsewhere(&self, route: &Route, spelling: Spelling) -> Result<Option<Response>, Failure> {
        let alias = match (route, route.tag()) {
            (Route::Tag(at), Some(tag)) => Some((&at.branch, tag)),
            (Route::Job(at) | Route::JobArchive(at), Some(tag)) => Some((&at.parent.branch, tag)),
            (
                Route::Format(at)
                | Route::FormatArchive(at)
                | Route::FormatFolder(at)
                | Route::Sums(at)
                | Route::Artifact(at, _)
                | Route::Folder(at, _),
                Some(tag),
            ) => Some((&at.parent.parent.branch, tag)),
            _ => None,
        };
        let alias = alias.filter(|(_, tag)| !matches!(tag, TagRef::Named(_)));
        if alias.is_none() && spelling == Spelling::Canonical {
            return Ok(None);
        }
        let view = self.tree.store().view()?;
        let mut real = route.clone();
        if let Some((branch, tag)) = alias {
            real = real.in_tag(view.resolve(branch, tag)?);
        }
        check_exists(&view, &real)?;
        Ok(Some(reply::found(&real.canonical_path())))
    }

    /// Something was deleted: its space is to come back.
    fn reclaim(&self) {
        self.sweeper.ask(Scope::Reclaim, Trigger::Delete);
    }
}

fn check_exists(view: &View, route: &Route) -> Result<(), Failure> {
    match route {
        Route::Branch(branch) => {
            view.branch(branch)?;
        }
        Route::Tag(at) => {
            view.tag(&tag_path(at)?)?;
        }
        Route::Job(at) | Route::JobArchive(at) => {
            view.job(&job_path(at)?)?;
        }
        Route::Format(at)
        | Route::FormatArchive(at)
        | Route::FormatFolder(at)
        | Route::Sums(at) => {
            view.format(&format_path(at)?)?;
        }
        Route::Artifact(at, path) | Route::Folder(at, path) => {
            check_file(view, &format_path(at)?.file(path.clone()))?;
        }
        _ => {}
    }
    Ok(())
}

/// Whether there is a file, a folder, or a checksum that can be made.
fn check_file(view: &View, file: &FilePath) -> Result<(), Failure> {
    let found = view.file(file);
    if let Err(store::Error::NotFound(_)) = &found
        && view.is_folder(file)?
    {
        return Ok(());
    }
    if let (Err(store::Error::NotFound(_)), Some(of)) = (&found, sums_of(&file.path)) {
        view.file(&file.format.clone().file(of))?;
        return Ok(());
    }
    found?;
    Ok(())
}

/// The tag of a URL that is not an alias: those were redirected or refused before.
fn tag_path(at: &TagAt) -> Result<TagPath, Failure> {
    match &at.tag {
        TagRef::Named(name) => Ok(at.branch.clone().tag(name.clone())),
        alias => Err(Failure::Internal(format!("{alias:?} was not resolved"))),
    }
}

fn job_path(at: &JobAt) -> Result<JobPath, Failure> {
    Ok(tag_path(&at.parent)?.job(at.job.clone()))
}

fn format_path(at: &FormatAt) -> Result<FormatPath, Failure> {
    Ok(job_path(&at.parent)?.format(at.format.clone()))
}

/// The parameters of a query, decoded as forms are: `+` is a space.
fn query_pairs(query: &str) -> Vec<(String, String)> {
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        percent_encoding::percent_decode_str(&text).decode_utf8_lossy().into_owned()
    };
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (decode(key), decode(value)))
        .collect()
}

/// The first parameter of that name.
pub(super) fn query_value(query: &str, name: &str) -> Option<String> {
    query_pairs(query).into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
}
