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
use super::{Request, Server, blocking, reply};
use crate::model::{
    BranchPath, Caller, FilePath, FormatPath, JobPath, Scope, TagName, TagPath, TagRef, Trigger,
};
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
            return self.promise(&request.caller, &route, digest).await;
        }
        if reads && is_elsewhere(&route, spelling) {
            return self.elsewhere(request.caller, route).await;
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
                let shown = path.to_string();
                self.format(request.caller, path, shown).await
            }
            Route::FormatFolder(at) => {
                let path = format_path(&at)?;
                let shown = path.to_string();
                self.format_folder(request, path, shown).await
            }
            Route::Sums(at) => {
                let path = format_path(&at)?;
                let shown = path.to_string();
                self.sums(request.caller, path, shown).await
            }
            Route::Artifact(at, path) => self.artifact(request, format_path(&at)?.file(path)).await,
            Route::Folder(at, path) => Err(artifacts::folder(&format_path(&at)?.file(path))),
            other => Err(Failure::Internal(format!("no handler for {other:?}"))),
        }
    }

    /// Redirects a GET or HEAD to the real URL behind an alias or another spelling, if there is
    /// such a thing and the caller may read it.
    async fn elsewhere(
        self: &Arc<Self>,
        caller: Caller,
        route: Route,
    ) -> Result<Response, Failure> {
        let server = Arc::clone(self);
        blocking(move || {
            let view = server.tree.store().view()?;
            let real = server.behind_alias(&view, &caller, route)?;
            check_exists(&view, &real, |path| server.may_read(&caller, path))?;
            Ok(reply::found(&real.canonical_path()))
        })
        .await
    }

    /// The thing itself. An alias stands for a tag among those that the caller may read; whether
    /// there are others is not told.
    fn behind_alias(&self, view: &View, caller: &Caller, route: Route) -> Result<Route, Failure> {
        let Some((branch, tag)) = alias_of(&route) else { return Ok(route) };
        let readable =
            |name: &TagName| self.may_read(caller, &branch.clone().tag(name.clone()).to_string());
        let name = match view.resolve_among(branch, tag, readable) {
            Err(store::Error::NotFound(_)) if !self.may_read(caller, &route.path()) => {
                return Err(self.denied(caller));
            }
            name => name?,
        };
        let real = route.in_tag(name);
        self.guard_read(caller, &real)?;
        Ok(real)
    }

    /// Something was deleted: its space is to come back.
    pub(super) fn reclaim(&self) {
        self.sweeper.ask(Scope::Reclaim, Trigger::Delete);
    }
}

/// Whether a GET or HEAD is not served where it is.
fn is_elsewhere(route: &Route, spelling: Spelling) -> bool {
    spelling == Spelling::Variant || alias_of(route).is_some()
}

/// The branch and the alias of a route that lies below one.
fn alias_of(route: &Route) -> Option<(&BranchPath, &TagRef)> {
    let at = match route {
        Route::Tag(at) => at,
        Route::Job(at) | Route::JobArchive(at) => &at.parent,
        Route::Format(at)
        | Route::FormatArchive(at)
        | Route::FormatFolder(at)
        | Route::Sums(at)
        | Route::Artifact(at, _)
        | Route::Folder(at, _) => &at.parent.parent,
        _ => return None,
    };
    (!matches!(at.tag, TagRef::Named(_))).then_some((&at.branch, &at.tag))
}

fn check_exists(
    view: &View,
    route: &Route,
    may_read: impl Fn(&str) -> bool,
) -> Result<(), Failure> {
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
            check_file(view, &format_path(at)?.file(path.clone()), may_read)?;
        }
        _ => {}
    }
    Ok(())
}

/// Whether there is a file, a folder, or a checksum that can be made.
fn check_file(
    view: &View,
    file: &FilePath,
    may_read: impl Fn(&str) -> bool,
) -> Result<(), Failure> {
    let found = view.file(file);
    if let Err(store::Error::NotFound(_)) = &found
        && view.is_folder(file)?
    {
        return Ok(());
    }
    if let (Err(store::Error::NotFound(_)), Some(of)) = (&found, sums_of(&file.path)) {
        let of = file.format.clone().file(of);
        if may_read(&of.to_string()) {
            view.file(&of)?;
            return Ok(());
        }
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
pub(super) fn query_pairs(query: &str) -> Vec<(String, String)> {
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
