//! Branches over HTTP (spec dlrepo §5).

use std::sync::Arc;

use http::Method;
use serde::Serialize;
use warp::reply::Response;

use super::super::failure::Failure;
use super::super::{Request, Server, blocking, body, reply};
use super::fields::Fields;
use super::query_value;
use crate::model::{Branch, BranchName, BranchPath, CleanupPolicy, Repo, Tag, TagName};
use crate::store::branches::PolicyChange;
use crate::store::detached::Cause;

#[derive(Serialize)]
struct BranchList {
    branches: Vec<BranchLine>,
}

#[derive(Serialize)]
struct BranchLine {
    name: String,
    daily_tags: u64,
    released_tags: u64,
    locked_tags: u64,
    stable_tags: u64,
    max_daily_tags: u64,
    max_released_tags: u64,
}

#[derive(Serialize)]
struct BranchPage {
    branch: BranchFields,
}

#[derive(Serialize)]
struct BranchFields {
    name: String,
    cleanup_policy: CleanupPolicy,
    tags: Vec<TagLine>,
}

#[derive(Serialize)]
struct TagLine {
    name: String,
    timestamp: f64,
    released: bool,
    locked: bool,
    stable: bool,
    publish_status: Option<String>,
    description: Option<String>,
}

impl Server {
    pub(super) async fn branches(
        self: &Arc<Self>,
        request: Request,
        repo: Repo,
    ) -> Result<Response, Failure> {
        let server = Arc::clone(self);
        blocking(move || {
            let branches = server.tree.store().view()?.branches(&repo)?.into_iter();
            let readable = branches.filter(|(name, _)| {
                let path = repo.clone().branch(name.clone()).to_string();
                server.may_read(&request.caller, &path)
            });
            Ok(reply::json(&BranchList { branches: readable.map(line).collect() }))
        })
        .await
    }

    pub(super) async fn branch(
        self: &Arc<Self>,
        request: Request,
        path: BranchPath,
    ) -> Result<Response, Failure> {
        match request.method {
            Method::POST => self.set_policy(request, path).await,
            Method::DELETE => {
                let cause = Cause::request(request.caller.name());
                self.tree.delete_branch(path, cause).await?;
                self.reclaim();
                Ok(reply::empty())
            }
            _ => self.show_branch(request, path).await,
        }
    }

    async fn show_branch(
        self: &Arc<Self>,
        request: Request,
        path: BranchPath,
    ) -> Result<Response, Failure> {
        // dlrepo's manual promises `?released`, its code wants a value: both work here.
        let only_released = query_value(&request.query, "released").is_some();
        let server = Arc::clone(self);
        blocking(move || {
            let view = server.tree.store().view()?;
            let branch = view.branch(&path)?;
            let tags = view.tags(branch.id)?.into_iter();
            let tags = tags.filter(|(name, tag)| {
                let is_shown = tag.released || !only_released;
                is_shown && server.may_read(&request.caller, &format!("{path}{name}/"))
            });
            let name = path.branch.to_string();
            let cleanup_policy = branch.policy;
            let branch = BranchFields { name, cleanup_policy, tags: tags.map(tag_line).collect() };
            Ok(reply::json(&BranchPage { branch }))
        })
        .await
    }

    async fn set_policy(&self, request: Request, path: BranchPath) -> Result<Response, Failure> {
        self.tree.store().view()?.branch(&path)?;
        let body = body::json(request.body).await?;
        let fields = Fields::of(body, "branch", "invalid parameters")?;
        let change = PolicyChange {
            max_daily_tags: fields.number("max_daily_tags")?,
            max_released_tags: fields.number("max_released_tags")?,
        };
        self.tree.store().set_policy(path, change).await?;
        Ok(reply::empty())
    }
}

fn line((name, branch): (BranchName, Branch)) -> BranchLine {
    BranchLine {
        name: name.to_string(),
        daily_tags: branch.tags.daily(),
        released_tags: branch.tags.released,
        locked_tags: branch.tags.locked,
        stable_tags: branch.tags.stable,
        max_daily_tags: branch.policy.max_daily_tags,
        max_released_tags: branch.policy.max_released_tags,
    }
}

fn tag_line((name, tag): (TagName, Tag)) -> TagLine {
    TagLine {
        name: name.to_string(),
        timestamp: tag.created.seconds_f64(),
        released: tag.released,
        locked: tag.locked,
        stable: tag.stable,
        publish_status: tag.publish_status,
        description: tag.description,
    }
}
